/* ipc_fastpath.c - the short way for the common call and reply.
 *
 * A call is mach_msg(SEND | RCV) with a simple message to a port where a server waits, a send-once
 * reply right made from the receive right the caller then waits on. A reply is the same to that
 * send-once right, by a server that then waits on its port or set. For these there is no kmsg and
 * no queue, no stack is switched and interrupts stay off: the sender looks everything up, claims
 * the receiver, joins the receivers of what it waits on, and goes on as the receiver.
 *
 * Whatever is not exactly so is left to the long way, before anything has changed. A lock that is
 * not free is such a thing, so no lock is waited for and their order does not matter. Bodies up to
 * IPC_FASTPATH_BUFFER words go through the stack; longer ones straight into the receiver's pages.
 * docs/ipc-performance.md has the cost of each step. A call may carry one send right
 * or region (ipc_fastcarry.c); a receiver on another processor is served by ipc_fastcross.c; what
 * is sent alone and queued, and received from a queue, is in ipc_fastqueue.c.
 *
 * Everything is inline but what is rare, and nothing rare takes the address of what is common: so
 * the state of a message stays in registers. */
#include "ipc/ipc_fastpath.h"

#include <mach/message.h>

#include "arch/boot_info.h"
#include "arch/interrupt.h"
#include "arch/trap.h"
#include "ipc/ipc_fastcross.h"
#include "ipc/ipc_fastpath_impl.h"
#include "ipc/ipc_fastqueue.h"
#include "ipc/ipc_fastcarry.h"
#include "ipc/ipc_kcall.h"
#include "ipc/ipc_port.h"
#include "ipc/ipc_pset.h"
#include "ipc/ipc_space_impl.h"
#include "ipc/mach_msg.h"
#include "kern/assert.h"
#include "kern/atomic.h"
#include "kern/exception.h"
#include "kern/string.h"
#include "kern/task.h"
#include "kern/thread.h"
#include "kern/thread_quick.h"
#include "kern/trace.h"

#define IPC_FASTPATH_MAX 1024u /* words of the longest body */

uint64_t (*ipc_fastpath_entry)(user_addr_t msg, uint32_t option, uint32_t send_size,
                               uint32_t rcv_size, mach_port_name_t rcv_name,
                               uint32_t timeout) = trap_mach_msg; /* [I] */

void ipc_fastpath_init(void)
{
    char value[8];
    bool off = boot_info_option("fastpath", value, sizeof(value)) && strcmp(value, "off") == 0;

    if (!off && fastpath_machine_can()) {
        ipc_fastpath_entry = ipc_fastpath;
    }
}

/* --- long bodies --- */

/* Copy a long body straight into the pages of the receiver, which others can take away from it only
 * after this processor has answered them. Locks: dest's held, so nobody else writes to the
 * receiver's buffer. */
static __attribute__((noinline)) bool ipc_fastpath_copy(const struct thread *receiver,
                                                        user_addr_t source, uint64_t words)
{
    struct cpu *cpu = cpu_current();
    user_addr_t va = receiver->ipc.msg + sizeof(mach_msg_header_t);
    uint64_t end = va + words * sizeof(uint64_t);
    bool copied = va % sizeof(uint64_t) == 0 && end <= VM_MAX_ADDRESS;

    source += sizeof(mach_msg_header_t) - va;
    pmap_peer_begin(cpu, receiver->pmap);
    fastpath_open();
    while (copied && va != end) {
        uint64_t stop = (va | PAGE_MASK) + 1;
        uint8_t *page = pmap_peer_address(receiver->pmap, va);

        stop = stop < end ? stop : end;
        copied = page != NULL &&
                 fastpath_copy((uint64_t)page, source + va, (stop - va) / sizeof(uint64_t));
        va = stop;
    }
    fastpath_close();
    pmap_peer_end(cpu);
    return copied;
}

/* The body, if it is long. In *words how many are left in the buffer. */
IPC_FASTPATH_INLINE bool ipc_fastpath_copy_if_long(const struct ipc_fastpath *f,
                                                   struct thread *receiver, uint32_t *words)
{
    *words = f->words;
    if (__builtin_expect(f->words > IPC_FASTPATH_BUFFER, 0)) {
        *words = 0;
        return ipc_fastpath_copy(receiver, f->self->ipc.msg, f->words);
    }
    return true;
}

