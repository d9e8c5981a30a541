/* pmap.c - page tables of address spaces.
 *
 * Four levels (Intel SDM volume 3A, chapter 4). An entry that points to a table counts the table's
 * present entries in bits the hardware ignores, so an empty table is found when its last mapping
 * goes and given back at once. A mapping of managed memory is also on its page's list (pmap_pv.c),
 * whose lock lets pmap_page_protect() change entries without the pmap's lock; so entries are
 * changed with atomic operations. Locks: pmap->lock, then a page's PV lock. */
#include "arch/pmap.h"

#include "arch/boot_info.h"
#include "arch/cpu_features.h"
#include "arch/interrupt.h"
#include "arch/io.h"
#include "arch/pmap_ept.h"
#include "arch/pmap_impl.h"
#include "arch/pmap_log.h"
#include "arch/pmap_nested.h"
#include "arch/pmap_setup.h"
#include "arch/pmap_switch.h"
#include "kern/assert.h"
#include "kern/atomic.h"
#include "kern/ledger.h"
#include "kern/string.h"
#include "vm/slab.h"
#include "vm/vm_page.h"

#define PCID_COUNT    4096u
#define TOP_USER_PAGE (VM_MAX_ADDRESS - PAGE_SIZE)

static struct pmap pmap_kernel_map;
static struct kmem_cache pmap_cache;
static struct spinlock pmap_pcid_lock = SPINLOCK_INITIALIZER(LOCK_RANK_VM_PAGE, "pcid");
static uint64_t pmap_pcid_used[PCID_COUNT / 64] = {
    1}; /* [pmap_pcid_lock] 0 belongs to the kernel map */

struct pmap *pmap_kernel(void)
{
    return &pmap_kernel_map;
}

void pmap_setup_kernel(uint64_t *pml4, phys_addr_t phys)
{
    spin_init(&pmap_kernel_map.lock, LOCK_RANK_PMAP, "pmap kernel");
    pmap_kernel_map.pml4 = pml4;
    pmap_kernel_map.pml4_phys = phys;
}

void pmap_init(void)
{
    kmem_cache_init(&pmap_cache, "pmap", sizeof(struct pmap), 16);
    pmap_pv_init();
}

static uint32_t pmap_pcid_alloc(void)
{
    uint32_t pcid = 0;

    if (!cpu_features.pcid) {
        return 0;
    }
    spin_lock(&pmap_pcid_lock);
    for (uint32_t i = 0; i < PCID_COUNT / 64 && pcid == 0; i++) {
        if (~pmap_pcid_used[i] != 0) {
            uint32_t bit = (uint32_t)__builtin_ctzll(~pmap_pcid_used[i]);

            pmap_pcid_used[i] |= 1ul << bit;
            pcid = i * 64 + bit;
        }
    }
    spin_unlock(&pmap_pcid_lock);
    return pcid;
}

static void pmap_pcid_free(uint32_t pcid)
{
    if (pcid == 0) {
        return;
    }
    spin_lock(&pmap_pcid_lock);
    pmap_pcid_used[pcid / 64] &= ~(1ul << pcid % 64);
    spin_unlock(&pmap_pcid_lock);
}

/* With nothing in the user half; the other is still to be filled. */
static struct pmap *pmap_create_lower(void)
{
    struct pmap *pmap = kmem_cache_alloc(&pmap_cache);
    struct vm_page *page;

    if (pmap == NULL) {
        return NULL;
    }
    page = vm_page_alloc(0);
    if (page == NULL) {
        kmem_cache_free(&pmap_cache, pmap);
        return NULL;
    }
    memset(pmap, 0, sizeof(*pmap));
    spin_init(&pmap->lock, LOCK_RANK_PMAP, "pmap");
    pmap->pml4_phys = vm_page_to_phys(page);
    pmap->pml4 = phys_to_virt(pmap->pml4_phys);
    pmap->tables = 1;
    memset(pmap->pml4, 0, PMAP_KERNEL_ENTRY * 8);
    return pmap;
}

struct pmap *pmap_create(void)
{
    struct pmap *pmap = pmap_create_lower();

