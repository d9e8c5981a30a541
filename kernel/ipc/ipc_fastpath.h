/* ipc_fastpath.h - the short way for the common call and reply. */
#ifndef IPC_IPC_FASTPATH_H
#define IPC_IPC_FASTPATH_H

#include <stdint.h>

#include <mach/port.h>

#include "arch/usercopy.h"

/* Look for `fastpath=off` on the command line. */
void ipc_fastpath_init(void);
/* Try a combined send and receive (mach_msg with these two options and no other) the short way.
 * Returns when the slow way must be taken; then nothing has changed. Otherwise the receiver of the
 * message leaves the kernel with it and the caller waits. Locks: none held. Sleeps: yes. */
void ipc_fastpath(user_addr_t msg, uint32_t send_size, uint32_t rcv_size,
                  mach_port_name_t rcv_name);

#endif
