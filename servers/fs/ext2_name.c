/* ext2_name.c - operations on names. Each first finds all it needs and checks all it must, and then
 * changes: entries first, then counts of links, and what is to be freed last. */
#include "ext2_impl.h"

#include <errno.h>
#include <string.h>

static bool ext2_name_is(const char *name, size_t length, const char *what)
{
    return length == strlen(what) && memcmp(name, what, length) == 0;
}

static bool ext2_name_is_dots(const char *name, size_t length)
{
    return ext2_name_is(name, length, ".") || ext2_name_is(name, length, "..");
}

static int ext2_name_check(size_t length)
{
    return length == 0 ? EINVAL : length > VOLUME_NAME_MAX ? ENAMETOOLONG : 0;
}

int ext2_name_lookup(struct volume *volume, uint64_t number, const char *name, size_t length,
                     uint64_t *inode)
{
    struct ext2 *fs = ext2_of(volume);
    struct ext2_inode *directory;
    struct ext2_place place;
    int error = ext2_name_check(length);

    ext2_trim(fs);
    if (error == 0) {
        error = ext2_inode_get_directory(fs, number, &directory);
    }
    if (error == 0) {
        error = ext2_directory_find(fs, directory, name, length, &place);
    }
    if (error == 0) {
        *inode = place.inode;
    }
    return error;
}

/* The directory for a name that is to be there, where it is or where it has room. Errors: ENOENT:
 * it is not there; ESTALE: the directory was removed. */
static int ext2_name_find_target(struct ext2 *fs, uint64_t number, const char *name, size_t length,
                                 struct ext2_inode **directory, struct ext2_place *place,
                                 uint64_t *room)
{
    int error = ext2_name_check(length);

    if (error == 0) {
        error = ext2_inode_get_directory(fs, number, directory);
    }
    if (error == 0 && (*directory)->links == 0) {
        return ESTALE;
    }
    if (error == 0 && ext2_is_immutable(*directory)) {
        return EPERM;
    }
    return error != 0 ? error : ext2_directory_find_room(fs, *directory, name, length, place, room);
}

/* The directory in which a name is to be made, and room for it. */
static int ext2_name_find_room(struct ext2 *fs, uint64_t number, const char *name, size_t length,
                               struct ext2_inode **directory, uint64_t *room)
{
    struct ext2_place place;
    int error = ext2_name_find_target(fs, number, name, length, directory, &place, room);

    return error == 0 ? EEXIST : error == ENOENT ? 0 : error == ESTALE ? ENOENT : error;
}

/* --- make --- */

static int ext2_name_write_target(struct ext2 *fs, struct ext2_inode *inode, const char *target)
{
    size_t length = strlen(target);
    struct ext2_block *block;
    uint64_t number, got, done;
    int error;

    if (length < EXT2_FAST_SYMLINK_SIZE) {
        memcpy(inode->map, target, length);
        inode->size = length;
        return 0;
    }
    error = ext2_alloc_blocks(fs, ext2_alloc_goal(fs, inode->number), 1, false, &number, &got);
    if (error != 0) {
        return error;
    }
    error = ext2_block_make(fs, number, &block);
    if (error == 0) {
        error = ext2_map_insert(fs, inode, 0, number, 1, false, &done);
    }
    if (error != 0) {
        ext2_block_forget(fs, number);
        (void)ext2_alloc_free_blocks(fs, number, 1);
        return error;
    }
    memcpy(block->data, target, length);
    inode->size = length;
    return 0;
}

static void ext2_name_set_device(struct ext2_inode *inode, dev_t device)
{
    unsigned major = (unsigned)(device >> 8 & 0xfff);
    unsigned minor = (unsigned)((device & 0xff) | (device >> 12 & 0xfff00));

    if (major < 256 && minor < 256) {
        inode->map[0] = major << 8 | minor;
    } else {
        inode->map[1] = (minor & 0xff) | major << 8 | (minor & ~0xffu) << 12;
    }
}

