/* paging.c - memory objects, and what the kernel says about them (memory_object.defs,
 * memory_object_default.defs).
 *
 * The kernel makes an object when it sends the first page of anonymous memory; a client has one
 * made and maps it, or has others map it. Clients have send rights to the ports of theirs and could
 * send what only the kernel should: such a message does not come with the object's control port,
 * and is refused. */
#include <mach/memory_object.h>
#include <mach/mig_support.h>
#include <portolan/portolan.h>
#include <portolan/server_loop.h>
#include <stdlib.h>

#include <mach.h>
#include <mach_debug.h>
#include <mach_port.h>

#include "memory_object_default_server.h"
#include "memory_object_server.h"
#include "pager_impl.h"

#define CLIENT_OBJECTS_MAX 1024u
#define REQUEST_MAX        (256 * PAGER_PAGE) /* the kernel asks for less */
#define LOW_MAX            8192u

bool paging_came_to(uint64_t payload)
{
    return server_current_object() == payload;
}

/* The object the message is for, NULL when it came to another kind of port. */
static struct memory_object *paging_object(void)
{
    uint64_t payload = server_current_object();

    return payload > PAGER_MANAGER ? (struct memory_object *)payload : NULL;
}

/* The object the message is for if it comes from the kernel, which alone has its control port. */
static struct memory_object *paging_object_of(mach_port_t control)
{
    struct memory_object *object = paging_object();

    return object != NULL && MACH_PORT_VALID(control) && object->control == control ? object : NULL;
}

static bool paging_is_whole(vm_offset_t offset, vm_size_t size)
{
    return (offset | size) % PAGER_PAGE == 0 && offset + size >= offset;
}

/* --- a bound --- */

/* Blocks that must be free for the kernel to send pages that are not here yet: as many as can be on
 * their way, and some for objects of clients, whose pages cannot be refused. */
static uint32_t paging_low(void)
{
    uint32_t low = store_total_count() / 4;

    return low < LOW_MAX ? low : LOW_MAX;
}

kern_return_t paging_take(bool takes)
{
    mach_port_t manager = takes ? pager.manager : MACH_PORT_DEAD;
    kern_return_t kr = vm_set_default_memory_manager(pager.host, &manager);

    if (kr == KERN_SUCCESS) {
        pager.takes = takes;
        if (MACH_PORT_VALID(manager)) {
            mach_port_deallocate(mach_task_self(), manager); /* this one's, or of one that died */
        }
    }
    return kr;
}

/* Blocks were taken or given back. */
static void paging_regulate(void)
{
    uint32_t free = store_free_count();

    if (pager.takes ? free < paging_low() : free > paging_low() + paging_low() / 4) {
        (void)paging_take(!pager.takes);
    }
}

/* --- life --- */

static void paging_link(struct memory_object *object)
{
    object_init(&object->contents);
    object->next = pager.objects;
    object->link = &pager.objects;
    if (object->next != NULL) {
        object->next->link = &object->next;
    }
    pager.objects = object;
}

/* The kernel's side is gone, or never was. */
static void paging_drop_kernel(struct memory_object *object)
{
    if (object->control != MACH_PORT_NULL) {
        mach_port_deallocate(mach_task_self(), object->control);
        mach_port_deallocate(mach_task_self(), object->name);
    }
    object->control = MACH_PORT_NULL;
    object->name = MACH_PORT_NULL;
}

static void paging_destroy(struct memory_object *object)
{
    pthread_mutex_lock(&pager.lock);
    supply_forget(object);
    object_clear(&object->contents);
    pthread_mutex_unlock(&pager.lock);
    paging_drop_kernel(object);
    portolan_port_destroy_receive(object->port);
    *object->link = object->next;
    if (object->next != NULL) {
        object->next->link = object->link;
    }
    pager.client_objects -= !object->of_kernel;
    free(object);
    paging_regulate();
}

struct memory_object *paging_create_for_client(void)
{
    struct memory_object *object = NULL;

    if (pager.client_objects < CLIENT_OBJECTS_MAX) {
        object = calloc(1, sizeof(*object));
    }
    if (object != NULL &&
        server_object_create(pager.set, (uintptr_t)object, &object->port) != KERN_SUCCESS) {
        free(object);
        object = NULL;
    }
    if (object != NULL) {
        paging_link(object);
        pager.client_objects++;
    }
    return object;
}

