/* no_fastpath.c - in place of ipc_fastpath.c, of which the simulator has no part. */
#include "ipc/ipc_fastpath.h"

void ipc_fastpath_init(void) {}
