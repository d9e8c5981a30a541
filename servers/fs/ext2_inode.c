/* ext2_inode.c - inodes in memory, and their life: made, changed, cut, and gone with the last link
 * and the last hold. An inode that is to go but is still held, or is being cut in several
 * transactions, is in the list of orphans, which begins in the superblock and goes on in the dtime
 * of each: after a crash the next mount does the rest. */
#include "ext2_impl.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>

#define EXTRA_SIZE_TIMES 16u /* with the extra fields of three times */
#define NSEC             1000000000
#define TRIM_MAX         8u /* looked at by an operation */

/* --- as on the disk --- */

static bool ext2_inode_has_times(const struct ext2 *fs, const struct ext2_disk_inode *disk)
{
    return fs->inode_size >= sizeof(*disk) && disk->extra_size >= EXTRA_SIZE_TIMES &&
           disk->extra_size <= fs->inode_size - EXT2_OLD_INODE_SIZE;
}

static struct timespec ext2_inode_decode_time(uint32_t seconds, uint32_t extra)
{
    struct timespec time = {.tv_sec = (int32_t)seconds + ((int64_t)(extra & 3) << 32),
                            .tv_nsec = extra >> 2};

    time.tv_nsec = time.tv_nsec < NSEC ? time.tv_nsec : 0;
    return time;
}

static uint32_t ext2_inode_time_extra(struct timespec time)
{
    return (uint32_t)(time.tv_nsec << 2) | (((time.tv_sec - (int32_t)time.tv_sec) >> 32) & 3);
}

static void ext2_inode_decode_times(const struct ext2 *fs, struct ext2_inode *inode,
                                    const struct ext2_disk_inode *disk)
{
    bool has_times = ext2_inode_has_times(fs, disk);

    inode->atime = ext2_inode_decode_time(disk->atime, has_times ? disk->atime_extra : 0);
    inode->mtime = ext2_inode_decode_time(disk->mtime, has_times ? disk->mtime_extra : 0);
    inode->ctime = ext2_inode_decode_time(disk->ctime, has_times ? disk->ctime_extra : 0);
}

static void ext2_inode_decode(const struct ext2 *fs, struct ext2_inode *inode,
                              const struct ext2_disk_inode *disk)
{
    inode->mode = disk->mode;
    inode->links = disk->links;
    inode->uid = disk->uid | (uint32_t)disk->uid_high << 16;
    inode->gid = disk->gid | (uint32_t)disk->gid_high << 16;
    inode->size = disk->size;
    if (S_ISREG(inode->mode) || (fs->incompat & EXT2_INCOMPAT_LARGEDIR) != 0) {
        inode->size |= (uint64_t)disk->size_high << 32;
    }
    inode->flags = disk->flags;
    inode->sectors = disk->sectors;
    if ((fs->ro_compat & EXT2_RO_COMPAT_HUGE_FILE) != 0) {
        inode->sectors |= (uint64_t)disk->sectors_high << 32;
        if ((inode->flags & EXT2_FLAG_HUGE_FILE) != 0) {
            inode->sectors *= fs->block_size / EXT2_SECTOR_SIZE;
        }
    }
    inode->generation = disk->generation;
    inode->xattr_block = disk->xattr_block;
    inode->dtime = disk->dtime;
    memcpy(inode->map, disk->map, sizeof(inode->map));
    ext2_inode_decode_times(fs, inode, disk);
}

static void ext2_inode_encode_times(const struct ext2 *fs, const struct ext2_inode *inode,
                                    struct ext2_disk_inode *disk)
{
    disk->atime = (uint32_t)inode->atime.tv_sec;
    disk->mtime = (uint32_t)inode->mtime.tv_sec;
    disk->ctime = (uint32_t)inode->ctime.tv_sec;
    if (ext2_inode_has_times(fs, disk)) {
        disk->atime_extra = ext2_inode_time_extra(inode->atime);
        disk->mtime_extra = ext2_inode_time_extra(inode->mtime);
        disk->ctime_extra = ext2_inode_time_extra(inode->ctime);
    }
}

