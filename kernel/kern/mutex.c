/* mutex.c - the contended paths of the sleeping lock. Bit 0 of `owner` says that threads may wait;
 * the owner then hands over under the queue's lock. */
#include "kern/mutex.h"

#include "kern/assert.h"
#include "kern/atomic.h"

#define MUTEX_WAITERS 1ul

void mutex_init(struct mutex *mutex, const char *name)
{
    mutex->owner = NULL;
    waitq_init(&mutex->waiters, name);
}

/* Try to become the owner, else leave the mark that somebody waits. True when owner. */
static bool mutex_try_or_mark(struct mutex *mutex)
{
    uintptr_t self = (uintptr_t)current_thread();
    uintptr_t owner = (uintptr_t)atomic_load(&mutex->owner);

    for (;;) {
        uintptr_t wanted =
            (owner & ~MUTEX_WAITERS) == 0 ? self | (owner & MUTEX_WAITERS) : owner | MUTEX_WAITERS;

        if (__atomic_compare_exchange_n((uintptr_t *)&mutex->owner, &owner, wanted, false,
                                        __ATOMIC_ACQ_REL, __ATOMIC_RELAXED)) {
            return (wanted & ~MUTEX_WAITERS) == self;
        }
    }
}

void mutex_lock_slow(struct mutex *mutex)
{
    assert(cpu_preempt_count() == 0);
    assert(!mutex_is_held(mutex));
    for (;;) {
        waitq_assert_wait(&mutex->waiters, false, 0);
        if (mutex_try_or_mark(mutex)) {
            waitq_cancel_wait(&mutex->waiters);
            return;
        }
        waitq_block(&mutex->waiters);
        if (mutex_try_or_mark(mutex)) {
            return;
        }
    }
}

void mutex_unlock_slow(struct mutex *mutex)
{
    assert(mutex_is_held(mutex));
    /* A thread that waits put itself on the queue before it looked at the owner, so clearing the
     * word and waking misses none; the one woken, or one that comes first, marks the word again if
     * others remain. */
    atomic_store_release(&mutex->owner, NULL);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    waitq_wake_all(&mutex->waiters, WAIT_OK);
}
