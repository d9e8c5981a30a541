/* mach_port.c - the routines of mach_port.defs on names and their counts. See mach_port.h; sets and
 * whole-space listings are in mach_port_set.c. Calls that find a name leave a lock held only when
 * they succeed, which the static checker of locks cannot follow: they and their callers are exempt
 * (NO_LOCK_ANALYSIS), the debug kernel's run-time check is not. */
#include "ipc/mach_port.h"

#include <mach/notify.h>

#include "ipc/ipc_port.h"
#include "ipc/ipc_pset.h"
#include "ipc/ipc_right.h"
#include "ipc/ipc_space.h"
#include "kern/assert.h"
#include "kern/task.h"

kern_return_t mach_port_lookup(struct ipc_space *space, mach_port_name_t name,
                               struct ipc_entry **entry) NO_LOCK_ANALYSIS
{
    kern_return_t kr = KERN_INVALID_TASK;

    assert(space != NULL);
    spin_lock(&space->lock);
    if (space->active) {
        *entry = ipc_right_lookup(space, name);
        if (*entry != NULL) {
            return KERN_SUCCESS;
        }
        kr = KERN_INVALID_NAME;
    }
    spin_unlock(&space->lock);
    return kr;
}

kern_return_t mach_port_lock_receive(struct ipc_space *space, mach_port_name_t name,
                                     struct ipc_port **port) NO_LOCK_ANALYSIS
{
    struct ipc_entry *entry;
    kern_return_t kr = mach_port_lookup(space, name, &entry);

    if (kr != KERN_SUCCESS) {
        return kr;
    }
    if ((entry->bits & MACH_PORT_TYPE_RECEIVE) == 0) {
        spin_unlock(&space->lock);
        return KERN_INVALID_RIGHT;
    }
    *port = entry->port;
    spin_lock(&(*port)->lock);
    assert((*port)->active);
    spin_unlock(&space->lock);
    return KERN_SUCCESS;
}

kern_return_t mach_port_type(struct ipc_space *space, mach_port_name_t name,
                             mach_port_type_t *type) NO_LOCK_ANALYSIS
{
    struct ipc_entry *entry;
    mach_port_urefs_t urefs;
    kern_return_t kr = mach_port_lookup(space, name, &entry);

    if (kr == KERN_SUCCESS) {
        ipc_right_info(space, entry, type, &urefs);
        spin_unlock(&space->lock);
    }
    return kr;
}

kern_return_t mach_port_rename(struct ipc_space *space, mach_port_name_t old_name,
                               mach_port_name_t new_name)
{
    struct ipc_entry *entry;
    struct ipc_entry *to;
    kern_return_t kr = KERN_INVALID_TASK;

    assert(space != NULL);
    if (!MACH_PORT_NAME_VALID(new_name)) {
        return KERN_INVALID_VALUE;
    }
    spin_lock(&space->lock);
    if (space->active) {
        kr = ipc_space_entry_alloc_name(space, new_name, &to);
    }
    if (kr == KERN_SUCCESS) {
        entry = ipc_space_lookup(space, old_name);
        if (entry != NULL) {
            ipc_right_rename(space, entry, to);
        } else {
            ipc_space_entry_free(space, to);
            kr = KERN_INVALID_NAME;
        }
    }
    spin_unlock(&space->lock);
    return kr;
}

/* --- making rights --- */

/* Make what the right asks for and put it into a fresh entry, named or not. Locks: space's held. */
static kern_return_t mach_port_fill(struct ipc_space *space, struct ipc_entry *entry,
                                    mach_port_right_t right, mach_port_name_t name)
{
    assert(spin_is_held(&space->lock));
    if (right == MACH_PORT_RIGHT_RECEIVE) {
        struct ipc_port *port = ipc_port_create(space->task);

        if (port == NULL) {
            return KERN_RESOURCE_SHORTAGE;
        }
        ipc_right_set_receive(space, entry, port);
    } else if (right == MACH_PORT_RIGHT_PORT_SET) {
        struct ipc_pset *pset = ipc_pset_create(name);

        if (pset == NULL) {
            return KERN_RESOURCE_SHORTAGE;
        }
        entry->pset = pset;
        entry->bits |= MACH_PORT_TYPE_PORT_SET;
    } else {
        entry->bits |= MACH_PORT_TYPE_DEAD_NAME | 1;
    }
    return KERN_SUCCESS;
}

