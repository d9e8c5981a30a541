/* store_test.c - a machine's disk in a device, behind it a driver that does less than it is asked,
 * fails, ends, or lies about its disk. */
#include "vmm_test.h"

#include <block.h>
#include <device.h>
#include <mach.h>
#include <mach_port.h>
#include <portolan/device.h>
#include <portolan/portolan.h>
#include <portolan/thread.h>

#include "servers/fs/block_device_open.h"
#include "store.h"

#define OPENER      5u
#define PORT        100u /* of the first driver; the next has the next */
#define SECTORS     5000u
#define PAGE        4096u
#define MEDIUM_SIZE (SECTORS * VIRTIO_BLK_SECTOR)

static struct {
    uint8_t medium[MEDIUM_SIZE];
    mach_port_t port;
    uint64_t records; /* as it says */
    uint32_t record_size;
    bool is_read_only;
    uint32_t most;      /* bytes it does at once */
    unsigned ends;      /* so often a driver ends instead of answering */
    unsigned shortages; /* so often it has no memory */
    bool is_down;       /* there will be no other */
    kern_return_t error;
    bool is_lying; /* it says that it has done this much, whatever it did: */
    int claimed;
    unsigned opens, requests, flushes;
} driver;

static int allocated; /* stretches of memory that nobody has given back */
static struct store store;
static uint8_t buffer[MEDIUM_SIZE];

/* --- the system --- */

mach_port_t mach_task_self_;

kern_return_t syscall_vm_allocate(mach_port_name_t task, vm_address_t *address, vm_size_t size,
                                  boolean_t anywhere)
{
    void *memory = aligned_alloc(PAGE, size);

    (void)task, (void)anywhere;
    assert_non_null(memory);
    memset(memory, 0, size);
    allocated += 1;
    *address = (vm_address_t)memory;
    return KERN_SUCCESS;
}

kern_return_t syscall_vm_deallocate(mach_port_name_t task, vm_address_t address, vm_size_t size)
{
    (void)task, (void)size;
    allocated -= 1;
    free((void *)address);
    return KERN_SUCCESS;
}

kern_return_t vm_allocate(mach_port_t task, vm_address_t *address, vm_size_t size,
                          boolean_t anywhere)
{
    return syscall_vm_allocate(task, address, (size + PAGE - 1) / PAGE * PAGE, anywhere);
}

kern_return_t mach_port_deallocate(mach_port_t task, mach_port_name_t name)
{
    (void)task, (void)name;
    return KERN_SUCCESS;
}

kern_return_t portolan_sleep(natural_t milliseconds)
{
    (void)milliseconds;
    return KERN_SUCCESS;
}

/* --- the driver --- */

kern_return_t device_open(mach_port_t master, dev_mode_t mode, const char *name,
                          mach_port_t *device)
{
    (void)mode;
    assert_int_equal(master, OPENER);
    assert_string_equal(name, "disk1");
    if (driver.is_down) {
        return D_DEVICE_DOWN;
    }
    driver.opens += 1;
    driver.port = PORT + driver.opens - 1;
    *device = driver.port;
    return KERN_SUCCESS;
}

/* What each request begins with. */
static kern_return_t driver_take(mach_port_t device)
{
    driver.requests += 1;
    if (device != driver.port) {
        return MACH_SEND_INVALID_DEST;
    }
    if (driver.ends != 0) {
        driver.ends -= 1;
        driver.port = MACH_PORT_NULL;
        return MIG_SERVER_DIED;
    }
    if (driver.shortages != 0) {
        driver.shortages -= 1;
        return D_NO_MEMORY;
    }
    return driver.error;
}

/* How much of a request it does. */
static uint32_t driver_part(recnum_t record, uint64_t size)
{
    uint64_t at = (uint64_t)record * driver.record_size;

    assert_true(size % driver.record_size == 0 && size <= DEVICE_TRANSFER_MAX);
    size = size < driver.most ? size : driver.most;
    return (uint32_t)(size < MEDIUM_SIZE - at ? size : MEDIUM_SIZE - at);
}

