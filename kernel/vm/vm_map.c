/* vm_map.c - maps: their life, and the operations on regions: enter, remove, protect, inherit,
 * region.
 *
 * Locks: map->lock, a sleeping mutex; then objects. References are dropped after it is released,
 * for the last one frees pages. */
#include "vm/vm_map.h"

#include "arch/pmap.h"
#include "kern/assert.h"
#include "kern/atomic.h"
#include "kern/string.h"
#include "vm/slab.h"
#include "vm/vm_copy_impl.h"
#include "vm/vm_map_impl.h"
#include "vm/vm_object.h"

static struct kmem_cache vm_map_cache;

void vm_map_bootstrap(void)
{
    kmem_cache_init(&vm_map_cache, "vm_map", sizeof(struct vm_map), 0);
    vm_map_entry_bootstrap();
    vm_copy_bootstrap();
}

struct vm_map *vm_map_create(struct pmap *pmap, vm_offset_t min, vm_offset_t max)
{
    struct vm_map *map = kmem_cache_alloc(&vm_map_cache);

    if (map == NULL) {
        return NULL;
    }
    memset(map, 0, sizeof(*map));
    mutex_init(&map->lock, "vm_map");
    map->refs = 1;
    map->pmap = pmap;
    map->min = min;
    map->low = min < PAGE_SIZE ? PAGE_SIZE : min;
    map->max = max;
    map->size_limit = max - min;
    map->size_limit_max = max - min;
    map->wire_future = VM_PROT_NONE;
    rbtree_init(&map->entries);
    return map;
}

void vm_map_ref(struct vm_map *map)
{
    assert(atomic_load(&map->refs) != 0);
    atomic_inc(&map->refs);
}

void vm_map_unref(struct vm_map *map)
{
    if (map == NULL || !atomic_dec_and_test(&map->refs)) {
        return;
    }
    /* Whole entries go: nothing is cut, so this cannot fail. */
    (void)vm_map_remove(map, map->min, map->max);
    assert(map->entry_count == 0 && map->size == 0 && map->wired_size == 0);
    pmap_destroy(map->pmap);
    kmem_cache_free(&vm_map_cache, map);
}

/* --- enter --- */

/* Choose or check the place of a new region; *next is the entry behind it, or NULL. */
static kern_return_t vm_map_place(struct vm_map *map, vm_offset_t *address,
                                  const struct vm_map_request *request, struct vm_map_entry **next)
{
    vm_offset_t start = *address;

    assert(mutex_is_held(&map->lock));
    if (request->size > map->size_limit || map->size > map->size_limit - request->size) {
        return KERN_NO_SPACE;
    }
    if (request->anywhere) {
        start = (start + PAGE_MASK) & ~PAGE_MASK;
        if (start < map->low) {
            start = map->low;
        }
        if (!vm_map_entry_find_space(map, start, request->size, request->mask, &start, next)) {
            return KERN_NO_SPACE;
        }
        *address = start;
        return KERN_SUCCESS;
    }
    if (request->size > map->max || start < map->min || start > map->max - request->size ||
        (start & PAGE_MASK) != 0) {
        return KERN_INVALID_ADDRESS;
    }
    if ((start & request->mask) != 0) {
        return KERN_NO_SPACE;
    }
    *next = vm_map_entry_lookup_from(map, start);
    return *next != NULL && (*next)->start < start + request->size ? KERN_NO_SPACE : KERN_SUCCESS;
}

static kern_return_t vm_map_enter_locked(struct vm_map *map, vm_offset_t *address,
                                         const struct vm_map_request *request)
{
    struct vm_map_entry *entry;
    struct vm_map_entry *next;
    kern_return_t kr = vm_map_place(map, address, request, &next);

    assert(mutex_is_held(&map->lock));
    assert((request->size & PAGE_MASK) == 0);
    if (kr != KERN_SUCCESS) {
        return kr;
    }
    entry = vm_map_entry_alloc();
    if (entry == NULL) {
        return KERN_RESOURCE_SHORTAGE;
    }
    *entry = (struct vm_map_entry){
        .link = LIST_INITIALIZER(entry->link),
        .start = *address,
        .end = *address + request->size,
        .object = request->object,
        .offset = request->offset,
        .needs_copy = request->needs_copy,
        .protection = request->protection,
        .max_protection = request->max_protection,
        .inheritance = request->inheritance,
    };
    vm_map_entry_link_before(map, entry, next);
    (void)vm_map_entry_merge(map, entry);
    return KERN_SUCCESS;
}

