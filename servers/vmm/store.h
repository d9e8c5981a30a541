/* store.h - where the bytes of a disk are: a file of whatever serves io.defs, or a device of a
 * driver. */
#ifndef VMM_STORE_H
#define VMM_STORE_H

#include <mach/port.h>

#include "virtio_blk.h"

struct block_device;

struct store {
    struct virtio_blk_store disk;
    mach_port_t file;            /* or */
    struct block_device *device; /* which of both is: the functions of `disk` know */
};

/* The store must stay as long as the disk. name: what the disk is called. Returns: NULL, or why
 * not. */
const char *store_open(struct store *store, mach_port_t file, bool is_read_only, const char *name);

/* --- store_device.c --- */

/* The same for a device, which the opener (device_master_narrow) opens by that name. A driver that
 * is started again is waited for, by the machine's disk alone. */
const char *store_device_open(struct store *store, mach_port_t opener, const char *device_name,
                              bool is_read_only, const char *name);
/* The same for one that is open. */
void store_device_init(struct store *store, struct block_device *device, bool is_read_only,
                       const char *name);

#endif