/* Anybody who can send to the port can say so: the port itself is asked. */
void paging_no_senders(uint64_t payload)
{
    struct memory_object *object = (struct memory_object *)payload;
    mach_port_status_t status;

    if (payload > PAGER_MANAGER &&
        mach_port_get_receive_status(mach_task_self(), object->port, &status) == KERN_SUCCESS &&
        !status.mps_srights) {
        paging_destroy(object);
    }
}

kern_return_t memory_object_create(mach_port_t manager, mach_port_t port, vm_size_t size,
                                   mach_port_t control, mach_port_t name, vm_size_t page_size)
{
    struct memory_object *object;

    (void)manager;
    (void)size;
    if (!paging_came_to(PAGER_MANAGER) || page_size != PAGER_PAGE) {
        return KERN_INVALID_ARGUMENT;
    }
    object = calloc(1, sizeof(*object));
    if (object == NULL) {
        return KERN_RESOURCE_SHORTAGE; /* the port dies with the message, and the kernel sees it */
    }
    if (mach_port_set_protected_payload(mach_task_self(), port, (uintptr_t)object) !=
            KERN_SUCCESS ||
        server_watch_senders(port, 0) != KERN_SUCCESS ||
        mach_port_move_member(mach_task_self(), port, pager.set) != KERN_SUCCESS) {
        free(object);
        return KERN_RESOURCE_SHORTAGE;
    }
    paging_link(object);
    object->of_kernel = true;
    object->port = port;
    object->control = control;
    object->name = name;
    return KERN_SUCCESS;
}

/* Is the right one to a port of the kernel? Then a message to it never waits. */
static bool paging_is_kernels(mach_port_t right)
{
    unsigned type = 0;
    vm_offset_t address;

    return mach_port_kernel_object(mach_task_self(), right, &type, &address) == KERN_SUCCESS &&
           type != 0;
}

kern_return_t memory_object_init(mach_port_t port, mach_port_t control, mach_port_t name,
                                 vm_size_t page_size)
{
    struct memory_object *object = paging_object();

    (void)port;
    if (object == NULL || object->of_kernel || page_size != PAGER_PAGE ||
        !paging_is_kernels(control) ||
        (object->control != MACH_PORT_NULL && paging_is_kernels(object->control))) {
        return KERN_INVALID_ARGUMENT;
    }
    paging_drop_kernel(object); /* an end nothing was said of */
    object->control = control;
    object->name = name;
    memory_object_ready(control, FALSE, MEMORY_OBJECT_COPY_DELAY);
    return KERN_SUCCESS;
}

kern_return_t memory_object_terminate(mach_port_t port, mach_port_t control, mach_port_t name)
{
    struct memory_object *object = paging_object_of(control);

    (void)port;
    if (object == NULL || object->name != name) {
        return KERN_INVALID_ARGUMENT;
    }
    portolan_port_destroy_receive(control);
    portolan_port_destroy_receive(name);
    if (object->of_kernel) {
        paging_destroy(object);
    } else {
        paging_drop_kernel(object);
    }
    return KERN_SUCCESS;
}

/* --- pages --- */

/* Say once that memory is being lost. */
static void paging_say_full(void)
{
    static bool said;

    if (!said) {
        said = true;
        portolan_print("pager: swap is full: memory that was to go there is lost, and whoever "
                       "touches it gets an exception\n");
    }
}

/* Say once that the device fails. */
static void paging_say_failed(void)
{
    static bool said;

    if (!said) {
        said = true;
        portolan_print("pager: swap cannot be written: memory that was to go there is lost, and "
                       "whoever touches it gets an exception\n");
    }
}

/* Blocks in a row for pages in a row, at most `max`. Returns: how many, 0 when there is no room.
 * Only this thread gives blocks out and takes them back, so they stay what they are unlocked. */
static uint32_t paging_place(struct memory_object *object, uint64_t page, uint32_t max,
                             uint32_t *block)
{
    uint32_t count = 0;

    pthread_mutex_lock(&pager.lock);
    *block = object_place(&object->contents, page);
    if (*block != STORE_NONE) {
        for (count = 1; count < max; count++) {
            uint32_t next = object_place(&object->contents, page + count);

            if (next != *block + count) {
                break; /* it has its place, which the next call finds */
            }
        }
    }
    pthread_mutex_unlock(&pager.lock);
    return count;
}

