/* device_types.h - types and flags of the device interface. */
#ifndef MACH_DEVICE_TYPES_H
#define MACH_DEVICE_TYPES_H

#include <mach/mach_types.h>

#define DEV_NAME_MAX 128
typedef char dev_name_t[DEV_NAME_MAX];
typedef dev_name_t new_dev_name_t;
typedef const char *const_dev_name_t;

typedef natural_t dev_mode_t;
#define D_READ    0x1U
#define D_WRITE   0x2U
#define D_NODELAY 0x4U
#define D_NOWAIT  0x8U

typedef int64_t recnum_t;

typedef char *io_buf_ptr_t;
#define IO_INBAND_MAX 128
typedef char io_buf_ptr_inband_t[IO_INBAND_MAX];

typedef natural_t dev_flavor_t;
typedef integer_t *dev_status_t;
#define DEV_STATUS_MAX 1024
typedef integer_t dev_status_data_t[DEV_STATUS_MAX];

#define DEV_GET_SIZE                   0
#define DEV_GET_SIZE_DEVICE_SIZE       0
#define DEV_GET_SIZE_RECORD_SIZE       1
#define DEV_GET_SIZE_COUNT             2
#define DEV_GET_RECORDS                1
#define DEV_GET_RECORDS_DEVICE_RECORDS 0
#define DEV_GET_RECORDS_RECORD_SIZE    1
#define DEV_GET_RECORDS_COUNT          2

typedef uint16_t filter_t;
typedef filter_t *filter_array_t;
#define NET_MAX_FILTER 128

/* One piece of a vectored write (syscall_device_writev_request). */
typedef struct {
    vm_offset_t data;
    vm_size_t count;
} io_buf_vec_t;

#define DEVICE_INTR_NOTIFY_ID 100

#endif
