/* archive.c - the boot archive as a volume: the files of the bootstrap server, which do not change.
 * The tree is read once, at the mount; a file is opened there when its first page is read. */
#include <dir.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <io.h>
#include <portolan/io_types.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sysmacros.h>

#include <mach_port.h>

#include "fs_impl.h"

#define ARCHIVE_ROOT 1u

struct archive_node {
    char *name;
    struct archive_node *parent; /* the root's is itself */
    struct archive_node *child;  /* the first one of a directory */
    struct archive_node *next;   /* in the same directory */
    uint64_t number;
    uint64_t position; /* in its directory, from 1 */
    mode_t mode;
    dev_t device;
    uint64_t size;
    mach_port_t port; /* MACH_PORT_NULL: not opened yet */
};

struct archive {
    struct volume volume;
    mach_port_t directory;       /* the root's, at the server */
    struct archive_node **nodes; /* by number */
    uint64_t count;              /* numbers are below it */
};

static struct archive_node *archive_node(struct volume *volume, uint64_t number)
{
    return ((struct archive *)volume)->nodes[number];
}

/* --- reading the tree --- */

static struct archive_node *archive_add(struct archive *archive, struct archive_node *parent,
                                        const char *name, mode_t mode)
{
    struct archive_node **larger =
        realloc(archive->nodes, (archive->count + 1) * sizeof(*archive->nodes));
    struct archive_node *node = calloc(1, sizeof(*node));
    struct archive_node **place;

    archive->nodes = larger != NULL ? larger : archive->nodes;
    if (larger == NULL || node == NULL || (node->name = strdup(name)) == NULL) {
        free(node);
        return NULL;
    }
    node->number = archive->count;
    node->mode = mode;
    node->parent = parent != NULL ? parent : node;
    if (parent != NULL) {
        for (place = &parent->child; *place != NULL; place = &(*place)->next) {
            node->position = (*place)->position;
        }
        node->position++;
        *place = node;
    }
    archive->nodes[archive->count] = node;
    archive->count++;
    return node;
}

static int archive_read_facts(struct archive_node *node, mach_port_t object)
{
    int64_t facts[IO_STAT_MAX] = {0};
    mach_msg_type_number_t count = IO_STAT_MAX;

    if (io_stat(object, facts, &count) != KERN_SUCCESS) {
        return EIO;
    }
    node->mode = DTTOIF((mode_t)facts[IO_STAT_TYPE]) | ((mode_t)facts[IO_STAT_MODE] & 07777);
    node->size = (uint64_t)facts[IO_STAT_SIZE];
    return 0;
}

static int archive_read_directory_of(struct archive *archive, struct archive_node *node,
                                     mach_port_t object);

/* What one record of a directory names. Devices are known by their names. */
static int archive_read_member(struct archive *archive, struct archive_node *parent,
                               mach_port_t directory, uint8_t type, const char *name)
{
    struct archive_node *node = archive_add(archive, parent, name, S_IFCHR | 0666);
    mach_port_t object;
    int error;

    if (node == NULL) {
        return ENOMEM;
    }
    if (type == IO_TYPE_CONSOLE) {
        node->device = strcmp(name, "console") == 0 ? makedev(5, 1) : makedev(1, 3);
        return 0;
    }
    if (dir_open(directory, name, O_RDONLY, 0, &object) != KERN_SUCCESS) {
        return EIO;
    }
    error = archive_read_facts(node, object);
    if (error == 0 && S_ISDIR(node->mode)) {
        error = archive_read_directory_of(archive, node, object);
    }
    (void)mach_port_deallocate(mach_task_self(), object);
    return error;
}

static int archive_read_directory_of(struct archive *archive, struct archive_node *node,
                                     mach_port_t object)
{
    mach_msg_type_number_t count;
    int64_t position = 0;
    int error = 0;

    do {
        char entries[DIR_ENTRIES_MAX];

        count = sizeof(entries);
        if (dir_read(object, position, &position, entries, &count) != KERN_SUCCESS) {
            return EIO;
        }
        for (uint32_t at = 0; error == 0 && at + DIR_RECORD_FIXED < count;) {
            const char *name = entries + at + DIR_RECORD_FIXED;

            error = archive_read_member(archive, node, object, (uint8_t)entries[at + 8], name);
            at += DIR_RECORD_FIXED + (uint32_t)strnlen(name, count - at) + 1;
        }
    } while (error == 0 && count != 0);
    return error;
}

/* --- the volume --- */

static int archive_lookup(struct volume *volume, uint64_t number, const char *name, size_t length,
                          uint64_t *inode)
{
    struct archive_node *directory = archive_node(volume, number);
    struct archive_node *node = directory->child;

    if (!S_ISDIR(directory->mode)) {
        return ENOTDIR;
    }
    if (length <= 2 && strncmp(name, "..", length) == 0) {
        *inode = length == 2 ? directory->parent->number : number;
        return 0;
    }
    while (node != NULL &&
           (strlen(node->name) != length || memcmp(node->name, name, length) != 0)) {
        node = node->next;
    }
    if (node == NULL) {
        return ENOENT;
    }
    *inode = node->number;
    return 0;
}

static int archive_read_directory(struct volume *volume, uint64_t number, uint64_t position,
                                  struct volume_entry *entry, uint64_t *next)
{
    struct archive_node *node = archive_node(volume, number)->child;

    if (!S_ISDIR(archive_node(volume, number)->mode)) {
        return ENOTDIR;
    }
    while (node != NULL && node->position < position) {
        node = node->next;
    }
    if (node == NULL) {
        return ENOENT;
    }
    entry->inode = node->number;
    entry->type = (uint8_t)IFTODT(node->mode);
    entry->length = (uint8_t)strlen(node->name);
    memcpy(entry->name, node->name, entry->length + 1u);
    *next = node->position + 1;
    return 0;
}

