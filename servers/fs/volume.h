/* volume.h - one file system as the rest of the server sees it: inodes by number, names in
 * directories, contents by page. ext2_*.c and tmpfs.c are its back ends.
 *
 * Errors are errno numbers, positive; 0 is success. Nothing has changed when a routine fails,
 * except that EIO may come in the middle. Locks: the caller holds the volume's lock, so that no two
 * routines of a volume run at the same time. Each may sleep for the disk, and none waits for
 * anything but the disk.
 *
 * Who keeps contents in memory is the caller: what it was given by read_pages it gives back by
 * write_pages. A back end keeps metadata alone. */
#ifndef FS_VOLUME_H
#define FS_VOLUME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/statfs.h>

#define VOLUME_NAME_MAX  255
#define VOLUME_PAGE_SIZE 4096u

struct volume;

struct volume_entry {
    uint64_t inode;
    uint8_t type; /* DT_* of <dirent.h> */
    uint8_t length;
    char name[VOLUME_NAME_MAX + 1]; /* NUL-terminated; anything but '/' and NUL in it */
};

/* What is to be made. */
struct volume_make {
    mode_t mode; /* type and permission bits: S_IFREG, S_IFDIR, S_IFLNK, ... */
    uid_t owner;
    gid_t group;
    dev_t device;       /* of S_IFCHR and S_IFBLK */
    const char *target; /* of S_IFLNK */
};

/* Bytes of a device. */
struct volume_run {
    uint64_t offset, size;
};

/* Which fields of a struct stat volume_ops.set is to change. */
#define VOLUME_SET_MODE  1u
#define VOLUME_SET_OWNER 2u
#define VOLUME_SET_GROUP 4u
#define VOLUME_SET_SIZE  8u /* cut, or extended with zeroes */
#define VOLUME_SET_ATIME 16u
#define VOLUME_SET_MTIME 32u

struct volume_ops {
    /* --- names; a directory that is no directory gives ENOTDIR --- */

    /* "." and ".." too. Errors: ENOENT, ENOTDIR, ENAMETOOLONG, EIO. */
    int (*lookup)(struct volume *volume, uint64_t directory, const char *name, size_t length,
                  uint64_t *inode);
    /* The entry at a position (0: the first) or the next one after it, and the position behind it.
     * A position stays good while entries come and go: what is neither is met exactly once.
     * Errors: ENOENT (the end), ENOTDIR, EIO. */
    int (*read_directory)(struct volume *volume, uint64_t directory, uint64_t position,
                          struct volume_entry *entry, uint64_t *next);
    /* Errors: EEXIST, ENOTDIR, ENOSPC, EMLINK, ENAMETOOLONG, EROFS, EIO. */
    int (*make)(struct volume *volume, uint64_t directory, const char *name, size_t length,
                const struct volume_make *what, uint64_t *inode);
    /* Another name for it. Errors: of make; EPERM (a directory). */
    int (*link)(struct volume *volume, uint64_t directory, const char *name, size_t length,
                uint64_t inode);
    /* The name goes, and with the last name and the last release() the inode. Errors: ENOENT,
     * ENOTDIR, EISDIR and ENOTEMPTY (as of unlink and rmdir), EBUSY (the root), EROFS, EIO. */
    int (*unlink)(struct volume *volume, uint64_t directory, const char *name, size_t length,
                  bool is_rmdir);
    /* As rename of POSIX: what has the new name is replaced in one step. Errors: of unlink and
     * make; EINVAL (a directory into itself). */
    int (*rename)(struct volume *volume, uint64_t from, const char *name, size_t length,
                  uint64_t to, const char *new_name, size_t new_length);

    /* --- inodes --- */

    /* The inode is in use, also when its last name goes, until as many calls of release. */
    int (*hold)(struct volume *volume, uint64_t inode);
    void (*release)(struct volume *volume, uint64_t inode);
    /* All of it but st_dev. Errors: EIO. */
    int (*stat)(struct volume *volume, uint64_t inode, struct stat *stat);
    /* Errors: EISDIR (size of a directory), EFBIG, EINVAL (negative), ENOSPC, EROFS, EIO. */
    int (*set)(struct volume *volume, uint64_t inode, const struct stat *stat, unsigned what);
    /* The target, not terminated. Errors: EINVAL (no symbolic link), EIO. */
    int (*read_link)(struct volume *volume, uint64_t inode, char *target, size_t size,
                     size_t *length);

    /* --- contents; offset and size are whole pages --- */

    /* The pages, with zeroes for holes and behind the end: page-aligned memory that the caller
     * frees with block_device_free. Memory the disk was read into is given as it is, not copied,
     * where the blocks of the range lie one after the other. Errors: EIO. */
    int (*read_pages)(struct volume *volume, uint64_t inode, uint64_t offset, size_t size,
                      void **pages);
    /* [offset, offset + size), which need not be whole pages, will be written: when this succeeded
     * write_pages has room for it, until the range is cut off or the inode is freed.
     * Errors: ENOSPC, EFBIG, EROFS, EIO. */
    int (*prepare)(struct volume *volume, uint64_t inode, uint64_t offset, uint64_t size);
    /* Write pages; what of them is behind the end of the file is dropped. Does not change the size
     * of the file. Errors: ENOSPC (of what was not prepared), EROFS, EIO. */
    int (*write_pages)(struct volume *volume, uint64_t inode, uint64_t offset, size_t size,
                       const void *pages);

    /* From now on nothing of the inode can change, neither its contents nor where they lie nor its
     * names, until somebody else allows it: on the disk, too, when this returns. *count pieces of
     * the device, in order, are its contents, each of whole pages. NULL: there is no device.
     * Errors: EINVAL (no file, none of whole pages, with holes, in pieces that are none), EFBIG
     * (more pieces than room), EROFS, EIO. */
    int (*pin)(struct volume *volume, uint64_t inode, struct volume_run *runs, unsigned room,
               unsigned *count);

    /* --- the whole --- */

    int (*statfs)(struct volume *volume, struct statfs *statfs);
    /* Everything about the inode (and its name), or everything there is, is on the disk when it
     * returns. Contents that were not given to write_pages are the caller's. Errors: EIO. */
    int (*sync_inode)(struct volume *volume, uint64_t inode);
    int (*sync)(struct volume *volume);
    /* As sync, and the disk says that nothing is to be repaired, until something is written again:
     * for a machine about to go off. Inodes may be held. Errors: EIO. */
    int (*clean)(struct volume *volume);
    /* Clean it, and free the volume; it is gone also when that failed. No inode may be held.
     * Errors: EIO. */
    int (*unmount)(struct volume *volume);
};

/* What every back end's structure begins with. */
struct volume {
    const struct volume_ops *ops;
    uint64_t root; /* the inode of its root directory */
    bool is_read_only;
    bool is_memory; /* there is no disk: nothing is gained by giving it changed pages early */
};

struct block_device;

/* Mount what is on the device, which is the volume's on success. The volume is read-only, too, if
 * it has features that are known for reading alone (ext4's), or has no journal and was not
 * unmounted the last time: e2fsck is to look at it then. The reason for a refusal, one line without
 * a newline, goes to why.
 * Errors: EINVAL (not of this kind, damaged, or with features that are not known), EIO, ENOMEM. */
int ext2_mount(struct block_device *device, bool read_only, struct volume **volume, char *why,
               size_t why_size);
/* An empty file system in memory that takes up to so many bytes. Errors: ENOMEM. */
int tmpfs_mount(uint64_t size, struct volume **volume);

#endif
