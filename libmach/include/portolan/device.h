/* device.h - what this system's devices answer beside the flavors of device_types.h. */
#ifndef PORTOLAN_DEVICE_H
#define PORTOLAN_DEVICE_H

#include <mach/device_types.h>

/* device_get_status: the size of a block device, whatever it is. */
#define DEVICE_GET_BLOCKS             0x1000
#define DEVICE_GET_BLOCKS_LOW         0 /* number of records, low 32 bits */
#define DEVICE_GET_BLOCKS_HIGH        1
#define DEVICE_GET_BLOCKS_RECORD_SIZE 2
#define DEVICE_GET_BLOCKS_READ_ONLY   3 /* 1: it cannot be written */
#define DEVICE_GET_BLOCKS_COUNT       4

/* device_set_status, without values: what was written is on the medium when it returns. */
#define DEVICE_FLUSH 0x1001

/* device_get_status and device_set_status of a clock: the date, UTC. */
#define DEVICE_DATE        0x1002
#define DEVICE_DATE_YEAR   0
#define DEVICE_DATE_MONTH  1 /* 1 to 12 */
#define DEVICE_DATE_DAY    2
#define DEVICE_DATE_HOUR   3
#define DEVICE_DATE_MINUTE 4
#define DEVICE_DATE_SECOND 5
#define DEVICE_DATE_COUNT  6

/* What one device_read or device_write does at most: of more, the first part. */
#define DEVICE_TRANSFER_MAX (1u << 20)

#endif
