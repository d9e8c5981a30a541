/* dir_ops.c - dir.defs, and the routines of file.defs that take paths. */
#include <dir.h>
#include <errno.h>
#include <fcntl.h>
#include <portolan/file_types.h>
#include <portolan/io_types.h>
#include <portolan/portolan.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "dir_server.h"
#include "file_server.h"
#include "fs_impl.h"

#define DIR_ACCESS 3 /* libc's O_ACCMODE has the bit of O_PATH too */

/* --- open --- */

/* Devices are in the boot archive: these are their numbers. */
static kern_return_t dir_open_device(dev_t number, int flags, mach_port_t *object)
{
    const char *path = number == makedev(1, 3)   ? "dev/null"
                       : number == makedev(5, 1) ? "dev/console"
                                                 : NULL;

    return path == NULL ? PORTOLAN_ERRNO(ENXIO)
                        : dir_open(portolan_port("root"), path, flags & DIR_ACCESS, 0, object);
}

static bool dir_writes(int flags)
{
    return (flags & DIR_ACCESS) != O_RDONLY || (flags & O_TRUNC) != 0;
}

/* May what is there be opened so? */
static int dir_check(const struct node *node, int flags)
{
    if ((flags & O_CREAT) != 0 && (flags & O_EXCL) != 0) {
        return EEXIST;
    }
    if ((flags & O_DIRECTORY) != 0 && !S_ISDIR(node->type)) {
        return ENOTDIR;
    }
    if ((flags & O_PATH) != 0) {
        return 0;
    }
    if (S_ISLNK(node->type)) {
        return ELOOP;
    }
    if (S_ISDIR(node->type)) {
        return dir_writes(flags) || (flags & O_CREAT) != 0 ? EISDIR : 0;
    }
    if (!S_ISREG(node->type)) {
        return ENXIO;
    }
    return dir_writes(flags) && node->mount->volume->is_read_only ? EROFS : 0;
}

/* Make what the walk did not find. */
static int dir_create(struct walk *walk, const struct volume_make *what)
{
    struct mount *mount = walk->directory->mount;
    uint64_t inode;
    int error;

    if (mount->volume->is_read_only) {
        return EROFS;
    }
    mount_lock(mount);
    error = mount->volume->ops->make(mount->volume, walk->directory->inode, walk->name,
                                     walk->length, what, &inode);
    if (error == 0) {
        error = node_get(mount, inode, &walk->node);
    }
    mount_unlock(mount);
    return error;
}

static int dir_open_node(struct node *from, const char *path, int flags, int mode,
                         struct node **node)
{
    bool is_new = (flags & O_CREAT) != 0 && (flags & O_PATH) == 0;
    bool follows = (flags & O_NOFOLLOW) == 0 && (!is_new || (flags & O_EXCL) == 0);
    const struct volume_make what = {.mode = S_IFREG | ((mode_t)mode & 07777)};
    struct walk found;
    int error = walk(from, path, (follows ? WALK_FOLLOW : 0) | (is_new ? WALK_CREATE : 0), &found);

    if (error != 0) {
        return error;
    }
    if (found.node == NULL) {
        error = found.must_be_directory ? EISDIR : dir_create(&found, &what);
        if (error == EEXIST && (flags & O_EXCL) == 0) { /* somebody else made it just now */
            walk_done(&found);
            return dir_open_node(from, path, flags & ~O_CREAT, mode, node);
        }
    } else {
        error = dir_check(found.node, flags);
        if (error == ENXIO && S_ISCHR(found.node->type)) {
            error = 0;
        }
        if (error == 0 && (flags & O_TRUNC) != 0 && (flags & O_PATH) == 0 &&
            S_ISREG(found.node->type)) {
            error = contents_truncate(found.node, 0);
        }
    }
    if (error == 0) {
        *node = node_ref(found.node);
    }
    walk_done(&found);
    return error;
}

kern_return_t serve_dir_open(mach_port_t dir, const char *path, int flags, int mode,
                             mach_port_t *object, mach_msg_type_name_t *how)
{
    struct opened *opened = opened_get();
    struct node *node;
    kern_return_t kr;
    int error;

    (void)dir;
    if (opened == NULL) {
        return MIG_BAD_ID;
    }
    error = dir_open_node(opened->node, path, flags, mode, &node);
    opened_put(opened);
    if (error != 0) {
        return fs_code(error);
    }
    *how = MACH_MSG_TYPE_MOVE_SEND;
    if (S_ISCHR(node->type) && (flags & O_PATH) == 0) {
        kr = dir_open_device(node->number, flags, object);
        node_put(node);
        return kr;
    }
    return fs_code(opened_create(node, flags & ~O_CREAT, object));
}

/* --- reading a directory --- */

static bool dir_is_dot(const struct volume_entry *entry)
{
    return strcmp(entry->name, ".") == 0 || strcmp(entry->name, "..") == 0;
}

