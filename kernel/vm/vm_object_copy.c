/* vm_object_copy.c - copying objects: shadows for symmetric copy-on-write, delayed copies with
 * push, copies of the pages themselves.
 *
 * Locks: a copy is locked before what it copies. From an object its delayed copy is reached by
 * taking a reference, dropping the lock and taking both in order; copy_version tells whether
 * another copy was made meanwhile. */
#include "vm/vm_object.h"

#include "kern/assert.h"
#include "vm/memory_object.h"
#include "vm/vm_pageout.h"

/* --- copies of pages --- */

/* The lowest offset at or after `offset`, below end, where the chain has a page, in memory or in
 * swap. *known is cleared when another pager stands behind part of it. */
static bool vm_object_chain_next(struct vm_object *first, vm_offset_t offset, vm_offset_t end,
                                 vm_offset_t *next, bool *known)
    NO_LOCK_ANALYSIS /* hand over hand: which lock is held changes in the loop */
{
    struct vm_object *object = first;
    vm_offset_t delta = 0;
    bool found = false;

    spin_lock(&first->lock);
    for (;;) {
        struct vm_page *page = vm_object_page_next(object, offset + delta, end + delta);
        uint64_t paged = (offset + delta) >> PAGE_SHIFT;
        struct vm_object *shadow = object->shadow;

        if (page != NULL) {
            end = page->offset - delta;
            found = true;
        }
        if (vm_radix_next(&object->paged, &paged) != NULL && paged << PAGE_SHIFT < end + delta) {
            end = (paged << PAGE_SHIFT) - delta;
            found = true;
        }
        *known = *known && (object->flags & VM_OBJECT_INTERNAL) != 0;
        if (shadow == NULL) {
            break;
        }
        delta += object->shadow_offset;
        spin_lock_nested(&shadow->lock);
        spin_unlock(&object->lock);
        object = shadow;
    }
    spin_unlock(&object->lock);
    *next = end;
    return found;
}

/* Fill `target` from the page that source shows at offset. Sleeps for its pager. Returns:
 * KERN_SUCCESS, KERN_MEMORY_ERROR, KERN_RESOURCE_SHORTAGE, KERN_ABORTED, KERN_NO_ACCESS (there is
 * no page: nothing to copy). */
static kern_return_t vm_object_copy_page(struct vm_object *source, vm_offset_t offset,
                                         struct vm_page *target, uint64_t *deadline_ns)
    NO_LOCK_ANALYSIS /* memory_object_walk() leaves two locks held */
{
    struct vm_object_hit hit;
    kern_return_t kr = memory_object_walk(source, offset, &hit, deadline_ns);

    if (kr != KERN_SUCCESS) {
        return kr;
    }
    if (hit.page != NULL) {
        pmap_copy_page(vm_page_to_phys(hit.page), vm_page_to_phys(target));
    } else {
        kr = KERN_NO_ACCESS;
    }
    vm_object_walk_done(source, &hit);
    spin_unlock(&source->lock);
    return kr;
}

/* Copy one page of source into `copy` at `to`. */
static kern_return_t vm_object_copy_one(struct vm_object *source, vm_offset_t offset,
                                        struct vm_object *copy, vm_offset_t to,
                                        uint64_t *deadline_ns)
{
    struct vm_page *page = vm_page_alloc(0);
    kern_return_t kr;

    if (page == NULL) {
        return KERN_RESOURCE_SHORTAGE;
    }
    kr = vm_object_copy_page(source, offset, page, deadline_ns);
    if (kr == KERN_SUCCESS) {
        bool inserted;

        spin_lock(&copy->lock);
        page->flags |= VM_PAGE_DIRTY;
        inserted = vm_object_page_insert(copy, page, to);
        spin_unlock(&copy->lock);
        if (inserted) {
            return KERN_SUCCESS;
        }
        kr = KERN_RESOURCE_SHORTAGE;
    }
    vm_page_free(page);
    return kr == KERN_NO_ACCESS ? KERN_SUCCESS : kr;
}

kern_return_t vm_object_copy_slowly(struct vm_object *source, vm_offset_t offset, vm_size_t size,
                                    bool stays, struct vm_object **result)
{
    struct vm_object *copy = vm_object_create(size);
    vm_offset_t end = offset + size;
    uint64_t deadline_ns = 0;
    kern_return_t kr = KERN_SUCCESS;

    if (copy == NULL) {
        return KERN_RESOURCE_SHORTAGE;
    }
    copy->flags |= VM_OBJECT_PRIVATE;
    if (stays) {
        vm_pageout_remove(copy);
    }
    while (kr == KERN_SUCCESS && offset < end) {
        bool known = true;
        vm_offset_t at;
        bool found = vm_object_chain_next(source, offset, end, &at, &known);

        if (!known) { /* what is not in memory its pager may have */
            found = true;
            at = offset;
        }
        if (found) {
            kr = vm_object_copy_one(source, at, copy, at - (end - size), &deadline_ns);
        }
        offset = at + PAGE_SIZE;
    }
    if (kr != KERN_SUCCESS) {
        vm_object_unref(copy);
        return kr;
    }
    *result = copy;
    return KERN_SUCCESS;
}

/* --- shadows --- */

/* The chain behind source is as long as it may get: copy what it shows instead of shadowing it, if
 * all of it is anonymous memory. Sleeps for the default pager: a chain whose pages are in swap is
 * not shortened otherwise. False when that cannot be done. */
static bool vm_object_flatten(struct vm_object *source, vm_offset_t offset, vm_size_t length,
                              struct vm_object **result)
{
    bool known = true;
    vm_offset_t next;

