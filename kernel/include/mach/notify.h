/* notify.h - messages the kernel sends about rights. */
#ifndef MACH_NOTIFY_H
#define MACH_NOTIFY_H

#include <mach/message.h>

#define MACH_NOTIFY_FIRST          64
#define MACH_NOTIFY_PORT_DELETED   65
#define MACH_NOTIFY_MSG_ACCEPTED   66
#define MACH_NOTIFY_PORT_DESTROYED 69
#define MACH_NOTIFY_NO_SENDERS     70
#define MACH_NOTIFY_SEND_ONCE      71
#define MACH_NOTIFY_DEAD_NAME      72
#define MACH_NOTIFY_LAST           79

#define MACH_NOTIFY_NEW_TASK 4400

typedef struct {
    mach_msg_header_t not_header;
    mach_msg_type_t not_type; /* MACH_MSG_TYPE_PORT_NAME */
    mach_port_name_t not_port;
    uint32_t not_pad;
} mach_port_deleted_notification_t;
MACH_ABI_SIZE(mach_port_deleted_notification_t, 48);

typedef mach_port_deleted_notification_t mach_msg_accepted_notification_t;
typedef mach_port_deleted_notification_t mach_dead_name_notification_t;

typedef struct {
    mach_msg_header_t not_header;
    mach_msg_type_t not_type; /* MACH_MSG_TYPE_PORT_RECEIVE */
    mach_port_name_inlined_t not_port;
} mach_port_destroyed_notification_t;
MACH_ABI_SIZE(mach_port_destroyed_notification_t, 48);

typedef struct {
    mach_msg_header_t not_header;
    mach_msg_type_t not_type; /* MACH_MSG_TYPE_INTEGER_32 */
    mach_port_mscount_t not_count;
    uint32_t not_pad;
} mach_no_senders_notification_t;
MACH_ABI_SIZE(mach_no_senders_notification_t, 48);

typedef struct {
    mach_msg_header_t not_header;
} mach_send_once_notification_t;

#endif
