/* reply_later.c - replies that are sent after the routine has returned MIG_NO_REPLY. */
#include <io.h>
#include <portolan/portolan.h>
#include <portolan/server_loop.h>

#include "core/text.h"

#define REPLY_AFTER_REQUEST 100
#define REPLY_CODE_SIZE     48
#define REPLY_DATA_AT       56

/* Send it, or throw it away with the right: nobody waits for a reply that cannot be sent. */
static void reply_send(mach_msg_header_t *head, mach_port_t reply_to, mach_msg_id_t request)
{
    head->msgh_bits = MACH_MSGH_BITS(MACH_MSG_TYPE_MOVE_SEND_ONCE, 0);
    head->msgh_remote_port = reply_to;
    head->msgh_remote_pad = 0;
    head->msgh_protected_payload = 0;
    head->msgh_seqno = 0;
    head->msgh_id = request + REPLY_AFTER_REQUEST;
    if (mach_msg(head, MACH_SEND_MSG, head->msgh_size, 0, MACH_PORT_NULL, MACH_MSG_TIMEOUT_NONE,
                 MACH_PORT_NULL) != MACH_MSG_SUCCESS) {
        mach_msg_destroy(head);
    }
}

void server_reply_code(mach_port_t reply_to, mach_msg_id_t request, kern_return_t code)
{
    union {
        mach_msg_header_t head;
        char bytes[REPLY_CODE_SIZE];
    } message;

    message.head.msgh_size = REPLY_CODE_SIZE;
    mig_reply_put(&message, code);
    reply_send(&message.head, reply_to, request);
}

void server_reply_data(mach_port_t reply_to, mach_msg_id_t request, const void *data, size_t size)
{
    union {
        mach_msg_header_t head;
        char bytes[REPLY_DATA_AT + IO_DATA_MAX];
    } message;

    size = size < IO_DATA_MAX ? size : IO_DATA_MAX;
    mig_reply_put(&message, KERN_SUCCESS);
    mig_type_put(message.bytes + REPLY_CODE_SIZE,
                 MACH_MSG_TYPE_WORD(MACH_MSG_TYPE_CHAR, 8, MACH_MSG_TYPE_WORD_INLINE),
                 (uint32_t)size);
    memory_copy(message.bytes + REPLY_DATA_AT, data, size);
    message.head.msgh_size =
        (mach_msg_size_t)(REPLY_DATA_AT + mig_pad(message.bytes + REPLY_DATA_AT, size));
    reply_send(&message.head, reply_to, request);
}
