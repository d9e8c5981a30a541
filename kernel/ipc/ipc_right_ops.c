/* ipc_right_ops.c - operations on one name: deallocate, destroy, change counts, ask for dead-name,
 * rename. See ipc_right.h. Each changes the entry under the space's lock, releases it, and only
 * then gives rights back and sends notifications. */
#include "ipc/ipc_hash.h"
#include "ipc/ipc_marequest.h"
#include "ipc/ipc_notify.h"
#include "ipc/ipc_port.h"
#include "ipc/ipc_pset.h"
#include "ipc/ipc_right_impl.h"
#include "kern/assert.h"

/* What leaves an entry, to be given back once the space's lock is released. */
struct ipc_right_ops_gone {
    struct ipc_port *port;
    struct ipc_pset *pset;
    uint32_t type; /* MACH_PORT_TYPE_* of what goes */
    struct ipc_right_cleanup cleanup;
};

static void ipc_right_ops_gone_init(struct ipc_right_ops_gone *gone)
{
    gone->port = IP_NULL;
    gone->pset = NULL;
    gone->type = 0;
    ipc_right_cleanup_init(&gone->cleanup);
}

/* Empty the entry: everything in it is gone. */
static void ipc_right_ops_empty(struct ipc_space *space, struct ipc_entry *entry,
                                struct ipc_right_ops_gone *gone) REQUIRES(space->lock)
{
    gone->type = entry->bits & IPC_ENTRY_TYPE;
    if (gone->type == MACH_PORT_TYPE_PORT_SET) {
        gone->pset = entry->pset;
    } else if (gone->type != MACH_PORT_TYPE_DEAD_NAME) {
        gone->port = entry->port;
    }
    if (gone->type == MACH_PORT_TYPE_SEND) {
        ipc_hash_remove(space, entry);
    }
    if (entry->request != NULL || (entry->bits & IPC_ENTRY_MAREQUEST) != 0) {
        ipc_right_drop_requests(space, entry, &gone->cleanup);
    }
    if ((gone->type & MACH_PORT_TYPE_RECEIVE) != 0) {
        spin_lock(&gone->port->lock);
        gone->port->receiver = NULL;
        gone->port->receiver_name = MACH_PORT_NAME_NULL;
        spin_unlock(&gone->port->lock);
    }
    ipc_space_entry_free(space, entry);
}

/* Give back what left the entry. Locks: none held. */
static void ipc_right_ops_release(struct ipc_right_ops_gone *gone)
{
    if (gone->type == MACH_PORT_TYPE_PORT_SET) {
        ipc_pset_destroy(gone->pset);
    } else if (gone->type == MACH_PORT_TYPE_SEND_ONCE) {
        ipc_notify_send_once(gone->port);
    } else if (gone->type == MACH_PORT_TYPE_SEND) {
        ipc_port_release_send(gone->port);
    } else if (gone->type == MACH_PORT_TYPE_SEND_RECEIVE) {
        /* The entry had one reference for both rights. */
        ipc_port_ref(gone->port);
        ipc_port_release_send(gone->port);
    }
    if ((gone->type & MACH_PORT_TYPE_RECEIVE) != 0) {
        ipc_port_release_right(gone->port, MACH_MSG_TYPE_PORT_RECEIVE);
    }
    ipc_right_cleanup_run(&gone->cleanup);
}

static kern_return_t ipc_right_ops_remove(struct ipc_space *space, struct ipc_entry *entry)
    RELEASES(space->lock)
{
    struct ipc_right_ops_gone gone;

    ipc_right_ops_gone_init(&gone);
    ipc_right_ops_empty(space, entry, &gone);
    spin_unlock(&space->lock);
    ipc_right_ops_release(&gone);
    return KERN_SUCCESS;
}

/* All send references of an entry that keeps its receive right. */
static kern_return_t ipc_right_ops_drop_send(struct ipc_space *space, struct ipc_entry *entry)
    RELEASES(space->lock)
{
    struct ipc_port *port = entry->port;

    ipc_port_ref(port);
    entry->bits &= ~(MACH_PORT_TYPE_SEND | IPC_ENTRY_UREFS);
    spin_unlock(&space->lock);
    ipc_port_release_send(port);
    return KERN_SUCCESS;
}

