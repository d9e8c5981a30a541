/* tty.h - what goes between a serial port and whoever looks at it: output that is kept until it is
 * read, the oldest of it lost when that takes too long, and input that waits for room. Both are
 * bounded [V5, V7]. Nothing here waits; called with the machine's lock held. */
#ifndef VMM_TTY_H
#define VMM_TTY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TTY_OUTPUT 65536u
#define TTY_INPUT  1024u

struct tty_ring {
    uint8_t *bytes;
    size_t size, first, count;
};

struct tty {
    struct tty_ring output, input;
    uint64_t lost; /* bytes of output */
    uint8_t output_bytes[TTY_OUTPUT];
    uint8_t input_bytes[TTY_INPUT];
};

void tty_init(struct tty *tty);
/* The guest has written. */
void tty_put(struct tty *tty, uint8_t byte);
/* What has been written and not yet read. Returns: how many bytes. */
size_t tty_read(struct tty *tty, void *data, size_t size);
size_t tty_waiting(const struct tty *tty);
/* Somebody types. Returns: how many bytes there was room for. */
size_t tty_type(struct tty *tty, const void *data, size_t size);
/* The next byte that was typed. False: there is none. */
bool tty_take(struct tty *tty, uint8_t *byte);

#endif
