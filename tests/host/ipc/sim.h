/* sim.h - the world kernel/ipc lives in, simulated: tasks, threads that take turns, memory, user
 * addresses (plain host pointers). */
#ifndef TESTS_HOST_IPC_SIM_H
#define TESTS_HOST_IPC_SIM_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <mach/message.h>
#include <mach/notify.h>
#include <mach/port.h>

#include "ddb/ipc_check.h"
#include "ipc/ipc_copyin.h"
#include "ipc/ipc_kmsg.h"
#include "ipc/ipc_port.h"
#include "ipc/ipc_pset.h"
#include "ipc/ipc_right.h"
#include "ipc/ipc_space.h"
#include "ipc/mach_msg.h"
#include "ipc/mach_port.h"
#include "ipc/mach_port_traps.h"
#include "kern/task.h"
#include "kern/thread.h"
#include "vm/vm_map.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#define NAME_NULL MACH_PORT_NAME_NULL
#define NAME_DEAD MACH_PORT_NAME_DEAD

extern struct task *sim_task; /* the task of the main thread after setup */
extern uint32_t sim_handoffs;
extern uint64_t sim_now_ns;
extern int sim_fail_alloc_after; /* >= 0: allocations of that many from now on fail */
extern int sim_fail_map;         /* next vm_map_copyout calls that fail */
extern int sim_shortages; /* next vm_map_copyout calls without memory: it comes with waiting */
extern struct ipc_kmsg *(*sim_kobject)(struct ipc_kmsg *request);
extern bool (*sim_kobject_plain)(struct ipc_kmsg *request, struct ipc_kmsg *reply);

/* Fails the test when a lock is held. */
void sim_may_sleep(const char *what);
/* Is kernel memory or a copy of user memory still allocated? Says what. */
bool sim_memory_left(void);

void sim_init(void);
int sim_setup(void **state);
/* Ends all tasks and fails the test when a port, a message, memory or a charge is left. */
int sim_teardown(void **state);

struct task *sim_task_create(void);
void sim_task_end(struct task *task);
/* The main thread acts for this task from now on. */
void sim_become(struct task *task);
struct ipc_space *sim_space(void);

/* A thread of the task; it runs when told. */
struct thread *sim_spawn(struct task *task, uint64_t (*function)(void *), void *argument);
/* Let it run until it blocks or ends. */
void sim_run(struct thread *thread);
/* Let all runnable threads run until none is. */
void sim_run_all(void);
bool sim_is_done(const struct thread *thread);
bool sim_is_blocked(const struct thread *thread);
/* Its wait ends by timeout or interruption, and it runs. */
void sim_end_wait(struct thread *thread, enum wait_result result);

/* --- rights and messages, in the main thread's task --- */

mach_port_name_t sim_receive_right(void);
mach_port_name_t sim_port_set(void);
/* Give name's receive right's holder `urefs` send references to itself (MAKE_SEND and mod_refs). */
void sim_add_send(mach_port_name_t name, uint32_t urefs);
/* A send or send-once right of another task's new port in the current space; *other is that port's
 * name in `owner`. */
mach_port_name_t sim_foreign_right(struct task *owner, uint32_t type, mach_port_name_t *other);
mach_port_type_t sim_type(mach_port_name_t name);
uint32_t sim_urefs(mach_port_name_t name, mach_port_right_t right);
struct ipc_port *sim_port(mach_port_name_t name);

struct sim_msg {
    mach_msg_header_t header;
    uint64_t body[64];
};

struct sim_descriptor {
    uint32_t name, size, number;
    bool is_inline, deallocate;
};

void sim_message(struct sim_msg *msg, uint32_t bits, mach_port_name_t remote,
                 mach_port_name_t local);
uint64_t sim_type_word(struct sim_descriptor descriptor);
mach_msg_return_t sim_send(void *msg, uint32_t size, uint32_t option, uint32_t timeout);
mach_msg_return_t sim_receive(void *msg, uint32_t size, mach_port_name_t name, uint32_t option);
mach_msg_return_t sim_trap(void *msg, uint32_t option, uint32_t send_size, uint32_t rcv_size,
                           mach_port_name_t rcv_name, uint32_t timeout, mach_port_name_t notify);
/* Send an empty message with an id to a receive right of our own, made into a send right on the
 * way. */
mach_msg_return_t sim_post(mach_port_name_t name, int32_t id);
/* Receive a notification on `name` without waiting: its id, or 0 when there is none. *value is the
 * word it carries. */
int32_t sim_notification(mach_port_name_t name, uint32_t *value);
/* Ask for a notification about `name`, to be told on the receive right `notify`. */
kern_return_t sim_request(mach_port_name_t name, int32_t id, uint32_t sync,
                          mach_port_name_t notify);
void sim_expect_balanced(void);

#endif
