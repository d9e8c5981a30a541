/* ipc_fastpath.c - the short way for the common call and reply.
 *
 * A call is mach_msg(SEND | RCV) with a simple message to a port where a server waits, a send-once
 * reply right made from the receive right the caller then waits on. A reply is the same to that
 * send-once right, by a server that then waits on its port or set. For these there is no kmsg and
 * no queue, and no stack is switched: the sender looks everything up, claims the receiver, joins
 * the receivers of what it waits on, and then goes on as the receiver, whose half is to take the
 * reply right and the bytes.
 *
 * Whatever is not exactly so is left to the slow way, before anything has changed.
 * Locks: space -> the two ports, by address -> one port set. */
#include "ipc/ipc_fastpath.h"

#include <mach/message.h>

#include "arch/boot_info.h"
#include "ipc/ipc_port.h"
#include "ipc/ipc_pset.h"
#include "ipc/ipc_right.h"
#include "ipc/ipc_space.h"
#include "ipc/mach_msg.h"
#include "kern/atomic.h"
#include "kern/string.h"
#include "kern/task.h"
#include "kern/thread.h"
#include "kern/trace.h"

#define FASTPATH_BODY_MAX      1056u /* longer messages are worth a kmsg */
#define FASTPATH_PLAIN_OPTIONS (MACH_SEND_MSG | MACH_RCV_MSG | MACH_MSG_LIBRARY_OPTIONS)

struct ipc_fastpath {
    struct ipc_space *space;   /* the sender's */
    struct ipc_entry *entry;   /* of the destination */
    struct ipc_port *dest;     /* kept by the entry, then by the receiver's wait */
    struct ipc_port *rcv_port; /* what the sender waits on: a port */
    struct ipc_pset *rcv_pset; /* or a set */
    struct thread *receiver;
    bool is_reply;  /* the destination is a send-once right, used up */
    bool has_reply; /* a send-once right to rcv_port goes with the message */
    uint32_t size;  /* rounded up to 8 */
    uint64_t local; /* what the receiver calls the destination */
    uint32_t local_type;
    struct {
        mach_msg_header_t header;
        uint8_t body[FASTPATH_BODY_MAX];
    } message;
};

static bool ipc_fastpath_enabled = true; /* [I] */

void ipc_fastpath_init(void)
{
    char value[8];

    ipc_fastpath_enabled =
        !boot_info_option("fastpath", value, sizeof(value)) || strcmp(value, "off") != 0;
}

/* The sender's bytes. */
static bool ipc_fastpath_read(struct ipc_fastpath *f, user_addr_t msg, uint32_t size)
{
    if (size < sizeof(f->message.header) || size > sizeof(f->message) || size % 4 != 0 ||
        copyin(msg, &f->message, size) != KERN_SUCCESS) {
        return false;
    }
    f->size = (size + 7) & ~7u;
    if (f->size != size) {
        memset((uint8_t *)&f->message + size, 0, 4);
    }
    return true;
}

/* Is the header one of the two kinds? */
static bool ipc_fastpath_check_header(struct ipc_fastpath *f, mach_port_name_t rcv_name)
{
    const mach_msg_header_t *header = &f->message.header;
    uint32_t remote = MACH_MSGH_BITS_REMOTE(header->msgh_bits);
    uint32_t local = MACH_MSGH_BITS_LOCAL(header->msgh_bits);

    f->is_reply = remote == MACH_MSG_TYPE_MOVE_SEND_ONCE;
    f->has_reply = local == MACH_MSG_TYPE_MAKE_SEND_ONCE;
    if ((header->msgh_bits & MACH_MSGH_BITS_COMPLEX) != 0 ||
        (!f->is_reply && remote != MACH_MSG_TYPE_COPY_SEND)) {
        return false;
    }
    return f->has_reply ? header->msgh_local_port == rcv_name
                        : local == 0 && header->msgh_local_port == MACH_PORT_NAME_NULL;
}

/* Destination and what to wait on, by name. Locks: space held. */
static bool ipc_fastpath_look_up(struct ipc_fastpath *f, mach_port_name_t rcv_name)
{
    struct ipc_entry *entry = ipc_space_lookup(f->space, f->message.header.msgh_remote_port);
    struct ipc_entry *source = ipc_space_lookup(f->space, rcv_name);

    if (!f->space->active || entry == NULL || source == NULL) {
        return false;
    }
    if (f->is_reply) {
        if ((entry->bits & IPC_ENTRY_TYPE) != MACH_PORT_TYPE_SEND_ONCE || entry->request != NULL ||
            (entry->bits & IPC_ENTRY_MAREQUEST) != 0) {
            return false;
        }
    } else if ((entry->bits & MACH_PORT_TYPE_SEND) == 0) {
        return false;
    }
    f->entry = entry;
    f->dest = entry->port;
    f->rcv_port = (source->bits & MACH_PORT_TYPE_RECEIVE) != 0 ? source->port : NULL;
    f->rcv_pset =
        (source->bits & MACH_PORT_TYPE_PORT_SET) != 0 && !f->has_reply ? source->pset : NULL;
    return (f->rcv_port != NULL || f->rcv_pset != NULL) && f->rcv_port != f->dest &&
           atomic_load(&f->dest->receiver) != &ipc_space_kernel;
}

