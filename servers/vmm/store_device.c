/* store_device.c - a disk in a device: what the file server has its disks by
 * (servers/fs/block_device.c), which makes a request anew when the driver has ended. What a request
 * needs of memory here is a transfer's, however large the guest makes it. */
#include <portolan/device.h>
#include <stdlib.h>
#include <string.h>

#include "servers/fs/block_device_open.h"
#include "store.h"

static bool store_device_read(void *context, uint64_t offset, void *data, uint64_t size)
{
    const struct store *s = context;
    char *to = data;

    while (size != 0) {
        size_t part = size < DEVICE_TRANSFER_MAX ? (size_t)size : DEVICE_TRANSFER_MAX;
        void *bytes;

        if (s->device->ops->read(s->device, offset, part, &bytes) != 0) {
            return false;
        }
        memcpy(to, bytes, part);
        block_device_free(bytes, part);
        to += part;
        offset += part;
        size -= part;
    }
    return true;
}

static bool store_device_write(void *context, uint64_t offset, const void *data, uint64_t size)
{
    const struct store *s = context;

    return s->device->ops->write(s->device, offset, size, data) == 0;
}

static bool store_device_flush(void *context)
{
    const struct store *s = context;

    return s->disk.is_read_only || s->device->ops->flush(s->device) == 0;
}

void store_device_init(struct store *s, struct block_device *device, bool is_read_only,
                       const char *name)
{
    *s = (struct store){
        .disk = {.context = s,
                 .sectors = device->size / VIRTIO_BLK_SECTOR,
                 .block_size = device->sector_size,
                 .is_read_only = is_read_only || device->is_read_only,
                 .read = store_device_read,
                 .write = store_device_write,
                 .flush = store_device_flush},
        .device = device,
    };
    memcpy(s->disk.id, name, strnlen(name, VIRTIO_BLK_ID_SIZE));
}

const char *store_device_open(struct store *s, mach_port_t opener, const char *device_name,
                              bool is_read_only, const char *name)
{
    struct block_device *device;

    if (block_device_open(opener, device_name, &device) != 0) {
        return "a disk's device cannot be opened, or is no disk";
    }
    if (device->size == 0) {
        device->ops->close(device);
        return "a disk's device has no sectors";
    }
    store_device_init(s, device, is_read_only, name);
    return NULL;
}
