/* thread.h - threads: what they are, how they wait, how they end.
 *
 * A thread's user registers are saved in the thread itself. It has a kernel stack only while it
 * runs or while it is blocked with something left to do on it; a thread blocked with a continuation
 * has none.
 *
 * Life of a wait. The word `wait` goes
 *     RUNNING -> WAITING (thread_wait_prepare) -> BLOCKED (thread_block commits) -> CLAIMED (some
 * waker) -> RUNNING (on a run queue) and a waker that comes before the thread has committed makes
 * it WAITING -> CLAIMED_EARLY -> RUNNING. Exactly one waker claims. */
#ifndef KERN_THREAD_H
#define KERN_THREAD_H

#include <stdbool.h>
#include <stdint.h>

#include <mach/kern_return.h>
#include <mach/port.h>

#include "arch/cpu.h"
#include "arch/pcb.h"
#include "ipc/ipc_thread.h"
#include "kern/assert.h"
#include "kern/atomic.h"
#include "kern/exception.h"
#include "kern/list.h"
#include "kern/spinlock.h"
#include "kern/timer.h"
#include "vm/vm_fault_wait.h"

struct task;
struct thread;
struct ipc_port;

/* A queue of waiting threads with its own lock (kern/waitq.h has the operations). */
struct waitq {
    struct spinlock lock; /* WAITQ; interrupts off */
    struct list threads;  /* [L] threads by their wait_link */
};

enum wait_result {
    WAIT_OK,
    WAIT_TIMED_OUT,
    WAIT_INTERRUPTED, /* thread_abort, termination */
    WAIT_RESTART,     /* what was waited for has gone away */
};

enum thread_wait_state {
    THREAD_RUNNING,
    THREAD_WAITING,
    THREAD_CLAIMED,
    THREAD_CLAIMED_EARLY,
    THREAD_DEAD,
    THREAD_BLOCKED = 8, /* a bit no other state has: claiming is clearing it */
};

/* thread->flags. RAX_SET: rax was set while it was stopped, and an aborted trap returns that. */
#define THREAD_FLAG_TERMINATE    1u  /* ends at its next return to user mode */
#define THREAD_FLAG_ABORT        2u  /* interruptible waits end at once */
#define THREAD_FLAG_SUSPEND      4u  /* stops at its next return to user mode */
#define THREAD_FLAG_STOPPED      8u  /* has stopped there */
#define THREAD_FLAG_NEVER_RAN    16u /* and has never been in user mode */
#define THREAD_FLAG_RAX_SET      32u
#define THREAD_FLAG_VM_PRIVILEGE 64u  /* may use reserved memory */
#define THREAD_FLAG_IO_PORTS     128u /* its task may use I/O ports: the TSS changes with it */
#define THREAD_FLAG_EXCEPTION    256u /* waits for the answer to its exception */
#define THREAD_FLAG_TRACED       512u /* its hand-offs are traced */
/* Reasons for AST_THREAD. */
#define THREAD_FLAG_AST (THREAD_FLAG_TERMINATE | THREAD_FLAG_ABORT | THREAD_FLAG_SUSPEND)

#define THREAD_NAME_SIZE 64
#define PRIORITY_COUNT   64
#define PRIORITY_SYSTEM  6
#define PRIORITY_USER    25
#define PRIORITY_IDLE    63

static_assert(PRIORITY_SYSTEM < PRIORITY_USER && PRIORITY_USER < PRIORITY_IDLE, "0 is the best");
static_assert(PRIORITY_IDLE < PRIORITY_COUNT && PRIORITY_COUNT <= 64,
              "a bitmap has a bit for each");

enum thread_policy { THREAD_POLICY_TIMESHARE = 1, THREAD_POLICY_FIXED = 2 };

/* Keys: [I] immutable after create, [L] this->lock, [T] task->lock, [R] run queue lock of the
 * thread's cpu, [a] atomic, [C] only by the thread itself or while it is switched out, [W] by
 * whoever owns the wait (the thread, or the waker that claimed it) */
struct thread {
    struct pcb pcb;             /* [C] must be first: entry.asm saves there */
    struct task *task;          /* [I] owns a reference */
    struct ipc_space *space;    /* [I] the task's, and */
    struct pmap *pmap;          /* [I]   its page tables: for the short way of messages */
    void (*continuation)(void); /* [C] where to go on when it has no stack */
    uint32_t wait;              /* [a] enum thread_wait_state */
    uint32_t wait_result;       /* [W] enum wait_result */
    union {
        struct {
            bool wait_interruptible; /* [W] */
            bool on_cpu;             /* [a] its stack and registers are still in use */
            uint8_t cpu;             /* [R] the processor it runs on or ran on last */
            int8_t bound_cpu;        /* [R] the only processor it may run on, or -1 */
        };
        uint32_t place; /* all four, as thread_quick_place() puts them together */
    };
    uint32_t flags;        /* [a] THREAD_FLAG_* */
    struct ipc_thread ipc; /* what kernel/ipc keeps in a thread */
    struct list wait_link; /* [waitq] on a wait queue; of a thread that has ended, on the list of
                              those to be freed */
    struct timer timeout;  /* ends waits that have a deadline; may be armed too early */
    uint64_t wait_deadline_ns; /* [a] of the current wait, 0 for none */
    bool quantum_over;         /* [C] equals may preempt it */

