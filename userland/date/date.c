/* date.c - the date and time, UTC; -s sets them, in the kernel and in the clock with the battery.
 */
#include <device.h>
#include <device_master.h>
#include <mach_host.h>
#include <portolan/device.h>
#include <portolan/portolan.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "program.h"

#define PRINTED "%a %b %e %H:%M:%S UTC %Y"
#define TYPED   "%Y-%m-%d %H:%M:%S"
#define ROOM    256

static int date_print(const char *format)
{
    time_t now = time(NULL);
    char text[ROOM] = "";
    struct tm date;

    gmtime_r(&now, &date);
    if (*format != '\0' && strftime(text, sizeof(text), format, &date) == 0) {
        program_fail("`%s` is too long", format);
    }
    puts(text);
    return 0;
}

/* The date as it was typed; the 31st of a month of 30 days is none. */
static struct tm date_typed(const char *word)
{
    struct tm date = {0};
    const char *end = strptime(word, TYPED, &date);
    struct tm same = date;

    if (end == NULL || *end != '\0' || timegm(&same) < 0 || same.tm_mday != date.tm_mday) {
        program_say("`%s` is not a date like 2026-11-28 05:00:00, from 1970 on", word);
        exit(STATUS_USAGE);
    }
    return date;
}

static void date_set_device(const struct tm *date)
{
    integer_t status[DEVICE_DATE_COUNT] = {
        [DEVICE_DATE_YEAR] = date->tm_year + 1900, [DEVICE_DATE_MONTH] = date->tm_mon + 1,
        [DEVICE_DATE_DAY] = date->tm_mday,         [DEVICE_DATE_HOUR] = date->tm_hour,
        [DEVICE_DATE_MINUTE] = date->tm_min,       [DEVICE_DATE_SECOND] = date->tm_sec,
    };
    mach_port_t master, clock;

    program_check(portolan_look_up("device_master", &master), "device_master");
    program_check(device_open(master, D_WRITE, "rtc0", &clock), "rtc0");
    program_check(device_set_status(clock, DEVICE_DATE, status, DEVICE_DATE_COUNT), "rtc0");
}

static int date_set(const char *word)
{
    struct tm date = date_typed(word);

    program_check(host_set_time64(program_host(), (time_value64_t){timegm(&date), 0}),
                  "the kernel's clock");
    date_set_device(&date);
    return 0;
}

int main(int argc, char **argv)
{
    program_start(argv);
    if (argc == 1) {
        return date_print(PRINTED);
    }
    if (argc == 2 && argv[1][0] == '+') {
        return date_print(argv[1] + 1);
    }
    if (argc == 3 && strcmp(argv[1], "-s") == 0) {
        return date_set(argv[2]);
    }
    program_usage("date [+FORMAT | -s \"YYYY-MM-DD HH:MM:SS\"]");
}
