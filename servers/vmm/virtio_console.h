/* virtio_console.h - a console of one port (VIRTIO 1.2, 5.3). */
#ifndef VMM_VIRTIO_CONSOLE_H
#define VMM_VIRTIO_CONSOLE_H

#include "virtio_pci.h"

#define VIRTIO_CONSOLE_INPUT 1024u /* bytes that wait for the driver */

struct virtio_console {
    struct virtio_pci pci;
    void (*emit)(void *context, const uint8_t *data, uint32_t size);
    void *context;
    unsigned first; /* in input: the bytes that wait are first .. first + count, round the end */
    unsigned count;
    uint8_t input[VIRTIO_CONSOLE_INPUT];
};

/* emit: what the guest writes; called with the machine's lock held. */
void virtio_console_init(struct virtio_console *console, const struct virtio_pci_machine *machine,
                         void (*emit)(void *context, const uint8_t *data, uint32_t size),
                         void *context);
/* How many bytes there is room for. */
static inline uint32_t virtio_console_room(const struct virtio_console *console)
{
    return VIRTIO_CONSOLE_INPUT - console->count;
}

/* Give the guest bytes to read. Returns: how many there was room for. */
uint32_t virtio_console_input(struct virtio_console *console, const uint8_t *data, uint32_t size);

#endif
