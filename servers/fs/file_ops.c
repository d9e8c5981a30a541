/* file_ops.c - io.defs and file.defs: what is done with open files. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <portolan/file_types.h>
#include <portolan/io_types.h>
#include <stdio.h>
#include <string.h>

#include "file_server.h"
#include "fs_impl.h"
#include "io_server.h"

#define FILE_ACCESS 3 /* libc's O_ACCMODE has the bit of O_PATH too */

/* May the file be read, or written? Its kind and its flags say. */
static int file_check(const struct opened *opened, int access)
{
    int flags = opened->flags;

    if ((flags & O_PATH) != 0 ||
        ((flags & FILE_ACCESS) != O_RDWR && (flags & FILE_ACCESS) != access)) {
        return EBADF;
    }
    if (S_ISDIR(opened->node->type)) {
        return EISDIR;
    }
    return S_ISREG(opened->node->type) ? 0 : EINVAL;
}

/* --- reading and writing --- */

/* Where the transfer begins. */
static int file_offset(struct opened *opened, int64_t offset, uint64_t *at)
{
    if (offset < IO_POSITION) {
        return EINVAL;
    }
    *at = offset == IO_POSITION ? __atomic_load_n(&opened->position, __ATOMIC_RELAXED)
                                : (uint64_t)offset;
    return 0;
}

static void file_moved(struct opened *opened, int64_t offset, uint64_t position)
{
    if (offset == IO_POSITION) {
        __atomic_store_n(&opened->position, position, __ATOMIC_RELAXED);
    }
}

kern_return_t serve_io_read(mach_port_t object, int64_t offset, natural_t wanted, io_data_t data,
                            mach_msg_type_number_t *count)
{
    struct opened *opened = opened_get();
    size_t size = wanted < *count ? wanted : *count;
    uint64_t at;
    int error;

    (void)object;
    if (opened == NULL) {
        return MIG_BAD_ID;
    }
    error = file_check(opened, O_RDONLY);
    error = error == 0 ? file_offset(opened, offset, &at) : error;
    error = error == 0 ? contents_read(opened->node, at, data, size, &size) : error;
    if (error == 0) {
        file_moved(opened, offset, at + size);
        *count = (mach_msg_type_number_t)size;
    }
    opened_put(opened);
    return fs_code(error);
}

kern_return_t serve_file_read_memory(mach_port_t file, int64_t offset, vm_size_t wanted,
                                     pointer_t *data, mach_msg_type_number_t *count)
{
    struct opened *opened = opened_get();
    size_t done = 0;
    uint64_t at;
    int error;

    (void)file;
    if (opened == NULL) {
        return MIG_BAD_ID;
    }
    *data = 0;
    error = file_check(opened, O_RDONLY);
    error = error == 0 ? file_offset(opened, offset, &at) : error;
    error = error == 0 ? contents_read_memory(opened->node, at, wanted, data, &done) : error;
    if (error == 0) {
        file_moved(opened, offset, at + done);
        *count = (mach_msg_type_number_t)done;
    }
    opened_put(opened);
    return fs_code(error);
}

kern_return_t serve_io_write(mach_port_t object, int64_t offset, io_data_t data,
                             mach_msg_type_number_t count, natural_t *written)
{
    struct opened *opened = opened_get();
    uint64_t at;
    int error;

    (void)object;
    if (opened == NULL) {
        return MIG_BAD_ID;
    }
    error = file_check(opened, O_WRONLY);
    error = error == 0 ? file_offset(opened, offset, &at) : error;
    if (error == 0) {
        error = contents_write(opened->node, &at, (opened->flags & O_APPEND) != 0, data, count);
    }
    if (error == 0) {
        file_moved(opened, offset, at);
        *written = count;
    }
    opened_put(opened);
    return fs_code(error);
}

kern_return_t serve_io_seek(mach_port_t object, int64_t offset, int whence, int64_t *position)
{
    struct opened *opened = opened_get();
    int64_t base = 0;
    int error = 0;

    (void)object;
    if (opened == NULL) {
        return MIG_BAD_ID;
    }
    if (whence == SEEK_CUR) {
        base = (int64_t)__atomic_load_n(&opened->position, __ATOMIC_RELAXED);
    } else if (whence == SEEK_END) {
        base = (int64_t)opened->node->size;
    } else if (whence != SEEK_SET) {
        error = EINVAL;
    }
    if ((opened->flags & O_PATH) != 0) {
        error = EBADF;
    } else if (__builtin_add_overflow(base, offset, &base) || base < 0) {
        error = EINVAL;
    }
    if (error == 0) {
        file_moved(opened, IO_POSITION, (uint64_t)base);
        *position = base;
    }
    opened_put(opened);
    return fs_code(error);
}

kern_return_t serve_io_truncate(mach_port_t object, int64_t size)
{
    struct opened *opened = opened_get();
    int error;

    (void)object;
    if (opened == NULL) {
        return MIG_BAD_ID;
    }
    error = file_check(opened, O_WRONLY);
    if (error == EBADF || size < 0) {
        error = (opened->flags & O_PATH) != 0 ? EBADF : EINVAL;
    }
    if (error == 0) {
        error = contents_truncate(opened->node, (uint64_t)size);
    }
    opened_put(opened);
    return fs_code(error);
}

