/* tmpfs.c - a file system in memory. An inode has a number, which is its place in a table; a
 * directory is a list of entries in the order they were made, which is the order of their
 * positions; all entries are found by a hash of directory and name. The contents of a file are
 * pages of their own, sorted by their place, so that holes cost nothing.
 *
 * Everything it takes is counted against its size: pages, and a fixed sum for a name or an inode.
 * Locks: the caller's, see volume.h. */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sysmacros.h>
#include <time.h>

#include "block_device.h"
#include "volume.h"

#define TMPFS_MAGIC      0x01021994
#define TMPFS_ROOT       1u
#define TMPFS_CHAINS     4096u
#define TMPFS_INODE_COST 512u        /* bytes counted for an inode */
#define TMPFS_ENTRY_COST 384u        /* for a name */
#define TMPFS_FILE_MAX   (1ul << 40) /* bytes a file may seem to have */
#define TMPFS_LINK_MAX   65000u
#define TMPFS_PAGE       ((uint64_t)VOLUME_PAGE_SIZE)

struct tmpfs_entry {
    struct tmpfs_entry *chain; /* the same hash */
    struct tmpfs_entry *next;  /* in the same directory, by position */
    struct tmpfs_entry *before;
    struct tmpfs_inode *directory;
    struct tmpfs_inode *inode;
    uint64_t position; /* never used again in its directory */
    size_t length;
    char name[VOLUME_NAME_MAX + 1];
};

struct tmpfs_page {
    uint64_t index;
    void *data;
};

struct tmpfs_inode {
    uint64_t number;
    mode_t mode;
    uid_t owner;
    gid_t group;
    dev_t device;
    unsigned links;
    unsigned holds;
    struct timespec accessed, modified, changed;
    uint64_t size;
    struct tmpfs_page *pages; /* of a file, by index */
    size_t page_count, page_room;
    char *target;               /* of a symbolic link */
    struct tmpfs_inode *parent; /* of a directory */
    struct tmpfs_entry *first, *last;
    struct tmpfs_entry *met; /* the one read last: where to go on */
    uint64_t last_position;
};

struct tmpfs {
    struct volume volume;
    uint64_t size, used; /* bytes */
    uint64_t inode_count;
    struct tmpfs_inode **inodes; /* by number; NULL: free */
    size_t inode_room;
    struct tmpfs_entry *chains[TMPFS_CHAINS];
};

static struct tmpfs *tmpfs_of(struct volume *volume)
{
    return (struct tmpfs *)volume;
}

static struct tmpfs_inode *tmpfs_inode(struct volume *volume, uint64_t number)
{
    return tmpfs_of(volume)->inodes[number];
}

/* --- what things cost --- */

static bool tmpfs_charge(struct tmpfs *tmpfs, uint64_t bytes)
{
    if (bytes > tmpfs->size - tmpfs->used) {
        return false;
    }
    tmpfs->used += bytes;
    return true;
}

static void tmpfs_touch(struct tmpfs_inode *inode)
{
    clock_gettime(CLOCK_REALTIME, &inode->changed);
    inode->modified = inode->changed;
}

/* --- inodes --- */

/* A free number, with room for it in the table; 0: no memory. */
static uint64_t tmpfs_number(struct tmpfs *tmpfs)
{
    struct tmpfs_inode **larger;
    size_t number = TMPFS_ROOT;

    while (number < tmpfs->inode_room && tmpfs->inodes[number] != NULL) {
        number++;
    }
    if (number < tmpfs->inode_room) {
        return number;
    }
    larger = realloc(tmpfs->inodes, (2 * number + 64) * sizeof(*larger));
    if (larger == NULL) {
        return 0;
    }
    memset(larger + tmpfs->inode_room, 0,
           (2 * number + 64 - tmpfs->inode_room) * sizeof(struct tmpfs_inode *));
    tmpfs->inodes = larger;
    tmpfs->inode_room = 2 * number + 64;
    return number;
}

