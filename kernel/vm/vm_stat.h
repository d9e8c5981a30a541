/* vm_stat.h - counts of what the memory system did, one set per processor so that counting costs no
 * locked instruction. */
#ifndef VM_VM_STAT_H
#define VM_VM_STAT_H

#include <stdint.h>

#include "arch/cpu.h"
#include "kern/preempt.h"

/* Keys: [C] its processor only, preemption disabled; read by all */
struct vm_stat {
    uint64_t faults;        /* [C] */
    uint64_t zero_fills;    /* [C] */
    uint64_t cow_faults;    /* [C] */
    uint64_t lookups;       /* [C] searches of an object */
    uint64_t hits;          /* [C] of those, found in the first object */
    uint64_t pageins;       /* [C] */
    uint64_t pageouts;      /* [C] */
    uint64_t reactivations; /* [C] */
} __attribute__((aligned(64)));

extern struct vm_stat vm_stat_cpu[CPU_MAX];

/* This processor's counts. Locks: preemption disabled (a spin lock held is enough). */
static inline struct vm_stat *vm_stat_current(void)
{
    return &vm_stat_cpu[cpu_number()];
}

static inline void vm_stat_pageins(uint64_t n)
{
    preempt_disable();
    vm_stat_current()->pageins += n;
    preempt_enable();
}

static inline void vm_stat_pageouts(uint64_t n)
{
    preempt_disable();
    vm_stat_current()->pageouts += n;
    preempt_enable();
}

/* The sums over all processors. */
void vm_stat_total(struct vm_stat *total);

#endif
