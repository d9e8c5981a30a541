/* ext2_alloc.c - which blocks and inodes are free: two bitmaps a group, and counts in its
 * descriptor. A block that was freed is free in the bitmap at once, but also in a second bitmap in
 * memory (struct ext2_pending) until the commit: as long as the disk may still say that it belongs
 * to its old file, nothing else is written into it. */
#include "ext2_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define WORD_BITS 64u

/* --- descriptors --- */

/* The block with the descriptor: behind the superblock, or in the first group of its own
 * meta-group (META_BG). */
static uint64_t ext2_alloc_descriptor_block(const struct ext2 *fs, uint32_t index)
{
    uint32_t per_block = fs->block_size / fs->descriptor_size;
    uint64_t first_of_group;

    if ((fs->incompat & EXT2_INCOMPAT_META_BG) == 0 || index < fs->first_meta_bg) {
        return (uint64_t)fs->first_data_block + 1 + index;
    }
    /* behind a copy of the superblock: of even groups only the first has one with SPARSE_SUPER */
    first_of_group = (uint64_t)index * per_block * fs->blocks_per_group + fs->first_data_block;
    return first_of_group + (index == 0 || (fs->ro_compat & EXT2_RO_COMPAT_SPARSE_SUPER) == 0);
}

int ext2_alloc_group(struct ext2 *fs, uint32_t group, struct ext2_block **block,
                     struct ext2_disk_group **descriptor)
{
    uint32_t per_block = fs->block_size / fs->descriptor_size;
    int error;

    if (group >= fs->groups) {
        return ext2_mount_damaged(fs);
    }
    error = ext2_block_read(fs, ext2_alloc_descriptor_block(fs, group / per_block), block);
    if (error == 0) {
        *descriptor = (void *)((*block)->data + (size_t)group % per_block * fs->descriptor_size);
    }
    return error;
}

/* A block number of a descriptor, of which the upper half is there with 64BIT alone. */
static uint64_t ext2_alloc_wide(const struct ext2 *fs, uint32_t low, const uint32_t *high)
{
    return fs->descriptor_size >= sizeof(struct ext2_disk_group) ? low | (uint64_t)*high << 32
                                                                 : low;
}

int ext2_alloc_inode_place(struct ext2 *fs, uint32_t inode, struct ext2_block **block,
                           struct ext2_disk_inode **disk)
{
    uint32_t index = (inode - 1) % fs->inodes_per_group;
    uint64_t offset = (uint64_t)index * fs->inode_size;
    struct ext2_disk_group *group;
    uint64_t table;
    int error;

    /* a number that is none is of a group that is none: each has inodes_per_group */
    error = ext2_alloc_group(fs, (inode - 1) / fs->inodes_per_group, block, &group);
    if (error != 0) {
        return error;
    }
    table = ext2_alloc_wide(fs, group->inode_table, &group->inode_table_high) +
            (offset >> fs->block_shift);
    if (!ext2_mount_is_block(fs, table)) {
        return ext2_mount_damaged(fs);
    }
    error = ext2_block_read(fs, table, block);
    if (error == 0) {
        *disk = (void *)((*block)->data + (offset & (fs->block_size - 1)));
    }
    return error;
}

int ext2_alloc_count(struct ext2 *fs)
{
    bool is_wide = fs->descriptor_size >= sizeof(struct ext2_disk_group);

    fs->free_blocks = fs->free_inodes = 0;
    for (uint32_t i = 0; i < fs->groups; i++) {
        struct ext2_block *block;
        struct ext2_disk_group *group;
        int error = ext2_alloc_group(fs, i, &block, &group);

        if (error != 0) {
            return error;
        }
        fs->free_blocks += group->free_blocks;
        fs->free_inodes += group->free_inodes;
        if (is_wide) {
            fs->free_blocks += (uint64_t)group->free_blocks_high << 16;
            fs->free_inodes += (uint64_t)group->free_inodes_high << 16;
        }
        ext2_block_trim(fs);
    }
    fs->free_blocks <<= fs->cluster_shift;
    fs->free_blocks = fs->free_blocks < fs->blocks_count ? fs->free_blocks : fs->blocks_count;
    fs->free_inodes = fs->free_inodes < fs->inodes_count ? fs->free_inodes : fs->inodes_count;
    return 0;
}

/* --- bitmaps --- */

static uint64_t ext2_alloc_first_of(const struct ext2 *fs, uint32_t group)
{
    return fs->first_data_block + (uint64_t)group * fs->blocks_per_group;
}

