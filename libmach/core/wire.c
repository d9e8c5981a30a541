/* wire.c - a program whose memory stays in memory: one that others get memory by. */
#include <mach.h>
#include <mach/vm_param.h>
#include <mach_host.h>
#include <mach_port.h>
#include <portolan/portolan.h>

#include "posix/posix.h"

#define STACK_KEPT (64ul * 1024)

/* The region at *address or behind. Returns: false when there is none. */
static bool wire_region(vm_address_t *address, vm_size_t *size, vm_prot_t *protection)
{
    vm_prot_t max_protection;
    vm_inherit_t inheritance;
    boolean_t shared;
    mach_port_t name = MACH_PORT_NULL;
    vm_offset_t offset;
    kern_return_t kr = vm_region(mach_task_self(), address, size, protection, &max_protection,
                                 &inheritance, &shared, &name, &offset);

    if (kr == KERN_SUCCESS && MACH_PORT_VALID(name)) {
        mach_port_deallocate(mach_task_self(), name);
    }
    return kr == KERN_SUCCESS;
}

void portolan_trim_stack(void)
{
    vm_address_t here = mach_trunc_page((vm_address_t)__builtin_frame_address(0));
    vm_address_t start = here;
    vm_size_t size;
    vm_prot_t protection;

    if (wire_region(&start, &size, &protection) && start + STACK_KEPT < here) {
        vm_deallocate(mach_task_self(), start, here - STACK_KEPT - start);
    }
}

kern_return_t portolan_wire(mach_port_t host)
{
    vm_address_t at = 0;
    vm_size_t size;
    vm_prot_t protection;
    kern_return_t kr = KERN_SUCCESS;

    portolan_trim_stack();
    for (; kr == KERN_SUCCESS && wire_region(&at, &size, &protection); at += size) {
        if (protection != VM_PROT_NONE) {
            kr = vm_wire(host, mach_task_self(), at, size, protection);
        }
    }
    if (kr == KERN_SUCCESS) {
        memory_wire_future(host);
    }
    return kr;
}
