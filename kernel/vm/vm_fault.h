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
struct vm_page;

/* Make the access possible that the kernel needs, in copyin and copyout. Sleeps: yes. Returns:
 * KERN_SUCCESS, KERN_INVALID_ADDRESS, KERN_PROTECTION_FAILURE, KERN_MEMORY_ERROR,
 * KERN_RESOURCE_SHORTAGE, KERN_ABORTED. */
kern_return_t vm_fault(struct vm_map *map, vm_offset_t va, vm_prot_t access);
/* The same for a trap of the current thread in user mode. If it is to wait for a pager that can run
 * at once, this does not return: the thread has no kernel stack meanwhile and goes on in the
 * continuation, which calls the second and may wait there again. What it is about is then in
 * thread->fault. */
kern_return_t vm_fault_user(vm_offset_t va, vm_prot_t access, void (*continuation)(void));
kern_return_t vm_fault_user_continue(void);

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

/* Count the page as wired, for a device that reads it (VM_PROT_READ), or writes it too, past the
 * page tables. A page that is new is not taken from the reserve, whoever asks: it is for what a
 * device has for somebody. Sleeps: for the map's lock alone; map not locked. Refs: the caller owns
 * the count, and one to page->object, which stays that; both go with vm_fault_unpin(). Returns: as
 * vm_fault, at once when there is no memory, and KERN_ABORTED when the page is at a pager. */
kern_return_t vm_fault_pin(struct vm_map *map, vm_offset_t va, vm_prot_t access,
                           struct vm_page **page);
void vm_fault_unpin(struct vm_page *page);

#endif
