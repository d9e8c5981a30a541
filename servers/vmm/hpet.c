/* hpet.c - the High Precision Event Timer.
 *
 * The counter is the clock's time in steps of 10 ns, as long as it runs. A comparator that is
 * enabled has a timer of the clock, for the moment the counter gets there; whatever changes one of
 * them sets it anew. */
#include "hpet.h"

#include <stddef.h>
#include <string.h>

#define SIZE 0x400u

#define ID            0x000u
#define CONFIG        0x010u
#define STATUS        0x020u
#define COUNTER       0x0f0u
#define TIMERS        0x100u
#define TIMER_STRIDE  0x20u
#define TIMER_CONFIG  0x00u /* in a timer's registers */
#define TIMER_VALUE   0x08u
#define FEMTOSECONDS  1000000ull
#define CONFIG_RUN    1ull
#define CONFIG_LEGACY 2ull

#define TIMER_LEVEL      0x0002ull
#define TIMER_ENABLED    0x0004ull
#define TIMER_PERIODIC   0x0008ull
#define TIMER_CAN_REPEAT 0x0010ull
#define TIMER_IS_64      0x0020ull
#define TIMER_SETS       0x0040ull
#define TIMER_32         0x0100ull
#define TIMER_ROUTE      0x3e00ull
#define TIMER_WRITABLE   (TIMER_LEVEL | TIMER_ENABLED | TIMER_PERIODIC | TIMER_32 | TIMER_ROUTE)
#define ROUTE_SHIFT      9u
#define ROUTES_SHIFT     32u

#define LINE_0        2u /* of timers 0 and 1 as 8254 and clock */
#define LINE_1        8u
#define WAIT_LEAST_NS 10000u /* between two interrupts: more often would be all a monitor does */

static bool hpet_runs(const struct hpet *hpet)
{
    return (hpet->config & CONFIG_RUN) != 0;
}

bool hpet_has_legacy_lines(const struct hpet *hpet)
{
    return (hpet->config & CONFIG_LEGACY) != 0;
}

static uint64_t hpet_counter(const struct hpet *hpet)
{
    return hpet_runs(hpet) ? (clock_now(hpet->clock) - hpet->since_ns) / HPET_PERIOD_NS
                           : hpet->counter;
}

static unsigned hpet_number(const struct hpet_timer *t)
{
    return (unsigned)(t - t->hpet->timers);
}

/* The bits of counter and comparator that count. */
static uint64_t hpet_mask(const struct hpet_timer *t)
{
    return (t->config & TIMER_32) != 0 ? UINT32_MAX : UINT64_MAX;
}

/* --- lines --- */

static unsigned hpet_line(const struct hpet_timer *t)
{
    unsigned n = hpet_number(t);

    if (hpet_has_legacy_lines(t->hpet) && n < 2) {
        return n == 0 ? LINE_0 : LINE_1;
    }
    return (unsigned)(t->config & TIMER_ROUTE) >> ROUTE_SHIFT;
}

/* Count who holds the lines up, from nothing: whatever changed, they are right afterwards. */
static void hpet_update_lines(struct hpet *hpet)
{
    uint32_t up = 0;

    for (unsigned n = 0; n < HPET_TIMERS; n++) {
        if ((hpet->status >> n & 1) != 0 && (hpet->timers[n].config & TIMER_ENABLED) != 0) {
            up |= 1u << (hpet_line(&hpet->timers[n]) & 31);
        }
    }
    for (unsigned line = 0; line < HPET_LINES; line++) {
        line_set(&hpet->lines[line], (up >> line & 1) != 0);
    }
}

static void hpet_fire(struct hpet_timer *t)
{
    struct hpet *hpet = t->hpet;
    unsigned line = hpet_line(t);

    if ((t->config & TIMER_ENABLED) == 0) {
        return;
    }
    if ((t->config & TIMER_LEVEL) != 0) {
        hpet->status |= 1ull << hpet_number(t);
        hpet_update_lines(hpet);
    } else if (line < HPET_LINES) {
        line_pulse(&hpet->lines[line]);
    }
}

/* --- time --- */

