/* hypercall_test.c - the driver of a monitor's disks: what it offers, how its requests end, and
 * that those wait for which there is no place. The kernel's side is played by the test. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <mach/mach_traps.h>
#include <portolan/driver_block.h>

#define main driver_main
#include "servers/disk/hypercall_blk/main.c"
#undef main

#define SERVED_MAX 20u

struct driver driver;

static uint64_t sizes[SERVED_MAX]; /* of disks, as the monitor says */
static kern_return_t right, interrupt, begin, taking;
static jmp_buf ended; /* the driver has given up, or serves */
static bool has_failed;
static unsigned lines, dones, resumes, enables, begun, served_count;
static kern_return_t last_result;
static struct {
    int disk, operation, sectors, pin, tag;
    uint64_t sector;
    vm_size_t offset;
} last;
static int64_t finished[HARDWARE_BLOCK_DONE_MAX * 2]; /* that the next calls tell */
static unsigned finished_count;
static void (*handler)(void *);

/* --- what the driver calls --- */

void driver_begin(void (*stop)(void))
{
    stop();
}

void driver_say(const char *format, ...)
{
    (void)format;
    lines++;
}

void driver_fail(const char *format, ...)
{
    (void)format;
    has_failed = true;
    longjmp(ended, 1);
}

void driver_loop(void)
{
    longjmp(ended, 1);
}

kern_return_t driver_on_interrupt(unsigned index, void (*function)(void *), void *context)
{
    assert_int_equal(index, 0);
    assert_null(context);
    handler = function;
    return interrupt;
}

kern_return_t driver_block(mach_port_t port, mach_port_t *block)
{
    assert_int_equal(port, driver.port);
    *block = 77;
    return right;
}

kern_return_t driver_enable(mach_port_t port)
{
    (void)port;
    enables++;
    return KERN_SUCCESS;
}

void block_serve(struct block_disk *const *disks, unsigned n)
{
    assert_true(n <= SERVED_MAX && disks[0] == &main_disks[0]);
    served_count = n;
}

void block_done(struct block_disk *disk, struct block_transfer *transfer, kern_return_t result)
{
    assert_non_null(disk);
    assert_non_null(transfer);
    dones++;
    last_result = result;
}

void block_resume(struct block_disk *disk)
{
    assert_non_null(disk);
    resumes++;
}

kern_return_t hardware_block_size(mach_port_t block, int disk, uint64_t *sectors)
{
    assert_int_equal(block, 77);
    *sectors = disk < (int)SERVED_MAX ? sizes[disk] : 0;
    return KERN_SUCCESS;
}

kern_return_t hardware_block_begin(mach_port_t block, int disk, int operation, uint64_t sector,
                                   int sectors, int pin, vm_size_t offset, int tag)
{
    assert_int_equal(block, 77);
    last.disk = disk;
    last.operation = operation;
    last.sector = sector;
    last.sectors = sectors;
    last.pin = pin;
    last.offset = offset;
    last.tag = tag;
    begun += begin == KERN_SUCCESS;
    return begin;
}

kern_return_t hardware_block_take(mach_port_t block, hardware_block_done_t done,
                                  mach_msg_type_number_t *count)
{
    unsigned n = finished_count < *count ? finished_count : *count;

    assert_int_equal(block, 77);
    memcpy(done, finished, n * sizeof(done[0]));
    finished_count -= n;
    memmove(finished, finished + n, finished_count * sizeof(finished[0]));
    *count = n;
    return taking;
}

/* --- */

static int setup(void **state)
{
    (void)state;
    memset(sizes, 0, sizeof(sizes));
    memset(main_slots, 0, sizeof(main_slots));
    memset(main_disks, 0, sizeof(main_disks));
    main_disk_count = 0;
    main_told_error = has_failed = false;
    right = interrupt = begin = taking = KERN_SUCCESS;
    lines = dones = resumes = enables = begun = served_count = finished_count = 0;
    sizes[0] = 1000;
    sizes[1] = 7 | HYPERCALL_BLOCK_READ_ONLY;
    return 0;
}

/* Returns: does it serve? */
static bool start(void)
{
    has_failed = false;
    if (setjmp(ended) == 0) {
        driver_main();
    }
    return !has_failed;
}

static bool takes(void)
{
    has_failed = false;
    if (setjmp(ended) == 0) {
        handler(NULL);
    }
    return !has_failed;
}

static void finish(int tag, uint32_t status)
{
    finished[finished_count] = (int64_t)((uint64_t)status << 32 | (uint32_t)tag);
    finished_count++;
}

static void disks_are_offered(void **state)
{
    (void)state;
    assert_true(start());
    assert_int_equal(served_count, 2);
    assert_int_equal(enables, 1);
    assert_int_equal(main_disks[0].sectors, 1000);
    assert_int_equal(main_disks[0].sector_size, 512);
    assert_false(main_disks[0].is_read_only);
    assert_true(main_disks[0].has_cache);
    assert_int_equal(main_disks[1].sectors, 7);
    assert_int_equal(main_disks[1].unit, 1);
    assert_true(main_disks[1].is_read_only);
}

static void as_many_as_it_has_places_for(void **state)
{
    (void)state;
    for (unsigned i = 0; i < SERVED_MAX; i++) {
        sizes[i] = 8;
    }
    assert_true(start());
    assert_int_equal(served_count, DISKS_MAX);
}