kern_return_t serve_io_poll(mach_port_t object, int *ready)
{
    struct opened *opened = opened_get();

    (void)object;
    if (opened == NULL) {
        return MIG_BAD_ID;
    }
    *ready = IO_READY_READ | IO_READY_WRITE;
    opened_put(opened);
    return KERN_SUCCESS;
}

kern_return_t serve_file_map(mach_port_t file, vm_prot_t protection, mach_port_t *object,
                             mach_msg_type_name_t *how)
{
    struct opened *opened = opened_get();
    int error;

    (void)file;
    if (opened == NULL) {
        return MIG_BAD_ID;
    }
    error = file_check(opened, O_RDONLY);
    if (error == 0 && (protection & VM_PROT_WRITE) != 0) {
        error = file_check(opened, O_WRONLY);
    }
    error = error == EBADF ? EACCES : error != 0 ? ENODEV : 0;
    if (error == 0) {
        *how = MACH_MSG_TYPE_MOVE_SEND;
        error = contents_map(opened->node, protection, object);
    }
    opened_put(opened);
    return fs_code(error);
}

/* --- facts --- */

kern_return_t serve_io_stat(mach_port_t object, io_stat_t stat, mach_msg_type_number_t *count)
{
    struct opened *opened = opened_get();
    struct stat st;
    int error;

    (void)object;
    if (opened == NULL) {
        return MIG_BAD_ID;
    }
    error = node_stat(opened->node, &st);
    if (error == 0) {
        const int64_t all[IO_STAT_COUNT] = {
            [IO_STAT_TYPE] = IFTODT(st.st_mode),
            [IO_STAT_MODE] = st.st_mode & 07777,
            [IO_STAT_SIZE] = st.st_size,
            [IO_STAT_INODE] = (int64_t)st.st_ino,
            [IO_STAT_LINKS] = (int64_t)st.st_nlink,
            [IO_STAT_MTIME_S] = st.st_mtim.tv_sec,
            [IO_STAT_MTIME_NS] = st.st_mtim.tv_nsec,
            [IO_STAT_DEVICE] = (int64_t)st.st_dev,
            [IO_STAT_BLOCKS] = st.st_blocks,
            [IO_STAT_USER] = st.st_uid,
            [IO_STAT_GROUP] = st.st_gid,
            [IO_STAT_NUMBER] = (int64_t)st.st_rdev,
            [IO_STAT_ATIME_S] = st.st_atim.tv_sec,
            [IO_STAT_ATIME_NS] = st.st_atim.tv_nsec,
            [IO_STAT_CTIME_S] = st.st_ctim.tv_sec,
            [IO_STAT_CTIME_NS] = st.st_ctim.tv_nsec,
        };

        *count = *count < IO_STAT_COUNT ? *count : IO_STAT_COUNT;
        memcpy(stat, all, *count * sizeof(*all));
    }
    opened_put(opened);
    return fs_code(error);
}

/* The bits of volume.h for those of file_set. */
static unsigned file_set_what(int what)
{
    static const unsigned char bits[][2] = {
        {IO_STAT_MODE, VOLUME_SET_MODE},     {IO_STAT_USER, VOLUME_SET_OWNER},
        {IO_STAT_GROUP, VOLUME_SET_GROUP},   {IO_STAT_ATIME_S, VOLUME_SET_ATIME},
        {IO_STAT_MTIME_S, VOLUME_SET_MTIME},
    };
    unsigned result = 0;

    for (unsigned i = 0; i < sizeof(bits) / sizeof(bits[0]); i++) {
        result |= (what & 1 << bits[i][0]) != 0 ? bits[i][1] : 0;
    }
    return result;
}

static int file_set_node(struct node *node, int what, const int64_t *values)
{
    struct volume *volume = node->mount->volume;
    const struct stat st = {
        .st_mode = (mode_t)values[IO_STAT_MODE] & 07777,
        .st_uid = (uid_t)values[IO_STAT_USER],
        .st_gid = (gid_t)values[IO_STAT_GROUP],
        .st_atim = {values[IO_STAT_ATIME_S], values[IO_STAT_ATIME_NS]},
        .st_mtim = {values[IO_STAT_MTIME_S], values[IO_STAT_MTIME_NS]},
    };
    int error;

    if ((uint64_t)st.st_atim.tv_nsec >= 1000000000 || (uint64_t)st.st_mtim.tv_nsec >= 1000000000) {
        return EINVAL;
    }
    if (volume->is_read_only) {
        return EROFS;
    }
    mount_lock(node->mount);
    error = volume->ops->set(volume, node->inode, &st, file_set_what(what));
    mount_unlock(node->mount);
    return error;
}

