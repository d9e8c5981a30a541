/* block_server.c - device.defs for a disk and its partitions. Requests are answered when the device
 * is done, in any order; those that are wrong at once. */
#include "driver/block_impl.h"

#include <block_reply.h>
#include <block_server.h>
#include <device_reply.h>
#include <device_server.h>
#include <hardware.h>
#include <mach_host.h>
#include <mach_port.h>
#include <portolan/device.h>
#include <portolan/error.h>
#include <portolan/portolan.h>
#include <portolan/server_loop.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "driver/partition.h"

#define REQUESTS_MAX  24u /* under way, of all disks; more wait in the ports' queues */
#define VIEWS_MAX     256u
#define ID_WRITE      2802
#define ID_SET_STATUS 2810

/* A disk, or a part of one, as clients see it: what a port stands for. */
struct block_view {
    struct block_disk *disk;
    uint64_t first; /* sectors */
    uint64_t count;
    mach_port_t port;
};

static struct block_view block_views[VIEWS_MAX];
static unsigned block_view_count;
static unsigned block_disk_count;

/* What the request is for; NULL when it came in on no device's port. */
static struct block_view *block_view(void)
{
    uint64_t object = server_current_object();

    for (unsigned i = 0; i < block_view_count; i++) {
        if (object == (uint64_t)(uintptr_t)&block_views[i]) {
            return &block_views[i];
        }
    }
    return NULL;
}

/* Take requests of the disk, or leave them in their queues. */
static void block_pause(struct block_disk *disk, bool pause)
{
    if (disk->is_paused == pause) {
        return;
    }
    disk->is_paused = pause;
    for (unsigned i = 0; i < block_view_count; i++) {
        if (block_views[i].disk == disk) {
            mach_port_move_member(mach_task_self(), block_views[i].port,
                                  pause ? MACH_PORT_NULL : driver.set);
        }
    }
}

/* Each disk has its share, so that one that is slow does not take the others'. */
static void block_count(struct block_disk *disk, int change)
{
    unsigned share = REQUESTS_MAX / block_disk_count;

    disk->requests += (unsigned)change;
    block_pause(disk, disk->requests >= (share != 0 ? share : 1));
}

/* --- answers --- */

static void block_end(struct block_request *request)
{
    struct block_disk *disk = request->disk;

    block_request_destroy(request);
    block_count(disk, -1);
}

static void block_read_done(struct block_request *request)
{
    vm_address_t memory = request->memory;
    bool good = request->result == KERN_SUCCESS;

    if (good) {
        request->memory = 0; /* moves with the message */
    }
    if (device_read_reply(request->reply, MACH_MSG_TYPE_MOVE_SEND_ONCE, request->result,
                          (io_buf_ptr_t)memory, good ? request->size : 0) != MACH_MSG_SUCCESS) {
        mach_port_deallocate(mach_task_self(), request->reply);
        request->memory = memory;
    }
    block_end(request);
}

static void block_read_inband_done(struct block_request *request)
{
    uint32_t size = request->result == KERN_SUCCESS ? request->inband : 0;

    if (device_read_reply_inband(request->reply, MACH_MSG_TYPE_MOVE_SEND_ONCE, request->result,
                                 block_bytes, size) != MACH_MSG_SUCCESS) {
        mach_port_deallocate(mach_task_self(), request->reply);
    }
    block_end(request);
}

static void block_read_page_done(struct block_request *request)
{
    uint32_t size = request->result == KERN_SUCCESS ? request->size : 0;

    if (block_read_page_reply(request->reply, MACH_MSG_TYPE_MOVE_SEND_ONCE, request->result,
                              block_bytes, size) != MACH_MSG_SUCCESS) {
        mach_port_deallocate(mach_task_self(), request->reply);
    }
    block_end(request);
}

static void block_write_done(struct block_request *request)
{
    int written = request->result == KERN_SUCCESS ? (int)request->size : 0;

    if (device_write_reply(request->reply, MACH_MSG_TYPE_MOVE_SEND_ONCE, request->result,
                           written) != MACH_MSG_SUCCESS) {
        mach_port_deallocate(mach_task_self(), request->reply);
    }
    block_end(request);
}