/* --- as the receiver --- */

void ipc_fastpath_deliver(struct thread *receiver, uint64_t bits_and_size, uint64_t remote,
                          uint64_t local, uint32_t seqno, uint32_t id, const uint64_t *body,
                          uint32_t words, mach_msg_return_t mr)
{
    uint64_t header[] = {bits_and_size, remote, local, (uint64_t)id << 32 | seqno};
    user_addr_t msg = receiver->ipc.msg;

    if ((atomic_load(&receiver->flags) & THREAD_FLAG_EXCEPTION) != 0) {
        exception_answer(header, body, words);
    }
    if (copyout(header, msg, sizeof(header)) != KERN_SUCCESS ||
        copyout(body, msg + sizeof(header), words * sizeof(uint64_t)) != KERN_SUCCESS) {
        mr = MACH_RCV_INVALID_DATA;
    }
    thread_syscall_return((uint64_t)(int64_t)mr);
}

/* --- call and reply: check everything, then change state --- */

/* A call to a port, or to the set it is in if pset is not NULL: a separate copy of this for each,
 * and for messages that carry something. Returns only when it declines. Locks: space's, both ports'
 * and the set's held; released if it does not return. */
IPC_FASTPATH_INLINE void ipc_fastpath_call_receiver(const struct ipc_fastpath *f,
                                                    struct ipc_space *space, struct ipc_port *dest,
                                                    struct ipc_port *port, struct ipc_pset *pset,
                                                    struct ipc_fastcarry *carry) NO_LOCK_ANALYSIS
{
    struct list *receivers = pset != NULL ? &pset->receivers : &dest->receivers;
    struct thread *receiver = list_entry(receivers->next, struct thread, ipc.link);
    struct ipc_space *reply_space;
    struct fastpath_header header;
    uint32_t words;

    if (!ipc_fastpath_can_take(receivers, receiver, f->size) || !ipc_fastpath_can_wait(port)) {
        return;
    }
    reply_space = receiver->space;
    if (reply_space != space && !spin_try_irqs_off(&reply_space->lock)) {
        return;
    }
    if (!ipc_space_has_free(reply_space) || !ipc_fastpath_copy_if_long(f, receiver, &words) ||
        (carry != NULL && !ipc_fastcarry_find(carry, space, reply_space))) {
        goto decline;
    }
    if (!ipc_fastpath_claim(receiver)) {
        goto drop_carry;
    }
    /* nothing fails from here on; no reference dropped is the last */
    ipc_fastpath_number(f, dest, MACH_MSG_TYPE_PORT_SEND_ONCE, MACH_MSG_TYPE_PORT_SEND, &header);
    header.remote = ipc_fastpath_make_reply(reply_space, port);
    if (carry != NULL) {
        header.bits_and_size |= MACH_MSGH_BITS_COMPLEX;
        ipc_fastcarry_move(carry, reply_space);
    }
    if (pset != NULL) {
        atomic_dec(&pset->refs); /* the receiver's, of what it waited on */
        receiver->ipc.pset = NULL;
    } else {
        atomic_dec(&dest->refs);
    }
    (void)atomic_fetch_add(&port->refs, 2); /* the reply right's and self's */
    f->self->ipc.port = port;
    ipc_fastpath_wait(f->self, &port->receivers, mach_msg_receive_continue);
    if (reply_space != space) {
        spin_unlock_irqs_off(&reply_space->lock);
    }
    if (pset != NULL) {
        spin_unlock_irqs_off(&pset->lock);
    }
    spin_unlock_irqs_off(&port->lock);
    spin_unlock_irqs_off(&dest->lock);
    spin_unlock_irqs_off(&space->lock);
    ipc_fastpath_arrive(f, receiver, &header, words, carry, IPC_LEAVES_CALL);

drop_carry:
    if (carry != NULL) {
        ipc_fastcarry_drop(carry);
    }
decline:
    if (reply_space != space) {
        spin_unlock_irqs_off(&reply_space->lock);
    }
}