static void without_a_disk_it_ends(void **state)
{
    (void)state;
    sizes[0] = 0;
    assert_false(start());
    sizes[0] = HYPERCALL_UNKNOWN;
    assert_false(start());
    sizes[0] = INT64_MAX; /* of sectors */
    assert_false(start());
    setup(NULL);
    right = KERN_FAILURE;
    assert_false(start());
    setup(NULL);
    interrupt = KERN_RESOURCE_SHORTAGE;
    assert_false(start());
    assert_int_equal(served_count, 0);
}

static void requests_name_what_is_pinned(void **state)
{
    struct block_transfer transfer = {
        .operation = BLOCK_WRITE, .sector = 9, .size = 4096, .pin = 5, .offset = 100};

    (void)state;
    assert_true(start());
    assert_int_equal(main_start(&main_disks[1], &transfer), KERN_SUCCESS);
    assert_int_equal(last.disk, 1);
    assert_int_equal(last.operation, HYPERCALL_BLOCK_WRITE);
    assert_int_equal(last.sector, 9);
    assert_int_equal(last.sectors, 8);
    assert_int_equal(last.pin, 5);
    assert_int_equal(last.offset, 100);
    finish(last.tag, HYPERCALL_BLOCK_DONE);
    assert_true(takes());
    assert_int_equal(dones, 1);
    assert_int_equal(last_result, KERN_SUCCESS);
    transfer.operation = BLOCK_FLUSH;
    assert_int_equal(main_start(&main_disks[0], &transfer), KERN_SUCCESS);
    assert_int_equal(last.operation, HYPERCALL_BLOCK_FLUSH);
    transfer.operation = BLOCK_READ;
    assert_int_equal(main_start(&main_disks[0], &transfer), KERN_SUCCESS);
    assert_int_equal(last.operation, HYPERCALL_BLOCK_READ);
}

/* Each write, and reads once: somebody may read a bad sector for ever. */
static void errors_are_told(void **state)
{
    struct block_transfer transfer = {.operation = BLOCK_READ, .size = 512};

    (void)state;
    assert_true(start());
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(main_start(&main_disks[0], &transfer), KERN_SUCCESS);
        finish(last.tag, HYPERCALL_BLOCK_FAILED);
        assert_true(takes());
        assert_int_equal(last_result, D_IO_ERROR);
        assert_int_equal(lines, 1);
    }
    transfer.operation = BLOCK_WRITE;
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(main_start(&main_disks[0], &transfer), KERN_SUCCESS);
        finish(last.tag, 12345); /* no such status */
        assert_true(takes());
        assert_int_equal(last_result, D_IO_ERROR);
        assert_int_equal(lines, 2 + i);
    }
    begin = KERN_FAILURE;
    assert_int_equal(main_start(&main_disks[0], &transfer), D_IO_ERROR);
    begin = KERN_RESOURCE_SHORTAGE;
    assert_int_equal(main_start(&main_disks[0], &transfer), D_NO_MEMORY);
    assert_int_equal(lines, 5);
}

static void requests_wait_for_a_place(void **state)
{
    struct block_transfer transfer = {.operation = BLOCK_READ, .size = 512};

    (void)state;
    assert_true(start());
    begin = KERN_NO_SPACE; /* an earlier driver has them all */
    assert_int_equal(main_start(&main_disks[0], &transfer), D_WOULD_BLOCK);
    begin = KERN_SUCCESS;
    for (unsigned i = 0; i < SLOTS; i++) {
        assert_int_equal(main_start(&main_disks[0], &transfer), KERN_SUCCESS);
        assert_int_equal(last.tag, i);
    }
    assert_int_equal(main_start(&main_disks[0], &transfer), D_WOULD_BLOCK);
    assert_int_equal(begun, SLOTS);
    for (unsigned i = 0; i < SLOTS; i++) {
        finish((int)i, HYPERCALL_BLOCK_DONE);
    }
    resumes = 0;
    assert_true(takes());
    assert_int_equal(dones, SLOTS);
    assert_int_equal(resumes, 2); /* of all disks */
    assert_int_equal(main_start(&main_disks[0], &transfer), KERN_SUCCESS);
}

static void what_cannot_be_done_ends_it(void **state)
{
    (void)state;
    assert_true(start());
    finish(3, HYPERCALL_BLOCK_DONE); /* not begun */
    assert_false(takes());
    finish(SLOTS, HYPERCALL_BLOCK_DONE);
    assert_false(takes());
    finish(-1, HYPERCALL_BLOCK_DONE);
    assert_false(takes());
    taking = KERN_FAILURE;
    assert_false(takes());
    assert_int_equal(dones, 0);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup(disks_are_offered, setup),
    cmocka_unit_test_setup(as_many_as_it_has_places_for, setup),
    cmocka_unit_test_setup(without_a_disk_it_ends, setup),
    cmocka_unit_test_setup(requests_name_what_is_pinned, setup),
    cmocka_unit_test_setup(errors_are_told, setup),
    cmocka_unit_test_setup(requests_wait_for_a_place, setup),
    cmocka_unit_test_setup(what_cannot_be_done_ends_it, setup),
};

int main(void)
{
    const int total = (int)(sizeof(tests) / sizeof(tests[0]));
    int failed = cmocka_run_group_tests_name("hypercall_blk", tests, NULL, NULL);

    printf("%d passed, %d failed\n", total - failed, failed);
    return failed != 0;
}
