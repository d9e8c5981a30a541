/* ext2_format.h - ext2, ext3 and ext4 as they lie on the disk: little-endian, as this machine is.
 * Nothing here is to be believed: who uses a field looks first whether it is sane. */
#ifndef FS_EXT2_FORMAT_H
#define FS_EXT2_FORMAT_H

#include <stdint.h>

#define EXT2_MAGIC             0xef53u
#define EXT2_SUPER_OFFSET      1024u
#define EXT2_ROOT_INODE        2u
#define EXT2_OLD_FIRST_INODE   11u
#define EXT2_OLD_INODE_SIZE    128u
#define EXT2_STATE_CLEAN       1u
#define EXT2_STATE_ERROR       2u
#define EXT2_LINK_MAX          32000u
#define EXT2_MAX_MAP_DEPTH     3u /* levels of indirect blocks */
#define EXT2_DIRECT_BLOCKS     12u
#define EXT2_MAP_SLOTS         15u
#define EXT2_SECTOR_SIZE       512u /* the unit of disk_inode.sectors */
#define EXT2_FAST_SYMLINK_SIZE 60u

/* s_feature_compat */
#define EXT2_COMPAT_JOURNAL 0x0004u

/* s_feature_incompat: who does not know one must not mount */
#define EXT2_INCOMPAT_FILETYPE  0x0002u
#define EXT2_INCOMPAT_RECOVER   0x0004u /* the journal is to be replayed */
#define EXT2_INCOMPAT_META_BG   0x0010u
#define EXT2_INCOMPAT_EXTENTS   0x0040u
#define EXT2_INCOMPAT_64BIT     0x0080u
#define EXT2_INCOMPAT_FLEX_BG   0x0200u
#define EXT2_INCOMPAT_CSUM_SEED 0x2000u
#define EXT2_INCOMPAT_LARGEDIR  0x4000u

/* s_feature_ro_compat: who does not know one must not write */
#define EXT2_RO_COMPAT_SPARSE_SUPER 0x0001u
#define EXT2_RO_COMPAT_LARGE_FILE   0x0002u
#define EXT2_RO_COMPAT_BTREE_DIR    0x0004u
#define EXT2_RO_COMPAT_HUGE_FILE    0x0008u
#define EXT2_RO_COMPAT_DIR_NLINK    0x0020u /* links of a directory: 1 if they are too many */
#define EXT2_RO_COMPAT_EXTRA_ISIZE  0x0040u
#define EXT2_RO_COMPAT_BIGALLOC     0x0200u /* a bit of a bitmap is a cluster of blocks */
#define EXT2_RO_COMPAT_CSUM         0x0400u

/* i_flags */
#define EXT2_FLAG_IMMUTABLE 0x00000010u /* nothing of it may change, nor its names (chattr +i) */
#define EXT2_FLAG_INDEX     0x00001000u /* the directory has an index */
#define EXT2_FLAG_HUGE_FILE 0x00040000u /* i_blocks counts blocks, not sectors */
#define EXT2_FLAG_EXTENTS   0x00080000u
#define EXT2_FLAG_INLINE    0x10000000u

struct ext2_disk_super {
    uint32_t inodes_count;
    uint32_t blocks_count;
    uint32_t reserved_blocks_count;
    uint32_t free_blocks_count;
    uint32_t free_inodes_count;
    uint32_t first_data_block;
    uint32_t log_block_size; /* of 1 KiB */
    uint32_t log_cluster_size;
    uint32_t blocks_per_group;
    uint32_t clusters_per_group;
    uint32_t inodes_per_group;
    uint32_t mount_time;
    uint32_t write_time;
    uint16_t mount_count;
    uint16_t max_mount_count;
    uint16_t magic;
    uint16_t state;
    uint16_t errors;
    uint16_t minor_revision;
    uint32_t last_check;
    uint32_t check_interval;
    uint32_t creator;
    uint32_t revision;
    uint16_t default_uid;
    uint16_t default_gid;
    /* from revision 1 on */
    uint32_t first_inode;
    uint16_t inode_size;
    uint16_t group_of_copy;
    uint32_t feature_compat;
    uint32_t feature_incompat;
    uint32_t feature_ro_compat;
    uint8_t uuid[16];
    char volume_name[16];
    char last_mounted[64];
    uint32_t algorithm_usage_bitmap;
    uint8_t prealloc_blocks;
    uint8_t prealloc_dir_blocks;
    uint16_t reserved_gdt_blocks;
    uint8_t journal_uuid[16];
    uint32_t journal_inode;
    uint32_t journal_device;
    uint32_t last_orphan;
    uint32_t hash_seed[4];
    uint8_t hash_version;
    uint8_t journal_backup_type;
    uint16_t descriptor_size;
    uint32_t default_mount_options;
    uint32_t first_meta_bg;
    uint32_t mkfs_time;
    uint32_t journal_blocks[17];
    uint32_t blocks_count_high;
    uint32_t reserved_blocks_count_high;
    uint32_t free_blocks_count_high;
    uint16_t min_extra_isize;
    uint16_t want_extra_isize;
    uint32_t flags;
    uint8_t rest[1024 - 0x164];
};
_Static_assert(sizeof(struct ext2_disk_super) == 1024, "as on the disk");

