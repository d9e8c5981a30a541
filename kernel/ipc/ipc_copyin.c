/* ipc_copyin.c - messages from user space. See ipc_copyin.h. */
#include "ipc/ipc_copyin.h"

#include <stddef.h>

#include "ipc/ipc_body.h"
#include "ipc/ipc_kmsg.h"
#include "ipc/ipc_port.h"
#include "ipc/ipc_right.h"
#include "ipc/ipc_space.h"
#include "kern/assert.h"
#include "kern/printf.h"
#include "kern/string.h"
#include "vm/slab.h"
#include "vm/vm_map.h"

#define IPC_COPYIN_CHUNK 64u

/* What is known while one message is being copied in. */
struct ipc_copyin {
    struct ipc_space *space;
    struct vm_map *map;
    user_addr_t msg;
    struct ipc_kmsg *kmsg;
    mach_port_name_t dest; /* names in the header and how they go */
    mach_port_name_t reply;
    mach_port_name_t cancel;
    uint32_t dest_type;
    uint32_t reply_type;
    bool memory_taken; /* a region was taken out of the sender's map */
    struct ipc_right_cleanup cleanup;
};

static bool ipc_copyin_is_complex(const struct ipc_copyin *in)
{
    return (in->kmsg->header.msgh_bits & MACH_MSGH_BITS_COMPLEX) != 0;
}

/* --- 1: bytes and header --- */

static mach_msg_return_t ipc_copyin_bytes(struct ipc_copyin *in, uint32_t size)
{
    struct ipc_kmsg *kmsg;

    if (size < sizeof(mach_msg_header_t) || size % 4 != 0) {
        user_error("send: size %u", size);
        return MACH_SEND_MSG_TOO_SMALL;
    }
    if (size > IPC_KMSG_SIZE_MAX) {
        return MACH_SEND_NO_BUFFER;
    }
    kmsg = ipc_kmsg_alloc_user(size);
    if (kmsg == NULL) {
        return MACH_SEND_NO_BUFFER;
    }
    in->kmsg = kmsg;
    if (copyin(in->msg, &kmsg->header, size) != KERN_SUCCESS) {
        return MACH_SEND_INVALID_DATA;
    }
    if (kmsg->room != size) {
        memset((char *)&kmsg->header + size, 0, kmsg->room - size);
    }
    kmsg->header.msgh_size = kmsg->room;
    return MACH_MSG_SUCCESS;
}

static mach_msg_return_t ipc_copyin_header(struct ipc_copyin *in)
{
    mach_msg_header_t *header = &in->kmsg->header;

    in->dest = header->msgh_remote_port;
    in->reply = header->msgh_local_port;
    in->dest_type = MACH_MSGH_BITS_REMOTE(header->msgh_bits);
    in->reply_type = MACH_MSGH_BITS_LOCAL(header->msgh_bits);
    header->msgh_bits &= MACH_MSGH_BITS_COMPLEX;
    header->msgh_remote_port = MACH_PORT_NAME_NULL;
    header->msgh_remote_pad = 0;
    header->msgh_protected_payload = 0;
    header->msgh_seqno = 0;
    if (!MACH_MSG_TYPE_PORT_ANY_SEND(in->dest_type) ||
        (in->reply_type == 0 ? in->reply != MACH_PORT_NAME_NULL
                             : !MACH_MSG_TYPE_PORT_ANY_SEND(in->reply_type))) {
        user_error("send: dispositions %u and %u", in->dest_type, in->reply_type);
        return MACH_SEND_INVALID_HEADER;
    }
    return MACH_PORT_NAME_VALID(in->dest) ? MACH_MSG_SUCCESS : MACH_SEND_INVALID_DEST;
}

/* --- 2: descriptors become slots that hold names and places of memory --- */

static uint64_t ipc_copyin_add_slot(struct ipc_kmsg *kmsg, uint8_t kind, void *object,
                                    uint32_t count, uint32_t type)
{
    assert(kmsg->slot_count < kmsg->slot_max);
    kmsg->slots[kmsg->slot_count] = (struct ipc_kmsg_slot){
        .object = object, .count = count, .kind = kind, .type = (uint8_t)type};
    kmsg->slot_count += 1;
    return kmsg->slot_count;
}

