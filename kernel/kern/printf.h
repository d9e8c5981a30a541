/* printf.h - formatted output to the kernel console and the message buffer that `dmesg` reads. */
#ifndef KERN_PRINTF_H
#define KERN_PRINTF_H

#include <stdarg.h>
#include <stddef.h>

/* Print to the console. Conversions: %d %i %u %x %X %p %s %c %% with width, zero and left padding,
 * l ll z, and .N for %s. Locks: takes the console lock; callable from any context, interrupts
 * included. */
void kprintf(const char *format, ...) __attribute__((format(printf, 1, 2)));
void kvprintf(const char *format, va_list arguments);

/* As snprintf: writes at most size bytes with the terminating zero, returns the length the whole
 * text has. */
int ksnprintf(char *buffer, size_t size, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
int kvsnprintf(char *buffer, size_t size, const char *format, va_list arguments);

/* Say in the debug kernel why a call of the current thread was refused. Off unless the command line
 * has `user_errors`. */
void user_error(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
