/* pmap_pv.c - the reverse map: for each page of memory, the user mappings of it.
 *
 * The first mapping is in the page's descriptor, others in a list. The low bits of the first
 * entry's address, always zero in an address, remember that the page was written or read through a
 * mapping that is gone. Locks: pages belong to one of PV_GROUPS groups by their number, neighbours
 * to the same, so that runs of pages are gone through with few locks; the group also keeps some
 * entries of the lists, as what was shared once often is again. While the group's lock is held and
 * a mapping is on the list, the page tables on the mapping's path stay, so its entry may be changed
 * without the pmap's lock. */
#include "arch/pmap.h"
#include "arch/pmap_ept.h"
#include "arch/pmap_impl.h"
#include "kern/assert.h"
#include "kern/atomic.h"
#include "vm/slab.h"
#include "vm/vm_page.h"

#define PV_GROUPS     64
#define PV_SPARE_MAX  256       /* entries a group keeps */
#define PV_MODIFIED   PTE_DIRTY /* where the bits of an entry are */
#define PV_REFERENCED PTE_ACCESSED
#define PV_FLAGS      (PV_MODIFIED | PV_REFERENCED)

/* Keys: [L] this->lock */
struct pv_group {
    struct spinlock lock;   /* PV; also guards the lists of its pages */
    struct pv_entry *spare; /* [L] entries for the next mappings of its pages */
    uint32_t spare_count;   /* [L] at most PV_SPARE_MAX */
};

static struct pv_group pmap_pv_groups[PV_GROUPS];
static struct kmem_cache pmap_pv_cache;

void pmap_pv_init(void)
{
    for (unsigned i = 0; i < PV_GROUPS; i++) {
        spin_init(&pmap_pv_groups[i].lock, LOCK_RANK_PV, "pv");
    }
    kmem_cache_init(&pmap_pv_cache, "pv_entry", sizeof(struct pv_entry), 8);
}

static struct pv_group *pmap_pv_group(const struct vm_page *page)
{
    return &pmap_pv_groups[vm_page_block_number(page) % PV_GROUPS];
}

/* --- entries at hand; the group's lock is held --- */

static inline struct pv_entry *pmap_pv_alloc(struct pv_group *group)
{
    struct pv_entry *entry = group->spare;

    if (entry == NULL) {
        return kmem_cache_alloc(&pmap_pv_cache);
    }
    group->spare = entry->next;
    group->spare_count--;
    return entry;
}

static __attribute__((noinline)) void pmap_pv_trim(struct pv_group *group, unsigned keep)
{
    while (group->spare_count > keep) {
        kmem_cache_free(&pmap_pv_cache, pmap_pv_alloc(group));
    }
}

static void pmap_pv_free(struct pv_group *group, struct pv_entry *entry)
{
    entry->next = group->spare;
    group->spare = entry;
    group->spare_count++;
    pmap_pv_trim(group, PV_SPARE_MAX);
}

void pmap_drain_cache(void)
{
    for (unsigned i = 0; i < PV_GROUPS; i++) {
        struct pv_group *group = &pmap_pv_groups[i];

        spin_lock(&group->lock);
        pmap_pv_trim(group, 0);
        spin_unlock(&group->lock);
    }
}

/* --- one mapping; the group's lock is held --- */

static inline void pmap_pv_link_first(struct vm_page *page, struct pmap *pmap, uint64_t va)
{
    page->pv.pmap = pmap;
    page->pv.va = va | (page->pv.va & PV_FLAGS);
    page->pv.next = NULL;
}

static inline void pmap_pv_link_second(struct vm_page *page, struct pv_entry *entry,
                                       struct pmap *pmap, uint64_t va)
{
    entry->pmap = pmap;
    entry->va = va;
    entry->next = page->pv.next;
    page->pv.next = entry;
}

bool pmap_pv_insert(struct vm_page *page, struct pmap *pmap, uint64_t va)
{
    struct pv_group *group = pmap_pv_group(page);
    struct pv_entry *entry;
    bool linked = true;

    spin_lock(&group->lock);
    if (page->pv.pmap == NULL) {
        pmap_pv_link_first(page, pmap, va);
    } else {
        entry = pmap_pv_alloc(group);
        linked = entry != NULL;
        if (linked) {
            pmap_pv_link_second(page, entry, pmap, va);
        }
    }
    spin_unlock(&group->lock);
    return linked;
}

