/* mutex.h - host stand-in over a pthread mutex that knows its owner. */
#ifndef KERN_MUTEX_H
#define KERN_MUTEX_H

#include <pthread.h>
#include <stdbool.h>

struct mutex {
    pthread_mutex_t lock;
    uint32_t owner; /* processor number + 1 */
};

void mutex_init(struct mutex *mutex, const char *name);
void mutex_lock(struct mutex *mutex);
void mutex_unlock(struct mutex *mutex);
bool mutex_is_held(const struct mutex *mutex);

#endif
