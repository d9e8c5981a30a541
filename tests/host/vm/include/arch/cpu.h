/* cpu.h - host stand-in: a thread of the test is a processor; which one is a thread-local number.
 */
#ifndef ARCH_CPU_H
#define ARCH_CPU_H

#include <stdbool.h>
#include <stdint.h>

#define CPU_MAX 16

extern __thread uint32_t fake_cpu;
extern __thread int32_t fake_preempt_count;

static inline uint32_t cpu_number(void)
{
    return fake_cpu;
}

static inline int32_t cpu_preempt_count(void)
{
    return fake_preempt_count;
}

static inline void cpu_preempt_add(int32_t n)
{
    fake_preempt_count += n;
}

static inline bool cpu_preempt_sub_pending(void)
{
    fake_preempt_count -= 1;
    return false;
}

#endif
