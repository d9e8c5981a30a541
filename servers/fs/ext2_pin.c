/* ext2_pin.c - files that stay as they are and where they are, so that somebody else may read and
 * write their blocks (swap): immutable, as chattr +i makes them. That is said on the disk, so it
 * holds for who mounts it next, too. */
#include "ext2_impl.h"

#include <errno.h>

/* Add a run of blocks to the pieces. Returns: false, there is no room. */
static bool ext2_pin_add(const struct ext2 *fs, const struct ext2_run *run, struct volume_run *runs,
                         unsigned room, unsigned *count)
{
    uint64_t offset = run->start << fs->block_shift;
    uint64_t size = run->count << fs->block_shift;

    if (*count != 0 && runs[*count - 1].offset + runs[*count - 1].size == offset) {
        runs[*count - 1].size += size;
        return true;
    }
    if (*count == room) {
        return false;
    }
    runs[*count] = (struct volume_run){offset, size};
    *count += 1;
    return true;
}

/* All blocks of the file, which must be there. */
static int ext2_pin_find(struct ext2 *fs, struct ext2_inode *inode, struct volume_run *runs,
                         unsigned room, unsigned *count)
{
    uint64_t end = inode->size >> fs->block_shift;
    struct ext2_run run;

    *count = 0;
    for (uint64_t block = 0; block < end; block += run.count) {
        int error = ext2_map_find(fs, inode, block, end - block, &run);

        if (error != 0) {
            return error;
        }
        if (run.start == 0) {
            return EINVAL;
        }
        if (!ext2_pin_add(fs, &run, runs, room, count)) {
            return EFBIG;
        }
    }
    for (unsigned i = 0; i < *count; i++) {
        if (runs[i].size % VOLUME_PAGE_SIZE != 0) {
            return EINVAL;
        }
    }
    return 0;
}

int ext2_pin(struct volume *volume, uint64_t number, struct volume_run *runs, unsigned room,
             unsigned *count)
{
    struct ext2 *fs = ext2_of(volume);
    struct ext2_inode *inode;
    int error = ext2_transaction_begin(fs);

    if (error == 0) {
        error = ext2_inode_get(fs, number, &inode);
    }
    if (error == 0 && (!S_ISREG(inode->mode) || inode->size % VOLUME_PAGE_SIZE != 0)) {
        error = EINVAL;
    }
    if (error == 0) {
        error = ext2_pin_find(fs, inode, runs, room, count);
    }
    if (error == 0 && !ext2_is_immutable(inode)) {
        inode->flags |= EXT2_FLAG_IMMUTABLE;
        inode->ctime = fs->now;
        error = ext2_inode_store(fs, inode);
    }
    return error != 0 ? error : ext2_transaction_sync(volume);
}
