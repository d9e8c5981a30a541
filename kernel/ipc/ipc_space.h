/* ipc_space.h - port name spaces: a table from names to rights.
 *
 * A name is the index of an entry in its low 24 bits and the entry's generation in the top 8, so a
 * stale name misses. The table is a reserved range of kernel addresses, committed page by page and
 * charged to the task; entries never move, and finding one is arithmetic. Lock order: space -> port
 * -> port set. */
#ifndef IPC_IPC_SPACE_H
#define IPC_IPC_SPACE_H

#include <stdbool.h>
#include <stdint.h>

#include <mach/kern_return.h>
#include <mach/port.h>

#include "ipc/ipc_hash.h"
#include "kern/atomic.h"
#include "kern/list.h"
#include "kern/spinlock.h"

struct ipc_port;
struct ipc_pset;
struct ipc_request;
struct task;

#define IPC_NAME_INDEX_BITS 24u
#define IPC_NAME_INDEX_MASK ((1u << IPC_NAME_INDEX_BITS) - 1)
#define IPC_NAME_GENERATION 0xff000000u
#define IPC_ENTRY_MAX       (1u << IPC_NAME_INDEX_BITS)

/* entry->bits: the generation where the name has it, the right's type as MACH_PORT_TYPE_* has it,
 * user references below. */
#define IPC_ENTRY_GENERATION      IPC_NAME_GENERATION
#define IPC_ENTRY_MAREQUEST       0x00200000u
#define IPC_ENTRY_TYPE            MACH_PORT_TYPE_ALL_RIGHTS
#define IPC_ENTRY_UREFS           0x0000ffffu
#define IPC_ENTRY_CLAIMED_RECEIVE 0x80000000u

/* One right. Keys: [S] space->lock */
struct ipc_entry {
    union {
        struct ipc_port *port; /* [S] owns one reference, whatever the number of user references */
        struct ipc_pset *pset; /* [S] */
    };
    uint32_t bits;    /* [S] IPC_ENTRY_*; type 0 is a free entry */
    uint32_t next;    /* [S] in use: hash chain; free: list of free entries (0 ends) */
    uint32_t prev;    /* [S] */
    uint32_t claimed; /* [S] user references a message being copied in has counted on; 0 whenever
                         the lock is free */
    struct ipc_request *request; /* [S] dead-name request; meaningless once the port is dead, but
                                    for being NULL or not */
};

_Static_assert(sizeof(struct ipc_entry) == 32,
               "the table of a space fills its slot of 512 MiB exactly");

/* Keys: [L] this->lock, [I] immutable after create, [a] atomic, [G] lock of the list of spaces */
struct ipc_space {
    struct spinlock lock;    /* SPACE */
    uint32_t refs;           /* [a] */
    bool active;             /* [L] false once being destroyed: no right goes in or out */
    struct task *task;       /* [I] borrowed; valid while active */
    struct ipc_entry *table; /* [I] */
    uint32_t committed;      /* [L] entries below this have memory */
    uint32_t high_water;   /* [L] entries from here on are on no list and were not yet given out by
                              ipc_space_entry_alloc */
    uint32_t free_head;    /* [L] freed entries below high_water, last freed first; 0 for none */
    uint32_t name_charged; /* [L] names charged to the ledger: in use, and */
    uint32_t name_credit;  /* [L]   not in use */
    mach_port_name_t self_name; /* [L] written, [a] read; a name of the send right to the task's own
                                   port, found by kern/ipc_tt.c, or 0 */
    uint32_t page_count;        /* [L] pages charged to the ledger */
    uint8_t *sparse;      /* [L] bitmap of table pages with memory beyond `committed`, NULL until a
                             chosen name needs one */
    struct ipc_hash hash; /* [L] from a port to the entry with its send right */
    struct list *marequests; /* [L] msg-accepted requests by name, NULL until the first */
    struct list link;        /* [G] all spaces */
};

/* The holder of the receive rights of kernel objects. Has no table. */
extern struct ipc_space ipc_space_kernel;

void ipc_space_init(void);

/* A new empty space of the task; table pages, names and ports are charged to the task's ledger.
 * Refs: caller owns one. Returns: KERN_SUCCESS, KERN_RESOURCE_SHORTAGE. */
kern_return_t ipc_space_create(struct task *task, struct ipc_space **space);
/* Give every right in the space back; no call succeeds on it afterwards. The memory goes with the
 * last reference. Locks: none held. Sleeps: may be preempted for long. */
void ipc_space_destroy(struct ipc_space *space);
void ipc_space_ref(struct ipc_space *space);
void ipc_space_unref(struct ipc_space *space);

/* The entry at an index if the table has memory there, free or not; else NULL. */
struct ipc_entry *ipc_space_entry_at(struct ipc_space *space, uint32_t index);