kern_return_t vm_map_enter(struct vm_map *map, vm_offset_t *address,
                           const struct vm_map_request *request)
{
    vm_prot_t wire = VM_PROT_NONE;
    kern_return_t kr;

    if (request->size == 0 || ((request->size | request->offset) & PAGE_MASK) != 0 ||
        ((request->protection | request->max_protection) & ~VM_PROT_ALL) != 0 ||
        (request->protection & ~request->max_protection) != 0 ||
        request->offset > ~0ul - request->size) {
        return KERN_INVALID_ARGUMENT;
    }
    if (*address > map->max) {
        return request->anywhere ? KERN_NO_SPACE : KERN_INVALID_ADDRESS;
    }
    mutex_lock(&map->lock);
    kr = vm_map_enter_locked(map, address, request);
    if (kr == KERN_SUCCESS) {
        wire = map->wire_future & request->protection;
    }
    mutex_unlock(&map->lock);
    if (wire != VM_PROT_NONE) {
        /* As with a fault, a shortage now shows when the memory is touched. */
        (void)vm_map_wire(map, *address, *address + request->size, wire);
    }
    return kr;
}

/* --- remove --- */

kern_return_t vm_map_remove(struct vm_map *map, vm_offset_t start, vm_offset_t end)
{
    struct vm_map_entry *removed, *next, *last = NULL;
    kern_return_t kr;

    assert(((start | end) & PAGE_MASK) == 0);
    mutex_lock(&map->lock);
    removed = map->hint;
    if (removed != NULL && removed->start == start && removed->end == end) {
        kr = KERN_SUCCESS; /* as it was allocated */
    } else {
        kr = vm_map_entry_clip_range(map, start, end, &removed);
    }
    for (next = kr == KERN_SUCCESS ? removed : NULL; next != NULL && next->start < end;) {
        last = next;
        next = vm_map_entry_detach(map, next);
    }
    mutex_unlock(&map->lock);
    if (last == NULL) {
        return kr;
    }
    for (last->next = NULL; removed != NULL; removed = next) { /* they are chained as they were */
        next = removed->next;
        vm_map_entry_release(removed);
    }
    return KERN_SUCCESS;
}

/* --- attributes --- */

/* Do all regions in the range, of which `entry` is the first, allow this protection? */
static bool vm_map_protect_allowed(struct vm_map_entry *entry, vm_offset_t end,
                                   vm_prot_t protection)
{
    for (; entry != NULL && entry->start < end; entry = vm_map_entry_next(entry)) {
        if ((protection & ~entry->max_protection) != 0) {
            return false;
        }
    }
    return true;
}

static void vm_map_protect_entry(struct vm_map *map, struct vm_map_entry *entry,
                                 vm_prot_t protection, bool set_maximum)
{
    vm_prot_t old = entry->protection;
    vm_prot_t mapped;

    assert(mutex_is_held(&map->lock));
    if (set_maximum) {
        entry->max_protection = protection;
        entry->protection &= protection;
    } else {
        entry->protection = protection;
    }
    mapped = entry->protection & (entry->needs_copy ? ~VM_PROT_WRITE : VM_PROT_ALL);
    if ((old & ~entry->protection) != 0) {
        vm_map_entry_protect(map, entry, mapped);
    }
}

/* Give the beginning of an entry more rights by adding it to the entry before it: what a handler
 * of exceptions does page by page, for whoever goes on there. */
static bool vm_map_protect_shift(struct vm_map *map, struct vm_map_entry *entry, vm_offset_t start,
                                 vm_offset_t end, vm_prot_t protection)
{
    assert(mutex_is_held(&map->lock));
    if (entry == NULL || entry->start != start || start >= end || end >= entry->end ||
        (entry->protection & ~protection) != 0 || !vm_map_entry_shift(entry, end, protection)) {
        return false;
    }
    map->hint = entry->prev;
    return true;
}

