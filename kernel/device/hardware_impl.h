/* hardware_impl.h - what the kernel objects of drivers have in common: they live as long as
 * somebody has a right to their port, or a call uses them. */
#ifndef DEVICE_HARDWARE_IMPL_H
#define DEVICE_HARDWARE_IMPL_H

#include <stdbool.h>
#include <stdint.h>

#include "kern/kobject.h"

struct ipc_port;

/* The first member of each. Keys: [a] atomic, [I] immutable */
struct hardware_object {
    uint32_t refs;                         /* [a] one for the port */
    struct ipc_port *port;                 /* [I] */
    void (*end)(struct hardware_object *); /* [I] frees it; no lock is held */
};

/* Give the object a port. Refs: the port's, and the caller's. Returns: false when out of memory. */
bool hardware_object_init(struct hardware_object *object, enum kobject_type type,
                          void (*end)(struct hardware_object *));
/* The object behind a port, NULL when there is none of that type. Refs: the caller owns one. */
void *hardware_object_of(struct ipc_port *port, enum kobject_type type);
/* A reference, unless the object is about to end: then NULL. */
void *hardware_object_try_ref(struct hardware_object *object);
/* A send right for a reference. */
struct ipc_port *hardware_object_port(struct hardware_object *object);
void hardware_object_unref(struct hardware_object *object);

#endif
