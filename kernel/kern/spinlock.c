/* spinlock.c - contention. */
#include "kern/spinlock.h"

#include "kern/assert.h"
#include "kern/atomic.h"

#define SPIN_MAX 2000000000u

void spinlock_wait(struct spinlock *lock)
{
    uint32_t spins = 0;

    do {
        while (atomic_load(&lock->locked) != 0) {
            cpu_relax();
            spins++;
            if (CONFIG_DEBUG && spins == SPIN_MAX) {
                panic("lock %s: held for ever by cpu %d", lock->name, lock->holder - 1);
            }
        }
    } while (__atomic_exchange_n(&lock->locked, 1, __ATOMIC_ACQUIRE) != 0);
}
