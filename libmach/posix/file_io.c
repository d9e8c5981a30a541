/* file_io.c - bytes to and from open files of every kind. */
#include <errno.h>
#include <fcntl.h>
#include <file.h>
#include <io.h>
#include <portolan/errno.h>
#include <portolan/portolan.h>

#include "core/text.h"
#include "posix/file.h"
#include "posix/open.h"
#include "posix/pipe.h"

#define FILE_MUCH     ((vm_size_t)1 << 20) /* the most that is asked for at once */
#define FILE_MUCH_MIN ((size_t)16 * 1024)  /* less is copied by messages */

int file_type(struct file *file)
{
    int64_t facts[IO_STAT_MAX];

    if (file->type == 0 && file->kind == FILE_OBJECT && open_facts(file->port, facts) == 0) {
        file->type = (int)facts[IO_STAT_TYPE];
    }
    return file->type;
}

/* Read as memory of its own, for as long as there is much to be read. *failed: the server does not
 * offer that, or there was an error before anything was read. Returns: what was read. */
static size_t file_read_much(struct file *file, char *data, size_t size, int64_t offset,
                             kern_return_t *failed)
{
    mach_msg_type_number_t count = FILE_MUCH;
    size_t done = 0;

    *failed = KERN_SUCCESS;
    while (*failed == KERN_SUCCESS && count == FILE_MUCH && size - done >= FILE_MUCH_MIN) {
        int64_t at = offset == IO_POSITION ? IO_POSITION : offset + (int64_t)done;
        vm_size_t wanted = size - done < FILE_MUCH ? size - done : FILE_MUCH;
        pointer_t memory;

        *failed = file_read_memory(file->port, at, wanted, &memory, &count);
        if (*failed == KERN_SUCCESS && count != 0) {
            count = count <= wanted ? count : (mach_msg_type_number_t)wanted;
            memory_copy(data + done, (const void *)memory, count);
            syscall_vm_deallocate(mach_task_self(), memory, count);
            done += count;
        }
    }
    return done;
}

static long file_read_object(struct file *file, char *data, size_t size, int64_t offset)
{
    kern_return_t failed = KERN_SUCCESS;
    size_t done = 0;

    if (file->type == IO_TYPE_FILE && size >= FILE_MUCH_MIN) {
        done = file_read_much(file, data, size, offset, &failed);
    }
    while (done < size) {
        natural_t wanted = size - done < IO_DATA_MAX ? (natural_t)(size - done) : IO_DATA_MAX;
        mach_msg_type_number_t count = wanted;
        int64_t at = offset == IO_POSITION ? IO_POSITION : offset + (int64_t)done;
        kern_return_t kr = io_read(file->port, at, wanted, data + done, &count);

        if (kr != KERN_SUCCESS) {
            return done != 0 ? (long)done : -portolan_errno(kr);
        }
        done += count;
        if (count < wanted || file->type != IO_TYPE_FILE) {
            break;
        }
    }
    return (long)done;
}

static long file_write_object(struct file *file, const char *data, size_t size, int64_t offset)
{
    size_t done = 0;

    do {
        natural_t wanted = size - done < IO_DATA_MAX ? (natural_t)(size - done) : IO_DATA_MAX;
        natural_t written = 0;
        int64_t at = offset == IO_POSITION ? IO_POSITION : offset + (int64_t)done;
        kern_return_t kr = io_write(file->port, at, (char *)data + done, wanted, &written);

        if (kr != KERN_SUCCESS) {
            return done != 0 ? (long)done : -portolan_errno(kr);
        }
        done += written < wanted ? written : wanted;
        if (written < wanted) {
            break;
        }
    } while (done < size);
    return (long)done;
}

static long file_write_kernel_console(const char *data, size_t size)
{
    char text[128];

    for (size_t done = 0; done < size;) {
        size_t n = size - done < sizeof(text) - 1 ? size - done : sizeof(text) - 1;

        memory_copy(text, data + done, n);
        text[n] = '\0';
        mach_print(text);
        done += n;
    }
    return (long)size;
}

static bool file_would_block(struct file *file, int wanted)
{
    return (file->status & O_NONBLOCK) != 0 && file->kind == FILE_OBJECT &&
           (file_ready(file) & (wanted | IO_READY_HANGUP)) == 0;
}

long file_read(struct file *file, void *data, size_t size, int64_t offset)
{
    if ((file->status & O_ACCMODE) == O_WRONLY) {
        return -EBADF;
    }
    if (file->kind != FILE_OBJECT && offset != IO_POSITION) {
        return -ESPIPE;
    }
    if (file->type == IO_TYPE_DIRECTORY) {
        return -EISDIR;
    }
    if (file_would_block(file, IO_READY_READ)) {
        return -EAGAIN;
    }
    switch (file->kind) {
    case FILE_OBJECT:
        return file_read_object(file, data, size, offset);
    case FILE_PIPE_READ:
        return pipe_read(file->pipe, data, size, (file->status & O_NONBLOCK) != 0);
    default:
        return 0;
    }
}

long file_write(struct file *file, const void *data, size_t size, int64_t offset)
{
    if ((file->status & O_ACCMODE) == O_RDONLY) {
        return -EBADF;
    }
    if (file->kind != FILE_OBJECT && offset != IO_POSITION) {
        return -ESPIPE;
    }
    if (size == 0) {
        return 0;
    }
    if (file_would_block(file, IO_READY_WRITE)) {
        return -EAGAIN;
    }
    switch (file->kind) {
    case FILE_OBJECT:
        return file_write_object(file, data, size, offset);
    case FILE_PIPE_WRITE:
        return pipe_write(file->pipe, data, size, (file->status & O_NONBLOCK) != 0);
    case FILE_KERNEL_CONSOLE:
        return file_write_kernel_console(data, size);
    default:
        return (long)size;
    }
}

int file_ready(struct file *file)
{
    int ready = 0;

    switch (file->kind) {
    case FILE_OBJECT:
        /* One that cannot be asked fails at once when it is used: that is not waiting. */
        return io_poll(file->port, &ready) == KERN_SUCCESS ? ready : IO_READY_READ | IO_READY_WRITE;
    case FILE_PIPE_READ:
    case FILE_PIPE_WRITE:
        return pipe_ready(file->pipe, file->kind == FILE_PIPE_WRITE);
    default:
        return IO_READY_READ | IO_READY_WRITE;
    }
}
