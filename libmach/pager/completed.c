/* completed.c - what the kernel confirms. The library waits for that on a port of its own
 * (control.c), so on an object's port none of it is expected: the stubs give the rights back. */
#include "pager/pager_impl.h"

#include <memory_object_server.h>

kern_return_t memory_object_lock_completed(mach_port_t memory_object, mach_port_t memory_control,
                                           vm_offset_t offset, vm_size_t length)
{
    (void)memory_object;
    (void)memory_control;
    (void)offset;
    (void)length;
    return KERN_FAILURE;
}

kern_return_t memory_object_supply_completed(mach_port_t memory_object, mach_port_t memory_control,
                                             vm_offset_t offset, vm_size_t length,
                                             kern_return_t result, vm_offset_t error_offset)
{
    (void)memory_object;
    (void)memory_control;
    (void)offset;
    (void)length;
    (void)result;
    (void)error_offset;
    return KERN_FAILURE;
}

kern_return_t memory_object_change_completed(mach_port_t memory_object, boolean_t may_cache,
                                             memory_object_copy_strategy_t copy_strategy)
{
    (void)memory_object;
    (void)may_cache;
    (void)copy_strategy;
    return KERN_FAILURE;
}
