/* ipc_fastcross.h - the short way of a call or reply to a receiver on another processor. */
#ifndef IPC_IPC_FASTCROSS_H
#define IPC_IPC_FASTCROSS_H

#include <stdint.h>

#include <mach/port.h>

#include "ipc/ipc_kcall.h"

/* mach_msg(SEND | RCV) of a simple message of `size` bytes, the body in message->body, by the
 * current thread, whose buffer is as its ipc says: a call or a reply as the short way takes them
 * (ipc_fastpath.c) to a receiver that is bound to another processor or still on one. Returns only
 * when it is not so, nothing having changed. Interrupts off; no lock is waited for. */
void ipc_fastcross(struct ipc_kcall_message *message, uint32_t size, mach_port_name_t rcv_name);

#endif