static uint32_t ext2_alloc_size_of(const struct ext2 *fs, uint32_t group)
{
    uint64_t left = fs->blocks_count - ext2_alloc_first_of(fs, group);

    return left < fs->blocks_per_group ? (uint32_t)left : fs->blocks_per_group;
}

static uint32_t ext2_alloc_group_of(const struct ext2 *fs, uint64_t block)
{
    return (uint32_t)((block - fs->first_data_block) / fs->blocks_per_group);
}

uint64_t ext2_alloc_goal(const struct ext2 *fs, uint32_t inode)
{
    return ext2_alloc_first_of(fs, (inode - 1) / fs->inodes_per_group % fs->groups);
}

static int ext2_alloc_bitmap(struct ext2 *fs, uint64_t number, struct ext2_block **block)
{
    return ext2_mount_is_block(fs, number) ? ext2_block_read(fs, number, block)
                                           : ext2_mount_damaged(fs);
}

static struct ext2_pending *ext2_alloc_pending(struct ext2 *fs, uint32_t group)
{
    struct ext2_pending *pending = fs->pending;

    while (pending != NULL && pending->group != group) {
        pending = pending->next;
    }
    return pending;
}

static struct ext2_pending *ext2_alloc_make_pending(struct ext2 *fs, uint32_t group)
{
    struct ext2_pending *pending = ext2_alloc_pending(fs, group);

    if (pending == NULL) {
        pending = calloc(1, sizeof(*pending) + fs->block_size);
        if (pending != NULL) {
            pending->group = group;
            pending->next = fs->pending;
            fs->pending = pending;
        }
    }
    return pending;
}

void ext2_alloc_drop_pending(struct ext2 *fs)
{
    while (fs->pending != NULL) {
        struct ext2_pending *pending = fs->pending;

        fs->pending = pending->next;
        free(pending);
    }
    fs->pending_count = 0;
}

/* The first bit from index on that is neither in bits nor in more (which may be NULL), below end;
 * end if there is none. */
static uint32_t ext2_alloc_find_zero(const uint64_t *bits, const uint64_t *more, uint32_t index,
                                     uint32_t end)
{
    while (index < end) {
        uint64_t word = bits[index / WORD_BITS] | (more != NULL ? more[index / WORD_BITS] : 0);

        word |= (1ul << index % WORD_BITS) - 1;
        if (word != ~0ul) {
            index = index / WORD_BITS * WORD_BITS + (uint32_t)__builtin_ctzl(~word);
            return index < end ? index : end;
        }
        index = (index / WORD_BITS + 1) * WORD_BITS;
    }
    return end;
}

static bool ext2_alloc_is_set(const uint64_t *bits, uint32_t index)
{
    return (bits[index / WORD_BITS] >> index % WORD_BITS & 1) != 0;
}

/* --- blocks --- */

/* Take blocks of the group, from a bit on. Errors: ENOSPC, EIO. */
static int ext2_alloc_from(struct ext2 *fs, uint32_t group, uint32_t from, uint64_t count,
                           uint64_t *first, uint64_t *got)
{
    struct ext2_block *descriptor_block, *bitmap;
    struct ext2_disk_group *descriptor;
    struct ext2_pending *pending = ext2_alloc_pending(fs, group);
    const uint64_t *more = pending != NULL ? pending->bits : NULL;
    uint32_t size = ext2_alloc_size_of(fs, group);
    uint32_t index, end;
    uint64_t *bits;
    int error = ext2_alloc_group(fs, group, &descriptor_block, &descriptor);

    if (error != 0 || descriptor->free_blocks == 0) {
        return error != 0 ? error : ENOSPC;
    }
    error = ext2_alloc_bitmap(fs, descriptor->block_bitmap, &bitmap);
    if (error != 0) {
        return error;
    }
    bits = (void *)bitmap->data;
    index = ext2_alloc_find_zero(bits, more, from, size);
    if (index == size) {
        return ENOSPC;
    }
    count = count < descriptor->free_blocks ? count : descriptor->free_blocks;
    for (end = index; end < size && end - index < count && !ext2_alloc_is_set(bits, end) &&
                      (more == NULL || !ext2_alloc_is_set(more, end));
         end++) {
        bits[end / WORD_BITS] |= 1ul << end % WORD_BITS;
    }
    *first = ext2_alloc_first_of(fs, group) + index;
    *got = end - index;
    descriptor->free_blocks -= (uint16_t)*got;
    ext2_block_dirty(fs, bitmap, EXT2_KIND_MAP);
    ext2_block_dirty(fs, descriptor_block, EXT2_KIND_MAP);
    return 0;
}

