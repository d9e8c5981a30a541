/* ipc_copyout.c - messages to user space. See ipc_copyout.h. */
#include "ipc/ipc_copyout.h"

#include <stddef.h>

#include "ipc/ipc_kmsg.h"
#include "ipc/ipc_notify.h"
#include "ipc/ipc_port.h"
#include "ipc/ipc_right.h"
#include "ipc/ipc_space.h"
#include "kern/assert.h"
#include "vm/slab.h"
#include "vm/vm_map.h"
#include "vm/vm_pageout.h"

static mach_msg_return_t ipc_copyout_error(kern_return_t kr)
{
    switch (kr) {
    case KERN_SUCCESS:
        return MACH_MSG_SUCCESS;
    case KERN_RESOURCE_SHORTAGE:
        return MACH_MSG_IPC_KERNEL;
    default:
        return MACH_MSG_IPC_SPACE;
    }
}

/* --- body --- */

static mach_msg_return_t ipc_copyout_port(struct ipc_kmsg *kmsg, struct ipc_space *space,
                                          struct ipc_kmsg_slot *slot)
{
    mach_port_name_t name;
    kern_return_t kr = ipc_space_copyout_right(space, slot->object, slot->type, &name);

    slot->kind = IPC_SLOT_EMPTY;
    *ipc_kmsg_slot_place(kmsg, slot) = name;
    return ipc_copyout_error(kr);
}

/* The memory of a message that is received is nowhere else any more: when there is none to map it
 * with, wait for some. */
mach_msg_return_t ipc_copyout_map(struct vm_map *map, struct vm_copy *copy, uint64_t *address)
{
    struct vm_pageout_wait memory = {.deadline_ns = 0};
    vm_offset_t where = 0;
    kern_return_t kr;

    do {
        kr = vm_map_copyout(map, &where, copy);
    } while (kr == KERN_RESOURCE_SHORTAGE && vm_pageout_wait(&memory));
    if (kr != KERN_SUCCESS) {
        vm_copy_discard(copy);
        *address = 0;
        return kr == KERN_RESOURCE_SHORTAGE ? MACH_MSG_VM_KERNEL : MACH_MSG_VM_SPACE;
    }
    *address = where;
    return MACH_MSG_SUCCESS;
}

/* Room for an array of names, in the kernel and in the receiver's map. NULL when there is none; *mr
 * says which. */
static mach_port_name_t *ipc_copyout_array_room(struct vm_map *map, uint32_t count,
                                                uint64_t *address, mach_msg_return_t *mr)
{
    uint64_t size = (uint64_t)count * sizeof(mach_port_name_t);
    mach_port_name_t *names = kalloc_zeroed(size);
    struct vm_copy *copy = names != NULL ? vm_copy_from_kernel(names, size) : NULL;

    *mr = copy != NULL ? ipc_copyout_map(map, copy, address) : MACH_MSG_VM_KERNEL;
    if (*mr != MACH_MSG_SUCCESS && names != NULL) {
        kfree(names, size);
        names = NULL;
    }
    return names;
}

/* Memory is found first: without it the rights are destroyed, as there would be nowhere to say
 * their names. */
static mach_msg_return_t ipc_copyout_array(struct ipc_kmsg *kmsg, struct ipc_space *space,
                                           struct vm_map *map, struct ipc_kmsg_slot *slot)
{
    uint64_t *address = ipc_kmsg_slot_place(kmsg, slot);
    uint64_t size = (uint64_t)slot->count * sizeof(mach_port_name_t);
    struct ipc_port **ports = slot->object;
    mach_port_name_t *names;
    mach_msg_return_t mr;
    uint32_t i;

    *address = 0;
    names = ipc_copyout_array_room(map, slot->count, address, &mr);
    if (names == NULL) {
        return mr; /* the slot still holds the rights: they go with the kmsg */
    }
    for (i = 0; i < slot->count; i++) {
        mr |= ipc_copyout_error(ipc_space_copyout_right(space, ports[i], slot->type, &names[i]));
    }
    slot->kind = IPC_SLOT_EMPTY;
    kfree(ports, slot->count * sizeof(*ports));
    if (copyout(names, *address, size) != KERN_SUCCESS) {
        mr |= MACH_MSG_VM_SPACE;
    }
    kfree(names, size);
    return mr;
}

static mach_msg_return_t ipc_copyout_body(struct ipc_kmsg *kmsg, struct ipc_space *space,
                                          struct vm_map *map)
{
    mach_msg_return_t mr = MACH_MSG_SUCCESS;
    uint32_t i;

