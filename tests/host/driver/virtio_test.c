/* virtio_test.c - the virtio disk driver with a device that says anything: where its registers are,
 * how large it is, which requests it has done. Registers are memory of exactly the size the device
 * has, so that the sanitizer sees a driver that believes more. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <mach/mach_traps.h>
#include <portolan/driver_block.h>

/* The driver itself, whose variables are those of a fresh task each time. */
#define main driver_main
#include "virtio.c"

#include "main.c"
#undef main

#define BAR_SIZE    4096u
#define ROUNDS      20000u
#define COMMON_AT   0u
#define DEVICE_AT   1024u
#define NOTIFY_AT   2048u
#define QUEUE_SIZE  64u
#define ALLOCATIONS 80u

struct driver driver;

static uint8_t config[256];
static uint8_t *bar;
static void *allocations[ALLOCATIONS];
static unsigned allocation_count;
static jmp_buf ended; /* the driver has given up, or serves */
static void (*interrupt_handler)(void *);
static void *interrupt_context;
static struct block_disk *served;
static unsigned done, failed_transfers;

/* --- what the driver calls --- */

void driver_begin(void (*stop)(void))
{
    (void)stop;
}

void driver_say(const char *format, ...)
{
    (void)format;
}

void driver_fail(const char *format, ...)
{
    (void)format;
    longjmp(ended, 1);
}

kern_return_t driver_on_interrupt(unsigned index, void (*handler)(void *), void *context)
{
    (void)index;
    interrupt_handler = handler;
    interrupt_context = context;
    return KERN_SUCCESS;
}

static void (*ping_handler)(void *);
static void *ping_context;

void driver_on_ping(void (*handler)(void *), void *context)
{
    ping_handler = handler;
    ping_context = context;
}

kern_return_t driver_config_read(mach_port_t port, int offset, int size, int *value)
{
    (void)port;
    assert_true(offset >= 0 && offset + size <= (int)sizeof(config) && offset % size == 0);
    *value = 0;
    memcpy(value, config + offset, (size_t)size);
    return KERN_SUCCESS;
}

kern_return_t driver_map(mach_port_t port, int index, int cache, vm_address_t *address,
                         vm_size_t *size)
{
    (void)port, (void)cache;
    if (index != 4) {
        return KERN_INVALID_ARGUMENT;
    }
    *address = (vm_address_t)bar;
    *size = BAR_SIZE;
    return KERN_SUCCESS;
}

kern_return_t driver_dma_allocate(mach_port_t port, vm_size_t size, int64_t limit,
                                  vm_address_t *address, int64_t *phys)
{
    (void)port, (void)limit;
    assert_true(allocation_count < ALLOCATIONS);
    allocations[allocation_count] = calloc(1, size);
    *address = (vm_address_t)allocations[allocation_count];
    *phys = (int64_t)(allocation_count + 1) << 32;
    allocation_count++;
    return KERN_SUCCESS;
}

kern_return_t driver_enable(mach_port_t port)
{
    (void)port;
    return KERN_SUCCESS;
}

kern_return_t thread_switch(mach_port_t thread, int option, natural_t time)
{
    (void)thread, (void)option, (void)time;
    return KERN_SUCCESS;
}

void block_serve(struct block_disk *const *disks, unsigned n)
{
    assert_int_equal(n, 1);
    served = disks[0];
    longjmp(ended, 2);
}

void block_done(struct block_disk *disk, struct block_transfer *transfer, kern_return_t result)
{
    assert_ptr_equal(disk, served);
    assert_true(transfer->size != 0);
    transfer->size = 0; /* done once only */
    done++;
    failed_transfers += result != KERN_SUCCESS;
}

void driver_loop(void)
{
    abort();
}

/* --- the device --- */

static void put(uint8_t *at, uint64_t value, size_t size)
{
    memcpy(at, &value, size);
}

static void capability(unsigned at, unsigned next, uint8_t type, uint32_t offset, uint32_t size)
{
    config[at] = 9;
    config[at + 1] = (uint8_t)next;
    config[at + 2] = 20;
    config[at + 3] = type;
    config[at + 4] = 4;
    put(config + at + 8, offset, 4);
    put(config + at + 12, size, 4);
    put(config + at + 16, 4, 4);
}

