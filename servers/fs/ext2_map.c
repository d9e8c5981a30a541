/* ext2_map.c - which block of the disk has a block of a file: twelve numbers in the inode, then one
 * block of numbers, one of blocks of numbers, and one more level. A way to a block of a file is a
 * slot in the inode and then a slot in up to three blocks. */
#include "ext2_impl.h"

#include <errno.h>
#include <string.h>

/* slots[0] is of the inode, the others of the blocks below; depth of these there are. */
struct ext2_way {
    unsigned depth;
    uint32_t slots[1 + EXT2_MAX_MAP_DEPTH];
    uint64_t rest; /* the number of the block among those below slots[0] */
};

/* Returns: false if the number is too large. */
static bool ext2_map_way(const struct ext2 *fs, uint64_t block, struct ext2_way *way)
{
    unsigned shift = fs->block_shift - 2;
    uint32_t per_block = 1u << shift;

    if (block < EXT2_DIRECT_BLOCKS) {
        *way = (struct ext2_way){0, {(uint32_t)block}, 0};
        return true;
    }
    block -= EXT2_DIRECT_BLOCKS;
    for (unsigned depth = 1; depth <= EXT2_MAX_MAP_DEPTH; depth++) {
        if (block >> depth * shift == 0) {
            way->depth = depth;
            way->rest = block;
            way->slots[0] = EXT2_DIRECT_BLOCKS + depth - 1;
            for (unsigned i = 1; i <= depth; i++) {
                way->slots[i] = (uint32_t)(block >> (depth - i) * shift) & (per_block - 1);
            }
            return true;
        }
        block -= 1ul << depth * shift;
    }
    return false;
}

bool ext2_map_has_blocks(const struct ext2 *fs, const struct ext2_inode *inode)
{
    uint64_t others = inode->xattr_block != 0 ? fs->block_size / EXT2_SECTOR_SIZE : 0;

    return S_ISREG(inode->mode) || S_ISDIR(inode->mode) ||
           (S_ISLNK(inode->mode) && inode->sectors > others);
}

/* The numbers of slots from one on: how many of count follow each other, or are all zero. */
static int ext2_map_measure(struct ext2 *fs, const uint32_t *slots, uint64_t count,
                            struct ext2_run *run)
{
    uint64_t n = 1;

    run->start = slots[0];
    while (n < count && slots[n] == (run->start != 0 ? run->start + n : 0)) {
        n++;
    }
    run->count = n;
    if (run->start != 0 &&
        (!ext2_mount_is_block(fs, run->start) || !ext2_mount_is_block(fs, run->start + n - 1))) {
        return ext2_mount_damaged(fs);
    }
    return 0;
}

static uint64_t ext2_map_slots_left(const struct ext2 *fs, const struct ext2_way *way)
{
    uint32_t count = way->depth == 0 ? EXT2_DIRECT_BLOCKS : fs->block_size / sizeof(uint32_t);

    return count - way->slots[way->depth];
}

static int ext2_map_read(struct ext2 *fs, uint64_t number, struct ext2_block **block)
{
    return ext2_mount_is_block(fs, number) ? ext2_block_read(fs, number, block)
                                           : ext2_mount_damaged(fs);
}

int ext2_map_find(struct ext2 *fs, struct ext2_inode *inode, uint64_t block, uint64_t count,
                  struct ext2_run *run)
{
    const uint32_t *slots = inode->map;
    struct ext2_way way;
    uint64_t left;

    if ((inode->flags & EXT2_FLAG_EXTENTS) != 0) {
        return ext2_extent_find(fs, inode, block, count, run);
    }
    if (!ext2_map_way(fs, block, &way)) {
        *run = (struct ext2_run){0, count};
        return 0;
    }
    for (unsigned i = 0; i < way.depth; i++) {
        uint64_t below = 1ul << (way.depth - i) * (fs->block_shift - 2);
        struct ext2_block *next;
        int error;

        if (slots[way.slots[i]] == 0) {
            left = below - (way.rest & (below - 1));
            *run = (struct ext2_run){0, count < left ? count : left};
            return 0;
        }
        error = ext2_map_read(fs, slots[way.slots[i]], &next);
        if (error != 0) {
            return error;
        }
        slots = (const uint32_t *)next->data;
    }
    left = ext2_map_slots_left(fs, &way);
    return ext2_map_measure(fs, slots + way.slots[way.depth], count < left ? count : left, run);
}

uint64_t ext2_map_goal(struct ext2 *fs, struct ext2_inode *inode, uint64_t block)
{
    struct ext2_run run;

    if (block != 0 && ext2_map_find(fs, inode, block - 1, 1, &run) == 0 && run.start != 0) {
        return run.start + 1;
    }
    return ext2_alloc_goal(fs, inode->number);
}