    struct list run_link;            /* [R] */
    void *kernel_argument;           /* [I] kernel threads: what they run and with what */
    void (*kernel_function)(void *); /* [I] */
    int32_t priority;                /* [R] where it queues: 0 best .. 63 */
    int32_t base_priority;           /* [L] */
    int32_t max_priority;            /* [L] */
    int32_t depressed_from;          /* [L] base priority to restore, -1 when not depressed */
    enum thread_policy policy;       /* [L] */
    uint32_t usage;                  /* [C] decayed processor use in ticks, timesharing */
    uint64_t usage_stamp_ns;         /* [C] when usage was last decayed */
    uint64_t run_ticks;              /* [C] processor time in time stamp ticks (sched_account) */
    uint32_t user_samples;           /* [C] scheduler ticks that found it in user mode, */
    uint32_t system_samples;         /* [C]   in the kernel */
    uint64_t switches;               /* [C] times it was switched to */

    struct spinlock lock;   /* THREAD */
    uint32_t refs;          /* [a] */
    uint32_t suspend_count; /* [L] all reasons to stop: user_suspend_count, its task's, and calls
                               that need it stopped */
    uint32_t user_suspend_count;     /* [L] thread_suspend() less thread_resume() */
    struct waitq stopped;            /* threads waiting for it to stop */
    struct list task_link;           /* [T] on task->threads; owns a reference */
    struct ipc_port *self_port;      /* [T] kernel port, NULL when ended */
    struct ipc_port *exception_port; /* [T] send right or NULL */
    struct exception exception;      /* [C] the last one it raised */
    uint32_t memory_timeout_ms;      /* [a] it waits for pagers in a fault; 0: the usual */
    struct vm_fault_wait fault;      /* [C] of user mode, while it waits for a pager */
    uint32_t trace_cause;            /* [C] what it does goes back to this (trace.h); 0: nothing */
    bool trace_own;                  /* [C]   and that is its own affair */
    uint64_t id;                     /* [I] for people: never reused */
    char name[THREAD_NAME_SIZE];     /* [L] */
};

_Static_assert(CPU_MAX <= INT8_MAX, "thread->cpu, thread->bound_cpu");

static inline struct thread *current_thread(void)
{
    return cpu_current_thread();
}

/* May the current thread, if there is one yet, use reserved memory? */
static inline bool thread_is_vm_privileged(void)
{
    const struct thread *self = current_thread();

    return self != NULL && (atomic_load(&self->flags) & THREAD_FLAG_VM_PRIVILEGE) != 0;
}

/* --- waiting: all blocking is made of these --- */

/* The current thread is going to wait; deadline_ns is absolute (clock_now_ns), 0 for none. An
 * interruptible wait of a thread that is being aborted or ended is over at once. After this the
 * thread must call thread_block(), thread_handoff() or thread_wait_cancel(). */
void thread_wait_prepare(bool interruptible, uint64_t deadline_ns);
/* The wait is not needed after all. If somebody claimed it meanwhile, waits for that waker to
 * finish and returns false. */
bool thread_wait_cancel(void);
/* End t's wait. True if this caller is the one that ended it; it must then call thread_setrun(t) or
 * thread_handoff(t) soon, without sleeping. */
bool thread_claim(struct thread *t, enum wait_result result);
/* Make a claimed thread runnable. Callable from interrupts. */
void thread_setrun(struct thread *t);
/* thread_claim and thread_setrun. */
bool thread_wake(struct thread *t, enum wait_result result);
/* Block unless the wait has ended already. With a continuation nothing is kept on the kernel stack:
 * the call does not return, `continuation` runs instead. Locks: none held. Sleeps: yes. Returns how
 * the wait ended (continuations ask thread_wait_result()). */
enum wait_result thread_block(void (*continuation)(void));
/* The current thread waits on waitq, interruptibly, and then goes on in `continuation`; the caller
 * goes on as another by thread_become(). Its timer fires by the deadline, which is not 0.
 * Interrupts off. Locks: waitq's held. */
void thread_wait_at_once(struct waitq *waitq, uint64_t deadline_ns, void (*continuation)(void));
/* Does its timer fire by the deadline of its wait, if that has one? */
static inline bool thread_is_timed(const struct thread *thread)
{
    uint64_t deadline_ns = atomic_load(&thread->wait_deadline_ns);

    return deadline_ns == 0 || timer_fires_by(&thread->timeout, deadline_ns);
}