    if (pmap != NULL) {
        pmap->pcid = pmap_pcid_alloc();
        pmap->stale = ~0u;
        memcpy(pmap->pml4 + PMAP_KERNEL_ENTRY, pmap_kernel_map.pml4 + PMAP_KERNEL_ENTRY,
               PMAP_KERNEL_ENTRY * 8);
    }
    return pmap;
}

struct pmap *pmap_create_nested(bool extended)
{
    struct pmap *pmap = pmap_create_lower();

    if (pmap != NULL) {
        pmap->is_nested = true;
        pmap->used_shift = extended ? EPT_USED_SHIFT : 0;
        memset(pmap->pml4 + PMAP_KERNEL_ENTRY, 0, PMAP_KERNEL_ENTRY * 8);
    }
    return pmap;
}

void pmap_destroy(struct pmap *pmap)
{
    /* Another processor may just be taking a mapping away on behalf of a page (pmap_page_protect).
     * The count is the last thing it touches, and the table the mapping was in may have been left,
     * empty. */
    while (atomic_load_acquire(&pmap->resident) != 0) {
        assert(cpu_count > 1);
        cpu_relax();
    }
    if (pmap->tables > 1) {
        pmap_remove(pmap, 0, VM_MAX_ADDRESS);
    }
    pmap_flush_leave(pmap);
    for (uint32_t i = 0; i < PMAP_KERNEL_ENTRY; i++) {
        assert((pmap->pml4[i] & PTE_PRESENT) == 0);
    }
    pmap_pcid_free(pmap->pcid);
    vm_page_free(vm_page_from_phys(pmap->pml4_phys));
    kmem_cache_free(&pmap_cache, pmap);
}

bool pmap_charge_to(struct pmap *pmap, struct ledger *ledger)
{
    bool charged;

    spin_lock(&pmap->lock);
    charged = ledger == NULL || ledger_charge(ledger, LEDGER_KMEM_PAGES, pmap->tables);
    if (charged) {
        if (pmap->ledger != NULL) {
            ledger_credit(pmap->ledger, LEDGER_KMEM_PAGES, pmap->tables);
        }
        pmap->ledger = ledger;
    }
    spin_unlock(&pmap->lock);
    return charged;
}

uint64_t pmap_resident_count(const struct pmap *pmap)
{
    return atomic_load(&pmap->resident);
}

/* Walk to the table of `level` (3 .. 1; 1 holds 4 KiB entries) that covers va. path[level] is the
 * entry that points to it. */
static uint64_t *pmap_walk(struct pmap *pmap, uint64_t va, uint64_t *path[4])
{
    uint64_t *table = pmap->pml4;

#pragma GCC unroll 3
    for (unsigned level = 3; level >= 1; level--) {
        uint64_t *entry = &table[va >> (12 + 9 * level) & 511];

        path[level] = entry;
        if ((*entry & PTE_PRESENT) == 0 || (level < 3 && (*entry & PTE_LARGE) != 0)) {
            return NULL;
        }
        table = pmap_table(*entry);
    }
    return table;
}

/* The level at which a walk that found no table ended: its entry is absent or maps a large page. */
static unsigned pmap_end_level(uint64_t *path[4])
{
    unsigned level = 3;

    while (level > 1 && (*path[level] & PTE_PRESENT) != 0 &&
           (level == 3 || (*path[level] & PTE_LARGE) == 0)) {
        level--;
    }
    return level;
}

struct vm_page *pmap_table_alloc(struct pmap *pmap)
{
    struct vm_page *page;

    assert(spin_is_held(&pmap->lock));
    if (pmap->ledger != NULL && !ledger_charge(pmap->ledger, LEDGER_KMEM_PAGES, 1)) {
        return NULL;
    }
    page = vm_page_alloc(VM_PAGE_ZERO);
    if (page != NULL) {
        pmap->tables++;
    } else if (pmap->ledger != NULL) {
        ledger_credit(pmap->ledger, LEDGER_KMEM_PAGES, 1);
    }
    return page;
}

/* As pmap_walk, making the tables that miss down to `bottom`. NULL: out of memory, or a large page
 * is in the way. */
