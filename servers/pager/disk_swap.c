/* disk_swap.c - swap on a disk of a driver, or in a file on one (file_pin): then the file server is
 * asked once, at the start, where the file lies, and the disk is used past it. A driver that dies
 * is started again and asked again (block_device.c). For that neither the driver nor the device
 * master needs memory that is in swap: theirs is wired, and for writing they may use the reserve
 * (device_master_keep). The first page is the mark, which stays. */
#include "disk_swap.h"

#include <errno.h>
#include <file.h>
#include <mach.h>
#include <mach_host.h>
#include <mach/vm_param.h>
#include <portolan/errno.h>
#include <portolan/error.h>
#include <portolan/file_types.h>
#include <portolan/portolan.h>
#include <stdio.h>
#include <string.h>

#include "device_master.h"
#include "servers/fs/block_device_open.h"
#include "swap_header.h"

#define MEMORY_FACTOR 8u /* the tables of more would take too much memory */

static struct block_device *disk_swap_device;

/* Where swap lies, in order, in pages: [first, first + count) of it from a byte of the device on. A
 * disk is one piece. A file has as many as its file system gave it; that takes no part any more. */
static struct disk_swap_run {
    uint64_t first, count, offset;
} disk_swap_runs[FILE_RUNS_MAX];
static unsigned disk_swap_run_count;

static uint64_t disk_swap_pages(void)
{
    const struct disk_swap_run *last = &disk_swap_runs[disk_swap_run_count - 1];

    return last->first + last->count;
}

/* The byte of the device where a page is, and how many follow each other there, of count. */
static uint64_t disk_swap_place(uint64_t page, uint64_t *count)
{
    unsigned low = 0, high = disk_swap_run_count;
    const struct disk_swap_run *run;
    uint64_t left;

    while (high - low > 1) {
        unsigned middle = (low + high) / 2;

        if (disk_swap_runs[middle].first <= page) {
            low = middle;
        } else {
            high = middle;
        }
    }
    run = &disk_swap_runs[low];
    left = run->first + run->count - page;
    *count = *count < left ? *count : left;
    return run->offset + (page - run->first) * STORE_BLOCK_SIZE;
}

/* A page at a time, in the message: memory on its way here could be paged out, to here. */
static bool disk_swap_read(uint32_t block, uint32_t count, void *data)
{
    int error = 0;

    for (uint32_t i = 0; i < count && error == 0; i++) {
        uint64_t one = 1;

        error =
            block_device_read_page(disk_swap_device, disk_swap_place((uint64_t)block + i + 1, &one),
                                   (char *)data + (size_t)i * STORE_BLOCK_SIZE);
    }
    return error == 0;
}

static bool disk_swap_write(uint32_t block, uint32_t count, const void *data)
{
    struct block_device *device = disk_swap_device;
    const char *from = data;
    uint64_t page = (uint64_t)block + 1;
    uint64_t end = page + count;

    while (page < end) {
        uint64_t n = end - page;
        uint64_t offset = disk_swap_place(page, &n);

        if (device->ops->write(device, offset, n * STORE_BLOCK_SIZE, from) != 0) {
            return false;
        }
        page += n;
        from += n * STORE_BLOCK_SIZE;
    }
    return true;
}

/* Returns: a sentence that says why it is not used, or NULL. */
static const char *disk_swap_check(struct block_device *device, uint32_t *pages)
{
    static char header[SWAP_HEADER_SIZE];
    uint64_t one = 1;

    if (device->is_read_only) {
        return "it cannot be written";
    }
    if (disk_swap_pages() == 0 ||
        block_device_read_page(device, disk_swap_place(0, &one), header) != 0) {
        return "its first page cannot be read";
    }
    return swap_header_check(header, disk_swap_pages() * STORE_BLOCK_SIZE, pages);
}

static uint32_t disk_swap_most(void)
{
    struct host_basic_info host;
    mach_msg_type_number_t count = HOST_BASIC_INFO_COUNT;

    return host_info(mach_host_self(), HOST_BASIC_INFO, (host_info_t)&host, &count) == KERN_SUCCESS
               ? (uint32_t)(host.memory_size / STORE_BLOCK_SIZE * MEMORY_FACTOR)
               : 0;
}

/* All of the disk. */
static void disk_swap_use_disk(const struct block_device *disk)
{
    disk_swap_runs[0] = (struct disk_swap_run){0, disk->size / STORE_BLOCK_SIZE, 0};
    disk_swap_run_count = 1;
}

/* The pieces of a file, and the name of the disk they are on. Returns: false when there is no such
 * file, or with a sentence said when it cannot be swap. Sleeps: until the file server serves. */
static bool disk_swap_use_file(mach_port_t host, const char *path, char *name)
{
    static file_runs_t runs;
    mach_msg_type_number_t count = 2 * FILE_RUNS_MAX;
    uint64_t first = 0;
    mach_port_t fs;
    kern_return_t kr = portolan_look_up("fs", &fs);

    kr = kr == KERN_SUCCESS ? file_pin(fs, host, path, name, runs, &count) : kr;
    if (kr != KERN_SUCCESS) {
        if (portolan_errno(kr) != ENOENT) {
            portolan_print("pager: %s is not used: %s\n", path, mach_error_string(kr));
        }
        return false;
    }
    for (unsigned i = 0; i < count / 2; i++) {
        disk_swap_runs[i] = (struct disk_swap_run){
            first, (uint64_t)runs[2 * i + 1] / STORE_BLOCK_SIZE, (uint64_t)runs[2 * i]};
        first += disk_swap_runs[i].count;
    }
    disk_swap_run_count = count / 2;
    return count != 0;
}

bool disk_swap_open(mach_port_t host, const char *name, struct store_device *device)
{
    static dir_path_t disk_name;
    bool is_file = name[0] == '/';
    struct block_device *disk;
    const char *why;
    mach_port_t master;
    uint32_t pages = 0;
    kern_return_t kr;

    if (is_file ? !disk_swap_use_file(host, name, disk_name)
                : snprintf(disk_name, sizeof(disk_name), "%s", name) < 0) {
        return false;
    }
    if (portolan_look_up("device_master", &master) != KERN_SUCCESS ||
        block_device_open(master, disk_name, &disk) != 0) {
        return false; /* not every machine has every disk of the manifest */
    }
    if (!is_file) {
        disk_swap_use_disk(disk);
    }
    why = disk_swap_check(disk, &pages);
    if (why == NULL) {
        kr = device_master_keep(master, host, disk_name);
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
