/* vm_radix.h - a small radix tree from page numbers to pages: 64 ways a level, as many levels as
 * the largest number needs.
 *
 * An object of one page has no node at all. Locks: none here; the owner's lock guards the tree. */
#ifndef VM_VM_RADIX_H
#define VM_VM_RADIX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct vm_radix {
    void *root;      /* a node, or the item itself when height is 0 */
    uint32_t height; /* levels of nodes */
};

/* Once, after slab_bootstrap(). */
void vm_radix_bootstrap(void);

static inline void vm_radix_init(struct vm_radix *tree)
{
    tree->root = 0;
    tree->height = 0;
}

/* The item at index, or NULL. */
void *vm_radix_lookup(const struct vm_radix *tree, uint64_t index);
/* The places from index on that lie side by side: at most *n (not 0), which becomes their number.
 * NULL when all of those are empty. What is there may be replaced until the next change. */
void **vm_radix_run(struct vm_radix *tree, uint64_t index, unsigned *n);
/* Put item where there is none. Sleeps: no. Returns: false when out of memory, with nothing
 * changed. */
bool vm_radix_insert(struct vm_radix *tree, uint64_t index, void *item);
/* Put n items, `stride` bytes apart from `first` on, where there are none. Sleeps: no. Returns: how
 * many were put in before memory was out. */
uint64_t vm_radix_insert_run(struct vm_radix *tree, uint64_t index, uint64_t n, char *first,
                             size_t stride);
/* Take out the n items from index on, which must be there; none is behind a multiple of 64. */
void vm_radix_remove_run(struct vm_radix *tree, uint64_t index, unsigned n);
/* Take the item at index out; it must be there. */
static inline void vm_radix_remove(struct vm_radix *tree, uint64_t index)
{
    vm_radix_remove_run(tree, index, 1);
}
/* The first item at or after *index, which becomes its index; NULL when there is none. */
void *vm_radix_next(const struct vm_radix *tree, uint64_t *index);

#endif