/* Walk the body once without changing it: is it well formed, and how many slots does it need? */
static mach_msg_return_t ipc_copyin_measure(struct ipc_copyin *in, uint32_t *slots)
{
    mach_msg_header_t *header = &in->kmsg->header;
    uint32_t offset = sizeof(*header);
    uint64_t rights = 0;
    uint64_t count = 0;

    while (offset < header->msgh_size) {
        struct ipc_body_item item;
        mach_msg_return_t mr = ipc_body_next(header, &offset, &item);

        if (mr != MACH_MSG_SUCCESS) {
            user_error("send: item before offset %u is malformed", offset);
            return mr;
        }
        rights += item.is_port ? item.number : 0;
        count += item.is_port && item.is_inline ? item.number : 0;
        count += !item.is_inline ? 1 : 0;
    }
    if (rights > IPC_COPYIN_RIGHTS_MAX) {
        user_error("send: %llu rights in one message", (unsigned long long)rights);
        return MACH_SEND_NO_BUFFER;
    }
    *slots = (uint32_t)count;
    return MACH_MSG_SUCCESS;
}

static void ipc_copyin_inline_names(struct ipc_kmsg *kmsg, const struct ipc_body_item *item)
{
    uint32_t i;

    for (i = 0; i < item->number; i++) {
        mach_port_name_t name = (mach_port_name_t)item->data[i];

        if (!MACH_PORT_NAME_VALID(name)) {
            item->data[i] = name == MACH_PORT_NAME_NULL ? IPC_KMSG_SLOT_NULL : IPC_KMSG_SLOT_DEAD;
        } else {
            item->data[i] =
                ipc_copyin_add_slot(kmsg, IPC_SLOT_NAME, (void *)(uintptr_t)name, 1, item->name);
        }
    }
}

/* Read an array of names into the room their ports will need. */
static mach_msg_return_t ipc_copyin_array(struct ipc_kmsg *kmsg, const struct ipc_body_item *item)
{
    user_addr_t address = *item->data;
    mach_port_name_t names[IPC_COPYIN_CHUNK];
    struct ipc_port **ports = kalloc(item->number * sizeof(*ports));
    uint32_t done = 0;

    if (ports == NULL) {
        return MACH_SEND_NO_BUFFER;
    }
    *item->data = ipc_copyin_add_slot(kmsg, IPC_SLOT_OOL_NAMES, ports, item->number, item->name);
    while (done < item->number) {
        uint32_t left = item->number - done;
        uint32_t n = left < IPC_COPYIN_CHUNK ? left : IPC_COPYIN_CHUNK;
        uint32_t i;

        if (copyin(address + done * sizeof(names[0]), names, n * sizeof(names[0])) !=
            KERN_SUCCESS) {
            return MACH_SEND_INVALID_MEMORY;
        }
        for (i = 0; i < n; i++) {
            ports[done + i] = (struct ipc_port *)(uintptr_t)names[i];
        }
        done += n;
    }
    return MACH_MSG_SUCCESS;
}

/* Where an array of names lies must be remembered when it is to be deallocated: a slot of its own,
 * emptied once that is done. */
static mach_msg_return_t ipc_copyin_item(struct ipc_copyin *in, const struct ipc_body_item *item)
{
    struct ipc_kmsg *kmsg = in->kmsg;

    if (item->is_port && item->is_inline) {
        ipc_copyin_inline_names(kmsg, item);
    } else if (!item->is_inline && item->length == 0) {
        *item->data = IPC_KMSG_SLOT_NULL;
    } else if (item->is_port) {
        return ipc_copyin_array(kmsg, item);
    } else if (!item->is_inline) {
        ipc_copyin_add_slot(kmsg, IPC_SLOT_MEMORY, NULL, item->data_offset, 0);
    }
    return MACH_MSG_SUCCESS;
}

