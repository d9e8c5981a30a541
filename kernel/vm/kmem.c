/* kmem.c - kernel address ranges: a tree of all ranges, reserved and free, that tile the kernel
 * map, and free ranges by size.
 *
 * Every range has a node, so giving one back allocates nothing and cannot fail. Free ranges are
 * binned by the logarithm of their size; a bin above the one of the size wanted always fits, so a
 * reservation is found at once. The nodes come from a cache that lives in the direct map: nothing
 * here depends on itself. Locks: kmem_lock (KMEM); nodes are allocated before it is taken. */
#include "vm/kmem.h"

#include "arch/layout.h"
#include "arch/pmap.h"
#include "kern/assert.h"
#include "kern/atomic.h"
#include "kern/list.h"
#include "kern/rbtree.h"
#include "kern/spinlock.h"
#include "vm/kmem_impl.h"
#include "vm/slab.h"
#include "vm/vm_page.h"

#define KMEM_BINS  52u
#define KMEM_BATCH 32u

static_assert(KMEM_SLOT_COUNT % 64 == 0, "the map of slots is made of whole words");
static_assert(KMEM_SIZE >> PAGE_SHIFT < 1ul << KMEM_BINS, "each size has a bin");

struct spinlock kmem_lock = SPINLOCK_INITIALIZER(LOCK_RANK_KMEM, "kmem");
struct rbtree kmem_tree;                 /* [L] */
static struct list kmem_bins[KMEM_BINS]; /* [L] by log2 of the size in pages */
static uint64_t kmem_bin_map;            /* [L] bins that hold something */
static uint64_t kmem_reserved;           /* [L] bytes */
static uint64_t kmem_reserved_ranges;    /* [L] */
static uint64_t kmem_committed;          /* [a] pages */
static struct kmem_cache kmem_range_cache;
static uint64_t kmem_slot_map[KMEM_SLOT_COUNT / 64]; /* [L] set: in use */
static uint64_t kmem_slot_hint;                      /* [L] no free slot in a word below this one */
static uint64_t kmem_slots_used;                     /* [L] */

static unsigned kmem_log2(uint64_t pages)
{
    return 63 - (unsigned)__builtin_clzl(pages);
}

static struct kmem_range *kmem_range_of(struct rbnode *node)
{
    return node == NULL ? NULL : rbtree_entry(node, struct kmem_range, node);
}

static void kmem_tree_insert(struct kmem_range *range)
{
    struct rbnode *parent = NULL;
    struct rbnode *node = kmem_tree.root;
    unsigned side = 0;

    assert(((range->start | range->end) & PAGE_MASK) == 0);
    while (node != NULL) {
        parent = node;
        side = range->start < kmem_range_of(node)->start ? 0 : 1;
        node = node->child[side];
    }
    rbtree_insert(&kmem_tree, &range->node, parent, side);
}

static struct kmem_range *kmem_tree_lookup(vm_offset_t start)
{
    struct rbnode *node = kmem_tree.root;

    while (node != NULL && kmem_range_of(node)->start != start) {
        node = node->child[start < kmem_range_of(node)->start ? 0 : 1];
    }
    return kmem_range_of(node);
}

static void kmem_bin_insert(struct kmem_range *range)
{
    unsigned bin = kmem_log2((range->end - range->start) >> PAGE_SHIFT);

    assert(spin_is_held(&kmem_lock));
    assert(range->start < range->end);
    range->free = true;
    list_insert_head(&kmem_bins[bin], &range->bin);
    kmem_bin_map |= 1ul << bin;
}

static void kmem_bin_remove(struct kmem_range *range)
{
    unsigned bin = kmem_log2((range->end - range->start) >> PAGE_SHIFT);

    assert(spin_is_held(&kmem_lock));
    assert(range->free);
    range->free = false;
    list_remove(&range->bin);
    if (list_empty(&kmem_bins[bin])) {
        kmem_bin_map &= ~(1ul << bin);
    }
}

void kmem_bootstrap(void)
{
    struct kmem_range *all;

    rbtree_init(&kmem_tree);
    for (unsigned i = 0; i < KMEM_BINS; i += 1) {
        list_init(&kmem_bins[i]);
    }
    kmem_bin_map = 0;
    kmem_cache_init(&kmem_range_cache, "kmem_range", sizeof(struct kmem_range), 0);
    all = kmem_cache_alloc(&kmem_range_cache);
    if (all == NULL) {
        panic("kmem: no memory for the kernel map");
    }
    all->start = KMEM_BASE;
    all->end = KMEM_BASE + KMEM_SIZE;
    list_init(&all->bin);
    spin_lock(&kmem_lock);
    kmem_tree_insert(all);
    kmem_bin_insert(all);
    spin_unlock(&kmem_lock);
}

/* --- address ranges --- */

static bool kmem_fits(const struct kmem_range *range, vm_size_t size, vm_size_t align)
{
    vm_offset_t start = (range->start + align - 1) & ~(align - 1);

    return start < range->end && range->end - start >= size;
}