static void tmpfs_inode_free(struct tmpfs *tmpfs, struct tmpfs_inode *inode)
{
    tmpfs->inodes[inode->number] = NULL;
    tmpfs->inode_count--;
    tmpfs->used -= TMPFS_INODE_COST + inode->page_count * TMPFS_PAGE;
    for (size_t i = 0; i < inode->page_count; i++) {
        free(inode->pages[i].data);
    }
    free(inode->pages);
    free(inode->target);
    free(inode);
}

static int tmpfs_inode_make(struct tmpfs *tmpfs, const struct volume_make *what,
                            struct tmpfs_inode **result)
{
    uint64_t number = tmpfs_number(tmpfs);
    struct tmpfs_inode *inode = calloc(1, sizeof(*inode));

    if (number == 0 || inode == NULL || !tmpfs_charge(tmpfs, TMPFS_INODE_COST)) {
        free(inode);
        return ENOSPC;
    }
    *inode = (struct tmpfs_inode){.number = number,
                                  .mode = what->mode,
                                  .owner = what->owner,
                                  .group = what->group,
                                  .device = what->device};
    tmpfs_touch(inode);
    inode->accessed = inode->modified;
    tmpfs->inodes[number] = inode;
    tmpfs->inode_count++;
    if (S_ISLNK(what->mode)) {
        inode->target = strdup(what->target);
        inode->size = inode->target != NULL ? strlen(inode->target) : 0;
        if (inode->target == NULL) {
            tmpfs_inode_free(tmpfs, inode);
            return ENOSPC;
        }
    }
    *result = inode;
    return 0;
}

static void tmpfs_inode_check(struct tmpfs *tmpfs, struct tmpfs_inode *inode)
{
    if (inode->links == 0 && inode->holds == 0) {
        tmpfs_inode_free(tmpfs, inode);
    }
}

static int tmpfs_hold(struct volume *volume, uint64_t number)
{
    tmpfs_inode(volume, number)->holds++;
    return 0;
}

static void tmpfs_release(struct volume *volume, uint64_t number)
{
    struct tmpfs_inode *inode = tmpfs_inode(volume, number);

    inode->holds--;
    tmpfs_inode_check(tmpfs_of(volume), inode);
}

/* --- entries --- */

static struct tmpfs_entry **tmpfs_chain(struct tmpfs *tmpfs, const struct tmpfs_inode *directory,
                                        const char *name, size_t length)
{
    uint64_t hash = directory->number * 0x9e3779b97f4a7c15u;

    for (size_t i = 0; i < length; i++) {
        hash = (hash ^ (uint8_t)name[i]) * 0x100000001b3u;
    }
    return &tmpfs->chains[(hash >> 20) % TMPFS_CHAINS];
}

static struct tmpfs_entry *tmpfs_find(struct tmpfs *tmpfs, const struct tmpfs_inode *directory,
                                      const char *name, size_t length)
{
    struct tmpfs_entry *entry = *tmpfs_chain(tmpfs, directory, name, length);

    while (entry != NULL && (entry->directory != directory || entry->length != length ||
                             memcmp(entry->name, name, length) != 0)) {
        entry = entry->chain;
    }
    return entry;
}

static void tmpfs_entry_insert(struct tmpfs *tmpfs, struct tmpfs_entry *entry)
{
    struct tmpfs_inode *directory = entry->directory;
    struct tmpfs_entry **chain = tmpfs_chain(tmpfs, directory, entry->name, entry->length);

    entry->chain = *chain;
    *chain = entry;
    entry->before = directory->last;
    entry->next = NULL;
    if (directory->last != NULL) {
        directory->last->next = entry;
    } else {
        directory->first = entry;
    }
    directory->last = entry;
    directory->last_position++;
    entry->position = directory->last_position;
    tmpfs_touch(directory);
}

static void tmpfs_entry_remove(struct tmpfs *tmpfs, struct tmpfs_entry *entry)
{
    struct tmpfs_inode *directory = entry->directory;
    struct tmpfs_entry **place = tmpfs_chain(tmpfs, directory, entry->name, entry->length);

    while (*place != entry) {
        place = &(*place)->chain;
    }
    *place = entry->chain;
    *(entry->before != NULL ? &entry->before->next : &directory->first) = entry->next;
    *(entry->next != NULL ? &entry->next->before : &directory->last) = entry->before;
    directory->met = directory->met == entry ? entry->before : directory->met;
    tmpfs_touch(directory);
}

