/* preempt.h - the per-processor preemption count: the kernel is preempted wherever it is zero.
 *
 * The count and the request to reschedule lie in the per-processor area (arch/cpu.h). Enabling
 * preemption does not itself check for a pending request unless the count falls to zero with one
 * pending. */
#ifndef KERN_PREEMPT_H
#define KERN_PREEMPT_H

#include "arch/cpu.h"

/* Let a higher thread run now; called when the count falls to zero with a request pending. */
void preempt_check(void);

static inline void preempt_disable(void)
{
    cpu_preempt_add(1);
    __asm__ volatile("" ::: "memory");
}

/* Enable without looking for a pending request: the caller is about to block or to return to user
 * mode. */
static inline void preempt_enable_no_check(void)
{
    __asm__ volatile("" ::: "memory");
    cpu_preempt_add(-1);
}

static inline void preempt_enable(void)
{
    __asm__ volatile("" ::: "memory");
    if (__builtin_expect(cpu_preempt_sub_pending(), 0)) {
        preempt_check();
    }
}

#endif
