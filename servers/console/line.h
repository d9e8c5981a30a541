/* line.h - the line editor: keys in, finished lines out (to input.h). */
#ifndef CONSOLE_LINE_H
#define CONSOLE_LINE_H

#include <stdint.h>

/* One byte typed. */
void line_key(uint8_t byte);
/* The line that is being edited is not finished here any more: what there is of it is input. */
void line_give(void);

#endif
