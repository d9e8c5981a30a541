/* thread_wait.c - waiting: a thread prepares a wait, somebody claims it, the thread blocks until
 * then. All blocking is made of these calls.
 *
 * The states are in thread.h. A claim decides between all who might end a wait (wakers, timeouts,
 * aborts) by one compare-and-exchange, so no lock is needed, and a thread that is claimed before it
 * has blocked does not block. */
#include <stddef.h>

#include "arch/cpu.h"
#include "arch/interrupt.h"
#include "arch/switch.h"
#include "kern/assert.h"
#include "kern/atomic.h"
#include "kern/clock.h"
#include "kern/sched_impl.h"
#include "kern/stack.h"
#include "kern/thread.h"
#include "kern/thread_quick.h"
#include "kern/timer.h"

#define CLAIMER_SPINS 1000u /* a waker that takes longer is not running */

bool thread_claim(struct thread *t, enum wait_result result)
{
    /* In the order in which the thread goes through these states: the other way round it could slip
     * past between the two. */
    if (atomic_cas(&t->wait, THREAD_WAITING, THREAD_CLAIMED_EARLY) ||
        atomic_cas(&t->wait, THREAD_BLOCKED, THREAD_CLAIMED)) {
        t->wait_result = result;
        return true;
    }
    return false;
}

bool thread_wake(struct thread *t, enum wait_result result)
{
    bool claimed;

    preempt_disable(); /* a claimed thread may be spinning until it is set running */
    claimed = thread_claim(t, result);
    if (claimed) {
        thread_setrun(t);
    }
    preempt_enable();
    return claimed;
}

/* --- deadlines ---
 *
 * The timer of a thread is left armed when a wait ends in time, for the next wait with a deadline,
 * which as a rule is later: when it fires it is armed again for what the thread waits for by then.
 * The timer's handler sets the deadline to WAIT_EXPIRED before it claims the thread: only then the
 * end of the wait has to see that the handler is done, lest it claims the thread's next wait. */

#define WAIT_EXPIRED 1u /* no deadline: the clock starts before there are threads */

void thread_timed_out(struct timer *timer)
{
    struct thread *t = (struct thread *)((char *)timer - offsetof(struct thread, timeout));
    uint64_t deadline_ns;

    /* Either the deadline is seen here, or there that the timer is not armed. */
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    deadline_ns = atomic_load(&t->wait_deadline_ns);
    if (deadline_ns <= WAIT_EXPIRED) {
        return;
    }
    if (deadline_ns > clock_now_ns()) {
        timer_arm(timer, deadline_ns);
    } else if (atomic_cas(&t->wait_deadline_ns, deadline_ns, WAIT_EXPIRED)) {
        thread_wake(t, WAIT_TIMED_OUT);
    }
}

/* The prepared wait of the current thread ends then. */
static void thread_limit_wait(struct thread *self, uint64_t deadline_ns)
{
    __atomic_store_n(&self->wait_deadline_ns, deadline_ns, __ATOMIC_SEQ_CST);
    if (!timer_fires_by(&self->timeout, deadline_ns)) {
        timer_cancel(&self->timeout);
        timer_arm(&self->timeout, deadline_ns);
    }
}

void thread_wait_finish(struct thread *self)
{
    if (atomic_load(&self->wait_deadline_ns) != 0 &&
        atomic_exchange(&self->wait_deadline_ns, 0) == WAIT_EXPIRED) {
        timer_cancel(&self->timeout);
    }
}

/* --- the wait --- */

void thread_wait_at_once(struct waitq *waitq, uint64_t deadline_ns, void (*continuation)(void))
{
    struct thread *self = current_thread();

    assert(!interrupt_is_enabled() && spin_is_held(&waitq->lock) && self->wait == THREAD_RUNNING);
    self->continuation = continuation;
    self->wait_interruptible = true;
    list_insert_tail(&waitq->threads, &self->wait_link);
    atomic_store_release(&self->wait, THREAD_BLOCKED);
    /* Either the timer's handler sees this, or thread_become() that the timer is not armed. */
    __atomic_store_n(&self->wait_deadline_ns, deadline_ns, __ATOMIC_SEQ_CST);
}

void thread_wait_prepare(bool interruptible, uint64_t deadline_ns)
{
    struct thread *self = current_thread();

    assert(self->wait == THREAD_RUNNING);
    assert(self != cpu_current()->idle); /* it is what runs when all wait */
    self->wait_result = WAIT_OK;
    self->wait_interruptible = interruptible;
    __atomic_store_n(&self->wait, THREAD_WAITING, __ATOMIC_SEQ_CST);
    if (deadline_ns != 0) {
        thread_limit_wait(self, deadline_ns);
    }
    if (interruptible &&
        (atomic_load(&self->flags) & (THREAD_FLAG_ABORT | THREAD_FLAG_TERMINATE)) != 0) {
        thread_wake(self, WAIT_INTERRUPTED);
    }
}

/* Wait until the waker that claimed this thread before it blocked has called thread_setrun(). If
 * that takes long, the waker has been preempted, perhaps by this very thread: let it run, however
 * bad its priority. */
static void thread_wait_for_claimer(struct thread *self)
{
    for (uint32_t spins = 0; atomic_load_acquire(&self->wait) != THREAD_RUNNING; spins++) {
        if (spins % CLAIMER_SPINS == CLAIMER_SPINS - 1 && cpu_preempt_count() == 0) {
            sched_give_way(PRIORITY_IDLE - 1);
        }
        cpu_relax();
    }
}

