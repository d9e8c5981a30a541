/* message_destroy.c - giving back what a message holds: a walk over its items that believes no
 * count it has not compared with the size. */
#include <mach_port.h>
#include <portolan/portolan.h>

#include "core/text.h"

struct message_item {
    mach_msg_type_name_t name;
    uint64_t bits;   /* of one element */
    uint64_t number; /* of elements */
    bool is_inline;
};

static void message_destroy_port(mach_port_name_t port, mach_msg_type_name_t type)
{
    if (!MACH_PORT_NAME_VALID(port)) {
        return;
    }
    switch (type) {
    case MACH_MSG_TYPE_MOVE_RECEIVE:
        mach_port_mod_refs(mach_task_self(), port, MACH_PORT_RIGHT_RECEIVE, -1);
        break;
    case MACH_MSG_TYPE_MOVE_SEND:
    case MACH_MSG_TYPE_MOVE_SEND_ONCE:
        syscall_mach_port_deallocate(mach_task_self(), port);
        break;
    default:
        break; /* a right that was to be made or copied is not in the message */
    }
}

/* What an out-of-line item points to: an array of names of 4 bytes, or plain memory. */
static void message_destroy_memory(const struct message_item *item, vm_address_t address)
{
    uint64_t bytes = (item->number * item->bits + 7) / 8;

    if (address == 0 || bytes == 0) {
        return;
    }
    if (MACH_MSG_TYPE_PORT_ANY(item->name)) {
        const mach_port_name_t *names = (const mach_port_name_t *)address;

        for (uint64_t i = 0; i < item->number; i++) {
            message_destroy_port(names[i], item->name);
        }
    }
    syscall_vm_deallocate(mach_task_self(), address, bytes);
}

/* The item at `at`. Returns the bytes it takes in the message, or 0 when it does not fit. */
static uint64_t message_item_read(const char *at, uint64_t room, struct message_item *item)
{
    mach_msg_type_t type;
    uint64_t length;

    if (room < sizeof(type)) {
        return 0;
    }
    memory_copy(&type, at, sizeof(type));
    *item =
        (struct message_item){type.msgt_name, type.msgt_size, type.msgt_number, type.msgt_inline};
    length = item->is_inline ? (item->number * item->bits + 7) / 8 : sizeof(vm_address_t);
    length = sizeof(type) + MACH_MSG_ALIGN(length);
    return length <= room ? length : 0;
}

static void message_destroy_item(const char *at, const struct message_item *item)
{
    vm_address_t address;
    uint64_t slot;

    if (!item->is_inline) {
        memory_copy(&address, at, sizeof(address));
        message_destroy_memory(item, address);
        return;
    }
    if (!MACH_MSG_TYPE_PORT_ANY(item->name) || item->bits != 64) {
        return;
    }
    for (uint64_t i = 0; i < item->number; i++) {
        memory_copy(&slot, at + i * sizeof(slot), sizeof(slot));
        message_destroy_port((mach_port_name_t)slot, item->name);
    }
}

void mach_msg_destroy(mach_msg_header_t *msg)
{
    const char *at = (const char *)(msg + 1);
    const char *end = (const char *)msg + msg->msgh_size;
    struct message_item item;
    uint64_t length;

    message_destroy_port(msg->msgh_remote_port, MACH_MSGH_BITS_REMOTE(msg->msgh_bits));
    if ((msg->msgh_bits & MACH_MSGH_BITS_COMPLEX) == 0) {
        return;
    }
    while (at < end) {
        length = message_item_read(at, (uint64_t)(end - at), &item);
        if (length == 0) {
            return;
        }
        message_destroy_item(at + sizeof(mach_msg_type_t), &item);
        at += length;
    }
}
