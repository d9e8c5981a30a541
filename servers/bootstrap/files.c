/* files.c - io.defs and dir.defs over the archive: everything can be read, nothing changed. An open
 * file is a port; it goes when the last right to it does. */
#include <errno.h>
#include <fcntl.h>
#include <portolan/errno.h>
#include <portolan/io_types.h>
#include <portolan/server_loop.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <mach_port.h>

#include "bootstrap_impl.h"
#include "dir_server.h"
#include "io_server.h"

#define ROOT_INDEX     0
#define OPEN_MAX_FILES 4096
#define ACCESS_MODE    3 /* libc's O_ACCMODE has the bit of O_PATH too */

struct file {
    struct archive_node *node; /* NULL: free */
    uint64_t position;
    mach_port_t port; /* receive right */
};

static struct file *files;
static uint32_t file_slots;

/* A free slot, the table made larger as needed; OPEN_MAX_FILES when there is none. */
static uint32_t file_slot(void)
{
    struct file *larger;
    uint32_t slot = 0;

    while (slot < file_slots && files[slot].node != NULL) {
        slot++;
    }
    if (slot < file_slots || slot == OPEN_MAX_FILES) {
        return slot;
    }
    larger = realloc(files, (file_slots + 16) * sizeof(*files));
    if (larger == NULL) {
        return OPEN_MAX_FILES;
    }
    memset(larger + file_slots, 0, 16 * sizeof(*files));
    files = larger;
    file_slots += 16;
    return slot;
}

static kern_return_t file_open(struct archive_node *node, mach_port_t *port)
{
    uint32_t slot = file_slot();
    kern_return_t kr;

    if (slot == OPEN_MAX_FILES) {
        return PORTOLAN_ERRNO(ENFILE);
    }
    kr = server_object_create(bootstrap.set, OBJECT_FILE | slot, &files[slot].port);
    if (kr != KERN_SUCCESS) {
        return kr;
    }
    files[slot].node = node;
    files[slot].position = 0;
    *port = files[slot].port;
    return KERN_SUCCESS;
}

/* The open file a request is for, or NULL. */
static struct file *file_of(mach_port_t object)
{
    uint32_t slot = object & OBJECT_INDEX;

    if ((object & OBJECT_KIND) != OBJECT_FILE || slot >= file_slots || files[slot].node == NULL) {
        return NULL;
    }
    return &files[slot];
}

void files_init(void)
{
    mach_port_t port;

    if (file_open(bootstrap.root, &port) != KERN_SUCCESS) {
        portolan_print("bootstrap: no memory for the root directory\n");
    }
}

mach_port_t files_root(void)
{
    return files[ROOT_INDEX].port;
}

/* Clients can send such a message too, so the port itself is asked. */
void files_no_senders(uint32_t index)
{
    mach_port_status_t status;

    if (index == ROOT_INDEX || index >= file_slots || files[index].node == NULL ||
        mach_port_get_receive_status(mach_task_self(), files[index].port, &status) !=
            KERN_SUCCESS ||
        status.mps_srights) {
        return;
    }
    portolan_port_destroy_receive(files[index].port);
    files[index].node = NULL;
}

kern_return_t serve_io_read(mach_port_t object, int64_t offset, natural_t wanted, io_data_t data,
                            mach_msg_type_number_t *count)
{
    struct file *file = file_of(object);
    uint64_t at, n;

    if (file == NULL) {
        return MIG_BAD_ID;
    }
    if (file->node->is_directory) {
        return PORTOLAN_ERRNO(EISDIR);
    }
    if (offset < IO_POSITION) {
        return PORTOLAN_ERRNO(EINVAL);
    }
    at = offset == IO_POSITION ? file->position : (uint64_t)offset;
    n = at < file->node->size ? file->node->size - at : 0;
    n = n > wanted ? wanted : n;
    n = n > *count ? *count : n;
    if (n != 0) {
        memcpy(data, file->node->data + at, n);
    }
    if (offset == IO_POSITION) {
        file->position += n;
    }
    *count = (mach_msg_type_number_t)n;
    return KERN_SUCCESS;
}