/* One that is as it should be. Features are read by a selector, which memory does not have: all are
 * offered in both halves. */
static void make_device(void)
{
    for (unsigned i = 0; i < allocation_count; i++) {
        free(allocations[i]);
    }
    allocation_count = 0;
    memset(config, 0, sizeof(config));
    memset(bar, 0, BAR_SIZE);
    config[6] = 0x10;
    config[0x34] = 0x40;
    capability(0x40, 0x60, 1, COMMON_AT, 56);
    capability(0x60, 0x80, 2, NOTIFY_AT, 64);
    capability(0x80, 0xa0, 4, DEVICE_AT, 64);
    config[0xa0] = 0x11;
    put(bar + 4, 0x10000201, 4); /* VERSION_1, indirect, flush */
    put(bar + 18, 1, 2);         /* queues */
    put(bar + 24, QUEUE_SIZE, 2);
    put(bar + DEVICE_AT, 1000000, 8);  /* sectors */
    put(bar + DEVICE_AT + 12, 100, 4); /* pieces of one request */
}

/* The driver starts; 1 when it has given up, 2 when it serves. */
static int start(void)
{
    int how;

    done = failed_transfers = 0;
    main_untold = 0;
    ping_handler = NULL;
    memset(&main_virtio, 0, sizeof(main_virtio));
    memset(main_slots, 0, sizeof(main_slots));
    memset(virtio_bars, 0, sizeof(virtio_bars));
    how = setjmp(ended);
    if (how == 0) {
        driver_main();
    }
    return how;
}

static bool begin(struct block_transfer *transfer, enum block_operation operation)
{
    *transfer = (struct block_transfer){.operation = operation, .size = 4096, .nruns = 1};
    transfer->runs[0] = (struct driver_run){0x1000, 4096};
    return served->ops->start(served, transfer) == KERN_SUCCESS;
}

static struct block_transfer *new_transfer(void)
{
    return calloc(1, sizeof(struct block_transfer) + sizeof(struct driver_run));
}

/* Where the device writes what it is done with. */
static uint8_t *used_ring(void)
{
    return (uint8_t *)main_queue.used;
}

static int interrupt(void)
{
    int how = setjmp(ended);

    if (how == 0) {
        interrupt_handler(interrupt_context);
    }
    return how;
}

static void a_good_device_is_served(void **state)
{
    struct block_transfer *transfer = new_transfer();

    (void)state;
    make_device();
    assert_int_equal(start(), 2);
    assert_int_equal(served->sectors, 1000000);
    assert_true(begin(transfer, BLOCK_READ));
    put(used_ring() + 2, 1, 2);
    assert_int_equal(interrupt(), 0);
    assert_int_equal(done, 1);
    assert_int_equal(failed_transfers, 1); /* nobody has written a status */
    free(transfer);
}

/* 1 when the driver has given up. */
static int look(void)
{
    int how = setjmp(ended);

    if (how == 0) {
        ping_handler(ping_context);
    }
    return how;
}

/* The device is done with so many requests, and says nothing. */
static void finish(unsigned count)
{
    put(used_ring() + 2, count, 2);
}

static void a_lost_interrupt_costs_a_second(void **state)
{
    struct block_transfer *transfer = new_transfer();

    (void)state;
    make_device();
    assert_int_equal(start(), 2);
    assert_true(begin(transfer, BLOCK_READ));
    assert_int_equal(look(), 0);
    finish(1);
    assert_int_equal(look(), 0);
    assert_int_equal(done, 1);
    free(transfer);
}

/* Each is found done by a look; the interrupt after two of them, if there is one, is for nothing.
 */
static int untold_rounds(unsigned rounds, bool interrupts)
{
    struct block_transfer *transfer = new_transfer();
    int how = 0;

    make_device();
    assert_int_equal(start(), 2);
    for (unsigned i = 0; i < rounds && how == 0; i++) {
        assert_true(begin(transfer, BLOCK_READ));
        finish(i + 1);
        how = look();
        if (interrupts && i % 2 != 0) {
            assert_int_equal(interrupt(), 0);
        }
    }
    free(transfer);
    return how;
}

