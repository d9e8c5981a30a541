/* ipc_fastqueue.c - simple messages into and out of a port's queue with interrupts off. See
 * ipc_fastqueue.h.
 *
 * As in ipc_fastpath.c no lock is waited for, and whatever is unusual is declined before anything
 * has changed: a receiver that waits, a full queue, a message that is not plain bytes, memory that
 * is not at hand. Who finds its queue empty waits at once. */
#include "ipc/ipc_fastqueue.h"

#include "arch/fastpath.h"
#include "arch/interrupt.h"
#include "ipc/ipc_fastpath_impl.h"
#include "ipc/ipc_kmsg.h"
#include "ipc/ipc_mqueue.h"
#include "ipc/ipc_port.h"
#include "ipc/ipc_space.h"
#include "ipc/mach_msg.h"
#include "kern/assert.h"
#include "kern/atomic.h"
#include "kern/task.h"
#include "kern/thread.h"
#include "kern/trace.h"

/* The port of a name with a right of this type, locked; NULL when a lock is not free. Locks:
 * space's held. */
static inline struct ipc_port *ipc_fastqueue_port(struct ipc_space *space, mach_port_name_t name,
                                                  mach_port_type_t type) NO_LOCK_ANALYSIS
{
    struct ipc_entry *entry;
    uint32_t bits;

    if (!ipc_fastpath_find(space, name, &entry, &bits) || !ipc_fastpath_has(bits, name, type) ||
        !spin_try_irqs_off(&entry->port->lock)) {
        return NULL;
    }
    return entry->port;
}

/* --- send --- */

/* Would a message be queued, and wake nobody? A set has its own lock and receivers: the long way.
 * Locks: port's held. */
static inline bool ipc_fastqueue_has_room(const struct ipc_port *port)
{
    return port->active && port->kobject_type == KOBJECT_NONE && port->pset == NULL &&
           list_empty(&port->receivers) && port->msgcount < port->qlimit;
}

/* A kmsg with the message in it. NULL when it is not simple, or something is not at hand. */
static struct ipc_kmsg *ipc_fastqueue_read(user_addr_t msg, uint32_t size)
{
    struct ipc_kmsg *kmsg;
    bool copied;

    if (size < sizeof(mach_msg_header_t) || size % sizeof(uint64_t) != 0 || msg >= VM_MAX_ADDRESS) {
        return NULL;
    }
    kmsg = ipc_kmsg_alloc_at_hand(size);
    if (kmsg == NULL) {
        return NULL;
    }
    fastpath_open();
    copied = fastpath_copy((uint64_t)&kmsg->header, msg, size / sizeof(uint64_t));
    fastpath_close();
    if (!copied || kmsg->header.msgh_bits != MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, 0) ||
        kmsg->header.msgh_local_port != MACH_PORT_NAME_NULL) {
        ipc_kmsg_free(kmsg);
        return NULL;
    }
    return kmsg;
}

/* The message is from a sender that is not told, with a send right made for it. Locks: port's held.
 */
static inline void ipc_fastqueue_put(struct ipc_port *port, struct ipc_kmsg *kmsg, uint32_t size)
{
    mach_msg_header_t *header = &kmsg->header;

    header->msgh_bits = MACH_MSGH_BITS(MACH_MSG_TYPE_PORT_SEND, 0);
    header->msgh_size = size;
    header->msgh_remote_port = MACH_PORT_NAME_NULL;
    header->msgh_remote_pad = 0;
    header->msgh_protected_payload = 0;
    kmsg->remote = port;
    trace_send(kmsg);
    port->srights += 1;
    atomic_inc(&port->refs);
    list_insert_tail(&port->messages, &kmsg->link);
    port->msgcount += 1;
}

bool ipc_fastqueue_send(user_addr_t msg, uint32_t size, mach_msg_return_t *mr) NO_LOCK_ANALYSIS
{
    struct ipc_space *space = current_thread()->space;
    struct ipc_kmsg *kmsg = ipc_fastqueue_read(msg, size);
    struct ipc_port *port = NULL;
    bool queued = false;

    assert(!interrupt_is_enabled());
    if (kmsg == NULL) {
        return false;
    }
    if (spin_try_irqs_off(&space->lock)) {
        port = ipc_fastqueue_port(space, kmsg->header.msgh_remote_port, MACH_PORT_TYPE_SEND);
        spin_unlock_irqs_off(&space->lock);
    }
    if (port != NULL) {
        queued = ipc_fastqueue_has_room(port) && ipc_kmsg_charge(kmsg, current_task());
        if (queued) {
            ipc_fastqueue_put(port, kmsg, size);
        }
        spin_unlock_irqs_off(&port->lock);
    }
    if (!queued) {
        ipc_kmsg_free(kmsg);
    }
    *mr = MACH_MSG_SUCCESS;
    return queued;
}