/* The last reference to a send right that is one of several to a living port goes: nobody is to be
 * told of that. False, with nothing changed, when it is not so plain. Locks: the space's is
 * released if true. */
static bool ipc_right_ops_drop_plain(struct ipc_space *space,
                                     struct ipc_entry *entry) NO_LOCK_ANALYSIS
{
    struct ipc_port *port = entry->port;

    if ((entry->bits & ~IPC_ENTRY_GENERATION) != (MACH_PORT_TYPE_SEND | 1) ||
        entry->request != NULL) {
        return false;
    }
    spin_lock(&port->lock);
    if (!port->active || port->srights == 1) {
        spin_unlock(&port->lock);
        return false;
    }
    port->srights -= 1;
    spin_unlock(&port->lock);
    ipc_hash_remove(space, entry);
    ipc_space_entry_free(space, entry);
    spin_unlock(&space->lock);
    ipc_port_unref(port);
    return true;
}

kern_return_t ipc_right_dealloc(struct ipc_space *space, struct ipc_entry *entry) NO_LOCK_ANALYSIS
{
    if (ipc_right_ops_drop_plain(space, entry)) {
        return KERN_SUCCESS;
    }
    ipc_right_check(space, entry);
    if ((entry->bits & (MACH_PORT_TYPE_SEND_RIGHTS | MACH_PORT_TYPE_DEAD_NAME)) == 0) {
        spin_unlock(&space->lock);
        return KERN_INVALID_RIGHT;
    }
    if ((entry->bits & IPC_ENTRY_UREFS) > 1) {
        entry->bits -= 1;
        spin_unlock(&space->lock);
        return KERN_SUCCESS;
    }
    if ((entry->bits & MACH_PORT_TYPE_RECEIVE) != 0) {
        return ipc_right_ops_drop_send(space, entry);
    }
    return ipc_right_ops_remove(space, entry);
}

kern_return_t ipc_right_destroy(struct ipc_space *space, struct ipc_entry *entry)
{
    ipc_right_check(space, entry);
    return ipc_right_ops_remove(space, entry);
}

void ipc_right_clean(struct ipc_space *space, struct ipc_entry *entry)
{
    spin_lock(&space->lock);
    if ((entry->bits & IPC_ENTRY_TYPE) == 0) {
        spin_unlock(&space->lock);
        return;
    }
    ipc_right_check(space, entry);
    ipc_right_ops_remove(space, entry);
}

/* Turn SEND|RECEIVE into a dead name with its references, and one more for the notification of
 * whoever asked for it. */
static struct ipc_request *ipc_right_ops_make_dead(struct ipc_entry *entry)
{
    struct ipc_port *port = entry->port;
    struct ipc_request *request = entry->request;
    uint32_t urefs = entry->bits & IPC_ENTRY_UREFS;

    if (request != NULL && urefs < MACH_PORT_UREFS_MAX) {
        urefs += 1;
    }
    entry->request = NULL;
    entry->port = NULL;
    entry->bits = (entry->bits & (IPC_ENTRY_GENERATION | IPC_ENTRY_MAREQUEST)) |
                  MACH_PORT_TYPE_DEAD_NAME | urefs;
    spin_lock(&port->lock);
    port->receiver = NULL;
    port->receiver_name = MACH_PORT_NAME_NULL;
    if (request != NULL) {
        ipc_port_dncancel(port, request);
    }
    spin_unlock(&port->lock);
    return request;
}