kern_return_t device_read(mach_port_t device, dev_mode_t mode, recnum_t record, int wanted,
                          io_buf_ptr_t *data, mach_msg_type_number_t *count)
{
    kern_return_t kr = driver_take(device);
    vm_address_t memory;
    uint32_t size;

    (void)mode;
    if (kr != KERN_SUCCESS) {
        return kr;
    }
    if (record < 0 || (uint64_t)record >= MEDIUM_SIZE / driver.record_size) {
        return D_INVALID_RECNUM;
    }
    size = driver_part(record, (uint64_t)wanted);
    (void)vm_allocate(0, &memory, size + PAGE, TRUE);
    memcpy((void *)memory, driver.medium + (uint64_t)record * driver.record_size, size);
    *data = (io_buf_ptr_t)memory;
    *count = driver.is_lying ? (uint32_t)driver.claimed : size;
    return KERN_SUCCESS;
}

kern_return_t device_write(mach_port_t device, dev_mode_t mode, recnum_t record, io_buf_ptr_t data,
                           mach_msg_type_number_t count, int *written)
{
    kern_return_t kr = driver_take(device);
    uint32_t size;

    (void)mode;
    if (kr != KERN_SUCCESS) {
        return kr;
    }
    if (record < 0 || (uint64_t)record >= MEDIUM_SIZE / driver.record_size) {
        return D_INVALID_RECNUM;
    }
    size = driver_part(record, count);
    memcpy(driver.medium + (uint64_t)record * driver.record_size, data, size);
    *written = driver.is_lying ? driver.claimed : (int)size;
    return KERN_SUCCESS;
}

kern_return_t device_set_status(mach_port_t device, dev_flavor_t flavor, dev_status_t status,
                                mach_msg_type_number_t count)
{
    kern_return_t kr = driver_take(device);

    (void)status, (void)count;
    assert_int_equal(flavor, DEVICE_FLUSH);
    driver.flushes += kr == KERN_SUCCESS;
    return kr;
}

kern_return_t device_get_status(mach_port_t device, dev_flavor_t flavor, dev_status_t status,
                                mach_msg_type_number_t *count)
{
    assert_int_equal(device, driver.port);
    assert_int_equal(flavor, DEVICE_GET_BLOCKS);
    if (driver.error != KERN_SUCCESS) {
        return driver.error;
    }
    status[DEVICE_GET_BLOCKS_LOW] = (integer_t)(uint32_t)driver.records;
    status[DEVICE_GET_BLOCKS_HIGH] = (integer_t)(driver.records >> 32);
    status[DEVICE_GET_BLOCKS_RECORD_SIZE] = (integer_t)driver.record_size;
    status[DEVICE_GET_BLOCKS_READ_ONLY] = driver.is_read_only;
    *count = DEVICE_GET_BLOCKS_COUNT;
    return KERN_SUCCESS;
}

kern_return_t block_read_page(mach_port_t device, recnum_t record, int wanted, block_page_t data,
                              mach_msg_type_number_t *count)
{
    (void)device, (void)record, (void)wanted, (void)data, (void)count;
    fail(); /* for pagers */
    return D_INVALID_OPERATION;
}

/* --- tests --- */

static int prepare(void **state)
{
    (void)state;
    memset(&driver, 0, sizeof(driver));
    driver.records = SECTORS;
    driver.record_size = VIRTIO_BLK_SECTOR;
    driver.most = DEVICE_TRANSFER_MAX;
    allocated = 0;
    for (unsigned n = 0; n < MEDIUM_SIZE; n++) {
        driver.medium[n] = (uint8_t)(n / VIRTIO_BLK_SECTOR * 7 + n);
    }
    return 0;
}

static const char *open_it(bool is_read_only)
{
    return store_device_open(&store, OPENER, "disk1", is_read_only, "disk0");
}

static int finish(void **state)
{
    (void)state;
    if (store.device != NULL) {
        store.device->ops->close(store.device);
    }
    memset(&store, 0, sizeof(store));
    return allocated != 0; /* memory that nobody gave back */
}

static bool read_it(uint64_t offset, uint64_t size)
{
    memset(buffer, 0, sizeof(buffer));
    return store.disk.read(store.disk.context, offset, buffer, size);
}

static bool write_it(uint64_t offset, uint64_t size, uint8_t add)
{
    for (uint64_t n = 0; n < size; n++) {
        buffer[n] = (uint8_t)(driver.medium[offset + n] + add);
    }
    return store.disk.write(store.disk.context, offset, buffer, size);
}

static void it_is_as_large_as_its_device(void **state)
{
    (void)state;
    assert_null(open_it(false));
    assert_int_equal(store.disk.sectors, SECTORS);
    assert_int_equal(store.disk.block_size, VIRTIO_BLK_SECTOR);
    assert_false(store.disk.is_read_only);
    assert_string_equal(store.disk.id, "disk0");
}

