/* hardware_hypercall.c - rights to calls to the monitor this system is a guest of (hardware.defs):
 * what a driver of a guest has in place of registers. A right is for a range of numbers. */
#include <mach/hardware.h>

#include "arch/hypervisor.h"
#include "device/hardware.h"
#include "hardware_kernel_server.h"
#include "kern/assert.h"
#include "kern/port_object.h"
#include "vm/slab.h"

struct hardware_hypercall {
    struct port_object object;
    uint64_t first, last; /* [I] inclusive */
};

struct hardware_hypercall *convert_port_to_hypercall(struct ipc_port *port)
{
    return port_object_of(port, KOBJECT_HYPERCALL);
}

struct ipc_port *convert_hypercall_to_port(struct hardware_hypercall *hypercall)
{
    return port_object_port(&hypercall->object);
}

void hardware_hypercall_unref(struct hardware_hypercall *hypercall)
{
    port_object_unref(&hypercall->object);
}

static void hardware_hypercall_end(struct port_object *object)
{
    kfree(object, sizeof(struct hardware_hypercall));
}

/* Returns: KERN_SUCCESS, KERN_NO_ACCESS (not the hardware port), KERN_INVALID_ARGUMENT (an empty
 * range), KERN_RESOURCE_SHORTAGE. */
kern_return_t hardware_hypercall_create(struct ipc_port *hardware, uint64_t first, uint64_t last,
                                        hypercall_t *result)
{
    struct hardware_hypercall *hypercall;

    if (!hardware_is_port(hardware)) {
        return KERN_NO_ACCESS;
    }
    if (first > last) {
        return KERN_INVALID_ARGUMENT;
    }
    hypercall = kalloc(sizeof(*hypercall));
    if (hypercall == NULL) {
        return KERN_RESOURCE_SHORTAGE;
    }
    *hypercall = (struct hardware_hypercall){.first = first, .last = last};
    if (!port_object_init(&hypercall->object, KOBJECT_HYPERCALL, hardware_hypercall_end)) {
        kfree(hypercall, sizeof(*hypercall));
        return KERN_RESOURCE_SHORTAGE;
    }
    *result = hypercall;
    return KERN_SUCCESS;
}

/* Returns: KERN_SUCCESS, KERN_NO_ACCESS (the right is not for that number). */
kern_return_t hypercall_make(hypercall_t hypercall, uint64_t number, uint64_t first,
                             uint64_t second, uint64_t third, uint64_t *answer)
{
    assert(hypercall->first <= hypercall->last);
    if (number < hypercall->first || number > hypercall->last) {
        return KERN_NO_ACCESS;
    }
    *answer = hypervisor_call(number, first, second, third);
    return KERN_SUCCESS;
}
