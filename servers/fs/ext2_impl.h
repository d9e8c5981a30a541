/* ext2_impl.h - what the files of ext2 share: the volume, its blocks and inodes in memory.
 *
 * Metadata is changed in memory alone, in blocks of a cache. What was changed since the last commit
 * is the running transaction; ext2_transaction_commit makes all of it durable at once, by the
 * journal if there is one. Contents of files go to the disk at once and before the metadata that
 * points to them, and a block that was freed is not given out again before the commit.
 *
 * Nobody counts references to blocks and inodes in memory: what a routine was given stays until
 * ext2_trim, which only the beginning of an operation calls and what says so. All is under the
 * volume's lock, which the caller of the operation holds. */
#ifndef FS_EXT2_IMPL_H
#define FS_EXT2_IMPL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "block_device.h"
#include "ext2_format.h"
#include "volume.h"

#define EXT2_BLOCK_HASH    1024u
#define EXT2_INODE_HASH    256u
#define EXT2_CACHE_BYTES   (8u << 20) /* of metadata blocks */
#define EXT2_INODES_UNUSED 512u       /* in memory without being in use */
#define EXT2_RANGES_MAX    64u        /* of an inode's reserved blocks */
#define EXT2_STEP_BLOCKS   48u        /* an operation changes fewer blocks between two rooms */

/* A circular list; its head is one, too. */
struct ext2_link {
    struct ext2_link *next;
    struct ext2_link *previous;
};

static inline void ext2_link_init(struct ext2_link *link)
{
    link->next = link->previous = link;
}

static inline void ext2_link_insert(struct ext2_link *head, struct ext2_link *link)
{
    *link = (struct ext2_link){head->next, head};
    head->next->previous = link;
    head->next = link;
}

static inline void ext2_link_remove(struct ext2_link *link)
{
    link->next->previous = link->previous;
    link->previous->next = link->next;
    ext2_link_init(link);
}

#define EXT2_OF(pointer, type, member) ((type *)((char *)(pointer)-offsetof(type, member)))

/* What a changed block is. Without a journal blocks are written in this order, so that what points
 * to something is on the disk after it. */
enum ext2_kind { EXT2_KIND_NEW, EXT2_KIND_MAP, EXT2_KIND_INODE, EXT2_KIND_NAME, EXT2_KINDS };

/*  state       list of the volume   what is in it is
 *  clean       clean, newest first  on the disk
 *  dirty       dirty                of the running transaction
 *  logged      logged               in the journal, not yet in its place */
enum ext2_block_state { EXT2_BLOCK_CLEAN, EXT2_BLOCK_DIRTY, EXT2_BLOCK_LOGGED };

/* A block of metadata in memory. */
struct ext2_block {
    struct ext2_link link; /* in the list of its state */
    struct ext2_block *hash_next;
    uint64_t number;
    uint8_t *data;
    enum ext2_block_state state;
    enum ext2_kind kind; /* of a block that is not clean */
};

/* Blocks [first, end) of a file. */
struct ext2_range {
    uint64_t first;
    uint64_t end;
};

/* An inode in memory; its fields are as on the disk, with what is in two pieces there put together.
 */
struct ext2_inode {
    struct ext2_link link; /* in unused while nobody holds it */
    struct ext2_inode *hash_next;
    uint32_t number;
    uint32_t holds;
    struct ext2_link orphan; /* in orphans, newest first, when is_orphan */
    bool is_orphan;
    uint16_t mode;
    uint16_t links;
    uint32_t uid;
    uint32_t gid;
    uint64_t size;
    uint64_t sectors;
    uint32_t flags;
    uint32_t generation;
    uint64_t xattr_block;
    struct timespec atime;
    struct timespec mtime;
    struct timespec ctime;
    uint32_t dtime;
    uint32_t map[EXT2_MAP_SLOTS];
    /* blocks for which there is room but no place yet, in order and apart */
    struct ext2_range *ranges;
    unsigned range_count;
    uint64_t reserved;   /* blocks set aside for them, with those of the map */
    bool is_tail_clear;  /* behind its end there are zeroes in its last block */
    uint64_t entry_hint; /* of a directory: the position of an entry; 0: none */
};

/* Blocks of a group that were freed and must not be given out before the commit. */
struct ext2_pending {
    struct ext2_pending *next;
    uint32_t group;
    uint64_t bits[]; /* as in the bitmap */
};

