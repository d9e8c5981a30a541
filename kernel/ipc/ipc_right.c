/* ipc_right.c - rights in entries: what a name is now, taking rights out and putting them in. See
 * ipc_right.h. */
#include "ipc/ipc_right.h"

#include "ipc/ipc_hash.h"
#include "ipc/ipc_marequest.h"
#include "ipc/ipc_notify.h"
#include "ipc/ipc_port.h"
#include "ipc/ipc_pset.h"
#include "ipc/ipc_right_impl.h"
#include "kern/assert.h"
#include "kern/atomic.h"
#include "kern/printf.h"

/* --- requests of names that go --- */

void ipc_right_cleanup_tell(struct ipc_right_cleanup *cleanup)
{
    struct list *node;

    while ((node = list_pop(&cleanup->requests)) != NULL) {
        struct ipc_request *request = list_entry(node, struct ipc_request, link);

        if (cleanup->silent != IP_NULL && request->notify == cleanup->silent) {
            ipc_port_release_sonce(request->notify);
        } else {
            ipc_notify_port_deleted(request->notify, request->name);
        }
        ipc_port_request_free(request);
    }
}

void ipc_right_drop_requests(struct ipc_space *space, struct ipc_entry *entry,
                             struct ipc_right_cleanup *cleanup)
{
    struct ipc_request *request = entry->request;

    if (request != NULL) {
        struct ipc_port *port = entry->port;

        spin_lock(&port->lock);
        if (port->active) {
            ipc_port_dncancel(port, request);
            list_insert_tail(&cleanup->requests, &request->link);
        }
        spin_unlock(&port->lock);
        entry->request = NULL;
    }
    if ((entry->bits & IPC_ENTRY_MAREQUEST) != 0) {
        request = ipc_marequest_cancel(space, ipc_space_name(space, entry));
        entry->bits &= ~IPC_ENTRY_MAREQUEST;
        list_insert_tail(&cleanup->requests, &request->link);
    }
}

/* --- what a name is now --- */

void ipc_right_make_dead(struct ipc_space *space, struct ipc_entry *entry)
{
    struct ipc_port *port = entry->port;
    uint32_t urefs = entry->bits & IPC_ENTRY_UREFS;

    if ((entry->bits & MACH_PORT_TYPE_SEND) != 0) {
        ipc_hash_remove(space, entry);
    }
    /* The dead-name notification that was sent carries a user reference. */
    if (entry->request != NULL && urefs < MACH_PORT_UREFS_MAX) {
        urefs += 1;
    }
    entry->request = NULL;
    entry->port = NULL;
    entry->bits = (entry->bits & (IPC_ENTRY_GENERATION | IPC_ENTRY_MAREQUEST)) |
                  MACH_PORT_TYPE_DEAD_NAME | urefs;
    ipc_port_unref(port);
}

/* The entry of an active port the space holds a send or receive right for. Locks: space's and
 * port's held. */
static struct ipc_entry *ipc_right_find_locked(struct ipc_space *space, struct ipc_port *port)
{
    if (port->receiver == space) {
        return ipc_space_lookup(space, port->receiver_name);
    }
    return ipc_hash_lookup(space, port);
}

struct ipc_entry *ipc_right_find(struct ipc_space *space, struct ipc_port *port)
{
    struct ipc_entry *entry;

    assert(spin_is_held(&space->lock));
    spin_lock(&port->lock);
    entry = port->active ? ipc_right_find_locked(space, port) : NULL;
    spin_unlock(&port->lock);
    return entry;
}

/* --- taking rights out --- */

/* Does the entry hold what the disposition needs, and is enough of it left? */
static bool ipc_right_can_copyin(const struct ipc_entry *entry, uint32_t disposition, bool dead_ok)
{
    uint32_t left = (entry->bits & IPC_ENTRY_UREFS) - (entry->claimed & IPC_ENTRY_UREFS);
    bool receive = (entry->bits & MACH_PORT_TYPE_RECEIVE) != 0 &&
                   (entry->claimed & IPC_ENTRY_CLAIMED_RECEIVE) == 0;
    bool dead = (entry->bits & MACH_PORT_TYPE_DEAD_NAME) != 0;

    switch (disposition) {
    case MACH_MSG_TYPE_MAKE_SEND:
    case MACH_MSG_TYPE_MAKE_SEND_ONCE:
    case MACH_MSG_TYPE_MOVE_RECEIVE:
        return receive;
    case MACH_MSG_TYPE_COPY_SEND:
    case MACH_MSG_TYPE_MOVE_SEND:
        return ((entry->bits & MACH_PORT_TYPE_SEND) != 0 || (dead && dead_ok)) && left > 0;
    case MACH_MSG_TYPE_MOVE_SEND_ONCE:
        return ((entry->bits & MACH_PORT_TYPE_SEND_ONCE) != 0 || (dead && dead_ok)) && left > 0;
    default:
        return false;
    }
}

