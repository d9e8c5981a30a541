/* vm_map_entry.c - entries: the tree, the gaps between them, cutting and joining.
 *
 * Each entry knows the free space before it and the largest such space in its subtree, so a place
 * for a new region is found by one walk down. The space behind the last entry is in no gap and is
 * looked at last. */
#include "vm/vm_map_impl.h"

#include "kern/assert.h"
#include "kern/string.h"
#include "vm/slab.h"
#include "vm/vm_object.h"

static struct kmem_cache vm_map_entry_cache;

void vm_map_entry_bootstrap(void)
{
    kmem_cache_init(&vm_map_entry_cache, "vm_map_entry", sizeof(struct vm_map_entry), 0);
}

struct vm_map_entry *vm_map_entry_alloc(void)
{
    return kmem_cache_alloc(&vm_map_entry_cache);
}

struct vm_map_entry *vm_map_entry_create(void)
{
    struct vm_map_entry *entry = vm_map_entry_alloc();

    if (entry != NULL) {
        *entry = (struct vm_map_entry){.link = LIST_INITIALIZER(entry->link)};
    }
    return entry;
}

void vm_map_entry_destroy(struct vm_map_entry *entry)
{
    assert(entry->object == NULL);
    kmem_cache_free(&vm_map_entry_cache, entry);
}

/* The free space between prev, NULL for none, and entry. Of what lies below map->low nothing is
 * free. */
static vm_size_t vm_map_entry_gap_after(const struct vm_map *map, const struct vm_map_entry *prev,
                                        const struct vm_map_entry *entry)
{
    vm_offset_t start = prev != NULL ? prev->end : map->low;

    return entry->start > start ? entry->start - start : 0;
}

/* The entry, which may be NULL, now follows prev. What is above `changes` is about to be looked at
 * again anyway. */
static void vm_map_entry_set_gap(struct vm_map *map, const struct vm_map_entry *prev,
                                 struct vm_map_entry *entry, const struct rbnode *changes)
{
    vm_size_t gap;

    if (entry == NULL) {
        return;
    }
    gap = vm_map_entry_gap_after(map, prev, entry);
    if (&entry->node == changes) {
        entry->node.value = gap;
    } else {
        rbtree_set_value(&entry->node, gap);
    }
}

/* Make two entries neighbours; either may be NULL. */
static void vm_map_entry_join(struct vm_map *map, struct vm_map_entry *prev,
                              struct vm_map_entry *next)
{
    if (prev != NULL) {
        prev->next = next;
    }
    if (next != NULL) {
        next->prev = prev;
    } else {
        map->last = prev;
    }
}

/* Of two neighbours one has no child on the side of the other: there a new entry between them goes.
 */
void vm_map_entry_link_before(struct vm_map *map, struct vm_map_entry *entry,
                              struct vm_map_entry *next)
{
    struct vm_map_entry *prev = next != NULL ? next->prev : map->last;
    unsigned side = prev != NULL && prev->node.child[1] == NULL ? 1 : 0;
    struct vm_map_entry *above = side == 1 ? prev : next;
    struct rbnode *parent = above != NULL ? &above->node : NULL;

    assert(entry->start < entry->end && ((entry->start | entry->end) & PAGE_MASK) == 0);
    assert(prev == NULL || prev->end <= entry->start);
    assert(next == NULL || entry->end <= next->start);
    entry->node.value = vm_map_entry_gap_after(map, prev, entry);
    vm_map_entry_set_gap(map, entry, next, parent);
    rbtree_insert(&map->entries, &entry->node, parent, side);
    vm_map_entry_join(map, prev, entry);
    vm_map_entry_join(map, entry, next);
    map->entry_count += 1;
    map->size += vm_map_entry_size(entry);
    if (entry->wired_count != 0) {
        map->wired_size += vm_map_entry_size(entry);
    }
}

void vm_map_entry_link(struct vm_map *map, struct vm_map_entry *entry)
{
    vm_map_entry_link_before(map, entry, vm_map_entry_lookup_from(map, entry->start));
}

struct vm_map_entry *vm_map_entry_unlink(struct vm_map *map, struct vm_map_entry *entry)
{
    struct vm_map_entry *next = entry->next;

    assert(map->entry_count != 0 && map->size >= vm_map_entry_size(entry));
    vm_map_entry_set_gap(map, entry->prev, next, entry->node.parent);
    rbtree_remove(&map->entries, &entry->node);
    vm_map_entry_join(map, entry->prev, next);
    map->entry_count -= 1;
    map->size -= vm_map_entry_size(entry);
    if (entry->wired_count != 0) {
        map->wired_size -= vm_map_entry_size(entry);
    }
    if (map->hint == entry) {
        map->hint = NULL;
    }
    return next;
}

/* --- finding --- */

struct vm_map_entry *vm_map_entry_lookup_from(struct vm_map *map, vm_offset_t address)
{
    struct rbnode *node = map->entries.root;
    struct vm_map_entry *found = NULL;

    while (node != NULL) {
        struct vm_map_entry *entry = vm_map_entry_of(node);

        if (address < entry->end) {
            found = entry;
            if (address >= entry->start) {
                break;
            }
            node = node->child[0];
        } else {
            node = node->child[1];
        }
    }
    return found;
}

