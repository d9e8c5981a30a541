/* twin.c - a task that is a copy of this one, with one thread. */
#include <mach.h>
#include <mach4.h>
#include <mach_port.h>
#include <portolan/portolan.h>
#include <portolan/thread.h>
#include <stdlib.h>

#include <mach/thread_status.h>

#include "pressure.h"

#define STACK_SIZE (16ul * 1024)
#define TRIES      200u
#define TRY_MS     10u

static char twin_stack[STACK_SIZE] __attribute__((aligned(16)));

/* The kernel may lack memory for a task for a moment. */
static void twin_create(struct twin *twin)
{
    kern_return_t kr = KERN_RESOURCE_SHORTAGE;

    for (unsigned i = 0; i < TRIES && kr == KERN_RESOURCE_SHORTAGE; i++) {
        kr = task_create(mach_task_self(), TRUE, &twin->task);
        if (kr == KERN_RESOURCE_SHORTAGE) {
            portolan_sleep(TRY_MS);
        }
    }
    pressure_check(kr, "a task");
}

void twin_start(struct twin *twin, void (*function)(void), mach_port_t service)
{
    struct i386_thread_state state = {0};

    twin_create(twin);
    if (service != MACH_PORT_NULL) {
        pressure_check(
            mach_port_insert_right(twin->task, service, service, MACH_MSG_TYPE_MOVE_RECEIVE),
            "its port");
    }
    pressure_check(thread_create(twin->task, &twin->thread), "its thread");
    state.rip = (uint64_t)function;
    state.ursp = (uint64_t)(twin_stack + STACK_SIZE - 8);
    pressure_check(thread_set_state(twin->thread, i386_THREAD_STATE, (thread_state_t)&state,
                                    i386_THREAD_STATE_COUNT),
                   "its registers");
    pressure_check(thread_resume(twin->thread), "its start");
}

void twin_end(struct twin *twin)
{
    pressure_check(task_terminate(twin->task), "its end");
    mach_port_deallocate(mach_task_self(), twin->task);
    mach_port_deallocate(mach_task_self(), twin->thread);
}