static kern_return_t mach_port_make(struct ipc_space *space, mach_port_right_t right, bool chosen,
                                    mach_port_name_t *name)
{
    struct ipc_entry *entry;
    kern_return_t kr = KERN_INVALID_TASK;

    assert(space != NULL);
    if (right != MACH_PORT_RIGHT_RECEIVE && right != MACH_PORT_RIGHT_PORT_SET &&
        right != MACH_PORT_RIGHT_DEAD_NAME) {
        return KERN_INVALID_VALUE;
    }
    spin_lock(&space->lock);
    if (space->active) {
        kr = chosen ? ipc_space_entry_alloc_name(space, *name, &entry)
                    : ipc_space_entry_alloc(space, name, &entry);
    }
    if (kr == KERN_SUCCESS) {
        kr = mach_port_fill(space, entry, right, *name);
        if (kr != KERN_SUCCESS) {
            ipc_space_entry_free(space, entry);
        }
    }
    spin_unlock(&space->lock);
    return kr;
}

kern_return_t mach_port_allocate_name(struct ipc_space *space, mach_port_right_t right,
                                      mach_port_name_t name)
{
    if (!MACH_PORT_NAME_VALID(name)) {
        return KERN_INVALID_VALUE;
    }
    return mach_port_make(space, right, true, &name);
}

kern_return_t mach_port_allocate(struct ipc_space *space, mach_port_right_t right,
                                 mach_port_name_t *name)
{
    return mach_port_make(space, right, false, name);
}

/* --- counts --- */

kern_return_t mach_port_destroy(struct ipc_space *space, mach_port_name_t name) NO_LOCK_ANALYSIS
{
    struct ipc_entry *entry;
    kern_return_t kr = mach_port_lookup(space, name, &entry);

    return kr == KERN_SUCCESS ? ipc_right_destroy(space, entry) : kr;
}

kern_return_t mach_port_deallocate(struct ipc_space *space, mach_port_name_t name) NO_LOCK_ANALYSIS
{
    kern_return_t kr = KERN_INVALID_TASK;
    struct ipc_entry *entry;

    spin_lock(&space->lock);
    if (space->active) {
        entry = ipc_space_lookup(space, name); /* checked there */
        if (entry != NULL) {
            return ipc_right_dealloc(space, entry);
        }
        kr = KERN_INVALID_NAME;
    }
    spin_unlock(&space->lock);
    return kr;
}

kern_return_t mach_port_get_refs(struct ipc_space *space, mach_port_name_t name,
                                 mach_port_right_t right, mach_port_urefs_t *refs) NO_LOCK_ANALYSIS
{
    struct ipc_entry *entry;
    mach_port_type_t type;
    mach_port_urefs_t urefs;
    kern_return_t kr;

    if (right >= MACH_PORT_RIGHT_NUMBER) {
        return KERN_INVALID_VALUE;
    }
    kr = mach_port_lookup(space, name, &entry);
    if (kr != KERN_SUCCESS) {
        return kr;
    }
    ipc_right_info(space, entry, &type, &urefs);
    spin_unlock(&space->lock);
    if ((type & MACH_PORT_TYPE(right)) == 0) {
        *refs = 0;
    } else if (right == MACH_PORT_RIGHT_SEND || right == MACH_PORT_RIGHT_DEAD_NAME) {
        *refs = urefs;
    } else {
        *refs = 1;
    }
    return KERN_SUCCESS;
}

