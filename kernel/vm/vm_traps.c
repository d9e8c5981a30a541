/* vm_traps.c - trap twins of the hot memory routines: the same functions, found by the name of the
 * task port. */
#include "vm/vm_traps.h"

#include "ipc/ipc_port.h"
#include "ipc/ipc_space.h"
#include "kern/ipc_tt.h"
#include "kern/task.h"
#include "vm/vm_map.h"
#include "vm/vm_user.h"

/* The map of a task, perhaps the current one. */
static __attribute__((noinline)) struct vm_map *vm_trap_named_map(mach_port_name_t task)
{
    struct vm_map *map = port_name_to_map(task);

    if (map == current_task()->map) {
        vm_map_unref(map);
    }
    return map;
}

/* The map of the task so named; NULL: there is none. That of the current task needs no reference,
 * as its threads keep it. */
static inline struct vm_map *vm_trap_map(mach_port_name_t task)
{
    struct task *self = current_task();

    return ipc_space_names_own_task(self->space, task) ? self->map : vm_trap_named_map(task);
}

static inline void vm_trap_done(struct vm_map *map)
{
    if (map != current_task()->map) {
        vm_map_unref(map);
    }
}

/* Give the address back to the caller; what was mapped there goes again when that fails. */
static kern_return_t vm_trap_return_address(struct vm_map *map, user_addr_t where,
                                            const vm_address_t *address, vm_size_t size)
{
    kern_return_t kr = copyout(address, where, sizeof(*address));

    if (kr != KERN_SUCCESS) {
        (void)vm_deallocate(map, *address, size);
    }
    return kr;
}

kern_return_t syscall_vm_map(mach_port_name_t task, user_addr_t address, vm_size_t size,
                             vm_offset_t mask, int anywhere, mach_port_name_t memory_object,
                             vm_offset_t offset, int copy, vm_prot_t cur_protection,
                             vm_prot_t max_protection, vm_inherit_t inheritance)
{
    struct vm_map *map = vm_trap_map(task);
    struct ipc_port *port = IP_NULL;
    vm_address_t at;
    kern_return_t kr;

    if (map == NULL || (memory_object != MACH_PORT_NAME_NULL &&
                        ipc_space_copyin_right(current_task()->space, memory_object,
                                               MACH_MSG_TYPE_COPY_SEND, &port) != KERN_SUCCESS)) {
        vm_trap_done(map);
        return MACH_SEND_INTERRUPTED; /* the message tells what is wrong with the names */
    }
    kr = copyin(address, &at, sizeof(at));
    if (kr == KERN_SUCCESS) {
        kr = vm_map(map, &at, size, mask, anywhere, port, offset, copy, cur_protection,
                    max_protection, inheritance);
    }
    if (kr == KERN_SUCCESS) {
        kr = vm_trap_return_address(map, address, &at, size);
    } else {
        ipc_port_release_send(port);
    }
    vm_trap_done(map);
    return kr;
}

kern_return_t syscall_vm_allocate(mach_port_name_t task, user_addr_t address, vm_size_t size,
                                  int anywhere)
{
    struct vm_map *map = vm_trap_map(task);
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
        kr = vm_trap_return_address(map, address, &at, size);
    }
    vm_trap_done(map);
    return kr;
}

kern_return_t syscall_vm_deallocate(mach_port_name_t task, vm_offset_t address, vm_size_t size)
{
    struct vm_map *map;
    kern_return_t kr;

    if (ipc_space_names_own_task(current_task()->space, task)) {
        return vm_deallocate(current_task()->map, address, size);
    }
    map = vm_trap_named_map(task);
    kr = map != NULL ? vm_deallocate(map, address, size) : MACH_SEND_INTERRUPTED;
    vm_trap_done(map);
    return kr;
}
