/* clock.h - times for the calls that wait. */
#ifndef LIBMACH_POSIX_CLOCK_H
#define LIBMACH_POSIX_CLOCK_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

/* Read a clock of Linux. Returns 0, -EINVAL (no such clock) or another -errno. */
long clock_read(int clock, struct timespec *now);

/* A duration in whole milliseconds, rounded up; saturates. -EINVAL: not a duration. */
long clock_milliseconds(const struct timespec *duration, uint32_t *milliseconds);

/* The time from now to a point of a clock: zero when that is past. */
long clock_until(int clock, const struct timespec *point, struct timespec *duration);

#endif
