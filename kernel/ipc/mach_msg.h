/* mach_msg.h - the trap that sends and receives messages. */
#ifndef IPC_MACH_MSG_H
#define IPC_MACH_MSG_H

#include <mach/message.h>

#include "arch/usercopy.h"

/* Send and/or receive, as `option` says. Locks: none held. Sleeps: yes; a receive that blocks keeps
 * nothing on the kernel stack, and the result is then delivered by thread_syscall_return().
 * Returns: MACH_MSG_SUCCESS, MACH_SEND_*, MACH_RCV_*. */
mach_msg_return_t mach_msg_trap(user_addr_t msg, uint32_t option, uint32_t send_size,
                                uint32_t rcv_size, mach_port_name_t rcv_name, uint32_t timeout,
                                mach_port_name_t notify);
/* What the kernel ignores: the library retries interrupted calls unless one of these is given. */
#define MACH_MSG_LIBRARY_OPTIONS (MACH_SEND_INTERRUPT | MACH_RCV_INTERRUPT)

/* Where a thread that blocked in receive goes on. */
void mach_msg_receive_continue(void);

#endif
