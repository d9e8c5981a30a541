/* ipc_tt.c - from ports to the objects they stand for, and back. An object is taken with its port locked, so it cannot end in between. */
#include "kern/ipc_tt.h"

#include "ipc/ipc_port.h"
#include "ipc/ipc_space.h"
#include "kern/host.h"
#include "kern/kobject.h"
#include "kern/processor.h"
#include "kern/task.h"
#include "kern/thread.h"
#include "vm/vm_map.h"
#include "vm/vm_object.h"

/* The object of a kernel port of the given type, with take_ref called on it while the port is locked; NULL for any other port. */
static void *ipc_tt_object(struct ipc_port *port, enum kobject_type type, void (*take_ref)(void *))
{
    void *object = NULL;

    if (!IP_VALID(port)) {
        return NULL;
    }
    spin_lock(&port->lock);
    if (port->active && port->kobject_type == (uint8_t)type) {
        object = port->kobject;
        if (take_ref != NULL) {
            take_ref(object);
        }
    }
    spin_unlock(&port->lock);
    return object;
}

static void ipc_tt_ref_task(void *object)
{
    task_ref(object);
}

static void ipc_tt_ref_thread(void *object)
{
    thread_ref(object);
}

static void ipc_tt_ref_map(void *object)
{
    vm_map_ref(((struct task *)object)->map);
}

static void ipc_tt_ref_space(void *object)
{
    ipc_space_ref(((struct task *)object)->space);
}

struct task *convert_port_to_task(struct ipc_port *port)
{
    return ipc_tt_object(port, KOBJECT_TASK, ipc_tt_ref_task);
}

struct thread *convert_port_to_thread(struct ipc_port *port)
{
    return ipc_tt_object(port, KOBJECT_THREAD, ipc_tt_ref_thread);
}

struct vm_map *convert_port_to_map(struct ipc_port *port)
{
    struct task *task = ipc_tt_object(port, KOBJECT_TASK, ipc_tt_ref_map);

    return task != NULL ? task->map : NULL;
}

struct ipc_space *convert_port_to_space(struct ipc_port *port)
{
    struct task *task = ipc_tt_object(port, KOBJECT_TASK, ipc_tt_ref_space);

    return task != NULL ? task->space : NULL;
}

static void ipc_tt_ref_object(void *object)
{
    vm_object_ref(object);
}

struct vm_object *convert_port_to_memory_name(struct ipc_port *port)
{
    return ipc_tt_object(port, KOBJECT_MEMORY_NAME, ipc_tt_ref_object);
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

    spin_lock(&thread->task->lock); /* guards self_port of threads too: a port's lock ranks above a thread's */
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

/* A send right of the current task's, copied. */
static struct ipc_port *ipc_tt_copyin(mach_port_name_t name)
{
    struct ipc_port *port = IP_NULL;

    if (ipc_space_copyin_right(current_task()->space, name, MACH_MSG_TYPE_COPY_SEND, &port) != KERN_SUCCESS) {
        return IP_NULL;
    }
    return port;
}

struct task *port_name_to_task(mach_port_name_t name)
{
    struct ipc_port *port = ipc_tt_copyin(name);
    struct task *task = convert_port_to_task(port);

    ipc_port_release_send(port);
    return task;
}

struct thread *port_name_to_thread(mach_port_name_t name)
{
    struct ipc_port *port = ipc_tt_copyin(name);
    struct thread *thread = convert_port_to_thread(port);

    ipc_port_release_send(port);
    return thread;
}

struct vm_map *port_name_to_map(mach_port_name_t name)
{
    struct ipc_port *port = ipc_tt_copyin(name);
    struct vm_map *map = convert_port_to_map(port);

    ipc_port_release_send(port);
    return map;
}

struct ipc_space *port_name_to_space(mach_port_name_t name)
{
    struct ipc_port *port = ipc_tt_copyin(name);
    struct ipc_space *space = convert_port_to_space(port);

    ipc_port_release_send(port);
    return space;
}
