/* trap_calls.h - traps served in kern/ (mach/mach_traps.h has the numbers and what user space
 * sees). */
#ifndef KERN_TRAP_CALLS_H
#define KERN_TRAP_CALLS_H

#include <stdint.h>

#include <mach/boolean.h>
#include <mach/kern_return.h>
#include <mach/port.h>

#include "arch/usercopy.h"

kern_return_t evc_wait(uint32_t event);
kern_return_t evc_wait_clear(uint32_t event);
kern_return_t mach_print(user_addr_t text);
uint64_t swtch(void);
uint64_t swtch_pri(int priority);
kern_return_t thread_switch(mach_port_name_t name, int option, uint32_t msec);
kern_return_t syscall_thread_depress_abort(mach_port_name_t name);
kern_return_t thread_set_self_state(int flavor, user_addr_t state, uint32_t count);
kern_return_t syscall_task_create(mach_port_name_t parent, boolean_t inherit, user_addr_t child);
kern_return_t syscall_task_terminate(mach_port_name_t name);
kern_return_t syscall_task_suspend(mach_port_name_t name);
kern_return_t syscall_task_set_special_port(mach_port_name_t name, int which,
                                            mach_port_name_t port_name);
kern_return_t syscall_device_write_request(void);
kern_return_t syscall_device_writev_request(void);
/* Every number of the table that has no trap. */
kern_return_t trap_unassigned(void);

#endif