    if ((ipc_kmsg_header(kmsg)->msgh_bits & MACH_MSGH_BITS_COMPLEX) == 0) {
        return MACH_MSG_SUCCESS;
    }
    if (!kmsg->located) {
        ipc_kmsg_locate(kmsg);
    }
    for (i = 0; i < kmsg->slot_count; i++) {
        struct ipc_kmsg_slot *slot = &kmsg->slots[i];

        if (slot->offset == 0) {
            continue; /* it goes with the kmsg */
        }
        if (slot->kind == IPC_SLOT_PORT) {
            mr |= ipc_copyout_port(kmsg, space, slot);
        } else if (slot->kind == IPC_SLOT_OOL) {
            slot->kind = IPC_SLOT_EMPTY;
            mr |= ipc_copyout_map(map, slot->object, ipc_kmsg_slot_place(kmsg, slot));
        } else if (slot->kind == IPC_SLOT_OOL_PORTS) {
            mr |= ipc_copyout_array(kmsg, space, map, slot);
        }
    }
    return mr;
}

/* --- header --- */

/* End a right of a living port unless somebody is to be told of that. Locks: port's held. */
static bool ipc_copyout_use_up(struct ipc_port *port, uint32_t type)
{
    if (type == MACH_MSG_TYPE_PORT_SEND_ONCE) {
        assert(port->sorights > 0);
        port->sorights -= 1;
        return true;
    }
    if (type == MACH_MSG_TYPE_PORT_SEND && port->srights > 1) {
        port->srights -= 1;
        return true;
    }
    return false;
}

/* The destination right has done its work: what the receiver calls the port, or its payload, goes
 * where the message came in. */
static void ipc_copyout_dest(struct ipc_kmsg *kmsg, struct ipc_space *space, uint32_t reply_type)
{
    mach_msg_header_t *header = ipc_kmsg_header(kmsg);
    struct ipc_port *port = kmsg->remote;
    uint32_t type = MACH_MSGH_BITS_REMOTE(header->msgh_bits);
    uint32_t local_type = type;
    uint64_t local = MACH_PORT_NAME_NULL;
    bool ours = false;
    bool used_up;

    kmsg->remote = IP_NULL;
    if (IP_VALID(port)) {
        spin_lock(&port->lock);
        ours = port->active && port->receiver == space;
        if (ours) {
            local = port->has_payload ? port->payload : port->receiver_name;
            local_type = port->has_payload ? MACH_MSG_TYPE_PROTECTED_PAYLOAD : type;
        }
        used_up = ours && ipc_copyout_use_up(port, type);
        spin_unlock(&port->lock);
        if (used_up) {
            ipc_port_unref(port);
        } else {
            ipc_port_release_right(port, type);
        }
    }
    header->msgh_protected_payload = local;
    header->msgh_bits =
        (header->msgh_bits & MACH_MSGH_BITS_COMPLEX) | MACH_MSGH_BITS(reply_type, local_type);
}

/* Ask for a dead-name notification on the reply right just delivered. Consumes the space's lock. */
static void ipc_copyout_watch_reply(struct ipc_space *space, mach_port_name_t name,
                                    struct ipc_port *notify_port) RELEASES(space->lock)
{
    struct ipc_entry *entry = ipc_right_lookup(space, name);
    struct ipc_port *notify;
    struct ipc_port *previous;

    if (entry == NULL || entry->request != NULL ||
        (entry->bits & MACH_PORT_TYPE_PORT_RIGHTS) == 0) {
        spin_unlock(&space->lock);
        return;
    }
    notify = ipc_port_make_sonce(notify_port);
    if (ipc_right_dnrequest(space, entry, false, notify, &previous) != KERN_SUCCESS) {
        ipc_port_release_sonce(notify);
    }
}

/* Is the notify argument a receive right? Locks: space's held. */
static mach_msg_return_t ipc_copyout_check_notify(struct ipc_space *space, mach_port_name_t notify,
                                                  struct ipc_port **port)
{
    struct ipc_entry *entry;

    *port = IP_NULL;
    if (notify == MACH_PORT_NAME_NULL) {
        return MACH_MSG_SUCCESS;
    }
    entry = ipc_space_lookup(space, notify);
    if (entry == NULL || (entry->bits & MACH_PORT_TYPE_RECEIVE) == 0) {
        return MACH_RCV_INVALID_NOTIFY;
    }
    *port = entry->port;
    return MACH_MSG_SUCCESS;
}

