/* font.h - the characters on the screen. */
#ifndef CONSOLE_FONT_H
#define CONSOLE_FONT_H

#include <stdint.h>

#define FONT_WIDTH  8
#define FONT_HEIGHT 16

/* One row (0 at the top) of a character's picture, the leftmost dot in the highest bit. Characters
 * that have no picture look like a box. */
uint8_t font_row(uint8_t character, unsigned row);

#endif
