/* rtc_test.c - the driver of the clock with chips that keep the date in every way there is, are in
 * the middle of an update, have lost power, are not there, or say anything at all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <portolan/driver.h>

static uint8_t chip_port_in(uint16_t port);
static void chip_port_out(uint16_t port, uint8_t value);

/* Its ports are those of the chip below. */
#define port_in8  chip_port_in
#define port_out8 chip_port_out
#include "servers/rtc/chip.c"

#define INDEX  0x70u
#define ROUNDS 50000u
#define DAYS   (330 * 365)

static struct {
    uint8_t registers[128];
    uint8_t index;
    bool is_absent, is_noisy, is_restless;
    unsigned updating; /* readings of state A until the update is over */
    unsigned reads;
    unsigned second_at;   /* after so many readings a second has passed, 0: never */
    uint8_t later[128];   /* and these are the registers */
    unsigned set_written; /* registers of the date that were written without B_SET */
} chip;

static uint8_t chip_port_in(uint16_t port)
{
    assert_int_equal(port, INDEX + 1);
    if (chip.is_absent) {
        return 0xff;
    }
    if (chip.is_noisy) {
        return (uint8_t)rand();
    }
    chip.reads++;
    if (chip.second_at != 0 && chip.reads == chip.second_at) {
        memcpy(chip.registers, chip.later, sizeof(chip.registers));
    }
    if (chip.is_restless && chip.index == SECOND) {
        chip.registers[SECOND] ^= 1;
    }
    if (chip.index == STATE_A && chip.updating != 0) {
        chip.updating -= chip.updating != UINT32_MAX;
        return 0x26 | A_UPDATING;
    }
    return chip.registers[chip.index];
}

static void chip_port_out(uint16_t port, uint8_t value)
{
    if (port == INDEX) {
        chip.index = value & 127;
        assert_true(value < 128); /* bit 7 would keep NMIs off */
        return;
    }
    assert_int_equal(port, INDEX + 1);
    if (chip.index < STATE_A) {
        chip.set_written += (chip.registers[STATE_B] & B_SET) == 0;
    }
    chip.registers[chip.index] = value;
}

static uint8_t digits(int number)
{
    return (uint8_t)(number / 10 * 16 + number % 10);
}

/* A chip with a date, kept as format says. */
static void keep(uint8_t *registers, const struct tm *date, uint8_t format, int century)
{
    bool is_binary = (format & B_BINARY) != 0;
    int hour = date->tm_hour;
    int year = date->tm_year + 1900;
    uint8_t pm = 0;

    if ((format & B_24_HOURS) == 0) {
        pm = hour >= 12 ? 0x80 : 0;
        hour = hour % 12 == 0 ? 12 : hour % 12;
    }
    registers[STATE_A] = 0x26;
    registers[STATE_B] = format;
    registers[STATE_D] = D_VALID;
    registers[SECOND] = is_binary ? (uint8_t)date->tm_sec : digits(date->tm_sec);
    registers[MINUTE] = is_binary ? (uint8_t)date->tm_min : digits(date->tm_min);
    registers[HOUR] = (is_binary ? (uint8_t)hour : digits(hour)) | pm;
    registers[DAY] = is_binary ? (uint8_t)date->tm_mday : digits(date->tm_mday);
    registers[MONTH] = is_binary ? (uint8_t)(date->tm_mon + 1) : digits(date->tm_mon + 1);
    registers[YEAR] = is_binary ? (uint8_t)(year % 100) : digits(year % 100);
    registers[CENTURY] = (uint8_t)century;
}

static struct tm date_of(int64_t seconds)
{
    time_t t = (time_t)seconds;
    struct tm date;

    gmtime_r(&t, &date);
    return date;
}

static void start(const char *text, uint8_t format, int century)
{
    struct tm date = {0};

    memset(&chip, 0, sizeof(chip));
    assert_non_null(strptime(text, "%Y-%m-%d %H:%M:%S", &date));
    keep(chip.registers, &date, format, century);
}

/* What chip_read makes of it, as text; or why it does not. */
static const char *told(void)
{
    static char text[32];
    struct tm date;
    const char *why = chip_read(INDEX, &date);

    if (why != NULL) {
        return why;
    }
    strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &date);
    return text;
}

