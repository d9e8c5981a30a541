/* mach_debug_server.c - the routines of mach_debug.defs on the host: kernel stacks, and hash tables
 * this kernel does not have. */
#include "arch/thread_state.h"
#include "kern/stack.h"
#include "mach_debug_kernel_server.h"
#include "mach_i386_kernel_server.h"

/* Stacks are not watched for their deepest use: maxusage is the size of one. Returns: KERN_SUCCESS.
 */
kern_return_t host_stack_usage(host_t host, vm_size_t *reserved, unsigned *total, vm_size_t *space,
                               vm_size_t *resident, vm_size_t *maxusage, vm_offset_t *maxstack)
{
    *reserved = 0;
    *total = (unsigned)stack_count();
    *space = stack_count() * KERNEL_STACK_SIZE;
    *resident = *space;
    *maxusage = KERNEL_STACK_SIZE;
    *maxstack = 0;
    return KERN_SUCCESS;
}

/* Returns: KERN_SUCCESS. */
kern_return_t processor_set_stack_usage(processor_set_name_t set, unsigned *total, vm_size_t *space,
                                        vm_size_t *resident, vm_size_t *maxusage,
                                        vm_offset_t *maxstack)
{
    vm_size_t reserved;

    return host_stack_usage(NULL, &reserved, total, space, resident, maxusage, maxstack);
}

/* Msg-accepted requests are kept with their space, not in a table of the host: it has no buckets.
 * Returns: KERN_SUCCESS. */
kern_return_t host_ipc_marequest_info(host_t host, unsigned *max_requests, struct vm_copy **info,
                                      mach_msg_type_number_t *count)
{
    *max_requests = 0;
    *info = NULL;
    *count = 0;
    return KERN_SUCCESS;
}

/* Resident pages are found through their object, not through a table of the host. Returns:
 * KERN_SUCCESS. */
kern_return_t host_virtual_physical_table_info(host_t host, struct vm_copy **info,
                                               mach_msg_type_number_t *count)
{
    *info = NULL;
    *count = 0;
    return KERN_SUCCESS;
}

/* Returns: KERN_SUCCESS. */
kern_return_t i386_get_xstate_size(host_t host, vm_size_t *size)
{
    *size = thread_state_xfloat_size();
    return KERN_SUCCESS;
}
