/* spinlock.h - spin locks with ranks.
 *
 * Holding a spin lock disables preemption on this processor. Locks are taken in rising rank; the
 * debug kernel keeps the locks each processor holds and panics when one is taken out of order,
 * twice, or released by a processor that does not hold it. Locks that interrupt handlers take too
 * are taken with the _irqsave forms everywhere. */
#ifndef KERN_SPINLOCK_H
#define KERN_SPINLOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "arch/interrupt.h"
#include "kern/lock_annotations.h"
#include "kern/lock_rank.h"
#include "kern/preempt.h"

struct CAPABILITY("spinlock") spinlock {
    uint32_t locked;  /* [a] 0 free, 1 held */
    uint16_t rank;    /* [I] */
    uint16_t holder;  /* [L] cpu number + 1 in the debug kernel */
    const char *name; /* [I] */
};

#define SPINLOCK_INITIALIZER(rank, name)                                                           \
    {                                                                                              \
        0, (rank), 0, (name)                                                                       \
    }

static inline void spin_init(struct spinlock *lock, enum lock_rank rank, const char *name)
{
    lock->locked = 0;
    lock->rank = (uint16_t)rank;
    lock->holder = 0;
    lock->name = name;
}

/* The debug kernel's bookkeeping (ddb/spinlock_debug.c). */
void spinlock_debug_acquire(struct spinlock *lock, bool nested, const void *caller);
void spinlock_debug_acquired(struct spinlock *lock);
void spinlock_debug_tried(struct spinlock *lock, const void *caller);
void spinlock_debug_release(struct spinlock *lock);
/* Print the locks all processors hold (debugger command `locks`). */
void spinlock_debug_print(void);
/* Contended path: spin until the lock is ours. */
void spinlock_wait(struct spinlock *lock);

static inline void spinlock_take(struct spinlock *lock, bool nested)
{
    if (CONFIG_DEBUG) {
        spinlock_debug_acquire(lock, nested, __builtin_return_address(0));
    }
    if (__builtin_expect(__atomic_exchange_n(&lock->locked, 1, __ATOMIC_ACQUIRE) != 0, 0)) {
        spinlock_wait(lock);
    }
    if (CONFIG_DEBUG) {
        spinlock_debug_acquired(lock);
    }
}

static inline void spin_lock(struct spinlock *lock) ACQUIRES(lock) NO_LOCK_ANALYSIS
{
    preempt_disable();
    spinlock_take(lock, false);
}

/* As spin_lock, but a lock of the same rank may be held: the caller orders the two itself (by
 * address, or child before parent). */
static inline void spin_lock_nested(struct spinlock *lock) ACQUIRES(lock) NO_LOCK_ANALYSIS
{
    preempt_disable();
    spinlock_take(lock, true);
}

static inline bool spin_trylock(struct spinlock *lock) TRY_ACQUIRES(true, lock) NO_LOCK_ANALYSIS
{
    preempt_disable();
    if (__atomic_exchange_n(&lock->locked, 1, __ATOMIC_ACQUIRE) != 0) {
        preempt_enable();
        return false;
    }
    if (CONFIG_DEBUG) {
        spinlock_debug_acquire(lock, true, __builtin_return_address(0));
        spinlock_debug_acquired(lock);
    }
    return true;
}

static inline void spin_unlock(struct spinlock *lock) RELEASES(lock) NO_LOCK_ANALYSIS
{
    if (CONFIG_DEBUG) {
        spinlock_debug_release(lock);
    }
    __atomic_store_n(&lock->locked, 0, __ATOMIC_RELEASE);
    preempt_enable();
}

/* As spin_lock and spin_unlock, where another spin lock is held all the while: preemption is off.
 */
static inline void spin_lock_inner(struct spinlock *lock) ACQUIRES(lock) NO_LOCK_ANALYSIS
{
    spinlock_take(lock, false);
}

static inline void spin_unlock_inner(struct spinlock *lock) RELEASES(lock) NO_LOCK_ANALYSIS
{
    if (CONFIG_DEBUG) {
        spinlock_debug_release(lock);
    }
    __atomic_store_n(&lock->locked, 0, __ATOMIC_RELEASE);
}

static inline uint64_t spin_lock_irqsave(struct spinlock *lock) ACQUIRES(lock) NO_LOCK_ANALYSIS
{
    uint64_t flags = interrupt_save_disable();

    preempt_disable();
    spinlock_take(lock, false);
    return flags;
}

static inline void spin_unlock_irqrestore(struct spinlock *lock, uint64_t flags)
    RELEASES(lock) NO_LOCK_ANALYSIS
{
    if (CONFIG_DEBUG) {
        spinlock_debug_release(lock);
    }
    __atomic_store_n(&lock->locked, 0, __ATOMIC_RELEASE);
    interrupt_restore(flags);
    preempt_enable();
}

/* Take a lock if it is free, interrupts being off, and give it back. As nothing waits, the order of
 * ranks does not matter. */
static inline __attribute__((always_inline)) bool spin_try_irqs_off(struct spinlock *lock)
    TRY_ACQUIRES(true, lock) NO_LOCK_ANALYSIS
{
    if (__builtin_expect((__atomic_fetch_or(&lock->locked, 1, __ATOMIC_ACQUIRE) & 1) != 0, 0)) {
        return false;
    }
    if (CONFIG_DEBUG) {
        spinlock_debug_tried(lock, __builtin_return_address(0));
    }
    return true;
}

static inline __attribute__((always_inline)) void spin_unlock_irqs_off(struct spinlock *lock)
    RELEASES(lock) NO_LOCK_ANALYSIS
{
    if (CONFIG_DEBUG) {
        spinlock_debug_release(lock);
    }
    __atomic_store_n(&lock->locked, 0, __ATOMIC_RELEASE);
}

/* Does this processor hold the lock? Exact in the debug kernel, always true in a release kernel:
 * for assertions only. */
static inline bool spin_is_held(const struct spinlock *lock)
{
    return !CONFIG_DEBUG || lock->holder == cpu_number() + 1;
}

#endif
