/* task_server.c - the routines of mach.defs and gnumach.defs on tasks. Called by generated stubs;
 * the task is referenced by the stub. Each returns KERN_SUCCESS, KERN_INVALID_ARGUMENT and what is
 * named with its prototype in the interface's reference page. */
#include <mach/task_info.h>
#include <mach/task_special_ports.h>

#include "arch/layout.h"
#include "arch/pmap.h"
#include "gnumach_kernel_server.h"
#include "ipc/ipc_port.h"
#include "kern/clock.h"
#include "kern/emulation.h"
#include "kern/ipc_tt.h"
#include "kern/string.h"
#include "kern/task.h"
#include "kern/task_notify.h"
#include "mach_kernel_server.h"
#include "vm/slab.h"
#include "vm/vm_map.h"

/* Returns: KERN_SUCCESS, KERN_FAILURE (the parent is ending), KERN_RESOURCE_SHORTAGE. */
kern_return_t task_create(task_t parent, boolean_t inherit, task_t *child)
{
    kern_return_t kr = task_create_from(parent, inherit != 0, child);

    if (kr == KERN_SUCCESS) {
        task_notify_created(parent, *child);
    }
    return kr;
}

/* Returns: KERN_SUCCESS, KERN_ABORTED (the caller was, before the task was gone). */
kern_return_t task_terminate(task_t task)
{
    return task_end(task);
}

/* An array of send rights for the task's threads. Its memory is found without the lock, so the
 * count may have changed: then once more. Returns: KERN_SUCCESS, KERN_RESOURCE_SHORTAGE. */
kern_return_t task_threads(task_t task, struct ipc_port ***list, mach_msg_type_number_t *count)
{
    for (;;) {
        uint32_t expected = atomic_load(&task->thread_count);
        struct ipc_port **ports = expected > 0 ? kalloc(expected * sizeof(*ports)) : NULL;
        uint32_t n = 0;

        if (ports == NULL && expected > 0) {
            return KERN_RESOURCE_SHORTAGE;
        }
        spin_lock(&task->lock);
        if (task->thread_count == expected) {
            list_for_each (&task->threads, node) {
                ports[n] =
                    ipc_port_make_send(list_entry(node, struct thread, task_link)->self_port);
                n++;
            }
            spin_unlock(&task->lock);
            *list = ports;
            *count = n;
            return KERN_SUCCESS;
        }
        spin_unlock(&task->lock);
        if (ports != NULL) {
            kfree(ports, expected * sizeof(*ports));
        }
    }
}

static void task_live_times(struct task *task, uint64_t *user_ns, uint64_t *system_ns)
{
    *user_ns = 0;
    *system_ns = 0;
    spin_lock(&task->lock);
    list_for_each (&task->threads, node) {
        uint64_t user, system;

        thread_times(list_entry(node, struct thread, task_link), &user, &system);
        *user_ns += user;
        *system_ns += system;
    }
    spin_unlock(&task->lock);
}

static void task_basic_info(struct task *task, struct task_basic_info *info)
{
    uint64_t user, system;
    uint64_t created = clock_wall_ns() - (clock_now_ns() - task->created_ns);

    thread_split_times(task->dead_run_ticks, task->dead_user_samples, task->dead_system_samples,
                       &user, &system); /* of threads that have ended */
    *info = (struct task_basic_info){
        .suspend_count = (integer_t)task->suspend_count,
        .base_priority = task->priority,
        .virtual_size = task->map != NULL ? task->map->size : 0,
        .resident_size = pmap_resident_count(task->pmap) * PAGE_SIZE,
        .user_time = clock_time(user),
        .system_time = clock_time(system),
        .creation_time = clock_time(created),
        .user_time64 = clock_time64(user),
        .system_time64 = clock_time64(system),
        .creation_time64 = clock_time64(created),
    };
}

static void task_thread_times_info(struct task *task, struct task_thread_times_info *info)
{
    uint64_t user, system;

    task_live_times(task, &user, &system);
    *info = (struct task_thread_times_info){.user_time = clock_time(user),
                                            .system_time = clock_time(system),
                                            .user_time64 = clock_time64(user),
                                            .system_time64 = clock_time64(system)};
}

