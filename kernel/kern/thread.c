/* thread.c - the life of threads: made suspended, run, stopped and continued, aborted, ended.
 *
 * A thread is stopped only where it would return to user mode (thread_ast), or while it waits
 * interruptibly: there all its state is in its pcb. References: one for the task's list until the
 * thread ends, one for running at all (given back by the scheduler after its last switch), one for
 * each kernel pointer that outlives a call. Locks: task->lock, then thread->lock. */
#include "kern/thread.h"

#include "arch/cpu_setup.h"
#include "arch/fpu.h"
#include "arch/switch.h"
#include "ipc/ipc_port.h"
#include "kern/assert.h"
#include "kern/atomic.h"
#include "kern/clock.h"
#include "kern/kobject.h"
#include "kern/sched.h"
#include "kern/string.h"
#include "kern/task.h"
#include "kern/trace.h"
#include "kern/waitq.h"
#include "vm/slab.h"

#define RFLAGS_INITIAL 0x202u

static struct kmem_cache thread_cache;
static uint64_t thread_next_id; /* [a] */

void thread_init(void)
{
    kmem_cache_init(&thread_cache, "thread", sizeof(struct thread), 64);
    fpu_init();
}

/* The fields every thread starts with. */
static void thread_setup(struct thread *t, struct task *task)
{
    memset(t, 0, sizeof(*t));
    t->task = task;
    t->space = task->space;
    t->pmap = task->pmap;
    t->refs = 2;
    t->bound_cpu = -1;
    t->cpu = (uint8_t)cpu_number();
    t->depressed_from = -1;
    t->policy = THREAD_POLICY_TIMESHARE;
    t->usage_stamp_ns = clock_now_ns();
    t->id = atomic_fetch_add(&thread_next_id, 1) + 1;
    spin_init(&t->lock, LOCK_RANK_THREAD, "thread");
    list_init(&t->wait_link);
    list_init(&t->run_link);
    list_init(&t->task_link);
    timer_init(&t->timeout, thread_timed_out);
    waitq_init(&t->stopped, "thread stopped");
    list_init(&t->ipc.link); /* the rest of ipc_thread_init() is zeroes */
    t->pcb.regs.cs = SELECTOR_USER_CODE;
    t->pcb.regs.ss = SELECTOR_USER_DATA;
    t->pcb.regs.rflags = RFLAGS_INITIAL;
    t->pcb.return_by_iret = true;
}

static struct thread *thread_alloc(struct task *task)
{
    struct thread *t = kmem_cache_alloc(&thread_cache);

    if (t == NULL) {
        return NULL;
    }
    thread_setup(t, task);
    if (!fpu_create(&t->pcb)) {
        kmem_cache_free(&thread_cache, t);
        return NULL;
    }
    task_ref(task);
    return t;
}

/* Put the thread on its task's list unless the task is ending. */
static kern_return_t thread_join_task(struct thread *t, struct task *task)
{
    kern_return_t kr = KERN_FAILURE;

    assert(!list_is_linked(&t->task_link));
    spin_lock(&task->lock);
    if (!task->dying) {
        t->base_priority = task->priority;
        t->max_priority = task->max_priority;
        t->priority = task->priority;
        t->user_suspend_count = 1;
        t->suspend_count = 1 + task->suspend_count;
        if (task->io_bitmap != NULL) {
            atomic_fetch_or(&t->flags, THREAD_FLAG_IO_PORTS);
        }
        list_insert_tail(&task->threads, &t->task_link);
        task->thread_count++;
        kr = KERN_SUCCESS;
    }
    spin_unlock(&task->lock);
    return kr;
}

/* Where a stopped thread goes on. Under the lock: a waker that finds STOPPED under it ends this
 * wait and never a later one. */
static void thread_continue_stopped(void)
{
    struct thread *self = current_thread();

    spin_lock(&self->lock);
    atomic_fetch_and(&self->flags,
                     ~(THREAD_FLAG_STOPPED | THREAD_FLAG_NEVER_RAN | THREAD_FLAG_RAX_SET));
    spin_unlock(&self->lock);
    if ((atomic_load(&self->flags) & THREAD_FLAG_AST) != 0) {
        sched_poke(self); /* held again, or woken too soon: the AST that led here is used up */
    }
    thread_exception_return();
}

