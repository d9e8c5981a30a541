/* vm_map_take.c - taking pages out of memory that nobody else sees: it is zero-filled again. What a
 * pager has read into its memory goes to the kernel this way, without a copy and without a region
 * coming or going. */
#include "vm/vm_map_impl.h"

#include "arch/pmap.h"
#include "kern/assert.h"
#include "vm/vm_object.h"

/* The entry whose pages from `start` on may be taken, and where they end; NULL when they may not:
 * memory that is shared, copied, wired or not written by its owner. */
static struct vm_map_entry *vm_map_take_entry(struct vm_map *map, vm_offset_t start,
                                              vm_offset_t *end)
{
    struct vm_map_entry *entry = vm_map_entry_lookup(map, start);

    if (entry == NULL || entry->object == NULL || entry->needs_copy || entry->wired_count != 0 ||
        (entry->protection & VM_PROT_DEFAULT) != VM_PROT_DEFAULT) {
        return NULL;
    }
    if (*end > entry->end) {
        *end = entry->end;
    }
    return entry;
}

/* Is the object's page all there is to what is seen at its offset? Locks: object->lock. */
static bool vm_map_take_allowed(const struct vm_object *object)
{
    return vm_object_is_plain(object) && object->shadow == NULL && object->copy == NULL &&
           (object->flags & VM_OBJECT_SHARED) == 0;
}

/* The pages from offset on, at most n, that may be taken. Returns how many. Locks: object->lock. */
static unsigned vm_map_take_find(struct vm_object *object, vm_offset_t offset, unsigned n,
                                 struct vm_page **pages)
{
    void **place = vm_radix_run(&object->pages, offset >> PAGE_SHIFT, &n);
    unsigned found = 0;

    while (found < n && place != NULL) {
        struct vm_page *page = place[found];

        if (page == NULL || page->wire_count != 0 || !vm_page_is_at_rest(page)) {
            break;
        }
        pages[found++] = page;
    }
    return found;
}

/* Unmap pages of one map's memory that lie side by side. Locks: their object's. */
static void vm_map_take_unmap(struct vm_map *map, vm_offset_t start, struct vm_page *const *pages,
                              unsigned n)
{
    if (n > 1) {
        pmap_remove(map->pmap, start, start + n * PAGE_SIZE);
    }
    for (unsigned i = 0; i < n; i++) {
        if (pages[i]->pv.pmap != NULL) { /* also mapped where the object was moved from */
            pmap_page_protect(pages[i], VM_PROT_NONE);
        }
    }
}

unsigned vm_map_take_pages(struct vm_map *map, vm_offset_t start, unsigned n,
                           struct vm_page **pages)
{
    vm_offset_t end = start + n * PAGE_SIZE;
    struct vm_map_entry *entry;
    struct vm_object *object;
    unsigned taken = 0;

    mutex_lock(&map->lock);
    entry = vm_map_take_entry(map, start, &end);
    if (entry == NULL) {
        mutex_unlock(&map->lock);
        return 0;
    }
    object = entry->object;
    spin_lock(&object->lock);
    if (vm_map_take_allowed(object)) {
        taken = vm_map_take_find(object, entry->offset + (start - entry->start),
                                 (unsigned)((end - start) >> PAGE_SHIFT), pages);
    }
    if (taken != 0) {
        vm_map_take_unmap(map, start, pages, taken);
        vm_object_page_remove_run(object, pages, taken);
    }
    spin_unlock(&object->lock);
    mutex_unlock(&map->lock);
    return taken;
}
