/* disk_swap.h - swap on a disk, a partition of one, or in a file, that is marked as swap. */
#ifndef PAGER_DISK_SWAP_H
#define PAGER_DISK_SWAP_H

#include <mach/kern_return.h>
#include <mach/port.h>

#include "store.h"

/* Open the disk the device master knows under that name, or with a leading slash the file, which is
 * pinned; and have its driver kept. At most one a
 * program; before anything is paged out. Says why not when it is there and is not used.
 * Returns: false: it cannot be used. Sleeps: until the driver is there. */
bool disk_swap_open(mach_port_t host, const char *name, struct store_device *device);

#endif