kern_return_t thread_create_in(struct task *task, struct thread **thread)
{
    kern_return_t kr = KERN_RESOURCE_SHORTAGE;
    struct thread *t;

    if (!ledger_charge(&task->ledger, LEDGER_THREADS, 1)) {
        return KERN_RESOURCE_SHORTAGE;
    }
    t = thread_alloc(task);
    if (t == NULL) {
        goto undo_charge;
    }
    t->self_port = ipc_port_alloc_kernel(KOBJECT_THREAD, t);
    if (t->self_port == NULL) {
        goto undo_thread;
    }
    t->flags = THREAD_FLAG_SUSPEND | THREAD_FLAG_STOPPED | THREAD_FLAG_NEVER_RAN;
    t->continuation = thread_continue_stopped;
    t->wait = THREAD_BLOCKED;
    thread_ref(t); /* before the thread can be found and ended */
    kr = thread_join_task(t, task);
    if (kr != KERN_SUCCESS) {
        goto undo_port;
    }
    atomic_fetch_or(&t->flags, trace_flag());
    *thread = t;
    return KERN_SUCCESS;

undo_port:
    ipc_port_destroy_kernel(t->self_port);
undo_thread:
    fpu_destroy(&t->pcb);
    kmem_cache_free(&thread_cache, t);
    task_unref(task);
undo_charge:
    ledger_credit(&task->ledger, LEDGER_THREADS, 1);
    return kr;
}

static void thread_start_kernel(void)
{
    struct thread *self = current_thread();

    self->kernel_function(self->kernel_argument);
    panic("kernel thread %s returned", self->name);
}

struct thread *thread_create_kernel(const char *name, void (*function)(void *), void *argument,
                                    int priority)
{
    struct thread *t = kmem_cache_alloc(&thread_cache);

    if (t == NULL || !ledger_charge(&task_kernel->ledger, LEDGER_THREADS, 1)) {
        panic("no memory for kernel thread %s", name);
    }
    thread_setup(t, task_kernel);
    task_ref(task_kernel);
    thread_join_task(t, task_kernel);
    t->suspend_count = 0;
    strlcpy(t->name, name, sizeof(t->name));
    t->kernel_function = function;
    t->kernel_argument = argument;
    t->base_priority = priority;
    t->max_priority = priority;
    t->priority = priority;
    t->policy = THREAD_POLICY_FIXED;
    t->continuation = thread_start_kernel;
    return t;
}

void thread_run_kernel(const char *name, void (*function)(void *), int priority)
{
    struct thread *thread = thread_create_kernel(name, function, NULL, priority);

    thread->wait = THREAD_CLAIMED;
    thread_setrun(thread);
}

void thread_ref(struct thread *thread)
{
    assert(atomic_load(&thread->refs) != 0);
    atomic_inc(&thread->refs);
}

void thread_unref(struct thread *thread)
{
    struct task *task = thread->task;

    if (!atomic_dec_and_test(&thread->refs)) {
        return;
    }
    assert(thread->pcb.kernel_stack == 0);
    fpu_destroy(&thread->pcb);
    kmem_cache_free(&thread_cache, thread);
    ledger_credit(&task->ledger, LEDGER_THREADS, 1);
    task_unref(task);
}

/* --- stopping --- */

/* End an interruptible wait. */
static void thread_interrupt_wait(struct thread *t)
{
    uint32_t wait = atomic_load_acquire(&t->wait);

    if ((wait == THREAD_WAITING || wait == THREAD_BLOCKED) && t->wait_interruptible) {
        thread_wake(t, WAIT_INTERRUPTED);
    }
}

/* End the wait of a stopped thread, if it is stopped. */
static void thread_wake_stopped(struct thread *t)
{
    spin_lock(&t->lock);
    if ((atomic_load(&t->flags) & THREAD_FLAG_STOPPED) != 0) {
        thread_wake(t, WAIT_OK);
    }
    spin_unlock(&t->lock);
}

bool thread_is_stopped(struct thread *t)
{
    if (atomic_load_acquire(&t->wait) != THREAD_BLOCKED || atomic_load_acquire(&t->on_cpu)) {
        return false; /* not there yet, or its registers are still on their way to the pcb */
    }
    return (atomic_load(&t->flags) & THREAD_FLAG_STOPPED) != 0 || t->wait_interruptible;
}

kern_return_t thread_hold(struct thread *thread)
{
    spin_lock(&thread->lock);
    if ((atomic_load(&thread->flags) & THREAD_FLAG_TERMINATE) != 0) {
        spin_unlock(&thread->lock);
        return KERN_TERMINATED;
    }
    thread->suspend_count++;
    atomic_fetch_or(&thread->flags, THREAD_FLAG_SUSPEND);
    spin_unlock(&thread->lock);
    sched_poke(thread);
    return KERN_SUCCESS;
}

