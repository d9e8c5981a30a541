/* vm_page.c - physical pages: segments of descriptors, zones with buddy lists, and a small stack of
 * free pages per processor.
 *
 * A segment is a run of usable memory that lies in one zone; its descriptors fill the last pages of
 * the run itself, so holes cost nothing. A zone has a free list per power of two. A block and its
 * buddy differ in one bit of the frame number; a freed block joins its buddy while that is free and
 * of the same size. Single pages go through a stack per processor, touched with preemption disabled
 * and no lock, so the common allocation and the common free take neither a lock nor a cache line of
 * another processor. Locks: zone->lock (PHYS), one zone at a time. Nothing sleeps. */
#include "vm/vm_page.h"

#include "kern/assert.h"
#include "kern/atomic.h"
#include "kern/preempt.h"
#include "kern/spinlock.h"
#include "kern/string.h"
#include "kern/thread.h"
#include "vm/vm_page_impl.h"
#include "vm/vm_pageout.h"

#define SEGMENT_MAX  64u
#define CACHE_PAGES  64u
#define CACHE_ZEROED 32u
#define LOW_END      0x1000000ul
#define DMA32_END    0x100000000ul

static_assert(SEGMENT_MAX <= UINT8_MAX, "a page names its segment in a byte");
static_assert(VM_PAGE_ORDER_MAX <= UINT8_MAX, "and its order");

/* Keys: [C] its processor only, preemption disabled; counts are read by all */
struct vm_page_cache {
    uint32_t count;                       /* [C] */
    uint32_t zeroed_count;                /* [C] */
    struct vm_page *pages[CACHE_PAGES];   /* [C] */
    struct vm_page *zeroed[CACHE_ZEROED]; /* [C] cleared */
} __attribute__((aligned(64)));

struct vm_page_segment vm_page_segments[SEGMENT_MAX];
static unsigned vm_page_segment_count; /* [a] */
static unsigned vm_page_segment_hint;  /* [a] the segment asked for last */
struct vm_page_zone vm_page_zones[ZONE_COUNT];
static struct vm_page_cache vm_page_caches[CPU_MAX];
static uint32_t vm_page_cache_limit; /* [I] after start-up: small machines keep small caches */
static uint64_t vm_page_reserve;     /* [I] after start-up */

/* The segments other than the one asked last. */
static __attribute__((noinline)) struct vm_page *vm_page_search(uint64_t pfn)
{
    unsigned n = atomic_load_acquire(&vm_page_segment_count);

    for (unsigned i = 0; i < n; i += 1) {
        const struct vm_page_segment *segment = &vm_page_segments[i];

        if (pfn - segment->first_pfn < segment->npages) {
            atomic_store(&vm_page_segment_hint, i);
            return &segment->pages[pfn - segment->first_pfn];
        }
    }
    return NULL;
}

struct vm_page *vm_page_from_phys(phys_addr_t phys)
{
    uint64_t pfn = phys >> PAGE_SHIFT;
    const struct vm_page_segment *segment = &vm_page_segments[atomic_load(&vm_page_segment_hint)];

    return __builtin_expect(pfn - segment->first_pfn < segment->npages, 1)
               ? &segment->pages[pfn - segment->first_pfn]
               : vm_page_search(pfn);
}

struct vm_page_zone *vm_page_zone(const struct vm_page *page)
{
    return &vm_page_zones[vm_page_segments[page->segment].zone];
}

/* --- buddy lists --- */

/* The buddy of a block, or NULL when it does not lie whole in the segment. */
static struct vm_page *vm_page_buddy(struct vm_page *page, unsigned order)
{
    const struct vm_page_segment *segment = &vm_page_segments[page->segment];
    uint64_t index = (uint64_t)(page - segment->pages);
    uint64_t buddy = ((segment->first_pfn + index) ^ (1ul << order)) - segment->first_pfn;

    assert(order < VM_PAGE_ORDER_MAX);
    if (buddy >= segment->npages || (1ul << order) > segment->npages - buddy) {
        return NULL;
    }
    return &segment->pages[buddy];
}