static __attribute__((noinline)) uint64_t *pmap_walk_make(struct pmap *pmap, uint64_t va,
                                                          unsigned bottom, uint64_t *path[4])
{
    uint64_t *table = pmap->pml4;
    uint64_t user = va < VM_MAX_ADDRESS ? PTE_USER : 0;

    for (unsigned level = 3; level >= bottom; level--) {
        uint64_t *entry = &table[va >> (12 + 9 * level) & 511];

        path[level] = entry;
        if ((*entry & PTE_PRESENT) == 0) {
            struct vm_page *page = pmap_table_alloc(pmap);

            if (page == NULL) {
                return NULL;
            }
            atomic_store_release(entry, vm_page_to_phys(page) | PTE_PRESENT | PTE_WRITE | user);
            if (level < 3) {
                atomic_fetch_add(path[level + 1], PTE_COUNT_ONE);
            }
        } else if (__builtin_expect(level < 3 && (*entry & PTE_LARGE) != 0, 0) &&
                   !pmap_large_split(pmap, entry, path[level + 1])) {
            return NULL;
        }
        table = pmap_table(*entry);
    }
    return table;
}

static uint64_t *pmap_walk_create(struct pmap *pmap, uint64_t va, uint64_t *path[4])
{
    uint64_t *table = pmap_walk(pmap, va, path);

    return table != NULL ? table : pmap_walk_make(pmap, va, 1, path);
}

/* As pmap_walk; a large mapping of managed pages is split first. */
static inline uint64_t *pmap_walk_small(struct pmap *pmap, uint64_t va, uint64_t *path[4])
{
    uint64_t *table = pmap_walk(pmap, va, path);

    if (__builtin_expect(table == NULL, 0) && pmap_end_level(path) == 1 &&
        (*path[1] & PTE_PRESENT) != 0 && pmap_large_split(pmap, path[1], path[2])) {
        table = pmap_table(*path[1]);
    }
    return table;
}

static void pmap_flush_widen(struct pmap_flush *flush, uint64_t start, uint64_t end)
{
    flush->start = start < flush->start ? start : flush->start;
    flush->end = end > flush->end ? end : flush->end;
}

/* Give back the tables on the path of va, from `level` up, that have become empty. User half only:
 * the kernel's top tables are shared by all. Other processors may still walk a freed table through
 * a cached directory entry, so the freed range is flushed whole: *flush is widened. */
static void pmap_free_empty(uint64_t *path[4], unsigned level, uint64_t va,
                            struct pmap_flush *flush, struct list *freed)
{
    for (; level <= 3; level++) {
        uint64_t span = 1ul << (12 + 9 * level);
        uint64_t entry = *path[level];

        if ((entry & PTE_COUNT) != 0 || (entry & PTE_PRESENT) == 0) {
            return;
        }
        *path[level] = 0;
        list_insert_tail(freed, &vm_page_from_phys(entry & PTE_FRAME)->link);
        assert(flush->pmap->tables > 1);
        flush->pmap->tables--;
        if (flush->pmap->ledger != NULL) {
            ledger_credit(flush->pmap->ledger, LEDGER_KMEM_PAGES, 1);
        }
        if (level < 3) {
            atomic_fetch_sub(path[level + 1], PTE_COUNT_ONE);
        }
        pmap_flush_widen(flush, va & ~(span - 1), (va | (span - 1)) + 1);
    }
}

static void pmap_free_tables(struct list *freed)
{
    struct list *node;

    while ((node = list_pop(freed)) != NULL) {
        vm_page_free(list_entry(node, struct vm_page, link));
    }
}

static inline uint64_t pmap_make_plain(uint64_t va, phys_addr_t phys, vm_prot_t prot,
                                       unsigned flags)
{
    uint64_t entry = phys | PTE_PRESENT;

    entry |= (prot & VM_PROT_WRITE) != 0 ? PTE_WRITE : 0;
    /* nothing runs in the last page below the hole, so no system call there returns to an address
     * that is not canonical */
    entry |= (prot & VM_PROT_EXECUTE) == 0 || va == TOP_USER_PAGE ? PTE_NX : 0;
    entry |= va < VM_MAX_ADDRESS ? PTE_USER : PTE_GLOBAL;
    entry |= (flags & PMAP_WIRED) != 0 ? PTE_WIRED : 0;
    entry |= (flags & PMAP_NOCACHE) != 0 ? PTE_NOCACHE | PTE_WRITE_THROUGH : 0;
    entry |= (flags & PMAP_WC) != 0 ? PTE_PAT : 0;
    return entry;
}