static __attribute__((noinline)) kern_return_t
ipc_right_copyin_refuse(const struct ipc_entry *entry, mach_port_name_t name, uint32_t disposition)
{
    user_error("name %#x: type %#x cannot be sent as %u", name, entry->bits, disposition);
    return KERN_INVALID_RIGHT;
}

/* Check an entry that is known not to be of a dead port. */
static inline kern_return_t ipc_right_copyin_claim(struct ipc_entry *entry, mach_port_name_t name,
                                                   uint32_t disposition, bool dead_ok)
{
    if (__builtin_expect(!ipc_right_can_copyin(entry, disposition, dead_ok), 0)) {
        return ipc_right_copyin_refuse(entry, name, disposition);
    }
    if (disposition == MACH_MSG_TYPE_MOVE_RECEIVE) {
        entry->claimed |= IPC_ENTRY_CLAIMED_RECEIVE;
    } else if (disposition == MACH_MSG_TYPE_MOVE_SEND ||
               disposition == MACH_MSG_TYPE_MOVE_SEND_ONCE) {
        entry->claimed += 1;
    }
    return KERN_SUCCESS;
}

/* For any name: one that denotes nothing, is far out in the table, or whose port has died. */
static __attribute__((noinline)) kern_return_t
ipc_right_copyin_check_any(struct ipc_space *space, mach_port_name_t name, uint32_t disposition,
                           bool dead_ok) REQUIRES(space->lock)
{
    struct ipc_entry *entry = ipc_right_lookup(space, name);

    if (entry == NULL) {
        user_error("name %#x denotes no right", name);
        return KERN_INVALID_NAME;
    }
    return ipc_right_copyin_claim(entry, name, disposition, dead_ok);
}

kern_return_t ipc_right_copyin_check(struct ipc_space *space, mach_port_name_t name,
                                     uint32_t disposition, bool dead_ok)
{
    struct ipc_entry *entry = ipc_space_lookup_near(space, name);

    assert(spin_is_held(&space->lock));
    if (__builtin_expect(entry == NULL || ipc_right_has_died(entry), 0)) {
        return ipc_right_copyin_check_any(space, name, disposition, dead_ok);
    }
    return ipc_right_copyin_claim(entry, name, disposition, dead_ok);
}

void ipc_right_unclaim(struct ipc_space *space, mach_port_name_t name)
{
    struct ipc_entry *entry = ipc_space_lookup(space, name);

    if (entry != NULL) {
        entry->claimed = 0;
    }
}

/* One more right out of a port that is seen alive or dead only here. */
static struct ipc_port *ipc_right_copyin_new(struct ipc_port *port, uint32_t disposition)
{
    if (disposition == MACH_MSG_TYPE_MAKE_SEND) {
        return ipc_port_make_send(port);
    }
    if (disposition == MACH_MSG_TYPE_COPY_SEND) {
        return ipc_port_copy_send(port);
    }
    return ipc_port_make_sonce(port);
}

static struct ipc_port *ipc_right_copyin_receive(struct ipc_space *space, struct ipc_entry *entry,
                                                 struct ipc_right_cleanup *cleanup)
    REQUIRES(space->lock)
{
    struct ipc_port *port = entry->port;

    if ((entry->bits & MACH_PORT_TYPE_SEND) != 0) {
        ipc_port_ref(port);
        entry->bits &= ~MACH_PORT_TYPE_RECEIVE;
        ipc_hash_insert(space, entry);
    } else {
        ipc_right_drop_requests(space, entry, cleanup);
        ipc_space_entry_free(space, entry);
    }
    spin_lock(&port->lock);
    port->receiver = NULL;
    port->receiver_name = MACH_PORT_NAME_NULL;
    spin_unlock(&port->lock);
    return port;
}

