/* disk.c - requests are taken with the machine's lock held, done without, finished with it. */
#include "disk.h"

#define DISK_STACK 262144u /* requests are large */

void disk_wake(void *context)
{
    struct machine *m = context;

    pthread_cond_signal(&m->requests);
}

const char *disk_insert(struct machine *m, struct store *store)
{
    struct platform *p = &m->platform;

    if (m->disk_count == MACHINE_DISKS_MAX) {
        return "there are too many disks";
    }
    virtio_blk_init(&m->disks[m->disk_count], &p->virtio, &store->disk, disk_wake, m);
    if (!platform_insert(p, &m->disks[m->disk_count].pci.function)) {
        return "there is no place for a disk";
    }
    p->hypercall.disks[m->disk_count] = &store->disk;
    m->disk_count++;
    return NULL;
}

bool disk_is_busy(const struct machine *m)
{
    bool is_busy = m->platform.hypercall.is_working;

    for (unsigned i = 0; i < m->disk_count; i++) {
        is_busy |= m->disks[i].is_busy;
    }
    return is_busy;
}

/* Do the next request of a disk. False: there is none. */
static bool disk_step(struct machine *m, struct virtio_blk *disk)
{
    static struct virtio_blk_request request; /* of the one thread */

    if (!virtio_blk_take(disk, &request)) {
        return false;
    }
    pthread_mutex_unlock(&m->lock);
    virtio_blk_do(disk, &request);
    pthread_mutex_lock(&m->lock);
    virtio_blk_finish(disk, &request);
    return true;
}

/* Do the next request that came by a hypercall. False: there is none. */
static bool disk_step_call(struct machine *m)
{
    struct hypercall *h = &m->platform.hypercall;
    struct hypercall_request request;
    bool is_good;

    if (!hypercall_block_take(h, &request)) {
        return false;
    }
    pthread_mutex_unlock(&m->lock);
    is_good = hypercall_block_do(h, &request);
    pthread_mutex_lock(&m->lock);
    hypercall_block_finish(h, &request, is_good);
    return true;
}

static bool disk_step_all(struct machine *m)
{
    bool is_done = disk_step_call(m);

    for (unsigned i = 0; i < m->disk_count && !m->is_ended; i++) {
        is_done |= disk_step(m, &m->disks[i]);
    }
    return is_done;
}

static void *disk_main(void *argument)
{
    struct machine *m = argument;

    pthread_mutex_lock(&m->lock);
    while (!m->is_ended) {
        if (!disk_step_all(m) && !m->is_ended) {
            pthread_cond_wait(&m->requests, &m->lock);
        }
    }
    machine_leave(m);
    pthread_mutex_unlock(&m->lock);
    return NULL;
}

const char *disk_run(struct machine *m)
{
    return m->disk_count == 0 || machine_thread(m, disk_main, m, DISK_STACK)
               ? NULL
               : "there is no memory for a thread";
}
