/* ext2_replay.c - what a crash has left in the journal. Three passes over the log: where its last
 * complete transaction ends; which blocks were revoked, and last by which transaction; and the
 * blocks themselves, to their places. A pass looks at no block of the log twice, so it ends,
 * whatever is there. */
#include "ext2_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define REVOKED_MAX (4u << 20)
#define KNOWN                                                                                      \
    (EXT2_LOG_INCOMPAT_REVOKE | EXT2_LOG_INCOMPAT_64BIT | EXT2_LOG_INCOMPAT_CSUM_V2 |              \
     EXT2_LOG_INCOMPAT_CSUM_V3)
#define SUPER_SIZE 1024u
/* where the checksums of superblocks are */
#define FS_CHECKSUM  1020u
#define LOG_CHECKSUM 252u

struct ext2_revoked {
    uint64_t block;
    uint32_t sequence; /* of the last transaction that revoked it */
};

struct ext2_replay {
    struct ext2 *fs;
    struct ext2_journal *journal;
    uint32_t end; /* the first transaction that is not complete */
    struct ext2_revoked *revoked;
    size_t revoked_count;
    size_t revoked_room;
};

/* Later than, in a circle. */
static bool ext2_replay_is_after(uint32_t a, uint32_t b)
{
    return (int32_t)(a - b) > 0;
}

static int ext2_replay_read(struct ext2_replay *replay, uint32_t position, void **data)
{
    struct ext2 *fs = replay->fs;

    return fs->device->ops->read(fs->device, replay->journal->blocks[position] << fs->block_shift,
                                 fs->block_size, data);
}

/* --- descriptors --- */

static uint32_t ext2_replay_tag_size(const struct ext2_journal *journal)
{
    if ((journal->incompat & EXT2_LOG_INCOMPAT_CSUM_V3) != 0) {
        return sizeof(struct ext2_log_tag3);
    }
    return 8 + ((journal->incompat & EXT2_LOG_INCOMPAT_CSUM_V2) != 0 ? 2 : 0) +
           ((journal->incompat & EXT2_LOG_INCOMPAT_64BIT) != 0 ? 4 : 0);
}

/* The tag at *offset of a descriptor, and where the next one is. Returns: false: there is none. */
static bool ext2_replay_tag(const struct ext2_replay *replay, const uint8_t *data, uint32_t *offset,
                            uint64_t *block, uint32_t *flags)
{
    const struct ext2_journal *journal = replay->journal;
    uint32_t size = ext2_replay_tag_size(journal);
    struct ext2_log_tag3 tag3;
    struct ext2_log_tag tag;

    if (*offset + size > replay->fs->block_size) {
        return false;
    }
    if ((journal->incompat & EXT2_LOG_INCOMPAT_CSUM_V3) != 0) {
        memcpy(&tag3, data + *offset, sizeof(tag3));
        *flags = __builtin_bswap32(tag3.flags);
    } else {
        memset(&tag, 0, sizeof(tag));
        memcpy(&tag, data + *offset, size < sizeof(tag) ? size : sizeof(tag));
        *flags = __builtin_bswap16(tag.flags);
        tag3.block = tag.block;
        tag3.block_high = tag.block_high;
    }
    *block = __builtin_bswap32(tag3.block);
    if ((journal->incompat & EXT2_LOG_INCOMPAT_64BIT) != 0) {
        *block |= (uint64_t)__builtin_bswap32(tag3.block_high) << 32;
    }
    *offset += size + ((*flags & EXT2_TAG_SAME_UUID) != 0 ? 0 : 16);
    return true;
}

/* What a pass does with a descriptor or a block of revocations of a transaction. *position is of
 * the block behind, and is moved over those that belong to a descriptor. */
typedef int ext2_replay_step(struct ext2_replay *replay, uint32_t type, uint32_t sequence,
                             const uint8_t *data, uint32_t *position, uint32_t *budget);

static int ext2_replay_skip(struct ext2_replay *replay, uint32_t type, uint32_t sequence,
                            const uint8_t *data, uint32_t *position, uint32_t *budget)
{
    uint32_t offset = sizeof(struct ext2_log_head);
    uint32_t flags = 0;
    uint64_t block;

    (void)sequence;
    while (type == EXT2_LOG_DESCRIPTOR && (flags & EXT2_TAG_LAST) == 0 && *budget != 0 &&
           ext2_replay_tag(replay, data, &offset, &block, &flags)) {
        *position = ext2_journal_next(replay->journal, *position);
        (*budget)--;
    }
    return 0;
}

/* --- revocations --- */