kern_return_t thread_wait_stopped(struct thread *thread)
{
    if (thread == current_thread()) {
        return KERN_SUCCESS;
    }
    for (;;) {
        waitq_assert_wait(&thread->stopped, true, clock_now_ns() + 10 * NS_PER_MS);
        if (thread_is_stopped(thread) || (atomic_load(&thread->flags) & THREAD_FLAG_SUSPEND) == 0 ||
            atomic_load(&thread->wait) == THREAD_DEAD) {
            waitq_cancel_wait(&thread->stopped);
            return KERN_SUCCESS;
        }
        sched_poke(thread);
        if (waitq_block(&thread->stopped) == WAIT_INTERRUPTED) {
            return KERN_ABORTED;
        }
    }
}

kern_return_t thread_release(struct thread *thread)
{
    bool last;

    spin_lock(&thread->lock);
    if (thread->suspend_count == 0) {
        spin_unlock(&thread->lock);
        return KERN_FAILURE;
    }
    thread->suspend_count--;
    last = thread->suspend_count == 0;
    if (last) {
        atomic_fetch_and(&thread->flags, ~THREAD_FLAG_SUSPEND);
    }
    spin_unlock(&thread->lock);
    if (last) {
        thread_wake_stopped(thread);
    }
    return KERN_SUCCESS;
}

void thread_abort_wait(struct thread *thread)
{
    if ((atomic_load(&thread->flags) & THREAD_FLAG_STOPPED) != 0) {
        return; /* not in a system call */
    }
    atomic_fetch_or(&thread->flags, THREAD_FLAG_ABORT);
    thread_interrupt_wait(thread);
    sched_poke(thread);
}

/* Stop at the return to user mode until the suspend count is zero or the thread is to end. Returns
 * when there is no need to. */
static void thread_stop(struct thread *self)
{
    assert(self == current_thread());
    spin_lock(&self->lock);
    if (self->suspend_count == 0) {
        atomic_fetch_and(&self->flags, ~THREAD_FLAG_SUSPEND);
        spin_unlock(&self->lock);
        return;
    }
    spin_unlock(&self->lock);
    atomic_fetch_and(&self->flags, ~THREAD_FLAG_ABORT);
    thread_wait_prepare(false, 0);
    atomic_fetch_or(&self->flags, THREAD_FLAG_STOPPED);
    waitq_wake_all(&self->stopped, WAIT_OK);
    /* a release or an end between the test and here has to be seen, since it found nothing to wake
     */
    if (atomic_load(&self->suspend_count) == 0 ||
        (atomic_load(&self->flags) & THREAD_FLAG_TERMINATE) != 0) {
        thread_wake(self, WAIT_OK);
    }
    thread_block(thread_continue_stopped);
}

void thread_ast(void)
{
    struct thread *self = current_thread();
    uint32_t flags = atomic_load(&self->flags);

    assert(interrupt_is_enabled());
    if ((flags & THREAD_FLAG_TERMINATE) != 0) {
        thread_exit();
    }
    if ((flags & THREAD_FLAG_SUSPEND) != 0) {
        thread_stop(self);
    }
    if ((flags & THREAD_FLAG_ABORT) != 0) {
        atomic_fetch_and(&self->flags, ~THREAD_FLAG_ABORT);
    }
}

/* --- ending --- */

/* Have a thread that is told to end run once more, if it does not. */
static void thread_end_running(struct thread *thread)
{
    thread_interrupt_wait(thread);
    thread_wake_stopped(thread);
    sched_poke(thread);
}

void thread_terminate_start(struct thread *thread)
{
    uint32_t old = atomic_fetch_or(&thread->flags, THREAD_FLAG_TERMINATE);

    if ((old & THREAD_FLAG_TERMINATE) == 0) {
        thread_end_running(thread);
    }
}

/* Take the thread off its task. True when it was the last one. */
static bool thread_leave_task(struct thread *t)
{
    struct task *task = t->task;
    bool last;

    assert(t->task->thread_count != 0 && list_is_linked(&t->task_link));
    spin_lock(&task->lock);
    list_remove(&t->task_link);
    task->thread_count--;
    last = task->thread_count == 0;
    task->dead_run_ticks +=
        t->run_ticks + (t == current_thread() ? rdtsc_ticks() - cpu_current()->run_since : 0);
    task->dead_user_samples += t->user_samples;
    task->dead_system_samples += t->system_samples;
    spin_unlock(&task->lock);
    return last;
}

