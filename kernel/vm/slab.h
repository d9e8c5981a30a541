/* slab.h - allocator of small kernel objects: caches of one size each, with a stack of free objects
 * per processor.
 *
 * A cache counts its live objects exactly, those in the processors' stacks not included; tests
 * compare the counts before and after. In the debug kernel each object stands between red zones, is
 * filled with a pattern while free, and remembers who allocated and freed it last. */
#ifndef VM_SLAB_H
#define VM_SLAB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arch/cpu.h"
#include "kern/list.h"
#include "kern/spinlock.h"

#define KMEM_MAGAZINE_SIZE 16u

/* Objects ready for one processor. [C] its processor only, preemption disabled. */
struct kmem_magazine {
    uint32_t count;                    /* [C] read by all */
    void *objects[KMEM_MAGAZINE_SIZE]; /* [C] */
} __attribute__((aligned(64)));

/* Keys: [L] this->lock, [I] immutable after init, [G] lock of the list of caches */
struct kmem_cache {
    struct spinlock lock;    /* SLAB */
    const char *name;        /* [I] */
    size_t size;             /* [I] bytes the caller may use */
    size_t stride;           /* [I] from one object to the next */
    size_t align;            /* [I] */
    size_t left;             /* [I] bytes before the first object of a stride: the left red zone */
    uint32_t slab_order;     /* [I] a slab is 2^slab_order pages */
    uint32_t slab_objects;   /* [I] */
    uint32_t first_object;   /* [I] offset of the first stride in a slab */
    uint32_t magazine_limit; /* [I] */
    struct list partial;     /* [L] slabs with used and free objects */
    struct list full;        /* [L] */
    struct list empty;       /* [L] one slab is kept */
    uint64_t slab_count;     /* [L] */
    uint64_t taken;          /* [L] objects out of the slabs: live ones and those in magazines */
    struct list link;        /* [G] */
    struct kmem_magazine magazines[CPU_MAX];
};

/* What a cache holds, for host_slab_info and the leak tests. */
struct kmem_cache_stats {
    const char *name;
    size_t size;
    size_t stride;
    size_t slab_size;
    uint64_t live;  /* objects in use */
    uint64_t total; /* objects the slabs have room for */
    uint64_t slabs;
    uint32_t slab_objects;
};

/* Set up the size classes of kalloc. After vm_page_bootstrap(), before any kalloc(). */
void slab_bootstrap(void);

/* Make c a cache of objects of `size` bytes, aligned to `align` (a power of two, at most a page; 0
 * means 8). size <= 32 KiB. Locks: takes the list of caches. Allocates nothing. */
void kmem_cache_init(struct kmem_cache *c, const char *name, size_t size, size_t align);
/* Give everything back. All objects must have been freed; panics with the cache's name otherwise.
 */
void kmem_cache_destroy(struct kmem_cache *c);
/* An object with undefined contents. Locks: takes SLAB, PHYS. Sleeps: no. Returns: NULL when out of
 * memory. */
void *kmem_cache_alloc(struct kmem_cache *c);
/* An object from this processor's stack, NULL when that is empty. Interrupts off. Locks: none. */
void *kmem_cache_alloc_at_hand(struct kmem_cache *c);
/* Locks: takes SLAB, PHYS. Sleeps: no. */
void kmem_cache_free(struct kmem_cache *c, void *object);
/* Give this processor's stack and the empty slabs back. */
void kmem_cache_drain(struct kmem_cache *c);
void kmem_cache_stats(struct kmem_cache *c, struct kmem_cache_stats *stats);
/* Call visit for every cache, in order of creation. Locks: the list's lock is held during visit: it
 * must not make or destroy caches. */
void kmem_cache_visit(void (*visit)(struct kmem_cache *c, void *argument), void *argument);

/* Memory by size, 16-aligned. The caller names the same size when it frees. Up to 64 KiB it is
 * physically contiguous; beyond, it is mapped. Sleeps: no. Returns: NULL when out of memory or for
 * size 0. */
void *kalloc(size_t size);
void *kalloc_zeroed(size_t size);
void kfree(void *pointer, size_t size);

#endif