static int ext2_replay_add_revoked(struct ext2_replay *replay, uint64_t block, uint32_t sequence)
{
    if (replay->revoked_count == replay->revoked_room) {
        size_t room = replay->revoked_room * 2 + 256;
        struct ext2_revoked *revoked =
            room <= REVOKED_MAX ? realloc(replay->revoked, room * sizeof(*revoked)) : NULL;

        if (revoked == NULL) {
            return ENOMEM;
        }
        replay->revoked = revoked;
        replay->revoked_room = room;
    }
    replay->revoked[replay->revoked_count] = (struct ext2_revoked){block, sequence};
    replay->revoked_count++;
    return 0;
}

static int ext2_replay_collect(struct ext2_replay *replay, uint32_t type, uint32_t sequence,
                               const uint8_t *data, uint32_t *position, uint32_t *budget)
{
    const struct ext2_log_revoke *head = (const void *)data;
    uint32_t size = (replay->journal->incompat & EXT2_LOG_INCOMPAT_64BIT) != 0 ? 8 : 4;
    uint32_t used = __builtin_bswap32(head->used);
    int error = 0;

    if (type != EXT2_LOG_REVOKE) {
        return ext2_replay_skip(replay, type, sequence, data, position, budget);
    }
    used = used < replay->fs->block_size ? used : replay->fs->block_size;
    for (uint32_t offset = sizeof(*head); offset + size <= used && error == 0; offset += size) {
        uint64_t block = 0;

        for (uint32_t i = 0; i < size; i++) {
            block = block << 8 | data[offset + i];
        }
        error = ext2_replay_add_revoked(replay, block, sequence);
    }
    return error;
}

static int ext2_replay_compare(const void *a, const void *b)
{
    const struct ext2_revoked *x = a, *y = b;

    return x->block != y->block                             ? (x->block < y->block ? -1 : 1)
           : x->sequence == y->sequence                     ? 0
           : ext2_replay_is_after(x->sequence, y->sequence) ? 1
                                                            : -1;
}

/* Is there a revocation of the block by the transaction or a later one? */
static bool ext2_replay_is_revoked(const struct ext2_replay *replay, uint64_t block,
                                   uint32_t sequence)
{
    size_t low = 0, high = replay->revoked_count;
    const struct ext2_revoked *last;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (replay->revoked[middle].block <= block) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    last = low != 0 ? &replay->revoked[low - 1] : NULL;
    return last != NULL && last->block == block && !ext2_replay_is_after(sequence, last->sequence);
}

/* --- the blocks --- */

static int ext2_replay_write(struct ext2_replay *replay, uint32_t position, uint64_t block,
                             bool is_escaped)
{
    struct ext2 *fs = replay->fs;
    uint32_t magic = __builtin_bswap32(EXT2_LOG_MAGIC);
    void *data;
    int error;

    if (block >= fs->blocks_count) {
        return EINVAL;
    }
    error = ext2_replay_read(replay, position, &data);
    if (error != 0) {
        return error;
    }
    if (is_escaped) {
        memcpy(data, &magic, sizeof(magic));
    }
    error = fs->device->ops->write(fs->device, block << fs->block_shift, fs->block_size, data);
    block_device_free(data, fs->block_size);
    return error;
}

static int ext2_replay_restore(struct ext2_replay *replay, uint32_t type, uint32_t sequence,
                               const uint8_t *data, uint32_t *position, uint32_t *budget)
{
    uint32_t offset = sizeof(struct ext2_log_head);
    uint32_t flags = 0;
    uint64_t block;
    int error = 0;

    while (type == EXT2_LOG_DESCRIPTOR && error == 0 && (flags & EXT2_TAG_LAST) == 0 &&
           *budget != 0 && ext2_replay_tag(replay, data, &offset, &block, &flags)) {
        if (!ext2_replay_is_revoked(replay, block, sequence)) {
            error = ext2_replay_write(replay, *position, block, (flags & EXT2_TAG_ESCAPED) != 0);
        }
        *position = ext2_journal_next(replay->journal, *position);
        (*budget)--;
    }
    return error;
}

/* --- passes --- */

/* Take the step for all of the log's blocks of control before the transaction replay->end, or, if
 * is_scan, find it. */
