/* message.h - the layout of messages and the options of mach_msg.
 * A header, then items: an 8-byte descriptor and data padded to 8. Only messages with the COMPLEX
 * bit carry rights or memory; without it the body is opaque to the kernel. */
#ifndef MACH_MESSAGE_H
#define MACH_MESSAGE_H

#include <mach/kern_return.h>
#include <mach/port.h>

typedef natural_t mach_msg_bits_t;
typedef natural_t mach_msg_size_t;
typedef integer_t mach_msg_id_t;
typedef natural_t mach_msg_timeout_t;
typedef integer_t mach_msg_option_t;
typedef kern_return_t mach_msg_return_t;
typedef natural_t mach_msg_type_name_t;
typedef natural_t mach_msg_type_size_t;
typedef natural_t mach_msg_type_number_t;

#define MACH_MSG_TIMEOUT_NONE ((mach_msg_timeout_t)0)

#define MACH_MSGH_BITS_ZERO           0x00000000U
#define MACH_MSGH_BITS_REMOTE_MASK    0x000000ffU
#define MACH_MSGH_BITS_LOCAL_MASK     0x0000ff00U
#define MACH_MSGH_BITS_COMPLEX        0x80000000U
#define MACH_MSGH_BITS_USER           0x8000ffffU
#define MACH_MSGH_BITS(remote, local) ((mach_msg_bits_t)((remote) | ((local) << 8)))
#define MACH_MSGH_BITS_REMOTE(bits)   ((bits)&MACH_MSGH_BITS_REMOTE_MASK)
#define MACH_MSGH_BITS_LOCAL(bits)    (((bits)&MACH_MSGH_BITS_LOCAL_MASK) >> 8)
#define MACH_MSGH_BITS_PORTS(bits)                                                                 \
    ((bits) & (MACH_MSGH_BITS_REMOTE_MASK | MACH_MSGH_BITS_LOCAL_MASK))
#define MACH_MSGH_BITS_OTHER(bits)                                                                 \
    ((bits) & ~(MACH_MSGH_BITS_REMOTE_MASK | MACH_MSGH_BITS_LOCAL_MASK))

/* Ports are names in slots of 8 bytes. On receive remote is where to reply and local is the port
 * the message came in on (or the payload set for it). */
typedef struct mach_msg_header {
    mach_msg_bits_t msgh_bits;
    mach_msg_size_t msgh_size;
    mach_port_name_t msgh_remote_port;
    uint32_t msgh_remote_pad;
    __extension__ union {
        __extension__ struct {
            mach_port_name_t msgh_local_port;
            uint32_t msgh_local_pad;
        };
        rpc_uintptr_t msgh_protected_payload;
    };
    mach_port_seqno_t msgh_seqno;
    mach_msg_id_t msgh_id;
} mach_msg_header_t;

#define msgh_kind         msgh_seqno
#define msgh_request_port msgh_remote_port
#define msgh_reply_port   msgh_local_port

MACH_ABI_SIZE(mach_msg_header_t, 32);
MACH_ABI_OFFSET(mach_msg_header_t, msgh_size, 4);
MACH_ABI_OFFSET(mach_msg_header_t, msgh_remote_port, 8);
MACH_ABI_OFFSET(mach_msg_header_t, msgh_local_port, 16);
MACH_ABI_OFFSET(mach_msg_header_t, msgh_protected_payload, 16);
MACH_ABI_OFFSET(mach_msg_header_t, msgh_seqno, 24);
MACH_ABI_OFFSET(mach_msg_header_t, msgh_id, 28);

typedef struct {
    unsigned int msgt_name : 8;
    unsigned int msgt_size : 16; /* bits in one element */
    unsigned int msgt_unused : 5;
    unsigned int msgt_inline : 1;
    unsigned int msgt_longform : 1;
    unsigned int msgt_deallocate : 1;
    mach_msg_type_number_t msgt_number; /* elements */
} __attribute__((aligned(8))) mach_msg_type_t;
MACH_ABI_SIZE(mach_msg_type_t, 8);
MACH_ABI_OFFSET(mach_msg_type_t, msgt_number, 4);

/* On this machine the long form is the same 8 bytes under other field names. */
typedef union {
    mach_msg_type_t msgtl_header;
    __extension__ struct {
        unsigned int msgtl_name : 8;
        unsigned int msgtl_size : 16;
        unsigned int msgtl_flags : 8;
        mach_msg_type_number_t msgtl_number;
    };
} mach_msg_type_long_t;
MACH_ABI_SIZE(mach_msg_type_long_t, 8);
MACH_ABI_OFFSET(mach_msg_type_long_t, msgtl_number, 4);

