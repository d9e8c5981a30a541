/* vm_master_impl.h - the machines there are. */
#ifndef VM_MASTER_IMPL_H
#define VM_MASTER_IMPL_H

#include <mach/mach.h>
#include <portolan/vm_machine_types.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MACHINES_MAX 16u

struct machine {
    vm_name_t name;
    mach_port_t control; /* send right; MACH_PORT_NULL: there is none here */
    mach_port_t task;
    mach_port_t exit; /* receive right: the end of the task is told there, by a message or by
                         nobody having rights to it any more */
    bool is_killed;   /* somebody wanted it to end */
};

/* --- machines.c --- */

/* The machine of that name, or NULL. */
struct machine *machines_find(const char *name);
/* The nth there is, or NULL beyond the last. */
struct machine *machines_at(unsigned n);
/* Start one. words are its monitor's arguments behind the name, count of them; rights are borrowed.
 * Ports of exit are put into the set. service: the receive right of vm_master.defs, to which the
 * monitor is given a send right. Returns: as vm_master_run. */
kern_return_t machines_start(const char *name, char *const *words, unsigned count,
                             const mach_port_t *rights, unsigned nrights, mach_port_t service,
                             mach_port_t set, struct machine **result);
/* One that runs already. life: the port of exit. Refs: takes task and control over on success.
 * Returns: as vm_master_adopt. */
kern_return_t machines_adopt(const char *name, mach_port_t task, mach_port_t control,
                             mach_port_t set, mach_port_t *life);
/* Is it a message about the end of a monitor? Then the machine is forgotten. */
bool machines_has_ended(const mach_msg_header_t *message);

#endif
