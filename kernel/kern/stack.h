/* stack.h - kernel stacks: KERNEL_STACK_SIZE bytes with an unmapped guard page below. */
#ifndef KERN_STACK_H
#define KERN_STACK_H

#include <stdbool.h>
#include <stdint.h>

#define KERNEL_STACK_SIZE (CONFIG_DEBUG ? 32768ul : 16384ul)

/* Make sure this processor has a stack at hand for stack_take(). Interrupts enabled, no locks.
 * False when out of memory. */
bool stack_prepare(void);
/* A stack from this processor's cache, its lowest address; 0 when that is empty. Interrupts off. */
uint64_t stack_take(void);
/* Give a stack back. Interrupts off. */
void stack_give(uint64_t stack);
/* Give surplus stacks of this processor back to the kernel map. Interrupts enabled. */
void stack_trim(void);
/* Is the address in the guard page below some stack? For the double fault message. */
bool stack_is_guard(uint64_t address);
uint64_t stack_count(void);

#endif
