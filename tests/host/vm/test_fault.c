/* test_fault.c - what a fault enters beside the page it was for, and memory that comes
 * in 2 MiB. */
#include "tests.h"

#include "vm/vm_page.h"
#include "vm/vm_user.h"

#define AROUND 16 /* pages */

/* Memory whose pages are all there, at a multiple of 64 KiB, and none of them mapped. */
static vm_offset_t unmapped(struct vm_map *map, unsigned npages)
{
    vm_offset_t at = AROUND * PG;

    ok(vm_allocate(map, &at, npages * PG, false));
    for (unsigned i = 0; i < npages; i += 1) {
        poke(map, at + i * PG, (uint8_t)i);
    }
    ok(vm_protect(map, at, npages * PG, false, VM_PROT_NONE));
    ok(vm_protect(map, at, npages * PG, false, VM_PROT_DEFAULT));
    assert_int_equal(fake_mapping_count(map), 0);
    return at;
}

static void read_enters_the_neighbours_that_are_there(void **state)
{
    struct vm_map *map = fake_map();
    vm_offset_t at = unmapped(map, 3 * AROUND);

    (void)state;
    assert_int_equal(peek(map, at + (AROUND + 5) * PG), AROUND + 5);
    assert_int_equal(fake_mapping_count(map), AROUND);
    fake_check_map(map);
    assert_int_equal(peek(map, at + AROUND * PG), AROUND);
    assert_int_equal(peek(map, at + (2 * AROUND - 1) * PG), 2 * AROUND - 1);
    assert_int_equal(fake_mapping_count(map), AROUND);
    vm_map_unref(map);
}

static void write_enters_its_page_alone(void **state)
{
    struct vm_map *map = fake_map();
    vm_offset_t at = unmapped(map, AROUND);

    (void)state;
    poke(map, at + 5 * PG, 1);
    assert_int_equal(fake_mapping_count(map), 1);
    vm_map_unref(map);
}

static void neighbours_do_not_reach_beyond_their_region(void **state)
{
    struct vm_map *map = fake_map();
    vm_offset_t at = unmapped(map, AROUND);

    (void)state;
    ok(vm_protect(map, at, 3 * PG, false, VM_PROT_NONE));
    ok(vm_protect(map, at + 9 * PG, 3 * PG, false, VM_PROT_NONE));
    assert_int_equal(peek(map, at + 5 * PG), 5);
    assert_int_equal(fake_mapping_count(map), 6);
    fake_check_map(map);
    vm_map_unref(map);
}

static void neighbours_that_others_see_are_entered_read_only(void **state)
{
    struct vm_map *parent = fake_map();
    vm_offset_t at = unmapped(parent, AROUND);
    struct vm_map *child;

    (void)state;
    ok(vm_map_fork(parent, &child));
    assert_int_equal(peek(child, at), 0);
    assert_int_equal(fake_mapping_count(child), AROUND);
    fake_check_map(child);
    poke(child, at + PG, 99);
    assert_int_equal(peek(parent, at + PG), 1);
    fake_check_map(parent);
    fake_check_map(child);
    vm_map_unref(child);
    vm_map_unref(parent);
}

static void neighbours_of_shared_memory_are_given_to_its_copies_first(void **state)
{
    struct vm_map *parent = fake_map();
    vm_offset_t at = unmapped(parent, AROUND);
    struct vm_map *sharer;
    struct vm_map *copy;

    (void)state;
    ok(vm_inherit(parent, at, AROUND * PG, VM_INHERIT_SHARE));
    ok(vm_map_fork(parent, &sharer));
    ok(vm_inherit(parent, at, AROUND * PG, VM_INHERIT_COPY));
    ok(vm_map_fork(parent, &copy));
    assert_int_equal(peek(sharer, at), 0);
    assert_int_equal(fake_mapping_count(sharer), AROUND);
    poke(sharer, at + PG, 99);
    assert_int_equal(peek(copy, at + PG), 1);
    assert_int_equal(peek(parent, at + PG), 99);
    fake_check_map(parent);
    fake_check_map(sharer);
    fake_check_map(copy);
    vm_map_unref(copy);
    vm_map_unref(sharer);
    vm_map_unref(parent);
}

/* --- 2 MiB at once --- */

#define LARGE LARGE_PAGE_SIZE

/* Fresh memory from a multiple of 2 MiB on. */
static vm_offset_t fresh(struct vm_map *map, vm_size_t size)
{
    vm_offset_t at = LARGE;

    ok(vm_allocate(map, &at, size, false));
    return at;
}

static void first_write_at_two_mib_fills_them_with_zeroes(void **state)
{
    struct vm_map *map = fake_map();
    vm_offset_t at = fresh(map, 2 * LARGE);

    (void)state;
    poke(map, at, 7);
    assert_int_equal(fake_mapping_count(map), 512);
    fake_check_map(map);
    assert_int_equal(peek(map, at), 7);
    for (vm_offset_t i = 1; i < LARGE / 8; i += 4095) {
        assert_int_equal(peek(map, at + i * 8), 0);
    }
    vm_map_unref(map);
}

