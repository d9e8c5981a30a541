/* directory.c - listing and changing directories, and the working directory. */
#include <dir.h>
#include <errno.h>
#include <fcntl.h>
#include <file.h>
#include <portolan/errno.h>
#include <portolan/file_types.h>
#include <portolan/portolan.h>

#include "core/text.h"
#include "posix/file.h"
#include "posix/open.h"
#include "posix/path.h"
#include "posix/posix.h"
#include "posix/system.h"

/* Linux's record: this, the name with its NUL, padding to 8. */
struct linux_record {
    uint64_t inode;
    int64_t next;
    uint16_t size;
    uint8_t type;
    char name[];
} __attribute__((packed));
#define LINUX_RECORD_FIXED 19

/* Fetch the next batch of records. Returns 0 or -errno; no records: the end. */
static long directory_fetch(struct file *file)
{
    struct directory *d = file->directory;
    mach_msg_type_number_t count = sizeof(d->records);
    int64_t next = 0;
    kern_return_t kr = dir_read(file->port, d->next, &next, d->records, &count);

    if (kr != KERN_SUCCESS) {
        return -portolan_errno(kr);
    }
    d->next = next;
    d->size = count;
    d->at = 0;
    return 0;
}

/* The length of the name in the record at `at`, or -1 when the record does not end in the batch. */
static long directory_name_length(const struct directory *d)
{
    uint32_t at = d->at + DIR_RECORD_FIXED;
    uint32_t n = 0;

    while (at + n < d->size && d->records[at + n] != '\0') {
        n++;
    }
    return at + n < d->size ? (long)n : -1;
}

/* Move one record to out. Returns the bytes used, 0 when room is too small, or -EIO. */
static long directory_convert(struct directory *d, char *out, size_t room)
{
    struct dir_record from;
    struct linux_record *to = (struct linux_record *)out;
    long length = directory_name_length(d);
    size_t size;

    if (length < 0) {
        return -EIO;
    }
    size = (LINUX_RECORD_FIXED + (size_t)length + 1 + 7) & ~(size_t)7;
    if (size > room) {
        return 0;
    }
    memory_copy(&from, d->records + d->at, DIR_RECORD_FIXED);
    memory_zero(out, size);
    d->given++;
    to->inode = (uint64_t)from.inode;
    to->next = d->given;
    to->size = (uint16_t)size;
    to->type = from.type;
    memory_copy(to->name, d->records + d->at + DIR_RECORD_FIXED, (size_t)length);
    d->at += DIR_RECORD_FIXED + (uint32_t)length + 1;
    return (long)size;
}

static long directory_list(struct file *file, char *out, size_t room)
{
    struct directory *d = file->directory;
    size_t done = 0;

    for (;;) {
        long n;

        if (d->at >= d->size) {
            long error = directory_fetch(file);

            if (error != 0 || d->size == 0) {
                return done != 0 ? (long)done : error;
            }
        }
        n = directory_convert(d, out + done, room - done);
        if (n <= 0) {
            return done != 0 ? (long)done : n == 0 ? -EINVAL : n;
        }
        done += (size_t)n;
    }
}

long linux_getdents64(struct posix_frame *f)
{
    struct file *file = file_get((int)f->a0);
    long result;

    if (file == NULL) {
        return -EBADF;
    }
    result =
        file->directory != NULL ? directory_list(file, (char *)f->a1, (uint32_t)f->a2) : -ENOTDIR;
    file_put(file);
    return result;
}

long linux_getcwd(struct posix_frame *f)
{
    char path[DIR_PATH_MAX];
    char *out = (char *)f->a0;
    size_t length;

    path_get_directory(path);
    length = text_length(path) + 2;
    if (f->a1 < length) {
        return -ERANGE;
    }
    out[0] = '/';
    text_copy(out + 1, path, length - 1);
    return (long)length;
}

static long directory_enter(const char *path)
{
    char true_path[DIR_PATH_MAX];
    long error = -portolan_errno(dir_path(portolan_port("root"), path, true_path));

    if (error == 0) {
        path_set_directory(true_path);
    }
    return error;
}

long linux_chdir(struct posix_frame *f)
{
    char tidy[DIR_PATH_MAX];
    long error = path_resolve(tidy, AT_FDCWD, (const char *)f->a0);

    return error != 0 ? error : directory_enter(tidy);
}

long linux_fchdir(struct posix_frame *f)
{
    char tidy[DIR_PATH_MAX];
    long error = path_resolve(tidy, (int)f->a0, ".");

    return error != 0 ? error : directory_enter(tidy);
}

static long directory_make(int directory, const char *path, int mode)
{
    char tidy[DIR_PATH_MAX];
    long error = path_resolve(tidy, directory, path);

    if (error != 0) {
        return error;
    }
    return -portolan_errno(dir_make(portolan_port("root"), tidy, mode & ~(int)system_umask()));
}

