/* virtio_console.c - a console of one port: bytes out as they come, bytes in through a buffer that
 * has an end. */
#include "virtio_console.h"

#include <string.h>

#define CLASS_SERIAL 0x078000u /* simple communication, of another kind */
#define QUEUE_INPUT  0u
#define QUEUE_OUTPUT 1u
#define REQUESTS_MAX VIRTIO_QUEUE_SIZE_MAX /* of one notice, or of what was typed */
#define OUTPUT_MAX   65536u                /* bytes of one request that are shown */
#define OUTPUT_PIECE 256u

/* Write one request's bytes. They are copied: the guest can change them while they are looked at.
 */
static void virtio_console_show(struct virtio_console *console, const struct virtio_chain *chain)
{
    uint64_t size = chain->readable_size < OUTPUT_MAX ? chain->readable_size : OUTPUT_MAX;
    uint8_t bytes[OUTPUT_PIECE];

    for (uint64_t at = 0; at < size; at += OUTPUT_PIECE) {
        uint32_t n = size - at < OUTPUT_PIECE ? (uint32_t)(size - at) : OUTPUT_PIECE;

        (void)virtio_chain_read(chain, at, bytes, n);
        console->emit(console->context, bytes, n);
    }
}

static void virtio_console_output(struct virtio_console *console)
{
    struct virtio_chain chain;

    for (unsigned n = 0; n < REQUESTS_MAX && virtio_pci_pop(&console->pci, QUEUE_OUTPUT, &chain);
         n++) {
        virtio_console_show(console, &chain);
        virtio_pci_push(&console->pci, QUEUE_OUTPUT, chain.head, 0);
    }
}

/* Fill one request with bytes that wait. Returns: how many. */
static uint32_t virtio_console_fill(struct virtio_console *console,
                                    const struct virtio_chain *chain)
{
    uint32_t n = 0;

    while (console->count != 0 && n < chain->writable_size) {
        (void)virtio_chain_write(chain, n, &console->input[console->first], 1);
        console->first = (console->first + 1) % VIRTIO_CONSOLE_INPUT;
        console->count -= 1;
        n += 1;
    }
    return n;
}

/* Fill requests of the driver with bytes that wait. A request may have no room: there is an end to
 * them, too, as another processor of the guest may put in more meanwhile. */
static void virtio_console_deliver(struct virtio_console *console)
{
    struct virtio_chain chain;

    for (unsigned n = 0; n < REQUESTS_MAX && console->count != 0 &&
                         virtio_pci_pop(&console->pci, QUEUE_INPUT, &chain);
         n++) {
        virtio_pci_push(&console->pci, QUEUE_INPUT, chain.head,
                        virtio_console_fill(console, &chain));
    }
}

uint32_t virtio_console_input(struct virtio_console *console, const uint8_t *data, uint32_t size)
{
    uint32_t n = 0;

    while (n < size && console->count < VIRTIO_CONSOLE_INPUT) {
        console->input[(console->first + console->count) % VIRTIO_CONSOLE_INPUT] = data[n];
        console->count += 1;
        n += 1;
    }
    virtio_console_deliver(console);
    return n;
}

static void virtio_console_notify(void *device, unsigned queue)
{
    if (queue == QUEUE_OUTPUT) {
        virtio_console_output(device);
    } else {
        virtio_console_deliver(device);
    }
}

static bool virtio_console_reset(void *device)
{
    (void)device; /* what waits is for the next driver */
    return true;
}

static const struct virtio_pci_ops virtio_console_ops = {
    .id = VIRTIO_ID_CONSOLE,
    .class = CLASS_SERIAL,
    .queues = 2,
    .notify = virtio_console_notify,
    .reset = virtio_console_reset,
};

void virtio_console_init(struct virtio_console *console, const struct virtio_pci_machine *machine,
                         void (*emit)(void *context, const uint8_t *data, uint32_t size),
                         void *context)
{
    memset(console, 0, sizeof(*console));
    console->emit = emit;
    console->context = context;
    virtio_pci_init(&console->pci, &virtio_console_ops, console, machine);
}
