/* ipc_fastcross.c - the short way of a call or reply to a receiver on another processor. See
 * ipc_fastcross.h.
 *
 * The sender cannot go on as the receiver. It writes the message into the receiver's buffer, by way
 * of the receiver's page tables, and sets the receiver running where that belongs; then it waits
 * itself, at first without leaving its processor (thread_wait_awake). A receiver that still waits
 * so finds the word of its wait changed: nobody is queued, switched or interrupted, and an exchange
 * between two processors costs little more than the two traps.
 *
 * As in ipc_fastpath.c no lock is waited for, and all is checked before anything changes. */
#include "ipc/ipc_fastcross.h"

#include "arch/interrupt.h"
#include "ipc/ipc_fastbuffer.h"
#include "ipc/ipc_fastpath_impl.h"
#include "ipc/ipc_pset.h"
#include "ipc/mach_msg.h"
#include "kern/atomic.h"
#include "kern/string.h"
#include "kern/trace.h"

/* A message and what it touches, found and locked step by step. */
struct ipc_fastcross {
    struct ipc_fastpath f;
    bool is_call;
    struct ipc_fastpath_locks locks;
    struct ipc_entry *entry; /* of the destination in the sender's space */
    struct ipc_port *dest;
    struct ipc_port *port; /* what the sender waits on: this */
    struct ipc_pset *pset; /*   or this */
    struct thread *receiver;
    struct ipc_fastbuffer buffer; /* the receiver's */
};

/* --- checks --- */

/* Read the header again. False when it is not that of a plain call or reply. */
static bool ipc_fastcross_parse(struct ipc_fastcross *c)
{
    struct fastpath_header header;
    mach_port_name_t local;

    fastpath_open();
    if (!fastpath_read_header(c->f.self->ipc.msg, &header)) {
        fastpath_close();
        return false;
    }
    fastpath_close();
    local = (mach_port_name_t)header.local;
    c->f.dest = (mach_port_name_t)header.remote;
    c->f.id = header.id;
    c->is_call = (uint32_t)header.bits_and_size == IPC_FASTPATH_CALL;
    return c->is_call ? local == c->f.rcv_name
                      : (uint32_t)header.bits_and_size == IPC_FASTPATH_REPLY &&
                            local == MACH_PORT_NAME_NULL;
}

/* Do the entry's bits give the right to send? */
static bool ipc_fastcross_may_send(const struct ipc_fastcross *c, uint32_t bits)
{
    mach_port_name_t name = c->f.dest;

    if (c->is_call) {
        return ipc_fastpath_has(bits, name, MACH_PORT_TYPE_SEND);
    }
    return (bits ^ (name & IPC_NAME_GENERATION)) == (MACH_PORT_TYPE_SEND_ONCE | 1) &&
           c->entry->request == NULL &&
           ipc_space_can_give(c->f.self->space, name & IPC_NAME_INDEX_MASK);
}

/* The destination and what to wait on, with their locks. */
static bool ipc_fastcross_find(struct ipc_fastcross *c)
{
    struct ipc_space *space = c->f.self->space;
    struct ipc_entry *source;
    uint32_t bits, source_bits;

    if (!ipc_fastpath_try(&c->locks, &space->lock) ||
        !ipc_fastpath_find(space, c->f.dest, &c->entry, &bits) ||
        !ipc_fastpath_find(space, c->f.rcv_name, &source, &source_bits) ||
        !ipc_fastcross_may_send(c, bits)) {
        return false;
    }
    c->dest = c->entry->port;
    if (!ipc_fastpath_try(&c->locks, &c->dest->lock)) {
        return false;
    }
    if (ipc_fastpath_has(source_bits, c->f.rcv_name, MACH_PORT_TYPE_RECEIVE)) {
        c->port = source->port;
        return ipc_fastpath_try(&c->locks, &c->port->lock) && ipc_fastpath_can_wait(c->port);
    }
    if (!c->is_call && ipc_fastpath_has(source_bits, c->f.rcv_name, MACH_PORT_TYPE_PORT_SET)) {
        c->pset = source->pset;
        return ipc_fastpath_try(&c->locks, &c->pset->lock) && list_empty(&c->pset->ready);
    }
    return false;
}

/* A receiver that may run here, and is off its processor, had better come here: the long way hands
 * it this one. */