/* The next of the list, older than it. */
static uint32_t ext2_inode_older_orphan(const struct ext2 *fs, const struct ext2_inode *inode)
{
    return inode->orphan.next == &fs->orphans
               ? 0
               : EXT2_OF(inode->orphan.next, struct ext2_inode, orphan)->number;
}

int ext2_inode_store(struct ext2 *fs, struct ext2_inode *inode)
{
    struct ext2_block *block;
    struct ext2_disk_inode *disk;
    int error = ext2_alloc_inode_place(fs, inode->number, &block, &disk);

    if (error != 0) {
        return error;
    }
    disk->mode = inode->mode;
    disk->links = inode->links;
    disk->uid = (uint16_t)inode->uid;
    disk->uid_high = (uint16_t)(inode->uid >> 16);
    disk->gid = (uint16_t)inode->gid;
    disk->gid_high = (uint16_t)(inode->gid >> 16);
    disk->size = (uint32_t)inode->size;
    if (S_ISREG(inode->mode)) {
        disk->size_high = (uint32_t)(inode->size >> 32);
    }
    disk->sectors = (uint32_t)inode->sectors;
    disk->flags = inode->flags;
    disk->generation = inode->generation;
    disk->xattr_block = (uint32_t)inode->xattr_block;
    disk->dtime = inode->is_orphan ? ext2_inode_older_orphan(fs, inode) : inode->dtime;
    memcpy(disk->map, inode->map, sizeof(disk->map));
    ext2_inode_encode_times(fs, inode, disk);
    ext2_block_dirty(fs, block, EXT2_KIND_INODE);
    return 0;
}

/* --- in memory --- */

static struct ext2_inode **ext2_inode_slot(struct ext2 *fs, uint64_t number)
{
    struct ext2_inode **slot = &fs->inode_hash[number % EXT2_INODE_HASH];

    while (*slot != NULL && (*slot)->number != number) {
        slot = &(*slot)->hash_next;
    }
    return slot;
}

static struct ext2_inode *ext2_inode_add(struct ext2 *fs, uint32_t number)
{
    struct ext2_inode *inode = calloc(1, sizeof(*inode));
    struct ext2_inode **slot = &fs->inode_hash[number % EXT2_INODE_HASH];

    if (inode != NULL) {
        inode->number = number;
        inode->hash_next = *slot;
        *slot = inode;
        ext2_link_init(&inode->orphan);
        ext2_link_insert(&fs->unused, &inode->link);
        fs->unused_count++;
    }
    return inode;
}

static void ext2_inode_drop(struct ext2 *fs, struct ext2_inode *inode)
{
    assert(inode->holds == 0);
    fs->reserved -= inode->reserved;
    *ext2_inode_slot(fs, inode->number) = inode->hash_next;
    ext2_link_remove(&inode->orphan);
    ext2_link_remove(&inode->link);
    fs->unused_count--;
    free(inode->ranges);
    free(inode);
}

void ext2_inode_trim(struct ext2 *fs, size_t count)
{
    size_t excess = fs->unused_count > count ? fs->unused_count - count : 0;

    excess = count != 0 && excess > TRIM_MAX ? TRIM_MAX : excess;
    for (size_t i = 0; i < excess; i++) {
        struct ext2_inode *inode = EXT2_OF(fs->unused.previous, struct ext2_inode, link);

        if (count != 0 && (inode->is_orphan || inode->range_count != 0)) {
            ext2_link_remove(&inode->link);
            ext2_link_insert(&fs->unused, &inode->link);
        } else {
            ext2_inode_drop(fs, inode);
        }
    }
}

