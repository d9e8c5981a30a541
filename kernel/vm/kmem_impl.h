/* kmem_impl.h - ranges of kernel addresses: what the debugger needs of kmem.c. */
#ifndef VM_KMEM_IMPL_H
#define VM_KMEM_IMPL_H

#include "kern/list.h"
#include "kern/rbtree.h"
#include "kern/spinlock.h"
#include "vm/kmem.h"

/* Keys: [L] kmem_lock */
struct kmem_range {
    struct rbnode node; /* [L] in kmem_tree by start */
    struct list bin;    /* [L] on kmem_bins while free */
    vm_offset_t start;  /* [L] */
    vm_offset_t end;    /* [L] */
    bool free;          /* [L] */
};

extern struct spinlock kmem_lock;
extern struct rbtree kmem_tree; /* [L] */

#endif
