/* test_copy.c - copies of memory between maps: buffers, entries, edges, moves, overwriting. */
#include "tests.h"

#include <stdlib.h>

#include "ddb/vm_check.h"
#include "vm/vm_fault.h"
#include "vm/vm_map_impl.h"
#include "vm/vm_page.h"
#include "vm/vm_user.h"

static uint8_t pattern(vm_offset_t i)
{
    return (uint8_t)(i * 7 + i / PG);
}

/* `n` bytes of pattern at a new place. */
static vm_offset_t filled(struct vm_map *map, vm_size_t n)
{
    vm_offset_t at = fake_allocate(map, n);
    uint8_t *bytes = malloc(n);

    for (vm_size_t i = 0; i < n; i += 1) {
        bytes[i] = pattern(i);
    }
    ok(vm_fault_write(map, at, bytes, n));
    free(bytes);
    return at;
}

static void expect_pattern(struct vm_map *map, vm_offset_t at, vm_offset_t from, vm_size_t n)
{
    uint8_t *bytes = malloc(n);

    ok(vm_fault_read(map, at, bytes, n));
    for (vm_size_t i = 0; i < n; i += 1) {
        assert_int_equal(bytes[i], pattern(from + i));
    }
    free(bytes);
}

/* Copy [offset, offset + n) of a 10 page region out to another map; all bytes arrive, none beside
 * them. */
static void check_copy(vm_offset_t offset, vm_size_t n)
{
    struct vm_map *source = fake_map();
    struct vm_map *target = fake_map();
    vm_offset_t at = filled(source, 10 * PG);
    struct vm_copy *copy;
    vm_offset_t got;
    uint8_t page[PG];

    ok(vm_map_copyin(source, at + offset, n, false, &copy));
    assert_int_equal(vm_copy_size(copy), n);
    poke(source, at + offset, (uint8_t)~pattern(offset));
    ok(vm_map_copyout(target, &got, copy));
    expect_pattern(target, got, offset, n);
    ok(vm_fault_read(target, got & ~PAGE_MASK, page, PG));
    for (vm_offset_t i = 0; i < (got & PAGE_MASK); i += 1) {
        assert_int_equal(page[i], 0);
    }
    ok(vm_fault_read(target, (got + n - 1) & ~PAGE_MASK, page, PG));
    for (vm_offset_t i = ((got + n - 1) & PAGE_MASK) + 1; i < PG; i += 1) {
        assert_int_equal(page[i], 0);
    }
    fake_check_map(source);
    fake_check_map(target);
    vm_map_unref(source);
    vm_map_unref(target);
}

static void small_copy_arrives_with_nothing_beside_it(void **state)
{
    (void)state;
    check_copy(0, 1);
    check_copy(100, 5000);
    check_copy(0, VM_COPY_THRESHOLD);
    check_copy(PG - 1, 2);
}

static void large_copy_arrives_with_nothing_beside_it(void **state)
{
    (void)state;
    check_copy(0, 10 * PG);
    check_copy(PG, 4 * PG);
    check_copy(1, 10 * PG - 2);
    check_copy(PG - 1, 3 * PG);
    check_copy(10, 3 * PG - 10);
    check_copy(0, 3 * PG + 1);
}

static void resident_pages_of_a_copy_are_mapped_at_once(void **state)
{
    struct vm_map *map = fake_map();
    vm_offset_t at = filled(map, 16 * PG);
    struct vm_copy *copy;
    vm_offset_t got;
    uint64_t before = fake_mapping_count(map);

    (void)state;
    ok(vm_map_copyin(map, at, 16 * PG, false, &copy));
    ok(vm_map_copyout(map, &got, copy));
    assert_int_equal(fake_mapping_count(map), before + 16);
    fake_check_map(map);
    vm_map_unref(map);
}

