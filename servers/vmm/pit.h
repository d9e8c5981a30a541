/* pit.h - the timer of a PC, an 8254 (Intel 8254 data sheet): channel 0 interrupts, channel 2 is
 * the speaker's, whose gate and output are in port 0x61. */
#ifndef VMM_PIT_H
#define VMM_PIT_H

#include <stdbool.h>
#include <stdint.h>

#include "bus.h"
#include "clock.h"
#include "line.h"

#define PIT_CHANNELS 3u
#define PIT_HZ       1193182u

struct pit_channel {
    uint64_t start_ns;   /* when the count was `reload` */
    uint32_t reload;     /* 1 to 65536 (10000 in decimal) */
    uint32_t stopped_at; /* ticks that had passed when the gate fell */
    uint8_t mode;        /* 0 to 5 */
    uint8_t access;      /* 1: low byte, 2: high byte, 3: low, then high */
    bool is_decimal;
    bool has_gate;
    bool is_loaded;      /* a count has been written since the mode was */
    bool waits_for_high; /* of a write with access 3 */
    bool reads_high;     /* of a read with access 3 */
    uint8_t low;         /* of a count that is being written */
    uint8_t latched;     /* bytes of count that are latched */
    uint16_t latch;
    bool has_status;
    uint8_t status;
};

struct pit {
    struct clock *clock;
    struct line line; /* channel 0's output */
    struct clock_timer timer;
    struct pit_channel channels[PIT_CHANNELS];
    uint8_t speaker; /* what was written to port 0x61 */
};

/* line is the caller's to fill in. False: the ports are taken. */
bool pit_init(struct pit *pit, struct bus *ports, struct clock *clock);

#endif
