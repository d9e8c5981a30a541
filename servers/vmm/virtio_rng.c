/* virtio_rng.c - random numbers for a guest, a little at a time: who asks for more asks again. */
#include "virtio_rng.h"

#include <string.h>

#define CLASS_OTHER  0xff0000u
#define QUEUE        0u
#define BYTES_MAX    64u
#define REQUESTS_MAX VIRTIO_QUEUE_SIZE_MAX /* of one notice */

static void virtio_rng_notify(void *device, unsigned queue)
{
    struct virtio_rng *rng = device;
    struct virtio_chain chain;
    uint8_t bytes[BYTES_MAX];

    (void)queue;
    for (unsigned n = 0; n < REQUESTS_MAX && virtio_pci_pop(&rng->pci, QUEUE, &chain); n++) {
        uint32_t size = chain.writable_size < BYTES_MAX ? (uint32_t)chain.writable_size : BYTES_MAX;

        rng->fill(bytes, size);
        (void)virtio_chain_write(&chain, 0, bytes, size);
        virtio_pci_push(&rng->pci, QUEUE, chain.head, size);
    }
}

static bool virtio_rng_reset(void *device)
{
    (void)device;
    return true;
}

static const struct virtio_pci_ops virtio_rng_ops = {
    .id = VIRTIO_ID_ENTROPY,
    .class = CLASS_OTHER,
    .queues = 1,
    .notify = virtio_rng_notify,
    .reset = virtio_rng_reset,
};

void virtio_rng_init(struct virtio_rng *rng, const struct virtio_pci_machine *machine,
                     void (*fill)(void *data, uint32_t size))
{
    memset(rng, 0, sizeof(*rng));
    rng->fill = fill;
    virtio_pci_init(&rng->pci, &virtio_rng_ops, rng, machine);
}
