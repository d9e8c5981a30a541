/* source.c - what can be mounted: tmpfs (source: how many MiB), ext2 (source: a disk's name). */
#include <errno.h>
#include <mach_host.h>
#include <portolan/portolan.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "block_device_open.h"
#include "fs_impl.h"

#define SOURCE_TMPFS_SHARE 8

/* So many MiB, but no more than an eighth of the machine's memory: what is in use of a tmpfs is in
 * memory twice, here and in the kernel's cache, and can go nowhere else. 0: that is no number. */
static uint64_t source_tmpfs_size(const char *mib)
{
    struct host_basic_info host;
    mach_msg_type_number_t count = HOST_BASIC_INFO_COUNT;
    char *end;
    uint64_t size = strtoul(mib, &end, 10);

    size = *end == '\0' && size <= UINT32_MAX ? size << 20 : 0;
    if (host_info(mach_host_self(), HOST_BASIC_INFO, (host_info_t)&host, &count) == KERN_SUCCESS &&
        size > host.memory_size / SOURCE_TMPFS_SHARE) {
        size = host.memory_size / SOURCE_TMPFS_SHARE;
    }
    return size;
}

static int source_tmpfs(const char *mib, bool read_only, struct volume **volume)
{
    uint64_t size = source_tmpfs_size(mib);
    int error = size != 0 ? tmpfs_mount(size, volume) : EINVAL;

    if (error == 0) {
        (*volume)->is_read_only = read_only;
    }
    return error;
}

/* The port of the service stays the same when that is started again. */
static mach_port_t source_device_master(void)
{
    static mach_port_t master;

    if (master == MACH_PORT_NULL && portolan_look_up("device_master", &master) != KERN_SUCCESS) {
        master = MACH_PORT_NULL;
    }
    return master;
}

/* What lies on a disk. Waits for its driver. */
static int source_disk(const char *name, bool read_only, struct volume **volume, char *why,
                       size_t why_size)
{
    mach_port_t master = source_device_master();
    struct block_device *device;
    int error = master != MACH_PORT_NULL ? block_device_open(master, name, &device) : ENODEV;

    if (error != 0) {
        return error;
    }
    error = ext2_mount(device, read_only || device->is_read_only, volume, why, why_size);
    if (error != 0) {
        device->ops->close(device);
    }
    return error;
}

int source_open(const char *kind, const char *source, bool read_only, struct volume **volume,
                char *why, size_t why_size)
{
    int error;

    why[0] = '\0';
    if (strcmp(kind, "tmpfs") == 0) {
        error = source_tmpfs(source, read_only, volume);
    } else if (strcmp(kind, "ext2") == 0) {
        error = source_disk(source, read_only, volume, why, why_size);
    } else {
        snprintf(why, why_size, "no such kind of file system");
        error = ENOTSUP;
    }
    return error;
}

/* disk0 is all of disk0s1; disk1 and disk10 have nothing in common. */
static bool source_is_part(const char *whole, const char *part)
{
    size_t length = strlen(whole);

    return strncmp(whole, part, length) == 0 && (part[length] == '\0' || part[length] == 's');
}

bool source_overlaps(const char *kind, const char *source, const char *other_kind,
                     const char *other)
{
    return strcmp(kind, "ext2") == 0 && strcmp(other_kind, "ext2") == 0 &&
           (source_is_part(source, other) || source_is_part(other, source));
}