static void vm_page_put_block(struct vm_page_zone *zone, struct vm_page *page, unsigned order)
{
    assert(spin_is_held(&zone->lock));
    assert(order <= VM_PAGE_ORDER_MAX);
    page->state = VM_PAGE_STATE_FREE;
    page->order = (uint8_t)order;
    list_insert_head(&zone->free[order], &page->link);
}

/* Free an aligned block; its pages count as free afterwards. */
static void vm_page_free_block(struct vm_page_zone *zone, struct vm_page *page, unsigned order)
{
    assert(spin_is_held(&zone->lock));
    zone->free_pages += 1ul << order;
    page->state = VM_PAGE_STATE_TAIL;
    while (order < VM_PAGE_ORDER_MAX) {
        struct vm_page *buddy = vm_page_buddy(page, order);

        if (buddy == NULL || buddy->state != VM_PAGE_STATE_FREE || buddy->order != order) {
            break;
        }
        list_remove(&buddy->link);
        buddy->state = VM_PAGE_STATE_TAIL;
        if (buddy < page) {
            page = buddy;
        }
        order += 1;
    }
    vm_page_put_block(zone, page, order);
}

/* Free a run of any length as the largest aligned blocks it is made of. */
static void vm_page_free_run(struct vm_page_zone *zone, struct vm_page *page, uint64_t npages)
{
    assert(spin_is_held(&zone->lock));
    for (uint64_t i = 0; i < npages; i += 1) {
        page[i].state = VM_PAGE_STATE_TAIL;
    }
    while (npages != 0) {
        uint64_t pfn = vm_page_to_phys(page) >> PAGE_SHIFT;
        unsigned order = pfn == 0 ? VM_PAGE_ORDER_MAX : (unsigned)__builtin_ctzl(pfn);

        if (order > VM_PAGE_ORDER_MAX) {
            order = VM_PAGE_ORDER_MAX;
        }
        while ((1ul << order) > npages) {
            order -= 1;
        }
        vm_page_free_block(zone, page, order);
        page += 1ul << order;
        npages -= 1ul << order;
    }
}

static void vm_page_mark_used(struct vm_page *page)
{
    page->state = VM_PAGE_STATE_USED;
    page->object = NULL;
    page->offset = 0;
    page->wire_count = 0;
    page->flags = 0;
    page->access_lock = 0;
    /* The pmap keeps what it knows of a page's use in the unused head of its mappings. */
    page->pv.va = 0;
    page->pv.next = NULL;
    list_init(&page->link);
}

/* Take one page, or NULL when the zone is empty. */
static struct vm_page *vm_page_zone_take(struct vm_page_zone *zone)
{
    unsigned order = 0;
    struct vm_page *page;

    assert(spin_is_held(&zone->lock));
    while (order <= VM_PAGE_ORDER_MAX && list_empty(&zone->free[order])) {
        order += 1;
    }
    if (order > VM_PAGE_ORDER_MAX) {
        return NULL;
    }
    page = list_entry(list_pop(&zone->free[order]), struct vm_page, link);
    while (order > 0) {
        order -= 1;
        vm_page_put_block(zone, page + (1ul << order), order);
    }
    zone->free_pages -= 1;
    vm_page_mark_used(page);
    return page;
}

/* --- start-up --- */

static unsigned vm_page_zone_of(phys_addr_t phys)
{
    if (phys < LOW_END) {
        return ZONE_LOW;
    }
    return phys < DMA32_END ? ZONE_DMA32 : ZONE_NORMAL;
}

