/* ext2_journal.c - the journal, in the format of Linux's JBD2: a circle of blocks, in which each
 * transaction is its revocations, descriptors that say where the blocks behind them belong, and a
 * block that says it is complete. Everything before that block is on the disk before it is
 * written. tail and head of the circle stay apart by at least a transaction. */
#include "ext2_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define TAG_SIZE     8u  /* without 64BIT and checksums */
#define BATCH_BLOCKS 32u /* written at once */
#define BLOCKS_MIN   512u
#define SUPER_SIZE   1024u

/* --- where it is --- */

static int ext2_journal_map(struct ext2 *fs, struct ext2_inode *inode, struct ext2_journal *journal)
{
    for (uint64_t i = 0; i < journal->size;) {
        struct ext2_run run;
        int error = ext2_map_find(fs, inode, i, journal->size - i, &run);

        if (error != 0 || run.start == 0) {
            return error != 0 ? error : EINVAL;
        }
        for (uint64_t n = 0; n < run.count; n++) {
            journal->blocks[i + n] = run.start + n;
        }
        i += run.count;
    }
    return 0;
}

static int ext2_journal_read_super(struct ext2 *fs, struct ext2_journal *journal)
{
    const struct ext2_log_super *super;
    uint32_t type, size;
    void *data;
    int error = fs->device->ops->read(fs->device, journal->blocks[0] << fs->block_shift,
                                      fs->block_size, &data);

    if (error != 0) {
        return error;
    }
    super = data;
    type = __builtin_bswap32(super->head.type);
    size = __builtin_bswap32(super->size);
    journal->first = __builtin_bswap32(super->first);
    journal->sequence = __builtin_bswap32(super->sequence);
    journal->tail = journal->head = __builtin_bswap32(super->start);
    journal->incompat = type == EXT2_LOG_SUPER_V2 ? __builtin_bswap32(super->feature_incompat) : 0;
    memcpy(journal->uuid, super->uuid, sizeof(journal->uuid));
    if (super->head.magic != __builtin_bswap32(EXT2_LOG_MAGIC) ||
        (type != EXT2_LOG_SUPER_V1 && type != EXT2_LOG_SUPER_V2) ||
        super->block_size != __builtin_bswap32(fs->block_size) || size > journal->size ||
        journal->first == 0 || journal->first >= size || journal->tail >= size ||
        (journal->tail != 0 && journal->tail < journal->first)) {
        error = EINVAL;
    }
    journal->size = size;
    block_device_free(data, fs->block_size);
    return error;
}

int ext2_journal_open(struct ext2 *fs)
{
    struct ext2_journal *journal = calloc(1, sizeof(*journal));
    struct ext2_inode *inode;
    int error;

    fs->journal = journal;
    if (journal == NULL) {
        return ENOMEM;
    }
    error = ext2_inode_get_any(fs, fs->journal_inode, &inode);
    if (error != 0) {
        return error;
    }
    if (!S_ISREG(inode->mode) || inode->size < 2 * fs->block_size ||
        inode->size >> fs->block_shift > fs->blocks_count ||
        inode->size >> fs->block_shift > UINT32_MAX) {
        return EINVAL;
    }
    journal->size = (uint32_t)(inode->size >> fs->block_shift);
    journal->blocks = malloc(journal->size * sizeof(journal->blocks[0]));
    if (journal->blocks == NULL) {
        return ENOMEM;
    }
    error = ext2_journal_map(fs, inode, journal);
    return error != 0 ? error : ext2_journal_read_super(fs, journal);
}

void ext2_journal_close(struct ext2 *fs)
{
    if (fs->journal != NULL) {
        free(fs->journal->blocks);
        free(fs->journal->revoked);
        free(fs->journal);
        fs->journal = NULL;
    }
}

uint32_t ext2_journal_next(const struct ext2_journal *journal, uint32_t position)
{
    return position + 1 < journal->size ? position + 1 : journal->first;
}

/* --- its superblock --- */

/* Of version 2, with revocations and no other feature. */
static int ext2_journal_write_super(struct ext2 *fs, uint32_t start)
{
    struct ext2_journal *journal = fs->journal;
    uint64_t place = journal->blocks[0] << fs->block_shift;
    struct ext2_log_super *super;
    void *data;
    int error = fs->device->ops->read(fs->device, place, fs->block_size, &data);

    if (error != 0) {
        return error;
    }
    super = data;
    if (super->head.type == __builtin_bswap32(EXT2_LOG_SUPER_V1)) {
        memset((char *)data + offsetof(struct ext2_log_super, feature_compat), 0,
               SUPER_SIZE - offsetof(struct ext2_log_super, feature_compat));
    }
    super->head.type = __builtin_bswap32(EXT2_LOG_SUPER_V2);
    super->sequence = __builtin_bswap32(journal->sequence);
    super->start = __builtin_bswap32(start);
    super->feature_compat = 0;
    super->feature_incompat = __builtin_bswap32(EXT2_LOG_INCOMPAT_REVOKE);
    error = fs->device->ops->write(fs->device, place, fs->block_size, data);
    block_device_free(data, fs->block_size);
    return error;
}