struct ext2_journal;

struct ext2 {
    struct volume volume;
    struct block_device *device;
    /* as the superblock said; they do not change */
    uint32_t block_size;
    unsigned block_shift;
    uint32_t inode_size;
    uint32_t extra_size; /* of new inodes, behind the first 128 bytes */
    uint32_t descriptor_size;
    uint64_t blocks_count;
    uint64_t root_blocks_count; /* not for everybody (statfs) */
    uint32_t inodes_count;
    uint32_t first_inode;
    uint32_t first_data_block;
    uint32_t blocks_per_group;
    uint32_t inodes_per_group;
    uint32_t groups;
    uint32_t first_meta_bg;
    unsigned cluster_shift; /* blocks of a bit of the bitmaps; 0 of a volume that is written */
    uint32_t incompat;
    uint32_t revision;
    uint32_t journal_inode; /* 0: none */
    uint64_t size_max;      /* of a file */
    /* as the superblock will say at the commit */
    uint32_t ro_compat;
    uint64_t free_blocks;
    uint64_t free_inodes;
    uint16_t state; /* EXT2_STATE_* */
    bool needs_recovery;
    bool was_clean;  /* before the mount */
    bool is_marked;  /* the disk says that it is in use */
    bool is_damaged; /* something made no sense since then */

    struct timespec now; /* when the operation began that is being done */
    uint64_t reserved;   /* free blocks set aside for contents to come */
    struct ext2_pending *pending;
    uint64_t pending_count; /* free blocks in it */
    struct ext2_link orphans;

    struct ext2_block *block_hash[EXT2_BLOCK_HASH];
    struct ext2_link clean;
    struct ext2_link dirty;
    struct ext2_link logged;
    size_t block_count; /* in memory */
    size_t block_limit;
    size_t dirty_count;
    size_t dirty_limit;

    struct ext2_inode *inode_hash[EXT2_INODE_HASH];
    struct ext2_link unused;
    size_t unused_count;

    struct ext2_journal *journal; /* NULL: metadata is written in order, in place */
};

static inline struct ext2 *ext2_of(struct volume *volume)
{
    return EXT2_OF(volume, struct ext2, volume);
}

/* May nothing of it change, nor its names? */
static inline bool ext2_is_immutable(const struct ext2_inode *inode)
{
    return (inode->flags & EXT2_FLAG_IMMUTABLE) != 0;
}

/* --- ext2_mount.c --- */

/* Is it a number that a block of a file or of metadata can have? */
bool ext2_mount_is_block(const struct ext2 *fs, uint64_t block);
/* What is on the disk makes no sense: it will say so. Returns: EIO. */
int ext2_mount_damaged(struct ext2 *fs);
/* Put what changes of the superblock into its block. Errors: EIO. */
int ext2_mount_store(struct ext2 *fs);
/* The superblock in its block. Errors: EIO. */
int ext2_mount_super(struct ext2 *fs, struct ext2_block **block, struct ext2_disk_super **super);
/* Before anything else is written: the disk says that the volume is in use. Errors: EIO. */
int ext2_mount_mark(struct ext2 *fs);
int ext2_mount_statfs(struct volume *volume, struct statfs *statfs);
int ext2_mount_clean(struct volume *volume);
int ext2_mount_unmount(struct volume *volume);

/* --- ext2_block.c: the cache --- */

/* The block as it is, or is on the disk. Errors: EIO (also for a number that is none). */
int ext2_block_read(struct ext2 *fs, uint64_t number, struct ext2_block **block);
/* The block with zeroes, dirty, without reading it. Errors: EIO, ENOMEM. */
int ext2_block_make(struct ext2 *fs, uint64_t number, struct ext2_block **block);
void ext2_block_dirty(struct ext2 *fs, struct ext2_block *block, enum ext2_kind kind);
/* It is metadata no more: nothing of it is to be written. Frees it. */
void ext2_block_forget(struct ext2 *fs, uint64_t number);
void ext2_block_set_state(struct ext2 *fs, struct ext2_block *block, enum ext2_block_state state);
/* Write it to its place on the disk. Errors: EIO. */
int ext2_block_write(struct ext2 *fs, const struct ext2_block *block);
/* Give back clean blocks until there are few. */
void ext2_block_trim(struct ext2 *fs);
/* Free all, also what was not written. */
void ext2_block_drop_all(struct ext2 *fs);

