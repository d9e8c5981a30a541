/* vm_map_copyout.c - putting a copy into a map: at a free place, or over what is there.
 *
 * A buffer becomes pages of a new object first, so both kinds are entries to be linked in; the
 * pages that are resident go into the page table at once. Overwriting replaces entries where the
 * target is private memory on page boundaries, else it writes the bytes. */
#include "vm/vm_copy_impl.h"

#include "kern/assert.h"
#include "vm/slab.h"
#include "vm/vm_fault.h"
#include "vm/vm_object.h"

/* Pages entered in the page table at once. More wait for the first fault, as who receives much
 * memory may only pass it on. */
#define PREMAP_PAGES 16u

/* --- at a free place --- */

/* Link the entries, at least one, in from `base` on; `next` is the map's entry behind them, or
 * NULL. */
static void vm_map_copyout_link(struct vm_map *map, struct list *entries, vm_offset_t base,
                                struct vm_map_entry *next)
{
    struct vm_map_entry *entry = NULL;
    struct list *node;

    while ((node = list_pop(entries)) != NULL) {
        entry = list_entry(node, struct vm_map_entry, link);
        entry->start += base;
        entry->end += base;
        entry->protection = VM_PROT_DEFAULT;
        entry->max_protection = VM_PROT_ALL;
        entry->inheritance = VM_INHERIT_DEFAULT;
        vm_map_entry_link_before(map, entry, next);
        entry->fill = true;
        if (vm_map_entry_size(entry) <= PREMAP_PAGES << PAGE_SHIFT) {
            vm_map_entry_premap(map, entry, PREMAP_PAGES);
        }
        entry = vm_map_entry_merge_left(map, entry);
    }
    map->hint = entry; /* what has come is what will be used */
    if (next != NULL) {
        vm_map_entry_merge_left(map, next);
    }
}

/* Find room and link the entries, which tile [0, size); they are taken over on success. */
static kern_return_t vm_map_copyout_entries(struct vm_map *map, struct list *entries,
                                            vm_size_t size, vm_offset_t *base)
{
    vm_offset_t low = map->low;
    vm_prot_t wire = VM_PROT_NONE;
    vm_offset_t stuck;
    kern_return_t kr = KERN_NO_SPACE;
    struct vm_map_entry *next;

    mutex_lock(&map->lock);
    if (size <= map->size_limit && map->size <= map->size_limit - size &&
        vm_map_entry_find_space(map, low, size, 0, base, &next)) {
        vm_map_copyout_link(map, entries, *base, next);
        wire = map->wire_future & VM_PROT_DEFAULT;
        kr = KERN_SUCCESS;
    }
    mutex_unlock(&map->lock);
    if (wire != VM_PROT_NONE) {
        /* Not what would have to be waited for: who gets a message must not wait for a pager. */
        (void)vm_map_wire_now(map, *base, *base + size, wire, &stuck);
    }
    return kr;
}

kern_return_t vm_map_copyout(struct vm_map *map, vm_offset_t *address, struct vm_copy *copy)
{
    struct list made = LIST_INITIALIZER(made);
    struct list *entries = &made;
    vm_offset_t base = 0;
    kern_return_t kr;

    if (vm_copy_size(copy) == 0) {
        vm_copy_discard(copy);
        *address = 0;
        return KERN_SUCCESS;
    }
    if (copy->kind == VM_COPY_BUFFER) {
        struct vm_map_entry *entry = vm_copy_entry_from_bytes(0, copy->data, copy->size);

        if (entry == NULL) {
            return KERN_RESOURCE_SHORTAGE;
        }
        list_insert_tail(&made, &entry->link);
    } else {
        entries = &copy->entries;
    }
    kr = vm_map_copyout_entries(map, entries, (copy->offset + copy->size + PAGE_MASK) & ~PAGE_MASK,
                                &base);
    vm_map_entry_release_list(&made);
    if (kr == KERN_SUCCESS) {
        *address = base + copy->offset;
        vm_copy_discard(copy);
    }
    return kr;
}

/* --- over what is there --- */

/* Is the range mapped and writable, and is all of it private memory whose entries can be replaced?
 */
