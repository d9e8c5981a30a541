/* ipc_body.c - the items of a message body. See ipc_body.h. */
#include "ipc/ipc_body.h"

#include <stddef.h>

#define IPC_BODY_PORT_BITS_INLINE 64u
#define IPC_BODY_PORT_BITS_OOL    32u

static bool ipc_body_type_is_valid(const mach_msg_type_t *type)
{
    if (type->msgt_unused != 0 || (type->msgt_inline != 0 && type->msgt_deallocate != 0)) {
        return false;
    }
    if (!MACH_MSG_TYPE_PORT_ANY(type->msgt_name)) {
        return true;
    }
    return type->msgt_size ==
           (type->msgt_inline != 0 ? IPC_BODY_PORT_BITS_INLINE : IPC_BODY_PORT_BITS_OOL);
}

mach_msg_return_t ipc_body_next(mach_msg_header_t *header, uint32_t *offset,
                                struct ipc_body_item *item)
{
    uint64_t left = header->msgh_size - *offset;
    uint64_t taken;

    if (left < sizeof(mach_msg_type_t)) {
        return MACH_SEND_MSG_TOO_SMALL;
    }
    item->type = (mach_msg_type_t *)((char *)header + *offset);
    if (!ipc_body_type_is_valid(item->type)) {
        return MACH_SEND_INVALID_TYPE;
    }
    item->name = item->type->msgt_name;
    item->number = item->type->msgt_number;
    item->is_inline = item->type->msgt_inline != 0;
    item->is_port = MACH_MSG_TYPE_PORT_ANY(item->name);
    item->deallocate = item->type->msgt_deallocate != 0;
    item->length = ipc_body_length(item->type);
    taken = item->is_inline ? MACH_MSG_ALIGN(item->length) : sizeof(uint64_t);
    left -= sizeof(mach_msg_type_t);
    if (taken > left) {
        return MACH_SEND_MSG_TOO_SMALL;
    }
    item->data_offset = *offset + (uint32_t)sizeof(mach_msg_type_t);
    item->data = taken == 0 ? NULL : (uint64_t *)((char *)header + item->data_offset);
    *offset = item->data_offset + (uint32_t)taken;
    return MACH_MSG_SUCCESS;
}
