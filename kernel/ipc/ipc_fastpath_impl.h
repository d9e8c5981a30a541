/* ipc_fastpath_impl.h - what the short ways of a message share. Interrupts are off, and a page that
 * a table of names lacks is an answer. */
#ifndef IPC_IPC_FASTPATH_IMPL_H
#define IPC_IPC_FASTPATH_IMPL_H

#include <mach/message.h>

#include "arch/fastpath.h"
#include "ipc/ipc_fastcarry.h"
#include "ipc/ipc_kcall.h"
#include "ipc/ipc_port.h"
#include "ipc/ipc_pset.h"
#include "ipc/ipc_space_impl.h"
#include "kern/assert.h"
#include "kern/atomic.h"
#include "kern/task.h"
#include "kern/thread.h"
#include "kern/thread_quick.h"
#include "kern/trace.h"

#define IPC_FASTPATH_INLINE static inline __attribute__((always_inline))

#define IPC_FASTPATH_BUFFER IPC_KCALL_WORDS /* words of a body that are copied twice */

#define IPC_FASTPATH_CALL  MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, MACH_MSG_TYPE_MAKE_SEND_ONCE)
#define IPC_FASTPATH_REPLY MACH_MSGH_BITS(MACH_MSG_TYPE_MOVE_SEND_ONCE, 0)

/* What is asked. Where the message is and how large its answer may be is in self->ipc already. */
struct ipc_fastpath {
    struct thread *self;
    mach_port_name_t rcv_name;
    mach_port_name_t dest;
    uint32_t size;  /* of the message */
    uint32_t words; /* of its body */
    uint32_t id;
    const uint64_t *buffer; /* the body, up to IPC_FASTPATH_BUFFER words */
};

/* The entry at a name's index; in *bits what it has, the generation as the name should have it.
 * False when the table has no memory there. Locks: space held. */
IPC_FASTPATH_INLINE bool ipc_fastpath_find(struct ipc_space *space, mach_port_name_t name,
                                           struct ipc_entry **entry, uint32_t *bits)
{
    *entry = &space->table[name & IPC_NAME_INDEX_MASK];
    return fastpath_read_table(&(*entry)->bits, bits);
}

/* Are the bits those of the name's generation, with the type among them? */
IPC_FASTPATH_INLINE bool ipc_fastpath_has(uint32_t bits, mach_port_name_t name,
                                          mach_port_type_t type)
{
    return (bits ^ name) <= IPC_NAME_INDEX_MASK && (bits & type) != 0;
}

/* Can one wait at once on the port? Who holds a receive right knows that the port is alive. Locks:
 * port's held. */
IPC_FASTPATH_INLINE bool ipc_fastpath_can_wait(const struct ipc_port *port)
{
    assert(port->active && port->receiver == current_task()->space);
    return port->pset == NULL && port->msgcount == 0;
}

/* What the receiver sees of the destination. Locks: dest's held. */
IPC_FASTPATH_INLINE void ipc_fastpath_number(const struct ipc_fastpath *f, struct ipc_port *dest,
                                             uint32_t remote_type, uint32_t local_type,
                                             struct fastpath_header *header)
{
    header->bits_and_size = MACH_MSGH_BITS(remote_type, local_type) | (uint64_t)f->size << 32;
    header->local = dest->receiver_name;
    if (__builtin_expect(dest->has_payload, 0)) {
        header->bits_and_size += MACH_MSGH_BITS(0, MACH_MSG_TYPE_PROTECTED_PAYLOAD - local_type);
        header->local = dest->payload;
    }
    header->id = f->id;
    header->seqno = dest->seqno;
    dest->seqno = header->seqno + 1;
}

/* The name of a call's reply right in the receiver's space. Locks: that space's, port's held. */
IPC_FASTPATH_INLINE mach_port_name_t ipc_fastpath_make_reply(struct ipc_space *space,
                                                             struct ipc_port *port)
{
    uint32_t index;
    struct ipc_entry *entry = ipc_space_take_free(space, &index);
    mach_port_name_t name = entry->bits | index;

    entry->bits |= MACH_PORT_TYPE_SEND_ONCE | 1;
    entry->port = port;
    port->sorights += 1;
    return name;
}

/* A reply uses its send-once right up. Locks: space's, dest's held. */
IPC_FASTPATH_INLINE void ipc_fastpath_use_reply(struct ipc_space *space, struct ipc_entry *entry,
                                                mach_port_name_t name, struct ipc_port *dest)
{
    ipc_space_give(space, entry);
    ipc_space_link_free(space, entry, name & IPC_NAME_INDEX_MASK);
    dest->sorights -= 1;
}

/* Is the first receiver on the list one that takes a message of that size and can be switched to at
 * once? Where one waits the port is alive, and not the kernel's. Locks: the list's held. */
IPC_FASTPATH_INLINE bool ipc_fastpath_can_take(const struct list *receivers,
                                               const struct thread *receiver, uint32_t size)
{
    return &receiver->ipc.link != receivers && size <= receiver->ipc.fastpath_size &&
           receiver->place == cpu_quick_place();
}

/* Self waits, and may be claimed from here on. Locks: those of what it waits on. */
IPC_FASTPATH_INLINE void ipc_fastpath_wait(struct thread *self, struct list *receivers,
                                           void (*continuation)(void))
{
    self->continuation = continuation;
    self->wait_interruptible = true;
    list_insert_tail(receivers, &self->ipc.link);
    atomic_store_release(&self->wait, THREAD_BLOCKED);
}

