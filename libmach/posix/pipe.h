/* pipe.h - pipes between the threads of one task: bytes in a ring of memory. */
#ifndef LIBMACH_POSIX_PIPE_H
#define LIBMACH_POSIX_PIPE_H

#include <stdbool.h>
#include <stddef.h>

struct pipe;

/* New pipe with one reading and one writing end, or NULL (no memory). */
struct pipe *pipe_create(void);

/* Close an end; the pipe is gone with the second. */
void pipe_close(struct pipe *pipe, bool writing_end);

/* Bytes, 0 (no writer is left), -EAGAIN. Sleeps: unless nonblocking. */
long pipe_read(struct pipe *pipe, void *data, size_t size, bool nonblocking);

/* Bytes, -EPIPE, -EAGAIN. All is written unless nonblocking. Sleeps: unless nonblocking. */
long pipe_write(struct pipe *pipe, const void *data, size_t size, bool nonblocking);

/* IO_READY_* for an end. */
int pipe_ready(struct pipe *pipe, bool writing_end);

#endif