/* Describe [start, end), page aligned and in one zone. */
static void vm_page_add_segment(phys_addr_t start, phys_addr_t end, unsigned zone_index)
{
    struct vm_page_zone *zone = &vm_page_zones[zone_index];
    unsigned index = vm_page_segment_count;
    struct vm_page_segment *segment = &vm_page_segments[index];
    uint64_t npages = (end - start) >> PAGE_SHIFT;
    uint64_t descriptors = (npages * sizeof(struct vm_page) + PAGE_MASK) >> PAGE_SHIFT;

    assert(((start | end) & PAGE_MASK) == 0 && start < end);
    if (npages <= descriptors || index == SEGMENT_MAX) {
        return;
    }
    npages -= descriptors;
    segment->first_pfn = start >> PAGE_SHIFT;
    segment->npages = npages;
    segment->zone = zone_index;
    segment->pages = phys_to_virt(start + (npages << PAGE_SHIFT));
    segment->origin = start - (uintptr_t)segment->pages * VM_PAGE_RATIO;
    memset(segment->pages, 0, npages * sizeof(struct vm_page));
    for (uint64_t i = 0; i < npages; i += 1) {
        segment->pages[i].segment = (uint8_t)index;
    }
    atomic_store_release(&vm_page_segment_count, index + 1);
    spin_lock(&zone->lock);
    zone->total_pages += npages;
    vm_page_free_run(zone, segment->pages, npages);
    spin_unlock(&zone->lock);
}

void vm_page_add_range(phys_addr_t start, phys_addr_t end)
{
    start = (start + PAGE_MASK) & ~PAGE_MASK;
    end &= ~PAGE_MASK;
    while (start < end) {
        static const phys_addr_t limits[ZONE_COUNT] = {LOW_END, DMA32_END, ~0ul};
        unsigned zone = vm_page_zone_of(start);
        phys_addr_t stop = end < limits[zone] ? end : limits[zone];

        vm_page_add_segment(start, stop, zone);
        start = stop;
    }
}

static uint64_t vm_page_clamp(uint64_t value, uint64_t low, uint64_t high)
{
    if (value < low) {
        return low;
    }
    return value > high ? high : value;
}

void vm_page_bootstrap(const struct phys_range *usable, unsigned n)
{
    uint64_t total;

    vm_page_segment_count = 0;
    memset(vm_page_caches, 0, sizeof(vm_page_caches));
    for (unsigned i = 0; i < ZONE_COUNT; i += 1) {
        struct vm_page_zone *zone = &vm_page_zones[i];

        memset(zone, 0, sizeof(*zone));
        spin_init(&zone->lock, LOCK_RANK_PHYS, "vm_page_zone");
        for (unsigned order = 0; order <= VM_PAGE_ORDER_MAX; order += 1) {
            list_init(&zone->free[order]);
        }
    }
    for (unsigned i = 0; i < n; i += 1) {
        vm_page_add_range(usable[i].start, usable[i].end);
    }
    total = vm_page_total_count();
    vm_page_reserve = vm_page_clamp(total / 64, 16, 1024);
    vm_page_cache_limit = (uint32_t)vm_page_clamp(total / 1024, 4, CACHE_PAGES);
    vm_page_zones[ZONE_LOW].hold = vm_page_clamp(vm_page_zones[ZONE_LOW].total_pages / 16, 0, 256);
    vm_page_zones[ZONE_DMA32].hold =
        vm_page_zones[ZONE_NORMAL].total_pages == 0
            ? 0
            : vm_page_clamp(vm_page_zones[ZONE_DMA32].total_pages / 16, 0, 4096);
}

/* --- single pages --- */

static unsigned vm_page_highest_zone(unsigned flags)
{
    if ((flags & VM_PAGE_LOW) != 0) {
        return ZONE_LOW;
    }
    return (flags & VM_PAGE_DMA32) != 0 ? ZONE_DMA32 : ZONE_NORMAL;
}

static uint64_t vm_page_zones_free(void)
{
    uint64_t free = 0;

    for (unsigned i = 0; i < ZONE_COUNT; i += 1) {
        free += atomic_load(&vm_page_zones[i].free_pages);
    }
    return free;
}

/* May a request take npages from the zone? A request that could use a higher zone leaves the hold
 * alone. */
static bool vm_page_may_take(const struct vm_page_zone *zone, uint64_t npages, unsigned flags)
{
    bool needs_zone = zone == &vm_page_zones[vm_page_highest_zone(flags)];
    uint64_t free = atomic_load(&zone->free_pages);

    if (free < npages) {
        return false;
    }
    if ((flags & VM_PAGE_RESERVE) != 0) {
        return true;
    }
    return (needs_zone || free - npages >= zone->hold) &&
           vm_page_zones_free() >= vm_page_reserve + npages;
}