static bool ipc_fastcross_is_elsewhere(const struct thread *receiver)
{
    return (receiver->bound_cpu >= 0 && (uint32_t)receiver->bound_cpu != cpu_number()) ||
           atomic_load(&receiver->on_cpu);
}

/* The receiver, and for a call a name for the reply right in its space. */
static bool ipc_fastcross_find_receiver(struct ipc_fastcross *c)
{
    c->receiver = ipc_fastpath_first(&c->locks, c->dest, c->f.size);
    if (c->receiver == NULL || !ipc_fastcross_is_elsewhere(c->receiver)) {
        return false;
    }
    if (!c->is_call) {
        return true;
    }
    return (c->receiver->space == c->f.self->space ||
            ipc_fastpath_try(&c->locks, &c->receiver->space->lock)) &&
           ipc_space_has_free(c->receiver->space);
}

/* --- the change of state: nothing fails, and no reference dropped is the last --- */

/* The right the message uses up, and the one it makes. In *header what the receiver sees. */
static void ipc_fastcross_move_rights(struct ipc_fastcross *c, struct fastpath_header *header)
{
    if (c->is_call) {
        ipc_fastpath_number(&c->f, c->dest, MACH_MSG_TYPE_PORT_SEND_ONCE, MACH_MSG_TYPE_PORT_SEND,
                            header);
        header->remote = ipc_fastpath_make_reply(c->receiver->space, c->port);
        atomic_inc(&c->port->refs);
    } else {
        ipc_fastpath_number(&c->f, c->dest, 0, MACH_MSG_TYPE_PORT_SEND_ONCE, header);
        header->remote = MACH_PORT_NAME_NULL;
        ipc_fastpath_use_reply(c->f.self->space, c->entry, c->f.dest, c->dest);
        atomic_dec(&c->dest->refs);
    }
}

/* The message into the receiver's memory. The receiver has been claimed. */
static void ipc_fastcross_deliver(struct ipc_fastcross *c, struct ipc_kcall_message *message)
{
    uint8_t *bytes = (uint8_t *)&message->kmsg.header;
    struct fastpath_header header;

    ipc_fastcross_move_rights(c, &header);
    _Static_assert(sizeof(header) == sizeof(mach_msg_header_t), "the same in other pieces");
    memcpy(bytes, &header, sizeof(header));
    ipc_fastbuffer_write(&c->buffer, bytes);
    list_remove(&c->receiver->ipc.link);
    assert(c->receiver->ipc.kmsg == NULL);
    c->receiver->ipc.result = MACH_MSG_SUCCESS; /* and no kmsg */
}

static void ipc_fastcross_wait(struct ipc_fastcross *c)
{
    struct thread *self = c->f.self;

    assert(self->ipc.kmsg == NULL);
    self->ipc.port = c->port;
    self->ipc.pset = c->pset;
    atomic_inc(c->pset != NULL ? &c->pset->refs : &c->port->refs);
    thread_wait_prepare(true, 0);
    list_insert_tail(c->pset != NULL ? &c->pset->receivers : &c->port->receivers, &self->ipc.link);
}

void ipc_fastcross(struct ipc_kcall_message *message, uint32_t size, mach_port_name_t rcv_name)
{
    struct cpu *cpu = cpu_current();
    struct ipc_fastcross c = {.f = {.self = current_thread(), .rcv_name = rcv_name, .size = size}};
    bool sent = false;

    assert(!interrupt_is_enabled());
    if (size > sizeof(mach_msg_header_t) + sizeof(message->body) || !ipc_fastcross_parse(&c)) {
        return;
    }
    if (ipc_fastcross_find(&c) && ipc_fastcross_find_receiver(&c)) {
        pmap_peer_begin(cpu, c.receiver->pmap);
        sent =
            ipc_fastbuffer_find(&c.buffer, c.receiver, size) && thread_claim(c.receiver, WAIT_OK);
        if (sent) {
            ipc_fastcross_deliver(&c, message);
            ipc_fastcross_wait(&c);
        }
        pmap_peer_end(cpu);
    }
    ipc_fastpath_unlock(&c.locks);
    if (sent) {
        trace_handoff(c.f.self, c.receiver, c.f.id, !c.is_call);
        thread_setrun(c.receiver);
        thread_wait_awake(mach_msg_receive_continue);
    }
}
