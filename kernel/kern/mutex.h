/* mutex.h - a sleeping lock: for address maps and other things held across a page fault. Not
 * recursive, FIFO, owner recorded. Never taken with a spin lock held, never held across a message
 * to user space. */
#ifndef KERN_MUTEX_H
#define KERN_MUTEX_H

#include <stdbool.h>

#include "kern/lock_annotations.h"
#include "kern/waitq.h"

struct CAPABILITY("mutex") mutex {
    struct thread *owner; /* [a] NULL when free; bit 0 set while threads wait */
    struct waitq waiters;
};

void mutex_init(struct mutex *mutex, const char *name);
void mutex_lock_slow(struct mutex *mutex);
void mutex_unlock_slow(struct mutex *mutex);

static inline void mutex_lock(struct mutex *mutex) ACQUIRES(mutex) NO_LOCK_ANALYSIS
{
    struct thread *expected = NULL;

    if (!__atomic_compare_exchange_n(&mutex->owner, &expected, current_thread(), false,
                                     __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) {
        mutex_lock_slow(mutex);
    }
}

static inline void mutex_unlock(struct mutex *mutex) RELEASES(mutex) NO_LOCK_ANALYSIS
{
    struct thread *expected = current_thread();

    if (!__atomic_compare_exchange_n(&mutex->owner, &expected, NULL, false, __ATOMIC_RELEASE,
                                     __ATOMIC_RELAXED)) {
        mutex_unlock_slow(mutex);
    }
}

static inline bool mutex_is_held(const struct mutex *mutex)
{
    return (struct thread *)((uintptr_t)mutex->owner & ~1ul) == current_thread();
}

#endif