/* Push up to half a cache of pages of the locked zone on this processor's stack: holding the lock
 * keeps us on the processor. */
static void vm_page_refill(struct vm_page_zone *zone, unsigned flags)
{
    struct vm_page_cache *cache = &vm_page_caches[cpu_number()];
    uint32_t want = vm_page_cache_limit / 2;

    assert(spin_is_held(&zone->lock));
    while (cache->count < want && vm_page_may_take(zone, 1, flags)) {
        struct vm_page *page = vm_page_zone_take(zone);

        page->state = VM_PAGE_STATE_CACHED;
        cache->pages[cache->count] = page;
        atomic_store(&cache->count, cache->count + 1);
    }
}

/* Before pages are taken from the zones: have some freed when there are few. Returns: the flags,
 * with what the current thread may do. */
static unsigned vm_page_prepare(unsigned flags)
{
    if (vm_page_zones_free() < vm_pageout_low()) {
        vm_pageout_wake();
    }
    if (__builtin_expect(thread_is_vm_privileged(), 0) && (flags & VM_PAGE_MODEST) == 0) {
        flags |= VM_PAGE_RESERVE;
    }
    return flags;
}

static struct vm_page *vm_page_alloc_zones(unsigned flags)
{
    flags = vm_page_prepare(flags);
    for (int i = (int)vm_page_highest_zone(flags); i >= ZONE_LOW; i -= 1) {
        struct vm_page_zone *zone = &vm_page_zones[i];
        struct vm_page *page = NULL;

        if (!vm_page_may_take(zone, 1, flags)) {
            continue;
        }
        spin_lock(&zone->lock);
        if (vm_page_may_take(zone, 1, flags)) {
            page = vm_page_zone_take(zone);
        }
        if (page != NULL && i != ZONE_LOW && (flags & (VM_PAGE_DMA32 | VM_PAGE_RESERVE)) == 0) {
            vm_page_refill(zone, flags);
        }
        spin_unlock(&zone->lock);
        if (page != NULL) {
            return page;
        }
    }
    return NULL;
}

/* Pop a page of this processor's stacks: of the kind asked for if there is one. */
static struct vm_page *vm_page_cache_pop(bool want_zeroed, bool *zeroed)
{
    struct vm_page_cache *cache;
    struct vm_page *page = NULL;

    preempt_disable();
    cache = &vm_page_caches[cpu_number()];
    *zeroed = cache->zeroed_count != 0 && (want_zeroed || cache->count == 0);
    if (*zeroed) {
        atomic_store(&cache->zeroed_count, cache->zeroed_count - 1);
        page = cache->zeroed[cache->zeroed_count];
    } else if (cache->count != 0) {
        atomic_store(&cache->count, cache->count - 1);
        page = cache->pages[cache->count];
    }
    preempt_enable();
    return page;
}

struct vm_page *vm_page_alloc(unsigned flags)
{
    bool zeroed = false;
    struct vm_page *page = NULL;

    if (__builtin_expect((flags & (VM_PAGE_LOW | VM_PAGE_DMA32)) == 0, 1)) {
        page = vm_page_cache_pop((flags & VM_PAGE_ZERO) != 0, &zeroed);
    }
    if (page != NULL) {
        page->state = VM_PAGE_STATE_USED;
    } else {
        page = vm_page_alloc_zones(flags);
        if (page == NULL) {
            return NULL;
        }
    }
    if ((flags & VM_PAGE_ZERO) != 0 && !zeroed) {
        pmap_zero_page(vm_page_to_phys(page));
    }
    return page;
}

/* Move pages of the stack down to `keep` back to their zones. Preemption is disabled. */
static void vm_page_cache_flush(struct vm_page_cache *cache, uint32_t keep)
{
    assert(cpu_preempt_count() != 0);
    assert(keep <= vm_page_cache_limit);
    while (cache->count > keep) {
        struct vm_page *page = cache->pages[cache->count - 1];
        struct vm_page_zone *zone = vm_page_zone(page);

        spin_lock(&zone->lock);
        atomic_store(&cache->count, cache->count - 1);
        vm_page_free_block(zone, page, 0);
        spin_unlock(&zone->lock);
    }
}