kern_return_t serve_file_set(mach_port_t file, int what, io_stat_t values,
                             mach_msg_type_number_t count)
{
    struct opened *opened = opened_get();
    int64_t all[IO_STAT_MAX] = {0};
    int error;

    (void)file;
    if (opened == NULL) {
        return MIG_BAD_ID;
    }
    memcpy(all, values, (count < IO_STAT_MAX ? count : IO_STAT_MAX) * sizeof(*all));
    error = file_set_node(opened->node, what, all);
    opened_put(opened);
    return fs_code(error);
}

kern_return_t serve_file_flags(mach_port_t file, int flags)
{
    struct opened *opened = opened_get();

    (void)file;
    if (opened == NULL) {
        return MIG_BAD_ID;
    }
    opened->flags = (opened->flags & ~O_APPEND) | (flags & O_APPEND);
    opened_put(opened);
    return KERN_SUCCESS;
}

/* --- file systems --- */

static int file_sync_one(struct node *node)
{
    struct volume *volume = node->mount->volume;
    int error = contents_clean(node);
    int failed;

    mount_lock(node->mount);
    failed = volume->ops->sync_inode(volume, node->inode);
    mount_unlock(node->mount);
    return error != 0 ? error : failed;
}

static int file_sync_volume(struct mount *mount, bool clean)
{
    struct volume *volume = mount->volume;
    int error;

    mount_lock(mount);
    error = clean ? volume->ops->clean(volume) : volume->ops->sync(volume);
    mount_unlock(mount);
    return error;
}

int file_sync_all(bool clean)
{
    struct node *node = NULL;
    struct node *root;
    int error = 0;
    int failed;

    while ((node = node_next(NULL, node)) != NULL) {
        failed = contents_clean(node);
        error = error != 0 ? error : failed;
    }
    for (unsigned i = 0; mount_nth(i, &root); i++) {
        if (root != NULL) {
            failed = file_sync_volume(root->mount, clean);
            error = error != 0 ? error : failed;
            node_put(root);
        }
    }
    return error;
}

kern_return_t serve_file_sync(mach_port_t file, int how)
{
    struct opened *opened = opened_get();
    int error;

    (void)file;
    if (opened == NULL) {
        return MIG_BAD_ID;
    }
    error = (how & FILE_SYNC_ALL) != 0 ? file_sync_all((how & FILE_SYNC_CLEAN) != 0)
                                       : file_sync_one(opened->node);
    if ((how & FILE_SYNC_FORGET) != 0) {
        node_forget(NULL);
    }
    opened_put(opened);
    return fs_code(error);
}

kern_return_t serve_file_statfs(mach_port_t file, file_statfs_t numbers,
                                mach_msg_type_number_t *count)
{
    struct opened *opened = opened_get();
    struct mount *mount;
    struct statfs st;
    int error;

    (void)file;
    if (opened == NULL) {
        return MIG_BAD_ID;
    }
    mount = opened->node->mount;
    mount_lock(mount);
    error = mount->volume->ops->statfs(mount->volume, &st);
    mount_unlock(mount);
    if (error == 0) {
        const int64_t all[FILE_STATFS_COUNT] = {
            [FILE_STATFS_TYPE] = (int64_t)st.f_type,
            [FILE_STATFS_BLOCK_SIZE] = (int64_t)st.f_bsize,
            [FILE_STATFS_BLOCKS] = (int64_t)st.f_blocks,
            [FILE_STATFS_FREE] = (int64_t)st.f_bfree,
            [FILE_STATFS_AVAILABLE] = (int64_t)st.f_bavail,
            [FILE_STATFS_FILES] = (int64_t)st.f_files,
            [FILE_STATFS_FILES_FREE] = (int64_t)st.f_ffree,
            [FILE_STATFS_NAME_MAX] = (int64_t)st.f_namelen,
            [FILE_STATFS_FLAGS] = mount->volume->is_read_only ? 1 : 0, /* ST_RDONLY */
            [FILE_STATFS_DEVICE] = (int64_t)mount->device,
        };

        *count = *count < FILE_STATFS_COUNT ? *count : FILE_STATFS_COUNT;
        memcpy(numbers, all, *count * sizeof(*all));
    }
    opened_put(opened);
    return fs_code(error);
}

/* A line about the mount. Returns: its length, 0: there is no room. */
static size_t file_mount_line(const struct mount *mount, char *text, size_t room)
{
    int length = snprintf(text, room, "%s %s %s %s\n", mount->source, mount->place, mount->kind,
                          mount->volume->is_read_only ? "ro" : "rw");

    return length > 0 && (size_t)length < room ? (size_t)length : 0;
}

kern_return_t serve_file_mounts(mach_port_t file, file_text_t text, mach_msg_type_number_t *count)
{
    struct opened *opened = opened_get();
    char all[FILE_TEXT_MAX];
    size_t used = 0;
    struct node *root;

    (void)file;
    if (opened == NULL) {
        return MIG_BAD_ID;
    }
    opened_put(opened);
    for (unsigned i = 0; mount_nth(i, &root); i++) {
        if (root != NULL) {
            used += file_mount_line(root->mount, all + used, sizeof(all) - used);
            node_put(root);
        }
    }
    *count = (mach_msg_type_number_t)(used < *count ? used : *count);
    memcpy(text, all, *count);
    return KERN_SUCCESS;
}