/* What is behind the new inode. */
static int ext2_name_fill(struct ext2 *fs, struct ext2_inode *directory, struct ext2_inode *inode,
                          const struct volume_make *what)
{
    int error = 0;

    inode->mode = (uint16_t)what->mode;
    inode->uid = what->owner;
    inode->gid = what->group;
    inode->links = S_ISDIR(what->mode) ? 2 : 1;
    if (S_ISDIR(what->mode)) {
        error = ext2_directory_init(fs, inode, directory->number);
    } else if (S_ISLNK(what->mode)) {
        error = ext2_name_write_target(fs, inode, what->target);
    } else if (S_ISCHR(what->mode) || S_ISBLK(what->mode)) {
        ext2_name_set_device(inode, what->device);
    }
    return error != 0 ? error : ext2_inode_store(fs, inode);
}

static int ext2_name_make_inode(struct ext2 *fs, struct ext2_inode *directory,
                                const struct volume_make *what, struct ext2_inode **inode)
{
    bool is_directory = S_ISDIR(what->mode);
    uint32_t number;
    int error = ext2_alloc_inode(fs, directory->number, is_directory, &number);

    if (error != 0) {
        return error;
    }
    error = ext2_inode_make(fs, number, inode);
    if (error != 0) {
        (void)ext2_alloc_free_inode(fs, number, is_directory);
        return error;
    }
    error = ext2_name_fill(fs, directory, *inode, what);
    if (error != 0) {
        (*inode)->links = 0;
        (void)ext2_inode_unlinked(fs, *inode);
    }
    return error;
}

int ext2_name_make(struct volume *volume, uint64_t number, const char *name, size_t length,
                   const struct volume_make *what, uint64_t *made)
{
    struct ext2 *fs = ext2_of(volume);
    struct ext2_inode *directory, *inode;
    bool is_counted;
    uint64_t room;
    int error = ext2_transaction_begin(fs);

    if (error == 0) {
        error = ext2_name_find_room(fs, number, name, length, &directory, &room);
    }
    if (error == 0 && S_ISDIR(what->mode) && directory->links >= EXT2_LINK_MAX) {
        error = EMLINK;
    }
    if (error == 0 && S_ISLNK(what->mode) && strlen(what->target) >= fs->block_size) {
        error = ENAMETOOLONG;
    }
    if (error == 0) {
        error = ext2_name_make_inode(fs, directory, what, &inode);
    }
    if (error != 0) {
        return error;
    }
    is_counted = S_ISDIR(what->mode) && directory->links > 1;
    directory->links += is_counted; /* stored with the entry */
    error = ext2_directory_insert(fs, directory, room, name, length, inode);
    if (error != 0) {
        directory->links -= is_counted;
        inode->links = 0;
        (void)ext2_inode_unlinked(fs, inode);
        return error;
    }
    *made = inode->number;
    return 0;
}

int ext2_name_link(struct volume *volume, uint64_t number, const char *name, size_t length,
                   uint64_t target)
{
    struct ext2 *fs = ext2_of(volume);
    struct ext2_inode *directory, *inode;
    uint64_t room;
    int error = ext2_transaction_begin(fs);

    if (error == 0) {
        error = ext2_name_find_room(fs, number, name, length, &directory, &room);
    }
    if (error == 0) {
        error = ext2_inode_get(fs, target, &inode);
    }
    if (error != 0) {
        return error;
    }
    if (S_ISDIR(inode->mode) || ext2_is_immutable(inode)) {
        return EPERM;
    }
    if (inode->links == 0 || inode->links >= EXT2_LINK_MAX) {
        return inode->links == 0 ? ENOENT : EMLINK;
    }
    error = ext2_directory_insert(fs, directory, room, name, length, inode);
    if (error != 0) {
        return error;
    }
    inode->links++;
    inode->ctime = fs->now;
    return ext2_inode_store(fs, inode);
}

/* --- unlink and rename --- */

