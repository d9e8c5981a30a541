/* thread_server.c - the routines of mach.defs, mach_host.defs and gnumach.defs on threads. Called
 * by generated stubs; the thread is referenced by the stub. */
#include <mach/policy.h>
#include <mach/thread_info.h>
#include <mach/thread_special_ports.h>

#include "arch/thread_state.h"
#include "gnumach_kernel_server.h"
#include "ipc/ipc_port.h"
#include "ipc/ipc_space.h"
#include "ipc/mach_port.h"
#include "kern/assert.h"
#include "kern/atomic.h"
#include "kern/clock.h"
#include "kern/ipc_tt.h"
#include "kern/sched.h"
#include "kern/string.h"
#include "kern/task.h"
#include "kern/thread.h"
#include "mach_host_kernel_server.h"
#include "mach_kernel_server.h"
#include "vm/vm_map.h"

/* Returns: KERN_SUCCESS, KERN_RESOURCE_SHORTAGE, KERN_FAILURE (the task is ending). */
kern_return_t thread_create(task_t task, thread_t *thread)
{
    if (task == task_kernel) {
        return KERN_INVALID_ARGUMENT;
    }
    return thread_create_in(task, thread);
}

/* Returns: KERN_SUCCESS. */
kern_return_t thread_terminate(thread_t thread)
{
    thread_end(thread);
    return KERN_SUCCESS;
}

/* Ends the thread and gives back what only it can name last: its ports and its stack. Returns:
 * KERN_SUCCESS. */
kern_return_t thread_terminate_release(thread_t thread, task_t task, mach_port_name_t thread_name,
                                       mach_port_name_t reply_port, vm_address_t address,
                                       vm_size_t size)
{
    if (reply_port != MACH_PORT_NAME_NULL) {
        mach_port_mod_refs(task->space, reply_port, MACH_PORT_RIGHT_RECEIVE, -1);
    }
    if (thread_name != MACH_PORT_NAME_NULL) {
        mach_port_deallocate(task->space, thread_name);
    }
    if (address != 0 || size != 0) {
        vm_deallocate(task->map, address, size);
    }
    thread_end(thread);
    return KERN_SUCCESS;
}

/* Returns: KERN_SUCCESS, KERN_TERMINATED, KERN_ABORTED (the caller was). */
kern_return_t thread_suspend(thread_t thread)
{
    kern_return_t kr = thread_hold(thread);

    if (kr != KERN_SUCCESS) {
        return kr;
    }
    spin_lock(&thread->lock);
    thread->user_suspend_count++;
    spin_unlock(&thread->lock);
    kr = thread_wait_stopped(thread);
    if (kr != KERN_SUCCESS) {
        thread_resume(thread);
    }
    return kr;
}

/* Returns: KERN_SUCCESS, KERN_FAILURE (not suspended). */
kern_return_t thread_resume(thread_t thread)
{
    spin_lock(&thread->lock);
    if (thread->user_suspend_count == 0) {
        spin_unlock(&thread->lock);
        return KERN_FAILURE;
    }
    thread->user_suspend_count--;
    spin_unlock(&thread->lock);
    return thread_release(thread);
}

/* Returns: KERN_SUCCESS, KERN_INVALID_ARGUMENT (itself). */
kern_return_t thread_abort(thread_t thread)
{
    if (thread == current_thread()) {
        return KERN_INVALID_ARGUMENT;
    }
    thread_abort_wait(thread);
    return KERN_SUCCESS;
}

/* Hold a thread that is not the current one, call, release. A held thread may still leave a wait
 * and run in the kernel up to its return to user mode, and take its registers along: then the call
 * is made again on what it left in its pcb. */