/* Set the clock for when the counter next gets to the comparator. */
static void hpet_arm(struct hpet_timer *t, uint64_t least_ns)
{
    struct hpet *hpet = t->hpet;
    uint64_t now = clock_now(hpet->clock);
    uint64_t steps = (t->comparator - hpet_counter(hpet)) & hpet_mask(t);
    uint64_t ns = steps > (UINT64_MAX / 2) / HPET_PERIOD_NS ? CLOCK_NEVER : steps * HPET_PERIOD_NS;

    if (!hpet_runs(hpet) || ns == CLOCK_NEVER) {
        clock_stop(hpet->clock, &t->timer);
        return;
    }
    clock_set(hpet->clock, &t->timer, now + (ns < least_ns ? least_ns : ns));
}

/* The periods that have passed since the comparator was reached are one interrupt. */
static void hpet_advance(struct hpet_timer *t)
{
    uint64_t passed = (hpet_counter(t->hpet) - t->comparator) & hpet_mask(t);

    t->comparator = (t->comparator + (passed / t->period + 1) * t->period) & hpet_mask(t);
}

static void hpet_due(void *device)
{
    struct hpet_timer *t = device;

    if ((t->config & TIMER_PERIODIC) != 0 && t->period != 0) {
        hpet_advance(t);
        hpet_arm(t, WAIT_LEAST_NS);
    } else if ((t->config & TIMER_32) != 0) {
        hpet_arm(t, (uint64_t)UINT32_MAX * HPET_PERIOD_NS); /* when the 32 bits are round */
    }
    hpet_fire(t);
}

static void hpet_arm_all(struct hpet *hpet)
{
    for (unsigned n = 0; n < HPET_TIMERS; n++) {
        hpet_arm(&hpet->timers[n], 0);
    }
}

/* --- registers --- */

static void hpet_write_config(struct hpet *hpet, uint64_t value)
{
    uint64_t counter = hpet_counter(hpet);

    hpet->config = value & (CONFIG_RUN | CONFIG_LEGACY);
    hpet->counter = counter;
    hpet->since_ns = clock_now(hpet->clock) - counter * HPET_PERIOD_NS;
    hpet_arm_all(hpet);
    hpet_update_lines(hpet);
}

/* A level that is acknowledged goes down. */
static void hpet_write_status(struct hpet *hpet, uint64_t value)
{
    hpet->status &= ~value;
    hpet_update_lines(hpet);
}

static void hpet_write_counter(struct hpet *hpet, uint64_t value)
{
    if (!hpet_runs(hpet)) { /* else it means nothing (2.3.7) */
        hpet->counter = value;
    }
}

static void hpet_write_timer_config(struct hpet_timer *t, uint64_t value)
{
    t->config = (t->config & ~TIMER_WRITABLE) | (value & TIMER_WRITABLE);
    t->sets_comparator = (value & TIMER_SETS) != 0;
    if ((t->config & TIMER_LEVEL) == 0) {
        t->hpet->status &= ~(1ull << hpet_number(t));
    }
    hpet_arm(t, 0);
    hpet_update_lines(t->hpet);
}

/* Is the comparator behind the counter, rather than nearly a round ahead of it? */
static bool hpet_has_passed(const struct hpet_timer *t)
{
    uint64_t behind = (hpet_counter(t->hpet) - t->comparator) & hpet_mask(t);

    return hpet_runs(t->hpet) && behind != 0 && behind <= hpet_mask(t) / 2;
}

/* A guest reads the counter, adds to it and writes the sum. That takes longer here than in
 * hardware, and it would wait for the counter to go round: a moment that has passed meanwhile is
 * now. */
static void hpet_arm_new(struct hpet_timer *t)
{
    bool is_whole = (t->config & TIMER_PERIODIC) == 0 || t->period != 0;

    if (is_whole && hpet_has_passed(t)) {
        clock_set(t->hpet->clock, &t->timer, clock_now(t->hpet->clock));
    } else {
        hpet_arm(t, 0);
    }
}

/* Of a periodic timer: the comparator if that was asked for, and the period, which is what is
 * written next (2.3.9.2.2). */