kern_return_t serve_io_write(mach_port_t object, int64_t offset, io_data_t data,
                             mach_msg_type_number_t count, natural_t *written)
{
    struct file *file = file_of(object);

    (void)offset;
    (void)data;
    if (file == NULL) {
        return MIG_BAD_ID;
    }
    if (file->node->device == 0) {
        return PORTOLAN_ERRNO(EROFS);
    }
    *written = count;
    return KERN_SUCCESS;
}

kern_return_t serve_io_seek(mach_port_t object, int64_t offset, int whence, int64_t *position)
{
    struct file *file = file_of(object);
    int64_t base;

    if (file == NULL) {
        return MIG_BAD_ID;
    }
    if (whence != SEEK_SET && whence != SEEK_CUR && whence != SEEK_END) {
        return PORTOLAN_ERRNO(EINVAL);
    }
    base =
        whence == SEEK_SET ? 0 : (int64_t)(whence == SEEK_CUR ? file->position : file->node->size);
    if (__builtin_add_overflow(base, offset, &base) || base < 0) {
        return PORTOLAN_ERRNO(EINVAL);
    }
    file->position = (uint64_t)base;
    *position = base;
    return KERN_SUCCESS;
}

static uint8_t node_type(const struct archive_node *node)
{
    if (node->device != 0) {
        return IO_TYPE_CONSOLE;
    }
    return node->is_directory ? IO_TYPE_DIRECTORY : IO_TYPE_FILE;
}

kern_return_t serve_io_stat(mach_port_t object, io_stat_t stat, mach_msg_type_number_t *count)
{
    struct file *file = file_of(object);
    int64_t all[IO_STAT_COUNT] = {0};

    if (file == NULL) {
        return MIG_BAD_ID;
    }
    all[IO_STAT_TYPE] = node_type(file->node);
    all[IO_STAT_MODE] = file->node->mode;
    all[IO_STAT_SIZE] = (int64_t)file->node->size;
    all[IO_STAT_INODE] = file->node->inode;
    all[IO_STAT_LINKS] = 1;
    all[IO_STAT_DEVICE] = 1;
    all[IO_STAT_BLOCKS] = (int64_t)((file->node->size + 511) / 512);
    *count = *count < IO_STAT_COUNT ? *count : IO_STAT_COUNT;
    memcpy(stat, all, *count * sizeof(*all));
    return KERN_SUCCESS;
}

kern_return_t serve_io_truncate(mach_port_t object, int64_t size)
{
    (void)size;
    return file_of(object) == NULL ? MIG_BAD_ID : PORTOLAN_ERRNO(EROFS);
}

kern_return_t serve_io_poll(mach_port_t object, int *ready)
{
    if (file_of(object) == NULL) {
        return MIG_BAD_ID;
    }
    *ready = IO_READY_READ | IO_READY_WRITE;
    return KERN_SUCCESS;
}

/* Is opening with these flags possible where nothing can be changed? */
static kern_return_t open_check(const struct archive_node *node, bool not_directory, int flags)
{
    bool writes =
        (flags & (O_WRONLY | O_RDWR | O_TRUNC)) != 0; /* O_ACCMODE has O_PATH in it here */

    if (node == NULL) {
        if (not_directory) {
            return PORTOLAN_ERRNO(ENOTDIR);
        }
        return PORTOLAN_ERRNO((flags & O_CREAT) != 0 ? EROFS : ENOENT);
    }
    if ((flags & O_CREAT) != 0 && (flags & O_EXCL) != 0) {
        return PORTOLAN_ERRNO(EEXIST);
    }
    if ((flags & O_DIRECTORY) != 0 && !node->is_directory) {
        return PORTOLAN_ERRNO(ENOTDIR);
    }
    if (writes && node->device == 0) {
        return PORTOLAN_ERRNO(node->is_directory ? EISDIR : EROFS);
    }
    return KERN_SUCCESS;
}

