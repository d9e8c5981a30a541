/* clock.c - time of day, time since the start, time used, and sleeping. */
#define _GNU_SOURCE
#include "posix/clock.h"

#include <errno.h>
#include <mach.h>
#include <mach_host.h>
#include <portolan/errno.h>
#include <portolan/portolan.h>
#include <portolan/thread.h>
#include <sys/resource.h>
#include <sys/time.h>

#include "core/text.h"
#include "posix/posix.h"

#define NS_PER_S  1000000000l
#define NS_PER_MS 1000000l

static struct timespec clock_sum(time_value64_t a, time_value64_t b)
{
    struct timespec sum = {a.seconds + b.seconds, a.nanoseconds + b.nanoseconds};

    if (sum.tv_nsec >= NS_PER_S) {
        sum.tv_nsec -= NS_PER_S;
        sum.tv_sec++;
    }
    return sum;
}

static time_value64_t clock_value(struct timespec t)
{
    return (time_value64_t){t.tv_sec, t.tv_nsec};
}

/* Time all threads of the task have used, those that ended included. */
static long clock_of_task(struct timespec *user, struct timespec *system)
{
    task_basic_info_data_t ended;
    task_thread_times_info_data_t live;
    mach_msg_type_number_t count = TASK_BASIC_INFO_COUNT;
    kern_return_t kr;

    kr = task_info(mach_task_self(), TASK_BASIC_INFO, (task_info_t)&ended, &count);
    if (kr == KERN_SUCCESS) {
        count = TASK_THREAD_TIMES_INFO_COUNT;
        kr = task_info(mach_task_self(), TASK_THREAD_TIMES_INFO, (task_info_t)&live, &count);
    }
    if (kr == KERN_SUCCESS) {
        *user = clock_sum(ended.user_time64, live.user_time64);
        *system = clock_sum(ended.system_time64, live.system_time64);
    }
    return -portolan_errno(kr);
}

static long clock_of_thread(struct timespec *user, struct timespec *system)
{
    thread_basic_info_data_t info;
    mach_msg_type_number_t count = THREAD_BASIC_INFO_COUNT;
    kern_return_t kr;

    kr = thread_info(portolan_thread_port(), THREAD_BASIC_INFO, (thread_info_t)&info, &count);
    if (kr == KERN_SUCCESS) {
        *user = (struct timespec){info.user_time64.seconds, info.user_time64.nanoseconds};
        *system = (struct timespec){info.system_time64.seconds, info.system_time64.nanoseconds};
    }
    return -portolan_errno(kr);
}

static long clock_read_used(int clock, struct timespec *now)
{
    struct timespec user;
    struct timespec system;
    long error = clock == CLOCK_THREAD_CPUTIME_ID ? clock_of_thread(&user, &system)
                                                  : clock_of_task(&user, &system);

    if (error == 0) {
        *now = clock_sum(clock_value(user), clock_value(system));
    }
    return error;
}

long clock_read(int clock, struct timespec *now)
{
    time_value64_t value = {0, 0};
    kern_return_t kr;

    switch (clock) {
    case CLOCK_REALTIME:
    case CLOCK_REALTIME_COARSE:
        kr = host_get_time64(mach_host_self(), &value);
        break;
    case CLOCK_MONOTONIC:
    case CLOCK_MONOTONIC_RAW:
    case CLOCK_MONOTONIC_COARSE:
    case CLOCK_BOOTTIME:
        kr = host_get_uptime64(mach_host_self(), &value);
        break;
    case CLOCK_PROCESS_CPUTIME_ID:
    case CLOCK_THREAD_CPUTIME_ID:
        return clock_read_used(clock, now);
    default:
        return -EINVAL;
    }
    *now = (struct timespec){value.seconds, value.nanoseconds};
    return -portolan_errno(kr);
}

long clock_milliseconds(const struct timespec *duration, uint32_t *milliseconds)
{
    if (duration->tv_sec < 0 || duration->tv_nsec < 0 || duration->tv_nsec >= NS_PER_S) {
        return -EINVAL;
    }
    if (duration->tv_sec >= INT32_MAX / 1000) {
        *milliseconds = INT32_MAX;
    } else {
        *milliseconds =
            (uint32_t)(duration->tv_sec * 1000 + (duration->tv_nsec + NS_PER_MS - 1) / NS_PER_MS);
    }
    return 0;
}