/* From the goal to the end of its group, then all groups once. */
static int ext2_alloc_search(struct ext2 *fs, uint64_t goal, uint64_t count, uint64_t *first,
                             uint64_t *got)
{
    uint32_t group = ext2_alloc_group_of(fs, goal);
    uint32_t from = (uint32_t)(goal - ext2_alloc_first_of(fs, group));
    int error = ext2_alloc_from(fs, group, from, count, first, got);

    for (uint32_t i = 0; i < fs->groups && error == ENOSPC; i++) {
        error = ext2_alloc_from(fs, (group + i) % fs->groups, 0, count, first, got);
    }
    return error;
}

int ext2_alloc_blocks(struct ext2 *fs, uint64_t goal, uint64_t count, bool is_reserved,
                      uint64_t *first, uint64_t *got)
{
    uint64_t left = is_reserved ? fs->free_blocks : fs->free_blocks - fs->reserved;
    int error;

    if (left == 0 || fs->free_blocks < (is_reserved ? 1 : fs->reserved)) {
        return ENOSPC;
    }
    count = count < left ? count : left;
    goal = ext2_mount_is_block(fs, goal) ? goal : fs->first_data_block;
    error = ext2_alloc_search(fs, goal, count, first, got);
    if (error == 0) {
        fs->free_blocks -= *got;
    }
    return error;
}

/* The descriptor and the bitmap with a block. */
static int ext2_alloc_find(struct ext2 *fs, uint64_t block, struct ext2_block **descriptor_block,
                           struct ext2_disk_group **descriptor, struct ext2_block **bitmap)
{
    int error =
        ext2_mount_is_block(fs, block)
            ? ext2_alloc_group(fs, ext2_alloc_group_of(fs, block), descriptor_block, descriptor)
            : ext2_mount_damaged(fs);

    return error != 0 ? error : ext2_alloc_bitmap(fs, (*descriptor)->block_bitmap, bitmap);
}

int ext2_alloc_is_taken(struct ext2 *fs, uint64_t block, bool *is_taken)
{
    struct ext2_block *descriptor_block, *bitmap;
    struct ext2_disk_group *descriptor;
    int error = ext2_alloc_find(fs, block, &descriptor_block, &descriptor, &bitmap);
    uint64_t first = ext2_mount_is_block(fs, block) ? block - fs->first_data_block : 0;

    if (error == 0) {
        *is_taken =
            ext2_alloc_is_set((const void *)bitmap->data, (uint32_t)(first % fs->blocks_per_group));
    }
    return error;
}

/* Of one group. */
static int ext2_alloc_free_some(struct ext2 *fs, uint64_t first, uint32_t count)
{
    uint32_t index = (uint32_t)((first - fs->first_data_block) % fs->blocks_per_group);
    struct ext2_block *descriptor_block, *bitmap;
    struct ext2_disk_group *descriptor;
    struct ext2_pending *pending;
    uint32_t freed = 0;
    uint64_t *bits;
    int error = ext2_alloc_find(fs, first, &descriptor_block, &descriptor, &bitmap);

    if (error != 0) {
        return error;
    }
    pending = ext2_alloc_make_pending(fs, ext2_alloc_group_of(fs, first));
    if (pending == NULL) {
        return ENOMEM;
    }
    bits = (void *)bitmap->data;
    for (uint32_t i = index; i < index + count; i++) {
        freed += ext2_alloc_is_set(bits, i);
        bits[i / WORD_BITS] &= ~(1ul << i % WORD_BITS);
        pending->bits[i / WORD_BITS] |= 1ul << i % WORD_BITS;
    }
    descriptor->free_blocks += (uint16_t)freed;
    fs->free_blocks += freed;
    fs->pending_count += freed;
    ext2_block_dirty(fs, bitmap, EXT2_KIND_MAP);
    ext2_block_dirty(fs, descriptor_block, EXT2_KIND_MAP);
    if (freed != count) {
        ext2_mount_damaged(fs);
    }
    return 0;
}

