/* ipc_kcall.h - the short way of a call of a kernel object. */
#ifndef IPC_IPC_KCALL_H
#define IPC_IPC_KCALL_H

#include <stdint.h>

#include <mach/message.h>

#include "ipc/ipc_kmsg.h"

#define IPC_KCALL_WORDS 32u /* of the body of a request or reply */

/* A message on the stack: header and body lie together, as in any kmsg. */
struct ipc_kcall_message {
    struct ipc_kmsg kmsg;
    uint64_t body[IPC_KCALL_WORDS];
};

struct ipc_port;

/* mach_msg(SEND | RCV) of a request to a kernel object's port: of `size` bytes with the body in
 * request->body and no rights, sent by a copied send right, with a send-once reply right made from
 * reply_port, whose receive right is `rcv_name`. Buffers are as current_thread()->ipc says. Refs:
 * consumes a reference to each port. Locks: none held. Sleeps: yes. Returns: as mach_msg_trap(). */
mach_msg_return_t ipc_kcall(struct ipc_kcall_message *request, uint32_t size, uint32_t id,
                            struct ipc_port *port, struct ipc_port *reply_port,
                            mach_port_name_t rcv_name);

#endif
