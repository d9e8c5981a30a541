/* backtrace.h - panic and backtraces with symbols. */
#ifndef ARCH_BACKTRACE_H
#define ARCH_BACKTRACE_H

#include <stdbool.h>
#include <stdint.h>

struct trap_frame;

/* panic() about an exception: shows the registers of frame and the stack it came from. */
_Noreturn void panic_frame(const struct trap_frame *frame, const char *format, ...)
    __attribute__((format(printf, 2, 3), cold));
bool panic_is_under_way(void);
_Noreturn void panic_stop_this_cpu(void);
/* Print the chain of return addresses from a frame pointer on. */
void backtrace_print(uint64_t rip, uint64_t rbp);
/* Name of the function that holds address, and the distance from its start; NULL when unknown. */
const char *backtrace_symbol(uint64_t address, uint64_t *offset);

#endif
