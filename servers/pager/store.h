/* store.h - swap space: blocks of a device, given out and taken back. */
#ifndef PAGER_STORE_H
#define PAGER_STORE_H

#include <stdbool.h>
#include <stdint.h>

#define STORE_BLOCK_SIZE 4096u
#define STORE_NONE       UINT32_MAX /* no block */

/* A device of blocks. Its functions read or write count of them in a row, and return false when the
 * device failed. */
struct store_device {
    uint32_t blocks; /* less than STORE_NONE */
    bool (*read)(uint32_t block, uint32_t count, void *data);
    bool (*write)(uint32_t block, uint32_t count, const void *data);
};

/* Take the device, all of it free. It must outlive the store. Returns: false without memory. */
bool store_init(const struct store_device *device);

/* A block of one's own, with any contents; neighbours follow each other. Returns: STORE_NONE when
 * all are taken. */
uint32_t store_alloc(void);
void store_free(uint32_t block);

/* Count blocks in a row. Locks: none: device and blocks may take their time.
 * Returns: false when the device failed. */
bool store_read(uint32_t block, uint32_t count, void *data);
bool store_write(uint32_t block, uint32_t count, const void *data);

uint32_t store_total_count(void);
uint32_t store_free_count(void);

#endif
