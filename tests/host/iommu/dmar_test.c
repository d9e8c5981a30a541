/* dmar_test.c - the ACPI table of remapping units: good ones, and what firmware may have in its
 * place. Nothing outside of it is read, and nothing that cannot be is taken from it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dmar.c"

#define HEADER   48u
#define TABLE    512u
#define RANDOM   200000u
#define UNIT_AT  0xfed90000ull
#define REGION   0x7f000000ull
#define REGION_3 (REGION + 0x2fff) /* its last byte: three pages */

/* The table as it is built. */
static uint8_t built[TABLE];
static uint32_t used;

static void put(uint32_t at, uint64_t value, size_t size)
{
    memcpy(built + at, &value, size);
}

static void begin(void)
{
    memset(built, 0, sizeof(built));
    used = HEADER;
}

static uint32_t unit(uint16_t segment, uint64_t registers)
{
    uint32_t at = used;

    put(at, 0, 2);
    put(at + 2, 16, 2);
    put(at + 4, 1, 1);
    put(at + 6, segment, 2);
    put(at + 8, registers, 8);
    used += 16;
    return at;
}

/* With no devices yet. */
static uint32_t region(uint16_t segment, uint64_t first, uint64_t last)
{
    uint32_t at = used;

    put(at, 1, 2);
    put(at + 2, 24, 2);
    put(at + 6, segment, 2);
    put(at + 8, first, 8);
    put(at + 16, last, 8);
    used += 24;
    return at;
}

/* A device of the structure, behind so many bridges. */
static uint32_t scope(uint32_t structure, uint8_t type, uint8_t bus, uint8_t steps)
{
    uint32_t at = used;

    put(at, type, 1);
    put(at + 1, 6u + 2u * steps, 1);
    put(at + 5, bus, 1);
    for (uint8_t i = 0; i < steps; i++) {
        put(at + 6 + 2u * i, 3u + i, 1);
        put(at + 7 + 2u * i, i % 8u, 1);
    }
    used += 6u + 2u * steps;
    put(structure + 2, used - structure, 2);
    return at;
}

/* Read it from memory that ends where it does. */
static bool read_it(struct dmar_info *info)
{
    uint8_t *exact = malloc(used);
    bool is_right;

    memcpy(exact, built, used);
    is_right = dmar_read(exact, used, info);
    free(exact);
    return is_right;
}

static bool is_empty(const struct dmar_info *info)
{
    return info->unit_count == 0 && info->region_count == 0;
}

static void check(const struct dmar_info *info)
{
    assert_true(info->unit_count <= DMAR_UNIT_MAX && info->region_count <= DMAR_REGION_MAX);
    for (uint32_t i = 0; i < info->unit_count; i++) {
        assert_true(info->units[i] != 0 && info->units[i] % PAGE_SIZE == 0);
    }
    for (uint32_t i = 0; i < info->region_count; i++) {
        const struct dmar_region *r = &info->regions[i];

        assert_true(r->start % PAGE_SIZE == 0 && r->end % PAGE_SIZE == 0 && r->start < r->end);
        assert_true(r->end <= DIRECT_MAP_SIZE && r->steps != 0 && r->steps <= DMAR_PATH_MAX);
    }
}

static void units_and_regions_are_found(void **state)
{
    struct dmar_info info;
    uint32_t at;

    (void)state;
    begin();
    at = unit(0, UNIT_AT);
    scope(at, 3, 0xff, 1); /* an I/O APIC */
    unit(1, UNIT_AT + 0x1000);
    unit(0, UNIT_AT + 0x2000);
    at = region(0, REGION, REGION_3);
    scope(at, 1, 0, 1);
    scope(at, 2, 2, 3);
    at = region(1, REGION, REGION_3);
    scope(at, 1, 0, 1);
    put(used, 7, 2); /* of a type there is not */
    put(used + 2, 8, 2);
    used += 8;
    assert_true(read_it(&info));
    assert_int_equal(info.unit_count, 2);
    assert_int_equal(info.units[0], UNIT_AT);
    assert_int_equal(info.units[1], UNIT_AT + 0x2000);
    assert_int_equal(info.region_count, 2);
    assert_int_equal(info.regions[0].start, REGION);
    assert_int_equal(info.regions[0].end, REGION_3 + 1);
    assert_int_equal(info.regions[0].bus, 0);
    assert_int_equal(info.regions[0].steps, 1);
    assert_int_equal(info.regions[0].path[0].device, 3);
    assert_int_equal(info.regions[1].bus, 2);
    assert_int_equal(info.regions[1].steps, 3);
    assert_int_equal(info.regions[1].path[2].device, 5);
    assert_int_equal(info.regions[1].path[2].function, 2);
}

static void a_table_without_units_is_none(void **state)
{
    struct dmar_info info;

    (void)state;
    begin();
    assert_true(read_it(&info));
    assert_true(is_empty(&info));
    used = HEADER - 1;
    assert_false(read_it(&info));
    used = 36;
    assert_false(read_it(&info));
}