kern_return_t serve_dir_open(mach_port_t dir, const char *path, int flags, int mode,
                             mach_port_t *object, mach_msg_type_name_t *how)
{
    struct file *file = file_of(dir);
    struct archive_node *node;
    bool not_directory;
    kern_return_t kr;

    (void)mode;
    if (file == NULL) {
        return MIG_BAD_ID;
    }
    if (!file->node->is_directory) {
        return PORTOLAN_ERRNO(ENOTDIR);
    }
    node = archive_lookup(bootstrap.root, file->node, path, &not_directory);
    kr = open_check(node, not_directory, flags);
    if (kr != KERN_SUCCESS) {
        return kr;
    }
    if (node->device == 'c') {
        *object = names_port("console");
        *how = MACH_MSG_TYPE_COPY_SEND;
        return *object != MACH_PORT_NULL ? KERN_SUCCESS : PORTOLAN_ERRNO(ENXIO);
    }
    *how = MACH_MSG_TYPE_MAKE_SEND;
    return file_open(node, object);
}

kern_return_t serve_dir_read(mach_port_t dir, int64_t position, int64_t *next,
                             dir_entries_t entries, mach_msg_type_number_t *count)
{
    struct file *file = file_of(dir);
    uint32_t used = 0;

    if (file == NULL) {
        return MIG_BAD_ID;
    }
    if (!file->node->is_directory) {
        return PORTOLAN_ERRNO(ENOTDIR);
    }
    if (position < 0) {
        return PORTOLAN_ERRNO(EINVAL);
    }
    for (;; position++) {
        struct archive_node *node = archive_member(file->node, (uint64_t)position);
        struct dir_record record;
        size_t length;

        if (node == NULL) {
            break;
        }
        length = strlen(node->name) + 1;
        if (DIR_RECORD_FIXED + length > *count - used) {
            break;
        }
        record = (struct dir_record){.inode = node->inode, .type = node_type(node)};
        memcpy(entries + used, &record, DIR_RECORD_FIXED);
        memcpy(entries + used + DIR_RECORD_FIXED, node->name, length);
        used += (uint32_t)(DIR_RECORD_FIXED + length);
    }
    *next = position;
    *count = used;
    return KERN_SUCCESS;
}

kern_return_t serve_dir_unlink(mach_port_t dir, const char *path, int flags)
{
    (void)path;
    (void)flags;
    return file_of(dir) == NULL ? MIG_BAD_ID : KERN_NO_ACCESS;
}

kern_return_t serve_dir_rename(mach_port_t dir, const char *path, const char *new_path)
{
    (void)path;
    (void)new_path;
    return file_of(dir) == NULL ? MIG_BAD_ID : KERN_NO_ACCESS;
}

kern_return_t serve_dir_make(mach_port_t dir, const char *path, int mode)
{
    (void)path;
    (void)mode;
    return file_of(dir) == NULL ? MIG_BAD_ID : KERN_NO_ACCESS;
}

/* Put the names of a directory and of those above it, but the root, behind each other. */
static bool dir_path_put(const struct archive_node *node, char *path)
{
    size_t length;

    if (node->parent == node) {
        path[0] = '\0';
        return true;
    }
    if (!dir_path_put(node->parent, path)) {
        return false;
    }
    length = strlen(path);
    return (size_t)snprintf(path + length, DIR_PATH_MAX - length, "%s%s", length != 0 ? "/" : "",
                            node->name) < DIR_PATH_MAX - length;
}

kern_return_t serve_dir_path(mach_port_t dir, const char *path, dir_path_t true_path)
{
    struct file *file = file_of(dir);
    struct archive_node *node;
    bool not_directory;

    if (file == NULL) {
        return MIG_BAD_ID;
    }
    node = archive_lookup(bootstrap.root, file->node, path, &not_directory);
    if (node == NULL || !node->is_directory) {
        return PORTOLAN_ERRNO(node != NULL || not_directory ? ENOTDIR : ENOENT);
    }
    return dir_path_put(node, true_path) ? KERN_SUCCESS : PORTOLAN_ERRNO(ENAMETOOLONG);
}
