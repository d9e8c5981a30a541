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

struct vm_map_entry *vm_map_entry_create(void)
{
    struct vm_map_entry *entry = kmem_cache_alloc(&vm_map_entry_cache);

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

static void vm_map_entry_update(struct rbnode *node)
{
    struct vm_map_entry *entry = vm_map_entry_of(node);
    vm_size_t max_gap = entry->gap;

    for (unsigned side = 0; side < 2; side += 1) {
        if (node->child[side] != NULL && vm_map_entry_of(node->child[side])->max_gap > max_gap) {
            max_gap = vm_map_entry_of(node->child[side])->max_gap;
        }
    }
    entry->max_gap = max_gap;
}

void vm_map_entry_tree_init(struct rbtree *tree)
{
    rbtree_init(tree, vm_map_entry_update);
}

/* The gap before entry has changed, or what lies before it. */
static void vm_map_entry_set_gap(struct vm_map *map, struct vm_map_entry *entry,
                                 vm_offset_t prev_end)
{
    if (entry != NULL && entry->gap != entry->start - prev_end) {
        entry->gap = entry->start - prev_end;
        rbtree_refresh(&map->entries, &entry->node);
    }
}

/* The entries around a new leaf are above it in the tree: one walk down finds its place and them,
 * and the one up after the insertion sees their gaps. */
void vm_map_entry_link(struct vm_map *map, struct vm_map_entry *entry)
{
    struct rbnode *parent = NULL;
    struct vm_map_entry *next = NULL;
    vm_offset_t prev_end = map->min;
    unsigned side = 0;

    assert(entry->start < entry->end && ((entry->start | entry->end) & PAGE_MASK) == 0);
    for (struct rbnode *node = map->entries.root; node != NULL; node = node->child[side]) {
        struct vm_map_entry *there = vm_map_entry_of(node);

        parent = node;
        side = entry->start < there->start ? 0 : 1;
        if (side == 0) {
            next = there;
        } else {
            prev_end = there->end;
        }
    }
    entry->gap = entry->start - prev_end;
    if (next != NULL) {
        next->gap = next->start - entry->end;
    }
    rbtree_insert(&map->entries, &entry->node, parent, side);
    map->entry_count += 1;
    map->size += vm_map_entry_size(entry);
    if (entry->wired_count != 0) {
        map->wired_size += vm_map_entry_size(entry);
    }
}

void vm_map_entry_unlink(struct vm_map *map, struct vm_map_entry *entry)
{
    struct vm_map_entry *next = vm_map_entry_next(entry);

    assert(map->entry_count != 0 && map->size >= vm_map_entry_size(entry));
    if (next != NULL) { /* below the entry, a leaf, or above it: there the removal sees its gap */
        next->gap = next->start - (entry->start - entry->gap);
        vm_map_entry_update(&next->node);
    }
    rbtree_remove(&map->entries, &entry->node);
    map->entry_count -= 1;
    map->size -= vm_map_entry_size(entry);
    if (entry->wired_count != 0) {
        map->wired_size -= vm_map_entry_size(entry);
    }
    if (map->hint == entry) {
        map->hint = NULL;
    }
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
    if (entry != NULL && address >= entry->start && address < entry->end) {
        return entry;
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

static inline bool vm_map_entry_has_gap(struct rbnode *node, vm_size_t size)
{
    return node != NULL && vm_map_entry_of(node)->max_gap >= size;
}

/* Look for a gap in the tree, lowest first: in order, but for subtrees that have none so large. */
static bool vm_map_entry_search(struct rbnode *node, vm_offset_t low, vm_size_t size,
                                vm_offset_t mask, vm_offset_t *address)
{
    struct rbnode *from = NULL; /* the child we have come up from, or NULL */

    while (node != NULL) {
        struct vm_map_entry *entry = vm_map_entry_of(node);

        if (from == NULL && entry->start > low && vm_map_entry_has_gap(node->child[0], size)) {
            node = node->child[0];
            continue;
        }
        if (from == NULL || from == node->child[0]) {
            if (entry->gap >= size && vm_map_entry_fits(entry->start - entry->gap, entry->start,
                                                        low, size, mask, address)) {
                return true;
            }
            if (vm_map_entry_has_gap(node->child[1], size)) {
                node = node->child[1];
                from = NULL;
                continue;
            }
        }
        from = node;
        node = node->parent;
    }
    return false;
}

bool vm_map_entry_find_space(struct vm_map *map, vm_offset_t low, vm_size_t size, vm_offset_t mask,
                             vm_offset_t *address)
{
    struct vm_map_entry *last;

    assert(size != 0 && (size & PAGE_MASK) == 0);
    if (vm_map_entry_search(map->entries.root, low, size, mask, address)) {
        return true;
    }
    last = vm_map_entry_of(rbtree_last(&map->entries));
    return vm_map_entry_fits(last == NULL ? map->min : last->end, map->max, low, size, mask,
                             address);
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
    rest = vm_map_entry_create();
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
    vm_map_entry_link(map, rest);
    return KERN_SUCCESS;
}

kern_return_t vm_map_entry_clip_range(struct vm_map *map, vm_offset_t start, vm_offset_t end,
                                      struct vm_map_entry **first)
{
    struct vm_map_entry *entry = vm_map_entry_lookup(map, start);
    kern_return_t kr;

    assert(start <= end && mutex_is_held(&map->lock));
    if (entry != NULL && entry->start == start && entry->end == end) {
        *first = entry;
        return KERN_SUCCESS;
    }
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

/* May the object of the entry before grow by the range of an anonymous entry that follows it? Then
 * it has grown. */
static bool vm_map_entry_extend(struct vm_map_entry *left, const struct vm_map_entry *right)
{
    struct vm_object *object = left->object;
    vm_offset_t end = left->offset + vm_map_entry_size(left);
    vm_size_t size = end + vm_map_entry_size(right);
    bool extended = false;

    assert(left->end == right->start && left->wired_count == 0);
    spin_lock(&object->lock);
    if ((object->flags & VM_OBJECT_PRIVATE) != 0 && atomic_load(&object->refs) == 1 &&
        vm_object_is_plain(object) && object->shadow == NULL && object->copy == NULL) {
        /* Nobody sees what a region cut off long ago may have left there; the new one must find
         * zeroes. */
        vm_object_page_free_range(object, end, ~0ul);
        object->size = size;
        extended = true;
    }
    spin_unlock(&object->lock);
    return extended;
}

static bool vm_map_entry_may_merge(struct vm_map_entry *left, const struct vm_map_entry *right)
{
    if ((right->object != NULL && right->object != left->object) || left->end != right->start ||
        left->protection != right->protection || left->max_protection != right->max_protection ||
        left->inheritance != right->inheritance || left->wired_count != right->wired_count) {
        return false;
    }
    if (left->object == right->object && left->needs_copy == right->needs_copy) {
        return left->object == NULL || left->offset + vm_map_entry_size(left) == right->offset;
    }
    return left->object != NULL && right->object == NULL && !left->needs_copy &&
           left->wired_count == 0 && vm_map_entry_extend(left, right);
}

struct vm_map_entry *vm_map_entry_merge_left(struct vm_map *map, struct vm_map_entry *right)
{
    struct vm_map_entry *left;

    assert(mutex_is_held(&map->lock));
    if (right->gap != 0) {
        return right;
    }
    left = vm_map_entry_prev(right);
    if (left == NULL || !vm_map_entry_may_merge(left, right)) {
        return right;
    }
    vm_map_entry_unlink(map, right);
    left->end = right->end;
    left->entered = left->entered || right->entered;
    map->size += vm_map_entry_size(right);
    if (left->wired_count != 0) {
        map->wired_size += vm_map_entry_size(right);
    }
    vm_map_entry_set_gap(map, vm_map_entry_next(left), left->end);
    /* The left entry keeps the object alive: this is not the last reference. */
    vm_object_unref(right->object);
    right->object = NULL;
    vm_map_entry_destroy(right);
    return left;
}

void vm_map_entry_merge_at(struct vm_map *map, vm_offset_t at)
{
    struct vm_map_entry *right = vm_map_entry_lookup(map, at);

    if (right != NULL && right->start == at) {
        vm_map_entry_merge_left(map, right);
    }
}

void vm_map_entry_merge_range(struct vm_map *map, vm_offset_t start, vm_offset_t end)
{
    vm_offset_t at = start;

    assert(start <= end);
    while (at <= end) {
        struct vm_map_entry *entry;

        vm_map_entry_merge_at(map, at);
        entry = vm_map_entry_lookup_from(map, at);
        if (entry == NULL) {
            return;
        }
        at = entry->start > at ? entry->start : entry->end;
    }
}
