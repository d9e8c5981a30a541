/* server_impl.h - what the files of the server loop share. */
#ifndef LIBMACH_SERVER_SERVER_IMPL_H
#define LIBMACH_SERVER_SERVER_IMPL_H

#include <mach/notify.h>
#include <portolan/server_loop.h>
#include <stdbool.h>

/* What the message came in on: the port's name or its payload. */
uint64_t server_port_of(const mach_msg_header_t *message);

/* Has it the id of one? */
static inline bool server_is_notification(const mach_msg_header_t *message)
{
    return message->msgh_id >= MACH_NOTIFY_FIRST && message->msgh_id <= MACH_NOTIFY_LAST;
}

/* Tell the server's function of a notification of the kernel. One that only says it is, is
 * destroyed. */
void server_notification(const struct server *server, mach_msg_header_t *message);

#endif