static kern_return_t vm_map_overwrite_check(struct vm_map *map, vm_offset_t start, vm_offset_t end,
                                            bool *replaceable)
{
    struct vm_map_entry *entry;

    if (!vm_map_entry_covers(map, start, end, &entry)) {
        return KERN_INVALID_ADDRESS;
    }
    *replaceable = true;
    for (; entry != NULL; entry = vm_map_entry_next_below(entry, end)) {
        if ((entry->protection & VM_PROT_WRITE) == 0) {
            return KERN_PROTECTION_FAILURE;
        }
        if (entry->wired_count != 0) {
            *replaceable = false;
        } else if (entry->object != NULL && !entry->needs_copy) {
            spin_lock(&entry->object->lock);
            *replaceable = *replaceable && vm_object_is_plain(entry->object) &&
                           (entry->object->flags & VM_OBJECT_SHARED) == 0;
            spin_unlock(&entry->object->lock);
        }
    }
    return KERN_SUCCESS;
}

/* Cut the map's and the copy's entries so that each of the copy's lies in one of the map's. */
static kern_return_t vm_map_overwrite_clip(struct vm_map *map, vm_offset_t start, vm_offset_t end,
                                           struct vm_copy *copy)
{
    struct vm_map_entry *entry;
    kern_return_t kr = vm_map_entry_clip_range(map, start, end, &entry);

    for (; kr == KERN_SUCCESS && entry != NULL; entry = vm_map_entry_next_below(entry, end)) {
        kr = vm_copy_clip(copy, entry->end - start);
    }
    return kr;
}

/* Put the copy's entries in the place of the map's, with the attributes of those. Cannot fail. */
static void vm_map_overwrite_replace(struct vm_map *map, vm_offset_t start, vm_offset_t end,
                                     struct vm_copy *copy, struct list *removed)
{
    struct vm_map_entry *old = vm_map_entry_lookup(map, start);

    while (old != NULL && old->start < end) {
        struct vm_map_entry *next = vm_map_entry_detach(map, old);
        struct list *node = list_first(&copy->entries);

        list_insert_tail(removed, &old->link);
        while (node != NULL &&
               list_entry(node, struct vm_map_entry, link)->start + start < old->end) {
            struct vm_map_entry *entry = list_entry(node, struct vm_map_entry, link);

            list_remove(node);
            entry->start += start;
            entry->end += start;
            entry->protection = old->protection;
            entry->max_protection = old->max_protection;
            entry->inheritance = old->inheritance;
            vm_map_entry_link(map, entry);
            node = list_first(&copy->entries);
        }
        old = next;
    }
    vm_map_entry_merge_range(map, start, end);
}

/* Write the bytes page by page. The map may change meanwhile: each page is checked again. */
static kern_return_t vm_map_overwrite_bytes(struct vm_map *map, vm_offset_t address,
                                            struct vm_copy *copy)
{
    char *buffer = kalloc(PAGE_SIZE);
    vm_size_t done = 0;
    kern_return_t kr = KERN_SUCCESS;

    if (buffer == NULL) {
        return KERN_RESOURCE_SHORTAGE;
    }
    while (done < copy->size && kr == KERN_SUCCESS) {
        vm_size_t n = copy->size - done < PAGE_SIZE ? copy->size - done : PAGE_SIZE;

        kr = vm_copy_read(copy, done, buffer, n);
        if (kr == KERN_SUCCESS) {
            kr = vm_fault_write(map, address + done, buffer, n);
        }
        done += n;
    }
    kfree(buffer, PAGE_SIZE);
    return kr;
}

kern_return_t vm_map_copy_overwrite(struct vm_map *map, vm_offset_t address, struct vm_copy *copy)
{
    struct list removed = LIST_INITIALIZER(removed);
    vm_offset_t start;
    vm_offset_t end;
    bool replaceable = false;
    kern_return_t kr;

    if (vm_copy_size(copy) == 0) {
        vm_copy_discard(copy);
        return KERN_SUCCESS;
    }
    if (!vm_map_range(map, address, copy->size, &start, &end)) {
        return KERN_INVALID_ADDRESS;
    }
    mutex_lock(&map->lock);
    kr = vm_map_overwrite_check(map, start, end, &replaceable);
    replaceable = replaceable && copy->kind == VM_COPY_ENTRIES && copy->offset == 0 &&
                  ((address | copy->size) & PAGE_MASK) == 0;
    if (kr == KERN_SUCCESS && replaceable) {
        kr = vm_map_overwrite_clip(map, start, end, copy);
        if (kr == KERN_SUCCESS) {
            vm_map_overwrite_replace(map, start, end, copy, &removed);
        }
    }
    mutex_unlock(&map->lock);
    vm_map_entry_release_list(&removed);
    if (kr == KERN_SUCCESS && !replaceable) {
        kr = vm_map_overwrite_bytes(map, address, copy);
    }
    if (kr == KERN_SUCCESS) {
        vm_copy_discard(copy);
    }
    return kr;
}
