/* mount.c - the table of mounts: what is mounted where, and its beginning and end.
 *
 * One mount is made or ended at a time (mount_change, before all other locks). Who has a reference
 * to a node of a mount may use the mount; to one that nobody has, the only way is mount_cross(). So
 * when the last node but the root is gone, and the root has no reference but the mount's, both
 * looked at with the locks of the two tables, then nobody uses it, and once it is out of the table
 * nobody will. */
#include <errno.h>
#include <portolan/thread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs_impl.h"

#define MOUNT_MAX      16u
#define MOUNT_TRIES    50u /* until nobody uses it: others come and go by themselves */
#define MOUNT_PAUSE_MS 10u

static pthread_mutex_t mount_change = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t mount_table = PTHREAD_MUTEX_INITIALIZER;
static struct mount *mounts[MOUNT_MAX]; /* written with both; [0] stays */
static uint64_t mount_devices;          /* numbers given so far; with mount_change */

/* --- making --- */

/* The directory a mount is to lie over. Nothing may be mounted there yet. */
static int mount_find_place(const char *place, struct node **covered)
{
    struct walk found;
    int error = walk(mount_root(), place, WALK_FOLLOW, &found);

    if (error != 0) {
        return error;
    }
    error = !S_ISDIR(found.node->type)              ? ENOTDIR
            : found.node == found.node->mount->root ? EBUSY
                                                    : 0;
    if (error != 0) {
        walk_done(&found);
        return error;
    }
    *covered = found.node;
    return 0;
}

/* A free slot; EBUSY when what is to be mounted is already, or a part of it. */
static int mount_find_slot(const char *kind, const char *source, unsigned *slot)
{
    *slot = MOUNT_MAX;
    for (unsigned i = MOUNT_MAX; i-- > 0;) {
        if (mounts[i] == NULL) {
            *slot = i;
        } else if (source_overlaps(kind, source, mounts[i]->kind, mounts[i]->source)) {
            return EBUSY;
        }
    }
    return *slot < MOUNT_MAX ? 0 : ENOSPC;
}

static int mount_fill(struct mount *mount, struct volume *volume, const char *kind,
                      const char *source)
{
    int error;

    mount->volume = volume;
    mount->device = mount_devices + 1;
    snprintf(mount->kind, sizeof(mount->kind), "%s", kind);
    snprintf(mount->source, sizeof(mount->source), "%s", source);
    mount_lock(mount);
    error = node_get(mount, volume->root, &mount->root);
    mount_unlock(mount);
    mount_devices += error == 0;
    return error;
}

/* Let it be seen, over a directory (NULL: the first). Refs: takes the directory over. */
static void mount_insert(struct mount *mount, unsigned slot, struct node *covered)
{
    pthread_mutex_lock(&mount_table);
    mount->covered = covered;
    mounts[slot] = mount;
    if (covered != NULL) {
        covered->is_covered = true;
    }
    pthread_mutex_unlock(&mount_table);
}

int mount_begin(struct volume *volume, const char *kind, const char *source)
{
    struct mount *mount = calloc(1, sizeof(*mount));
    int error = mount != NULL ? mount_fill(mount, volume, kind, source) : ENOMEM;

    if (error == 0) {
        snprintf(mount->place, sizeof(mount->place), "/");
        mount_insert(mount, 0, NULL);
    }
    return error;
}

/* Make a volume of the source and put it over the directory, which is taken over on success. */
static int mount_make(const char *kind, const char *source, bool read_only, unsigned slot,
                      struct node *covered, char *why, size_t why_size)
{
    struct mount *mount = calloc(1, sizeof(*mount));
    struct volume *volume = NULL;
    int error =
        mount != NULL ? source_open(kind, source, read_only, &volume, why, why_size) : ENOMEM;

    if (error == 0) {
        mount->place[0] = '/';
        error = walk_path(covered, mount->place + 1, sizeof(mount->place) - 1);
        error = error == 0 ? mount_fill(mount, volume, kind, source) : error;
    }
    if (error != 0) {
        if (volume != NULL) {
            (void)volume->ops->unmount(volume);
        }
        free(mount);
        return error;
    }
    mount_insert(mount, slot, covered);
    return 0;
}

