#include "disk.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fs_test.h"

#define SECTOR_SIZE 512u

void *block_device_alloc(size_t size)
{
    void *data;

    return posix_memalign(&data, VOLUME_PAGE_SIZE, size) != 0 ? NULL : memset(data, 0, size);
}

void block_device_free(void *data, size_t size)
{
    (void)size;
    free(data);
}

static bool disk_fails(struct disk *disk)
{
    if (disk->fail_after > 1) {
        disk->fail_after--;
    }
    return disk->fail_after == 1;
}

static void disk_check(const struct disk *disk, uint64_t offset, size_t size)
{
    assert_true(size != 0 && offset % SECTOR_SIZE == 0 && size % SECTOR_SIZE == 0);
    assert_true(offset <= disk->device.size && size <= disk->device.size - offset);
}

static int disk_read(struct block_device *device, uint64_t offset, size_t size, void **data)
{
    struct disk *disk = (struct disk *)device;

    disk_check(disk, offset, size);
    if (disk_fails(disk)) {
        return EIO;
    }
    disk->reads++;
    *data = block_device_alloc(size);
    memcpy(*data, disk->bytes + offset, size);
    return 0;
}

static void disk_log(struct disk *disk, uint64_t offset, size_t size, const void *data)
{
    struct disk_event *event;

    if (!disk->is_logging) {
        return;
    }
    disk->log = realloc(disk->log, (disk->log_count + 1) * sizeof(*disk->log));
    event = &disk->log[disk->log_count];
    disk->log_count++;
    *event = (struct disk_event){offset, size, size != 0 ? malloc(size) : NULL};
    if (size != 0) {
        memcpy(event->data, data, size);
    }
}

static int disk_write(struct block_device *device, uint64_t offset, size_t size, const void *data)
{
    struct disk *disk = (struct disk *)device;

    disk_check(disk, offset, size);
    assert_false(device->is_read_only);
    if (disk_fails(disk)) {
        return EIO;
    }
    disk->writes++;
    disk_log(disk, offset, size, data);
    memcpy(disk->bytes + offset, data, size);
    return 0;
}

static int disk_flush(struct block_device *device)
{
    struct disk *disk = (struct disk *)device;

    disk->flushes++;
    disk_log(disk, 0, 0, NULL);
    return 0;
}

static void disk_close(struct block_device *device)
{
    (void)device;
}

static const struct block_device_ops disk_ops = {disk_read, disk_write, disk_flush, disk_close};

static struct disk *disk_new(size_t size)
{
    struct disk *disk = calloc(1, sizeof(*disk));

    disk->device = (struct block_device){&disk_ops, size, SECTOR_SIZE, false};
    disk->file = memfd_create("disk", 0);
    assert_true(disk->file >= 0);
    assert_int_equal(ftruncate(disk->file, (off_t)size), 0);
    disk->bytes = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, disk->file, 0);
    assert_true(disk->bytes != MAP_FAILED);
    return disk;
}

struct disk *disk_make(size_t kib, const char *options)
{
    struct disk *disk = disk_new(kib * 1024);
    char format[512];

    snprintf(format, sizeof(format), "mke2fs -q -F %s %%s", options);
    if (options[0] != '\0') {
        assert_int_equal(disk_run(disk, format), 0);
    }
    return disk;
}

struct disk *disk_copy(const struct disk *disk)
{
    struct disk *copy = disk_new(disk->device.size);

    memcpy(copy->bytes, disk->bytes, disk->device.size);
    return copy;
}

void disk_forget_log(struct disk *disk)
{
    for (size_t i = 0; i < disk->log_count; i++) {
        free(disk->log[i].data);
    }
    free(disk->log);
    disk->log = NULL;
    disk->log_count = 0;
}

void disk_free(struct disk *disk)
{
    disk_forget_log(disk);
    munmap(disk->bytes, disk->device.size);
    close(disk->file);
    free(disk);
}

int disk_run(struct disk *disk, const char *format)
{
    char path[64], command[1024], line[1200];
    int status;

    snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)getpid(), disk->file);
    snprintf(command, sizeof(command), format, path);
    snprintf(line, sizeof(line), "PATH=$PATH:/sbin:/usr/sbin; %s", command);
    status = system(line);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

bool disk_is_clean(struct disk *disk)
{
    return disk_run(disk, "out=$(e2fsck -fn %s 2>&1) || { echo \"$out\" >&2; false; }") == 0;
}

bool disk_repair(struct disk *disk)
{
    return disk_run(disk, "e2fsck -fy %s >/dev/null 2>&1") <= 1;
}

struct volume *disk_mount(struct disk *disk)
{
    struct volume *volume = NULL;
    char why[128] = "";
    int error = ext2_mount(&disk->device, false, &volume, why, sizeof(why));

    if (error != 0) {
        print_message("mount: %s\n", why);
    }
    assert_int_equal(error, 0);
    return volume;
}

struct volume *disk_remount(struct disk *disk, struct volume *volume)
{
    disk_unmount(volume);
    return disk_mount(disk);
}

void disk_unmount(struct volume *volume)
{
    assert_int_equal(volume->ops->unmount(volume), 0);
}
