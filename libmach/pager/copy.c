/* copy.c - memory_object_copy: part of the object was copied, and the new object is ours. */
#include "pager/pager_impl.h"

#include <memory_object_server.h>

kern_return_t memory_object_copy(mach_port_t old_memory_object, mach_port_t old_memory_control,
                                 vm_offset_t offset, vm_size_t length,
                                 mach_port_t new_memory_object)
{
    struct pager *pager = pager_served(old_memory_control);
    kern_return_t kr = KERN_FAILURE;

    (void)old_memory_object;
    if (pager != NULL && pager->ops->copy != NULL) {
        kr = pager->ops->copy(pager, pager->context, offset, length, new_memory_object);
    }
    if (kr == KERN_SUCCESS) {
        pager_served_end(old_memory_control);
    }
    return kr; /* after an error the stub gives the rights back, and the copy has no pager */
}
