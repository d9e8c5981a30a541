/* ipc_mqueue.c - message queues. See ipc_mqueue.h. */
#include "ipc/ipc_mqueue.h"

#include "ipc/ipc_kmsg.h"
#include "ipc/ipc_port.h"
#include "ipc/ipc_pset.h"
#include "ipc/ipc_space.h"
#include "kern/assert.h"
#include "kern/clock.h"
#include "kern/task.h"
#include "kern/thread.h"
#include "kern/trace.h"

static struct thread *ipc_mqueue_thread(struct list *node)
{
    return list_entry(node, struct thread, ipc.link);
}

static void ipc_mqueue_number(struct ipc_port *port, struct ipc_kmsg *kmsg)
{
    kmsg->header.msgh_seqno = port->seqno;
    port->seqno += 1;
}

/* --- receivers and senders that wait --- */

void ipc_mqueue_wake_receivers(struct list *receivers, mach_msg_return_t result)
{
    struct list *node;

    while ((node = list_pop(receivers)) != NULL) {
        struct thread *thread = ipc_mqueue_thread(node);

        if (thread_claim(thread, WAIT_RESTART)) {
            thread->ipc.result = result;
            thread_setrun(thread);
        }
    }
}

void ipc_mqueue_wake_senders(struct ipc_port *port)
{
    struct list *node;

    while ((node = list_pop(&port->senders)) != NULL) {
        thread_wake(ipc_mqueue_thread(node), WAIT_RESTART);
    }
}

/* The first receiver on the list that takes a message of this size, claimed; NULL when there is
 * none. Those that want to know of messages too large for them (MACH_RCV_LARGE) are told and go. */
static struct thread *ipc_mqueue_claim_receiver(struct list *receivers, uint32_t size)
{
    struct list *node;

    while ((node = list_pop(receivers)) != NULL) {
        struct thread *thread = ipc_mqueue_thread(node);
        bool refuses = size > thread->ipc.rcv_size && (thread->ipc.option & MACH_RCV_LARGE) != 0;

        if (!thread_claim(thread, WAIT_OK)) {
            continue;
        }
        if (!refuses) {
            return thread;
        }
        thread->ipc.result = MACH_RCV_TOO_LARGE;
        thread->ipc.large_size = size;
        thread_setrun(thread);
    }
    return NULL;
}

/* A receiver for a message of this size that waits on the port or its set. Locks: port->lock held.
 */
static struct thread *ipc_mqueue_find_receiver(struct ipc_port *port, uint32_t size)
{
    struct ipc_pset *pset = port->pset;
    struct thread *thread;

    if (pset == NULL) {
        return ipc_mqueue_claim_receiver(&port->receivers, size);
    }
    spin_lock(&pset->lock);
    thread = ipc_mqueue_claim_receiver(&pset->receivers, size);
    spin_unlock(&pset->lock);
    return thread;
}

/* --- the queue --- */

static void ipc_mqueue_enqueue(struct ipc_port *port, struct ipc_kmsg *kmsg)
{
    struct ipc_pset *pset = port->pset;

    list_insert_tail(&port->messages, &kmsg->link);
    port->msgcount += 1;
    if (pset != NULL && !list_is_linked(&port->ready_link)) {
        spin_lock(&pset->lock);
        list_insert_tail(&pset->ready, &port->ready_link);
        spin_unlock(&pset->lock);
    }
}

void ipc_mqueue_admit_senders(struct ipc_port *port)
{
    assert(spin_is_held(&port->lock));
    while (port->msgcount < port->qlimit) {
        struct list *node = list_pop(&port->senders);
        struct thread *thread;

        if (node == NULL) {
            return;
        }
        thread = ipc_mqueue_thread(node);
        if (thread_claim(thread, WAIT_OK)) {
            ipc_mqueue_enqueue(port, thread->ipc.kmsg);
            thread->ipc.kmsg = NULL;
            thread_setrun(thread);
        }
    }
}

/* The member has been served: it goes behind the others, or off the list when it has no more.
 * Locks: port's held. */
static void ipc_mqueue_turn(struct ipc_port *port)
{
    struct ipc_pset *pset = port->pset;

    if (pset != NULL) {
        spin_lock(&pset->lock);
        list_remove(&port->ready_link);
        if (port->msgcount != 0) {
            list_insert_tail(&pset->ready, &port->ready_link);
        }
        spin_unlock(&pset->lock);
    }
}

/* Take the first message out and let the next sender's in. Locks: port's held; the queue is not
 * empty. */
static struct ipc_kmsg *ipc_mqueue_dequeue(struct ipc_port *port)
{
    struct ipc_kmsg *kmsg = list_entry(list_pop(&port->messages), struct ipc_kmsg, link);

    port->msgcount -= 1;
    ipc_mqueue_number(port, kmsg);
    ipc_mqueue_admit_senders(port);
    ipc_mqueue_turn(port);
    return kmsg;
}

