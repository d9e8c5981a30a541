/* ipc_fasttell.c - the short way of a message that is made in an interrupt: no buffer of the
 * kernel, no queue and no thread in between. See ipc_fasttell.h.
 *
 * The interrupt may have come upon any code that holds spin locks, so each lock is only tried, and
 * all is checked before anything changes. The message is written into the receiver's memory by way
 * of its page tables (ipc_fastbuffer.h); the receiver goes on as if it had been told by another
 * processor (mach_msg_receive_end). */
#include "ipc/ipc_fasttell.h"

#include "arch/interrupt.h"
#include "ipc/ipc_fastbuffer.h"
#include "ipc/ipc_fastpath.h"
#include "ipc/ipc_fastpath_impl.h"
#include "ipc/ipc_pset.h"
#include "kern/sched.h"
#include "kern/trace.h"

/* The message as the receiver has it. */
struct ipc_fasttell_message {
    struct fastpath_header header;
    uint64_t body[IPC_FASTTELL_WORDS];
};

/* The send-once right is used up. The reference it had is not the last. */
static inline void ipc_fasttell_use_right(struct ipc_port *dest)
{
    dest->sorights -= 1;
    atomic_dec(&dest->refs);
}

/* The change of state: nothing fails. */
static void ipc_fasttell_deliver(struct ipc_port *dest, struct thread *receiver,
                                 const struct ipc_fastbuffer *buffer,
                                 struct ipc_fasttell_message *message, uint32_t id)
{
    const struct ipc_fastpath f = {.size = buffer->size, .id = id};

    ipc_fastpath_number(&f, dest, 0, MACH_MSG_TYPE_PORT_SEND_ONCE, &message->header);
    message->header.remote = MACH_PORT_NAME_NULL;
    ipc_fastbuffer_write(buffer, message);
    ipc_fasttell_use_right(dest);
    list_remove(&receiver->ipc.link);
    assert(receiver->ipc.kmsg == NULL);
    receiver->ipc.result = MACH_MSG_SUCCESS; /* and no kmsg */
}

struct thread *ipc_fasttell(struct ipc_port *dest, uint32_t id, const uint64_t *body,
                            uint32_t words)
{
    struct ipc_fastpath_locks locks = {.count = 0};
    uint32_t size = (uint32_t)(sizeof(mach_msg_header_t) + words * sizeof(*body));
    struct ipc_fasttell_message message;
    struct ipc_fastbuffer buffer;
    struct thread *receiver;

    _Static_assert(sizeof(message.header) == sizeof(mach_msg_header_t), "the same in other pieces");
    assert(!interrupt_is_enabled() && words <= IPC_FASTTELL_WORDS);
    if (ipc_fastpath_entry != ipc_fastpath) {
        return NULL;
    }
    receiver =
        ipc_fastpath_try(&locks, &dest->lock) ? ipc_fastpath_first(&locks, dest, size) : NULL;
    if (receiver != NULL) {
        pmap_peer_begin(cpu_current(), receiver->pmap);
        if (ipc_fastbuffer_find(&buffer, receiver, size) && thread_claim(receiver, WAIT_OK)) {
            for (uint32_t i = 0; i < words; i++) {
                message.body[i] = body[i];
            }
            ipc_fasttell_deliver(dest, receiver, &buffer, &message, id);
        } else {
            receiver = NULL;
        }
        pmap_peer_end(cpu_current());
    }
    ipc_fastpath_unlock(&locks);
    if (receiver != NULL) {
        trace_tell(TRACE_SEND, receiver, id);
    }
    return receiver;
}

/* --- with the processor --- */

/* The change of state: nothing fails, and no reference dropped is the last. */
static inline void ipc_fasttell_move(const struct ipc_fastpath *f, struct ipc_port *dest,
                                     struct thread *receiver, struct fastpath_header *header)
{
    ipc_fastpath_number(f, dest, 0, MACH_MSG_TYPE_PORT_SEND_ONCE, header);
    header->remote = MACH_PORT_NAME_NULL;
    ipc_fasttell_use_right(dest);
    if (dest->pset != NULL) {
        atomic_dec(&dest->pset->refs); /* the receiver's, of what it waited on */
        receiver->ipc.pset = NULL;
    } else {
        atomic_dec(&dest->refs);
    }
}

void ipc_fasttell_at_once(struct ipc_port *dest, uint32_t id, const uint64_t *body, uint32_t words,
                          struct spinlock *lock) NO_LOCK_ANALYSIS
{
    struct ipc_fastpath_locks locks = {.count = 0};
    struct cpu *cpu = cpu_current();
    struct ipc_fastpath f = {
        .self = current_thread(),
        .id = id,
        .buffer = body,
        .size = (uint32_t)(sizeof(mach_msg_header_t) + words * sizeof(*body)),
    };
    struct fastpath_header header;
    struct thread *receiver;

    assert(!interrupt_is_enabled());
    if (ipc_fastpath_entry != ipc_fastpath || cpu->ast != 0 || cpu->interrupt_depth != 1) {
        return;
    }
    receiver =
        ipc_fastpath_try(&locks, &dest->lock) ? ipc_fastpath_first(&locks, dest, f.size) : NULL;
    if (receiver != NULL && receiver->place == cpu_quick_place() &&
        receiver->priority < f.self->priority && ipc_fastpath_claim(receiver)) {
        ipc_fasttell_move(&f, dest, receiver, &header);
        ipc_fastpath_unlock(&locks);
        trace_tell(TRACE_HANDOFF, receiver, id);
        spin_unlock_irqs_off(lock);
        preempt_enable_no_check();
        cpu->interrupt_depth = 0;
        sched_preempted(cpu);
        ipc_fastpath_arrive(&f, receiver, &header, words, NULL, IPC_LEAVES_INTERRUPTED);
    }
    ipc_fastpath_unlock(&locks);
}
