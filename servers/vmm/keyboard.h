/* keyboard.h - the keyboard controller of a PC, an 8042, with nothing connected to it: it answers
 * its commands, and resets the machine when it is told to. The ports 0x60, 0x64, and 0x92, whose
 * bit 0 does the same. */
#ifndef VMM_KEYBOARD_H
#define VMM_KEYBOARD_H

#include <stdbool.h>
#include <stdint.h>

#include "bus.h"

struct keyboard {
    void (*reset)(void *context);
    void *context;
    uint8_t command; /* that waits for a byte, or 0 */
    uint8_t config;
    uint8_t output_port;
    uint8_t answer;
    bool has_answer;
    bool is_command; /* the last byte that was written */
};

/* reset: the guest wants it. False: the ports are taken. */
bool keyboard_init(struct keyboard *keyboard, struct bus *ports, void (*reset)(void *context),
                   void *context);

#endif