kern_return_t mach_port_mod_refs(struct ipc_space *space, mach_port_name_t name,
                                 mach_port_right_t right, mach_port_delta_t delta) NO_LOCK_ANALYSIS
{
    struct ipc_entry *entry;
    kern_return_t kr;

    if (right >= MACH_PORT_RIGHT_NUMBER) {
        return KERN_INVALID_VALUE;
    }
    kr = mach_port_lookup(space, name, &entry);
    return kr == KERN_SUCCESS ? ipc_right_delta(space, entry, right, delta) : kr;
}

/* --- state of a receive right --- */

kern_return_t mach_port_set_qlimit(struct ipc_space *space, mach_port_name_t name,
                                   mach_port_msgcount_t qlimit) NO_LOCK_ANALYSIS
{
    struct ipc_port *port;
    kern_return_t kr;

    if (qlimit > MACH_PORT_QLIMIT_MAX) {
        return KERN_INVALID_VALUE;
    }
    kr = mach_port_lock_receive(space, name, &port);
    if (kr == KERN_SUCCESS) {
        ipc_port_set_qlimit(port, qlimit);
        spin_unlock(&port->lock);
    }
    return kr;
}

kern_return_t mach_port_set_mscount(struct ipc_space *space, mach_port_name_t name,
                                    mach_port_mscount_t mscount) NO_LOCK_ANALYSIS
{
    struct ipc_port *port;
    kern_return_t kr = mach_port_lock_receive(space, name, &port);

    if (kr == KERN_SUCCESS) {
        port->mscount = mscount;
        spin_unlock(&port->lock);
    }
    return kr;
}

kern_return_t mach_port_set_seqno(struct ipc_space *space, mach_port_name_t name,
                                  mach_port_seqno_t seqno) NO_LOCK_ANALYSIS
{
    struct ipc_port *port;
    kern_return_t kr = mach_port_lock_receive(space, name, &port);

    if (kr == KERN_SUCCESS) {
        port->seqno = seqno;
        spin_unlock(&port->lock);
    }
    return kr;
}

kern_return_t mach_port_set_protected_payload(struct ipc_space *space, mach_port_name_t name,
                                              uint64_t payload) NO_LOCK_ANALYSIS
{
    struct ipc_port *port;
    kern_return_t kr = mach_port_lock_receive(space, name, &port);

    if (kr == KERN_SUCCESS) {
        port->payload = payload;
        port->has_payload = true;
        spin_unlock(&port->lock);
    }
    return kr;
}

kern_return_t mach_port_clear_protected_payload(struct ipc_space *space,
                                                mach_port_name_t name) NO_LOCK_ANALYSIS
{
    struct ipc_port *port;
    kern_return_t kr = mach_port_lock_receive(space, name, &port);

    if (kr == KERN_SUCCESS) {
        port->payload = 0;
        port->has_payload = false;
        spin_unlock(&port->lock);
    }
    return kr;
}

kern_return_t mach_port_get_receive_status(struct ipc_space *space, mach_port_name_t name,
                                           mach_port_status_t *status) NO_LOCK_ANALYSIS
{
    struct ipc_port *port;
    kern_return_t kr = mach_port_lock_receive(space, name, &port);

    if (kr != KERN_SUCCESS) {
        return kr;
    }
    *status = (mach_port_status_t){
        .mps_pset = MACH_PORT_NAME_NULL,
        .mps_seqno = port->seqno,
        .mps_mscount = port->mscount,
        .mps_qlimit = port->qlimit,
        .mps_msgcount = port->msgcount,
        .mps_sorights = port->sorights,
        .mps_srights = port->srights != 0,
        .mps_pdrequest = port->pdrequest != IP_NULL,
        .mps_nsrequest = port->nsrequest != IP_NULL,
    };
    if (port->pset != NULL) {
        spin_lock(&port->pset->lock);
        status->mps_pset = port->pset->active ? port->pset->name : MACH_PORT_NAME_NULL;
        spin_unlock(&port->pset->lock);
    }
    spin_unlock(&port->lock);
    return KERN_SUCCESS;
}