/* A new entry that is in no directory yet; ENOSPC when there is no room for it. */
static int tmpfs_entry_make(struct tmpfs *tmpfs, struct tmpfs_inode *directory, const char *name,
                            size_t length, struct tmpfs_entry **result)
{
    struct tmpfs_entry *entry;

    if (!S_ISDIR(directory->mode)) {
        return ENOTDIR;
    }
    if (length > VOLUME_NAME_MAX) {
        return ENAMETOOLONG;
    }
    if (directory->links == 0) {
        return ENOENT; /* removed, and still open */
    }
    if (tmpfs_find(tmpfs, directory, name, length) != NULL) {
        return EEXIST;
    }
    entry = calloc(1, sizeof(*entry));
    if (entry == NULL || !tmpfs_charge(tmpfs, TMPFS_ENTRY_COST)) {
        free(entry);
        return ENOSPC;
    }
    entry->directory = directory;
    entry->length = length;
    memcpy(entry->name, name, length);
    *result = entry;
    return 0;
}

static void tmpfs_entry_free(struct tmpfs *tmpfs, struct tmpfs_entry *entry)
{
    tmpfs->used -= TMPFS_ENTRY_COST;
    free(entry);
}

static int tmpfs_lookup(struct volume *volume, uint64_t number, const char *name, size_t length,
                        uint64_t *result)
{
    struct tmpfs_inode *directory = tmpfs_inode(volume, number);
    struct tmpfs_entry *entry;

    if (!S_ISDIR(directory->mode)) {
        return ENOTDIR;
    }
    if (length > VOLUME_NAME_MAX) {
        return ENAMETOOLONG;
    }
    if (length == 1 && name[0] == '.') {
        *result = number;
        return 0;
    }
    if (length == 2 && name[0] == '.' && name[1] == '.') {
        *result = directory->parent->number;
        return 0;
    }
    entry = tmpfs_find(tmpfs_of(volume), directory, name, length);
    if (entry == NULL) {
        return ENOENT;
    }
    *result = entry->inode->number;
    return 0;
}

static int tmpfs_read_directory(struct volume *volume, uint64_t number, uint64_t position,
                                struct volume_entry *result, uint64_t *next)
{
    struct tmpfs_inode *directory = tmpfs_inode(volume, number);
    struct tmpfs_entry *entry = directory->met;

    if (!S_ISDIR(directory->mode)) {
        return ENOTDIR;
    }
    if (entry == NULL || entry->position >= position) {
        entry = directory->first;
    }
    while (entry != NULL && entry->position < position) {
        entry = entry->next;
    }
    if (entry == NULL) {
        return ENOENT;
    }
    directory->met = entry;
    result->inode = entry->inode->number;
    result->type = (uint8_t)IFTODT(entry->inode->mode);
    result->length = (uint8_t)entry->length;
    memcpy(result->name, entry->name, entry->length + 1);
    *next = entry->position + 1;
    return 0;
}

static int tmpfs_make(struct volume *volume, uint64_t number, const char *name, size_t length,
                      const struct volume_make *what, uint64_t *result)
{
    struct tmpfs *tmpfs = tmpfs_of(volume);
    struct tmpfs_inode *directory = tmpfs_inode(volume, number);
    struct tmpfs_entry *entry;
    struct tmpfs_inode *inode;
    int error = tmpfs_entry_make(tmpfs, directory, name, length, &entry);

    if (error != 0) {
        return error;
    }
    error = tmpfs_inode_make(tmpfs, what, &inode);
    if (error != 0) {
        tmpfs_entry_free(tmpfs, entry);
        return error;
    }
    inode->links = 1;
    if (S_ISDIR(inode->mode)) {
        inode->links = 2;
        inode->parent = directory;
        directory->links++;
    }
    entry->inode = inode;
    tmpfs_entry_insert(tmpfs, entry);
    *result = inode->number;
    return 0;
}

