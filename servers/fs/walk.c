/* walk.c - paths: components one after the other, over mounts, through symbolic links. */
#include <errno.h>
#include <string.h>

#include "fs_impl.h"

#define WALK_LINKS_MAX 40 /* symbolic links in one path */
#define WALK_TEXT_MAX  4096
#define WALK_DEPTH_MAX 512 /* of a directory whose path is asked for */

/* A walk under way. */
struct walk_state {
    struct node *at;    /* a reference */
    const char *rest;   /* in text */
    unsigned links;     /* met so far */
    unsigned flags;     /* WALK_* */
    size_t length;      /* of the component at rest */
    bool is_last;       /* nothing but slashes is behind it */
    bool ends_in_slash; /* at least one is */
    char text[WALK_TEXT_MAX];
};

/* The name in the directory, whatever is mounted there. Refs: *result is a reference. */
static int walk_lookup(struct node *directory, const char *name, size_t length,
                       struct node **result)
{
    struct mount *mount = directory->mount;
    uint64_t inode;
    int error;

    if (!S_ISDIR(directory->type)) {
        return ENOTDIR;
    }
    if (length > VOLUME_NAME_MAX) {
        return ENAMETOOLONG;
    }
    mount_lock(mount);
    error = mount->volume->ops->lookup(mount->volume, directory->inode, name, length, &inode);
    if (error == 0) {
        error = node_get(mount, inode, result);
    }
    mount_unlock(mount);
    return error;
}

/* The directory above, or the root itself. */
static int walk_up(struct node *directory, struct node **result)
{
    while (directory == directory->mount->root && directory->mount->covered != NULL) {
        directory = directory->mount->covered;
    }
    if (directory == mount_root()) {
        *result = node_ref(directory);
        return 0;
    }
    return walk_lookup(directory, "..", 2, result);
}

/* Find the next component. Returns: false, there is none. */
static bool walk_component(struct walk_state *state)
{
    const char *behind;

    state->rest += strspn(state->rest, "/");
    state->length = strcspn(state->rest, "/");
    behind = state->rest + state->length;
    state->ends_in_slash = *behind == '/';
    state->is_last = behind[strspn(behind, "/")] == '\0';
    return state->length != 0;
}

static bool walk_is_dot(const struct walk_state *state)
{
    return state->length == 1 && state->rest[0] == '.';
}

static bool walk_is_up(const struct walk_state *state)
{
    return state->length == 2 && state->rest[0] == '.' && state->rest[1] == '.';
}

static void walk_enter(struct walk_state *state, struct node *next)
{
    node_put(state->at);
    state->at = next;
    state->rest += state->length;
}

/* Put what the link points to in place of its name. */
static int walk_follow(struct walk_state *state, struct node *link)
{
    struct volume *volume = link->mount->volume;
    const char *rest = state->rest + state->length;
    char target[WALK_TEXT_MAX];
    size_t length = 0;
    size_t tail = strlen(rest) + 1;
    int error;

    state->links++;
    if (state->links > WALK_LINKS_MAX) {
        return ELOOP;
    }
    mount_lock(link->mount);
    error = volume->ops->read_link(volume, link->inode, target, sizeof(target), &length);
    mount_unlock(link->mount);
    if (error != 0) {
        return error;
    }
    if (length == 0) {
        return ENOENT;
    }
    if (length + tail > sizeof(state->text)) {
        return ENAMETOOLONG;
    }
    memmove(state->text + length, rest, tail);
    memcpy(state->text, target, length);
    state->rest = state->text;
    if (target[0] == '/') {
        node_put(state->at);
        state->at = node_ref(mount_root());
    }
    return 0;
}

/* The component is the last one and need not be there. */
static void walk_stop(struct walk_state *state, struct walk *result)
{
    memcpy(result->name, state->rest, state->length);
    result->name[state->length] = '\0';
    result->length = state->length;
    result->must_be_directory = state->ends_in_slash;
    result->directory = node_ref(state->at);
    state->rest += strlen(state->rest);
}