static void block_flush_done(struct block_request *request)
{
    server_reply_code(request->reply, ID_SET_STATUS, request->result);
    block_end(request);
}

/* A request that is wrong is answered at once, and as one that was done: who does not wait for the
 * reply (device_request.defs) tells by its form what it is. */
static kern_return_t block_refuse_read(mach_port_t reply, mach_msg_type_name_t poly,
                                       kern_return_t code)
{
    if (poly != MACH_MSG_TYPE_MOVE_SEND_ONCE || code == MIG_NO_REPLY) {
        return code; /* one that could make this wait is the loop's */
    }
    if (device_read_reply(reply, MACH_MSG_TYPE_MOVE_SEND_ONCE, code, NULL, 0) != MACH_MSG_SUCCESS) {
        mach_port_deallocate(mach_task_self(), reply);
    }
    return MIG_NO_REPLY;
}

static kern_return_t block_refuse_read_inband(mach_port_t reply, mach_msg_type_name_t poly,
                                              kern_return_t code)
{
    if (poly != MACH_MSG_TYPE_MOVE_SEND_ONCE || code == MIG_NO_REPLY) {
        return code;
    }
    if (device_read_reply_inband(reply, MACH_MSG_TYPE_MOVE_SEND_ONCE, code, block_bytes, 0) !=
        MACH_MSG_SUCCESS) {
        mach_port_deallocate(mach_task_self(), reply);
    }
    return MIG_NO_REPLY;
}

static kern_return_t block_refuse_write(mach_port_t reply, mach_msg_type_name_t poly,
                                        kern_return_t code, io_buf_ptr_t data,
                                        mach_msg_type_number_t count)
{
    if (poly != MACH_MSG_TYPE_MOVE_SEND_ONCE || code == MIG_NO_REPLY) {
        return code;
    }
    if (device_write_reply(reply, MACH_MSG_TYPE_MOVE_SEND_ONCE, code, 0) != MACH_MSG_SUCCESS) {
        mach_port_deallocate(mach_task_self(), reply);
    }
    if (count != 0) {
        syscall_vm_deallocate(mach_task_self(), (vm_address_t)data, count);
    }
    return MIG_NO_REPLY;
}

/* --- requests --- */

/* Where a transfer of `size` bytes from a record on goes. A size beyond what is done at once, or
 * beyond the end, is cut. Returns: KERN_SUCCESS, D_NO_SUCH_DEVICE, D_INVALID_SIZE,
 * D_INVALID_RECNUM. */
static kern_return_t block_place(const struct block_view *view, recnum_t recnum, uint64_t wanted,
                                 uint64_t *sector, uint32_t *size)
{
    uint64_t left;

    if (view == NULL) {
        return D_NO_SUCH_DEVICE;
    }
    if (wanted == 0 || wanted % view->disk->sector_size != 0) {
        return D_INVALID_SIZE;
    }
    if (recnum < 0 || (uint64_t)recnum >= view->count) {
        return D_INVALID_RECNUM;
    }
    left = view->count - (uint64_t)recnum;
    wanted = wanted < BLOCK_TRANSFER_MAX ? wanted : BLOCK_TRANSFER_MAX;
    if (wanted / view->disk->sector_size > left) {
        wanted = left * view->disk->sector_size;
    }
    *sector = view->first + (uint64_t)recnum;
    *size = (uint32_t)wanted;
    return KERN_SUCCESS;
}

/* Begin a client's request, which is answered later. Returns: MIG_NO_REPLY, or an error, and then
 * the request is gone. */
static kern_return_t block_begin(struct block_request *request, enum block_operation operation,
                                 uint64_t sector, uint32_t size, mach_port_t reply)
{
    struct block_disk *disk = request->disk;
    kern_return_t kr;

    request->reply = reply;
    block_count(disk, 1); /* before it may be done */
    kr = block_request_begin(request, operation, sector, size);
    if (kr != KERN_SUCCESS) {
        block_request_destroy(request);
        block_count(disk, -1);
        return kr;
    }
    return MIG_NO_REPLY;
}