static int tmpfs_link(struct volume *volume, uint64_t number, const char *name, size_t length,
                      uint64_t to)
{
    struct tmpfs *tmpfs = tmpfs_of(volume);
    struct tmpfs_inode *inode = tmpfs_inode(volume, to);
    struct tmpfs_entry *entry;
    int error;

    if (S_ISDIR(inode->mode)) {
        return EPERM;
    }
    if (inode->links == 0) {
        return ENOENT;
    }
    if (inode->links >= TMPFS_LINK_MAX) {
        return EMLINK;
    }
    error = tmpfs_entry_make(tmpfs, tmpfs_inode(volume, number), name, length, &entry);
    if (error != 0) {
        return error;
    }
    entry->inode = inode;
    inode->links++;
    clock_gettime(CLOCK_REALTIME, &inode->changed);
    tmpfs_entry_insert(tmpfs, entry);
    return 0;
}

/* May what the entry names go, as unlink or as rmdir has it? */
static int tmpfs_check_removal(const struct tmpfs_inode *inode, bool is_rmdir)
{
    if (is_rmdir && !S_ISDIR(inode->mode)) {
        return ENOTDIR;
    }
    if (!is_rmdir && S_ISDIR(inode->mode)) {
        return EISDIR;
    }
    return inode->first != NULL ? ENOTEMPTY : 0;
}

/* The inode has lost a name. */
static void tmpfs_unnamed(struct tmpfs *tmpfs, struct tmpfs_inode *inode)
{
    if (S_ISDIR(inode->mode)) {
        inode->parent->links--;
        inode->links = 0;
        inode->parent = tmpfs->inodes[TMPFS_ROOT];
    } else {
        inode->links--;
    }
    clock_gettime(CLOCK_REALTIME, &inode->changed);
    tmpfs_inode_check(tmpfs, inode);
}

static int tmpfs_unlink(struct volume *volume, uint64_t number, const char *name, size_t length,
                        bool is_rmdir)
{
    struct tmpfs *tmpfs = tmpfs_of(volume);
    struct tmpfs_inode *directory = tmpfs_inode(volume, number);
    struct tmpfs_entry *entry;
    int error;

    if (!S_ISDIR(directory->mode)) {
        return ENOTDIR;
    }
    entry = tmpfs_find(tmpfs, directory, name, length);
    error = entry == NULL ? ENOENT : tmpfs_check_removal(entry->inode, is_rmdir);
    if (error != 0) {
        return error;
    }
    tmpfs_entry_remove(tmpfs, entry);
    tmpfs_unnamed(tmpfs, entry->inode);
    tmpfs_entry_free(tmpfs, entry);
    return 0;
}

/* --- rename --- */

/* Is `inode` the directory itself, or does it lie below? */
static bool tmpfs_is_below(const struct tmpfs *tmpfs, const struct tmpfs_inode *directory,
                           const struct tmpfs_inode *inode)
{
    while (directory != inode && directory != tmpfs->inodes[TMPFS_ROOT]) {
        directory = directory->parent;
    }
    return directory == inode;
}

static int tmpfs_check_rename(const struct tmpfs *tmpfs, const struct tmpfs_entry *from,
                              const struct tmpfs_inode *to, const struct tmpfs_entry *old)
{
    bool is_directory = S_ISDIR(from->inode->mode);

    if (is_directory && tmpfs_is_below(tmpfs, to, from->inode)) {
        return EINVAL;
    }
    if (old == NULL) {
        return 0;
    }
    return tmpfs_check_removal(old->inode, is_directory);
}

/* The entry's inode gets the new name and loses the old one. */
static void tmpfs_entry_move(struct tmpfs *tmpfs, struct tmpfs_entry *from,
                             struct tmpfs_entry *fresh)
{
    struct tmpfs_inode *inode = from->inode;

    fresh->inode = inode;
    tmpfs_entry_remove(tmpfs, from);
    tmpfs_entry_insert(tmpfs, fresh);
    if (S_ISDIR(inode->mode)) {
        inode->parent->links--;
        inode->parent = fresh->directory;
        inode->parent->links++;
    }
    clock_gettime(CLOCK_REALTIME, &inode->changed);
    tmpfs_entry_free(tmpfs, from);
}

