/* ipc_body.h - walk the items of a message body: each a descriptor of 8 bytes and data padded to 8.
 * Used on the kernel's copy only, so what was checked once stays checked. */
#ifndef IPC_IPC_BODY_H
#define IPC_IPC_BODY_H

#include <stdbool.h>
#include <stdint.h>

#include <mach/message.h>

struct ipc_body_item {
    mach_msg_type_t *type; /* the descriptor */
    uint64_t *data;        /* inline data or the place of the pointer; NULL when there is none */
    uint32_t data_offset;  /* of data in the message */
    uint32_t name;         /* MACH_MSG_TYPE_* */
    uint32_t number;       /* elements */
    uint64_t length;       /* bytes the elements take, in the message or out of line */
    bool is_inline;
    bool is_port;
    bool deallocate;
};

/* Bytes the elements of an item take. */
static inline uint64_t ipc_body_length(const mach_msg_type_t *type)
{
    return ((uint64_t)type->msgt_number * type->msgt_size + 7) / 8;
}

/* The item at *offset (start with sizeof(mach_msg_header_t)); *offset is then at the next. All
 * sizes are computed in 64 bits. Returns: MACH_MSG_SUCCESS, MACH_SEND_MSG_TOO_SMALL (it runs over
 * the end), MACH_SEND_INVALID_TYPE. */
mach_msg_return_t ipc_body_next(mach_msg_header_t *header, uint32_t *offset,
                                struct ipc_body_item *item);

#endif
