/* mach_port_traps.h - traps on ports: the twins of hot routines of mach_port.defs, and names for a
 * thread's own ports. Arguments are what user space passed. Locks: none held. Sleeps: yes. */
#ifndef IPC_MACH_PORT_TRAPS_H
#define IPC_MACH_PORT_TRAPS_H

#include <stdint.h>

#include <mach/kern_return.h>
#include <mach/port.h>

#include "arch/usercopy.h"

/* Names of rights in the current task; MACH_PORT_NAME_NULL when there is no room. */
uint64_t mach_reply_port(void);
uint64_t mach_thread_self(void);
uint64_t mach_task_self(void);
uint64_t mach_host_self(void);

/* As the routine of the same name, for the task behind `task`. KERN_INVALID_ARGUMENT: not a task
 * port; the library then sends the message instead.
 * Returns: KERN_INVALID_ARGUMENT, KERN_INVALID_ADDRESS (result), and those of mach_port_allocate.
 */
kern_return_t syscall_mach_port_allocate(mach_port_name_t task, mach_port_right_t right,
                                         user_addr_t name);
/* Returns: KERN_INVALID_ARGUMENT, and those of mach_port_deallocate. */
kern_return_t syscall_mach_port_deallocate(mach_port_name_t task, mach_port_name_t name);
/* Returns: KERN_INVALID_ARGUMENT, KERN_INVALID_NAME, KERN_INVALID_RIGHT (of right), and those of
 * mach_port_insert_right. */
kern_return_t syscall_mach_port_insert_right(mach_port_name_t task, mach_port_name_t name,
                                             mach_port_name_t right, uint32_t disposition);
/* Returns: KERN_INVALID_ARGUMENT, and those of mach_port_allocate_name. */
kern_return_t syscall_mach_port_allocate_name(mach_port_name_t task, mach_port_right_t right,
                                              mach_port_name_t name);

#endif
