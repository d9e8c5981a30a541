/* pin_ops.c - file_pin: a file whose blocks are read and written past this server. */
#include <errno.h>
#include <mach_port.h>
#include <portolan/file_types.h>
#include <stdio.h>
#include <string.h>

#include "file_server.h"
#include "fs_impl.h"

/* Where the contents lie. From then on nobody reads or writes them here: they would see what is not
 * the file's. */
static int pin_ops_volume(struct node *node, struct volume_run *runs, unsigned *count)
{
    struct volume *volume = node->mount->volume;
    int error;

    if (volume->ops->pin == NULL) {
        return ENOTSUP;
    }
    error = contents_clean(node);
    if (error == 0) {
        mount_lock(node->mount);
        error = volume->ops->pin(volume, node->inode, runs, FILE_RUNS_MAX, count);
        mount_unlock(node->mount);
    }
    return error;
}

/* The file stays in use: its file system is not unmounted. Refs: takes the node over. */
static int pin_ops_node(struct node *node, char *device, file_runs_t runs, unsigned *count)
{
    static struct volume_run found[FILE_RUNS_MAX];
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    int error;

    pthread_mutex_lock(&lock);
    error = S_ISREG(node->type) ? pin_ops_volume(node, found, count) : EINVAL;
    for (unsigned i = 0; error == 0 && i < *count; i++) {
        runs[2 * i] = (int64_t)found[i].offset;
        runs[2 * i + 1] = (int64_t)found[i].size;
    }
    pthread_mutex_unlock(&lock);
    if (error == 0) {
        snprintf(device, DIR_PATH_MAX, "%s", node->mount->source);
    }
    if (error != 0 || atomic_exchange(&node->is_pinned, true)) {
        node_put(node);
    } else {
        contents_unmap(node);
    }
    return error;
}

kern_return_t serve_file_pin(mach_port_t dir, mach_port_t host, const char *path, dir_path_t device,
                             file_runs_t runs, mach_msg_type_number_t *count)
{
    struct opened *opened = opened_get();
    int error = mount_ops_check(host);
    unsigned found = 0;
    struct walk walked;

    (void)dir;
    if (opened == NULL) {
        return MIG_BAD_ID;
    }
    if (error == 0 && *count < 2 * FILE_RUNS_MAX) {
        error = EINVAL;
    }
    if (error == 0) {
        error = walk(opened->node, path, WALK_FOLLOW, &walked);
    }
    opened_put(opened);
    if (error == 0) {
        error = pin_ops_node(node_ref(walked.node), device, runs, &found);
        walk_done(&walked);
    }
    if (error == 0) {
        *count = 2 * found;
        (void)mach_port_deallocate(mach_task_self(), host);
    }
    return fs_code(error);
}