/* Of a virtual machine: in its format, and as its log of written pages wants it. */
static __attribute__((noinline)) uint64_t
pmap_make_nested(struct pmap *pmap, uint64_t va, phys_addr_t phys, vm_prot_t prot, unsigned flags)
{
    uint64_t entry = pmap->used_shift != 0 ? pmap_ept_entry(phys, prot, flags)
                                           : pmap_make_plain(va, phys, prot, flags);

    return pmap->log != NULL ? pmap_log_entry(pmap, va, entry, flags) : entry;
}

/* Locks: pmap->lock held. */
static inline uint64_t pmap_make_entry(struct pmap *pmap, uint64_t va, phys_addr_t phys,
                                       vm_prot_t prot, unsigned flags)
{
    return __builtin_expect(pmap->is_nested, 0) ? pmap_make_nested(pmap, va, phys, prot, flags)
                                                : pmap_make_plain(va, phys, prot, flags);
}

/* Is the page under the reverse map? Kernel mappings are not: they are never taken away by page
 * replacement. */
static struct vm_page *pmap_managed_page(uint64_t va, phys_addr_t phys)
{
    return va < VM_MAX_ADDRESS ? vm_page_from_phys(phys) : NULL;
}

/* Remove one present entry. Locks: pmap->lock. */
static void pmap_remove_entry(struct pmap *pmap, uint64_t va, uint64_t *entry,
                              uint64_t *directory_entry)
{
    if (pmap_pv_remove_batch(pmap, va, entry, 1) != 0) {
        atomic_fetch_sub(directory_entry, PTE_COUNT_ONE);
        atomic_dec(&pmap->resident);
    }
}

/* Change the rights of a mapping of the same page; says whether TLBs may hold more than it grants
 * now. */
static bool pmap_enter_same(const struct pmap *pmap, uint64_t *entry, uint64_t wanted)
{
    const uint64_t used = PTE_ACCESSED | PTE_DIRTY;
    const uint64_t kept =
        PTE_MANAGED | (__builtin_expect(pmap->is_nested, 0) ? used << pmap->used_shift : used);
    const uint64_t cached = PTE_NOCACHE | PTE_WRITE_THROUGH | PTE_PAT; /* or memory types of EPT */
    uint64_t old = *entry;
    uint64_t new;

    do {
        new = wanted | (old & kept);
    } while (
        !__atomic_compare_exchange_n(entry, &old, new, false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED));
    return (old & ~new &PTE_WRITE) != 0 || (new & ~old &PTE_NX) != 0 || ((old ^ new) & cached) != 0;
}

kern_return_t pmap_enter(struct pmap *pmap, vm_offset_t va, phys_addr_t phys, vm_prot_t prot,
                         unsigned flags)
{
    uint64_t *path[4];
    struct vm_page *page = pmap_managed_page(va, phys);
    kern_return_t kr = KERN_SUCCESS;
    bool flush = false;
    uint64_t wanted;
    uint64_t *table;
    uint64_t *entry;

    spin_lock(&pmap->lock);
    wanted = pmap_make_entry(pmap, va, phys, prot, flags);
    table = pmap_walk_create(pmap, va, path);
    if (table == NULL) {
        kr = KERN_RESOURCE_SHORTAGE;
        goto out;
    }
    entry = &table[va >> 12 & 511];
    if ((*entry & PTE_PRESENT) != 0 && (*entry & PTE_FRAME) == phys) {
        flush = pmap_enter_same(pmap, entry, wanted);
        goto out;
    }
    if ((*entry & PTE_PRESENT) != 0) {
        pmap_remove_entry(pmap, va, entry, path[1]);
        flush = true;
    }
    if (page != NULL) {
        if (!pmap_pv_insert(page, pmap, va)) {
            kr = KERN_RESOURCE_SHORTAGE;
            goto out;
        }
        wanted |= PTE_MANAGED;
    }
    atomic_store_release(entry, wanted);
    atomic_fetch_add(path[1], PTE_COUNT_ONE);
    atomic_inc(&pmap->resident);
out:
    spin_unlock(&pmap->lock);
    if (flush) {
        pmap_flush_range(pmap, va, va + PAGE_SIZE);
    }
    return kr;
}

