/* ipc_right.h - the state machine of the rights in an entry.
 *
 *   type          urefs     object          found by
 *   SEND          1..0xffff port            hash of the space
 *   RECEIVE       0         port            port->receiver_name
 *   SEND|RECEIVE  1..0xffff port            port->receiver_name
 *   SEND_ONCE     1         port            name only: each has its own
 *   PORT_SET      0         set             name only
 *   DEAD_NAME     1..0xffff none            name only
 *
 * A send or send-once right whose port has died is seen as a dead name by whoever looks next
 * (ipc_right_check). */
#ifndef IPC_IPC_RIGHT_H
#define IPC_IPC_RIGHT_H

#include <stdbool.h>
#include <stdint.h>

#include <mach/kern_return.h>
#include <mach/message.h>
#include <mach/port.h>

#include "ipc/ipc_port.h"
#include "ipc/ipc_space.h"
#include "kern/list.h"

/* Requests of names that have gone, to be told once no lock is held. */
struct ipc_right_cleanup {
    struct list requests;    /* struct ipc_request */
    struct ipc_port *silent; /* a dead-name request to this port is dropped without port-deleted
                                (MACH_SEND_CANCEL) */
};

static inline void ipc_right_cleanup_init(struct ipc_right_cleanup *cleanup)
{
    list_init(&cleanup->requests);
    cleanup->silent = NULL;
}

/* Send port-deleted for each. Locks: none held. */
void ipc_right_cleanup_tell(struct ipc_right_cleanup *cleanup);
/* The same, quick when there are none. */
static inline void ipc_right_cleanup_run(struct ipc_right_cleanup *cleanup)
{
    if (__builtin_expect(!list_empty(&cleanup->requests), 0)) {
        ipc_right_cleanup_tell(cleanup);
    }
}

/* Is this a right other than the receive right, of a port that has died? `active` goes one way and
 * is only an answer for this moment with the port's lock held, too: so it is read without. The
 * entry's reference keeps the port. Locks: space->lock held. */
static inline bool ipc_right_has_died(const struct ipc_entry *entry)
{
    return (entry->bits & MACH_PORT_TYPE_SEND_RIGHTS) != 0 &&
           (entry->bits & MACH_PORT_TYPE_RECEIVE) == 0 &&
           !atomic_load_acquire(&entry->port->active);
}

/* Turn such a right into a dead name. */
void ipc_right_make_dead(struct ipc_space *space, struct ipc_entry *entry) REQUIRES(space->lock);

static inline void ipc_right_check(struct ipc_space *space, struct ipc_entry *entry)
    REQUIRES(space->lock)
{
    if (__builtin_expect(ipc_right_has_died(entry), 0)) {
        ipc_right_make_dead(space, entry);
    }
}

/* Look a name up and check it. Locks: space->lock held. Returns: NULL for no right. */
static inline struct ipc_entry *ipc_right_lookup(struct ipc_space *space, mach_port_name_t name)
    REQUIRES(space->lock)
{
    struct ipc_entry *entry = ipc_space_lookup(space, name);

    if (entry != NULL) {
        ipc_right_check(space, entry);
    }
    return entry;
}

/* The entry in which the space holds a send or receive right for the port, or NULL. Locks:
 * space->lock held, no port's. */
struct ipc_entry *ipc_right_find(struct ipc_space *space, struct ipc_port *port);
/* What a right becomes in the kernel's hands: PORT_RECEIVE, PORT_SEND or PORT_SEND_ONCE. */
static inline uint32_t ipc_right_type(uint32_t disposition)
{
    switch (disposition) {
    case MACH_MSG_TYPE_MOVE_RECEIVE:
        return MACH_MSG_TYPE_PORT_RECEIVE;
    case MACH_MSG_TYPE_MOVE_SEND_ONCE:
    case MACH_MSG_TYPE_MAKE_SEND_ONCE:
        return MACH_MSG_TYPE_PORT_SEND_ONCE;
    default:
        return MACH_MSG_TYPE_PORT_SEND;
    }
}

/* --- into the kernel and out of it --- */

