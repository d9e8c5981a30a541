/* poll.c - waiting for several descriptors. Servers have no way to tell later, so the descriptors
 * are asked again every few milliseconds. */
#define _GNU_SOURCE
#include <errno.h>
#include <mach/mach.h>
#include <poll.h>
#include <portolan/thread.h>

#include "posix/clock.h"
#include "posix/file.h"
#include "posix/posix.h"

#define POLL_STEP_MS 5u

static short poll_one(const struct pollfd *p)
{
    struct file *file;
    int ready;
    short events;

    if (p->fd < 0) {
        return 0;
    }
    file = file_get(p->fd);
    if (file == NULL) {
        return POLLNVAL;
    }
    ready = file_ready(file);
    file_put(file);
    events = (short)(((ready & IO_READY_READ) != 0 ? POLLIN | POLLRDNORM : 0) |
                     ((ready & IO_READY_WRITE) != 0 ? POLLOUT | POLLWRNORM : 0));
    return (short)((events & p->events) | ((ready & IO_READY_HANGUP) != 0 ? POLLHUP : 0));
}

static long poll_once(struct pollfd *descriptors, unsigned long count)
{
    long ready = 0;

    for (unsigned long i = 0; i < count; i++) {
        descriptors[i].revents = poll_one(&descriptors[i]);
        ready += descriptors[i].revents != 0;
    }
    return ready;
}

/* limit: milliseconds, or NULL for ever. */
static long poll_wait(struct pollfd *descriptors, unsigned long count, const uint32_t *limit)
{
    uint32_t waited = 0;

    if (count > FILE_MAX) {
        return -EINVAL;
    }
    for (;;) {
        long ready = poll_once(descriptors, count);
        uint32_t step = POLL_STEP_MS;

        if (ready != 0 || (limit != NULL && waited >= *limit)) {
            return ready;
        }
        if (limit != NULL && *limit - waited < step) {
            step = *limit - waited;
        }
        if (portolan_sleep(step) != KERN_SUCCESS) {
            return -EINTR;
        }
        waited += step;
    }
}

long linux_poll(struct posix_frame *f)
{
    uint32_t limit = (uint32_t)f->a2;

    return poll_wait((struct pollfd *)f->a0, f->a1, (int)f->a2 < 0 ? NULL : &limit);
}

long linux_ppoll(struct posix_frame *f)
{
    const struct timespec *duration = (const struct timespec *)f->a2;
    uint32_t limit = 0;
    long error = duration != NULL ? clock_milliseconds(duration, &limit) : 0;

    return error != 0 ? error
                      : poll_wait((struct pollfd *)f->a0, f->a1, duration != NULL ? &limit : NULL);
}
