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
#include "arch/pmap_impl.h"
#include "kern/assert.h"
#include "kern/atomic.h"
#include "vm/slab.h"
#include "vm/vm_page.h"

#define PV_GROUPS     64
#define PV_GROUP      64        /* neighbouring pages that belong to one group */
#define PV_MODIFIED   PTE_DIRTY /* where the bits of an entry are */
#define PV_REFERENCED PTE_ACCESSED
#define PV_FLAGS      (PV_MODIFIED | PV_REFERENCED)

/* Keys: [L] this->lock */
struct pv_group {
    struct spinlock lock;   /* PV; also guards the lists of its pages */
    struct pv_entry *spare; /* [L] entries for the next mappings of its pages */
    uint32_t spare_count;   /* [L] at most PV_GROUP */
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
    return &pmap_pv_groups[(uintptr_t)page / (sizeof(*page) * PV_GROUP) % PV_GROUPS];
}

/* Hold the lock of the page's group and no other; *held, the group held, begins and ends as NULL.
 */
static inline void pmap_pv_hold(struct pv_group **held, const struct vm_page *page) NO_LOCK_ANALYSIS
{
    struct pv_group *group = page != NULL ? pmap_pv_group(page) : NULL;

    if (group == *held) {
        return;
    }
    if (*held != NULL) {
        spin_unlock(&(*held)->lock);
    }
    if (group != NULL) {
        spin_lock(&group->lock);
    }
    *held = group;
}

/* Locks: the group's held. */
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

static inline void pmap_pv_free(struct pv_group *group, struct pv_entry *entry)
{
    if (group->spare_count == PV_GROUP) {
        kmem_cache_free(&pmap_pv_cache, entry);
        return;
    }
    entry->next = group->spare;
    group->spare = entry;
    group->spare_count++;
}

void pmap_drain_cache(void)
{
    for (unsigned i = 0; i < PV_GROUPS; i++) {
        struct pv_group *group = &pmap_pv_groups[i];

        spin_lock(&group->lock);
        while (group->spare_count != 0) {
            kmem_cache_free(&pmap_pv_cache, pmap_pv_alloc(group));
        }
        spin_unlock(&group->lock);
    }
}

/* Put (pmap, va) on the list. Locks: the group's held. False when out of memory. */
static inline bool pmap_pv_link(struct pv_group *group, struct vm_page *page, struct pmap *pmap,
                                uint64_t va)
{
    struct pv_entry *entry;

    if (page->pv.pmap == NULL) {
        page->pv.pmap = pmap;
        page->pv.va = va | (page->pv.va & PV_FLAGS);
        page->pv.next = NULL;
        return true;
    }
    entry = pmap_pv_alloc(group);
    if (entry == NULL) {
        return false;
    }
    entry->pmap = pmap;
    entry->va = va;
    entry->next = page->pv.next;
    page->pv.next = entry;
    return true;
}

bool pmap_pv_insert(struct vm_page *page, struct pmap *pmap, uint64_t va)
{
    struct pv_group *held = NULL;
    bool linked;

    pmap_pv_hold(&held, page);
    linked = pmap_pv_link(held, page, pmap, va);
    pmap_pv_hold(&held, NULL);
    return linked;
}

unsigned pmap_pv_enter_batch(struct pmap *pmap, uint64_t va, uint64_t *entries,
                             struct vm_page *const *pages, unsigned n, uint64_t bits)
{
    struct pv_group *held = NULL;
    const struct vm_page *before = NULL;
    phys_addr_t phys = 0;
    unsigned entered = 0;

    for (unsigned i = 0; i < n; i++, va += PAGE_SIZE) {
        struct vm_page *page = pages[i];

        if (page == NULL || (entries[i] & PTE_PRESENT) != 0) {
            continue;
        }
        pmap_pv_hold(&held, page);
        if (!pmap_pv_link(held, page, pmap, va)) {
            break;
        }
        phys = before != NULL && page == before + 1 && page->segment == before->segment
                   ? phys + PAGE_SIZE
                   : vm_page_to_phys(page);
        before = page;
        atomic_store_release(&entries[i], phys | bits);
        entered++;
    }
    pmap_pv_hold(&held, NULL);
    return entered;
}

/* Take (pmap, va) off a list where it is neither the first nor the second. */
static __attribute__((noinline)) struct pv_entry *
pmap_pv_unlink_behind(struct vm_page *page, struct pmap *pmap, uint64_t va)
{
    for (struct pv_entry *previous = &page->pv; previous->next != NULL; previous = previous->next) {
        struct pv_entry *entry = previous->next;

        if (entry->pmap == pmap && entry->va == va) {
            previous->next = entry->next;
            return entry;
        }
    }
    panic("page %p has no mapping of pmap %p at %lx", (void *)page, (void *)pmap, va);
}

