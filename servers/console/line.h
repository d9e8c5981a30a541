/* line.h - the line editor: keys in, finished lines out (to input.h). */
#ifndef CONSOLE_LINE_H
#define CONSOLE_LINE_H

#include <stdint.h>

/* One byte typed. */
void line_key(uint8_t byte);
/* Forget the line that is being edited. */
void line_clear(void);

#endif