/* Read into memory of the library. */
static kern_return_t block_read(mach_port_t reply, recnum_t recnum, uint64_t wanted,
                                uint32_t inband, void (*done)(struct block_request *))
{
    struct block_view *view = block_view();
    struct block_request *request;
    uint64_t sector;
    uint32_t size;
    kern_return_t kr = block_place(view, recnum, wanted, &sector, &size);

    if (kr != KERN_SUCCESS) {
        return kr;
    }
    request = block_request_create(view->disk);
    if (request == NULL) {
        return D_NO_MEMORY;
    }
    kr = inband != 0 ? block_request_take_page(request, size)
                     : block_request_allocate(request, size);
    if (kr != KERN_SUCCESS) {
        block_request_destroy(request);
        return D_NO_MEMORY;
    }
    request->done = done;
    request->inband = inband;
    return block_begin(request, BLOCK_READ, sector, size, reply);
}

kern_return_t ds_device_read(mach_port_t device, mach_port_t reply_port, mach_msg_type_name_t poly,
                             dev_mode_t mode, recnum_t recnum, int bytes_wanted, io_buf_ptr_t *data,
                             mach_msg_type_number_t *count)
{
    uint64_t wanted = bytes_wanted < 0 ? 0 : (uint64_t)bytes_wanted;

    (void)device, (void)mode, (void)data, (void)count;
    return block_refuse_read(reply_port, poly,
                             block_read(reply_port, recnum, wanted, 0, block_read_done));
}

/* The first bytes of a record. */
kern_return_t ds_device_read_inband(mach_port_t device, mach_port_t reply_port,
                                    mach_msg_type_name_t poly, dev_mode_t mode, recnum_t recnum,
                                    int bytes_wanted, io_buf_ptr_inband_t data,
                                    mach_msg_type_number_t *count)
{
    struct block_view *view = block_view();
    kern_return_t kr = D_INVALID_SIZE;

    (void)device, (void)mode, (void)data, (void)count;
    if (bytes_wanted > 0 && bytes_wanted <= IO_INBAND_MAX) {
        kr = block_read(reply_port, recnum, view != NULL ? view->disk->sector_size : 0,
                        (uint32_t)bytes_wanted, block_read_inband_done);
    }
    return block_refuse_read_inband(reply_port, poly, kr);
}

kern_return_t serve_block_read_page(mach_port_t device, mach_port_t reply_port,
                                    mach_msg_type_name_t poly, recnum_t recnum, int bytes_wanted,
                                    block_page_t data, mach_msg_type_number_t *count)
{
    (void)device, (void)poly, (void)data, (void)count;
    if (bytes_wanted <= 0 || bytes_wanted > BLOCK_PAGE_MAX) {
        return D_INVALID_SIZE;
    }
    return block_read(reply_port, recnum, (uint64_t)bytes_wanted, (uint32_t)bytes_wanted,
                      block_read_page_done);
}

/* Begin to write. Returns: MIG_NO_REPLY, or an error, and then the memory is still the caller's. */
static kern_return_t block_write(mach_port_t reply, recnum_t recnum, io_buf_ptr_t data,
                                 mach_msg_type_number_t count)
{
    struct block_view *view = block_view();
    struct block_request *request;
    uint64_t sector;
    uint32_t size;
    kern_return_t kr = block_place(view, recnum, count, &sector, &size);

    if (kr == KERN_SUCCESS && view->disk->is_read_only) {
        kr = D_READ_ONLY;
    }
    if (kr == KERN_SUCCESS && ((vm_address_t)data & (view->disk->alignment - 1)) != 0 &&
        view->disk->alignment != 0) {
        kr = D_INVALID_SIZE;
    }
    if (kr != KERN_SUCCESS) {
        return kr;
    }
    request = block_request_create(view->disk);
    if (request == NULL) {
        return D_NO_MEMORY;
    }
    request->done = block_write_done;
    request->memory = (vm_address_t)data;
    request->memory_size = count;
    request->reply = reply;
    block_count(view->disk, 1); /* before it may be done */
    kr = block_request_begin(request, BLOCK_WRITE, sector, size);
    if (kr != KERN_SUCCESS) {
        request->memory = 0; /* the caller's */
        block_request_destroy(request);
        block_count(view->disk, -1);
        return kr;
    }
    return MIG_NO_REPLY;
}

