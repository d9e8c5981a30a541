/* parts_test.c - what devices are put together from: ranges of addresses, guest memory, time. */
#include "vmm_test.h"

/* --- bus.c --- */

static uint64_t last_offset, last_value;
static unsigned last_size, writes;

static uint64_t device_read(void *device, uint64_t offset, unsigned size)
{
    (void)size;
    return *(uint64_t *)device + offset;
}

static void device_write(void *device, uint64_t offset, unsigned size, uint64_t value)
{
    (void)device;
    last_offset = offset;
    last_size = size;
    last_value = value;
    writes++;
}

static bool insert(struct bus *bus, uint64_t base, uint64_t size, void *device)
{
    struct bus_range range = {base, size, device_read, device_write, device};

    return bus_insert(bus, &range);
}

static void what_nobody_claims_is_all_ones(void **state)
{
    struct bus bus;

    (void)state;
    bus_init(&bus);
    assert_int_equal(bus_read(&bus, 0x60, 1), 0xff);
    assert_int_equal(bus_read(&bus, 0x60, 2), 0xffff);
    assert_int_equal(bus_read(&bus, 0x60, 4), 0xffffffff);
    assert_true(bus_read(&bus, ~0ull, 8) == ~0ull);
    bus_write(&bus, 0x60, 1, 5);
    assert_null(bus_lookup(&bus, 0x60));
}

static void a_device_is_told_what_is_its_own(void **state)
{
    uint64_t first = 0x1100, second = 0x2200;
    struct bus bus;

    (void)state;
    bus_init(&bus);
    assert_true(insert(&bus, 0x70, 2, &second));
    assert_true(insert(&bus, 0x60, 5, &first));
    assert_int_equal(bus_read(&bus, 0x60, 2), 0x1100);
    assert_int_equal(bus_read(&bus, 0x64, 1), 0x04); /* of the size that was asked for */
    assert_int_equal(bus_read(&bus, 0x71, 1), 0x01);
    assert_int_equal(bus_read(&bus, 0x64, 2), 0xffff); /* goes beyond the end */
    assert_int_equal(bus_read(&bus, 0x65, 1), 0xff);
    writes = 0;
    bus_write(&bus, 0x62, 2, 0x123456);
    assert_int_equal(last_offset, 2);
    assert_int_equal(last_size, 2);
    assert_int_equal(last_value, 0x3456);
    bus_write(&bus, 0x64, 4, 1);
    assert_int_equal(writes, 1);
}

static void ranges_do_not_overlap(void **state)
{
    uint64_t device = 0;
    struct bus bus;

    (void)state;
    bus_init(&bus);
    assert_true(insert(&bus, 0x100, 0x10, &device));
    assert_false(insert(&bus, 0x100, 0x10, &device));
    assert_false(insert(&bus, 0xff, 2, &device));
    assert_false(insert(&bus, 0x10f, 1, &device));
    assert_false(insert(&bus, 0, 0x1000, &device));
    assert_false(insert(&bus, 0x200, 0, &device));
    assert_false(insert(&bus, ~0ull, 2, &device));
    assert_true(insert(&bus, 0x110, 1, &device));
    assert_true(insert(&bus, ~0ull, 1, &device));
    assert_true(insert(&bus, 0, 0x100, &device));
    assert_false(bus_remove(&bus, 0x101));
    assert_true(bus_remove(&bus, 0x100));
    assert_null(bus_lookup(&bus, 0x105));
    assert_non_null(bus_lookup(&bus, ~0ull));
    for (unsigned i = bus.count; i < BUS_RANGES_MAX; i++) {
        assert_true(insert(&bus, 0x1000 + 16 * i, 16, &device));
    }
    assert_false(insert(&bus, 0x10000, 1, &device));
}

/* --- memory.c --- */

static uint8_t small[2 * MEMORY_PAGE];

static void memory_is_where_it_is(void **state)
{
    struct memory m;

    (void)state;
    memory_init(&m, small, sizeof(small));
    assert_ptr_equal(memory_at(&m, 0, 1), small);
    assert_ptr_equal(memory_at(&m, 4097, sizeof(small) - 4097), small + 4097);
    assert_null(memory_at(&m, 4097, sizeof(small) - 4096));
    assert_null(memory_at(&m, sizeof(small), 1));
    assert_null(memory_at(&m, 1, UINT64_MAX));
    assert_null(memory_at(&m, UINT64_MAX, 2));
    assert_null(memory_at(&m, MEMORY_HOLE, 1));
    assert_null(memory_at(&m, MEMORY_HIGH, 1));
}

