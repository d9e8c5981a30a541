/* trap_calls.c - the traps that are not in ipc/ or vm/: yielding, printing, and the twins of
 * routines on tasks. Arguments come straight from user registers. */
#include "kern/trap_calls.h"

#include <mach/thread_switch.h>

#include "arch/thread_state.h"
#include "ipc/ipc_port.h"
#include "ipc/ipc_space.h"
#include "ipc/mach_port.h"
#include "kern/clock.h"
#include "kern/ipc_tt.h"
#include "kern/printf.h"
#include "kern/sched.h"
#include "kern/task.h"
#include "kern/thread.h"
#include "mach_kernel_server.h"

#define PRINT_MAX       1024
#define PRINT_PIECE     80
#define STATE_MAX_WORDS 1024

/* There are no kernel event counters: every number is refused. */
kern_return_t evc_wait(uint32_t event)
{
    return KERN_INVALID_ARGUMENT;
}

kern_return_t evc_wait_clear(uint32_t event)
{
    return evc_wait(event);
}

kern_return_t mach_print(user_addr_t text)
{
    char buffer[PRINT_MAX];
    size_t length;
    kern_return_t kr = copyin_string(text, buffer, sizeof(buffer), &length);

    /* in pieces: interrupts are off while one is written */
    for (size_t done = 0; kr == KERN_SUCCESS && done < length; done += PRINT_PIECE) {
        kprintf("%.*s", PRINT_PIECE, buffer + done);
    }
    return kr;
}

uint64_t swtch(void)
{
    thread_yield();
    return sched_runnable_count() > 1;
}

uint64_t swtch_pri(int priority)
{
    thread_depress();
    thread_yield();
    thread_undepress(current_thread());
    return sched_runnable_count() > 1;
}

kern_return_t thread_switch(mach_port_name_t name, int option, uint32_t msec)
{
    if (!valid_switch_option(option)) {
        return KERN_INVALID_ARGUMENT;
    }
    if (name != MACH_PORT_NAME_NULL) {
        struct thread *thread = port_name_to_thread(name);

        if (thread == NULL) {
            return KERN_INVALID_ARGUMENT;
        }
        thread_unref(thread); /* a hint: the scheduler runs the best thread anyhow */
    }
    if (option == SWITCH_OPTION_WAIT) {
        thread_wait_prepare(true, clock_now_ns() + msec * NS_PER_MS + 1);
        thread_block(NULL);
        return KERN_SUCCESS;
    }
    if (option == SWITCH_OPTION_DEPRESS) {
        thread_depress();
    }
    thread_yield();
    if (option == SWITCH_OPTION_DEPRESS) {
        thread_undepress(current_thread());
    }
    return KERN_SUCCESS;
}

kern_return_t syscall_thread_depress_abort(mach_port_name_t name)
{
    struct thread *thread = port_name_to_thread(name);

    if (thread == NULL) {
        return KERN_INVALID_ARGUMENT;
    }
    thread_undepress(thread);
    thread_unref(thread);
    return KERN_SUCCESS;
}

kern_return_t thread_set_self_state(int flavor, user_addr_t state, uint32_t count)
{
    natural_t words[STATE_MAX_WORDS];
    kern_return_t kr;

    if (count > STATE_MAX_WORDS) {
        return KERN_INVALID_ARGUMENT;
    }
    kr = copyin(state, words, count * sizeof(natural_t));
    return kr == KERN_SUCCESS ? thread_state_set(current_thread(), flavor, words, count) : kr;
}

kern_return_t syscall_task_create(mach_port_name_t parent, boolean_t inherit, user_addr_t child)
{
    struct task *task = port_name_to_task(parent);
    struct task *made;
    mach_port_name_t name = MACH_PORT_NAME_NULL;
    kern_return_t kr;

    if (task == NULL) {
        return KERN_INVALID_ARGUMENT;
    }
    kr = task_create(task, inherit, &made);
    task_unref(task);
    if (kr != KERN_SUCCESS) {
        return kr;
    }
    kr = ipc_space_copyout_right(current_task()->space, task_self_port(made),
                                 MACH_MSG_TYPE_PORT_SEND, &name);
    if (kr == KERN_SUCCESS) {
        kr = copyout(&name, child, sizeof(name));
        if (kr != KERN_SUCCESS) {
            (void)mach_port_deallocate(current_task()->space, name);
        }
    }
    if (kr != KERN_SUCCESS) {
        (void)task_end(made); /* nobody else could */
    }
    task_unref(made);
    return kr;
}

kern_return_t syscall_task_terminate(mach_port_name_t name)
{
    struct task *task = port_name_to_task(name);
    kern_return_t kr = task != NULL ? task_end(task) : KERN_INVALID_ARGUMENT;

    task_unref(task);
    return kr;
}

kern_return_t syscall_task_suspend(mach_port_name_t name)
{
    struct task *task = port_name_to_task(name);
    kern_return_t kr = task != NULL ? task_suspend(task) : KERN_INVALID_ARGUMENT;

    task_unref(task);
    return kr;
}

kern_return_t syscall_task_set_special_port(mach_port_name_t name, int which,
                                            mach_port_name_t port_name)
{
    struct task *task = port_name_to_task(name);
    struct ipc_port *port = IP_NULL;
    kern_return_t kr = KERN_SUCCESS;

    if (task == NULL) {
        return KERN_INVALID_ARGUMENT;
    }
    if (port_name != MACH_PORT_NAME_NULL && port_name != MACH_PORT_NAME_DEAD) {
        kr = ipc_space_copyin_right(current_task()->space, port_name, MACH_MSG_TYPE_COPY_SEND,
                                    &port);
    }
    if (kr == KERN_SUCCESS) {
        kr = task_set_special_port(task, which, port);
        if (kr != KERN_SUCCESS) {
            ipc_port_release_send(port);
        }
    }
    task_unref(task);
    return kr;
}

/* Devices are served by user tasks: these two, which bypass messages, have nothing to go to. */
kern_return_t syscall_device_write_request(void)
{
    return KERN_INVALID_ARGUMENT;
}

kern_return_t syscall_device_writev_request(void)
{
    return KERN_INVALID_ARGUMENT;
}

kern_return_t trap_unassigned(void)
{
    return KERN_INVALID_ARGUMENT;
}