    if (vm_object_chain_length(source) < VM_OBJECT_CHAIN_MAX) {
        return false;
    }
    (void)vm_object_chain_next(source, offset, offset, &next, &known);
    return known && vm_object_copy_slowly(source, offset, length, false, result) == KERN_SUCCESS;
}

kern_return_t vm_object_shadow(struct vm_object **object, vm_offset_t *offset, vm_size_t length)
{
    struct vm_object *source = *object;
    struct vm_object *shadow;
    bool sole;

    spin_lock(&source->lock);
    sole = atomic_load(&source->refs) == 1 && source->copy == NULL &&
           (source->flags & VM_OBJECT_INTERNAL) != 0;
    vm_object_collapse(source);
    spin_unlock(&source->lock);
    if (sole) {
        return KERN_SUCCESS;
    }
    if (vm_object_flatten(source, *offset, length, &shadow)) {
        *object = shadow;
        *offset = 0;
        vm_object_unref(source);
        return KERN_SUCCESS;
    }
    shadow = vm_object_create(length);
    if (shadow == NULL) {
        return KERN_RESOURCE_SHORTAGE;
    }
    spin_lock(&shadow->lock);
    shadow->flags |= VM_OBJECT_PRIVATE;
    shadow->shadow = source;
    shadow->shadow_offset = *offset;
    vm_object_collapse(shadow);
    spin_unlock(&shadow->lock);
    *object = shadow;
    *offset = 0;
    return KERN_SUCCESS;
}

/* --- delayed copies --- */

/* Lock source and, before it, its delayed copy, which is returned with a reference; NULL when there
 * is none. */
static struct vm_object *vm_object_lock_copy(struct vm_object *source)
    NO_LOCK_ANALYSIS /* returns with one lock or two: the result says */
{
    for (;;) {
        struct vm_object *copy;

        spin_lock(&source->lock);
        copy = source->copy;
        if (copy == NULL || !vm_object_try_ref(copy)) {
            return NULL;
        }
        spin_unlock(&source->lock);
        spin_lock(&copy->lock);
        spin_lock_nested(&source->lock);
        if (source->copy == copy) {
            return copy;
        }
        spin_unlock(&source->lock);
        spin_unlock(&copy->lock);
        vm_object_unref(copy);
    }
}

static void vm_object_unlock_copy(struct vm_object *source, struct vm_object *copy)
    NO_LOCK_ANALYSIS /* undoes vm_object_lock_copy() */
{
    spin_unlock(&source->lock);
    if (copy != NULL) {
        spin_unlock(&copy->lock);
        vm_object_unref(copy);
    }
}

kern_return_t vm_object_copy_delayed(struct vm_object *source, vm_offset_t offset, vm_size_t size,
                                     struct vm_object **result)
{
    struct vm_object *copy = vm_object_create(offset + size);
    struct vm_object *older;

    if (copy == NULL) {
        return KERN_RESOURCE_SHORTAGE;
    }
    older = vm_object_lock_copy(source);
    if (older != NULL) {
        /* The older copy now looks through the newer one; its reference to source passes on. */
        assert(older->shadow == source);
        older->shadow = copy;
        vm_object_ref(copy);
        /* Pages the older copy still needs are pushed into the newer one: it must have room for
         * them. */
        if (copy->size < older->size) {
            copy->size = older->size;
        }
    } else {
        copy->flags |= VM_OBJECT_PRIVATE;
        vm_object_ref(source);
    }
    copy->shadow = source;
    source->copy = copy;
    source->copy_version += 1;
    vm_object_page_protect_range(source, offset, offset + size, VM_PROT_READ | VM_PROT_EXECUTE);
    vm_object_unlock_copy(source, older);
    *result = copy;
    return KERN_SUCCESS;
}

/* Put a copy of page into `copy`, unless it has one. Both objects are locked. */
static kern_return_t vm_object_push_page(struct vm_object *copy, struct vm_page *page)
{
    struct vm_page *pushed;

    assert(spin_is_held(&copy->lock));
    if (page->offset >= copy->size || vm_object_page_lookup(copy, page->offset) != NULL ||
        vm_object_pager_has(copy, page->offset)) {
        return KERN_SUCCESS;
    }
    pushed = vm_page_alloc(0);
    if (pushed == NULL) {
        return KERN_RESOURCE_SHORTAGE;
    }
    pmap_copy_page(vm_page_to_phys(page), vm_page_to_phys(pushed));
    pushed->flags |= VM_PAGE_DIRTY;
    if (!vm_object_page_insert(copy, pushed, page->offset)) {
        vm_page_free(pushed);
        return KERN_RESOURCE_SHORTAGE;
    }
    /* Who maps the page as part of the copy must find the pushed one from now on. */
    pmap_page_protect(page, VM_PROT_NONE);
    return KERN_SUCCESS;
}

kern_return_t vm_object_push(struct vm_object *object, vm_offset_t offset, uint64_t *version)
{
    struct vm_object *copy = vm_object_lock_copy(object);
    struct vm_page *page = vm_object_page_lookup(object, offset);
    kern_return_t kr = KERN_SUCCESS;

    bool there = page != NULL && (page->flags & VM_PAGE_ABSENT) == 0;

    if (copy != NULL && there) {
        kr = vm_object_push_page(copy, page);
    }
    if (there && kr == KERN_SUCCESS) {
        *version = object->copy_version;
    }
    vm_object_unlock_copy(object, copy);
    return kr;
}