static void lengths_that_cannot_be_make_it_none(void **state)
{
    static const struct {
        uint32_t at; /* behind the beginning of the region */
        uint16_t value;
    } bad[] = {{2, 0}, {2, 3}, {2, 23}, {2, 31}, {2, 33}, {2, 0xffff}};
    struct dmar_info info;

    (void)state;
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        uint32_t at;

        begin();
        unit(0, UNIT_AT);
        at = region(0, REGION, REGION_3);
        scope(at, 1, 0, 1);
        put(at + bad[i].at, bad[i].value, 2);
        assert_false(read_it(&info));
        assert_true(is_empty(&info));
    }
    for (unsigned length = 0; length < 16; length++) {
        begin();
        put(unit(0, UNIT_AT) + 2, length, 2);
        assert_false(read_it(&info));
    }
    for (unsigned length = 0; length < 256; length++) {
        uint32_t at;

        begin();
        at = region(0, REGION, REGION_3);
        put(scope(at, 1, 0, 1) + 1, length, 1);
        assert_int_equal(read_it(&info), length == 8);
    }
}

static void numbers_that_cannot_be_make_it_none(void **state)
{
    static const uint64_t units[] = {0, 0xfed90800, 1, ~0xfffull, DIRECT_MAP_SIZE};
    static const uint64_t regions[][2] = {
        {REGION + 1, REGION_3},
        {REGION, REGION_3 - 1},
        {REGION + 0x3000, REGION_3},
        {0, ~0ull},
        {REGION, DIRECT_MAP_SIZE + 0xfff},
        {~0xfffull, ~0ull},
    };
    struct dmar_info info;
    uint32_t at;

    (void)state;
    for (unsigned i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        begin();
        unit(0, units[i]);
        assert_false(read_it(&info));
    }
    for (unsigned i = 0; i < sizeof(regions) / sizeof(regions[0]); i++) {
        begin();
        scope(region(0, regions[i][0], regions[i][1]), 1, 0, 1);
        assert_false(read_it(&info));
    }
    begin();
    at = scope(region(0, REGION, REGION_3), 1, 0, 1);
    put(at + 6, 32, 1);
    assert_false(read_it(&info));
    put(at + 6, 31, 1);
    put(at + 7, 8, 1);
    assert_false(read_it(&info));
    put(at + 7, 7, 1);
    assert_true(read_it(&info));
}

static void more_than_there_is_room_for_makes_it_none(void **state)
{
    struct dmar_info info;

    (void)state;
    for (unsigned n = 0; n <= DMAR_UNIT_MAX + 1; n++) {
        begin();
        for (unsigned i = 0; i < n; i++) {
            unit(0, UNIT_AT + i * PAGE_SIZE);
        }
        assert_int_equal(read_it(&info), n <= DMAR_UNIT_MAX);
    }
    for (unsigned n = 0; n <= DMAR_REGION_MAX + 1; n++) {
        uint32_t at;

        begin();
        at = region(0, REGION, REGION_3);
        for (unsigned i = 0; i < n; i++) {
            scope(at, 1, 0, 1);
        }
        assert_int_equal(read_it(&info), n <= DMAR_REGION_MAX);
    }
    for (unsigned steps = 0; steps <= DMAR_PATH_MAX + 1; steps++) {
        begin();
        scope(region(0, REGION, REGION_3), 1, 0, (uint8_t)steps);
        assert_int_equal(read_it(&info), steps != 0 && steps <= DMAR_PATH_MAX);
    }
}

static void tables_damaged_at_random_name_nothing_that_cannot_be(void **state)
{
    struct dmar_info info;
    unsigned right = 0;

    (void)state;
    srand(1);
    for (unsigned n = 0; n < RANDOM; n++) {
        uint32_t at;

        begin();
        unit(0, UNIT_AT);
        at = region(0, REGION, REGION_3);
        scope(at, 1, 0, 1);
        scope(at, 2, 0, 2);
        unit(0, UNIT_AT + 0x1000);
        for (int i = rand() % 4; i >= 0; i--) {
            built[HEADER + (unsigned)rand() % (used - HEADER)] = (uint8_t)rand();
        }
        used -= rand() % 4 == 0 ? (unsigned)rand() % used : 0;
        if (read_it(&info)) {
            check(&info);
            right++;
        } else {
            assert_true(is_empty(&info));
        }
    }
    assert_true(right > RANDOM / 100 && right < RANDOM);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(units_and_regions_are_found),
        cmocka_unit_test(a_table_without_units_is_none),
        cmocka_unit_test(lengths_that_cannot_be_make_it_none),
        cmocka_unit_test(numbers_that_cannot_be_make_it_none),
        cmocka_unit_test(more_than_there_is_room_for_makes_it_none),
        cmocka_unit_test(tables_damaged_at_random_name_nothing_that_cannot_be),
    };
    const int total = (int)(sizeof(tests) / sizeof(tests[0]));
    int failed = cmocka_run_group_tests_name("dmar", tests, NULL, NULL);

    printf("%d passed, %d failed\n", total - failed, failed);
    return failed != 0;
}
