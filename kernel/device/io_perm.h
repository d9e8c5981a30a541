/* io_perm.h - I/O ports of tasks. */
#ifndef DEVICE_IO_PERM_H
#define DEVICE_IO_PERM_H

struct cpu;
struct io_perm;
struct ipc_port;
struct task;

/* A thread of the task is about to run on this processor. Interrupts off. */
void io_perm_switch(struct cpu *cpu, struct task *task);
/* The task's structure is being freed. */
void io_perm_task_end(struct task *task);
/* A send right for the range. Refs: takes the reference over. */
struct ipc_port *convert_io_perm_to_port(struct io_perm *io_perm);

#endif
