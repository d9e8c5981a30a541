/* mutex.h - sleeping locks for host tests: one thread runs at a time and none of ours blocks while
 * it holds one. */
#ifndef KERN_MUTEX_H
#define KERN_MUTEX_H

#include <stdbool.h>

#include "kern/lock_annotations.h"

struct CAPABILITY("mutex") mutex {
    bool held;
};

void mutex_init(struct mutex *mutex, const char *name);
void mutex_lock(struct mutex *mutex) ACQUIRES(mutex);
void mutex_unlock(struct mutex *mutex) RELEASES(mutex);

static inline bool mutex_is_held(const struct mutex *mutex)
{
    return mutex->held;
}

#endif