static void moved_memory_leaves_the_source_and_keeps_its_pages(void **state)
{
    struct vm_map *source = fake_map();
    struct vm_map *target = fake_map();
    vm_offset_t at = filled(source, 8 * PG);
    struct vm_copy *copy;
    vm_offset_t got;
    phys_addr_t before;
    phys_addr_t after;

    (void)state;
    poke(source, at + 2 * PG, pattern(2 * PG));
    assert_true(pmap_extract(source->pmap, at + 2 * PG, &before));
    ok(vm_map_copyin(source, at + PG, 6 * PG, true, &copy));
    assert_int_equal(vm_fault(source, at + PG, VM_PROT_READ), KERN_INVALID_ADDRESS);
    assert_int_equal(source->size, 2 * PG);
    ok(vm_map_copyout(target, &got, copy));
    expect_pattern(target, got, PG, 6 * PG);
    poke(target, got + PG, 1);
    assert_true(pmap_extract(target->pmap, got + PG, &after));
    assert_int_equal(before, after);
    expect_pattern(source, at, 0, PG);
    expect_pattern(source, at + 7 * PG, 7 * PG, PG);
    fake_check_map(source);
    fake_check_map(target);
    vm_map_unref(source);
    vm_map_unref(target);
}

static void move_with_ragged_ends_takes_only_its_bytes(void **state)
{
    struct vm_map *source = fake_map();
    vm_offset_t at = filled(source, 8 * PG);
    struct vm_copy *copy;
    vm_offset_t got;

    (void)state;
    ok(vm_map_copyin(source, at + 100, 6 * PG, true, &copy));
    assert_int_equal(source->size, PG);
    ok(vm_map_copyout(source, &got, copy));
    expect_pattern(source, got, 100, 6 * PG);
    fake_check_map(source);
    vm_map_unref(source);
}

static void moving_shared_memory_gives_a_copy_nobody_else_writes(void **state)
{
    struct vm_map *parent = fake_map();
    vm_offset_t at = filled(parent, 8 * PG);
    struct vm_map *sharer;
    struct vm_copy *copy;
    vm_offset_t got;

    (void)state;
    ok(vm_inherit(parent, at, 8 * PG, VM_INHERIT_SHARE));
    ok(vm_map_fork(parent, &sharer));
    ok(vm_map_copyin(parent, at, 8 * PG, true, &copy));
    ok(vm_map_copyout(parent, &got, copy));
    poke(sharer, at, 99);
    expect_pattern(parent, got, 0, 8 * PG);
    fake_check_map(parent);
    vm_map_unref(sharer);
    vm_map_unref(parent);
}

static void copyin_of_a_hole_changes_nothing(void **state)
{
    struct vm_map *map = fake_map();
    vm_offset_t at = filled(map, 8 * PG);
    struct vm_copy *copy = NULL;

    (void)state;
    ok(vm_deallocate(map, at + 4 * PG, PG));
    assert_int_equal(vm_map_copyin(map, at, 8 * PG, true, &copy), KERN_INVALID_ADDRESS);
    assert_int_equal(vm_map_copyin(map, at + 3 * PG, PG + 1, true, &copy), KERN_INVALID_ADDRESS);
    assert_null(copy);
    assert_int_equal(map->size, 7 * PG);
    expect_pattern(map, at, 0, 4 * PG);
    vm_map_unref(map);
}

static void copyin_of_unreadable_memory_is_refused(void **state)
{
    struct vm_map *map = fake_map();
    vm_offset_t at = filled(map, 8 * PG);
    struct vm_copy *copy = NULL;

    (void)state;
    ok(vm_protect(map, at + 7 * PG, PG, false, VM_PROT_NONE));
    assert_int_equal(vm_map_copyin(map, at, 8 * PG, true, &copy), KERN_PROTECTION_FAILURE);
    assert_int_equal(vm_map_copyin(map, at + 7 * PG, 10, true, &copy), KERN_PROTECTION_FAILURE);
    assert_int_equal(map->size, 8 * PG);
    vm_map_unref(map);
}