static void ipc_fastpath_lock_ports(struct ipc_fastpath *f) NO_LOCK_ANALYSIS /* two, by address */
{
    struct ipc_port *first = f->dest;
    struct ipc_port *second = f->rcv_port;

    if (second != NULL && second < first) {
        first = f->rcv_port;
        second = f->dest;
    }
    spin_lock(&first->lock);
    if (second != NULL) {
        spin_lock_nested(&second->lock);
    }
}

static void ipc_fastpath_unlock_ports(struct ipc_fastpath *f) NO_LOCK_ANALYSIS
{
    if (f->rcv_port != NULL) {
        spin_unlock(&f->rcv_port->lock);
    }
    spin_unlock(&f->dest->lock);
}

/* The one set that matters: the destination's, or the one the sender waits on. */
static struct ipc_pset *ipc_fastpath_pset(const struct ipc_fastpath *f)
{
    return f->rcv_pset != NULL ? f->rcv_pset : f->dest->pset;
}

/* Can the sender wait at once? Locks: ports and set held. */
static bool ipc_fastpath_can_wait(const struct ipc_fastpath *f)
{
    const struct ipc_port *port = f->rcv_port;

    if (f->rcv_pset != NULL) {
        return f->rcv_pset->active && list_empty(&f->rcv_pset->ready) && f->dest->pset == NULL;
    }
    return port->active && port->receiver == f->space && port->pset == NULL && port->msgcount == 0;
}

/* The thread that waits for the message, if it can be switched to at once. Locks: ports and set
 * held. */
static bool ipc_fastpath_find_receiver(struct ipc_fastpath *f)
{
    const struct ipc_port *port = f->dest;
    struct list *node = list_first(port->pset != NULL ? &port->pset->receivers : &port->receivers);
    struct thread *t;

    if (!port->active || port->kobject_type != KOBJECT_NONE || port->receiver == NULL ||
        port->msgcount != 0 || node == NULL) {
        return false;
    }
    t = list_entry(node, struct thread, ipc.link);
    f->receiver = t;
    return t->ipc.rcv_size >= f->size && (t->ipc.option & ~FASTPATH_PLAIN_OPTIONS) == 0 &&
           atomic_load_acquire(&t->wait) == THREAD_BLOCKED && !atomic_load_acquire(&t->on_cpu) &&
           t->bound_cpu < 0 && t->continuation == mach_msg_receive_continue;
}

/* The sender joins the receivers of what it waits on. Locks: ports and set held. */
static void ipc_fastpath_join(struct ipc_fastpath *f, user_addr_t msg, uint32_t rcv_size)
{
    struct ipc_thread *ipc = &current_thread()->ipc;

    ipc->kmsg = NULL;
    ipc->result = MACH_MSG_SUCCESS;
    ipc->msg = msg;
    ipc->option = MACH_RCV_MSG;
    ipc->rcv_size = rcv_size;
    ipc->notify = MACH_PORT_NAME_NULL;
    ipc->port = f->rcv_port;
    ipc->pset = f->rcv_pset;
    thread_wait_prepare(true, 0);
    if (f->rcv_port != NULL) {
        ipc_port_ref(f->rcv_port);
        list_insert_tail(&f->rcv_port->receivers, &ipc->link);
    } else {
        ipc_pset_ref(f->rcv_pset);
        list_insert_tail(&f->rcv_pset->receivers, &ipc->link);
    }
}

/* Everything is as it should be and the receiver is claimed: move the rights. Locks: space, ports
 * and set held. */
static void ipc_fastpath_move_rights(struct ipc_fastpath *f) REQUIRES(f->space->lock)
{
    struct ipc_port *dest = f->dest;

    f->message.header.msgh_seqno = dest->seqno;
    dest->seqno += 1;
    f->local = dest->has_payload ? dest->payload : dest->receiver_name;
    f->local_type = dest->has_payload ? MACH_MSG_TYPE_PROTECTED_PAYLOAD
                    : f->is_reply     ? MACH_MSG_TYPE_PORT_SEND_ONCE
                                      : MACH_MSG_TYPE_PORT_SEND;
    if (f->is_reply) {
        ipc_space_entry_free(f->space, f->entry);
        dest->sorights -= 1;
        ipc_port_unref(dest); /* never the last: the receive right has one */
    }
    if (f->has_reply) {
        f->rcv_port->sorights += 1;
        ipc_port_ref(f->rcv_port);
    }
}

