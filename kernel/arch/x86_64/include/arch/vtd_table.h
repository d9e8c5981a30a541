/* vtd_table.h - second-level page tables of a remapping unit: from bus addresses of a device to
 * memory, in pages of 4 KiB (Intel VT-d specification 4.1, 3.7 and 9.8). The caller sees to it that
 * one page is changed by one processor at a time, and that the unit forgets what was cleared. */
#ifndef ARCH_VTD_TABLE_H
#define ARCH_VTD_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "arch/layout.h"

#define VTD_TABLE_READ  1ull
#define VTD_TABLE_WRITE 2ull
#define VTD_TABLE_FRAME 0x000ffffffffff000ull

/* Keys: [C] the caller's to order */
struct vtd_table {
    phys_addr_t root;
    unsigned levels;  /* 3: 39 bits, 4: 48 bits */
    bool is_coherent; /* the unit sees what is in the processor's caches */
    uint32_t ntables; /* [C] pages of memory in use, the root among them */
};

/* An empty one. Sleeps: no. Returns: false when out of memory. */
bool vtd_table_build(struct vtd_table *table, unsigned levels, bool is_coherent);
/* Free all of it; the unit must not use it any more. */
void vtd_table_destroy(struct vtd_table *table);
/* Make the tables for [bus, bus + size), so that its pages can be set. Sleeps: no. Returns: false
 * when out of memory (what was made stays), or the range is beyond the table's reach. */
bool vtd_table_reserve(struct vtd_table *table, uint64_t bus, uint64_t size);
/* Let the page at `bus`, which was reserved and is clear, be that of phys. */
void vtd_table_set(struct vtd_table *table, uint64_t bus, phys_addr_t phys, bool is_writable);
/* Clear the page, which was reserved and is set. */
void vtd_table_clear(struct vtd_table *table, uint64_t bus);
/* The entry of the page: its frame, VTD_TABLE_READ and VTD_TABLE_WRITE; 0 when there is none. */
uint64_t vtd_table_entry(const struct vtd_table *table, uint64_t bus);

#endif
