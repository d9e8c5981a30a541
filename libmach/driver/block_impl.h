/* block_impl.h - what the parts of the block server share. */
#ifndef DRIVER_BLOCK_IMPL_H
#define DRIVER_BLOCK_IMPL_H

#include <portolan/driver_block.h>

/* Runs of one request: a page each at worst, and one more for memory that begins inside a page. */
#define BLOCK_RUNS_MAX     257u
#define BLOCK_TRANSFER_MAX (1u << 20) /* DEVICE_TRANSFER_MAX */

/* What a client or the library asked for. Memory is pinned for as long as it lasts. */
struct block_request {
    struct block_disk *disk;
    enum block_operation operation;
    vm_address_t memory; /* owned; 0: none */
    vm_size_t memory_size;
    uint32_t size;  /* bytes of it to be read or written, from `memory` on */
    int pin;        /* 0: none */
    unsigned waits; /* transfers not done */
    kern_return_t result;
    /* All are done; frees the request. */
    void (*done)(struct block_request *request);
    mach_port_t reply;
    uint32_t inband; /* bytes of device_read_inband */
};

/* A request without memory, of no operation; NULL when out of memory. */
struct block_request *block_request_create(struct block_disk *disk);
/* Give back its memory and it. */
void block_request_destroy(struct block_request *request);
/* Fresh memory for so many bytes. */
kern_return_t block_request_allocate(struct block_request *request, vm_size_t size);
/* Begin: from sector on, `size` bytes in request->memory. Then done is called, perhaps at once.
 * Returns: KERN_SUCCESS, or an error with nothing begun and done not called. */
kern_return_t block_request_begin(struct block_request *request, enum block_operation operation,
                                  uint64_t sector, uint32_t size);

/* block_server.c: offer `count` sectors from `first` on under kind, number and suffix. */
void block_offer(struct block_disk *disk, const char *kind, const char *suffix, uint64_t first,
                 uint64_t count);

#endif
