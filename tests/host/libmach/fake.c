/* fake.c - calls libmach makes, on the host: memory is malloc's, ports are numbers. */
#include "fake.h"

#include <stdlib.h>
#include <string.h>

#include <bootstrap.h>
#include <gnumach.h>
#include <io.h>
#include <mach.h>
#include <mach_port.h>
#include <portolan/thread.h>
#include <process.h>

#include "core/environment.h"

struct fake fake;

void fake_reset(void)
{
    memset(&fake, 0, sizeof(fake));
}

void fake_environment(char *const *environment)
{
    environment_start = environment;
}

kern_return_t syscall_vm_allocate(mach_port_name_t task, vm_address_t *address, vm_size_t size,
                                  boolean_t anywhere)
{
    (void)task;
    (void)anywhere;
    *address = (vm_address_t)calloc(1, size);
    fake.regions_made++;
    return *address != 0 ? KERN_SUCCESS : KERN_RESOURCE_SHORTAGE;
}

kern_return_t syscall_vm_deallocate(mach_port_name_t task, vm_address_t address, vm_size_t size)
{
    (void)task;
    fake.regions_freed++;
    fake.last_freed = size;
    free((void *)address);
    return KERN_SUCCESS;
}

kern_return_t syscall_mach_port_deallocate(mach_port_name_t task, mach_port_name_t name)
{
    (void)task;
    fake.ports_dropped++;
    fake.last_dropped = name;
    return KERN_SUCCESS;
}

kern_return_t mach_port_mod_refs(mach_port_t task, mach_port_name_t name, mach_port_right_t right,
                                 mach_port_delta_t delta)
{
    (void)task;
    (void)name;
    fake.receives_dropped += right == MACH_PORT_RIGHT_RECEIVE && delta == -1;
    return KERN_SUCCESS;
}

kern_return_t syscall_mach_port_allocate(mach_port_name_t task, mach_port_right_t right,
                                         mach_port_name_t *name)
{
    (void)task;
    (void)right;
    (void)name;
    return KERN_RESOURCE_SHORTAGE;
}

kern_return_t syscall_mach_port_insert_right(mach_port_name_t task, mach_port_name_t name,
                                             mach_port_name_t right,
                                             mach_msg_type_name_t right_type)
{
    (void)task;
    (void)name;
    (void)right;
    (void)right_type;
    return KERN_INVALID_RIGHT;
}

kern_return_t syscall_task_terminate(mach_port_name_t task)
{
    (void)task;
    exit(1);
}

void mach_print(const char *text)
{
    (void)text;
}

void portolan_lock_acquire(struct portolan_lock *lock)
{
    assert_int_equal(lock->state, 0);
    lock->state = 1;
}

void portolan_lock_release(struct portolan_lock *lock)
{
    assert_int_equal(lock->state, 1);
    lock->state = 0;
}

kern_return_t gsync_wake(mach_port_t task, vm_address_t addr, unsigned val, int flags)
{
    (void)task;
    (void)addr;
    (void)val;
    (void)flags;
    fake.wakes++;
    return KERN_SUCCESS;
}

/* Nobody else is there to wake us. */
kern_return_t gsync_wait(mach_port_t task, vm_address_t addr, unsigned val1, unsigned val2,
                         natural_t msec, int flags)
{
    (void)task;
    (void)addr;
    (void)val1;
    (void)val2;
    (void)msec;
    (void)flags;
    fail_msg("the call waits for ever");
    return KERN_FAILURE;
}

kern_return_t task_get_special_port(mach_port_t task, int which, mach_port_t *port)
{
    (void)task;
    (void)which;
    *port = 44;
    return KERN_SUCCESS;
}

kern_return_t bootstrap_look_up(mach_port_t bootstrap, const char *name, mach_port_t *service)
{
    (void)name;
    *service = bootstrap + 1;
    return KERN_SUCCESS;
}

kern_return_t bootstrap_check_in(mach_port_t bootstrap, const char *name, mach_port_t *service)
{
    (void)name;
    *service = bootstrap + 2;
    return KERN_SUCCESS;
}

kern_return_t process_exited(mach_port_t port, int status)
{
    (void)port;
    (void)status;
    return KERN_SUCCESS;
}