/* As many records as there is room for. */
static int dir_list(struct node *node, uint64_t *position, char *out, uint32_t room, uint32_t *used)
{
    struct volume *volume = node->mount->volume;
    struct volume_entry entry;
    uint64_t next;
    int error = 0;

    *used = 0;
    for (;;) {
        struct dir_record record;

        error = volume->ops->read_directory(volume, node->inode, *position, &entry, &next);
        if (error != 0) {
            return error == ENOENT || *used != 0 ? 0 : error;
        }
        if (!dir_is_dot(&entry)) {
            if (DIR_RECORD_FIXED + entry.length + 1u > room - *used) {
                return *used != 0 ? 0 : EINVAL;
            }
            record = (struct dir_record){.inode = (int64_t)entry.inode, .type = entry.type};
            memcpy(out + *used, &record, DIR_RECORD_FIXED);
            memcpy(out + *used + DIR_RECORD_FIXED, entry.name, entry.length + 1u);
            *used += DIR_RECORD_FIXED + entry.length + 1u;
        }
        *position = next;
    }
}

kern_return_t serve_dir_read(mach_port_t dir, int64_t position, int64_t *next,
                             dir_entries_t entries, mach_msg_type_number_t *count)
{
    struct opened *opened = opened_get();
    uint64_t at = (uint64_t)position;
    uint32_t used = 0;
    int error;

    (void)dir;
    if (opened == NULL) {
        return MIG_BAD_ID;
    }
    error = position < 0 ? EINVAL : S_ISDIR(opened->node->type) ? 0 : ENOTDIR;
    if (error == 0) {
        mount_lock(opened->node->mount);
        error = dir_list(opened->node, &at, entries, *count, &used);
        mount_unlock(opened->node->mount);
    }
    if (error == 0) {
        *next = (int64_t)at;
        *count = used;
    }
    opened_put(opened);
    return fs_code(error);
}

/* --- names --- */

/* Walk to where a name is, or is to be. */
static int dir_walk_parent(const char *path, struct walk *result)
{
    struct opened *opened = opened_get();
    int error;

    if (opened == NULL) {
        return EBADF;
    }
    error = walk(opened->node, path, WALK_PARENT, result);
    opened_put(opened);
    return error;
}

/* The node behind a name that is about to go: NULL when it is not in use. EBUSY: it cannot go.
 * The mount's lock is held. */
static int dir_named(const struct walk *walk, struct node **node)
{
    struct mount *mount = walk->directory->mount;
    uint64_t inode;
    int error = mount->volume->ops->lookup(mount->volume, walk->directory->inode, walk->name,
                                           walk->length, &inode);

    *node = NULL;
    if (error == 0 && mount_is_place(mount, inode)) {
        return EBUSY;
    }
    if (error == 0) {
        *node = node_find(mount, inode);
    }
    return error;
}

/* A node has lost a name: when that was the last, its contents need not be kept any longer. */
static void dir_unnamed(struct node *node)
{
    struct volume *volume = node->mount->volume;
    struct stat st;

    if (volume->ops->stat(volume, node->inode, &st) == 0) {
        node->is_removed = st.st_nlink == 0;
    }
}

kern_return_t serve_dir_unlink(mach_port_t dir, const char *path, int flags)
{
    struct node *node = NULL;
    struct volume *volume;
    struct mount *mount;
    struct walk where;
    int error = dir_walk_parent(path, &where);

    (void)dir;
    if (error != 0) {
        return fs_code(error);
    }
    mount = where.directory->mount;
    volume = mount->volume;
    mount_lock(mount);
    error = dir_named(&where, &node);
    if (error == 0) {
        error = volume->is_read_only
                    ? EROFS
                    : volume->ops->unlink(volume, where.directory->inode, where.name, where.length,
                                          (flags & DIR_UNLINK_DIRECTORY) != 0);
    }
    if (error == 0 && node != NULL) {
        dir_unnamed(node);
    }
    mount_unlock(mount);
    if (node != NULL) {
        node_put(node);
    }
    walk_done(&where);
    return fs_code(error);
}

/* The mount's lock is held. */
static int dir_rename_locked(const struct walk *from, const struct walk *to, struct node **node,
                             struct node **replaced)
{
    struct volume *volume = from->directory->mount->volume;
    int error = dir_named(from, node);

    if (error == 0) {
        error = dir_named(to, replaced);
        error = error == ENOENT ? 0 : error;
    }
    if (error == 0 && volume->is_read_only) {
        error = EROFS;
    }
    if (error == 0) {
        error = volume->ops->rename(volume, from->directory->inode, from->name, from->length,
                                    to->directory->inode, to->name, to->length);
    }
    if (error == 0 && *replaced != NULL) {
        dir_unnamed(*replaced);
    }
    return error;
}

