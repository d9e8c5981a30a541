/* uart.h - the first serial port, a 16550. */
#ifndef CONSOLE_UART_H
#define CONSOLE_UART_H

#include <mach/port.h>
#include <stdbool.h>
#include <stddef.h>

#define UART_IRQ 4

/* Returns: false when there is no serial port. */
bool uart_init(mach_port_t hardware);
/* Send text, every new line as the terminal wants it. */
void uart_write(const char *text, size_t size);
/* The next byte received, or -1. */
int uart_read(void);
/* Keep what has been received for uart_read(): the receiver has room for 16 bytes, 1.4 ms of them.
 */
void uart_poll(void);

#endif
