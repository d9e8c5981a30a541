/* clock_machine.h - the time stamp counter as a clock, and the real-time clock's date. */
#ifndef ARCH_CLOCK_MACHINE_H
#define ARCH_CLOCK_MACHINE_H

#include <stdint.h>

/* Find the counter's rate against the PIT, and read the date. Boot processor, interrupts off. */
void clock_machine_init(void);
uint64_t clock_ticks_to_ns_machine(uint64_t ticks);
uint64_t clock_ns_to_ticks_machine(uint64_t ns);
/* Counter value when the kernel was entered. */
extern uint64_t clock_boot_ticks;
/* Ticks per second, for people. */
uint64_t clock_machine_hz(void);

#endif