/* A user reference goes, and with the last one the right. */
static struct ipc_port *ipc_right_copyin_move(struct ipc_space *space, struct ipc_entry *entry,
                                              struct ipc_right_cleanup *cleanup)
    REQUIRES(space->lock)
{
    struct ipc_port *port = entry->port;

    if ((entry->bits & MACH_PORT_TYPE_DEAD_NAME) != 0) {
        port = IP_DEAD;
    }
    if ((entry->bits & IPC_ENTRY_UREFS) > 1) {
        entry->bits -= 1;
        return ipc_port_copy_send(port);
    }
    if ((entry->bits & MACH_PORT_TYPE_RECEIVE) != 0) {
        ipc_port_ref(port);
        entry->bits = (entry->bits & ~MACH_PORT_TYPE_SEND) - 1;
        return port;
    }
    if ((entry->bits & MACH_PORT_TYPE_SEND) != 0) {
        ipc_hash_remove(space, entry);
    }
    ipc_right_drop_requests(space, entry, cleanup);
    ipc_space_entry_free(space, entry);
    return port;
}

/* The right leaves the entry. Apart from what a message most often carries, a right made or copied.
 */
static __attribute__((noinline)) void
ipc_right_copyin_taken(struct ipc_space *space, struct ipc_entry *entry, uint32_t disposition,
                       struct ipc_port **port, struct ipc_right_cleanup *cleanup)
    REQUIRES(space->lock)
{
    ipc_right_check(space, entry);
    if (disposition == MACH_MSG_TYPE_MOVE_RECEIVE) {
        *port = ipc_right_copyin_receive(space, entry, cleanup);
    } else {
        *port = ipc_right_copyin_move(space, entry, cleanup);
    }
}

void ipc_right_copyin(struct ipc_space *space, mach_port_name_t name, uint32_t disposition,
                      struct ipc_port **port, struct ipc_right_cleanup *cleanup)
{
    struct ipc_entry *entry = ipc_space_lookup(space, name);

    assert(entry != NULL && spin_is_held(&space->lock));
    entry->claimed = 0;
    if (disposition == MACH_MSG_TYPE_MOVE_RECEIVE || disposition == MACH_MSG_TYPE_MOVE_SEND ||
        disposition == MACH_MSG_TYPE_MOVE_SEND_ONCE) {
        ipc_right_copyin_taken(space, entry, disposition, port, cleanup);
    } else if ((entry->bits & MACH_PORT_TYPE_DEAD_NAME) != 0) {
        *port = IP_DEAD;
    } else { /* of a port that has just died it becomes IP_DEAD */
        *port = ipc_right_copyin_new(entry->port, disposition);
    }
}

/* --- putting rights in --- */

/* A send right for an entry that has one or the receive right already. Locks: port's held. The
 * right's own count and reference are left over. */
static kern_return_t ipc_right_copyout_again(struct ipc_entry *entry, struct ipc_port *port,
                                             bool pegged)
{
    uint32_t urefs = entry->bits & IPC_ENTRY_UREFS;

    if ((entry->bits & MACH_PORT_TYPE_SEND) == 0) {
        entry->bits = (entry->bits | MACH_PORT_TYPE_SEND) + 1;
        return KERN_SUCCESS;
    }
    /* One place is kept for the reference a dead-name notification carries. */
    if (urefs + 1 >= MACH_PORT_UREFS_MAX) {
        if (!pegged) {
            return KERN_UREFS_OVERFLOW;
        }
    } else {
        entry->bits += 1;
    }
    assert(port->srights > 1);
    port->srights -= 1;
    return KERN_SUCCESS;
}

/* Fill a fresh entry. Locks: space's and port's held. Takes over the right and its reference. */
static void ipc_right_fill(struct ipc_space *space, struct ipc_entry *entry, struct ipc_port *port,
                           uint32_t type)
{
    entry->port = port;
    if (type == MACH_MSG_TYPE_PORT_SEND) {
        entry->bits |= MACH_PORT_TYPE_SEND | 1;
        ipc_hash_insert(space, entry);
    } else if (type == MACH_MSG_TYPE_PORT_SEND_ONCE) {
        entry->bits |= MACH_PORT_TYPE_SEND_ONCE | 1;
    } else {
        entry->bits |= MACH_PORT_TYPE_RECEIVE;
    }
}

static void ipc_right_receive_at(struct ipc_space *space, struct ipc_entry *entry,
                                 struct ipc_port *port)
{
    port->receiver = space;
    port->receiver_name = ipc_space_name(space, entry);
}

void ipc_right_set_receive(struct ipc_space *space, struct ipc_entry *entry, struct ipc_port *port)
{
    spin_lock(&port->lock);
    ipc_right_fill(space, entry, port, MACH_MSG_TYPE_PORT_RECEIVE);
    ipc_right_receive_at(space, entry, port);
    spin_unlock(&port->lock);
}

/* Put the right where `entry` is: its own, that of the port already, or (fresh) an empty one.
 * Locks: space's and port's held. *spare counts the references that are left over. */
