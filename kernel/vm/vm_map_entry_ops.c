/* vm_map_entry_ops.c - what happens to the pages behind an entry: copy-on-write, removal, unwiring,
 * filling the page table.
 *
 * Locks: the map's, then the object's. */
#include "vm/vm_map_impl.h"

#include "arch/pmap.h"
#include "kern/assert.h"
#include "vm/memory_object.h"

#define PREMAP_AROUND 0x10000ul /* bytes whose pages enter with one of them that is read */

/* How the pages of an entry are to be copied. */
enum vm_map_entry_copy_kind {
    COPY_SYMMETRIC,
    COPY_DELAYED,
    COPY_SLOWLY,
    COPY_LATER,
    COPY_NEVER,
};

static enum vm_map_entry_copy_kind vm_map_entry_copy_choose(struct vm_map_entry *entry)
{
    struct vm_object *object = entry->object;
    enum vm_map_entry_copy_kind kind = COPY_SLOWLY;

    assert(entry->object != NULL);
    if ((atomic_load(&object->flags) & VM_OBJECT_DEVICE) != 0) {
        return COPY_NEVER;
    }
    if (entry->wired_count != 0 && (atomic_load(&object->flags) & VM_OBJECT_INTERNAL) != 0) {
        return COPY_SLOWLY; /* all its pages are there: no pager is waited for */
    }
    spin_lock(&object->lock);
    if (entry->needs_copy || (object->copy_strategy == MEMORY_OBJECT_COPY_TEMPORARY &&
                              (object->flags & VM_OBJECT_SHARED) == 0)) {
        /* From now on the object is seen by two. */
        object->flags &= ~VM_OBJECT_PRIVATE;
        vm_object_ref(object);
        kind = COPY_SYMMETRIC;
    } else if (object->copy_strategy == MEMORY_OBJECT_COPY_TEMPORARY ||
               object->copy_strategy == MEMORY_OBJECT_COPY_DELAY) {
        kind = COPY_DELAYED;
    } else if ((object->flags & VM_OBJECT_PAGER_CREATED) != 0) {
        kind = COPY_LATER;
    }
    spin_unlock(&object->lock);
    return kind;
}

kern_return_t vm_map_entry_copy(struct vm_map *map, struct vm_map_entry *entry,
                                struct vm_map_entry *copy)
{
    kern_return_t kr;

    assert(mutex_is_held(&map->lock));
    copy->object = NULL;
    copy->offset = 0;
    copy->needs_copy = false;
    if (entry->object == NULL) {
        return KERN_SUCCESS;
    }
    switch (vm_map_entry_copy_choose(entry)) {
    case COPY_SYMMETRIC:
        copy->object = entry->object;
        copy->offset = entry->offset;
        copy->needs_copy = true;
        if (!entry->needs_copy) {
            entry->needs_copy = true;
            vm_map_entry_protect(map, entry, entry->protection & ~VM_PROT_WRITE);
        }
        return KERN_SUCCESS;
    case COPY_DELAYED:
        kr = vm_object_copy_delayed(entry->object, entry->offset, vm_map_entry_size(entry),
                                    &copy->object);
        if (kr == KERN_SUCCESS) {
            /* An older copy may look through this one: it is shadowed before it is written, unless
             * nobody does. */
            copy->offset = entry->offset;
            copy->needs_copy = true;
        }
        return kr;
    case COPY_LATER:
        vm_object_ref(entry->object);
        copy->object = entry->object;
        copy->offset = entry->offset;
        copy->copy_later = true;
        return KERN_SUCCESS;
    case COPY_NEVER:
        return KERN_MEMORY_ERROR;
    default:
        return vm_object_copy_slowly(entry->object, entry->offset, vm_map_entry_size(entry),
                                     map->wire_future != VM_PROT_NONE, &copy->object);
    }
}

kern_return_t vm_map_entry_share(struct vm_map *map, struct vm_map_entry *entry)
{
    kern_return_t kr = KERN_SUCCESS;

    if (entry->object == NULL) {
        entry->object = vm_object_create(vm_map_entry_size(entry));
        entry->offset = 0;
        if (entry->object == NULL) {
            return KERN_RESOURCE_SHORTAGE;
        }
    } else if (entry->needs_copy) {
        kr = vm_map_entry_shadow(map, entry);
    }
    if (kr != KERN_SUCCESS) {
        return kr;
    }
    entry->needs_copy = false;
    spin_lock(&entry->object->lock);
    entry->object->flags |= VM_OBJECT_SHARED;
    entry->object->flags &= ~VM_OBJECT_PRIVATE;
    spin_unlock(&entry->object->lock);
    return KERN_SUCCESS;
}

kern_return_t vm_map_entry_copy_finish(struct vm_map_entry *copy)
{
    struct vm_object *result;
    kern_return_t kr;

    if (!copy->copy_later) {
        return KERN_SUCCESS;
    }
    kr = memory_object_copy_range(copy->object, &copy->offset, vm_map_entry_size(copy), &result,
                                  &copy->needs_copy);
    if (kr == KERN_SUCCESS) {
        copy->copy_later = false;
        vm_object_unref(copy->object);
        copy->object = result;
    }
    return kr;
}