static void vm_page_check_unused(const struct vm_page *page)
{
    if (page->state != VM_PAGE_STATE_USED) {
        panic("page %#lx freed twice: state %u", (unsigned long)vm_page_to_phys(page), page->state);
    }
    if (page->pv.pmap != NULL || page->wire_count != 0) {
        panic("page %#lx freed while in use: mapped at %#lx in pmap %p, wired %u",
              (unsigned long)vm_page_to_phys(page), (unsigned long)page->pv.va,
              (void *)page->pv.pmap, page->wire_count);
    }
}

void vm_page_free(struct vm_page *page)
{
    struct vm_page_cache *cache;

    if (CONFIG_DEBUG) {
        vm_page_check_unused(page);
    }
    vm_page_mark_used(page);
    if (vm_page_segments[page->segment].zone == ZONE_LOW) {
        vm_page_free_contig(page, 1);
        return;
    }
    preempt_disable();
    cache = &vm_page_caches[cpu_number()];
    if (cache->count >= vm_page_cache_limit) {
        vm_page_cache_flush(cache, vm_page_cache_limit / 2);
    }
    page->state = VM_PAGE_STATE_CACHED;
    cache->pages[cache->count] = page;
    atomic_store(&cache->count, cache->count + 1);
    preempt_enable();
}

void vm_page_drain_cache(void)
{
    struct vm_page_cache *cache;

    preempt_disable();
    cache = &vm_page_caches[cpu_number()];
    vm_page_cache_flush(cache, 0);
    while (cache->zeroed_count != 0) {
        atomic_store(&cache->zeroed_count, cache->zeroed_count - 1);
        cache->pages[0] = cache->zeroed[cache->zeroed_count];
        atomic_store(&cache->count, 1);
        vm_page_cache_flush(cache, 0);
    }
    preempt_enable();
}

bool vm_page_zero_idle(void)
{
    struct vm_page_cache *cache;
    struct vm_page *page;
    bool worked = false;

    preempt_disable();
    cache = &vm_page_caches[cpu_number()];
    if (cache->zeroed_count < CACHE_ZEROED && cache->zeroed_count < vm_page_cache_limit) {
        if (cache->count != 0) {
            atomic_store(&cache->count, cache->count - 1);
            page = cache->pages[cache->count];
        } else {
            page = vm_page_alloc_zones(0);
        }
        if (page != NULL) {
            pmap_zero_page(vm_page_to_phys(page));
            page->state = VM_PAGE_STATE_CACHED;
            cache->zeroed[cache->zeroed_count] = page;
            atomic_store(&cache->zeroed_count, cache->zeroed_count + 1);
            worked = true;
        }
    }
    preempt_enable();
    return worked;
}

/* --- contiguous runs --- */

/* Where in the free block of 2^order pages the run fits, as a frame number. False when nowhere. */
static bool vm_page_fit(const struct vm_page *block, uint64_t npages, unsigned align_order,
                        uint64_t min_pfn, uint64_t max_pfn, uint64_t *pfn)
{
    uint64_t first = vm_page_to_phys(block) >> PAGE_SHIFT;
    uint64_t end = first + (1ul << block->order);
    uint64_t align = 1ul << align_order;

    if (first < min_pfn) {
        first = min_pfn;
    }
    first = (first + align - 1) & ~(align - 1);
    if (end > max_pfn) {
        end = max_pfn;
    }
    *pfn = first;
    return first < end && end - first >= npages;
}

