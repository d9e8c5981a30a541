/* pit.c - three counters that are not counted: what a counter stands at follows from when it was
 * set. */
#include "pit.h"

#include <string.h>

#define BASE    0x40u
#define PORTS   4u
#define CONTROL 3u
#define SPEAKER 0x61u

#define CHANNEL_SPEAKER 2u

#define CONTROL_READ_BACK 3u /* in place of a channel's number */
#define BACK_NO_COUNT     0x20u
#define BACK_NO_STATUS    0x10u
#define STATUS_OUT        0x80u
#define STATUS_EMPTY      0x40u

#define SPEAKER_GATE    0x01u
#define SPEAKER_ON      0x02u
#define SPEAKER_REFRESH 0x10u
#define SPEAKER_OUT     0x20u
#define REFRESH_NS      15085u /* of memory: the bit changes so often */

#define PERIOD_MINIMUM_NS 100000u /* no guest has the timers' thread to itself */

/* --- time --- */

static uint64_t pit_ticks(uint64_t ns)
{
    return ns / CLOCK_SECOND * PIT_HZ + ns % CLOCK_SECOND * PIT_HZ / CLOCK_SECOND;
}

/* When that many ticks are over, not before. */
static uint64_t pit_ns(uint64_t ticks)
{
    return ticks / PIT_HZ * CLOCK_SECOND + (ticks % PIT_HZ * CLOCK_SECOND + PIT_HZ - 1) / PIT_HZ;
}

static bool pit_is_periodic(const struct pit_channel *c)
{
    return c->mode == 2 || c->mode == 3;
}

/* Ticks since the count was set. */
static uint64_t pit_elapsed(const struct pit *pit, const struct pit_channel *c)
{
    if (!c->is_loaded) {
        return 0;
    }
    return c->has_gate ? pit_ticks(clock_now(pit->clock) - c->start_ns) : c->stopped_at;
}

static uint16_t pit_count(const struct pit *pit, const struct pit_channel *c)
{
    uint64_t elapsed = pit_elapsed(pit, c);
    uint32_t wrap = c->is_decimal ? 10000 : 65536;
    uint32_t count;

    switch (c->mode) {
    case 2:
        count = (uint32_t)(c->reload - elapsed % c->reload);
        break;
    case 3: /* by two, twice a period */
        count = (uint32_t)(c->reload - 2 * elapsed % c->reload) & ~1u;
        break;
    default: /* it goes on from the top */
        count = (uint32_t)((c->reload + wrap - elapsed % wrap) % wrap);
        break;
    }
    count %= wrap;
    if (c->is_decimal) {
        count = count % 10 | count / 10 % 10 << 4 | count / 100 % 10 << 8 | count / 1000 << 12;
    }
    return (uint16_t)count;
}

static bool pit_out(const struct pit *pit, const struct pit_channel *c)
{
    uint64_t elapsed = pit_elapsed(pit, c);

    switch (c->mode) {
    case 0:
    case 1:
        return c->is_loaded ? elapsed >= c->reload : c->mode == 1;
    case 2:
        return elapsed % c->reload != c->reload - 1;
    case 3:
        return elapsed % c->reload < (c->reload + 1) / 2;
    default: /* a pulse of one tick at the end */
        return !c->is_loaded || elapsed != c->reload;
    }
}

/* --- channel 0 interrupts --- */

static void pit_fire(void *device)
{
    struct pit *pit = device;
    const struct pit_channel *c = &pit->channels[0];
    uint64_t now = clock_now(pit->clock);
    uint64_t due;

    if (!pit_is_periodic(c)) {
        line_set(&pit->line, true);
        if (c->mode != 0) {
            line_set(&pit->line, false);
        }
        return;
    }
    line_pulse(&pit->line);
    due = c->start_ns + pit_ns((pit_ticks(now - c->start_ns) / c->reload + 1) * c->reload);
    clock_set(pit->clock, &pit->timer,
              due > now + PERIOD_MINIMUM_NS ? due : now + PERIOD_MINIMUM_NS);
}

/* Channel 0 has been given a mode or a count. */
static void pit_arm(struct pit *pit)
{
    const struct pit_channel *c = &pit->channels[0];

    line_set(&pit->line, false);
    clock_stop(pit->clock, &pit->timer);
    if (c->is_loaded && c->mode != 1 && c->mode != 5) { /* whose gate never rises */
        clock_set(pit->clock, &pit->timer, c->start_ns + pit_ns(c->reload));
    }
}

/* --- words --- */

static void pit_load(struct pit *pit, struct pit_channel *c, uint16_t value)
{
    uint32_t reload = value;

    if (c->is_decimal) {
        reload = (value & 15u) + 10 * (value >> 4 & 15u) + 100 * (value >> 8 & 15u) +
                 1000 * (value >> 12);
        reload = reload <= 10000 ? reload : 10000;
    }
    c->reload = reload != 0 ? reload : c->is_decimal ? 10000 : 65536;
    c->start_ns = clock_now(pit->clock);
    c->stopped_at = 0;
    c->is_loaded = true;
    if (c == &pit->channels[0]) {
        pit_arm(pit);
    }
}

static void pit_write_count(struct pit *pit, struct pit_channel *c, uint8_t value)
{
    switch (c->access) {
    case 1:
        pit_load(pit, c, value);
        break;
    case 2:
        pit_load(pit, c, (uint16_t)(value << 8));
        break;
    default:
        if (c->waits_for_high) {
            pit_load(pit, c, (uint16_t)(value << 8 | c->low));
        } else {
            c->low = value;
        }
        c->waits_for_high = !c->waits_for_high;
        break;
    }
}

