/* ipc_tt.c - from ports to the objects they stand for, and back. An object is taken with its port
 * locked, so it cannot end in between. */
#include "kern/ipc_tt.h"

#include "ipc/ipc_port.h"
#include "ipc/ipc_space.h"
#include "hv/hv.h"
#include "kern/atomic.h"
#include "kern/host.h"
#include "kern/kobject.h"
#include "kern/port_object.h"
#include "kern/printf.h"
#include "kern/processor.h"
#include "kern/task.h"
#include "kern/thread.h"
#include "vm/memory_object.h"
#include "vm/vm_map.h"

/* What `take` makes of the object of a kernel port of the given type while the port is locked; NULL
 * for any other port. Inline, so that it calls nothing. */
static inline __attribute__((always_inline)) void *
ipc_tt_object(struct ipc_port *port, enum kobject_type type, void *(*take)(void *))
{
    void *object = NULL;

    if (!IP_VALID(port)) {
        return NULL;
    }
    spin_lock(&port->lock);
    if (port->active && port->kobject_type == (uint8_t)type) {
        object = take != NULL ? take(port->kobject) : port->kobject;
    }
    spin_unlock(&port->lock);
    return object;
}

static void *ipc_tt_take_task(void *object)
{
    task_ref(object);
    return object;
}

static void *ipc_tt_take_thread(void *object)
{
    thread_ref(object);
    return object;
}

static void *ipc_tt_take_map(void *object)
{
    struct vm_map *map = ((struct task *)object)->map;

    vm_map_ref(map);
    return map;
}

static void *ipc_tt_take_space(void *object)
{
    struct ipc_space *space = ((struct task *)object)->space;

    ipc_space_ref(space);
    return space;
}

struct task *convert_port_to_task(struct ipc_port *port)
{
    return ipc_tt_object(port, KOBJECT_TASK, ipc_tt_take_task);
}

struct thread *convert_port_to_thread(struct ipc_port *port)
{
    return ipc_tt_object(port, KOBJECT_THREAD, ipc_tt_take_thread);
}

struct vm_map *convert_port_to_map(struct ipc_port *port)
{
    struct vm_map *map = ipc_tt_object(port, KOBJECT_TASK, ipc_tt_take_map);

    return map != NULL ? map : ipc_tt_object(port, KOBJECT_MACHINE, hv_machine_take_map);
}

struct ipc_space *convert_port_to_space(struct ipc_port *port)
{
    return ipc_tt_object(port, KOBJECT_TASK, ipc_tt_take_space);
}

static void *ipc_tt_take_object(void *object)
{
    return memory_object_try_ref(object) ? object : NULL;
}

struct vm_object *convert_port_to_memory_control(struct ipc_port *port)
{
    return ipc_tt_object(port, KOBJECT_MEMORY_CONTROL, ipc_tt_take_object);
}

struct vm_object *convert_port_to_memory_name(struct ipc_port *port)
{
    return ipc_tt_object(port, KOBJECT_MEMORY_NAME, ipc_tt_take_object);
}

struct host *convert_port_to_host(struct ipc_port *port)
{
    struct host *host = ipc_tt_object(port, KOBJECT_HOST, NULL);

    return host != NULL ? host : ipc_tt_object(port, KOBJECT_HOST_PRIV, NULL);
}

struct host *convert_port_to_host_priv(struct ipc_port *port)
{
    return ipc_tt_object(port, KOBJECT_HOST_PRIV, NULL);
}

struct processor *convert_port_to_processor(struct ipc_port *port)
{
    return ipc_tt_object(port, KOBJECT_PROCESSOR, NULL);
}

struct processor *convert_port_to_processor_name(struct ipc_port *port)
{
    struct processor *processor = ipc_tt_object(port, KOBJECT_PROCESSOR_NAME, NULL);

    return processor != NULL ? processor : convert_port_to_processor(port);
}

struct processor_set *convert_port_to_pset(struct ipc_port *port)
{
    return ipc_tt_object(port, KOBJECT_PSET, NULL);
}

struct processor_set *convert_port_to_pset_name(struct ipc_port *port)
{
    struct processor_set *pset = ipc_tt_object(port, KOBJECT_PSET_NAME, NULL);

    return pset != NULL ? pset : convert_port_to_pset(port);
}

struct ipc_port *task_self_port(struct task *task)
{
    struct ipc_port *port;

    spin_lock(&task->lock);
    port = ipc_port_make_send(task->self_port);
    spin_unlock(&task->lock);
    return port;
}