void pmap_enter_batch(struct pmap *pmap, vm_offset_t va, struct vm_page *const *pages, unsigned n,
                      vm_prot_t prot)
{
    uint64_t *path[4];
    uint64_t *table;
    uint64_t bits;

    assert(va < VM_MAX_ADDRESS &&
           (va & ~(LARGE_PAGE_SIZE - 1)) == ((va + n * PAGE_SIZE - 1) & ~(LARGE_PAGE_SIZE - 1)));
    spin_lock(&pmap->lock);
    bits = pmap_make_entry(pmap, va, 0, prot, 0) | PTE_MANAGED;
    if (__builtin_expect(pmap->log != NULL && !pmap_log_is_told(pmap), 0)) {
        bits &= ~PTE_WRITE; /* its range may begin behind the first of them */
    }
    table = pmap_walk_create(pmap, va, path);
    if (table != NULL) {
        uint64_t entered = pmap_pv_enter_batch(pmap, va, &table[va >> 12 & 511], pages, n, bits);

        atomic_fetch_add(path[1], entered * PTE_COUNT_ONE);
        atomic_fetch_add(&pmap->resident, entered);
    }
    spin_unlock(&pmap->lock);
}

kern_return_t pmap_enter_large(struct pmap *pmap, vm_offset_t va, phys_addr_t phys, vm_prot_t prot,
                               unsigned flags)
{
    uint64_t *path[4];
    struct vm_page *pages = pmap_managed_page(va, phys);
    kern_return_t kr = KERN_SUCCESS;
    uint64_t wanted;
    uint64_t *table;
    uint64_t *entry;

    assert(((va | phys) & (LARGE_PAGE_SIZE - 1)) == 0);
    assert(pages == NULL || va + LARGE_PAGE_SIZE < VM_MAX_ADDRESS);
    spin_lock(&pmap->lock);
    wanted = pmap_make_entry(pmap, va, phys, prot, flags & ~PMAP_WC) | PTE_LARGE;
    table = pmap_walk_make(pmap, va, 2, path);
    entry = table != NULL ? &table[va >> 21 & 511] : NULL;
    if (entry == NULL) {
        kr = KERN_RESOURCE_SHORTAGE;
    } else if ((*entry & PTE_PRESENT) != 0 || pmap->log != NULL) {
        kr = KERN_INVALID_ARGUMENT;
    } else if (pages != NULL && !pmap_large_prepare(pmap, va, pages, path[2])) {
        kr = KERN_RESOURCE_SHORTAGE;
    } else {
        atomic_store_release(entry, wanted | (pages != NULL ? PTE_MANAGED : 0));
        atomic_fetch_add(path[2], PTE_COUNT_ONE);
        atomic_fetch_add(&pmap->resident, LARGE_PAGE_SIZE / PAGE_SIZE);
    }
    spin_unlock(&pmap->lock);
    return kr;
}

/* Behind what one entry of that level covers. */
static uint64_t pmap_span_end(uint64_t va, unsigned level)
{
    return (va | ((1ul << (12 + 9 * level)) - 1)) + 1;
}

/* Remove what is mapped in one 2 MiB span. Returns the address after the span. */
static uint64_t pmap_remove_span(struct pmap *pmap, uint64_t va, uint64_t end,
                                 struct pmap_flush *flush, struct list *freed)
{
    uint64_t *path[4];
    uint64_t *table = pmap_walk_small(pmap, va, path);
    uint64_t stop = (va | (LARGE_PAGE_SIZE - 1)) + 1;
    uint64_t removed;

    if (table == NULL) {
        unsigned level = pmap_end_level(path);

        if (level == 1 && (*path[1] & PTE_PRESENT) != 0) {
            atomic_store(path[1], 0);
            atomic_fetch_sub(path[2], PTE_COUNT_ONE);
            atomic_fetch_sub(&pmap->resident, LARGE_PAGE_SIZE / PAGE_SIZE);
            pmap_flush_widen(flush, stop - LARGE_PAGE_SIZE, stop);
        }
        if (level < 3 && va < VM_MAX_ADDRESS) {
            pmap_free_empty(path, level + 1, va, flush, freed);
        }
        return pmap_span_end(va, level);
    }
    stop = stop < end ? stop : end;
    removed =
        pmap_pv_remove_batch(pmap, va, &table[va >> 12 & 511], (unsigned)((stop - va) / PAGE_SIZE));
    if (removed != 0) {
        atomic_fetch_sub(path[1], removed * PTE_COUNT_ONE);
        atomic_fetch_sub(&pmap->resident, removed);
        pmap_flush_widen(flush, va, stop);
    }
    if ((*path[1] & PTE_COUNT) == 0 && va < VM_MAX_ADDRESS) {
        pmap_free_empty(path, 1, va, flush, freed);
    }
    return stop;
}

