/* disk_swap.c - swap on a disk of a driver. A driver that dies is started again and asked again
 * (block_device.c). For that neither the driver nor the device master needs memory that is in swap:
 * theirs is wired, and for writing they may use the reserve (device_master_keep). The first page is
 * the mark, which stays. */
#include "disk_swap.h"

#include <errno.h>
#include <mach.h>
#include <mach_host.h>
#include <mach/vm_param.h>
#include <portolan/error.h>
#include <portolan/portolan.h>
#include <string.h>

#include "device_master.h"
#include "servers/fs/block_device_open.h"
#include "swap_header.h"

#define MEMORY_FACTOR 8u /* the tables of more would take too much memory */

static struct block_device *disk_swap_device;

/* A page at a time, in the message: memory on its way here could be paged out, to here. */
static bool disk_swap_read(uint32_t block, uint32_t count, void *data)
{
    int error = 0;

    for (uint32_t i = 0; i < count && error == 0; i++) {
        error =
            block_device_read_page(disk_swap_device, ((uint64_t)block + i + 1) * STORE_BLOCK_SIZE,
                                   (char *)data + (size_t)i * STORE_BLOCK_SIZE);
    }
    return error == 0;
}

static bool disk_swap_write(uint32_t block, uint32_t count, const void *data)
{
    struct block_device *device = disk_swap_device;

    return device->ops->write(device, ((uint64_t)block + 1) * STORE_BLOCK_SIZE,
                              (size_t)count * STORE_BLOCK_SIZE, data) == 0;
}

/* Returns: a sentence that says why it is not used, or NULL. */
static const char *disk_swap_check(struct block_device *device, uint32_t *pages)
{
    static char header[SWAP_HEADER_SIZE];

    if (device->is_read_only) {
        return "it cannot be written";
    }
    if (device->size < SWAP_HEADER_SIZE || block_device_read_page(device, 0, header) != 0) {
        return "its first page cannot be read";
    }
    return swap_header_check(header, device->size, pages);
}

static uint32_t disk_swap_most(void)
{
    struct host_basic_info host;
    mach_msg_type_number_t count = HOST_BASIC_INFO_COUNT;

    return host_info(mach_host_self(), HOST_BASIC_INFO, (host_info_t)&host, &count) == KERN_SUCCESS
               ? (uint32_t)(host.memory_size / STORE_BLOCK_SIZE * MEMORY_FACTOR)
               : 0;
}

bool disk_swap_open(mach_port_t host, const char *name, struct store_device *device)
{
    struct block_device *disk;
    const char *why;
    mach_port_t master;
    uint32_t pages = 0;
    kern_return_t kr;

    if (portolan_look_up("device_master", &master) != KERN_SUCCESS ||
        block_device_open(master, name, &disk) != 0) {
        return false; /* not every machine has every disk of the manifest */
    }
    why = disk_swap_check(disk, &pages);
    if (why == NULL) {
        kr = device_master_keep(master, host, name);
        why = kr != KERN_SUCCESS ? mach_error_string(kr) : NULL;
    }
    if (why != NULL) {
        portolan_print("pager: %s is not used: %s\n", name, why);
        disk->ops->close(disk);
        return false;
    }
    disk_swap_device = disk;
    *device = (struct store_device){pages < disk_swap_most() ? pages : disk_swap_most(),
                                    disk_swap_read, disk_swap_write};
    portolan_print("pager: swap on %s, %u MiB\n", name,
                   device->blocks / ((1u << 20) / STORE_BLOCK_SIZE));
    return true;
}
