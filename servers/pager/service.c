/* service.c - what the pager does for programs (default_pager.defs): memory objects to be mapped,
 * and figures. */
#include <mach/mig_support.h>
#include <portolan/portolan.h>

#include <mach.h>
#include <mach_port.h>

#include "default_pager_server.h"
#include "pager_impl.h"

kern_return_t S_default_pager_object_create(mach_port_t service, mach_port_t *port,
                                            vm_size_t object_size)
{
    struct memory_object *object;

    (void)service;
    (void)object_size; /* an object takes room when pages come */
    if (!paging_came_to(PAGER_SERVICE)) {
        return MIG_BAD_ID;
    }
    object = paging_create_for_client();
    if (object == NULL) {
        return KERN_RESOURCE_SHORTAGE;
    }
    *port = object->port;
    return KERN_SUCCESS;
}

kern_return_t S_default_pager_info(mach_port_t service, default_pager_info_t *info)
{
    (void)service;
    if (!paging_came_to(PAGER_SERVICE)) {
        return MIG_BAD_ID;
    }
    pthread_mutex_lock(&pager.lock);
    info->dpi_total_space = (vm_size_t)store_total_count() * STORE_BLOCK_SIZE;
    info->dpi_free_space = (vm_size_t)store_free_count() * STORE_BLOCK_SIZE;
    pthread_mutex_unlock(&pager.lock);
    info->dpi_page_size = PAGER_PAGE;
    return KERN_SUCCESS;
}

/* Room for an answer: the stub's if it has as much, else fresh memory. NULL when there is none. */
static void *service_room(void *own, mach_msg_type_number_t has, uint32_t count, size_t size)
{
    vm_address_t address = 0;

    if (count <= has) {
        return own;
    }
    return vm_allocate(mach_task_self(), &address, count * size, TRUE) == KERN_SUCCESS
               ? (void *)address
               : NULL;
}

/* Describe the object and give a right to its name port, if the kernel has made one. */
static void service_describe(const struct memory_object *object, default_pager_object_t *line,
                             mach_port_t *name)
{
    line->dpo_object = (vm_offset_t)object->port;
    line->dpo_size = (vm_size_t)object->contents.count * PAGER_PAGE;
    *name = object->name;
    if (*name != MACH_PORT_NULL &&
        mach_port_mod_refs(mach_task_self(), *name, MACH_PORT_RIGHT_SEND, 1) != KERN_SUCCESS) {
        *name = MACH_PORT_NULL;
    }
}

kern_return_t S_default_pager_objects(mach_port_t service, default_pager_object_array_t *objects,
                                      mach_msg_type_number_t *objects_count,
                                      mach_port_array_t *ports, mach_msg_type_number_t *ports_count)
{
    uint32_t count = 0;
    void *lines, *names;

    (void)service;
    if (!paging_came_to(PAGER_SERVICE)) {
        return MIG_BAD_ID;
    }
    for (const struct memory_object *o = pager.objects; o != NULL; o = o->next) {
        count++;
    }
    lines = service_room(*objects, *objects_count, count, sizeof(**objects));
    names = service_room(*ports, *ports_count, count, sizeof(**ports));
    if (lines == NULL || names == NULL) {
        if (lines != NULL && lines != *objects) {
            vm_deallocate(mach_task_self(), (vm_address_t)lines, count * sizeof(**objects));
        }
        if (names != NULL && names != *ports) {
            vm_deallocate(mach_task_self(), (vm_address_t)names, count * sizeof(**ports));
        }
        return KERN_RESOURCE_SHORTAGE;
    }
    *objects = lines;
    *ports = names;
    *objects_count = *ports_count = 0;
    for (const struct memory_object *o = pager.objects; o != NULL; o = o->next) {
        service_describe(o, &(*objects)[*objects_count], &(*ports)[*objects_count]);
        *objects_count += 1;
    }
    *ports_count = *objects_count;
    return KERN_SUCCESS;
}

kern_return_t S_default_pager_object_pages(mach_port_t service, mach_port_t name,
                                           default_pager_page_array_t *pages,
                                           mach_msg_type_number_t *count)
{
    const struct memory_object *object = pager.objects;
    uint32_t stored;
    void *room;

    (void)service;
    if (!paging_came_to(PAGER_SERVICE)) {
        return MIG_BAD_ID;
    }
    while (object != NULL && (name == MACH_PORT_NULL || object->name != name)) {
        object = object->next;
    }
    if (object == NULL) {
        return KERN_INVALID_ARGUMENT;
    }
    stored = object->contents.count;
    room = service_room(*pages, *count, stored, sizeof(**pages));
    if (room == NULL) {
        return KERN_RESOURCE_SHORTAGE;
    }
    *pages = room;
    *count = object_list(&object->contents, &(*pages)->dpp_offset, stored);
    for (uint32_t i = 0; i < *count; i++) {
        (*pages)[i].dpp_offset *= PAGER_PAGE;
    }
    mach_port_deallocate(mach_task_self(), name);
    return KERN_SUCCESS;
}

/* There are no paging files: nothing the pager needs may be a file whose server needs memory. */
kern_return_t S_default_pager_paging_file(mach_port_t service, mach_port_t device,
                                          const char *filename, boolean_t add)
{
    (void)service;
    (void)device;
    (void)filename;
    (void)add;
    return KERN_FAILURE;
}

kern_return_t S_default_pager_register_fileserver(mach_port_t service, mach_port_t server)
{
    (void)service;
    (void)server;
    return KERN_FAILURE;
}
