/* mach_msg.c - sending and receiving, begun again when something else interrupted the wait. */
#include <mach/mach.h>

#define LIBRARY_OPTIONS (MACH_SEND_INTERRUPT | MACH_RCV_INTERRUPT)

mach_msg_return_t mach_msg_again(mach_msg_return_t result, mach_msg_header_t *msg,
                                 mach_msg_option_t option, mach_msg_size_t send_size,
                                 mach_msg_size_t rcv_size, mach_port_name_t rcv_name,
                                 mach_msg_timeout_t timeout, mach_port_name_t notify)
{
    mach_msg_option_t now = option & ~LIBRARY_OPTIONS;

    if ((option & MACH_SEND_INTERRUPT) == 0) {
        while (result == MACH_SEND_INTERRUPTED) {
            result = mach_msg_trap(msg, now, send_size, rcv_size, rcv_name, timeout, notify);
        }
    }
    if ((option & MACH_RCV_INTERRUPT) == 0) {
        /* The message is sent by now. */
        while (result == MACH_RCV_INTERRUPTED) {
            result =
                mach_msg_trap(msg, now & ~MACH_SEND_MSG, 0, rcv_size, rcv_name, timeout, notify);
        }
    }
    return result;
}

mach_msg_return_t mach_msg(mach_msg_header_t *msg, mach_msg_option_t option,
                           mach_msg_size_t send_size, mach_msg_size_t rcv_size,
                           mach_port_name_t rcv_name, mach_msg_timeout_t timeout,
                           mach_port_name_t notify)
{
    return mach_msg_quick(msg, option, send_size, rcv_size, rcv_name, timeout, notify);
}
