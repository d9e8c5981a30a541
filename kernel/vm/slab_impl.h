/* slab_impl.h - allocation on behalf of a caller named for the debug kernel: what kalloc needs of
 * slab.c. */
#ifndef VM_SLAB_IMPL_H
#define VM_SLAB_IMPL_H

#include "vm/slab.h"

/* As kmem_cache_alloc and kmem_cache_free, recording `caller` as the one who allocated or freed. */
void *kmem_cache_alloc_for(struct kmem_cache *c, const void *caller);
void kmem_cache_free_for(struct kmem_cache *c, void *object, const void *caller);

#endif
