/* waitq.h - host stand-in: blocking calls a hook of the test, which makes happen what is waited
 * for, or returns false: then the time is up. */
#ifndef KERN_WAITQ_H
#define KERN_WAITQ_H

#include "kern/list.h"
#include "kern/spinlock.h"
#include "kern/thread.h"

struct waitq {
    unsigned waiting;
    bool timed;
};

extern bool (*fake_block_hook)(void);

void waitq_init(struct waitq *waitq, const char *name);
void waitq_assert_wait(struct waitq *waitq, bool interruptible, uint64_t deadline_ns);
enum wait_result waitq_block(struct waitq *waitq);
void waitq_leave(struct waitq *waitq);
void waitq_cancel_wait(struct waitq *waitq);
bool waitq_wake_one(struct waitq *waitq, enum wait_result result);
void waitq_wake_all(struct waitq *waitq, enum wait_result result);

#endif
