/* futex.c - waiting on words, on gsync. Words are those of one task: memory is not shared between
 * the programs of this library. */
#include <errno.h>
#include <gnumach.h>
#include <limits.h>
#include <portolan/errno.h>
#include <portolan/portolan.h>
#include <time.h>

#include "posix/clock.h"
#include "posix/posix.h"

#define FUTEX_WAIT           0
#define FUTEX_WAKE           1
#define FUTEX_REQUEUE        3
#define FUTEX_CMP_REQUEUE    4
#define FUTEX_WAIT_BITSET    9
#define FUTEX_WAKE_BITSET    10
#define FUTEX_PRIVATE        128
#define FUTEX_CLOCK_REALTIME 256
#define FUTEX_BITS_ALL       0xffffffffu

static long futex_result(kern_return_t kr)
{
    return kr == KERN_INVALID_VALUE ? -EAGAIN : -portolan_errno(kr);
}

/* Wait while the word has the value, no longer than the duration (NULL: no limit). */
static long futex_wait(vm_address_t word, uint32_t value, const struct timespec *duration)
{
    uint32_t milliseconds = 0;
    long error = duration != NULL ? clock_milliseconds(duration, &milliseconds) : 0;

    if (error != 0) {
        return error;
    }
    return futex_result(gsync_wait(mach_task_self(), word, value, 0, milliseconds,
                                   duration != NULL ? GSYNC_TIMED : 0));
}

/* The same to a point in time. */
static long futex_wait_until(vm_address_t word, uint32_t value, const struct timespec *point,
                             bool realtime)
{
    struct timespec duration;
    long error = 0;

    if (point != NULL) {
        error = clock_until(realtime ? CLOCK_REALTIME : CLOCK_MONOTONIC, point, &duration);
    }
    return error != 0 ? error : futex_wait(word, value, point != NULL ? &duration : NULL);
}

/* How many were woken is not known: the answer is how many at least one call was made for. */
static long futex_wake(vm_address_t word, int count)
{
    if (count >= INT_MAX / 2) {
        gsync_wake(mach_task_self(), word, 0, GSYNC_BROADCAST);
        return 1;
    }
    for (int i = 0; i < count; i++) {
        gsync_wake(mach_task_self(), word, 0, 0);
    }
    return count > 0 ? 1 : 0;
}

static long futex_requeue(vm_address_t word, int wake, int move, vm_address_t target)
{
    if (wake < 0 || move < 0) {
        return -EINVAL;
    }
    if (wake > 1) {
        futex_wake(word, wake - 1);
    }
    if (move == 0) {
        return futex_wake(word, wake > 0);
    }
    gsync_requeue(mach_task_self(), word, target, wake > 0, move > 1 ? GSYNC_BROADCAST : 0);
    return 1;
}

long linux_futex(struct posix_frame *f)
{
    const vm_address_t word = f->a0;
    const int command = (int)f->a1 & ~(FUTEX_PRIVATE | FUTEX_CLOCK_REALTIME);
    const uint32_t value = (uint32_t)f->a2;
    const struct timespec *time = (const struct timespec *)f->a3;

    if (word % sizeof(uint32_t) != 0) {
        return -EINVAL;
    }
    switch (command) {
    case FUTEX_WAIT:
        return futex_wait(word, value, time);
    case FUTEX_WAIT_BITSET:
        return (uint32_t)f->a5 != FUTEX_BITS_ALL
                   ? -ENOSYS
                   : futex_wait_until(word, value, time, ((int)f->a1 & FUTEX_CLOCK_REALTIME) != 0);
    case FUTEX_WAKE:
        return futex_wake(word, (int)value);
    case FUTEX_WAKE_BITSET:
        return (uint32_t)f->a5 != FUTEX_BITS_ALL ? -ENOSYS : futex_wake(word, (int)value);
    case FUTEX_CMP_REQUEUE:
        if (__atomic_load_n((const uint32_t *)word, __ATOMIC_SEQ_CST) != (uint32_t)f->a5) {
            return -EAGAIN;
        }
        return futex_requeue(word, (int)value, (int)f->a3, f->a4);
    case FUTEX_REQUEUE:
        return futex_requeue(word, (int)value, (int)f->a3, f->a4);
    default:
        return -ENOSYS;
    }
}
