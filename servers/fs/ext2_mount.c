/* ext2_mount.c - the superblock: which file system it is, and whether it is one that can be read
 * and written here. Features that nobody here knows are respected as their authors ask: an
 * "incompat" one refuses the mount, a "ro_compat" one refuses to write. */
#include "ext2_impl.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define READ_INCOMPAT                                                                              \
    (EXT2_INCOMPAT_FILETYPE | EXT2_INCOMPAT_RECOVER | EXT2_INCOMPAT_META_BG |                      \
     EXT2_INCOMPAT_EXTENTS | EXT2_INCOMPAT_64BIT | EXT2_INCOMPAT_FLEX_BG |                         \
     EXT2_INCOMPAT_CSUM_SEED | EXT2_INCOMPAT_LARGEDIR)
#define WRITE_INCOMPAT                                                                             \
    (EXT2_INCOMPAT_FILETYPE | EXT2_INCOMPAT_RECOVER | EXT2_INCOMPAT_META_BG |                      \
     EXT2_INCOMPAT_FLEX_BG | EXT2_INCOMPAT_LARGEDIR)
#define WRITE_RO_COMPAT                                                                            \
    (EXT2_RO_COMPAT_SPARSE_SUPER | EXT2_RO_COMPAT_LARGE_FILE | EXT2_RO_COMPAT_BTREE_DIR |          \
     EXT2_RO_COMPAT_DIR_NLINK | EXT2_RO_COMPAT_EXTRA_ISIZE)

#define BLOCKS_PER_GROUP_MIN 256u
#define CLUSTER_SHIFT_MAX    15u
#define EXT2_SUPER_MAGIC     0xef53

static const struct volume_ops ext2_mount_ops = {
    .lookup = ext2_name_lookup,
    .read_directory = ext2_directory_read,
    .make = ext2_name_make,
    .link = ext2_name_link,
    .unlink = ext2_name_unlink,
    .rename = ext2_name_rename,
    .hold = ext2_inode_hold,
    .release = ext2_inode_release,
    .stat = ext2_inode_stat,
    .set = ext2_inode_set,
    .read_link = ext2_inode_read_link,
    .read_pages = ext2_data_read,
    .prepare = ext2_data_prepare,
    .write_pages = ext2_data_write,
    .pin = ext2_pin,
    .statfs = ext2_mount_statfs,
    .sync_inode = ext2_transaction_sync_inode,
    .sync = ext2_transaction_sync,
    .clean = ext2_mount_clean,
    .unmount = ext2_mount_unmount,
};

bool ext2_mount_is_block(const struct ext2 *fs, uint64_t block)
{
    return block > fs->first_data_block && block < fs->blocks_count;
}

int ext2_mount_damaged(struct ext2 *fs)
{
    fs->is_damaged = true;
    fs->state |= EXT2_STATE_ERROR;
    return EIO;
}

/* --- the superblock --- */

int ext2_mount_super(struct ext2 *fs, struct ext2_block **block, struct ext2_disk_super **super)
{
    int error = ext2_block_read(fs, EXT2_SUPER_OFFSET >> fs->block_shift, block);

    if (error == 0) {
        *super = (void *)((*block)->data + (EXT2_SUPER_OFFSET & (fs->block_size - 1)));
    }
    return error;
}

/* Whether the volume is in use. */
static void ext2_mount_store_use(const struct ext2 *fs, struct ext2_disk_super *super)
{
    super->state = fs->state;
    if (fs->revision != 0) {
        super->feature_incompat = (super->feature_incompat & ~EXT2_INCOMPAT_RECOVER) |
                                  (fs->needs_recovery ? EXT2_INCOMPAT_RECOVER : 0);
    }
}

int ext2_mount_store(struct ext2 *fs)
{
    struct ext2_block *block;
    struct ext2_disk_super *super;
    int error = ext2_mount_super(fs, &block, &super);

    if (error != 0) {
        return error;
    }
    super->free_blocks_count = (uint32_t)fs->free_blocks;
    super->free_inodes_count = (uint32_t)fs->free_inodes;
    super->last_orphan = ext2_inode_first_orphan(fs);
    super->write_time = (uint32_t)fs->now.tv_sec;
    if (fs->revision != 0) {
        super->feature_ro_compat = fs->ro_compat;
    }
    ext2_mount_store_use(fs, super);
    ext2_block_dirty(fs, block, EXT2_KIND_MAP);
    return 0;
}