struct vm_map_entry *vm_map_entry_lookup(struct vm_map *map, vm_offset_t address)
{
    struct vm_map_entry *entry = map->hint;

    assert(mutex_is_held(&map->lock));
    if (entry != NULL && address >= entry->start) {
        if (address < entry->end) {
            return entry;
        }
        entry = entry->next; /* memory is gone through in order */
        if (entry != NULL && address >= entry->start && address < entry->end) {
            map->hint = entry;
            return entry;
        }
    }
    entry = vm_map_entry_lookup_from(map, address);
    if (entry == NULL || address < entry->start) {
        return NULL;
    }
    map->hint = entry;
    return entry;
}

bool vm_map_entry_covers(struct vm_map *map, vm_offset_t start, vm_offset_t end,
                         struct vm_map_entry **first)
{
    struct vm_map_entry *entry = vm_map_entry_lookup(map, start);

    assert(start < end);
    *first = entry;
    while (entry != NULL && entry->end < end) {
        struct vm_map_entry *next = vm_map_entry_next(entry);

        if (next == NULL || next->start != entry->end) {
            return false;
        }
        entry = next;
    }
    return entry != NULL;
}

/* Does the region fit in [start, end) at or above low? */
static bool vm_map_entry_fits(vm_offset_t start, vm_offset_t end, vm_offset_t low, vm_size_t size,
                              vm_offset_t mask, vm_offset_t *address)
{
    if (start < low) {
        start = low;
    }
    if (start > ~0ul - mask) {
        return false;
    }
    start = (start + mask) & ~mask;
    if (start > end || end - start < size) {
        return false;
    }
    *address = start;
    return true;
}

/* The first entry of the subtree with a gap of that size before it: there is one. */
static struct vm_map_entry *vm_map_entry_first_gap(struct rbnode *node, vm_size_t size)
{
    assert(rbtree_max(node) >= size);
    for (;;) {
        if (rbtree_max(node->child[0]) >= size) {
            node = node->child[0];
        } else if (node->value >= size) {
            return vm_map_entry_of(node);
        } else {
            node = node->child[1];
        }
    }
}

/* The next entry with a gap of that size before it. */
static struct vm_map_entry *vm_map_entry_next_gap(struct vm_map_entry *entry, vm_size_t size)
{
    struct rbnode *node = &entry->node;

    while (rbtree_max(node->child[1]) < size) {
        struct rbnode *child;

        do {
            child = node;
            node = node->parent;
        } while (node != NULL && node->child[1] == child);
        if (node == NULL || node->value >= size) {
            return vm_map_entry_of(node);
        }
    }
    return vm_map_entry_first_gap(node->child[1], size);
}

/* The entry from which on to look for a gap of that size that ends above low, or NULL. */
static struct vm_map_entry *vm_map_entry_start_at(struct vm_map *map, vm_offset_t low,
                                                  vm_size_t size)
{
    if (low > map->low) {
        return vm_map_entry_lookup_from(map, low);
    }
    return rbtree_max(map->entries.root) >= size ? vm_map_entry_first_gap(map->entries.root, size)
                                                 : NULL;
}

bool vm_map_entry_find_space(struct vm_map *map, vm_offset_t low, vm_size_t size, vm_offset_t mask,
                             vm_offset_t *address, struct vm_map_entry **next)
{
    struct vm_map_entry *entry = vm_map_entry_start_at(map, low, size);

    assert(size != 0 && (size & PAGE_MASK) == 0);
    for (; entry != NULL; entry = vm_map_entry_next_gap(entry, size)) {
        if (vm_map_entry_fits(entry->start - entry->node.value, entry->start, low, size, mask,
                              address)) {
            *next = entry;
            return true;
        }
    }
    *next = NULL;
    return vm_map_entry_fits(map->last == NULL ? map->low : map->last->end, map->max, low, size,
                             mask, address);
}

/* --- cutting and joining --- */

kern_return_t vm_map_entry_clip(struct vm_map *map, vm_offset_t at)
{
    struct vm_map_entry *entry = vm_map_entry_lookup(map, at);
    struct vm_map_entry *rest;

    assert((at & PAGE_MASK) == 0);
    if (entry == NULL || entry->start == at) {
        return KERN_SUCCESS;
    }
    rest = vm_map_entry_alloc();
    if (rest == NULL) {
        return KERN_RESOURCE_SHORTAGE;
    }
    *rest = *entry;
    list_init(&rest->link);
    rest->start = at;
    rest->offset += at - entry->start;
    if (rest->object != NULL) {
        vm_object_ref(rest->object);
    }
    map->size -= entry->end - at;
    if (entry->wired_count != 0) {
        map->wired_size -= entry->end - at;
    }
    entry->end = at;
    vm_map_entry_link_before(map, rest, entry->next);
    return KERN_SUCCESS;
}

kern_return_t vm_map_entry_clip_range(struct vm_map *map, vm_offset_t start, vm_offset_t end,
                                      struct vm_map_entry **first)
{
    kern_return_t kr;