static mach_msg_return_t ipc_copyin_body(struct ipc_copyin *in)
{
    mach_msg_header_t *header = &in->kmsg->header;
    uint32_t offset = sizeof(*header);
    uint32_t slots = 0;
    mach_msg_return_t mr = ipc_copyin_measure(in, &slots);

    if (mr == MACH_MSG_SUCCESS && !ipc_kmsg_reserve_slots(in->kmsg, slots)) {
        mr = MACH_SEND_NO_BUFFER;
    }
    while (mr == MACH_MSG_SUCCESS && offset < header->msgh_size) {
        struct ipc_body_item item;

        mr = ipc_body_next(header, &offset, &item);
        assert(mr == MACH_MSG_SUCCESS);
        mr = ipc_copyin_item(in, &item);
    }
    return mr;
}

/* --- 3: memory --- */

static mach_msg_return_t ipc_copyin_region(struct ipc_copyin *in, uint32_t index,
                                           const struct ipc_body_item *item)
{
    struct ipc_kmsg_slot *slot = &in->kmsg->slots[index];
    struct vm_copy *copy;
    kern_return_t kr = vm_map_copyin(in->map, *item->data, item->length, item->deallocate, &copy);

    if (kr != KERN_SUCCESS) {
        return kr == KERN_RESOURCE_SHORTAGE ? MACH_SEND_NO_BUFFER : MACH_SEND_INVALID_MEMORY;
    }
    in->memory_taken = in->memory_taken || item->deallocate;
    slot->kind = IPC_SLOT_OOL;
    slot->object = copy;
    *item->data = index + 1;
    return MACH_MSG_SUCCESS;
}

/* Which slot stands for the memory whose pointer lies at an offset. Slots are in the order of the
 * items. */
static uint32_t ipc_copyin_memory_slot(const struct ipc_kmsg *kmsg, uint32_t *from,
                                       uint32_t data_offset)
{
    uint32_t i = *from;

    while (kmsg->slots[i].count != data_offset ||
           (kmsg->slots[i].kind != IPC_SLOT_MEMORY && kmsg->slots[i].kind != IPC_SLOT_OOL)) {
        i += 1;
    }
    *from = i + 1;
    return i;
}

static bool ipc_copyin_is_memory(const struct ipc_body_item *item)
{
    return !item->is_inline && !item->is_port && item->length != 0;
}

static mach_msg_return_t ipc_copyin_memory(struct ipc_copyin *in)
{
    mach_msg_header_t *header = &in->kmsg->header;
    uint32_t offset = sizeof(*header);
    uint32_t from = 0;
    mach_msg_return_t mr = MACH_MSG_SUCCESS;

    while (mr == MACH_MSG_SUCCESS && offset < header->msgh_size) {
        struct ipc_body_item item;

        mr = ipc_body_next(header, &offset, &item);
        if (mr == MACH_MSG_SUCCESS && ipc_copyin_is_memory(&item)) {
            mr = ipc_copyin_region(in, ipc_copyin_memory_slot(in->kmsg, &from, item.data_offset),
                                   &item);
        }
    }
    return mr;
}

/* Regions that were taken out of the sender's map go back to it, where there is room; the message
 * in user space says where. */
static void ipc_copyin_put_memory_back(struct ipc_copyin *in)
{
    mach_msg_header_t *header = &in->kmsg->header;
    uint32_t offset = sizeof(*header);
    uint32_t from = 0;

    while (offset < header->msgh_size) {
        struct ipc_body_item item;
        struct ipc_kmsg_slot *slot;
        vm_offset_t address;

        if (ipc_body_next(header, &offset, &item) != MACH_MSG_SUCCESS) {
            return;
        }
        if (!ipc_copyin_is_memory(&item)) {
            continue;
        }
        slot = &in->kmsg->slots[ipc_copyin_memory_slot(in->kmsg, &from, item.data_offset)];
        if (slot->kind == IPC_SLOT_OOL && item.deallocate &&
            vm_map_copyout(in->map, &address, slot->object) == KERN_SUCCESS) {
            slot->kind = IPC_SLOT_EMPTY;
            (void)copyout(&address, in->msg + item.data_offset, sizeof(address));
        }
    }
}

/* --- 4: rights --- */