static void memory_above_4_gib_is_in_one_piece(void **state)
{
    struct memory m;

    (void)state;
    memory_init(&m, small, MEMORY_HOLE + 0x3000); /* is only counted with */
    assert_true(m.low_size == MEMORY_HOLE && m.high_size == 0x3000);
    assert_null(memory_at(&m, MEMORY_HOLE - 1, 2));
    assert_null(memory_at(&m, MEMORY_HIGH - 1, 2));
    assert_true((uint64_t)memory_at(&m, MEMORY_HIGH + 5, 1) == (uint64_t)small + MEMORY_HOLE + 5);
    assert_null(memory_at(&m, MEMORY_HIGH, 0x3001));
    assert_null(memory_at(&m, MEMORY_HIGH + 0x3000, 1));
}

static void copies_are_whole_or_not_at_all(void **state)
{
    struct memory m;
    uint8_t data[4] = {1, 2, 3, 4};

    (void)state;
    memory_init(&m, small, sizeof(small));
    memset(small, 0, sizeof(small));
    assert_false(memory_write(&m, sizeof(small) - 3, data, 4));
    assert_int_equal(small[sizeof(small) - 3], 0);
    assert_true(memory_write(&m, sizeof(small) - 4, data, 4));
    memset(data, 9, sizeof(data));
    assert_false(memory_read(&m, sizeof(small) - 3, data, 4));
    assert_int_equal(data[0], 9);
    assert_true(memory_read(&m, sizeof(small) - 4, data, 4));
    assert_int_equal(data[3], 4);
}

/* --- clock.c --- */

static char order[16];
static unsigned order_count;
static struct test_clock test;
static struct clock_timer a, b;

static void note(void *device)
{
    order[order_count++] = *(const char *)device;
}

static void again(void *device)
{
    (void)device;
    order[order_count++] = 'a';
    clock_set(&test.clock, &a, 0);
}

static void stops_other(void *device)
{
    note(device);
    clock_stop(&test.clock, &b);
}

static void clock_start(void)
{
    test_clock_init(&test);
    memset(order, 0, sizeof(order));
    order_count = 0;
    clock_timer_init(&a, note, "a");
    clock_timer_init(&b, note, "b");
}

static void timers_are_called_in_their_order(void **state)
{
    (void)state;
    clock_start();
    clock_set(&test.clock, &a, 20);
    clock_set(&test.clock, &b, 10);
    assert_int_equal(clock_run(&test.clock), 10);
    test.now_ns = 10;
    assert_int_equal(clock_run(&test.clock), 20);
    assert_string_equal(order, "b");
    clock_set(&test.clock, &b, 30);
    test.now_ns = 50;
    assert_true(clock_run(&test.clock) == CLOCK_NEVER);
    assert_string_equal(order, "bab");
}

static void a_timer_that_is_stopped_is_not_called(void **state)
{
    (void)state;
    clock_start();
    clock_stop(&test.clock, &a);
    clock_set(&test.clock, &a, 10);
    clock_set(&test.clock, &a, 20);
    clock_set(&test.clock, &b, 15);
    a.function = stops_other;
    clock_set(&test.clock, &a, 12);
    test.now_ns = 100;
    assert_true(clock_run(&test.clock) == CLOCK_NEVER);
    assert_string_equal(order, "a");
    clock_set(&test.clock, &a, CLOCK_NEVER);
    assert_true(clock_run(&test.clock) == CLOCK_NEVER);
}

static void a_timer_that_is_always_due_holds_nobody(void **state)
{
    (void)state;
    clock_start();
    a.function = again;
    clock_set(&test.clock, &a, 0);
    assert_int_equal(clock_run(&test.clock), 0);
    assert_string_equal(order, "a");
}

static unsigned sooner;

static void count_sooner(void *context)
{
    (void)context;
    sooner++;
}

static void who_waits_is_told_of_what_is_sooner(void **state)
{
    (void)state;
    clock_start();
    test.clock.sooner = count_sooner;
    sooner = 0;
    clock_set(&test.clock, &a, 20);
    clock_set(&test.clock, &b, 30);
    assert_int_equal(sooner, 1);
    clock_set(&test.clock, &b, 10);
    assert_int_equal(sooner, 2);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(what_nobody_claims_is_all_ones),
    cmocka_unit_test(a_device_is_told_what_is_its_own),
    cmocka_unit_test(ranges_do_not_overlap),
    cmocka_unit_test(memory_is_where_it_is),
    cmocka_unit_test(memory_above_4_gib_is_in_one_piece),
    cmocka_unit_test(copies_are_whole_or_not_at_all),
    cmocka_unit_test(timers_are_called_in_their_order),
    cmocka_unit_test(a_timer_that_is_stopped_is_not_called),
    cmocka_unit_test(a_timer_that_is_always_due_holds_nobody),
    cmocka_unit_test(who_waits_is_told_of_what_is_sooner),
};
TEST_MAIN("parts", tests)