/* One step to a name. */
static int walk_step(struct walk_state *state, struct walk *result)
{
    struct node *next;
    int error = walk_lookup(state->at, state->rest, state->length, &next);

    if (error == ENOENT && state->is_last && (state->flags & WALK_CREATE) != 0) {
        walk_stop(state, result);
        return 0;
    }
    if (error != 0) {
        return error;
    }
    next = mount_cross(next);
    if (S_ISLNK(next->type) &&
        (!state->is_last || state->ends_in_slash || (state->flags & WALK_FOLLOW) != 0)) {
        error = walk_follow(state, next);
        node_put(next);
        return error;
    }
    if (!S_ISDIR(next->type) && state->ends_in_slash) {
        node_put(next);
        return ENOTDIR;
    }
    walk_enter(state, next);
    return 0;
}

static int walk_all(struct walk_state *state, struct walk *result)
{
    int error = 0;

    while (error == 0 && walk_component(state)) {
        bool is_special = walk_is_dot(state) || walk_is_up(state);

        if (state->is_last && (state->flags & WALK_PARENT) != 0) {
            if (!S_ISDIR(state->at->type)) {
                return ENOTDIR;
            }
            if (is_special || state->length > VOLUME_NAME_MAX) {
                return is_special ? EINVAL : ENAMETOOLONG;
            }
            walk_stop(state, result);
        } else if (!is_special) {
            error = walk_step(state, result);
        } else if (!S_ISDIR(state->at->type)) {
            error = ENOTDIR;
        } else {
            struct node *next = NULL;

            error = walk_is_up(state) ? walk_up(state->at, &next) : 0;
            if (error == 0) {
                walk_enter(state, next != NULL ? mount_cross(next) : node_ref(state->at));
            }
        }
    }
    return error;
}

int walk(struct node *from, const char *path, unsigned flags, struct walk *result)
{
    struct walk_state state = {.flags = flags};
    size_t length = strlen(path);
    int error;

    *result = (struct walk){.node = NULL};
    if (length >= sizeof(state.text)) {
        return ENAMETOOLONG;
    }
    memcpy(state.text, path, length + 1);
    state.rest = state.text;
    state.at = node_ref(path[0] == '/' ? mount_root() : from);
    error = walk_all(&state, result);
    if (error == 0 && result->directory == NULL) {
        if ((flags & WALK_PARENT) != 0) {
            error = EINVAL; /* the root, or the directory itself */
        } else {
            result->node = state.at;
            return 0;
        }
    }
    node_put(state.at);
    if (error != 0) {
        walk_done(result);
    }
    return error;
}

void walk_done(struct walk *walk)
{
    if (walk->node != NULL) {
        node_put(walk->node);
    }
    if (walk->directory != NULL) {
        node_put(walk->directory);
    }
    walk->node = NULL;
    walk->directory = NULL;
}

/* --- the way back --- */

/* The name that the inode has in the directory. */
static int walk_name(struct node *directory, uint64_t inode, struct volume_entry *entry)
{
    struct volume *volume = directory->mount->volume;
    uint64_t position = 0;
    int error;

    mount_lock(directory->mount);
    do {
        error = volume->ops->read_directory(volume, directory->inode, position, entry, &position);
    } while (error == 0 && (entry->inode != inode || strcmp(entry->name, ".") == 0 ||
                            strcmp(entry->name, "..") == 0));
    mount_unlock(directory->mount);
    return error;
}

/* Write the name before what is at *at. */
static int walk_prepend(char *path, size_t *at, const struct volume_entry *entry)
{
    if (*at < (size_t)entry->length + 1) {
        return ENAMETOOLONG;
    }
    *at -= entry->length;
    memcpy(path + *at, entry->name, entry->length);
    *at -= 1;
    path[*at] = '/';
    return 0;
}

int walk_path(struct node *directory, char *path, size_t size)
{
    struct node *node = node_ref(directory);
    size_t at = size - 1;
    int error = S_ISDIR(node->type) ? 0 : ENOTDIR;

    path[at] = '\0';
    for (unsigned depth = 0; error == 0 && node != mount_root(); depth++) {
        struct volume_entry entry;
        struct node *up, *below = node;

        while (below == below->mount->root && below->mount->covered != NULL) {
            below = below->mount->covered;
        }
        error = depth == WALK_DEPTH_MAX ? ENAMETOOLONG : walk_up(node, &up);
        if (error == 0) {
            error = walk_name(up, below->inode, &entry);
            error = error == 0 ? walk_prepend(path, &at, &entry) : error;
            node_put(node);
            node = up;
        }
    }
    node_put(node);
    if (error == 0) {
        at += path[at] == '/';
        memmove(path, path + at, size - at);
    }
    return error;
}
