/* power.h - the ways a guest has to turn its machine off or to reset it, and ACPI's fixed hardware
 * (ACPI Specification 6.4, 4.8): event and control registers, the timer of 3.58 MHz. Also a port
 * that ends the machine with a number, for guests that are tests. */
#ifndef VMM_POWER_H
#define VMM_POWER_H

#include <stdbool.h>
#include <stdint.h>

#include "bus.h"
#include "clock.h"

#define POWER_EVENTS      0x600u /* PM1a_EVT: status, enable */
#define POWER_CONTROL     0x604u /* PM1a_CNT */
#define POWER_TIMER       0x608u
#define POWER_RESET       0x60cu /* RESET_REG */
#define POWER_RESET_VALUE 1u
#define POWER_EXIT        0xf4u /* one to four bytes: the number */
#define POWER_SLEEP_OFF   5u    /* SLP_TYP of \_S5 */
#define POWER_TIMER_HZ    3579545u

enum power_event { POWER_IS_OFF, POWER_IS_RESET, POWER_HAS_EXITED };

/* It has happened; number is that of POWER_HAS_EXITED. */
typedef void power_function(void *context, enum power_event event, uint32_t number);

struct power {
    const struct clock *clock;
    power_function *function;
    void *context;
    uint16_t enabled; /* events */
    uint16_t control;
};

/* At its ports. False: they are taken. */
bool power_init(struct power *power, struct bus *ports, const struct clock *clock,
                power_function *function, void *context);

#endif
