/* puppet.h - the pager harness: a memory object whose messages the test receives one by one and
 * answers as it likes, or not at all, and threads that touch memory meanwhile. */
#ifndef PUPPET_H
#define PUPPET_H

#include <mach/memory_object.h>

#include "ipc.h"

#define PUPPET_PAGE 4096ul

/* What came from the kernel. */
struct puppet_message {
    mach_msg_id_t id; /* 2200.. as in memory_object.defs, or PUPPET_REFUSED; 0: nothing in time */
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

struct puppet {
    mach_port_t object;  /* receive right with a send right: the memory object */
    mach_port_t control; /* as memory_object_init brought it */
    mach_port_t name;
};

#define PUPPET_REFUSED          71 /* the right to reply with was destroyed: a call was refused */
#define PUPPET_INIT             2200
#define PUPPET_TERMINATE        2201
#define PUPPET_COPY             2202
#define PUPPET_DATA_REQUEST     2203
#define PUPPET_DATA_UNLOCK      2204
#define PUPPET_LOCK_COMPLETED   2206
#define PUPPET_SUPPLY_COMPLETED 2207
#define PUPPET_DATA_RETURN      2208
#define PUPPET_CHANGE_COMPLETED 2209

/* A new memory object that nobody has mapped. */
void puppet_create(struct puppet *pager);
/* Receive and take apart the next message on `port`; id 0 after timeout_ms. */
void puppet_receive(mach_port_t port, struct puppet_message *m, unsigned timeout_ms);
/* Receive the next message and check that it is of this kind. */
void puppet_expect(struct puppet *pager, mach_msg_id_t id, struct puppet_message *m);
/* Check that nothing comes. */
void puppet_expect_nothing(struct puppet *pager);
/* Map the object, receive memory_object_init, say ready. Returns the address. */
uint8_t *puppet_map(struct puppet *pager, unsigned pages, bool may_cache, int copy_strategy);
/* vm_map of the object once more. */
uint8_t *puppet_map_again(struct puppet *pager, vm_offset_t offset, unsigned pages, bool copy);
/* Supply pages filled with `byte`, that move. */
void puppet_supply(struct puppet *pager, vm_offset_t offset, unsigned pages, int byte);
/* The same with a lock, precious or not, and with a reply to the object's port. */
void puppet_supply_as(struct puppet *pager, vm_offset_t offset, unsigned pages, int byte,
                      vm_prot_t lock_value, bool precious);
/* Receive the request for one page and supply it. */
void puppet_answer(struct puppet *pager, vm_offset_t offset, int byte);
/* lock_request with a reply to the object's port. */
void puppet_lock(struct puppet *pager, vm_offset_t offset, unsigned pages,
                 memory_object_return_t should_return, bool flush, vm_prot_t lock_value);
/* Receive pages the kernel gives back, check which they are and give their memory back; the first
 * byte of the first page. */
int puppet_expect_return(struct puppet *pager, vm_offset_t offset, unsigned pages, bool dirty,
                         bool kernel_copy);
/* Receive memory_object_terminate and drop what it brings. */
void puppet_expect_end(struct puppet *pager);
/* Unmap the pages, the last that are mapped and none of them changed, see the object end, give it
 * up. */
void puppet_end(struct puppet *pager, uint8_t *at, unsigned pages);
/* Give the object and its rights up; what the kernel says of it is thrown away. */
void puppet_destroy(struct puppet *pager);

/* A thread that reads or writes one byte, with its own exception port: a fault nobody satisfies
 * ends the touch. */
struct toucher {
    uint8_t *at;
    const uint8_t *before; /* read first, if not NULL; then it waits until `go` */
    bool go;
    bool write;
    uint8_t value;       /* read, or to write */
    unsigned timeout_ms; /* thread_set_memory_timeout */
    pthread_t thread;
    mach_port_t port;       /* the thread's */
    mach_port_t exceptions; /* receive right */
    bool done;
    kern_return_t code; /* KERN_SUCCESS, or the exception's code */
    uint64_t subcode;
};

void toucher_start(struct toucher *toucher, uint8_t *at, bool write, int value,
                   unsigned timeout_ms);
/* The same, but it reads `before` first, whose page the pager is then asked for and supplies, and
 * waits for toucher_go(): a thread that has waited for a pager asks the short way. */
void toucher_start_after(struct toucher *toucher, struct puppet *pager, const uint8_t *before,
                         uint8_t *at, bool write, int value, unsigned timeout_ms);
void toucher_go(struct toucher *toucher);
/* Touch, answer the request for that page, and see it done. Returns the byte read or written. */
int puppet_touch(struct puppet *pager, uint8_t *at, bool write, int value, vm_offset_t offset,
                 int supplied);
bool toucher_is_done(const struct toucher *toucher);
/* Wait for its end. Returns toucher->code. */
kern_return_t toucher_end(struct toucher *toucher);
/* Both: the code of a touch that nobody need answer. */
kern_return_t toucher_touch(uint8_t *at, bool write, int value, unsigned timeout_ms);

/* A pager that keeps its pages: a thread serves it. Page n is filled with n + 1 at first. */
struct puppet_server {
    struct puppet pager;
    unsigned pages;
    uint8_t *store;
    pthread_t thread;
    unsigned requests, asked; /* data_request, and the pages of all of them */
    unsigned returns, unlocks, completed;
    bool is_dead; /* answers nothing */
};

/* Start it and map all its pages. */
uint8_t *puppet_server_start(struct puppet_server *server, unsigned pages, bool may_cache,
                             int copy_strategy);
/* Unmap the pages, wait until the object has ended, and give it up; the store stays to be looked
 * at.
 */
void puppet_server_end(struct puppet_server *server, uint8_t *at);

#endif