/* Cut [pfn, pfn + npages) out of a free block and give back the rest. */
static struct vm_page *vm_page_carve(struct vm_page_zone *zone, struct vm_page *block, uint64_t pfn,
                                     uint64_t npages)
{
    uint64_t before = pfn - (vm_page_to_phys(block) >> PAGE_SHIFT);
    uint64_t after = (1ul << block->order) - before - npages;
    struct vm_page *page = block + before;

    assert(spin_is_held(&zone->lock));
    assert(npages != 0);
    list_remove(&block->link);
    zone->free_pages -= 1ul << block->order;
    for (uint64_t i = 0; i < npages; i += 1) { /* the rest was set when the page was freed */
        page[i].state = VM_PAGE_STATE_USED;
        list_init(&page[i].link);
    }
    vm_page_free_run(zone, block, before);
    vm_page_free_run(zone, page + npages, after);
    return page;
}

static struct vm_page *vm_page_zone_find(struct vm_page_zone *zone, uint64_t npages,
                                         unsigned align_order, uint64_t min_pfn, uint64_t max_pfn)
{
    unsigned order = npages <= 1 ? 0 : 64 - (unsigned)__builtin_clzl(npages - 1);

    assert(spin_is_held(&zone->lock));
    for (; order <= VM_PAGE_ORDER_MAX; order += 1) {
        list_for_each (&zone->free[order], node) {
            struct vm_page *block = list_entry(node, struct vm_page, link);
            uint64_t pfn;

            if (vm_page_fit(block, npages, align_order, min_pfn, max_pfn, &pfn)) {
                return vm_page_carve(zone, block, pfn, npages);
            }
        }
    }
    return NULL;
}

struct vm_page *vm_page_alloc_contig(uint64_t npages, unsigned align_order, unsigned flags,
                                     phys_addr_t min, phys_addr_t max)
{
    uint64_t max_pfn = max == 0 ? ~0ul : max >> PAGE_SHIFT;
    uint64_t min_pfn = (min >> PAGE_SHIFT) + ((min & PAGE_MASK) != 0 ? 1 : 0);
    struct vm_page *page = NULL;

    if (npages == 0 || npages > 1ul << VM_PAGE_ORDER_MAX || align_order > VM_PAGE_ORDER_MAX) {
        return NULL;
    }
    flags = vm_page_prepare(flags);
    for (int i = (int)vm_page_highest_zone(flags); i >= ZONE_LOW && page == NULL; i -= 1) {
        struct vm_page_zone *zone = &vm_page_zones[i];
        unsigned zone_flags = max != 0 && max <= DMA32_END ? flags | VM_PAGE_DMA32 : flags;

        if (max != 0 && max <= LOW_END) {
            zone_flags |= VM_PAGE_LOW;
        }
        spin_lock(&zone->lock);
        if (vm_page_may_take(zone, npages, zone_flags)) {
            page = vm_page_zone_find(zone, npages, align_order, min_pfn, max_pfn);
        }
        spin_unlock(&zone->lock);
    }
    if (page != NULL && (flags & VM_PAGE_ZERO) != 0) {
        memset(vm_page_to_virt(page), 0, npages << PAGE_SHIFT);
    }
    return page;
}

void vm_page_free_contig(struct vm_page *page, uint64_t npages)
{
    struct vm_page_zone *zone = vm_page_zone(page);

    assert(npages != 0);
    for (uint64_t i = 0; i < npages; i += 1) {
        if (CONFIG_DEBUG) {
            vm_page_check_unused(&page[i]);
        }
        vm_page_mark_used(&page[i]);
    }
    spin_lock(&zone->lock);
    vm_page_free_run(zone, page, npages);
    spin_unlock(&zone->lock);
}

/* --- counts --- */

uint64_t vm_page_free_count(void)
{
    uint64_t free = vm_page_zones_free();

    for (unsigned i = 0; i < CPU_MAX; i += 1) {
        free += atomic_load(&vm_page_caches[i].count);
        free += atomic_load(&vm_page_caches[i].zeroed_count);
    }
    return free;
}

uint64_t vm_page_total_count(void)
{
    uint64_t total = 0;

    for (unsigned i = 0; i < ZONE_COUNT; i += 1) {
        total += vm_page_zones[i].total_pages;
    }
    return total;
}

bool vm_page_is_plentiful(void)
{
    return vm_page_free_count() > vm_page_total_count() / 8;
}

uint64_t vm_page_reserve_count(void)
{
    return vm_page_reserve;
}
