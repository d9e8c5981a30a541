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
    uint32_t size;       /* bytes: the sum of the runs, whole sectors */
    vm_address_t memory; /* the runs as this task sees them: for disks that are `touched` only */
    int pin;             /* what dma_pin has pinned the runs as; of a flush 0 */
    uint32_t offset;     /* where they begin in that, counted from its first page on */
    struct block_request *request;
    struct block_transfer *next; /* the driver's own between start() and block_done() */
    unsigned nruns;
    struct driver_run runs[];
};

struct block_ops {
    /* Begin the transfer; block_done() follows, not before start() has returned.
     * Returns: KERN_SUCCESS, D_WOULD_BLOCK when the device takes no more now, or an error, and
     * then the transfer has failed. */
    kern_return_t (*start)(struct block_disk *disk, struct block_transfer *transfer);
};

/* What the driver fills in before block_serve(). */
struct block_disk {
    const struct block_ops *ops;
    const char *kind; /* its name, before the number: "disk" */
    int unit;         /* of the function */
    uint64_t sectors;
    uint32_t sector_size; /* a power of two, 512 to 4096 */
    bool is_read_only;
    bool has_cache;     /* what was written must be flushed */
    bool is_whole;      /* no partitions are looked for */
    bool is_touched;    /* the driver, too, reads and writes the memory of transfers */
    unsigned alignment; /* of the memory, bytes: a power of two, 0: any */
    unsigned max_runs;  /* of one transfer */
    uint32_t max_size;  /* of one transfer, bytes */

    /* The library's. */
    struct block_transfer *first, *last; /* not begun */
    unsigned requests;
    bool is_paused;
};

/* Offer the disks under their kind and a number each, and their partitions with s1, s2, ... behind
 * that. From then on the driver's memory stays in memory. Waits for what
 * it reads. The disks stay the library's. */
void block_serve(struct block_disk *const *disks, unsigned n);

/* The transfer is done: KERN_SUCCESS, D_IO_ERROR, ... It is the library's again. */
void block_done(struct block_disk *disk, struct block_transfer *transfer, kern_return_t result);

/* The device takes transfers again, without one of this disk being done. */
void block_resume(struct block_disk *disk);

#endif
