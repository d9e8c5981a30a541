/* pmap_ept.h - entries of Intel's extended page tables (SDM volume 3C, 29.3.2), which a pmap of a
 * virtual machine has on such processors.
 *
 * What says that there is memory and that it may be written, where it is, that it is large, and
 * what the hardware leaves to us, lie where they lie in ordinary entries; an entry that points to a
 * table is the same. Beside PTE_NX, which is here for us alone, the right to execute has a bit of
 * its own; and what the processor notes is three bits further up, in place of PTE_GLOBAL and
 * PTE_WIRED. */
#ifndef ARCH_PMAP_EPT_H
#define ARCH_PMAP_EPT_H

#include "arch/pmap_impl.h"

#define EPT_EXECUTE         PTE_USER
#define EPT_UNCACHED        (0ul << 3)
#define EPT_WRITE_COMBINING (1ul << 3)
#define EPT_WRITE_BACK      (6ul << 3)
#define EPT_IGNORE_PAT      (1ul << 6) /* of the guest: the host maps the same memory, too */
#define EPT_USED_SHIFT      3          /* from PTE_ACCESSED and PTE_DIRTY */

static inline uint64_t pmap_ept_entry(phys_addr_t phys, vm_prot_t prot, unsigned flags)
{
    return phys | PTE_PRESENT | EPT_IGNORE_PAT | ((prot & VM_PROT_WRITE) != 0 ? PTE_WRITE : 0) |
           ((prot & VM_PROT_EXECUTE) != 0 ? EPT_EXECUTE : PTE_NX) |
           ((flags & PMAP_NOCACHE) != 0 ? EPT_UNCACHED
            : (flags & PMAP_WC) != 0    ? EPT_WRITE_COMBINING
                                        : EPT_WRITE_BACK);
}

/* Bits of ordinary entries that are to be cleared, and `set` beside them: those to clear in an
 * entry of this pmap. */
static inline uint64_t pmap_ept_clear(const struct pmap *pmap, uint64_t clear, uint64_t set)
{
    const uint64_t used = PTE_ACCESSED | PTE_DIRTY;

    return (clear & ~used) | (clear & used) << pmap->used_shift |
           (pmap->used_shift != 0 && (set & PTE_NX) != 0 ? EPT_EXECUTE : 0);
}

#endif