/* The first word of a descriptor as a number, for checks and tables. */
#define MACH_MSG_TYPE_WORD_INLINE     0x20000000U
#define MACH_MSG_TYPE_WORD_LONGFORM   0x40000000U
#define MACH_MSG_TYPE_WORD_DEALLOCATE 0x80000000U
#define MACH_MSG_TYPE_WORD(name, size_bits, flags)                                                 \
    ((uint32_t)(name) | ((uint32_t)(size_bits) << 8) | (uint32_t)(flags))

#define MACH_MSG_USER_ALIGNMENT 8U
#define MACH_MSG_ALIGN(bytes)   (((bytes) + 7U) & ~(__typeof__(bytes))7U)

/* Names of types. */
#define MACH_MSG_TYPE_UNSTRUCTURED 0
#define MACH_MSG_TYPE_BIT          0
#define MACH_MSG_TYPE_BOOLEAN      0
#define MACH_MSG_TYPE_INTEGER_16   1
#define MACH_MSG_TYPE_INTEGER_32   2
#define MACH_MSG_TYPE_CHAR         8
#define MACH_MSG_TYPE_BYTE         9
#define MACH_MSG_TYPE_INTEGER_8    9
#define MACH_MSG_TYPE_REAL         10
#define MACH_MSG_TYPE_INTEGER_64   11
#define MACH_MSG_TYPE_STRING       12
#define MACH_MSG_TYPE_STRING_C     12
#define MACH_MSG_TYPE_PORT_NAME    15
/* What the sender does with a right. The first three are also how it arrives. */
#define MACH_MSG_TYPE_MOVE_RECEIVE      16
#define MACH_MSG_TYPE_MOVE_SEND         17
#define MACH_MSG_TYPE_MOVE_SEND_ONCE    18
#define MACH_MSG_TYPE_COPY_SEND         19
#define MACH_MSG_TYPE_MAKE_SEND         20
#define MACH_MSG_TYPE_MAKE_SEND_ONCE    21
#define MACH_MSG_TYPE_PORT_RECEIVE      MACH_MSG_TYPE_MOVE_RECEIVE
#define MACH_MSG_TYPE_PORT_SEND         MACH_MSG_TYPE_MOVE_SEND
#define MACH_MSG_TYPE_PORT_SEND_ONCE    MACH_MSG_TYPE_MOVE_SEND_ONCE
#define MACH_MSG_TYPE_PROTECTED_PAYLOAD 23
#define MACH_MSG_TYPE_LAST              23
#define MACH_MSG_TYPE_POLYMORPHIC       ((mach_msg_type_name_t)-1)

#define MACH_MSG_TYPE_PORT_ANY(name)                                                               \
    ((name) >= MACH_MSG_TYPE_MOVE_RECEIVE && (name) <= MACH_MSG_TYPE_MAKE_SEND_ONCE)
#define MACH_MSG_TYPE_PORT_ANY_SEND(name)                                                          \
    ((name) >= MACH_MSG_TYPE_MOVE_SEND && (name) <= MACH_MSG_TYPE_MAKE_SEND_ONCE)
#define MACH_MSG_TYPE_PORT_ANY_RIGHT(name)                                                         \
    ((name) >= MACH_MSG_TYPE_MOVE_RECEIVE && (name) <= MACH_MSG_TYPE_MOVE_SEND_ONCE)

/* Options. INTERRUPT is for the library: the kernel ignores it. */
#define MACH_MSG_OPTION_NONE 0x00000000
#define MACH_SEND_MSG        0x00000001
#define MACH_RCV_MSG         0x00000002
#define MACH_SEND_TIMEOUT    0x00000010
#define MACH_SEND_NOTIFY     0x00000020
#define MACH_SEND_INTERRUPT  0x00000040
#define MACH_SEND_CANCEL     0x00000080
#define MACH_RCV_TIMEOUT     0x00000100
#define MACH_RCV_NOTIFY      0x00000200
#define MACH_RCV_INTERRUPT   0x00000400
#define MACH_RCV_LARGE       0x00000800
#define MACH_SEND_ALWAYS     0x00010000 /* kernel only */

/* Added to a receive error: what the rights or memory lost on the way could not be put into. */
#define MACH_MSG_MASK       0x00003c00
#define MACH_MSG_IPC_SPACE  0x00002000
#define MACH_MSG_VM_SPACE   0x00001000
#define MACH_MSG_IPC_KERNEL 0x00000800
#define MACH_MSG_VM_KERNEL  0x00000400

#if !KERNEL
/* 0 in tests that run where there is no such kernel: what is done in place is then a call. */
#ifndef MACH_IN_PLACE
#define MACH_IN_PLACE 1
#endif

