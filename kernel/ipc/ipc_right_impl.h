/* ipc_right_impl.h - shared by ipc_right.c and ipc_right_ops.c. */
#ifndef IPC_IPC_RIGHT_IMPL_H
#define IPC_IPC_RIGHT_IMPL_H

#include "ipc/ipc_right.h"

/* The name is going: take its dead-name and msg-accepted requests off, for the cleanup to tell.
 * Locks: space->lock held. */
void ipc_right_drop_requests(struct ipc_space *space, struct ipc_entry *entry,
                             struct ipc_right_cleanup *cleanup);

#endif
