/* vm_check.h - walks over the structures of memory, for tests. Each panics where an invariant is
 * broken. */
#ifndef DDB_VM_CHECK_H
#define DDB_VM_CHECK_H

#include <stddef.h>

struct rbtree;
struct vm_map;

/* Links, colours and black heights. Returns the number of nodes. */
size_t vm_check_tree(const struct rbtree *tree);
/* Entries, gaps and counts of a map. Locks: takes the map's. */
void vm_check_map(struct vm_map *map);
/* Ranges of kernel addresses tile the kernel map. Locks: takes KMEM. */
void vm_check_kmem(void);
/* Blocks, counts and states of the free lists of all zones. Locks: takes PHYS. */
void vm_check_pages(void);

#endif