struct ipc_port *thread_self_port(struct thread *thread)
{
    struct ipc_port *port;

    spin_lock(
        &thread->task
             ->lock); /* guards self_port of threads too: a port's lock ranks above a thread's */
    port = ipc_port_make_send(thread->self_port);
    spin_unlock(&thread->task->lock);
    return port;
}

struct ipc_port *host_self_port(void)
{
    return ipc_port_make_send(host_name_port);
}

struct ipc_port *host_priv_self_port(void)
{
    return ipc_port_make_send(host_priv_port);
}

struct ipc_port *convert_task_to_port(struct task *task)
{
    struct ipc_port *port;

    if (task == NULL) {
        return IP_NULL;
    }
    port = task_self_port(task);
    task_unref(task);
    return port;
}

struct ipc_port *convert_thread_to_port(struct thread *thread)
{
    struct ipc_port *port;

    if (thread == NULL) {
        return IP_NULL;
    }
    port = thread_self_port(thread);
    thread_unref(thread);
    return port;
}

struct ipc_port *convert_host_to_port(struct host *host)
{
    return host != NULL ? host_self_port() : IP_NULL;
}

struct ipc_port *convert_processor_to_port(struct processor *processor)
{
    return ipc_port_make_send(processor->port);
}

struct ipc_port *convert_processor_to_name_port(struct processor *processor)
{
    return ipc_port_make_send(processor->name_port);
}

struct ipc_port *convert_pset_to_port(struct processor_set *pset)
{
    return pset != NULL ? ipc_port_make_send(pset->port) : IP_NULL;
}

struct ipc_port *convert_pset_name_to_port(struct processor_set *pset)
{
    return pset != NULL ? ipc_port_make_send(pset->name_port) : IP_NULL;
}

/* The object behind a send right of the current task's, as ipc_tt_object gives it; NULL when the
 * name denotes no such right. The right is only looked at: the space's lock keeps it where it is.
 */
static inline __attribute__((always_inline)) void *
ipc_tt_named_object(mach_port_name_t name, enum kobject_type type, void *(*take)(void *))
{
    struct ipc_space *space = current_task()->space;
    struct ipc_entry *entry;
    void *object = NULL;
    bool found;

    spin_lock(&space->lock);
    entry = space->active ? ipc_space_lookup(space, name) : NULL;
    found = entry != NULL && (entry->bits & MACH_PORT_TYPE_SEND) != 0;
    if (found) {
        object = ipc_tt_object(entry->port, type, take);
        if (entry->port == current_task()->self_port) {
            atomic_store(&space->self_name, name);
        }
    }
    spin_unlock(&space->lock);
    if (!found) {
        user_error("name %#x denotes no send right", name);
    }
    return object;
}

/* The same for a task. Most often it is the current one. */
static inline __attribute__((always_inline)) void *ipc_tt_named_task(mach_port_name_t name,
                                                                     void *(*take)(void *))
{
    struct task *self = current_task();

    return ipc_space_names_own_task(self->space, name)
               ? take(self)
               : ipc_tt_named_object(name, KOBJECT_TASK, take);
}

struct task *port_name_to_task(mach_port_name_t name)
{
    return ipc_tt_named_task(name, ipc_tt_take_task);
}

struct thread *port_name_to_thread(mach_port_name_t name)
{
    return ipc_tt_named_object(name, KOBJECT_THREAD, ipc_tt_take_thread);
}

struct vm_object *port_name_to_memory_control(mach_port_name_t name)
{
    return ipc_tt_named_object(name, KOBJECT_MEMORY_CONTROL, ipc_tt_take_object);
}

static void *ipc_tt_take_port_object(void *object)
{
    atomic_inc(&((struct port_object *)object)->refs);
    return object;
}

struct hv_vcpu *port_name_to_vcpu(mach_port_name_t name)
{
    return ipc_tt_named_object(name, KOBJECT_VCPU, ipc_tt_take_port_object);
}

struct vm_map *port_name_to_map(mach_port_name_t name)
{
    struct vm_map *map = ipc_tt_named_object(name, KOBJECT_TASK, ipc_tt_take_map);

    return map != NULL ? map : ipc_tt_named_object(name, KOBJECT_MACHINE, hv_machine_take_map);
}

struct ipc_space *port_name_to_space(mach_port_name_t name)
{
    return ipc_tt_named_task(name, ipc_tt_take_space);
}
