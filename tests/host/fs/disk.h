/* disk.h - a disk in memory for tests of a file system: filled by mke2fs, judged by e2fsck, with a
 * log of what was written to it in which order. */
#ifndef FS_TEST_DISK_H
#define FS_TEST_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "block_device.h"
#include "volume.h"

/* A write, or with size 0 a flush. */
struct disk_event {
    uint64_t offset;
    size_t size;
    uint8_t *data;
};

struct disk {
    struct block_device device;
    int file; /* in memory */
    uint8_t *bytes;
    struct disk_event *log; /* kept when is_logging */
    size_t log_count;
    bool is_logging;
    uint64_t reads, writes, flushes;
    uint64_t fail_after; /* so many more reads and writes work; 0: all */
};

/* A disk of so many KiB made by mke2fs with the options; "" leaves it zeroed. */
struct disk *disk_make(size_t kib, const char *options);
struct disk *disk_copy(const struct disk *disk);
void disk_free(struct disk *disk);
void disk_forget_log(struct disk *disk);
/* Run a command of e2fsprogs over the disk; "%s" is its file. Returns: the exit status. */
int disk_run(struct disk *disk, const char *format);
/* Is it clean for e2fsck? What it says goes to standard error if not. */
bool disk_is_clean(struct disk *disk);
/* Have e2fsck repair it. Returns: false when it could not. */
bool disk_repair(struct disk *disk);
/* Mount; the test fails if that fails. */
struct volume *disk_mount(struct disk *disk);
/* Unmount, mount again. */
struct volume *disk_remount(struct disk *disk, struct volume *volume);
void disk_unmount(struct volume *volume);

#endif
