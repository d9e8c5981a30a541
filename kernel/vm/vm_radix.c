/* vm_radix.c - radix tree of pages: a node has 64 slots and a bitmap of those in use. */
#include "vm/vm_radix.h"

#include "kern/assert.h"
#include "kern/string.h"
#include "vm/slab.h"

#define RADIX_BITS       6u
#define RADIX_SLOTS      64u
#define RADIX_HEIGHT_MAX 11u

struct vm_radix_node {
    uint64_t map; /* slots in use */
    void *slot[RADIX_SLOTS];
};

static struct kmem_cache vm_radix_cache;

void vm_radix_bootstrap(void)
{
    kmem_cache_init(&vm_radix_cache, "vm_radix", sizeof(struct vm_radix_node), 0);
}

/* Does a tree of this height have a place for index? */
static bool vm_radix_covers(uint32_t height, uint64_t index)
{
    return height * RADIX_BITS >= 64 || index >> (height * RADIX_BITS) == 0;
}

/* The slot index takes in a node at `height` (1: the lowest level). */
static unsigned vm_radix_slot(uint32_t height, uint64_t index)
{
    assert(height >= 1 && height <= RADIX_HEIGHT_MAX);
    return (unsigned)(index >> ((height - 1) * RADIX_BITS)) & (RADIX_SLOTS - 1);
}

void *vm_radix_lookup(const struct vm_radix *tree, uint64_t index)
{
    void *item = tree->root;

    if (!vm_radix_covers(tree->height, index)) {
        return NULL;
    }
    for (uint32_t height = tree->height; height != 0 && item != NULL; height -= 1) {
        item = ((struct vm_radix_node *)item)->slot[vm_radix_slot(height, index)];
    }
    return item;
}

void **vm_radix_run(struct vm_radix *tree, uint64_t index, unsigned *n)
{
    unsigned left = RADIX_SLOTS - (unsigned)(index & (RADIX_SLOTS - 1));
    struct vm_radix_node *node = tree->root;

    if (tree->height == 0) {
        *n = index == 0 ? 1 : *n;
        return index == 0 ? &tree->root : NULL;
    }
    *n = *n < left ? *n : left;
    if (!vm_radix_covers(tree->height, index)) {
        return NULL;
    }
    for (uint32_t height = tree->height; height > 1 && node != NULL; height -= 1) {
        node = node->slot[vm_radix_slot(height, index)];
    }
    return node != NULL ? &node->slot[vm_radix_slot(1, index)] : NULL;
}

static struct vm_radix_node *vm_radix_node_create(void)
{
    struct vm_radix_node *node = kmem_cache_alloc(&vm_radix_cache);

    if (node != NULL) {
        memset(node, 0, sizeof(*node));
    }
    return node;
}

static void vm_radix_set(struct vm_radix_node *node, unsigned slot, void *item)
{
    assert(slot < RADIX_SLOTS && node->slot[slot] == NULL && item != NULL);
    node->slot[slot] = item;
    node->map |= 1ul << slot;
}

/* Free the empty nodes on the way to index, lowest first, and levels that only lead to slot 0. */
static void vm_radix_trim(struct vm_radix *tree, uint64_t index)
{
    struct vm_radix_node *path[RADIX_HEIGHT_MAX + 1] = {NULL};
    void *item = tree->root;

    for (uint32_t height = tree->height; height != 0 && item != NULL; height -= 1) {
        path[height] = item;
        item = path[height]->slot[vm_radix_slot(height, index)];
    }
    for (uint32_t height = 1; height <= tree->height; height += 1) {
        struct vm_radix_node *up = height == tree->height ? NULL : path[height + 1];

        if (path[height] == NULL) {
            continue;
        }
        if (path[height]->map != 0) {
            break;
        }
        kmem_cache_free(&vm_radix_cache, path[height]);
        if (up == NULL) {
            vm_radix_init(tree);
            return;
        }
        up->slot[vm_radix_slot(height + 1, index)] = NULL;
        up->map &= ~(1ul << vm_radix_slot(height + 1, index));
    }
    while (tree->height != 0 && ((struct vm_radix_node *)tree->root)->map == 1) {
        struct vm_radix_node *root = tree->root;

        tree->root = root->slot[0];
        tree->height -= 1;
        kmem_cache_free(&vm_radix_cache, root);
    }
}

/* Add levels on top until index has a place. */
static bool vm_radix_grow(struct vm_radix *tree, uint64_t index)
{
    while (!vm_radix_covers(tree->height, index)) {
        if (tree->root != NULL) {
            struct vm_radix_node *node = vm_radix_node_create();

            if (node == NULL) {
                return false;
            }
            vm_radix_set(node, 0, tree->root);
            tree->root = node;
        }
        tree->height += 1;
    }
    return true;
}

