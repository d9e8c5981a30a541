/* disk_memory.c - the memory disk, mapped as a whole: reading and writing are copying. */
#include "disk_memory.h"

#include <hardware.h>
#include <portolan/portolan.h>
#include <string.h>

#include <mach/hardware.h>

static char *disk_memory_start;

static bool disk_memory_read(uint32_t block, uint32_t count, void *data)
{
    memcpy(data, disk_memory_start + (uint64_t)block * STORE_BLOCK_SIZE,
           (size_t)count * STORE_BLOCK_SIZE);
    return true;
}

static bool disk_memory_write(uint32_t block, uint32_t count, const void *data)
{
    memcpy(disk_memory_start + (uint64_t)block * STORE_BLOCK_SIZE, data,
           (size_t)count * STORE_BLOCK_SIZE);
    return true;
}

kern_return_t disk_memory_open(mach_port_t hardware, struct store_device *device)
{
    vm_address_t address;
    vm_size_t size;
    int64_t phys;
    kern_return_t kr = hardware_memory_disk(hardware, &phys, &size);

    if (kr == KERN_SUCCESS && (size == 0 || size / STORE_BLOCK_SIZE >= STORE_NONE)) {
        kr = KERN_NO_SPACE;
    }
    if (kr == KERN_SUCCESS) {
        kr = hardware_map(hardware, mach_task_self(), phys, size, HARDWARE_CACHE_NORMAL, &address);
    }
    if (kr != KERN_SUCCESS) {
        return kr;
    }
    disk_memory_start = (char *)address;
    *device = (struct store_device){(uint32_t)(size / STORE_BLOCK_SIZE), disk_memory_read,
                                    disk_memory_write};
    return KERN_SUCCESS;
}