static void what_is_not_all_fresh_is_filled_page_by_page(void **state)
{
    struct vm_map *map = fake_map();
    vm_offset_t at = fresh(map, 4 * LARGE + PG);

    (void)state;
    poke(map, at + PG, 1); /* in the middle */
    poke(map, at + LARGE + 9 * PG, 1);
    poke(map, at + LARGE, 1);                       /* where something is */
    assert_int_equal(peek(map, at + 2 * LARGE), 0); /* a read */
    poke(map, at + 2 * LARGE, 1);
    poke(map, at + 4 * LARGE, 1); /* where too little is left */
    assert_int_equal(fake_mapping_count(map), 5);
    assert_int_equal(peek(map, at + LARGE + 9 * PG), 1);
    fake_check_map(map);
    vm_map_unref(map);
}

static void large_memory_is_unmapped_protected_and_freed_in_parts(void **state)
{
    struct vm_map *map = fake_map();
    vm_offset_t at = fresh(map, LARGE);

    (void)state;
    poke(map, at, 1);
    ok(vm_protect(map, at + 4 * PG, 2 * PG, false, VM_PROT_READ));
    assert_int_equal(fake_write(map, at + 5 * PG, 1), KERN_PROTECTION_FAILURE);
    ok(vm_deallocate(map, at + 100 * PG, 200 * PG));
    assert_int_equal(fake_write(map, at + 200 * PG, 1), KERN_INVALID_ADDRESS);
    assert_int_equal(fake_mapping_count(map), 312);
    poke(map, at + 99 * PG, 9);
    poke(map, at + 300 * PG, 9);
    fake_check_map(map);
    vm_map_unref(map);
}

static void large_memory_is_copied_on_write_page_by_page(void **state)
{
    struct vm_map *parent = fake_map();
    vm_offset_t at = fresh(parent, LARGE);
    struct vm_map *child;

    (void)state;
    poke(parent, at, 1);
    ok(vm_map_fork(parent, &child));
    poke(parent, at, 2);
    poke(child, at + 511 * PG, 3);
    assert_int_equal(peek(child, at), 1);
    assert_int_equal(peek(parent, at + 511 * PG), 0);
    fake_check_map(parent);
    fake_check_map(child);
    vm_map_unref(parent);
    assert_int_equal(peek(child, at), 1);
    vm_map_unref(child);
}

static void memory_others_may_see_is_not_filled_at_once(void **state)
{
    struct vm_map *parent = fake_map();
    vm_offset_t at = fresh(parent, 2 * LARGE);
    struct vm_map *child;

    (void)state;
    poke(parent, at + PG, 1);
    ok(vm_map_fork(parent, &child));
    poke(parent, at + LARGE, 1); /* through a shadow */
    ok(vm_inherit(child, at, 2 * LARGE, VM_INHERIT_SHARE));
    poke(child, at + LARGE, 1);
    assert_int_equal(fake_mapping_count(child), 1);
    fake_check_map(parent);
    fake_check_map(child);
    vm_map_unref(child);
    vm_map_unref(parent);
}

static void large_memory_that_cannot_be_mapped_so_is_there_page_by_page(void **state)
{
    struct vm_map *map = fake_map();
    vm_offset_t at = fresh(map, LARGE);

    (void)state;
    fake_enter_budget = 0;
    assert_int_equal(fake_write(map, at, 1), KERN_RESOURCE_SHORTAGE);
    fake_enter_budget = -1;
    poke(map, at, 1);
    assert_int_equal(peek(map, at + PG), 0);
    fake_check_map(map);
    vm_map_unref(map);
}

static void large_memory_is_not_spent_when_little_is_free(void **state)
{
    static struct vm_page *held[16384];
    struct vm_map *map = fake_map();
    vm_offset_t at = fresh(map, LARGE);
    unsigned n = 0;

    (void)state;
    while (vm_page_free_count() > vm_page_total_count() / 4) {
        held[n] = vm_page_alloc(0);
        n += 1;
    }
    poke(map, at, 1);
    assert_int_equal(fake_mapping_count(map), 1);
    while (n != 0) {
        n -= 1;
        vm_page_free(held[n]);
    }
    vm_map_unref(map);
}

void run_fault_tests(void)
{
    const struct CMUnitTest tests[] = {
        TEST(read_enters_the_neighbours_that_are_there),
        TEST(write_enters_its_page_alone),
        TEST(neighbours_do_not_reach_beyond_their_region),
        TEST(neighbours_that_others_see_are_entered_read_only),
        TEST(neighbours_of_shared_memory_are_given_to_its_copies_first),
        TEST(first_write_at_two_mib_fills_them_with_zeroes),
        TEST(what_is_not_all_fresh_is_filled_page_by_page),
        TEST(large_memory_is_unmapped_protected_and_freed_in_parts),
        TEST(large_memory_is_copied_on_write_page_by_page),
        TEST(memory_others_may_see_is_not_filled_at_once),
        TEST(large_memory_that_cannot_be_mapped_so_is_there_page_by_page),
        TEST(large_memory_is_not_spent_when_little_is_free),
    };

    RUN_GROUP(tests);
}
