/* time_value.h - times: seconds and microseconds, or 64 bits of seconds and nanoseconds. */
#ifndef MACH_TIME_VALUE_H
#define MACH_TIME_VALUE_H

#include <mach/vm_types.h>

#define TIME_MICROS_MAX 1000000
#define TIME_NANOS_MAX  1000000000

typedef struct time_value {
    rpc_long_integer_t seconds;
    integer_t microseconds;
    integer_t microseconds_pad; /* tail of the structure, written as zero */
} time_value_t;
typedef time_value_t rpc_time_value_t;
MACH_ABI_SIZE(time_value_t, 16);
MACH_ABI_OFFSET(time_value_t, microseconds, 8);

typedef struct time_value64 {
    int64_t seconds;
    int64_t nanoseconds;
} time_value64_t;
MACH_ABI_SIZE(time_value64_t, 16);

/* The page the kernel maps for readers of the clock: read seconds, then the rest, then
 * check_seconds, and begin again when the two differ. */
typedef struct mapped_time_value {
    integer_t seconds;
    integer_t microseconds;
    integer_t check_seconds;
    integer_t pad;
    time_value64_t time_value;
    int64_t check_seconds64;
    time_value64_t uptime_value;
    int64_t check_upseconds64;
} mapped_time_value_t;
MACH_ABI_SIZE(mapped_time_value_t, 64);

#endif
