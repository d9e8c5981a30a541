/* descriptor.c - the calls that are about descriptors alone: close, dup, fcntl, pipe. */
#include <errno.h>
#include <fcntl.h>
#include <file.h>

#include "posix/file.h"
#include "posix/pipe.h"
#include "posix/posix.h"

#define STATUS_SETTABLE (O_APPEND | O_NONBLOCK)

long linux_close(struct posix_frame *f)
{
    return file_close((int)f->a0);
}

static long descriptor_copy(int fd, int lowest, bool close_on_exec)
{
    struct file *file;
    int copy;

    if (lowest < 0 || lowest >= FILE_MAX) {
        return -EINVAL;
    }
    file = file_get(fd);
    if (file == NULL) {
        return -EBADF;
    }
    copy = file_install(file, lowest, close_on_exec);
    if (copy < 0) {
        file_put(file);
    }
    return copy;
}

static long descriptor_copy_to(int fd, int to, bool close_on_exec)
{
    struct file *file;

    if (to < 0 || to >= FILE_MAX) {
        return -EBADF;
    }
    file = file_get(fd);
    return file != NULL ? file_install_at(file, to, close_on_exec) : -EBADF;
}

long linux_dup(struct posix_frame *f)
{
    return descriptor_copy((int)f->a0, 0, false);
}

long linux_dup2(struct posix_frame *f)
{
    if ((int)f->a0 == (int)f->a1) {
        return file_close_on_exec((int)f->a0) < 0 ? -EBADF : (int)f->a0;
    }
    return descriptor_copy_to((int)f->a0, (int)f->a1, false);
}

long linux_dup3(struct posix_frame *f)
{
    if ((int)f->a0 == (int)f->a1 || ((int)f->a2 & ~O_CLOEXEC) != 0) {
        return -EINVAL;
    }
    return descriptor_copy_to((int)f->a0, (int)f->a1, ((int)f->a2 & O_CLOEXEC) != 0);
}

static long descriptor_set_status(int fd, int status)
{
    struct file *file = file_get(fd);
    int now;

    if (file == NULL) {
        return -EBADF;
    }
    now = __atomic_load_n(&file->status, __ATOMIC_RELAXED);
    __atomic_store_n(&file->status, (now & ~STATUS_SETTABLE) | (status & STATUS_SETTABLE),
                     __ATOMIC_RELAXED);
    if (file->kind == FILE_OBJECT && ((now ^ status) & O_APPEND) != 0) {
        (void)file_flags(file->port, status & O_APPEND); /* the server's, who knows the end */
    }
    file_put(file);
    return 0;
}

static long descriptor_get_status(int fd)
{
    struct file *file = file_get(fd);
    long status;

    if (file == NULL) {
        return -EBADF;
    }
    status = file->status;
    file_put(file);
    return status;
}

long linux_fcntl(struct posix_frame *f)
{
    int fd = (int)f->a0;

    switch ((int)f->a1) {
    case F_DUPFD:
        return descriptor_copy(fd, (int)f->a2, false);
    case F_DUPFD_CLOEXEC:
        return descriptor_copy(fd, (int)f->a2, true);
    case F_GETFD:
        return file_close_on_exec(fd); /* FD_CLOEXEC is 1 */
    case F_SETFD:
        return file_set_close_on_exec(fd, ((int)f->a2 & FD_CLOEXEC) != 0);
    case F_GETFL:
        return descriptor_get_status(fd);
    case F_SETFL:
        return descriptor_set_status(fd, (int)f->a2);
    default:
        return -EINVAL;
    }
}

/* One end of a pipe as a descriptor; on failure the end is closed. */
static int descriptor_of_pipe(struct pipe *pipe, bool writing_end, int flags)
{
    struct file *file = file_create(writing_end ? FILE_PIPE_WRITE : FILE_PIPE_READ,
                                    (flags & O_NONBLOCK) | (writing_end ? O_WRONLY : O_RDONLY));
    int fd;

    if (file == NULL) {
        pipe_close(pipe, writing_end);
        return -ENFILE;
    }
    file->pipe = pipe;
    fd = file_install(file, 0, (flags & O_CLOEXEC) != 0);
    if (fd < 0) {
        file_put(file);
    }
    return fd;
}

static long descriptor_pipe(int *ends, int flags)
{
    struct pipe *pipe;
    int reading;
    int writing;

    if ((flags & ~(O_CLOEXEC | O_NONBLOCK)) != 0) {
        return -EINVAL;
    }
    pipe = pipe_create();
    if (pipe == NULL) {
        return -ENOMEM;
    }
    reading = descriptor_of_pipe(pipe, false, flags);
    if (reading < 0) {
        pipe_close(pipe, true);
        return reading;
    }
    writing = descriptor_of_pipe(pipe, true, flags);
    if (writing < 0) {
        file_close(reading);
        return writing;
    }
    ends[0] = reading;
    ends[1] = writing;
    return 0;
}

long linux_pipe(struct posix_frame *f)
{
    return descriptor_pipe((int *)f->a0, 0);
}

long linux_pipe2(struct posix_frame *f)
{
    return descriptor_pipe((int *)f->a0, (int)f->a1);
}