/* Is it what can be worked with? */
static bool ext2_inode_is_sane(const struct ext2 *fs, const struct ext2_inode *inode)
{
    static const uint16_t types[] = {S_IFREG, S_IFDIR,  S_IFLNK, S_IFCHR,
                                     S_IFBLK, S_IFSOCK, S_IFIFO};
    bool has_type = false;

    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        has_type = has_type || (inode->mode & S_IFMT) == types[i];
    }
    return has_type && inode->size <= INT64_MAX - VOLUME_PAGE_SIZE &&
           (inode->flags & EXT2_FLAG_INLINE) == 0 &&
           ((inode->flags & EXT2_FLAG_EXTENTS) == 0 ||
            (fs->incompat & EXT2_INCOMPAT_EXTENTS) != 0) &&
           (!S_ISDIR(inode->mode) || (inode->size % fs->block_size == 0 &&
                                      inode->size >> fs->block_shift <= fs->blocks_count));
}

static int ext2_inode_load(struct ext2 *fs, uint32_t number, bool any, struct ext2_inode **inode)
{
    struct ext2_block *block;
    struct ext2_disk_inode *disk;
    int error = ext2_alloc_inode_place(fs, number, &block, &disk);

    if (error != 0) {
        return error;
    }
    if (!any && (disk->links == 0 || (number != EXT2_ROOT_INODE && number < fs->first_inode))) {
        return ext2_mount_damaged(fs);
    }
    *inode = ext2_inode_add(fs, number);
    if (*inode == NULL) {
        return ENOMEM;
    }
    ext2_inode_decode(fs, *inode, disk);
    if (!ext2_inode_is_sane(fs, *inode)) {
        ext2_inode_drop(fs, *inode);
        return ext2_mount_damaged(fs);
    }
    return 0;
}

static int ext2_inode_get_as(struct ext2 *fs, uint64_t number, bool any, struct ext2_inode **inode)
{
    struct ext2_inode *found = *ext2_inode_slot(fs, number);

    if (found == NULL) {
        return number > fs->inodes_count ? ext2_mount_damaged(fs)
                                         : ext2_inode_load(fs, (uint32_t)number, any, inode);
    }
    if (found->holds == 0) {
        ext2_link_remove(&found->link);
        ext2_link_insert(&fs->unused, &found->link);
    }
    *inode = found;
    return 0;
}

int ext2_inode_get(struct ext2 *fs, uint64_t number, struct ext2_inode **inode)
{
    return ext2_inode_get_as(fs, number, false, inode);
}

int ext2_inode_get_any(struct ext2 *fs, uint64_t number, struct ext2_inode **inode)
{
    return ext2_inode_get_as(fs, number, true, inode);
}

int ext2_inode_get_directory(struct ext2 *fs, uint64_t number, struct ext2_inode **inode)
{
    int error = ext2_inode_get(fs, number, inode);

    return error == 0 && !S_ISDIR((*inode)->mode) ? ENOTDIR : error;
}

int ext2_inode_make(struct ext2 *fs, uint32_t number, struct ext2_inode **inode)
{
    struct ext2_block *block;
    struct ext2_disk_inode *disk;
    uint32_t generation;
    int error = ext2_alloc_inode_place(fs, number, &block, &disk);

    if (error != 0) {
        return error;
    }
    if (*ext2_inode_slot(fs, number) != NULL) {
        return ext2_mount_damaged(fs); /* its bit said that it was free */
    }
    *inode = ext2_inode_add(fs, number);
    if (*inode == NULL) {
        return ENOMEM;
    }
    generation = disk->generation + 1;
    memset(disk, 0, fs->inode_size);
    if (fs->extra_size != 0) {
        disk->extra_size = (uint16_t)fs->extra_size;
    }
    (*inode)->generation = generation;
    (*inode)->is_tail_clear = true;
    (*inode)->atime = (*inode)->mtime = (*inode)->ctime = fs->now;
    return 0;
}

int ext2_inode_hold(struct volume *volume, uint64_t number)
{
    struct ext2 *fs = ext2_of(volume);
    struct ext2_inode *inode;
    int error;

    ext2_trim(fs);
    error = ext2_inode_get(fs, number, &inode);
    if (error == 0) {
        if (inode->holds == 0) {
            ext2_link_remove(&inode->link);
            fs->unused_count--;
        }
        inode->holds++;
    }
    return error;
}

