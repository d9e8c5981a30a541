/* ipc_fastask.c - the short way of a question of the kernel: a message with one right, and a wait
 * for what is asked for, not for a reply. See ipc_fastask.h.
 *
 * As in ipc_fastpath.c no lock is waited for, and all is checked before anything changes. */
#include "ipc/ipc_fastask.h"

#include "arch/cpu.h"
#include "arch/interrupt.h"
#include "ipc/ipc_fastcarry.h"
#include "ipc/ipc_fastpath.h"
#include "ipc/ipc_fastpath_impl.h"
#include "ipc/ipc_pset.h"

/* What the message touches, found and locked step by step. */
struct ipc_fastask {
    struct ipc_fastpath f;
    struct ipc_fastpath_locks locks;
    struct ipc_port *dest;
    struct ipc_pset *pset; /* dest is in this, or NULL */
    struct thread *receiver;
    struct ipc_space *to; /* the receiver's */
    struct ipc_fastcarry carry;
};

/* The receiver, with the locks of the port and of its space. */
static bool ipc_fastask_find(struct ipc_fastask *a)
{
    if (!ipc_fastpath_try(&a->locks, &a->dest->lock)) {
        return false;
    }
    a->pset = a->dest->pset;
    a->receiver = ipc_fastpath_first(&a->locks, a->dest, a->f.size);
    if (a->receiver == NULL || a->receiver->place != cpu_quick_place()) {
        return false;
    }
    a->to = a->receiver->space;
    return ipc_fastpath_try(&a->locks, &a->to->lock);
}

/* A place for the right in the receiver's space, with the lock of its port, and the receiver's
 * wait. */
static bool ipc_fastask_claim(struct ipc_fastask *a)
{
    if (!ipc_fastcarry_find_place(&a->carry, a->to)) {
        return false;
    }
    if (ipc_fastpath_claim(a->receiver)) {
        return true;
    }
    ipc_fastcarry_drop(&a->carry);
    return false;
}

/* The change of state: nothing fails, and no reference dropped is the last. */
static void ipc_fastask_move(struct ipc_fastask *a, struct fastpath_header *header)
{
    ipc_fastpath_number(&a->f, a->dest, 0, MACH_MSG_TYPE_PORT_SEND, header);
    header->bits_and_size |= MACH_MSGH_BITS_COMPLEX;
    header->remote = MACH_PORT_NAME_NULL;
    ipc_fastcarry_move(&a->carry, a->to);
    if (a->pset != NULL) {
        atomic_dec(&a->pset->refs); /* the receiver's, of what it waited on */
        a->receiver->ipc.pset = NULL;
    } else {
        atomic_dec(&a->dest->refs);
    }
}

void ipc_fastask(struct ipc_port *dest, struct ipc_port *right, uint64_t *body, uint32_t words,
                 uint32_t id, struct waitq *waitq, struct spinlock *lock, uint64_t deadline_ns,
                 void (*continuation)(void)) NO_LOCK_ANALYSIS
{
    struct thread *self = current_thread();
    struct fastpath_header header;
    struct ipc_fastask a;

    a.dest = dest;
    a.locks.count = 0;
    a.f.self = self;
    a.f.id = id;
    a.f.buffer = body;
    a.f.size = (uint32_t)(sizeof(mach_msg_header_t) + words * sizeof(*body));
    a.carry.type = (mach_msg_type_t *)body;
    a.carry.place = body + 1;
    a.carry.copy = NULL;
    a.carry.make = true;
    a.carry.port = right;
    if (ipc_fastpath_entry == ipc_fastpath && cpu_ast() == 0 &&
        timer_fires_by(&self->timeout, deadline_ns) && ipc_fastpath_try(&a.locks, &waitq->lock) &&
        ipc_fastask_find(&a) && ipc_fastask_claim(&a)) {
        ipc_fastask_move(&a, &header);
        thread_wait_at_once(waitq, deadline_ns, continuation);
        ipc_fastpath_unlock(&a.locks);
        spin_unlock_irqs_off(lock);
        ipc_fastpath_arrive(&a.f, a.receiver, &header, words, NULL, IPC_LEAVES_FAULT);
    }
    ipc_fastpath_unlock(&a.locks);
}
