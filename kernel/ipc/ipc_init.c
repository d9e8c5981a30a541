/* ipc_init.c - start-up of kernel/ipc. */
#include "ipc/ipc_init.h"

#include "ipc/ipc_fastpath.h"
#include "ipc/ipc_kmsg.h"
#include "ipc/ipc_marequest.h"
#include "ipc/ipc_port.h"
#include "ipc/ipc_pset.h"
#include "ipc/ipc_space.h"

void ipc_init(void)
{
    ipc_space_init();
    ipc_port_init();
    ipc_pset_init();
    ipc_kmsg_init();
    ipc_marequest_init();
    ipc_fastpath_init();
}