/* --- ext2_transaction.c --- */

/* An operation that only reads begins: blocks and inodes got before are gone. */
void ext2_trim(struct ext2 *fs);
/* An operation begins that changes fewer than EXT2_STEP_BLOCKS. Errors: EROFS, EIO. */
int ext2_transaction_begin(struct ext2 *fs);
/* A step of an operation begins that changes fewer than EXT2_STEP_BLOCKS and takes up to so many
 * free ones: commit what was changed if there are too many, or if those that may be given out are
 * too few. Does it have to? */
bool ext2_transaction_is_full(const struct ext2 *fs, uint64_t blocks);
/* All that was changed is on the disk, or in the journal. Nothing is freed. Errors: EIO. */
int ext2_transaction_commit(struct ext2 *fs);
/* Write what was committed to its place; the journal is empty then. Nothing may be dirty.
 * Errors: EIO. */
int ext2_transaction_checkpoint(struct ext2 *fs);
int ext2_transaction_sync(struct volume *volume);
int ext2_transaction_sync_inode(struct volume *volume, uint64_t inode);

/* --- ext2_journal.c: writing the journal (JBD2's); ext2_replay.c: reading it --- */

/* Where the journal is, and what its superblock says. */
struct ext2_journal {
    uint64_t *blocks; /* [0] has the superblock */
    uint32_t size;
    uint32_t first;    /* the first that belongs to the log, which is a circle */
    uint32_t incompat; /* EXT2_LOG_INCOMPAT_* */
    uint8_t uuid[16];
    uint32_t head;     /* where the next transaction goes */
    uint32_t tail;     /* where the oldest begins */
    uint32_t sequence; /* of the next transaction */
    bool is_started;   /* the disk says that there is a log, and where */
    uint64_t *revoked; /* by the running transaction */
    size_t revoked_count;
    size_t revoked_room;
};

/* Find the journal. It is fs->journal then, to be closed. Errors: EINVAL (damaged), EIO, ENOMEM. */
int ext2_journal_open(struct ext2 *fs);
void ext2_journal_close(struct ext2 *fs);
/* The block after one of the log. */
uint32_t ext2_journal_next(const struct ext2_journal *journal, uint32_t position);
/* Begin to write it; it must have been replayed. Returns: false if it is too small. */
bool ext2_journal_start(struct ext2 *fs);
/* Write the dirty blocks to the journal. They are durable when it returns, and stay dirty.
 * Errors: EIO, ENOMEM. */
int ext2_journal_log(struct ext2 *fs);
/* Is there no room for another transaction until a checkpoint? */
bool ext2_journal_is_full(const struct ext2 *fs);
/* All of the log is in its place: it begins behind its end. is_closed: the disk is to say that it
 * is empty. Errors: EIO. */
int ext2_journal_reset(struct ext2 *fs, bool is_closed);
/* The block is metadata no more: a replay must not write to it what the log has from before.
 * Errors: ENOMEM. */
int ext2_journal_revoke(struct ext2 *fs, uint64_t block);
/* Blocks of the log the revocations of the running transaction take. */
size_t ext2_journal_revoked_blocks(const struct ext2 *fs);

/* Write what complete transactions of the journal say to its place, and empty it. Nothing of the
 * volume may be in memory. Errors: EINVAL (damaged), EIO, ENOMEM. */
int ext2_replay(struct ext2 *fs);

/* --- ext2_alloc.c: bitmaps and descriptors of groups --- */

/* The descriptor of a group, in its block. Errors: EIO. */
int ext2_alloc_group(struct ext2 *fs, uint32_t group, struct ext2_block **block,
                     struct ext2_disk_group **descriptor);
/* Where the inode is: its block, and its bytes in it. Errors: EIO. */
int ext2_alloc_inode_place(struct ext2 *fs, uint32_t inode, struct ext2_block **block,
                           struct ext2_disk_inode **disk);
/* Take up to count blocks that lie one after the other, near goal. With is_reserved they are out of
 * those set aside, which the caller gives back. Errors: ENOSPC, EIO. */
