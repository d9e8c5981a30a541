/* memory_object_proxy.c - memory objects that are windows on another one, or on a region of a
 * task's memory, with no more rights than their maker gave them.
 *
 * A proxy is a port of the kernel. It ends with its last send right. Mapping it maps what it shows:
 * nothing is asked of anybody for the proxy itself. */
#include "ipc/ipc_port.h"
#include "kern/assert.h"
#include "kern/task.h"
#include "mach4_kernel_server.h"
#include "vm/memory_object.h"
#include "vm/slab.h"
#include "vm/vm_map.h"

/* Keys: all [I] */
struct memory_object_proxy {
    struct ipc_port *memory_object; /* a send right, or NULL: */
    struct vm_object *object;       /*   the object of a region, with a reference */
    vm_offset_t offset;             /* in it, of the window */
    vm_size_t size;
    vm_prot_t max_protection;
};

static void memory_object_proxy_free(struct memory_object_proxy *proxy)
{
    ipc_port_release_send(proxy->memory_object);
    vm_object_unref(proxy->object);
    kfree(proxy, sizeof(*proxy));
}

/* A port for a proxy like `model`, whose rights it takes over on success. Refs: *port is a send
 * right. */
static kern_return_t memory_object_proxy_create(const struct memory_object_proxy *model,
                                                struct ipc_port **port)
{
    struct memory_object_proxy *proxy = kalloc(sizeof(*proxy));
    struct ipc_port *receive =
        proxy != NULL ? ipc_port_alloc_kernel(KOBJECT_PAGER, proxy) : IP_NULL;

    if (receive == IP_NULL) {
        kfree(proxy, sizeof(*proxy));
        return KERN_RESOURCE_SHORTAGE;
    }
    *proxy = *model;
    receive->nsrequest = ipc_port_make_sonce(receive);
    *port = ipc_port_make_send(receive);
    return KERN_SUCCESS;
}

void memory_object_proxy_no_senders(struct ipc_port *port)
{
    struct memory_object_proxy *proxy = port->kobject;

    assert(port->active && port->kobject_type == KOBJECT_PAGER && port->srights == 0);
    ipc_port_destroy_kernel(port);
    ipc_port_release_sonce(port);
    memory_object_proxy_free(proxy);
}

/* What a port shows, with references of its own; false when it is no proxy. */
static bool memory_object_proxy_get(struct ipc_port *port, struct memory_object_proxy *proxy)
{
    bool found;

    spin_lock(&port->lock);
    found = port->active && port->kobject_type == KOBJECT_PAGER;
    if (found) {
        *proxy = *(struct memory_object_proxy *)port->kobject;
        if (proxy->memory_object != NULL) {
            ipc_port_ref(proxy->memory_object);
        }
        if (proxy->object != NULL) {
            vm_object_ref(proxy->object);
        }
    }
    spin_unlock(&port->lock);
    return found;
}

static void memory_object_proxy_put(struct memory_object_proxy *proxy)
{
    if (proxy->memory_object != NULL) {
        ipc_port_unref(proxy->memory_object);
    }
    vm_object_unref(proxy->object);
}

/* Does [offset, offset + size) lie in [0, whole)? */
static bool memory_object_proxy_fits(vm_offset_t offset, vm_size_t size, vm_size_t whole)
{
    return size <= whole && offset <= whole - size;
}

kern_return_t memory_object_open(struct ipc_port *port, vm_size_t size, vm_offset_t *offset,
                                 vm_prot_t *max_protection, struct vm_object **object)
{
    struct memory_object_proxy proxy;
    kern_return_t kr = KERN_SUCCESS;

    if (*offset > VM_MAX_ADDRESS - size) {
        return KERN_INVALID_ARGUMENT;
    }
    if (!IP_VALID(port) || !ipc_port_is_kernel(port)) {
        return memory_object_enter(port, *offset + size, object);
    }
    if (!memory_object_proxy_get(port, &proxy)) {
        return KERN_INVALID_ARGUMENT;
    }
    if (!memory_object_proxy_fits(*offset, size, proxy.size)) {
        kr = KERN_INVALID_ARGUMENT;
    } else if (proxy.memory_object != NULL) {
        kr = memory_object_enter(proxy.memory_object, proxy.offset + *offset + size, object);
    } else {
        vm_object_ref(proxy.object);
        *object = proxy.object;
    }
    if (kr == KERN_SUCCESS) {
        *offset += proxy.offset;
        *max_protection &= proxy.max_protection;
    }
    memory_object_proxy_put(&proxy);
    return kr;
}

