/* keyboard.h - the PS/2 keyboard. */
#ifndef CONSOLE_KEYBOARD_H
#define CONSOLE_KEYBOARD_H

#include <mach/port.h>
#include <stdbool.h>

#define KEYBOARD_IRQ 1

/* Returns: false when there is no keyboard controller. */
bool keyboard_init(mach_port_t hardware);
/* Take one scan code from the controller. Returns: false when there is none; else *text is what the
 * key sends (a terminal's bytes), "" for nothing, good until the next call. */
bool keyboard_read(const char **text);

#endif