void ipc_mqueue_pump(struct ipc_port *port)
{
    assert(spin_is_held(&port->lock));
    while (port->msgcount != 0) {
        struct ipc_kmsg *kmsg = list_entry(list_first(&port->messages), struct ipc_kmsg, link);
        struct thread *thread = ipc_mqueue_find_receiver(port, kmsg->header.msgh_size);

        if (thread == NULL) {
            return;
        }
        thread->ipc.kmsg = ipc_mqueue_dequeue(port);
        thread_setrun(thread);
    }
}

bool ipc_mqueue_bypass(struct ipc_port *port, struct ipc_space *space, struct ipc_kmsg *kmsg)
{
    bool free;

    spin_lock(&port->lock);
    free = port->active && port->receiver == space && port->pset == NULL && port->msgcount == 0;
    if (free) {
        ipc_mqueue_number(port, kmsg);
    }
    spin_unlock(&port->lock);
    return free;
}

/* --- sending --- */

/* Give the message to a waiting receiver. Locks: port's held. */
static bool ipc_mqueue_hand(struct ipc_port *port, struct ipc_kmsg *kmsg, struct thread **next)
{
    struct thread *thread;

    if (port->msgcount != 0) {
        return false;
    }
    thread = ipc_mqueue_find_receiver(port, kmsg->header.msgh_size);
    if (thread == NULL) {
        return false;
    }
    ipc_mqueue_number(port, kmsg);
    thread->ipc.kmsg = kmsg;
    if (next != NULL && *next == NULL) {
        *next = thread;
    } else {
        thread_setrun(thread);
    }
    return true;
}

/* Queue a message for which no receiver was found. One may have begun to wait on the port's set
 * since: the set's lock was not held in between. */
static void ipc_mqueue_deposit(struct ipc_port *port, struct ipc_kmsg *kmsg)
{
    ipc_mqueue_enqueue(port, kmsg);
    if (port->pset != NULL) {
        ipc_mqueue_pump(port);
    }
}

static bool ipc_mqueue_has_room(const struct ipc_port *port, const struct ipc_kmsg *kmsg)
{
    return port->msgcount < port->qlimit ||
           MACH_MSGH_BITS_REMOTE(kmsg->header.msgh_bits) == MACH_MSG_TYPE_PORT_SEND_ONCE;
}

/* Wait in line for room. Locks: port's held, released. True when the message was taken (or the port
 * died, and *dead says so). */
static mach_msg_return_t ipc_mqueue_wait_for_room(struct ipc_port *port, struct ipc_kmsg *kmsg,
                                                  uint64_t deadline_ns, bool *dead)
    RELEASES(port->lock)
{
    struct ipc_thread *ipc = &current_thread()->ipc;
    enum wait_result result;

    ipc->kmsg = kmsg;
    ipc_port_ref(port);
    thread_wait_prepare(true, deadline_ns);
    list_insert_tail(&port->senders, &ipc->link);
    spin_unlock(&port->lock);
    result = thread_block(NULL);
    if (result != WAIT_OK) {
        spin_lock(&port->lock);
        list_remove(&ipc->link);
        spin_unlock(&port->lock);
    }
    ipc->kmsg = NULL;
    ipc_port_unref(port);
    *dead = result == WAIT_RESTART;
    switch (result) {
    case WAIT_TIMED_OUT:
        return MACH_SEND_TIMED_OUT;
    case WAIT_INTERRUPTED:
        return MACH_SEND_INTERRUPTED;
    default:
        return MACH_MSG_SUCCESS;
    }
}

mach_msg_return_t ipc_mqueue_send(struct ipc_kmsg *kmsg, uint32_t option, uint32_t timeout,
                                  struct thread **next)
{
    struct ipc_port *port = kmsg->remote;
    bool bounded = (option & MACH_SEND_TIMEOUT) != 0;
    bool dead = false;
    mach_msg_return_t mr = MACH_MSG_SUCCESS;

    trace_send(kmsg);
    spin_lock(&port->lock);
    if (!port->active) {
        dead = true;
        spin_unlock(&port->lock);
    } else if (ipc_mqueue_hand(port, kmsg, next)) {
        spin_unlock(&port->lock);
    } else if (bounded && timeout == 0 && !ipc_mqueue_has_room(port, kmsg)) {
        spin_unlock(&port->lock);
        mr = MACH_SEND_TIMED_OUT;
    } else if (!ipc_kmsg_charge(kmsg, current_task())) {
        spin_unlock(&port->lock);
        mr = MACH_SEND_NO_BUFFER;
    } else if (ipc_mqueue_has_room(port, kmsg)) {
        ipc_mqueue_deposit(port, kmsg);
        spin_unlock(&port->lock);
    } else {
        uint64_t deadline_ns = bounded ? clock_now_ns() + timeout * NS_PER_MS : 0;

        mr = ipc_mqueue_wait_for_room(port, kmsg, deadline_ns, &dead);
        if (mr != MACH_MSG_SUCCESS) {
            ipc_kmsg_credit(kmsg);
        }
    }
    if (dead) {
        ipc_kmsg_destroy(kmsg);
    }
    return mr;
}

