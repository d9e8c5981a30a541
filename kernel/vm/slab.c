/* slab.c - slabs: runs of pages cut into objects of one size, with a stack of free objects per
 * processor in front.
 *
 * The slab's head lies at its beginning and keeps the free objects as a chain of indices, never
 * inside the objects: what was freed stays poisoned. From an object the page descriptor leads to
 * its slab, the slab to its cache, so a free into the wrong cache is seen.
 * Locks: cache list lock -> cache->lock (both SLAB) -> PHYS. Nothing sleeps. */
#include "vm/slab.h"

#include "ddb/slab_debug.h"
#include "kern/assert.h"
#include "kern/atomic.h"
#include "kern/preempt.h"
#include "kern/string.h"
#include "vm/slab_impl.h"
#include "vm/vm_page.h"

#define SLAB_END         0xffffu
#define SLAB_ORDER_MAX   5u
#define SLAB_OBJECTS_MIN 8u

static_assert((PAGE_SIZE << SLAB_ORDER_MAX) / 8 < SLAB_END, "an index of any slab fits 16 bits");

static struct spinlock slab_list_lock = SPINLOCK_INITIALIZER(LOCK_RANK_SLAB, "slab_list");
static struct list slab_list = LIST_INITIALIZER(slab_list);

struct slab *slab_of(const struct kmem_cache *c, const void *object)
{
    struct vm_page *page = vm_page_from_phys(virt_to_phys(object));
    struct slab *slab = page == NULL ? NULL : page->slab;

    if (slab == NULL || slab->magic != SLAB_MAGIC) {
        panic("cache %s: %p is not an object of any cache", c->name, object);
    }
    return slab;
}

/* --- slabs; the cache is locked --- */

static void *slab_object(const struct kmem_cache *c, struct slab *slab, uint32_t index)
{
    assert(index < c->slab_objects);
    return (char *)slab + c->first_object + index * c->stride + c->left;
}

static void slab_set_pages(struct slab *slab, struct vm_page *page, uint32_t order, bool owned)
{
    for (uint64_t i = 0; i < 1ul << order; i += 1) {
        page[i].slab = owned ? slab : NULL;
    }
}

static struct slab *slab_create(struct kmem_cache *c)
{
    struct vm_page *page = vm_page_alloc_contig(1ul << c->slab_order, 0, 0, 0, 0);
    struct slab *slab;

    assert(spin_is_held(&c->lock));
    if (page == NULL) {
        return NULL;
    }
    slab = vm_page_to_virt(page);
    slab->cache = c;
    slab->magic = SLAB_MAGIC;
    slab->used = 0;
    slab->free_head = 0;
    list_init(&slab->link);
    slab_set_pages(slab, page, c->slab_order, true);
    for (uint32_t i = 0; i < c->slab_objects; i += 1) {
        slab->next[i] = (uint16_t)(i + 1 < c->slab_objects ? i + 1 : SLAB_END);
        if (CONFIG_DEBUG) {
            slab_debug_new(c, slab_object(c, slab, i));
        }
    }
    c->slab_count += 1;
    return slab;
}

static void slab_destroy(struct kmem_cache *c, struct slab *slab)
{
    struct vm_page *page = vm_page_from_phys(virt_to_phys(slab));

    assert(spin_is_held(&c->lock));
    assert(slab->used == 0);
    list_remove(&slab->link);
    slab->magic = 0;
    slab_set_pages(slab, page, c->slab_order, false);
    c->slab_count -= 1;
    vm_page_free_contig(page, 1ul << c->slab_order);
}

static void *slab_take(struct kmem_cache *c)
{
    struct list *node = list_first(&c->partial);
    struct slab *slab;
    void *object;

    assert(spin_is_held(&c->lock));
    if (node == NULL) {
        node = list_first(&c->empty);
    }
    slab = node == NULL ? slab_create(c) : list_entry(node, struct slab, link);
    if (slab == NULL) {
        return NULL;
    }
    object = slab_object(c, slab, slab->free_head);
    slab->free_head = slab->next[slab->free_head];
    slab->used += 1;
    c->taken += 1;
    list_remove(&slab->link);
    list_insert_head(slab->free_head == SLAB_END ? &c->full : &c->partial, &slab->link);
    return object;
}

static void slab_give(struct kmem_cache *c, void *object)
{
    struct slab *slab = slab_of(c, object);
    uint32_t index =
        (uint32_t)(((size_t)((char *)object - (char *)slab) - c->first_object) / c->stride);

    assert(spin_is_held(&c->lock));
    slab->next[index] = slab->free_head;
    slab->free_head = (uint16_t)index;
    slab->used -= 1;
    c->taken -= 1;
    list_remove(&slab->link);
    if (slab->used != 0) {
        list_insert_head(&c->partial, &slab->link);
    } else if (list_empty(&c->empty)) {
        list_insert_head(&c->empty, &slab->link);
    } else {
        slab_destroy(c, slab);
    }
}

