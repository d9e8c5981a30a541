/* port_object.h - what kernel objects have in common that live as long as somebody has a right to
 * their port, or a call uses them: those of drivers, machines and their processors. */
#ifndef KERN_PORT_OBJECT_H
#define KERN_PORT_OBJECT_H

#include <stdbool.h>
#include <stdint.h>

#include "kern/kobject.h"

struct ipc_port;

/* The first member of each. Keys: [a] atomic, [I] immutable */
struct port_object {
    uint32_t refs;                     /* [a] one for the port */
    struct ipc_port *port;             /* [I] */
    void (*end)(struct port_object *); /* [I] frees it; no lock is held */
};

/* Give the object a port. Refs: the port's, and the caller's. Returns: false when out of memory. */
bool port_object_init(struct port_object *object, enum kobject_type type,
                      void (*end)(struct port_object *));
/* The object behind a port, NULL when there is none of that type. Refs: the caller owns one. */
void *port_object_of(struct ipc_port *port, enum kobject_type type);
/* A reference, unless the object is about to end: then NULL. */
void *port_object_try_ref(struct port_object *object);
/* A send right for a reference. */
struct ipc_port *port_object_port(struct port_object *object);
void port_object_unref(struct port_object *object);
/* Nobody has a send right any more to the port of such an object (KOBJECT_OF_RIGHTS). Refs: takes
 * over the send-once right `port` is. */
void port_object_no_senders(struct ipc_port *port);

#endif
