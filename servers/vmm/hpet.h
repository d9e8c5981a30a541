/* hpet.h - the High Precision Event Timer: a counter and three comparators (IA-PC HPET
 * specification 1.0a). */
#ifndef VMM_HPET_H
#define VMM_HPET_H

#include <stdbool.h>
#include <stdint.h>

#include "bus.h"
#include "clock.h"
#include "line.h"

#define HPET_BASE      0xfed00000u
#define HPET_TIMERS    3u
#define HPET_PERIOD_NS 10u
#define HPET_LINES     24u /* of the I/O APIC: any may be chosen */
/* What the ACPI table says of it: HPET_TIMERS comparators of 64 bits, legacy routes, vendor 8086.
 */
#define HPET_ID 0x8086a201u

struct hpet;

struct hpet_timer {
    struct hpet *hpet;
    struct clock_timer timer;
    uint64_t config;
    uint64_t comparator;
    uint64_t period;
    bool sets_comparator; /* the next write is of a periodic timer's comparator alone */
};

struct hpet {
    struct clock *clock;
    struct line lines[HPET_LINES];
    uint64_t config;
    uint64_t status;   /* timers whose level is up */
    uint64_t counter;  /* what it stands at while halted */
    uint64_t since_ns; /* when it was 0, while it runs */
    struct hpet_timer timers[HPET_TIMERS];
};

/* lines: of HPET_LINES, which are copied. False: another device is there. */
bool hpet_init(struct hpet *hpet, struct bus *bus, struct clock *clock, const struct line *lines);
/* Have the guest's 8254 and clock no interrupts, since the timers 0 and 1 have taken their lines?
 */
bool hpet_has_legacy_lines(const struct hpet *hpet);

#endif