static int ext2_mount_features(struct ext2 *fs, const struct ext2_disk_super *super,
                               const char **why)
{
    if (super->revision == 0) {
        fs->inode_size = EXT2_OLD_INODE_SIZE;
        fs->first_inode = EXT2_OLD_FIRST_INODE;
        return 0;
    }
    fs->inode_size = super->inode_size;
    fs->first_inode = super->first_inode;
    fs->incompat = super->feature_incompat;
    fs->ro_compat = super->feature_ro_compat;
    fs->journal_inode =
        (super->feature_compat & EXT2_COMPAT_JOURNAL) != 0 ? super->journal_inode : 0;
    fs->needs_recovery = (fs->incompat & EXT2_INCOMPAT_RECOVER) != 0;
    if ((fs->incompat & ~READ_INCOMPAT) != 0) {
        *why = "it has features that are not known";
        return EINVAL;
    }
    if ((fs->ro_compat & EXT2_RO_COMPAT_BIGALLOC) != 0 &&
        super->log_cluster_size - super->log_block_size <= CLUSTER_SHIFT_MAX) {
        fs->cluster_shift = super->log_cluster_size - super->log_block_size;
    }
    if ((fs->incompat & ~WRITE_INCOMPAT) != 0 || (fs->ro_compat & ~WRITE_RO_COMPAT) != 0 ||
        ((super->feature_compat & EXT2_COMPAT_JOURNAL) != 0 && fs->journal_inode == 0)) {
        fs->volume.is_read_only = true;
    }
    return 0;
}

static bool ext2_mount_is_power_of_two(uint32_t number)
{
    return number != 0 && (number & (number - 1)) == 0;
}

/* Sizes that all arithmetic relies on. */
static const char *ext2_mount_geometry(struct ext2 *fs, const struct ext2_disk_super *super)
{
    uint64_t groups;

    if (!ext2_mount_is_power_of_two(fs->inode_size) || fs->inode_size < EXT2_OLD_INODE_SIZE ||
        fs->inode_size > fs->block_size) {
        return "the size of its inodes is impossible";
    }
    if (!ext2_mount_is_power_of_two(fs->descriptor_size) ||
        fs->descriptor_size < EXT2_OLD_GROUP_SIZE || fs->descriptor_size > fs->block_size) {
        return "the size of its descriptors is impossible";
    }
    if (fs->blocks_count > fs->device->size >> fs->block_shift) {
        return "it is larger than its device";
    }
    if (super->first_data_block != (fs->block_size == 1024) ||
        fs->blocks_per_group < BLOCKS_PER_GROUP_MIN || fs->blocks_per_group % 8 != 0 ||
        fs->blocks_per_group >> fs->cluster_shift > 8 * fs->block_size ||
        fs->inodes_per_group == 0 || fs->inodes_per_group > 8 * fs->block_size ||
        fs->blocks_count <= fs->first_data_block + 1u) {
        return "the size of its groups is impossible";
    }
    groups =
        (fs->blocks_count - fs->first_data_block + fs->blocks_per_group - 1) / fs->blocks_per_group;
    if (groups * fs->inodes_per_group != fs->inodes_count ||
        fs->first_inode < EXT2_OLD_FIRST_INODE || fs->first_inode > fs->inodes_per_group) {
        return "the number of its inodes is impossible";
    }
    fs->groups = (uint32_t)groups;
    return NULL;
}

/* What a map of blocks can point to, and what the count of an inode's sectors can hold. */
static uint64_t ext2_mount_size_max(const struct ext2 *fs)
{
    uint64_t per_block = fs->block_size / sizeof(uint32_t);
    uint64_t blocks =
        EXT2_DIRECT_BLOCKS + per_block + per_block * per_block + per_block * per_block * per_block;
    uint64_t mapped = blocks << fs->block_shift;
    uint64_t counted = (uint64_t)UINT32_MAX * EXT2_SECTOR_SIZE / fs->block_size * fs->block_size;

    if (fs->revision == 0) {
        return INT32_MAX;
    }
    return mapped < counted ? mapped : counted;
}

