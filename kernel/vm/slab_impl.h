/* slab_impl.h - the head of a slab, and allocation on behalf of a caller named for the debug
 * kernel: what kalloc.c and the debugger need of slab.c. */
#ifndef VM_SLAB_IMPL_H
#define VM_SLAB_IMPL_H

#include "vm/slab.h"

#define SLAB_MAGIC 0x51ab51abu

/* Head of a slab, at its first byte. Keys: [L] cache->lock, [I] immutable */
struct slab {
    struct list link;         /* [L] */
    struct kmem_cache *cache; /* [I] */
    uint32_t magic;           /* [I] */
    uint16_t used;            /* [L] */
    uint16_t free_head;       /* [L] */
    uint16_t next[];          /* [L] chain of free objects */
};

/* The slab an object lies in; panics when there is none. */
struct slab *slab_of(const struct kmem_cache *c, const void *object);

/* As kmem_cache_alloc and kmem_cache_free, recording `caller` as the one who allocated or freed. */
void *kmem_cache_alloc_for(struct kmem_cache *c, const void *caller);
void kmem_cache_free_for(struct kmem_cache *c, void *object, const void *caller);

#endif
