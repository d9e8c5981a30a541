/* mach_msg.c - the message trap: send half, receive half, and what a combined call saves by knowing
 * both.
 *
 * A combined call to a port where a receiver waits claims that thread in the send half and runs it
 * in the receive half, on this processor, when it blocks. A call of a kernel object is served at
 * once, and a reply that comes to the port received from next is delivered without being queued. */
#include "ipc/mach_msg.h"

#include <stddef.h>

#include "ipc/ipc_copyin.h"
#include "ipc/ipc_copyout.h"
#include "ipc/ipc_fastpath.h"
#include "ipc/ipc_kmsg.h"
#include "ipc/ipc_marequest.h"
#include "ipc/ipc_mqueue.h"
#include "ipc/ipc_port.h"
#include "ipc/ipc_pset.h"
#include "ipc/ipc_space.h"
#include "kern/assert.h"
#include "kern/clock.h"
#include "kern/task.h"
#include "kern/thread.h"
#include "kern/trace.h"

/* What the send half leaves to the receive half. */
struct mach_msg_carry {
    struct thread *next;    /* claimed receiver, to be run */
    struct ipc_kmsg *reply; /* reply of a kernel object, not yet queued */
};

/* --- send --- */

/* Send, forcing the message into a full queue when the sender asks to be told (MACH_SEND_NOTIFY).
 */
static mach_msg_return_t mach_msg_queue(struct ipc_kmsg *kmsg, uint32_t option, uint32_t timeout,
                                        mach_port_name_t notify, struct thread **next)
{
    struct ipc_space *space = current_task()->space;
    mach_msg_return_t mr;

    if ((option & MACH_SEND_NOTIFY) == 0) {
        return ipc_mqueue_send(kmsg, option, timeout, next);
    }
    mr = ipc_mqueue_send(kmsg, MACH_SEND_TIMEOUT, (option & MACH_SEND_TIMEOUT) != 0 ? timeout : 0,
                         next);
    if (mr != MACH_SEND_TIMED_OUT) {
        return mr;
    }
    if (!ipc_kmsg_charge(kmsg, current_task())) {
        return MACH_SEND_NO_BUFFER;
    }
    mr = ipc_marequest_create(space, kmsg->remote, notify, &kmsg->marequest);
    if (mr != MACH_MSG_SUCCESS) {
        return mr;
    }
    ipc_mqueue_send_always(kmsg);
    return MACH_SEND_WILL_NOTIFY;
}

static bool mach_msg_is_sent(mach_msg_return_t mr)
{
    return mr == MACH_MSG_SUCCESS || mr == MACH_SEND_WILL_NOTIFY;
}

static mach_msg_return_t mach_msg_send(user_addr_t msg, uint32_t option, uint32_t size,
                                       uint32_t timeout, mach_port_name_t notify,
                                       struct mach_msg_carry *carry)
{
    struct task *task = current_task();
    mach_port_name_t cancel = (option & MACH_SEND_CANCEL) != 0 ? notify : MACH_PORT_NAME_NULL;
    struct thread **next = (option & MACH_RCV_MSG) != 0 ? &carry->next : NULL;
    struct ipc_kmsg *kmsg;
    mach_msg_return_t mr;

    if ((option & MACH_SEND_CANCEL) != 0 && notify == MACH_PORT_NAME_NULL) {
        return MACH_SEND_INVALID_NOTIFY;
    }
    mr = ipc_copyin(task->space, task->map, msg, size, cancel, &kmsg);
    if (mr != MACH_MSG_SUCCESS) {
        return mr;
    }
    if (!IP_VALID(kmsg->remote) || kmsg->circular) {
        ipc_kmsg_destroy(kmsg);
        return MACH_MSG_SUCCESS;
    }
    if (ipc_port_is_kernel(kmsg->remote)) {
        carry->reply = ipc_kmsg_serve(kmsg);
        return MACH_MSG_SUCCESS;
    }
    mr = mach_msg_queue(kmsg, option, timeout, notify, next);
    if (!mach_msg_is_sent(mr)) {
        mr |= ipc_copyout_pseudo(kmsg, task->space, task->map, msg);
    }
    return mr;
}

/* --- receive --- */

/* What a name lets the task receive from, with a reference. */
static mach_msg_return_t mach_msg_find_source(struct ipc_space *space, mach_port_name_t name,
                                              struct ipc_mqueue_source *source)
{
    mach_msg_return_t mr = MACH_RCV_INVALID_NAME;
    struct ipc_entry *entry;