static long directory_unlink(int directory, const char *path, int flags)
{
    char tidy[DIR_PATH_MAX];
    long error = path_resolve(tidy, directory, path);

    if (error != 0) {
        return error;
    }
    return -portolan_errno(dir_unlink(portolan_port("root"), tidy, flags & DIR_UNLINK_DIRECTORY));
}

static long directory_rename(int from_directory, const char *from, int to_directory, const char *to)
{
    char tidy_from[DIR_PATH_MAX];
    char tidy_to[DIR_PATH_MAX];
    long error = path_resolve(tidy_from, from_directory, from);

    error = error != 0 ? error : path_resolve(tidy_to, to_directory, to);
    if (error != 0) {
        return error;
    }
    return -portolan_errno(dir_rename(portolan_port("root"), tidy_from, tidy_to));
}

long linux_mkdir(struct posix_frame *f)
{
    return directory_make(AT_FDCWD, (const char *)f->a0, (int)f->a1);
}

long linux_mkdirat(struct posix_frame *f)
{
    return directory_make((int)f->a0, (const char *)f->a1, (int)f->a2);
}

long linux_rmdir(struct posix_frame *f)
{
    return directory_unlink(AT_FDCWD, (const char *)f->a0, DIR_UNLINK_DIRECTORY);
}

long linux_unlink(struct posix_frame *f)
{
    return directory_unlink(AT_FDCWD, (const char *)f->a0, 0);
}

long linux_unlinkat(struct posix_frame *f)
{
    return directory_unlink((int)f->a0, (const char *)f->a1, (int)f->a2);
}

long linux_rename(struct posix_frame *f)
{
    return directory_rename(AT_FDCWD, (const char *)f->a0, AT_FDCWD, (const char *)f->a1);
}

long linux_renameat(struct posix_frame *f)
{
    return directory_rename((int)f->a0, (const char *)f->a1, (int)f->a2, (const char *)f->a3);
}

long linux_renameat2(struct posix_frame *f)
{
    return f->a4 != 0 ? -EINVAL : linux_renameat(f);
}

static long directory_link(int from_directory, const char *from, int to_directory, const char *to)
{
    char tidy_from[DIR_PATH_MAX];
    char tidy_to[DIR_PATH_MAX];
    long error = path_resolve(tidy_from, from_directory, from);

    error = error != 0 ? error : path_resolve(tidy_to, to_directory, to);
    if (error != 0) {
        return error;
    }
    return -portolan_errno(file_link(portolan_port("root"), tidy_from, tidy_to));
}

long linux_link(struct posix_frame *f)
{
    return directory_link(AT_FDCWD, (const char *)f->a0, AT_FDCWD, (const char *)f->a1);
}

long linux_linkat(struct posix_frame *f)
{
    return f->a4 != 0
               ? -EINVAL
               : directory_link((int)f->a0, (const char *)f->a1, (int)f->a2, (const char *)f->a3);
}

static long directory_symlink(const char *target, int directory, const char *path)
{
    char tidy[DIR_PATH_MAX];
    long error = path_resolve(tidy, directory, path);

    if (error != 0) {
        return error;
    }
    if (text_length(target) >= DIR_PATH_MAX) {
        return -ENAMETOOLONG;
    }
    return -portolan_errno(file_symlink(portolan_port("root"), target, tidy));
}

long linux_symlink(struct posix_frame *f)
{
    return directory_symlink((const char *)f->a0, AT_FDCWD, (const char *)f->a1);
}

long linux_symlinkat(struct posix_frame *f)
{
    return directory_symlink((const char *)f->a0, (int)f->a1, (const char *)f->a2);
}

static long directory_read_link(int directory, const char *path, char *out, size_t size)
{
    char tidy[DIR_PATH_MAX];
    char target[FILE_TEXT_MAX];
    mach_msg_type_number_t count = sizeof(target);
    long error = path_resolve(tidy, directory, path);

    if (error != 0 || size == 0) {
        return error != 0 ? error : -EINVAL;
    }
    error = -portolan_errno(file_read_link(portolan_port("root"), tidy, target, &count));
    if (error == -ENOSYS) { /* where nothing is a link */
        error = open_exists(directory, path) == 0 ? -EINVAL : -ENOENT;
    }
    if (error != 0) {
        return error;
    }
    count = count < size ? count : (mach_msg_type_number_t)size;
    memory_copy(out, target, count);
    return (long)count;
}

long linux_readlink(struct posix_frame *f)
{
    return directory_read_link(AT_FDCWD, (const char *)f->a0, (char *)f->a1, f->a2);
}

long linux_readlinkat(struct posix_frame *f)
{
    return directory_read_link((int)f->a0, (const char *)f->a1, (char *)f->a2, f->a3);
}
