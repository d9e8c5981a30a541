/* vm_check.c - walks over the structures of memory that panic where an invariant is broken. */
#include "ddb/vm_check.h"

#include "arch/layout.h"
#include "kern/assert.h"
#include "kern/rbtree.h"
#include "vm/kmem_impl.h"
#include "vm/vm_map_impl.h"
#include "vm/vm_page_impl.h"

static bool vm_check_is_red(const struct rbnode *node)
{
    return node != NULL && node->red;
}

static unsigned vm_check_black_height(const struct rbtree *tree)
{
    unsigned height = 0;

    for (const struct rbnode *node = tree->root; node != NULL; node = node->child[0]) {
        height += node->red ? 0 : 1;
    }
    return height;
}

size_t vm_check_tree(const struct rbtree *tree)
{
    unsigned expected = vm_check_black_height(tree);
    size_t count = 0;

    if (vm_check_is_red(tree->root)) {
        panic("rbtree %p: the root is red", (const void *)tree);
    }
    for (struct rbnode *node = rbtree_first(tree); node != NULL; node = rbtree_next(node)) {
        uint64_t max = node->value;

        count += 1;
        for (unsigned side = 0; side < 2; side += 1) {
            max = rbtree_max(node->child[side]) > max ? rbtree_max(node->child[side]) : max;
            if (node->child[side] != NULL && node->child[side]->parent != node) {
                panic("rbtree %p: a child of %p has another parent", (const void *)tree,
                      (void *)node);
            }
        }
        if (node->max != max) {
            panic("rbtree %p: the largest value below %p is %lu, not %lu", (const void *)tree,
                  (void *)node, (unsigned long)max, (unsigned long)node->max);
        }
        if (node->red && (vm_check_is_red(node->child[0]) || vm_check_is_red(node->child[1]))) {
            panic("rbtree %p: red node %p has a red child", (const void *)tree, (void *)node);
        }
        if (node->child[0] == NULL || node->child[1] == NULL) {
            unsigned height = 0;

            for (const struct rbnode *up = node; up != NULL; up = up->parent) {
                height += up->red ? 0 : 1;
            }
            if (height != expected) {
                panic("rbtree %p: black height %u at %p, expected %u", (const void *)tree, height,
                      (void *)node, expected);
            }
        }
    }
    return count;
}

void vm_check_map(struct vm_map *map)
{
    vm_offset_t at = map->min;
    vm_size_t size = 0;
    uint64_t count = 0;
    struct vm_map_entry *prev = NULL;

    mutex_lock(&map->lock);
    if (vm_check_tree(&map->entries) != map->entry_count) {
        panic("map %p: the tree does not hold %lu entries", (void *)map,
              (unsigned long)map->entry_count);
    }
    for (struct rbnode *node = rbtree_first(&map->entries); node != NULL;
         node = rbtree_next(node)) {
        struct vm_map_entry *entry = vm_map_entry_of(node);
        vm_offset_t free = at > map->low ? at : map->low;
        vm_size_t gap = entry->start > free ? entry->start - free : 0;

        if (entry->prev != prev || (prev != NULL && prev->next != entry) || entry->start < at ||
            entry->end <= entry->start || entry->end > map->max || node->value != gap ||
            ((entry->start | entry->end | entry->offset) & PAGE_MASK) != 0 ||
            (entry->protection & ~entry->max_protection) != 0) {
            panic("map %p: entry %#lx - %#lx after %#lx: gap %#lx, noted %#lx", (void *)map,
                  (unsigned long)entry->start, (unsigned long)entry->end, (unsigned long)at,
                  (unsigned long)gap, (unsigned long)node->value);
        }
        prev = entry;
        at = entry->end;
        size += vm_map_entry_size(entry);
        count += 1;
    }
    if (map->last != prev || size != map->size || count != map->entry_count) {
        panic("map %p: %#lx bytes counted, %#lx mapped", (void *)map, (unsigned long)map->size,
              (unsigned long)size);
    }
    mutex_unlock(&map->lock);
}

void vm_check_kmem(void)
{
    vm_offset_t at = KMEM_BASE;
    bool was_free = false;

    spin_lock(&kmem_lock);
    vm_check_tree(&kmem_tree);
    for (struct rbnode *node = rbtree_first(&kmem_tree); node != NULL; node = rbtree_next(node)) {
        struct kmem_range *range = rbtree_entry(node, struct kmem_range, node);

        if (range->start != at || range->end <= at || (range->free && was_free)) {
            panic("kmem: range %#lx - %#lx does not follow %#lx", (unsigned long)range->start,
                  (unsigned long)range->end, (unsigned long)at);
        }
        at = range->end;
        was_free = range->free;
    }
    if (at != KMEM_BASE + KMEM_SIZE) {
        panic("kmem: the ranges end at %#lx", (unsigned long)at);
    }
    spin_unlock(&kmem_lock);
}

static void vm_check_block(const struct vm_page_zone *zone, const struct vm_page *block,
                           unsigned order)
{
    if (vm_page_zone(block) != zone || block->state != VM_PAGE_STATE_FREE ||
        block->order != order ||
        ((vm_page_to_phys(block) >> PAGE_SHIFT) & ((1ul << order) - 1)) != 0) {
        panic("free block at %#lx: state %u, order %u on the list of order %u",
              (unsigned long)vm_page_to_phys(block), block->state, block->order, order);
    }
    for (uint64_t i = 1; i < 1ul << order; i += 1) {
        if (block[i].state != VM_PAGE_STATE_TAIL) {
            panic("page %#lx inside a free block has state %u",
                  (unsigned long)vm_page_to_phys(&block[i]), block[i].state);
        }
    }
}

void vm_check_pages(void)
{
    for (unsigned i = 0; i < ZONE_COUNT; i += 1) {
        struct vm_page_zone *zone = &vm_page_zones[i];
        uint64_t free = 0;

        spin_lock(&zone->lock);
        for (unsigned order = 0; order <= VM_PAGE_ORDER_MAX; order += 1) {
            list_for_each (&zone->free[order], node) {
                vm_check_block(zone, list_entry(node, struct vm_page, link), order);
                free += 1ul << order;
            }
        }
        if (free != zone->free_pages) {
            panic("zone %u counts %lu free pages, its lists hold %lu", i,
                  (unsigned long)zone->free_pages, (unsigned long)free);
        }
        spin_unlock(&zone->lock);
    }
}
