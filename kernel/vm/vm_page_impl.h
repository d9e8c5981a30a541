/* vm_page_impl.h - zones of physical memory: what the debugger needs of vm_page.c. */
#ifndef VM_VM_PAGE_IMPL_H
#define VM_VM_PAGE_IMPL_H

#include "kern/spinlock.h"
#include "vm/vm_page.h"

enum zone_index { ZONE_LOW, ZONE_DMA32, ZONE_NORMAL, ZONE_COUNT };

/* Keys: [L] this->lock, read anywhere as a hint */
struct vm_page_zone {
    struct spinlock lock;                    /* PHYS */
    struct list free[VM_PAGE_ORDER_MAX + 1]; /* [L] */
    uint64_t free_pages;                     /* [L] */
    uint64_t total_pages;                    /* [L] */
    uint64_t hold;                           /* [L] kept for requests that need this zone */
};

extern struct vm_page_zone vm_page_zones[ZONE_COUNT];

struct vm_page_zone *vm_page_zone(const struct vm_page *page);

#endif
