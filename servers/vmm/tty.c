/* tty.c - two rings of bytes. */
#include "tty.h"

#include <string.h>

void tty_init(struct tty *tty)
{
    memset(tty, 0, sizeof(*tty));
    tty->output = (struct tty_ring){tty->output_bytes, TTY_OUTPUT, 0, 0};
    tty->input = (struct tty_ring){tty->input_bytes, TTY_INPUT, 0, 0};
}

static void tty_append(struct tty_ring *ring, uint8_t byte)
{
    ring->bytes[(ring->first + ring->count) % ring->size] = byte;
    ring->count++;
}

static uint8_t tty_remove(struct tty_ring *ring)
{
    uint8_t byte = ring->bytes[ring->first];

    ring->first = (ring->first + 1) % ring->size;
    ring->count--;
    return byte;
}

void tty_put(struct tty *tty, uint8_t byte)
{
    if (tty->output.count == tty->output.size) {
        (void)tty_remove(&tty->output);
        tty->lost++;
    }
    tty_append(&tty->output, byte);
}

size_t tty_read(struct tty *tty, void *data, size_t size)
{
    uint8_t *bytes = data;
    size_t n = tty->output.count < size ? tty->output.count : size;

    for (size_t i = 0; i < n; i++) {
        bytes[i] = tty_remove(&tty->output);
    }
    return n;
}

size_t tty_waiting(const struct tty *tty)
{
    return tty->output.count;
}

size_t tty_type(struct tty *tty, const void *data, size_t size)
{
    const uint8_t *bytes = data;
    size_t room = tty->input.size - tty->input.count;
    size_t n = size < room ? size : room;

    for (size_t i = 0; i < n; i++) {
        tty_append(&tty->input, bytes[i]);
    }
    return n;
}

bool tty_take(struct tty *tty, uint8_t *byte)
{
    if (tty->input.count == 0) {
        return false;
    }
    *byte = tty_remove(&tty->input);
    return true;
}