/* Write pages to their blocks; when that fails, each alone. */
static void paging_write(struct memory_object *object, uint64_t page, uint32_t block,
                         uint32_t count, const char *data)
{
    if (store_write(block, count, data)) {
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        if (!store_write(block + i, 1, data + (size_t)i * PAGER_PAGE)) {
            pthread_mutex_lock(&pager.lock);
            object_failed(&object->contents, page + i);
            pthread_mutex_unlock(&pager.lock);
            paging_say_failed();
        }
    }
}

/* Store pages; what there is no room for is lost. Refs: consumes the right and the memory. */
static kern_return_t paging_store(mach_port_t control, vm_offset_t offset, pointer_t data,
                                  vm_size_t size)
{
    struct memory_object *object = paging_object_of(control);
    uint64_t page = offset / PAGER_PAGE;
    uint32_t pages = (uint32_t)(size / PAGER_PAGE);

    if (object == NULL || !paging_is_whole(offset, size)) {
        return KERN_INVALID_ARGUMENT;
    }
    for (uint32_t at = 0, count; at < pages; at += count) {
        uint32_t block;

        count = paging_place(object, page + at, pages - at, &block);
        if (count == 0) {
            paging_say_full();
            count = 1;
        } else {
            paging_write(object, page + at, block, count,
                         (const char *)data + (size_t)at * PAGER_PAGE);
        }
    }
    paging_regulate();
    vm_deallocate(mach_task_self(), (vm_address_t)data, size);
    mach_port_deallocate(mach_task_self(), control);
    return KERN_SUCCESS;
}

kern_return_t memory_object_data_initialize(mach_port_t port, mach_port_t control,
                                            vm_offset_t offset, pointer_t data,
                                            mach_msg_type_number_t size)
{
    (void)port;
    return paging_store(control, offset, data, size);
}

kern_return_t memory_object_data_return(mach_port_t port, mach_port_t control, vm_offset_t offset,
                                        pointer_t data, mach_msg_type_number_t size,
                                        boolean_t dirty, boolean_t kernel_copy)
{
    (void)port;
    (void)dirty;
    (void)kernel_copy;
    return paging_store(control, offset, data, size);
}

kern_return_t memory_object_data_request(mach_port_t port, mach_port_t control, vm_offset_t offset,
                                         vm_size_t length, vm_prot_t access)
{
    struct memory_object *object = paging_object_of(control);

    (void)port;
    (void)access;
    if (object == NULL || !paging_is_whole(offset, length) || length > REQUEST_MAX) {
        return KERN_INVALID_ARGUMENT;
    }
    if (!supply_request(object, control, offset, length)) {
        memory_object_data_error(control, offset, length, KERN_RESOURCE_SHORTAGE);
        mach_port_deallocate(mach_task_self(), control);
    }
    return KERN_SUCCESS;
}

/* --- what the kernel never says to this pager --- */

kern_return_t memory_object_copy(mach_port_t port, mach_port_t control, vm_offset_t offset,
                                 vm_size_t length, mach_port_t new_port)
{
    (void)port;
    (void)control;
    (void)offset;
    (void)length;
    (void)new_port;
    return KERN_FAILURE;
}

kern_return_t memory_object_data_unlock(mach_port_t port, mach_port_t control, vm_offset_t offset,
                                        vm_size_t length, vm_prot_t access)
{
    (void)port;
    (void)control;
    (void)offset;
    (void)length;
    (void)access;
    return KERN_FAILURE;
}

kern_return_t memory_object_lock_completed(mach_port_t port, mach_port_t control,
                                           vm_offset_t offset, vm_size_t length)
{
    (void)port;
    (void)control;
    (void)offset;
    (void)length;
    return KERN_FAILURE;
}

kern_return_t memory_object_supply_completed(mach_port_t port, mach_port_t control,
                                             vm_offset_t offset, vm_size_t length,
                                             kern_return_t result, vm_offset_t error_offset)
{
    (void)port;
    (void)control;
    (void)offset;
    (void)length;
    (void)result;
    (void)error_offset;
    return KERN_FAILURE;
}

kern_return_t memory_object_change_completed(mach_port_t port, boolean_t may_cache,
                                             memory_object_copy_strategy_t copy_strategy)
{
    (void)port;
    (void)may_cache;
    (void)copy_strategy;
    return KERN_FAILURE;
}
