/* vm_page.h - physical pages: one descriptor a page, zones, a buddy allocator, and caches of single
 * pages per processor. */
#ifndef VM_VM_PAGE_H
#define VM_VM_PAGE_H

#include <stdbool.h>
#include <stdint.h>

#include <mach/machine/vm_types.h>

#include "arch/layout.h"
#include "arch/pmap.h"
#include "kern/assert.h"
#include "kern/list.h"

struct slab;
struct vm_object;

/* What a page frame is used for: page->state. */
enum vm_page_state {
    VM_PAGE_STATE_FREE = 1, /* first page of a free block of 2^order pages */
    VM_PAGE_STATE_TAIL,     /* inside a free block */
    VM_PAGE_STATE_CACHED,   /* in a processor's cache of free pages */
    VM_PAGE_STATE_USED,
};

/* page->flags, all under the lock of the object that holds the page */
#define VM_PAGE_ABSENT      0x01u /* no page: stands for one asked of the pager */
#define VM_PAGE_UNAVAILABLE 0x02u /* absent, and the pager has nothing: zeroes */
#define VM_PAGE_ERROR       0x04u /* absent, and the pager cannot supply it */
#define VM_PAGE_PRECIOUS    0x08u /* the pager wants it back even when clean */
#define VM_PAGE_UNUSUAL     0x10u /* absent or access lock: leave the fast path */
#define VM_PAGE_DIRTY       0x20u /* written through the direct map; the pmap knows other writes */

/* page->access_lock: VM_PROT_* the pager has forbidden, and above those that it was asked for. */
#define VM_PAGE_LOCKED      0x07u
#define VM_PAGE_ASKED_SHIFT 4

/* Keys: [Z] lock of the page's zone while free, [O] lock of page->object while used, [P] the pmap's
 * lock for the page, [I] immutable after start-up */
struct vm_page {
    struct list link; /* [Z] free list; [O] paging queue; for whoever owns the page otherwise */
    union {
        struct vm_object *object; /* [O] the cache object that holds it, or NULL */
        struct slab *slab;        /* the slab it is part of */
    };
    uint64_t offset;     /* [O] byte offset in the object */
    struct pv_entry pv;  /* [P] mappings; pv.pmap is NULL when there is none */
    uint16_t wire_count; /* [O] reasons why it must stay in memory; absent: threads that wait */
    uint16_t flags;      /* [O] VM_PAGE_ABSENT ... */
    uint8_t state;       /* [Z] enum vm_page_state */
    uint8_t order;       /* [Z] of the free block it heads */
    uint8_t segment;     /* [I] */
    uint8_t access_lock; /* [O] VM_PAGE_LOCKED ... */
};

static_assert(sizeof(struct vm_page) == 64, "one cache line a page");

/* Flags of the allocation calls. */
#define VM_PAGE_ZERO    1u  /* filled with zeroes */
#define VM_PAGE_DMA32   2u  /* below 4 GiB */
#define VM_PAGE_LOW     4u  /* below 16 MiB */
#define VM_PAGE_RESERVE 8u  /* may use the reserve: for work that frees memory */
#define VM_PAGE_MODEST  16u /* not from the reserve, also for a thread that may use it */

/* The largest contiguous run is 2^VM_PAGE_ORDER_MAX pages (64 MiB). */
#define VM_PAGE_ORDER_MAX 14u

/* A range of usable memory, in bytes. */
struct phys_range {
    phys_addr_t start;
    phys_addr_t end;
};

/* Take over the usable memory. The ranges are sorted, do not overlap and lie in the direct map; the
 * descriptors of a range are carved out of its own end. Called once, by one processor, before any
 * other call here. Sleeps: no. */
void vm_page_bootstrap(const struct phys_range *usable, unsigned n);
/* Add memory that was in use during start-up (modules). Locks: takes PHYS. */
void vm_page_add_range(phys_addr_t start, phys_addr_t end);

/* A page with object NULL and no flags set. Locks: takes PHYS. Sleeps: no. Returns: NULL when out
 * of memory. */
struct vm_page *vm_page_alloc(unsigned flags);
/* Give a page back. It must have no mapping, no wiring and no object. Locks: takes PHYS. Sleeps:
 * no. */
void vm_page_free(struct vm_page *page);
/* npages contiguous pages, aligned to 2^align_order pages, inside [min, max) (max 0: no bound).
 * Each page is freed on its own. Locks: takes PHYS. Sleeps: no. Returns: the first page, or NULL.
 */
struct vm_page *vm_page_alloc_contig(uint64_t npages, unsigned align_order, unsigned flags,
                                     phys_addr_t min, phys_addr_t max);
void vm_page_free_contig(struct vm_page *page, uint64_t npages);

/* A run of memory and the descriptors of its pages. Keys: [I] immutable once it has pages */
struct vm_page_segment {
    uint64_t first_pfn;    /* [I] */
    uint64_t npages;       /* [I] */
    struct vm_page *pages; /* [I] */
    phys_addr_t origin;    /* [I] what VM_PAGE_RATIO times a descriptor's address lacks */
    unsigned zone;         /* [I] */
};

/* Bytes of memory for a byte of descriptor. */
#define VM_PAGE_RATIO (PAGE_SIZE / sizeof(struct vm_page))

extern struct vm_page_segment vm_page_segments[];

static inline phys_addr_t vm_page_to_phys(const struct vm_page *page)
{
    return vm_page_segments[page->segment].origin + (uintptr_t)page * VM_PAGE_RATIO;
}

/* The descriptor of the page that holds phys; NULL when that is not memory of ours. */
struct vm_page *vm_page_from_phys(phys_addr_t phys);

/* Neighbouring pages, up to VM_PAGE_BLOCK of one segment: [first, last). */
struct vm_page_block {
    struct vm_page *first;
    struct vm_page *last;
};

#define VM_PAGE_BLOCK 512u

/* Pages in one block have the same number; those far apart may, too. */
static inline uint64_t vm_page_block_number(const struct vm_page *page)
{
    return (uintptr_t)page / (VM_PAGE_BLOCK * sizeof(*page));
}

/* The block that the page is in. */
static inline struct vm_page_block vm_page_block(const struct vm_page *page)
{
    const struct vm_page_segment *segment = &vm_page_segments[page->segment];
    struct vm_page *first =
        (struct vm_page *)(vm_page_block_number(page) * VM_PAGE_BLOCK * sizeof(*page));
    struct vm_page *last = segment->pages + segment->npages;

    return (struct vm_page_block){first > segment->pages ? first : segment->pages,
                                  first + VM_PAGE_BLOCK < last ? first + VM_PAGE_BLOCK : last};
}

/* May the page of an object be mapped as it is? Locks: page->object's held. */
static inline bool vm_page_is_at_rest(const struct vm_page *page)
{
    return (page->flags & VM_PAGE_UNUSUAL) == 0;
}

static inline void *vm_page_to_virt(const struct vm_page *page)
{
    return phys_to_virt(vm_page_to_phys(page));
}

/* Pages free now, those in the processors' caches included; exact when nobody allocates meanwhile.
 */
uint64_t vm_page_free_count(void);
uint64_t vm_page_total_count(void);
/* Is there so much free that pages may be kept nobody asked for? */
bool vm_page_is_plentiful(void);
/* Pages kept for VM_PAGE_RESERVE. */
uint64_t vm_page_reserve_count(void);
/* Clear one free page for a later VM_PAGE_ZERO. For the idle thread. Returns: true if it did work.
 */
bool vm_page_zero_idle(void);
/* Give this processor's cached pages back to the zones. */
void vm_page_drain_cache(void);

#endif
