/* pipe.c - pipes within a task. Every change moves the sequence number on, which waiters watch. */
#include "posix/pipe.h"

#include <errno.h>
#include <gnumach.h>
#include <limits.h>
#include <portolan/io_types.h>
#include <portolan/portolan.h>
#include <portolan/thread.h>

#include "core/text.h"

#define PIPE_SIZE 65536u

/* Keys: [P] lock */
struct pipe {
    struct portolan_lock lock;
    uint32_t sequence;    /* [P] changes are announced by gsync_wake */
    uint32_t head;        /* [P] bytes written so far */
    uint32_t tail;        /* [P] bytes read so far */
    bool has_reader;      /* [P] */
    bool has_writer;      /* [P] */
    char data[PIPE_SIZE]; /* [P] the byte n is at n % PIPE_SIZE */
};

struct pipe *pipe_create(void)
{
    vm_address_t address = 0;
    struct pipe *pipe;

    if (syscall_vm_allocate(mach_task_self(), &address, sizeof(*pipe), TRUE) != KERN_SUCCESS) {
        return NULL;
    }
    pipe = (struct pipe *)address;
    pipe->has_reader = true;
    pipe->has_writer = true;
    return pipe;
}

/* Unlock after a change, and tell those who wait for one. */
static void pipe_changed(struct pipe *pipe)
{
    pipe->sequence++;
    portolan_lock_release(&pipe->lock);
    gsync_wake(mach_task_self(), (vm_address_t)&pipe->sequence, 0, GSYNC_BROADCAST);
}

/* Unlock, wait for a change, lock again. */
static void pipe_wait(struct pipe *pipe)
{
    uint32_t seen = pipe->sequence;

    portolan_lock_release(&pipe->lock);
    gsync_wait(mach_task_self(), (vm_address_t)&pipe->sequence, seen, 0, 0, 0);
    portolan_lock_acquire(&pipe->lock);
}

void pipe_close(struct pipe *pipe, bool writing_end)
{
    bool gone;

    portolan_lock_acquire(&pipe->lock);
    if (writing_end) {
        pipe->has_writer = false;
    } else {
        pipe->has_reader = false;
    }
    gone = !pipe->has_writer && !pipe->has_reader;
    if (gone) {
        syscall_vm_deallocate(mach_task_self(), (vm_address_t)pipe, sizeof(*pipe));
        return;
    }
    pipe_changed(pipe);
}

long pipe_read(struct pipe *pipe, void *data, size_t size, bool nonblocking)
{
    char *to = data;
    uint32_t n;

    if (size == 0) {
        return 0;
    }
    portolan_lock_acquire(&pipe->lock);
    while (pipe->head == pipe->tail) {
        if (!pipe->has_writer || nonblocking) {
            long result = pipe->has_writer ? -EAGAIN : 0;

            portolan_lock_release(&pipe->lock);
            return result;
        }
        pipe_wait(pipe);
    }
    n = pipe->head - pipe->tail;
    n = size < n ? (uint32_t)size : n;
    for (uint32_t i = 0; i < n; i++) {
        to[i] = pipe->data[(pipe->tail + i) % PIPE_SIZE];
    }
    pipe->tail += n;
    pipe_changed(pipe);
    return n;
}

/* Bytes that can be written. Locks: pipe->lock. */
static uint32_t pipe_room(const struct pipe *pipe)
{
    return PIPE_SIZE - (pipe->head - pipe->tail);
}

long pipe_write(struct pipe *pipe, const void *data, size_t size, bool nonblocking)
{
    const char *from = data;
    uint32_t least = size <= PIPE_BUF ? (uint32_t)size : 1; /* is written at once */
    size_t done = 0;

    while (done < size) {
        uint32_t n;

        portolan_lock_acquire(&pipe->lock);
        while (pipe->has_reader && !nonblocking && pipe_room(pipe) < least) {
            pipe_wait(pipe);
        }
        n = pipe_room(pipe);
        n = n < least ? 0 : size - done < n ? (uint32_t)(size - done) : n;
        if (!pipe->has_reader || n == 0) {
            long error = pipe->has_reader ? -EAGAIN : -EPIPE;

            portolan_lock_release(&pipe->lock);
            return done != 0 ? (long)done : error;
        }
        for (uint32_t i = 0; i < n; i++) {
            pipe->data[(pipe->head + i) % PIPE_SIZE] = from[done + i];
        }
        pipe->head += n;
        done += n;
        pipe_changed(pipe);
    }
    return (long)done;
}

int pipe_ready(struct pipe *pipe, bool writing_end)
{
    int ready = 0;

    portolan_lock_acquire(&pipe->lock);
    if (writing_end) {
        ready |= pipe->head - pipe->tail < PIPE_SIZE ? IO_READY_WRITE : 0;
        ready |= pipe->has_reader ? 0 : IO_READY_HANGUP;
    } else {
        ready |= pipe->head != pipe->tail || !pipe->has_writer ? IO_READY_READ : 0;
        ready |= pipe->has_writer ? 0 : IO_READY_HANGUP;
    }
    portolan_lock_release(&pipe->lock);
    return ready;
}
