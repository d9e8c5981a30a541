/* test_fault.c - what a fault enters beside the page it was for. */
#include "tests.h"

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

void run_fault_tests(void)
{
    const struct CMUnitTest tests[] = {
        TEST(read_enters_the_neighbours_that_are_there),
        TEST(write_enters_its_page_alone),
        TEST(neighbours_do_not_reach_beyond_their_region),
        TEST(neighbours_that_others_see_are_entered_read_only),
        TEST(neighbours_of_shared_memory_are_given_to_its_copies_first),
    };

    RUN_GROUP(tests);
}