static int dir_rename_walked(const struct walk *from, const struct walk *to)
{
    struct mount *mount = from->directory->mount;
    struct node *node = NULL;
    struct node *replaced = NULL;
    int error;

    if (to->directory->mount != mount) {
        return EXDEV;
    }
    mount_lock(mount);
    error = dir_rename_locked(from, to, &node, &replaced);
    mount_unlock(mount);
    if (node != NULL) {
        node_put(node);
    }
    if (replaced != NULL) {
        node_put(replaced);
    }
    return error;
}

kern_return_t serve_dir_rename(mach_port_t dir, const char *path, const char *new_path)
{
    struct walk from, to;
    int error = dir_walk_parent(path, &from);

    (void)dir;
    if (error != 0) {
        return fs_code(error);
    }
    error = dir_walk_parent(new_path, &to);
    if (error == 0) {
        error = dir_rename_walked(&from, &to);
        walk_done(&to);
    }
    walk_done(&from);
    return fs_code(error);
}

/* Make something that must not be there yet. */
static int dir_make_new(const char *path, const struct volume_make *what)
{
    struct opened *opened = opened_get();
    struct walk where;
    int error;

    if (opened == NULL) {
        return EBADF;
    }
    error = walk(opened->node, path, WALK_CREATE, &where);
    opened_put(opened);
    if (error != 0) {
        return error;
    }
    if (where.node != NULL) {
        error = EEXIST;
    } else if (where.must_be_directory && !S_ISDIR(what->mode)) {
        error = ENOENT;
    } else {
        error = dir_create(&where, what);
    }
    walk_done(&where);
    return error;
}

kern_return_t serve_dir_make(mach_port_t dir, const char *path, int mode)
{
    const struct volume_make what = {.mode = S_IFDIR | ((mode_t)mode & 07777)};

    (void)dir;
    return fs_code(dir_make_new(path, &what));
}

kern_return_t serve_file_symlink(mach_port_t dir, const char *target, const char *path)
{
    const struct volume_make what = {.mode = S_IFLNK | 0777, .target = target};

    (void)dir;
    return fs_code(target[0] == '\0' ? ENOENT : dir_make_new(path, &what));
}

static int dir_link_node(struct node *node, const struct walk *to)
{
    struct mount *mount = to->directory->mount;
    int error;

    if (to->node != NULL) {
        return EEXIST;
    }
    if (node->mount != mount) {
        return EXDEV;
    }
    if (S_ISDIR(node->type)) {
        return EPERM;
    }
    if (mount->volume->is_read_only) {
        return EROFS;
    }
    mount_lock(mount);
    error = mount->volume->ops->link(mount->volume, to->directory->inode, to->name, to->length,
                                     node->inode);
    mount_unlock(mount);
    return error;
}

kern_return_t serve_file_link(mach_port_t dir, const char *path, const char *new_path)
{
    struct opened *opened = opened_get();
    struct walk from, to;
    int error;

    (void)dir;
    if (opened == NULL) {
        return MIG_BAD_ID;
    }
    error = walk(opened->node, path, 0, &from);
    if (error == 0) {
        error = walk(opened->node, new_path, WALK_CREATE, &to);
        if (error == 0) {
            error = to.node != NULL ? EEXIST : dir_link_node(from.node, &to);
            walk_done(&to);
        }
        walk_done(&from);
    }
    opened_put(opened);
    return fs_code(error);
}

kern_return_t serve_file_read_link(mach_port_t dir, const char *path, file_text_t target,
                                   mach_msg_type_number_t *count)
{
    struct opened *opened = opened_get();
    struct walk found;
    size_t length = 0;
    int error;

    (void)dir;
    if (opened == NULL) {
        return MIG_BAD_ID;
    }
    error = walk(opened->node, path, 0, &found);
    opened_put(opened);
    if (error != 0) {
        return fs_code(error);
    }
    error = EINVAL;
    if (S_ISLNK(found.node->type)) {
        struct mount *mount = found.node->mount;

        mount_lock(mount);
        error = mount->volume->ops->read_link(mount->volume, found.node->inode, target, *count,
                                              &length);
        mount_unlock(mount);
        *count = (mach_msg_type_number_t)length;
    }
    walk_done(&found);
    return fs_code(error);
}

kern_return_t serve_dir_path(mach_port_t dir, const char *path, dir_path_t true_path)
{
    struct opened *opened = opened_get();
    struct walk found;
    int error;

    (void)dir;
    if (opened == NULL) {
        return MIG_BAD_ID;
    }
    error = walk(opened->node, path, WALK_FOLLOW, &found);
    opened_put(opened);
    if (error == 0) {
        error = walk_path(found.node, true_path, DIR_PATH_MAX);
        walk_done(&found);
    }
    return fs_code(error);
}
