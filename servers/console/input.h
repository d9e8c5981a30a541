/* input.h - what was typed and not read yet, and the reads that wait for more. */
#ifndef CONSOLE_INPUT_H
#define CONSOLE_INPUT_H

#include <mach/message.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A key's byte, from any source: to the line editor, or in raw mode straight to the readers. */
void input_key(uint8_t byte);
/* Give readers more. Returns: false when there is no room. */
bool input_push(const char *text, size_t size);
/* End of input: the next read returns no bytes. */
void input_push_end(void);
/* Ctrl-C: what was typed ahead is forgotten, the foreground program is told; without one the read
 * that waits gets an empty line. */
void input_interrupt(void);

/* What can be read at once, at most size bytes and in line mode at most a line.
 * Returns: false when nothing is there; true with 0 bytes at an end of input. */
bool input_take(char *data, size_t size, size_t *taken);
bool input_is_ready(void);
/* Answer the read later; takes the right to reply over. Returns: false when too many wait. */
bool input_wait(const mach_msg_header_t *request, size_t size);

void input_set_raw(bool raw);
/* Whom to tell of Ctrl-C, a send-once right or MACH_PORT_NULL; takes the right over. */
void input_set_foreground(mach_port_t notify);

#endif
