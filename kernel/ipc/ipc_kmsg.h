/* ipc_kmsg.h - a message held by the kernel: header and body as they lie in user space, and beside
 * them a table of the rights and memory in it.
 *
 * No kernel pointer ever lies in the body: a port slot (8 bytes) or an out-of-line pointer holds an
 * index into the table, plus one. Zero is a null port or empty memory, IPC_KMSG_SLOT_DEAD a dead
 * port. Type names are PORT_RECEIVE, PORT_SEND or PORT_SEND_ONCE. */
#ifndef IPC_IPC_KMSG_H
#define IPC_IPC_KMSG_H

#include <stdbool.h>
#include <stdint.h>

#include <mach/message.h>

#include "kern/list.h"

struct ipc_marequest;
struct ipc_port;
struct task;
struct vm_copy;

#define IPC_KMSG_SLOT_NULL 0ull
#define IPC_KMSG_SLOT_DEAD 0xffffffffull
#define IPC_KMSG_SIZE_MAX  (16u << 20)
#define IPC_KMSG_FEW_SLOTS 4u

enum ipc_kmsg_slot_kind {
    IPC_SLOT_EMPTY,     /* consumed, or nothing came of it */
    IPC_SLOT_PORT,      /* object: a port; type: which right */
    IPC_SLOT_OOL,       /* object: a vm_copy */
    IPC_SLOT_OOL_PORTS, /* object: kalloc'd array of `count` ports; type: which right */
    IPC_SLOT_NAME,      /* while being copied in: object is a name, type a disposition */
    IPC_SLOT_OOL_NAMES, /* while being copied in: an array of names in the room of pointers, type a
                           disposition */
    IPC_SLOT_MEMORY,    /* while being copied in: memory not yet taken, object is its address */
};

struct ipc_kmsg_slot {
    void *object;
    uint32_t count;  /* of memory from user space: not 0 when it leaves the sender */
    uint32_t offset; /* in the message, of the right or pointer, once kmsg->located; 0: nowhere */
    uint8_t kind;    /* enum ipc_kmsg_slot_kind */
    uint8_t type;
};

/* A kmsg has one owner at a time; in a queue it is guarded by the port's lock. */
struct ipc_kmsg {
    struct list link;        /* in a port's queue or on a list of messages to destroy */
    struct ipc_port *remote; /* destination: a right */
    struct ipc_port *local;  /* reply: a right */
    struct ipc_kmsg_slot *slots;
    uint32_t slot_count;
    uint32_t slot_max;
    uint32_t room; /* bytes there are for header and body */
    uint8_t size_class;
    bool from_kernel; /* the kernel speaks on its own: not a reply to something a user sent */
    bool
        delivered; /* its receiver has it: the destination right is used up, not destroyed unused */
    bool located;  /* the slots know where in the message they stand */
    bool circular; /* would put a port into its own queue: destroy instead of sending */
    uint32_t trace_cause; /* of what sent it (trace.h); 0: nothing */
    struct task *charged; /* whose ledger it is on while queued, with a reference, or NULL */
    struct ipc_marequest *marequest;
    struct ipc_kmsg_slot few[IPC_KMSG_FEW_SLOTS];
    mach_msg_header_t header; /* last: the body follows */
};

void ipc_kmsg_init(void);
uint64_t ipc_kmsg_live_count(void);

/* --- life --- */

/* A zeroed message of msg_size bytes (header included) with room for max_slots rights and regions,
 * from the kernel. Sleeps: no. Returns: NULL when out of memory. */
struct ipc_kmsg *ipc_kmsg_alloc(uint32_t msg_size, uint32_t max_slots);
/* As ipc_kmsg_alloc with the body not cleared and no slots beyond IPC_KMSG_FEW_SLOTS, for a message
 * from user space. */
struct ipc_kmsg *ipc_kmsg_alloc_user(uint32_t msg_size);
/* The same, if this processor has one at hand, else NULL: with interrupts off. msg_size is a
 * multiple of 8. */
