/* vm_map_discard.c - memory whose contents nobody needs: its pages are free at once, in all maps
 * that share them, and zeroes when they are touched again.
 *
 * Everything is looked at before the first page goes. An object is locked for a few pages at a
 * time, and looked at again each time: somebody else's map may make a copy of it meanwhile. */
#include "vm/vm_map.h"

#include "kern/assert.h"
#include "vm/vm_map_impl.h"
#include "vm/vm_object.h"
#include "vm/vm_radix.h"

#define BATCH 32u /* pages, with an object locked */

/* Is the object's own page all there is to see, and seen by nobody who was to keep what it held?
 * Locks: object->lock. */
static bool vm_map_discard_can(const struct vm_object *object)
{
    const uint32_t needed = VM_OBJECT_INTERNAL | VM_OBJECT_ALIVE;

    assert(spin_is_held(&object->lock));
    return (object->flags & needed) == needed && (object->flags & VM_OBJECT_DEVICE) == 0 &&
           object->shadow == NULL && object->copy == NULL;
}

static kern_return_t vm_map_discard_check_entry(const struct vm_map_entry *entry)
{
    bool can = true;

    if ((entry->protection & VM_PROT_WRITE) == 0) {
        return KERN_PROTECTION_FAILURE;
    }
    if (entry->needs_copy || entry->copy_later || entry->wired_count != 0) {
        return KERN_FAILURE;
    }
    if (entry->object != NULL) {
        spin_lock(&entry->object->lock);
        can = vm_map_discard_can(entry->object);
        spin_unlock(&entry->object->lock);
    }
    return can ? KERN_SUCCESS : KERN_FAILURE;
}

static kern_return_t vm_map_discard_check(struct vm_map *map, vm_offset_t start, vm_offset_t end)
{
    struct vm_map_entry *entry;
    kern_return_t kr = KERN_SUCCESS;

    assert(mutex_is_held(&map->lock));
    if (!vm_map_entry_covers(map, start, end, &entry)) {
        return KERN_INVALID_ADDRESS;
    }
    for (; entry != NULL && kr == KERN_SUCCESS; entry = vm_map_entry_next_below(entry, end)) {
        kr = vm_map_discard_check_entry(entry);
    }
    return kr;
}

/* Free the pages of [start, end), and forget which of them the default pager has. Returns: false
 * when the object has become one whose pages cannot go. */
static bool vm_map_discard_pages(struct vm_object *object, vm_offset_t start, vm_offset_t end)
{
    bool can = true;

    for (vm_offset_t at = start; at < end && can; at += BATCH * PAGE_SIZE) {
        vm_offset_t next = end - at < BATCH * PAGE_SIZE ? end : at + BATCH * PAGE_SIZE;

        spin_lock(&object->lock);
        can = vm_map_discard_can(object);
        if (can) {
            vm_object_page_free_range(object, at, next);
            vm_object_forget_paged(object, at, next);
        }
        spin_unlock(&object->lock);
    }
    return can;
}

static kern_return_t vm_map_discard_locked(struct vm_map *map, vm_offset_t start, vm_offset_t end)
{
    struct vm_map_entry *entry = vm_map_entry_lookup(map, start);
    bool can = true;

    assert(mutex_is_held(&map->lock));
    for (; entry != NULL && can; entry = vm_map_entry_next_below(entry, end)) {
        vm_offset_t from = entry->start > start ? entry->start : start;
        vm_offset_t to = entry->end < end ? entry->end : end;

        if (entry->object != NULL) {
            can = vm_map_discard_pages(entry->object, entry->offset + (from - entry->start),
                                       entry->offset + (to - entry->start));
        }
    }
    return can ? KERN_SUCCESS : KERN_FAILURE;
}

kern_return_t vm_map_discard(struct vm_map *map, vm_offset_t start, vm_offset_t end)
{
    kern_return_t kr;

    mutex_lock(&map->lock);
    kr = vm_map_discard_check(map, start, end);
    if (kr == KERN_SUCCESS) {
        kr = vm_map_discard_locked(map, start, end);
    }
    mutex_unlock(&map->lock);
    return kr;
}