uint64_t ext2_map_cost(const struct ext2 *fs, const struct ext2_range *ranges, unsigned count)
{
    uint64_t cost = 0;

    for (unsigned i = 0; i < count; i++) {
        uint64_t length = ranges[i].end - ranges[i].first;
        struct ext2_way way = {0};

        (void)ext2_map_way(fs, ranges[i].end - 1, &way);
        for (unsigned level = 1; level <= way.depth; level++) {
            uint64_t width = 1ul << level * (fs->block_shift - 2);

            cost += (length + 2 * width - 2) / width; /* wherever the first one is */
        }
    }
    return cost;
}

/* --- more of it --- */

static uint64_t ext2_map_sectors(const struct ext2 *fs, uint64_t blocks)
{
    return blocks << fs->block_shift >> 9;
}

/* Have a slot that is empty point to a new block of numbers. */
static int ext2_map_grow(struct ext2 *fs, struct ext2_inode *inode, uint32_t *slot, uint64_t goal,
                         bool is_reserved)
{
    struct ext2_block *block;
    uint64_t number, got;
    int error = ext2_alloc_blocks(fs, goal, 1, is_reserved, &number, &got);

    if (error != 0) {
        return error;
    }
    error = ext2_block_make(fs, number, &block);
    if (error != 0) {
        (void)ext2_alloc_free_blocks(fs, number, 1);
        return error;
    }
    *slot = (uint32_t)number;
    inode->sectors += ext2_map_sectors(fs, 1);
    return 0;
}

/* The last slots of a way, made where there are none; their block, NULL if it is the inode. */
static int ext2_map_reach(struct ext2 *fs, struct ext2_inode *inode, const struct ext2_way *way,
                          uint64_t goal, bool is_reserved, uint32_t **slots,
                          struct ext2_block **holder)
{
    *slots = inode->map;
    *holder = NULL;
    for (unsigned i = 0; i < way->depth; i++) {
        uint32_t *slot = *slots + way->slots[i];
        int error;

        if (*slot == 0) {
            error = ext2_map_grow(fs, inode, slot, goal, is_reserved);
            if (error != 0) {
                return error;
            }
            if (*holder != NULL) {
                ext2_block_dirty(fs, *holder, EXT2_KIND_MAP);
            }
        }
        error = ext2_map_read(fs, *slot, holder);
        if (error != 0) {
            return error;
        }
        *slots = (uint32_t *)(*holder)->data;
    }
    *slots += way->slots[way->depth];
    return 0;
}

int ext2_map_insert(struct ext2 *fs, struct ext2_inode *inode, uint64_t block, uint64_t start,
                    uint64_t count, bool is_reserved, uint64_t *done)
{
    *done = 0;
    if (inode->sectors + ext2_map_sectors(fs, count + 2 * EXT2_MAX_MAP_DEPTH) > UINT32_MAX) {
        return EFBIG;
    }
    while (*done < count) {
        struct ext2_block *holder;
        struct ext2_way way;
        uint32_t *slots;
        uint64_t n;
        int error;

        if (!ext2_map_way(fs, block + *done, &way)) {
            return EFBIG;
        }
        error = ext2_map_reach(fs, inode, &way, start + count, is_reserved, &slots, &holder);
        if (error != 0) {
            return error;
        }
        n = ext2_map_slots_left(fs, &way);
        n = n < count - *done ? n : count - *done;
        for (uint64_t i = 0; i < n; i++) {
            slots[i] = (uint32_t)(start + *done + i);
        }
        if (holder != NULL) {
            ext2_block_dirty(fs, holder, EXT2_KIND_MAP);
        }
        inode->sectors += ext2_map_sectors(fs, n);
        *done += n;
    }
    return 0;
}

/* --- less of it: from the end, so that what is left is a file at any time --- */

struct ext2_cut {
    struct ext2 *fs;
    struct ext2_inode *inode;
    bool is_metadata;                      /* what the file's own blocks are */
    uint64_t path[EXT2_MAX_MAP_DEPTH + 1]; /* the blocks of numbers above, by depth */
};

static int ext2_map_free(struct ext2_cut *cut, uint64_t first, uint64_t count, bool is_metadata)
{
    uint64_t sectors = ext2_map_sectors(cut->fs, count);
    struct ext2_inode *inode = cut->inode;

    for (uint64_t i = 0; i < count && is_metadata; i++) {
        int error = ext2_journal_revoke(cut->fs, first + i);

        if (error != 0) {
            return error;
        }
        ext2_block_forget(cut->fs, first + i);
    }
    inode->sectors -= sectors < inode->sectors ? sectors : inode->sectors;
    return ext2_alloc_free_blocks(cut->fs, first, count);
}

