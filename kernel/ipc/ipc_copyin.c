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
    uint64_t rights;    /* in the body */
    bool has_memory;    /* among the items is memory, */
    bool takes_memory;  /* some of it to leave the sender, */
    bool takes_arrays;  /* arrays of names that are to leave it, */
    bool moves_receive; /* receive rights */
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

static struct ipc_kmsg_slot *ipc_copyin_add_slot(struct ipc_kmsg *kmsg, uint8_t kind, void *object,
                                                 uint32_t count, uint32_t type, uint32_t offset)
{
    struct ipc_kmsg_slot *slot = &kmsg->slots[kmsg->slot_count];

    assert(kmsg->slot_count < kmsg->slot_max);
    *slot = (struct ipc_kmsg_slot){
        .object = object, .count = count, .offset = offset, .kind = kind, .type = (uint8_t)type};
    kmsg->slot_count += 1;
    *ipc_kmsg_slot_place(kmsg, slot) = kmsg->slot_count;
    return slot;
}

static void ipc_copyin_inline_names(struct ipc_kmsg *kmsg, const struct ipc_body_item *item)
{
    uint32_t i;

    for (i = 0; i < item->number; i++) {
        mach_port_name_t name = (mach_port_name_t)item->data[i];

        if (MACH_PORT_NAME_VALID(name)) {
            ipc_copyin_add_slot(kmsg, IPC_SLOT_NAME, (void *)(uintptr_t)name, 1, item->name,
                                item->data_offset + i * (uint32_t)sizeof(uint64_t));
        } else {
            item->data[i] = name == MACH_PORT_NAME_NULL ? IPC_KMSG_SLOT_NULL : IPC_KMSG_SLOT_DEAD;
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
    ipc_copyin_add_slot(kmsg, IPC_SLOT_OOL_NAMES, ports, item->number, item->name,
                        item->data_offset);
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

/* Out-of-line memory waits in a slot until the rest is known to be right. */
static mach_msg_return_t ipc_copyin_out_of_line(struct ipc_copyin *in,
                                                const struct ipc_body_item *item)
{
    if (!ipc_kmsg_reserve_slots(in->kmsg, in->kmsg->slot_count + 1)) {
        return MACH_SEND_NO_BUFFER;
    }
    if (item->is_port) {
        in->takes_arrays = in->takes_arrays || item->deallocate;
        return ipc_copyin_array(in->kmsg, item);
    }
    in->has_memory = true;
    in->takes_memory = in->takes_memory || item->deallocate;
    ipc_copyin_add_slot(in->kmsg, IPC_SLOT_MEMORY, (void *)*item->data, item->deallocate, 0,
                        item->data_offset);
    return MACH_MSG_SUCCESS;
}

/* The type of an item of ports is what the receiver gets; how they go is in their slots. */
static mach_msg_return_t ipc_copyin_ports(struct ipc_copyin *in, const struct ipc_body_item *item)
{
    in->rights += item->number;
    if (in->rights > IPC_COPYIN_RIGHTS_MAX) {
        user_error("send: %llu rights in one message", (unsigned long long)in->rights);
        return MACH_SEND_NO_BUFFER;
    }
    in->moves_receive = in->moves_receive || item->name == MACH_MSG_TYPE_MOVE_RECEIVE;
    item->type->msgt_name = ipc_right_type(item->name) & 0xff;
    if (!item->is_inline) {
        return MACH_MSG_SUCCESS;
    }
    if (!ipc_kmsg_reserve_slots(in->kmsg, in->kmsg->slot_count + item->number)) {
        return MACH_SEND_NO_BUFFER;
    }
    ipc_copyin_inline_names(in->kmsg, item);
    return MACH_MSG_SUCCESS;
}

static mach_msg_return_t ipc_copyin_item(struct ipc_copyin *in, const struct ipc_body_item *item)
{
    mach_msg_return_t mr = MACH_MSG_SUCCESS;

    if (item->is_port) {
        mr = ipc_copyin_ports(in, item);
    }
    if (mr != MACH_MSG_SUCCESS || item->is_inline) {
        return mr;
    }
    if (item->length == 0) {
        *item->data = IPC_KMSG_SLOT_NULL;
        return MACH_MSG_SUCCESS;
    }
    return ipc_copyin_out_of_line(in, item);
}

static mach_msg_return_t ipc_copyin_body(struct ipc_copyin *in)
{
    mach_msg_header_t *header = &in->kmsg->header;
    uint32_t offset = sizeof(*header);
    mach_msg_return_t mr = MACH_MSG_SUCCESS;

    while (mr == MACH_MSG_SUCCESS && offset < header->msgh_size) {
        struct ipc_body_item item;

        mr = ipc_body_next(header, &offset, &item);
        if (mr != MACH_MSG_SUCCESS) {
            user_error("send: item before offset %u is malformed", offset);
            return mr;
        }
        mr = ipc_copyin_item(in, &item);
    }
    in->kmsg->located = true;
    return mr;
}

/* --- 3: memory --- */

static mach_msg_return_t ipc_copyin_region(struct ipc_copyin *in, struct ipc_kmsg_slot *slot)
{
    vm_size_t length = ipc_body_length(ipc_kmsg_slot_type(in->kmsg, slot));
    struct vm_copy *copy;
    kern_return_t kr =
        vm_map_copyin(in->map, (vm_offset_t)slot->object, length, slot->count != 0, &copy);

    if (kr != KERN_SUCCESS) {
        return kr == KERN_RESOURCE_SHORTAGE ? MACH_SEND_NO_BUFFER : MACH_SEND_INVALID_MEMORY;
    }
    slot->kind = IPC_SLOT_OOL;
    slot->object = copy;
    return MACH_MSG_SUCCESS;
}

static mach_msg_return_t ipc_copyin_memory(struct ipc_copyin *in)
{
    mach_msg_return_t mr = MACH_MSG_SUCCESS;
    uint32_t i;

    for (i = 0; i < in->kmsg->slot_count && mr == MACH_MSG_SUCCESS; i++) {
        if (in->kmsg->slots[i].kind == IPC_SLOT_MEMORY) {
            mr = ipc_copyin_region(in, &in->kmsg->slots[i]);
        }
    }
    return mr;
}

/* Regions that were taken out of the sender's map go back to it, where there is room; the message
 * in user space says where. */
static void ipc_copyin_put_memory_back(struct ipc_copyin *in)
{
    uint32_t i;

    for (i = 0; i < in->kmsg->slot_count; i++) {
        struct ipc_kmsg_slot *slot = &in->kmsg->slots[i];
        vm_offset_t address;

        if (slot->kind == IPC_SLOT_OOL && slot->count != 0 &&
            vm_map_copyout(in->map, &address, slot->object) == KERN_SUCCESS) {
            slot->kind = IPC_SLOT_EMPTY;
            (void)copyout(&address, in->msg + slot->offset, sizeof(address));
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

/* Which right a taken one is now is in its slot. */
static void ipc_copyin_take_body(struct ipc_copyin *in) REQUIRES(in->space->lock)
{
    uint32_t i;

    ipc_copyin_each_in_body(in, ipc_copyin_take_one);
    for (i = 0; i < in->kmsg->slot_count; i++) {
        struct ipc_kmsg_slot *slot = &in->kmsg->slots[i];

        if (slot->kind == IPC_SLOT_NAME && slot->object == IP_DEAD) {
            slot->kind = IPC_SLOT_EMPTY;
            *ipc_kmsg_slot_place(in->kmsg, slot) = IPC_KMSG_SLOT_DEAD;
        } else if (slot->kind == IPC_SLOT_NAME || slot->kind == IPC_SLOT_OOL_NAMES) {
            slot->kind = slot->kind == IPC_SLOT_NAME ? IPC_SLOT_PORT : IPC_SLOT_OOL_PORTS;
            slot->type = (uint8_t)ipc_right_type(slot->type);
        }
    }
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
            ipc_copyin_take_body(in);
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

/* --- 5: what follows once the rights are taken --- */

/* Receive rights leave their holder and are on their way. */
static void ipc_copyin_receive_moved(struct ipc_kmsg *kmsg)
{
    uint32_t i;
    uint32_t j;

    for (i = 0; i < kmsg->slot_count; i++) {
        struct ipc_kmsg_slot *slot = &kmsg->slots[i];

        if (slot->type != MACH_MSG_TYPE_PORT_RECEIVE) {
            continue;
        }
        if (slot->kind == IPC_SLOT_PORT) {
            ipc_port_receive_moved(slot->object);
        }
        for (j = 0; slot->kind == IPC_SLOT_OOL_PORTS && j < slot->count; j++) {
            ipc_port_receive_moved(((struct ipc_port **)slot->object)[j]);
        }
    }
    ipc_kmsg_set_in_transit(kmsg);
}

/* Arrays of names that are to leave the sender's memory. Their addresses are read again from the
 * user's message only to unmap them there. */
static void ipc_copyin_unmap_arrays(struct ipc_copyin *in)
{
    uint32_t i;

    for (i = 0; i < in->kmsg->slot_count; i++) {
        struct ipc_kmsg_slot *slot = &in->kmsg->slots[i];
        const mach_msg_type_t *type = ipc_kmsg_slot_type(in->kmsg, slot);
        struct vm_copy *copy;
        vm_offset_t address;

        if (slot->kind == IPC_SLOT_OOL_PORTS && type->msgt_deallocate != 0 &&
            copyin(in->msg + slot->offset, &address, sizeof(address)) == KERN_SUCCESS &&
            vm_map_copyin(in->map, address, ipc_body_length(type), true, &copy) == KERN_SUCCESS) {
            vm_copy_discard(copy);
        }
    }
}

/* --- all of it --- */

static mach_msg_return_t ipc_copyin_complex(struct ipc_copyin *in)
{
    mach_msg_return_t mr = ipc_copyin_body(in);

    if (mr == MACH_MSG_SUCCESS && in->takes_memory) {
        mr = ipc_copyin_precheck(in);
    }
    if (mr == MACH_MSG_SUCCESS && in->has_memory) {
        mr = ipc_copyin_memory(in);
    }
    if (mr == MACH_MSG_SUCCESS) {
        mr = ipc_copyin_rights(in);
    }
    if (mr != MACH_MSG_SUCCESS) {
        if (in->takes_memory) {
            ipc_copyin_put_memory_back(in);
        }
        return mr;
    }
    if (in->moves_receive) {
        ipc_copyin_receive_moved(in->kmsg);
    }
    if (in->takes_arrays) {
        ipc_copyin_unmap_arrays(in);
    }
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
