/* contents.c - the contents of files: one memory object for a node, whose pages are what clients
 * map and what is read and written for them here, through a window on the same object.
 *
 * A page the kernel asks for to be read is locked against writing until the volume has room for it
 * (volume.h: prepare), so that what a client writes to memory is never lost for lack of room. */
#include <errno.h>
#include <mach_port.h>
#include <portolan/portolan.h>
#include <portolan/server_loop.h>
#include <stdlib.h>
#include <time.h>

#include <gnumach.h>
#include <mach4.h>

#include "block_device.h"
#include "fs_impl.h"

#define CONTENTS_THREADS 2u
#define CONTENTS_WINDOW  (256 * (uint64_t)FS_PAGE) /* the least that is mapped */
#define CONTENTS_READ    (16ul << 20)              /* the most read at once */
#define CONTENTS_CLEAN   (1ul << 20)               /* the most written back at once */

static struct server contents_servers[CONTENTS_THREADS];
static __thread struct node *contents_ended; /* by the notification that is served */

static const struct volume_ops *contents_ops(const struct node *node)
{
    return node->mount->volume->ops;
}

/* --- the kernel's requests: threads of their own, which take no node's lock --- */

/* Have the volume make room for what is to be written of a range. */
static int contents_prepare(struct node *node, uint64_t offset, uint64_t size)
{
    struct volume *volume = node->mount->volume;
    uint64_t end = node->size;

    if (volume->is_read_only) {
        return EROFS;
    }
    if (offset >= end) {
        return 0;
    }
    node->is_dirty = true;
    return volume->ops->prepare(volume, node->inode, offset,
                                size < end - offset ? size : end - offset);
}

/* What of a range there is, and its pages. The mount's lock is held. */
static uint64_t contents_fetch(struct node *node, uint64_t offset, uint64_t size, bool to_write,
                               void **pages)
{
    struct volume *volume = node->mount->volume;
    uint64_t end = fs_page_up(node->size);
    uint64_t there = offset >= end ? 0 : size < end - offset ? size : end - offset;

    if (there == 0 || node->is_pinned || (to_write && contents_prepare(node, offset, there) != 0) ||
        volume->ops->read_pages(volume, node->inode, offset, there, pages) != 0) {
        return 0;
    }
    return there;
}

/* That there is nothing is said before the file can grow (contents_extend): who touches what is new
 * must not get the answer to an older question. */
static void contents_read_range(struct pager *pager, void *context, vm_offset_t offset,
                                vm_size_t size, vm_prot_t access)
{
    struct node *node = context;
    bool to_write = (access & VM_PROT_WRITE) != 0;
    uint64_t there;
    void *pages;

    mount_lock(node->mount);
    there = contents_fetch(node, offset, size, to_write, &pages);
    if (there < size) {
        pager_error(pager, offset + there, size - there, KERN_MEMORY_ERROR);
    }
    mount_unlock(node->mount);
    if (there != 0) {
        (void)pager_supply_locked(pager, offset, pages, there, true,
                                  to_write ? VM_PROT_NONE : VM_PROT_WRITE);
    }
}

static void contents_write_range(struct pager *pager, void *context, vm_offset_t offset,
                                 vm_size_t size, const void *pages)
{
    struct node *node = context;
    int error;

    (void)pager;
    mount_lock(node->mount);
    error = contents_ops(node)->write_pages(node->mount->volume, node->inode, offset, size, pages);
    mount_unlock(node->mount);
    if (error != 0) {
        node->failed = error;
    }
}

static void contents_set_modified(struct node *node)
{
    struct stat st;

    clock_gettime(CLOCK_REALTIME, &st.st_mtim);
    (void)contents_ops(node)->set(node->mount->volume, node->inode, &st, VOLUME_SET_MTIME);
}

