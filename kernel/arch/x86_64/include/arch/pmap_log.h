/* pmap_log.h - which pages of a virtual machine's memory its processors have written.
 *
 * While there is a log, a page of its range may be written only once that was noted: it is mapped
 * so by the fault of a write, and by nothing else. The bits in which the hardware notes writes are
 * of no use for this: page replacement takes them, too, and they go with the mapping.
 *
 * A processor that itself tells which pages it notes so (Intel's page modification logging) needs
 * no faults: the bits are cleared in place of the right to write. What it has told is added by
 * pmap_log_note(), after the guest was left. */
#ifndef ARCH_PMAP_LOG_H
#define ARCH_PMAP_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include <mach/machine/vm_types.h>

#include "arch/layout.h"

struct pmap;

/* Keys: [I] immutable, [P] the pmap's lock */
struct pmap_log {
    vm_offset_t start, end; /* [I] page aligned */
    uint64_t *bits;         /* [P] a page each from start on, a multiple of 64; caller's */
    bool is_told;           /* [I] processors tell which pages they write */
};

/* Have it kept from now on, with all pages unwritten. The caller keeps *log until pmap_log_end().
 * False: the pmap has one. Locks: takes PMAP. */
bool pmap_log_begin(struct pmap *pmap, struct pmap_log *log);
/* Processors that run guests on it tell what they write from now on, or no more, if it is by them:
 * before pmap_log_protect(), and after pmap_log_end(). Interrupts enabled. */
void pmap_log_switch(struct pmap *pmap);
/* Is what they write to be told? On the way into a guest, after pmap_nested_enter(). */
bool pmap_log_is_told(const struct pmap *pmap);
/* A processor has written these n pages. Locks: takes PMAP. */
void pmap_log_note(struct pmap *pmap, const uint64_t *addresses, unsigned n);
/* Take away the rights that were there before pmap_log_begin(), or before bits were taken; or have
 * what is written told again. Interrupts enabled. */
void pmap_log_protect(struct pmap *pmap, vm_offset_t start, vm_offset_t end);
/* Take `count` words of bits from page `first` (of the log, a multiple of 64) on; pages written
 * from now on are noted after pmap_log_protect(). Locks: takes PMAP. */
void pmap_log_take(struct pmap *pmap, uint64_t first, uint64_t *words, uint64_t count);
/* End it: what it was, or NULL. Locks: takes PMAP. */
struct pmap_log *pmap_log_end(struct pmap *pmap);

/* For pmap_enter(): the entry for va as it may be, and noted if that is for a write. Locks:
 * pmap->lock held. */
uint64_t pmap_log_entry(struct pmap *pmap, vm_offset_t va, uint64_t entry, unsigned flags);

#endif
