/* file.c - the table of descriptors, and the life of open files. */
#include "posix/file.h"

#include <errno.h>
#include <fcntl.h>
#include <portolan/portolan.h>
#include <portolan/thread.h>

#include "core/environment.h"
#include "core/text.h"
#include "posix/pipe.h"

struct file_slot {
    struct file *file; /* NULL: closed */
    bool close_on_exec;
};

static struct portolan_lock file_lock;
static struct file file_pool[FILE_MAX];             /* under file_lock, see struct file */
static struct file_slot file_descriptors[FILE_MAX]; /* under file_lock */

struct file *file_create(enum file_kind kind, int status)
{
    struct file *file = NULL;

    portolan_lock_acquire(&file_lock);
    for (unsigned i = 0; i < FILE_MAX && file == NULL; i++) {
        if (file_pool[i].kind == FILE_FREE) {
            file = &file_pool[i];
            *file = (struct file){.kind = kind, .refs = 1, .status = status};
        }
    }
    portolan_lock_release(&file_lock);
    return file;
}

/* Give up what a file holds that nobody can find any more. */
static void file_release(struct file *file)
{
    if (file->kind == FILE_OBJECT) {
        syscall_mach_port_deallocate(mach_task_self(), file->port);
    } else if (file->kind == FILE_PIPE_READ || file->kind == FILE_PIPE_WRITE) {
        pipe_close(file->pipe, file->kind == FILE_PIPE_WRITE);
    }
    if (file->directory != NULL) {
        syscall_vm_deallocate(mach_task_self(), (vm_address_t)file->directory,
                              sizeof(*file->directory));
    }
}

void file_put(struct file *file)
{
    bool last;

    portolan_lock_acquire(&file_lock);
    file->refs--;
    last = file->refs == 0;
    portolan_lock_release(&file_lock);
    if (last) {
        file_release(file);
        portolan_lock_acquire(&file_lock);
        file->kind = FILE_FREE;
        portolan_lock_release(&file_lock);
    }
}

/* The descriptor's place, or NULL. Locks: file_lock held. */
static struct file_slot *file_find(int fd)
{
    if (fd < 0 || fd >= FILE_MAX || file_descriptors[fd].file == NULL) {
        return NULL;
    }
    return &file_descriptors[fd];
}

struct file *file_get(int fd)
{
    struct file_slot *d;
    struct file *file = NULL;

    portolan_lock_acquire(&file_lock);
    d = file_find(fd);
    if (d != NULL) {
        file = d->file;
        file->refs++;
    }
    portolan_lock_release(&file_lock);
    return file;
}

int file_install(struct file *file, int lowest, bool close_on_exec)
{
    int fd;

    portolan_lock_acquire(&file_lock);
    for (fd = lowest; fd < FILE_MAX && file_descriptors[fd].file != NULL; fd++) {
        continue;
    }
    if (fd < FILE_MAX) {
        file_descriptors[fd] = (struct file_slot){file, close_on_exec};
    }
    portolan_lock_release(&file_lock);
    return fd < FILE_MAX ? fd : -EMFILE;
}

int file_install_at(struct file *file, int fd, bool close_on_exec)
{
    struct file *old;

    portolan_lock_acquire(&file_lock);
    old = file_descriptors[fd].file;
    file_descriptors[fd] = (struct file_slot){file, close_on_exec};
    portolan_lock_release(&file_lock);
    if (old != NULL) {
        file_put(old);
    }
    return fd;
}

int file_close(int fd)
{
    struct file_slot *d;
    struct file *file = NULL;

    portolan_lock_acquire(&file_lock);
    d = file_find(fd);
    if (d != NULL) {
        file = d->file;
        d->file = NULL;
    }
    portolan_lock_release(&file_lock);
    if (file == NULL) {
        return -EBADF;
    }
    file_put(file);
    return 0;
}

int file_close_on_exec(int fd)
{
    struct file_slot *d;
    int result;

    portolan_lock_acquire(&file_lock);
    d = file_find(fd);
    result = d != NULL ? d->close_on_exec : -EBADF;
    portolan_lock_release(&file_lock);
    return result;
}

int file_set_close_on_exec(int fd, bool on)
{
    struct file_slot *d;

    portolan_lock_acquire(&file_lock);
    d = file_find(fd);
    if (d != NULL) {
        d->close_on_exec = on;
    }
    portolan_lock_release(&file_lock);
    return d != NULL ? 0 : -EBADF;
}

/* Open the right of that name as a descriptor, or something in its place (unless FILE_FREE). The
 * right is the descriptor's from now on. */
static void file_start_one(const char *name, int fd, enum file_kind otherwise, int status)
{
    mach_port_t port = portolan_port(name);
    struct file *file;

    if (port == MACH_PORT_NULL && otherwise == FILE_FREE) {
        return;
    }
    file = file_create(port != MACH_PORT_NULL ? FILE_OBJECT : otherwise, status);
    file->port = port;
    file_install_at(file, fd, false);
}

void file_start(void)
{
    char name[24] = "fd";

    file_start_one("stdin", 0, FILE_NOTHING, O_RDONLY);
    file_start_one("stdout", 1, FILE_KERNEL_CONSOLE, O_WRONLY);
    file_start_one("stderr", 2, FILE_KERNEL_CONSOLE, O_WRONLY);
    for (int fd = 3; *environment_ports() != '\0' && fd < FILE_MAX; fd++) {
        text_decimal(name + 2, (uint64_t)fd);
        file_start_one(name, fd, FILE_FREE, O_RDWR);
    }
}

mach_port_t portolan_fd_port(int fd)
{
    struct file_slot *d;
    mach_port_t port = MACH_PORT_NULL;

    portolan_lock_acquire(&file_lock);
    d = file_find(fd);
    if (d != NULL && d->file->kind == FILE_OBJECT) {
        port = d->file->port;
    }
    portolan_lock_release(&file_lock);
    return port;
}

int portolan_fd_open(mach_port_t object, int flags)
{
    struct file *file = file_create(FILE_OBJECT, flags & (O_ACCMODE | O_APPEND | O_NONBLOCK));
    int fd;

    if (file == NULL) {
        return -EMFILE;
    }
    fd = file_install(file, 0, (flags & O_CLOEXEC) != 0);
    if (fd < 0) {
        file->kind = FILE_NOTHING; /* the right stays the caller's */
        file_put(file);
        return fd;
    }
    file->port = object;
    return fd;
}
