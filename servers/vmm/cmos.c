/* cmos.c - date and time as the chip has them: in two digits, decimal or binary, of 12 or 24 hours.
 */
#include "cmos.h"

#include <string.h>
#include <time.h>

#include "memory.h"

#define PORT       0x70u
#define INDEX_MASK 0x7fu

#define SECOND    0x00u
#define MINUTE    0x02u
#define HOUR      0x04u
#define WEEKDAY   0x06u
#define DAY       0x07u
#define MONTH     0x08u
#define YEAR      0x09u
#define STATUS_A  0x0au
#define STATUS_B  0x0bu
#define STATUS_C  0x0cu
#define STATUS_D  0x0du
#define BASE_LOW  0x15u /* memory below 1 MiB, KiB, 16 bits */
#define MORE_LOW  0x17u /* above it, KiB, at most 65535 */
#define MORE2_LOW 0x30u /* the same */
#define HIGH_LOW  0x34u /* above 16 MiB and below 4 GiB, 64 KiB, 16 bits */
#define CENTURY   0x32u
#define OTHER_CPUS                                                                                 \
    0x5fu /* processors beside the first, as firmware made for QEMU asks for them                  \
           */

#define A_DIVIDER 0x26u
#define B_SET     0x80u
#define B_BINARY  0x04u
#define B_24      0x02u
#define B_KEPT    0x87u /* no interrupts, no summer time */
#define D_VALID   0x80u
#define HOUR_PM   0x80u

#define BASE_KIB 639u
#define MIB      0x100000ull

static int64_t cmos_now(const struct cmos *c)
{
    return c->date_s + (int64_t)(clock_now(c->clock) / CLOCK_SECOND);
}

static uint8_t cmos_encode(const struct cmos *c, int value)
{
    return (uint8_t)((c->bytes[STATUS_B] & B_BINARY) != 0 ? value : value / 10 << 4 | value % 10);
}

static int cmos_decode(const struct cmos *c, uint8_t value)
{
    return (c->bytes[STATUS_B] & B_BINARY) != 0 ? value : (value >> 4) * 10 + (value & 15);
}

static uint8_t cmos_encode_hour(const struct cmos *c, int hour)
{
    if ((c->bytes[STATUS_B] & B_24) != 0) {
        return cmos_encode(c, hour);
    }
    return cmos_encode(c, hour % 12 != 0 ? hour % 12 : 12) | (hour >= 12 ? HOUR_PM : 0);
}

static int cmos_decode_hour(const struct cmos *c, uint8_t value)
{
    if ((c->bytes[STATUS_B] & B_24) != 0) {
        return cmos_decode(c, value);
    }
    return cmos_decode(c, value & (uint8_t)~HOUR_PM) % 12 + ((value & HOUR_PM) != 0 ? 12 : 0);
}

/* The date into the registers, unless it is being set. */
static void cmos_show(struct cmos *c)
{
    time_t now = (time_t)cmos_now(c);
    struct tm t;

    if (c->is_set_stopped || gmtime_r(&now, &t) == NULL) {
        return;
    }
    c->bytes[SECOND] = cmos_encode(c, t.tm_sec);
    c->bytes[MINUTE] = cmos_encode(c, t.tm_min);
    c->bytes[HOUR] = cmos_encode_hour(c, t.tm_hour);
    c->bytes[WEEKDAY] = cmos_encode(c, t.tm_wday + 1);
    c->bytes[DAY] = cmos_encode(c, t.tm_mday);
    c->bytes[MONTH] = cmos_encode(c, t.tm_mon + 1);
    c->bytes[YEAR] = cmos_encode(c, t.tm_year % 100);
    c->bytes[CENTURY] = cmos_encode(c, (t.tm_year + 1900) / 100);
}

/* The registers are the date from now on. */
static void cmos_take(struct cmos *c)
{
    struct tm t = {
        .tm_sec = cmos_decode(c, c->bytes[SECOND]),
        .tm_min = cmos_decode(c, c->bytes[MINUTE]),
        .tm_hour = cmos_decode_hour(c, c->bytes[HOUR]),
        .tm_mday = cmos_decode(c, c->bytes[DAY]),
        .tm_mon = cmos_decode(c, c->bytes[MONTH]) - 1,
        .tm_year = cmos_decode(c, c->bytes[CENTURY]) * 100 + cmos_decode(c, c->bytes[YEAR]) - 1900,
    };

    c->date_s += (int64_t)timegm(&t) - cmos_now(c);
}

static bool cmos_is_date(unsigned index)
{
    return index == SECOND || index == MINUTE || index == HOUR ||
           (index >= WEEKDAY && index <= YEAR) || index == CENTURY;
}

static void cmos_write_b(struct cmos *c, uint8_t value)
{
    bool is_stopped = (value & B_SET) != 0;

    if (is_stopped && !c->is_set_stopped) {
        cmos_show(c);
    }
    c->bytes[STATUS_B] = value & B_KEPT;
    if (!is_stopped && c->is_set_stopped) {
        cmos_take(c);
    }
    c->is_set_stopped = is_stopped;
}

static void cmos_write_byte(struct cmos *c, uint8_t value)
{
    unsigned index = c->index;

    if (index == STATUS_B) {
        cmos_write_b(c, value);
    } else if (cmos_is_date(index)) {
        cmos_show(c);
        c->bytes[index] = value;
        if (!c->is_set_stopped) {
            cmos_take(c);
        }
    } else if (index != STATUS_C && index != STATUS_D && index != STATUS_A) {
        c->bytes[index] = value;
    }
}

static uint64_t cmos_read(void *device, uint64_t offset, unsigned size)
{
    struct cmos *c = device;

    (void)size;
    if (offset == 0) {
        return 0xff;
    }
    cmos_show(c);
    return c->bytes[c->index];
}

static void cmos_write(void *device, uint64_t offset, unsigned size, uint64_t value)
{
    struct cmos *c = device;

    (void)size;
    if (offset == 0) {
        c->index = (uint8_t)value & INDEX_MASK;
    } else {
        cmos_write_byte(c, (uint8_t)value);
    }
}

static void cmos_set_word(struct cmos *c, unsigned index, uint64_t value)
{
    value = value < 0xffff ? value : 0xffff;
    c->bytes[index] = (uint8_t)value;
    c->bytes[index + 1] = (uint8_t)(value >> 8);
}

bool cmos_init(struct cmos *c, struct bus *ports, const struct clock *clock, uint64_t memory_size,
               unsigned vcpu_count, int64_t date_s)
{
    uint64_t low_size = memory_size < MEMORY_HOLE ? memory_size : MEMORY_HOLE;
    struct bus_range range = {PORT, 2, cmos_read, cmos_write, c};

    memset(c, 0, sizeof(*c));
    c->clock = clock;
    c->date_s = date_s - (int64_t)(clock_now(clock) / CLOCK_SECOND);
    c->bytes[STATUS_A] = A_DIVIDER;
    c->bytes[STATUS_B] = B_24;
    c->bytes[STATUS_D] = D_VALID;
    cmos_set_word(c, BASE_LOW, BASE_KIB);
    cmos_set_word(c, MORE_LOW, (memory_size - MIB) / 1024);
    cmos_set_word(c, MORE2_LOW, (memory_size - MIB) / 1024);
    cmos_set_word(c, HIGH_LOW, low_size > 16 * MIB ? (low_size - 16 * MIB) / 65536 : 0);
    c->bytes[OTHER_CPUS] = (uint8_t)(vcpu_count - 1);
    return bus_insert(ports, &range);
}
