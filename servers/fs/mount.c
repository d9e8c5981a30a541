/* mount.c - the table of mounts. It is complete before the first request is served. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fs_impl.h"

#define MOUNT_MAX 16

static struct mount *mounts[MOUNT_MAX];
static unsigned mount_count;

/* The directory a mount is to lie over; NULL for the first. */
static int mount_find_place(const char *place, struct node **covered)
{
    struct walk found;
    int error;

    *covered = NULL;
    if (mount_count == 0) {
        return 0;
    }
    error = walk(mount_root(), place, WALK_FOLLOW, &found);
    if (error != 0) {
        return error;
    }
    if (!S_ISDIR(found.node->type)) {
        node_put(found.node);
        return ENOTDIR;
    }
    *covered = found.node;
    return 0;
}

int mount_add(struct volume *volume, const char *kind, const char *source, const char *place)
{
    struct mount *mount = calloc(1, sizeof(*mount));
    int error = mount == NULL || mount_count == MOUNT_MAX ? ENOMEM : 0;

    if (error == 0) {
        error = mount_find_place(place, &mount->covered);
    }
    if (error == 0) {
        mount->volume = volume;
        mount->kind = kind;
        mount->device = mount_count + 1;
        snprintf(mount->place, sizeof(mount->place), "%s", place);
        snprintf(mount->source, sizeof(mount->source), "%s", source);
        pthread_mutex_init(&mount->lock, NULL);
        mount_lock(mount);
        error = node_get(mount, volume->root, &mount->root);
        mount_unlock(mount);
    }
    if (error != 0) {
        free(mount);
        return error;
    }
    mounts[mount_count] = mount;
    mount_count++;
    return 0;
}

struct node *mount_root(void)
{
    return mounts[0]->root;
}

struct node *mount_cross(struct node *node)
{
    for (unsigned i = 1; i < mount_count; i++) {
        if (mounts[i]->covered == node) {
            struct node *root = node_ref(mounts[i]->root);

            node_put(node);
            node = root;
        }
    }
    return node;
}

bool mount_is_place(const struct mount *mount, uint64_t inode)
{
    for (unsigned i = 0; i < mount_count; i++) {
        const struct node *covered = mounts[i]->covered;

        if ((mounts[i] == mount && mount->volume->root == inode) ||
            (covered != NULL && covered->mount == mount && covered->inode == inode)) {
            return true;
        }
    }
    return false;
}

struct mount *mount_at(unsigned n)
{
    return n < mount_count ? mounts[n] : NULL;
}
