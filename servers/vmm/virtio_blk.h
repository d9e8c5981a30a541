/* virtio_blk.h - a disk (VIRTIO 1.2, 5.2).
 *
 * Reading and writing takes time, so a thread of its own does it: take a request with the machine's
 * lock held, do it without, finish it with the lock held. One request is done at a time. */
#ifndef VMM_VIRTIO_BLK_H
#define VMM_VIRTIO_BLK_H

#include <stdbool.h>
#include <stdint.h>

#include "virtio_pci.h"

#define VIRTIO_BLK_SECTOR    512u
#define VIRTIO_BLK_BLOCK_MAX 4096u
#define VIRTIO_BLK_ID_SIZE   20u

/* Where the bytes are. Offsets and sizes are of whole blocks and inside the disk. */
struct virtio_blk_store {
    void *context;
    uint64_t sectors;    /* of VIRTIO_BLK_SECTOR */
    uint32_t block_size; /* bytes: a power of two, VIRTIO_BLK_SECTOR to VIRTIO_BLK_BLOCK_MAX */
    bool is_read_only;
    char id[VIRTIO_BLK_ID_SIZE]; /* what the disk is called, zeroes behind it */
    /* False: it did not work. */
    bool (*read)(void *context, uint64_t offset, void *data, uint64_t size);
    bool (*write)(void *context, uint64_t offset, const void *data, uint64_t size);
    bool (*flush)(void *context);
};

/* Registers of its own (5.2.4). */
struct virtio_blk_config {
    uint64_t capacity; /* in sectors */
    uint32_t size_max;
    uint32_t segments_max;
    uint32_t geometry;
    uint32_t block_size;
};

struct virtio_blk {
    struct virtio_pci pci;
    struct virtio_pci_ops ops;
    struct virtio_blk_config config;
    const struct virtio_blk_store *store;
    void (*wake)(void *context); /* there may be a request */
    void *context;
    bool is_busy;
};

struct virtio_blk_request {
    struct virtio_chain chain;
    uint32_t type;
    uint64_t sector;
    uint8_t status;
    uint32_t written; /* bytes of data that the guest is given */
};

/* Are so many bytes from a sector on whole blocks of the disk? */
bool virtio_blk_is_inside(const struct virtio_blk_store *store, uint64_t sector, uint64_t size);
/* Move `size` bytes, which are inside, between the store and the data, which begins at byte `at` of
 * what can be read (is_write), or written. Blocks may lie across pieces. False: it did not work. */
bool virtio_blk_move(const struct virtio_blk_store *store, const struct virtio_chain *chain,
                     bool is_write, uint64_t at, uint64_t sector, uint64_t size);
/* The store must stay as long as the disk. */
void virtio_blk_init(struct virtio_blk *blk, const struct virtio_pci_machine *machine,
                     const struct virtio_blk_store *store, void (*wake)(void *context),
                     void *context);
/* The next request, with the lock held. False: there is none. */
bool virtio_blk_take(struct virtio_blk *blk, struct virtio_blk_request *request);
/* Do it. The only one of these that is called without the lock. */
void virtio_blk_do(const struct virtio_blk *blk, struct virtio_blk_request *request);
/* Give it back to the driver, with the lock held. */
void virtio_blk_finish(struct virtio_blk *blk, const struct virtio_blk_request *request);

#endif
