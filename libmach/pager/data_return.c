/* data_return.c - memory_object_data_return: write pages that come back. */
#include "pager/pager_impl.h"

#include <memory_object_server.h>

kern_return_t memory_object_data_return(mach_port_t memory_object, mach_port_t memory_control,
                                        vm_offset_t offset, pointer_t data,
                                        mach_msg_type_number_t dataCnt, boolean_t dirty,
                                        boolean_t kernel_copy)
{
    struct pager *pager = pager_served(memory_control);

    (void)memory_object;
    (void)kernel_copy;
    if (pager == NULL) {
        return KERN_FAILURE;
    }
    if (dirty && pager->ops->write_range != NULL) {
        pager->ops->write_range(pager, pager->context, offset, dataCnt, (const void *)data);
    }
    for (vm_size_t at = 0; dirty && pager->ops->write_page != NULL && at < dataCnt;
         at += PAGER_PAGE_SIZE) {
        (void)pager->ops->write_page(pager, pager->context, offset + at, (const void *)(data + at));
    }
    (void)syscall_vm_deallocate(mach_task_self(), data, dataCnt);
    pager_served_end(memory_control);
    return KERN_SUCCESS;
}