/* The receiver's wait is over: claimed here, and off its list. False when somebody else ends it. */
IPC_FASTPATH_INLINE bool ipc_fastpath_claim(struct thread *receiver)
{
    struct list *next = receiver->ipc.link.next;
    struct list *prev = receiver->ipc.link.prev;

    if ((atomic_fetch_and(&receiver->wait, ~(uint32_t)THREAD_BLOCKED) & THREAD_BLOCKED) == 0) {
        return false;
    }
    prev->next = next;
    next->prev = prev;
    return true;
}

/* The whole of a delivery, by the receiver: its buffer may need pages. `mr` is how it has gone so
 * far. */
__attribute__((noinline, noreturn)) void
ipc_fastpath_deliver(struct thread *receiver, uint64_t bits_and_size, uint64_t remote,
                     uint64_t local, uint32_t seqno, uint32_t id, const uint64_t *body,
                     uint32_t words, mach_msg_return_t mr);

/* How self is left: it waits in mach_msg; or, with a deadline, for what it needs to go on in user
 * mode with all its registers; or an interrupt came upon it in user mode, and it is runnable. */
enum ipc_fastpath_leave { IPC_LEAVES_CALL, IPC_LEAVES_FAULT, IPC_LEAVES_INTERRUPTED };

/* Go on as the receiver, `words` of the body being in the buffer. Interrupts off, no locks. */
IPC_FASTPATH_INLINE __attribute__((noreturn)) void
ipc_fastpath_arrive(const struct ipc_fastpath *f, struct thread *receiver,
                    const struct fastpath_header *header, uint32_t words,
                    struct ipc_fastcarry *carry, enum ipc_fastpath_leave leave)
{
    struct cpu *cpu = cpu_current();
    bool is_reply = header->remote == MACH_PORT_NAME_NULL && leave == IPC_LEAVES_CALL;
    mach_msg_return_t mr = MACH_MSG_SUCCESS;

    if (CONFIG_DEBUG && leave != IPC_LEAVES_INTERRUPTED) { /* who interrupts has said so */
        trace_handoff(f->self, receiver, header->id, is_reply);
    }
    /* Before the flags are read: who sets one either is seen here or sees the thread here. Any flag
     * is a reason for the general switch: the receiver is to stop or end, its registers were set,
     * the TSS must change, or self has been told to end its wait. So is a timer that has fired. */
    (void)atomic_exchange(&cpu->current, receiver);
    if (__builtin_expect((atomic_load(&f->self->flags) | atomic_load(&receiver->flags)) != 0, 0) ||
        (leave == IPC_LEAVES_FAULT && !thread_is_timed(f->self))) {
        if (leave != IPC_LEAVES_INTERRUPTED) {
            trace_flagged(f->self, receiver, header->id, is_reply);
        }
        thread_become(f->self, receiver);
        goto deliver;
    }
    thread_quick_switch(cpu, f->self, receiver, leave != IPC_LEAVES_CALL);
    if (carry != NULL && carry->copy != NULL) {
        thread_quick_end(f->self, receiver);
        goto deliver;
    }
    fastpath_open();
    if (!fastpath_write_header(receiver->ipc.msg, header) ||
        (words != 0 && !fastpath_copy(receiver->ipc.msg + sizeof(mach_msg_header_t),
                                      (uint64_t)f->buffer, words))) {
        fastpath_close();
        thread_quick_end(f->self, receiver);
        goto deliver;
    }
    fastpath_close();
    fastpath_leave(&f->self->pcb, &receiver->pcb);

deliver:
    if (carry != NULL) {
        mr = ipc_fastcarry_map(carry);
    }
    ipc_fastpath_deliver(receiver, header->bits_and_size, header->remote, header->local,
                         header->seqno, header->id, f->buffer, words, mr);
}

/* --- locks of what is neither the common call nor the common reply --- */

#define IPC_FASTPATH_LOCKS 5u

/* Locks that were free, to be given back together. */
struct ipc_fastpath_locks {
    uint32_t count;
    struct spinlock *locks[IPC_FASTPATH_LOCKS];
};

static inline bool ipc_fastpath_try(struct ipc_fastpath_locks *l,
                                    struct spinlock *lock) NO_LOCK_ANALYSIS
{
    if (!spin_try_irqs_off(lock)) {
        return false;
    }
    l->locks[l->count] = lock;
    l->count += 1;
    return true;
}

static inline void ipc_fastpath_unlock(struct ipc_fastpath_locks *l) NO_LOCK_ANALYSIS
{
    while (l->count != 0) {
        l->count -= 1;
        spin_unlock_irqs_off(l->locks[l->count]);
    }
}

/* The first of those who wait on the port or the set it is in, if it takes a message of that size;
 * NULL if none does. Locks: the port's held; the set's is held then. */
static inline struct thread *ipc_fastpath_first(struct ipc_fastpath_locks *l, struct ipc_port *dest,
                                                uint32_t size)
{
    struct list *receivers = &dest->receivers;
    struct thread *first;

    if (dest->pset != NULL) {
        if (dest->msgcount != 0 || !ipc_fastpath_try(l, &dest->pset->lock)) {
            return NULL;
        }
        receivers = &dest->pset->receivers;
    }
    first = list_entry(receivers->next, struct thread, ipc.link);
    return &first->ipc.link != receivers && size <= first->ipc.fastpath_size ? first : NULL;
}

#endif
