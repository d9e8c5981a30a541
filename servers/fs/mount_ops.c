/* mount_ops.c - the routines of file.defs that mount and unmount: for whoever has the privileged
 * host port. */
#include <errno.h>
#include <mach_port.h>
#include <portolan/file_types.h>
#include <portolan/portolan.h>

#include "file_server.h"
#include "fs_impl.h"

#define MOUNT_OPS_WHY_MAX 128

/* Rights to the same port have the same name. Without a host port of its own the server lets nobody
 * mount. */
int mount_ops_check(mach_port_t host)
{
    mach_port_t own = portolan_port("host");

    return own != MACH_PORT_NULL && host == own ? 0 : EPERM;
}

/* The right came with the request: in a reply of KERN_SUCCESS it is the routine's to give up. */
static kern_return_t mount_ops_done(mach_port_t host, int error)
{
    if (error == 0) {
        (void)mach_port_deallocate(mach_task_self(), host);
    }
    return fs_code(error);
}

kern_return_t serve_file_mount(mach_port_t dir, mach_port_t host, const char *kind,
                               const char *source, const char *place, int flags)
{
    struct opened *opened = opened_get();
    char why[MOUNT_OPS_WHY_MAX];
    int error;

    (void)dir;
    if (opened == NULL) {
        return MIG_BAD_ID;
    }
    opened_put(opened);
    error = mount_ops_check(host);
    if (error == 0 && (flags & ~FILE_MOUNT_READ_ONLY) != 0) {
        error = EINVAL;
    }
    if (error == 0) {
        error =
            mount_add(kind, source, place, (flags & FILE_MOUNT_READ_ONLY) != 0, why, sizeof(why));
        if (error != 0 && why[0] != '\0') {
            portolan_print("fs: %s:%s is not mounted on %s: %s\n", kind, source, place, why);
        }
    }
    return mount_ops_done(host, error);
}

kern_return_t serve_file_unmount(mach_port_t dir, mach_port_t host, const char *place)
{
    struct opened *opened = opened_get();
    int error;

    (void)dir;
    if (opened == NULL) {
        return MIG_BAD_ID;
    }
    opened_put(opened);
    error = mount_ops_check(host);
    error = error == 0 ? mount_end(place) : error;
    return mount_ops_done(host, error);
}