/* --- orphans --- */

uint32_t ext2_inode_first_orphan(const struct ext2 *fs)
{
    return fs->orphans.next == &fs->orphans
               ? 0
               : EXT2_OF(fs->orphans.next, struct ext2_inode, orphan)->number;
}

static void ext2_inode_add_orphan(struct ext2 *fs, struct ext2_inode *inode)
{
    if (!inode->is_orphan) {
        inode->is_orphan = true;
        ext2_link_insert(&fs->orphans, &inode->orphan);
    }
}

/* Out of the list; the inode is stored by the caller. */
static int ext2_inode_remove_orphan(struct ext2 *fs, struct ext2_inode *inode)
{
    struct ext2_link *newer = inode->orphan.previous;

    if (!inode->is_orphan) {
        return 0;
    }
    inode->is_orphan = false;
    ext2_link_remove(&inode->orphan);
    return newer == &fs->orphans ? 0
                                 : ext2_inode_store(fs, EXT2_OF(newer, struct ext2_inode, orphan));
}

int ext2_inode_step(struct ext2 *fs, struct ext2_inode *inode)
{
    int error;

    ext2_inode_add_orphan(fs, inode);
    error = ext2_inode_store(fs, inode);
    return error != 0 ? error : ext2_transaction_commit(fs);
}

/* --- the end of an inode --- */

static int ext2_inode_free_xattrs(struct ext2 *fs, struct ext2_inode *inode)
{
    struct ext2_block *block;
    struct ext2_disk_xattr *head;
    uint64_t number = inode->xattr_block;
    int error;

    if (number == 0) {
        return 0;
    }
    inode->xattr_block = 0;
    if (!ext2_mount_is_block(fs, number)) {
        ext2_mount_damaged(fs);
        return 0;
    }
    error = ext2_block_read(fs, number, &block);
    if (error != 0) {
        return error;
    }
    head = (void *)block->data;
    if (head->magic == EXT2_XATTR_MAGIC && head->references > 1) {
        head->references--;
        ext2_block_dirty(fs, block, EXT2_KIND_MAP);
        return 0;
    }
    error = ext2_journal_revoke(fs, number);
    if (error == 0) {
        ext2_block_forget(fs, number);
        error = ext2_alloc_free_blocks(fs, number, 1);
    }
    return error;
}

/* Nobody can reach it any more. */
static int ext2_inode_delete(struct ext2 *fs, struct ext2_inode *inode)
{
    bool is_directory = S_ISDIR(inode->mode);
    uint32_t number = inode->number;
    int error;

    ext2_data_unreserve(fs, inode, 0);
    inode->size = 0;
    error = ext2_map_cut(fs, inode, 0);
    if (error == 0) {
        error = ext2_inode_free_xattrs(fs, inode);
    }
    if (error == 0) {
        error = ext2_inode_remove_orphan(fs, inode);
    }
    if (error != 0) {
        return error;
    }
    inode->links = 0;
    inode->sectors = 0;
    inode->dtime = (uint32_t)fs->now.tv_sec;
    error = ext2_inode_store(fs, inode);
    ext2_inode_drop(fs, inode);
    return error != 0 ? error : ext2_alloc_free_inode(fs, number, is_directory);
}

int ext2_inode_unlinked(struct ext2 *fs, struct ext2_inode *inode)
{
    if (inode->holds == 0) {
        return ext2_inode_delete(fs, inode);
    }
    ext2_inode_add_orphan(fs, inode);
    return ext2_inode_store(fs, inode);
}

void ext2_inode_release(struct volume *volume, uint64_t number)
{
    struct ext2 *fs = ext2_of(volume);
    struct ext2_inode *inode = *ext2_inode_slot(fs, number);
    int error = ext2_transaction_begin(fs);

    assert(inode != NULL && inode->holds != 0);
    inode->holds--;
    if (inode->holds == 0) {
        ext2_link_insert(&fs->unused, &inode->link);
        fs->unused_count++;
        if (inode->links == 0 && error == 0) {
            (void)ext2_inode_delete(fs, inode); /* else the next mount will */
        }
    }
}