static void copy_is_what_was_there_when_it_was_taken(void **state)
{
    struct vm_map *map = fake_map();
    vm_offset_t at = filled(map, 8 * PG);
    struct vm_copy *copy;
    vm_offset_t got;
    vm_offset_t again = at;

    (void)state;
    ok(vm_map_copyin(map, at, 8 * PG, false, &copy));
    poke(map, at, 0xee);
    ok(vm_deallocate(map, at, 8 * PG));
    ok(vm_allocate(map, &again, 8 * PG, false));
    poke(map, at + PG, 0xdd);
    ok(vm_map_copyout(map, &got, copy));
    expect_pattern(map, got, 0, 8 * PG);
    vm_map_unref(map);
}

static void overwrite_replaces_the_bytes_and_only_those(void **state)
{
    static const struct {
        vm_offset_t from;
        vm_size_t n;
        vm_offset_t to;
    } cases[] = {{0, 8 * PG, 0},      {0, 4 * PG, 2 * PG}, {5, 100, 4000}, {1, 4 * PG, 1},
                 {0, 4 * PG + 3, PG}, {PG, 3 * PG, 17},    {0, PG, PG}};

    (void)state;
    for (unsigned c = 0; c < TEST_COUNT(cases); c += 1) {
        struct vm_map *map = fake_map();
        vm_offset_t source = filled(map, 10 * PG);
        vm_offset_t target = fake_allocate(map, 10 * PG);
        uint8_t byte;

        ok(vm_protect(map, target, 10 * PG, true, VM_PROT_DEFAULT));
        for (unsigned i = 0; i < 10; i += 1) {
            poke(map, target + i * PG, 0);
        }
        ok(vm_copy(map, source + cases[c].from, cases[c].n, target + cases[c].to));
        expect_pattern(map, target + cases[c].to, cases[c].from, cases[c].n);
        if (cases[c].to != 0) {
            ok(vm_fault_read(map, target + cases[c].to - 1, &byte, 1));
            assert_int_equal(byte, 0);
        }
        if (cases[c].to + cases[c].n < 10 * PG) {
            ok(vm_fault_read(map, target + cases[c].to + cases[c].n, &byte, 1));
            assert_int_equal(byte, 0);
        }
        poke(map, source, 1);
        poke(map, target, 2);
        fake_check_map(map);
        vm_map_unref(map);
    }
}

static void overwrite_keeps_the_attributes_of_the_target(void **state)
{
    struct vm_map *map = fake_map();
    vm_offset_t source = filled(map, 4 * PG);
    vm_offset_t target = fake_allocate(map, 4 * PG);
    struct vm_map_region region;

    (void)state;
    ok(vm_inherit(map, target + PG, 2 * PG, VM_INHERIT_NONE));
    ok(vm_protect(map, target, 4 * PG, true, VM_PROT_DEFAULT));
    ok(vm_copy(map, source, 4 * PG, target));
    ok(vm_map_region(map, target + PG, false, &region));
    assert_int_equal(region.inheritance, VM_INHERIT_NONE);
    assert_int_equal(region.max_protection, VM_PROT_DEFAULT);
    expect_pattern(map, target, 0, 4 * PG);
    vm_check_map(map);
    vm_map_unref(map);
}

static void overwrite_of_shared_memory_is_seen_by_all(void **state)
{
    struct vm_map *map = fake_map();
    vm_offset_t source = filled(map, 4 * PG);
    vm_offset_t target = fake_allocate(map, 4 * PG);
    struct vm_map *sharer;

    (void)state;
    ok(vm_inherit(map, target, 4 * PG, VM_INHERIT_SHARE));
    ok(vm_map_fork(map, &sharer));
    assert_int_equal(peek(sharer, target), 0);
    ok(vm_copy(map, source, 4 * PG, target));
    expect_pattern(sharer, target, 0, 4 * PG);
    fake_check_map(map);
    fake_check_map(sharer);
    vm_map_unref(sharer);
    vm_map_unref(map);
}

