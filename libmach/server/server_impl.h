/* server_impl.h - what the files of the server loop share. */
#ifndef LIBMACH_SERVER_SERVER_IMPL_H
#define LIBMACH_SERVER_SERVER_IMPL_H

#include <portolan/server_loop.h>
#include <stdbool.h>

/* What the message came in on: the port's name or its payload. */
uint64_t server_port_of(const mach_msg_header_t *message);

/* If the message is a notification of the kernel, tell the server's function and return true. One
 * that only says it is, is destroyed. */
bool server_notification(const struct server *server, mach_msg_header_t *message);

#endif
