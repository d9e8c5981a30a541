/* node.c - inodes in use, found by mount and number.
 *
 * A node stays while it has references, or a memory object. Without references it is idle, and its
 * window is what keeps its pages in memory: the last NODE_IDLE_MAX are kept, the others unmapped.
 * Then the kernel gives back what was changed, and ends the object unless clients have it mapped;
 * the node goes with the object. */
#include <errno.h>
#include <stdlib.h>

#include "fs_impl.h"

#define NODE_CHAINS   1024u
#define NODE_IDLE_MAX 512u

static pthread_mutex_t node_lock = PTHREAD_MUTEX_INITIALIZER; /* the table's */
static struct node *node_chains[NODE_CHAINS];
static struct node *node_idle_first, *node_idle_last; /* the one longest idle first */
static unsigned node_idle_count;

void node_table_lock(void)
{
    pthread_mutex_lock(&node_lock);
}

void node_table_unlock(void)
{
    pthread_mutex_unlock(&node_lock);
}

static unsigned node_hash(const struct mount *mount, uint64_t inode)
{
    return (unsigned)(((inode + (mount->device << 40)) * 0x9e3779b97f4a7c15u) >> 32) % NODE_CHAINS;
}

static struct node **node_place(const struct mount *mount, uint64_t inode)
{
    struct node **place = &node_chains[node_hash(mount, inode)];

    while (*place != NULL && ((*place)->mount != mount || (*place)->inode != inode)) {
        place = &(*place)->chain;
    }
    return place;
}

/* --- idle nodes; the table's lock is held --- */

static void node_idle_insert(struct node *node)
{
    node->is_idle = true;
    node->idle_next = NULL;
    node->idle_last = node_idle_last;
    *(node_idle_last != NULL ? &node_idle_last->idle_next : &node_idle_first) = node;
    node_idle_last = node;
    node_idle_count++;
}

static void node_idle_remove(struct node *node)
{
    if (node->is_idle) {
        *(node->idle_last != NULL ? &node->idle_last->idle_next : &node_idle_first) =
            node->idle_next;
        *(node->idle_next != NULL ? &node->idle_next->idle_last : &node_idle_last) =
            node->idle_last;
        node->is_idle = false;
        node_idle_count--;
    }
}

static struct node *node_ref_locked(struct node *node)
{
    if (node != NULL) {
        node_idle_remove(node);
        node->refs++;
    }
    return node;
}

/* --- references --- */

struct node *node_ref(struct node *node)
{
    node_table_lock();
    node_ref_locked(node);
    node_table_unlock();
    return node;
}

struct node *node_find(struct mount *mount, uint64_t inode)
{
    struct node *node;

    node_table_lock();
    node = node_ref_locked(*node_place(mount, inode));
    node_table_unlock();
    return node;
}

int node_get(struct mount *mount, uint64_t inode, struct node **result)
{
    struct node *node = node_find(mount, inode);
    struct stat st;
    int error;

    if (node != NULL) {
        *result = node;
        return 0;
    }
    node = calloc(1, sizeof(*node));
    if (node == NULL) {
        return ENOMEM;
    }
    error = mount->volume->ops->hold(mount->volume, inode);
    if (error == 0) {
        error = mount->volume->ops->stat(mount->volume, inode, &st);
        if (error != 0) {
            mount->volume->ops->release(mount->volume, inode);
        }
    }
    if (error != 0) {
        free(node);
        return error;
    }
    node->mount = mount;
    node->inode = inode;
    node->type = st.st_mode & S_IFMT;
    node->number = st.st_rdev;
    node->size = (uint64_t)st.st_size;
    node->is_removed = st.st_nlink == 0;
    node->refs = 1;
    pthread_mutex_init(&node->lock, NULL);
    node_table_lock();
    *node_place(mount, inode) = node;
    mount->nodes++;
    node_table_unlock();
    *result = node;
    return 0;
}

void node_free(struct node *node)
{
    struct mount *mount = node->mount;

    mount_lock(mount);
    mount->volume->ops->release(mount->volume, node->inode);
    mount_unlock(mount);
    pthread_mutex_destroy(&node->lock);
    free(node);
    node_table_lock();
    mount->nodes--; /* the last use of the mount, which may end now */
    node_table_unlock();
}

/* Take the node out of the table when nothing keeps it. Returns: the node to be freed, or NULL. */
static struct node *node_drop(struct node *node)
{
    if (node->refs != 0 || node->pager != NULL) {
        return NULL;
    }
    node_idle_remove(node);
    *node_place(node->mount, node->inode) = node->chain;
    return node;
}

struct node *node_lost_pager(struct node *node)
{
    node->pager = NULL;
    node->is_dirty = false;
    return node_drop(node);
}

/* A node whose window is to go, with a reference for that; NULL: all may stay. */
static struct node *node_victim(struct node *node)
{
    struct node *victim = NULL;

    if (node->refs == 0 && node->window != NULL) {
        node_idle_insert(node);
        victim = node->is_removed ? node : node_idle_count > NODE_IDLE_MAX ? node_idle_first : NULL;
    }
    return node_ref_locked(victim);
}

void node_put(struct node *node)
{
    while (node != NULL) {
        struct node *gone, *victim = NULL;

        node_table_lock();
        node->refs--;
        gone = node_drop(node);
        if (gone == NULL) {
            victim = node_victim(node);
        }
        node_table_unlock();
        if (gone != NULL) {
            node_free(gone);
        }
        if (victim != NULL) {
            contents_unmap(victim);
        }
        node = victim;
    }
}

bool node_is_alone(const struct mount *mount)
{
    bool is_alone;

    node_table_lock();
    is_alone = mount->nodes == 1 && mount->root->refs == 1 && mount->root->pager == NULL;
    node_table_unlock();
    return is_alone;
}

/* The one longest idle of the mount, or of any. The table's lock is held. */
static struct node *node_idle_of(const struct mount *mount)
{
    struct node *node = node_idle_first;

    while (node != NULL && mount != NULL && node->mount != mount) {
        node = node->idle_next;
    }
    return node;
}

void node_forget(struct mount *mount)
{
    struct node *node;

    do {
        node_table_lock();
        node = node_ref_locked(node_idle_of(mount));
        node_table_unlock();
        if (node != NULL) {
            contents_unmap(node);
            node_put(node);
        }
    } while (node != NULL);
}

static bool node_has_pages(const struct node *node, const struct mount *mount)
{
    return node->pager != NULL && (mount == NULL || node->mount == mount);
}

struct node *node_next(struct mount *mount, struct node *last)
{
    unsigned chain = last != NULL ? node_hash(last->mount, last->inode) : 0;
    struct node *next;

    node_table_lock();
    next = last != NULL ? last->chain : node_chains[0];
    while (next == NULL || !node_has_pages(next, mount)) {
        if (next != NULL) {
            next = next->chain;
        } else if (chain + 1 < NODE_CHAINS) {
            chain++;
            next = node_chains[chain];
        } else {
            break;
        }
    }
    node_ref_locked(next);
    node_table_unlock();
    if (last != NULL) {
        node_put(last);
    }
    return next;
}

int node_stat(struct node *node, struct stat *st)
{
    struct volume *volume = node->mount->volume;
    int error;

    mount_lock(node->mount);
    error = volume->ops->stat(volume, node->inode, st);
    mount_unlock(node->mount);
    st->st_dev = node->mount->device;
    return error;
}