static void overwrite_of_wired_memory_keeps_its_pages(void **state)
{
    struct vm_map *map = fake_map();
    vm_offset_t source = filled(map, 4 * PG);
    vm_offset_t target = fake_allocate(map, 4 * PG);
    phys_addr_t before;
    phys_addr_t after;

    (void)state;
    ok(vm_map_wire(map, target, target + 4 * PG, VM_PROT_DEFAULT));
    assert_true(pmap_extract(map->pmap, target, &before));
    ok(vm_copy(map, source, 4 * PG, target));
    assert_true(pmap_extract(map->pmap, target, &after));
    assert_int_equal(before, after);
    expect_pattern(map, target, 0, 4 * PG);
    vm_map_unref(map);
}

static void overwrite_that_is_refused_changes_nothing(void **state)
{
    struct vm_map *map = fake_map();
    vm_offset_t source = filled(map, 4 * PG);
    vm_offset_t target = fake_allocate(map, 4 * PG);

    (void)state;
    ok(vm_protect(map, target + 3 * PG, PG, false, VM_PROT_READ));
    assert_int_equal(vm_copy(map, source, 4 * PG, target), KERN_PROTECTION_FAILURE);
    assert_int_equal(vm_copy(map, source, 3 * PG + 1, target), KERN_PROTECTION_FAILURE);
    assert_int_equal(peek(map, target), 0);
    ok(vm_deallocate(map, target + 2 * PG, PG));
    assert_int_equal(vm_copy(map, source, 4 * PG, target), KERN_INVALID_ADDRESS);
    assert_int_equal(peek(map, target), 0);
    fake_check_map(map);
    vm_map_unref(map);
}

static void overlapping_copy_reads_before_it_writes(void **state)
{
    struct vm_map *map = fake_map();
    vm_offset_t at = filled(map, 10 * PG);

    (void)state;
    ok(vm_copy(map, at, 8 * PG, at + PG));
    expect_pattern(map, at + PG, 0, 8 * PG);
    expect_pattern(map, at, 0, PG);
    fake_check_map(map);
    ok(vm_copy(map, at + PG, 8 * PG, at));
    expect_pattern(map, at, 0, 8 * PG);
    fake_check_map(map);
    vm_map_unref(map);
}

static void read_and_write_between_tasks_carry_the_bytes(void **state)
{
    struct vm_map *source = fake_map();
    struct vm_map *target = fake_map();
    vm_offset_t at = filled(source, 5 * PG);
    vm_offset_t to = fake_allocate(target, 6 * PG);
    struct vm_copy *data;
    natural_t count;

    (void)state;
    ok(vm_read(source, at + 3, 4 * PG, &data, &count));
    assert_int_equal(count, 4 * PG);
    assert_int_equal(vm_write(target, to + 9, data, count + 1), KERN_INVALID_ARGUMENT);
    ok(vm_write(target, to + 9, data, count));
    expect_pattern(target, to + 9, 3, 4 * PG);
    vm_map_unref(source);
    vm_map_unref(target);
}

static void kernel_data_arrives_and_can_be_read_in_parts(void **state)
{
    static uint8_t bytes[100000];
    struct vm_map *map = fake_map();
    struct vm_copy *copy;
    vm_offset_t got;
    uint8_t byte;

    (void)state;
    for (unsigned i = 0; i < sizeof(bytes); i += 1) {
        bytes[i] = pattern(i);
    }
    copy = vm_copy_from_kernel(bytes, sizeof(bytes));
    ok(vm_copy_read(copy, 99999, &byte, 1));
    assert_int_equal(byte, pattern(99999));
    assert_int_equal(vm_copy_read(copy, 99999, &byte, 2), KERN_INVALID_ARGUMENT);
    assert_int_equal(vm_copy_read(copy, ~0ul, &byte, 2), KERN_INVALID_ARGUMENT);
    ok(vm_map_copyout(map, &got, copy));
    expect_pattern(map, got, 0, sizeof(bytes));
    vm_map_unref(map);
}

