/* thread.h - threads for host tests: what kernel/ipc needs of kern/thread.h, on threads of the host
 * that take turns. */
#ifndef KERN_THREAD_H
#define KERN_THREAD_H

#include <pthread.h>
#include <setjmp.h>
#include <stdbool.h>
#include <stdint.h>

#include <mach/kern_return.h>
#include <mach/port.h>

#include "ipc/ipc_thread.h"
#include "kern/list.h"
#include "kern/spinlock.h"

struct task;

enum wait_result { WAIT_OK, WAIT_TIMED_OUT, WAIT_INTERRUPTED, WAIT_RESTART };
enum thread_wait_state {
    THREAD_RUNNING,
    THREAD_WAITING,
    THREAD_BLOCKED,
    THREAD_CLAIMED,
    THREAD_DEAD
};

struct thread {
    struct task *task;
    struct ipc_thread ipc;
    enum thread_wait_state wait;
    enum wait_result wait_result;
    uint64_t deadline_ns;
    bool runnable;
    uint64_t result; /* of its function, or what thread_syscall_return was given */
    bool used_continuation;
    uint64_t (*function)(void *);
    void *argument;
    pthread_t host;
    pthread_cond_t turn;
    jmp_buf trap;
};

extern struct thread *sim_current;

static inline struct thread *current_thread(void)
{
    return sim_current;
}

void thread_wait_prepare(bool interruptible, uint64_t deadline_ns);
bool thread_claim(struct thread *t, enum wait_result result);
void thread_setrun(struct thread *t);
bool thread_wake(struct thread *t, enum wait_result result);
enum wait_result thread_block(void (*continuation)(void));
enum wait_result thread_handoff(struct thread *t, void (*continuation)(void));
enum wait_result thread_wait_result(void);
_Noreturn void thread_syscall_return(uint64_t result);

#endif