static void a_device_that_never_interrupts_is_given_up(void **state)
{
    (void)state;
    assert_int_equal(untold_rounds(UNTOLD_MAX, false), 0);
    assert_int_equal(untold_rounds(UNTOLD_MAX + 1, false), 1);
    assert_int_equal(untold_rounds(20, true), 0);
}

static void a_device_that_does_not_answer_is_given_up(void **state)
{
    static const struct {
        enum block_operation operation;
        unsigned looks;
    } limits[] = {
        {BLOCK_READ, TRANSFER_LOOKS}, {BLOCK_WRITE, TRANSFER_LOOKS}, {BLOCK_FLUSH, FLUSH_LOOKS}};
    struct block_transfer *transfer = new_transfer();

    (void)state;
    for (unsigned i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
        make_device();
        assert_int_equal(start(), 2);
        assert_true(begin(transfer, limits[i].operation));
        for (unsigned n = 0; n < limits[i].looks; n++) {
            assert_int_equal(look(), 0);
        }
        assert_int_equal(look(), 1);
        assert_int_equal(bar[20], 0); /* it was reset */
        assert_int_equal(done, 0);
    }
    free(transfer);
}

static void a_device_that_was_reset_is_given_up(void **state)
{
    static const uint8_t others[] = {0, 7, 11, 0x4f, 0x8f};
    struct block_transfer *transfer = new_transfer();

    (void)state;
    for (unsigned i = 0; i < sizeof(others); i++) {
        make_device();
        assert_int_equal(start(), 2);
        assert_true(begin(transfer, BLOCK_READ));
        assert_int_equal(look(), 0);
        bar[20] = others[i];
        assert_int_equal(look(), 1);
    }
    free(transfer);
}

static void requests_that_were_not_begun_cannot_be_done(void **state)
{
    static const uint32_t bad[] = {1, QUEUE_SIZE, 0xffffffff, 0x80000000, 1000};
    struct block_transfer *transfer = new_transfer();

    (void)state;
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        make_device();
        assert_int_equal(start(), 2);
        assert_true(begin(transfer, BLOCK_READ));
        put(used_ring() + 4, bad[i], 4);
        put(used_ring() + 2, 1, 2);
        assert_int_equal(interrupt(), 1);
        assert_int_equal(done, 0);
    }
    free(transfer);
}

static void a_request_is_done_once(void **state)
{
    struct block_transfer *transfer = new_transfer();

    (void)state;
    make_device();
    assert_int_equal(start(), 2);
    assert_true(begin(transfer, BLOCK_WRITE));
    put(used_ring() + 2, 40000, 2); /* all the same one */
    assert_int_equal(interrupt(), 1);
    assert_int_equal(done, 1);
    free(transfer);
}

static void more_than_the_queue_has_room_for_waits(void **state)
{
    struct block_transfer *transfers[QUEUE_SIZE + 1];

    (void)state;
    make_device();
    assert_int_equal(start(), 2);
    for (unsigned i = 0; i <= QUEUE_SIZE; i++) {
        transfers[i] = new_transfer();
        assert_int_equal(begin(transfers[i], BLOCK_FLUSH), i < QUEUE_SIZE);
    }
    for (unsigned i = 0; i <= QUEUE_SIZE; i++) {
        free(transfers[i]);
    }
}

static void registers_outside_the_device_are_refused(void **state)
{
    static const struct {
        unsigned at; /* in configuration space */
        uint64_t value;
        size_t size;
    } bad[] = {
        {0x44, 3, 1},  {0x44, 255, 1},        {0x48, BAR_SIZE, 4}, {0x48, 0xfffffff8, 4},
        {0x4c, 55, 4}, {0x4c, 0xffffffff, 4}, {0x48, 2, 4},        {0x68, BAR_SIZE - 1, 4},
        {0x6c, 0, 4},  {0x8c, 0xffffffff, 4}, {0x34, 0, 1},        {6, 0, 2},
    };

    (void)state;
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        make_device();
        put(config + bad[i].at, bad[i].value, bad[i].size);
        assert_int_equal(start(), 1);
    }
}