static kern_return_t thread_while_held(thread_t thread, kern_return_t (*call)(thread_t, void *),
                                       void *argument)
{
    uint64_t switches;
    kern_return_t kr;

    if (thread == current_thread()) {
        return KERN_INVALID_ARGUMENT;
    }
    kr = thread_hold(thread);
    if (kr != KERN_SUCCESS) {
        return kr;
    }
    do {
        kr = thread_wait_stopped(thread);
        switches = atomic_load_acquire(&thread->switches);
        if (kr == KERN_SUCCESS) {
            kr = call(thread, argument);
        }
    } while (kr == KERN_SUCCESS && atomic_load_acquire(&thread->switches) != switches);
    thread_release(thread);
    return kr;
}

struct thread_state_call {
    int flavor;
    natural_t *state;
    mach_msg_type_number_t *count;
};

static kern_return_t thread_call_get(thread_t thread, void *argument)
{
    struct thread_state_call *c = argument;

    return thread_state_get(thread, c->flavor, c->state, c->count);
}

static kern_return_t thread_call_set(thread_t thread, void *argument)
{
    struct thread_state_call *c = argument;

    return thread_state_set(thread, c->flavor, c->state, *c->count);
}

/* Returns: KERN_SUCCESS, KERN_INVALID_ARGUMENT (itself, no such flavor, too little room),
 * KERN_TERMINATED, KERN_ABORTED (the caller was). */
kern_return_t thread_get_state(thread_t thread, int flavor, thread_state_t state,
                               mach_msg_type_number_t *count)
{
    struct thread_state_call call = {flavor, state, count};

    return thread_while_held(thread, thread_call_get, &call);
}

/* Returns: KERN_SUCCESS, KERN_INVALID_ARGUMENT (itself, no such flavor, too few words, a bad
 * value), KERN_TERMINATED, KERN_ABORTED (the caller was). */
kern_return_t thread_set_state(thread_t thread, int flavor, thread_state_t state,
                               mach_msg_type_number_t count)
{
    struct thread_state_call call = {flavor, state, &count};

    return thread_while_held(thread, thread_call_set, &call);
}

static integer_t thread_run_state(const struct thread *t)
{
    if ((atomic_load(&t->flags) & THREAD_FLAG_STOPPED) != 0) {
        return TH_STATE_STOPPED;
    }
    if (atomic_load(&t->wait) == THREAD_DEAD) {
        return TH_STATE_HALTED;
    }
    if (atomic_load(&t->wait) != THREAD_BLOCKED) {
        return TH_STATE_RUNNING;
    }
    return t->wait_interruptible ? TH_STATE_WAITING : TH_STATE_UNINTERRUPTIBLE;
}

static void thread_basic_info(struct thread *t, struct thread_basic_info *info)
{
    uint64_t user, system;

    thread_times(t, &user, &system);
    *info = (struct thread_basic_info){
        .user_time = clock_time(user),
        .system_time = clock_time(system),
        .user_time64 = clock_time64(user),
        .system_time64 = clock_time64(system),
        .cpu_usage = (integer_t)(t->usage * 50 < TH_USAGE_SCALE ? t->usage * 50 : TH_USAGE_SCALE),
        .base_priority = t->base_priority,
        .cur_priority = t->priority,
        .run_state = thread_run_state(t),
        .suspend_count = (integer_t)t->user_suspend_count,
    };
}

static void thread_sched_info(struct thread *t, struct thread_sched_info *info)
{
    *info = (struct thread_sched_info){
        .policy = (integer_t)t->policy,
        .data = SCHED_TICK_NS / NS_PER_MS,
        .base_priority = t->base_priority,
        .max_priority = t->max_priority,
        .cur_priority = t->priority,
        .depressed = t->depressed_from >= 0,
        .depress_priority = t->depressed_from,
        .last_processor = t->cpu,
    };
}