struct ipc_kmsg *ipc_kmsg_alloc_at_hand(uint32_t msg_size);
/* Make room for at least `count` slots in all. False when out of memory. */
bool ipc_kmsg_reserve_slots(struct ipc_kmsg *kmsg, uint32_t count);
/* Destroy it with all rights and memory still in it. Never recursive: messages that lie in queues
 * of ports that die on the way are destroyed one after the other. Locks: none held. Not from
 * interrupts. */
void ipc_kmsg_destroy(struct ipc_kmsg *kmsg);
/* The same for a list of messages taken from a queue. */
void ipc_kmsg_destroy_list(struct list *messages);
/* Free the buffer; rights and memory have been taken over. Credits the ledger. */
void ipc_kmsg_free(struct ipc_kmsg *kmsg);
/* Destroy the reply right, the rights and the memory in it, but not the destination. */
void ipc_kmsg_destroy_contents(struct ipc_kmsg *kmsg);
/* Charge it to the task that queues it. False over the limit. */
bool ipc_kmsg_charge(struct ipc_kmsg *kmsg, struct task *task);
void ipc_kmsg_credit(struct ipc_kmsg *kmsg);

/* --- header --- */

/* Begin a message that holds nothing, on the stack of who serves it: what stubs look at, but for
 * the slots, which are written as they are taken, the body, and the rest of the header. `room` is
 * what there is for header and body. */
void ipc_kmsg_setup(struct ipc_kmsg *kmsg, uint32_t room);

/* Not inline: the compiler must not know how little of the message is in the structure. */
mach_msg_header_t *ipc_kmsg_header(struct ipc_kmsg *kmsg);

/* Was it made by the kernel on its own? User-sent notifications must have no effect on kernel
 * objects, nor replies of one kernel object that a user has sent to another. */
static inline bool ipc_kmsg_is_from_kernel(const struct ipc_kmsg *kmsg)
{
    return kmsg->from_kernel;
}

/* Refs: borrowed. */
static inline struct ipc_port *ipc_kmsg_remote(struct ipc_kmsg *kmsg)
{
    return kmsg->remote;
}

static inline struct ipc_port *ipc_kmsg_local(struct ipc_kmsg *kmsg)
{
    return kmsg->local;
}

/* Set the right a message goes to, or replies come to. Refs: the right is taken over. `disposition`
 * is PORT_SEND or PORT_SEND_ONCE, 0 for none. */
static inline void ipc_kmsg_set_remote(struct ipc_kmsg *kmsg, struct ipc_port *port,
                                       unsigned disposition)
{
    kmsg->remote = port;
    kmsg->header.msgh_bits = (kmsg->header.msgh_bits & ~MACH_MSGH_BITS_REMOTE_MASK) | disposition;
}

static inline void ipc_kmsg_set_local(struct ipc_kmsg *kmsg, struct ipc_port *port,
                                      unsigned disposition)
{
    kmsg->local = port;
    kmsg->header.msgh_bits =
        (kmsg->header.msgh_bits & ~MACH_MSGH_BITS_LOCAL_MASK) | (disposition << 8);
}

/* Take the reply right out: the caller owns it; *type is PORT_SEND, PORT_SEND_ONCE or 0. */
static inline struct ipc_port *ipc_kmsg_take_local(struct ipc_kmsg *kmsg, unsigned *type)
{
    struct ipc_port *local = kmsg->local;

    *type = MACH_MSGH_BITS_LOCAL(kmsg->header.msgh_bits);
    ipc_kmsg_set_local(kmsg, NULL, 0);
    return local;
}

/* --- what the slots of the body hold --- */

/* Refs: borrowed; IP_NULL and IP_DEAD are possible. A slot value that is out of range or of another
 * kind gives IP_NULL or NULL. */
