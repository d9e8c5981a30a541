/* pmap_large.c - mappings of 2 MiB of managed memory by one entry of a directory.
 *
 * Such a mapping is on the lists of all its 512 pages, and a table for it is set aside, so that it
 * can always be split: whoever changes anything about a part of it, or about all, by address or by
 * page, splits it first and then meets small entries only. Tables set aside are listed in the
 * descriptor of the directory's page: one for each large entry of the directory. The frames and
 * rights are the same before and after, so what a TLB holds stays true until it is invalidated,
 * which an invalidation of any address within does.
 * Locks: PMAP_LARGE guards the step from large to small, and the lists of tables; the step back is
 * never made while something is mapped. */
#include "arch/pmap.h"
#include "arch/pmap_impl.h"
#include "kern/assert.h"
#include "kern/atomic.h"
#include "kern/list.h"
#include "vm/vm_page.h"

static struct spinlock pmap_large_lock =
    SPINLOCK_INITIALIZER(LOCK_RANK_PMAP_LARGE, "pmap large"); /* tables set aside */

static struct list *pmap_large_tables(uint64_t directory)
{
    return &vm_page_from_phys(directory & PTE_FRAME)->link;
}

bool pmap_large_prepare(struct pmap *pmap, uint64_t va, struct vm_page *pages, uint64_t *directory)
{
    struct vm_page *table = pmap_table_alloc(pmap);

    assert(spin_is_held(&pmap->lock));
    if (table == NULL) {
        return false;
    }
    spin_lock(&pmap_large_lock);
    list_insert_head(pmap_large_tables(*directory), &table->link);
    spin_unlock(&pmap_large_lock);
    for (unsigned i = 0; i < PMAP_ENTRIES; i++) {
        assert(pages[i].pv.pmap == NULL && pages[i].pv.next == NULL);
        pages[i].pv.pmap = pmap;
        pages[i].pv.va = va + i * PAGE_SIZE;
    }
    return true;
}

bool pmap_large_split(const struct pmap *pmap, uint64_t *entry, const uint64_t *directory)
{
    uint64_t old, used;

    spin_lock(&pmap_large_lock);
    old = atomic_load(entry);
    if ((old & (PTE_PRESENT | PTE_LARGE | PTE_MANAGED)) ==
        (PTE_PRESENT | PTE_LARGE | PTE_MANAGED)) {
        struct list *tables = pmap_large_tables(*directory);
        phys_addr_t phys = vm_page_to_phys(list_entry(list_pop(tables), struct vm_page, link));
        uint64_t *table = phys_to_virt(phys);

        /* the processor may just be noting that */
        used = (PTE_ACCESSED | ((old & PTE_WRITE) != 0 ? PTE_DIRTY : 0)) << pmap->used_shift;
        for (unsigned i = 0; i < PMAP_ENTRIES; i++) {
            table[i] = ((old & ~PTE_LARGE) | used) + i * PAGE_SIZE;
        }
        old = phys | PTE_PRESENT | PTE_WRITE | PTE_USER | PMAP_ENTRIES * PTE_COUNT_ONE;
        atomic_store_release(entry, old);
    }
    spin_unlock(&pmap_large_lock);
    return (old & (PTE_PRESENT | PTE_LARGE)) == PTE_PRESENT;
}