    *source = (struct ipc_mqueue_source){NULL, NULL};
    spin_lock(&space->lock);
    entry = space->active ? ipc_space_lookup(space, name) : NULL;
    if (entry != NULL && (entry->bits & MACH_PORT_TYPE_RECEIVE) != 0) {
        source->port = entry->port;
        ipc_port_ref(source->port);
        mr = MACH_MSG_SUCCESS;
    } else if (entry != NULL && (entry->bits & MACH_PORT_TYPE_PORT_SET) != 0) {
        source->pset = entry->pset;
        ipc_pset_ref(source->pset);
        mr = MACH_MSG_SUCCESS;
    }
    spin_unlock(&space->lock);
    return mr;
}

static void mach_msg_release_source(struct ipc_mqueue_source *source)
{
    if (source->port != NULL) {
        ipc_port_unref(source->port);
    } else if (source->pset != NULL) {
        ipc_pset_unref(source->pset);
    }
    *source = (struct ipc_mqueue_source){NULL, NULL};
}

/* A message that stays in its queue because the buffer is too small: say how large it is. */
static mach_msg_return_t mach_msg_tell_size(const struct ipc_thread *ipc, uint32_t size)
{
    user_addr_t field = ipc->msg + offsetof(mach_msg_header_t, msgh_size);

    if (ipc->rcv_size >= offsetof(mach_msg_header_t, msgh_size) + sizeof(size) &&
        copyout(&size, field, sizeof(size)) != KERN_SUCCESS) {
        return MACH_RCV_INVALID_DATA;
    }
    return MACH_RCV_TOO_LARGE;
}

static mach_msg_return_t mach_msg_deliver(const struct ipc_thread *ipc, struct ipc_kmsg *kmsg)
{
    struct task *task = current_task();
    struct ipc_marequest *marequest = kmsg->marequest;
    struct ipc_copyout_target target = {
        .space = task->space,
        .map = task->map,
        .msg = ipc->msg,
        .size = ipc->rcv_size,
        .notify = (ipc->option & MACH_RCV_NOTIFY) != 0 ? ipc->notify : MACH_PORT_NAME_NULL,
    };

    trace_receive(kmsg);
    if (marequest != NULL) {
        kmsg->marequest = NULL;
        ipc_marequest_accept(marequest);
    }
    return ipc_copyout(kmsg, &target);
}

/* How the wait ended, once the thread runs again. */
static mach_msg_return_t mach_msg_receive_end(struct ipc_thread *ipc, enum wait_result result)
{
    struct ipc_mqueue_source source = {ipc->port, ipc->pset};
    struct ipc_kmsg *kmsg = ipc->kmsg;

    if (result != WAIT_OK) {
        ipc_mqueue_leave(&source);
    }
    ipc->kmsg = NULL;
    ipc->port = NULL;
    ipc->pset = NULL;
    mach_msg_release_source(&source);
    switch (result) {
    case WAIT_OK:
        if (kmsg != NULL) {
            return mach_msg_deliver(ipc, kmsg);
        }
        /* a sender on another processor may have put the message into the buffer */
        return ipc->result == MACH_MSG_SUCCESS ? MACH_MSG_SUCCESS
                                               : mach_msg_tell_size(ipc, ipc->large_size);
    case WAIT_TIMED_OUT:
        return MACH_RCV_TIMED_OUT;
    case WAIT_INTERRUPTED:
        return MACH_RCV_INTERRUPTED;
    default:
        return ipc->result;
    }
}

void mach_msg_receive_continue(void)
{
    mach_msg_return_t mr = mach_msg_receive_end(&current_thread()->ipc, thread_wait_result());

    thread_syscall_return((uint64_t)(int64_t)mr);
}

/* What the send half left and the receive half has no use for. A claimed receiver is not kept
 * waiting by anything that may sleep: it runs now unless this thread is about to block. */
static void mach_msg_drop_carry(struct mach_msg_carry *carry)
{
    struct thread *next = carry->next;
    struct ipc_kmsg *reply = carry->reply;

    carry->next = NULL;
    carry->reply = NULL;
    if (next != NULL) {
        thread_setrun(next);
    }
    if (reply != NULL) {
        ipc_kmsg_send_kernel(reply);
    }
}

/* The reply of a kernel object: take it as received if it is what this call waits for, else queue
 * it. */
static struct ipc_kmsg *mach_msg_take_reply(const struct ipc_thread *ipc, struct ipc_port *port,
                                            struct mach_msg_carry *carry)
{
    struct ipc_kmsg *reply = carry->reply;