bool thread_wait_cancel(void)
{
    struct thread *self = current_thread();
    bool cancelled = atomic_cas(&self->wait, THREAD_WAITING, THREAD_RUNNING);

    if (!cancelled) {
        thread_wait_for_claimer(self);
    }
    thread_wait_finish(self);
    return cancelled;
}

/* The wait was over before the thread blocked. */
static enum wait_result thread_not_blocked(struct thread *self, void (*continuation)(void))
{
    thread_wait_for_claimer(self);
    if (continuation != NULL) {
        interrupt_disable();
        self->continuation = continuation;
        sched_continue(self);
    }
    thread_wait_finish(self);
    return self->wait_result;
}

enum wait_result thread_block(void (*continuation)(void))
{
    struct thread *self = current_thread();
    struct cpu *cpu;
    struct thread *next;

    assert(cpu_preempt_count() == 0);
    assert(interrupt_is_enabled());
    if (continuation == NULL) {
        stack_prepare();
    }
    interrupt_disable();
    if (!atomic_cas(&self->wait, THREAD_WAITING, THREAD_BLOCKED)) {
        interrupt_enable();
        return thread_not_blocked(self, continuation);
    }
    cpu = cpu_current();
    next = continuation == NULL ? sched_pick_with_stack(cpu) : sched_pick(cpu);
    sched_switch(cpu, self, next, continuation);
    sched_switched();
    thread_wait_finish(self);
    return self->wait_result;
}

_Noreturn void thread_wait_awake(void (*continuation)(void))
{
    struct thread *self = current_thread();

    assert(self->wait_deadline_ns == 0 && cpu_preempt_count() == 0);
    if (sched_wait_awake(self)) {
        continuation();
    }
    thread_block(continuation);
    panic("thread %lu: its continuation %p returned", self->id, (void *)continuation);
}

void thread_sleep(uint64_t ns)
{
    thread_wait_prepare(false, clock_now_ns() + ns);
    (void)thread_block(NULL);
}

enum wait_result thread_handoff(struct thread *t, void (*continuation)(void))
{
    struct thread *self = current_thread();
    struct cpu *cpu;

    assert(cpu_preempt_count() == 0 && continuation != NULL);
    interrupt_disable();
    cpu = cpu_current();
    if (atomic_load_acquire(&t->wait) != THREAD_CLAIMED || atomic_load_acquire(&t->on_cpu) ||
        (t->bound_cpu >= 0 && (uint32_t)t->bound_cpu != cpu->number) ||
        !atomic_cas(&self->wait, THREAD_WAITING, THREAD_BLOCKED)) {
        interrupt_enable();
        thread_setrun(t);
        return thread_block(continuation);
    }
    atomic_store(&t->wait, THREAD_RUNNING);
    sched_switch(cpu, self, t, continuation);
    panic("thread %lu: went on behind its wait", self->id);
}

/* Self was told to end its wait when it was about to begin it, or its timer has just fired. */
static void thread_keep_runnable(struct thread *self)
{
    if (((atomic_load(&self->flags) & (THREAD_FLAG_ABORT | THREAD_FLAG_TERMINATE)) != 0 ||
         !thread_is_timed(self)) &&
        atomic_cas(&self->wait, THREAD_BLOCKED, THREAD_RUNNING)) {
        self->wait_result = WAIT_INTERRUPTED;
        sched_keep_runnable();
    }
}

void thread_become(struct thread *self, struct thread *t)
{
    struct cpu *cpu = cpu_current();

    assert(!interrupt_is_enabled() && cpu->preempt_count == 0);
    assert(t->pcb.kernel_stack == 0 && !t->on_cpu && t->wait == THREAD_RUNNING);
    sched_switch_machine(cpu, self, t);
    thread_keep_runnable(self);
    t->continuation = NULL;
    sched_dispatch_previous();
    sched_switched();
}

_Noreturn void thread_leave(struct thread *self)
{
    struct cpu *cpu = cpu_current();

    assert(!interrupt_is_enabled() && cpu->preempt_count == 0 && self == cpu->current);
    __atomic_thread_fence(__ATOMIC_SEQ_CST); /* who sets a flag either is seen here or claims it */
    thread_keep_runnable(self);
    sched_switch(cpu, self, sched_pick(cpu), self->continuation);
    panic("thread %lu: went on behind its wait", self->id);
}

void thread_preempt(struct thread *t)
{
    struct cpu *cpu = cpu_current();
    struct thread *self = cpu->current;

    assert(!interrupt_is_enabled() && cpu->interrupt_depth == 0);
    if (self == cpu->idle && cpu->preempt_count == 0 && cpu->ast == 0 &&
        t->place == cpu->quick_place && atomic_load(&t->wait) == THREAD_CLAIMED &&
        sched_leave_idle(t)) {
        atomic_store(&t->wait, THREAD_RUNNING);
        sched_switch(cpu, self, t, NULL);
        return;
    }
    cpu->interrupt_depth++; /* traces: the interrupt wakes it, not the thread it came upon */
    thread_setrun(t);
    cpu->interrupt_depth--;
}

void thread_quick_end(struct thread *self, struct thread *t)
{
    switch_gs_base(&self->pcb, &t->pcb);
    atomic_store_release(&self->on_cpu, false);
    interrupt_enable();
}

enum wait_result thread_wait_result(void)
{
    return current_thread()->wait_result;
}
