/* waitq.h - wait queues for host tests: only their place in other structures. */
#ifndef KERN_WAITQ_H
#define KERN_WAITQ_H

#include "kern/list.h"
#include "kern/thread.h"

struct waitq {
    struct list threads;
};

#endif
