/* chip.h - the real-time clock of the PC: its registers, and the date in them (Motorola MC146818A;
 * Intel 82371 PIIX, "RTC"). */
#ifndef RTC_CHIP_H
#define RTC_CHIP_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

/* The date and time in it, UTC as the system keeps it, to the second. index: its first I/O port,
 * the other is behind it. Waits 10 ms at most. Returns: NULL, or why *date is not set. */
const char *chip_read(uint16_t index, struct tm *date);

/* Set it. Returns: NULL, or why it was left as it was. */
const char *chip_write(uint16_t index, const struct tm *date);

/* Is that a date of the calendar, from 1970 to 2299? All fields but the day of the week and of the
 * year are looked at. */
bool chip_is_date(const struct tm *date);

#endif