/* What to do with each right of the message in turn. */
typedef mach_msg_return_t (*ipc_copyin_step)(struct ipc_copyin *in, mach_port_name_t name,
                                             uint32_t disposition, struct ipc_port **port);

static mach_msg_return_t ipc_copyin_check_one(struct ipc_copyin *in, mach_port_name_t name,
                                              uint32_t disposition, struct ipc_port **port)
    REQUIRES(in->space->lock)
{
    (void)port;
    return ipc_right_copyin_check(in->space, name, disposition, true) == KERN_SUCCESS
               ? MACH_MSG_SUCCESS
               : MACH_SEND_INVALID_RIGHT;
}

static mach_msg_return_t ipc_copyin_unclaim_one(struct ipc_copyin *in, mach_port_name_t name,
                                                uint32_t disposition, struct ipc_port **port)
{
    (void)disposition;
    (void)port;
    ipc_right_unclaim(in->space, name);
    return MACH_MSG_SUCCESS;
}

static mach_msg_return_t ipc_copyin_take_one(struct ipc_copyin *in, mach_port_name_t name,
                                             uint32_t disposition, struct ipc_port **port)
    REQUIRES(in->space->lock)
{
    ipc_right_copyin(in->space, name, disposition, port, &in->cleanup);
    return MACH_MSG_SUCCESS;
}

static mach_msg_return_t ipc_copyin_each_in_array(struct ipc_copyin *in, struct ipc_kmsg_slot *slot,
                                                  ipc_copyin_step step)
{
    struct ipc_port **ports = slot->object;
    mach_msg_return_t mr = MACH_MSG_SUCCESS;
    uint32_t i;

    for (i = 0; i < slot->count && mr == MACH_MSG_SUCCESS; i++) {
        mach_port_name_t name = (mach_port_name_t)(uintptr_t)ports[i];

        if (MACH_PORT_NAME_VALID(name)) {
            mr = step(in, name, slot->type, &ports[i]);
        } else if (step == ipc_copyin_take_one) {
            ports[i] = name == MACH_PORT_NAME_NULL ? IP_NULL : IP_DEAD;
        }
    }
    return mr;
}

static mach_msg_return_t ipc_copyin_each_in_body(struct ipc_copyin *in, ipc_copyin_step step)
{
    mach_msg_return_t mr = MACH_MSG_SUCCESS;
    uint32_t i;

    for (i = 0; i < in->kmsg->slot_count && mr == MACH_MSG_SUCCESS; i++) {
        struct ipc_kmsg_slot *slot = &in->kmsg->slots[i];

        if (slot->kind == IPC_SLOT_NAME) {
            mr = step(in, (mach_port_name_t)(uintptr_t)slot->object, slot->type,
                      (struct ipc_port **)&slot->object);
        } else if (slot->kind == IPC_SLOT_OOL_NAMES) {
            mr = ipc_copyin_each_in_array(in, slot, step);
        }
    }
    return mr;
}

static mach_msg_return_t ipc_copyin_check_cancel(struct ipc_copyin *in) REQUIRES(in->space->lock)
{
    struct ipc_entry *entry;

    if (in->cancel == MACH_PORT_NAME_NULL) {
        return MACH_MSG_SUCCESS;
    }
    entry = ipc_right_lookup(in->space, in->cancel);
    if (entry == NULL || (entry->bits & MACH_PORT_TYPE_RECEIVE) == 0) {
        return MACH_SEND_INVALID_NOTIFY;
    }
    in->cleanup.silent = entry->port;
    return MACH_MSG_SUCCESS;
}

/* Are all rights there, each after those before it? Locks: space's held. What was claimed must be
 * taken or unclaimed. */
static mach_msg_return_t ipc_copyin_check_rights(struct ipc_copyin *in) REQUIRES(in->space->lock)
{
    mach_msg_return_t mr = ipc_copyin_check_cancel(in);

    if (mr != MACH_MSG_SUCCESS) {
        return mr;
    }
    if (ipc_right_copyin_check(in->space, in->dest, in->dest_type, false) != KERN_SUCCESS) {
        return MACH_SEND_INVALID_DEST;
    }
    if (MACH_PORT_NAME_VALID(in->reply) &&
        ipc_right_copyin_check(in->space, in->reply, in->reply_type, true) != KERN_SUCCESS) {
        return MACH_SEND_INVALID_REPLY;
    }
    return ipc_copyin_each_in_body(in, ipc_copyin_check_one);
}

