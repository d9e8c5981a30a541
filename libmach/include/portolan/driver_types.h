/* driver_types.h - numbers of driver.defs and device_master.defs. */
#ifndef PORTOLAN_DRIVER_TYPES_H
#define PORTOLAN_DRIVER_TYPES_H

#include <mach/vm_types.h>

#define DRIVER_NAME_MAX  32
#define DRIVER_UNITS_MAX 32
typedef char driver_name_t[DRIVER_NAME_MAX];

/* The message to a driver's control port that it answers with driver_alive(): a header alone. */
#define DRIVER_PING_ID 6799

#define DEVICE_MASTER_TEXT_MAX 8192
typedef char device_master_text_t[DEVICE_MASTER_TEXT_MAX];

#endif
