/* ipc_fastcarry.c - one send right or one region on the short way of a call. See ipc_fastcarry.h.
 *
 * What the long way does in ipc_copyin.c and ipc_copyout.c, for the two cases that are common. A
 * right is copied or made, so the sender's entry does not change, and the receiver's is found or
 * taken at once. Memory is copied in before any lock is taken, and mapped by the receiver after the
 * switch to it. Whatever else is declined, before anything has changed. */
#include "ipc/ipc_fastcarry.h"

#include "ipc/ipc_body.h"
#include "ipc/ipc_copyout.h"
#include "ipc/ipc_fastpath_impl.h"
#include "ipc/ipc_port.h"
#include "ipc/ipc_space_impl.h"
#include "kern/assert.h"
#include "kern/atomic.h"
#include "kern/task.h"
#include "kern/thread.h"
#include "vm/vm_map.h"

/* Is an item that is not plain bytes one that can be carried? */
static bool ipc_fastcarry_takes(const struct ipc_body_item *item)
{
    if (item->is_port) {
        return item->is_inline && item->number == 1 &&
               (item->name == MACH_MSG_TYPE_MAKE_SEND || item->name == MACH_MSG_TYPE_COPY_SEND);
    }
    return item->length != 0 && !item->deallocate;
}

bool ipc_fastcarry_parse(mach_msg_header_t *header, uint32_t size, struct ipc_fastcarry *carry)
{
    uint32_t offset = sizeof(*header);

    header->msgh_size = size;
    carry->type = NULL;
    carry->copy = NULL;
    while (offset < size) {
        struct ipc_body_item item;

        if (ipc_body_next(header, &offset, &item) != MACH_MSG_SUCCESS) {
            return false;
        }
        if (!item.is_port && item.is_inline) {
            continue;
        }
        if (carry->type != NULL || !ipc_fastcarry_takes(&item)) {
            return false;
        }
        carry->type = item.type;
        carry->place = item.data;
        carry->name = (mach_port_name_t)*item.data;
        carry->make = item.name == MACH_MSG_TYPE_MAKE_SEND;
    }
    return carry->type != NULL;
}

/* --- memory --- */

bool ipc_fastcarry_is_memory(const struct ipc_fastcarry *carry)
{
    return carry->type->msgt_inline == 0;
}

bool ipc_fastcarry_copyin(struct ipc_fastcarry *carry)
{
    return vm_map_copyin(current_task()->map, *carry->place, ipc_body_length(carry->type), false,
                         &carry->copy) == KERN_SUCCESS;
}

void ipc_fastcarry_discard(struct ipc_fastcarry *carry)
{
    if (carry->copy != NULL) {
        vm_copy_discard(carry->copy);
    }
}

mach_msg_return_t ipc_fastcarry_map(struct ipc_fastcarry *carry)
{
    mach_msg_return_t mr = MACH_MSG_SUCCESS;

    if (carry->copy != NULL) {
        mr = ipc_copyout_map(current_task()->map, carry->copy, carry->place);
    }
    return mr == MACH_MSG_SUCCESS ? mr : mr | MACH_RCV_BODY_ERROR;
}

/* --- a right --- */

/* Is there a place for the right in the receiver's space, beside that for the reply right? Locks:
 * to, carry->port held. */
static bool ipc_fastcarry_has_place(struct ipc_fastcarry *carry, struct ipc_space *to)
{
    carry->entry = ipc_hash_lookup(to, carry->port);
    if (carry->entry != NULL) { /* a reference is kept for a dead-name notification */
        return (carry->entry->bits & IPC_ENTRY_UREFS) + 2 < MACH_PORT_UREFS_MAX;
    }
    return ipc_space_has_two_free(to) && ipc_hash_has_room(&to->hash);
}

bool ipc_fastcarry_find_place(struct ipc_fastcarry *carry, struct ipc_space *to) NO_LOCK_ANALYSIS
{
    struct ipc_port *port = carry->port;

    if (!spin_try_irqs_off(&port->lock)) { /* never free when the message goes there */
        return false;
    }
    if (port->active && port->receiver != to && ipc_fastcarry_has_place(carry, to)) {
        return true;
    }
    spin_unlock_irqs_off(&port->lock);
    return false;
}

bool ipc_fastcarry_find(struct ipc_fastcarry *carry, struct ipc_space *from,
                        struct ipc_space *to) NO_LOCK_ANALYSIS
{
    struct ipc_entry *entry;
    uint32_t bits;

    assert(spin_is_held(&from->lock) && spin_is_held(&to->lock));
    if (carry->copy != NULL) {
        return true;
    }
    if (!ipc_fastpath_find(from, carry->name, &entry, &bits) ||
        !ipc_fastpath_has(bits, carry->name,
                          carry->make ? MACH_PORT_TYPE_RECEIVE : MACH_PORT_TYPE_SEND)) {
        return false;
    }
    carry->port = entry->port;
    return ipc_fastcarry_find_place(carry, to);
}

void ipc_fastcarry_drop(struct ipc_fastcarry *carry) NO_LOCK_ANALYSIS
{
    if (carry->copy == NULL) {
        spin_unlock_irqs_off(&carry->port->lock);
    }
}

/* The receiver's first send right to the port: a name of its own. */
static mach_port_name_t ipc_fastcarry_enter(struct ipc_space *to, struct ipc_port *port)
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

void ipc_fastcarry_move(struct ipc_fastcarry *carry, struct ipc_space *to) NO_LOCK_ANALYSIS
{
    struct ipc_port *port = carry->port;

    if (carry->copy != NULL) {
        return;
    }
    assert(spin_is_held(&port->lock) && spin_is_held(&to->lock));
    port->mscount += carry->make ? 1 : 0;
    if (carry->entry != NULL) {
        carry->entry->bits += 1;
        *carry->place = ipc_space_name(to, carry->entry);
    } else {
        *carry->place = ipc_fastcarry_enter(to, port);
    }
    carry->type->msgt_name = MACH_MSG_TYPE_PORT_SEND;
    spin_unlock_irqs_off(&port->lock);
}