/* What is behind an end of the file, in the block it is in, must not be seen when the file grows.
 */
static int ext2_inode_clear_tail(struct ext2 *fs, struct ext2_inode *inode, uint64_t end)
{
    uint32_t used = (uint32_t)(end & (fs->block_size - 1));
    struct ext2_run run;
    void *data;
    int error;

    if (used == 0) {
        return 0;
    }
    error = ext2_map_find(fs, inode, end >> fs->block_shift, 1, &run);
    if (error != 0 || run.start == 0) {
        return error;
    }
    error = fs->device->ops->read(fs->device, run.start << fs->block_shift, fs->block_size, &data);
    if (error != 0) {
        return error;
    }
    memset((char *)data + used, 0, fs->block_size - used);
    error = fs->device->ops->write(fs->device, run.start << fs->block_shift, fs->block_size, data);
    block_device_free(data, fs->block_size);
    return error;
}

int ext2_inode_resize(struct ext2 *fs, struct ext2_inode *inode, uint64_t size)
{
    uint64_t first = (size + fs->block_size - 1) >> fs->block_shift;
    bool is_cut = size < inode->size;
    int error = 0;

    if (size > fs->size_max) {
        return EFBIG;
    }
    if (is_cut || (size > inode->size && !inode->is_tail_clear)) {
        error = ext2_inode_clear_tail(fs, inode, is_cut ? size : inode->size);
    }
    if (error != 0) {
        return error;
    }
    if (size > INT32_MAX) {
        fs->ro_compat |= EXT2_RO_COMPAT_LARGE_FILE;
    }
    inode->is_tail_clear = inode->is_tail_clear || size != inode->size;
    inode->size = size;
    if (!is_cut) {
        return 0;
    }
    ext2_data_unreserve(fs, inode, first);
    error = ext2_map_cut(fs, inode, first);
    return error == 0 && inode->links != 0 ? ext2_inode_remove_orphan(fs, inode) : error;
}

int ext2_inode_load_orphans(struct ext2 *fs, uint32_t first)
{
    uint32_t number = first;

    while (number != 0) {
        struct ext2_inode *inode;
        int error = number < fs->first_inode ? ext2_mount_damaged(fs)
                                             : ext2_inode_get_any(fs, number, &inode);

        if (error == 0 && inode->is_orphan) {
            error = ext2_mount_damaged(fs); /* the list is a circle */
        }
        if (error != 0) {
            return error == EIO ? 0 : error; /* what is behind stays for e2fsck */
        }
        number = inode->dtime;
        inode->dtime = 0;
        inode->is_orphan = true;
        ext2_link_insert(fs->orphans.previous, &inode->orphan);
    }
    return 0;
}

int ext2_inode_clean_orphans(struct ext2 *fs)
{
    int error = 0;

    while (fs->orphans.next != &fs->orphans && error == 0) {
        struct ext2_inode *inode = EXT2_OF(fs->orphans.next, struct ext2_inode, orphan);

        error = ext2_transaction_begin(fs);
        if (error == 0 && inode->links == 0) {
            error = ext2_inode_delete(fs, inode);
        } else if (error == 0) {
            error = ext2_map_cut(fs, inode, (inode->size + fs->block_size - 1) >> fs->block_shift);
            if (error == 0) {
                error = ext2_inode_remove_orphan(fs, inode);
            }
            if (error == 0) {
                error = ext2_inode_store(fs, inode);
            }
        }
    }
    return error;
}

/* --- operations --- */

static dev_t ext2_inode_device(const struct ext2_inode *inode)
{
    uint32_t old = inode->map[0];
    uint32_t new = inode->map[1];

    if (!S_ISCHR(inode->mode) && !S_ISBLK(inode->mode)) {
        return 0;
    }
    return old != 0 ? makedev(old >> 8 & 0xff, old & 0xff)
                    : makedev((new & 0xfff00) >> 8, (new & 0xff) | (new >> 12 & 0xfff00));
}