bool ext2_journal_start(struct ext2 *fs)
{
    struct ext2_journal *journal = fs->journal;
    uint32_t limit = (journal->size - journal->first) / 4;

    if (journal->size < BLOCKS_MIN) {
        return false;
    }
    fs->dirty_limit = fs->dirty_limit < limit ? fs->dirty_limit : limit;
    journal->head = journal->tail = journal->first;
    journal->is_started = false;
    return true;
}

int ext2_journal_reset(struct ext2 *fs, bool is_closed)
{
    struct ext2_journal *journal = fs->journal;
    int error = ext2_journal_write_super(fs, is_closed ? 0 : journal->head);

    if (error == 0) {
        error = fs->device->ops->flush(fs->device);
    }
    if (error == 0) {
        journal->tail = journal->head;
        journal->is_started = !is_closed;
    }
    return error;
}

bool ext2_journal_is_full(const struct ext2 *fs)
{
    const struct ext2_journal *journal = fs->journal;
    uint32_t circle = journal->size - journal->first;
    uint32_t used = (journal->head + circle - journal->tail) % circle;

    /* a transaction has at most dirty_limit blocks, and descriptors */
    return circle - used <= fs->dirty_limit + fs->dirty_limit / 2;
}

/* --- revocations --- */

static uint32_t ext2_journal_revoked_per_block(const struct ext2 *fs)
{
    return (uint32_t)((fs->block_size - sizeof(struct ext2_log_revoke)) / sizeof(uint32_t));
}

size_t ext2_journal_revoked_blocks(const struct ext2 *fs)
{
    uint32_t per_block = ext2_journal_revoked_per_block(fs);

    return fs->journal == NULL ? 0 : (fs->journal->revoked_count + per_block - 1) / per_block;
}

int ext2_journal_revoke(struct ext2 *fs, uint64_t block)
{
    struct ext2_journal *journal = fs->journal;

    if (journal == NULL) {
        return 0;
    }
    if (journal->revoked_count == journal->revoked_room) {
        size_t room = journal->revoked_room * 2 + 64;
        uint64_t *revoked = realloc(journal->revoked, room * sizeof(*revoked));

        if (revoked == NULL) {
            return ENOMEM;
        }
        journal->revoked = revoked;
        journal->revoked_room = room;
    }
    journal->revoked[journal->revoked_count] = block;
    journal->revoked_count++;
    return 0;
}

/* --- writing a transaction --- */

/* Blocks on their way to the log: those that lie one after the other go together. */
struct ext2_batch {
    struct ext2 *fs;
    uint32_t position; /* in the log, of the next block */
    uint64_t start;    /* on the disk, of the first of the batch */
    unsigned count;
    uint8_t *data;
};

static int ext2_journal_flush_batch(struct ext2_batch *batch)
{
    struct ext2 *fs = batch->fs;
    int error = 0;

    if (batch->count != 0) {
        error = fs->device->ops->write(fs->device, batch->start << fs->block_shift,
                                       (size_t)batch->count << fs->block_shift, batch->data);
        batch->count = 0;
    }
    return error;
}

/* Room for one more block, of zeroes. */
static int ext2_journal_put(struct ext2_batch *batch, uint8_t **data)
{
    struct ext2 *fs = batch->fs;
    uint64_t place = fs->journal->blocks[batch->position];

    if (batch->count == BATCH_BLOCKS || place != batch->start + batch->count) {
        int error = ext2_journal_flush_batch(batch);

        if (error != 0) {
            return error;
        }
        batch->start = place;
    }
    *data = batch->data + ((size_t)batch->count << fs->block_shift);
    memset(*data, 0, fs->block_size);
    batch->count++;
    batch->position = ext2_journal_next(fs->journal, batch->position);
    return 0;
}

static int ext2_journal_put_head(struct ext2_batch *batch, uint32_t type, uint8_t **data)
{
    int error = ext2_journal_put(batch, data);

    if (error == 0) {
        *(struct ext2_log_head *)(void *)*data =
            (struct ext2_log_head){__builtin_bswap32(EXT2_LOG_MAGIC), __builtin_bswap32(type),
                                   __builtin_bswap32(batch->fs->journal->sequence)};
    }
    return error;
}

static int ext2_journal_put_revoked(struct ext2_batch *batch)
{
    struct ext2_journal *journal = batch->fs->journal;
    uint32_t per_block = ext2_journal_revoked_per_block(batch->fs);

    for (size_t i = 0; i < journal->revoked_count; i += per_block) {
        size_t left = journal->revoked_count - i;
        uint32_t count = left < per_block ? (uint32_t)left : per_block;
        struct ext2_log_revoke *head;
        uint32_t *numbers;
        uint8_t *data;
        int error = ext2_journal_put_head(batch, EXT2_LOG_REVOKE, &data);

        if (error != 0) {
            return error;
        }
        head = (void *)data;
        head->used = __builtin_bswap32((uint32_t)(sizeof(*head) + count * sizeof(*numbers)));
        numbers = (void *)(head + 1);
        for (uint32_t n = 0; n < count; n++) {
            numbers[n] = __builtin_bswap32((uint32_t)journal->revoked[i + n]);
        }
    }
    return 0;
}