kern_return_t mach_port_set_ktype(struct host *host, struct ipc_space *space, mach_port_name_t name,
                                  mach_port_right_t right, mach_port_ktype_t ktype) NO_LOCK_ANALYSIS
{
    struct ipc_entry *entry;
    kern_return_t kr;

    if (ktype != MACH_PORT_KTYPE_NONE && ktype != MACH_PORT_KTYPE_USER_DEVICE) {
        return KERN_INVALID_ARGUMENT;
    }
    if (right >= MACH_PORT_RIGHT_NUMBER) {
        return KERN_INVALID_VALUE;
    }
    kr = mach_port_lookup(space, name, &entry);
    if (kr != KERN_SUCCESS) {
        return kr;
    }
    if ((entry->bits & MACH_PORT_TYPE(right) & MACH_PORT_TYPE_PORT_RIGHTS) == 0) {
        spin_unlock(&space->lock);
        return KERN_INVALID_RIGHT;
    }
    spin_lock(&entry->port->lock);
    entry->port->user_ktype = (uint8_t)ktype;
    spin_unlock(&entry->port->lock);
    spin_unlock(&space->lock);
    return KERN_SUCCESS;
}

/* --- notifications and whole rights --- */

kern_return_t mach_port_request_notification(struct ipc_space *space, mach_port_name_t name,
                                             mach_msg_id_t id, mach_port_mscount_t sync,
                                             struct ipc_port *notify,
                                             struct ipc_port **previous) NO_LOCK_ANALYSIS
{
    struct ipc_entry *entry;
    struct ipc_port *port;
    kern_return_t kr;

    if (notify == IP_DEAD) {
        return KERN_INVALID_CAPABILITY;
    }
    switch (id) {
    case MACH_NOTIFY_PORT_DESTROYED:
        if (sync != 0) {
            return KERN_INVALID_VALUE;
        }
        kr = mach_port_lock_receive(space, name, &port);
        if (kr == KERN_SUCCESS) {
            ipc_port_pdrequest(port, notify, previous);
        }
        return kr;
    case MACH_NOTIFY_NO_SENDERS:
        kr = mach_port_lock_receive(space, name, &port);
        if (kr == KERN_SUCCESS) {
            ipc_port_nsrequest(port, sync, notify, previous);
        }
        return kr;
    case MACH_NOTIFY_DEAD_NAME:
        kr = mach_port_lookup(space, name, &entry);
        return kr == KERN_SUCCESS ? ipc_right_dnrequest(space, entry, sync != 0, notify, previous)
                                  : kr;
    default:
        return KERN_INVALID_VALUE;
    }
}

kern_return_t mach_port_insert_right(struct ipc_space *space, mach_port_name_t name,
                                     struct ipc_port *poly, mach_msg_type_name_t poly_type)
{
    kern_return_t kr = KERN_INVALID_TASK;

    assert(space != NULL);
    if (!MACH_PORT_NAME_VALID(name) || !MACH_MSG_TYPE_PORT_ANY_RIGHT(poly_type)) {
        return KERN_INVALID_VALUE;
    }
    if (!IP_VALID(poly)) {
        return KERN_INVALID_CAPABILITY;
    }
    spin_lock(&space->lock);
    if (space->active) {
        kr = ipc_right_copyout_name(space, poly, poly_type, name);
    }
    spin_unlock(&space->lock);
    return kr;
}

kern_return_t mach_port_extract_right(struct ipc_space *space, mach_port_name_t name,
                                      mach_msg_type_name_t disposition, struct ipc_port **poly,
                                      mach_msg_type_name_t *poly_type)
{
    kern_return_t kr;

    kr = ipc_space_copyin_right(space, name, disposition, poly);
    if (kr == KERN_SUCCESS) {
        *poly_type = ipc_right_type(disposition);
    }
    return kr;
}