void pmap_remove(struct pmap *pmap, vm_offset_t start, vm_offset_t end)
{
    struct pmap_flush flush = {pmap, ~0ul, 0};
    struct list freed = LIST_INITIALIZER(freed);

    spin_lock(&pmap->lock);
    for (uint64_t va = start; va < end && va >= start;) {
        va = pmap_remove_span(pmap, va, end, &flush, &freed);
    }
    spin_unlock(&pmap->lock);
    if (flush.start < flush.end) {
        pmap_flush_range(pmap, flush.start, flush.end);
    }
    pmap_free_tables(&freed);
}

/* Take rights away from n entries: bits to clear and to set. True when one had them. */
static bool pmap_lower_entries(uint64_t *entries, uint64_t n, uint64_t clear, uint64_t set)
{
    bool lowered = false;

    for (uint64_t *entry = entries; entry < entries + n; entry++) {
        uint64_t old = atomic_load(entry);

        while ((old & PTE_PRESENT) != 0 && ((old & ~clear) | set) != old) {
            lowered = true;
            if (__atomic_compare_exchange_n(entry, &old, (old & ~clear) | set, false,
                                            __ATOMIC_ACQ_REL, __ATOMIC_RELAXED)) {
                break;
            }
        }
    }
    return lowered;
}

/* Bits of entries to clear and to set; or it is to be cleared that they were written. */
struct pmap_bits {
    uint64_t clear, set;
    bool written;
};

/* Change n entries of one table. True when TLBs may hold more than is granted now. */
static bool pmap_change(struct pmap *pmap, uint64_t *entries, uint64_t n,
                        const struct pmap_bits *bits)
{
    return bits->written ? pmap_pv_clean(pmap, entries, n)
                         : pmap_lower_entries(entries, n, bits->clear, bits->set);
}

/* Change what is mapped in the range; `large`: an entry that covers more than one page. */
static void pmap_change_range(struct pmap *pmap, vm_offset_t start, vm_offset_t end,
                              const struct pmap_bits *bits, const struct pmap_bits *large)
{
    bool flush = false;

    spin_lock(&pmap->lock);
    for (uint64_t va = start; va < end && va >= start;) {
        uint64_t *path[4];
        uint64_t *table = pmap_walk_small(pmap, va, path);
        uint64_t stop = (va | (LARGE_PAGE_SIZE - 1)) + 1;

        if (table == NULL) {
            unsigned level = pmap_end_level(path);

            flush |= pmap_change(pmap, path[level], 1, large);
            va = pmap_span_end(va, level);
            continue;
        }
        stop = stop < end ? stop : end;
        flush |= pmap_change(pmap, &table[va >> 12 & 511], (stop - va) >> PAGE_SHIFT, bits);
        va = stop;
    }
    spin_unlock(&pmap->lock);
    if (flush) {
        pmap_flush_range(pmap, start, end);
    }
}

void pmap_protect(struct pmap *pmap, vm_offset_t start, vm_offset_t end, vm_prot_t prot)
{
    uint64_t clear = (prot & VM_PROT_WRITE) == 0 ? PTE_WRITE : 0;
    uint64_t set = (prot & VM_PROT_EXECUTE) == 0 ? PTE_NX : 0;
    const struct pmap_bits bits = {.clear = pmap_ept_clear(pmap, clear, set), .set = set};

    if ((prot & VM_PROT_READ) == 0) {
        pmap_remove(pmap, start, end);
    } else {
        pmap_change_range(pmap, start, end, &bits, &bits);
    }
}

void pmap_clean(struct pmap *pmap, vm_offset_t start, vm_offset_t end)
{
    const struct pmap_bits written = {.written = true}, large = {.clear = PTE_WRITE};

    pmap_change_range(pmap, start, end, &written, &large);
}

