/* ext2_data.c - contents of files. Blocks get their place when they are written: prepare only sets
 * aside as many as it may take, and the inode remembers which (ranges). What is written goes to the
 * disk first, and the map points to it afterwards, so nobody ever sees what was in a block before.
 */
#include "ext2_impl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define WRITE_BLOCKS_MAX 2048u  /* given a place at once */
#define ZEROES           65536u /* bytes written at once; no block is larger */

/* --- blocks set aside --- */

/* What the inode has set aside, after its ranges have changed. */
static void ext2_data_recount(struct ext2 *fs, struct ext2_inode *inode)
{
    uint64_t cost = ext2_map_cost(fs, inode->ranges, inode->range_count);

    for (unsigned i = 0; i < inode->range_count; i++) {
        cost += inode->ranges[i].end - inode->ranges[i].first;
    }
    fs->reserved += cost - inode->reserved;
    inode->reserved = cost;
}

/* The first range that ends behind the block, or range_count. */
static unsigned ext2_data_range(const struct ext2_inode *inode, uint64_t block)
{
    unsigned i = 0;

    while (i < inode->range_count && inode->ranges[i].end <= block) {
        i++;
    }
    return i;
}

/* How many blocks from one on are (*is_reserved) or are not in a range, of count. */
static uint64_t ext2_data_in_range(const struct ext2_inode *inode, uint64_t block, uint64_t count,
                                   bool *is_reserved)
{
    unsigned i = ext2_data_range(inode, block);
    uint64_t left = count;

    *is_reserved = i < inode->range_count && inode->ranges[i].first <= block;
    if (i < inode->range_count) {
        left = (*is_reserved ? inode->ranges[i].end : inode->ranges[i].first) - block;
    }
    return left < count ? left : count;
}

/* Put a range, of blocks that are in none, into the list. */
static int ext2_data_add_range(struct ext2_inode *inode, uint64_t first, uint64_t end)
{
    unsigned i = ext2_data_range(inode, first);
    unsigned left = inode->range_count - i;
    struct ext2_range *ranges = inode->ranges;

    if (i > 0 && ranges[i - 1].end == first) {
        ranges[i - 1].end = end;
        if (left != 0 && ranges[i].first == end) {
            ranges[i - 1].end = ranges[i].end;
            memmove(&ranges[i], &ranges[i + 1], (left - 1) * sizeof(*ranges));
            inode->range_count--;
        }
        return 0;
    }
    if (left != 0 && ranges[i].first == end) {
        ranges[i].first = first;
        return 0;
    }
    ranges = realloc(ranges, (inode->range_count + 1) * sizeof(*ranges));
    if (ranges == NULL) {
        return ENOMEM;
    }
    inode->ranges = ranges;
    memmove(&ranges[i + 1], &ranges[i], left * sizeof(*ranges));
    ranges[i] = (struct ext2_range){first, end};
    inode->range_count++;
    return 0;
}

/* Blocks [first, end) are in no range any more. Errors: ENOMEM, when one becomes two. */
static int ext2_data_remove_range(struct ext2_inode *inode, uint64_t first, uint64_t end)
{
    unsigned i = ext2_data_range(inode, first);

    while (i < inode->range_count && inode->ranges[i].first < end) {
        struct ext2_range *range = &inode->ranges[i];
        uint64_t behind = range->end;

        if (range->first < first) {
            range->end = first;
            i++;
            if (behind > end) {
                return ext2_data_add_range(inode, end, behind);
            }
        } else if (behind > end) {
            range->first = end;
        } else {
            inode->range_count--;
            memmove(range, range + 1, (inode->range_count - i) * sizeof(*range));
        }
    }
    return 0;
}

void ext2_data_unreserve(struct ext2 *fs, struct ext2_inode *inode, uint64_t first)
{
    (void)ext2_data_remove_range(inode, first, UINT64_MAX); /* none becomes two */
    ext2_data_recount(fs, inode);
}

/* --- reading --- */

static int ext2_data_get(struct ext2 *fs, uint64_t number, struct ext2_inode **inode)
{
    int error = ext2_inode_get(fs, number, inode);

    if (error == 0 && !S_ISREG((*inode)->mode)) {
        error = S_ISDIR((*inode)->mode) ? EISDIR : EINVAL;
    }
    return error;
}

static uint64_t ext2_data_blocks(const struct ext2 *fs, uint64_t bytes)
{
    return (bytes + fs->block_size - 1) >> fs->block_shift;
}

/* Runs of blocks, one after the other, into memory of zeroes. */
static int ext2_data_read_runs(struct ext2 *fs, struct ext2_inode *inode, uint64_t block,
                               uint64_t count, char *to)
{
    while (count > 0) {
        struct ext2_run run;
        void *data;
        int error = ext2_map_find(fs, inode, block, count, &run);

        if (error == 0 && run.start != 0) {
            size_t size = run.count << fs->block_shift;

            error = fs->device->ops->read(fs->device, run.start << fs->block_shift, size, &data);
            if (error == 0) {
                memcpy(to, data, size);
                block_device_free(data, size);
            }
        }
        if (error != 0) {
            return error;
        }
        block += run.count;
        count -= run.count;
        to += run.count << fs->block_shift;
    }
    return 0;
}