int ext2_alloc_blocks(struct ext2 *fs, uint64_t goal, uint64_t count, bool is_reserved,
                      uint64_t *first, uint64_t *got);
/* Give blocks back. What was free, or is none, is damage that is noted and else ignored.
 * Errors: EIO, ENOMEM. */
int ext2_alloc_free_blocks(struct ext2 *fs, uint64_t first, uint64_t count);
/* Errors: EIO. */
int ext2_alloc_is_taken(struct ext2 *fs, uint64_t block, bool *is_taken);
/* A free inode for a directory's new entry. Errors: ENOSPC, EIO. */
int ext2_alloc_inode(struct ext2 *fs, uint32_t directory, bool is_directory, uint32_t *inode);
int ext2_alloc_free_inode(struct ext2 *fs, uint32_t inode, bool is_directory);
/* A block near the inode's place in the tables. */
uint64_t ext2_alloc_goal(const struct ext2 *fs, uint32_t inode);
/* What was freed is on the disk: it may be given out again. */
void ext2_alloc_drop_pending(struct ext2 *fs);
/* Sum up the free blocks and inodes of all groups. Errors: EIO. */
int ext2_alloc_count(struct ext2 *fs);

/* --- ext2_inode.c --- */

/* The inode in memory. Errors: EIO (also for one that is not in use), ENOMEM. */
int ext2_inode_get(struct ext2 *fs, uint64_t number, struct ext2_inode **inode);
/* As ext2_inode_get, also when it has no links. */
int ext2_inode_get_any(struct ext2 *fs, uint64_t number, struct ext2_inode **inode);
/* A directory's. Errors: ENOTDIR too. */
int ext2_inode_get_directory(struct ext2 *fs, uint64_t number, struct ext2_inode **inode);
/* A new one, of zeroes, with a number that is taken already. Errors: EIO, ENOMEM. */
int ext2_inode_make(struct ext2 *fs, uint32_t number, struct ext2_inode **inode);
/* Put it into its block. Errors: EIO. */
int ext2_inode_store(struct ext2 *fs, struct ext2_inode *inode);
/* Its last link went: free it and its blocks, or put it into the list of orphans while it is held.
 * Errors: EIO, ENOMEM. */
int ext2_inode_unlinked(struct ext2 *fs, struct ext2_inode *inode);
/* Its size changes; blocks behind are freed in as many transactions as it takes.
 * Errors: EFBIG, EIO, ENOMEM. */
int ext2_inode_resize(struct ext2 *fs, struct ext2_inode *inode, uint64_t size);
/* The list of orphans of the disk, into memory. Errors: ENOMEM. */
int ext2_inode_load_orphans(struct ext2 *fs, uint32_t first);
/* Do with them what a crash has prevented. Errors: EIO, ENOMEM. */
int ext2_inode_clean_orphans(struct ext2 *fs);
/* A transaction of several that cut the inode ends: from here on it is in the list.
 * Errors: EIO. */
int ext2_inode_step(struct ext2 *fs, struct ext2_inode *inode);
uint32_t ext2_inode_first_orphan(const struct ext2 *fs);
/* Give back those nobody uses until there are few. */
void ext2_inode_trim(struct ext2 *fs, size_t count);
int ext2_inode_hold(struct volume *volume, uint64_t number);
void ext2_inode_release(struct volume *volume, uint64_t number);
int ext2_inode_stat(struct volume *volume, uint64_t number, struct stat *stat);
int ext2_inode_set(struct volume *volume, uint64_t number, const struct stat *stat, unsigned what);
int ext2_inode_read_link(struct volume *volume, uint64_t number, char *target, size_t size,
                         size_t *length);

/* --- ext2_map.c: from blocks of a file to blocks of the disk; ext2_extent.c: ext4's way --- */

/* A run: count blocks of the file from the one asked for lie at start and behind, or are a hole. */
struct ext2_run {
    uint64_t start; /* 0: a hole */
    uint64_t count; /* never 0, never more than asked for */
};

/* Errors: EIO. */
int ext2_map_find(struct ext2 *fs, struct ext2_inode *inode, uint64_t block, uint64_t count,
                  struct ext2_run *run);
int ext2_extent_find(struct ext2 *fs, struct ext2_inode *inode, uint64_t block, uint64_t count,
                     struct ext2_run *run);
