/* block_device.h - what a file system lies on: bytes of a disk, in whole sectors. The server's own
 * asks a driver (block_device_open); tests of the host have one on a file. */
#ifndef FS_BLOCK_DEVICE_H
#define FS_BLOCK_DEVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct block_device {
    const struct block_device_ops *ops;
    uint64_t size;        /* bytes */
    uint32_t sector_size; /* bytes: a power of two, 512 to 4096; offsets and sizes are multiples */
    bool is_read_only;
};

/* Each waits until it is done. Errors: EIO, and EROFS where nothing can be written. */
struct block_device_ops {
    /* Page-aligned memory with what is at offset, to be freed with block_device_free. */
    int (*read)(struct block_device *device, uint64_t offset, size_t size, void **data);
    int (*write)(struct block_device *device, uint64_t offset, size_t size, const void *data);
    /* What was written is on the medium when it returns. */
    int (*flush)(struct block_device *device);
    void (*close)(struct block_device *device);
};

/* Memory as a read gives it, of zeroes. Returns: NULL without memory. */
void *block_device_alloc(size_t size);
/* Memory of a read or of block_device_alloc. */
void block_device_free(void *data, size_t size);

#endif
