/* ipc_fastraise.c - the short way of an exception: a call by the kernel for the thread that raised
 * it, with two rights. See ipc_fastraise.h.
 *
 * As in ipc_fastpath.c no lock is waited for, and all is checked before anything changes. The
 * switch is the general one, since the thread was not in a system call: all its registers stay. */
#include "ipc/ipc_fastraise.h"

#include "arch/cpu.h"
#include "arch/interrupt.h"
#include "ipc/ipc_fastcarry.h"
#include "ipc/ipc_fastpath.h"
#include "ipc/ipc_fastpath_impl.h"
#include "ipc/ipc_pset.h"
#include "kern/trace.h"

/* What the message touches, found and locked step by step. */
struct ipc_fastraise {
    struct ipc_fastpath f;
    struct ipc_fastpath_locks locks;
    struct ipc_port *dest;
    struct ipc_pset *pset; /* dest is in this, or NULL */
    struct thread *receiver;
    struct ipc_space *to;              /* the receiver's */
    struct ipc_fastcarry thread, task; /* rights to their ports */
};

/* The handler, with the locks of the task, the ports and the handler's space. */
static bool ipc_fastraise_find(struct ipc_fastraise *r, struct ipc_port *const *where,
                               struct ipc_port *reply)
{
    if (!ipc_fastpath_try(&r->locks, &r->f.self->task->lock)) {
        return false;
    }
    r->dest = *where;
    if (!IP_VALID(r->dest) || !ipc_fastpath_try(&r->locks, &r->dest->lock) ||
        !ipc_fastpath_try(&r->locks, &reply->lock)) {
        return false;
    }
    r->pset = r->dest->pset;
    r->receiver = ipc_fastpath_first(&r->locks, r->dest, r->f.size);
    if (r->receiver == NULL || r->receiver->place != cpu_quick_place()) {
        return false;
    }
    r->to = r->receiver->space;
    return ipc_fastpath_try(&r->locks, &r->to->lock) && ipc_space_has_free(r->to);
}

/* Is there a place for both rights, beside that for the reply right? Each was asked for alone. */
static bool ipc_fastraise_has_places(const struct ipc_fastraise *r)
{
    const struct ipc_space *to = r->to;

    return r->thread.entry != NULL || r->task.entry != NULL ||
           (to->name_credit > 2 && to->table[to->table[to->free_head].next].next != 0 &&
            to->hash.count + 1 < to->hash.buckets);
}

/* The places of the rights in the handler's space, with the locks of their ports, and the handler's
 * wait. */
static bool ipc_fastraise_claim(struct ipc_fastraise *r)
{
    if (!ipc_fastcarry_find_place(&r->thread, r->to)) {
        return false;
    }
    if (ipc_fastcarry_find_place(&r->task, r->to)) {
        if (ipc_fastraise_has_places(r) && ipc_fastpath_claim(r->receiver)) {
            return true;
        }
        ipc_fastcarry_drop(&r->task);
    }
    ipc_fastcarry_drop(&r->thread);
    return false;
}

/* The change of state: nothing fails, and no reference dropped is the last. */
static void ipc_fastraise_move(struct ipc_fastraise *r, struct ipc_port *reply,
                               struct fastpath_header *header)
{
    ipc_fastpath_number(&r->f, r->dest, MACH_MSG_TYPE_PORT_SEND_ONCE, MACH_MSG_TYPE_PORT_SEND,
                        header);
    header->bits_and_size |= MACH_MSGH_BITS_COMPLEX;
    header->remote = ipc_fastpath_make_reply(r->to, reply);
    ipc_fastcarry_move(&r->thread, r->to);
    ipc_fastcarry_move(&r->task, r->to);
    if (r->pset != NULL) {
        atomic_dec(&r->pset->refs); /* the receiver's, of what it waited on */
        r->receiver->ipc.pset = NULL;
    } else {
        atomic_dec(&r->dest->refs);
    }
    (void)atomic_fetch_add(&reply->refs, 2); /* the reply right's and self's */
    r->f.self->ipc.port = reply;
}

void ipc_fastraise(struct ipc_port *const *where, struct ipc_port *reply, uint64_t *body,
                   uint32_t words, uint32_t id, void (*continuation)(void))
{
    struct thread *self = current_thread();
    struct ipc_fastraise r;
    struct fastpath_header header;

    r.f = (struct ipc_fastpath){.self = self, .id = id};
    r.f.size = (uint32_t)(sizeof(mach_msg_header_t) + words * sizeof(*body));
    r.locks.count = 0;
    r.thread = (struct ipc_fastcarry){
        .type = (mach_msg_type_t *)body, .place = body + 1, .make = true, .port = self->self_port};
    interrupt_disable();
    if (ipc_fastpath_entry == ipc_fastpath && cpu_ast() == 0 &&
        ipc_fastraise_find(&r, where, reply)) {
        r.task = r.thread;
        r.task.type = (mach_msg_type_t *)(body + 2);
        r.task.place = body + 3;
        r.task.port = self->task->self_port;
        if (r.task.port != IP_NULL && ipc_fastraise_claim(&r)) {
            ipc_fastraise_move(&r, reply, &header);
            ipc_fastpath_wait(self, &reply->receivers, continuation);
            ipc_fastpath_unlock(&r.locks);
            if (CONFIG_DEBUG) {
                trace_handoff(self, r.receiver, id, false);
            }
            thread_become(self, r.receiver);
            ipc_fastpath_deliver(r.receiver, header.bits_and_size, header.remote, header.local,
                                 header.seqno, id, body, words, MACH_MSG_SUCCESS);
        }
    }
    ipc_fastpath_unlock(&r.locks);
    interrupt_enable();
}
