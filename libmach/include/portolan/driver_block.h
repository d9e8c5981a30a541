/* driver_block.h - the block device side of the driver library: device.defs for a disk and its
 * partitions, in terms of transfers between sectors and memory that the device reaches itself.
 *
 * Reads and writes are pinned, cut into what the device takes at once, queued while it takes no
 * more, and answered when all of it is done. */
#ifndef PORTOLAN_DRIVER_BLOCK_H
#define PORTOLAN_DRIVER_BLOCK_H

#include <portolan/driver.h>

enum block_operation { BLOCK_READ, BLOCK_WRITE, BLOCK_FLUSH };

struct block_disk;
struct block_request;

/* One thing for the device to do. */
struct block_transfer {
    enum block_operation operation;
    uint64_t sector;
    uint32_t size; /* bytes: the sum of the runs, whole sectors */
    struct block_request *request;
    struct block_transfer *next;
    unsigned nruns;
    struct driver_run runs[];
};

struct block_ops {
    /* Begin the transfer; block_done() follows. Returns: false when the device takes no more now.
     */
    bool (*start)(struct block_disk *disk, struct block_transfer *transfer);
};

/* What the driver fills in before block_serve(). */
struct block_disk {
    const struct block_ops *ops;
    uint64_t sectors;
    uint32_t sector_size; /* a power of two, 512 to 4096 */
    bool is_read_only;
    bool has_cache;    /* what was written must be flushed */
    unsigned max_runs; /* of one transfer */
    uint32_t max_size; /* of one transfer, bytes */
    int unit;          /* of the function */

    /* The library's. */
    struct block_transfer *first, *last; /* not begun */
    unsigned requests;
    bool is_paused;
};

/* Offer the disk as KIND and a number, and its partitions with s1, s2, ... behind that. Waits for
 * what it reads. */
void block_serve(struct block_disk *disk, const char *kind);

/* The transfer is done: KERN_SUCCESS, D_IO_ERROR, ... It is the library's again. */
void block_done(struct block_disk *disk, struct block_transfer *transfer, kern_return_t result);

#endif