/* The receive right goes; a send right under the same name becomes a dead name. */
static kern_return_t ipc_right_ops_drop_receive(struct ipc_space *space, struct ipc_entry *entry)
    RELEASES(space->lock)
{
    struct ipc_port *port = entry->port;
    struct ipc_request *request;
    bool survives;

    if ((entry->bits & MACH_PORT_TYPE_SEND) == 0) {
        return ipc_right_ops_remove(space, entry);
    }
    request = ipc_right_ops_make_dead(entry);
    spin_unlock(&space->lock);
    spin_lock(&port->lock);
    survives = port->pdrequest != IP_NULL;
    if (!survives) {
        port->srights -= 1;
    }
    spin_unlock(&port->lock);
    if (survives) {
        ipc_port_ref(port);
        ipc_port_release_send(port);
    }
    ipc_port_release_right(port, MACH_MSG_TYPE_PORT_RECEIVE);
    if (request != NULL) {
        ipc_notify_dead_name(request->notify, request->name);
        ipc_port_request_free(request);
    }
    return KERN_SUCCESS;
}

/* Receive rights, sets and send-once rights can only be kept (0) or dropped (-1). */
static kern_return_t ipc_right_ops_delta_single(struct ipc_space *space, struct ipc_entry *entry,
                                                mach_port_right_t right, mach_port_delta_t delta)
    RELEASES(space->lock)
{
    if (delta != 0 && delta != -1) {
        spin_unlock(&space->lock);
        return KERN_INVALID_VALUE;
    }
    if (delta == 0) {
        spin_unlock(&space->lock);
        return KERN_SUCCESS;
    }
    if (right == MACH_PORT_RIGHT_RECEIVE) {
        return ipc_right_ops_drop_receive(space, entry);
    }
    return ipc_right_ops_remove(space, entry);
}

/* Send rights and dead names are counted. */
static kern_return_t ipc_right_ops_delta_counted(struct ipc_space *space, struct ipc_entry *entry,
                                                 mach_port_delta_t delta) RELEASES(space->lock)
{
    int64_t urefs = (int64_t)(entry->bits & IPC_ENTRY_UREFS) + delta;

    if (urefs < 0 || urefs > (int64_t)MACH_PORT_UREFS_MAX) {
        spin_unlock(&space->lock);
        return urefs < 0 ? KERN_INVALID_VALUE : KERN_UREFS_OVERFLOW;
    }
    if (urefs > 0) {
        entry->bits = (entry->bits & ~IPC_ENTRY_UREFS) | (uint32_t)urefs;
        spin_unlock(&space->lock);
        return KERN_SUCCESS;
    }
    if ((entry->bits & MACH_PORT_TYPE_RECEIVE) != 0) {
        return ipc_right_ops_drop_send(space, entry);
    }
    return ipc_right_ops_remove(space, entry);
}

kern_return_t ipc_right_delta(struct ipc_space *space, struct ipc_entry *entry,
                              mach_port_right_t right, mach_port_delta_t delta)
{
    ipc_right_check(space, entry);
    if (right >= MACH_PORT_RIGHT_NUMBER || (entry->bits & MACH_PORT_TYPE(right)) == 0) {
        spin_unlock(&space->lock);
        return KERN_INVALID_RIGHT;
    }
    if (right == MACH_PORT_RIGHT_SEND || right == MACH_PORT_RIGHT_DEAD_NAME) {
        return ipc_right_ops_delta_counted(space, entry, delta);
    }
    return ipc_right_ops_delta_single(space, entry, right, delta);
}

void ipc_right_info(struct ipc_space *space, struct ipc_entry *entry, mach_port_type_t *type,
                    mach_port_urefs_t *urefs)
{
    assert(spin_is_held(&space->lock));
    *type = entry->bits & IPC_ENTRY_TYPE;
    *urefs = entry->bits & IPC_ENTRY_UREFS;
    if (entry->request != NULL) {
        *type |= MACH_PORT_TYPE_DNREQUEST;
    }
    if ((entry->bits & IPC_ENTRY_MAREQUEST) != 0) {
        *type |= MACH_PORT_TYPE_MAREQUEST;
    }
}

