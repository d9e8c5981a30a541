/* ports.c - I/O ports by the right the kernel makes of the hardware port. The right is kept only
 * for the call: the grant stays with the task. */
#include "ports.h"

#include <mach_i386.h>
#include <mach_port.h>
#include <portolan/portolan.h>

bool ports_grant(mach_port_t hardware, uint16_t first, uint16_t last)
{
    mach_port_t range;
    kern_return_t kr;

    if (i386_io_perm_create(hardware, first, last, &range) != KERN_SUCCESS) {
        return false;
    }
    kr = i386_io_perm_modify(mach_task_self(), range, TRUE);
    mach_port_deallocate(mach_task_self(), range);
    return kr == KERN_SUCCESS;
}
