/* data_request.c - memory_object_data_request: read the pages and supply them, as few messages as
 * possible. */
#include "pager/pager_impl.h"

#include <memory_object_server.h>

/* A request, and the pages read for it that are not sent yet. */
struct data_request {
    struct pager *pager;
    mach_port_t control;
    vm_prot_t lock;
    vm_offset_t offset, end; /* asked for */
    vm_offset_t start, stop; /* with what is read around it */
    vm_address_t buffer;     /* of [start, stop) */
    vm_offset_t read, run;   /* [read, run) is read */
};

/* Send the pages that are read; their memory moves. */
static void data_request_send(struct data_request *request)
{
    vm_size_t size = request->run - request->read;

    if (size != 0) {
        (void)memory_object_data_supply(
            request->control, request->read, request->buffer + (request->read - request->start),
            (mach_msg_type_number_t)size, true, request->lock, false, MACH_PORT_NULL);
    }
    request->read = request->run;
}

/* There is no page to send at request->run. */
static void data_request_skip(struct data_request *request, kern_return_t code)
{
    vm_offset_t at = request->run;

    data_request_send(request);
    (void)syscall_vm_deallocate(mach_task_self(), request->buffer + (at - request->start),
                                PAGER_PAGE_SIZE);
    request->read = request->run = at + PAGER_PAGE_SIZE;
    if (at < request->offset || at >= request->end || code == PAGER_LATER) {
        return;
    }
    if (code == PAGER_NO_DATA) {
        (void)memory_object_data_unavailable(request->control, at, PAGER_PAGE_SIZE);
    } else {
        (void)memory_object_data_error(request->control, at, PAGER_PAGE_SIZE, code);
    }
}

static void data_request_read(struct data_request *request)
{
    struct pager *pager = request->pager;

    while (request->run < request->stop) {
        void *page = (void *)(request->buffer + (request->run - request->start));
        kern_return_t kr = pager->ops->read_page(pager, pager->context, request->run, page);

        if (kr == KERN_SUCCESS) {
            request->run += PAGER_PAGE_SIZE;
        } else {
            data_request_skip(request, kr);
        }
    }
    data_request_send(request);
}

/* Take the pages around into what is read, where that can do no harm. */
static void data_request_widen(struct data_request *request, unsigned cluster)
{
    vm_size_t size = cluster * PAGER_PAGE_SIZE;

    request->start = request->offset;
    request->stop = request->end;
    if (cluster > 1 && (cluster & (cluster - 1)) == 0 && request->pager->ops->write_page == NULL) {
        request->start &= ~(size - 1);
        request->stop = (request->end + size - 1) & ~(size - 1);
    }
    request->read = request->run = request->start;
}

kern_return_t memory_object_data_request(mach_port_t memory_object, mach_port_t memory_control,
                                         vm_offset_t offset, vm_size_t length,
                                         vm_prot_t desired_access)
{
    struct pager *pager = pager_asked(memory_control);
    struct pager_attributes attributes;
    struct data_request request = {
        .pager = pager, .control = memory_control, .offset = offset, .end = offset + length};

    (void)memory_object;
    if (pager == NULL) {
        return KERN_FAILURE;
    }
    if (pager->ops->read_range != NULL) {
        pager->ops->read_range(pager, pager->context, offset, length, desired_access);
        pager_served_end(memory_control);
        return KERN_SUCCESS;
    }
    attributes = pager_attributes_of(pager);
    request.lock = attributes.lock & ~desired_access;
    data_request_widen(&request, attributes.cluster);
    if (syscall_vm_allocate(mach_task_self(), &request.buffer, request.stop - request.start,
                            true) == KERN_SUCCESS) {
        data_request_read(&request);
    } else {
        (void)memory_object_data_error(memory_control, offset, length, KERN_RESOURCE_SHORTAGE);
    }
    pager_served_end(memory_control);
    return KERN_SUCCESS;
}
