/* cmos.h - the clock with a battery, and its memory (Motorola MC146818 data sheet; ports 0x70 and
 * 0x71). It tells the date and lets it be set. It never interrupts: alarms and periods are not
 * emulated. */
#ifndef VMM_CMOS_H
#define VMM_CMOS_H

#include <stdbool.h>
#include <stdint.h>

#include "bus.h"
#include "clock.h"

#define CMOS_SIZE 128u

struct cmos {
    const struct clock *clock;
    int64_t date_s; /* seconds since 1970 when the clock was 0 */
    uint8_t index;
    bool is_set_stopped; /* while it is being set */
    uint8_t bytes[CMOS_SIZE];
};

/* vcpu_count: not 0. date_s: the date now. False: the ports are taken. */
bool cmos_init(struct cmos *cmos, struct bus *ports, const struct clock *clock,
               uint64_t memory_size, unsigned vcpu_count, int64_t date_s);

#endif