struct ipc_port *ipc_kmsg_port(struct ipc_kmsg *kmsg, uint64_t slot);
struct vm_copy *ipc_kmsg_ool(struct ipc_kmsg *kmsg, uint64_t slot);
struct ipc_port **ipc_kmsg_ool_ports(struct ipc_kmsg *kmsg, uint64_t slot);
/* The routine took over what the slot held. (Of an array of ports: the array too, to kfree(array,
 * count * 8).) */
void ipc_kmsg_consume(struct ipc_kmsg *kmsg, uint64_t slot);
/* Put something in; returns the slot value for the body. Refs: taken over. */
uint64_t ipc_kmsg_put_port(struct ipc_kmsg *kmsg, struct ipc_port *port, unsigned type);
uint64_t ipc_kmsg_put_ool(struct ipc_kmsg *kmsg, struct vm_copy *copy);
uint64_t ipc_kmsg_put_ool_ports(struct ipc_kmsg *kmsg, struct ipc_port **array, uint32_t count,
                                unsigned type);

/* Where in the message a slot of a located message stands, and the descriptor before it. */
static inline uint64_t *ipc_kmsg_slot_place(struct ipc_kmsg *kmsg, const struct ipc_kmsg_slot *slot)
{
    return (uint64_t *)((char *)&kmsg->header + slot->offset);
}

static inline const mach_msg_type_t *ipc_kmsg_slot_type(struct ipc_kmsg *kmsg,
                                                        const struct ipc_kmsg_slot *slot)
{
    return (const mach_msg_type_t *)(ipc_kmsg_slot_place(kmsg, slot) - 1);
}

/* Write a slot value at its place in the body. When all of a message's have been:
 * ipc_kmsg_placed().
 */
static inline void ipc_kmsg_place(struct ipc_kmsg *kmsg, void *place, uint64_t slot)
{
    *(uint64_t *)place = slot;
    if (slot - 1 < kmsg->slot_count) {
        kmsg->slots[slot - 1].offset = (uint32_t)((char *)place - (char *)&kmsg->header);
    }
}

static inline void ipc_kmsg_placed(struct ipc_kmsg *kmsg)
{
    kmsg->located = true;
}

/* Find out where the slots of a message made by the kernel stand: one that stands nowhere keeps the
 * offset 0, and what stands in the message for no slot becomes 0. */
void ipc_kmsg_locate(struct ipc_kmsg *kmsg);

/* --- sending --- */

/* Queue a message made by the kernel, whatever the queue limit; a kernel destination is served at
 * once. Refs: consumes it always. Locks: none held. Sleeps: only when it carries a receive right or
 * goes to a kernel port. Returns: KERN_SUCCESS, MACH_SEND_INVALID_DEST (no destination, or it is
 * dead: the message was destroyed). */
kern_return_t ipc_kmsg_send_kernel(struct ipc_kmsg *kmsg);
/* Send a message made by the kernel for the current thread as one of its own: charged to its task,
 * and waiting for room in the queue up to timeout_ms. Refs: consumes it always. Locks: none held.
 * Sleeps: yes. Returns: KERN_SUCCESS, MACH_SEND_INVALID_DEST, MACH_SEND_TIMED_OUT (also when the
 * task is over its limit), MACH_SEND_INTERRUPTED. */
kern_return_t ipc_kmsg_send_timeout(struct ipc_kmsg *kmsg, uint32_t timeout_ms);
/* Have the kernel object a message was sent to serve it. Refs: consumes kmsg; the reply (or NULL)
 * is the caller's. Locks: none held. Sleeps: yes. */
struct ipc_kmsg *ipc_kmsg_serve(struct ipc_kmsg *kmsg);
/* Mark the receive rights in the message as on their way to its destination; sets kmsg->circular.
 * Sleeps: if there are any. */
void ipc_kmsg_set_in_transit(struct ipc_kmsg *kmsg);

#endif