void ipc_right_rename(struct ipc_space *space, struct ipc_entry *entry, struct ipc_entry *to)
{
    mach_port_name_t old_name = ipc_space_name(space, entry);
    mach_port_name_t name = ipc_space_name(space, to);
    uint32_t type;

    ipc_right_check(space, entry);
    type = entry->bits & IPC_ENTRY_TYPE;
    if (type == MACH_PORT_TYPE_SEND) {
        ipc_hash_remove(space, entry);
    }
    to->bits |= entry->bits & ~IPC_ENTRY_GENERATION;
    to->port = entry->port;
    to->request = entry->request;
    if (type == MACH_PORT_TYPE_SEND) {
        ipc_hash_insert(space, to);
    }
    if ((to->bits & IPC_ENTRY_MAREQUEST) != 0) {
        ipc_marequest_rename(space, old_name, name);
    }
    if (type == MACH_PORT_TYPE_PORT_SET) {
        to->pset->name = name;
    } else if (type != MACH_PORT_TYPE_DEAD_NAME) {
        spin_lock(&to->port->lock);
        if ((type & MACH_PORT_TYPE_RECEIVE) != 0) {
            to->port->receiver_name = name;
        }
        if (to->request != NULL && to->port->active) {
            to->request->name = name;
        }
        spin_unlock(&to->port->lock);
    }
    ipc_space_entry_free(space, entry);
}

/* --- dead-name requests --- */

/* Under the port's lock, the port alive: put notify in place of what was asked before. */
static kern_return_t ipc_right_ops_request(struct ipc_entry *entry, struct ipc_port *port,
                                           mach_port_name_t name, struct ipc_port *notify,
                                           struct ipc_port **previous) REQUIRES(port->lock)
{
    struct ipc_request *request = entry->request;

    if (request == NULL) {
        *previous = IP_NULL;
        if (notify == IP_NULL) {
            return KERN_SUCCESS;
        }
        entry->request = ipc_port_dnrequest(port, name, notify);
        return entry->request != NULL ? KERN_SUCCESS : KERN_RESOURCE_SHORTAGE;
    }
    *previous = request->notify;
    request->notify = notify;
    if (notify == IP_NULL) {
        ipc_port_dncancel(port, request);
        ipc_port_request_free(request);
        entry->request = NULL;
    }
    return KERN_SUCCESS;
}

/* The name is dead already: tell at once, if that was asked for. */
static kern_return_t ipc_right_ops_request_dead(struct ipc_space *space, struct ipc_entry *entry,
                                                bool immediate, struct ipc_port *notify,
                                                struct ipc_port **previous) RELEASES(space->lock)
{
    mach_port_name_t name = ipc_space_name(space, entry);
    kern_return_t kr = KERN_INVALID_ARGUMENT;

    if (immediate && notify != IP_NULL) {
        if ((entry->bits & IPC_ENTRY_UREFS) < MACH_PORT_UREFS_MAX) {
            entry->bits += 1;
            kr = KERN_SUCCESS;
        } else {
            kr = KERN_UREFS_OVERFLOW;
        }
    }
    spin_unlock(&space->lock);
    if (kr == KERN_SUCCESS) {
        *previous = IP_NULL;
        ipc_notify_dead_name(notify, name);
    }
    return kr;
}

kern_return_t ipc_right_dnrequest(struct ipc_space *space, struct ipc_entry *entry, bool immediate,
                                  struct ipc_port *notify, struct ipc_port **previous)
{
    kern_return_t kr = KERN_INVALID_RIGHT;

    ipc_right_check(space, entry);
    if ((entry->bits & MACH_PORT_TYPE_PORT_RIGHTS) != 0) {
        struct ipc_port *port = entry->port;

        spin_lock(&port->lock);
        if (port->active) {
            kr = ipc_right_ops_request(entry, port, ipc_space_name(space, entry), notify, previous);
            spin_unlock(&port->lock);
            spin_unlock(&space->lock);
            return kr;
        }
        /* It died since the check. */
        spin_unlock(&port->lock);
        ipc_right_check(space, entry);
    }
    if ((entry->bits & MACH_PORT_TYPE_DEAD_NAME) != 0) {
        return ipc_right_ops_request_dead(space, entry, immediate, notify, previous);
    }
    spin_unlock(&space->lock);
    return kr;
}
