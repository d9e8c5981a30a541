/* machines.c - starting monitors, and what becomes of them. Each has the hypervisor port, the files
 * of its machine, and nothing else; what its machine needs is charged to it, and goes with it. */
#include <mach.h>
#include <mach_host.h>
#include <mach_port.h>
#include <portolan/portolan.h>
#include <portolan/server_loop.h>
#include <portolan/spawn.h>
#include <stdio.h>
#include <string.h>

#include "vm_master_impl.h"

#define MONITOR          "/servers/vmm"
#define MONITOR_PRIORITY 25 /* of user tasks */
#define ARGUMENTS        (VM_WORDS_MAX / 2 + 2)
#define RIGHT_NAME       16u

static struct machine machines[MACHINES_MAX];
static mach_port_t machines_life; /* receive right: monitors see by theirs that this task lives */

struct machine *machines_find(const char *name)
{
    for (unsigned i = 0; i < MACHINES_MAX; i++) {
        if (machines[i].control != MACH_PORT_NULL && strcmp(machines[i].name, name) == 0) {
            return &machines[i];
        }
    }
    return NULL;
}

struct machine *machines_at(unsigned n)
{
    for (unsigned i = 0; i < MACHINES_MAX; i++) {
        if (machines[i].control != MACH_PORT_NULL) {
            if (n == 0) {
                return &machines[i];
            }
            n--;
        }
    }
    return NULL;
}

static struct machine *machines_free(void)
{
    for (unsigned i = 0; i < MACHINES_MAX; i++) {
        if (machines[i].control == MACH_PORT_NULL) {
            return &machines[i];
        }
    }
    return NULL;
}

/* The task of a monitor. It is not to be given anything of ours that is not listed. */
static kern_return_t machines_spawn(struct machine *m, char *const *words, unsigned count,
                                    const mach_port_t *rights, unsigned nrights,
                                    mach_port_t service)
{
    struct spawn_right given[VM_RIGHTS_MAX + 4] = {
        {"hv", portolan_port("hv"), MACH_MSG_TYPE_COPY_SEND, 0},
        {"master", service, MACH_MSG_TYPE_MAKE_SEND, 0},
        {"life", machines_life, MACH_MSG_TYPE_MAKE_SEND, 0},
        {"control", m->control, MACH_MSG_TYPE_MOVE_RECEIVE, 0},
    };
    static char *argv[ARGUMENTS];
    char names[VM_RIGHTS_MAX][RIGHT_NAME];
    struct spawn spawn = {
        .path = MONITOR,
        .argv = argv,
        .rights = given,
        .nrights = nrights + 4,
        .suspended = true,
        .closed = true,
    };
    kern_return_t kr;

    argv[0] = m->name;
    memcpy(argv + 1, words, count * sizeof(*words));
    argv[count + 1] = NULL;
    for (unsigned i = 0; i < nrights; i++) {
        snprintf(names[i], sizeof(names[i]), "right%u", i);
        given[i + 4] = (struct spawn_right){names[i], rights[i], MACH_MSG_TYPE_COPY_SEND, 0};
    }
    kr = spawn_start(&spawn, &m->task, &m->exit);
    if (kr == KERN_SUCCESS) {
        task_priority(m->task, MONITOR_PRIORITY, TRUE); /* a guest that spins is a program */
        task_resume(m->task);
    }
    return kr;
}

kern_return_t machines_start(const char *name, char *const *words, unsigned count,
                             const mach_port_t *rights, unsigned nrights, mach_port_t service,
                             mach_port_t set, struct machine **result)
{
    struct machine *m = machines_free();
    mach_port_t control;
    kern_return_t kr;

    if (m == NULL) {
        return KERN_RESOURCE_SHORTAGE;
    }
    kr = machines_life == MACH_PORT_NULL ? portolan_port_allocate(false, &machines_life)
                                         : KERN_SUCCESS;
    kr = kr == KERN_SUCCESS ? portolan_port_allocate(true, &control) : kr;
    if (kr != KERN_SUCCESS) {
        return kr;
    }
    strcpy(m->name, name);
    m->is_killed = false;
    m->control = control;
    kr = machines_spawn(m, words, count, rights, nrights, service);
    if (kr != KERN_SUCCESS) {
        portolan_print("vm_master: no " MONITOR ": %s\n", spawn_error_string(kr));
        portolan_port_destroy_receive(control);
        mach_port_deallocate(mach_task_self(), control);
        m->control = MACH_PORT_NULL;
        return kr;
    }
    kr = mach_port_move_member(mach_task_self(), m->exit, set);
    if (kr != KERN_SUCCESS) {
        portolan_print("vm_master: the end of %s will not be noticed\n", name);
    }
    *result = m;
    return KERN_SUCCESS;
}

kern_return_t machines_adopt(const char *name, mach_port_t task, mach_port_t control,
                             mach_port_t set, mach_port_t *life)
{
    struct machine *m = machines_free();
    mach_port_t port;
    kern_return_t kr;

    if (m == NULL) {
        return KERN_RESOURCE_SHORTAGE;
    }
    kr = server_port_create(set, &port);
    if (kr != KERN_SUCCESS) {
        return kr;
    }
    kr = server_watch_senders(port, 1); /* the right that the monitor is given is the first */
    if (kr != KERN_SUCCESS) {
        portolan_port_destroy_receive(port);
        return kr;
    }
    strcpy(m->name, name);
    *life = m->exit = port;
    m->task = task;
    m->is_killed = false;
    m->control = control;
    return KERN_SUCCESS;
}

bool machines_has_ended(const mach_msg_header_t *message)
{
    int status;

    for (unsigned i = 0; i < MACHINES_MAX; i++) {
        struct machine *m = &machines[i];

        if (m->control == MACH_PORT_NULL || message->msgh_local_port != m->exit) {
            continue;
        }
        if (spawn_status_of(message, &status) && (status & 0x7f) != 0 && !m->is_killed) {
            portolan_print("vm_master: the monitor of %s was ended\n", m->name);
        }
        task_terminate(m->task); /* it has said that it ends */
        mach_port_deallocate(mach_task_self(), m->task);
        mach_port_deallocate(mach_task_self(), m->control);
        portolan_port_destroy_receive(m->exit);
        m->control = MACH_PORT_NULL;
        return true;
    }
    return false;
}
