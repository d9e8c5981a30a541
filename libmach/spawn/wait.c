/* wait.c - hearing of the end of a program. */
#include <mach/notify.h>
#include <mach/mig_support.h>
#include <portolan/portolan.h>
#include <portolan/spawn.h>

#define WAIT_PROCESS_EXITED 6400 /* process.defs */
#define WAIT_MESSAGE_SIZE   48   /* header, descriptor, status */
#define WAIT_KILLED         9    /* as if by SIGKILL */

bool spawn_status_of(const mach_msg_header_t *message, int *status)
{
    const char *body = (const char *)(message + 1);
    const uint32_t type =
        MACH_MSG_TYPE_WORD(MACH_MSG_TYPE_INTEGER_32, 32, MACH_MSG_TYPE_WORD_INLINE);

    if (message->msgh_id == MACH_NOTIFY_SEND_ONCE) {
        *status = WAIT_KILLED;
        return true;
    }
    if (message->msgh_id != WAIT_PROCESS_EXITED || message->msgh_size != WAIT_MESSAGE_SIZE ||
        (message->msgh_bits & MACH_MSGH_BITS_COMPLEX) != 0 || !mig_item_is(body, type, 1)) {
        return false;
    }
    *status = (int)mig_load32(body + 8);
    return true;
}

/* The message that tells the end, whatever is in it: the right it came over was the only one.
 * Returns: false when none has come in time. */
static bool wait_for(mach_port_t exit_receive, mach_msg_option_t option, natural_t milliseconds,
                     int *status)
{
    union {
        mach_msg_header_t head;
        char bytes[256];
    } message;
    mach_msg_return_t result;

    result = mach_msg(&message.head, MACH_RCV_MSG | option, 0, sizeof(message), exit_receive,
                      milliseconds, MACH_PORT_NULL);
    if (result == MACH_RCV_TIMED_OUT) {
        return false;
    }
    if (result != MACH_MSG_SUCCESS || !spawn_status_of(&message.head, status)) {
        *status = WAIT_KILLED;
    }
    if (result == MACH_MSG_SUCCESS) {
        mach_msg_destroy(&message.head);
    }
    portolan_port_destroy_receive(exit_receive);
    return true;
}

int spawn_wait(mach_port_t exit_receive)
{
    int status = WAIT_KILLED;

    wait_for(exit_receive, 0, 0, &status);
    return status;
}

bool spawn_wait_timed(mach_port_t exit_receive, natural_t milliseconds, int *status)
{
    return wait_for(exit_receive, MACH_RCV_TIMEOUT, milliseconds, status);
}