int mount_add(const char *kind, const char *source, const char *place, bool read_only, char *why,
              size_t why_size)
{
    struct node *covered = NULL;
    unsigned slot;
    int error;

    why[0] = '\0';
    pthread_mutex_lock(&mount_change);
    error = mount_find_place(place, &covered);
    if (error == 0) {
        error = mount_find_slot(kind, source, &slot);
        error =
            error == 0 ? mount_make(kind, source, read_only, slot, covered, why, why_size) : error;
        if (error != 0) {
            node_put(covered);
        }
    }
    pthread_mutex_unlock(&mount_change);
    return error;
}

/* --- ending --- */

static int mount_slot(const struct mount *mount)
{
    for (unsigned i = 0; i < MOUNT_MAX; i++) {
        if (mounts[i] == mount) {
            return (int)i;
        }
    }
    return -1;
}

/* The mount whose root the path leads to. It stays while mount_change is held. */
static int mount_find(const char *place, struct mount **mount)
{
    struct walk found;
    int error = walk(mount_root(), place, WALK_FOLLOW, &found);

    if (error != 0) {
        return error;
    }
    *mount = found.node->mount;
    error = found.node != (*mount)->root ? EINVAL : *mount == mounts[0] ? EBUSY : 0;
    walk_done(&found);
    return error;
}

/* Take it out of the table if nobody uses it. */
static bool mount_remove(struct mount *mount)
{
    bool is_alone;

    pthread_mutex_lock(&mount_table);
    is_alone = node_is_alone(mount);
    if (is_alone) {
        mounts[mount_slot(mount)] = NULL;
        mount->covered->is_covered = false;
    }
    pthread_mutex_unlock(&mount_table);
    return is_alone;
}

/* Have everything written, let go of what is only kept, and take it out of the table. What is kept
 * goes in its own time: the kernel gives the objects up. */
static int mount_drain(struct mount *mount)
{
    struct node *node = NULL;
    int error = 0;

    while ((node = node_next(mount, node)) != NULL) {
        int failed = contents_clean(node);

        error = error != 0 ? error : failed;
    }
    if (error != 0) {
        return error; /* it can be tried again, and nothing is lost by that */
    }
    for (unsigned i = 0; i < MOUNT_TRIES; i++) {
        node_forget(mount);
        if (mount_remove(mount)) {
            return 0;
        }
        portolan_sleep(MOUNT_PAUSE_MS);
    }
    return EBUSY;
}

int mount_end(const char *place)
{
    struct mount *mount;
    int error;

    pthread_mutex_lock(&mount_change);
    error = mount_find(place, &mount);
    error = error == 0 ? mount_drain(mount) : error;
    if (error == 0) {
        node_put(mount->root);
        error = mount->volume->ops->unmount(mount->volume);
        node_put(mount->covered);
        free(mount);
    }
    pthread_mutex_unlock(&mount_change);
    return error;
}

/* --- looking --- */

struct node *mount_root(void)
{
    return mounts[0]->root;
}

struct node *mount_cross(struct node *node)
{
    struct node *root = NULL;

    if (!node->is_covered) {
        return node;
    }
    pthread_mutex_lock(&mount_table);
    for (unsigned i = 0; i < MOUNT_MAX && root == NULL; i++) {
        if (mounts[i] != NULL && mounts[i]->covered == node) {
            root = node_ref(mounts[i]->root);
        }
    }
    pthread_mutex_unlock(&mount_table);
    if (root == NULL) {
        return node; /* it ended just now */
    }
    node_put(node);
    return root;
}

bool mount_is_place(const struct mount *mount, uint64_t inode)
{
    bool is_place = false;

    pthread_mutex_lock(&mount_table);
    for (unsigned i = 0; i < MOUNT_MAX && !is_place; i++) {
        const struct node *covered = mounts[i] != NULL ? mounts[i]->covered : NULL;

        is_place = (mounts[i] == mount && mount->volume->root == inode) ||
                   (covered != NULL && covered->mount == mount && covered->inode == inode);
    }
    pthread_mutex_unlock(&mount_table);
    return is_place;
}

bool mount_nth(unsigned n, struct node **root)
{
    if (n >= MOUNT_MAX) {
        return false;
    }
    pthread_mutex_lock(&mount_table);
    *root = mounts[n] != NULL ? node_ref(mounts[n]->root) : NULL;
    pthread_mutex_unlock(&mount_table);
    return true;
}
