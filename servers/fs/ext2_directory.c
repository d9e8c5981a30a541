/* ext2_directory.c - the entries of a directory: blocks in which each entry says how far it is to
 * the next. A removed entry becomes part of the one before it, so entries never move, and their
 * positions are good as long as they are there. An index (dir_index) lies in what reads as free
 * entries; what is inserted here ends it. */
#include "ext2_impl.h"

#include <dirent.h>
#include <errno.h>
#include <string.h>

#define DOT_SIZE 12u

/* By what the type of an inode is in an entry (FILETYPE). */
static const uint8_t ext2_directory_types[] = {DT_UNKNOWN, DT_REG,  DT_DIR,  DT_CHR,
                                               DT_BLK,     DT_FIFO, DT_SOCK, DT_LNK};
#define TYPES (sizeof(ext2_directory_types) / sizeof(ext2_directory_types[0]))

static uint32_t ext2_directory_size_of(size_t length)
{
    return (uint32_t)((EXT2_ENTRY_HEAD + length + 3) & ~3ul);
}

static uint64_t ext2_directory_blocks(const struct ext2 *fs, const struct ext2_inode *directory)
{
    return directory->size >> fs->block_shift;
}

static int ext2_directory_block(struct ext2 *fs, struct ext2_inode *directory, uint64_t index,
                                struct ext2_block **block)
{
    struct ext2_run run;
    int error = ext2_map_find(fs, directory, index, 1, &run);

    if (error == 0 && run.start == 0) {
        error = ext2_mount_damaged(fs);
    }
    return error != 0 ? error : ext2_block_read(fs, run.start, block);
}

/* The entry at an offset of a block. NULL: it makes no sense. */
static struct ext2_disk_entry *ext2_directory_entry(struct ext2 *fs, struct ext2_block *block,
                                                    uint32_t offset)
{
    struct ext2_disk_entry *entry = (void *)(block->data + offset);

    if (offset + EXT2_ENTRY_HEAD > fs->block_size || entry->size % 4 != 0 ||
        entry->size > fs->block_size - offset ||
        entry->size < ext2_directory_size_of(entry->inode != 0 ? entry->name_length : 0) ||
        entry->inode > fs->inodes_count) {
        ext2_mount_damaged(fs);
        return NULL;
    }
    return entry;
}

static bool ext2_directory_has_name(const struct ext2_disk_entry *entry, const char *name,
                                    size_t length)
{
    return entry->inode != 0 && entry->name_length == length &&
           memcmp(entry->name, name, length) == 0;
}

/* --- looking --- */

/* Look in one block. *room: the offset of an entry with `needed` bytes to spare, if it is
 * block_size when it begins. Returns: ENOENT, EIO. */
static int ext2_directory_find_in(struct ext2 *fs, struct ext2_block *block, const char *name,
                                  size_t length, uint32_t *found, uint32_t *room)
{
    uint32_t needed = ext2_directory_size_of(length);
    uint32_t offset = 0;

    while (offset < fs->block_size) {
        struct ext2_disk_entry *entry = ext2_directory_entry(fs, block, offset);
        uint32_t used;

        if (entry == NULL) {
            return EIO;
        }
        if (ext2_directory_has_name(entry, name, length)) {
            *found = offset;
            return 0;
        }
        used = entry->inode != 0 ? ext2_directory_size_of(entry->name_length) : 0;
        if (*room == fs->block_size && entry->size - used >= needed) {
            *room = offset;
        }
        offset += entry->size;
    }
    return ENOENT;
}

int ext2_directory_find_room(struct ext2 *fs, struct ext2_inode *directory, const char *name,
                             size_t length, struct ext2_place *place, uint64_t *room)
{
    *room = directory->size;
    for (uint64_t i = 0; i < ext2_directory_blocks(fs, directory); i++) {
        uint32_t room_offset = fs->block_size;
        uint32_t offset;
        struct ext2_block *block;
        int error;

        ext2_block_trim(fs);
        error = ext2_directory_block(fs, directory, i, &block);
        if (error == 0) {
            error = ext2_directory_find_in(fs, block, name, length, &offset, &room_offset);
        }
        if (error == 0) {
            place->position = (i << fs->block_shift) + offset;
            place->inode = ((struct ext2_disk_entry *)(void *)(block->data + offset))->inode;
            return 0;
        }
        if (error != ENOENT) {
            return error;
        }
        if (room_offset != fs->block_size && *room == directory->size) {
            *room = (i << fs->block_shift) + room_offset;
        }
    }
    return ENOENT;
}