/* Walk down to the lowest node for index, making what is missing; NULL when out of memory. */
static inline __attribute__((always_inline)) struct vm_radix_node *
vm_radix_descend(struct vm_radix *tree, uint64_t index)
{
    struct vm_radix_node *node = tree->root;

    if (node == NULL) {
        node = vm_radix_node_create();
        tree->root = node;
    }
    for (uint32_t height = tree->height; height > 1 && node != NULL; height -= 1) {
        unsigned slot = vm_radix_slot(height, index);
        struct vm_radix_node *down = node->slot[slot];

        if (down == NULL) {
            down = vm_radix_node_create();
            if (down != NULL) {
                vm_radix_set(node, slot, down);
            }
        }
        node = down;
    }
    return node;
}

bool vm_radix_insert(struct vm_radix *tree, uint64_t index, void *item)
{
    struct vm_radix_node *node;

    assert(item != NULL);
    if (vm_radix_grow(tree, index)) {
        if (tree->height == 0) {
            assert(tree->root == NULL);
            tree->root = item;
            return true;
        }
        node = vm_radix_descend(tree, index);
        if (node != NULL) {
            assert(node->slot[vm_radix_slot(1, index)] == NULL);
            vm_radix_set(node, vm_radix_slot(1, index), item);
            return true;
        }
    }
    if (tree->root == NULL) {
        vm_radix_init(tree);
    } else {
        vm_radix_trim(tree, index);
    }
    return false;
}

/* The lowest nodes are filled at once after their first item is in. */
uint64_t vm_radix_insert_run(struct vm_radix *tree, uint64_t index, uint64_t n, char *first,
                             size_t stride)
{
    uint64_t done = 0;

    while (done < n && vm_radix_insert(tree, index + done, first + done * stride)) {
        uint64_t begin = (index + done) & (RADIX_SLOTS - 1);
        uint64_t end = begin + (n - done) < RADIX_SLOTS ? begin + (n - done) : RADIX_SLOTS;
        struct vm_radix_node *node =
            tree->height != 0 ? vm_radix_descend(tree, index + done) : NULL;

        if (node == NULL) { /* the first of all: it needs no node yet */
            done += 1;
            continue;
        }
        for (uint64_t slot = begin; slot < end; slot += 1, done += 1) {
            node->slot[slot] = first + done * stride;
        }
        node->map |= (~0ul >> (RADIX_SLOTS - (end - begin))) << begin;
    }
    return done;
}

void vm_radix_remove_run(struct vm_radix *tree, uint64_t index, unsigned n)
{
    struct vm_radix_node *node = tree->root;
    unsigned first = vm_radix_slot(1, index);

    assert(vm_radix_lookup(tree, index) != NULL && n != 0 && first + n <= RADIX_SLOTS);
    if (tree->height == 0) {
        tree->root = NULL;
        return;
    }
    for (uint32_t height = tree->height; height > 1; height -= 1) {
        node = node->slot[vm_radix_slot(height, index)];
    }
    for (unsigned slot = first; slot < first + n; slot += 1) {
        assert(node->slot[slot] != NULL);
        node->slot[slot] = NULL;
    }
    node->map &= ~((~0ul >> (RADIX_SLOTS - n)) << first);
    if (node->map <= 1) {
        vm_radix_trim(tree, index);
    }
}

/* The first item at or after *index below node, which is at `height`; sets *index. */
static void *vm_radix_next_in(const struct vm_radix_node *node, uint32_t height, uint64_t *index)
{
    uint32_t shift = (height - 1) * RADIX_BITS;
    unsigned first = vm_radix_slot(height, *index);
    uint64_t left = node->map >> first << first;

    assert(node != NULL);
    while (left != 0) {
        unsigned slot = (unsigned)__builtin_ctzl(left);
        void *item = node->slot[slot];

        if (slot != first) {
            uint64_t above = shift + RADIX_BITS >= 64
                                 ? 0
                                 : *index >> (shift + RADIX_BITS) << (shift + RADIX_BITS);

            *index = above | (uint64_t)slot << shift;
            first = slot;
        }
        if (height > 1) {
            item = vm_radix_next_in(item, height - 1, index);
        }
        if (item != NULL) {
            return item;
        }
        left &= left - 1;
        first = RADIX_SLOTS;
    }
    return NULL;
}

void *vm_radix_next(const struct vm_radix *tree, uint64_t *index)
{
    if (tree->root == NULL || !vm_radix_covers(tree->height, *index)) {
        return NULL;
    }
    if (tree->height == 0) {
        return tree->root;
    }
    return vm_radix_next_in(tree->root, tree->height, index);
}