static void ipc_copyin_unclaim_rights(struct ipc_copyin *in)
{
    ipc_right_unclaim(in->space, in->dest);
    ipc_right_unclaim(in->space, in->reply);
    ipc_copyin_each_in_body(in, ipc_copyin_unclaim_one);
}

/* Before memory is taken from the sender: would the rights do? */
static mach_msg_return_t ipc_copyin_precheck(struct ipc_copyin *in)
{
    mach_msg_return_t mr = MACH_SEND_INVALID_DEST;

    spin_lock(&in->space->lock);
    if (in->space->active) {
        mr = ipc_copyin_check_rights(in);
        ipc_copyin_unclaim_rights(in);
    }
    spin_unlock(&in->space->lock);
    return mr;
}

static void ipc_copyin_take_header(struct ipc_copyin *in) REQUIRES(in->space->lock)
{
    struct ipc_port *port = IP_NULL;
    uint32_t type = 0;

    ipc_right_copyin(in->space, in->dest, in->dest_type, &port, &in->cleanup);
    ipc_kmsg_set_remote(in->kmsg, port, ipc_right_type(in->dest_type));
    port = in->reply == MACH_PORT_NAME_DEAD ? IP_DEAD : IP_NULL;
    if (in->reply_type != 0) {
        type = ipc_right_type(in->reply_type);
    }
    if (MACH_PORT_NAME_VALID(in->reply)) {
        ipc_right_copyin(in->space, in->reply, in->reply_type, &port, &in->cleanup);
    }
    ipc_kmsg_set_local(in->kmsg, port, type);
}

/* All rights move, or none. */
static mach_msg_return_t ipc_copyin_rights(struct ipc_copyin *in)
{
    mach_msg_return_t mr = MACH_SEND_INVALID_DEST;

    spin_lock(&in->space->lock);
    if (in->space->active) {
        mr = ipc_copyin_check_rights(in);
        if (mr == MACH_MSG_SUCCESS) {
            ipc_copyin_take_header(in);
            ipc_copyin_each_in_body(in, ipc_copyin_take_one);
            if (in->cleanup.silent != IP_NULL) {
                ipc_port_ref(in->cleanup.silent);
            }
        } else {
            ipc_copyin_unclaim_rights(in);
            in->cleanup.silent = IP_NULL;
        }
    }
    spin_unlock(&in->space->lock);
    return mr;
}

/* --- 5: the slots hold rights now: give them their final form --- */

static void ipc_copyin_settle_array(struct ipc_kmsg_slot *slot, uint32_t disposition)
{
    struct ipc_port **ports = slot->object;
    uint32_t i;

    for (i = 0; disposition == MACH_MSG_TYPE_MOVE_RECEIVE && i < slot->count; i++) {
        ipc_port_receive_moved(ports[i]);
    }
    slot->kind = IPC_SLOT_OOL_PORTS;
    slot->type = (uint8_t)ipc_right_type(disposition);
}

static void ipc_copyin_settle_inline(struct ipc_kmsg *kmsg, const struct ipc_body_item *item)
{
    uint32_t i;

    for (i = 0; i < item->number; i++) {
        struct ipc_kmsg_slot *slot;

        if (item->data[i] == IPC_KMSG_SLOT_NULL || item->data[i] == IPC_KMSG_SLOT_DEAD) {
            continue;
        }
        slot = &kmsg->slots[item->data[i] - 1];
        if (slot->object == IP_DEAD) {
            slot->kind = IPC_SLOT_EMPTY;
            item->data[i] = IPC_KMSG_SLOT_DEAD;
            continue;
        }
        if (item->name == MACH_MSG_TYPE_MOVE_RECEIVE) {
            ipc_port_receive_moved(slot->object);
        }
        slot->kind = IPC_SLOT_PORT;
        slot->type = (uint8_t)ipc_right_type(item->name);
    }
}

