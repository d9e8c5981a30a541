/* panic.h - panic about an exception, and what other processors ask about a panic. */
#ifndef ARCH_PANIC_H
#define ARCH_PANIC_H

#include <stdbool.h>

struct trap_frame;

/* panic() about an exception: shows the registers of frame and the stack it came from. */
_Noreturn void panic_frame(const struct trap_frame *frame, const char *format, ...)
    __attribute__((format(printf, 2, 3), cold));
bool panic_is_under_way(void);
_Noreturn void panic_stop_this_cpu(void);

#endif
