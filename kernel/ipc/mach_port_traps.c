/* mach_port_traps.c - traps on ports. See mach_port_traps.h. */
#include "ipc/mach_port_traps.h"

#include "ipc/ipc_port.h"
#include "ipc/ipc_right.h"
#include "ipc/ipc_space.h"
#include "ipc/mach_port.h"
#include "kern/ipc_tt.h"
#include "kern/task.h"
#include "kern/thread.h"

/* The name of a new send right in the current task. Consumes the right. */
static uint64_t mach_port_traps_name(struct ipc_port *port)
{
    mach_port_name_t name;

    ipc_space_copyout_right(current_task()->space, port, MACH_MSG_TYPE_PORT_SEND, &name);
    return name;
}

uint64_t mach_reply_port(void)
{
    mach_port_name_t name;

    if (mach_port_allocate(current_task()->space, MACH_PORT_RIGHT_RECEIVE, &name) != KERN_SUCCESS) {
        return MACH_PORT_NAME_NULL;
    }
    return name;
}

uint64_t mach_thread_self(void)
{
    return mach_port_traps_name(thread_self_port(current_thread()));
}

uint64_t mach_task_self(void)
{
    return mach_port_traps_name(task_self_port(current_task()));
}

uint64_t mach_host_self(void)
{
    return mach_port_traps_name(host_self_port());
}

kern_return_t syscall_mach_port_allocate(mach_port_name_t task, mach_port_right_t right,
                                         user_addr_t result)
{
    struct ipc_space *space = port_name_to_space(task);
    mach_port_name_t name;
    kern_return_t kr;

    if (space == NULL) {
        return KERN_INVALID_ARGUMENT;
    }
    kr = mach_port_allocate(space, right, &name);
    if (kr == KERN_SUCCESS && copyout(&name, result, sizeof(name)) != KERN_SUCCESS) {
        mach_port_destroy(space, name);
        kr = KERN_INVALID_ADDRESS;
    }
    ipc_space_unref(space);
    return kr;
}

/* The task is another, or not known to be the current one. */
static __attribute__((noinline)) kern_return_t mach_port_traps_deallocate(mach_port_name_t task,
                                                                          mach_port_name_t name)
{
    struct ipc_space *space = port_name_to_space(task);
    kern_return_t kr;

    if (space == NULL) {
        return KERN_INVALID_ARGUMENT;
    }
    kr = mach_port_deallocate(space, name);
    ipc_space_unref(space);
    return kr;
}

kern_return_t syscall_mach_port_deallocate(mach_port_name_t task, mach_port_name_t name)
{
    struct ipc_space *space = current_task()->space;

    return ipc_space_names_own_task(space, task)
               ? mach_port_deallocate(space, name) /* its threads keep the space */
               : mach_port_traps_deallocate(task, name);
}

kern_return_t syscall_mach_port_insert_right(mach_port_name_t task, mach_port_name_t name,
                                             mach_port_name_t right, uint32_t disposition)
{
    struct ipc_space *space = port_name_to_space(task);
    struct ipc_port *port;
    kern_return_t kr;

    if (space == NULL) {
        return KERN_INVALID_ARGUMENT;
    }
    if (!MACH_MSG_TYPE_PORT_ANY(disposition)) {
        kr = KERN_INVALID_VALUE;
    } else if (!MACH_PORT_NAME_VALID(right)) {
        kr = KERN_INVALID_CAPABILITY;
    } else {
        kr = ipc_space_copyin_right(current_task()->space, right, disposition, &port);
        if (kr == KERN_SUCCESS) {
            kr = mach_port_insert_right(space, name, port, ipc_right_type(disposition));
            if (kr != KERN_SUCCESS) {
                ipc_port_release_right(port, ipc_right_type(disposition));
            }
        }
    }
    ipc_space_unref(space);
    return kr;
}

kern_return_t syscall_mach_port_allocate_name(mach_port_name_t task, mach_port_right_t right,
                                              mach_port_name_t name)
{
    struct ipc_space *space = port_name_to_space(task);
    kern_return_t kr;

    if (space == NULL) {
        return KERN_INVALID_ARGUMENT;
    }
    kr = mach_port_allocate_name(space, right, name);
    ipc_space_unref(space);
    return kr;
}