/* Pages of which count blocks are in the file. */
static int ext2_data_read_pages(struct ext2 *fs, struct ext2_inode *inode, uint64_t block,
                                uint64_t count, size_t size, void **pages)
{
    uint64_t in_pages = (count << fs->block_shift) + VOLUME_PAGE_SIZE - 1;
    struct ext2_run run = {0, 0};
    int error = count != 0 ? ext2_map_find(fs, inode, block, count, &run) : 0;

    if (error != 0) {
        return error;
    }
    /* All of it in one piece: it is the caller's as it was read. */
    if (run.start != 0 && run.count == count &&
        in_pages / VOLUME_PAGE_SIZE == size / VOLUME_PAGE_SIZE &&
        run.start + (size >> fs->block_shift) <= fs->device->size >> fs->block_shift) {
        return fs->device->ops->read(fs->device, run.start << fs->block_shift, size, pages);
    }
    *pages = block_device_alloc(size);
    if (*pages == NULL) {
        return ENOMEM;
    }
    error = ext2_data_read_runs(fs, inode, block, count, *pages);
    if (error != 0) {
        block_device_free(*pages, size);
    }
    return error;
}

int ext2_data_read(struct volume *volume, uint64_t number, uint64_t offset, size_t size,
                   void **pages)
{
    struct ext2 *fs = ext2_of(volume);
    struct ext2_inode *inode;
    uint64_t bytes; /* of the pages that are in the file */
    int error;

    ext2_trim(fs);
    error = ext2_data_get(fs, number, &inode);
    if (error != 0) {
        return error;
    }
    bytes = offset < inode->size ? inode->size - offset : 0;
    bytes = bytes < size ? bytes : size;
    error = ext2_data_read_pages(fs, inode, offset >> fs->block_shift, ext2_data_blocks(fs, bytes),
                                 size, pages);
    if (error == 0 && bytes < size) {
        memset((char *)*pages + bytes, 0, size - bytes);
    }
    return error;
}

/* --- writing --- */

/* Write count blocks of the file to their place; behind its end there are zeroes. */
static int ext2_data_put(struct ext2 *fs, const struct ext2_inode *inode, uint64_t block,
                         const struct ext2_run *run, const char *data)
{
    uint64_t whole = (inode->size >> fs->block_shift) - block;
    uint64_t place = run->start << fs->block_shift;
    char *last;
    int error = 0;

    whole = whole < run->count ? whole : run->count;
    if (whole != 0) {
        error = fs->device->ops->write(fs->device, place, whole << fs->block_shift, data);
    }
    if (error != 0 || whole == run->count) {
        return error;
    }
    last = calloc(1, fs->block_size);
    if (last == NULL) {
        return ENOMEM;
    }
    memcpy(last, data + (whole << fs->block_shift), inode->size & (fs->block_size - 1));
    error = fs->device->ops->write(fs->device, place + (whole << fs->block_shift), fs->block_size,
                                   last);
    free(last);
    return error;
}

/* Give some blocks of a hole a place, and write them. *run: where and how many. */
static int ext2_data_place(struct ext2 *fs, struct ext2_inode *inode, uint64_t block,
                           struct ext2_run *run, const char *data)
{
    uint64_t count = run->count < WRITE_BLOCKS_MAX ? run->count : WRITE_BLOCKS_MAX;
    bool is_reserved;
    uint64_t done;
    int error = 0;

    count = ext2_data_in_range(inode, block, count, &is_reserved);
    if (ext2_transaction_is_full(fs, count + EXT2_STEP_BLOCKS)) {
        error = ext2_inode_store(fs, inode);
        if (error == 0) {
            error = ext2_transaction_commit(fs);
        }
    }
    if (error == 0) {
        error = ext2_alloc_blocks(fs, ext2_map_goal(fs, inode, block), count, is_reserved,
                                  &run->start, &run->count);
    }
    if (error != 0) {
        return error;
    }
    error = ext2_data_put(fs, inode, block, run, data);
    done = 0;
    if (error == 0) {
        error = ext2_map_insert(fs, inode, block, run->start, run->count, is_reserved, &done);
    }
    if (error != 0) {
        (void)ext2_alloc_free_blocks(fs, run->start + done, run->count - done);
    }
    if (is_reserved && done != 0) {
        (void)ext2_data_remove_range(inode, block, block + done); /* without memory: too few */
        ext2_data_recount(fs, inode);
    }
    return error;
}

static int ext2_data_write_blocks(struct ext2 *fs, struct ext2_inode *inode, uint64_t block,
                                  uint64_t end, const char *data)
{
    bool is_changed = false;
    int error = 0;

    while (block < end && error == 0) {
        struct ext2_run run;

        error = ext2_map_find(fs, inode, block, end - block, &run);
        if (error != 0) {
            break;
        }
        if (run.start != 0) {
            error = ext2_data_put(fs, inode, block, &run, data);
        } else {
            error = ext2_data_place(fs, inode, block, &run, data);
            is_changed = true;
        }
        block += run.count;
        data += run.count << fs->block_shift;
    }
    if (is_changed) {
        int store_error = ext2_inode_store(fs, inode);

        error = error != 0 ? error : store_error;
    }
    return error;
}