/* Take (pmap, va) off a list where it is not the second: most are, or the only one. */
static inline struct pv_entry *pmap_pv_unlink_other(struct vm_page *page, struct pmap *pmap,
                                                    uint64_t va)
{
    struct pv_entry *previous = page->pv.next;
    struct pv_entry *entry = previous;

    if (page->pv.pmap == pmap && (page->pv.va & ~PV_FLAGS) == va) {
        page->pv.pmap = NULL;
        if (entry != NULL) {
            page->pv.pmap = entry->pmap;
            page->pv.va = entry->va | (page->pv.va & PV_FLAGS);
            page->pv.next = entry->next;
        }
        return entry;
    }
    while (entry != NULL && (entry->pmap != pmap || entry->va != va)) {
        previous = entry;
        entry = entry->next;
    }
    if (entry == NULL) {
        panic("page %p has no mapping of pmap %p at %lx", (void *)page, (void *)pmap, va);
    }
    previous->next = entry->next;
    return entry;
}

/* Take (pmap, va) off the list; returns the entry to free, or NULL. The head keeps the flags. */
static inline struct pv_entry *pmap_pv_unlink(struct vm_page *page, struct pmap *pmap, uint64_t va)
{
    struct pv_entry *second = page->pv.next;

    if (__builtin_expect(second != NULL && second->pmap == pmap && second->va == va, 1)) {
        page->pv.next = second->next;
        return second;
    }
    return pmap_pv_unlink_other(page, pmap, va);
}

static inline void pmap_pv_note(struct vm_page *page, const struct pmap *pmap, uint64_t pte)
{
    page->pv.va |= pte >> pmap->used_shift & PV_FLAGS;
}

/* --- neighbouring mappings --- */

/* The block of pages gone through, its group locked; all zero: none yet. In it a page is found by
 * its distance from the first, and the spare entries are at hand. The pmap's lock is held, too. */
struct pv_hold {
    struct pv_group *group;
    struct pv_entry *spare;
    phys_addr_t phys; /* of the first page */
    uintptr_t first;  /* its descriptor */
    uintptr_t size;   /* of all descriptors, in bytes */
    int added;        /* spare entries, to all groups held so far; negative when taken */
    int before;       /* of those, to groups before this one */
    unsigned others;  /* mappings entered or removed without a spare entry */
};

static inline void pmap_pv_hold_end(struct pv_hold *hold) NO_LOCK_ANALYSIS
{
    struct pv_group *group = hold->group;

    if (group != NULL) {
        group->spare = hold->spare;
        group->spare_count += (uint32_t)(hold->added - hold->before);
        if (__builtin_expect(group->spare_count > PV_SPARE_MAX, 0)) {
            pmap_pv_trim(group, PV_SPARE_MAX);
        }
        spin_unlock_inner(&group->lock);
    }
}

/* Hold the block of the page instead. */
static inline void pmap_pv_hold(struct pv_hold *hold, const struct vm_page *page) NO_LOCK_ANALYSIS
{
    struct vm_page_block block = vm_page_block(page);

    pmap_pv_hold_end(hold);
    hold->group = pmap_pv_group(page);
    spin_lock_inner(&hold->group->lock);
    hold->spare = hold->group->spare;
    hold->before = hold->added;
    hold->phys = vm_page_to_phys(block.first);
    hold->first = (uintptr_t)block.first;
    hold->size = (uintptr_t)block.last - hold->first;
}

/* Put (pmap, va) on the list of a page of the block. False when out of memory. */
static inline bool pmap_pv_hold_link(struct pv_hold *hold, struct vm_page *page, struct pmap *pmap,
                                     uint64_t va)
{
    struct pv_entry *entry = hold->spare;

    if (page->pv.pmap != NULL && entry != NULL) {
        hold->spare = entry->next;
        hold->added--;
        pmap_pv_link_second(page, entry, pmap, va);
        return true;
    }
    if (page->pv.pmap == NULL) {
        pmap_pv_link_first(page, pmap, va);
    } else {
        entry = kmem_cache_alloc(&pmap_pv_cache);
        if (entry == NULL) {
            return false;
        }
        pmap_pv_link_second(page, entry, pmap, va);
    }
    hold->others++;
    return true;
}

/* Take (pmap, va) off the list of a page of the block. */
static inline void pmap_pv_hold_unlink(struct pv_hold *hold, struct vm_page *page,
                                       struct pmap *pmap, uint64_t va)
{
    struct pv_entry *unlinked = pmap_pv_unlink(page, pmap, va);

