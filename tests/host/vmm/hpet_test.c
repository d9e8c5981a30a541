/* hpet_test.c - a counter, and comparators that are reached. */
#include "hpet.h"
#include "vmm_test.h"

#define MS   1000000ull
#define T(n) (0x100u + 0x20u * (n))

static struct bus bus;
static struct hpet hpet;
static struct test_clock test;
static struct test_line ends[HPET_LINES];

static int start(void **state)
{
    struct line lines[HPET_LINES];

    (void)state;
    bus_init(&bus);
    test_clock_init(&test);
    for (unsigned n = 0; n < HPET_LINES; n++) {
        test_line_init(&ends[n]);
        lines[n] = ends[n].line;
        lines[n].target = &ends[n];
    }
    assert_true(hpet_init(&hpet, &bus, &test.clock, lines));
    return 0;
}

static void out(unsigned at, uint64_t value)
{
    bus_write(&bus, HPET_BASE + at, 8, value);
}

static uint64_t in(unsigned at)
{
    return bus_read(&bus, HPET_BASE + at, 8);
}

static void it_says_what_it_is(void **state)
{
    (void)state;
    assert_true(in(0) == (10000000ull << 32 | 0x8086a201));
    assert_int_equal(bus_read(&bus, HPET_BASE + 4, 4), 10000000);
    assert_int_equal(bus_read(&bus, HPET_BASE + 1, 1), 0xff);
    assert_int_equal(in(T(0)) & 0x30, 0x30);
    assert_int_equal(in(T(3)), 0);
    assert_int_equal(in(0x3f8), 0);
}

static void the_counter_counts_while_it_runs(void **state)
{
    (void)state;
    test_clock_pass(&test, MS);
    assert_int_equal(in(0xf0), 0);
    out(0xf0, 1000);
    out(0x10, 1);
    test_clock_pass(&test, MS);
    assert_int_equal(in(0xf0), 101000);
    out(0xf0, 5);
    assert_int_equal(in(0xf0), 101000);
    out(0x10, 0);
    test_clock_pass(&test, MS);
    assert_int_equal(in(0xf0), 101000);
    out(0x10, 1);
    test_clock_pass(&test, 10);
    assert_int_equal(in(0xf0), 101001);
}

static void a_comparator_is_reached_once(void **state)
{
    (void)state;
    out(T(1), 0x4 | 16 << 9);
    out(T(1) + 8, 100000);
    out(0x10, 1);
    test_clock_pass(&test, MS - 10);
    assert_int_equal(ends[16].rises, 0);
    test_clock_pass(&test, 10);
    assert_int_equal(ends[16].rises, 1);
    assert_false(ends[16].level);
    test_clock_pass(&test, 100 * MS);
    assert_int_equal(ends[16].rises, 1);
}

static void a_period_comes_again(void **state)
{
    (void)state;
    out(0x10, 3); /* legacy lines: timer 0 is the 8254 */
    assert_true(hpet_has_legacy_lines(&hpet));
    out(T(0), 0x4 | 0x8 | 0x40);
    out(T(0) + 8, 200000);
    out(T(0) + 8, 100000);
    test_clock_pass(&test, 5 * MS);
    assert_int_equal(ends[2].rises, 4);
    assert_int_equal(in(T(0) + 8), 600000);
    out(T(0), 0); /* not enabled */
    test_clock_pass(&test, 5 * MS);
    assert_int_equal(ends[2].rises, 4);
}

static void a_period_of_nothing_holds_nobody(void **state)
{
    (void)state;
    out(0x10, 1);
    out(T(0), 0x4 | 0x8 | 0x40 | 2 << 9);
    out(T(0) + 8, 1);
    out(T(0) + 8, 1); /* 10 ns */
    test_clock_pass(&test, MS);
    assert_in_range(ends[2].rises, 50, 101);
    out(T(0), 0x4 | 0x8 | 0x40 | 2 << 9);
    out(T(0) + 8, in(0xf0) + 100);
    out(T(0) + 8, 0);
    ends[2].rises = 0;
    test_clock_pass(&test, MS);
    assert_int_equal(ends[2].rises, 1);
}