    assert(start <= end && mutex_is_held(&map->lock));
    kr = vm_map_entry_clip(map, start);
    if (kr == KERN_SUCCESS) {
        kr = vm_map_entry_clip(map, end);
    }
    *first = vm_map_entry_lookup_from(map, start);
    if (*first != NULL && (*first)->start >= end) {
        *first = NULL;
    }
    return kr;
}

/* Have the object of the entry before grow by the range of an anonymous entry that follows it, if
 * it is as plain as it looks. */
static __attribute__((noinline)) bool vm_map_entry_extend(struct vm_map_entry *left,
                                                          const struct vm_map_entry *right)
{
    struct vm_object *object = left->object;
    vm_offset_t end = left->offset + vm_map_entry_size(left);
    vm_size_t size = end + vm_map_entry_size(right);
    bool extended = false;

    assert(left->end == right->start && left->wired_count == 0);
    spin_lock(&object->lock);
    if (vm_object_is_plain(object) && object->shadow == NULL && object->copy == NULL) {
        /* Nobody sees what a region cut off long ago may have left there; the new one must find
         * zeroes. */
        vm_object_page_free_range(object, end, ~0ul);
        object->size = size;
        extended = true;
    }
    spin_unlock(&object->lock);
    return extended;
}

/* Is the object seen through this entry alone? Only through this map, which is locked, could others
 * come to refer to it. */
static bool vm_map_entry_owns_object(const struct vm_map_entry *entry)
{
    const struct vm_object *object = entry->object;

    return (atomic_load(&object->flags) & VM_OBJECT_PRIVATE) != 0 && !entry->needs_copy &&
           atomic_load(&object->refs) == 1;
}

/* Are the two one region in all but name? Then the object of the left one has grown if need be. */
static bool vm_map_entry_may_merge(struct vm_map_entry *left, const struct vm_map_entry *right)
{
    if ((right->object != left->object &&
         (right->object != NULL || !vm_map_entry_owns_object(left))) ||
        left->protection != right->protection || left->max_protection != right->max_protection ||
        left->inheritance != right->inheritance || left->wired_count != right->wired_count) {
        return false;
    }
    if (left->object == right->object && left->needs_copy == right->needs_copy) {
        return left->object == NULL || left->offset + vm_map_entry_size(left) == right->offset;
    }
    return left->object != right->object && left->wired_count == 0 &&
           vm_map_entry_extend(left, right);
}

bool vm_map_entry_shift(struct vm_map_entry *entry, vm_offset_t end, vm_prot_t protection)
{
    struct vm_map_entry *left = entry->node.value == 0 ? entry->prev : NULL;
    vm_prot_t before = entry->protection;
    bool may_merge;

    assert(end > entry->start && end < entry->end);
    if (left == NULL || left->object != entry->object || left->protection != protection) {
        return false;
    }
    entry->protection = protection;
    may_merge = vm_map_entry_may_merge(left, entry);
    entry->protection = before;
    if (!may_merge) {
        return false;
    }
    left->end = end;
    left->entered = left->entered || entry->entered;
    entry->offset += end - entry->start;
    entry->start = end;
    return true;
}

/* Make the entry part of the one before it, which is returned. */
static __attribute__((noinline)) struct vm_map_entry *
vm_map_entry_absorb(struct vm_map *map, struct vm_map_entry *right)
{
    struct vm_map_entry *left = right->prev;

    vm_map_entry_unlink(map, right);
    left->end = right->end;
    left->entered = left->entered || right->entered;
    map->size += vm_map_entry_size(right);
    if (left->wired_count != 0) {
        map->wired_size += vm_map_entry_size(right);
    }
    vm_map_entry_set_gap(map, left, left->next, NULL);
    /* The left entry keeps the object alive: this is not the last reference. */
    vm_object_unref(right->object);
    right->object = NULL;
    vm_map_entry_destroy(right);
    return left;
}

struct vm_map_entry *vm_map_entry_merge_left(struct vm_map *map, struct vm_map_entry *right)
{
    struct vm_map_entry *left = right->node.value == 0 ? right->prev : NULL;

    assert(mutex_is_held(&map->lock));
    return left != NULL && vm_map_entry_may_merge(left, right) ? vm_map_entry_absorb(map, right)
                                                               : right;
}

struct vm_map_entry *vm_map_entry_merge(struct vm_map *map, struct vm_map_entry *entry)
{
    if (entry->next != NULL && entry->next->node.value == 0) {
        vm_map_entry_merge_left(map, entry->next);
    }
    if (entry->node.value == 0 && entry->prev != NULL &&
        vm_map_entry_may_merge(entry->prev, entry)) {
        entry = vm_map_entry_absorb(map, entry);
    }
    map->hint = entry;
    return entry;
}

void vm_map_entry_merge_range(struct vm_map *map, vm_offset_t start, vm_offset_t end)
{
    struct vm_map_entry *entry = vm_map_entry_lookup_from(map, start);

    assert(start <= end);
    while (entry != NULL && entry->start <= end) {
        entry = vm_map_entry_next(vm_map_entry_merge_left(map, entry));
    }
}
