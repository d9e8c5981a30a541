/* waitq.h - a queue of threads waiting for something, with its own lock.
 *
 * Waiting takes three steps: waitq_assert_wait(), look once more whether the thing has happened
 * (then thread_wait_cancel()), thread_block(). */
#ifndef KERN_WAITQ_H
#define KERN_WAITQ_H

#include <stdbool.h>
#include <stdint.h>

#include "kern/list.h"
#include "kern/spinlock.h"
#include "kern/thread.h"

void waitq_init(struct waitq *waitq, const char *name);
/* Put the current thread on the queue and prepare its wait. deadline_ns 0: none. */
void waitq_assert_wait(struct waitq *waitq, bool interruptible, uint64_t deadline_ns);
/* Block after waitq_assert_wait() and leave the queue. Returns how the wait ended. Sleeps: yes. */
enum wait_result waitq_block(struct waitq *waitq);
/* Take the current thread off: its wait ended, in a continuation, and not by a waker. */
void waitq_leave(struct waitq *waitq);
/* Give up a wait that was asserted and not yet blocked on. */
void waitq_cancel_wait(struct waitq *waitq);
/* End the wait of the first thread, or of all. Callable from interrupts. waitq_wake_one returns
 * false when nobody waited. */
bool waitq_wake_one(struct waitq *waitq, enum wait_result result);
void waitq_wake_all(struct waitq *waitq, enum wait_result result);

#endif