static void hpet_write_value(struct hpet_timer *t, uint64_t value)
{
    value &= hpet_mask(t);
    if ((t->config & TIMER_PERIODIC) == 0 || t->sets_comparator) {
        t->comparator = value;
    }
    if ((t->config & TIMER_PERIODIC) != 0 && !t->sets_comparator) {
        t->period = value;
    }
    t->sets_comparator = false;
    hpet_arm_new(t);
}

/* The register of 8 bytes that begins there. */
static uint64_t hpet_read64(const struct hpet *hpet, uint64_t offset)
{
    unsigned n = (unsigned)(offset - TIMERS) / TIMER_STRIDE;

    switch (offset) {
    case ID:
        return (uint64_t)HPET_PERIOD_NS * FEMTOSECONDS << 32 | HPET_ID;
    case CONFIG:
        return hpet->config;
    case STATUS:
        return hpet->status;
    case COUNTER:
        return hpet_counter(hpet);
    default:
        break;
    }
    if (offset < TIMERS || n >= HPET_TIMERS) {
        return 0;
    }
    switch (offset % TIMER_STRIDE) {
    case TIMER_CONFIG:
        return hpet->timers[n].config;
    case TIMER_VALUE:
        return hpet->timers[n].comparator;
    default:
        return 0;
    }
}

static void hpet_write64(struct hpet *hpet, uint64_t offset, uint64_t value)
{
    unsigned n = (unsigned)(offset - TIMERS) / TIMER_STRIDE;

    if (offset == CONFIG) {
        hpet_write_config(hpet, value);
    } else if (offset == STATUS) {
        hpet_write_status(hpet, value);
    } else if (offset == COUNTER) {
        hpet_write_counter(hpet, value);
    } else if (offset >= TIMERS && n < HPET_TIMERS && offset % TIMER_STRIDE == TIMER_CONFIG) {
        hpet_write_timer_config(&hpet->timers[n], value);
    } else if (offset >= TIMERS && n < HPET_TIMERS && offset % TIMER_STRIDE == TIMER_VALUE) {
        hpet_write_value(&hpet->timers[n], value);
    }
}

/* Accesses are of 4 or 8 bytes, aligned. */
static bool hpet_is_access(uint64_t offset, unsigned size)
{
    return (size == 4 || size == 8) && offset % size == 0;
}

static uint64_t hpet_read(void *device, uint64_t offset, unsigned size)
{
    if (!hpet_is_access(offset, size)) {
        return UINT64_MAX;
    }
    return hpet_read64(device, offset & ~7ull) >> (8 * (offset & 4));
}

static void hpet_write(void *device, uint64_t offset, unsigned size, uint64_t value)
{
    struct hpet *hpet = device;
    unsigned shift = 8 * (unsigned)(offset & 4);

    if (!hpet_is_access(offset, size)) {
        return;
    }
    if (size == 4) { /* the other half stays; what is acknowledged is only what was written */
        uint64_t other = (offset & ~7ull) == STATUS ? 0 : hpet_read64(hpet, offset & ~7ull);

        value = (other & ~(0xffffffffull << shift)) | (value & 0xffffffff) << shift;
    }
    hpet_write64(hpet, offset & ~7ull, value);
}

bool hpet_init(struct hpet *hpet, struct bus *bus, struct clock *clock, const struct line *lines)
{
    struct bus_range range = {HPET_BASE, SIZE, hpet_read, hpet_write, hpet};

    memset(hpet, 0, sizeof(*hpet));
    hpet->clock = clock;
    memcpy(hpet->lines, lines, sizeof(hpet->lines));
    for (unsigned n = 0; n < HPET_TIMERS; n++) {
        struct hpet_timer *t = &hpet->timers[n];

        t->hpet = hpet;
        t->comparator = UINT64_MAX;
        t->config = TIMER_CAN_REPEAT | TIMER_IS_64 | (uint64_t)0xffffff << ROUTES_SHIFT;
        clock_timer_init(&t->timer, hpet_due, t);
    }
    return bus_insert(bus, &range);
}
