/* ipc_notify.h - messages the kernel sends about rights. Each call consumes the send-once right it
 * sends to; IP_NULL and IP_DEAD are nothing. Locks: none held. Without memory for a message the
 * notification is lost, the right is not. */
#ifndef IPC_IPC_NOTIFY_H
#define IPC_IPC_NOTIFY_H

#include <mach/port.h>

struct ipc_port;

/* A name with a dead-name request was deleted. */
void ipc_notify_port_deleted(struct ipc_port *notify, mach_port_name_t name);
/* The message forced into the queue of `name` was received. */
void ipc_notify_msg_accepted(struct ipc_port *notify, mach_port_name_t name);
/* Here is the receive right that would have been destroyed. Refs: consumes the receive right. */
void ipc_notify_port_destroyed(struct ipc_port *notify, struct ipc_port *port);
void ipc_notify_no_senders(struct ipc_port *notify, mach_port_mscount_t mscount);
/* The send-once right itself was destroyed without a message. */
void ipc_notify_send_once(struct ipc_port *notify);
void ipc_notify_dead_name(struct ipc_port *notify, mach_port_name_t name);

#endif
