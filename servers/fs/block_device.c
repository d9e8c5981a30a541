/* block_device.c - a disk of a driver (device.defs). The port of a driver that died is dead, and so
 * is what was asked of it: the name is opened again, which waits for the next driver. */
#include "block_device_open.h"

#include <block.h>
#include <device.h>
#include <errno.h>
#include <mach.h>
#include <mach/vm_param.h>
#include <mach_port.h>
#include <portolan/device.h>
#include <portolan/portolan.h>
#include <portolan/thread.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REOPEN_MAX   100u  /* drivers one request outlives */
#define SHORTAGE_MAX 1000u /* times a request is made again for want of memory, 10 ms apart */

/* Keys: [L] lock, [I] immutable after open */
struct driver_device {
    struct block_device device;
    mach_port_t master; /* [I] */
    dev_name_t name;    /* [I] */
    pthread_mutex_t lock;
    mach_port_t port;  /* [L] send right, or dead */
    unsigned reopened; /* [L] */
};

static struct driver_device *device_of(struct block_device *device)
{
    return (struct driver_device *)device; /* its first member */
}

/* Is the answer that there is nobody who could answer? */
static bool device_is_gone(kern_return_t kr)
{
    return kr == MACH_SEND_INVALID_DEST || kr == MIG_SERVER_DIED || kr == MACH_RCV_PORT_DIED;
}

static int device_errno(kern_return_t kr)
{
    switch (kr) {
    case KERN_SUCCESS:
        return 0;
    case D_READ_ONLY:
        return EROFS;
    case D_NO_MEMORY:
        return ENOMEM;
    case D_NO_SUCH_DEVICE:
    case D_DEVICE_DOWN:
        return ENODEV;
    default:
        return EIO;
    }
}

static mach_port_t device_port(struct driver_device *d)
{
    mach_port_t port;

    pthread_mutex_lock(&d->lock);
    port = d->port;
    pthread_mutex_unlock(&d->lock);
    return port;
}

/* Have another port than that one, which is dead. */
static kern_return_t device_reopen(struct driver_device *d, mach_port_t dead)
{
    kern_return_t kr = KERN_SUCCESS;

    pthread_mutex_lock(&d->lock);
    if (d->port == dead) {
        mach_port_t fresh;

        kr = device_open(d->master, D_READ | D_WRITE, d->name, &fresh);
        if (kr == KERN_SUCCESS) {
            mach_port_deallocate(mach_task_self(), dead);
            d->port = fresh;
            d->reopened++;
        }
    }
    pthread_mutex_unlock(&d->lock);
    return kr;
}

/* How often a request was made again. */
struct device_tries {
    unsigned reopened;
    unsigned shortages;
};

/* What to do about an answer: true when the request is to be made again. */
static bool device_again(struct driver_device *d, mach_port_t port, struct device_tries *tries,
                         kern_return_t *kr)
{
    if (*kr == D_NO_MEMORY && tries->shortages < SHORTAGE_MAX) {
        tries->shortages++;
        portolan_sleep(10);
        return true;
    }
    if (!device_is_gone(*kr) || tries->reopened >= REOPEN_MAX) {
        return false;
    }
    tries->reopened++;
    *kr = device_reopen(d, port);
    return *kr == KERN_SUCCESS;
}

/* One read, of which the device may do only the first part. */
static kern_return_t device_read_part(struct driver_device *d, uint64_t record, size_t size,
                                      vm_address_t *data, size_t *done)
{
    struct device_tries tries = {0, 0};
    kern_return_t kr;
    mach_port_t port;

    do {
        mach_msg_type_number_t count = 0;
        io_buf_ptr_t memory = NULL;

        port = device_port(d);
        kr = device_read(port, D_READ, (recnum_t)record, (int)size, &memory, &count);
        *data = (vm_address_t)memory;
        *done = count;
    } while (device_again(d, port, &tries, &kr));
    if (kr == KERN_SUCCESS && (*done == 0 || *done > size || *done % d->device.sector_size != 0)) {
        block_device_free((void *)*data, *done);
        kr = D_IO_ERROR;
    }
    return kr;
}

int block_device_read_page(struct block_device *device, uint64_t offset, void *data)
{
    struct driver_device *d = device_of(device);
    struct device_tries tries = {0, 0};
    mach_msg_type_number_t count;
    kern_return_t kr;
    mach_port_t port;

    do {
        port = device_port(d);
        count = BLOCK_PAGE_MAX;
        kr = block_read_page(port, (recnum_t)(offset / device->sector_size), BLOCK_PAGE_MAX, data,
                             &count);
    } while (device_again(d, port, &tries, &kr));
    return kr == KERN_SUCCESS && count != BLOCK_PAGE_MAX ? EIO : device_errno(kr);
}

/* More than the device does at once: copied together. */
static int device_read_parts(struct driver_device *d, uint64_t offset, size_t size, char *to)
{
    while (size != 0) {
        size_t part = size < DEVICE_TRANSFER_MAX ? size : DEVICE_TRANSFER_MAX;
        vm_address_t data;
        kern_return_t kr = device_read_part(d, offset / d->device.sector_size, part, &data, &part);

        if (kr != KERN_SUCCESS) {
            return device_errno(kr);
        }
        memcpy(to, (const void *)data, part);
        block_device_free((void *)data, part);
        to += part;
        offset += part;
        size -= part;
    }
    return 0;
}