MACH_BEGIN_DECLS
/* The trap itself. */
mach_msg_return_t mach_msg_trap(mach_msg_header_t *msg, mach_msg_option_t option,
                                mach_msg_size_t send_size, mach_msg_size_t rcv_size,
                                mach_port_name_t rcv_name, mach_msg_timeout_t timeout,
                                mach_port_name_t notify);
/* The same, begun again after an interruption unless INTERRUPT options are given. */
mach_msg_return_t mach_msg(mach_msg_header_t *msg, mach_msg_option_t option,
                           mach_msg_size_t send_size, mach_msg_size_t rcv_size,
                           mach_port_name_t rcv_name, mach_msg_timeout_t timeout,
                           mach_port_name_t notify);
/* Goes on after the trap has returned `result`. */
__attribute__((cold)) mach_msg_return_t
mach_msg_again(mach_msg_return_t result, mach_msg_header_t *msg, mach_msg_option_t option,
               mach_msg_size_t send_size, mach_msg_size_t rcv_size, mach_port_name_t rcv_name,
               mach_msg_timeout_t timeout, mach_port_name_t notify);
/* Give back every right and all memory a received message holds. */
void mach_msg_destroy(mach_msg_header_t *msg);
MACH_END_DECLS

/* With none of these options the trap does not use its last argument. */
#define MACH_MSG_NOTIFY_OPTIONS (MACH_SEND_NOTIFY | MACH_SEND_CANCEL | MACH_RCV_NOTIFY)
#define MACH_MSG_TRAP_NUMBER    25

/* Registers a trap may change beside those of its arguments: all that a call may. */
#ifdef __AVX512F__
#define MACH_TRAP_CHANGES_512                                                                      \
    , "xmm16", "xmm17", "xmm18", "xmm19", "xmm20", "xmm21", "xmm22", "xmm23", "xmm24", "xmm25",    \
        "xmm26", "xmm27", "xmm28", "xmm29", "xmm30", "xmm31", "k0", "k1", "k2", "k3", "k4", "k5",  \
        "k6", "k7"
#else
#define MACH_TRAP_CHANGES_512
#endif
#ifdef __SSE__
#define MACH_TRAP_CHANGES_VECTOR                                                                   \
    , "st", "st(1)", "st(2)", "st(3)", "st(4)", "st(5)", "st(6)", "st(7)", "xmm0", "xmm1", "xmm2", \
        "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12",         \
        "xmm13", "xmm14", "xmm15" MACH_TRAP_CHANGES_512
#else
#define MACH_TRAP_CHANGES_VECTOR
#endif
#define MACH_TRAP_CHANGES "rcx", "r11", "memory", "cc" MACH_TRAP_CHANGES_VECTOR

/* The trap without a call. What the kernel reads as its seventh argument, the word above the one at
 * the stack pointer, is whatever lies there. */
static inline mach_msg_return_t
mach_msg_trap_in_place(mach_msg_header_t *msg, mach_msg_option_t option, mach_msg_size_t send_size,
                       mach_msg_size_t rcv_size, mach_port_name_t rcv_name,
                       mach_msg_timeout_t timeout)
{
    register mach_msg_size_t fourth __asm__("r10") = rcv_size;
    register mach_port_name_t fifth __asm__("r8") = rcv_name;
    register mach_msg_timeout_t sixth __asm__("r9") = timeout;
    mach_msg_return_t result = -MACH_MSG_TRAP_NUMBER;

    __asm__ volatile("syscall"
                     : "+a"(result), "+D"(msg), "+S"(option), "+d"(send_size), "+r"(fourth),
                       "+r"(fifth), "+r"(sixth)
                     :
                     : MACH_TRAP_CHANGES);
    return result;
}

/* mach_msg in place, for stubs and server loops: no call unless the trap fails. */
static inline mach_msg_return_t mach_msg_quick(mach_msg_header_t *msg, mach_msg_option_t option,
                                               mach_msg_size_t send_size, mach_msg_size_t rcv_size,
                                               mach_port_name_t rcv_name,
                                               mach_msg_timeout_t timeout, mach_port_name_t notify)
{
    mach_msg_option_t now = option & ~(MACH_SEND_INTERRUPT | MACH_RCV_INTERRUPT);
    mach_msg_return_t result =
        MACH_IN_PLACE && (option & MACH_MSG_NOTIFY_OPTIONS) == 0
            ? mach_msg_trap_in_place(msg, now, send_size, rcv_size, rcv_name, timeout)
            : mach_msg_trap(msg, now, send_size, rcv_size, rcv_name, timeout, notify);

    return __builtin_expect(result == MACH_MSG_SUCCESS, 1)
               ? result
               : mach_msg_again(result, msg, option, send_size, rcv_size, rcv_name, timeout,
                                notify);
}
#endif

#endif