int ext2_alloc_free_blocks(struct ext2 *fs, uint64_t first, uint64_t count)
{
    int error = 0;

    while (count > 0 && error == 0) {
        uint64_t some = 1;

        if (ext2_mount_is_block(fs, first)) {
            uint32_t group = ext2_alloc_group_of(fs, first);
            uint64_t left = ext2_alloc_first_of(fs, group) + ext2_alloc_size_of(fs, group) - first;

            some = count < left ? count : left;
            error = ext2_alloc_free_some(fs, first, (uint32_t)some);
        } else {
            ext2_mount_damaged(fs);
        }
        first += some;
        count -= some;
    }
    return error;
}

/* --- inodes --- */

static int ext2_alloc_inode_from(struct ext2 *fs, uint32_t group, bool is_directory,
                                 uint32_t *inode)
{
    struct ext2_block *descriptor_block, *bitmap;
    struct ext2_disk_group *descriptor;
    uint32_t left = fs->inodes_count - group * fs->inodes_per_group;
    uint32_t size = left < fs->inodes_per_group ? left : fs->inodes_per_group;
    uint32_t from = group == 0 ? fs->first_inode - 1 : 0;
    uint32_t index;
    uint64_t *bits;
    int error = ext2_alloc_group(fs, group, &descriptor_block, &descriptor);

    if (error != 0 || descriptor->free_inodes == 0) {
        return error != 0 ? error : ENOSPC;
    }
    error = ext2_alloc_bitmap(fs, descriptor->inode_bitmap, &bitmap);
    if (error != 0) {
        return error;
    }
    bits = (void *)bitmap->data;
    index = ext2_alloc_find_zero(bits, NULL, from, size);
    if (index >= size) {
        return ENOSPC;
    }
    bits[index / WORD_BITS] |= 1ul << index % WORD_BITS;
    descriptor->free_inodes--;
    descriptor->directories += is_directory;
    ext2_block_dirty(fs, bitmap, EXT2_KIND_MAP);
    ext2_block_dirty(fs, descriptor_block, EXT2_KIND_MAP);
    *inode = group * fs->inodes_per_group + index + 1;
    return 0;
}

/* Directories are spread: the first group with room, from the parent's on, that has as many free
 * inodes as the groups have on average. */
static uint32_t ext2_alloc_directory_group(struct ext2 *fs, uint32_t group)
{
    uint64_t average = fs->free_inodes / fs->groups;

    for (uint32_t i = 1; i <= fs->groups; i++) {
        uint32_t candidate = (group + i) % fs->groups;
        struct ext2_block *block;
        struct ext2_disk_group *descriptor;

        if (ext2_alloc_group(fs, candidate, &block, &descriptor) == 0 &&
            descriptor->free_inodes >= average && descriptor->free_blocks != 0) {
            return candidate;
        }
    }
    return group;
}

int ext2_alloc_inode(struct ext2 *fs, uint32_t directory, bool is_directory, uint32_t *inode)
{
    uint32_t group = (directory - 1) / fs->inodes_per_group;
    int error = ENOSPC;

    if (is_directory) {
        group = ext2_alloc_directory_group(fs, group);
    }
    for (uint32_t i = 0; i < fs->groups && error == ENOSPC; i++) {
        error = ext2_alloc_inode_from(fs, (group + i) % fs->groups, is_directory, inode);
    }
    if (error == 0 && fs->free_inodes != 0) {
        fs->free_inodes--;
    }
    return error;
}

int ext2_alloc_free_inode(struct ext2 *fs, uint32_t inode, bool is_directory)
{
    uint32_t group = (inode - 1) / fs->inodes_per_group;
    uint32_t index = (inode - 1) % fs->inodes_per_group;
    struct ext2_block *descriptor_block, *bitmap;
    struct ext2_disk_group *descriptor;
    uint64_t *bits;
    int error = ext2_alloc_group(fs, group, &descriptor_block, &descriptor);

    if (error == 0) {
        error = ext2_alloc_bitmap(fs, descriptor->inode_bitmap, &bitmap);
    }
    if (error != 0) {
        return error;
    }
    bits = (void *)bitmap->data;
    if (!ext2_alloc_is_set(bits, index)) {
        ext2_mount_damaged(fs);
        return 0;
    }
    bits[index / WORD_BITS] &= ~(1ul << index % WORD_BITS);
    descriptor->free_inodes++;
    descriptor->directories -= is_directory && descriptor->directories != 0;
    fs->free_inodes++;
    ext2_block_dirty(fs, bitmap, EXT2_KIND_MAP);
    ext2_block_dirty(fs, descriptor_block, EXT2_KIND_MAP);
    return 0;
}