static void every_byte_is_where_it_is_on_the_device(void **state)
{
    static const uint64_t sizes[] = {512, 4096, 65536, 1u << 20, MEDIUM_SIZE};

    (void)state;
    assert_null(open_it(false));
    for (unsigned n = 0; n < sizeof(sizes) / sizeof(sizes[0]); n++) {
        uint64_t offset = MEDIUM_SIZE - sizes[n]; /* to the last byte */

        assert_true(read_it(offset, sizes[n]));
        assert_memory_equal(buffer, driver.medium + offset, sizes[n]);
    }
    assert_true(write_it(MEDIUM_SIZE - 512, 512, 3));
    assert_memory_equal(buffer, driver.medium + MEDIUM_SIZE - 512, 512);
    assert_true(write_it(0, MEDIUM_SIZE, 1));
    assert_memory_equal(buffer, driver.medium, MEDIUM_SIZE);
}

static void what_a_driver_does_in_parts_is_done(void **state)
{
    (void)state;
    driver.most = 1536;
    assert_null(open_it(false));
    assert_true(read_it(512, 20480));
    assert_memory_equal(buffer, driver.medium + 512, 20480);
    assert_true(write_it(1024, 20480, 9));
    assert_memory_equal(buffer, driver.medium + 1024, 20480);
}

static void answers_that_cannot_be_are_errors(void **state)
{
    static const int claims[] = {0, 511, 1000, 8192, -512, INT32_MIN};

    (void)state;
    assert_null(open_it(false));
    driver.is_lying = true;
    for (unsigned n = 0; n < sizeof(claims) / sizeof(claims[0]); n++) {
        driver.claimed = claims[n];
        assert_false(read_it(0, 4096));
        assert_false(write_it(0, 4096, 1));
    }
}

static void errors_of_the_device_are_errors(void **state)
{
    (void)state;
    assert_null(open_it(false));
    driver.error = D_IO_ERROR;
    assert_false(read_it(0, 512));
    assert_false(write_it(0, 512, 1));
    assert_false(store.disk.flush(store.disk.context));
    driver.error = KERN_SUCCESS;
    assert_true(read_it(0, 512));
    assert_true(store.disk.flush(store.disk.context));
    assert_int_equal(driver.flushes, 1);
}

static void a_device_that_says_it_is_larger_fails_beyond_its_end(void **state)
{
    (void)state;
    driver.records = SECTORS + 8;
    assert_null(open_it(false));
    assert_int_equal(store.disk.sectors, SECTORS + 8);
    assert_true(read_it(MEDIUM_SIZE - 512, 512));
    assert_false(store.disk.read(store.disk.context, MEDIUM_SIZE, buffer, 512));
    assert_false(store.disk.read(store.disk.context, MEDIUM_SIZE - 512, buffer, 1024));
    assert_false(store.disk.write(store.disk.context, MEDIUM_SIZE, buffer, 512));
}

static void sizes_that_cannot_be_are_refused(void **state)
{
    static const struct {
        uint64_t records;
        uint32_t size;
    } lies[] = {
        {SECTORS, 0},          {SECTORS, 1},      {SECTORS, 513},
        {SECTORS, 256},        {SECTORS, 8192},   {0, 512},
        {UINT64_MAX, 512},     {1ull << 55, 512}, {UINT64_MAX / 2, 512},
        {SECTORS, 0x80000200}, {1ull << 54, 512},
    };

    (void)state;
    for (unsigned n = 0; n < sizeof(lies) / sizeof(lies[0]); n++) {
        driver.records = lies[n].records;
        driver.record_size = lies[n].size;
        assert_non_null(open_it(false));
    }
    driver.records = (1ull << 54) - 1; /* the most there can be */
    driver.record_size = 512;
    assert_null(open_it(false));
    assert_true(store.disk.sectors == (1ull << 54) - 1);
}

static void a_device_that_says_nothing_is_refused(void **state)
{
    (void)state;
    driver.error = D_INVALID_OPERATION;
    assert_non_null(open_it(false));
    driver.error = KERN_SUCCESS;
    driver.is_down = true;
    assert_non_null(open_it(false));
}

static void what_cannot_be_written_is_not(void **state)
{
    (void)state;
    driver.is_read_only = true;
    assert_null(open_it(false));
    assert_true(store.disk.is_read_only);
    assert_false(write_it(0, 512, 1));
    assert_true(store.disk.flush(store.disk.context));
    assert_int_equal(driver.requests, 0);
}