/* Check everything, then change state. Locks: space held. True when the message is on its way:
 * preemption is then disabled once more. */
static bool ipc_fastpath_commit(struct ipc_fastpath *f, user_addr_t msg,
                                uint32_t rcv_size) NO_LOCK_ANALYSIS /* set: if any */
{
    struct ipc_pset *pset;
    bool go;

    ipc_fastpath_lock_ports(f);
    pset = ipc_fastpath_pset(f);
    if (pset != NULL) {
        spin_lock(&pset->lock);
    }
    go = ipc_fastpath_can_wait(f) && ipc_fastpath_find_receiver(f) &&
         thread_claim(f->receiver, WAIT_OK);
    if (go) {
        preempt_disable();
        list_remove(&f->receiver->ipc.link);
        ipc_fastpath_move_rights(f);
        ipc_fastpath_join(f, msg, rcv_size);
    }
    if (pset != NULL) {
        spin_unlock(&pset->lock);
    }
    ipc_fastpath_unlock_ports(f);
    return go;
}

/* --- as the receiver --- */

/* Name the reply right in the receiver's space. */
static mach_msg_return_t ipc_fastpath_take_reply(struct ipc_fastpath *f, struct ipc_space *space,
                                                 mach_port_name_t *name)
{
    struct ipc_port *port = f->rcv_port;
    kern_return_t kr = KERN_INVALID_TASK;

    *name = MACH_PORT_NAME_NULL;
    spin_lock(&space->lock);
    if (space->active) {
        kr = ipc_right_copyout(space, port, MACH_MSG_TYPE_PORT_SEND_ONCE, true, name);
    }
    spin_unlock(&space->lock);
    if (kr == KERN_SUCCESS) {
        return MACH_MSG_SUCCESS;
    }
    ipc_port_release_right(port, MACH_MSG_TYPE_PORT_SEND_ONCE);
    if (kr == KERN_INVALID_CAPABILITY) { /* it died since */
        *name = MACH_PORT_NAME_DEAD;
        return MACH_MSG_SUCCESS;
    }
    return MACH_RCV_HEADER_ERROR | (kr == KERN_NO_SPACE ? MACH_MSG_IPC_SPACE : MACH_MSG_IPC_KERNEL);
}

static void ipc_fastpath_forget_source(struct ipc_thread *ipc)
{
    struct ipc_port *port = ipc->port;
    struct ipc_pset *pset = ipc->pset;

    ipc->port = NULL;
    ipc->pset = NULL;
    if (port != NULL) {
        ipc_port_unref(port);
    } else {
        ipc_pset_unref(pset);
    }
}

/* Deliver to the receiver, which is the current thread by now. */
static mach_msg_return_t ipc_fastpath_deliver(struct ipc_fastpath *f, struct thread *self)
{
    mach_msg_header_t *header = &f->message.header;
    mach_msg_return_t mr = MACH_MSG_SUCCESS;
    mach_port_name_t reply = MACH_PORT_NAME_NULL;

    ipc_fastpath_forget_source(&self->ipc);
    if (f->has_reply) {
        mr = ipc_fastpath_take_reply(f, self->task->space, &reply);
    }
    header->msgh_bits =
        MACH_MSGH_BITS(f->has_reply ? MACH_MSG_TYPE_PORT_SEND_ONCE : 0, f->local_type);
    header->msgh_size = f->size;
    header->msgh_remote_port = reply;
    header->msgh_remote_pad = 0;
    header->msgh_protected_payload = f->local;
    if (copyout(&f->message, self->ipc.msg, mr == MACH_MSG_SUCCESS ? f->size : sizeof(*header)) !=
        KERN_SUCCESS) {
        mr = MACH_RCV_INVALID_DATA;
    }
    return mr;
}

void ipc_fastpath(user_addr_t msg, uint32_t send_size, uint32_t rcv_size, mach_port_name_t rcv_name)
{
    struct ipc_fastpath f;
    bool go;

    if (!ipc_fastpath_enabled || !ipc_fastpath_read(&f, msg, send_size) ||
        !ipc_fastpath_check_header(&f, rcv_name)) {
        return;
    }
    f.space = current_task()->space;
    spin_lock(&f.space->lock);
    go = ipc_fastpath_look_up(&f, rcv_name) && ipc_fastpath_commit(&f, msg, rcv_size);
    spin_unlock(&f.space->lock);
    if (!go) {
        return;
    }
    trace(TRACE_HANDOFF, (uint32_t)f.message.header.msgh_id, f.receiver->id);
    thread_become(f.receiver, mach_msg_receive_continue);
    thread_syscall_return((uint64_t)(int64_t)ipc_fastpath_deliver(&f, f.receiver));
}