static void a_level_stays_until_it_is_acknowledged(void **state)
{
    (void)state;
    out(T(2), 0x4 | 0x2 | 20 << 9);
    out(T(2) + 8, 100);
    out(0x10, 1);
    test_clock_pass(&test, MS);
    assert_true(ends[20].level);
    assert_int_equal(in(0x20), 4);
    bus_write(&bus, HPET_BASE + 0x20, 4, 3);
    assert_true(ends[20].level);
    bus_write(&bus, HPET_BASE + 0x20, 4, 4);
    assert_false(ends[20].level);
    out(T(2) + 8, in(0xf0) + 100);
    test_clock_pass(&test, MS);
    assert_true(ends[20].level);
    out(T(2), 0x4 | 0x2 | 21 << 9); /* another line */
    assert_false(ends[20].level);
    assert_true(ends[21].level);
    out(T(2), 0x4 | 21 << 9); /* an edge */
    assert_false(ends[21].level);
}

static void thirty_two_bits_go_round(void **state)
{
    (void)state;
    out(0xf0, 0xfffffff0);
    out(T(0), 0x4 | 0x100 | 2 << 9);
    out(T(0) + 8, 0x10);
    out(0x10, 1);
    test_clock_pass(&test, 310);
    assert_int_equal(ends[2].rises, 0);
    test_clock_pass(&test, 10);
    assert_int_equal(ends[2].rises, 1);
    test_clock_pass(&test, 50ull * 1000 * MS); /* 42.9 s later again */
    assert_int_equal(ends[2].rises, 2);
}

static void a_moment_that_passed_while_it_was_written_is_now(void **state)
{
    (void)state;
    out(0x10, 1);
    test_clock_pass(&test, MS);
    out(T(0), 0x4 | 0x100 | 2 << 9);
    out(T(0) + 8, in(0xf0) - 1);
    test_clock_pass(&test, 10);
    assert_int_equal(ends[2].rises, 1);
    test_clock_pass(&test, MS);
    assert_int_equal(ends[2].rises, 1);
    out(T(1), 0x4 | 16 << 9); /* with 64 bits */
    out(T(1) + 8, in(0xf0) - 1);
    test_clock_pass(&test, 10);
    assert_int_equal(ends[16].rises, 1);
    out(T(1), 0x4 | 0x8 | 0x40 | 16 << 9); /* the first of many */
    out(T(1) + 8, in(0xf0) - 1);
    test_clock_pass(&test, 10);
    assert_int_equal(ends[16].rises, 1);
    out(T(1) + 8, 10000);
    test_clock_pass(&test, MS);
    assert_int_equal(ends[16].rises, 12);
}

static void a_line_that_is_not_there(void **state)
{
    (void)state;
    out(0x10, 1);
    out(T(0), 0x4 | 31 << 9);
    out(T(0) + 8, 1);
    test_clock_pass(&test, MS);
    out(T(0), 0x6 | 31 << 9);
    out(T(0) + 8, in(0xf0) + 1);
    test_clock_pass(&test, MS);
    for (unsigned n = 0; n < HPET_LINES; n++) {
        assert_int_equal(ends[n].rises, 0);
    }
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup(it_says_what_it_is, start),
    cmocka_unit_test_setup(the_counter_counts_while_it_runs, start),
    cmocka_unit_test_setup(a_comparator_is_reached_once, start),
    cmocka_unit_test_setup(a_period_comes_again, start),
    cmocka_unit_test_setup(a_period_of_nothing_holds_nobody, start),
    cmocka_unit_test_setup(a_level_stays_until_it_is_acknowledged, start),
    cmocka_unit_test_setup(thirty_two_bits_go_round, start),
    cmocka_unit_test_setup(a_moment_that_passed_while_it_was_written_is_now, start),
    cmocka_unit_test_setup(a_line_that_is_not_there, start),
};

TEST_MAIN("hpet", tests)
