/* vm_fault_large.h - 2 MiB in one fault. */
#ifndef VM_VM_FAULT_LARGE_H
#define VM_VM_FAULT_LARGE_H

#include <stdbool.h>

#include <mach/machine/vm_types.h>

struct vm_map;
struct vm_map_entry;

/* Fill and map the 2 MiB from va, aligned to that, which a write is made to and which the entry
 * allows. Locks: map's held. Sleeps: no. Returns: false when it was not mapped: not all fresh, or
 * no memory for it. */
bool vm_fault_large(struct vm_map *map, struct vm_map_entry *entry, vm_offset_t va);
/* Map the 2 MiB from va, aligned to that, of which a read is made and which the entry allows, for
 * reading. Locks: map's held. Sleeps: no. Returns: false when nothing was mapped: they are not
 * pages of a memory object that are all there, side by side and mapped nowhere, or no memory for a
 * table. */
bool vm_fault_large_read(struct vm_map *map, struct vm_map_entry *entry, vm_offset_t va);

#endif
