/* ext2_block.c - the cache of metadata blocks: a hash by number, and a list for each state. Clean
 * blocks are in the order of their last use, and the oldest go first. */
#include "ext2_impl.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static struct ext2_block **ext2_block_slot(struct ext2 *fs, uint64_t number)
{
    struct ext2_block **slot = &fs->block_hash[number % EXT2_BLOCK_HASH];

    while (*slot != NULL && (*slot)->number != number) {
        slot = &(*slot)->hash_next;
    }
    return slot;
}

static int ext2_block_add(struct ext2 *fs, uint64_t number, void *data, struct ext2_block **block)
{
    struct ext2_block *new = calloc(1, sizeof(*new));
    struct ext2_block **slot = &fs->block_hash[number % EXT2_BLOCK_HASH];

    if (new == NULL) {
        block_device_free(data, fs->block_size);
        return ENOMEM;
    }
    new->number = number;
    new->data = data;
    new->hash_next = *slot;
    *slot = new;
    fs->block_count++;
    ext2_link_insert(&fs->clean, &new->link);
    *block = new;
    return 0;
}

static void ext2_block_drop(struct ext2 *fs, struct ext2_block *block)
{
    *ext2_block_slot(fs, block->number) = block->hash_next;
    ext2_link_remove(&block->link);
    fs->dirty_count -= block->state == EXT2_BLOCK_DIRTY;
    fs->block_count--;
    block_device_free(block->data, fs->block_size);
    free(block);
}

int ext2_block_read(struct ext2 *fs, uint64_t number, struct ext2_block **block)
{
    struct ext2_block *found = *ext2_block_slot(fs, number);
    void *data;
    int error;

    if (found != NULL) {
        if (found->state == EXT2_BLOCK_CLEAN) {
            ext2_link_remove(&found->link);
            ext2_link_insert(&fs->clean, &found->link);
        }
        *block = found;
        return 0;
    }
    if (number >= fs->blocks_count) {
        return ext2_mount_damaged(fs);
    }
    error = fs->device->ops->read(fs->device, number << fs->block_shift, fs->block_size, &data);
    return error != 0 ? error : ext2_block_add(fs, number, data, block);
}

int ext2_block_make(struct ext2 *fs, uint64_t number, struct ext2_block **block)
{
    struct ext2_block *found = *ext2_block_slot(fs, number);

    if (!ext2_mount_is_block(fs, number)) {
        return ext2_mount_damaged(fs);
    }
    if (found == NULL) {
        void *data = block_device_alloc(fs->block_size);
        int error = data == NULL ? ENOMEM : ext2_block_add(fs, number, data, &found);

        if (error != 0) {
            return error;
        }
    } else {
        memset(found->data, 0, fs->block_size);
    }
    ext2_block_dirty(fs, found, EXT2_KIND_NEW);
    *block = found;
    return 0;
}

void ext2_block_dirty(struct ext2 *fs, struct ext2_block *block, enum ext2_kind kind)
{
    if (block->state != EXT2_BLOCK_DIRTY) {
        block->kind = kind;
        ext2_block_set_state(fs, block, EXT2_BLOCK_DIRTY);
    }
}

void ext2_block_forget(struct ext2 *fs, uint64_t number)
{
    struct ext2_block *block = *ext2_block_slot(fs, number);

    if (block != NULL) {
        ext2_block_drop(fs, block);
    }
}

void ext2_block_set_state(struct ext2 *fs, struct ext2_block *block, enum ext2_block_state state)
{
    struct ext2_link *lists[] = {&fs->clean, &fs->dirty, &fs->logged};

    fs->dirty_count -= block->state == EXT2_BLOCK_DIRTY;
    fs->dirty_count += state == EXT2_BLOCK_DIRTY;
    block->state = state;
    ext2_link_remove(&block->link);
    ext2_link_insert(lists[state], &block->link);
}

int ext2_block_write(struct ext2 *fs, const struct ext2_block *block)
{
    return fs->device->ops->write(fs->device, block->number << fs->block_shift, fs->block_size,
                                  block->data);
}

void ext2_block_trim(struct ext2 *fs)
{
    while (fs->block_count > fs->block_limit && fs->clean.previous != &fs->clean) {
        ext2_block_drop(fs, EXT2_OF(fs->clean.previous, struct ext2_block, link));
    }
}

void ext2_block_drop_all(struct ext2 *fs)
{
    struct ext2_link *lists[] = {&fs->clean, &fs->dirty, &fs->logged};

    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        while (lists[i]->next != lists[i]) {
            ext2_block_drop(fs, EXT2_OF(lists[i]->next, struct ext2_block, link));
        }
    }
    assert(fs->block_count == 0);
}
