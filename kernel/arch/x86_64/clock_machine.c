/* clock_machine.c - the time stamp counter, calibrated against the PIT (Intel 8254), or the clock
 * of the monitor. */
#include "arch/clock_machine.h"

#include <mach/hypercall.h>

#include "arch/hypervisor.h"
#include "arch/interrupt.h"
#include "arch/io.h"
#include "kern/assert.h"
#include "kern/atomic.h"
#include "kern/clock.h"

#define PIT_HZ             1193182ull
#define PIT_CHANNEL2       0x42
#define PIT_COMMAND        0x43
#define PIT_GATE           0x61
#define CALIBRATE_FROM     65535u
#define CALIBRATE_COUNT    23864u /* 20 ms */
#define CALIBRATE_NS       20000000u
#define CALIBRATE_TRIES    8u
#define CALIBRATE_SPIN_MAX 10000000u
#define SCALE_SHIFT        32

uint64_t clock_boot_ticks;

static uint64_t clock_hz;          /* [I] */
static uint64_t clock_ns_scale;    /* [I] ns per tick << SCALE_SHIFT */
static uint64_t clock_wall_offset; /* [a] wall clock minus monotonic, ns */
static int64_t clock_slew_left;    /* [a] ns still to be slewed */
static uint64_t clock_slew_last;   /* [a] monotonic ns of the last slew step */

/* The counter of channel 2, and the time stamp of that moment. */
struct clock_sample {
    uint64_t ticks;
    uint32_t count;
};

/* Between the two the processor may be taken away, by a hypervisor for instance: of several tries
 * the one counts that took least. */
static struct clock_sample clock_sample(void)
{
    struct clock_sample best = {0};
    uint64_t least = UINT64_MAX;

    for (unsigned i = 0; i < CALIBRATE_TRIES; i++) {
        uint64_t before = rdtsc();
        uint32_t count;

        outb(PIT_COMMAND, 0x80); /* hold the count of channel 2 */
        count = inb(PIT_CHANNEL2);
        count |= (uint32_t)inb(PIT_CHANNEL2) << 8;
        if (rdtsc() - before < least) {
            least = rdtsc() - before;
            best = (struct clock_sample){before, count};
        }
    }
    return best;
}

/* Ticks a second, by about 20 ms of channel 2, which counts down from CALIBRATE_FROM once. 0 when
 * it came to its end meanwhile. */
static uint64_t clock_measure(void)
{
    struct clock_sample start, end;
    uint32_t spins = 0;

    outb(PIT_GATE, (uint8_t)((inb(PIT_GATE) & ~2u) | 1u));
    outb(PIT_COMMAND, 0xb0); /* channel 2, low then high byte, mode 0 */
    outb(PIT_CHANNEL2, CALIBRATE_FROM & 0xff);
    outb(PIT_CHANNEL2, CALIBRATE_FROM >> 8);
    start = clock_sample();
    do {
        end = clock_sample();
        spins++;
    } while (start.count - end.count < CALIBRATE_COUNT && spins < CALIBRATE_SPIN_MAX);
    if ((inb(PIT_GATE) & 0x20) != 0 || end.count >= start.count) { /* its output: the end */
        return 0;
    }
    return (end.ticks - start.ticks) * PIT_HZ / (start.count - end.count);
}

/* The same, by the monitor's clock. */
static uint64_t clock_measure_by_monitor(void)
{
    uint64_t start = hypervisor_call(HYPERCALL_TIME, 0, 0, 0);
    uint64_t ticks = rdtsc();
    uint64_t passed;
    uint32_t spins = 0;

    do {
        passed = hypervisor_call(HYPERCALL_TIME, 0, 0, 0) - start;
        spins++;
    } while (passed < CALIBRATE_NS && spins < CALIBRATE_SPIN_MAX);
    return passed < CALIBRATE_NS ? 0 : (rdtsc() - ticks) * NS_PER_SEC / passed;
}

void clock_machine_init(void)
{
    bool has_monitor = hypervisor_is_used();

    assert(!interrupt_is_enabled());
    for (unsigned i = 0; i < CALIBRATE_TRIES && clock_hz == 0; i++) {
        clock_hz = has_monitor ? clock_measure_by_monitor() : clock_measure();
    }
    if (clock_hz == 0) {
        panic("clock: %s does not count", has_monitor ? "the monitor's clock" : "the PIT");
    }
    clock_ns_scale = (NS_PER_SEC << SCALE_SHIFT) / clock_hz;
}

uint64_t clock_machine_hz(void)
{
    return clock_hz;
}

uint64_t clock_ticks_to_ns_machine(uint64_t ticks)
{
    return (uint64_t)((unsigned __int128)ticks * clock_ns_scale >> SCALE_SHIFT);
}

uint64_t clock_ns_to_ticks_machine(uint64_t ns)
{
    return ns / NS_PER_SEC * clock_hz + ns % NS_PER_SEC * clock_hz / NS_PER_SEC;
}

uint64_t clock_ticks_to_ns(uint64_t ticks)
{
    return clock_ticks_to_ns_machine(ticks);
}

uint64_t clock_now_ns(void)
{
    return clock_ticks_to_ns_machine(rdtsc() - clock_boot_ticks);
}

/* Move the wall clock by what the slew allows for the time passed: 1 part in 2000. */
static void clock_slew(uint64_t now)
{
    int64_t left = atomic_load(&clock_slew_left);
    int64_t step;

    if (left == 0) {
        return;
    }
    step = (int64_t)((now - atomic_load(&clock_slew_last)) / 2000);
    step = step < (left < 0 ? -left : left) ? step : (left < 0 ? -left : left);
    step = left < 0 ? -step : step;
    atomic_store(&clock_slew_last, now);
    atomic_fetch_sub(&clock_slew_left, step);
    atomic_fetch_add(&clock_wall_offset, (uint64_t)step);
}

uint64_t clock_wall_ns(void)
{
    uint64_t now = clock_now_ns();

    clock_slew(now);
    return now + atomic_load(&clock_wall_offset);
}

void clock_set_wall_ns(uint64_t ns)
{
    atomic_store(&clock_slew_left, 0);
    atomic_store(&clock_wall_offset, ns - clock_now_ns());
}

int64_t clock_adjust_ns(int64_t delta_ns)
{
    uint64_t now = clock_now_ns();

    clock_slew(now);
    atomic_store(&clock_slew_last, now);
    return atomic_exchange(&clock_slew_left, delta_ns);
}