/* Take (pmap, va) off the list; returns the entry to free, or NULL. The head keeps the flags. */
static inline struct pv_entry *pmap_pv_unlink(struct vm_page *page, struct pmap *pmap, uint64_t va)
{
    struct pv_entry *second = page->pv.next;

    if (page->pv.pmap == pmap && (page->pv.va & ~PV_FLAGS) == va) {
        if (second == NULL) {
            page->pv.pmap = NULL;
            return NULL;
        }
        page->pv.pmap = second->pmap;
        page->pv.va = second->va | (page->pv.va & PV_FLAGS);
        page->pv.next = second->next;
        return second;
    }
    if (second != NULL && second->pmap == pmap && second->va == va) {
        page->pv.next = second->next;
        return second;
    }
    return pmap_pv_unlink_behind(page, pmap, va);
}

static inline void pmap_pv_note(struct vm_page *page, uint64_t pte)
{
    page->pv.va |= pte & PV_FLAGS;
}

/* Clear the entry of a mapping and forget the mapping. Locks: the group's held. */
static inline uint64_t pmap_pv_clear(struct pv_group *group, struct vm_page *page,
                                     struct pmap *pmap, uint64_t va, uint64_t *entry)
{
    uint64_t old = atomic_exchange(entry, 0);

    if ((old & PTE_PRESENT) != 0) {
        struct pv_entry *unlinked;

        pmap_pv_note(page, old);
        unlinked = pmap_pv_unlink(page, pmap, va);
        if (unlinked != NULL) {
            pmap_pv_free(group, unlinked);
        }
    }
    return old;
}

uint64_t pmap_pv_remove(struct vm_page *page, struct pmap *pmap, uint64_t va, uint64_t *entry)
{
    struct pv_group *held = NULL;
    uint64_t old;

    pmap_pv_hold(&held, page);
    old = pmap_pv_clear(held, page, pmap, va, entry);
    pmap_pv_hold(&held, NULL);
    return old;
}

unsigned pmap_pv_remove_batch(struct pmap *pmap, uint64_t va, uint64_t *entries, unsigned n)
{
    struct pv_group *held = NULL;
    unsigned removed = 0;

    for (unsigned i = 0; i < n; i++, va += PAGE_SIZE) {
        uint64_t old = entries[i];

        if ((old & PTE_PRESENT) == 0) {
            continue;
        }
        if ((old & PTE_MANAGED) != 0) {
            struct vm_page *page = vm_page_from_phys(old & PTE_FRAME);

            pmap_pv_hold(&held, page);
            old = pmap_pv_clear(held, page, pmap, va, &entries[i]);
        } else {
            old = atomic_exchange(&entries[i], 0);
        }
        removed += (old & PTE_PRESENT) != 0 ? 1 : 0;
    }
    pmap_pv_hold(&held, NULL);
    return removed;
}

/* The mapping after `previous` (NULL: the first); NULL at the end. */
static struct pv_entry *pmap_pv_next(struct vm_page *page, struct pv_entry *previous)
{
    if (previous == NULL) {
        return page->pv.pmap != NULL ? &page->pv : NULL;
    }
    return previous->next;
}

/* Remove the first mapping of the page. False when there is none. */
static bool pmap_pv_remove_first(struct vm_page *page)
{
    struct pv_group *group = pmap_pv_group(page);
    struct pv_entry *unlinked;
    uint64_t *directory_entry;
    uint64_t *entry;
    struct pmap *pmap;
    uint64_t va;

    spin_lock(&group->lock);
    pmap = page->pv.pmap;
    va = page->pv.va & ~PV_FLAGS;
    if (pmap == NULL) {
        spin_unlock(&group->lock);
        return false;
    }
    entry = pmap_find_entry(pmap, va, &directory_entry);
    pmap_pv_note(page, atomic_exchange(entry, 0));
    unlinked = pmap_pv_unlink(page, pmap, va);
    pmap_flush_range(pmap, va, va + PAGE_SIZE);
    atomic_fetch_sub(directory_entry, PTE_COUNT_ONE);
    if (unlinked != NULL) {
        pmap_pv_free(group, unlinked);
    }
    atomic_fetch_sub(&pmap->resident, 1); /* last: then the address space may be destroyed */
    spin_unlock(&group->lock);
    return true;
}

/* Clear and set bits in the entry of every mapping, and invalidate where that changed something. */
static void pmap_pv_change_bits(struct vm_page *page, uint64_t clear, uint64_t set)
{
    struct spinlock *lock = &pmap_pv_group(page)->lock;

    spin_lock(lock);
    for (struct pv_entry *pv = pmap_pv_next(page, NULL); pv != NULL; pv = pmap_pv_next(page, pv)) {
        uint64_t va = pv->va & ~PV_FLAGS;
        uint64_t *directory_entry;
        uint64_t *entry = pmap_find_entry(pv->pmap, va, &directory_entry);
        uint64_t cleared = atomic_fetch_and(entry, ~clear) & clear;
        uint64_t added = set & ~atomic_fetch_or(entry, set);

        if ((cleared | added) != 0) {
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

        found = (*pmap_find_entry(pv->pmap, pv->va & ~PV_FLAGS, &directory_entry) & pte_bit) != 0;
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