static void all_formats_are_read_and_written(void **state)
{
    static const uint8_t formats[] = {0, B_BINARY, B_24_HOURS, B_24_HOURS | B_BINARY};

    (void)state;
    for (unsigned i = 0; i < sizeof(formats); i++) {
        for (int64_t day = 0; day < DAYS; day += 17) {
            struct tm date = date_of(day * 86400 + day * 3607 % 86400);
            struct tm read, other = date_of(day * 86400 / 2);
            int century = (date.tm_year + 1900) / 100;

            memset(&chip, 0, sizeof(chip));
            keep(chip.registers, &date, formats[i],
                 (formats[i] & B_BINARY) != 0 ? century : digits(century));
            assert_null(chip_read(INDEX, &read));
            assert_int_equal(timegm(&read), timegm(&date));
            assert_null(chip_write(INDEX, &other));
            assert_int_equal(chip.registers[STATE_B], formats[i]);
            assert_null(chip_read(INDEX, &read));
            assert_int_equal(timegm(&read), timegm(&other));
            assert_int_equal(chip_number(chip.registers[WEEKDAY], formats[i]), other.tm_wday + 1);
            assert_int_equal(chip.set_written, 0);
        }
    }
}

static void midnight_and_noon_are_twelve(void **state)
{
    (void)state;
    start("2026-11-28 00:30:00", 0, 0x20);
    assert_int_equal(chip.registers[HOUR], 0x12);
    assert_string_equal(told(), "2026-11-28 00:30:00");
    start("2026-11-28 12:30:00", 0, 0x20);
    assert_int_equal(chip.registers[HOUR], 0x92);
    assert_string_equal(told(), "2026-11-28 12:30:00");
}

static void without_a_century_it_is_this_one(void **state)
{
    struct tm date = date_of(0);

    (void)state;
    start("1999-12-31 23:59:59", B_24_HOURS, 0x07);
    assert_string_equal(told(), "2099-12-31 23:59:59");
    assert_string_equal(chip_write(INDEX, &date), "has no century");
    assert_string_equal(told(), "2099-12-31 23:59:59");
    date.tm_year = 2004 - 1900;
    assert_null(chip_write(INDEX, &date));
    assert_string_equal(told(), "2004-01-01 00:00:00");
    assert_int_equal(chip.registers[CENTURY], 0x07); /* which is something else's */
    start("2026-11-28 12:30:00", B_24_HOURS, 0x99);
    assert_string_equal(told(), "2026-11-28 12:30:00");
}

static void an_update_is_waited_for(void **state)
{
    (void)state;
    start("2026-11-28 12:30:00", B_24_HOURS, 0x20);
    chip.updating = 2000;
    assert_string_equal(told(), "2026-11-28 12:30:00");
    chip.updating = UINT32_MAX;
    assert_string_equal(told(), "is being updated without end");
}

/* Wherever in the reading the second ends that changes all of the date, it is the date before or
 * the one after, not some of both. */
static void a_second_that_passes_meanwhile_is_seen_whole(void **state)
{
    struct tm after = date_of(946684800);

    (void)state;
    for (unsigned at = 1; at < 60; at++) {
        const char *text;

        start("1999-12-31 23:59:59", B_24_HOURS, 0x19);
        keep(chip.later, &after, B_24_HOURS, 0x20);
        chip.second_at = at;
        text = told();
        if (strcmp(text, "1999-12-31 23:59:59") != 0) {
            assert_string_equal(text, "2000-01-01 00:00:00");
        }
    }
    start("2026-11-28 12:30:00", B_24_HOURS, 0x20);
    chip.is_restless = true;
    assert_string_equal(told(), "is never twice the same");
}

static void a_chip_that_is_no_clock_is_told(void **state)
{
    struct tm date = date_of(1000000000);

    (void)state;
    start("2026-11-28 12:30:00", B_24_HOURS, 0x20);
    chip.registers[STATE_D] = 0;
    assert_string_equal(told(), "has been without power");
    chip.is_absent = true;
    assert_string_equal(told(), "is not there");
    assert_string_equal(chip_write(INDEX, &date), "is not there");
}

