/* vm_map_wire.c - wiring: the pages of a region stay in memory, private to it and mapped.
 *
 * All pages of a range are wired with the map locked all along, so that a removal sees either none
 * or all of them wired. A page that is busy cannot be waited for that way: then what was wired is
 * undone, the page is waited for as a fault would, and the whole starts over. */
#include "vm/vm_map.h"

#include "kern/assert.h"
#include "vm/vm_fault.h"
#include "vm/vm_map_impl.h"

#define WIRE_TRIES 64u

/* Take one wiring off the entry. */
static void vm_map_unwire_entry(struct vm_map *map, struct vm_map_entry *entry)
{
    assert(mutex_is_held(&map->lock));
    assert(entry->wired_count != 0);
    entry->wired_count -= 1;
    if (entry->wired_count == 0) {
        map->wired_size -= vm_map_entry_size(entry);
        vm_map_entry_unwire_pages(map, entry, entry->end);
        /* The next access maps the pages again, as any others. */
        vm_map_entry_unmap(map, entry);
    }
}

/* Put one wiring on the entry. On failure nothing of it is wired and *stuck is the page that could
 * not be. */
static kern_return_t vm_map_wire_entry(struct vm_map *map, struct vm_map_entry *entry,
                                       vm_offset_t *stuck)
{
    assert(mutex_is_held(&map->lock));
    if (entry->wired_count == 0) {
        for (vm_offset_t va = entry->start; va < entry->end; va += PAGE_SIZE) {
            kern_return_t kr = vm_fault_wire(map, va);

            if (kr != KERN_SUCCESS) {
                vm_map_entry_unwire_pages(map, entry, va);
                *stuck = va;
                return kr;
            }
        }
        map->wired_size += vm_map_entry_size(entry);
    }
    entry->wired_count += 1;
    return KERN_SUCCESS;
}

static kern_return_t vm_map_wire_check(struct vm_map *map, vm_offset_t start, vm_offset_t end,
                                       vm_prot_t access)
{
    struct vm_map_entry *entry;

    assert(mutex_is_held(&map->lock));
    assert(start < end);
    if (!vm_map_entry_covers(map, start, end, &entry)) {
        return KERN_NO_SPACE;
    }
    for (; entry != NULL; entry = vm_map_entry_next_below(entry, end)) {
        if ((access & ~entry->protection) != 0) {
            return KERN_PROTECTION_FAILURE;
        }
        if (access == VM_PROT_NONE && entry->wired_count == 0) {
            return KERN_INVALID_ARGUMENT;
        }
        if (access != VM_PROT_NONE && entry->wired_count == VM_MAP_WIRED_MAX) {
            return KERN_RESOURCE_SHORTAGE;
        }
    }
    return KERN_SUCCESS;
}

static kern_return_t vm_map_wire_locked(struct vm_map *map, vm_offset_t start, vm_offset_t end,
                                        vm_prot_t access, vm_offset_t *stuck)
{
    struct vm_map_entry *first;
    struct vm_map_entry *entry;
    kern_return_t kr = vm_map_wire_check(map, start, end, access);

    assert(mutex_is_held(&map->lock));
    if (kr == KERN_SUCCESS) {
        kr = vm_map_entry_clip_range(map, start, end, &first);
    }
    if (kr != KERN_SUCCESS) {
        return kr;
    }
    for (entry = first; entry != NULL && kr == KERN_SUCCESS;) {
        if (access == VM_PROT_NONE) {
            vm_map_unwire_entry(map, entry);
        } else {
            kr = vm_map_wire_entry(map, entry, stuck);
        }
        if (kr == KERN_SUCCESS) {
            entry = vm_map_entry_next_below(entry, end);
        }
    }
    if (kr != KERN_SUCCESS) {
        for (; first != entry; first = vm_map_entry_next(first)) {
            vm_map_unwire_entry(map, first);
        }
    }
    vm_map_entry_merge_range(map, start, end);
    return kr;
}

kern_return_t vm_map_wire_now(struct vm_map *map, vm_offset_t start, vm_offset_t end,
                              vm_prot_t access, vm_offset_t *stuck)
{
    kern_return_t kr;

    mutex_lock(&map->lock);
    kr = vm_map_wire_locked(map, start, end, access, stuck);
    mutex_unlock(&map->lock);
    return kr;
}

kern_return_t vm_map_wire(struct vm_map *map, vm_offset_t start, vm_offset_t end, vm_prot_t access)
{
    kern_return_t kr = KERN_ABORTED;

    if (start >= end) {
        return KERN_SUCCESS;
    }
    for (unsigned tries = 0; kr == KERN_ABORTED && tries < WIRE_TRIES; tries += 1) {
        vm_offset_t stuck = start;

        kr = vm_map_wire_now(map, start, end, access, &stuck);
        if (kr == KERN_ABORTED) {
            struct vm_map_region region;
            kern_return_t fault = vm_map_region(map, stuck, false, &region);

            if (fault == KERN_SUCCESS) { /* as vm_fault_wire() does */
                fault = vm_fault(map, stuck, region.protection);
            }
            kr = fault == KERN_SUCCESS ? KERN_ABORTED : fault;
        }
    }
    return kr == KERN_ABORTED ? KERN_MEMORY_ERROR : kr;
}

kern_return_t vm_map_wire_all(struct vm_map *map, bool current, bool future)
{
    struct vm_map_region region;
    vm_offset_t at = map->min;
    kern_return_t kr = KERN_SUCCESS;
    bool undo = !current && !future;

    mutex_lock(&map->lock);
    if (future || undo) {
        map->wire_future = future ? VM_PROT_ALL : VM_PROT_NONE;
    }
    mutex_unlock(&map->lock);
    while ((current || undo) && kr == KERN_SUCCESS &&
           vm_map_region(map, at, false, &region) == KERN_SUCCESS) {
        if (undo && region.wired_count != 0) {
            kr = vm_map_wire(map, region.start, region.end, VM_PROT_NONE);
        } else if (current && region.wired_count == 0 && region.protection != VM_PROT_NONE) {
            kr = vm_map_wire(map, region.start, region.end, region.protection);
        }
        at = region.end;
    }
    return kr;
}
