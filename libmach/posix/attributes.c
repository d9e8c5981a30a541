/* attributes.c - changing facts of files, and questions about file systems. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <file.h>
#include <portolan/errno.h>
#include <portolan/file_types.h>
#include <portolan/portolan.h>
#include <sys/stat.h>
#include <sys/statfs.h>

#include "core/text.h"
#include "posix/clock.h"
#include "posix/file.h"
#include "posix/open.h"
#include "posix/posix.h"

#define ATTRIBUTES_USER  (1 << IO_STAT_USER)
#define ATTRIBUTES_GROUP (1 << IO_STAT_GROUP)

/* What is to be changed: bits of file_set, and the numbers. */
struct attributes {
    int what;
    int64_t values[IO_STAT_MAX];
};

static long attributes_set(mach_port_t object, const struct attributes *attributes)
{
    return -portolan_errno(
        file_set(object, attributes->what, (int64_t *)attributes->values, IO_STAT_MAX));
}

static long attributes_set_fd(int fd, const struct attributes *attributes)
{
    struct file *file = file_get(fd);
    long error;

    if (file == NULL) {
        return -EBADF;
    }
    error = file->kind == FILE_OBJECT ? attributes_set(file->port, attributes) : -EINVAL;
    file_put(file);
    return error;
}

static long attributes_set_path(int directory, const char *path, int flags,
                                const struct attributes *attributes)
{
    mach_port_t object;
    long error;

    if (path == NULL || (*path == '\0' && (flags & AT_EMPTY_PATH) != 0)) {
        return attributes_set_fd(directory, attributes);
    }
    error = open_at(directory, path, O_PATH | ((flags & AT_SYMLINK_NOFOLLOW) != 0 ? O_NOFOLLOW : 0),
                    0, &object);
    if (error != 0) {
        return error;
    }
    error = attributes_set(object, attributes);
    syscall_mach_port_deallocate(mach_task_self(), object);
    return error;
}

/* --- permissions --- */

static struct attributes attributes_of_mode(uint64_t mode)
{
    struct attributes attributes = {.what = 1 << IO_STAT_MODE};

    attributes.values[IO_STAT_MODE] = (int64_t)(mode & 07777);
    return attributes;
}

long linux_chmod(struct posix_frame *f)
{
    const struct attributes attributes = attributes_of_mode(f->a1);

    return attributes_set_path(AT_FDCWD, (const char *)f->a0, 0, &attributes);
}

long linux_fchmod(struct posix_frame *f)
{
    const struct attributes attributes = attributes_of_mode(f->a1);

    return attributes_set_fd((int)f->a0, &attributes);
}

long linux_fchmodat(struct posix_frame *f)
{
    const struct attributes attributes = attributes_of_mode(f->a2);

    return attributes_set_path((int)f->a0, (const char *)f->a1, 0, &attributes);
}

/* -1 leaves one as it is. */
static struct attributes attributes_of_owner(uint64_t user, uint64_t group)
{
    struct attributes attributes = {.what = ((int)user != -1 ? ATTRIBUTES_USER : 0) |
                                            ((int)group != -1 ? ATTRIBUTES_GROUP : 0)};

    attributes.values[IO_STAT_USER] = (uint32_t)user;
    attributes.values[IO_STAT_GROUP] = (uint32_t)group;
    return attributes;
}

long linux_chown(struct posix_frame *f)
{
    const struct attributes attributes = attributes_of_owner(f->a1, f->a2);

    return attributes_set_path(AT_FDCWD, (const char *)f->a0, 0, &attributes);
}

long linux_lchown(struct posix_frame *f)
{
    const struct attributes attributes = attributes_of_owner(f->a1, f->a2);

    return attributes_set_path(AT_FDCWD, (const char *)f->a0, AT_SYMLINK_NOFOLLOW, &attributes);
}

long linux_fchown(struct posix_frame *f)
{
    const struct attributes attributes = attributes_of_owner(f->a1, f->a2);

    return attributes_set_fd((int)f->a0, &attributes);
}

long linux_fchownat(struct posix_frame *f)
{
    const struct attributes attributes = attributes_of_owner(f->a2, f->a3);

    return attributes_set_path((int)f->a0, (const char *)f->a1, (int)f->a4, &attributes);
}

/* --- times --- */

