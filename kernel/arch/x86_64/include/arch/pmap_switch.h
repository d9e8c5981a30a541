/* pmap_switch.h - which address spaces a processor uses: the one it runs on (cpu->pmap) and, while
 * a message is copied, that of the receiver (cpu->pmap_peer).
 *
 * Who takes a translation away changes the tables, then looks at these two of every processor and
 * interrupts those that name the address space, and waits for them (pmap_flush.c). So a processor
 * that has named an address space and has interrupts off may use what it finds in its tables until
 * it lets interrupts in: no page is freed, and none is shared copy-on-write, before it answers. */
#ifndef ARCH_PMAP_SWITCH_H
#define ARCH_PMAP_SWITCH_H

#include "arch/cpu.h"
#include "arch/io.h"
#include "arch/pmap_impl.h"
#include "kern/atomic.h"

/* The same for an address space with a number of its own in the TLB. Interrupts off. */
void pmap_switch_tagged(struct cpu *cpu, struct pmap *pmap);

/* Run on an address space. Interrupts off. */
static inline __attribute__((always_inline)) void pmap_switch(struct cpu *cpu, struct pmap *pmap)
{
    if (cpu->pmap == pmap) {
        return;
    }
    if (__builtin_expect(pmap->pcid != 0, 0)) {
        pmap_switch_tagged(cpu, pmap);
    } else {
        atomic_store(&cpu->pmap, pmap); /* seen by others before the tables are used: writing CR3
                                           orders it */
        write_cr3(pmap->pml4_phys);
    }
}

/* Name a second address space, whose tables are then read without a lock (pmap_peer_address).
 * Interrupts off until pmap_peer_end(). */
static inline void pmap_peer_begin(struct cpu *cpu, struct pmap *pmap)
{
    (void)atomic_exchange(&cpu->pmap_peer, pmap); /* before the tables are read */
}

static inline void pmap_peer_end(struct cpu *cpu)
{
    atomic_store_release(&cpu->pmap_peer, (struct pmap *)NULL);
}

/* Where the page of va can be written in the direct map as its owner may write it; NULL when it is
 * not there, or not writable. Locks: none; between pmap_peer_begin() and pmap_peer_end(). */
uint8_t *pmap_peer_address(struct pmap *pmap, uint64_t va);

#endif