/* Is this the entry the name denotes? Not when it is free, or its generation another. */
static inline bool ipc_space_entry_is(const struct ipc_entry *entry, mach_port_name_t name)
{
    return ((entry->bits ^ name) & IPC_ENTRY_GENERATION) == 0 &&
           (entry->bits & IPC_ENTRY_TYPE) != 0;
}

/* As ipc_space_lookup for the names of most spaces, all those below `committed`; NULL says nothing.
 * Inline, as every message looks up several. */
static inline struct ipc_entry *ipc_space_lookup_near(struct ipc_space *space,
                                                      mach_port_name_t name)
{
    uint32_t index = name & IPC_NAME_INDEX_MASK;
    struct ipc_entry *entry = &space->table[index];

    return index < atomic_load_acquire(&space->committed) && ipc_space_entry_is(entry, name) ? entry
                                                                                             : NULL;
}

/* The same for any name. */
struct ipc_entry *ipc_space_lookup_far(struct ipc_space *space, mach_port_name_t name);

/* The entry a name denotes, or NULL. Locks: space->lock held for what the entry holds to stay. */
static inline struct ipc_entry *ipc_space_lookup(struct ipc_space *space, mach_port_name_t name)
{
    struct ipc_entry *entry = ipc_space_lookup_near(space, name);

    return __builtin_expect(entry != NULL, 1) ? entry : ipc_space_lookup_far(space, name);
}

/* Is it known that the name is one of a send right to the port of the space's own task? Locks:
 * none, in a thread of that task. */
static inline bool ipc_space_names_own_task(const struct ipc_space *space, mach_port_name_t name)
{
    return name != MACH_PORT_NAME_NULL && name == atomic_load(&space->self_name);
}

/* Names in use. */
static inline uint32_t ipc_space_name_count(const struct ipc_space *space)
{
    return space->name_charged - space->name_credit;
}

uint32_t ipc_space_index(const struct ipc_space *space, const struct ipc_entry *entry);
mach_port_name_t ipc_space_name(const struct ipc_space *space, const struct ipc_entry *entry);

/* Take a free entry. Its bits hold the generation only; the caller fills it before it releases the
 * lock. Locks: space->lock held, space active. Sleeps: no. Returns: KERN_SUCCESS, KERN_NO_SPACE
 * (limit of names), KERN_RESOURCE_SHORTAGE. */
kern_return_t ipc_space_entry_alloc(struct ipc_space *space, mach_port_name_t *name,
                                    struct ipc_entry **entry) REQUIRES(space->lock);
/* Take the entry of a chosen name.
 * Returns: KERN_SUCCESS, KERN_NAME_EXISTS, KERN_NO_SPACE (its index is held by another name or
 * never used), KERN_RESOURCE_SHORTAGE. */
kern_return_t ipc_space_entry_alloc_name(struct ipc_space *space, mach_port_name_t name,
                                         struct ipc_entry **entry) REQUIRES(space->lock);
/* The entry is free again under the next generation. The caller has taken out what it held. */
void ipc_space_entry_free(struct ipc_space *space, struct ipc_entry *entry) REQUIRES(space->lock);
/* First index >= `index` that may be in use, or IPC_ENTRY_MAX: skips what has no memory. For walks.
 */
uint32_t ipc_space_next_index(struct ipc_space *space, uint32_t index);

/* Take a right out of the space as `disposition` says (MACH_MSG_TYPE_*), for kernel calls.
 * Refs: *port is a right of the type ipc_right_type(disposition) makes of it, owned by the caller;
 * IP_DEAD when the right is dead. Returns: KERN_SUCCESS, KERN_INVALID_TASK, KERN_INVALID_NAME,
 * KERN_INVALID_RIGHT, KERN_INVALID_VALUE (disposition). */
kern_return_t ipc_space_copyin_right(struct ipc_space *space, mach_port_name_t name,
                                     uint32_t disposition, struct ipc_port **port);
/* Put a right (PORT_RECEIVE, PORT_SEND, PORT_SEND_ONCE) into the space. IP_NULL and dead ports
 * become the names 0 and MACH_PORT_NAME_DEAD. Refs: the right is consumed always (destroyed when it
 * did not fit). Returns: KERN_SUCCESS, KERN_INVALID_TASK, KERN_NO_SPACE, KERN_RESOURCE_SHORTAGE;
 * *name is MACH_PORT_NAME_NULL on error. */
kern_return_t ipc_space_copyout_right(struct ipc_space *space, struct ipc_port *port, uint32_t type,
                                      mach_port_name_t *name);
/* Call visit for every space, the list's lock held. For checks with the system at rest. */
void ipc_space_foreach(void (*visit)(struct ipc_space *, void *), void *argument);

#endif