/* Take from a thread that ends, the current one or one that never ran, its ports and its task. The
 * caller has a reference beside the task list's, which goes. Sleeps: the last thread of a task that
 * is ending gives back all the task has. */
static void thread_take_apart(struct thread *t)
{
    struct task *task = t->task;
    struct ipc_port *self_port;
    struct ipc_port *exception_port;
    bool last;

    assert(t == current_thread() || atomic_load(&t->wait) == THREAD_DEAD);
    spin_lock(&task->lock);
    self_port = t->self_port;
    exception_port = t->exception_port;
    t->self_port = NULL;
    t->exception_port = NULL;
    spin_unlock(&task->lock);
    if (self_port != NULL) {
        ipc_port_destroy_kernel(self_port);
    }
    if (exception_port != NULL) {
        ipc_port_release_send(exception_port);
    }
    exception_end(t);
    last = thread_leave_task(t);
    if (last && task->dying) {
        task_tear_down(task);
    }
    if (last) {
        waitq_wake_all(&task->gone, WAIT_OK);
    }
    waitq_wake_all(&t->stopped, WAIT_OK);
    thread_unref(t);
}

void thread_exit(void)
{
    struct thread *self = current_thread();

    assert(cpu_preempt_count() == 0);
    thread_take_apart(self);
    if (self->timeout.deadline_ns != 0) {
        timer_cancel(&self->timeout);
    }
    sched_exit(); /* the scheduler gives back the last reference */
}

/* Make a thread that has not run since it was created one that has ended. False when it has run, or
 * is about to: a waker was first. The wait that is claimed here is its first, on no queue, and
 * nobody makes it runnable any more: it has no stack and nothing to go back to. */
static bool thread_claim_unborn(struct thread *t)
{
    bool claimed;

    spin_lock(&t->lock);
    claimed = (atomic_load(&t->flags) & THREAD_FLAG_NEVER_RAN) != 0 && thread_claim(t, WAIT_OK);
    if (claimed) {
        atomic_fetch_and(&t->flags,
                         ~(THREAD_FLAG_STOPPED | THREAD_FLAG_NEVER_RAN | THREAD_FLAG_RAX_SET));
        atomic_store_release(&t->wait, THREAD_DEAD);
    }
    spin_unlock(&t->lock);
    return claimed;
}

void thread_end(struct thread *thread)
{
    uint32_t old = atomic_fetch_or(&thread->flags, THREAD_FLAG_TERMINATE);

    if ((old & THREAD_FLAG_TERMINATE) != 0) {
        return;
    }
    if (thread_claim_unborn(thread)) {
        thread_take_apart(thread);
        thread_unref(thread); /* the one for running at all */
        return;
    }
    thread_end_running(thread);
}

void thread_split_times(uint64_t ticks, uint64_t user_samples, uint64_t system_samples,
                        uint64_t *user_ns, uint64_t *system_ns)
{
    uint64_t samples = user_samples + system_samples;
    uint64_t total = clock_ticks_to_ns(ticks);

    *user_ns = samples == 0 ? total : total / samples * user_samples;
    *system_ns = total - *user_ns;
}

void thread_times(struct thread *thread, uint64_t *user_ns, uint64_t *system_ns)
{
    uint64_t ticks = thread->run_ticks;

    if (atomic_load(&thread->on_cpu)) {
        ticks += rdtsc_ticks() - cpu_table[atomic_load(&thread->cpu)].run_since;
    }
    thread_split_times(ticks, thread->user_samples, thread->system_samples, user_ns, system_ns);
}

/* --- depression --- */

void thread_depress(void)
{
    struct thread *self = current_thread();

    spin_lock(&self->lock);
    if (self->depressed_from < 0) {
        self->depressed_from = self->base_priority;
        sched_set_priority(self, PRIORITY_IDLE - 1);
    }
    spin_unlock(&self->lock);
}

bool thread_undepress(struct thread *thread)
{
    bool was;

    spin_lock(&thread->lock);
    was = thread->depressed_from >= 0;
    if (was) { /* the limit may have been lowered meanwhile */
        sched_set_priority(thread, thread->depressed_from < thread->max_priority
                                       ? thread->max_priority
                                       : thread->depressed_from);
        thread->depressed_from = -1;
    }
    spin_unlock(&thread->lock);
    return was;
}