static int ext2_mount_parse(struct ext2 *fs, const struct ext2_disk_super *super, const char **why)
{
    bool is_wide = (super->feature_incompat & EXT2_INCOMPAT_64BIT) != 0 && super->revision != 0;
    int error;

    if (super->magic != EXT2_MAGIC || super->revision > 1) {
        *why = "there is no ext2 file system";
        return EINVAL;
    }
    if (super->log_block_size > 2 || 1024u << super->log_block_size < fs->device->sector_size) {
        *why = "the size of its blocks is not one of 1, 2, 4 KiB, or is less than the device's";
        return EINVAL;
    }
    fs->block_shift = 10 + super->log_block_size;
    fs->block_size = 1u << fs->block_shift;
    fs->revision = super->revision;
    fs->blocks_count =
        super->blocks_count | (is_wide ? (uint64_t)super->blocks_count_high << 32 : 0);
    fs->root_blocks_count = super->reserved_blocks_count;
    fs->inodes_count = super->inodes_count;
    fs->first_data_block = super->first_data_block;
    fs->blocks_per_group = super->blocks_per_group;
    fs->inodes_per_group = super->inodes_per_group;
    fs->first_meta_bg = super->first_meta_bg;
    fs->descriptor_size = is_wide ? super->descriptor_size : EXT2_OLD_GROUP_SIZE;
    fs->state = super->state;
    error = ext2_mount_features(fs, super, why);
    if (error == 0) {
        *why = ext2_mount_geometry(fs, super);
        error = *why != NULL ? EINVAL : 0;
    }
    if (error == 0) {
        fs->size_max = ext2_mount_size_max(fs);
        fs->extra_size = fs->inode_size >= sizeof(struct ext2_disk_inode) ? EXT2_EXTRA_SIZE : 0;
        fs->block_limit = EXT2_CACHE_BYTES >> fs->block_shift;
        fs->dirty_limit = fs->block_limit / 2;
    }
    return error;
}

static int ext2_mount_read_super(struct ext2 *fs, const char **why)
{
    struct block_device *device = fs->device;
    const size_t size = 2 * sizeof(struct ext2_disk_super) > device->sector_size
                            ? 2 * sizeof(struct ext2_disk_super)
                            : device->sector_size;
    void *data;
    int error;

    if (device->size < size) {
        *why = "there is no ext2 file system";
        return EINVAL;
    }
    error = device->ops->read(device, 0, size, &data);
    if (error != 0) {
        *why = "its superblock cannot be read";
        return error;
    }
    error = ext2_mount_parse(fs, (void *)((char *)data + EXT2_SUPER_OFFSET), why);
    block_device_free(data, size);
    return error;
}

/* --- mount and unmount --- */

static void ext2_mount_free(struct ext2 *fs)
{
    ext2_journal_close(fs);
    ext2_alloc_drop_pending(fs);
    ext2_inode_trim(fs, 0);
    ext2_block_drop_all(fs);
    free(fs);
}

/* Say on the disk at once, past the journal, whether the volume is in use. Nothing else of the
 * superblock: the list of orphans, for one, may belong to a transaction that is not written yet. */
static int ext2_mount_put_use(struct ext2 *fs)
{
    struct ext2_block *block;
    struct ext2_disk_super *super;
    int error = ext2_mount_super(fs, &block, &super);

    if (error == 0) {
        ext2_mount_store_use(fs, super);
        error = ext2_block_write(fs, block);
    }
    return error != 0 ? error : fs->device->ops->flush(fs->device);
}

int ext2_mount_mark(struct ext2 *fs)
{
    int error;

    if (fs->is_marked) {
        return 0;
    }
    fs->needs_recovery = fs->journal != NULL;
    if (fs->journal == NULL) {
        fs->state &= (uint16_t)~EXT2_STATE_CLEAN;
    }
    error = ext2_mount_put_use(fs);
    fs->is_marked = error == 0;
    return error;
}

/* From here on the disk says that it is in use. */
static int ext2_mount_begin_writing(struct ext2 *fs)
{
    struct ext2_block *block;
    struct ext2_disk_super *super;
    int error = ext2_mount_super(fs, &block, &super);

    if (error == 0) {
        error = ext2_inode_load_orphans(fs, super->last_orphan);
    }
    if (error == 0) {
        error = ext2_mount_super(fs, &block, &super);
    }
    if (error != 0) {
        return error;
    }
    super->mount_count++;
    super->mount_time = (uint32_t)fs->now.tv_sec;
    fs->was_clean = (fs->state & EXT2_STATE_CLEAN) != 0;
    error = ext2_mount_mark(fs);
    return error != 0 ? error : ext2_inode_clean_orphans(fs);
}

/* What the last mount has left in the journal, into its place. */
static int ext2_mount_recover(struct ext2 *fs, const char **why)
{
    int error;

    if (fs->device->is_read_only) {
        *why = "its journal must be replayed, and its device cannot be written";
        return EINVAL;
    }
    *why = "its journal is damaged, or of a kind that is not known";
    error = ext2_journal_open(fs);
    if (error == 0) {
        error = ext2_replay(fs);
    }
    ext2_journal_close(fs);
    ext2_inode_trim(fs, 0);
    ext2_block_drop_all(fs);
    return error != 0 ? error : ext2_mount_read_super(fs, why);
}

