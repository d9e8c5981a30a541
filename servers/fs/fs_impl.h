/* fs_impl.h - what the parts of the file server's front share.
 *
 * A mount is a volume (volume.h) at its place in the tree. A node is an inode in use: open, on the
 * way of a path, or with pages in memory. An open file is a port.
 *
 * Locks, in their order: the one for changes of mounts, a node's, its mount's, the table's of
 * mounts, the table's of nodes. The threads that serve memory objects take a mount's and those of
 * tables only, so that a thread may touch contents with a node's lock held, and no other. Nothing
 * but memory objects of this server, disks and the boot archive is waited for with a lock held.
 *
 * Errors are errno numbers, 0 is success. */
#ifndef FS_IMPL_H
#define FS_IMPL_H

#include <mach.h>
#include <portolan/errno.h>
#include <portolan/pager.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "turn.h"
#include "volume.h"

#define FS_PAGE     VOLUME_PAGE_SIZE
#define FS_CLUSTER  (16 * (uint64_t)FS_PAGE) /* read ahead, and made writable, at once */
#define FS_FILE_MAX (1ul << 44)              /* bytes of a file: it is mapped whole */

static inline uint64_t fs_page_up(uint64_t bytes)
{
    return (bytes + FS_PAGE - 1) & ~(uint64_t)(FS_PAGE - 1);
}

/* What a routine of an interface returns. */
static inline kern_return_t fs_code(int error)
{
    return error == 0 ? KERN_SUCCESS : PORTOLAN_ERRNO(error);
}

struct node;

/* --- mount.c --- */

/* All immutable while it is in the table, but nodes. Who has a reference to one of its nodes may
 * use it. */
struct mount {
    struct volume *volume;
    struct turn lock;     /* of the volume's routines */
    struct node *root;    /* a reference */
    struct node *covered; /* the directory it lies over, a reference; NULL: the first mount */
    unsigned nodes;       /* of it, those that are being freed too; the node table's lock */
    uint64_t device;      /* st_dev, of no other mount before or after */
    char kind[16];
    char place[256]; /* from the root, with a leading '/' */
    char source[256];
};

/* Make the volume the first mount, before anything else. Errors: ENOMEM, those of node_get. */
int mount_begin(struct volume *volume, const char *kind, const char *source);
/* Mount a source (source_open) over the directory at the path; why: the reason when that fails and
 * there is more to say than the error, or nothing.
 * Waits for its disk. Errors: EBUSY (something is mounted there, or the source, or a part of it, is
 * mounted), ENOSPC (too many), those of walk and source_open. */
int mount_add(const char *kind, const char *source, const char *place, bool read_only, char *why,
              size_t why_size);
/* End the mount whose root is at the path: everything is written, and the disk says that there is
 * nothing to repair. Errors: EINVAL (no mount is there), EBUSY (a file of it is open or mapped,
 * something is mounted in it, or it is the first), EIO, those of walk. After an error in writing
 * contents it goes on. */
int mount_end(const char *place);
/* The root of the whole tree, borrowed. */
struct node *mount_root(void);
/* What is to be seen at the node: the root of what is mounted there, or itself.
 * Refs: takes one over, returns one. */
struct node *mount_cross(struct node *node);
/* Is the inode the root of a mount, or covered by one? The mount's lock is held. */
bool mount_is_place(const struct mount *mount, uint64_t inode);
/* The root of each in turn, from 0, a reference; NULL: there is none with that number now.
 * Returns: false when there are no more. */
bool mount_nth(unsigned n, struct node **root);

/* --- mount_ops.c --- */

/* Is that the privileged host port? Returns: 0, EPERM. */
int mount_ops_check(mach_port_t host);

/* --- source.c --- */

/* The volume of a source. Errors: ENOTSUP (no such kind), ENODEV (no such disk), EINVAL, EIO,
 * ENOMEM; why is set then. */
int source_open(const char *kind, const char *source, bool read_only, struct volume **volume,
                char *why, size_t why_size);
/* Would the two be on the same part of a disk? */
bool source_overlaps(const char *kind, const char *source, const char *other_kind,
                     const char *other);

static inline void mount_lock(struct mount *mount)
{
    turn_lock(&mount->lock);
}

static inline void mount_unlock(struct mount *mount)
{
    turn_unlock(&mount->lock);
}

/* --- node.c --- */

/* Keys: [I] immutable, [T] the table's lock, [N] the node's, [a] atomic; refs see node.c */
struct node {
    struct node *chain;                 /* [T] the same hash */
    struct node *idle_next, *idle_last; /* [T] in the list of those only kept */
    struct mount *mount;                /* [I] */
    uint64_t inode;                     /* [I] held */
    mode_t type;                        /* [I] S_IFMT */
    dev_t number;                       /* [I] of a device */
    unsigned refs;                      /* [T] */
    bool is_idle;                       /* [T] */
    _Atomic bool is_covered;            /* something is mounted over it */
    struct pager *pager; /* [T] the memory object; cannot go while there is a window */
    pthread_mutex_t lock;
    char *window;            /* [N] the memory object mapped here, or NULL */
    uint64_t window_size;    /* [N] */
    _Atomic uint64_t size;   /* changed with [N] and the mount's */
    _Atomic bool is_dirty;   /* pages may be changed */
    _Atomic bool is_removed; /* without a name */
    _Atomic bool is_pinned;  /* what is in it is somebody else's, by another way */
    _Atomic int failed;      /* of a write behind somebody's back, for the next sync */
};