static bool ext2_journal_is_escaped(const struct ext2_block *block)
{
    return *(const uint32_t *)(const void *)block->data == __builtin_bswap32(EXT2_LOG_MAGIC);
}

/* A descriptor of the blocks from one of the list on, as many as it has room for. *next: the first
 * it has not. */
static int ext2_journal_put_descriptor(struct ext2_batch *batch, struct ext2_link *link,
                                       struct ext2_link **next)
{
    struct ext2 *fs = batch->fs;
    struct ext2_link *end = &fs->dirty;
    size_t offset = sizeof(struct ext2_log_head);
    uint8_t *data;
    int error = ext2_journal_put_head(batch, EXT2_LOG_DESCRIPTOR, &data);

    if (error != 0) {
        return error;
    }
    for (bool is_last = false; !is_last; link = link->previous) {
        const struct ext2_block *block = EXT2_OF(link, struct ext2_block, link);
        struct ext2_log_tag *tag = (void *)(data + offset);
        bool is_first = offset == sizeof(struct ext2_log_head);
        unsigned flags = ext2_journal_is_escaped(block) ? EXT2_TAG_ESCAPED : 0;

        offset += TAG_SIZE + (is_first ? sizeof(fs->journal->uuid) : 0);
        is_last = link->previous == end || offset + TAG_SIZE > fs->block_size;
        flags |= (is_first ? 0 : EXT2_TAG_SAME_UUID) | (is_last ? EXT2_TAG_LAST : 0);
        tag->block = __builtin_bswap32((uint32_t)block->number);
        tag->flags = __builtin_bswap16((uint16_t)flags);
        if (is_first) {
            memcpy((char *)tag + TAG_SIZE, fs->journal->uuid, sizeof(fs->journal->uuid));
        }
    }
    *next = link;
    return 0;
}

static int ext2_journal_put_blocks(struct ext2_batch *batch)
{
    struct ext2 *fs = batch->fs;
    struct ext2_link *link = fs->dirty.previous; /* the oldest */
    struct ext2_link *next;

    while (link != &fs->dirty) {
        int error = ext2_journal_put_descriptor(batch, link, &next);

        for (; error == 0 && link != next; link = link->previous) {
            const struct ext2_block *block = EXT2_OF(link, struct ext2_block, link);
            uint8_t *data;

            error = ext2_journal_put(batch, &data);
            if (error == 0) {
                memcpy(data, block->data, fs->block_size);
                memset(data, 0, ext2_journal_is_escaped(block) ? sizeof(uint32_t) : 0);
            }
        }
        if (error != 0) {
            return error;
        }
    }
    return 0;
}

/* All but the last block, then the last. */
static int ext2_journal_put_transaction(struct ext2_batch *batch)
{
    struct ext2 *fs = batch->fs;
    uint8_t *data;
    int error = ext2_journal_put_revoked(batch);

    if (error == 0) {
        error = ext2_journal_put_blocks(batch);
    }
    if (error == 0) {
        error = ext2_journal_flush_batch(batch);
    }
    if (error == 0) {
        error = fs->device->ops->flush(fs->device);
    }
    if (error == 0) {
        error = ext2_journal_put_head(batch, EXT2_LOG_COMMIT, &data);
    }
    if (error == 0) {
        error = ext2_journal_flush_batch(batch);
    }
    return error != 0 ? error : fs->device->ops->flush(fs->device);
}

int ext2_journal_log(struct ext2 *fs)
{
    struct ext2_journal *journal = fs->journal;
    struct ext2_batch batch = {.fs = fs, .position = journal->head};
    uint32_t circle = journal->size - journal->first;
    uint32_t used = (journal->head + circle - journal->tail) % circle;
    uint32_t tags = (fs->block_size - 32) / TAG_SIZE;
    size_t needed = fs->dirty_count + fs->dirty_count / tags + 4 + ext2_journal_revoked_blocks(fs);
    int error = 0;

    if (needed >= circle - used) {
        return ext2_mount_damaged(fs); /* is_full has been asked each time */
    }
    batch.data = malloc((size_t)BATCH_BLOCKS << fs->block_shift);
    if (batch.data == NULL) {
        return ENOMEM;
    }
    if (!journal->is_started) {
        error = ext2_journal_write_super(fs, journal->head);
    }
    if (error == 0) {
        error = ext2_journal_put_transaction(&batch);
    }
    free(batch.data);
    if (error == 0) {
        journal->is_started = true;
        journal->head = batch.position;
        journal->sequence++;
        journal->revoked_count = 0;
    }
    return error;
}
