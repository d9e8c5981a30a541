/* vm_traps.c - trap twins of the hot memory routines: the same functions, found by the name of the
 * task port. */
#include "vm/vm_traps.h"

#include "ipc/ipc_port.h"
#include "ipc/ipc_space.h"
#include "kern/ipc_tt.h"
#include "kern/task.h"
#include "vm/vm_map.h"
#include "vm/vm_user.h"

/* Give the address back to the caller; what was mapped there goes again when that fails. */
static kern_return_t vm_trap_return_address(struct vm_map *map, user_addr_t where,
                                            vm_address_t address, vm_size_t size)
{
    kern_return_t kr = copyout(&address, where, sizeof(address));

    if (kr != KERN_SUCCESS) {
        (void)vm_deallocate(map, address, size);
    }
    return kr;
}

kern_return_t syscall_vm_map(mach_port_name_t task, user_addr_t address, vm_size_t size,
                             vm_offset_t mask, int anywhere, mach_port_name_t memory_object,
                             vm_offset_t offset, int copy, vm_prot_t cur_protection,
                             vm_prot_t max_protection, vm_inherit_t inheritance)
{
    struct vm_map *map = port_name_to_map(task);
    struct ipc_port *port = IP_NULL;
    vm_address_t at;
    kern_return_t kr;

    if (map == NULL || (memory_object != MACH_PORT_NAME_NULL &&
                        ipc_space_copyin_right(current_task()->space, memory_object,
                                               MACH_MSG_TYPE_COPY_SEND, &port) != KERN_SUCCESS)) {
        vm_map_unref(map);
        return MACH_SEND_INTERRUPTED; /* the message tells what is wrong with the names */
    }
    kr = copyin(address, &at, sizeof(at));
    if (kr == KERN_SUCCESS) {
        kr = vm_map(map, &at, size, mask, anywhere, port, offset, copy, cur_protection,
                    max_protection, inheritance);
    }
    if (kr == KERN_SUCCESS) {
        kr = vm_trap_return_address(map, address, at, size);
    } else {
        ipc_port_release_send(port);
    }
    vm_map_unref(map);
    return kr;
}

kern_return_t syscall_vm_allocate(mach_port_name_t task, user_addr_t address, vm_size_t size,
                                  int anywhere)
{
    struct vm_map *map = port_name_to_map(task);
    vm_address_t at = 0;
    kern_return_t kr = KERN_SUCCESS;

    if (map == NULL) {
        return MACH_SEND_INTERRUPTED;
    }
    if (!anywhere) {
        kr = copyin(address, &at, sizeof(at));
    }
    if (kr == KERN_SUCCESS) {
        kr = vm_allocate(map, &at, size, anywhere);
    }
    if (kr == KERN_SUCCESS) {
        kr = vm_trap_return_address(map, address, at, size);
    }
    vm_map_unref(map);
    return kr;
}

kern_return_t syscall_vm_deallocate(mach_port_name_t task, vm_offset_t address, vm_size_t size)
{
    struct vm_map *map = port_name_to_map(task);
    kern_return_t kr = map != NULL ? vm_deallocate(map, address, size) : MACH_SEND_INTERRUPTED;

    vm_map_unref(map);
    return kr;
}