/* --- caches --- */

/* The smallest slab that holds SLAB_OBJECTS_MIN objects, or as many as the largest slab can. */
static void kmem_cache_layout(struct kmem_cache *c)
{
    for (c->slab_order = 0;; c->slab_order += 1) {
        size_t space = PAGE_SIZE << c->slab_order;
        size_t objects = (space - sizeof(struct slab)) / (c->stride + sizeof(uint16_t));
        size_t first;

        do {
            first =
                (sizeof(struct slab) + objects * sizeof(uint16_t) + c->align - 1) & ~(c->align - 1);
            if (first + objects * c->stride <= space) {
                break;
            }
            objects -= 1;
        } while (objects != 0);
        c->slab_objects = (uint32_t)(objects < SLAB_END ? objects : SLAB_END - 1);
        c->first_object = (uint32_t)first;
        if (objects >= SLAB_OBJECTS_MIN || (c->slab_order == SLAB_ORDER_MAX && objects != 0)) {
            return;
        }
        if (c->slab_order > SLAB_ORDER_MAX) {
            panic("cache %s: objects of %zu bytes are too large", c->name, c->size);
        }
    }
}

void kmem_cache_init(struct kmem_cache *c, const char *name, size_t size, size_t align)
{
    assert(size != 0 && (align & (align - 1)) == 0);
    memset(c, 0, sizeof(*c));
    spin_init(&c->lock, LOCK_RANK_SLAB, name);
    c->name = name;
    c->size = size;
    c->align = align < 8 ? 8 : align;
    c->left = CONFIG_DEBUG ? c->align : 0;
    c->stride = (size + 7) & ~7ul;
    if (CONFIG_DEBUG) {
        c->stride += c->left + SLAB_DEBUG_TRAILER;
    }
    c->stride = (c->stride + c->align - 1) & ~(c->align - 1);
    c->magazine_limit = size > 2048 ? 2 : (size > 512 ? 8 : KMEM_MAGAZINE_SIZE);
    list_init(&c->partial);
    list_init(&c->full);
    list_init(&c->empty);
    kmem_cache_layout(c);
    spin_lock(&slab_list_lock);
    list_insert_tail(&slab_list, &c->link);
    spin_unlock(&slab_list_lock);
}

/* Fill this processor's magazine to half from the slabs and return one object more.
 * Preemption is disabled on entry, enabled on return. */
static __attribute__((noinline)) void *kmem_cache_refill(struct kmem_cache *c)
{
    struct kmem_magazine *magazine;
    void *object;

    assert(cpu_preempt_count() != 0);
    spin_lock(&c->lock);
    magazine = &c->magazines[cpu_number()];
    object = slab_take(c);
    while (object != NULL && magazine->count < c->magazine_limit / 2) {
        void *another = list_empty(&c->partial) ? NULL : slab_take(c);

        if (another == NULL) {
            break;
        }
        magazine->objects[magazine->count] = another;
        atomic_store(&magazine->count, magazine->count + 1);
    }
    spin_unlock(&c->lock);
    preempt_enable();
    return object;
}

/* Give way, object in hand. */
static __attribute__((noinline)) void *kmem_cache_preempted(void *object)
{
    preempt_check();
    return object;
}

/* The common way calls nothing before its last step, and so saves no registers. */
static inline void *kmem_cache_pop(struct kmem_cache *c)
{
    struct kmem_magazine *magazine;
    void *object;
    uint32_t count;

    preempt_disable();
    magazine = &c->magazines[cpu_number()];
    count = magazine->count;
    if (__builtin_expect(count == 0, 0)) {
        return kmem_cache_refill(c);
    }
    atomic_store(&magazine->count, count - 1);
    object = magazine->objects[count - 1];
    if (__builtin_expect(cpu_preempt_sub_pending(), 0)) {
        return kmem_cache_preempted(object);
    }
    return object;
}

static inline void *kmem_cache_get(struct kmem_cache *c, const void *caller)
{
    void *object = CONFIG_DEBUG && slab_debug_is_refused() ? NULL : kmem_cache_pop(c);

    if (CONFIG_DEBUG && object != NULL) {
        slab_debug_alloc(c, object, caller);
    }
    return object;
}

void *kmem_cache_alloc_for(struct kmem_cache *c, const void *caller)
{
    return kmem_cache_get(c, caller);
}

void *kmem_cache_alloc(struct kmem_cache *c)
{
    return kmem_cache_get(c, __builtin_return_address(0));
}

