/* virtio_rng.h - random numbers for a guest (VIRTIO 1.2, 5.4). */
#ifndef VMM_VIRTIO_RNG_H
#define VMM_VIRTIO_RNG_H

#include "virtio_pci.h"

struct virtio_rng {
    struct virtio_pci pci;
    void (*fill)(void *data, uint32_t size);
};

/* fill: makes the numbers; called with the machine's lock held, 64 bytes at most. */
void virtio_rng_init(struct virtio_rng *rng, const struct virtio_pci_machine *machine,
                     void (*fill)(void *data, uint32_t size));

#endif