int ext2_data_write(struct volume *volume, uint64_t number, uint64_t offset, size_t size,
                    const void *pages)
{
    struct ext2 *fs = ext2_of(volume);
    struct ext2_inode *inode;
    uint64_t bytes;
    int error = ext2_transaction_begin(fs);

    if (error == 0) {
        error = ext2_data_get(fs, number, &inode);
    }
    if (error == 0 && ext2_is_immutable(inode)) {
        error = EPERM;
    }
    if (error != 0 || offset >= inode->size) {
        return error;
    }
    bytes = inode->size - offset < size ? inode->size - offset : size;
    return ext2_data_write_blocks(fs, inode, offset >> fs->block_shift,
                                  ext2_data_blocks(fs, offset + bytes), pages);
}

/* --- prepare --- */

/* Add what of [block, end) has no place to the ranges. */
static int ext2_data_add_holes(struct ext2 *fs, struct ext2_inode *inode, uint64_t block,
                               uint64_t end)
{
    while (block < end) {
        struct ext2_run run;
        bool is_reserved;
        uint64_t count = ext2_data_in_range(inode, block, end - block, &is_reserved);
        int error = 0;

        if (!is_reserved) {
            error = ext2_map_find(fs, inode, block, count, &run);
            count = run.count;
            if (error == 0 && run.start == 0) {
                error = ext2_data_add_range(inode, block, block + count);
            }
        }
        if (error != 0) {
            return error;
        }
        block += count;
    }
    return 0;
}

/* There are too many ranges to remember: give the shortest that the file has a place, with zeroes
 * in it. */
static int ext2_data_settle(struct ext2 *fs, struct ext2_inode *inode)
{
    const uint64_t step = ZEROES >> fs->block_shift;
    const struct ext2_range *shortest = NULL;
    char *zeroes;
    int error = 0;

    for (unsigned i = 0; i < inode->range_count; i++) {
        const struct ext2_range *range = &inode->ranges[i];

        if (range->end << fs->block_shift <= inode->size &&
            (shortest == NULL || range->end - range->first < shortest->end - shortest->first)) {
            shortest = range;
        }
    }
    zeroes = shortest != NULL ? calloc(1, ZEROES) : NULL;
    if (zeroes != NULL) {
        struct ext2_range range = *shortest;

        for (uint64_t block = range.first; block < range.end && error == 0; block += step) {
            error = ext2_data_write_blocks(
                fs, inode, block, block + step < range.end ? block + step : range.end, zeroes);
        }
        free(zeroes);
    }
    return error;
}

/* A copy of its ranges, to be changed; the old ones are the caller's. Errors: ENOMEM. */
static int ext2_data_copy_ranges(struct ext2_inode *inode)
{
    size_t size = inode->range_count * sizeof(*inode->ranges);
    struct ext2_range *copy = malloc(size + sizeof(*copy));

    if (copy == NULL) {
        return ENOMEM;
    }
    if (size != 0) {
        memcpy(copy, inode->ranges, size);
    }
    inode->ranges = copy;
    return 0;
}

/* Set blocks [block, end) aside, or leave everything as it is. */
static int ext2_data_reserve(struct ext2 *fs, struct ext2_inode *inode, uint64_t block,
                             uint64_t end)
{
    struct ext2_inode before = *inode;
    int error = ext2_data_copy_ranges(inode);

    if (error != 0) {
        return error;
    }
    error = ext2_data_add_holes(fs, inode, block, end);
    ext2_data_recount(fs, inode);
    if (error == 0 && fs->reserved > fs->free_blocks && inode->reserved > before.reserved) {
        error = ENOSPC;
    }
    if (error != 0) {
        free(inode->ranges);
        inode->ranges = before.ranges;
        inode->range_count = before.range_count;
        ext2_data_recount(fs, inode);
        return error;
    }
    free(before.ranges);
    return 0;
}

int ext2_data_prepare(struct volume *volume, uint64_t number, uint64_t offset, uint64_t size)
{
    struct ext2 *fs = ext2_of(volume);
    struct ext2_inode *inode;
    int error = ext2_transaction_begin(fs);

    if (error == 0) {
        error = ext2_data_get(fs, number, &inode);
    }
    if (error == 0 && ext2_is_immutable(inode)) {
        error = EPERM;
    }
    if (error != 0 || size == 0) {
        return error;
    }
    if (size > fs->size_max || offset > fs->size_max - size) {
        return EFBIG;
    }
    error = ext2_data_reserve(fs, inode, offset >> fs->block_shift,
                              ext2_data_blocks(fs, offset + size));
    if (error != 0 || inode->range_count <= EXT2_RANGES_MAX) {
        return error;
    }
    return ext2_data_settle(fs, inode);
}
