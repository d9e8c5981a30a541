/* ext2_extent.c - ext4's map of a file: a tree of extents, its root in the inode. Only read. */
#include "ext2_impl.h"

#include <errno.h>

/* A node is in `size` bytes, at `depth` levels above the leaves. Are its counts possible? */
static bool ext2_extent_is_sane(const struct ext2_disk_extent_head *head, size_t size,
                                unsigned depth)
{
    return head->magic == EXT2_EXTENT_MAGIC && head->depth == depth &&
           (head->entries + 1u) * sizeof(*head) <= size;
}

/* How many entries of a node begin at the block or before it. Entries of indexes begin with the
 * same field as extents. */
static unsigned ext2_extent_search(const struct ext2_disk_extent_head *head, uint64_t block)
{
    const struct ext2_disk_extent *entries = (const void *)(head + 1);
    unsigned low = 0, high = head->entries;

    while (low < high) {
        unsigned middle = (low + high) / 2;

        if (entries[middle].first <= block) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* What a leaf says; the next extent, or limit, ends a hole. */
static int ext2_extent_read_leaf(struct ext2 *fs, const struct ext2_disk_extent_head *head,
                                 uint64_t block, uint64_t limit, struct ext2_run *run)
{
    const struct ext2_disk_extent *entries = (const void *)(head + 1);
    unsigned index = ext2_extent_search(head, block);
    uint64_t end = index < head->entries ? entries[index].first : limit;
    uint64_t start = 0;

    end = end < limit ? end : limit;
    if (index > 0) {
        const struct ext2_disk_extent *extent = &entries[index - 1];
        bool is_written = extent->size <= EXT2_EXTENT_MAX_SIZE;
        uint64_t size = is_written ? extent->size : extent->size - EXT2_EXTENT_MAX_SIZE;
        uint64_t skipped = block - extent->first;

        if (skipped < size) {
            end = block + size - skipped < end ? block + size - skipped : end;
            start = is_written ? (extent->start | (uint64_t)extent->start_high << 32) + skipped : 0;
        }
        if (start == 0 && skipped < size && is_written) {
            return ext2_mount_damaged(fs);
        }
    }
    run->start = start;
    run->count = end > block ? end - block : 1;
    if (start != 0 &&
        (!ext2_mount_is_block(fs, start) || !ext2_mount_is_block(fs, start + run->count - 1))) {
        return ext2_mount_damaged(fs);
    }
    return 0;
}

int ext2_extent_find(struct ext2 *fs, struct ext2_inode *inode, uint64_t block, uint64_t count,
                     struct ext2_run *run)
{
    const struct ext2_disk_extent_head *head = (const void *)inode->map;
    uint64_t limit = block + count; /* where the part of the tree ends that was gone into */
    size_t size = sizeof(inode->map);
    unsigned depth = head->depth;

    if (depth > EXT2_EXTENT_MAX_DEPTH) {
        return ext2_mount_damaged(fs);
    }
    while (ext2_extent_is_sane(head, size, depth)) {
        const struct ext2_disk_extent_index *entries = (const void *)(head + 1);
        unsigned index = ext2_extent_search(head, block);
        struct ext2_block *next;
        uint64_t leaf;
        int error;

        if (depth == 0) {
            return ext2_extent_read_leaf(fs, head, block, limit, run);
        }
        if (index < head->entries && entries[index].first < limit) {
            limit = entries[index].first;
        }
        if (index == 0) {
            *run = (struct ext2_run){0, limit - block};
            return 0;
        }
        leaf = entries[index - 1].leaf | (uint64_t)entries[index - 1].leaf_high << 32;
        error = ext2_mount_is_block(fs, leaf) ? ext2_block_read(fs, leaf, &next)
                                              : ext2_mount_damaged(fs);
        if (error != 0) {
            return error;
        }
        head = (const void *)next->data;
        size = fs->block_size;
        depth--;
    }
    return ext2_mount_damaged(fs);
}
