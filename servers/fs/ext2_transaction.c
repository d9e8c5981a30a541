/* ext2_transaction.c - when changed metadata goes to the disk. Operations change blocks in memory;
 * a commit makes all changes since the last one durable. With a journal they are in the log then,
 * and a checkpoint, when the log is full, writes them to their places. Without one the checkpoint
 * follows at once, in an order in which nothing on the disk points to what is not there yet:
 *
 *     contents of files | new blocks of maps and directories, bitmaps | inodes | names
 *
 * Contents were written before their metadata was changed; a flush stands at each bar. */
#include "ext2_impl.h"

#include <assert.h>
#include <errno.h>

void ext2_trim(struct ext2 *fs)
{
    ext2_block_trim(fs);
    ext2_inode_trim(fs, EXT2_INODES_UNUSED);
}

bool ext2_transaction_is_full(const struct ext2 *fs, uint64_t blocks)
{
    return fs->dirty_count + ext2_journal_revoked_blocks(fs) + EXT2_STEP_BLOCKS > fs->dirty_limit ||
           (fs->pending_count != 0 && fs->free_blocks < fs->pending_count + blocks);
}

int ext2_transaction_begin(struct ext2 *fs)
{
    if (fs->volume.is_read_only) {
        return EROFS;
    }
    ext2_trim(fs);
    clock_gettime(CLOCK_REALTIME, &fs->now);
    return ext2_transaction_is_full(fs, EXT2_STEP_BLOCKS) ? ext2_transaction_commit(fs) : 0;
}

static int ext2_transaction_flush(struct ext2 *fs)
{
    return fs->device->ops->flush(fs->device);
}

/* The logged blocks of the kinds [first, end), to their places; they stay in the list. */
static int ext2_transaction_write(struct ext2 *fs, enum ext2_kind first, enum ext2_kind end)
{
    int error = 0;

    for (struct ext2_link *link = fs->logged.previous; link != &fs->logged && error == 0;
         link = link->previous) {
        struct ext2_block *block = EXT2_OF(link, struct ext2_block, link);

        if (block->kind >= first && block->kind < end) {
            error = ext2_block_write(fs, block);
        }
    }
    return error != 0 ? error : ext2_transaction_flush(fs);
}

static int ext2_transaction_write_ordered(struct ext2 *fs)
{
    int error = ext2_transaction_flush(fs);

    if (error == 0) {
        error = ext2_transaction_write(fs, EXT2_KIND_NEW, EXT2_KIND_INODE);
    }
    if (error == 0) {
        error = ext2_transaction_write(fs, EXT2_KIND_INODE, EXT2_KIND_NAME);
    }
    return error != 0 ? error : ext2_transaction_write(fs, EXT2_KIND_NAME, EXT2_KINDS);
}

int ext2_transaction_checkpoint(struct ext2 *fs)
{
    int error;

    assert(fs->dirty_count == 0);
    if (fs->logged.next == &fs->logged) {
        return 0;
    }
    error = fs->journal == NULL ? ext2_transaction_write_ordered(fs)
                                : ext2_transaction_write(fs, EXT2_KIND_NEW, EXT2_KINDS);
    if (error != 0) {
        return error;
    }
    while (fs->logged.next != &fs->logged) {
        ext2_block_set_state(fs, EXT2_OF(fs->logged.next, struct ext2_block, link),
                             EXT2_BLOCK_CLEAN);
    }
    return fs->journal != NULL ? ext2_journal_reset(fs, false) : 0;
}

int ext2_transaction_commit(struct ext2 *fs)
{
    int error = 0;

    if (fs->dirty_count != 0) {
        error = ext2_mount_mark(fs);
        if (error == 0) {
            error = ext2_mount_store(fs);
        }
        if (error == 0 && fs->journal != NULL) {
            error = ext2_journal_log(fs);
        }
        if (error != 0) {
            return error;
        }
        while (fs->dirty.previous != &fs->dirty) {
            ext2_block_set_state(fs, EXT2_OF(fs->dirty.previous, struct ext2_block, link),
                                 EXT2_BLOCK_LOGGED);
        }
    }
    if (fs->journal == NULL || ext2_journal_is_full(fs)) {
        error = ext2_transaction_checkpoint(fs);
    }
    if (error == 0) {
        ext2_alloc_drop_pending(fs);
    }
    return error;
}

/* What was written, and what it belongs to, is on the disk. */
static int ext2_transaction_sync_all(struct ext2 *fs)
{
    bool has_commit = fs->dirty_count != 0; /* which flushes */
    int error;

    if (fs->volume.is_read_only) {
        return 0;
    }
    error = ext2_transaction_commit(fs);
    return error != 0 || has_commit ? error : ext2_transaction_flush(fs);
}

int ext2_transaction_sync(struct volume *volume)
{
    return ext2_transaction_sync_all(ext2_of(volume));
}

int ext2_transaction_sync_inode(struct volume *volume, uint64_t inode)
{
    (void)inode; /* what was changed before it must not come after it */
    return ext2_transaction_sync_all(ext2_of(volume));
}