/* Returns a kernel object's port if the call is to one, else NULL. Refs: then the caller owns one
 * to it, and one to *reply_port. */
IPC_FASTPATH_INLINE struct ipc_port *
ipc_fastpath_call(const struct ipc_fastpath *f, struct ipc_fastcarry *carry,
                  struct ipc_port **reply_port) NO_LOCK_ANALYSIS
{
    struct ipc_space *space = f->self->space;
    struct ipc_port *kernel_port = NULL;
    struct ipc_entry *entry, *source;
    uint32_t bits, source_bits;
    struct ipc_port *dest, *port;
    struct ipc_pset *pset;

    if (!spin_try_irqs_off(&space->lock)) {
        return NULL;
    }
    if (!ipc_fastpath_find(space, f->dest, &entry, &bits) ||
        !ipc_fastpath_find(space, f->rcv_name, &source, &source_bits) ||
        !ipc_fastpath_has(bits, f->dest, MACH_PORT_TYPE_SEND) ||
        !ipc_fastpath_has(source_bits, f->rcv_name, MACH_PORT_TYPE_RECEIVE)) {
        goto unlock_space;
    }
    dest = entry->port;
    port = source->port;
    if (!spin_try_irqs_off(&dest->lock)) {
        goto unlock_space;
    }
    if (!spin_try_irqs_off(&port->lock)) { /* never free when it is the same port */
        goto unlock_dest;
    }
    pset = dest->pset;
    if (__builtin_expect(pset == NULL, 1)) {
        ipc_fastpath_call_receiver(f, space, dest, port, NULL, carry);
    } else if (spin_try_irqs_off(&pset->lock)) {
        if (dest->msgcount == 0) {
            ipc_fastpath_call_receiver(f, space, dest, port, pset, carry);
        }
        spin_unlock_irqs_off(&pset->lock);
    }
    if (carry == NULL && dest->kobject_type != KOBJECT_NONE && dest->active &&
        f->words <= IPC_FASTPATH_BUFFER) {
        kernel_port = dest;
        atomic_inc(&dest->refs);
        atomic_inc(&port->refs);
        *reply_port = port;
    }
    spin_unlock_irqs_off(&port->lock);
unlock_dest:
    spin_unlock_irqs_off(&dest->lock);
unlock_space:
    spin_unlock_irqs_off(&space->lock);
    return kernel_port;
}

/* Get hold of the memory a call carries. Meanwhile anything may happen to the thread, but what the
 * call is about is looked up afterwards. Interrupts are off again on return. */
static bool ipc_fastpath_copyin(struct ipc_fastcarry *carry)
{
    bool copied;

    interrupt_enable();
    copied = ipc_fastcarry_copyin(carry);
    interrupt_disable();
    return copied && cpu_ast() == 0;
}

/* A call that carries something. Apart, so that the call of plain bytes keeps what is asked in
 * registers. */
static __attribute__((noinline)) void ipc_fastpath_call_with(mach_msg_header_t *header,
                                                             uint32_t size, mach_port_name_t dest,
                                                             mach_port_name_t rcv_name, uint32_t id)
{
    struct ipc_fastpath f = {
        .self = current_thread(),
        .rcv_name = rcv_name,
        .dest = dest,
        .size = size,
        .words = (size - (uint32_t)sizeof(*header)) / (uint32_t)sizeof(uint64_t),
        .id = id,
        .buffer = (const uint64_t *)(header + 1),
    };
    struct ipc_fastcarry carry;

    if (f.words > IPC_FASTPATH_BUFFER || !ipc_fastcarry_parse(header, size, &carry)) {
        return;
    }
    if (!ipc_fastcarry_is_memory(&carry) || ipc_fastpath_copyin(&carry)) {
        (void)ipc_fastpath_call(&f, &carry, NULL);
    }
    interrupt_enable();
    ipc_fastcarry_discard(&carry);
}

