/* vm_object_shadow.c - chains of objects: looking through them, putting a shadow in front,
 * shortening them, copying.
 *
 * A chain is walked from the shadowing object to the shadowed with at most three locks held: the
 * first object's, so that nothing can be inserted in front of what is found, and two while
 * stepping. An object is stable while the object that shadows it is locked. Locks: shadowing object
 * -> shadowed object. */
#include "vm/vm_object.h"

#include "kern/assert.h"

/* A shadow with at most this many pages is checked page by page whether it adds anything. */
#define BYPASS_PAGES 16u

void vm_object_walk(struct vm_object *first, vm_offset_t offset, struct vm_object_hit *hit)
    NO_LOCK_ANALYSIS /* hand over hand, and hit->object stays locked */
{
    struct vm_object *object = first;
    unsigned depth = 0;

    assert(spin_is_held(&first->lock));
    for (;;) {
        struct vm_object *shadow = object->shadow;
        struct vm_page *page = vm_object_page_lookup(object, offset);

        if (page != NULL || shadow == NULL || vm_object_pager_has(object, offset)) {
            hit->object = object;
            hit->offset = offset;
            hit->page = page;
            hit->depth = depth;
            return;
        }
        offset += object->shadow_offset;
        spin_lock_nested(&shadow->lock);
        if (object != first) {
            spin_unlock(&object->lock);
        }
        object = shadow;
        depth += 1;
    }
}

void vm_object_walk_done(struct vm_object *first, const struct vm_object_hit *hit)
    NO_LOCK_ANALYSIS /* undoes vm_object_walk(), which may have locked nothing */
{
    if (hit->object != first) {
        spin_unlock(&hit->object->lock);
    }
}

unsigned vm_object_chain_length(struct vm_object *object)
    NO_LOCK_ANALYSIS /* hand over hand: which lock is held changes in the loop */
{
    unsigned length = 1;

    spin_lock(&object->lock);
    while (object->shadow != NULL) {
        struct vm_object *shadow = object->shadow;

        spin_lock_nested(&shadow->lock);
        spin_unlock(&object->lock);
        object = shadow;
        length += 1;
    }
    spin_unlock(&object->lock);
    return length;
}

/* --- shortening --- */

/* May the object behind `object`, locked, be taken out of the chain? Not while it, as the delayed
 * copy of its own shadow, is pushed pages. */
static bool vm_object_may_skip(const struct vm_object *object, const struct vm_object *backing)
{
    if (!vm_object_is_plain(backing) || (backing->copy != NULL && backing->copy != object)) {
        return false;
    }
    return backing->shadow == NULL || atomic_load(&backing->shadow->copy) != backing;
}

/* Move the backing object's pages that object can see and lacks into it, free the others. False
 * when out of memory: the rest stays where it is. */
static bool vm_object_absorb_pages(struct vm_object *object, struct vm_object *backing)
{
    struct vm_page *page = vm_object_page_next(backing, 0, ~0ul);

    while (page != NULL) {
        vm_offset_t offset = page->offset - object->shadow_offset;
        vm_offset_t next = page->offset + PAGE_SIZE;

        if (page->offset < object->shadow_offset || offset >= object->size ||
            vm_object_page_lookup(object, offset) != NULL) {
            vm_object_page_free(backing, page);
        } else if (!vm_object_page_move(backing, page, object, offset)) {
            return false;
        }
        page = vm_object_page_next(backing, next, ~0ul);
    }
    return true;
}

/* Take the shadow nobody else uses into object. Both are locked; backing, empty and without a
 * shadow, is left to the caller to release. */
static bool vm_object_absorb(struct vm_object *object, struct vm_object *backing)
{
    assert(spin_is_held(&object->lock) && spin_is_held(&backing->lock));
    if (!vm_object_absorb_pages(object, backing)) {
        return false;
    }
    object->shadow = backing->shadow;
    object->shadow_offset += backing->shadow_offset;
    backing->shadow = NULL;
    backing->copy = NULL;
    return true;
}

/* Does object have every page of backing that it could see? Both are locked. */
static bool vm_object_hides(const struct vm_object *object, const struct vm_object *backing)
{
    vm_offset_t start = object->shadow_offset;
    vm_offset_t end = start + object->size;
    const struct vm_page *page;

    assert(spin_is_held(&object->lock) && spin_is_held(&backing->lock));
    if (backing->resident_count > BYPASS_PAGES) {
        return false;
    }
    page = vm_object_page_next(backing, start, end);
    while (page != NULL) {
        if (vm_object_page_lookup(object, page->offset - start) == NULL) {
            return false;
        }
        page = vm_object_page_next(backing, page->offset + PAGE_SIZE, end);
    }
    return true;
}

/* Step over a shadow others use too. Both are locked. False when it is still needed. */
static bool vm_object_bypass(struct vm_object *object, struct vm_object *backing)
{
    assert(spin_is_held(&object->lock) && spin_is_held(&backing->lock));
    if (object->resident_count == object->size >> PAGE_SHIFT) {
        object->shadow = NULL;
        object->shadow_offset = 0;
        if (backing->copy == object) {
            backing->copy = NULL;
        }
        return true;
    }
    if (backing->shadow == NULL || backing->copy != NULL || !vm_object_may_skip(object, backing) ||
        !vm_object_hides(object, backing)) {
        return false;
    }
    vm_object_ref(backing->shadow);
    object->shadow = backing->shadow;
    object->shadow_offset += backing->shadow_offset;
    return true;
}

void vm_object_collapse(struct vm_object *object)
{
    assert(spin_is_held(&object->lock));
    while (object->shadow != NULL && vm_object_is_plain(object)) {
        struct vm_object *backing = object->shadow;
        bool shortened;
        bool last;

        spin_lock_nested(&backing->lock);
        last = atomic_load(&backing->refs) == 1;
        if (last) {
            shortened = vm_object_may_skip(object, backing) && vm_object_absorb(object, backing);
        } else {
            shortened = vm_object_bypass(object, backing);
        }
        spin_unlock(&backing->lock);
        if (!shortened) {
            return;
        }
        vm_object_unref(backing);
    }
}
