/* spinlock.h - spin locks for host tests: one thread runs at a time, so a lock that is held when it
 * is taken is a mistake, and so is a wrong order. */
#ifndef KERN_SPINLOCK_H
#define KERN_SPINLOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "kern/lock_annotations.h"
#include "kern/lock_rank.h"

struct CAPABILITY("spinlock") spinlock {
    bool held;
    uint16_t rank;
    const char *name;
};

static inline void spin_init(struct spinlock *lock, enum lock_rank rank, const char *name)
{
    lock->held = false;
    lock->rank = (uint16_t)rank;
    lock->name = name;
}

/* Implemented by sim.c. */
void sim_lock(struct spinlock *lock, bool nested);
void sim_unlock(struct spinlock *lock);

static inline void spin_lock(struct spinlock *lock) ACQUIRES(lock) NO_LOCK_ANALYSIS
{
    sim_lock(lock, false);
}

static inline void spin_lock_nested(struct spinlock *lock) ACQUIRES(lock) NO_LOCK_ANALYSIS
{
    sim_lock(lock, true);
}

static inline void spin_unlock(struct spinlock *lock) RELEASES(lock) NO_LOCK_ANALYSIS
{
    sim_unlock(lock);
}

static inline bool spin_is_held(const struct spinlock *lock)
{
    return lock->held;
}

#endif
