/* terminal.h - serial line and screen as one place to write to. */
#ifndef CONSOLE_TERMINAL_H
#define CONSOLE_TERMINAL_H

#include <stddef.h>

/* Write to all there is. */
void terminal_write(const char *text, size_t size);
void terminal_string(const char *text);
/* Write one character n times. */
void terminal_repeat(char c, size_t n);
/* What programs have written since the last new line: the prompt, when a line is being edited.
 * Returns: bytes; *text is good until the next write. */
size_t terminal_prompt(const char **text);
/* Remember output of programs for terminal_prompt. */
void terminal_note(const char *text, size_t size);

#endif
