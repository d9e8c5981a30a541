/* notification.c - notifications as a server gets them. The kernel sends them to send-once rights,
 * which clients cannot make: what comes any other way is forged. */
#include "server/server_impl.h"

#include <mach/notify.h>
#include <mach_port.h>
#include <portolan/portolan.h>

#define NOTIFICATION_SIZE 48 /* header, descriptor, number */

/* With a payload the kind of right cannot be told; the receiver of the notification can check. */
static bool notification_is_genuine(const mach_msg_header_t *message)
{
    mach_msg_bits_t kind = MACH_MSGH_BITS_LOCAL(message->msgh_bits);

    return (kind == MACH_MSG_TYPE_MOVE_SEND_ONCE || kind == MACH_MSG_TYPE_PROTECTED_PAYLOAD) &&
           (message->msgh_bits & MACH_MSGH_BITS_COMPLEX) == 0;
}

static bool notification_number(const mach_msg_header_t *message, mach_msg_type_name_t type,
                                uint32_t *number)
{
    const char *body = (const char *)(message + 1);

    if (message->msgh_size != NOTIFICATION_SIZE ||
        !mig_item_is(body, MACH_MSG_TYPE_WORD(type, 32, MACH_MSG_TYPE_WORD_INLINE), 1)) {
        return false;
    }
    *number = mig_load32(body + 8);
    return true;
}

static void notification_no_senders(const struct server *server, const mach_msg_header_t *message)
{
    uint32_t count;

    if (server->no_senders != NULL &&
        notification_number(message, MACH_MSG_TYPE_INTEGER_32, &count)) {
        server->no_senders(server_port_of(message), count);
    }
}

static void notification_dead_name(const struct server *server, const mach_msg_header_t *message)
{
    uint32_t name;

    /* Who never asked for one is sent none by the kernel: it is forged, and the name not to be
     * dropped. */
    if (server->dead_name == NULL ||
        !notification_number(message, MACH_MSG_TYPE_PORT_NAME, &name)) {
        return;
    }
    server->dead_name(name);
    /* The notification came with a reference of its own. */
    syscall_mach_port_deallocate(mach_task_self(), name);
}

void server_notification(const struct server *server, mach_msg_header_t *message)
{
    if (!notification_is_genuine(message)) {
        mach_msg_destroy(message);
        return;
    }
    switch (message->msgh_id) {
    case MACH_NOTIFY_NO_SENDERS:
        notification_no_senders(server, message);
        break;
    case MACH_NOTIFY_DEAD_NAME:
        notification_dead_name(server, message);
        break;
    case MACH_NOTIFY_SEND_ONCE:
        if (server->send_once != NULL) {
            server->send_once(server_port_of(message));
        }
        break;
    default:
        mach_msg_destroy(message);
        break;
    }
}