/* A reply by a thread that then waits on the port or set of another entry. */
IPC_FASTPATH_INLINE void ipc_fastpath_reply_from(const struct ipc_fastpath *f,
                                                 struct ipc_space *space, struct ipc_entry *entry,
                                                 const struct ipc_entry *source,
                                                 bool in_set) NO_LOCK_ANALYSIS
{
    struct ipc_port *port = source->port;
    struct ipc_pset *pset = source->pset;
    struct spinlock *source_lock = in_set ? &pset->lock : &port->lock;
    struct ipc_port *dest = entry->port;
    struct fastpath_header header;
    struct thread *receiver;
    uint32_t words;

    if (!spin_try_irqs_off(&dest->lock)) {
        return;
    }
    if (!spin_try_irqs_off(source_lock)) { /* never free when it is the same port */
        goto unlock_dest;
    }
    receiver = list_entry(dest->receivers.next, struct thread, ipc.link);
    if (!ipc_fastpath_can_take(&dest->receivers, receiver, f->size) ||
        !(in_set ? list_empty(&pset->ready) : ipc_fastpath_can_wait(port)) ||
        !ipc_fastpath_copy_if_long(f, receiver, &words) || !ipc_fastpath_claim(receiver)) {
        goto unlock_source;
    }
    /* nothing fails from here on; no reference dropped is the last */
    ipc_fastpath_number(f, dest, 0, MACH_MSG_TYPE_PORT_SEND_ONCE, &header);
    header.remote = MACH_PORT_NAME_NULL;
    ipc_fastpath_use_reply(space, entry, f->dest, dest);
    (void)atomic_fetch_sub(&dest->refs, 2); /* the right's and the receiver's */
    f->self->ipc.port = in_set ? NULL : port;
    if (in_set) {
        (void)atomic_fetch_add(&pset->refs, 1); /* self's */
        f->self->ipc.pset = pset;
        ipc_fastpath_wait(f->self, &pset->receivers, mach_msg_receive_continue);
    } else {
        (void)atomic_fetch_add(&port->refs, 1);
        ipc_fastpath_wait(f->self, &port->receivers, mach_msg_receive_continue);
    }
    spin_unlock_irqs_off(source_lock);
    spin_unlock_irqs_off(&dest->lock);
    spin_unlock_irqs_off(&space->lock);
    ipc_fastpath_arrive(f, receiver, &header, words, NULL, IPC_LEAVES_CALL);

unlock_source:
    spin_unlock_irqs_off(source_lock);
unlock_dest:
    spin_unlock_irqs_off(&dest->lock);
}

IPC_FASTPATH_INLINE void ipc_fastpath_reply(const struct ipc_fastpath *f) NO_LOCK_ANALYSIS
{
    struct ipc_space *space = f->self->space;
    struct ipc_entry *entry, *source;
    uint32_t bits, source_bits;

    if (!spin_try_irqs_off(&space->lock)) {
        return;
    }
    if (ipc_fastpath_find(space, f->dest, &entry, &bits) &&
        ipc_fastpath_find(space, f->rcv_name, &source, &source_bits) &&
        (bits ^ (f->dest & IPC_NAME_GENERATION)) == (MACH_PORT_TYPE_SEND_ONCE | 1) &&
        entry->request == NULL && ipc_space_can_give(space, f->dest & IPC_NAME_INDEX_MASK)) {
        if (ipc_fastpath_has(source_bits, f->rcv_name, MACH_PORT_TYPE_RECEIVE)) {
            ipc_fastpath_reply_from(f, space, entry, source, false);
        } else if (ipc_fastpath_has(source_bits, f->rcv_name, MACH_PORT_TYPE_PORT_SET)) {
            ipc_fastpath_reply_from(f, space, entry, source, true);
        }
    }
    spin_unlock_irqs_off(&space->lock);
}

/* --- entry --- */

/* What the short way has declined may be for a receiver on another processor, if the message was
 * read and interrupts have been off since (else it is NULL); if not, it goes the long way. Neither
 * the timeout nor the argument on the stack is needed: the options do not ask for them. */