static int tmpfs_rename(struct volume *volume, uint64_t from_number, const char *name,
                        size_t length, uint64_t to_number, const char *new_name, size_t new_length)
{
    struct tmpfs *tmpfs = tmpfs_of(volume);
    struct tmpfs_inode *from = tmpfs_inode(volume, from_number);
    struct tmpfs_inode *to = tmpfs_inode(volume, to_number);
    struct tmpfs_entry *entry, *old, *fresh;
    int error;

    if (!S_ISDIR(from->mode) || !S_ISDIR(to->mode)) {
        return ENOTDIR;
    }
    entry = tmpfs_find(tmpfs, from, name, length);
    if (entry == NULL) {
        return ENOENT;
    }
    old = tmpfs_find(tmpfs, to, new_name, new_length);
    if (old != NULL && old->inode == entry->inode) {
        return 0;
    }
    error = tmpfs_check_rename(tmpfs, entry, to, old);
    if (error != 0) {
        return error;
    }
    if (old != NULL) { /* its entry stays, and names the other inode */
        struct tmpfs_inode *replaced = old->inode;

        tmpfs_entry_remove(tmpfs, old);
        tmpfs_entry_move(tmpfs, entry, old);
        tmpfs_unnamed(tmpfs, replaced);
        return 0;
    }
    error = tmpfs_entry_make(tmpfs, to, new_name, new_length, &fresh);
    if (error == 0) {
        tmpfs_entry_move(tmpfs, entry, fresh);
    }
    return error;
}

/* --- facts --- */

static int tmpfs_stat(struct volume *volume, uint64_t number, struct stat *st)
{
    const struct tmpfs_inode *inode = tmpfs_inode(volume, number);

    memset(st, 0, sizeof(*st));
    st->st_ino = number;
    st->st_mode = inode->mode;
    st->st_nlink = inode->links;
    st->st_uid = inode->owner;
    st->st_gid = inode->group;
    st->st_rdev = inode->device;
    st->st_size = (off_t)inode->size;
    st->st_blksize = VOLUME_PAGE_SIZE;
    st->st_blocks = (blkcnt_t)(inode->page_count * (TMPFS_PAGE / 512));
    st->st_atim = inode->accessed;
    st->st_mtim = inode->modified;
    st->st_ctim = inode->changed;
    return 0;
}

