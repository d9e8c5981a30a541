/* store.c - a disk in a file. Each call moves IO_DATA_MAX bytes at most, and waits for the file's
 * server. */
#include "store.h"

#include <file.h>
#include <io.h>
#include <portolan/io_types.h>
#include <string.h>

static bool store_read(void *context, uint64_t offset, void *data, uint64_t size)
{
    const struct store *s = context;
    char *to = data;

    while (size != 0) {
        mach_msg_type_number_t count =
            size < IO_DATA_MAX ? (mach_msg_type_number_t)size : IO_DATA_MAX;

        if (io_read(s->file, (int64_t)offset, count, to, &count) != KERN_SUCCESS || count == 0 ||
            count > size) {
            return false;
        }
        to += count;
        offset += count;
        size -= count;
    }
    return true;
}

static bool store_write(void *context, uint64_t offset, const void *data, uint64_t size)
{
    const struct store *s = context;
    const char *from = data;

    while (size != 0) {
        mach_msg_type_number_t count =
            size < IO_DATA_MAX ? (mach_msg_type_number_t)size : IO_DATA_MAX;
        natural_t written = 0;

        if (io_write(s->file, (int64_t)offset, (char *)from, count, &written) != KERN_SUCCESS ||
            written == 0 || written > count) {
            return false;
        }
        from += written;
        offset += written;
        size -= written;
    }
    return true;
}

static bool store_flush(void *context)
{
    const struct store *s = context;

    return s->disk.is_read_only || file_sync(s->file, 0) == KERN_SUCCESS;
}

const char *store_open(struct store *s, mach_port_t file, bool is_read_only, const char *name)
{
    io_stat_t stat;
    mach_msg_type_number_t count = IO_STAT_COUNT;

    if (io_stat(file, stat, &count) != KERN_SUCCESS || count <= IO_STAT_SIZE ||
        stat[IO_STAT_SIZE] < 0) {
        return "a disk's file cannot be read";
    }
    if (stat[IO_STAT_SIZE] < (int64_t)VIRTIO_BLK_SECTOR) {
        return "a disk's file has less than a sector";
    }
    *s = (struct store){
        .disk = {.context = s,
                 .sectors = (uint64_t)stat[IO_STAT_SIZE] / VIRTIO_BLK_SECTOR,
                 .block_size = VIRTIO_BLK_SECTOR,
                 .is_read_only = is_read_only,
                 .read = store_read,
                 .write = store_write,
                 .flush = store_flush},
        .file = file,
    };
    memcpy(s->disk.id, name, strnlen(name, VIRTIO_BLK_ID_SIZE));
    return NULL;
}