static __attribute__((noinline)) uint64_t
ipc_fastpath_decline(struct ipc_kcall_message *message, uint32_t size, mach_port_name_t rcv_name)
{
    const struct ipc_thread *ipc = &current_thread()->ipc;

    if (message != NULL && cpu_count > 1) {
        ipc_fastcross(message, size, rcv_name);
    }
    interrupt_enable();
    return (uint64_t)(int64_t)mach_msg_trap(ipc->msg, MACH_SEND_MSG | MACH_RCV_MSG, size,
                                            ipc->rcv_size, rcv_name, 0, MACH_PORT_NAME_NULL);
}

/* A send or a receive alone may be short, too. */
static __attribute__((noinline)) uint64_t
ipc_fastpath_one_half(user_addr_t msg, uint32_t option, uint32_t send_size, uint32_t rcv_size,
                      mach_port_name_t rcv_name, uint32_t timeout)
{
    mach_msg_return_t mr;

    if ((option == MACH_SEND_MSG && ipc_fastqueue_send(msg, send_size, &mr)) ||
        (option == MACH_RCV_MSG && ipc_fastqueue_receive(msg, rcv_size, rcv_name, &mr))) {
        return (uint64_t)(int64_t)mr;
    }
    return trap_mach_msg(msg, option, send_size, rcv_size, rcv_name, timeout);
}

uint64_t ipc_fastpath(user_addr_t msg, uint32_t option, uint32_t send_size, uint32_t rcv_size,
                      mach_port_name_t rcv_name, uint32_t timeout)
{
    struct ipc_kcall_message message; /* of it the body, unless it is a kernel object's request */
    uint32_t rest = send_size - (uint32_t)sizeof(mach_msg_header_t);
    struct fastpath_header header;
    struct ipc_fastpath f;

    assert(cpu_ast() == 0);           /* it has just come from user mode */
    f.words = rest >> 3 | rest << 29; /* very many when it is no whole number of words */
    if (option != (MACH_SEND_MSG | MACH_RCV_MSG)) {
        return ipc_fastpath_one_half(msg, option, send_size, rcv_size, rcv_name, timeout);
    }
    if (f.words > IPC_FASTPATH_MAX || msg >= VM_MAX_ADDRESS) {
        return trap_mach_msg(msg, option, send_size, rcv_size, rcv_name, timeout);
    }
    f.self = current_thread();
    f.self->ipc.msg = msg;
    f.self->ipc.option = MACH_RCV_MSG;
    f.self->ipc.rcv_size = rcv_size;
    f.self->ipc.fastpath_size = rcv_size;
    fastpath_open();
    if (!fastpath_read_header(msg, &header) ||
        (f.words - 1 < IPC_FASTPATH_BUFFER &&
         !fastpath_copy((uint64_t)message.body, msg + sizeof(mach_msg_header_t), f.words))) {
        fastpath_close();
        return ipc_fastpath_decline(NULL, send_size, rcv_name);
    }
    fastpath_close();
    f.rcv_name = rcv_name;
    f.size = send_size;
    f.dest = (mach_port_name_t)header.remote;
    f.id = header.id;
    f.buffer = message.body;
    if ((uint32_t)header.bits_and_size == IPC_FASTPATH_CALL &&
        (mach_port_name_t)header.local == rcv_name) {
        struct ipc_port *reply_port;
        struct ipc_port *kernel_port = ipc_fastpath_call(&f, NULL, &reply_port);

        if (kernel_port != NULL) {
            interrupt_enable();
            return (uint64_t)(int64_t)ipc_kcall(&message, send_size, f.id, kernel_port, reply_port,
                                                rcv_name);
        }
    } else if ((uint32_t)header.bits_and_size == IPC_FASTPATH_REPLY &&
               (mach_port_name_t)header.local == MACH_PORT_NAME_NULL) {
        ipc_fastpath_reply(&f);
    } else if ((uint32_t)header.bits_and_size == (IPC_FASTPATH_CALL | MACH_MSGH_BITS_COMPLEX) &&
               (mach_port_name_t)header.local == rcv_name) {
        ipc_fastpath_call_with(&message.kmsg.header, send_size, f.dest, rcv_name, f.id);
        return ipc_fastpath_decline(NULL, send_size, rcv_name);
    }
    return ipc_fastpath_decline(&message, send_size, rcv_name);
}
