/* slab_debug.c - red zones, poison and callers around the objects of the allocator.
 *
 * Layout of a stride:  [left red zone][object][right red zone 8][state 8][allocated by 8][freed by
 * 8]. What was freed stays poisoned. */
#include "ddb/slab_debug.h"

#include "kern/assert.h"
#include "kern/string.h"
#include "kern/thread.h"
#include "vm/slab_impl.h"

#define RED_ZONE    0xfeedfacecafebeeful
#define POISON_FREE 0x6b
#define POISON_NEW  0xa5
#define STATE_LIVE  0x11fe11fe11fe11feul
#define STATE_FREE  0xdeaddeaddeaddeadul

/* What follows an object in the debug kernel. */
struct slab_debug_trailer {
    uint64_t red_zone;
    uint64_t state;
    const void *allocated_by;
    const void *freed_by;
};

static struct thread *slab_debug_refused; /* whose request is to be refused, or NULL */
static uint32_t slab_debug_countdown;     /* its requests before that */

static_assert(sizeof(struct slab_debug_trailer) == SLAB_DEBUG_TRAILER, "slab.c leaves room for it");

/* --- debug: red zones, poison, callers --- */

static struct slab_debug_trailer *slab_debug_trailer(const struct kmem_cache *c, const void *object)
{
    return (struct slab_debug_trailer *)((char *)object + ((c->size + 7) & ~7ul));
}

static _Noreturn void slab_debug_report(const struct kmem_cache *c, const void *object,
                                        const char *what)
{
    const struct slab_debug_trailer *trailer = slab_debug_trailer(c, object);

    panic("cache %s: object %p: %s (last allocated by %p, last freed by %p)", c->name, object, what,
          trailer->allocated_by, trailer->freed_by);
}

static void slab_debug_red_zones(const struct kmem_cache *c, const void *object)
{
    const uint8_t *end = (const uint8_t *)object + c->size;
    const uint8_t *limit = (const uint8_t *)slab_debug_trailer(c, object);

    for (size_t i = 8; i <= c->left; i += 8) {
        if (*(const uint64_t *)((const char *)object - i) != RED_ZONE) {
            slab_debug_report(c, object, "written before its beginning");
        }
    }
    for (; end < limit; end += 1) {
        if (*end != POISON_FREE) {
            slab_debug_report(c, object, "written past its end");
        }
    }
    if (slab_debug_trailer(c, object)->red_zone != RED_ZONE) {
        slab_debug_report(c, object, "written past its end");
    }
}

static void slab_debug_set_free(struct kmem_cache *c, void *object, const void *caller)
{
    struct slab_debug_trailer *trailer = slab_debug_trailer(c, object);

    memset(object, POISON_FREE, (size_t)((char *)trailer - (char *)object));
    trailer->state = STATE_FREE;
    trailer->freed_by = caller;
}

void slab_debug_new(struct kmem_cache *c, void *object)
{
    struct slab_debug_trailer *trailer = slab_debug_trailer(c, object);

    for (size_t i = 8; i <= c->left; i += 8) {
        *(uint64_t *)((char *)object - i) = RED_ZONE;
    }
    trailer->red_zone = RED_ZONE;
    trailer->allocated_by = NULL;
    slab_debug_set_free(c, object, NULL);
}

void slab_debug_alloc(struct kmem_cache *c, void *object, const void *caller)
{
    struct slab_debug_trailer *trailer = slab_debug_trailer(c, object);

    slab_debug_red_zones(c, object);
    if (trailer->state != STATE_FREE) {
        slab_debug_report(c, object, "handed out while in use");
    }
    for (size_t i = 0; i < c->size; i += 1) {
        if (((const uint8_t *)object)[i] != POISON_FREE) {
            slab_debug_report(c, object, "written after it was freed");
        }
    }
    memset(object, POISON_NEW, c->size);
    trailer->state = STATE_LIVE;
    trailer->allocated_by = caller;
}

void slab_debug_free(struct kmem_cache *c, void *object, const void *caller)
{
    struct slab *slab = slab_of(c, object);
    size_t offset = (size_t)((char *)object - (char *)slab) - c->first_object;
    struct slab_debug_trailer *trailer = slab_debug_trailer(c, object);

    if (slab->cache != c) {
        panic("cache %s: object %p belongs to cache %s", c->name, object, slab->cache->name);
    }
    if (offset % c->stride != c->left || offset / c->stride >= c->slab_objects) {
        panic("cache %s: %p is not the beginning of an object", c->name, object);
    }
    if (trailer->state == STATE_FREE) {
        slab_debug_report(c, object, "freed twice");
    }
    slab_debug_red_zones(c, object);
    if (trailer->state != STATE_LIVE) {
        slab_debug_report(c, object, "written past its end");
    }
    slab_debug_set_free(c, object, caller);
}

void slab_debug_refuse(uint32_t n)
{
    slab_debug_countdown = n;
    slab_debug_refused = current_thread();
}

bool slab_debug_is_refused(void)
{
    if (slab_debug_refused == NULL || slab_debug_refused != current_thread()) {
        return false;
    }
    if (slab_debug_countdown != 0) {
        slab_debug_countdown--;
        return false;
    }
    slab_debug_refused = NULL;
    return true;
}