mach_msg_return_t ipc_mqueue_send_always(struct ipc_kmsg *kmsg)
{
    struct ipc_port *port = kmsg->remote;
    bool active;

    trace_send(kmsg);
    spin_lock(&port->lock);
    active = port->active;
    if (active && !ipc_mqueue_hand(port, kmsg, NULL)) {
        ipc_mqueue_deposit(port, kmsg);
    }
    spin_unlock(&port->lock);
    if (!active) {
        ipc_kmsg_destroy(kmsg);
        return MACH_SEND_INVALID_DEST;
    }
    return MACH_MSG_SUCCESS;
}

/* --- receiving --- */

void ipc_mqueue_join(struct list *receivers, uint64_t deadline_ns)
{
    struct ipc_thread *ipc = &current_thread()->ipc;

    ipc->kmsg = NULL;
    ipc->result = MACH_MSG_SUCCESS;
    thread_wait_prepare(true, deadline_ns);
    list_insert_tail(receivers, &ipc->link);
}

/* Take the first message of a port unless it is too large and to stay. Locks: port's held; the
 * queue is not empty. */
static mach_msg_return_t ipc_mqueue_take(struct ipc_port *port, uint32_t option, uint32_t limit,
                                         struct ipc_kmsg **kmsg, uint32_t *size)
{
    struct ipc_kmsg *first = list_entry(list_first(&port->messages), struct ipc_kmsg, link);

    *size = first->header.msgh_size;
    if (*size > limit && (option & MACH_RCV_LARGE) != 0) {
        return MACH_RCV_TOO_LARGE;
    }
    *kmsg = ipc_mqueue_dequeue(port);
    return MACH_MSG_SUCCESS;
}

static mach_msg_return_t ipc_mqueue_receive_port(struct ipc_port *port, uint32_t option,
                                                 uint32_t limit, bool wait, uint64_t deadline_ns,
                                                 struct ipc_kmsg **kmsg, uint32_t *size)
{
    mach_msg_return_t mr = MACH_RCV_TIMED_OUT;

    spin_lock(&port->lock);
    if (!port->active) {
        mr = MACH_RCV_PORT_DIED;
    } else if (port->pset != NULL) {
        mr = MACH_RCV_IN_SET;
    } else if (port->receiver != current_task()->space) {
        mr = MACH_RCV_PORT_CHANGED;
    } else if (port->msgcount != 0) {
        mr = ipc_mqueue_take(port, option, limit, kmsg, size);
    } else if (wait) {
        ipc_mqueue_join(&port->receivers, deadline_ns);
    }
    spin_unlock(&port->lock);
    return mr;
}

/* The member whose turn it is, with a reference. Without one: NULL, and with `wait` the thread has
 * joined the receivers. */
static mach_msg_return_t ipc_mqueue_pick(struct ipc_pset *pset, bool wait, uint64_t deadline_ns,
                                         struct ipc_port **port)
{
    mach_msg_return_t mr = MACH_RCV_TIMED_OUT;
    struct list *node;

    *port = IP_NULL;
    spin_lock(&pset->lock);
    node = list_first(&pset->ready);
    if (!pset->active) {
        mr = MACH_RCV_PORT_DIED;
    } else if (node != NULL) {
        *port = list_entry(node, struct ipc_port, ready_link);
        ipc_port_ref(*port);
        mr = MACH_MSG_SUCCESS;
    } else if (wait) {
        ipc_mqueue_join(&pset->receivers, deadline_ns);
    }
    spin_unlock(&pset->lock);
    return mr;
}

static mach_msg_return_t ipc_mqueue_receive_pset(struct ipc_pset *pset, uint32_t option,
                                                 uint32_t limit, bool wait, uint64_t deadline_ns,
                                                 struct ipc_kmsg **kmsg, uint32_t *size)
{
    mach_msg_return_t mr;
    bool served = false;

    do {
        struct ipc_port *port;

        mr = ipc_mqueue_pick(pset, wait, deadline_ns, &port);
        if (mr != MACH_MSG_SUCCESS) {
            return mr;
        }
        spin_lock(&port->lock);
        /* Another receiver may have emptied it, or it left the set, between the two locks. */
        if (port->pset == pset && port->msgcount != 0) {
            mr = ipc_mqueue_take(port, option, limit, kmsg, size);
            served = true;
        }
        spin_unlock(&port->lock);
        ipc_port_unref(port);
    } while (!served);
    return mr;
}

mach_msg_return_t ipc_mqueue_receive(const struct ipc_mqueue_source *source, uint32_t option,
                                     uint32_t limit, bool wait, uint64_t deadline_ns,
                                     struct ipc_kmsg **kmsg, uint32_t *size)
{
    *kmsg = NULL;
    if (source->port != NULL) {
        return ipc_mqueue_receive_port(source->port, option, limit, wait, deadline_ns, kmsg, size);
    }
    return ipc_mqueue_receive_pset(source->pset, option, limit, wait, deadline_ns, kmsg, size);
}

void ipc_mqueue_leave(const struct ipc_mqueue_source *source)
{
    struct ipc_thread *ipc = &current_thread()->ipc;
    struct spinlock *lock = source->port != NULL ? &source->port->lock : &source->pset->lock;

    spin_lock(lock);
    list_remove(&ipc->link);
    spin_unlock(lock);
}