/* May what is there go? */
static int ext2_name_check_unlink(struct ext2 *fs, struct ext2_inode *inode, bool is_rmdir)
{
    if (ext2_is_immutable(inode)) {
        return EPERM;
    }
    if (!S_ISDIR(inode->mode)) {
        return is_rmdir ? ENOTDIR : 0;
    }
    if (!is_rmdir) {
        return EISDIR;
    }
    return inode->number == EXT2_ROOT_INODE ? EBUSY : ext2_directory_check_empty(fs, inode);
}

/* A name of the inode has gone from the directory. */
static int ext2_name_drop(struct ext2 *fs, struct ext2_inode *directory, struct ext2_inode *inode)
{
    int error = 0;

    if (S_ISDIR(inode->mode)) {
        inode->links = 0;
        directory->links -= directory->links > 2;
        error = ext2_inode_store(fs, directory);
    } else {
        inode->links--;
    }
    inode->ctime = fs->now;
    if (error != 0) {
        return error;
    }
    return inode->links == 0 ? ext2_inode_unlinked(fs, inode) : ext2_inode_store(fs, inode);
}

int ext2_name_unlink(struct volume *volume, uint64_t number, const char *name, size_t length,
                     bool is_rmdir)
{
    struct ext2 *fs = ext2_of(volume);
    struct ext2_inode *directory, *inode;
    struct ext2_place place;
    int error = ext2_transaction_begin(fs);

    if (error == 0) {
        error = ext2_name_check(length);
    }
    if (error == 0) {
        error = ext2_inode_get_directory(fs, number, &directory);
    }
    if (error == 0 && ext2_name_is_dots(name, length)) {
        return !is_rmdir ? EISDIR : length == 1 ? EINVAL : ENOTEMPTY;
    }
    if (error == 0) {
        error = ext2_directory_find(fs, directory, name, length, &place);
    }
    if (error == 0) {
        error = ext2_inode_get(fs, place.inode, &inode);
    }
    if (error == 0) {
        error = ext2_is_immutable(directory) ? EPERM : ext2_name_check_unlink(fs, inode, is_rmdir);
    }
    if (error == 0 && (inode == directory || inode->links == 0)) {
        error = ext2_mount_damaged(fs);
    }
    if (error == 0) {
        error = ext2_directory_remove(fs, directory, place.position);
    }
    return error != 0 ? error : ext2_name_drop(fs, directory, inode);
}

/* All about a rename. */
struct ext2_rename {
    struct ext2_inode *from;
    struct ext2_inode *to;
    struct ext2_inode *inode;
    struct ext2_inode *replaced; /* NULL: nothing has the new name */
    struct ext2_place place;
    struct ext2_place new_place;
    struct ext2_place parent; /* the entry ".." of a directory that moves to another */
    uint64_t room;
    bool is_moved; /* a directory, to another */
};

/* Is the directory, or one above it, the inode? Directories that are above themselves are damage
 * and end the search: a number that was met a power of two of steps ago is met again. */
static int ext2_name_check_above(struct ext2 *fs, struct ext2_inode *directory, uint32_t number)
{
    uint32_t met = 0;

    for (uint64_t steps = 1; directory->number != EXT2_ROOT_INODE; steps++) {
        struct ext2_place parent;
        int error;

        if (directory->number == number) {
            return EINVAL;
        }
        if (directory->number == met) {
            return ext2_mount_damaged(fs);
        }
        if ((steps & (steps - 1)) == 0) {
            met = directory->number;
        }
        error = ext2_directory_find(fs, directory, "..", 2, &parent);
        if (error == 0) {
            error = ext2_inode_get_directory(fs, parent.inode, &directory);
        }
        if (error != 0) {
            return error == ENOENT ? ext2_mount_damaged(fs) : error;
        }
    }
    return number == EXT2_ROOT_INODE ? EINVAL : 0;
}

