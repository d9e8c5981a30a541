/* pager_impl.h - what the parts of the default pager share.
 *
 * Two threads. The main one receives every message, stores the pages it brings and notes what is
 * asked for; it may use the memory the kernel keeps in reserve, since what it does frees memory.
 * The other one (supply.c) answers the kernel's requests with ordinary memory, and waits when there
 * is none. Locks: pager.lock guards the memory objects, their contents, the store and the queue of
 * requests; no message is sent with it held. */
#ifndef PAGER_IMPL_H
#define PAGER_IMPL_H

#include <mach/port.h>
#include <mach/vm_types.h>
#include <pthread.h>

#include "object.h"
#include "store.h"

#define PAGER_PAGE STORE_BLOCK_SIZE

/* Keys: [L] pager.lock, [M] the main thread only */
struct memory_object {
    struct object contents;      /* [L] */
    struct memory_object *next;  /* [M] */
    struct memory_object **link; /* [M] what points to this one */
    mach_port_t port;            /* [M] receive right, whose payload is this address */
    mach_port_t control;         /* [M] the kernel's, MACH_PORT_NULL while it has none */
    mach_port_t name;            /* [M] the same */
    bool of_kernel;              /* [M] anonymous memory; else made for a client */
};

struct pager {
    pthread_mutex_t lock;
    mach_port_t set;     /* everything is received from here */
    mach_port_t service; /* receive right; payload PAGER_SERVICE */
    mach_port_t manager; /* receive right the kernel sends new objects to; PAGER_MANAGER */
    mach_port_t host;    /* the privileged host port */
    bool takes;          /* [M] the kernel sends pages that are not in swap yet */
    struct memory_object *objects; /* [M] all of them */
    uint32_t client_objects;       /* [M] how many were made for clients */
};

/* Payloads that are no addresses. */
#define PAGER_SERVICE 1u
#define PAGER_MANAGER 2u

extern struct pager pager;

/* paging.c: the objects, and what the kernel says about them */

/* Have the kernel send pages that are not in swap yet, or keep them. Returns: those of
 * vm_set_default_memory_manager. */
kern_return_t paging_take(bool takes);
/* A new object for a client. Returns: NULL without memory or ports, or when there are too many. */
struct memory_object *paging_create_for_client(void);
/* The message that is served came to a port of the pager's with that payload. */
bool paging_came_to(uint64_t payload);
/* A port has no send rights left. */
void paging_no_senders(uint64_t payload);

/* supply.c */

/* Start the thread that answers. Returns: false without memory. */
bool supply_start(void);
/* Answer a request for [offset, offset + length), whole pages. Refs: takes over the send right
 * `control` on true; false without memory. */
bool supply_request(const struct memory_object *object, mach_port_t control, vm_offset_t offset,
                    vm_size_t length);
/* The object ends: what was asked of it is not answered any more. Locks: pager.lock held. */
void supply_forget(const struct memory_object *object);

#endif