/* Put the reply right into the receiver's space. On error it is still in the kmsg. */
static mach_msg_return_t ipc_copyout_reply(struct ipc_kmsg *kmsg,
                                           const struct ipc_copyout_target *target,
                                           mach_port_name_t *name)
{
    struct ipc_space *space = target->space;
    struct ipc_port *port = kmsg->local;
    struct ipc_port *notify_port;
    uint32_t type = MACH_MSGH_BITS_LOCAL(kmsg->header.msgh_bits);
    kern_return_t kr = KERN_INVALID_TASK;
    mach_msg_return_t mr;

    *name = port == IP_DEAD ? MACH_PORT_NAME_DEAD : MACH_PORT_NAME_NULL;
    spin_lock(&space->lock);
    mr = ipc_copyout_check_notify(space, target->notify, &notify_port);
    if (mr != MACH_MSG_SUCCESS || !IP_VALID(port)) {
        spin_unlock(&space->lock);
        return mr;
    }
    if (space->active) {
        kr = ipc_right_copyout(space, port, type, true, name);
    }
    if (kr == KERN_SUCCESS) {
        kmsg->local = IP_NULL;
    }
    if (kr == KERN_SUCCESS && notify_port != IP_NULL) {
        ipc_copyout_watch_reply(space, *name, notify_port);
    } else {
        spin_unlock(&space->lock);
    }
    if (kr == KERN_INVALID_CAPABILITY) {
        *name = MACH_PORT_NAME_DEAD;
        kmsg->local = IP_NULL;
        ipc_port_unref(port);
        kr = KERN_SUCCESS;
    }
    return kr == KERN_SUCCESS ? MACH_MSG_SUCCESS : MACH_RCV_HEADER_ERROR | ipc_copyout_error(kr);
}

/* Write the first `size` bytes (no more than the buffer has) and free the kmsg. */
static mach_msg_return_t ipc_copyout_put(struct ipc_kmsg *kmsg, user_addr_t msg, uint32_t room,
                                         uint32_t size, mach_msg_return_t mr)
{
    if (copyout(ipc_kmsg_header(kmsg), msg, size < room ? size : room) != KERN_SUCCESS) {
        mr = MACH_RCV_INVALID_DATA;
    }
    /* What is left in it had nowhere to go. */
    ipc_kmsg_destroy(kmsg);
    return mr;
}

/* The message cannot be delivered: its header says which port it came in on, all it carried is
 * destroyed. */
static mach_msg_return_t ipc_copyout_header_only(struct ipc_kmsg *kmsg,
                                                 const struct ipc_copyout_target *target,
                                                 mach_msg_return_t mr)
{
    uint32_t reply_type = MACH_MSGH_BITS_LOCAL(kmsg->header.msgh_bits);
    mach_port_name_t reply = kmsg->local == IP_DEAD ? MACH_PORT_NAME_DEAD : MACH_PORT_NAME_NULL;

    ipc_kmsg_destroy_contents(kmsg);
    ipc_copyout_dest(kmsg, target->space, reply_type);
    kmsg->header.msgh_remote_port = reply;
    return ipc_copyout_put(kmsg, target->msg, target->size, sizeof(kmsg->header), mr);
}

mach_msg_return_t ipc_copyout(struct ipc_kmsg *kmsg, const struct ipc_copyout_target *target)
{
    uint32_t reply_type = MACH_MSGH_BITS_LOCAL(kmsg->header.msgh_bits);
    mach_port_name_t reply;
    mach_msg_return_t mr;

    ipc_kmsg_credit(kmsg);
    if (kmsg->header.msgh_size > target->size) {
        return ipc_copyout_header_only(kmsg, target, MACH_RCV_TOO_LARGE);
    }
    if (kmsg->local == IP_NULL && target->notify == MACH_PORT_NAME_NULL) {
        reply = MACH_PORT_NAME_NULL;
        mr = MACH_MSG_SUCCESS;
    } else {
        mr = ipc_copyout_reply(kmsg, target, &reply);
    }
    if (mr != MACH_MSG_SUCCESS) {
        return ipc_copyout_header_only(kmsg, target, mr);
    }
    ipc_copyout_dest(kmsg, target->space, reply_type);
    kmsg->header.msgh_remote_port = reply;
    mr = ipc_copyout_body(kmsg, target->space, target->map);
    if (mr != MACH_MSG_SUCCESS) {
        mr |= MACH_RCV_BODY_ERROR;
    }
    return ipc_copyout_put(kmsg, target->msg, target->size, kmsg->header.msgh_size, mr);
}

mach_msg_return_t ipc_copyout_pseudo(struct ipc_kmsg *kmsg, struct ipc_space *space,
                                     struct vm_map *map, user_addr_t msg)
{
    mach_msg_header_t *header = ipc_kmsg_header(kmsg);
    struct ipc_port *remote = kmsg->remote;
    struct ipc_port *local = kmsg->local;
    uint32_t remote_type = MACH_MSGH_BITS_REMOTE(header->msgh_bits);
    uint32_t local_type = MACH_MSGH_BITS_LOCAL(header->msgh_bits);
    mach_port_name_t name;
    mach_msg_return_t mr;

    ipc_kmsg_credit(kmsg);
    kmsg->remote = IP_NULL;
    kmsg->local = IP_NULL;
    mr = ipc_copyout_error(ipc_space_copyout_right(space, remote, remote_type, &name));
    header->msgh_remote_port = name;
    mr |= ipc_copyout_error(ipc_space_copyout_right(space, local, local_type, &name));
    header->msgh_local_port = name;
    mr |= ipc_copyout_body(kmsg, space, map);
    (void)ipc_copyout_put(kmsg, msg, header->msgh_size, header->msgh_size, 0);
    return mr;
}