/* Could this right be taken out as `disposition` says, after all that were checked since the lock
 * was taken? A right to be moved is counted in entry->claimed: every check that succeeded must be
 * followed by ipc_right_copyin or ipc_right_unclaim before the lock is released. Returns:
 * KERN_SUCCESS, KERN_INVALID_NAME, KERN_INVALID_RIGHT (also for a dead name without dead_ok). */
kern_return_t ipc_right_copyin_check(struct ipc_space *space, mach_port_name_t name,
                                     uint32_t disposition, bool dead_ok) REQUIRES(space->lock);
void ipc_right_unclaim(struct ipc_space *space, mach_port_name_t name);
/* Take it out; cannot fail after its check. *port is IP_DEAD for a dead name. A moved receive right
 * still has its set, waiting threads and counts: the caller does ipc_port_clear_receiver once the
 * lock is released. */
void ipc_right_copyin(struct ipc_space *space, mach_port_name_t name, uint32_t disposition,
                      struct ipc_port **port, struct ipc_right_cleanup *cleanup)
    REQUIRES(space->lock);
/* Put a right in, under the name the space has for the port or a new one. With `pegged` a full
 * count of user references stays full. Refs: consumes the right on success. Locks: space->lock
 * held, space active. Returns: KERN_SUCCESS, KERN_INVALID_CAPABILITY (port is dead),
 * KERN_UREFS_OVERFLOW, KERN_NO_SPACE, KERN_RESOURCE_SHORTAGE. */
kern_return_t ipc_right_copyout(struct ipc_space *space, struct ipc_port *port, uint32_t type,
                                bool pegged, mach_port_name_t *name) REQUIRES(space->lock);
/* The same under a chosen name. Also returns: KERN_NAME_EXISTS, KERN_RIGHT_EXISTS. */
kern_return_t ipc_right_copyout_name(struct ipc_space *space, struct ipc_port *port, uint32_t type,
                                     mach_port_name_t name) REQUIRES(space->lock);
/* Give an empty entry a receive right of a new port, whose reference goes to the entry. */
void ipc_right_set_receive(struct ipc_space *space, struct ipc_entry *entry, struct ipc_port *port);

/* --- operations on a name; space->lock held on entry, released on return --- */

/* Drop one user reference. Returns: KERN_SUCCESS, KERN_INVALID_RIGHT. */
kern_return_t ipc_right_dealloc(struct ipc_space *space, struct ipc_entry *entry)
    RELEASES(space->lock);
/* Drop all rights under the name. Returns: KERN_SUCCESS. */
kern_return_t ipc_right_destroy(struct ipc_space *space, struct ipc_entry *entry)
    RELEASES(space->lock);
/* Returns: KERN_SUCCESS, KERN_INVALID_RIGHT, KERN_INVALID_VALUE, KERN_UREFS_OVERFLOW. */
kern_return_t ipc_right_delta(struct ipc_space *space, struct ipc_entry *entry,
                              mach_port_right_t right, mach_port_delta_t delta)
    RELEASES(space->lock);
/* Register, replace (or with IP_NULL cancel) a dead-name request. Refs: takes over notify on
 * success. Returns: KERN_SUCCESS, KERN_INVALID_RIGHT, KERN_INVALID_ARGUMENT (dead),
 * KERN_UREFS_OVERFLOW, KERN_RESOURCE_SHORTAGE. */
kern_return_t ipc_right_dnrequest(struct ipc_space *space, struct ipc_entry *entry, bool immediate,
                                  struct ipc_port *notify, struct ipc_port **previous)
    RELEASES(space->lock);
/* Type bits (requests included) and user references of an entry that has been checked. Locks:
 * space->lock held. */
void ipc_right_info(struct ipc_space *space, struct ipc_entry *entry, mach_port_type_t *type,
                    mach_port_urefs_t *urefs) REQUIRES(space->lock);
/* Move what `entry` holds into the fresh entry `to`. Locks: space->lock held. */
void ipc_right_rename(struct ipc_space *space, struct ipc_entry *entry, struct ipc_entry *to)
    REQUIRES(space->lock);
/* Drop all rights in an entry of a space that is being destroyed; free entries are left alone.
 * Locks: none held. */
void ipc_right_clean(struct ipc_space *space, struct ipc_entry *entry);

#endif