/* Returns: KERN_SUCCESS, KERN_INVALID_ARGUMENT (no such flavor, or too little room). */
kern_return_t task_info(task_t task, int flavor, task_info_t info, mach_msg_type_number_t *count)
{
    mach_msg_type_number_t needed = flavor == TASK_BASIC_INFO    ? TASK_BASIC_INFO_COUNT
                                    : flavor == TASK_EVENTS_INFO ? TASK_EVENTS_INFO_COUNT
                                    : flavor == TASK_THREAD_TIMES_INFO
                                        ? TASK_THREAD_TIMES_INFO_COUNT
                                        : 0;

    if (needed == 0 || *count < needed) {
        return KERN_INVALID_ARGUMENT;
    }
    if (flavor == TASK_BASIC_INFO) {
        task_basic_info(task, (struct task_basic_info *)info);
    } else if (flavor == TASK_THREAD_TIMES_INFO) {
        task_thread_times_info(task, (struct task_thread_times_info *)info);
    } else {
        *(struct task_events_info *)info =
            (struct task_events_info){.faults = task->faults,
                                      .messages_sent = task->messages_sent,
                                      .messages_received = task->messages_received};
    }
    *count = needed;
    return KERN_SUCCESS;
}

/* The thread of the task with the smallest id above `after`, with a reference, or NULL. */
static struct thread *task_thread_after(task_t task, uint64_t after)
{
    struct thread *found = NULL;

    spin_lock(&task->lock);
    list_for_each (&task->threads, node) {
        struct thread *t = list_entry(node, struct thread, task_link);

        if (t->id > after && (found == NULL || t->id < found->id)) {
            found = t;
        }
    }
    if (found != NULL) {
        thread_ref(found);
    }
    spin_unlock(&task->lock);
    return found;
}

/* Wait until every thread but the current one has stopped. When the wait is aborted the task stays
 * suspended: its threads stop without being watched. */
static void task_wait_stopped(task_t task)
{
    kern_return_t kr = KERN_SUCCESS;
    struct thread *t;

    for (uint64_t id = 0; kr == KERN_SUCCESS && (t = task_thread_after(task, id)) != NULL;
         thread_unref(t)) {
        id = t->id;
        kr = thread_wait_stopped(t);
    }
}

/* Returns: KERN_SUCCESS. */
kern_return_t task_suspend(task_t task)
{
    if (task == task_kernel) {
        return KERN_INVALID_ARGUMENT;
    }
    spin_lock(&task->lock);
    task->suspend_count++;
    list_for_each (&task->threads, node) {
        thread_hold(list_entry(node, struct thread, task_link));
    }
    spin_unlock(&task->lock);
    task_wait_stopped(task);
    return KERN_SUCCESS;
}

/* Returns: KERN_SUCCESS, KERN_FAILURE (not suspended). */
kern_return_t task_resume(task_t task)
{
    spin_lock(&task->lock);
    if (task->suspend_count == 0) {
        spin_unlock(&task->lock);
        return KERN_FAILURE;
    }
    task->suspend_count--;
    list_for_each (&task->threads, node) {
        thread_release(list_entry(node, struct thread, task_link));
    }
    spin_unlock(&task->lock);
    return KERN_SUCCESS;
}

/* Where a special port is kept, or NULL. */
static struct ipc_port **task_special_port(struct task *task, int which)
{
    switch (which) {
    case TASK_EXCEPTION_PORT:
        return &task->exception_port;
    case TASK_BOOTSTRAP_PORT:
        return &task->bootstrap_port;
    default:
        return NULL;
    }
}

/* Returns: KERN_SUCCESS, KERN_INVALID_ARGUMENT. */
kern_return_t task_get_special_port(task_t task, int which, struct ipc_port **port)
{
    struct ipc_port **where = task_special_port(task, which);

    if (which == TASK_KERNEL_PORT) {
        *port = task_self_port(task);
        return KERN_SUCCESS;
    }
    if (where == NULL) {
        return KERN_INVALID_ARGUMENT;
    }
    spin_lock(&task->lock);
    *port = ipc_port_copy_send(*where);
    spin_unlock(&task->lock);
    return KERN_SUCCESS;
}

/* Returns: KERN_SUCCESS, KERN_INVALID_ARGUMENT, KERN_FAILURE (the task is ending). */
kern_return_t task_set_special_port(task_t task, int which, struct ipc_port *port)
{
    struct ipc_port **where = task_special_port(task, which);
    struct ipc_port *old;

    if (where == NULL) {
        return KERN_INVALID_ARGUMENT;
    }
    spin_lock(&task->lock);
    if (task->dying) {
        spin_unlock(&task->lock);
        return KERN_FAILURE;
    }
    old = *where;
    *where = port;
    spin_unlock(&task->lock);
    ipc_port_release_send(old);
    return KERN_SUCCESS;
}

