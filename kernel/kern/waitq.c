/* waitq.c - wait queues. A waker takes the thread off the queue under the lock; a thread whose wait
 * ended another way takes itself off. */
#include "kern/waitq.h"

#include "kern/assert.h"
#include "kern/atomic.h"

void waitq_init(struct waitq *waitq, const char *name)
{
    spin_init(&waitq->lock, LOCK_RANK_WAITQ, name);
    list_init(&waitq->threads);
}

void waitq_assert_wait(struct waitq *waitq, bool interruptible, uint64_t deadline_ns)
{
    struct thread *self = current_thread();
    uint64_t flags;

    /* The wait begins before the thread can be found: a waker takes it off the queue, and must be
     * able to claim it then. */
    thread_wait_prepare(interruptible, deadline_ns);
    flags = spin_lock_irqsave(&waitq->lock);
    assert(!list_is_linked(&self->wait_link));
    list_insert_tail(&waitq->threads, &self->wait_link);
    spin_unlock_irqrestore(&waitq->lock, flags);
}

void waitq_leave(struct waitq *waitq)
{
    struct thread *self = current_thread();
    uint64_t flags = spin_lock_irqsave(&waitq->lock);

    list_remove(&self->wait_link);
    spin_unlock_irqrestore(&waitq->lock, flags);
}

enum wait_result waitq_block(struct waitq *waitq)
{
    enum wait_result result = thread_block(NULL);

    if (result != WAIT_OK) { /* else it was taken off */
        waitq_leave(waitq);
    }
    return result;
}

void waitq_cancel_wait(struct waitq *waitq)
{
    thread_wait_cancel();
    waitq_leave(waitq);
}

bool waitq_wake_one(struct waitq *waitq, enum wait_result result)
{
    uint64_t flags = spin_lock_irqsave(&waitq->lock);
    struct thread *claimed = NULL;
    struct list *node;

    while (claimed == NULL && (node = list_pop(&waitq->threads)) != NULL) {
        struct thread *t = list_entry(node, struct thread, wait_link);

        if (thread_claim(t, result)) {
            claimed = t;
        }
    }
    if (claimed != NULL) {
        thread_setrun(claimed);
    }
    spin_unlock_irqrestore(&waitq->lock, flags);
    return claimed != NULL;
}

void waitq_wake_all(struct waitq *waitq, enum wait_result result)
{
    /* One that is woken and waits again before this thread goes on would be woken for ever. */
    preempt_disable();
    while (waitq_wake_one(waitq, result) && atomic_load(&waitq->threads.next) != &waitq->threads) {
    }
    preempt_enable();
}
