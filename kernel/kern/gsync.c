/* gsync.c - waiting on words of memory (gnumach.defs), as the futexes of a thread library need it.
 *
 * A word is known by its map and address, or, for GSYNC_SHARED, by its memory object and offset, so
 * tasks that map it at different places meet. A waiter queues itself, then compares the word: a
 * waker that changes the word and then wakes cannot miss it. Locks: gsync_lock, rank PSET. The word
 * itself is read and written with no lock held: that may fault. */
#include <mach/gnumach.h>

#include "arch/usercopy.h"
#include "gnumach_kernel_server.h"
#include "kern/assert.h"
#include "kern/clock.h"
#include "kern/gsync.h"
#include "kern/list.h"
#include "kern/task.h"
#include "kern/thread.h"
#include "vm/vm_fault.h"
#include "vm/vm_map.h"

#define GSYNC_BUCKETS 64u
#define GSYNC_FLAGS   (GSYNC_SHARED | GSYNC_QUAD | GSYNC_TIMED | GSYNC_BROADCAST | GSYNC_MUTATE)

static_assert((GSYNC_BUCKETS & (GSYNC_BUCKETS - 1)) == 0, "a bucket is found by a mask");

/* Which word. */
struct gsync_key {
    const void *space; /* a map, or an object: compared only */
    uint64_t offset;
};

/* Lives on the waiter's stack. Keys: [G] gsync_lock */
struct gsync_waiter {
    struct list link;      /* [G] */
    struct thread *thread; /* [I] */
    struct gsync_key key;  /* [G] */
    bool blocks;           /* [G] it waits to be woken, no longer for a page with the word */
};

static struct spinlock gsync_lock = SPINLOCK_INITIALIZER(LOCK_RANK_PSET, "gsync");
static struct list gsync_buckets[GSYNC_BUCKETS]; /* [G] waiters, oldest first */

void gsync_init(void)
{
    for (unsigned i = 0; i < GSYNC_BUCKETS; i++) {
        list_init(&gsync_buckets[i]);
    }
}

static struct list *gsync_bucket(const struct gsync_key *key)
{
    return &gsync_buckets[((uintptr_t)key->space >> 6 ^ key->offset >> 2 ^ key->offset >> 12) %
                          GSYNC_BUCKETS];
}

static struct gsync_key gsync_key(task_t task, vm_address_t addr, int flags)
{
    struct vm_map_region region;

    if ((flags & GSYNC_SHARED) != 0 &&
        vm_map_region(task->map, addr, false, &region) == KERN_SUCCESS && region.start <= addr &&
        region.object != NULL) {
        return (struct gsync_key){region.object, region.offset + (addr - region.start)};
    }
    return (struct gsync_key){task->map, addr};
}

static kern_return_t gsync_check(vm_address_t addr, int flags)
{
    size_t size = (flags & GSYNC_QUAD) != 0 ? 8 : 4;

    if ((flags & ~GSYNC_FLAGS) != 0 || addr % size != 0) {
        return KERN_INVALID_ARGUMENT;
    }
    return user_range_is_valid(addr, size) ? KERN_SUCCESS : KERN_INVALID_ADDRESS;
}

/* Is the word what the waiter expects? */
static kern_return_t gsync_compare(task_t task, vm_address_t addr, unsigned val1, unsigned val2,
                                   int flags)
{
    uint32_t words[2] = {0, val2};
    kern_return_t kr = vm_fault_read(task->map, addr, words, (flags & GSYNC_QUAD) != 0 ? 8 : 4);

    if (kr != KERN_SUCCESS) {
        return KERN_INVALID_ADDRESS;
    }
    return words[0] == val1 && words[1] == val2 ? KERN_SUCCESS : KERN_INVALID_VALUE;
}

/* Leave the queue. False when a waker took the waiter off already. */
static bool gsync_leave(struct gsync_waiter *waiter)
{
    bool queued;

    assert(waiter->thread == current_thread());
    spin_lock(&gsync_lock);
    queued = list_is_linked(&waiter->link);
    list_remove(&waiter->link);
    spin_unlock(&gsync_lock);
    return queued;
}

/* Block unless a waker has been there since the waiter was queued. */
static kern_return_t gsync_block(struct gsync_waiter *waiter, uint64_t deadline)
{
    enum wait_result result = WAIT_OK;
    bool woken;

    assert(waiter->thread == current_thread());
    thread_wait_prepare(true, deadline);
    spin_lock(&gsync_lock);
    woken = !list_is_linked(&waiter->link);
    waiter->blocks = !woken;
    spin_unlock(&gsync_lock);
    if (woken) {
        thread_wait_cancel();
    } else {
        result = thread_block(NULL);
    }
    return result == WAIT_TIMED_OUT     ? KERN_TIMEDOUT
           : result == WAIT_INTERRUPTED ? KERN_INTERRUPTED
                                        : KERN_SUCCESS;
}