/* Do nothing for so long. Sleeps: yes. */
void thread_sleep(uint64_t ns);
/* As thread_block, with a continuation, but run the claimed thread t at once on this processor. */
enum wait_result thread_handoff(struct thread *t, void (*continuation)(void));
/* The caller, on the stack of thread self, goes on as thread t: same code, same stack, other
 * thread. Self is BLOCKED, with a continuation, or is set running again if it has been told to end
 * its wait; t is RUNNING, has no kernel stack and is on no processor, and its continuation is
 * dropped. Interrupts off on entry, on afterwards; the caller must leave by thread_syscall_return()
 * and not use current_thread() it read before. */
void thread_become(struct thread *self, struct thread *t);
/* The current thread, BLOCKED with a continuation, leaves the processor, or is set running again if
 * it has been told to end its wait. Interrupts off. */
_Noreturn void thread_leave(struct thread *self);
/* End the prepared wait of the current thread in `continuation`, as thread_block does, but stay on
 * the processor for a little while if nobody else wants it: who ends the wait meanwhile changes a
 * word and need not interrupt. For waits that another processor is expected to end soon. Interrupts
 * off on entry, on in the continuation; no timeout. Locks: none held. */
_Noreturn void thread_wait_awake(void (*continuation)(void));
/* At the end of an interrupt: the claimed thread t goes on at once in place of the idle thread, and
 * this returns when the processor is idle again; else t is made runnable. Interrupts off,
 * interrupt_depth 0. Locks: none of the interrupt. */
void thread_preempt(struct thread *t);
enum wait_result thread_wait_result(void);
/* The handler of thread->timeout. */
void thread_timed_out(struct timer *timer);
/* End the deadline of a wait that is over; the blocking calls do this themselves. */
void thread_wait_finish(struct thread *self);
/* Let others of the same or better priority run. */
void thread_yield(void);
/* Leave the kernel for user mode with rax = result. */
_Noreturn void thread_syscall_return(uint64_t result);
/* Leave for user mode with the saved registers, whatever they are. */
_Noreturn void thread_exception_return(void);

/* Lower the current thread to the lowest priority; undo that (false when it was not so). */
void thread_depress(void);
bool thread_undepress(struct thread *thread);

/* --- life --- */

void thread_init(void);
/* A new suspended thread (suspend count 1) of the task. Returns: KERN_SUCCESS, KERN_FAILURE (the
 * task is ending), KERN_RESOURCE_SHORTAGE. Refs: caller owns one; another belongs to the task until
 * the thread ends. */
kern_return_t thread_create_in(struct task *task, struct thread **thread);
/* A kernel thread that runs function(argument) at the given priority. Panics when out of memory:
 * for start-up. */
struct thread *thread_create_kernel(const char *name, void (*function)(void *), void *argument,
                                    int priority);
/* The same, running at once and for good. */
void thread_run_kernel(const char *name, void (*function)(void *), int priority);
void thread_ref(struct thread *thread);
void thread_unref(struct thread *thread);
/* End a thread: at its next return to user mode; its interruptible wait ends now. Does not wait for
 * it. */
void thread_terminate_start(struct thread *thread);
/* The same; a thread that never ran is gone when this returns, without running. Locks: none held.
 * Sleeps: yes. Refs: the caller has one. */
void thread_end(struct thread *thread);
/* The current thread ends here. */
_Noreturn void thread_exit(void);
/* Stop and continue, counted. A held thread stops before it next returns to user mode. Returns:
 * KERN_SUCCESS, KERN_TERMINATED; release: KERN_FAILURE when it was not held. */
kern_return_t thread_hold(struct thread *thread);
/* Wait until a held thread has stopped: then its registers are in its pcb. Sleeps: yes. Returns:
 * KERN_SUCCESS, KERN_ABORTED (the caller was). */
kern_return_t thread_wait_stopped(struct thread *thread);
kern_return_t thread_release(struct thread *thread);
/* Has the thread all its state in its pcb? It stays so while it is held, or it runs in the kernel
 * alone and is stopped again. */
bool thread_is_stopped(struct thread *thread);
/* Interrupt its wait if that is interruptible. */
void thread_abort_wait(struct thread *thread);
/* Do what AST_THREAD asks of the current thread before it returns to user mode: end, stop, or take
 * back an abort. Interrupts enabled. */
void thread_ast(void);
/* Processor time used so far in ns. The ticks of a time stamp are split as the samples are. */
void thread_split_times(uint64_t ticks, uint64_t user_samples, uint64_t system_samples,
                        uint64_t *user_ns, uint64_t *system_ns);
void thread_times(struct thread *thread, uint64_t *user_ns, uint64_t *system_ns);

#endif