/* Returns: KERN_SUCCESS, KERN_INVALID_ARGUMENT (no such flavor, or too little room). */
kern_return_t thread_info(thread_t thread, int flavor, thread_info_t info,
                          mach_msg_type_number_t *count)
{
    if (flavor == THREAD_BASIC_INFO && *count >= THREAD_BASIC_INFO_COUNT) {
        thread_basic_info(thread, (struct thread_basic_info *)info);
        *count = THREAD_BASIC_INFO_COUNT;
        return KERN_SUCCESS;
    }
    if (flavor == THREAD_SCHED_INFO && *count >= THREAD_SCHED_INFO_COUNT) {
        thread_sched_info(thread, (struct thread_sched_info *)info);
        *count = THREAD_SCHED_INFO_COUNT;
        return KERN_SUCCESS;
    }
    return KERN_INVALID_ARGUMENT;
}

/* Returns: KERN_SUCCESS, KERN_INVALID_ARGUMENT. */
kern_return_t thread_get_special_port(thread_t thread, int which, struct ipc_port **port)
{
    if (which == THREAD_KERNEL_PORT) {
        *port = thread_self_port(thread);
        return KERN_SUCCESS;
    }
    if (which != THREAD_EXCEPTION_PORT) {
        return KERN_INVALID_ARGUMENT;
    }
    spin_lock(&thread->task->lock);
    *port = ipc_port_copy_send(thread->exception_port);
    spin_unlock(&thread->task->lock);
    return KERN_SUCCESS;
}

/* Returns: KERN_SUCCESS, KERN_INVALID_ARGUMENT, KERN_FAILURE (the thread is ending). */
kern_return_t thread_set_special_port(thread_t thread, int which, struct ipc_port *port)
{
    struct ipc_port *old;

    if (which != THREAD_EXCEPTION_PORT) {
        return KERN_INVALID_ARGUMENT;
    }
    spin_lock(&thread->task->lock);
    if (thread->self_port == NULL) {
        spin_unlock(&thread->task->lock);
        return KERN_FAILURE;
    }
    old = thread->exception_port;
    thread->exception_port = port;
    spin_unlock(&thread->task->lock);
    ipc_port_release_send(old);
    return KERN_SUCCESS;
}

/* Returns: KERN_SUCCESS. */
kern_return_t thread_set_name(thread_t thread, const_kernel_debug_name_t name)
{
    spin_lock(&thread->lock);
    strlcpy(thread->name, name, sizeof(thread->name));
    spin_unlock(&thread->lock);
    return KERN_SUCCESS;
}

/* Returns: KERN_SUCCESS. */
kern_return_t thread_get_name(thread_t thread, kernel_debug_name_t name)
{
    spin_lock(&thread->lock);
    memcpy(name, thread->name, sizeof(thread->name));
    spin_unlock(&thread->lock);
    return KERN_SUCCESS;
}

/* --- scheduling --- */

/* Locks: thread->lock held. */
static void thread_set_base_locked(struct thread *t, int32_t priority)
{
    assert(spin_is_held(&t->lock));
    assert(priority >= 0 && priority < PRIORITY_IDLE);
    if (t->depressed_from >= 0) {
        t->depressed_from = priority;
    } else {
        sched_set_priority(t, priority);
    }
}

/* Returns: KERN_SUCCESS, KERN_INVALID_ARGUMENT, KERN_FAILURE (better than its limit). */
kern_return_t thread_priority(thread_t thread, int priority, boolean_t set_max)
{
    kern_return_t kr = KERN_SUCCESS;

    if (priority < 0 || priority >= PRIORITY_IDLE) {
        return KERN_INVALID_ARGUMENT;
    }
    spin_lock(&thread->lock);
    if (priority < thread->max_priority) {
        kr = KERN_FAILURE;
    } else {
        if (set_max) {
            thread->max_priority = priority;
        }
        thread_set_base_locked(thread, priority);
    }
    spin_unlock(&thread->lock);
    return kr;
}

static void thread_change_max(struct thread *t, int max_priority)
{
    assert(spin_is_held(&t->lock));
    t->max_priority = max_priority;
    if (t->base_priority < max_priority) {
        thread_set_base_locked(t, max_priority);
    }
}

