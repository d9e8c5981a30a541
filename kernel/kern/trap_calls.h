/* trap_calls.h - traps served in kern/ (mach/mach_traps.h has the numbers and what user space
 * sees). */
#ifndef KERN_TRAP_CALLS_H
#define KERN_TRAP_CALLS_H

#include <stdint.h>

#include <mach/boolean.h>
#include <mach/kern_return.h>
#include <mach/port.h>

#include "arch/usercopy.h"

/* There are no kernel event counters. Returns: KERN_INVALID_ARGUMENT. */
kern_return_t evc_wait(uint32_t event);
kern_return_t evc_wait_clear(uint32_t event);
/* Returns: KERN_SUCCESS, KERN_INVALID_ADDRESS; user space looks at neither. */
kern_return_t mach_print(user_addr_t text);
/* Give way; with _pri, at the worst priority meanwhile. Returns: whether another thread is ready.
 */
uint64_t swtch(void);
uint64_t swtch_pri(int priority);
/* Give way, or wait for msec. The thread is a hint. Returns: KERN_SUCCESS, KERN_INVALID_ARGUMENT
 * (no such option, or no thread of that name). */
kern_return_t thread_switch(mach_port_name_t name, int option, uint32_t msec);
/* Returns: KERN_SUCCESS, KERN_INVALID_ARGUMENT (no thread of that name). */
kern_return_t syscall_thread_depress_abort(mach_port_name_t name);
/* thread_set_state for the calling thread. Returns: KERN_SUCCESS, KERN_INVALID_ARGUMENT,
 * KERN_INVALID_ADDRESS. */
kern_return_t thread_set_self_state(int flavor, user_addr_t state, uint32_t count);
/* As the routines, for tasks by name; where the name is no task's, KERN_INVALID_ARGUMENT: the
 * library then sends the message instead.
 * Returns: KERN_INVALID_ARGUMENT, KERN_INVALID_ADDRESS (child), and those of task_create. */
kern_return_t syscall_task_create(mach_port_name_t parent, boolean_t inherit, user_addr_t child);
/* Returns: KERN_INVALID_ARGUMENT, and those of task_terminate. */
kern_return_t syscall_task_terminate(mach_port_name_t name);
/* Returns: KERN_INVALID_ARGUMENT, and those of task_suspend. */
kern_return_t syscall_task_suspend(mach_port_name_t name);
/* Returns: KERN_INVALID_ARGUMENT, KERN_INVALID_NAME, KERN_INVALID_RIGHT (of port_name), and those
 * of task_set_special_port. */
kern_return_t syscall_task_set_special_port(mach_port_name_t name, int which,
                                            mach_port_name_t port_name);
/* Devices are served by tasks. Returns: KERN_INVALID_ARGUMENT. */
kern_return_t syscall_device_write_request(void);
kern_return_t syscall_device_writev_request(void);
/* Every number of the table that has no trap. */
kern_return_t trap_unassigned(void);

#endif