/* --- receive --- */

/* The first message, if it is plain bytes, fits, and can go without anybody being told. Locks:
 * port's held. */
static inline struct ipc_kmsg *ipc_fastqueue_first(const struct ipc_port *port, uint32_t rcv_size)
{
    struct ipc_kmsg *kmsg;

    assert(port->active);
    if (port->msgcount == 0 || port->pset != NULL || !list_empty(&port->senders)) {
        return NULL;
    }
    kmsg = list_entry(port->messages.next, struct ipc_kmsg, link);
    if (kmsg->header.msgh_bits != MACH_MSGH_BITS(MACH_MSG_TYPE_PORT_SEND, 0) ||
        kmsg->header.msgh_size > rcv_size || kmsg->local != IP_NULL || kmsg->marequest != NULL ||
        (port->srights == 1 && port->nsrequest != IP_NULL)) {
        return NULL;
    }
    return kmsg;
}

/* Take it out, its right used up: the reference it had is not the last. Locks: port's held. */
static inline void ipc_fastqueue_take(struct ipc_port *port, struct ipc_kmsg *kmsg)
{
    mach_msg_header_t *header = &kmsg->header;
    uint32_t type = MACH_MSG_TYPE_PORT_SEND;

    list_remove(&kmsg->link);
    port->msgcount -= 1;
    port->srights -= 1;
    atomic_dec(&port->refs);
    kmsg->remote = IP_NULL;
    header->msgh_protected_payload = port->receiver_name;
    if (port->has_payload) {
        header->msgh_protected_payload = port->payload;
        type = MACH_MSG_TYPE_PROTECTED_PAYLOAD;
    }
    header->msgh_bits = MACH_MSGH_BITS(0, type);
    header->msgh_seqno = port->seqno;
    port->seqno += 1;
}

/* Wait for a message; nothing special is asked. Locks: space's and port's held, released. */
static __attribute__((noinline, noreturn)) void
ipc_fastqueue_wait(struct ipc_space *space, struct ipc_port *port, user_addr_t msg,
                   uint32_t rcv_size) NO_LOCK_ANALYSIS
{
    struct thread *self = current_thread();
    struct ipc_thread *ipc = &self->ipc;

    ipc->kmsg = NULL;
    ipc->result = MACH_MSG_SUCCESS;
    ipc->msg = msg;
    ipc->option = MACH_RCV_MSG;
    ipc->rcv_size = rcv_size;
    ipc->fastpath_size = rcv_size;
    ipc->notify = MACH_PORT_NAME_NULL;
    ipc->port = port;
    ipc->pset = NULL;
    ipc_port_ref(port);
    ipc_fastpath_wait(self, &port->receivers, mach_msg_receive_continue);
    spin_unlock_irqs_off(&port->lock);
    spin_unlock_irqs_off(&space->lock);
    thread_leave(self);
}

bool ipc_fastqueue_receive(user_addr_t msg, uint32_t rcv_size, mach_port_name_t name,
                           mach_msg_return_t *mr) NO_LOCK_ANALYSIS
{
    struct ipc_space *space = current_thread()->space;
    struct ipc_kmsg *kmsg = NULL;
    struct ipc_port *port = NULL;
    bool copied;

    assert(!interrupt_is_enabled());
    if (msg >= VM_MAX_ADDRESS || !spin_try_irqs_off(&space->lock)) {
        return false;
    }
    port = ipc_fastqueue_port(space, name, MACH_PORT_TYPE_RECEIVE);
    if (port != NULL) {
        kmsg = ipc_fastqueue_first(port, rcv_size);
        if (kmsg != NULL) {
            ipc_fastqueue_take(port, kmsg);
        } else if (ipc_fastpath_can_wait(port)) {
            ipc_fastqueue_wait(space, port, msg, rcv_size);
        }
        spin_unlock_irqs_off(&port->lock);
    }
    spin_unlock_irqs_off(&space->lock);
    if (kmsg == NULL) {
        return false;
    }
    trace_receive(kmsg);
    fastpath_open();
    copied = fastpath_copy(msg, (uint64_t)&kmsg->header, kmsg->header.msgh_size / sizeof(uint64_t));
    fastpath_close();
    interrupt_enable();
    copied = copied || copyout(&kmsg->header, msg, kmsg->header.msgh_size) == KERN_SUCCESS;
    ipc_kmsg_free(kmsg);
    *mr = copied ? MACH_MSG_SUCCESS : MACH_RCV_INVALID_DATA;
    return true;
}
