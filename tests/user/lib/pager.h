/* pager.h - the pager harness: a memory object whose messages the test receives one by one and
 * answers as it likes, or not at all, and threads that touch memory meanwhile. */
#ifndef PAGER_H
#define PAGER_H

#include <mach/memory_object.h>

#include "ipc.h"

#define PAGER_PAGE 4096ul

/* What came from the kernel. */
struct pager_message {
    mach_msg_id_t id; /* 2200.. as in memory_object.defs, or PAGER_REFUSED; 0: nothing in time */
    mach_port_t control;
    mach_port_t port; /* init: the name port; copy: the new memory object */
    vm_offset_t offset;
    vm_size_t length; /* of the request, or of data; init: of a page */
    vm_prot_t access;
    uint8_t *data; /* data_return: its pages */
    bool dirty, kernel_copy;
    kern_return_t result; /* supply_completed */
    vm_offset_t error_offset;
    bool may_cache; /* change_completed */
    int copy_strategy;
};

struct pager {
    mach_port_t object;  /* receive right with a send right: the memory object */
    mach_port_t control; /* as memory_object_init brought it */
    mach_port_t name;
};

#define PAGER_REFUSED          71 /* the right to reply with was destroyed: a call was refused */
#define PAGER_INIT             2200
#define PAGER_TERMINATE        2201
#define PAGER_COPY             2202
#define PAGER_DATA_REQUEST     2203
#define PAGER_DATA_UNLOCK      2204
#define PAGER_LOCK_COMPLETED   2206
#define PAGER_SUPPLY_COMPLETED 2207
#define PAGER_DATA_RETURN      2208
#define PAGER_CHANGE_COMPLETED 2209

/* A new memory object that nobody has mapped. */
void pager_create(struct pager *pager);
/* Receive and take apart the next message on `port`; id 0 after timeout_ms. */
void pager_receive(mach_port_t port, struct pager_message *m, unsigned timeout_ms);
/* Receive the next message and check that it is of this kind. */
void pager_expect(struct pager *pager, mach_msg_id_t id, struct pager_message *m);
/* Check that nothing comes. */
void pager_expect_nothing(struct pager *pager);
/* Map the object, receive memory_object_init, say ready. Returns the address. */
uint8_t *pager_map(struct pager *pager, unsigned pages, bool may_cache, int copy_strategy);
/* vm_map of the object once more. */
uint8_t *pager_map_again(struct pager *pager, vm_offset_t offset, unsigned pages, bool copy);
/* Supply pages filled with `byte`, that move. */
void pager_supply(struct pager *pager, vm_offset_t offset, unsigned pages, int byte);
/* The same with a lock, precious or not, and with a reply to the object's port. */
void pager_supply_as(struct pager *pager, vm_offset_t offset, unsigned pages, int byte,
                     vm_prot_t lock_value, bool precious);
/* Receive the request for one page and supply it. */
void pager_answer(struct pager *pager, vm_offset_t offset, int byte);
/* lock_request with a reply to the object's port. */
void pager_lock(struct pager *pager, vm_offset_t offset, unsigned pages,
                memory_object_return_t should_return, bool flush, vm_prot_t lock_value);
/* Receive pages the kernel gives back, check which they are and give their memory back; the first
 * byte of the first page. */
int pager_expect_return(struct pager *pager, vm_offset_t offset, unsigned pages, bool dirty,
                        bool kernel_copy);
/* Receive memory_object_terminate and drop what it brings. */
void pager_expect_end(struct pager *pager);
/* Unmap the pages, the last that are mapped and none of them changed, see the object end, give it
 * up. */
void pager_end(struct pager *pager, uint8_t *at, unsigned pages);
/* Give the object and its rights up; what the kernel says of it is thrown away. */
void pager_destroy(struct pager *pager);

/* A thread that reads or writes one byte, with its own exception port: a fault nobody satisfies
 * ends the touch. */
struct toucher {
    uint8_t *at;
    bool write;
    uint8_t value;       /* read, or to write */
    unsigned timeout_ms; /* thread_set_memory_timeout */
    pthread_t thread;
    mach_port_t port;       /* the thread's */
    mach_port_t exceptions; /* receive right */
    bool done;
    kern_return_t code; /* KERN_SUCCESS, or the exception's code */
};

void toucher_start(struct toucher *toucher, uint8_t *at, bool write, int value,
                   unsigned timeout_ms);
/* Touch, answer the request for that page, and see it done. Returns the byte read or written. */
int pager_touch(struct pager *pager, uint8_t *at, bool write, int value, vm_offset_t offset,
                int supplied);
bool toucher_is_done(const struct toucher *toucher);
/* Wait for its end. Returns toucher->code. */
kern_return_t toucher_end(struct toucher *toucher);
/* Both: the code of a touch that nobody need answer. */
kern_return_t toucher_touch(uint8_t *at, bool write, int value, unsigned timeout_ms);

/* A pager that keeps its pages: a thread serves it. Page n is filled with n + 1 at first. */
struct pager_server {
    struct pager pager;
    unsigned pages;
    uint8_t *store;
    pthread_t thread;
    unsigned requests, asked; /* data_request, and the pages of all of them */
    unsigned returns, unlocks, completed;
    bool is_dead; /* answers nothing */
};

/* Start it and map all its pages. */
uint8_t *pager_server_start(struct pager_server *server, unsigned pages, bool may_cache,
                            int copy_strategy);
/* Unmap the pages, wait until the object has ended, and give it up; the store stays to be looked at.
 */
void pager_server_end(struct pager_server *server, uint8_t *at);

#endif
