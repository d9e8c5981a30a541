/* terminate.c - memory_object_terminate: the kernel does not know the object any more, and gives
 * the ports of its side away. */
#include "pager/pager_impl.h"

#include <mach_port.h>
#include <memory_object_server.h>
#include <portolan/portolan.h>

/* Drop a receive right and what is left of the send right to it. */
static void terminate_drop(mach_port_t port)
{
    if (MACH_PORT_VALID(port)) {
        portolan_port_destroy_receive(port);
        pager_control_drop(port);
    }
}

kern_return_t memory_object_terminate(mach_port_t memory_object, mach_port_t memory_control,
                                      mach_port_t memory_object_name)
{
    struct pager *pager = pager_served(memory_control);

    (void)memory_object;
    if (pager == NULL || pager->name != memory_object_name) {
        return KERN_FAILURE;
    }
    pager_set_control(pager, MACH_PORT_NULL);
    pager->name = MACH_PORT_NULL;
    terminate_drop(memory_control);
    terminate_drop(memory_object_name);
    return KERN_SUCCESS;
}
