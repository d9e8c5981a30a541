/* virtio_queue.h - the device's side of a virtqueue (VIRTIO 1.2, 2.7: split virtqueues).
 *
 * The queue is in the guest's memory, and the guest changes it whenever it likes: each word is read
 * once, checked, and what was checked is used. A queue that breaks the rules is broken from then
 * on, with a sentence; no more is taken from it. */
#ifndef VMM_VIRTIO_QUEUE_H
#define VMM_VIRTIO_QUEUE_H

#include <stdbool.h>
#include <stdint.h>

#include "memory.h"

#define VIRTIO_QUEUE_SIZE_MAX 256u /* descriptors of a queue; a power of two */
/* Those, or the pages of a request by hypercall (mach/hypercall.h). */
#define VIRTIO_CHAIN_PIECES_MAX (VIRTIO_QUEUE_SIZE_MAX + 1)

/* A request: the pieces of memory that the driver gives us to read, then those to be written. They
 * are inside the guest's memory. */
struct virtio_chain {
    uint16_t head;          /* what it is given back by */
    unsigned readable;      /* pieces */
    unsigned count;         /* pieces: those that can be written are behind the readable */
    uint64_t readable_size; /* bytes */
    uint64_t writable_size;
    struct virtio_piece {
        uint8_t *base;
        uint32_t size;
    } pieces[VIRTIO_CHAIN_PIECES_MAX];
};

struct virtio_queue {
    const struct memory *memory;
    /* What the driver sets before it enables the queue. */
    uint16_t size;
    uint64_t descriptors; /* guest physical */
    uint64_t driver;
    uint64_t device;
    bool has_indirect; /* negotiated: VIRTIO_F_INDIRECT_DESC */
    bool has_event;    /* negotiated: VIRTIO_F_EVENT_IDX */
    /* Ours. */
    bool is_enabled;
    const char *broken;       /* why nothing more is taken from it, or NULL */
    uint16_t next;            /* in the driver's ring: the next to be taken */
    uint16_t used;            /* in the device's ring: the next to be filled */
    uint16_t asked;           /* `used` when it was last asked whether to interrupt */
    uint8_t *descriptor_ring; /* where the three are in the monitor */
    uint8_t *driver_ring;
    uint8_t *device_ring;
};

/* A queue of no driver, as after a reset. */
void virtio_queue_init(struct virtio_queue *queue, const struct memory *memory);
/* Let it be used. False: size or addresses are not as they must be; it is broken. */
bool virtio_queue_enable(struct virtio_queue *queue);
/* Take the next request. False: there is none, or the queue is broken. */
bool virtio_queue_pop(struct virtio_queue *queue, struct virtio_chain *chain);
/* Give it back with so many bytes written. Returns: the driver wants an interrupt. */
bool virtio_queue_push(struct virtio_queue *queue, uint16_t head, uint32_t written);

/* Copy `size` bytes out of what can be read, or into what can be written, from `offset` of it on.
 * False: there is not so much, and nothing was copied. */
bool virtio_chain_read(const struct virtio_chain *chain, uint64_t offset, void *data,
                       uint64_t size);
bool virtio_chain_write(const struct virtio_chain *chain, uint64_t offset, const void *data,
                        uint64_t size);

#endif
