/* sched_load.c - how many threads want a processor, on the average. */
#include "arch/cpu.h"
#include "kern/sched.h"
#include "kern/sched_impl.h"

#define LOAD_PERIOD_NS 1000000000ull

/* By processor 0; read by anybody. */
static uint64_t sched_load_stamp;
static uint32_t sched_load_average[3];

static const uint32_t sched_load_periods[3] = {5, 30, 60};

void sched_load_update(uint64_t now_ns)
{
    uint32_t running = sched_runnable_count() * 1000;

    if (now_ns - sched_load_stamp < LOAD_PERIOD_NS) {
        return;
    }
    sched_load_stamp = now_ns;
    for (unsigned i = 0; i < 3; i++) {
        uint32_t p = sched_load_periods[i];

        sched_load_average[i] = (sched_load_average[i] * (p - 1) + running) / p;
    }
}

void sched_load(uint32_t average[3], uint32_t mach_factor[3])
{
    for (unsigned i = 0; i < 3; i++) {
        average[i] = sched_load_average[i];
        mach_factor[i] = average[i] < cpu_count * 1000
                             ? cpu_count * 1000 - average[i]
                             : cpu_count * 1000 * 1000 / (average[i] + 1000);
    }
}