/* Returns: KERN_SUCCESS (woken), KERN_INVALID_VALUE (the word differs), KERN_TIMEDOUT,
 * KERN_INTERRUPTED, KERN_INVALID_ARGUMENT, KERN_INVALID_ADDRESS. */
kern_return_t gsync_wait(task_t task, vm_address_t addr, unsigned val1, unsigned val2,
                         natural_t msec, int flags)
{
    struct gsync_waiter waiter = {.thread = current_thread()};
    uint64_t deadline = (flags & GSYNC_TIMED) != 0 ? clock_now_ns() + msec * NS_PER_MS + 1 : 0;
    kern_return_t kr = gsync_check(addr, flags);

    if (kr != KERN_SUCCESS) {
        return kr;
    }
    waiter.key = gsync_key(task, addr, flags);
    spin_lock(&gsync_lock);
    list_insert_tail(gsync_bucket(&waiter.key), &waiter.link);
    spin_unlock(&gsync_lock);
    kr = gsync_compare(task, addr, val1, (flags & GSYNC_QUAD) != 0 ? val2 : 0, flags);
    if (kr == KERN_SUCCESS) {
        kr = gsync_block(&waiter, deadline);
    }
    /* one that was chosen has been woken, whatever else ended its wait: else the wake-up would be
     * lost to those behind it */
    return gsync_leave(&waiter) ? kr : KERN_SUCCESS;
}

/* Take a waiter off the queue and end its wait, if it has begun that. Locks: gsync_lock held. */
static void gsync_wake_waiter(struct gsync_waiter *waiter)
{
    assert(spin_is_held(&gsync_lock));
    list_remove(&waiter->link);
    if (waiter->blocks) {
        thread_wake(waiter->thread, WAIT_OK);
    }
}

/* The first waiter for the word, or NULL. Locks: gsync_lock held. */
static struct gsync_waiter *gsync_find(const struct gsync_key *key)
{
    assert(spin_is_held(&gsync_lock));
    list_for_each (gsync_bucket(key), node) {
        struct gsync_waiter *waiter = list_entry(node, struct gsync_waiter, link);

        if (waiter->key.space == key->space && waiter->key.offset == key->offset) {
            return waiter;
        }
    }
    return NULL;
}

/* Wake the first waiter, or all. Returns: KERN_SUCCESS, KERN_INVALID_ARGUMENT (nobody waits, or bad
 * flags), KERN_INVALID_ADDRESS. */
kern_return_t gsync_wake(task_t task, vm_address_t addr, unsigned val, int flags)
{
    kern_return_t kr = gsync_check(addr, flags);
    struct gsync_key key;
    struct gsync_waiter *waiter;
    bool found = false;

    if (kr != KERN_SUCCESS) {
        return kr;
    }
    if ((flags & GSYNC_MUTATE) != 0 &&
        vm_fault_write(task->map, addr, &val, sizeof(val)) != KERN_SUCCESS) {
        return KERN_INVALID_ADDRESS;
    }
    key = gsync_key(task, addr, flags);
    spin_lock(&gsync_lock);
    while ((waiter = gsync_find(&key)) != NULL) {
        found = true;
        gsync_wake_waiter(waiter);
        if ((flags & GSYNC_BROADCAST) == 0) {
            break;
        }
    }
    spin_unlock(&gsync_lock);
    return found ? KERN_SUCCESS : KERN_INVALID_ARGUMENT;
}

/* Move the waiters of one word to another, or (without GSYNC_BROADCAST) the first one; with
 * wake_one the first is woken instead of moved. Returns: as gsync_wake. */
kern_return_t gsync_requeue(task_t task, vm_address_t src, vm_address_t dst, boolean_t wake_one,
                            int flags)
{
    kern_return_t kr = gsync_check(src, flags);
    struct gsync_key from, to;
    struct gsync_waiter *waiter;
    bool found = false;

    if (kr == KERN_SUCCESS) {
        kr = gsync_check(dst, flags);
    }
    if (kr != KERN_SUCCESS) {
        return kr;
    }
    from = gsync_key(task, src, flags);
    to = gsync_key(task, dst, flags);
    if (from.space == to.space && from.offset == to.offset) {
        return KERN_INVALID_ARGUMENT;
    }
    spin_lock(&gsync_lock);
    if (wake_one && (waiter = gsync_find(&from)) != NULL) {
        found = true;
        gsync_wake_waiter(waiter);
    }
    while ((waiter = gsync_find(&from)) != NULL) {
        found = true;
        list_remove(&waiter->link);
        waiter->key = to;
        list_insert_tail(gsync_bucket(&to), &waiter->link);
        if ((flags & GSYNC_BROADCAST) == 0) {
            break;
        }
    }
    spin_unlock(&gsync_lock);
    return found ? KERN_SUCCESS : KERN_INVALID_ARGUMENT;
}
