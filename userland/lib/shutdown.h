/* shutdown.h - stopping the machine: the end of `poweroff` and `reboot`. */
#ifndef USERLAND_SHUTDOWN_H
#define USERLAND_SHUTDOWN_H

#include <mach/kern_return.h>
#include <stdbool.h>

/* Have the file server put everything on the disks and mark them clean, then stop the machine, or
 * start it anew. A file server that fails, or has not answered after 20 s, is told of on standard
 * error and no longer waited for. Does not return when it succeeds.
 * Returns: those of bootstrap_shutdown. */
kern_return_t shutdown_machine(bool restart);

#endif
