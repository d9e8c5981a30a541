/* spinlock.h - spin locks for host tests: one thread runs, so a lock that is held when it is taken
 * is a mistake, and so is one that is taken while another is held. */
#ifndef KERN_SPINLOCK_H
#define KERN_SPINLOCK_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include "kern/lock_annotations.h"
#include "kern/lock_rank.h"

struct CAPABILITY("spinlock") spinlock {
    bool is_held;
};

#define SPINLOCK_INITIALIZER(rank, name)                                                           \
    {                                                                                              \
        false                                                                                      \
    }

extern unsigned test_locks_held;

static inline void spin_init(struct spinlock *lock, enum lock_rank rank, const char *name)
{
    (void)rank;
    (void)name;
    lock->is_held = false;
}

static inline uint64_t spin_lock_irqsave(struct spinlock *lock) ACQUIRES(lock) NO_LOCK_ANALYSIS
{
    if (test_locks_held != 0) {
        abort();
    }
    test_locks_held++;
    lock->is_held = true;
    return 0;
}

static inline void spin_unlock_irqrestore(struct spinlock *lock, uint64_t flags)
    RELEASES(lock) NO_LOCK_ANALYSIS
{
    (void)flags;
    if (!lock->is_held) {
        abort();
    }
    test_locks_held--;
    lock->is_held = false;
}

static inline bool spin_is_held(const struct spinlock *lock)
{
    return lock->is_held;
}

#endif
