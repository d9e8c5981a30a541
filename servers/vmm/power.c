/* power.c - off, reset, and the ACPI timer. */
#include "power.h"

#include <string.h>

#define PORTS 16u

#define ENABLE  2u /* from POWER_EVENTS */
#define CONTROL (POWER_CONTROL - POWER_EVENTS)
#define TIMER   (POWER_TIMER - POWER_EVENTS)
#define RESET   (POWER_RESET - POWER_EVENTS)

#define CONTROL_ACPI        0x0001u /* SCI_EN: ACPI mode, always */
#define CONTROL_SLEEP_TYPE  0x1c00u
#define CONTROL_SLEEP_SHIFT 10u
#define CONTROL_SLEEP       0x2000u
#define EVENTS_KNOWN        0x0721u

static uint32_t power_timer(const struct power *p)
{
    uint64_t now = clock_now(p->clock);

    return (uint32_t)(now / CLOCK_SECOND * POWER_TIMER_HZ +
                      now % CLOCK_SECOND * POWER_TIMER_HZ / CLOCK_SECOND);
}

/* Part of a register of `width` bytes at `at`, or nothing when the access is not inside it. */
static uint64_t power_part(uint64_t value, unsigned at, unsigned width, uint64_t offset,
                           unsigned size)
{
    return offset >= at && offset + size <= at + width ? value >> 8 * (offset - at) : 0;
}

static uint64_t power_read(void *device, uint64_t offset, unsigned size)
{
    const struct power *p = device;

    if (offset >= TIMER) {
        return power_part(power_timer(p), TIMER, 4, offset, size);
    }
    if (offset >= CONTROL) {
        return power_part(p->control | CONTROL_ACPI, CONTROL, 2, offset, size);
    }
    /* no event ever happens: the status is 0 */
    return power_part((uint32_t)p->enabled << 16, 0, 4, offset, size);
}

static void power_write_control(struct power *p, uint16_t value)
{
    p->control = value & CONTROL_SLEEP_TYPE;
    if ((value & CONTROL_SLEEP) != 0 &&
        (value & CONTROL_SLEEP_TYPE) >> CONTROL_SLEEP_SHIFT == POWER_SLEEP_OFF) {
        p->function(p->context, POWER_IS_OFF, 0);
    }
}

static void power_write(void *device, uint64_t offset, unsigned size, uint64_t value)
{
    struct power *p = device;

    if (offset == ENABLE && size == 2) {
        p->enabled = (uint16_t)value & EVENTS_KNOWN;
    } else if (offset == CONTROL && size == 2) {
        power_write_control(p, (uint16_t)value);
    } else if (offset == RESET && (uint8_t)value == POWER_RESET_VALUE) {
        p->function(p->context, POWER_IS_RESET, 0);
    }
}

static void power_exit(void *device, uint64_t offset, unsigned size, uint64_t value)
{
    struct power *p = device;

    (void)size;
    if (offset == 0) {
        p->function(p->context, POWER_HAS_EXITED, (uint32_t)value);
    }
}

bool power_init(struct power *power, struct bus *ports, const struct clock *clock,
                power_function *function, void *context)
{
    struct bus_range registers = {POWER_EVENTS, PORTS, power_read, power_write, power};
    struct bus_range exit = {POWER_EXIT, 4, NULL, power_exit, power};

    memset(power, 0, sizeof(*power));
    power->clock = clock;
    power->function = function;
    power->context = context;
    return bus_insert(ports, &registers) && bus_insert(ports, &exit);
}
