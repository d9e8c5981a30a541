/* mig_errors.h - what stubs exchange beside the arguments: the reply that carries only a code. */
#ifndef MACH_MIG_ERRORS_H
#define MACH_MIG_ERRORS_H

#include <mach/kern_return.h>
#include <mach/message.h>

typedef struct {
    mach_msg_header_t Head;
    mach_msg_type_t RetCodeType;
    kern_return_t RetCode;
    uint32_t RetCodePad;
} mig_reply_header_t;
typedef mig_reply_header_t mig_reply_error_t; /* where it is all of the reply */
MACH_ABI_SIZE(mig_reply_header_t, 48);
MACH_ABI_OFFSET(mig_reply_header_t, RetCode, 40);

/* A stub of a server: reads the request, fills the reply. */
typedef void (*mig_routine_t)(mach_msg_header_t *request, mach_msg_header_t *reply);

#endif