/* The first page at or behind an index. */
static size_t tmpfs_page_at(const struct tmpfs_inode *inode, uint64_t index)
{
    size_t low = 0;
    size_t high = inode->page_count;

    while (low < high) {
        size_t middle = (low + high) / 2;

        if (inode->pages[middle].index < index) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* Cut the file; the rest of its last page becomes zeroes. */
static void tmpfs_cut(struct tmpfs *tmpfs, struct tmpfs_inode *inode, uint64_t size)
{
    size_t keep = tmpfs_page_at(inode, (size + TMPFS_PAGE - 1) / TMPFS_PAGE);

    for (size_t i = keep; i < inode->page_count; i++) {
        free(inode->pages[i].data);
    }
    tmpfs->used -= (inode->page_count - keep) * TMPFS_PAGE;
    inode->page_count = keep;
    if (size % TMPFS_PAGE != 0 && keep > 0 && inode->pages[keep - 1].index == size / TMPFS_PAGE) {
        memset((char *)inode->pages[keep - 1].data + size % TMPFS_PAGE, 0,
               TMPFS_PAGE - size % TMPFS_PAGE);
    }
}

static int tmpfs_check_size(const struct tmpfs_inode *inode, off_t size)
{
    if (S_ISDIR(inode->mode)) {
        return EISDIR;
    }
    if (size < 0 || !S_ISREG(inode->mode)) {
        return EINVAL;
    }
    return (uint64_t)size > TMPFS_FILE_MAX ? EFBIG : 0;
}

static int tmpfs_set(struct volume *volume, uint64_t number, const struct stat *st, unsigned what)
{
    struct tmpfs_inode *inode = tmpfs_inode(volume, number);
    int error = (what & VOLUME_SET_SIZE) != 0 ? tmpfs_check_size(inode, st->st_size) : 0;

    if (error != 0) {
        return error;
    }
    clock_gettime(CLOCK_REALTIME, &inode->changed);
    if ((what & VOLUME_SET_SIZE) != 0) {
        if ((uint64_t)st->st_size < inode->size) {
            tmpfs_cut(tmpfs_of(volume), inode, (uint64_t)st->st_size);
        }
        inode->size = (uint64_t)st->st_size;
        inode->modified = inode->changed;
    }
    if ((what & VOLUME_SET_MODE) != 0) {
        inode->mode = (inode->mode & S_IFMT) | (st->st_mode & ~(mode_t)S_IFMT);
    }
    inode->owner = (what & VOLUME_SET_OWNER) != 0 ? st->st_uid : inode->owner;
    inode->group = (what & VOLUME_SET_GROUP) != 0 ? st->st_gid : inode->group;
    inode->accessed = (what & VOLUME_SET_ATIME) != 0 ? st->st_atim : inode->accessed;
    inode->modified = (what & VOLUME_SET_MTIME) != 0 ? st->st_mtim : inode->modified;
    return 0;
}

static int tmpfs_read_link(struct volume *volume, uint64_t number, char *target, size_t size,
                           size_t *length)
{
    const struct tmpfs_inode *inode = tmpfs_inode(volume, number);

    if (!S_ISLNK(inode->mode)) {
        return EINVAL;
    }
    *length = inode->size < size ? inode->size : size;
    memcpy(target, inode->target, *length);
    return 0;
}

/* --- contents --- */

static int tmpfs_read_pages(struct volume *volume, uint64_t number, uint64_t offset, size_t size,
                            void **pages)
{
    const struct tmpfs_inode *inode = tmpfs_inode(volume, number);
    char *data = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (data == MAP_FAILED) {
        return EIO;
    }
    for (size_t i = tmpfs_page_at(inode, offset / TMPFS_PAGE);
         i < inode->page_count && inode->pages[i].index * TMPFS_PAGE < offset + size; i++) {
        memcpy(data + (inode->pages[i].index * TMPFS_PAGE - offset), inode->pages[i].data,
               TMPFS_PAGE);
    }
    *pages = data;
    return 0;
}

/* Room for one more in the table of pages. */
static bool tmpfs_page_room(struct tmpfs_inode *inode)
{
    size_t room = inode->page_room != 0 ? 2 * inode->page_room : 4;
    struct tmpfs_page *larger;

    if (inode->page_count < inode->page_room) {
        return true;
    }
    larger = realloc(inode->pages, room * sizeof(*larger));
    if (larger == NULL) {
        return false;
    }
    inode->pages = larger;
    inode->page_room = room;
    return true;
}

/* The page of that index, made of zeroes where there is a hole; NULL: no room. */
static void *tmpfs_page(struct tmpfs *tmpfs, struct tmpfs_inode *inode, uint64_t index)
{
    size_t at = tmpfs_page_at(inode, index);
    void *data;

    if (at < inode->page_count && inode->pages[at].index == index) {
        return inode->pages[at].data;
    }
    data = tmpfs_page_room(inode) ? calloc(1, TMPFS_PAGE) : NULL;
    if (data == NULL || !tmpfs_charge(tmpfs, TMPFS_PAGE)) {
        free(data);
        return NULL;
    }
    memmove(&inode->pages[at + 1], &inode->pages[at],
            (inode->page_count - at) * sizeof(*inode->pages));
    inode->pages[at] = (struct tmpfs_page){index, data};
    inode->page_count++;
    return data;
}

/* The pages themselves are made now. Those made before there was no room stay: they are zeroes. */
static int tmpfs_prepare(struct volume *volume, uint64_t number, uint64_t offset, uint64_t size)
{
    struct tmpfs_inode *inode = tmpfs_inode(volume, number);

    if (offset > TMPFS_FILE_MAX || size > TMPFS_FILE_MAX - offset) {
        return EFBIG;
    }
    for (uint64_t index = offset / TMPFS_PAGE; size != 0 && index * TMPFS_PAGE < offset + size;
         index++) {
        if (tmpfs_page(tmpfs_of(volume), inode, index) == NULL) {
            return ENOSPC;
        }
    }
    return 0;
}

static int tmpfs_write_pages(struct volume *volume, uint64_t number, uint64_t offset, size_t size,
                             const void *pages)
{
    struct tmpfs_inode *inode = tmpfs_inode(volume, number);

    for (size_t at = 0; at < size && offset + at < inode->size; at += TMPFS_PAGE) {
        void *page = tmpfs_page(tmpfs_of(volume), inode, (offset + at) / TMPFS_PAGE);
        uint64_t left = inode->size - (offset + at);

        if (page == NULL) {
            return ENOSPC;
        }
        memcpy(page, (const char *)pages + at, left < TMPFS_PAGE ? left : TMPFS_PAGE);
    }
    return 0;
}

/* --- the whole --- */

static int tmpfs_statfs(struct volume *volume, struct statfs *statfs)
{
    const struct tmpfs *tmpfs = tmpfs_of(volume);

    memset(statfs, 0, sizeof(*statfs));
    statfs->f_type = TMPFS_MAGIC;
    statfs->f_bsize = VOLUME_PAGE_SIZE;
    statfs->f_frsize = VOLUME_PAGE_SIZE;
    statfs->f_blocks = tmpfs->size / TMPFS_PAGE;
    statfs->f_bfree = (tmpfs->size - tmpfs->used) / TMPFS_PAGE;
    statfs->f_bavail = statfs->f_bfree;
    statfs->f_ffree = (tmpfs->size - tmpfs->used) / (TMPFS_INODE_COST + TMPFS_ENTRY_COST);
    statfs->f_files = tmpfs->inode_count + statfs->f_ffree;
    statfs->f_namelen = VOLUME_NAME_MAX;
    return 0;
}

static int tmpfs_sync_inode(struct volume *volume, uint64_t number)
{
    (void)volume;
    (void)number;
    return 0;
}

static int tmpfs_sync(struct volume *volume)
{
    (void)volume;
    return 0;
}

static int tmpfs_unmount(struct volume *volume)
{
    struct tmpfs *tmpfs = tmpfs_of(volume);

    for (unsigned i = 0; i < TMPFS_CHAINS; i++) {
        while (tmpfs->chains[i] != NULL) {
            struct tmpfs_entry *entry = tmpfs->chains[i];

            tmpfs->chains[i] = entry->chain;
            free(entry);
        }
    }
    for (size_t i = 0; i < tmpfs->inode_room; i++) {
        if (tmpfs->inodes[i] != NULL) {
            tmpfs_inode_free(tmpfs, tmpfs->inodes[i]);
        }
    }
    free(tmpfs->inodes);
    free(tmpfs);
    return 0;
}

static const struct volume_ops tmpfs_ops = {
    .lookup = tmpfs_lookup,
    .read_directory = tmpfs_read_directory,
    .make = tmpfs_make,
    .link = tmpfs_link,
    .unlink = tmpfs_unlink,
    .rename = tmpfs_rename,
    .hold = tmpfs_hold,
    .release = tmpfs_release,
    .stat = tmpfs_stat,
    .set = tmpfs_set,
    .read_link = tmpfs_read_link,
    .read_pages = tmpfs_read_pages,
    .prepare = tmpfs_prepare,
    .write_pages = tmpfs_write_pages,
    .statfs = tmpfs_statfs,
    .sync_inode = tmpfs_sync_inode,
    .sync = tmpfs_sync,
    .clean = tmpfs_sync,
    .unmount = tmpfs_unmount,
};

int tmpfs_mount(uint64_t size, struct volume **volume)
{
    static const struct volume_make root = {.mode = S_IFDIR | 0777 | S_ISVTX};
    struct tmpfs *tmpfs = calloc(1, sizeof(*tmpfs));
    struct tmpfs_inode *inode;

    if (tmpfs == NULL) {
        return ENOMEM;
    }
    tmpfs->volume = (struct volume){.ops = &tmpfs_ops, .root = TMPFS_ROOT, .is_memory = true};
    tmpfs->size = size < TMPFS_INODE_COST ? TMPFS_INODE_COST : size;
    if (tmpfs_inode_make(tmpfs, &root, &inode) != 0) {
        free(tmpfs->inodes);
        free(tmpfs);
        return ENOMEM;
    }
    inode->links = 2;
    inode->parent = inode;
    *volume = &tmpfs->volume;
    return 0;
}