/* Returns: KERN_SUCCESS, KERN_INVALID_ARGUMENT (too many), KERN_FAILURE (the task is ending). */
kern_return_t mach_ports_register(task_t task, struct ipc_port **ports,
                                  mach_msg_type_number_t count)
{
    struct ipc_port *old[TASK_PORT_REGISTER_MAX];

    if (count > TASK_PORT_REGISTER_MAX) {
        return KERN_INVALID_ARGUMENT;
    }
    spin_lock(&task->lock);
    if (task->dying) {
        spin_unlock(&task->lock);
        return KERN_FAILURE;
    }
    for (unsigned i = 0; i < TASK_PORT_REGISTER_MAX; i++) {
        old[i] = task->registered[i];
        task->registered[i] = i < count ? ports[i] : IP_NULL;
    }
    spin_unlock(&task->lock);
    for (unsigned i = 0; i < TASK_PORT_REGISTER_MAX; i++) {
        ipc_port_release_send(old[i]);
    }
    if (ports != NULL) {
        kfree(ports, count * sizeof(*ports));
    }
    return KERN_SUCCESS;
}

/* Returns: KERN_SUCCESS, KERN_RESOURCE_SHORTAGE. */
kern_return_t mach_ports_lookup(task_t task, struct ipc_port ***ports,
                                mach_msg_type_number_t *count)
{
    struct ipc_port **copy = kalloc(TASK_PORT_REGISTER_MAX * sizeof(*copy));

    if (copy == NULL) {
        return KERN_RESOURCE_SHORTAGE;
    }
    spin_lock(&task->lock);
    for (unsigned i = 0; i < TASK_PORT_REGISTER_MAX; i++) {
        copy[i] = ipc_port_copy_send(task->registered[i]);
    }
    spin_unlock(&task->lock);
    *ports = copy;
    *count = TASK_PORT_REGISTER_MAX;
    return KERN_SUCCESS;
}

/* Returns: KERN_SUCCESS, KERN_RESOURCE_SHORTAGE. */
kern_return_t task_get_emulation_vector(task_t task, int *vector_start, struct vm_copy **vector,
                                        mach_msg_type_number_t *count)
{
    vm_address_t *handlers = kalloc(EMULATION_MAX * sizeof(*handlers));

    if (handlers == NULL) {
        return KERN_RESOURCE_SHORTAGE;
    }
    *vector_start = 0;
    *count = emulation_get(task, handlers);
    *vector = vm_copy_from_kernel(handlers, *count * sizeof(*handlers));
    kfree(handlers, EMULATION_MAX * sizeof(*handlers));
    return *vector != NULL || *count == 0 ? KERN_SUCCESS : KERN_RESOURCE_SHORTAGE;
}

/* Returns: KERN_SUCCESS, KERN_INVALID_ARGUMENT, KERN_RESOURCE_SHORTAGE, and those of emulation_set.
 */
kern_return_t task_set_emulation_vector(task_t task, int vector_start, struct vm_copy *vector,
                                        mach_msg_type_number_t count)
{
    vm_address_t *handlers;
    kern_return_t kr;

    if (vector_start < 0 || count > EMULATION_MAX) {
        return KERN_INVALID_ARGUMENT;
    }
    if (count == 0) {
        vm_copy_discard(vector);
        return KERN_SUCCESS;
    }
    handlers = kalloc(count * sizeof(*handlers));
    if (handlers == NULL) {
        return KERN_RESOURCE_SHORTAGE;
    }
    kr = vm_copy_read(vector, 0, handlers, count * sizeof(*handlers));
    if (kr == KERN_SUCCESS) {
        kr = emulation_set(task, (uint32_t)vector_start, handlers, count);
    }
    kfree(handlers, count * sizeof(*handlers));
    if (kr == KERN_SUCCESS) {
        vm_copy_discard(vector);
    }
    return kr;
}

/* Returns: KERN_SUCCESS, KERN_INVALID_ARGUMENT, and those of emulation_set. */
kern_return_t task_set_emulation(task_t task, vm_address_t routine_entry_pt, int routine_number)
{
    if (routine_number < 0) {
        return KERN_INVALID_ARGUMENT;
    }
    return emulation_set(task, (uint32_t)routine_number, &routine_entry_pt, 1);
}

/* Returns: KERN_SUCCESS. */
kern_return_t task_set_name(task_t task, const_kernel_debug_name_t name)
{
    spin_lock(&task->lock);
    strlcpy(task->name, name, sizeof(task->name));
    spin_unlock(&task->lock);
    return KERN_SUCCESS;
}

/* Returns: KERN_SUCCESS, KERN_NO_ACCESS (not the first task). */
kern_return_t task_set_essential(task_t task, boolean_t essential)
{
    if (!task->is_first) {
        return KERN_NO_ACCESS; /* else any task could stop the system by ending */
    }
    spin_lock(&task->lock);
    task->essential = essential != 0;
    spin_unlock(&task->lock);
    return KERN_SUCCESS;
}