static struct kmem_range *kmem_find(vm_size_t size, vm_size_t align)
{
    uint64_t need = (size + align - PAGE_SIZE) >> PAGE_SHIFT;
    unsigned sure = need == 1 ? 0 : kmem_log2(need - 1) + 1;
    uint64_t bins = sure >= KMEM_BINS ? 0 : kmem_bin_map >> sure << sure;

    assert(spin_is_held(&kmem_lock));
    if (bins != 0) {
        return list_entry(list_first(&kmem_bins[__builtin_ctzl(bins)]), struct kmem_range, bin);
    }
    for (unsigned bin = kmem_log2(size >> PAGE_SHIFT); bin < sure && bin < KMEM_BINS; bin += 1) {
        list_for_each (&kmem_bins[bin], node) {
            struct kmem_range *range = list_entry(node, struct kmem_range, bin);

            if (kmem_fits(range, size, align)) {
                return range;
            }
        }
    }
    return NULL;
}

/* Make [at, range->end) a free range of its own in `node`. */
static void kmem_split_off(struct kmem_range *range, vm_offset_t at, struct kmem_range *node)
{
    assert(range->start < at && at < range->end);
    node->start = at;
    node->end = range->end;
    list_init(&node->bin);
    range->end = at;
    kmem_tree_insert(node);
    kmem_bin_insert(node);
}

/* Reserve; uses up to two of the spare nodes, which it takes out of the array. */
static vm_offset_t kmem_va_alloc_locked(vm_size_t size, vm_size_t align,
                                        struct kmem_range *spare[2])
{
    struct kmem_range *range = kmem_find(size, align);
    vm_offset_t start;

    assert(spin_is_held(&kmem_lock));
    if (range == NULL) {
        return 0;
    }
    kmem_bin_remove(range);
    start = (range->start + align - 1) & ~(align - 1);
    if (range->end != start + size) {
        kmem_split_off(range, start + size, spare[0]);
        spare[0] = NULL;
    }
    if (range->start != start) {
        struct kmem_range *used = spare[1];

        spare[1] = NULL;
        kmem_split_off(range, start, used);
        kmem_bin_remove(used);
        kmem_bin_insert(range);
    }
    kmem_reserved += size;
    kmem_reserved_ranges += 1;
    return start;
}

vm_offset_t kmem_va_alloc(vm_size_t size, vm_size_t align)
{
    struct kmem_range *spare[2];
    vm_offset_t start = 0;

    if (size == 0 || size > KMEM_SIZE || align > KMEM_SIZE || (align & (align - 1)) != 0) {
        return 0;
    }
    size = (size + PAGE_MASK) & ~PAGE_MASK;
    align = align < PAGE_SIZE ? PAGE_SIZE : align;
    spare[0] = kmem_cache_alloc(&kmem_range_cache);
    spare[1] = kmem_cache_alloc(&kmem_range_cache);
    if (spare[0] != NULL && spare[1] != NULL) {
        spin_lock(&kmem_lock);
        start = kmem_va_alloc_locked(size, align, spare);
        spin_unlock(&kmem_lock);
    }
    for (unsigned i = 0; i < 2; i += 1) {
        if (spare[i] != NULL) {
            kmem_cache_free(&kmem_range_cache, spare[i]);
        }
    }
    return start;
}

/* Join a free range with a free neighbour that follows it; returns the neighbour's node, now
 * unused, or NULL. */
static struct kmem_range *kmem_join_next(struct kmem_range *range)
{
    struct kmem_range *next = kmem_range_of(rbtree_next(&range->node));

    assert(spin_is_held(&kmem_lock));
    if (next == NULL || !next->free || !range->free) {
        return NULL;
    }
    kmem_bin_remove(next);
    kmem_bin_remove(range);
    rbtree_remove(&kmem_tree, &next->node);
    range->end = next->end;
    kmem_bin_insert(range);
    return next;
}

void kmem_va_free(vm_offset_t va, vm_size_t size)
{
    struct kmem_range *unused[2] = {NULL, NULL};
    struct kmem_range *range;
    struct kmem_range *prev;

    size = (size + PAGE_MASK) & ~PAGE_MASK;
    spin_lock(&kmem_lock);
    range = kmem_tree_lookup(va);
    if (range == NULL || range->free || range->end - range->start != size) {
        panic("kmem_va_free: %#lx + %#lx is not a reserved range", (unsigned long)va,
              (unsigned long)size);
    }
    kmem_reserved -= size;
    kmem_reserved_ranges -= 1;
    kmem_bin_insert(range);
    unused[0] = kmem_join_next(range);
    prev = kmem_range_of(rbtree_prev(&range->node));
    if (prev != NULL) {
        unused[1] = kmem_join_next(prev);
    }
    spin_unlock(&kmem_lock);
    for (unsigned i = 0; i < 2; i += 1) {
        if (unused[i] != NULL) {
            kmem_cache_free(&kmem_range_cache, unused[i]);
        }
    }
}