static void attributes_add_time(struct attributes *attributes, int seconds_at,
                                const struct timespec *time)
{
    struct timespec now;

    if (time != NULL && time->tv_nsec == UTIME_OMIT) {
        return;
    }
    if (time == NULL || time->tv_nsec == UTIME_NOW) {
        if (clock_read(CLOCK_REALTIME, &now) != 0) {
            return;
        }
        time = &now;
    }
    attributes->what |= 1 << seconds_at;
    attributes->values[seconds_at] = time->tv_sec;
    attributes->values[seconds_at + 1] = time->tv_nsec;
}

long linux_utimensat(struct posix_frame *f)
{
    const struct timespec *times = (const struct timespec *)f->a2;
    struct attributes attributes = {0};

    attributes_add_time(&attributes, IO_STAT_ATIME_S, times);
    attributes_add_time(&attributes, IO_STAT_MTIME_S, times != NULL ? times + 1 : NULL);
    return attributes_set_path((int)f->a0, (const char *)f->a1, (int)f->a3, &attributes);
}

/* --- file systems --- */

static long attributes_statfs(mach_port_t object, struct statfs *st)
{
    int64_t numbers[FILE_STATFS_MAX] = {0};
    mach_msg_type_number_t count = FILE_STATFS_MAX;
    long error = -portolan_errno(file_statfs(object, numbers, &count));

    if (error != 0) {
        return error;
    }
    memory_zero(st, sizeof(*st));
    st->f_type = (unsigned long)numbers[FILE_STATFS_TYPE];
    st->f_bsize = (unsigned long)numbers[FILE_STATFS_BLOCK_SIZE];
    st->f_frsize = st->f_bsize;
    st->f_blocks = (fsblkcnt_t)numbers[FILE_STATFS_BLOCKS];
    st->f_bfree = (fsblkcnt_t)numbers[FILE_STATFS_FREE];
    st->f_bavail = (fsblkcnt_t)numbers[FILE_STATFS_AVAILABLE];
    st->f_files = (fsfilcnt_t)numbers[FILE_STATFS_FILES];
    st->f_ffree = (fsfilcnt_t)numbers[FILE_STATFS_FILES_FREE];
    st->f_namelen = (unsigned long)numbers[FILE_STATFS_NAME_MAX];
    st->f_flags = (unsigned long)numbers[FILE_STATFS_FLAGS];
    st->f_fsid.__val[0] = (int)numbers[FILE_STATFS_DEVICE];
    return 0;
}

long linux_statfs(struct posix_frame *f)
{
    mach_port_t object;
    long error = open_at(AT_FDCWD, (const char *)f->a0, O_PATH, 0, &object);

    if (error != 0) {
        return error;
    }
    error = attributes_statfs(object, (struct statfs *)f->a1);
    syscall_mach_port_deallocate(mach_task_self(), object);
    return error;
}

long linux_fstatfs(struct posix_frame *f)
{
    struct file *file = file_get((int)f->a0);
    long error;

    if (file == NULL) {
        return -EBADF;
    }
    error =
        file->kind == FILE_OBJECT ? attributes_statfs(file->port, (struct statfs *)f->a1) : -ENOSYS;
    file_put(file);
    return error;
}

/* Servers that know nothing of it have nothing to put anywhere. */
long linux_fsync(struct posix_frame *f)
{
    struct file *file = file_get((int)f->a0);
    long error;

    if (file == NULL) {
        return -EBADF;
    }
    error = file->kind == FILE_OBJECT ? -portolan_errno(file_sync(file->port, 0)) : -EINVAL;
    file_put(file);
    return error == -ENOSYS ? 0 : error;
}

long linux_fdatasync(struct posix_frame *f)
{
    return linux_fsync(f);
}

static long attributes_sync_all(void)
{
    long error = -portolan_errno(file_sync(portolan_port("root"), FILE_SYNC_ALL));

    return error == -ENOSYS ? 0 : error;
}

long linux_sync(struct posix_frame *f)
{
    (void)f;
    (void)attributes_sync_all();
    return 0;
}

/* What is mapped is what is read: only whether it is on the disk is left. */
long linux_msync(struct posix_frame *f)
{
    if (!mach_page_aligned(f->a0) || (f->a2 & ~7ul) != 0 || (f->a2 & 5) == 5) {
        return -EINVAL;
    }
    return (f->a2 & 4) != 0 ? attributes_sync_all() : 0; /* MS_SYNC */
}
