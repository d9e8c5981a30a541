/* thread.h - host stand-in: just enough of threads for wait queues and mutexes. */
#ifndef KERN_THREAD_H
#define KERN_THREAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arch/cpu.h"

struct thread;

/* There is one. */
static inline struct thread *current_thread(void)
{
    return (struct thread *)1;
}

enum wait_result { WAIT_OK, WAIT_TIMED_OUT, WAIT_INTERRUPTED, WAIT_RESTART };

#endif
