/* hv.h - virtual machines, for the rest of the kernel. */
#ifndef HV_HV_H
#define HV_HV_H

#include <mach/hv.h>
#include <mach/kern_return.h>
#include <mach/port.h>

struct ipc_port;
struct task;

/* Prepare for guests if the processors can run any: once, after the other processors run. */
void hv_init(void);
/* Machines and their processors, for the kernel debugger. Locks: none. */
void hv_print(void);

struct hv_machine *convert_port_to_machine(struct ipc_port *port);
struct ipc_port *convert_machine_to_port(struct hv_machine *machine);
void hv_machine_unref(struct hv_machine *machine);
/* The map of a machine's memory, with a reference; NULL when it has ended. For ipc_tt.c. Locks: its
 * port's held. */
void *hv_machine_take_map(void *machine);
/* End the machines that the task has made. Locks: none. Sleeps: yes. */
void hv_machine_task_end(struct task *task);

struct hv_vcpu *convert_port_to_vcpu(struct ipc_port *port);
struct ipc_port *convert_vcpu_to_port(struct hv_vcpu *vcpu);
void hv_vcpu_unref(struct hv_vcpu *vcpu);
/* hv_vcpu_run by the processor's name. Returns: KERN_INVALID_ARGUMENT (the name denotes none), and
 * those of hv_vcpu_run. */
kern_return_t syscall_hv_vcpu_run(mach_port_name_t name);

#endif