/* Somebody writes to memory: so are those around it likely to be. */
static kern_return_t contents_unlock_page(struct pager *pager, void *context, vm_offset_t offset,
                                          vm_prot_t access)
{
    struct node *node = context;
    uint64_t start = offset & ~(FS_CLUSTER - 1);
    int error;

    (void)access;
    mount_lock(node->mount);
    error = contents_prepare(node, start, FS_CLUSTER);
    if (error != 0) {
        start = offset;
        error = contents_prepare(node, offset, FS_PAGE);
    }
    if (error == 0) {
        contents_set_modified(node);
    }
    mount_unlock(node->mount);
    if (error != 0) {
        pager_error(pager, offset, FS_PAGE, KERN_MEMORY_ERROR);
        return KERN_MEMORY_ERROR;
    }
    (void)pager_restrict(pager, start, start == offset ? FS_PAGE : FS_CLUSTER, VM_PROT_NONE);
    return PAGER_LATER;
}

static void contents_end(struct pager *pager, void *context)
{
    (void)pager;
    contents_ended = node_lost_pager(context);
}

static const struct pager_ops contents_pager = {.read_range = contents_read_range,
                                                .write_range = contents_write_range,
                                                .unlock_page = contents_unlock_page,
                                                .end = contents_end};

/* Whether the object has senders, and that it is gone, is one step for contents_object(). */
static void contents_no_senders(uint64_t port, mach_port_mscount_t mscount)
{
    contents_ended = NULL;
    node_table_lock();
    pager_no_senders(port, mscount);
    node_table_unlock();
    if (contents_ended != NULL) {
        node_free(contents_ended);
    }
}

static boolean_t contents_demux(mach_msg_header_t *in, mach_msg_header_t *out)
{
    return pager_demux(in, out);
}

void contents_start(void)
{
    for (unsigned i = 0; i < CONTENTS_THREADS; i++) {
        struct server *server = &contents_servers[i];

        server->demux = contents_demux;
        server->no_senders = contents_no_senders;
        if (server_set_create(&server->receive) != KERN_SUCCESS ||
            server_add_thread(server) != KERN_SUCCESS) {
            portolan_print("fs: no memory for the threads that serve memory objects\n");
            exit(1);
        }
    }
}

/* --- the window; the node's lock is held --- */

/* A send right to the memory object, which is made if there is none. */
static kern_return_t contents_object(struct node *node, mach_port_t *object)
{
    static const struct pager_attributes attributes = {.copy_strategy = MEMORY_OBJECT_COPY_DELAY};
    kern_return_t kr = KERN_SUCCESS;

    node_table_lock();
    if (node->pager == NULL) {
        kr = pager_create(contents_servers[node->inode % CONTENTS_THREADS].receive, &contents_pager,
                          node, &attributes, &node->pager);
    }
    if (kr == KERN_SUCCESS) {
        *object = pager_port(node->pager);
        kr = syscall_mach_port_insert_right(mach_task_self(), *object, *object,
                                            MACH_MSG_TYPE_MAKE_SEND);
    }
    node_table_unlock();
    return kr;
}

void contents_unmap(struct node *node)
{
    pthread_mutex_lock(&node->lock);
    if (node->window != NULL) {
        (void)vm_deallocate(mach_task_self(), (vm_address_t)node->window, node->window_size);
        node->window = NULL;
        node->window_size = 0;
    }
    pthread_mutex_unlock(&node->lock);
}

/* Have [0, end) of the file mapped. */
static int contents_window(struct node *node, uint64_t end)
{
    uint64_t size = CONTENTS_WINDOW;
    vm_address_t window = 0;
    mach_port_t object;
    kern_return_t kr;

    if (node->is_pinned) {
        return EPERM;
    }
    if (node->window != NULL && end <= node->window_size) {
        return 0;
    }
    while (size < end) {
        size *= 2;
    }
    kr = contents_object(node, &object);
    if (kr == KERN_SUCCESS) {
        kr = vm_map(mach_task_self(), &window, size, FS_CLUSTER - 1, true, object, 0, false,
                    VM_PROT_DEFAULT, VM_PROT_DEFAULT, VM_INHERIT_NONE);
        (void)mach_port_mod_refs(mach_task_self(), object, MACH_PORT_RIGHT_SEND, -1);
    }
    if (kr != KERN_SUCCESS) {
        return ENOMEM;
    }
    if (node->window != NULL) {
        (void)vm_deallocate(mach_task_self(), (vm_address_t)node->window, node->window_size);
    }
    node->window = (char *)window;
    node->window_size = size;
    return 0;
}

