/* file_types.h - sizes and numbers of file.defs. */
#ifndef PORTOLAN_FILE_TYPES_H
#define PORTOLAN_FILE_TYPES_H

#include <mach/vm_types.h>

/* How of file_sync. */
#define FILE_SYNC_ALL    1
#define FILE_SYNC_FORGET 2
#define FILE_SYNC_CLEAN  4

/* Flags of file_mount. */
#define FILE_MOUNT_READ_ONLY 1

#define FILE_KIND_MAX 16
typedef char file_kind_t[FILE_KIND_MAX];

/* Pieces of a file that is pinned. */
#define FILE_RUNS_MAX 512
typedef int64_t file_runs_t[2 * FILE_RUNS_MAX];

/* Index into the numbers of file_statfs: the fields of struct statfs. */
enum file_statfs_index {
    FILE_STATFS_TYPE,
    FILE_STATFS_BLOCK_SIZE,
    FILE_STATFS_BLOCKS,
    FILE_STATFS_FREE,
    FILE_STATFS_AVAILABLE,
    FILE_STATFS_FILES,
    FILE_STATFS_FILES_FREE,
    FILE_STATFS_NAME_MAX,
    FILE_STATFS_FLAGS,
    FILE_STATFS_DEVICE,
    FILE_STATFS_COUNT
};
#define FILE_STATFS_MAX 16
typedef int64_t file_statfs_t[FILE_STATFS_MAX];

#define FILE_TEXT_MAX 8192
typedef char file_text_t[FILE_TEXT_MAX];

#endif
