/* pmap_impl.h - shared by the files of the pmap: the structure, the bits of page table entries, the
 * walk. */
#ifndef ARCH_PMAP_IMPL_H
#define ARCH_PMAP_IMPL_H

#include "arch/cpu.h"
#include "arch/pmap.h"
#include "kern/spinlock.h"

#define PTE_PRESENT       0x001ul
#define PTE_WRITE         0x002ul
#define PTE_USER          0x004ul
#define PTE_WRITE_THROUGH 0x008ul
#define PTE_NOCACHE       0x010ul
#define PTE_ACCESSED      0x020ul
#define PTE_DIRTY         0x040ul
#define PTE_LARGE         0x080ul /* in a directory entry */
#define PTE_PAT           0x080ul /* in a 4 KiB entry: with the other two clear, write-combining */
#define PTE_GLOBAL        0x100ul
#define PTE_WIRED         0x200ul /* ours */
#define PTE_MANAGED       0x400ul /* ours: the mapping is in the page's list */
#define PTE_NX            (1ul << 63)
#define PTE_FRAME         0x000ffffffffff000ul
/* In an entry that points to a table: how many entries of that table are present. Bits the hardware
 * ignores. */
#define PTE_COUNT_ONE (1ul << 52)
#define PTE_COUNT     (0x3fful << 52)

#define PMAP_PML4_INDEX(va) ((va) >> 39 & 511)
#define PMAP_ENTRIES        512
#define PMAP_KERNEL_ENTRY   256 /* first entry of the kernel half */

/* Keys: [I] immutable, [L] this->lock, [a] atomic */
struct pmap {
    struct spinlock lock;  /* PMAP */
    uint64_t *pml4;        /* [I] */
    phys_addr_t pml4_phys; /* [I] */
    uint32_t stale;        /* [a] processors that must flush before they use it again (PCID only) */
    uint32_t pcid;         /* [I] 0: none of its own */
    bool is_nested;        /* [I] of a virtual machine (pmap_nested.h) */
    uint8_t used_shift;    /* [I] from PTE_ACCESSED and PTE_DIRTY to where its entries have them:
                            * EPT_USED_SHIFT when they are extended ones (pmap_ept.h), or 0 */
    uint64_t flushes;      /* [a] its invalidations, if it is */
    uint64_t resident;     /* [a] pages mapped */
    uint64_t tables;       /* [L] pages of tables */
    struct ledger *ledger; /* [L] that they are charged to, or NULL */
    struct pmap_log *log;  /* [L] of written pages, or NULL (pmap_log.h) */
    bool is_told;          /* [a] log->is_told, for who has no lock */
};

/* A range whose translations other processors may still hold. */
struct pmap_flush {
    struct pmap *pmap;
    uint64_t start, end; /* empty when start >= end */
};

static inline uint64_t *pmap_table(uint64_t entry)
{
    return phys_to_virt(entry & PTE_FRAME);
}

/* A page for one more table; NULL when memory or the ledger is out. Locks: pmap->lock held. */
struct vm_page *pmap_table_alloc(struct pmap *pmap);

/* The 4 KiB entry for va and the entry that points to its table; NULL when there is no such table.
 * A large mapping is split. Locks: pmap->lock, or the PV lock of the page mapped at va, which keeps
 * the tables on its path.
 */
uint64_t *pmap_find_entry(struct pmap *pmap, uint64_t va, uint64_t **directory_entry);

/* pmap_flush.c: invalidate on this processor and on all others that use the pmap. Interrupts
 * enabled, no pmap lock held. */
void pmap_flush_range(struct pmap *pmap, uint64_t start, uint64_t end);
/* Invalidate on this processor only. */
void pmap_flush_local(struct pmap *pmap, uint64_t start, uint64_t end);
/* Make every processor leave the pmap. */
void pmap_flush_leave(struct pmap *pmap);

/* pmap_large.c: mappings of 2 MiB of managed pages. `directory` is the entry that points to the
 * table with theirs. */

/* All that a mapping of these pages at va needs beside its entry. Locks: pmap->lock held; nobody
 * else knows the pages, or the lock of their object. Returns: false when out of memory, with
 * nothing changed. */
bool pmap_large_prepare(struct pmap *pmap, uint64_t va, struct vm_page *pages, uint64_t *directory);
/* Make *entry of the pmap, if it maps 2 MiB of managed pages, point to a table that maps the same
 * page by page.
 * Locks: as pmap_find_entry; takes PMAP_LARGE. Returns: whether it points to a table. */
bool pmap_large_split(const struct pmap *pmap, uint64_t *entry, const uint64_t *directory);

/* pmap_pv.c: the list of mappings of a page. Locks: takes PV. pmap_pv_insert returns false when out
 * of memory. */
bool pmap_pv_insert(struct vm_page *page, struct pmap *pmap, uint64_t va);
/* n neighbouring entries of one table, and the mappings on their pages' lists. Enter: where a page
 * at rest is given and nothing is mapped, as far as memory goes; `bits` are those of the entry
 * beside its frame. Remove: whatever is mapped. Both return how many. */
unsigned pmap_pv_enter_batch(struct pmap *pmap, uint64_t va, uint64_t *entries,
                             struct vm_page *const *pages, unsigned n, uint64_t bits);
unsigned pmap_pv_remove_batch(struct pmap *pmap, uint64_t va, uint64_t *entries, unsigned n);
/* Clear in n entries of one table that they were written, which their pages remember. True: one
 * was. Locks: pmap->lock held. */
bool pmap_pv_clean(struct pmap *pmap, uint64_t *entries, uint64_t n);
/* The same for all that is mapped in the range, where large mappings are divided; one that cannot
 * be loses the right to write. Interrupts enabled. */
void pmap_clean(struct pmap *pmap, vm_offset_t start, vm_offset_t end);
void pmap_pv_init(void);

#endif
