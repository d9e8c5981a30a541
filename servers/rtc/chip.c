/* chip.c - the date in the real-time clock, whichever way the firmware has it kept: binary or
 * decimal digits, of 12 hours or 24, with the century or without. Nothing the chip says is taken
 * for a date that is none. */
#include "servers/rtc/chip.h"

#include <portolan/driver.h>
#include <string.h>

/* Registers (MC146818A, "Address map"), and what the firmware of PCs keeps the century in. */
enum chip_register {
    SECOND = 0,
    MINUTE = 2,
    HOUR = 4,
    WEEKDAY = 6,
    DAY = 7,
    MONTH = 8,
    YEAR = 9,
    STATE_A = 10,
    STATE_B = 11,
    STATE_D = 13,
    CENTURY = 0x32,
};

#define A_UPDATING 0x80u /* the date is not to be read */
#define B_SET      0x80u /* no updates */
#define B_BINARY   0x04u
#define B_24_HOURS 0x02u
#define D_VALID    0x80u /* it has had power all the time */
#define HOUR_PM    0x80u
#define POLLS_MAX  10000u /* of state A: an update takes 2 ms, an access about 1 us */
#define TRIES_MAX  4u
#define NOT_THERE  0xffu /* what a port nobody answers to reads */

#define YEAR_FIRST    1970
#define YEAR_LAST     2299
#define CENTURY_FIRST 19
#define CENTURY_LAST  22
#define CENTURY_NOW   20 /* of a chip that does not say */

/* What the registers of the date were at one moment. */
struct chip_fields {
    uint8_t second, minute, hour, weekday, day, month, year, century;
};

static uint8_t chip_in(uint16_t index, enum chip_register reg)
{
    port_out8(index, (uint8_t)reg);
    return port_in8((uint16_t)(index + 1));
}

static void chip_out(uint16_t index, enum chip_register reg, uint8_t value)
{
    port_out8(index, (uint8_t)reg);
    port_out8((uint16_t)(index + 1), value);
}

/* Wait until no update is under way: then the next is at least 244 us away. */
static bool chip_is_still(uint16_t index)
{
    for (unsigned i = 0; i < POLLS_MAX; i++) {
        if ((chip_in(index, STATE_A) & A_UPDATING) == 0) {
            return true;
        }
    }
    return false;
}

static struct chip_fields chip_fields(uint16_t index)
{
    return (struct chip_fields){
        .second = chip_in(index, SECOND),
        .minute = chip_in(index, MINUTE),
        .hour = chip_in(index, HOUR),
        .weekday = chip_in(index, WEEKDAY),
        .day = chip_in(index, DAY),
        .month = chip_in(index, MONTH),
        .year = chip_in(index, YEAR),
        .century = chip_in(index, CENTURY),
    };
}

/* Read until two readings agree: this thread may have been kept from the processor for as long as
 * an update takes. */
static const char *chip_settle(uint16_t index, struct chip_fields *fields)
{
    struct chip_fields before;

    if (!chip_is_still(index)) {
        return "is being updated without end";
    }
    *fields = chip_fields(index);
    for (unsigned i = 0; i < TRIES_MAX; i++) {
        before = *fields;
        if (!chip_is_still(index)) {
            return "is being updated without end";
        }
        *fields = chip_fields(index);
        if (memcmp(&before, fields, sizeof(before)) == 0) {
            return NULL;
        }
    }
    return "is never twice the same";
}

/* --- what is in a register --- */

/* The number, or -1 when it is none. */
static int chip_number(uint8_t value, uint8_t format)
{
    if ((format & B_BINARY) != 0) {
        return value < 100 ? value : -1;
    }
    return (value & 15) < 10 && value >> 4 < 10 ? (value >> 4) * 10 + (value & 15) : -1;
}

static uint8_t chip_value(int number, uint8_t format)
{
    return (uint8_t)((format & B_BINARY) != 0 ? number : number / 10 << 4 | number % 10);
}

static int chip_hour(uint8_t value, uint8_t format)
{
    int hour;

    if ((format & B_24_HOURS) != 0) {
        return chip_number(value, format);
    }
    hour = chip_number((uint8_t)(value & ~HOUR_PM), format);
    if (hour < 1 || hour > 12) {
        return -1;
    }
    return hour % 12 + ((value & HOUR_PM) != 0 ? 12 : 0);
}

