/* mach_debug_port.c - the routines of mach_debug.defs that look into ports. See mach_port.h.
 * NO_LOCK_ANALYSIS: as in mach_port.c. */
#include "ipc/ipc_port.h"
#include "ipc/ipc_right.h"
#include "ipc/ipc_space.h"
#include "ipc/mach_port.h"

kern_return_t mach_port_get_srights(struct ipc_space *space, mach_port_name_t name,
                                    mach_port_rights_t *srights) NO_LOCK_ANALYSIS
{
    struct ipc_port *port;
    kern_return_t kr = mach_port_lock_receive(space, name, &port);

    if (kr == KERN_SUCCESS) {
        *srights = port->srights;
        spin_unlock(&port->lock);
    }
    return kr;
}

kern_return_t mach_port_dnrequest_info(struct ipc_space *space, mach_port_name_t name,
                                       uint32_t *total, uint32_t *used) NO_LOCK_ANALYSIS
{
    struct ipc_port *port;
    kern_return_t kr = mach_port_lock_receive(space, name, &port);

    if (kr == KERN_SUCCESS) {
        /* Requests are a list: there are never more places than requests. */
        *total = port->dnrequest_count;
        *used = port->dnrequest_count;
        spin_unlock(&port->lock);
    }
    return kr;
}

kern_return_t mach_port_kernel_object(struct ipc_space *space, mach_port_name_t name,
                                      uint32_t *object_type,
                                      uint64_t *object_address) NO_LOCK_ANALYSIS
{
    struct ipc_entry *entry;
    kern_return_t kr = mach_port_lookup(space, name, &entry);

    if (kr != KERN_SUCCESS) {
        return kr;
    }
    kr = KERN_INVALID_RIGHT;
    if ((entry->bits & MACH_PORT_TYPE_SEND_RECEIVE) != 0) {
        struct ipc_port *port = entry->port;

        spin_lock(&port->lock);
        if (port->active) {
            *object_type = port->kobject_type;
            *object_address = CONFIG_DEBUG ? (uint64_t)(uintptr_t)port->kobject : 0;
            kr = KERN_SUCCESS;
        }
        spin_unlock(&port->lock);
    }
    spin_unlock(&space->lock);
    return kr;
}
