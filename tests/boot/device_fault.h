/* device_fault.h - faults in the registers of a device that its driver is using, put in over the
 * hardware port. */
#ifndef DEVICE_FAULT_H
#define DEVICE_FAULT_H

#include <stdint.h>

/* Find the registers of the function that the driver of that name serves. Ends the program with a
 * sentence when there is none. */
void device_fault_begin(const char *driver);
/* Write something to one of them. random: a number below its argument. */
void device_fault_put(uint64_t (*random)(uint64_t limit));

#endif