/* --- pages behind them --- */

kern_return_t kmem_commit(vm_offset_t va, vm_size_t size)
{
    vm_offset_t end = va + ((size + PAGE_MASK) & ~PAGE_MASK);

    assert((va & PAGE_MASK) == 0);
    for (vm_offset_t at = va; at < end; at += PAGE_SIZE) {
        struct vm_page *page = vm_page_alloc(VM_PAGE_ZERO);
        kern_return_t kr = KERN_RESOURCE_SHORTAGE;

        if (page != NULL) {
            kr = pmap_enter(pmap_kernel(), at, vm_page_to_phys(page), VM_PROT_READ | VM_PROT_WRITE,
                            PMAP_WIRED);
        }
        if (kr != KERN_SUCCESS) {
            if (page != NULL) {
                vm_page_free(page);
            }
            kmem_decommit(va, at - va);
            return KERN_RESOURCE_SHORTAGE;
        }
        atomic_inc(&kmem_committed);
    }
    return KERN_SUCCESS;
}

/* Unmap [va, end), at most KMEM_BATCH pages, and free what was there. */
static void kmem_decommit_batch(vm_offset_t va, vm_offset_t end)
{
    struct vm_page *pages[KMEM_BATCH];
    unsigned n = 0;

    assert(va < end && end - va <= KMEM_BATCH * PAGE_SIZE);
    for (vm_offset_t at = va; at < end; at += PAGE_SIZE) {
        phys_addr_t phys;

        if (pmap_extract(pmap_kernel(), at, &phys)) {
            pages[n] = vm_page_from_phys(phys);
            n += 1;
        }
    }
    if (n == 0) {
        return;
    }
    pmap_remove(pmap_kernel(), va, end);
    for (unsigned i = 0; i < n; i += 1) {
        vm_page_free(pages[i]);
        atomic_dec(&kmem_committed);
    }
}

void kmem_decommit(vm_offset_t va, vm_size_t size)
{
    vm_offset_t end = va + ((size + PAGE_MASK) & ~PAGE_MASK);

    assert((va & PAGE_MASK) == 0);
    while (va < end) {
        vm_offset_t stop = va + KMEM_BATCH * PAGE_SIZE;

        if (stop > end) {
            stop = end;
        }
        kmem_decommit_batch(va, stop);
        va = stop;
    }
}

void *kmem_alloc(vm_size_t size)
{
    vm_offset_t va = kmem_va_alloc(size, 0);

    if (va == 0) {
        return NULL;
    }
    if (kmem_commit(va, size) != KERN_SUCCESS) {
        kmem_va_free(va, size);
        return NULL;
    }
    return (void *)va;
}

void kmem_free(void *pointer, vm_size_t size)
{
    kmem_decommit((vm_offset_t)pointer, size);
    kmem_va_free((vm_offset_t)pointer, size);
}

/* --- slots --- */

vm_offset_t kmem_slot_alloc(void)
{
    vm_offset_t va = 0;

    spin_lock(&kmem_lock);
    while (kmem_slot_hint < KMEM_SLOT_COUNT / 64 && kmem_slot_map[kmem_slot_hint] == ~0ul) {
        kmem_slot_hint += 1;
    }
    if (kmem_slot_hint < KMEM_SLOT_COUNT / 64) {
        uint64_t bit = (uint64_t)__builtin_ctzl(~kmem_slot_map[kmem_slot_hint]);

        kmem_slot_map[kmem_slot_hint] |= 1ul << bit;
        kmem_slots_used += 1;
        va = KMEM_SLOT_BASE + (kmem_slot_hint * 64 + bit) * KMEM_SLOT_SIZE;
    }
    spin_unlock(&kmem_lock);
    return va;
}

void kmem_slot_free(vm_offset_t va)
{
    uint64_t slot = (va - KMEM_SLOT_BASE) / KMEM_SLOT_SIZE;

    spin_lock(&kmem_lock);
    if (va % KMEM_SLOT_SIZE != 0 || slot >= KMEM_SLOT_COUNT ||
        (kmem_slot_map[slot / 64] & 1ul << (slot % 64)) == 0) {
        panic("kmem_slot_free: %#lx is not a slot in use", (unsigned long)va);
    }
    kmem_slot_map[slot / 64] &= ~(1ul << (slot % 64));
    kmem_slots_used -= 1;
    if (slot / 64 < kmem_slot_hint) {
        kmem_slot_hint = slot / 64;
    }
    spin_unlock(&kmem_lock);
}

/* --- counts --- */

void kmem_stats(struct kmem_stats *stats)
{
    spin_lock(&kmem_lock);
    stats->reserved_bytes = kmem_reserved;
    stats->ranges = kmem_reserved_ranges;
    stats->slots = kmem_slots_used;
    stats->committed_pages = atomic_load(&kmem_committed);
    spin_unlock(&kmem_lock);
}
