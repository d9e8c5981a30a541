/* port_object.c - the life of kernel objects that end when nobody has a right to their port. */
#include "kern/port_object.h"

#include "ipc/ipc_port.h"
#include "kern/assert.h"
#include "kern/atomic.h"

bool port_object_init(struct port_object *object, enum kobject_type type,
                      void (*end)(struct port_object *))
{
    struct ipc_port *port = ipc_port_alloc_kernel(type, object);

    if (port == NULL) {
        return false;
    }
    *object = (struct port_object){2, port, end};
    port->nsrequest = ipc_port_make_sonce(port);
    return true;
}

void *port_object_try_ref(struct port_object *object)
{
    uint32_t refs = atomic_load(&object->refs);

    while (refs != 0) {
        if (atomic_cas(&object->refs, refs, refs + 1)) {
            return object;
        }
        refs = atomic_load(&object->refs);
    }
    return NULL;
}

void *port_object_of(struct ipc_port *port, enum kobject_type type)
{
    struct port_object *object = NULL;

    if (!IP_VALID(port)) {
        return NULL;
    }
    spin_lock(&port->lock);
    if (port->active && port->kobject_type == type) {
        object = port->kobject;
        atomic_inc(&object->refs);
    }
    spin_unlock(&port->lock);
    return object;
}

struct ipc_port *port_object_port(struct port_object *object)
{
    struct ipc_port *port = ipc_port_make_send(object->port);

    port_object_unref(object);
    return port;
}

void port_object_unref(struct port_object *object)
{
    assert(atomic_load(&object->refs) != 0);
    if (atomic_dec_and_test(&object->refs)) {
        object->end(object);
    }
}

void port_object_no_senders(struct ipc_port *port)
{
    struct port_object *object = port->kobject;

    assert(port->active && port->srights == 0);
    ipc_port_destroy_kernel(port);
    ipc_port_release_sonce(port);
    port_object_unref(object);
}
