/* stat.c - facts of files, in the three forms Linux has for them. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <portolan/portolan.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/text.h"
#include "posix/file.h"
#include "posix/open.h"
#include "posix/posix.h"

#define STAT_IO_SIZE 4096

/* Linux's structure; libc's header has it only in its newer releases. */
struct linux_statx_time {
    int64_t seconds;
    uint32_t nanoseconds;
    int32_t reserved;
};

struct linux_statx {
    uint32_t mask;
    uint32_t block_size;
    uint64_t attributes;
    uint32_t links;
    uint32_t user;
    uint32_t group;
    uint16_t mode;
    uint16_t pad;
    uint64_t inode;
    uint64_t size;
    uint64_t blocks;
    uint64_t attributes_mask;
    struct linux_statx_time accessed;
    struct linux_statx_time born;
    struct linux_statx_time changed;
    struct linux_statx_time modified;
    uint32_t special_major;
    uint32_t special_minor;
    uint32_t device_major;
    uint32_t device_minor;
    uint64_t spare[14];
};
MACH_ABI_SIZE(struct linux_statx, 256);
#define LINUX_STATX_BASIC 0x7ffu

/* IO_TYPE_* are the upper bits of S_IF*. */
static mode_t stat_mode(const int64_t *facts)
{
    return ((mode_t)facts[IO_STAT_MODE] & 07777) | ((mode_t)facts[IO_STAT_TYPE] & 017) << 12;
}

static void stat_fill(struct stat *st, const int64_t *facts)
{
    memory_zero(st, sizeof(*st));
    st->st_dev = (dev_t)facts[IO_STAT_DEVICE];
    st->st_ino = (ino_t)facts[IO_STAT_INODE];
    st->st_mode = stat_mode(facts);
    st->st_nlink = (nlink_t)facts[IO_STAT_LINKS];
    st->st_size = facts[IO_STAT_SIZE];
    st->st_blksize = STAT_IO_SIZE;
    st->st_blocks = facts[IO_STAT_BLOCKS];
    st->st_uid = (uid_t)facts[IO_STAT_USER];
    st->st_gid = (gid_t)facts[IO_STAT_GROUP];
    st->st_rdev = (dev_t)facts[IO_STAT_NUMBER];
    st->st_mtim.tv_sec = facts[IO_STAT_MTIME_S];
    st->st_mtim.tv_nsec = facts[IO_STAT_MTIME_NS];
    st->st_atim.tv_sec = facts[IO_STAT_ATIME_S];
    st->st_atim.tv_nsec = facts[IO_STAT_ATIME_NS];
    st->st_ctim.tv_sec = facts[IO_STAT_CTIME_S];
    st->st_ctim.tv_nsec = facts[IO_STAT_CTIME_NS];
}

/* Facts of things that have no server to ask. */
static void stat_local(const struct file *file, struct stat *st)
{
    memory_zero(st, sizeof(*st));
    st->st_mode = file->kind == FILE_PIPE_READ || file->kind == FILE_PIPE_WRITE ? S_IFIFO | 0600
                                                                                : S_IFCHR | 0666;
    st->st_nlink = 1;
    st->st_blksize = STAT_IO_SIZE;
}

static long stat_descriptor(int fd, struct stat *st)
{
    int64_t facts[IO_STAT_MAX];
    struct file *file = file_get(fd);
    long error = 0;

    if (file == NULL) {
        return -EBADF;
    }
    if (file->kind != FILE_OBJECT) {
        stat_local(file, st);
    } else {
        error = open_facts(file->port, facts);
        if (error == 0) {
            stat_fill(st, facts);
        }
    }
    file_put(file);
    return error;
}

static long stat_path(int directory, const char *path, int flags, struct stat *st)
{
    int64_t facts[IO_STAT_MAX];
    mach_port_t object;
    long error;

    if (*path == '\0' && (flags & AT_EMPTY_PATH) != 0 && directory != AT_FDCWD) {
        return stat_descriptor(directory, st);
    }
    error = open_at(directory, *path == '\0' && (flags & AT_EMPTY_PATH) != 0 ? "." : path,
                    O_PATH | ((flags & AT_SYMLINK_NOFOLLOW) != 0 ? O_NOFOLLOW : 0), 0, &object);
    if (error != 0) {
        return error;
    }
    error = open_facts(object, facts);
    syscall_mach_port_deallocate(mach_task_self(), object);
    if (error == 0) {
        stat_fill(st, facts);
    }
    return error;
}

long linux_stat(struct posix_frame *f)
{
    return stat_path(AT_FDCWD, (const char *)f->a0, 0, (struct stat *)f->a1);
}

long linux_lstat(struct posix_frame *f)
{
    return stat_path(AT_FDCWD, (const char *)f->a0, AT_SYMLINK_NOFOLLOW, (struct stat *)f->a1);
}

long linux_fstat(struct posix_frame *f)
{
    return stat_descriptor((int)f->a0, (struct stat *)f->a1);
}

long linux_newfstatat(struct posix_frame *f)
{
    return stat_path((int)f->a0, (const char *)f->a1, (int)f->a3, (struct stat *)f->a2);
}

long linux_statx(struct posix_frame *f)
{
    struct linux_statx *sx = (struct linux_statx *)f->a4;
    struct stat st;
    long error = stat_path((int)f->a0, (const char *)f->a1, (int)f->a2, &st);

    if (error != 0) {
        return error;
    }
    memory_zero(sx, sizeof(*sx));
    sx->mask = LINUX_STATX_BASIC;
    sx->block_size = (uint32_t)st.st_blksize;
    sx->links = (uint32_t)st.st_nlink;
    sx->mode = (uint16_t)st.st_mode;
    sx->inode = st.st_ino;
    sx->size = (uint64_t)st.st_size;
    sx->blocks = (uint64_t)st.st_blocks;
    sx->modified.seconds = st.st_mtim.tv_sec;
    sx->modified.nanoseconds = (uint32_t)st.st_mtim.tv_nsec;
    sx->accessed.seconds = st.st_atim.tv_sec;
    sx->accessed.nanoseconds = (uint32_t)st.st_atim.tv_nsec;
    sx->changed.seconds = st.st_ctim.tv_sec;
    sx->changed.nanoseconds = (uint32_t)st.st_ctim.tv_nsec;
    sx->user = st.st_uid;
    sx->group = st.st_gid;
    sx->device_minor = (uint32_t)st.st_dev;
    return 0;
}

/* There are no users, so everything may be read and written that the file system lets; executed is
 * what somebody may execute. */
static long stat_access(int directory, const char *path, int mode)
{
    struct stat st;
    long error = stat_path(directory, path, 0, &st);

    if (error == 0 && (mode & X_OK) != 0 && S_ISREG(st.st_mode) && (st.st_mode & 0111) == 0) {
        error = -EACCES;
    }
    return error;
}

long linux_access(struct posix_frame *f)
{
    return stat_access(AT_FDCWD, (const char *)f->a0, (int)f->a1);
}

long linux_faccessat(struct posix_frame *f)
{
    return stat_access((int)f->a0, (const char *)f->a1, (int)f->a2);
}

long linux_faccessat2(struct posix_frame *f)
{
    return linux_faccessat(f);
}