bool pmap_extract(struct pmap *pmap, vm_offset_t va, phys_addr_t *phys)
{
    uint64_t *path[4];
    uint64_t *table;
    bool found = false;

    spin_lock(&pmap->lock);
    table = pmap_walk_small(pmap, va, path);
    if (table != NULL && (table[va >> 12 & 511] & PTE_PRESENT) != 0) {
        *phys = (table[va >> 12 & 511] & PTE_FRAME) | (va & PAGE_MASK);
        found = true;
    } else if (table == NULL && (*path[pmap_end_level(path)] & PTE_PRESENT) != 0) {
        unsigned level = pmap_end_level(path);
        uint64_t span = 1ul << (12 + 9 * level);

        *phys = (*path[level] & PTE_FRAME & ~(span - 1)) | (va & (span - 1));
        found = true;
    }
    spin_unlock(&pmap->lock);
    return found;
}

uint64_t *pmap_find_entry(struct pmap *pmap, uint64_t va, uint64_t **directory_entry)
{
    uint64_t *path[4];
    uint64_t *table = pmap_walk_small(pmap, va, path);

    *directory_entry = path[1];
    return table != NULL ? &table[va >> 12 & 511] : NULL;
}

bool pmap_kernel_can_read(uint64_t va)
{
    uint64_t *path[4];
    uint64_t *table;

    if (va < DIRECT_MAP_BASE) {
        return false;
    }
    table = pmap_walk(&pmap_kernel_map, va, path);
    return table != NULL ? (table[va >> 12 & 511] & PTE_PRESENT) != 0
                         : (*path[pmap_end_level(path)] & PTE_PRESENT) != 0;
}

uint64_t pmap_kernel_table_count(void)
{
    return atomic_load(&pmap_kernel_map.tables);
}

void pmap_activate(struct pmap *pmap)
{
    struct cpu *cpu = cpu_current();
    uint64_t flags = interrupt_save_disable();

    pmap_switch(cpu, pmap);
    interrupt_restore(flags);
}

void pmap_switch_tagged(struct cpu *cpu, struct pmap *pmap)
{
    uint32_t bit = 1u << cpu->number;
    uint64_t keep = 0;

    /* Named first, then asked whether it is stale: who invalidates does the opposite. */
    (void)atomic_exchange(&cpu->pmap, pmap);
    if ((atomic_fetch_and(&pmap->stale, ~bit) & bit) == 0) {
        keep = 1ul << 63;
    }
    write_cr3(pmap->pml4_phys | pmap->pcid | keep);
}

/* As the processor would, it marks the entry accessed and dirty. */
uint8_t *pmap_peer_address(struct pmap *pmap, uint64_t va)
{
    const uint64_t used = PTE_ACCESSED | PTE_DIRTY;
    const uint64_t wanted = PTE_PRESENT | PTE_USER | PTE_WRITE;
    uint64_t old = atomic_load(&pmap->pml4[va >> 39 & 511]);
    uint64_t offset = va & (LARGE_PAGE_SIZE - 1);
    uint64_t *entry;

    if ((old & PTE_PRESENT) == 0) {
        return NULL;
    }
    old = atomic_load(&pmap_table(old)[va >> 30 & 511]);
    if ((old & (PTE_PRESENT | PTE_LARGE)) != PTE_PRESENT) {
        return NULL;
    }
    entry = &pmap_table(old)[va >> 21 & 511];
    old = atomic_load(entry);
    if (__builtin_expect((old & (PTE_PRESENT | PTE_LARGE)) == PTE_PRESENT, 1)) {
        offset = va & PAGE_MASK;
        entry = &pmap_table(old)[va >> 12 & 511];
        old = atomic_load(entry);
    }
    if ((old & (wanted | used)) != (wanted | used) &&
        ((old & wanted) != wanted || !atomic_cas(entry, old, old | used))) {
        return NULL;
    }
    return (uint8_t *)phys_to_virt(old & PTE_FRAME) + offset;
}

void pmap_zero_page(phys_addr_t phys)
{
    memset(phys_to_virt(phys), 0, PAGE_SIZE);
}

void pmap_copy_page(phys_addr_t source, phys_addr_t destination)
{
    memcpy(phys_to_virt(destination), phys_to_virt(source), PAGE_SIZE);
}