static int ext2_replay_pass(struct ext2_replay *replay, bool is_scan, ext2_replay_step *step)
{
    struct ext2_journal *journal = replay->journal;
    uint32_t position = journal->tail;
    uint32_t sequence = journal->sequence;
    uint32_t budget = journal->size - journal->first;
    int error = 0;

    while (error == 0 && budget != 0 && (is_scan || sequence != replay->end)) {
        struct ext2_log_head head;
        uint32_t type;
        void *data;

        error = ext2_replay_read(replay, position, &data);
        if (error != 0) {
            return error;
        }
        memcpy(&head, data, sizeof(head));
        type = __builtin_bswap32(head.type);
        position = ext2_journal_next(journal, position);
        budget--;
        if (head.magic != __builtin_bswap32(EXT2_LOG_MAGIC) ||
            head.sequence != __builtin_bswap32(sequence) ||
            (type != EXT2_LOG_COMMIT && type != EXT2_LOG_DESCRIPTOR && type != EXT2_LOG_REVOKE)) {
            budget = 0;
        } else if (type == EXT2_LOG_COMMIT) {
            sequence++;
        } else {
            error = step(replay, type, sequence, data, &position, &budget);
        }
        block_device_free(data, replay->fs->block_size);
    }
    replay->end = is_scan ? sequence : replay->end;
    return error;
}

static int ext2_replay_passes(struct ext2_replay *replay)
{
    int error = ext2_replay_pass(replay, true, ext2_replay_skip);

    if (error == 0) {
        error = ext2_replay_pass(replay, false, ext2_replay_collect);
    }
    if (error == 0 && replay->revoked_count != 0) {
        qsort(replay->revoked, replay->revoked_count, sizeof(*replay->revoked),
              ext2_replay_compare);
    }
    return error != 0 ? error : ext2_replay_pass(replay, false, ext2_replay_restore);
}

/* --- the superblocks afterwards --- */

/* CRC-32C, its initial value all ones and its result not inverted. */
static uint32_t ext2_replay_checksum(const uint8_t *data, size_t size)
{
    uint32_t sum = ~0u;

    for (size_t i = 0; i < size; i++) {
        sum ^= data[i];
        for (unsigned bit = 0; bit < 8; bit++) {
            sum = sum >> 1 ^ (0x82f63b78u & -(sum & 1));
        }
    }
    return sum;
}

static int ext2_replay_close_journal(struct ext2_replay *replay)
{
    struct ext2_journal *journal = replay->journal;
    struct ext2 *fs = replay->fs;
    struct ext2_log_super *super;
    uint32_t sum;
    void *data;
    int error = ext2_replay_read(replay, 0, &data);

    if (error != 0) {
        return error;
    }
    super = data;
    super->start = 0;
    super->sequence = __builtin_bswap32(replay->end + 1);
    if ((journal->incompat & (EXT2_LOG_INCOMPAT_CSUM_V2 | EXT2_LOG_INCOMPAT_CSUM_V3)) != 0) {
        memset((char *)data + LOG_CHECKSUM, 0, sizeof(sum));
        sum = __builtin_bswap32(ext2_replay_checksum(data, SUPER_SIZE));
        memcpy((char *)data + LOG_CHECKSUM, &sum, sizeof(sum));
    }
    error = fs->device->ops->write(fs->device, journal->blocks[0] << fs->block_shift,
                                   fs->block_size, data);
    block_device_free(data, fs->block_size);
    return error;
}

/* The volume needs no recovery any more. */
static int ext2_replay_clear_flag(struct ext2 *fs)
{
    uint64_t place = (uint64_t)fs->first_data_block << fs->block_shift;
    struct ext2_disk_super *super;
    uint32_t sum;
    void *data;
    int error = fs->device->ops->read(fs->device, place, fs->block_size, &data);

    if (error != 0) {
        return error;
    }
    super = (void *)((char *)data + (EXT2_SUPER_OFFSET & (fs->block_size - 1)));
    super->feature_incompat &= ~EXT2_INCOMPAT_RECOVER;
    if ((super->feature_ro_compat & EXT2_RO_COMPAT_CSUM) != 0) {
        sum = ext2_replay_checksum((const void *)super, FS_CHECKSUM);
        memcpy((char *)super + FS_CHECKSUM, &sum, sizeof(sum));
    }
    error = fs->device->ops->write(fs->device, place, fs->block_size, data);
    block_device_free(data, fs->block_size);
    return error;
}

int ext2_replay(struct ext2 *fs)
{
    struct ext2_replay replay = {.fs = fs, .journal = fs->journal, .end = fs->journal->sequence};
    int error = 0;

    if ((fs->journal->incompat & ~KNOWN) != 0) {
        return EINVAL; /* blocks after a commit may be missing, or there are other ones */
    }
    if (fs->journal->tail != 0) {
        error = ext2_replay_passes(&replay);
    }
    free(replay.revoked);
    if (error == 0) {
        error = fs->device->ops->flush(fs->device);
    }
    if (error == 0) {
        error = ext2_replay_close_journal(&replay);
    }
    if (error == 0) {
        error = fs->device->ops->flush(fs->device);
    }
    if (error == 0) {
        error = ext2_replay_clear_flag(fs);
    }
    return error != 0 ? error : fs->device->ops->flush(fs->device);
}
