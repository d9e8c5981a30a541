/* block_impl.h - what the parts of the block server share. */
#ifndef DRIVER_BLOCK_IMPL_H
#define DRIVER_BLOCK_IMPL_H

#include <portolan/block_types.h>
#include <portolan/driver_block.h>

/* Runs of one request: a page each at worst, and one more for memory that begins inside a page. */
#define BLOCK_RUNS_MAX     257u
#define BLOCK_TRANSFER_MAX (1u << 20) /* DEVICE_TRANSFER_MAX */

/* What a client or the library asked for. Memory is pinned for as long as it lasts. */
struct block_request {
    struct block_disk *disk;
    enum block_operation operation;
    vm_address_t memory;   /* owned; 0: none */
    vm_size_t memory_size; /* 0: a page of this library's */
    uint32_t size;         /* bytes of it to be read or written, from `memory` on */
    int pin;               /* 0: none */
    unsigned waits;        /* transfers not done */
    kern_return_t result;
    /* All are done; frees the request. */
    void (*done)(struct block_request *request);
    mach_port_t reply;
    uint32_t inband; /* bytes that are in block_bytes when it is done; 0: the memory is wanted */
};

/* The first bytes of a read that is done, while done is called. The memory itself can be touched no
 * more: it is not pinned then, and page replacement may need this driver to give it back. */
extern char block_bytes[BLOCK_PAGE_MAX];

/* A request without memory, of no operation; NULL when out of memory. */
struct block_request *block_request_create(struct block_disk *disk);
/* Give back its memory and it. */
void block_request_destroy(struct block_request *request);
/* Fresh memory for so many bytes. */
kern_return_t block_request_allocate(struct block_request *request, vm_size_t size);
/* Memory for up to a page whose bytes alone are wanted: one of a few that are there and wired, so
 * that page replacement gets its pages back when there is no other memory. */
kern_return_t block_request_take_page(struct block_request *request, vm_size_t size);
/* Begin: from sector on, `size` bytes in request->memory. Then done is called, perhaps before this
 * returns.
 * Returns: KERN_SUCCESS, or an error with nothing begun and done not called. */
kern_return_t block_request_begin(struct block_request *request, enum block_operation operation,
                                  uint64_t sector, uint32_t size);

#endif