    if (unlinked != NULL) {
        unlinked->next = hold->spare;
        hold->spare = unlinked;
        hold->added++;
    } else {
        hold->others++;
    }
}

unsigned pmap_pv_enter_batch(struct pmap *pmap, uint64_t va, uint64_t *entries,
                             struct vm_page *const *pages, unsigned n, uint64_t bits)
{
    struct pv_hold hold = {NULL};
    uint64_t frame_bits = 0; /* the entry for the block's first page */

    assert(spin_is_held(&pmap->lock));
    for (uint64_t *entry = entries; entry < entries + n; entry++, pages++, va += PAGE_SIZE) {
        struct vm_page *page = *pages;
        uintptr_t distance = (uintptr_t)page - hold.first;

        if (page == NULL || !vm_page_is_at_rest(page) || (*entry & PTE_PRESENT) != 0) {
            continue;
        }
        if (distance >= hold.size) {
            pmap_pv_hold(&hold, page);
            distance = (uintptr_t)page - hold.first;
            frame_bits = hold.phys | bits;
        }
        if (!pmap_pv_hold_link(&hold, page, pmap, va)) {
            break;
        }
        atomic_store_release(entry, frame_bits + distance * VM_PAGE_RATIO);
    }
    pmap_pv_hold_end(&hold);
    return hold.others - (unsigned)hold.added;
}

unsigned pmap_pv_remove_batch(struct pmap *pmap, uint64_t va, uint64_t *entries, unsigned n)
{
    struct pv_hold hold = {NULL};

    assert(spin_is_held(&pmap->lock));
    for (uint64_t *entry = entries; entry < entries + n; entry++, va += PAGE_SIZE) {
        uint64_t old = atomic_load(entry);
        uintptr_t distance = ((old & PTE_FRAME) - hold.phys) / VM_PAGE_RATIO;
        struct vm_page *page;

        if ((old & PTE_MANAGED) == 0) {
            if ((old & PTE_PRESENT) != 0) {
                atomic_store(entry, 0);
                hold.others++;
            }
            continue;
        }
        if (distance >= hold.size) {
            pmap_pv_hold(&hold, vm_page_from_phys(old & PTE_FRAME));
            distance = ((old & PTE_FRAME) - hold.phys) / VM_PAGE_RATIO;
            if (atomic_load(entry) == 0) { /* somebody just took the page away */
                continue;
            }
        }
        page = (struct vm_page *)(hold.first + distance);
        pmap_pv_hold_unlink(&hold, page, pmap, va);
        pmap_pv_note(page, pmap, atomic_exchange(entry, 0));
    }
    pmap_pv_hold_end(&hold);
    return hold.others + (unsigned)hold.added;
}

bool pmap_pv_clean(struct pmap *pmap, uint64_t *entries, uint64_t n)
{
    const uint64_t dirty = PTE_DIRTY << pmap->used_shift;
    bool was_written = false;

    assert(spin_is_held(&pmap->lock));
    for (uint64_t *entry = entries; entry < entries + n; entry++) {
        uint64_t old = atomic_load(entry);
        struct vm_page *page;

        if ((old & dirty) == 0 || (old & PTE_PRESENT) == 0) {
            continue;
        }
        was_written = true;
        if ((old & PTE_MANAGED) == 0) {
            atomic_fetch_and(entry, ~dirty);
            continue;
        }
        page = vm_page_from_phys(old & PTE_FRAME);
        spin_lock(&pmap_pv_group(page)->lock);
        if ((atomic_load(entry) & PTE_PRESENT) != 0) { /* or somebody just took the page away */
            pmap_pv_note(page, pmap, atomic_fetch_and(entry, ~dirty));
        }
        spin_unlock(&pmap_pv_group(page)->lock);
    }
    return was_written;
}

/* The mapping after `previous` (NULL: the first); NULL at the end. */
static struct pv_entry *pmap_pv_next(struct vm_page *page, struct pv_entry *previous)
{
    if (previous == NULL) {
        return page->pv.pmap != NULL ? &page->pv : NULL;
    }
    return previous->next;
}