    carry->reply = NULL;
    if (reply != NULL && port != NULL && reply->remote == port && !reply->circular &&
        reply->header.msgh_size <= ipc->rcv_size &&
        ipc_mqueue_bypass(port, current_task()->space, reply)) {
        return reply;
    }
    if (reply != NULL) {
        ipc_kmsg_send_kernel(reply);
    }
    return NULL;
}

/* Wait with everything in the thread; run the claimed receiver meanwhile if there is one. */
static mach_msg_return_t mach_msg_receive_block(struct ipc_thread *ipc, struct thread *next)
{
    enum wait_result result;

    if (next != NULL) {
        result = thread_handoff(next, mach_msg_receive_continue);
    } else {
        result = thread_block(mach_msg_receive_continue);
    }
    return mach_msg_receive_end(ipc, result);
}

static mach_msg_return_t mach_msg_receive_from(struct ipc_thread *ipc,
                                               struct ipc_mqueue_source *source, uint32_t timeout,
                                               struct mach_msg_carry *carry)
{
    bool bounded = (ipc->option & MACH_RCV_TIMEOUT) != 0;
    bool wait = !bounded || timeout != 0;
    uint64_t deadline_ns = bounded && wait ? clock_now_ns() + timeout * NS_PER_MS : 0;
    struct ipc_kmsg *kmsg = mach_msg_take_reply(ipc, source->port, carry);
    mach_msg_return_t mr = MACH_MSG_SUCCESS;
    uint32_t size = 0;

    ipc->port = source->port;
    ipc->pset = source->pset;
    if (kmsg == NULL) {
        mr =
            ipc_mqueue_receive(source, ipc->option, ipc->rcv_size, wait, deadline_ns, &kmsg, &size);
        if (mr == MACH_RCV_TIMED_OUT && wait) {
            struct thread *next = carry->next;

            carry->next = NULL;
            return mach_msg_receive_block(ipc, next);
        }
    }
    ipc->port = NULL;
    ipc->pset = NULL;
    mach_msg_drop_carry(carry);
    mach_msg_release_source(source);
    if (kmsg != NULL) {
        return mach_msg_deliver(ipc, kmsg);
    }
    return mr == MACH_RCV_TOO_LARGE ? mach_msg_tell_size(ipc, size) : mr;
}

/* A receive that asks for nothing special, into a buffer that begins in the user half. */
static bool mach_msg_is_plain(user_addr_t msg, uint32_t option)
{
    return (option & ~(MACH_SEND_MSG | MACH_RCV_MSG | MACH_MSG_LIBRARY_OPTIONS)) == 0 &&
           msg < VM_MAX_ADDRESS;
}

static mach_msg_return_t mach_msg_receive(user_addr_t msg, uint32_t option, uint32_t rcv_size,
                                          mach_port_name_t rcv_name, uint32_t timeout,
                                          mach_port_name_t notify, struct mach_msg_carry *carry)
{
    struct ipc_thread *ipc = &current_thread()->ipc;
    struct ipc_mqueue_source source;
    mach_msg_return_t mr = mach_msg_find_source(current_task()->space, rcv_name, &source);

    if (mr != MACH_MSG_SUCCESS) {
        mach_msg_drop_carry(carry);
        return mr;
    }
    ipc->msg = msg;
    ipc->option = option;
    ipc->rcv_size = rcv_size;
    ipc->fastpath_size = mach_msg_is_plain(msg, option) ? rcv_size : 0;
    ipc->notify = notify;
    return mach_msg_receive_from(ipc, &source, timeout, carry);
}

mach_msg_return_t mach_msg_trap(user_addr_t msg, uint32_t option, uint32_t send_size,
                                uint32_t rcv_size, mach_port_name_t rcv_name, uint32_t timeout,
                                mach_port_name_t notify)
{
    struct mach_msg_carry carry = {NULL, NULL};
    mach_msg_return_t mr;

    if ((option & MACH_SEND_MSG) != 0) {
        mr = mach_msg_send(msg, option, send_size, timeout, notify, &carry);
        if (mr != MACH_MSG_SUCCESS) {
            mach_msg_drop_carry(&carry);
            return mr;
        }
    }
    if ((option & MACH_RCV_MSG) == 0) {
        mach_msg_drop_carry(&carry);
        return MACH_MSG_SUCCESS;
    }
    return mach_msg_receive(msg, option, rcv_size, rcv_name, timeout, notify, &carry);
}