static void ipc_copyin_settle(struct ipc_copyin *in)
{
    mach_msg_header_t *header = &in->kmsg->header;
    uint32_t offset = sizeof(*header);

    while (offset < header->msgh_size) {
        struct ipc_body_item item;

        if (ipc_body_next(header, &offset, &item) != MACH_MSG_SUCCESS) {
            break;
        }
        if (!item.is_port) {
            continue;
        }
        if (item.is_inline) {
            ipc_copyin_settle_inline(in->kmsg, &item);
        } else if (*item.data != IPC_KMSG_SLOT_NULL) {
            ipc_copyin_settle_array(&in->kmsg->slots[*item.data - 1], item.name);
        }
        item.type->msgt_name = ipc_right_type(item.name) & 0xff;
    }
    ipc_kmsg_set_in_transit(in->kmsg);
}

/* Arrays of names that are to leave the sender's memory. Their addresses are read again from the
 * user's message only to unmap them there. */
static void ipc_copyin_unmap_arrays(struct ipc_copyin *in)
{
    mach_msg_header_t *header = &in->kmsg->header;
    uint32_t offset = sizeof(*header);

    while (offset < header->msgh_size) {
        struct ipc_body_item item;
        struct vm_copy *copy;
        vm_offset_t address;

        if (ipc_body_next(header, &offset, &item) != MACH_MSG_SUCCESS) {
            return;
        }
        if (!item.is_port || item.is_inline || !item.deallocate || item.length == 0) {
            continue;
        }
        if (copyin(in->msg + item.data_offset, &address, sizeof(address)) == KERN_SUCCESS &&
            vm_map_copyin(in->map, address, item.length, true, &copy) == KERN_SUCCESS) {
            vm_copy_discard(copy);
        }
    }
}

/* --- all of it --- */

static mach_msg_return_t ipc_copyin_complex(struct ipc_copyin *in)
{
    mach_msg_return_t mr = ipc_copyin_body(in);

    if (mr == MACH_MSG_SUCCESS) {
        mr = ipc_copyin_precheck(in);
    }
    if (mr == MACH_MSG_SUCCESS) {
        mr = ipc_copyin_memory(in);
    }
    if (mr == MACH_MSG_SUCCESS) {
        mr = ipc_copyin_rights(in);
    }
    if (mr != MACH_MSG_SUCCESS) {
        if (in->memory_taken) {
            ipc_copyin_put_memory_back(in);
        }
        return mr;
    }
    ipc_copyin_settle(in);
    ipc_copyin_unmap_arrays(in);
    return MACH_MSG_SUCCESS;
}

static mach_msg_return_t ipc_copyin_message(struct ipc_copyin *in, uint32_t size)
{
    mach_msg_return_t mr = ipc_copyin_bytes(in, size);

    if (mr == MACH_MSG_SUCCESS) {
        mr = ipc_copyin_header(in);
    }
    if (mr != MACH_MSG_SUCCESS) {
        return mr;
    }
    return ipc_copyin_is_complex(in) ? ipc_copyin_complex(in) : ipc_copyin_rights(in);
}

mach_msg_return_t ipc_copyin(struct ipc_space *space, struct vm_map *map, user_addr_t msg,
                             uint32_t size, mach_port_name_t cancel, struct ipc_kmsg **kmsg)
{
    struct ipc_copyin in = {.space = space, .map = map, .msg = msg, .cancel = cancel};
    mach_msg_return_t mr;

    ipc_right_cleanup_init(&in.cleanup);
    mr = ipc_copyin_message(&in, size);
    if (mr != MACH_MSG_SUCCESS) {
        if (in.kmsg != NULL) {
            ipc_kmsg_destroy(in.kmsg);
        }
        return mr;
    }
    ipc_right_cleanup_run(&in.cleanup);
    if (in.cleanup.silent != IP_NULL) {
        ipc_port_unref(in.cleanup.silent);
    }
    *kmsg = in.kmsg;
    return MACH_MSG_SUCCESS;
}