static kern_return_t ipc_right_place(struct ipc_space *space, struct ipc_entry *entry,
                                     struct ipc_port *port, uint32_t type, bool pegged,
                                     struct ipc_port **spare)
{
    if ((entry->bits & IPC_ENTRY_TYPE) == 0) {
        ipc_right_fill(space, entry, port, type);
    } else if (type == MACH_MSG_TYPE_PORT_SEND) {
        kern_return_t kr = ipc_right_copyout_again(entry, port, pegged);

        if (kr != KERN_SUCCESS) {
            return kr;
        }
        *spare = port;
    } else {
        assert(type == MACH_MSG_TYPE_PORT_RECEIVE);
        ipc_hash_remove(space, entry);
        entry->bits |= MACH_PORT_TYPE_RECEIVE;
        *spare = port;
    }
    if (type == MACH_MSG_TYPE_PORT_RECEIVE) {
        ipc_right_receive_at(space, entry, port);
    }
    return KERN_SUCCESS;
}

/* The port's lock is released; references left over go, and the one of the port a receive right
 * travelled to. */
static void ipc_right_placed(struct ipc_port *port, uint32_t type, struct ipc_port *spare)
    RELEASES(port->lock)
{
    struct ipc_port *destination = IP_NULL;

    if (type == MACH_MSG_TYPE_PORT_RECEIVE) {
        destination = port->destination;
        port->destination = IP_NULL;
    }
    spin_unlock(&port->lock);
    if (destination != IP_NULL) {
        ipc_port_unref(destination);
    }
    if (spare != IP_NULL) {
        ipc_port_unref(spare);
    }
}

kern_return_t ipc_right_copyout(struct ipc_space *space, struct ipc_port *port, uint32_t type,
                                bool pegged, mach_port_name_t *name)
{
    struct ipc_port *spare = IP_NULL;
    struct ipc_entry *entry = NULL;
    kern_return_t kr = KERN_INVALID_CAPABILITY;

    assert(spin_is_held(&space->lock) && space->active && IP_VALID(port));
    spin_lock(&port->lock);
    if (!port->active) {
        goto undo_port;
    }
    if (type != MACH_MSG_TYPE_PORT_SEND_ONCE) {
        entry = ipc_right_find_locked(space, port);
    }
    if (entry == NULL) {
        kr = ipc_space_entry_alloc(space, name, &entry);
        if (kr != KERN_SUCCESS) {
            goto undo_port;
        }
    }
    kr = ipc_right_place(space, entry, port, type, pegged, &spare);
    if (kr != KERN_SUCCESS) {
        goto undo_port;
    }
    *name = ipc_space_name(space, entry);
    if (type == MACH_MSG_TYPE_PORT_SEND_ONCE) {
        assert(port->sorights > 0);
    }
    ipc_right_placed(port, type, spare);
    return KERN_SUCCESS;

undo_port:
    spin_unlock(&port->lock);
    return kr;
}

/* Which entry a chosen name means for this right. Locks: space's and port's held. */
static kern_return_t ipc_right_choose(struct ipc_space *space, struct ipc_port *port, uint32_t type,
                                      mach_port_name_t name, struct ipc_entry **entry)
    REQUIRES(space->lock)
{
    struct ipc_entry *existing = NULL;

    if (type != MACH_MSG_TYPE_PORT_SEND_ONCE) {
        existing = ipc_right_find_locked(space, port);
    }
    if (existing != NULL) {
        *entry = existing;
        return ipc_space_name(space, existing) == name ? KERN_SUCCESS : KERN_RIGHT_EXISTS;
    }
    return ipc_space_entry_alloc_name(space, name, entry);
}

kern_return_t ipc_right_copyout_name(struct ipc_space *space, struct ipc_port *port, uint32_t type,
                                     mach_port_name_t name)
{
    struct ipc_port *spare = IP_NULL;
    struct ipc_entry *entry;
    kern_return_t kr = KERN_INVALID_CAPABILITY;

    assert(spin_is_held(&space->lock) && space->active && IP_VALID(port));
    spin_lock(&port->lock);
    if (!port->active) {
        goto undo_port;
    }
    kr = ipc_right_choose(space, port, type, name, &entry);
    if (kr == KERN_SUCCESS) {
        kr = ipc_right_place(space, entry, port, type, false, &spare);
    }
    if (kr != KERN_SUCCESS) {
        goto undo_port;
    }
    ipc_right_placed(port, type, spare);
    return KERN_SUCCESS;

undo_port:
    spin_unlock(&port->lock);
    return kr;
}