int ext2_directory_find(struct ext2 *fs, struct ext2_inode *directory, const char *name,
                        size_t length, struct ext2_place *place)
{
    uint64_t room;

    return ext2_directory_find_room(fs, directory, name, length, place, &room);
}

int ext2_directory_check_empty(struct ext2 *fs, struct ext2_inode *directory)
{
    for (uint64_t i = 0; i < ext2_directory_blocks(fs, directory); i++) {
        struct ext2_block *block;
        int error;

        ext2_block_trim(fs);
        error = ext2_directory_block(fs, directory, i, &block);
        if (error != 0) {
            return error;
        }
        for (uint32_t offset = 0; offset < fs->block_size;) {
            struct ext2_disk_entry *entry = ext2_directory_entry(fs, block, offset);

            if (entry == NULL) {
                return EIO;
            }
            if (entry->inode != 0 && !ext2_directory_has_name(entry, ".", 1) &&
                !ext2_directory_has_name(entry, "..", 2)) {
                return ENOTEMPTY;
            }
            offset += entry->size;
        }
    }
    return 0;
}

/* --- changing --- */

static void ext2_directory_fill(struct ext2 *fs, struct ext2_disk_entry *entry, const char *name,
                                size_t length, uint32_t number, uint16_t mode)
{
    unsigned type = 0;

    for (unsigned i = 1; i < TYPES && (fs->incompat & EXT2_INCOMPAT_FILETYPE) != 0; i++) {
        type = ext2_directory_types[i] == IFTODT(mode) ? i : type;
    }
    entry->inode = number;
    entry->name_length = (uint8_t)length;
    entry->type = (uint8_t)type;
    memcpy(entry->name, name, length);
}

static int ext2_directory_changed(struct ext2 *fs, struct ext2_inode *directory,
                                  struct ext2_block *block)
{
    ext2_block_dirty(fs, block, EXT2_KIND_NAME);
    directory->entry_hint = 0;
    directory->mtime = directory->ctime = fs->now;
    return ext2_inode_store(fs, directory);
}

/* The entry at a position, and the one before it in its block (NULL: none). */
static int ext2_directory_at(struct ext2 *fs, struct ext2_inode *directory, uint64_t position,
                             struct ext2_block **block, struct ext2_disk_entry **previous,
                             struct ext2_disk_entry **entry)
{
    uint32_t wanted = (uint32_t)(position & (fs->block_size - 1));
    uint32_t offset = 0;
    int error = ext2_directory_block(fs, directory, position >> fs->block_shift, block);

    if (error != 0) {
        return error;
    }
    *previous = NULL;
    for (*entry = ext2_directory_entry(fs, *block, 0); *entry != NULL && offset < wanted;
         *entry = ext2_directory_entry(fs, *block, offset)) {
        *previous = *entry;
        offset += (*entry)->size;
    }
    return *entry != NULL && offset == wanted ? 0 : ext2_mount_damaged(fs);
}

/* One more block, with a free entry. */
static int ext2_directory_grow(struct ext2 *fs, struct ext2_inode *directory,
                               struct ext2_block **block)
{
    uint64_t index = ext2_directory_blocks(fs, directory);
    uint64_t number, got, done;
    int error;

    if (directory->size + fs->block_size > INT32_MAX) {
        return ENOSPC;
    }
    error = ext2_alloc_blocks(fs, ext2_map_goal(fs, directory, index), 1, false, &number, &got);
    if (error != 0) {
        return error;
    }
    error = ext2_block_make(fs, number, block);
    if (error == 0) {
        error = ext2_map_insert(fs, directory, index, number, 1, false, &done);
    }
    if (error != 0) {
        ext2_block_forget(fs, number);
        (void)ext2_alloc_free_blocks(fs, number, 1);
        return error;
    }
    ((struct ext2_disk_entry *)(void *)(*block)->data)->size = (uint16_t)fs->block_size;
    directory->size += fs->block_size;
    return 0;
}

int ext2_directory_insert(struct ext2 *fs, struct ext2_inode *directory, uint64_t room,
                          const char *name, size_t length, const struct ext2_inode *inode)
{
    uint32_t needed = ext2_directory_size_of(length);
    struct ext2_disk_entry *entry, *previous;
    struct ext2_block *block;
    uint32_t size, used;
    int error = 0;

    if (room == directory->size) {
        error = ext2_directory_grow(fs, directory, &block);
    }
    if (error == 0) {
        error = ext2_directory_at(fs, directory, room, &block, &previous, &entry);
    }
    if (error != 0) {
        return error;
    }
    size = entry->size;
    used = entry->inode != 0 ? ext2_directory_size_of(entry->name_length) : 0;
    if (size - used < needed) {
        return ext2_mount_damaged(fs); /* the block is used for something else, too */
    }
    if (used != 0) {
        entry->size = (uint16_t)used;
        entry = (void *)((char *)entry + used);
    }
    entry->size = (uint16_t)(size - used);
    ext2_directory_fill(fs, entry, name, length, inode->number, inode->mode);
    directory->flags &= ~EXT2_FLAG_INDEX;
    return ext2_directory_changed(fs, directory, block);
}

