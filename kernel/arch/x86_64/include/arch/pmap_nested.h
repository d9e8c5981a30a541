/* pmap_nested.h - page tables of a virtual machine: from guest physical to physical addresses.
 *
 * AMD's nested tables have the format of ordinary ones, and are walked as user accesses (APM volume
 * 2, 15.25.5), so such a pmap is one without a kernel half. Intel's have one of their own
 * (pmap_ept.h). What a processor's TLB holds of it is under the guest's ASID, or under the address
 * of the tables. An invalidation counts in pmap->flushes and interrupts the processors that run a
 * guest on it (cpu->pmap_guest); whoever enters a guest names the pmap, then looks at the count,
 * and when it is not what it was takes a new ASID, or empties the TLB of these tables. */
#ifndef ARCH_PMAP_NESTED_H
#define ARCH_PMAP_NESTED_H

#include "arch/cpu.h"
#include "arch/pmap_impl.h"
#include "kern/atomic.h"

/* An empty one, of Intel's extended entries or of AMD's. NULL when out of memory. Refs: caller owns
 * one, which pmap_destroy() ends. */
struct pmap *pmap_create_nested(bool extended);

/* A guest is about to run on it here. Returns how often it was invalidated. Interrupts off until
 * pmap_nested_leave(). */
static inline uint64_t pmap_nested_enter(struct cpu *cpu, struct pmap *pmap)
{
    (void)atomic_exchange(&cpu->pmap_guest, pmap); /* before the count is read */
    return atomic_load_acquire(&pmap->flushes);
}

static inline void pmap_nested_leave(struct cpu *cpu)
{
    atomic_store_release(&cpu->pmap_guest, (struct pmap *)NULL);
}

#endif
