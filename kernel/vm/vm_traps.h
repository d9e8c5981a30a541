/* vm_traps.h - traps that do without a message what vm_map, vm_allocate and vm_deallocate do with
 * one. */
#ifndef VM_VM_TRAPS_H
#define VM_VM_TRAPS_H

#include <mach/kern_return.h>
#include <mach/machine/vm_types.h>
#include <mach/port.h>
#include <mach/vm_inherit.h>
#include <mach/vm_prot.h>

#include "arch/usercopy.h"

/* `task` is a name in the current task's space. When it is not a task of this host the answer is
 * MACH_SEND_INTERRUPTED: the library then sends the message instead. KERN_INVALID_ADDRESS when
 * *address cannot be read or written. Returns: MACH_SEND_INTERRUPTED, KERN_INVALID_ADDRESS, and
 * those of vm_map. */
kern_return_t syscall_vm_map(mach_port_name_t task, user_addr_t address, vm_size_t size,
                             vm_offset_t mask, int anywhere, mach_port_name_t memory_object,
                             vm_offset_t offset, int copy, vm_prot_t cur_protection,
                             vm_prot_t max_protection, vm_inherit_t inheritance);
/* Returns: MACH_SEND_INTERRUPTED, KERN_INVALID_ADDRESS, and those of vm_allocate. */
kern_return_t syscall_vm_allocate(mach_port_name_t task, user_addr_t address, vm_size_t size,
                                  int anywhere);
/* Returns: MACH_SEND_INTERRUPTED, and those of vm_deallocate. */
kern_return_t syscall_vm_deallocate(mach_port_name_t task, vm_offset_t address, vm_size_t size);

#endif
