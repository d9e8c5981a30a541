/* clock.h - time: nanoseconds since the kernel started, and the wall clock set beside it. */
#ifndef KERN_CLOCK_H
#define KERN_CLOCK_H

#include <stdint.h>

#include <mach/time_value.h>

#define NS_PER_SEC 1000000000ull
#define NS_PER_MS  1000000ull
#define NS_PER_US  1000ull

/* Monotonic time in ns. Callable from any context. */
uint64_t clock_now_ns(void);
/* Ticks of the processor's time stamp counter in ns, since start-up (for per-thread times). */
uint64_t clock_ticks_to_ns(uint64_t ticks);

/* Wall-clock time in ns since 1970: time since the kernel started until it is set by
 * host_set_time. */
uint64_t clock_wall_ns(void);
void clock_set_wall_ns(uint64_t ns);
/* Slew the wall clock by delta_ns over the coming time (0.05 % of speed). Returns what was left of
 * the last adjustment. */
int64_t clock_adjust_ns(int64_t delta_ns);

/* Nanoseconds as messages have them. */
static inline time_value64_t clock_time64(uint64_t ns)
{
    return (time_value64_t){(int64_t)(ns / NS_PER_SEC), (int64_t)(ns % NS_PER_SEC)};
}

static inline rpc_time_value_t clock_time(uint64_t ns)
{
    return (rpc_time_value_t){.seconds = (int64_t)(ns / NS_PER_SEC),
                              .microseconds = (integer_t)(ns % NS_PER_SEC / NS_PER_US)};
}

#endif
