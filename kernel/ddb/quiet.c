/* quiet.c - stopping the other processors outside of all locks. See quiet.h.
 *
 * A thread of the best priority is bound to each processor. Once it runs, what that processor did
 * has been preempted, so it holds no spin lock. All of them are awaited with interrupts on, since
 * one may still have to answer a TLB invalidation another waits for; then they turn interrupts off.
 *
 *   phase    set by       means
 *   IDLE     quiet_run    the threads sleep
 *   GATHER   quiet_run    each comes to its processor and counts itself in `here`
 *   STILL    quiet_run    each turns interrupts off and counts itself in `still`
 */
#include "ddb/quiet.h"

#include "arch/cpu.h"
#include "arch/interrupt.h"
#include "kern/atomic.h"
#include "kern/mutex.h"
#include "kern/preempt.h"
#include "kern/sched.h"
#include "kern/thread.h"

#define QUIET_PRIORITY 0

enum quiet_phase { QUIET_IDLE, QUIET_GATHER, QUIET_STILL };

static struct mutex quiet_mutex; /* one at a time */
static struct thread *quiet_threads[CPU_MAX];
static bool quiet_wanted[CPU_MAX]; /* [a] */
static uint32_t quiet_phase;       /* [a] */
static uint32_t quiet_here;        /* [a] */
static uint32_t quiet_still;       /* [a] */

static void quiet_await(uint32_t *word, uint32_t value)
{
    while (atomic_load_acquire(word) != value) {
        cpu_relax();
    }
}

/* Until this processor is wanted. */
static void quiet_sleep(bool *wanted)
{
    while (!atomic_load_acquire(wanted)) {
        thread_wait_prepare(false, 0);
        if (atomic_load_acquire(wanted)) {
            thread_wait_cancel();
        } else {
            thread_block(NULL);
        }
    }
    atomic_store(wanted, false);
}

static void quiet_keep(void *argument)
{
    for (;;) {
        quiet_sleep(argument);
        preempt_disable();
        atomic_inc(&quiet_here);
        quiet_await(&quiet_phase, QUIET_STILL);
        interrupt_disable();
        atomic_inc(&quiet_still);
        quiet_await(&quiet_phase, QUIET_IDLE);
        interrupt_enable();
        atomic_dec(&quiet_here);
        preempt_enable();
    }
}

void quiet_init(void)
{
    mutex_init(&quiet_mutex, "quiet");
    for (uint32_t i = 0; i < cpu_count; i++) {
        struct thread *thread =
            thread_create_kernel("quiet", quiet_keep, &quiet_wanted[i], QUIET_PRIORITY);

        sched_bind(thread, (int)i);
        thread->wait = THREAD_CLAIMED;
        quiet_threads[i] = thread;
        thread_setrun(thread);
    }
}

/* Wake the threads of the other processors. */
static void quiet_call(uint32_t self)
{
    for (uint32_t i = 0; i < cpu_count; i++) {
        if (i != self) {
            atomic_store_release(&quiet_wanted[i], true);
            thread_wake(quiet_threads[i], WAIT_OK);
        }
    }
}

void quiet_run(void (*function)(void *), void *argument)
{
    mutex_lock(&quiet_mutex);
    preempt_disable();
    atomic_store(&quiet_still, 0);
    atomic_store_release(&quiet_phase, QUIET_GATHER);
    quiet_call(cpu_number());
    quiet_await(&quiet_here, cpu_count - 1);
    interrupt_disable();
    atomic_store_release(&quiet_phase, QUIET_STILL);
    quiet_await(&quiet_still, cpu_count - 1);
    function(argument);
    atomic_store_release(&quiet_phase, QUIET_IDLE);
    interrupt_enable();
    quiet_await(&quiet_here, 0);
    preempt_enable();
    mutex_unlock(&quiet_mutex);
}