struct ext2_disk_group {
    uint32_t block_bitmap;
    uint32_t inode_bitmap;
    uint32_t inode_table;
    uint16_t free_blocks;
    uint16_t free_inodes;
    uint16_t directories;
    uint16_t flags;
    uint32_t exclude_bitmap;
    uint16_t block_bitmap_checksum;
    uint16_t inode_bitmap_checksum;
    uint16_t unused_inodes;
    uint16_t checksum;
    /* with 64BIT and descriptors of 64 bytes */
    uint32_t block_bitmap_high;
    uint32_t inode_bitmap_high;
    uint32_t inode_table_high;
    uint16_t free_blocks_high;
    uint16_t free_inodes_high;
    uint32_t rest[4];
};
_Static_assert(sizeof(struct ext2_disk_group) == 64, "as on the disk");
#define EXT2_OLD_GROUP_SIZE 32u

struct ext2_disk_inode {
    uint16_t mode;
    uint16_t uid;
    uint32_t size;
    uint32_t atime;
    uint32_t ctime;
    uint32_t mtime;
    uint32_t dtime; /* when it was deleted; in the list of orphans the next of them */
    uint16_t gid;
    uint16_t links;
    uint32_t sectors;
    uint32_t flags;
    uint32_t version;
    uint32_t map[EXT2_MAP_SLOTS];
    uint32_t generation;
    uint32_t xattr_block;
    uint32_t size_high;
    uint32_t fragment;
    uint16_t sectors_high;
    uint16_t xattr_block_high;
    uint16_t uid_high;
    uint16_t gid_high;
    uint16_t checksum;
    uint16_t reserved;
    /* behind the first 128 bytes, as far as extra_size says */
    uint16_t extra_size;
    uint16_t checksum_high;
    uint32_t ctime_extra; /* 2 bits of seconds, 30 of nanoseconds */
    uint32_t mtime_extra;
    uint32_t atime_extra;
    uint32_t birth_time;
    uint32_t birth_time_extra;
    uint32_t version_high;
    uint32_t project;
};
_Static_assert(sizeof(struct ext2_disk_inode) == 160, "as on the disk");
#define EXT2_EXTRA_SIZE (sizeof(struct ext2_disk_inode) - EXT2_OLD_INODE_SIZE)

struct ext2_disk_entry {
    uint32_t inode; /* 0: free */
    uint16_t size;  /* up to the next entry */
    uint8_t name_length;
    uint8_t type; /* with FILETYPE: EXT2_TYPE_*; else 0 */
    char name[];
};
#define EXT2_ENTRY_HEAD 8u

#define EXT2_XATTR_MAGIC 0xea020000u
struct ext2_disk_xattr {
    uint32_t magic;
    uint32_t references;
};

#define EXT2_EXTENT_MAGIC     0xf30au
#define EXT2_EXTENT_MAX_DEPTH 5u
#define EXT2_EXTENT_MAX_SIZE                                                                       \
    32768u /* what is longer is so many blocks less, and reads as zeroes                           \
            */

struct ext2_disk_extent_head {
    uint16_t magic;
    uint16_t entries;
    uint16_t max;
    uint16_t depth; /* 0: struct ext2_disk_extent follow, else struct ext2_disk_extent_index */
    uint32_t generation;
};

struct ext2_disk_extent {
    uint32_t first; /* block of the file */
    uint16_t size;
    uint16_t start_high;
    uint32_t start;
};

struct ext2_disk_extent_index {
    uint32_t first;
    uint32_t leaf;
    uint16_t leaf_high;
    uint16_t unused;
};
_Static_assert(sizeof(struct ext2_disk_extent_head) == 12, "as on the disk");
_Static_assert(sizeof(struct ext2_disk_extent) == 12, "as an index");
_Static_assert(sizeof(struct ext2_disk_extent_index) == 12, "as an extent");

/* --- the journal (JBD2): big-endian --- */

#define EXT2_LOG_MAGIC      0xc03b3998u
#define EXT2_LOG_DESCRIPTOR 1u
#define EXT2_LOG_COMMIT     2u
#define EXT2_LOG_SUPER_V1   3u
#define EXT2_LOG_SUPER_V2   4u
#define EXT2_LOG_REVOKE     5u

#define EXT2_LOG_COMPAT_CHECKSUM       1u
#define EXT2_LOG_INCOMPAT_REVOKE       1u
#define EXT2_LOG_INCOMPAT_64BIT        2u
#define EXT2_LOG_INCOMPAT_ASYNC_COMMIT 4u
#define EXT2_LOG_INCOMPAT_CSUM_V2      8u
#define EXT2_LOG_INCOMPAT_CSUM_V3      16u

#define EXT2_TAG_ESCAPED   1u /* the block began with the magic number; zeroes stand for it */
#define EXT2_TAG_SAME_UUID 2u /* no UUID follows */
#define EXT2_TAG_DELETED   4u
#define EXT2_TAG_LAST      8u

struct ext2_log_head {
    uint32_t magic;
    uint32_t type;
    uint32_t sequence;
};

struct ext2_log_super {
    struct ext2_log_head head;
    uint32_t block_size;
    uint32_t size;  /* blocks of the journal, with this one */
    uint32_t first; /* the first that belongs to the log */
    uint32_t sequence;
    uint32_t start; /* where the log begins; 0: it is empty */
    uint32_t error;
    uint32_t feature_compat;
    uint32_t feature_incompat;
    uint32_t feature_ro_compat;
    uint8_t uuid[16];
};

struct ext2_log_tag {
    uint32_t block;
    uint16_t checksum;
    uint16_t flags;
    uint32_t block_high; /* with 64BIT */
};

struct ext2_log_tag3 { /* with CSUM_V3 */
    uint32_t block;
    uint32_t flags;
    uint32_t block_high;
    uint32_t checksum;
};

struct ext2_log_revoke {
    struct ext2_log_head head;
    uint32_t used; /* bytes of the block */
};

#endif
