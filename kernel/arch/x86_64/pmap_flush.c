/* pmap_flush.c - invalidation of TLBs, here and on other processors ("shootdown").
 *
 * The initiator changes the entries first, marks the address space stale for processors that do not
 * run on it (they flush when they come back to it), and interrupts those that use it
 * (pmap_switch.h). One invalidation is under way at a time; its initiator spins with interrupts
 * enabled, so two initiators never wait for each other. A processor that names an address space as
 * its own and then looks at `stale` cannot miss one. For one that runs a guest the interrupt itself
 * does it: the guest is left, and flushes when it is entered again (pmap_nested.h).
 * Locks: SHOOTDOWN, taken after everything else. */
#include "arch/io.h"
#include "arch/ipi.h"
#include "arch/pmap_flush.h"
#include "arch/pmap_impl.h"
#include "kern/assert.h"
#include "kern/atomic.h"

#define FLUSH_PAGES_MAX 64ul

/* The invalidation under way. Keys: [L] pmap_flush_lock */
static struct spinlock pmap_flush_lock = SPINLOCK_INITIALIZER(LOCK_RANK_SHOOTDOWN, "shootdown");
static struct pmap_flush pmap_flush_request; /* [L] */
static bool pmap_flush_is_leave;             /* [L] */
static uint32_t pmap_flush_pending;          /* [a] processors that have not done it yet */

static void pmap_flush_all_local(void)
{
    uint64_t cr4 = read_cr4();

    if ((cr4 & CR4_PGE) != 0) {
        write_cr4(cr4 & ~CR4_PGE); /* global pages and all PCIDs too */
        write_cr4(cr4);
    } else {
        write_cr3(read_cr3());
    }
}

void pmap_flush_local(struct pmap *pmap, uint64_t start, uint64_t end)
{
    if (end - start > FLUSH_PAGES_MAX * PAGE_SIZE) {
        if (pmap == pmap_kernel()) {
            pmap_flush_all_local();
        } else {
            write_cr3(pmap->pml4_phys | pmap->pcid);
        }
        return;
    }
    for (uint64_t va = start; va < end; va += PAGE_SIZE) {
        invlpg(va);
    }
}

static void pmap_flush_serve(struct pmap *pmap, uint64_t start, uint64_t end, bool leave)
{
    if (pmap != pmap_kernel() && cpu_current()->pmap != pmap) {
        return;
    }
    if (leave) {
        pmap_activate(pmap_kernel());
    } else {
        pmap_flush_local(pmap, start, end);
    }
}

void pmap_flush_interrupt(void)
{
    uint32_t bit = 1u << cpu_number();

    if ((atomic_load_acquire(&pmap_flush_pending) & bit) != 0) {
        pmap_flush_serve(pmap_flush_request.pmap, pmap_flush_request.start, pmap_flush_request.end,
                         pmap_flush_is_leave);
        atomic_fetch_and(&pmap_flush_pending, ~bit);
    }
}

static void pmap_flush_remote(struct pmap *pmap, uint64_t start, uint64_t end, bool leave,
                              uint32_t mask)
{
    assert(interrupt_is_enabled());
    spin_lock(&pmap_flush_lock);
    pmap_flush_request = (struct pmap_flush){pmap, start, end};
    pmap_flush_is_leave = leave;
    atomic_store_release(&pmap_flush_pending, mask);
    ipi_flush(mask);
    while (atomic_load_acquire(&pmap_flush_pending) != 0) {
        cpu_relax();
    }
    spin_unlock(&pmap_flush_lock);
}

/* The other processors that use an address space. After a full fence. */
static uint32_t pmap_flush_users(const struct pmap *pmap)
{
    uint32_t users = 0;

    for (uint32_t i = 0; i < cpu_count; i++) {
        const struct cpu *cpu = &cpu_table[i];

        if (atomic_load(&cpu->pmap) == pmap || atomic_load(&cpu->pmap_peer) == pmap ||
            atomic_load(&cpu->pmap_guest) == pmap) {
            users |= 1u << i;
        }
    }
    return users & ~(1u << cpu_number());
}

void pmap_flush_range(struct pmap *pmap, uint64_t start, uint64_t end)
{
    uint32_t all = (1u << cpu_count) - 1;
    uint32_t others = 0;
    uint32_t self;

    preempt_disable();
    self = 1u << cpu_number();
    if (pmap == pmap_kernel()) {
        pmap_flush_local(pmap, start, end);
        others = all & ~self;
    } else {
        if (pmap->is_nested) {
            atomic_fetch_add(&pmap->flushes, 1);
        }
        if (pmap->pcid != 0) {
            atomic_fetch_or(&pmap->stale, cpu_current()->pmap == pmap ? ~self : ~0u);
        }
        if (cpu_current()->pmap == pmap) {
            pmap_flush_local(pmap, start, end);
        }
        if (cpu_count > 1) {
            __atomic_thread_fence(__ATOMIC_SEQ_CST);
            others = pmap_flush_users(pmap);
        }
    }
    if (others != 0) {
        pmap_flush_remote(pmap, start, end, false, others);
    }
    preempt_enable();
}

void pmap_flush_leave(struct pmap *pmap)
{
    uint32_t others;

    preempt_disable();
    if (cpu_current()->pmap == pmap) {
        uint64_t flags = interrupt_save_disable();

        pmap_activate(pmap_kernel());
        interrupt_restore(flags);
    }
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    others = pmap_flush_users(pmap);
    if (others != 0) {
        pmap_flush_remote(pmap, 0, 0, true, others);
    }
    preempt_enable();
}
