/* spinlock_debug.c - the debug kernel's checks of who holds which spin lock and in which order. */
#include "kern/spinlock.h"

#include "kern/assert.h"
#include "kern/printf.h"

#define HELD_MAX 16

/* Locks a processor holds, oldest first. Keys: [C] that processor, preemption disabled */
struct spinlock_debug_held {
    struct spinlock *locks[HELD_MAX]; /* [C] */
    const void *callers[HELD_MAX];    /* [C] */
    uint32_t count;                   /* [C] */
};

static struct spinlock_debug_held spinlock_debug_held[CPU_MAX];

static void spinlock_debug_add(struct spinlock_debug_held *held, struct spinlock *lock,
                               const void *caller)
{
    if (held->count == HELD_MAX) {
        panic("lock %s: more than %d locks held", lock->name, HELD_MAX);
    }
    held->locks[held->count] = lock;
    held->callers[held->count] = caller;
    held->count++;
}

void spinlock_debug_tried(struct spinlock *lock, const void *caller)
{
    assert(!interrupt_is_enabled());
    spinlock_debug_add(&spinlock_debug_held[cpu_number()], lock, caller);
    spinlock_debug_acquired(lock);
}

void spinlock_debug_acquire(struct spinlock *lock, bool nested, const void *caller)
{
    uint64_t flags = interrupt_save_disable();
    struct spinlock_debug_held *held = &spinlock_debug_held[cpu_number()];

    for (uint32_t i = 0; i < held->count; i++) {
        if (held->locks[i] == lock) {
            panic("lock %s: taken twice, first at %p", lock->name, held->callers[i]);
        }
        if (held->locks[i]->rank > lock->rank || (held->locks[i]->rank == lock->rank && !nested)) {
            panic("lock %s (rank %u): taken while %s (rank %u) is held, taken at %p", lock->name,
                  lock->rank, held->locks[i]->name, held->locks[i]->rank, held->callers[i]);
        }
    }
    spinlock_debug_add(held, lock, caller);
    interrupt_restore(flags);
}

void spinlock_debug_acquired(struct spinlock *lock)
{
    lock->holder = (uint16_t)(cpu_number() + 1);
}

void spinlock_debug_release(struct spinlock *lock)
{
    uint64_t flags = interrupt_save_disable();
    struct spinlock_debug_held *held = &spinlock_debug_held[cpu_number()];
    uint32_t i = held->count;

    if (lock->holder != cpu_number() + 1) {
        panic("lock %s: released by cpu %u, held by cpu %d", lock->name, cpu_number(),
              lock->holder - 1);
    }
    lock->holder = 0;
    while (i > 0 && held->locks[i - 1] != lock) {
        i--;
    }
    for (; i > 0 && i < held->count; i++) {
        held->locks[i - 1] = held->locks[i];
        held->callers[i - 1] = held->callers[i];
    }
    held->count--;
    interrupt_restore(flags);
}

void spinlock_debug_print(void)
{
    for (uint32_t cpu = 0; cpu < cpu_count; cpu++) {
        struct spinlock_debug_held *held = &spinlock_debug_held[cpu];

        kprintf("cpu %u holds %u locks\n", cpu, held->count);
        for (uint32_t i = 0; i < held->count; i++) {
            kprintf("  %s (rank %u) taken at %p\n", held->locks[i]->name, held->locks[i]->rank,
                    held->callers[i]);
        }
    }
}
