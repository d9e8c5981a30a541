/* port.h - names of port rights, what a name can denote, and the state of a port. */
#ifndef MACH_PORT_H
#define MACH_PORT_H

#include <mach/boolean.h>
#include <mach/vm_types.h>

/* A right's name in a task. User space calls it mach_port_t too; inside the kernel mach_port_t is
 * the port itself, so that a name cannot be taken for a port. */
typedef natural_t mach_port_name_t;
typedef mach_port_name_t *mach_port_name_array_t;
typedef const mach_port_name_t *const_mach_port_name_array_t;

#if KERNEL
struct ipc_port;
typedef struct ipc_port *mach_port_t;
#else
typedef mach_port_name_t mach_port_t;
#endif
typedef mach_port_t *mach_port_array_t;
typedef const mach_port_t *const_mach_port_array_t;

/* A name as it lies in a message: 4 bytes in a slot of 8. */
typedef struct {
    mach_port_name_t name;
    uint32_t kernel_port_do_not_use; /* always zero */
} mach_port_name_inlined_t;
MACH_ABI_SIZE(mach_port_name_inlined_t, 8);

#define MACH_PORT_NAME_NULL ((mach_port_name_t)0)
#define MACH_PORT_NAME_DEAD ((mach_port_name_t)~0U)
#define MACH_PORT_NULL      ((mach_port_t)0)
#if KERNEL
#define MACH_PORT_DEAD ((mach_port_t)~0UL)
#else
#define MACH_PORT_DEAD ((mach_port_t)~0U)
#endif
#define MACH_PORT_NAME_VALID(name) ((name) != MACH_PORT_NAME_NULL && (name) != MACH_PORT_NAME_DEAD)
#define MACH_PORT_VALID(port)      ((port) != MACH_PORT_NULL && (port) != MACH_PORT_DEAD)

typedef natural_t mach_port_right_t;
#define MACH_PORT_RIGHT_SEND      ((mach_port_right_t)0)
#define MACH_PORT_RIGHT_RECEIVE   ((mach_port_right_t)1)
#define MACH_PORT_RIGHT_SEND_ONCE ((mach_port_right_t)2)
#define MACH_PORT_RIGHT_PORT_SET  ((mach_port_right_t)3)
#define MACH_PORT_RIGHT_DEAD_NAME ((mach_port_right_t)4)
#define MACH_PORT_RIGHT_NUMBER    ((mach_port_right_t)5)

typedef natural_t mach_port_type_t;
typedef mach_port_type_t *mach_port_type_array_t;
#define MACH_PORT_TYPE(right)       ((mach_port_type_t)(1U << ((right) + 16U)))
#define MACH_PORT_TYPE_NONE         ((mach_port_type_t)0)
#define MACH_PORT_TYPE_SEND         MACH_PORT_TYPE(MACH_PORT_RIGHT_SEND)
#define MACH_PORT_TYPE_RECEIVE      MACH_PORT_TYPE(MACH_PORT_RIGHT_RECEIVE)
#define MACH_PORT_TYPE_SEND_ONCE    MACH_PORT_TYPE(MACH_PORT_RIGHT_SEND_ONCE)
#define MACH_PORT_TYPE_PORT_SET     MACH_PORT_TYPE(MACH_PORT_RIGHT_PORT_SET)
#define MACH_PORT_TYPE_DEAD_NAME    MACH_PORT_TYPE(MACH_PORT_RIGHT_DEAD_NAME)
#define MACH_PORT_TYPE_SEND_RECEIVE (MACH_PORT_TYPE_SEND | MACH_PORT_TYPE_RECEIVE)
#define MACH_PORT_TYPE_SEND_RIGHTS  (MACH_PORT_TYPE_SEND | MACH_PORT_TYPE_SEND_ONCE)
#define MACH_PORT_TYPE_PORT_RIGHTS  (MACH_PORT_TYPE_SEND_RIGHTS | MACH_PORT_TYPE_RECEIVE)
#define MACH_PORT_TYPE_PORT_OR_DEAD (MACH_PORT_TYPE_PORT_RIGHTS | MACH_PORT_TYPE_DEAD_NAME)
#define MACH_PORT_TYPE_ALL_RIGHTS   (MACH_PORT_TYPE_PORT_OR_DEAD | MACH_PORT_TYPE_PORT_SET)
/* Set beside the right's bit when a request is registered on the name. */
#define MACH_PORT_TYPE_DNREQUEST 0x80000000U
#define MACH_PORT_TYPE_MAREQUEST 0x40000000U
#define MACH_PORT_TYPE_COMPAT    0x20000000U

typedef natural_t mach_port_urefs_t;
typedef integer_t mach_port_delta_t;
typedef natural_t mach_port_seqno_t;
typedef natural_t mach_port_mscount_t;
typedef natural_t mach_port_msgcount_t;
typedef natural_t mach_port_rights_t;
typedef natural_t mach_port_ktype_t;

/* Kinds a privileged task may give a port it holds (mach_port_set_ktype). */
#define MACH_PORT_KTYPE_NONE        ((mach_port_ktype_t)0)
#define MACH_PORT_KTYPE_USER_DEVICE ((mach_port_ktype_t)1)

#define MACH_PORT_UREFS_MAX ((mach_port_urefs_t)0xffff)
#define MACH_PORT_UREFS_OVERFLOW(urefs, delta)                                                     \
    ((delta) > 0 && ((uint64_t)(urefs) + (uint64_t)(delta)) > MACH_PORT_UREFS_MAX)

#define MACH_PORT_QLIMIT_DEFAULT ((mach_port_msgcount_t)5)
#define MACH_PORT_QLIMIT_MAX     ((mach_port_msgcount_t)16)

typedef struct mach_port_status {
    mach_port_name_t mps_pset;         /* port set the receive right is in */
    mach_port_seqno_t mps_seqno;       /* number the next received message gets */
    mach_port_mscount_t mps_mscount;   /* send rights made since this was last set */
    mach_port_msgcount_t mps_qlimit;   /* messages the queue holds before senders block */
    mach_port_msgcount_t mps_msgcount; /* messages in the queue */
    mach_port_rights_t mps_sorights;   /* send-once rights that exist */
    boolean_t mps_srights;             /* do send rights exist? */
    boolean_t mps_pdrequest;           /* is a port-destroyed notification wanted? */
    boolean_t mps_nsrequest;           /* is a no-senders notification wanted? */
} mach_port_status_t;
MACH_ABI_SIZE(mach_port_status_t, 36);
MACH_ABI_OFFSET(mach_port_status_t, mps_srights, 24);

#endif
