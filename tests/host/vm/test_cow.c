/* test_cow.c - inheritance and copy-on-write: who sees which write, and what long histories cost.
 */
#include "tests.h"

#include "vm/vm_fault.h"
#include "vm/vm_map_impl.h"
#include "vm/vm_object.h"
#include "vm/vm_page.h"
#include "vm/vm_user.h"

static struct vm_map *fork_map(struct vm_map *parent)
{
    struct vm_map *child;

    ok(vm_map_fork(parent, &child));
    return child;
}

static unsigned chain(struct vm_map *map, vm_offset_t at)
{
    struct vm_map_region region;
    unsigned length;

    ok(vm_map_region(map, at, true, &region));
    if (region.object == NULL) {
        return 0;
    }
    length = vm_object_chain_length(region.object);
    vm_object_unref(region.object);
    return length;
}

static void copied_region_is_private_to_each_side(void **state)
{
    struct vm_map *parent = fake_map();
    vm_offset_t at = fake_allocate(parent, 3 * PG);
    struct vm_map *child;

    (void)state;
    poke(parent, at, 1);
    poke(parent, at + PG, 2);
    child = fork_map(parent);
    poke(parent, at, 10);
    poke(child, at + PG, 20);
    assert_int_equal(peek(child, at), 1);
    assert_int_equal(peek(parent, at + PG), 2);
    assert_int_equal(peek(child, at + 2 * PG), 0);
    fake_check_map(parent);
    fake_check_map(child);
    vm_map_unref(parent);
    assert_int_equal(peek(child, at), 1);
    assert_int_equal(peek(child, at + PG), 20);
    vm_map_unref(child);
}

static void shared_region_is_one_for_both_sides(void **state)
{
    struct vm_map *parent = fake_map();
    vm_offset_t at = fake_allocate(parent, 3 * PG);
    struct vm_map *child;

    (void)state;
    poke(parent, at, 1);
    ok(vm_inherit(parent, at, 3 * PG, VM_INHERIT_SHARE));
    child = fork_map(parent);
    poke(parent, at, 10);
    poke(child, at + PG, 20);
    assert_int_equal(peek(child, at), 10);
    assert_int_equal(peek(parent, at + PG), 20);
    poke(child, at + 2 * PG, 30);
    assert_int_equal(peek(parent, at + 2 * PG), 30);
    fake_check_map(parent);
    fake_check_map(child);
    vm_map_unref(parent);
    assert_int_equal(peek(child, at), 10);
    vm_map_unref(child);
}

static void region_not_inherited_is_absent(void **state)
{
    struct vm_map *parent = fake_map();
    vm_offset_t at = fake_allocate(parent, 3 * PG);
    struct vm_map *child;

    (void)state;
    ok(vm_inherit(parent, at + PG, PG, VM_INHERIT_NONE));
    child = fork_map(parent);
    assert_int_equal(vm_fault(child, at + PG, VM_PROT_READ), KERN_INVALID_ADDRESS);
    poke(child, at + 2 * PG, 1);
    assert_int_equal(child->size, 2 * PG);
    vm_map_unref(child);
    vm_map_unref(parent);
}

static void sharing_after_copying_shares_the_new_contents(void **state)
{
    struct vm_map *parent = fake_map();
    vm_offset_t at = fake_allocate(parent, 2 * PG);
    struct vm_map *copy;
    struct vm_map *sharer;

    (void)state;
    poke(parent, at, 1);
    copy = fork_map(parent);
    ok(vm_inherit(parent, at, 2 * PG, VM_INHERIT_SHARE));
    assert_int_equal(peek(parent, at), 1);
    sharer = fork_map(parent);
    assert_int_equal(peek(sharer, at), 1);
    /* The sharer breaks away from the old page: the parent's read mapping of it must go. */
    poke(sharer, at, 2);
    assert_int_equal(peek(parent, at), 2);
    assert_int_equal(peek(copy, at), 1);
    fake_check_map(parent);
    fake_check_map(sharer);
    fake_check_map(copy);
    vm_map_unref(parent);
    vm_map_unref(sharer);
    vm_map_unref(copy);
}