/* May the inode take the place of what has the new name? */
static int ext2_name_check_replaced(struct ext2 *fs, struct ext2_rename *r)
{
    if (S_ISDIR(r->inode->mode) && !S_ISDIR(r->replaced->mode)) {
        return ENOTDIR;
    }
    if (r->replaced == r->from || r->replaced == r->to || r->replaced->links == 0) {
        return S_ISDIR(r->replaced->mode) ? ENOTEMPTY : ext2_mount_damaged(fs);
    }
    return ext2_name_check_unlink(fs, r->replaced, S_ISDIR(r->inode->mode));
}

static int ext2_name_check_rename(struct ext2 *fs, struct ext2_rename *r)
{
    int error = 0;

    if (r->inode->links == 0) {
        return ext2_mount_damaged(fs);
    }
    if (ext2_is_immutable(r->inode) || ext2_is_immutable(r->from)) {
        return EPERM;
    }
    if (S_ISDIR(r->inode->mode)) {
        error = r->is_moved || r->inode == r->to
                    ? ext2_name_check_above(fs, r->to, r->inode->number)
                    : 0;
    }
    if (error == 0 && r->is_moved) {
        error = ext2_directory_find(fs, r->inode, "..", 2, &r->parent);
        error = error == ENOENT ? ext2_mount_damaged(fs) : error;
    }
    if (error == 0 && r->replaced != NULL) {
        return ext2_name_check_replaced(fs, r);
    }
    return error == 0 && r->is_moved && r->to->links >= EXT2_LINK_MAX ? EMLINK : error;
}

/* The new name comes before the old one goes. */
static int ext2_name_do_rename(struct ext2 *fs, struct ext2_rename *r, const char *new_name,
                               size_t new_length)
{
    int error = r->replaced != NULL
                    ? ext2_directory_replace(fs, r->to, r->new_place.position, r->inode)
                    : ext2_directory_insert(fs, r->to, r->room, new_name, new_length, r->inode);

    if (error == 0 && r->is_moved) {
        error = ext2_directory_replace(fs, r->inode, r->parent.position, r->to);
        r->to->links += r->to->links > 1;
        r->from->links -= r->from->links > 2;
    }
    if (error == 0) {
        error = ext2_inode_store(fs, r->to);
    }
    if (error == 0) {
        error = ext2_directory_remove(fs, r->from, r->place.position);
    }
    if (error == 0) {
        r->inode->ctime = fs->now;
        error = ext2_inode_store(fs, r->inode);
    }
    return error == 0 && r->replaced != NULL ? ext2_name_drop(fs, r->to, r->replaced) : error;
}

int ext2_name_rename(struct volume *volume, uint64_t from, const char *name, size_t length,
                     uint64_t to, const char *new_name, size_t new_length)
{
    struct ext2 *fs = ext2_of(volume);
    struct ext2_rename r = {0};
    int error = ext2_transaction_begin(fs);

    if (error == 0) {
        error = ext2_name_check(length);
    }
    if (error == 0) {
        error = ext2_inode_get_directory(fs, from, &r.from);
    }
    if (error == 0 &&
        (ext2_name_is_dots(name, length) || ext2_name_is_dots(new_name, new_length))) {
        return EINVAL;
    }
    if (error == 0) {
        error = ext2_directory_find(fs, r.from, name, length, &r.place);
    }
    if (error == 0) {
        error = ext2_inode_get(fs, r.place.inode, &r.inode);
    }
    if (error != 0) {
        return error;
    }
    error = ext2_name_find_target(fs, to, new_name, new_length, &r.to, &r.new_place, &r.room);
    if (error == 0) {
        error = ext2_inode_get(fs, r.new_place.inode, &r.replaced);
    } else if (error == ENOENT) {
        error = 0;
    }
    if (error != 0 || r.replaced == r.inode) {
        return error == ESTALE ? ENOENT : error;
    }
    r.is_moved = r.from != r.to && S_ISDIR(r.inode->mode);
    error = ext2_name_check_rename(fs, &r);
    return error != 0 ? error : ext2_name_do_rename(fs, &r, new_name, new_length);
}