/* What writing takes, if it can be written. Without a journal, a volume that was not unmounted may
 * say that blocks are free that are not. */
static int ext2_mount_open_journal(struct ext2 *fs, const char **why)
{
    int error;

    if (fs->journal_inode == 0 && (fs->state & EXT2_STATE_CLEAN) == 0) {
        fs->volume.is_read_only = true;
    }
    if (fs->journal_inode == 0 || fs->volume.is_read_only) {
        return 0;
    }
    *why = "its journal is damaged";
    error = ext2_journal_open(fs);
    if (error == 0 && !ext2_journal_start(fs)) {
        ext2_journal_close(fs);
        fs->volume.is_read_only = true;
    }
    return error;
}

static int ext2_mount_open(struct ext2 *fs, bool read_only, const char **why)
{
    struct ext2_inode *root;
    int error = ext2_mount_read_super(fs, why);

    if (error == 0 && fs->needs_recovery) {
        error = ext2_mount_recover(fs, why);
    }
    if (error != 0) {
        return error;
    }
    fs->volume.is_read_only = fs->volume.is_read_only || fs->device->is_read_only || read_only;
    error = ext2_mount_open_journal(fs, why);
    if (error != 0) {
        return error;
    }
    *why = "its metadata cannot be read";
    error = ext2_alloc_count(fs);
    if (error == 0) {
        error = ext2_inode_get_directory(fs, EXT2_ROOT_INODE, &root);
    }
    if (error == 0 && !fs->volume.is_read_only) {
        error = ext2_mount_begin_writing(fs);
    }
    return error;
}

int ext2_mount(struct block_device *device, bool read_only, struct volume **volume, char *why,
               size_t why_size)
{
    struct ext2 *fs = calloc(1, sizeof(*fs));
    const char *reason = NULL;
    int error;

    if (fs == NULL) {
        snprintf(why, why_size, "there is no memory");
        return ENOMEM;
    }
    fs->volume = (struct volume){.ops = &ext2_mount_ops, .root = EXT2_ROOT_INODE};
    fs->device = device;
    clock_gettime(CLOCK_REALTIME, &fs->now);
    ext2_link_init(&fs->clean);
    ext2_link_init(&fs->dirty);
    ext2_link_init(&fs->logged);
    ext2_link_init(&fs->unused);
    ext2_link_init(&fs->orphans);
    error = ext2_mount_open(fs, read_only, &reason);
    if (error != 0) {
        error = error == ENOTDIR || fs->is_damaged ? EINVAL : error;
        snprintf(why, why_size, "%s", reason != NULL ? reason : "");
        ext2_mount_free(fs);
        return error;
    }
    *volume = &fs->volume;
    return 0;
}

int ext2_mount_statfs(struct volume *volume, struct statfs *statfs)
{
    struct ext2 *fs = ext2_of(volume);
    uint64_t free = fs->free_blocks > fs->reserved ? fs->free_blocks - fs->reserved : 0;

    memset(statfs, 0, sizeof(*statfs));
    statfs->f_type = EXT2_SUPER_MAGIC;
    statfs->f_bsize = statfs->f_frsize = fs->block_size;
    statfs->f_blocks = fs->blocks_count - fs->first_data_block;
    statfs->f_bfree = free;
    statfs->f_bavail = free > fs->root_blocks_count ? free - fs->root_blocks_count : 0;
    statfs->f_files = fs->inodes_count;
    statfs->f_ffree = fs->free_inodes;
    statfs->f_namelen = VOLUME_NAME_MAX;
    return 0;
}

int ext2_mount_clean(struct volume *volume)
{
    struct ext2 *fs = ext2_of(volume);
    int error = ext2_transaction_sync(volume);

    if (error == 0 && fs->is_marked) {
        error = ext2_transaction_checkpoint(fs);
    }
    if (error == 0 && fs->is_marked && fs->journal != NULL) {
        error = ext2_journal_reset(fs, true);
    }
    if (error != 0 || !fs->is_marked) {
        return error;
    }
    if (fs->was_clean && (fs->state & EXT2_STATE_ERROR) == 0) {
        fs->state |= EXT2_STATE_CLEAN;
    }
    fs->needs_recovery = false;
    error = ext2_mount_put_use(fs);
    fs->is_marked = error != 0;
    return error;
}

int ext2_mount_unmount(struct volume *volume)
{
    struct ext2 *fs = ext2_of(volume);
    int error = ext2_mount_clean(volume);

    fs->device->ops->close(fs->device);
    ext2_mount_free(fs);
    return error;
}