static void copy_of_shared_memory_keeps_the_old_contents(void **state)
{
    struct vm_map *parent = fake_map();
    vm_offset_t at = fake_allocate(parent, 4 * PG);
    struct vm_map *sharer;
    struct vm_copy *first;
    struct vm_copy *second;
    uint8_t byte;

    (void)state;
    poke(parent, at, 1);
    ok(vm_inherit(parent, at, 4 * PG, VM_INHERIT_SHARE));
    sharer = fork_map(parent);
    ok(vm_map_copyin(parent, at, 4 * PG, false, &first));
    poke(sharer, at, 2);
    poke(sharer, at + PG, 2);
    ok(vm_map_copyin(parent, at, 4 * PG, false, &second));
    poke(parent, at, 3);
    poke(parent, at + 2 * PG, 3);
    ok(vm_copy_read(first, 0, &byte, 1));
    assert_int_equal(byte, 1);
    ok(vm_copy_read(first, PG, &byte, 1));
    assert_int_equal(byte, 0);
    ok(vm_copy_read(first, 2 * PG, &byte, 1));
    assert_int_equal(byte, 0);
    ok(vm_copy_read(second, 0, &byte, 1));
    assert_int_equal(byte, 2);
    ok(vm_copy_read(second, PG, &byte, 1));
    assert_int_equal(byte, 2);
    ok(vm_copy_read(second, 2 * PG, &byte, 1));
    assert_int_equal(byte, 0);
    fake_check_map(parent);
    vm_copy_discard(second);
    ok(vm_copy_read(first, 0, &byte, 1));
    assert_int_equal(byte, 1);
    vm_copy_discard(first);
    vm_map_unref(sharer);
    vm_map_unref(parent);
}

static void writing_a_copy_of_shared_memory_leaves_older_copies_alone(void **state)
{
    struct vm_map *parent = fake_map();
    vm_offset_t at = fake_allocate(parent, 4 * PG);
    struct vm_map *sharer;
    struct vm_copy *first;
    struct vm_copy *second;
    vm_offset_t mapped;
    uint8_t byte;

    (void)state;
    poke(parent, at, 1);
    ok(vm_inherit(parent, at, 4 * PG, VM_INHERIT_SHARE));
    sharer = fork_map(parent);
    ok(vm_map_copyin(parent, at, 4 * PG, false, &first));
    ok(vm_map_copyin(parent, at, 4 * PG, false, &second));
    ok(vm_map_copyout(parent, &mapped, second));
    poke(parent, mapped, 7);
    ok(vm_copy_read(first, 0, &byte, 1));
    assert_int_equal(byte, 1);
    assert_int_equal(peek(sharer, at), 1);
    poke(sharer, at, 5);
    assert_int_equal(peek(parent, mapped), 7);
    ok(vm_copy_read(first, 0, &byte, 1));
    assert_int_equal(byte, 1);
    vm_copy_discard(first);
    fake_check_map(parent);
    vm_map_unref(sharer);
    vm_map_unref(parent);
}

static void thousand_generations_keep_the_chain_and_the_memory_bounded(void **state)
{
    struct vm_map *map = fake_map();
    vm_offset_t at = fake_allocate(map, 8 * PG);
    uint64_t before;

    (void)state;
    for (unsigned i = 0; i < 8; i += 1) {
        poke(map, at + i * PG, (uint8_t)i);
    }
    before = vm_page_free_count();
    for (unsigned generation = 0; generation < 1000; generation += 1) {
        struct vm_map *child = fork_map(map);

        poke(child, at + (generation % 8) * PG, (uint8_t)generation);
        vm_map_unref(map);
        map = child;
        assert_true(chain(map, at) <= 2);
    }
    assert_true(vm_page_free_count() + 64 >= before);
    assert_int_equal(peek(map, at + 7 * PG), (uint8_t)999);
    assert_int_equal(peek(map, at), (uint8_t)992);
    fake_check_map(map);
    vm_map_unref(map);
}

static void parent_that_forks_thousand_children_keeps_a_short_chain(void **state)
{
    struct vm_map *map = fake_map();
    vm_offset_t at = fake_allocate(map, 8 * PG);

    (void)state;
    for (unsigned i = 0; i < 1000; i += 1) {
        struct vm_map *child;

        poke(map, at + (i % 8) * PG, (uint8_t)i);
        child = fork_map(map);
        poke(map, at + (i % 5) * PG, (uint8_t)(i + 1));
        vm_map_unref(child);
        assert_int_equal(peek(map, at + (i % 5) * PG), (uint8_t)(i + 1));
    }
    poke(map, at, 1);
    assert_true(chain(map, at) <= 2);
    vm_map_unref(map);
}

