/* open.c - open and its relatives: a path becomes an object at the root directory's server. */
#include "posix/open.h"

#include <dir.h>
#include <errno.h>
#include <fcntl.h>
#include <io.h>
#include <portolan/errno.h>
#include <portolan/portolan.h>

#include "core/text.h"
#include "posix/file.h"
#include "posix/path.h"
#include "posix/posix.h"
#include "posix/system.h"

#define OPEN_STATUS (O_ACCMODE | O_APPEND | O_NONBLOCK)

long open_path(const char *path, int flags, int mode, mach_port_t *object)
{
    mach_port_t root = portolan_port("root");
    kern_return_t kr;

    if (root == MACH_PORT_NULL) {
        return -ENOENT;
    }
    kr = dir_open(root, path, flags & ~O_CLOEXEC, mode & ~(int)system_umask(), object);
    if (kr == KERN_SUCCESS && !MACH_PORT_VALID(*object)) {
        return -EIO;
    }
    return -portolan_errno(kr);
}

long open_at(int directory, const char *path, int flags, int mode, mach_port_t *object)
{
    char tidy[DIR_PATH_MAX];
    int error = path_resolve(tidy, directory, path);

    return error != 0 ? error : open_path(tidy, flags, mode, object);
}

long open_exists(int directory, const char *path)
{
    mach_port_t object;
    long error = open_at(directory, path, O_PATH, 0, &object);

    if (error == 0) {
        syscall_mach_port_deallocate(mach_task_self(), object);
    }
    return error;
}

long open_facts(mach_port_t object, int64_t *facts)
{
    mach_msg_type_number_t count = IO_STAT_MAX;

    memory_zero(facts, IO_STAT_MAX * sizeof(*facts));
    return -portolan_errno(io_stat(object, facts, &count));
}

/* What only directories have: their path, and room for records. 0 or -errno. */
static long open_directory(struct file *file, const char *path)
{
    vm_address_t address = 0;

    if (syscall_vm_allocate(mach_task_self(), &address, sizeof(*file->directory), TRUE) !=
        KERN_SUCCESS) {
        return -ENOMEM;
    }
    file->directory = (struct directory *)address;
    text_copy(file->directory->path, path, DIR_PATH_MAX);
    return 0;
}

/* An object just opened becomes a file; the right is taken over. 0 or -errno. */
static long open_file(mach_port_t object, const char *path, int flags, struct file **opened)
{
    int64_t facts[IO_STAT_MAX];
    struct file *file = file_create(FILE_OBJECT, flags & OPEN_STATUS);
    long error = 0;

    if (file == NULL) {
        syscall_mach_port_deallocate(mach_task_self(), object);
        return -ENFILE;
    }
    file->port = object;
    if (open_facts(object, facts) == 0) {
        file->type = (int)facts[IO_STAT_TYPE];
    }
    if (file->type == IO_TYPE_DIRECTORY) {
        error = open_directory(file, path);
    } else if ((flags & O_DIRECTORY) != 0) {
        error = -ENOTDIR;
    }
    if (error != 0) {
        file_put(file);
        return error;
    }
    *opened = file;
    return 0;
}

/* Is it a file every system has, whatever the root directory holds? */
static bool open_is_null_device(const char *path)
{
    return text_equal(path, "dev/null");
}

static long open_descriptor(int directory, const char *path, int flags, int mode)
{
    char tidy[DIR_PATH_MAX];
    struct file *file = NULL;
    mach_port_t object;
    long error = path_resolve(tidy, directory, path);
    int fd;

    if (error != 0) {
        return error;
    }
    if (open_is_null_device(tidy)) {
        file = file_create(FILE_NOTHING, flags & OPEN_STATUS);
        error = file != NULL ? 0 : -ENFILE;
    } else {
        error = open_path(tidy, flags, mode, &object);
        error = error != 0 ? error : open_file(object, tidy, flags, &file);
    }
    if (error != 0) {
        return error;
    }
    fd = file_install(file, 0, (flags & O_CLOEXEC) != 0);
    if (fd < 0) {
        file_put(file);
    }
    return fd;
}

long linux_open(struct posix_frame *f)
{
    return open_descriptor(AT_FDCWD, (const char *)f->a0, (int)f->a1, (int)f->a2);
}

long linux_creat(struct posix_frame *f)
{
    return open_descriptor(AT_FDCWD, (const char *)f->a0, O_CREAT | O_WRONLY | O_TRUNC, (int)f->a1);
}

long linux_openat(struct posix_frame *f)
{
    return open_descriptor((int)f->a0, (const char *)f->a1, (int)f->a2, (int)f->a3);
}

kern_return_t portolan_open(const char *path, int flags, int mode, mach_port_t *object)
{
    long error = open_at(AT_FDCWD, path, flags, mode, object);

    return error == 0 ? KERN_SUCCESS : PORTOLAN_ERRNO((int)-error);
}
