/* monitor.h - the console of the monitor this system is a guest of, where it has one
 * (mach/hypercall.h): in place of a serial port. */
#ifndef CONSOLE_MONITOR_H
#define CONSOLE_MONITOR_H

#include <mach/port.h>
#include <stdbool.h>
#include <stddef.h>

/* Returns: false when there is none. *irq is then the right to wait for what is typed. */
bool monitor_init(mach_port_t hardware, mach_port_t *irq);
/* Send text, every new line as the terminal wants it. */
void monitor_write(const char *text, size_t size);
/* The next byte that was typed, or -1. */
int monitor_read(void);

#endif
