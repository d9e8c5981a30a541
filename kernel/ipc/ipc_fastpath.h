/* ipc_fastpath.h - the short way for the common call and reply. */
#ifndef IPC_IPC_FASTPATH_H
#define IPC_IPC_FASTPATH_H

#include <stdint.h>

#include <mach/port.h>

#include "arch/usercopy.h"

/* What entry.asm calls for mach_msg: ipc_fastpath(), or the long way alone with `fastpath=off` on
 * the command line and on processors without FSGSBASE or XSAVE. */
extern uint64_t (*ipc_fastpath_entry)(user_addr_t msg, uint32_t option, uint32_t send_size,
                                      uint32_t rcv_size, mach_port_name_t rcv_name,
                                      uint32_t timeout);

void ipc_fastpath_init(void);
/* mach_msg, the short way if it is the common call or reply: then the receiver of the message
 * leaves the kernel with it and the caller waits. Else the long way, before anything has changed.
 * Keeps no register (it is compiled so): for entry.asm only, which has saved the caller's.
 * Interrupts off on entry. Sleeps: yes. */
uint64_t ipc_fastpath(user_addr_t msg, uint32_t option, uint32_t send_size, uint32_t rcv_size,
                      mach_port_name_t rcv_name, uint32_t timeout);

#endif