kern_return_t vm_map_protect(struct vm_map *map, vm_offset_t start, vm_offset_t end,
                             vm_prot_t protection, bool set_maximum)
{
    struct vm_map_entry *entry;
    kern_return_t kr;
    bool wires;

    if ((protection & ~VM_PROT_ALL) != 0) {
        return KERN_PROTECTION_FAILURE;
    }
    mutex_lock(&map->lock);
    wires = (map->wire_future & protection) != 0;
    entry = vm_map_entry_lookup(map, start);
    if (entry == NULL) {
        entry = vm_map_entry_lookup_from(map, start);
    }
    if (!vm_map_protect_allowed(entry, end, protection)) {
        kr = KERN_PROTECTION_FAILURE;
    } else if (!set_maximum && vm_map_protect_shift(map, entry, start, end, protection)) {
        kr = KERN_SUCCESS;
    } else {
        kr = vm_map_entry_clip_range(map, start, end, &entry);
        for (; kr == KERN_SUCCESS && entry != NULL; entry = vm_map_entry_next_below(entry, end)) {
            vm_map_protect_entry(map, entry, protection, set_maximum);
        }
        vm_map_entry_merge_range(map, start, end);
    }
    mutex_unlock(&map->lock);
    if (kr == KERN_SUCCESS && wires) {
        (void)vm_map_wire_all(map, true, false); /* what nobody could use was not wired */
    }
    return kr;
}

kern_return_t vm_map_inherit(struct vm_map *map, vm_offset_t start, vm_offset_t end,
                             vm_inherit_t inheritance)
{
    struct vm_map_entry *entry;
    kern_return_t kr;

    if (inheritance != VM_INHERIT_SHARE && inheritance != VM_INHERIT_COPY &&
        inheritance != VM_INHERIT_NONE) {
        return KERN_INVALID_ARGUMENT;
    }
    mutex_lock(&map->lock);
    kr = vm_map_entry_clip_range(map, start, end, &entry);
    for (; kr == KERN_SUCCESS && entry != NULL; entry = vm_map_entry_next_below(entry, end)) {
        entry->inheritance = inheritance;
    }
    vm_map_entry_merge_range(map, start, end);
    mutex_unlock(&map->lock);
    return kr;
}

kern_return_t vm_map_region(struct vm_map *map, vm_offset_t address, bool take_reference,
                            struct vm_map_region *region)
{
    struct vm_map_entry *entry;

    mutex_lock(&map->lock);
    entry = vm_map_entry_lookup_from(map, address);
    if (entry != NULL) {
        region->start = entry->start;
        region->end = entry->end;
        region->protection = entry->protection;
        region->max_protection = entry->max_protection;
        region->inheritance = entry->inheritance;
        region->needs_copy = entry->needs_copy;
        region->wired_count = entry->wired_count;
        region->object = entry->object;
        region->offset = entry->offset;
        region->is_shared =
            entry->object != NULL && (atomic_load(&entry->object->flags) & VM_OBJECT_SHARED) != 0;
        if (take_reference && entry->object != NULL) {
            vm_object_ref(entry->object);
        }
    }
    mutex_unlock(&map->lock);
    return entry == NULL ? KERN_NO_SPACE : KERN_SUCCESS;
}

kern_return_t vm_map_share(struct vm_map *map, vm_offset_t start, vm_offset_t end, vm_prot_t access,
                           struct vm_object **object, vm_offset_t *offset)
{
    struct vm_map_entry *entry;
    kern_return_t kr = KERN_INVALID_ADDRESS;

    mutex_lock(&map->lock);
    entry = vm_map_entry_lookup(map, start);
    if (entry != NULL && entry->end >= end) {
        kr = (access & ~entry->max_protection) != 0 ? KERN_PROTECTION_FAILURE
                                                    : vm_map_entry_share(map, entry);
    }
    if (kr == KERN_SUCCESS) {
        vm_object_ref(entry->object);
        *object = entry->object;
        *offset = entry->offset + (start - entry->start);
    }
    mutex_unlock(&map->lock);
    return kr;
}