/* Where devices have addresses of their own, one that does not take them is not served. */
static void a_device_that_goes_past_the_iommu_is_refused(void **state)
{
    (void)state;
    driver.is_translated = true;
    make_device();
    assert_int_equal(start(), 1);
    put(bar + 4, 0x10000203, 4);           /* ACCESS_PLATFORM; below, that is SIZE_MAX */
    put(bar + DEVICE_AT + 8, 1u << 20, 4); /* bytes of one piece */
    assert_int_equal(start(), 2);
    assert_true((main_virtio.features & VIRTIO_F_ACCESS_PLATFORM) != 0);
    driver.is_translated = false;
    make_device();
    assert_int_equal(start(), 2);
    assert_true((main_virtio.features & VIRTIO_F_ACCESS_PLATFORM) == 0);
}

static void lists_of_capabilities_that_are_circles_end(void **state)
{
    (void)state;
    make_device();
    config[0xa1] = 0x40;
    assert_int_equal(start(), 2);
    config[0x61] = 0x60;
    assert_int_equal(start(), 1);
}

static void numbers_that_cannot_be_are_refused(void **state)
{
    static const struct {
        unsigned at; /* in the registers */
        uint64_t value;
        size_t size;
    } bad[] = {
        {4, 0, 4},  {4, 1, 4},       {18, 0, 2},        {24, 0, 2},
        {24, 3, 2}, {30, 0xffff, 2}, {DEVICE_AT, 0, 8}, {DEVICE_AT, ~0ull, 8},
    };

    (void)state;
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        make_device();
        put(bar + bad[i].at, bad[i].value, bad[i].size);
        assert_int_equal(start(), 1);
    }
}

/* Some bytes of what the device says are anything, before the start and after. */
static void random_round(void)
{
    struct block_transfer *transfers[4];

    make_device();
    for (int n = rand() % 8; n > 0; n--) {
        if (rand() % 2 == 0) {
            config[rand() % 256] = (uint8_t)rand();
        } else {
            bar[rand() % 2 == 0 ? rand() % 64 : (int)DEVICE_AT + rand() % 64] = (uint8_t)rand();
        }
    }
    if (start() != 2) {
        return;
    }
    for (unsigned i = 0; i < 4; i++) {
        transfers[i] = new_transfer();
        begin(transfers[i], i % 2 == 0 ? BLOCK_READ : BLOCK_WRITE);
    }
    put(used_ring() + 2, (uint64_t)rand() % 6, 2);
    for (unsigned i = 0; i < 6 && i < main_queue.size; i++) {
        put(used_ring() + 4 + 8 * i, rand() % 2 == 0 ? i : (uint64_t)rand(), 4);
    }
    interrupt();
    assert_true(done <= 4);
    for (unsigned i = 0; i < 4; i++) {
        free(transfers[i]);
    }
}

static void a_device_that_says_anything_is_survived(void **state)
{
    (void)state;
    srand(1);
    for (unsigned i = 0; i < ROUNDS; i++) {
        random_round();
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_device_is_served),
        cmocka_unit_test(a_lost_interrupt_costs_a_second),
        cmocka_unit_test(a_device_that_never_interrupts_is_given_up),
        cmocka_unit_test(a_device_that_does_not_answer_is_given_up),
        cmocka_unit_test(a_device_that_was_reset_is_given_up),
        cmocka_unit_test(requests_that_were_not_begun_cannot_be_done),
        cmocka_unit_test(a_request_is_done_once),
        cmocka_unit_test(more_than_the_queue_has_room_for_waits),
        cmocka_unit_test(registers_outside_the_device_are_refused),
        cmocka_unit_test(a_device_that_goes_past_the_iommu_is_refused),
        cmocka_unit_test(lists_of_capabilities_that_are_circles_end),
        cmocka_unit_test(numbers_that_cannot_be_are_refused),
        cmocka_unit_test(a_device_that_says_anything_is_survived),
    };
    const int total = (int)(sizeof(tests) / sizeof(tests[0]));
    int failed;

    bar = malloc(BAR_SIZE);
    failed = cmocka_run_group_tests_name("virtio", tests, NULL, NULL);
    printf("%d passed, %d failed\n", total - failed, failed);
    return failed != 0;
}
