/* kobject.h - kernel objects behind ports: which object a port stands for, and dispatch of messages
 * sent to it. */
#ifndef KERN_KOBJECT_H
#define KERN_KOBJECT_H

#include <stdbool.h>
#include <stdint.h>

struct ipc_kmsg;
struct ipc_port;

enum kobject_type {
    KOBJECT_NONE, /* an ordinary port */
    KOBJECT_TASK,
    KOBJECT_THREAD,
    KOBJECT_HOST,
    KOBJECT_HOST_PRIV,
    KOBJECT_PROCESSOR,
    KOBJECT_PROCESSOR_NAME,
    KOBJECT_PSET,
    KOBJECT_PSET_NAME,
    KOBJECT_HARDWARE, /* the hardware port: raw devices */
    KOBJECT_HV,       /* the hypervisor port: virtual machines */
    KOBJECT_IO_RANGE,
    KOBJECT_IRQ,
    KOBJECT_DMA,
    KOBJECT_HYPERCALL,
    KOBJECT_BLOCK, /* disks of the monitor this system is a guest of */
    KOBJECT_MACHINE,
    KOBJECT_VCPU,
    KOBJECT_MEMORY_CONTROL,
    KOBJECT_MEMORY_NAME,
    KOBJECT_PAGER, /* memory object served by the kernel (device memory) */
    KOBJECT_TYPE_COUNT,
};

/* Objects that live as long as somebody has a right to their port (port_object.h). */
#define KOBJECT_OF_RIGHTS(type) ((type) >= KOBJECT_IO_RANGE && (type) <= KOBJECT_VCPU)

extern const char *const kobject_type_name[KOBJECT_TYPE_COUNT];

/* Serve a message whose destination is a kernel port.
 * Refs: consumes request. Sleeps: yes, no locks held. Returns: the reply, its remote port the
 * request's reply right, or NULL when there is none to send. */
struct ipc_kmsg *kobject_server(struct ipc_kmsg *request);
/* Serve one in place, if its reply carries no rights and fits into reply->room; else false, and
 * nothing has been done. Refs: both stay the caller's. Sleeps: yes, no locks held. */
bool kobject_serve_plain(struct ipc_kmsg *request, struct ipc_kmsg *reply);

/* The name of the routine with that message id, or NULL. For traces and the debugger. */
const char *kobject_routine_name(int32_t id);

#endif