static void what_is_no_date_is_not_taken(void **state)
{
    static const struct {
        enum chip_register reg;
        uint8_t value;
    } wrong[] = {
        {SECOND, 0x60}, {SECOND, 0x5a}, {MINUTE, 0x60}, {MINUTE, 0xa0}, {HOUR, 0x24},
        {HOUR, 0x92},   {DAY, 0x00},    {DAY, 0x31},    {DAY, 0x32},    {MONTH, 0x00},
        {MONTH, 0x13},  {YEAR, 0xaa},   {YEAR, 0x0f},   {DAY, 0xff},
    };

    (void)state;
    for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        start("2026-11-28 12:30:00", B_24_HOURS, 0x20);
        chip.registers[wrong[i].reg] = wrong[i].value;
        assert_string_equal(told(), "has no date");
    }
    start("2028-02-29 12:30:00", B_24_HOURS, 0x20);
    assert_string_equal(told(), "2028-02-29 12:30:00");
    chip.registers[YEAR] = 0x26;
    assert_string_equal(told(), "has no date");
    start("1970-01-01 00:00:00", B_24_HOURS, 0x19);
    chip.registers[YEAR] = 0x69;
    assert_string_equal(told(), "has no date"); /* before time began */
    start("2026-11-28 12:30:00", 0, 0x20);
    chip.registers[HOUR] = 0x80; /* there is no hour 0 of 12 */
    assert_string_equal(told(), "has no date");
    chip.registers[HOUR] = 0x13;
    assert_string_equal(told(), "has no date");
}

static void what_is_no_date_is_not_written(void **state)
{
    static const struct tm wrong[] = {
        {.tm_year = 69, .tm_mday = 1},
        {.tm_year = 400, .tm_mday = 1},
        {.tm_year = 126, .tm_mon = 1, .tm_mday = 29},
        {.tm_year = 126, .tm_mon = 12, .tm_mday = 1},
        {.tm_year = 126, .tm_mon = -1, .tm_mday = 1},
        {.tm_year = 126, .tm_mday = 0},
        {.tm_year = 126, .tm_mday = 1, .tm_hour = 24},
        {.tm_year = 126, .tm_mday = 1, .tm_min = 60},
        {.tm_year = 126, .tm_mday = 1, .tm_sec = 60},
        {.tm_year = 126, .tm_mday = 1, .tm_sec = -1},
        {.tm_year = INT32_MAX, .tm_mon = INT32_MIN, .tm_mday = INT32_MAX},
    };

    (void)state;
    for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        start("2026-11-28 12:30:00", B_24_HOURS, 0x20);
        assert_string_equal(chip_write(INDEX, &wrong[i]), "cannot have such a date");
        assert_string_equal(told(), "2026-11-28 12:30:00");
    }
}

static void chips_that_say_anything_are_survived(void **state)
{
    struct tm date;

    (void)state;
    srand(1);
    for (unsigned i = 0; i < ROUNDS; i++) {
        memset(&chip, 0, sizeof(chip));
        for (unsigned r = 0; r < sizeof(chip.registers); r++) {
            chip.registers[r] = (uint8_t)rand();
        }
        chip.registers[STATE_A] &= 0x7f;
        chip.registers[STATE_D] |= rand() % 4 != 0 ? D_VALID : 0;
        chip.is_noisy = i % 16 == 0;
        if (chip_read(INDEX, &date) == NULL) {
            assert_true(chip_is_date(&date));
        }
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_formats_are_read_and_written),
        cmocka_unit_test(midnight_and_noon_are_twelve),
        cmocka_unit_test(without_a_century_it_is_this_one),
        cmocka_unit_test(an_update_is_waited_for),
        cmocka_unit_test(a_second_that_passes_meanwhile_is_seen_whole),
        cmocka_unit_test(a_chip_that_is_no_clock_is_told),
        cmocka_unit_test(what_is_no_date_is_not_taken),
        cmocka_unit_test(what_is_no_date_is_not_written),
        cmocka_unit_test(chips_that_say_anything_are_survived),
    };
    const int total = (int)(sizeof(tests) / sizeof(tests[0]));
    int failed = cmocka_run_group_tests_name("rtc", tests, NULL, NULL);

    printf("%d passed, %d failed\n", total - failed, failed);
    return failed != 0;
}