static void generations_that_all_live_still_have_bounded_chains(void **state)
{
    static struct vm_map *maps[200];
    vm_offset_t at;

    (void)state;
    maps[0] = fake_map();
    at = fake_allocate(maps[0], 8 * PG);
    for (unsigned i = 0; i < 8; i += 1) {
        poke(maps[0], at + i * PG, 100);
    }
    for (unsigned i = 1; i < 200; i += 1) {
        maps[i] = fork_map(maps[i - 1]);
        poke(maps[i], at + (i % 8) * PG, (uint8_t)i);
        assert_true(chain(maps[i], at) <= VM_OBJECT_CHAIN_MAX + 1);
    }
    for (unsigned i = 1; i < 200; i += 1) {
        assert_int_equal(peek(maps[i], at + (i % 8) * PG), (uint8_t)i);
        assert_int_equal(peek(maps[i], at + ((i + 1) % 8) * PG), i >= 8 ? (uint8_t)(i - 7) : 100);
        fake_check_map(maps[i]);
    }
    for (unsigned i = 0; i < 200; i += 1) {
        vm_map_unref(maps[(i * 77u) % 200]);
    }
}

static void sole_owner_writes_without_a_shadow(void **state)
{
    struct vm_map *map = fake_map();
    vm_offset_t at = fake_allocate(map, 4 * PG);

    (void)state;
    poke(map, at, 1);
    vm_map_unref(fork_map(map));
    poke(map, at, 2);
    assert_int_equal(chain(map, at), 1);
    vm_map_unref(map);
}

static void wired_memory_is_copied_at_once_and_stays_mapped(void **state)
{
    struct vm_map *map = fake_map();
    vm_offset_t at = fake_allocate(map, 4 * PG);
    struct vm_map *child;
    phys_addr_t before;
    phys_addr_t after;

    (void)state;
    poke(map, at, 1);
    ok(vm_map_wire(map, at, at + 4 * PG, VM_PROT_DEFAULT));
    assert_true(pmap_extract(map->pmap, at, &before));
    child = fork_map(map);
    poke(map, at, 2);
    assert_true(pmap_extract(map->pmap, at, &after));
    assert_int_equal(before, after);
    assert_int_equal(peek(child, at), 1);
    fake_check_map(map);
    vm_map_unref(child);
    vm_map_unref(map);
}

static void wiring_copied_memory_makes_it_private_first(void **state)
{
    struct vm_map *map = fake_map();
    vm_offset_t at = fake_allocate(map, 2 * PG);
    struct vm_map *child;

    (void)state;
    poke(map, at, 1);
    child = fork_map(map);
    ok(vm_map_wire(map, at, at + 2 * PG, VM_PROT_READ));
    poke(child, at, 9);
    assert_int_equal(peek(map, at), 1);
    fake_check_map(map);
    fake_check_map(child);
    vm_map_unref(child);
    vm_map_unref(map);
}

static void fork_that_runs_out_of_memory_leaves_nothing_behind(void **state)
{
    static struct vm_page *held[20000];
    struct vm_map *map = fake_map();
    vm_offset_t at = fake_allocate(map, 64 * PG);
    struct vm_map *child;
    unsigned n = 0;

    (void)state;
    for (unsigned i = 0; i < 64; i += 1) {
        poke(map, at + i * PG, 1);
    }
    ok(vm_map_wire(map, at, at + 64 * PG, VM_PROT_READ));
    while (n < 20000 && (held[n] = vm_page_alloc(0)) != NULL) {
        n += 1;
    }
    for (unsigned i = 0; i < 20; i += 1) {
        n -= 1;
        vm_page_free(held[n]);
    }
    assert_int_equal(vm_map_fork(map, &child), KERN_RESOURCE_SHORTAGE);
    while (n != 0) {
        n -= 1;
        vm_page_free(held[n]);
    }
    fake_check_map(map);
    vm_map_unref(map);
}

void run_cow_tests(void)
{
    const struct CMUnitTest tests[] = {
        TEST(copied_region_is_private_to_each_side),
        TEST(shared_region_is_one_for_both_sides),
        TEST(region_not_inherited_is_absent),
        TEST(sharing_after_copying_shares_the_new_contents),
        TEST(copy_of_shared_memory_keeps_the_old_contents),
        TEST(writing_a_copy_of_shared_memory_leaves_older_copies_alone),
        TEST(thousand_generations_keep_the_chain_and_the_memory_bounded),
        TEST(parent_that_forks_thousand_children_keeps_a_short_chain),
        TEST(generations_that_all_live_still_have_bounded_chains),
        TEST(sole_owner_writes_without_a_shadow),
        TEST(wired_memory_is_copied_at_once_and_stays_mapped),
        TEST(wiring_copied_memory_makes_it_private_first),
        TEST(fork_that_runs_out_of_memory_leaves_nothing_behind),
    };

    RUN_GROUP(tests);
}
