/* virtio.h - a virtio function over PCI, and one virtqueue of it (virtio 1.1, 2.6 and 4.1). Nothing
 * the device writes is believed: an answer that cannot be is told, and the device is done with. */
#ifndef VIRTIO_BLK_VIRTIO_H
#define VIRTIO_BLK_VIRTIO_H

#include <portolan/driver.h>
#include <stdbool.h>
#include <stdint.h>

#define VIRTIO_F_INDIRECT_DESC   (1ull << 28)
#define VIRTIO_F_VERSION_1       (1ull << 32)
#define VIRTIO_F_ACCESS_PLATFORM (1ull << 33) /* it reaches memory as other devices do */

#define VIRTQ_WRITE    2u /* the device writes it */
#define VIRTQ_INDIRECT 4u

struct virtq_desc {
    uint64_t address;
    uint32_t size;
    uint16_t flags;
    uint16_t next;
};

#define VIRTQ_NEXT 1u

/* Where a virtio function's registers are in this task. */
struct virtio {
    volatile uint8_t *common;
    volatile uint8_t *notify;
    volatile uint8_t *isr;
    volatile uint8_t *device;
    uint32_t notify_multiplier;
    uint32_t notify_size;
    uint32_t device_size;
    uint64_t features; /* agreed on */
    bool has_messages; /* interrupts are messages, not a line */
};

/* One queue. Its size is a power of two. */
struct virtq {
    uint16_t size;
    volatile struct virtq_desc *desc;
    volatile uint16_t *avail; /* flags, index, ring */
    volatile uint8_t *used;   /* flags, index, ring of (id, length) */
    uint16_t avail_index;
    uint16_t used_index;
    volatile uint16_t *doorbell;
    uint16_t number;
};

/* Find the registers, reset the device, and agree on the features of `wanted` that it offers, and
 * VERSION_1. Ends the driver when it is no such device. */
void virtio_begin(struct virtio *virtio, uint64_t wanted);
/* Set up queue `number` with at most `size` entries; interrupts by message `vector`. */
void virtio_queue(struct virtio *virtio, struct virtq *queue, uint16_t number, uint16_t size,
                  uint16_t vector);
/* The device may begin. */
void virtio_ready(struct virtio *virtio);
/* In the interrupt handler, first: have the device let go of its line, if it has one. */
void virtio_acknowledge(const struct virtio *virtio);
/* Is the device as virtio_ready() left it? Else it has given itself up, or somebody has reset it.
 */
bool virtio_is_ready(const struct virtio *virtio);
/* Stop the device for good: it uses no memory after this. */
void virtio_reset(struct virtio *virtio);
/* Read 8, 4 or 1 bytes of the device's own configuration; 0 where it has none. */
uint64_t virtio_config64(const struct virtio *virtio, uint32_t offset);
uint32_t virtio_config32(const struct virtio *virtio, uint32_t offset);
uint8_t virtio_config8(const struct virtio *virtio, uint32_t offset);

/* Offer the chain that begins at descriptor `head`, and tell the device. */
void virtq_offer(struct virtq *queue, uint16_t head);
void virtq_tell(struct virtq *queue);
/* The next chain the device is done with. Returns: false when there is none. *head may be anything.
 */
bool virtq_take(struct virtq *queue, uint32_t *head);

#endif
