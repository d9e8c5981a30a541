/* thread.h - host stand-in: just enough of threads for wait queues and mutexes. */
#ifndef KERN_THREAD_H
#define KERN_THREAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arch/cpu.h"

enum wait_result { WAIT_OK, WAIT_TIMED_OUT, WAIT_INTERRUPTED, WAIT_RESTART };

#endif