int ext2_inode_stat(struct volume *volume, uint64_t number, struct stat *stat)
{
    struct ext2 *fs = ext2_of(volume);
    struct ext2_inode *inode;
    int error;

    ext2_trim(fs);
    error = ext2_inode_get(fs, number, &inode);
    if (error != 0) {
        return error;
    }
    memset(stat, 0, sizeof(*stat));
    stat->st_ino = inode->number;
    stat->st_mode = inode->mode;
    stat->st_nlink = inode->links;
    stat->st_uid = inode->uid;
    stat->st_gid = inode->gid;
    stat->st_rdev = ext2_inode_device(inode);
    stat->st_size = (off_t)inode->size;
    stat->st_blksize = VOLUME_PAGE_SIZE;
    stat->st_blocks = (blkcnt_t)inode->sectors;
    stat->st_atim = inode->atime;
    stat->st_mtim = inode->mtime;
    stat->st_ctim = inode->ctime;
    return 0;
}

static int ext2_inode_set_size(struct ext2 *fs, struct ext2_inode *inode, off_t size)
{
    if (S_ISDIR(inode->mode)) {
        return EISDIR;
    }
    if (!S_ISREG(inode->mode) || size < 0) {
        return EINVAL;
    }
    inode->mtime = fs->now;
    return ext2_inode_resize(fs, inode, (uint64_t)size);
}

int ext2_inode_set(struct volume *volume, uint64_t number, const struct stat *stat, unsigned what)
{
    struct ext2 *fs = ext2_of(volume);
    struct ext2_inode *inode;
    int error = ext2_transaction_begin(fs);

    if (error == 0) {
        error = ext2_inode_get(fs, number, &inode);
    }
    if (error == 0 && ext2_is_immutable(inode)) {
        error = EPERM;
    }
    if (error == 0 && (what & VOLUME_SET_SIZE) != 0) {
        error = ext2_inode_set_size(fs, inode, stat->st_size);
    }
    if (error != 0) {
        return error;
    }
    if ((what & VOLUME_SET_MODE) != 0) {
        inode->mode = (uint16_t)((inode->mode & S_IFMT) | (stat->st_mode & ~(mode_t)S_IFMT));
    }
    inode->uid = (what & VOLUME_SET_OWNER) != 0 ? stat->st_uid : inode->uid;
    inode->gid = (what & VOLUME_SET_GROUP) != 0 ? stat->st_gid : inode->gid;
    inode->atime = (what & VOLUME_SET_ATIME) != 0 ? stat->st_atim : inode->atime;
    inode->mtime = (what & VOLUME_SET_MTIME) != 0 ? stat->st_mtim : inode->mtime;
    if (what != VOLUME_SET_ATIME) { /* which is what reading sets */
        inode->ctime = fs->now;
    }
    return ext2_inode_store(fs, inode);
}

int ext2_inode_read_link(struct volume *volume, uint64_t number, char *target, size_t size,
                         size_t *length)
{
    struct ext2 *fs = ext2_of(volume);
    struct ext2_inode *inode;
    struct ext2_block *block;
    struct ext2_run run;
    const void *bytes;
    int error;

    ext2_trim(fs);
    error = ext2_inode_get(fs, number, &inode);
    if (error != 0 || !S_ISLNK(inode->mode)) {
        return error != 0 ? error : EINVAL;
    }
    bytes = inode->map;
    if (ext2_map_has_blocks(fs, inode)) {
        error = ext2_map_find(fs, inode, 0, 1, &run);
        if (error == 0 && (run.start == 0 || inode->size > fs->block_size)) {
            error = ext2_mount_damaged(fs);
        }
        if (error == 0) {
            error = ext2_block_read(fs, run.start, &block);
        }
        if (error != 0) {
            return error;
        }
        bytes = block->data;
    } else if (inode->size > sizeof(inode->map)) {
        return ext2_mount_damaged(fs);
    }
    *length = inode->size < size ? inode->size : size;
    memcpy(target, bytes, *length);
    return 0;
}
