/* store.h - where the bytes of a disk are: a file of whatever serves io.defs. */
#ifndef VMM_STORE_H
#define VMM_STORE_H

#include <mach/port.h>

#include "virtio_blk.h"

struct store {
    struct virtio_blk_store disk;
    mach_port_t file;
};

/* The store must stay as long as the disk. name: what the disk is called. Returns: NULL, or why
 * not. */
const char *store_open(struct store *store, mach_port_t file, bool is_read_only, const char *name);

#endif
