/* console.h - the kernel's own output: the serial line, and a ring of the last messages for `dmesg`
 * and the debugger. */
#ifndef KERN_CONSOLE_H
#define KERN_CONSOLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Find the serial line. Callable before anything else is set up. */
void console_init(void);
/* From now on messages go to the monitor this kernel is a guest of (arch/hypervisor.h). */
void console_use_hypervisor(void);
/* Bracket the output of one message. Returns interrupt flags. Locks: the console lock is held
 * between the two. */
uint64_t console_begin(void);
void console_end(uint64_t flags);
void console_put(char c);
/* Ignore the lock while nobody else runs: the machine is stopping, or the debugger has stopped the
 * others. */
void console_break_lock(bool broken);
/* A character from the serial line, or -1. For the debugger; a console server may own the line
 * otherwise. */
int console_poll(void);
/* Copy messages from the ring, oldest first: at most size bytes from position *from on (a count of
 * bytes since start-up); *from is moved to where the copy ended. Returns the bytes copied. */
size_t console_read_ring(uint64_t *from, char *buffer, size_t size);

#endif
