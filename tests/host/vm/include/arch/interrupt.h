/* interrupt.h - host stand-in: there are no interrupts. */
#ifndef ARCH_INTERRUPT_H
#define ARCH_INTERRUPT_H

#include <stdint.h>

static inline uint64_t interrupt_save_disable(void)
{
    return 0;
}

static inline void interrupt_restore(uint64_t flags)
{
    (void)flags;
}

static inline void interrupt_disable(void) {}

static inline void interrupt_enable(void) {}

#endif