static int archive_hold(struct volume *volume, uint64_t number)
{
    (void)volume;
    (void)number;
    return 0;
}

/* Nobody uses the file: nor does it have to be open at its server. */
static void archive_release(struct volume *volume, uint64_t number)
{
    struct archive_node *node = archive_node(volume, number);

    if (node->port != MACH_PORT_NULL) {
        (void)mach_port_deallocate(mach_task_self(), node->port);
        node->port = MACH_PORT_NULL;
    }
}

static int archive_stat(struct volume *volume, uint64_t number, struct stat *st)
{
    const struct archive_node *node = archive_node(volume, number);

    memset(st, 0, sizeof(*st));
    st->st_ino = number;
    st->st_mode = node->mode;
    st->st_nlink = 1;
    st->st_rdev = node->device;
    st->st_size = (off_t)node->size;
    st->st_blksize = FS_PAGE;
    st->st_blocks = (blkcnt_t)((node->size + 511) / 512);
    return 0;
}

static int archive_read_link(struct volume *volume, uint64_t number, char *target, size_t size,
                             size_t *length)
{
    (void)volume;
    (void)number;
    (void)target;
    (void)size;
    (void)length;
    return EINVAL;
}

/* Open the file at its server. */
static int archive_open(struct archive *archive, struct archive_node *node)
{
    char path[DIR_PATH_MAX];
    size_t at = sizeof(path) - 1;

    if (node->port != MACH_PORT_NULL) {
        return 0;
    }
    path[at] = '\0';
    for (const struct archive_node *n = node; n->parent != n; n = n->parent) {
        size_t length = strlen(n->name);

        if (length + 1 > at) {
            return EIO;
        }
        at -= length;
        memcpy(path + at, n->name, length);
        at -= 1;
        path[at] = '/';
    }
    return dir_open(archive->directory, path + at + 1, O_RDONLY, 0, &node->port) == KERN_SUCCESS
               ? 0
               : EIO;
}

static int archive_read_pages(struct volume *volume, uint64_t number, uint64_t offset, size_t size,
                              void **pages)
{
    struct archive_node *node = archive_node(volume, number);
    mach_msg_type_number_t count = 1;
    int error = archive_open((struct archive *)volume, node);
    char *data;

    if (error != 0) {
        return error;
    }
    data = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (data == MAP_FAILED) {
        return EIO;
    }
    for (size_t done = 0; error == 0 && count != 0 && done < size; done += count) {
        natural_t wanted = size - done < IO_DATA_MAX ? (natural_t)(size - done) : IO_DATA_MAX;

        count = wanted;
        if (io_read(node->port, (int64_t)(offset + done), wanted, data + done, &count) !=
            KERN_SUCCESS) {
            error = EIO;
        }
    }
    if (error != 0) {
        munmap(data, size);
        return error;
    }
    *pages = data;
    return 0;
}

static int archive_statfs(struct volume *volume, struct statfs *statfs)
{
    const struct archive *archive = (struct archive *)volume;

    memset(statfs, 0, sizeof(*statfs));
    statfs->f_bsize = FS_PAGE;
    statfs->f_namelen = VOLUME_NAME_MAX;
    statfs->f_files = archive->count - ARCHIVE_ROOT;
    for (uint64_t i = ARCHIVE_ROOT; i < archive->count; i++) {
        statfs->f_blocks += fs_page_up(archive->nodes[i]->size) / FS_PAGE;
    }
    return 0;
}

static int archive_sync(struct volume *volume)
{
    (void)volume;
    return 0;
}

static int archive_sync_inode(struct volume *volume, uint64_t number)
{
    (void)number;
    return archive_sync(volume);
}

/* What changes something is not called: the volume is read-only. */
static const struct volume_ops archive_ops = {
    .lookup = archive_lookup,
    .read_directory = archive_read_directory,
    .hold = archive_hold,
    .release = archive_release,
    .stat = archive_stat,
    .read_link = archive_read_link,
    .read_pages = archive_read_pages,
    .statfs = archive_statfs,
    .sync_inode = archive_sync_inode,
    .sync = archive_sync,
    .clean = archive_sync,
};

/* A directory of the root that is not there yet. */
static int archive_add_place(struct archive *archive, const char *place)
{
    uint64_t number;

    place += place[0] == '/';
    if (archive_lookup(&archive->volume, ARCHIVE_ROOT, place, strlen(place), &number) == 0) {
        return 0;
    }
    return archive_add(archive, archive->nodes[ARCHIVE_ROOT], place, S_IFDIR | 0555) != NULL
               ? 0
               : ENOMEM;
}

int archive_mount(mach_port_t directory, char *const *places, struct volume **volume)
{
    struct archive *archive = calloc(1, sizeof(*archive));
    struct archive_node *root;
    int error;

    if (archive == NULL) {
        return ENOMEM;
    }
    archive->volume =
        (struct volume){.ops = &archive_ops, .root = ARCHIVE_ROOT, .is_read_only = true};
    archive->directory = directory;
    archive->count = ARCHIVE_ROOT;
    root = archive_add(archive, NULL, "", S_IFDIR | 0555);
    error = root != NULL ? archive_read_directory_of(archive, root, directory) : ENOMEM;
    for (; error == 0 && *places != NULL; places++) {
        error = archive_add_place(archive, *places);
    }
    *volume = &archive->volume;
    return error; /* nothing is given back: without it there is no tree, and no server */
}