int ext2_directory_remove(struct ext2 *fs, struct ext2_inode *directory, uint64_t position)
{
    struct ext2_disk_entry *entry, *previous;
    struct ext2_block *block;
    int error = ext2_directory_at(fs, directory, position, &block, &previous, &entry);

    if (error != 0) {
        return error;
    }
    if (previous != NULL) {
        previous->size = (uint16_t)(previous->size + entry->size);
    } else {
        entry->inode = 0;
    }
    return ext2_directory_changed(fs, directory, block);
}

int ext2_directory_replace(struct ext2 *fs, struct ext2_inode *directory, uint64_t position,
                           const struct ext2_inode *inode)
{
    struct ext2_disk_entry *entry, *previous;
    struct ext2_block *block;
    int error = ext2_directory_at(fs, directory, position, &block, &previous, &entry);

    if (error != 0) {
        return error;
    }
    ext2_directory_fill(fs, entry, entry->name, entry->name_length, inode->number, inode->mode);
    return ext2_directory_changed(fs, directory, block);
}

int ext2_directory_init(struct ext2 *fs, struct ext2_inode *directory, uint32_t parent)
{
    struct ext2_disk_entry *entry;
    struct ext2_block *block;
    int error = ext2_directory_grow(fs, directory, &block);

    if (error != 0) {
        return error;
    }
    entry = (void *)block->data;
    entry->size = DOT_SIZE;
    ext2_directory_fill(fs, entry, ".", 1, directory->number, S_IFDIR);
    entry = (void *)(block->data + DOT_SIZE);
    entry->size = (uint16_t)(fs->block_size - DOT_SIZE);
    ext2_directory_fill(fs, entry, "..", 2, parent, S_IFDIR);
    return 0;
}

/* --- reading --- */

static bool ext2_directory_is_name(const struct ext2_disk_entry *entry)
{
    return entry->inode != 0 && entry->name_length != 0 &&
           memchr(entry->name, '/', entry->name_length) == NULL &&
           memchr(entry->name, '\0', entry->name_length) == NULL;
}

/* The first entry of the block at or behind the offset `least`, and where the next one is.
 * Returns: ENOENT, EIO. */
static int ext2_directory_read_in(struct ext2 *fs, struct ext2_block *block, uint32_t offset,
                                  uint32_t least, struct ext2_disk_entry **entry, uint32_t *next)
{
    while (offset < fs->block_size) {
        *entry = ext2_directory_entry(fs, block, offset);
        if (*entry == NULL) {
            return EIO;
        }
        *next = offset + (*entry)->size;
        if (offset >= least && ext2_directory_is_name(*entry)) {
            return 0;
        }
        offset = *next;
    }
    return ENOENT;
}

static void ext2_directory_tell(const struct ext2_disk_entry *disk, struct volume_entry *entry)
{
    entry->inode = disk->inode;
    entry->type = disk->type < TYPES ? ext2_directory_types[disk->type] : DT_UNKNOWN;
    entry->length = disk->name_length;
    memcpy(entry->name, disk->name, disk->name_length);
    entry->name[disk->name_length] = '\0';
}

int ext2_directory_read(struct volume *volume, uint64_t number, uint64_t position,
                        struct volume_entry *entry, uint64_t *next)
{
    struct ext2 *fs = ext2_of(volume);
    struct ext2_inode *directory;
    int error;

    ext2_trim(fs);
    error = ext2_inode_get_directory(fs, number, &directory);
    while (error == 0 && position < directory->size) {
        uint32_t least = (uint32_t)(position & (fs->block_size - 1));
        uint32_t offset = position == directory->entry_hint ? least : 0;
        uint64_t base = position - least;
        struct ext2_disk_entry *found;
        struct ext2_block *block;
        uint32_t behind;

        ext2_block_trim(fs);
        error = ext2_directory_block(fs, directory, base >> fs->block_shift, &block);
        if (error != 0) {
            return error;
        }
        error = ext2_directory_read_in(fs, block, offset, least, &found, &behind);
        if (error == 0) {
            ext2_directory_tell(found, entry);
            *next = directory->entry_hint = base + behind;
            return 0;
        }
        position = base + fs->block_size;
        error = error == ENOENT ? 0 : error;
    }
    return error != 0 ? error : ENOENT;
}
