/* init.c - memory_object_init: the kernel has mapped the object for the first time, or anew. */
#include "pager/pager_impl.h"

#include <memory_object_server.h>

kern_return_t memory_object_init(mach_port_t memory_object, mach_port_t memory_control,
                                 mach_port_t memory_object_name, vm_size_t memory_object_page_size)
{
    struct pager *pager = pager_served_any();
    struct pager_attributes attributes;

    (void)memory_object;
    /* The kernel introduces an object once until it ends. */
    if (pager == NULL || pager->control != MACH_PORT_NULL || !pager_is_kernel(memory_control) ||
        memory_object_page_size != PAGER_PAGE_SIZE) {
        return KERN_FAILURE;
    }
    pager->name = memory_object_name;
    pager_set_control(pager, memory_control);
    attributes = pager_attributes_of(pager);
    (void)memory_object_ready(memory_control, attributes.may_cache, attributes.copy_strategy);
    return KERN_SUCCESS;
}