static void empty_copies_are_legal(void **state)
{
    struct vm_map *map = fake_map();
    struct vm_copy *copy = (struct vm_copy *)1;
    vm_offset_t got = 5;

    (void)state;
    ok(vm_map_copyin(map, 0x123456, 0, true, &copy));
    assert_null(copy);
    ok(vm_map_copyout(map, &got, copy));
    assert_int_equal(got, 0);
    ok(vm_map_copy_overwrite(map, 1, vm_copy_from_kernel(NULL, 0)));
    vm_copy_discard(NULL);
    vm_map_unref(map);
}

/* How many pages a copy of n pages has mapped when it has arrived, and after one was looked at. */
static void check_fill(vm_size_t n, uint64_t at_once, uint64_t after)
{
    struct vm_map *source = fake_map();
    struct vm_map *target = fake_map();
    vm_offset_t at = filled(source, n * PG);
    struct vm_copy *copy;
    vm_offset_t got;

    ok(vm_map_copyin(source, at, n * PG, false, &copy));
    ok(vm_map_copyout(target, &got, copy));
    assert_int_equal(pmap_resident_count(target->pmap), at_once);
    ok(vm_fault(target, got + PG, VM_PROT_READ));
    assert_int_equal(pmap_resident_count(target->pmap), after);
    poke(source, at, (uint8_t)~pattern(0)); /* the sender writes on: not seen here */
    expect_pattern(target, got, 0, n * PG);
    fake_check_map(target);
    vm_map_unref(source);
    vm_map_unref(target);
}

static void few_pages_are_mapped_when_they_arrive(void **state)
{
    (void)state;
    check_fill(16, 16, 16);
}

static void many_pages_are_mapped_at_the_first_fault(void **state)
{
    (void)state;
    check_fill(17, 0, 17);
    check_fill(300, 0, 300);
}

static void copyout_without_room_keeps_the_copy(void **state)
{
    struct vm_map *map = fake_map();
    vm_offset_t at = filled(map, 4 * PG);
    struct vm_copy *copy;
    vm_offset_t got;

    (void)state;
    map->size_limit = 6 * PG;
    ok(vm_map_copyin(map, at, 4 * PG, false, &copy));
    assert_int_equal(vm_map_copyout(map, &got, copy), KERN_NO_SPACE);
    map->size_limit = 8 * PG;
    ok(vm_map_copyout(map, &got, copy));
    copy = vm_copy_from_kernel("abc", 3);
    assert_int_equal(vm_map_copyout(map, &got, copy), KERN_NO_SPACE);
    vm_copy_discard(copy);
    vm_map_unref(map);
}

void run_copy_tests(void)
{
    const struct CMUnitTest tests[] = {
        TEST(small_copy_arrives_with_nothing_beside_it),
        TEST(large_copy_arrives_with_nothing_beside_it),
        TEST(resident_pages_of_a_copy_are_mapped_at_once),
        TEST(moved_memory_leaves_the_source_and_keeps_its_pages),
        TEST(move_with_ragged_ends_takes_only_its_bytes),
        TEST(moving_shared_memory_gives_a_copy_nobody_else_writes),
        TEST(copyin_of_a_hole_changes_nothing),
        TEST(copyin_of_unreadable_memory_is_refused),
        TEST(copy_is_what_was_there_when_it_was_taken),
        TEST(overwrite_replaces_the_bytes_and_only_those),
        TEST(overwrite_keeps_the_attributes_of_the_target),
        TEST(overwrite_of_shared_memory_is_seen_by_all),
        TEST(overwrite_of_wired_memory_keeps_its_pages),
        TEST(overwrite_that_is_refused_changes_nothing),
        TEST(overlapping_copy_reads_before_it_writes),
        TEST(read_and_write_between_tasks_carry_the_bytes),
        TEST(kernel_data_arrives_and_can_be_read_in_parts),
        TEST(empty_copies_are_legal),
        TEST(few_pages_are_mapped_when_they_arrive),
        TEST(many_pages_are_mapped_at_the_first_fault),
        TEST(copyout_without_room_keeps_the_copy),
    };

    RUN_GROUP(tests);
}