static uint8_t chip_hour_value(int hour, uint8_t format)
{
    if ((format & B_24_HOURS) != 0) {
        return chip_value(hour, format);
    }
    return (uint8_t)(chip_value((hour + 11) % 12 + 1, format) | (hour >= 12 ? HOUR_PM : 0));
}

/* The century, or -1: the register has something else, which is not to be written. */
static int chip_century(uint8_t value, uint8_t format)
{
    int century = chip_number(value, format);

    return century >= CENTURY_FIRST && century <= CENTURY_LAST ? century : -1;
}

/* --- the date --- */

bool chip_is_date(const struct tm *date)
{
    struct tm same = {
        .tm_year = date->tm_year,
        .tm_mon = date->tm_mon,
        .tm_mday = date->tm_mday,
    };

    if (date->tm_year < YEAR_FIRST - 1900 || date->tm_year > YEAR_LAST - 1900 ||
        date->tm_hour < 0 || date->tm_hour > 23 || date->tm_min < 0 || date->tm_min > 59 ||
        date->tm_sec < 0 || date->tm_sec > 59 || date->tm_mon < 0 || date->tm_mon > 11 ||
        date->tm_mday < 1 || date->tm_mday > 31) {
        return false;
    }
    timegm(&same); /* the 31st of a month of 30 days becomes another day */
    return same.tm_mday == date->tm_mday;
}

/* Is a chip there, and has it kept the date? */
static const char *chip_state(uint16_t index)
{
    if (chip_in(index, STATE_B) == NOT_THERE && chip_in(index, STATE_D) == NOT_THERE) {
        return "is not there";
    }
    return (chip_in(index, STATE_D) & D_VALID) != 0 ? NULL : "has been without power";
}

const char *chip_read(uint16_t index, struct tm *date)
{
    const char *why = chip_state(index);
    struct chip_fields fields;
    uint8_t format;
    int century, year;
    struct tm read;

    why = why != NULL ? why : chip_settle(index, &fields);
    if (why != NULL) {
        return why;
    }
    format = chip_in(index, STATE_B);
    century = chip_century(fields.century, format);
    year = chip_number(fields.year, format);
    read = (struct tm){
        .tm_sec = chip_number(fields.second, format),
        .tm_min = chip_number(fields.minute, format),
        .tm_hour = chip_hour(fields.hour, format),
        .tm_mday = chip_number(fields.day, format),
        .tm_mon = chip_number(fields.month, format) - 1,
        .tm_year = (century >= 0 ? century : CENTURY_NOW) * 100 + year - 1900,
    };
    if (year < 0 || !chip_is_date(&read)) {
        return "has no date";
    }
    *date = read;
    return NULL;
}

const char *chip_write(uint16_t index, const struct tm *date)
{
    uint8_t format = chip_in(index, STATE_B);
    int century = chip_century(chip_in(index, CENTURY), format);
    int year = date->tm_year + 1900;
    struct tm full = *date;

    if (format == NOT_THERE && chip_in(index, STATE_D) == NOT_THERE) {
        return "is not there";
    }
    if (!chip_is_date(date)) {
        return "cannot have such a date";
    }
    if (century < 0 && year / 100 != CENTURY_NOW) {
        return "has no century";
    }
    timegm(&full); /* the day of the week */
    chip_out(index, STATE_B, (uint8_t)(format | B_SET));
    chip_out(index, SECOND, chip_value(date->tm_sec, format));
    chip_out(index, MINUTE, chip_value(date->tm_min, format));
    chip_out(index, HOUR, chip_hour_value(date->tm_hour, format));
    chip_out(index, WEEKDAY, chip_value(full.tm_wday + 1, format));
    chip_out(index, DAY, chip_value(date->tm_mday, format));
    chip_out(index, MONTH, chip_value(date->tm_mon + 1, format));
    chip_out(index, YEAR, chip_value(year % 100, format));
    if (century >= 0) {
        chip_out(index, CENTURY, chip_value(year / 100, format));
    }
    chip_out(index, STATE_B, (uint8_t)(format & ~B_SET));
    return NULL;
}