static void what_is_not_to_be_written_says_so(void **state)
{
    (void)state;
    assert_null(open_it(true));
    assert_true(store.disk.is_read_only);
}

static void a_driver_that_ends_is_waited_for(void **state)
{
    (void)state;
    assert_null(open_it(false));
    driver.ends = 3;
    assert_true(read_it(512, 4096));
    assert_memory_equal(buffer, driver.medium + 512, 4096);
    assert_int_equal(driver.opens, 4);
    driver.ends = 2;
    assert_true(write_it(0, 4096, 1));
    driver.ends = 1;
    assert_true(store.disk.flush(store.disk.context));
    assert_int_equal(driver.opens, 7);
}

static void one_that_does_not_come_back_is_an_error(void **state)
{
    (void)state;
    assert_null(open_it(false));
    driver.ends = 1;
    driver.is_down = true;
    assert_false(read_it(0, 512));
    assert_false(write_it(0, 512, 1));
    assert_false(store.disk.flush(store.disk.context));
    driver.is_down = false;
    assert_true(read_it(0, 512)); /* it is asked for again each time */
}

static void want_of_memory_passes(void **state)
{
    (void)state;
    assert_null(open_it(false));
    driver.shortages = 20;
    assert_true(read_it(0, 512));
    driver.shortages = 20;
    assert_true(write_it(0, 512, 1));
}

static void blocks_may_be_larger_than_sectors(void **state)
{
    static const uint32_t sizes[] = {512, 1024, 2048, 4096};

    (void)state;
    for (unsigned n = 0; n < sizeof(sizes) / sizeof(sizes[0]); n++) {
        uint32_t sectors = sizes[n] / VIRTIO_BLK_SECTOR;

        driver.record_size = sizes[n];
        driver.records = MEDIUM_SIZE / sizes[n];
        assert_null(open_it(false));
        assert_int_equal(store.disk.sectors, driver.records * sectors);
        assert_int_equal(store.disk.block_size, sizes[n]);
        assert_true(read_it(sizes[n], sizes[n]));
        assert_memory_equal(buffer, driver.medium + sizes[n], sizes[n]);
        assert_true(virtio_blk_is_inside(&store.disk, sectors, sizes[n]));
        assert_true(virtio_blk_is_inside(&store.disk, store.disk.sectors - sectors, sizes[n]));
        assert_false(virtio_blk_is_inside(&store.disk, store.disk.sectors, sizes[n]));
        assert_false(virtio_blk_is_inside(&store.disk, sectors, sizes[n] / 2));
        assert_false(virtio_blk_is_inside(&store.disk, UINT64_MAX - sectors + 1, sizes[n]));
        assert_false(virtio_blk_is_inside(&store.disk, 0, (uint64_t)MEDIUM_SIZE + sizes[n]));
        assert_int_equal(virtio_blk_is_inside(&store.disk, 1, sizes[n]), sectors == 1);
        store.device->ops->close(store.device);
        store.device = NULL;
    }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup_teardown(it_is_as_large_as_its_device, prepare, finish),
    cmocka_unit_test_setup_teardown(every_byte_is_where_it_is_on_the_device, prepare, finish),
    cmocka_unit_test_setup_teardown(what_a_driver_does_in_parts_is_done, prepare, finish),
    cmocka_unit_test_setup_teardown(answers_that_cannot_be_are_errors, prepare, finish),
    cmocka_unit_test_setup_teardown(errors_of_the_device_are_errors, prepare, finish),
    cmocka_unit_test_setup_teardown(a_device_that_says_it_is_larger_fails_beyond_its_end, prepare,
                                    finish),
    cmocka_unit_test_setup_teardown(sizes_that_cannot_be_are_refused, prepare, finish),
    cmocka_unit_test_setup_teardown(a_device_that_says_nothing_is_refused, prepare, finish),
    cmocka_unit_test_setup_teardown(what_cannot_be_written_is_not, prepare, finish),
    cmocka_unit_test_setup_teardown(what_is_not_to_be_written_says_so, prepare, finish),
    cmocka_unit_test_setup_teardown(a_driver_that_ends_is_waited_for, prepare, finish),
    cmocka_unit_test_setup_teardown(one_that_does_not_come_back_is_an_error, prepare, finish),
    cmocka_unit_test_setup_teardown(want_of_memory_passes, prepare, finish),
    cmocka_unit_test_setup_teardown(blocks_may_be_larger_than_sectors, prepare, finish),
};

TEST_MAIN("store", tests)
