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

/* One message; anything that tells no end is thrown away. Returns whether the wait is over. */
static bool wait_once(mach_port_t exit_receive, mach_msg_option_t option, natural_t milliseconds,
                      int *status, bool *timed_out)
{
    union {
        mach_msg_header_t head;
        char bytes[256];
    } message;
    mach_msg_return_t result;

    result = mach_msg(&message.head, MACH_RCV_MSG | option, 0, sizeof(message), exit_receive,
                      milliseconds, MACH_PORT_NULL);
    *timed_out = result == MACH_RCV_TIMED_OUT;
    if (result == MACH_RCV_TOO_LARGE || *timed_out) {
        return false;
    }
    if (result != MACH_MSG_SUCCESS) {
        *status = WAIT_KILLED; /* the right is not what it should be: nothing will ever come */
        return true;
    }
    if (spawn_status_of(&message.head, status)) {
        return true;
    }
    mach_msg_destroy(&message.head);
    return false;
}

int spawn_wait(mach_port_t exit_receive)
{
    int status;
    bool timed_out;

    while (!wait_once(exit_receive, 0, 0, &status, &timed_out)) {
        continue;
    }
    portolan_port_destroy_receive(exit_receive);
    return status;
}

bool spawn_wait_timed(mach_port_t exit_receive, natural_t milliseconds, int *status)
{
    bool timed_out;

    while (!wait_once(exit_receive, MACH_RCV_TIMEOUT, milliseconds, status, &timed_out)) {
        if (timed_out) {
            return false;
        }
    }
    portolan_port_destroy_receive(exit_receive);
    return true;
}
