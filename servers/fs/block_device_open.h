/* block_device_open.h - a disk of a driver as a file system's block device. */
#ifndef FS_BLOCK_DEVICE_OPEN_H
#define FS_BLOCK_DEVICE_OPEN_H

#include <mach/port.h>

#include "block_device.h"

/* Open the device master's `name` (disk0s1). When the driver dies, requests wait until it has been
 * started again, and are made once more: each is a whole number of records, so that twice is as
 * good as once; what was written and not flushed may be lost with the driver of a disk with a
 * cache, as when power fails. By any thread. Returns: 0, or ENODEV, ENOMEM, EIO. */
int block_device_open(mach_port_t master, const char *name, struct block_device **device);
/* Read BLOCK_PAGE_MAX bytes that lie at a sector, with the message and not in memory of its own:
 * for a program that others get memory by (block.defs). Returns: 0, or EIO, ENODEV, ENOMEM. */
int block_device_read_page(struct block_device *device, uint64_t offset, void *data);
/* How often the driver was opened anew. */
unsigned block_device_reopened(const struct block_device *device);

#endif