static void pit_latch(const struct pit *pit, struct pit_channel *c)
{
    if (c->latched == 0) {
        c->latch = pit_count(pit, c);
        c->latched = c->access == 3 ? 2 : 1;
    }
}

static void pit_latch_status(const struct pit *pit, struct pit_channel *c)
{
    if (!c->has_status) {
        c->status =
            (uint8_t)((pit_out(pit, c) ? STATUS_OUT : 0) | (c->is_loaded ? 0 : STATUS_EMPTY) |
                      c->access << 4 | c->mode << 1 | c->is_decimal);
        c->has_status = true;
    }
}

static void pit_read_back(struct pit *pit, uint8_t value)
{
    for (unsigned i = 0; i < PIT_CHANNELS; i++) {
        if ((value & 2u << i) == 0) {
            continue;
        }
        if ((value & BACK_NO_COUNT) == 0) {
            pit_latch(pit, &pit->channels[i]);
        }
        if ((value & BACK_NO_STATUS) == 0) {
            pit_latch_status(pit, &pit->channels[i]);
        }
    }
}

static void pit_control(struct pit *pit, uint8_t value)
{
    unsigned number = value >> 6;
    struct pit_channel *c = &pit->channels[number % PIT_CHANNELS];
    uint8_t mode = value >> 1 & 7;

    if (number == CONTROL_READ_BACK) {
        pit_read_back(pit, value);
        return;
    }
    if ((value >> 4 & 3) == 0) {
        pit_latch(pit, c);
        return;
    }
    c->access = value >> 4 & 3;
    c->mode = mode > 5 ? mode - 4 : mode;
    c->is_decimal = (value & 1) != 0;
    c->is_loaded = false;
    c->waits_for_high = false;
    c->reads_high = false;
    c->latched = 0;
    c->has_status = false;
    c->reload = c->is_decimal ? 10000 : 65536;
    if (number == 0) {
        pit_arm(pit);
    }
}

static uint8_t pit_read_count(const struct pit *pit, struct pit_channel *c)
{
    uint16_t count = c->latched != 0 ? c->latch : pit_count(pit, c);
    bool is_high = c->access == 2 || (c->access == 3 && c->reads_high);

    if (c->latched != 0) {
        c->latched--;
    }
    if (c->access == 3) {
        c->reads_high = !c->reads_high;
    }
    return (uint8_t)(is_high ? count >> 8 : count);
}

static uint64_t pit_read(void *device, uint64_t offset, unsigned size)
{
    struct pit *pit = device;
    struct pit_channel *c = &pit->channels[offset % PIT_CHANNELS];

    (void)size;
    if (offset == CONTROL) {
        return 0xff;
    }
    if (c->has_status) {
        c->has_status = false;
        return c->status;
    }
    return pit_read_count(pit, c);
}

static void pit_write(void *device, uint64_t offset, unsigned size, uint64_t value)
{
    struct pit *pit = device;

    (void)size;
    if (offset == CONTROL) {
        pit_control(pit, (uint8_t)value);
    } else {
        pit_write_count(pit, &pit->channels[offset], (uint8_t)value);
    }
}

/* --- the speaker's port --- */

static uint64_t pit_read_speaker(void *device, uint64_t offset, unsigned size)
{
    const struct pit *pit = device;
    bool refresh = clock_now(pit->clock) / REFRESH_NS % 2 != 0;

    (void)offset;
    (void)size;
    return pit->speaker | (refresh ? SPEAKER_REFRESH : 0) |
           (pit_out(pit, &pit->channels[CHANNEL_SPEAKER]) ? SPEAKER_OUT : 0);
}

/* A gate that rises starts modes 1, 2, 3 and 5 anew; in the others counting goes on. */
static void pit_set_gate(struct pit *pit, struct pit_channel *c, bool gate)
{
    if (gate && !c->has_gate) {
        uint64_t passed = c->mode == 0 || c->mode == 4 ? pit_ns(c->stopped_at) : 0;

        c->start_ns = clock_now(pit->clock) - passed;
        c->has_gate = true;
    } else if (!gate && c->has_gate) {
        uint64_t elapsed = pit_elapsed(pit, c);

        c->stopped_at = elapsed < UINT32_MAX ? (uint32_t)elapsed : UINT32_MAX;
        c->has_gate = false;
    }
}

static void pit_write_speaker(void *device, uint64_t offset, unsigned size, uint64_t value)
{
    struct pit *pit = device;

    (void)offset;
    (void)size;
    pit->speaker = (uint8_t)value & (SPEAKER_GATE | SPEAKER_ON);
    pit_set_gate(pit, &pit->channels[CHANNEL_SPEAKER], (value & SPEAKER_GATE) != 0);
}

bool pit_init(struct pit *pit, struct bus *ports, struct clock *clock)
{
    struct bus_range counters = {BASE, PORTS, pit_read, pit_write, pit};
    struct bus_range speaker = {SPEAKER, 1, pit_read_speaker, pit_write_speaker, pit};

    pit->clock = clock;
    pit->speaker = 0;
    memset(pit->channels, 0, sizeof(pit->channels));
    for (unsigned i = 0; i < PIT_CHANNELS; i++) {
        pit->channels[i] =
            (struct pit_channel){.reload = 65536, .access = 3, .has_gate = i != CHANNEL_SPEAKER};
    }
    clock_timer_init(&pit->timer, pit_fire, pit);
    return bus_insert(ports, &counters) && bus_insert(ports, &speaker);
}