/* A proxy of a proxy shows the same object. Refs: takes over the right on success. */
static kern_return_t memory_object_proxy_narrow(struct ipc_port *port,
                                                struct memory_object_proxy *proxy)
{
    struct memory_object_proxy outer;

    if (!IP_VALID(port)) {
        return KERN_INVALID_ARGUMENT;
    }
    if (!ipc_port_is_kernel(port)) {
        proxy->memory_object = port;
        return KERN_SUCCESS;
    }
    if (!memory_object_proxy_get(port, &outer)) {
        return KERN_INVALID_ARGUMENT;
    }
    if (!memory_object_proxy_fits(proxy->offset, proxy->size, outer.size)) {
        memory_object_proxy_put(&outer);
        return KERN_INVALID_ARGUMENT;
    }
    if (outer.memory_object != NULL) {
        proxy->memory_object = ipc_port_copy_send(outer.memory_object);
        ipc_port_unref(outer.memory_object);
    }
    proxy->object = outer.object;
    proxy->offset += outer.offset;
    proxy->max_protection &= outer.max_protection;
    ipc_port_release_send(port);
    return KERN_SUCCESS;
}

/* A window of one part, which begins where the proxy does. Returns: KERN_SUCCESS,
 * KERN_INVALID_ARGUMENT, KERN_RESOURCE_SHORTAGE. */
kern_return_t
memory_object_create_proxy(ipc_space_t space, vm_prot_t max_protection,
                           memory_object_array_t object, mach_msg_type_number_t object_count,
                           rpc_vm_offset_array_t offset, mach_msg_type_number_t offset_count,
                           rpc_vm_offset_array_t start, mach_msg_type_number_t start_count,
                           rpc_vm_size_array_t len, mach_msg_type_number_t len_count,
                           mach_port_t *port)
{
    struct memory_object_proxy proxy = {.max_protection = max_protection & VM_PROT_ALL};
    kern_return_t kr;

    (void)space;
    if (object_count != 1 || offset_count != 1 || start_count != 1 || len_count != 1 ||
        start[0] != 0 || ((offset[0] | len[0]) & PAGE_MASK) != 0 || len[0] == 0 ||
        !memory_object_proxy_fits(offset[0], len[0], VM_MAX_ADDRESS)) {
        return KERN_INVALID_ARGUMENT;
    }
    proxy.offset = offset[0];
    proxy.size = len[0];
    kr = memory_object_proxy_narrow(object[0], &proxy);
    if (kr != KERN_SUCCESS) {
        return kr;
    }
    kr = memory_object_proxy_create(&proxy, port);
    if (kr != KERN_SUCCESS && proxy.memory_object != object[0]) {
        ipc_port_release_send(proxy.memory_object);
        vm_object_unref(proxy.object);
    }
    return kr;
}

/* A window on the pages of [address, address + len), which lie in one region: it and the region
 * share them from now on. Returns: KERN_SUCCESS, KERN_INVALID_ARGUMENT, KERN_INVALID_ADDRESS (not
 * one region), KERN_PROTECTION_FAILURE (more than the region's maximum), KERN_RESOURCE_SHORTAGE. */
kern_return_t vm_region_create_proxy(task_t task, vm_address_t address, vm_prot_t max_protection,
                                     vm_size_t len, mach_port_t *port)
{
    struct memory_object_proxy proxy = {.max_protection = max_protection};
    vm_offset_t start, end;
    kern_return_t kr;

    if ((max_protection & ~VM_PROT_ALL) != 0 || len == 0) {
        return KERN_INVALID_ARGUMENT;
    }
    if (!vm_map_range(task->map, address, len, &start, &end)) {
        return KERN_INVALID_ADDRESS;
    }
    proxy.size = end - start;
    kr = vm_map_share(task->map, start, end, max_protection, &proxy.object, &proxy.offset);
    if (kr != KERN_SUCCESS) {
        return kr;
    }
    kr = memory_object_proxy_create(&proxy, port);
    if (kr != KERN_SUCCESS) {
        vm_object_unref(proxy.object);
    }
    return kr;
}
