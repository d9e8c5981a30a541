/* transfer.c - the calls that move bytes: read, write and their vectors, positions, lengths. */
#include <errno.h>
#include <fcntl.h>
#include <io.h>
#include <limits.h>
#include <portolan/errno.h>
#include <portolan/portolan.h>
#include <sys/uio.h>

#include "core/text.h"
#include "posix/file.h"
#include "posix/open.h"
#include "posix/posix.h"

typedef long (*transfer_t)(struct file *file, void *data, size_t size, int64_t offset);

static long transfer_read(struct file *file, void *data, size_t size, int64_t offset)
{
    return file_read(file, data, size, offset);
}

static long transfer_write(struct file *file, void *data, size_t size, int64_t offset)
{
    return file_write(file, data, size, offset);
}

/* One vector after the other, until one is not done wholly. */
static long transfer_vector(int fd, const struct iovec *vector, int count, int64_t offset,
                            transfer_t transfer)
{
    struct file *file = file_get(fd);
    long done = 0;
    long n = 0;

    if (file == NULL) {
        return -EBADF;
    }
    if (count < 0 || count > IOV_MAX) {
        file_put(file);
        return -EINVAL;
    }
    for (int i = 0; i < count; i++) {
        if (vector[i].iov_len == 0) {
            continue;
        }
        n = transfer(file, vector[i].iov_base, vector[i].iov_len,
                     offset == IO_POSITION ? IO_POSITION : offset + done);
        done += n > 0 ? n : 0;
        if (n < 0 || (size_t)n < vector[i].iov_len) {
            break;
        }
    }
    file_put(file);
    return n < 0 && done == 0 ? n : done;
}

static long transfer_one(int fd, uint64_t data, uint64_t size, int64_t offset, transfer_t transfer)
{
    struct file *file = file_get(fd);
    long result;

    if (file == NULL) {
        return -EBADF;
    }
    result = transfer(file, (void *)data, size <= INT_MAX ? size : INT_MAX, offset);
    file_put(file);
    return result;
}

/* Bytes of all vectors; PIPE_BUF + 1 when they are more than PIPE_BUF. */
static size_t transfer_size(const struct iovec *vector, int count)
{
    size_t size = 0;

    for (int i = 0; i < count && size <= PIPE_BUF; i++) {
        size += vector[i].iov_len <= PIPE_BUF ? vector[i].iov_len : PIPE_BUF + 1;
    }
    return size <= PIPE_BUF ? size : PIPE_BUF + 1;
}

/* What is no more than PIPE_BUF is one write (POSIX, writev and write): libc writes a line as two
 * vectors, and no other program's output comes in between. */
static long transfer_write_vector(int fd, const struct iovec *vector, int count, int64_t offset)
{
    char data[PIPE_BUF];
    size_t size = 0;

    if (count < 2 || count > IOV_MAX || transfer_size(vector, count) > PIPE_BUF) {
        return transfer_vector(fd, vector, count, offset, transfer_write);
    }
    for (int i = 0; i < count; i++) {
        memory_copy(data + size, vector[i].iov_base, vector[i].iov_len);
        size += vector[i].iov_len;
    }
    return transfer_one(fd, (uint64_t)data, size, offset, transfer_write);
}

long linux_read(struct posix_frame *f)
{
    return transfer_one((int)f->a0, f->a1, f->a2, IO_POSITION, transfer_read);
}

long linux_write(struct posix_frame *f)
{
    return transfer_one((int)f->a0, f->a1, f->a2, IO_POSITION, transfer_write);
}

long linux_pread64(struct posix_frame *f)
{
    return (int64_t)f->a3 < 0
               ? -EINVAL
               : transfer_one((int)f->a0, f->a1, f->a2, (int64_t)f->a3, transfer_read);
}

long linux_pwrite64(struct posix_frame *f)
{
    return (int64_t)f->a3 < 0
               ? -EINVAL
               : transfer_one((int)f->a0, f->a1, f->a2, (int64_t)f->a3, transfer_write);
}

long linux_readv(struct posix_frame *f)
{
    return transfer_vector((int)f->a0, (const struct iovec *)f->a1, (int)f->a2, IO_POSITION,
                           transfer_read);
}

long linux_writev(struct posix_frame *f)
{
    return transfer_write_vector((int)f->a0, (const struct iovec *)f->a1, (int)f->a2, IO_POSITION);
}

long linux_preadv(struct posix_frame *f)
{
    return (int64_t)f->a3 < 0 ? -EINVAL
                              : transfer_vector((int)f->a0, (const struct iovec *)f->a1, (int)f->a2,
                                                (int64_t)f->a3, transfer_read);
}

long linux_pwritev(struct posix_frame *f)
{
    return (int64_t)f->a3 < 0 ? -EINVAL
                              : transfer_write_vector((int)f->a0, (const struct iovec *)f->a1,
                                                      (int)f->a2, (int64_t)f->a3);
}

/* A directory goes back to its start; other positions in it are not offered. */
static long seek_directory(struct directory *directory, int64_t offset, int whence)
{
    if (offset != 0 || whence == SEEK_END) {
        return -EINVAL;
    }
    if (whence == SEEK_SET) {
        directory->size = 0;
        directory->at = 0;
        directory->next = 0;
        directory->given = 0;
    }
    return directory->given;
}

long linux_lseek(struct posix_frame *f)
{
    struct file *file = file_get((int)f->a0);
    int64_t position = 0;
    long result;

    if (file == NULL) {
        return -EBADF;
    }
    if (file->directory != NULL) {
        result = seek_directory(file->directory, (int64_t)f->a1, (int)f->a2);
    } else if (file->kind != FILE_OBJECT) {
        result = -ESPIPE;
    } else {
        result = -portolan_errno(io_seek(file->port, (int64_t)f->a1, (int)f->a2, &position));
        result = result == 0 ? position : result;
    }
    file_put(file);
    return result;
}

long linux_ftruncate(struct posix_frame *f)
{
    struct file *file = file_get((int)f->a0);
    long result = -EINVAL;

    if (file == NULL) {
        return -EBADF;
    }
    if (file->kind == FILE_OBJECT && (int64_t)f->a1 >= 0) {
        result = -portolan_errno(io_truncate(file->port, (int64_t)f->a1));
    }
    file_put(file);
    return result;
}

long linux_truncate(struct posix_frame *f)
{
    mach_port_t object;
    long error = open_at(AT_FDCWD, (const char *)f->a0, O_WRONLY, 0, &object);

    if (error != 0) {
        return error;
    }
    error = -portolan_errno(io_truncate(object, (int64_t)f->a1));
    syscall_mach_port_deallocate(mach_task_self(), object);
    return error;
}