/* Zeroes in the part of a page that lies from `from` on, up to `to`. */
static int contents_zero(struct node *node, uint64_t from, uint64_t to)
{
    static const char zeroes[FS_PAGE];
    uint64_t page_end = fs_page_up(from);
    int error;

    to = to < page_end ? to : page_end;
    if (from >= to) {
        return 0;
    }
    error = contents_window(node, page_end);
    if (error != 0) {
        return error;
    }
    return guard_copy(node->window + from, zeroes, to - from) ? 0 : EIO;
}

/* --- reading --- */

/* How much there is to be read, mapped. */
static int contents_reach(struct node *node, uint64_t offset, size_t size, size_t *there)
{
    uint64_t end = node->size;

    *there = offset >= end ? 0 : size < end - offset ? size : end - offset;
    return *there != 0 ? contents_window(node, offset + *there) : 0;
}

int contents_read(struct node *node, uint64_t offset, void *data, size_t size, size_t *done)
{
    size_t there;
    int error;

    pthread_mutex_lock(&node->lock);
    error = contents_reach(node, offset, size, &there);
    if (error == 0 && !guard_copy(data, node->window + offset, there)) {
        error = EIO;
    }
    pthread_mutex_unlock(&node->lock);
    if (error == 0) {
        *done = there;
    }
    return error;
}

/* Have pages in memory: what is copied lazily would fail where nobody can say why. */
static bool contents_touch(const char *from, size_t size)
{
    char byte;

    for (size_t at = 0; at < size; at += FS_PAGE) {
        if (!guard_copy(&byte, from + at, 1)) {
            return false;
        }
    }
    return size == 0 || guard_copy(&byte, from + size - 1, 1);
}

int contents_read_memory(struct node *node, uint64_t offset, size_t size, vm_address_t *data,
                         size_t *done)
{
    mach_msg_type_number_t count = 0;
    size_t there;
    int error;

    size = size < CONTENTS_READ ? size : CONTENTS_READ;
    pthread_mutex_lock(&node->lock);
    error = contents_reach(node, offset, size, &there);
    if (error == 0 && there != 0) {
        if (!contents_touch(node->window + offset, there)) {
            error = EIO;
        } else if (vm_read(mach_task_self(), (vm_address_t)node->window + offset, there, data,
                           &count) != KERN_SUCCESS) {
            error = ENOMEM;
        }
    }
    pthread_mutex_unlock(&node->lock);
    if (error == 0) {
        *done = count;
    }
    return error;
}

/* --- writing --- */

/* Make room for [offset, end), in the volume and in the file. */
static int contents_extend(struct node *node, uint64_t offset, uint64_t end)
{
    struct volume *volume = node->mount->volume;
    struct stat st = {.st_size = (off_t)end};
    int error;

    mount_lock(node->mount);
    error = volume->is_read_only ? EROFS
                                 : volume->ops->prepare(volume, node->inode, offset, end - offset);
    if (error == 0 && end > node->size) {
        error = volume->ops->set(volume, node->inode, &st, VOLUME_SET_SIZE);
    }
    if (error == 0) {
        node->size = end > node->size ? end : node->size;
        contents_set_modified(node);
    }
    mount_unlock(node->mount);
    return error;
}

static int contents_put(struct node *node, uint64_t offset, const void *data, size_t size)
{
    uint64_t old = node->size;
    uint64_t end = offset + size;
    int error;

    if (end < offset || end > FS_FILE_MAX) {
        return EFBIG;
    }
    error = contents_window(node, end);
    if (error == 0) {
        error = contents_extend(node, offset, end);
    }
    if (error != 0) {
        return error;
    }
    node->is_dirty = true;
    if (end > old) {
        error = contents_zero(node, old, offset); /* somebody may have written behind the end */
    }
    if (error == 0 && !guard_copy(node->window + offset, data, size)) {
        error = EIO;
    }
    return error;
}

