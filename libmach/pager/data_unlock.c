/* data_unlock.c - memory_object_data_unlock: somebody needs access to pages that are locked. */
#include "pager/pager_impl.h"

#include <memory_object_server.h>

static kern_return_t data_unlock_ask(struct pager *pager, vm_offset_t offset, vm_prot_t access)
{
    return pager->ops->unlock_page == NULL
               ? KERN_SUCCESS
               : pager->ops->unlock_page(pager, pager->context, offset, access);
}

kern_return_t memory_object_data_unlock(mach_port_t memory_object, mach_port_t memory_control,
                                        vm_offset_t offset, vm_size_t length,
                                        vm_prot_t desired_access)
{
    struct pager *pager = pager_asked(memory_control);

    (void)memory_object;
    if (pager == NULL) {
        return KERN_FAILURE;
    }
    for (vm_size_t at = 0; at < length; at += PAGER_PAGE_SIZE) {
        if (data_unlock_ask(pager, offset + at, desired_access) == KERN_SUCCESS) {
            (void)memory_object_lock_request(memory_control, offset + at, PAGER_PAGE_SIZE,
                                             MEMORY_OBJECT_RETURN_NONE, false, VM_PROT_NONE,
                                             MACH_PORT_NULL);
        }
    }
    pager_served_end(memory_control);
    return KERN_SUCCESS;
}