/* Returns: KERN_SUCCESS, KERN_INVALID_ARGUMENT. */
kern_return_t thread_max_priority(thread_t thread, processor_set_t pset, int max_priority)
{
    (void)pset; /* the right to it is the privilege */
    if (max_priority < 0 || max_priority >= PRIORITY_IDLE) {
        return KERN_INVALID_ARGUMENT;
    }
    spin_lock(&thread->lock);
    thread_change_max(thread, max_priority);
    spin_unlock(&thread->lock);
    return KERN_SUCCESS;
}

/* Returns: KERN_SUCCESS, KERN_INVALID_ARGUMENT. */
kern_return_t thread_policy(thread_t thread, int policy, int data)
{
    (void)data; /* the quantum: all have the same */
    if (invalid_policy(policy)) {
        return KERN_INVALID_ARGUMENT;
    }
    spin_lock(&thread->lock);
    thread->policy = (enum thread_policy)policy;
    thread_set_base_locked(thread, thread->depressed_from >= 0 ? thread->depressed_from
                                                               : thread->base_priority);
    spin_unlock(&thread->lock);
    return KERN_SUCCESS;
}

/* Returns: KERN_SUCCESS. */
kern_return_t thread_depress_abort(thread_t thread)
{
    thread_undepress(thread);
    return KERN_SUCCESS;
}

/* Returns: KERN_SUCCESS. */
kern_return_t thread_wire(host_priv_t host, thread_t thread, boolean_t wired)
{
    if (wired) {
        atomic_fetch_or(&thread->flags, THREAD_FLAG_VM_PRIVILEGE);
    } else {
        atomic_fetch_and(&thread->flags, ~THREAD_FLAG_VM_PRIVILEGE);
    }
    return KERN_SUCCESS;
}

/* Change every thread of a task. */
static void task_each_thread(task_t task, void (*change)(struct thread *, int), int value)
{
    spin_lock(&task->lock);
    list_for_each (&task->threads, node) {
        struct thread *t = list_entry(node, struct thread, task_link);

        spin_lock(&t->lock);
        change(t, value);
        spin_unlock(&t->lock);
    }
    spin_unlock(&task->lock);
}

static void thread_change_priority(struct thread *t, int priority)
{
    thread_set_base_locked(t, priority < t->max_priority ? t->max_priority : priority);
}

/* Returns: KERN_SUCCESS, KERN_INVALID_ARGUMENT, KERN_FAILURE (better than its limit). */
kern_return_t task_priority(task_t task, int priority, boolean_t change_threads)
{
    bool allowed;

    if (priority < 0 || priority >= PRIORITY_IDLE) {
        return KERN_INVALID_ARGUMENT;
    }
    spin_lock(&task->lock);
    allowed = priority >= task->max_priority;
    if (allowed) {
        task->priority = priority;
    }
    spin_unlock(&task->lock);
    if (!allowed) {
        return KERN_FAILURE;
    }
    if (change_threads) {
        task_each_thread(task, thread_change_priority, priority);
    }
    return KERN_SUCCESS;
}

/* Returns: KERN_SUCCESS, KERN_INVALID_ARGUMENT, KERN_NO_ACCESS (raising without the privileged host
 * port). */
kern_return_t task_max_priority(struct ipc_port *host, task_t task, int max_priority,
                                boolean_t set_priority, boolean_t change_threads)
{
    bool privileged = convert_port_to_host_priv(host) != NULL;
    bool allowed;

    if (max_priority < 0 || max_priority >= PRIORITY_IDLE) {
        return KERN_INVALID_ARGUMENT;
    }
    spin_lock(&task->lock);
    allowed = privileged || max_priority >= task->max_priority;
    if (allowed) {
        task->max_priority = max_priority;
        if (set_priority || task->priority < max_priority) {
            task->priority = max_priority;
        }
    }
    spin_unlock(&task->lock);
    if (!allowed) {
        return KERN_NO_ACCESS;
    }
    if (change_threads) {
        task_each_thread(task, thread_change_max, max_priority);
    }
    return KERN_SUCCESS;
}
