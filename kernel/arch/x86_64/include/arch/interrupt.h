/* interrupt.h - the processor's interrupt flag. */
#ifndef ARCH_INTERRUPT_H
#define ARCH_INTERRUPT_H

#include <stdbool.h>
#include <stdint.h>

#define RFLAGS_IF 0x200u

static inline void interrupt_enable(void)
{
    __asm__ volatile("sti" ::: "memory");
}

static inline void interrupt_disable(void)
{
    __asm__ volatile("cli" ::: "memory");
}

static inline uint64_t interrupt_flags(void)
{
    uint64_t flags;

    __asm__ volatile("pushfq; popq %0" : "=r"(flags)::"memory");
    return flags;
}

static inline bool interrupt_is_enabled(void)
{
    return (interrupt_flags() & RFLAGS_IF) != 0;
}

/* Disable interrupts and return the flags to hand to interrupt_restore(). */
static inline uint64_t interrupt_save_disable(void)
{
    uint64_t flags = interrupt_flags();

    interrupt_disable();
    return flags;
}

static inline void interrupt_restore(uint64_t flags)
{
    if ((flags & RFLAGS_IF) != 0) {
        interrupt_enable();
    }
}

#endif
