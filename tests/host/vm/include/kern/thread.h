/* thread.h - host stand-in: just enough of threads for wait queues and mutexes. */
#ifndef KERN_THREAD_H
#define KERN_THREAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arch/cpu.h"
#include "vm/vm_fault_wait.h"

struct task;

#define THREAD_FLAG_VM_PRIVILEGE 64u

struct thread {
    struct task *task;
    uint32_t flags;
    uint32_t memory_timeout_ms;
    struct vm_fault_wait fault;
};

/* There is one. */
extern struct thread fake_thread;

static inline struct thread *current_thread(void)
{
    return &fake_thread;
}

static inline bool thread_is_vm_privileged(void)
{
    return (fake_thread.flags & THREAD_FLAG_VM_PRIVILEGE) != 0;
}

#define PRIORITY_SYSTEM 6
void thread_run_kernel(const char *name, void (*function)(void *), int priority);
void thread_sleep(uint64_t ns);

enum wait_result { WAIT_OK, WAIT_TIMED_OUT, WAIT_INTERRUPTED, WAIT_RESTART };

enum wait_result thread_wait_result(void);

#endif
