/* hypercall.h - what a guest asks of its monitor by mach/hypercall.h: console, time, disks, memory.
 *
 * Called with the machine's lock held, but for the work on a disk's request. */
#ifndef VMM_HYPERCALL_H
#define VMM_HYPERCALL_H

#include <mach/hypercall.h>
#include <stdbool.h>

#include "clock.h"
#include "memory.h"
#include "msix.h"
#include "power.h"
#include "tty.h"
#include "virtio_blk.h"

#define HYPERCALL_DISKS_MAX 4u

/* What the machine around it does. Any of them may be NULL: then there are no such calls. */
struct hypercall_ops {
    msix_send_function *send;       /* to local APICs */
    void (*written)(void *context); /* the console has output */
    void (*wake)(void *context);    /* a disk has a request */
    uint64_t (*time_of_day)(void *context);
    /* Pages inside the memory. Returns: the answer. */
    uint64_t (*give)(void *context, uint64_t page, uint64_t count);
    power_function *power_off;
};

/* A request under way. */
struct hypercall_request {
    struct hypercall_block block; /* as it was read, once, without HYPERCALL_BLOCK_LIST */
    uint8_t *status;              /* in the guest's memory */
    struct virtio_chain data;     /* pieces beside each other are one */
};

struct hypercall {
    const struct hypercall_ops *ops;
    void *context;
    const struct memory *memory;
    struct clock *clock;
    struct tty *tty;
    const struct virtio_blk_store *disks[HYPERCALL_DISKS_MAX];
    struct clock_timer timer;
    uint8_t vectors[HYPERCALL_EVENT_KINDS]; /* 0: none */
    bool has_console; /* the guest reads what is typed by calls: it is for nobody else */
    uint32_t targets[HYPERCALL_EVENT_KINDS];
    uint32_t events;
    uint64_t balloon; /* pages that the monitor would like to have */
    uint64_t given;   /* that it has, as far as the guest says so */
    bool has_balloon; /* the guest has asked for the number above: it can be asked for pages */
    unsigned first;   /* requests first .. first + count, round the end, wait or are done */
    unsigned count;
    bool is_working; /* on the first */
    struct hypercall_request requests[HYPERCALL_BLOCK_REQUESTS];
};

void hypercall_init(struct hypercall *h, const struct hypercall_ops *ops, void *context,
                    const struct memory *memory, struct clock *clock, struct tty *tty);
/* Do it. arguments: RBX, RCX, RDX. Returns: RAX. */
uint64_t hypercall_do(struct hypercall *h, uint64_t number, const uint64_t arguments[3]);
/* Something was typed and waits in the tty. */
void hypercall_typed(struct hypercall *h);
/* The monitor would like so many pages back, all in all. A guest that has no balloon does not care.
 */
void hypercall_set_balloon(struct hypercall *h, uint64_t pages);

/* The next request of a disk, to be done by a thread that may wait. False: there is none, or one is
 * being done. */
bool hypercall_block_take(struct hypercall *h, struct hypercall_request *request);
/* Do it. The only one of these that is called without the lock. Returns: did it work? */
bool hypercall_block_do(const struct hypercall *h, const struct hypercall_request *request);
/* Tell the guest. */
void hypercall_block_finish(struct hypercall *h, const struct hypercall_request *request,
                            bool is_done);

#endif