void vm_map_entry_unwire_pages(struct vm_map *map, struct vm_map_entry *entry, vm_offset_t end)
{
    struct vm_object *object = entry->object;
    struct vm_page *page;

    assert(mutex_is_held(&map->lock));
    if (object == NULL) {
        return;
    }
    end = entry->offset + (end - entry->start);
    spin_lock(&object->lock);
    page = vm_object_page_next(object, entry->offset, end);
    while (page != NULL) {
        if (page->wire_count != 0) {
            page->wire_count -= 1;
        }
        page = vm_object_page_next(object, page->offset + PAGE_SIZE, end);
    }
    spin_unlock(&object->lock);
}

void vm_map_entry_protect(struct vm_map *map, struct vm_map_entry *entry, vm_prot_t prot)
{
    assert(mutex_is_held(&map->lock));
    if (entry->entered) {
        pmap_protect(map->pmap, entry->start, entry->end, prot);
    }
}

void vm_map_entry_unmap(struct vm_map *map, struct vm_map_entry *entry)
{
    assert(mutex_is_held(&map->lock));
    if (entry->entered) {
        pmap_remove(map->pmap, entry->start, entry->end);
        entry->entered = false;
    }
}

void vm_map_entry_clear(struct vm_map *map, struct vm_map_entry *entry)
{
    struct vm_object *object = entry->object;

    vm_map_entry_unmap(map, entry);
    if (entry->wired_count != 0) {
        vm_map_entry_unwire_pages(map, entry, entry->end);
        entry->wired_count = 0;
    }
    spin_lock(&object->lock);
    if ((object->flags & VM_OBJECT_PRIVATE) != 0 && !entry->needs_copy) {
        vm_object_page_free_range(object, entry->offset, entry->offset + vm_map_entry_size(entry));
    }
    spin_unlock(&object->lock);
}

void vm_map_entry_release_list(struct list *entries)
{
    struct list *node;

    while ((node = list_pop(entries)) != NULL) {
        vm_map_entry_release(list_entry(node, struct vm_map_entry, link));
    }
}

/* Enter pages at rest of the entry's own object that it shows from va on: as many as lie side by
 * side in the object's tree and in one table of the page table. Returns the address behind. Locks:
 * map's held. */
static vm_offset_t vm_map_entry_premap_run(struct vm_map *map, struct vm_map_entry *entry,
                                           vm_offset_t va, vm_offset_t end)
{
    struct vm_object *object = entry->object;
    vm_offset_t stop = (va | (LARGE_PAGE_SIZE - 1)) + 1;
    vm_prot_t prot = entry->protection;
    void *const *pages;
    unsigned n;

    n = (unsigned)(((stop < end ? stop : end) - va) >> PAGE_SHIFT);
    spin_lock(&object->lock);
    if (entry->needs_copy || object->copy != NULL) {
        prot &= ~VM_PROT_WRITE;
    }
    pages = vm_radix_run(&object->pages, (entry->offset + (va - entry->start)) >> PAGE_SHIFT, &n);
    if (pages != NULL) {
        pmap_enter_batch(map->pmap, va, (struct vm_page *const *)pages, n, prot);
    }
    spin_unlock(&object->lock);
    return va + n * PAGE_SIZE;
}

void vm_map_entry_premap(struct vm_map *map, struct vm_map_entry *entry, uint64_t limit)
{
    vm_offset_t end = entry->end;
    vm_offset_t va = entry->start;

    entry->fill = false;
    entry->entered = true;
    if (entry->object == NULL || (entry->protection & VM_PROT_READ) == 0 ||
        (entry->object->flags & VM_OBJECT_DEVICE) != 0) {
        return;
    }
    if (end - va > limit << PAGE_SHIFT) {
        end = va + (limit << PAGE_SHIFT);
    }
    if (end > VM_MAX_ADDRESS - PAGE_SIZE) { /* the last page is special to pmap_enter() */
        return;
    }
    while (va < end) {
        va = vm_map_entry_premap_run(map, entry, va, end);
    }
}

void vm_map_entry_premap_around(struct vm_map *map, struct vm_map_entry *entry, vm_offset_t va)
{
    vm_offset_t start = va & ~(PREMAP_AROUND - 1);
    vm_offset_t end = start + PREMAP_AROUND;

    start = start > entry->start ? start : entry->start;
    end = end < entry->end ? end : entry->end;
    assert(entry->object != NULL && entry->entered && (entry->protection & VM_PROT_READ) != 0);
    if (end - start == PAGE_SIZE || end > VM_MAX_ADDRESS - PAGE_SIZE) {
        return;
    }
    while (start < end) {
        start = vm_map_entry_premap_run(map, entry, start, end);
    }
}
