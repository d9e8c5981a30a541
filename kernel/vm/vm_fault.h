/* vm_fault.h - page faults: find the page behind an address and map it, or copy bytes of it for the
 * kernel. */
#ifndef VM_VM_FAULT_H
#define VM_VM_FAULT_H

#include <stddef.h>
#include <stdint.h>

#include <mach/kern_return.h>
#include <mach/machine/vm_types.h>
#include <mach/vm_prot.h>

struct vm_map;

/* Make the access possible: by a trap of the task, or of the kernel in copyin and copyout. Sleeps:
 * yes. Returns: KERN_SUCCESS, KERN_INVALID_ADDRESS, KERN_PROTECTION_FAILURE, KERN_MEMORY_ERROR,
 * KERN_RESOURCE_SHORTAGE. */
kern_return_t vm_fault(struct vm_map *map, vm_offset_t va, vm_prot_t access);

/* Copy n bytes out of or into any map, also one that is not current. Memory never touched reads as
 * zeroes and stays untouched. Sleeps: yes; map not locked. Returns: as vm_fault; after an error
 * part may have been copied. */
kern_return_t vm_fault_read(struct vm_map *map, vm_offset_t va, void *buffer, size_t n);
kern_return_t vm_fault_write(struct vm_map *map, vm_offset_t va, const void *buffer, size_t n);

/* vm_fault_read for a range that lies in one page of a map the caller has locked. Sleeps: no.
 * Returns: as vm_fault, and KERN_ABORTED when the page is busy. */
kern_return_t vm_fault_read_locked(struct vm_map *map, vm_offset_t va, void *buffer, size_t n);

/* Make the page private to its entry, map it and count it as wired. Locks: map locked. Sleeps: no.
 * Returns: as vm_fault, and KERN_ABORTED when the page is busy: unlock, vm_fault() it, start over.
 */
kern_return_t vm_fault_wire(struct vm_map *map, vm_offset_t va);

#endif