void *kmem_cache_alloc_at_hand(struct kmem_cache *c)
{
    struct kmem_magazine *magazine = &c->magazines[cpu_number()];
    uint32_t count = magazine->count;
    void *object;

    if (count == 0 || (CONFIG_DEBUG && slab_debug_is_refused())) {
        return NULL;
    }
    atomic_store(&magazine->count, count - 1);
    object = magazine->objects[count - 1];
    if (CONFIG_DEBUG) {
        slab_debug_alloc(c, object, __builtin_return_address(0));
    }
    return object;
}

/* Move objects of this processor's magazine to the slabs until `keep` are left. */
static void kmem_cache_flush(struct kmem_cache *c, uint32_t keep)
{
    struct kmem_magazine *magazine;

    spin_lock(&c->lock);
    magazine = &c->magazines[cpu_number()];
    while (magazine->count > keep) {
        atomic_store(&magazine->count, magazine->count - 1);
        slab_give(c, magazine->objects[magazine->count]);
    }
    spin_unlock(&c->lock);
}

/* Put an object into this processor's magazine unless that is full. Preemption is disabled. */
static inline bool kmem_cache_push(struct kmem_cache *c, void *object)
{
    struct kmem_magazine *magazine = &c->magazines[cpu_number()];
    uint32_t count = magazine->count;

    assert(cpu_preempt_count() != 0);
    if (__builtin_expect(count == c->magazine_limit, 0)) {
        return false;
    }
    magazine->objects[count] = object;
    atomic_store(&magazine->count, count + 1);
    return true;
}

/* The magazine is full: make room. Preemption is disabled on entry, enabled on return. */
static __attribute__((noinline)) void kmem_cache_put_full(struct kmem_cache *c, void *object)
{
    assert(cpu_preempt_count() != 0);
    kmem_cache_flush(c, c->magazine_limit / 2);
    (void)kmem_cache_push(c, object);
    preempt_enable();
}

static inline void kmem_cache_put(struct kmem_cache *c, void *object, const void *caller)
{
    if (CONFIG_DEBUG) {
        slab_debug_free(c, object, caller);
    }
    preempt_disable();
    if (!kmem_cache_push(c, object)) {
        kmem_cache_put_full(c, object);
        return;
    }
    preempt_enable();
}

void kmem_cache_free_for(struct kmem_cache *c, void *object, const void *caller)
{
    kmem_cache_put(c, object, caller);
}

void kmem_cache_free(struct kmem_cache *c, void *object)
{
    kmem_cache_put(c, object, __builtin_return_address(0));
}

void kmem_cache_drain(struct kmem_cache *c)
{
    kmem_cache_flush(c, 0);
    spin_lock(&c->lock);
    while (!list_empty(&c->empty)) {
        slab_destroy(c, list_entry(list_first(&c->empty), struct slab, link));
    }
    spin_unlock(&c->lock);
}

void kmem_cache_stats(struct kmem_cache *c, struct kmem_cache_stats *stats)
{
    uint64_t idle = 0;

    spin_lock_nested(&c->lock);
    for (unsigned i = 0; i < CPU_MAX; i += 1) {
        idle += atomic_load(&c->magazines[i].count);
    }
    stats->name = c->name;
    stats->size = c->size;
    stats->stride = c->stride;
    stats->slab_size = PAGE_SIZE << c->slab_order;
    stats->live = c->taken - idle;
    stats->slabs = c->slab_count;
    stats->total = c->slab_count * c->slab_objects;
    stats->slab_objects = c->slab_objects;
    spin_unlock(&c->lock);
}

void kmem_cache_destroy(struct kmem_cache *c)
{
    struct kmem_cache_stats stats;

    kmem_cache_stats(c, &stats);
    if (stats.live != 0) {
        panic("cache %s destroyed with %lu live objects", c->name, (unsigned long)stats.live);
    }
    spin_lock(&slab_list_lock);
    list_remove(&c->link);
    spin_unlock(&slab_list_lock);
    spin_lock(&c->lock);
    for (unsigned i = 0; i < CPU_MAX; i += 1) {
        while (c->magazines[i].count != 0) {
            c->magazines[i].count -= 1;
            slab_give(c, c->magazines[i].objects[c->magazines[i].count]);
        }
    }
    spin_unlock(&c->lock);
    kmem_cache_drain(c);
}

void kmem_cache_visit(void (*visit)(struct kmem_cache *c, void *argument), void *argument)
{
    spin_lock(&slab_list_lock);
    list_for_each (&slab_list, node) {
        visit(list_entry(node, struct kmem_cache, link), argument);
    }
    spin_unlock(&slab_list_lock);
}
