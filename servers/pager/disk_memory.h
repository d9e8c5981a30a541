/* disk_memory.h - the memory disk: memory the kernel was told to leave alone (memdisk=SIZE). */
#ifndef PAGER_DISK_MEMORY_H
#define PAGER_DISK_MEMORY_H

#include <mach/kern_return.h>
#include <mach/port.h>

#include "store.h"

/* Map it and say how it is used. Returns: KERN_SUCCESS, KERN_NO_SPACE (there is none), and those of
 * hardware_map. */
kern_return_t disk_memory_open(mach_port_t hardware, struct store_device *device);

#endif