/* Free the file's own blocks that slots [first, end) point to. holder is the block they are in, or
 * NULL. */
static int ext2_map_cut_slots(struct ext2_cut *cut, uint32_t *slots, uint32_t first, uint32_t end,
                              struct ext2_block *holder)
{
    int error = 0;

    while (end > first && error == 0) {
        uint32_t run = end - 1;
        uint64_t number = slots[run];

        while (number != 0 && run > first && slots[run - 1] == number - 1 && number > 1 &&
               end - run < EXT2_STEP_BLOCKS / 2) {
            run--;
            number--;
        }
        if (number != 0) {
            if (ext2_transaction_is_full(cut->fs, 0)) {
                error = ext2_inode_step(cut->fs, cut->inode);
            }
            if (error == 0) {
                memset(slots + run, 0, (end - run) * sizeof(*slots));
                if (holder != NULL) {
                    ext2_block_dirty(cut->fs, holder, EXT2_KIND_MAP);
                }
                error = ext2_map_free(cut, number, end - run, cut->is_metadata);
            }
        }
        end = run;
    }
    return error;
}

/* Is it a block of numbers that was not met before? */
static int ext2_map_check_branch(struct ext2_cut *cut, uint64_t number, unsigned depth,
                                 bool *is_good)
{
    int error;

    *is_good = ext2_mount_is_block(cut->fs, number);
    for (unsigned i = depth + 1; i <= EXT2_MAX_MAP_DEPTH; i++) {
        *is_good = *is_good && cut->path[i] != number;
    }
    if (!*is_good) {
        ext2_mount_damaged(cut->fs);
        return 0;
    }
    cut->path[depth] = number;
    error = ext2_alloc_is_taken(cut->fs, number, is_good);
    return error;
}

/* Free what is below a block of numbers, from block first of it on, and with 0 the block, too. The
 * slot that points to it is the caller's. */
static int ext2_map_cut_branch(struct ext2_cut *cut, uint64_t number, unsigned depth,
                               uint64_t first)
{
    unsigned shift = cut->fs->block_shift - 2;
    uint32_t first_slot = (uint32_t)(first >> (depth - 1) * shift);
    uint64_t rest = first & ((1ul << (depth - 1) * shift) - 1);
    struct ext2_block *block;
    uint32_t *slots;
    bool is_good;
    int error = ext2_map_check_branch(cut, number, depth, &is_good);

    if (error != 0 || !is_good) {
        return error;
    }
    error = ext2_block_read(cut->fs, number, &block);
    if (error != 0) {
        return error;
    }
    slots = (uint32_t *)block->data;
    if (depth == 1) {
        error = ext2_map_cut_slots(cut, slots, first_slot, 1u << shift, block);
    }
    for (uint32_t slot = 1u << shift; depth > 1 && slot > first_slot && error == 0; slot--) {
        uint64_t from = slot - 1 == first_slot ? rest : 0;

        if (slots[slot - 1] == 0) {
            continue;
        }
        error = ext2_map_cut_branch(cut, slots[slot - 1], depth - 1, from);
        if (error == 0 && from == 0) {
            slots[slot - 1] = 0;
            ext2_block_dirty(cut->fs, block, EXT2_KIND_MAP);
        }
    }
    return error == 0 && first == 0 ? ext2_map_free(cut, number, 1, true) : error;
}

int ext2_map_cut(struct ext2 *fs, struct ext2_inode *inode, uint64_t first)
{
    unsigned shift = fs->block_shift - 2;
    struct ext2_cut cut = {fs, inode, !S_ISREG(inode->mode), {0}};
    uint64_t base = EXT2_DIRECT_BLOCKS + (1ul << shift) + (1ul << 2 * shift);
    int error = 0;

    if (!ext2_map_has_blocks(fs, inode)) {
        return ext2_inode_store(fs, inode);
    }
    for (unsigned depth = EXT2_MAX_MAP_DEPTH; depth > 0 && error == 0; depth--) {
        uint32_t *slot = &inode->map[EXT2_DIRECT_BLOCKS + depth - 1];
        uint64_t from = first > base ? first - base : 0;

        if (*slot != 0 && from >> depth * shift == 0) {
            error = ext2_map_cut_branch(&cut, *slot, depth, from);
            *slot = error == 0 && from == 0 ? 0 : *slot;
        }
        base -= 1ul << (depth - 1) * shift;
    }
    if (error == 0 && first < EXT2_DIRECT_BLOCKS) {
        error = ext2_map_cut_slots(&cut, inode->map, (uint32_t)first, EXT2_DIRECT_BLOCKS, NULL);
    }
    return error != 0 ? error : ext2_inode_store(fs, inode);
}
