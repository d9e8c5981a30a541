/* no_fastpath.c - in place of ipc_fastpath.c: always declines. */
#include "ipc/ipc_fastpath.h"

void ipc_fastpath_init(void) {}

void ipc_fastpath(user_addr_t msg, uint32_t send_size, uint32_t rcv_size, mach_port_name_t rcv_name)
{
    (void)msg;
    (void)send_size;
    (void)rcv_size;
    (void)rcv_name;
}
