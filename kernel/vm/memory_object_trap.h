/* memory_object_trap.h - a trap for pagers. */
#ifndef VM_MEMORY_OBJECT_TRAP_H
#define VM_MEMORY_OBJECT_TRAP_H

#include <mach/kern_return.h>
#include <mach/machine/vm_types.h>
#include <mach/port.h>
#include <mach/vm_prot.h>

/* memory_object_data_supply with pages of the caller's memory that move: [address, address + size),
 * page aligned and at most 64 MiB, is zero-filled afterwards where only the caller saw it, and
 * copied where not. `control` is a name in the current task's space. Sleeps: yes. Returns:
 * MACH_SEND_INTERRUPTED (it is no control port: send the message), KERN_SUCCESS,
 * KERN_INVALID_ARGUMENT, KERN_INVALID_ADDRESS, KERN_PROTECTION_FAILURE, KERN_MEMORY_ERROR,
 * KERN_RESOURCE_SHORTAGE, KERN_ABORTED; on an error the pages before the one at fault have been
 * supplied. */
kern_return_t syscall_memory_object_supply(mach_port_name_t control, vm_offset_t offset,
                                           vm_offset_t address, vm_size_t size,
                                           vm_prot_t lock_value, int precious);

#endif