long clock_until(int clock, const struct timespec *point, struct timespec *duration)
{
    struct timespec now;
    long error;

    if (point->tv_nsec < 0 || point->tv_nsec >= NS_PER_S) {
        return -EINVAL;
    }
    error = clock_read(clock, &now);
    if (error != 0) {
        return error;
    }
    duration->tv_sec = point->tv_sec - now.tv_sec;
    duration->tv_nsec = point->tv_nsec - now.tv_nsec;
    if (duration->tv_nsec < 0) {
        duration->tv_nsec += NS_PER_S;
        duration->tv_sec--;
    }
    if (duration->tv_sec < 0) {
        *duration = (struct timespec){0, 0};
    }
    return 0;
}

/* Sleep to a point of a clock. 0, -EINTR or another -errno. */
static long clock_sleep_until(int clock, const struct timespec *point)
{
    for (;;) {
        struct timespec left;
        uint32_t milliseconds;
        long error = clock_until(clock, point, &left);

        error = error != 0 ? error : clock_milliseconds(&left, &milliseconds);
        if (error != 0 || milliseconds == 0) {
            return error;
        }
        if (portolan_sleep(milliseconds) != KERN_SUCCESS) {
            return -EINTR;
        }
    }
}

static long clock_sleep(int clock, const struct timespec *duration, struct timespec *left)
{
    struct timespec point;
    uint32_t milliseconds;
    long error = clock_milliseconds(duration, &milliseconds);

    if (error == 0) {
        error = clock_read(clock, &point);
    }
    if (error != 0) {
        return error;
    }
    if (duration->tv_sec > INT64_MAX - point.tv_sec - 1) {
        return -EINVAL;
    }
    point = clock_sum(clock_value(point), clock_value(*duration));
    error = clock_sleep_until(clock, &point);
    if (error == -EINTR && left != NULL) {
        clock_until(clock, &point, left);
    }
    return error;
}

long linux_nanosleep(struct posix_frame *f)
{
    return clock_sleep(CLOCK_MONOTONIC, (const struct timespec *)f->a0, (struct timespec *)f->a1);
}

long linux_clock_nanosleep(struct posix_frame *f)
{
    const struct timespec *request = (const struct timespec *)f->a2;

    if (((int)f->a1 & TIMER_ABSTIME) != 0) {
        return clock_sleep_until((int)f->a0, request);
    }
    return clock_sleep((int)f->a0, request, (struct timespec *)f->a3);
}

long linux_clock_gettime(struct posix_frame *f)
{
    return clock_read((int)f->a0, (struct timespec *)f->a1);
}

long linux_clock_getres(struct posix_frame *f)
{
    struct timespec now;
    long error = clock_read((int)f->a0, &now);

    if (error == 0 && f->a1 != 0) {
        *(struct timespec *)f->a1 = (struct timespec){0, 1};
    }
    return error;
}

long linux_gettimeofday(struct posix_frame *f)
{
    struct timespec now;
    long error = clock_read(CLOCK_REALTIME, &now);

    if (error == 0 && f->a0 != 0) {
        *(struct timeval *)f->a0 = (struct timeval){now.tv_sec, now.tv_nsec / 1000};
    }
    return error;
}

long linux_time(struct posix_frame *f)
{
    struct timespec now;
    long error = clock_read(CLOCK_REALTIME, &now);

    if (error != 0) {
        return error;
    }
    if (f->a0 != 0) {
        *(time_t *)f->a0 = now.tv_sec;
    }
    return now.tv_sec;
}

long linux_getrusage(struct posix_frame *f)
{
    struct rusage *usage = (struct rusage *)f->a1;
    struct timespec user = {0, 0};
    struct timespec system = {0, 0};
    long error;

    switch ((int)f->a0) {
    case RUSAGE_SELF:
        error = clock_of_task(&user, &system);
        break;
    case RUSAGE_THREAD:
        error = clock_of_thread(&user, &system);
        break;
    case RUSAGE_CHILDREN:
        error = 0;
        break;
    default:
        error = -EINVAL;
        break;
    }
    if (error == 0) {
        /* The kernel's structure ends before the reserved part of libc's. */
        memory_zero(usage, 144);
        usage->ru_utime = (struct timeval){user.tv_sec, user.tv_nsec / 1000};
        usage->ru_stime = (struct timeval){system.tv_sec, system.tv_nsec / 1000};
    }
    return error;
}
