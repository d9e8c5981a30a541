/* ipc_fastright.c - one send right on the short way of a call. See ipc_fastright.h.
 *
 * What the long way does in ipc_copyin.c and ipc_copyout.c, for the one case that is common: the
 * right is copied or made, so the sender's entry does not change, and the receiver's is found or
 * taken at once. Whatever else is declined, before anything has changed. */
#include "ipc/ipc_fastright.h"

#include "ipc/ipc_body.h"
#include "ipc/ipc_fastpath_impl.h"
#include "ipc/ipc_port.h"
#include "ipc/ipc_space_impl.h"
#include "kern/assert.h"
#include "kern/atomic.h"

/* Note the item if it is a right that can be carried and the first one. */
static bool ipc_fastright_note(struct ipc_fastright *right, const struct ipc_body_item *item)
{
    if (right->type != NULL || !item->is_inline || item->number != 1 ||
        (item->name != MACH_MSG_TYPE_MAKE_SEND && item->name != MACH_MSG_TYPE_COPY_SEND)) {
        return false;
    }
    right->type = item->type;
    right->place = item->data;
    right->name = (mach_port_name_t)*item->data;
    right->make = item->name == MACH_MSG_TYPE_MAKE_SEND;
    return true;
}

bool ipc_fastright_parse(mach_msg_header_t *header, uint32_t size, struct ipc_fastright *right)
{
    uint32_t offset = sizeof(*header);

    header->msgh_size = size;
    right->type = NULL;
    while (offset < size) {
        struct ipc_body_item item;

        if (ipc_body_next(header, &offset, &item) != MACH_MSG_SUCCESS ||
            (item.is_port ? !ipc_fastright_note(right, &item) : !item.is_inline)) {
            return false;
        }
    }
    return right->type != NULL;
}

/* Is there a place for the right in the receiver's space, beside that for the reply right? Locks:
 * to, right->port held. */
static bool ipc_fastright_has_place(struct ipc_fastright *right, struct ipc_space *to)
{
    right->entry = ipc_hash_lookup(to, right->port);
    if (right->entry != NULL) { /* a reference is kept for a dead-name notification */
        return (right->entry->bits & IPC_ENTRY_UREFS) + 2 < MACH_PORT_UREFS_MAX;
    }
    return ipc_space_has_two_free(to) && ipc_hash_has_room(&to->hash);
}

bool ipc_fastright_find(struct ipc_fastright *right, struct ipc_space *from,
                        struct ipc_space *to) NO_LOCK_ANALYSIS
{
    struct ipc_entry *entry;
    uint32_t bits;

    assert(spin_is_held(&from->lock) && spin_is_held(&to->lock));
    if (!ipc_fastpath_find(from, right->name, &entry, &bits) ||
        !ipc_fastpath_has(bits, right->name,
                          right->make ? MACH_PORT_TYPE_RECEIVE : MACH_PORT_TYPE_SEND)) {
        return false;
    }
    right->port = entry->port;
    if (!spin_try_irqs_off(&right->port->lock)) { /* never free when the message goes there */
        return false;
    }
    if (right->port->active && right->port->receiver != to && ipc_fastright_has_place(right, to)) {
        return true;
    }
    spin_unlock_irqs_off(&right->port->lock);
    return false;
}

/* The receiver's first send right to the port: a name of its own. */
static mach_port_name_t ipc_fastright_enter(struct ipc_space *to, struct ipc_port *port)
{
    uint32_t index;
    struct ipc_entry *entry = ipc_space_take_free(to, &index);
    mach_port_name_t name = entry->bits | index;

    entry->bits |= MACH_PORT_TYPE_SEND | 1;
    entry->port = port;
    port->srights += 1;
    atomic_inc(&port->refs);
    ipc_hash_insert(to, entry);
    return name;
}

void ipc_fastright_move(struct ipc_fastright *right, struct ipc_space *to) NO_LOCK_ANALYSIS
{
    struct ipc_port *port = right->port;

    assert(spin_is_held(&port->lock) && spin_is_held(&to->lock));
    port->mscount += right->make ? 1 : 0;
    if (right->entry != NULL) {
        right->entry->bits += 1;
        *right->place = ipc_space_name(to, right->entry);
    } else {
        *right->place = ipc_fastright_enter(to, port);
    }
    right->type->msgt_name = MACH_MSG_TYPE_PORT_SEND;
    spin_unlock_irqs_off(&port->lock);
}