/* The node of an inode. The mount's lock is held. Refs: *node is a reference. */
int node_get(struct mount *mount, uint64_t inode, struct node **node);
/* The same when it is in use; NULL when it is not. */
struct node *node_find(struct mount *mount, uint64_t inode);
struct node *node_ref(struct node *node);
/* Drop a reference. No lock is held. */
void node_put(struct node *node);
/* The next node of the mount (NULL: of any) that has pages, after `last`, which is put; NULL: no
 * more. For walks over all of them; some may be missed while others come and go. */
struct node *node_next(struct mount *mount, struct node *last);
/* Let go of everything that is only kept, of the mount (NULL: of all). */
void node_forget(struct mount *mount);
/* Has the mount no node but its root, and that no reference but the mount's? */
bool node_is_alone(const struct mount *mount);
/* The facts; st_dev too. */
int node_stat(struct node *node, struct stat *st);

void node_table_lock(void);
void node_table_unlock(void);
/* The memory object is gone. The table's lock is held. Returns: a node to be given to
 * node_free once it is not, or NULL. */
struct node *node_lost_pager(struct node *node);
/* Free a node nobody can find any more. No lock is held. */
void node_free(struct node *node);

/* --- contents.c --- */

/* The threads that serve memory objects. */
void contents_start(void);
/* Each touches what is in memory; none may be called with a mount's lock. *done is set on success;
 * less than size is the end of the file. */
int contents_read(struct node *node, uint64_t offset, void *data, size_t size, size_t *done);
/* Into fresh memory, to be given up with vm_deallocate, unless *done is 0. */
int contents_read_memory(struct node *node, uint64_t offset, size_t size, vm_address_t *data,
                         size_t *done);
/* Write at *offset, or (append) at the end; *offset is set behind it. */
int contents_write(struct node *node, uint64_t *offset, bool append, const void *data, size_t size);
int contents_truncate(struct node *node, uint64_t size);
/* Have changed pages written: to the volume, not necessarily to its disk. */
int contents_clean(struct node *node);
/* A send right to something that vm_map maps. */
int contents_map(struct node *node, vm_prot_t protection, mach_port_t *object);
/* Unmap the window: the kernel gives changed pages back, and the object goes when no client has
 * it. */
void contents_unmap(struct node *node);

/* --- guard.c: touching memory that may fail --- */

/* Have exceptions of this task's threads handled. */
void guard_start(void);
/* Copy, and say whether that was possible: no thread ends when memory cannot be had. */
bool guard_copy(void *to, const void *from, size_t size);

/* --- walk.c --- */

#define WALK_FOLLOW 1u /* a symbolic link at the end of the path */
#define WALK_PARENT 2u /* stop at the directory the last component is in */
#define WALK_CREATE 4u /* the last component may be missing */

struct walk {
    struct node *node;      /* what is there, a reference; NULL: nothing, or WALK_PARENT */
    struct node *directory; /* when node is NULL: where the name would be, a reference */
    char name[VOLUME_NAME_MAX + 1];
    size_t length;
    bool must_be_directory; /* the path ended with a slash */
};

/* Follow a path from a directory. Errors: ENOENT, ENOTDIR, ELOOP, ENAMETOOLONG, EINVAL (the last
 * component of WALK_PARENT is none that has a name), EIO. */
int walk(struct node *from, const char *path, unsigned flags, struct walk *result);
void walk_done(struct walk *walk);
/* The path of a directory from the root on, without a leading slash. */
int walk_path(struct node *directory, char *path, size_t size);

/* --- opened.c --- */

/* Keys: [I] immutable, [O] opened.c's lock, [N] the node's */
struct opened {
    uint64_t id;       /* [I] its port's payload; never used again */
    unsigned refs;     /* [O] one of the port, one of each request being served */
    mach_port_t port;  /* [I] receive right */
    struct node *node; /* [I] a reference */
    _Atomic int flags; /* O_* */
    uint64_t position; /* [N] */
};

/* Where ports of open files come in. */
void opened_start(mach_port_t set);
/* Refs: takes the node over in any case. *port has a send right beside the receive right, which is
 * the caller's. */
int opened_create(struct node *node, int flags, mach_port_t *port);
/* Make the receive right the root directory, which is never closed. */
int opened_adopt(struct node *node, mach_port_t receive);
/* The file the request being served came in on, or NULL. */
struct opened *opened_get(void);
void opened_put(struct opened *opened);
/* For the server loop. */
void opened_no_senders(uint64_t port, mach_port_mscount_t mscount);

/* --- file_ops.c --- */

/* Put everything on the disks; clean: they are to say so. */
int file_sync_all(bool clean);

/* --- the back end of the boot archive: archive.c --- */

/* The tree below a directory of another server, which does not change; `places` are directories
 * that are made in it for others to be mounted on. Errors: ENOMEM, EIO. */
int archive_mount(mach_port_t directory, char *const *places, struct volume **volume);

#endif
