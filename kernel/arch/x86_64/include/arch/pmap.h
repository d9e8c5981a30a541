/* pmap.h - the physical map: page tables of an address space and the reverse map from pages to
 * mappings.
 *
 * The pmap is a cache of what vm_map says: every mapping may be thrown away and is entered again by
 * a fault. Wired mappings stay. Locks: pmap->lock (PMAP) orders changes of one address space; a
 * hashed lock (PV) guards the mappings of a page. TLBs of other processors are invalidated before a
 * call returns, so all calls that take access away need interrupts enabled. */
#ifndef ARCH_PMAP_H
#define ARCH_PMAP_H

#include <stdbool.h>
#include <stdint.h>

#include <mach/kern_return.h>
#include <mach/machine/vm_types.h>
#include <mach/vm_prot.h>

#include "arch/layout.h"

struct ledger;
struct pmap;
struct vm_page;

/* One mapping of a page; the first is embedded in struct vm_page, further ones come from a cache.
 */
struct pv_entry {
    struct pmap *pmap; /* [PV] NULL when the page is not mapped */
    uint64_t va;       /* [PV] */
    struct pv_entry *next;
};

#define PMAP_WIRED   1u /* counts in the statistics; stays until removed */
#define PMAP_NOCACHE 2u /* device registers */
#define PMAP_WC      4u /* frame buffers: write-combining */
#define PMAP_WRITTEN 8u /* because it is written now (pmap_log.h) */

/* A new empty address space with the kernel half shared. NULL when out of memory. Refs: caller owns
 * one. */
struct pmap *pmap_create(void);
/* Free the tables. All user mappings must be gone (pmap_remove of everything), no processor may run
 * on it. */
void pmap_destroy(struct pmap *pmap);
/* Charge the pages of tables, now and from now on, to a ledger; NULL: to nobody any more. False,
 * and nothing changed, when that passes its limit. Locks: takes PMAP. */
bool pmap_charge_to(struct pmap *pmap, struct ledger *ledger);
/* The map of the kernel half. */
struct pmap *pmap_kernel(void);

/* Map a page, replacing what was there. Returns: KERN_SUCCESS, KERN_RESOURCE_SHORTAGE (no page for
 * a table, or the ledger is at its limit; another page is not mapped there any more). */
kern_return_t pmap_enter(struct pmap *pmap, vm_offset_t va, phys_addr_t phys, vm_prot_t prot,
                         unsigned flags);
/* Map managed pages, those of n that are not NULL and at rest, at neighbouring addresses of one
 * 2 MiB span where nothing is mapped. As far as memory goes: what is left out is entered by faults.
 * Not for the last page of the user half. */
void pmap_enter_batch(struct pmap *pmap, vm_offset_t va, struct vm_page *const *pages, unsigned n,
                      vm_prot_t prot);
/* Map 2 MiB, aligned both ways, where no table is. In the user half its managed pages, which
 * were never mapped and whose object is locked, are on their lists as if each was entered; not for
 * the end of that half. Returns: KERN_SUCCESS, KERN_INVALID_ARGUMENT (a table is there, or a log
 * is kept),
 * KERN_RESOURCE_SHORTAGE; after an error nothing changed. */
kern_return_t pmap_enter_large(struct pmap *pmap, vm_offset_t va, phys_addr_t phys, vm_prot_t prot,
                               unsigned flags);
void pmap_remove(struct pmap *pmap, vm_offset_t start, vm_offset_t end);
/* Lower the protection of what is mapped in the range; never raises it. VM_PROT_NONE removes. */
void pmap_protect(struct pmap *pmap, vm_offset_t start, vm_offset_t end, vm_prot_t prot);
/* The physical address mapped at va; false when nothing is. */
bool pmap_extract(struct pmap *pmap, vm_offset_t va, phys_addr_t *phys);
/* Is there a page at va in the kernel half? Takes no lock: for the debugger and panics. */
bool pmap_kernel_can_read(uint64_t va);
uint64_t pmap_resident_count(const struct pmap *pmap);
/* Pages of the kernel's own tables made since start-up: they stay. Locks: none held. */
uint64_t pmap_kernel_table_count(void);
/* Make the address space the one this processor runs on. Preemption disabled. */
void pmap_activate(struct pmap *pmap);

/* Operations on every mapping of a page. */
void pmap_page_protect(struct vm_page *page, vm_prot_t prot);
bool pmap_is_modified(struct vm_page *page);
void pmap_clear_modified(struct vm_page *page);
bool pmap_is_referenced(struct vm_page *page);
void pmap_clear_referenced(struct vm_page *page);
/* A page without mappings: forget what was done through those it had. */
void pmap_forget_page(struct vm_page *page);

/* Give back what is kept for the next mappings. Locks: takes PV, SLAB. */
void pmap_drain_cache(void);
void pmap_zero_page(phys_addr_t phys);
void pmap_copy_page(phys_addr_t source, phys_addr_t destination);

#endif