/* The memory is the routine's when it does not fail. */
kern_return_t ds_device_write(mach_port_t device, mach_port_t reply_port, mach_msg_type_name_t poly,
                              dev_mode_t mode, recnum_t recnum, io_buf_ptr_t data,
                              mach_msg_type_number_t count, int *written)
{
    (void)device, (void)mode, (void)written;
    return block_refuse_write(reply_port, poly, block_write(reply_port, recnum, data, count), data,
                              count);
}

/* Less than any record. */
kern_return_t ds_device_write_inband(mach_port_t device, mach_port_t reply_port,
                                     mach_msg_type_name_t poly, dev_mode_t mode, recnum_t recnum,
                                     io_buf_ptr_inband_t data, mach_msg_type_number_t count,
                                     int *written)
{
    (void)device, (void)mode, (void)recnum, (void)data, (void)count, (void)written;
    if (poly != MACH_MSG_TYPE_MOVE_SEND_ONCE) {
        return D_INVALID_SIZE;
    }
    if (device_write_reply_inband(reply_port, MACH_MSG_TYPE_MOVE_SEND_ONCE, D_INVALID_SIZE, 0) !=
        MACH_MSG_SUCCESS) {
        mach_port_deallocate(mach_task_self(), reply_port);
    }
    return MIG_NO_REPLY;
}

kern_return_t ds_device_set_status(mach_port_t device, dev_flavor_t flavor, dev_status_t status,
                                   mach_msg_type_number_t count)
{
    struct block_view *view = block_view();
    struct block_request *request;

    (void)device, (void)status, (void)count;
    if (view == NULL) {
        return D_NO_SUCH_DEVICE;
    }
    if (flavor != DEVICE_FLUSH) {
        return D_INVALID_OPERATION;
    }
    if (!view->disk->has_cache) {
        return KERN_SUCCESS;
    }
    request = block_request_create(view->disk);
    if (request == NULL) {
        return D_NO_MEMORY;
    }
    request->done = block_flush_done;
    return block_begin(request, BLOCK_FLUSH, 0, 0, server_current_reply());
}

/* Fill in the answer to a flavor; returns how many numbers it has, 0: it does not fit, or there is
 * none. */
static mach_msg_type_number_t block_status(const struct block_view *view, dev_flavor_t flavor,
                                           dev_status_t status, mach_msg_type_number_t room)
{
    uint64_t bytes = view->count * view->disk->sector_size;

    if (flavor == DEV_GET_SIZE && room >= DEV_GET_SIZE_COUNT && bytes <= INT32_MAX) {
        status[DEV_GET_SIZE_DEVICE_SIZE] = (integer_t)bytes;
        status[DEV_GET_SIZE_RECORD_SIZE] = (integer_t)view->disk->sector_size;
        return DEV_GET_SIZE_COUNT;
    }
    if (flavor == DEV_GET_RECORDS && room >= DEV_GET_RECORDS_COUNT && view->count <= INT32_MAX) {
        status[DEV_GET_RECORDS_DEVICE_RECORDS] = (integer_t)view->count;
        status[DEV_GET_RECORDS_RECORD_SIZE] = (integer_t)view->disk->sector_size;
        return DEV_GET_RECORDS_COUNT;
    }
    if (flavor == DEVICE_GET_BLOCKS && room >= DEVICE_GET_BLOCKS_COUNT) {
        status[DEVICE_GET_BLOCKS_LOW] = (integer_t)(uint32_t)view->count;
        status[DEVICE_GET_BLOCKS_HIGH] = (integer_t)(view->count >> 32);
        status[DEVICE_GET_BLOCKS_RECORD_SIZE] = (integer_t)view->disk->sector_size;
        status[DEVICE_GET_BLOCKS_READ_ONLY] = view->disk->is_read_only;
        return DEVICE_GET_BLOCKS_COUNT;
    }
    return 0;
}