/* Remove the first mapping of the page. False when there is no other. */
static bool pmap_pv_remove_first(struct vm_page *page)
{
    struct pv_group *group = pmap_pv_group(page);
    struct pv_entry *unlinked;
    uint64_t *directory_entry;
    uint64_t *entry;
    struct pmap *pmap;
    uint64_t va;
    bool more;

    spin_lock(&group->lock);
    pmap = page->pv.pmap;
    va = page->pv.va & ~PV_FLAGS;
    if (pmap == NULL) {
        spin_unlock(&group->lock);
        return false;
    }
    entry = pmap_find_entry(pmap, va, &directory_entry);
    pmap_pv_note(page, pmap, atomic_exchange(entry, 0));
    unlinked = pmap_pv_unlink(page, pmap, va);
    pmap_flush_range(pmap, va, va + PAGE_SIZE);
    atomic_fetch_sub(directory_entry, PTE_COUNT_ONE);
    if (unlinked != NULL) {
        pmap_pv_free(group, unlinked);
    }
    more = page->pv.pmap != NULL;
    atomic_fetch_sub(&pmap->resident, 1); /* last: then the address space may be destroyed */
    spin_unlock(&group->lock);
    return more;
}

/* Clear and set bits in the entry of every mapping, and invalidate where that changed something;
 * not for a mark that it was used: a processor that has the entry at hand sets the mark a little
 * later, and page replacement, which clears those of all memory, need not interrupt it for each. */
static void pmap_pv_change_bits(struct vm_page *page, uint64_t clear, uint64_t set)
{
    struct spinlock *lock = &pmap_pv_group(page)->lock;

    spin_lock(lock);
    for (struct pv_entry *pv = pmap_pv_next(page, NULL); pv != NULL; pv = pmap_pv_next(page, pv)) {
        uint64_t va = pv->va & ~PV_FLAGS;
        uint64_t *directory_entry;
        uint64_t *entry = pmap_find_entry(pv->pmap, va, &directory_entry);
        uint64_t mask = pmap_ept_clear(pv->pmap, clear, set);
        uint64_t cleared = atomic_fetch_and(entry, ~mask) & mask;
        uint64_t added = set & ~atomic_fetch_or(entry, set);

        if (((cleared & ~(PTE_ACCESSED << pv->pmap->used_shift)) | added) != 0) {
            pmap_flush_range(pv->pmap, va, va + PAGE_SIZE);
        }
    }
    spin_unlock(lock);
}

void pmap_page_protect(struct vm_page *page, vm_prot_t prot)
{
    uint64_t clear = (prot & VM_PROT_WRITE) == 0 ? PTE_WRITE : 0;
    uint64_t set = (prot & VM_PROT_EXECUTE) == 0 ? PTE_NX : 0;

    if ((prot & VM_PROT_READ) == 0) {
        while (pmap_pv_remove_first(page)) {
        }
        return;
    }
    pmap_pv_change_bits(page, clear, set);
}

/* Is the bit set in the page's memory of past mappings, or in any present one? */
static bool pmap_pv_test(struct vm_page *page, uint64_t flag, uint64_t pte_bit)
{
    struct spinlock *lock = &pmap_pv_group(page)->lock;
    bool found;

    spin_lock(lock);
    found = (page->pv.va & flag) != 0;
    for (struct pv_entry *pv = pmap_pv_next(page, NULL); pv != NULL && !found;
         pv = pmap_pv_next(page, pv)) {
        uint64_t *directory_entry;

        found = (*pmap_find_entry(pv->pmap, pv->va & ~PV_FLAGS, &directory_entry) &
                 pte_bit << pv->pmap->used_shift) != 0;
    }
    spin_unlock(lock);
    return found;
}

static void pmap_pv_forget(struct vm_page *page, uint64_t flag, uint64_t pte_bit)
{
    struct spinlock *lock = &pmap_pv_group(page)->lock;

    pmap_pv_change_bits(page, pte_bit, 0);
    spin_lock(lock);
    page->pv.va &= ~flag;
    spin_unlock(lock);
}

bool pmap_is_modified(struct vm_page *page)
{
    return pmap_pv_test(page, PV_MODIFIED, PTE_DIRTY);
}

void pmap_clear_modified(struct vm_page *page)
{
    pmap_pv_forget(page, PV_MODIFIED, PTE_DIRTY);
}

bool pmap_is_referenced(struct vm_page *page)
{
    return pmap_pv_test(page, PV_REFERENCED, PTE_ACCESSED);
}

void pmap_clear_referenced(struct vm_page *page)
{
    pmap_pv_forget(page, PV_REFERENCED, PTE_ACCESSED);
}

void pmap_forget_page(struct vm_page *page)
{
    assert(page->pv.pmap == NULL);
    page->pv.va = 0;
}
