/* slab_debug.h - what the debug kernel puts around and into objects of the allocator. */
#ifndef DDB_SLAB_DEBUG_H
#define DDB_SLAB_DEBUG_H

#include "vm/slab.h"

/* Bytes that follow an object. */
#define SLAB_DEBUG_TRAILER 32u

/* The object is part of a new slab, and free. */
void slab_debug_new(struct kmem_cache *c, void *object);
/* Panic when the object was written while free, or around it. */
void slab_debug_alloc(struct kmem_cache *c, void *object, const void *caller);
/* Panic when the object is not of this cache, is free, or was written around. */
void slab_debug_free(struct kmem_cache *c, void *object, const void *caller);

/* For tests: of the objects this thread asks for from now on, the n-th (0: the next) is refused, as
 * if memory were out; and no other. */
void slab_debug_refuse(uint32_t n);
/* Is this one to be refused? */
bool slab_debug_is_refused(void);

#endif