/* A size that does not fit 31 bits is D_INVALID_SIZE: DEVICE_GET_BLOCKS tells it. */
kern_return_t ds_device_get_status(mach_port_t device, dev_flavor_t flavor, dev_status_t status,
                                   mach_msg_type_number_t *count)
{
    struct block_view *view = block_view();
    mach_msg_type_number_t n;

    (void)device;
    if (view == NULL) {
        return D_NO_SUCH_DEVICE;
    }
    if (flavor != DEV_GET_SIZE && flavor != DEV_GET_RECORDS && flavor != DEVICE_GET_BLOCKS) {
        return D_INVALID_OPERATION;
    }
    n = block_status(view, flavor, status, *count);
    if (n == 0) {
        return D_INVALID_SIZE;
    }
    *count = n;
    return KERN_SUCCESS;
}

/* Everybody's right is the same: closing is giving it up. */
kern_return_t ds_device_close(mach_port_t device)
{
    (void)device;
    return block_view() != NULL ? KERN_SUCCESS : D_NO_SUCH_DEVICE;
}

/* --- offering --- */

/* Offer `count` sectors from `first` on under the disk's name and the suffix. */
static void block_offer(struct block_disk *disk, const char *suffix, uint64_t first, uint64_t count)
{
    struct block_view *view = &block_views[block_view_count];
    driver_name_t name;
    kern_return_t kr = KERN_RESOURCE_SHORTAGE;

    if (block_view_count < VIEWS_MAX) {
        *view = (struct block_view){disk, first, count, MACH_PORT_NULL};
        kr = server_object_create(driver.set, (uint64_t)(uintptr_t)view, &view->port);
    }
    if (kr == KERN_SUCCESS) {
        block_view_count++;
        kr = driver_register(driver.port, disk->kind, disk->unit, suffix, view->port, name);
    }
    if (kr != KERN_SUCCESS) {
        driver_say("%s%s cannot be offered: %s", disk->kind, suffix, mach_error_string(kr));
    }
}

static void block_wait_done(struct block_request *request)
{
    request->operation = BLOCK_FLUSH; /* any that is not the one asked for: it is over */
}

/* Read a sector, while nobody is served yet. */
static bool block_read_sector(void *context, uint64_t sector, void *data)
{
    struct block_disk *disk = context;
    struct block_request *request = block_request_create(disk);
    bool good = false;

    if (request == NULL) {
        return false;
    }
    request->done = block_wait_done;
    request->inband = disk->sector_size;
    if (block_request_take_page(request, disk->sector_size) == KERN_SUCCESS &&
        block_request_begin(request, BLOCK_READ, sector, disk->sector_size) == KERN_SUCCESS) {
        while (request->operation == BLOCK_READ) {
            driver_step();
        }
        good = request->result == KERN_SUCCESS;
    }
    if (good) {
        memcpy(data, block_bytes, disk->sector_size);
    }
    block_request_destroy(request);
    return good;
}

/* Offer a disk and its partitions. */
static void block_serve_disk(struct block_disk *disk)
{
    static struct partition table[PARTITIONS_MAX];
    struct partition_source source = {block_read_sector, disk, disk->sectors, disk->sector_size};
    const char *trouble = NULL;
    unsigned n = disk->is_whole ? 0 : partition_read(&source, table, &trouble);

    if (trouble != NULL) {
        driver_say("the partition table of unit %d is not used: %s", disk->unit, trouble);
    }
    block_offer(disk, "", 0, disk->sectors);
    for (unsigned i = 0; i < n; i++) {
        char suffix[16];

        snprintf(suffix, sizeof(suffix), "s%u", table[i].number);
        block_offer(disk, suffix, table[i].first, table[i].count);
    }
}

void block_serve(struct block_disk *const *disks, unsigned n)
{
    kern_return_t kr = portolan_wire(mach_host_self()); /* swap may be on them */

    if (kr != KERN_SUCCESS) {
        driver_say("its memory does not stay in memory: error %d", kr);
    }
    block_disk_count = n;
    driver_serve(device_server);
    driver_serve(block_server);
    for (unsigned i = 0; i < n; i++) {
        block_serve_disk(disks[i]);
    }
    if (driver_ready(driver.port) != KERN_SUCCESS) {
        driver_fail("the device master is gone");
    }
}