int contents_write(struct node *node, uint64_t *offset, bool append, const void *data, size_t size)
{
    uint64_t at;
    int error = 0;

    pthread_mutex_lock(&node->lock);
    at = append ? node->size : *offset;
    if (size != 0) {
        error = contents_put(node, at, data, size);
    }
    if (error == 0) {
        *offset = at + size;
    }
    pthread_mutex_unlock(&node->lock);
    return error;
}

/* Forget pages behind the new end; none of them may come back when the file grows again. */
static int contents_cut(struct node *node, uint64_t size, uint64_t old)
{
    uint64_t start = fs_page_up(size);
    uint64_t end = fs_page_up(old);
    bool has_pages;
    int error = 0;

    node_table_lock();
    has_pages = node->pager != NULL;
    node_table_unlock();
    if (!has_pages) {
        return 0;
    }
    error = contents_window(node, 1); /* now it stays */
    if (error == 0 && start < end) {
        (void)pager_discard(node->pager, start, end - start);
        (void)pager_barrier(node->pager);
    }
    return error != 0 ? error : contents_zero(node, size, start);
}

static int contents_resize(struct node *node, uint64_t size)
{
    struct volume *volume = node->mount->volume;
    struct stat st = {.st_size = (off_t)size};
    int error;

    mount_lock(node->mount);
    error =
        volume->is_read_only ? EROFS : volume->ops->set(volume, node->inode, &st, VOLUME_SET_SIZE);
    if (error == 0) {
        node->size = size;
        contents_set_modified(node);
    }
    mount_unlock(node->mount);
    return error;
}

int contents_truncate(struct node *node, uint64_t size)
{
    uint64_t old;
    int error;

    if (size > FS_FILE_MAX) {
        return EFBIG;
    }
    pthread_mutex_lock(&node->lock);
    old = node->size;
    error = contents_resize(node, size);
    if (error == 0) {
        error = size < old ? contents_cut(node, size, old) : contents_zero(node, old, size);
    }
    pthread_mutex_unlock(&node->lock);
    return error;
}

/* Have the changed pages of a part written. Returns: whether there is more behind it. */
static bool contents_clean_part(struct node *node, uint64_t offset, int *error)
{
    uint64_t end;

    pthread_mutex_lock(&node->lock);
    end = fs_page_up(node->size);
    if (offset < end) {
        *error = contents_window(node, 1);
        if (*error == 0) {
            uint64_t left = end - offset;

            (void)pager_clean(node->pager, offset, left < CONTENTS_CLEAN ? left : CONTENTS_CLEAN);
            (void)pager_barrier(node->pager);
        }
    }
    pthread_mutex_unlock(&node->lock);
    return *error == 0 && offset < end;
}

int contents_clean(struct node *node)
{
    int error = 0;

    if (node->is_dirty && !node->mount->volume->is_memory) {
        for (uint64_t at = 0; contents_clean_part(node, at, &error);) {
            at += CONTENTS_CLEAN; /* others have their turn in between */
        }
    }
    return error != 0 ? error : atomic_exchange(&node->failed, 0);
}

/* --- for clients --- */

int contents_map(struct node *node, vm_prot_t protection, mach_port_t *object)
{
    vm_offset_t zero = 0;
    vm_size_t size = FS_FILE_MAX;
    mach_port_t whole;
    kern_return_t kr;

    pthread_mutex_lock(&node->lock);
    kr = contents_window(node, 1) == 0 ? contents_object(node, &whole) : KERN_RESOURCE_SHORTAGE;
    if (kr == KERN_SUCCESS) {
        kr = memory_object_create_proxy(mach_task_self(), protection, &whole,
                                        MACH_MSG_TYPE_MOVE_SEND, 1, &zero, 1, &zero, 1, &size, 1,
                                        object);
    }
    pthread_mutex_unlock(&node->lock);
    return kr == KERN_SUCCESS ? 0 : ENOMEM;
}