/* count blocks of a hole lie at start from now on. Blocks of the map are made as needed, out of the
 * blocks set aside if is_reserved; the inode is not stored. How many were done, when it failed,
 * too. Errors: EFBIG, ENOSPC, EIO, ENOMEM. */
int ext2_map_insert(struct ext2 *fs, struct ext2_inode *inode, uint64_t block, uint64_t start,
                    uint64_t count, bool is_reserved, uint64_t *done);
/* Free the blocks from first on. It commits when the transaction is full; the inode must say what
 * is to be done then. Stores the inode. Errors: EIO, ENOMEM. */
int ext2_map_cut(struct ext2 *fs, struct ext2_inode *inode, uint64_t first);
/* Is there a map of blocks in the inode? Else a short symbolic link, or the number of a device. */
bool ext2_map_has_blocks(const struct ext2 *fs, const struct ext2_inode *inode);
/* At most so many blocks a map of those of the ranges takes. */
uint64_t ext2_map_cost(const struct ext2 *fs, const struct ext2_range *ranges, unsigned count);
/* Where a file's block would best lie. */
uint64_t ext2_map_goal(struct ext2 *fs, struct ext2_inode *inode, uint64_t block);

/* --- ext2_directory.c: entries --- */

/* Where an entry is. */
struct ext2_place {
    uint64_t position; /* in the directory */
    uint32_t inode;
};

/* Errors: ENOENT, EIO. */
int ext2_directory_find(struct ext2 *fs, struct ext2_inode *directory, const char *name,
                        size_t length, struct ext2_place *place);
/* As find; and a place where size bytes of an entry have room, or the end. */
int ext2_directory_find_room(struct ext2 *fs, struct ext2_inode *directory, const char *name,
                             size_t length, struct ext2_place *place, uint64_t *room);
/* Insert an entry at the place find_room told; a block is added if that is the end. Its directory
 * is stored. Errors: ENOSPC, EIO, ENOMEM. */
int ext2_directory_insert(struct ext2 *fs, struct ext2_inode *directory, uint64_t room,
                          const char *name, size_t length, const struct ext2_inode *inode);
/* Errors: EIO. */
int ext2_directory_remove(struct ext2 *fs, struct ext2_inode *directory, uint64_t position);
/* Have the entry name another inode. Errors: EIO. */
int ext2_directory_replace(struct ext2 *fs, struct ext2_inode *directory, uint64_t position,
                           const struct ext2_inode *inode);
/* The first block of a new directory. Errors: ENOSPC, EIO, ENOMEM. */
int ext2_directory_init(struct ext2 *fs, struct ext2_inode *directory, uint32_t parent);
/* Errors: ENOTEMPTY, EIO. */
int ext2_directory_check_empty(struct ext2 *fs, struct ext2_inode *directory);
int ext2_directory_read(struct volume *volume, uint64_t directory, uint64_t position,
                        struct volume_entry *entry, uint64_t *next);

/* --- ext2_name.c: operations on names; ext2_data.c: on contents --- */

int ext2_name_lookup(struct volume *volume, uint64_t directory, const char *name, size_t length,
                     uint64_t *inode);
int ext2_name_make(struct volume *volume, uint64_t directory, const char *name, size_t length,
                   const struct volume_make *what, uint64_t *inode);
int ext2_name_link(struct volume *volume, uint64_t directory, const char *name, size_t length,
                   uint64_t inode);
int ext2_name_unlink(struct volume *volume, uint64_t directory, const char *name, size_t length,
                     bool is_rmdir);
int ext2_name_rename(struct volume *volume, uint64_t from, const char *name, size_t length,
                     uint64_t to, const char *new_name, size_t new_length);
int ext2_data_read(struct volume *volume, uint64_t inode, uint64_t offset, size_t size,
                   void **pages);
int ext2_data_prepare(struct volume *volume, uint64_t inode, uint64_t offset, uint64_t size);
int ext2_data_write(struct volume *volume, uint64_t inode, uint64_t offset, size_t size,
                    const void *pages);
int ext2_pin(struct volume *volume, uint64_t inode, struct volume_run *runs, unsigned room,
             unsigned *count);
/* Give back what is reserved from a block of the file on. */
void ext2_data_unreserve(struct ext2 *fs, struct ext2_inode *inode, uint64_t first);

#endif
