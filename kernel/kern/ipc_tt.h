/* ipc_tt.h - ports of tasks, threads and hosts: from a port to the object it names, and from an
 * object to a right for it. */
#ifndef KERN_IPC_TT_H
#define KERN_IPC_TT_H

#include <stdint.h>

#include <mach/kern_return.h>
#include <mach/port.h>

struct host;
struct hv_vcpu;
struct ipc_port;
struct ipc_space;
struct processor;
struct processor_set;
struct task;
struct thread;
struct vm_map;
struct vm_object;

/* The object behind a port, with a reference; NULL when the port is not one of that kind or the
 * object has ended. The port is borrowed. */
struct task *convert_port_to_task(struct ipc_port *port);
struct thread *convert_port_to_thread(struct ipc_port *port);
struct vm_map *convert_port_to_map(struct ipc_port *port); /* of a task, or a virtual machine */
struct ipc_space *convert_port_to_space(struct ipc_port *port);
struct vm_object *convert_port_to_memory_name(struct ipc_port *port);
struct vm_object *convert_port_to_memory_control(struct ipc_port *port);
struct host *convert_port_to_host(struct ipc_port *port); /* the name port or the privileged one */
struct host *convert_port_to_host_priv(struct ipc_port *port); /* the privileged one only */
struct processor *convert_port_to_processor(struct ipc_port *port);
struct processor *convert_port_to_processor_name(struct ipc_port *port); /* control or name port */
struct processor_set *convert_port_to_pset(struct ipc_port *port);
struct processor_set *convert_port_to_pset_name(struct ipc_port *port); /* control or name port */

/* A send right for the object; consumes the reference. IP_NULL for NULL, IP_DEAD when the object
 * has ended. */
struct ipc_port *convert_task_to_port(struct task *task);
struct ipc_port *convert_thread_to_port(struct thread *thread);
struct ipc_port *convert_host_to_port(struct host *host);
struct ipc_port *convert_processor_to_port(struct processor *processor);
struct ipc_port *convert_processor_to_name_port(struct processor *processor);
struct ipc_port *convert_pset_to_port(struct processor_set *pset);
struct ipc_port *convert_pset_name_to_port(struct processor_set *pset);

/* A new send right. */
struct ipc_port *task_self_port(struct task *task);
struct ipc_port *thread_self_port(struct thread *thread);
struct ipc_port *host_self_port(void);
struct ipc_port *host_priv_self_port(void);

/* The object behind a name in the current task's space, with a reference, or NULL. */
struct task *port_name_to_task(mach_port_name_t name);
struct thread *port_name_to_thread(mach_port_name_t name);
struct vm_map *port_name_to_map(mach_port_name_t name);
struct vm_object *port_name_to_memory_control(mach_port_name_t name);
struct ipc_space *port_name_to_space(mach_port_name_t name);
struct hv_vcpu *port_name_to_vcpu(mach_port_name_t name);

#endif