static int device_do_read(struct block_device *device, uint64_t offset, size_t size, void **data)
{
    struct driver_device *d = device_of(device);
    vm_address_t memory = 0;
    size_t done;
    kern_return_t kr;
    int error;

    if (size <= DEVICE_TRANSFER_MAX) {
        kr = device_read_part(d, offset / device->sector_size, size, &memory, &done);
        if (kr != KERN_SUCCESS || done == size) {
            *data = (void *)memory;
            return device_errno(kr);
        }
        block_device_free((void *)memory, done);
    }
    if (vm_allocate(mach_task_self(), &memory, size, TRUE) != KERN_SUCCESS) {
        return ENOMEM;
    }
    error = device_read_parts(d, offset, size, (char *)memory);
    if (error != 0) {
        block_device_free((void *)memory, size);
        return error;
    }
    *data = (void *)memory;
    return 0;
}

/* The driver waits for no memory, and none of this may have been in memory. */
static void device_touch(const void *data, size_t size)
{
    const volatile char *bytes = data;

    for (size_t at = 0; at < size; at += MACH_PAGE_SIZE) {
        (void)bytes[at];
    }
    (void)bytes[size - 1];
}

static int device_do_write(struct block_device *device, uint64_t offset, size_t size,
                           const void *data)
{
    struct driver_device *d = device_of(device);
    struct device_tries tries = {0, 0};

    if (device->is_read_only) {
        return EROFS;
    }
    while (size != 0) {
        size_t part = size < DEVICE_TRANSFER_MAX ? size : DEVICE_TRANSFER_MAX;
        mach_port_t port = device_port(d);
        int written = 0;
        kern_return_t kr =
            device_write(port, D_WRITE, (recnum_t)(offset / device->sector_size),
                         (io_buf_ptr_t)(uintptr_t)data, (mach_msg_type_number_t)part, &written);

        if (kr == D_NO_MEMORY) {
            device_touch(data, part);
        }
        if (device_again(d, port, &tries, &kr)) {
            continue;
        }
        if (kr != KERN_SUCCESS) {
            return device_errno(kr);
        }
        if (written <= 0 || (size_t)written > part || written % (int)device->sector_size != 0) {
            return EIO;
        }
        data = (const char *)data + written;
        offset += (uint64_t)written;
        size -= (size_t)written;
    }
    return 0;
}

static int device_do_flush(struct block_device *device)
{
    struct driver_device *d = device_of(device);
    struct device_tries tries = {0, 0};
    kern_return_t kr;
    mach_port_t port;

    do {
        port = device_port(d);
        kr = device_set_status(port, DEVICE_FLUSH, NULL, 0);
    } while (device_again(d, port, &tries, &kr));
    return device_errno(kr);
}

static void device_do_close(struct block_device *device)
{
    struct driver_device *d = device_of(device);

    mach_port_deallocate(mach_task_self(), d->port);
    pthread_mutex_destroy(&d->lock);
    free(d);
}

static const struct block_device_ops device_ops = {
    .read = device_do_read,
    .write = device_do_write,
    .flush = device_do_flush,
    .close = device_do_close,
};

/* Ask for the size. Returns: 0, or an errno. */
static int device_describe(struct driver_device *d)
{
    dev_status_data_t status;
    mach_msg_type_number_t count = DEVICE_GET_BLOCKS_COUNT;
    uint64_t records;
    uint32_t size;
    kern_return_t kr = device_get_status(d->port, DEVICE_GET_BLOCKS, status, &count);

    if (kr != KERN_SUCCESS || count != DEVICE_GET_BLOCKS_COUNT) {
        return EIO;
    }
    records = (uint32_t)status[DEVICE_GET_BLOCKS_LOW] |
              (uint64_t)(uint32_t)status[DEVICE_GET_BLOCKS_HIGH] << 32;
    size = (uint32_t)status[DEVICE_GET_BLOCKS_RECORD_SIZE];
    if (size < 512 || size > 4096 || (size & (size - 1)) != 0 || records > INT64_MAX / size) {
        return EIO;
    }
    d->device = (struct block_device){
        .ops = &device_ops,
        .size = records * size,
        .sector_size = size,
        .is_read_only = status[DEVICE_GET_BLOCKS_READ_ONLY] != 0,
    };
    return 0;
}

int block_device_open(mach_port_t master, const char *name, struct block_device **device)
{
    struct driver_device *d = calloc(1, sizeof(*d));
    kern_return_t kr;
    int error;

    if (d == NULL) {
        return ENOMEM;
    }
    d->master = master;
    snprintf(d->name, sizeof(d->name), "%s", name);
    pthread_mutex_init(&d->lock, NULL);
    kr = device_open(master, D_READ | D_WRITE, d->name, &d->port);
    if (kr != KERN_SUCCESS) {
        free(d);
        return device_errno(kr);
    }
    error = device_describe(d);
    if (error != 0) {
        device_do_close(&d->device);
        return error;
    }
    *device = &d->device;
    return 0;
}

unsigned block_device_reopened(const struct block_device *device)
{
    return ((const struct driver_device *)device)->reopened;
}

void *block_device_alloc(size_t size)
{
    vm_address_t data = 0;

    if (syscall_vm_allocate(mach_task_self(), &data, mach_round_page(size), TRUE) != KERN_SUCCESS) {
        return NULL;
    }
    return (void *)data;
}

void block_device_free(void *data, size_t size)
{
    if (data != NULL) {
        (void)syscall_vm_deallocate(mach_task_self(), (vm_address_t)data, mach_round_page(size));
    }
}
