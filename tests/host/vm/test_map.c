/* test_map.c - regions: where they go, how they are cut and joined, what access they allow. */
#include "tests.h"

#include "kern/waitq.h"
#include "vm/vm_fault.h"
#include "vm/vm_map_impl.h"
#include "vm/vm_object.h"
#include "vm/vm_page.h"
#include "vm/vm_user.h"

static kern_return_t access_read(struct vm_map *map, vm_offset_t va)
{
    uint8_t value;

    return fake_read(map, va, &value);
}

static void anywhere_takes_the_lowest_gap_but_never_page_zero(void **state)
{
    struct vm_map *map = fake_map();
    vm_offset_t a = fake_allocate(map, PG);
    vm_offset_t b = fake_allocate(map, 4 * PG);
    vm_offset_t c = fake_allocate(map, PG);

    (void)state;
    assert_int_equal(a, PG);
    assert_int_equal(b, 2 * PG);
    assert_int_equal(c, 6 * PG);
    ok(vm_deallocate(map, b, 4 * PG));
    assert_int_equal(fake_allocate(map, 5 * PG), 7 * PG);
    assert_int_equal(fake_allocate(map, 3 * PG), b);
    fake_check_map(map);
    vm_map_unref(map);
}

static void fixed_address_is_used_or_refused(void **state)
{
    struct vm_map *map = fake_map();
    vm_offset_t at = 0x10000;

    (void)state;
    ok(vm_allocate(map, &at, PG, false));
    assert_int_equal(at, 0x10000);
    assert_int_equal(vm_allocate(map, &at, PG, false), KERN_NO_SPACE);
    at = 0xf000;
    assert_int_equal(vm_allocate(map, &at, 2 * PG, false), KERN_NO_SPACE);
    at = 0;
    ok(vm_allocate(map, &at, PG, false));
    assert_int_equal(at, 0);
    at = VM_MAX_ADDRESS - PG;
    ok(vm_allocate(map, &at, PG, false));
    poke(map, at + PG - 1, 1);
    vm_map_unref(map);
}

static void unaligned_address_and_size_cover_the_pages_they_touch(void **state)
{
    struct vm_map *map = fake_map();
    vm_offset_t at = 0x10123;

    (void)state;
    ok(vm_allocate(map, &at, PG + 1, false));
    assert_int_equal(at, 0x10000);
    poke(map, 0x11fff, 1);
    assert_int_equal(access_read(map, 0x12000), KERN_INVALID_ADDRESS);
    ok(vm_deallocate(map, 0x10fff, 2));
    assert_int_equal(map->size, 0);
    vm_map_unref(map);
}

static void mask_aligns_the_address_chosen(void **state)
{
    struct vm_map *map = fake_map();
    vm_offset_t at = 0;

    (void)state;
    (void)fake_allocate(map, PG);
    ok(vm_map(map, &at, PG, 0x1fffff, true, NULL, 0, false, VM_PROT_DEFAULT, VM_PROT_ALL,
              VM_INHERIT_COPY));
    assert_int_equal(at, 0x200000);
    at = 0x201000;
    assert_int_equal(vm_map(map, &at, PG, 0x1fffff, false, NULL, 0, false, VM_PROT_DEFAULT,
                            VM_PROT_ALL, VM_INHERIT_COPY),
                     KERN_NO_SPACE);
    at = 0x200001;
    ok(vm_map(map, &at, PG, 0, true, NULL, 0, false, VM_PROT_DEFAULT, VM_PROT_ALL,
              VM_INHERIT_COPY));
    assert_int_equal(at, 0x201000);
    vm_map_unref(map);
}

static void full_map_has_no_space(void **state)
{
    struct vm_map *map = fake_map();
    vm_offset_t at = PG;

    (void)state;
    ok(vm_allocate(map, &at, VM_MAX_ADDRESS - PG, false));
    assert_int_equal(vm_allocate(map, &at, PG, true), KERN_NO_SPACE);
    vm_map_unref(map);
}

static void adjacent_anonymous_regions_become_one(void **state)
{
    struct vm_map *map = fake_map();

    (void)state;
    for (unsigned i = 0; i < 100; i += 1) {
        vm_offset_t at = fake_allocate(map, PG);

        poke(map, at, (uint8_t)i);
    }
    assert_int_equal(map->entry_count, 1);
    for (unsigned i = 0; i < 100; i += 1) {
        assert_int_equal(peek(map, PG + i * PG), i);
    }
    fake_check_map(map);
    vm_map_unref(map);
}

static void region_that_grows_back_over_an_old_one_is_zero(void **state)
{
    struct vm_map *map = fake_map();
    vm_offset_t at = fake_allocate(map, 4 * PG);

    (void)state;
    for (unsigned i = 0; i < 4; i += 1) {
        poke(map, at + i * PG, 9);
    }
    ok(vm_deallocate(map, at + 2 * PG, 2 * PG));
    assert_int_equal(fake_allocate(map, 2 * PG), at + 2 * PG);
    assert_int_equal(peek(map, at + PG), 9);
    assert_int_equal(peek(map, at + 2 * PG), 0);
    assert_int_equal(peek(map, at + 3 * PG), 0);
    vm_map_unref(map);
}

static void deallocated_part_of_a_region_gives_its_pages_back_at_once(void **state)
{
    struct vm_map *map = fake_map();
    vm_offset_t at = fake_allocate(map, 64 * PG);
    uint64_t before;

    (void)state;
    for (unsigned i = 0; i < 64; i += 1) {
        poke(map, at + i * PG, 1);
    }
    before = vm_page_free_count();
    ok(vm_deallocate(map, at + 10 * PG, 50 * PG));
    assert_true(vm_page_free_count() >= before + 48);
    assert_int_equal(fake_mapping_count(map), 14);
    fake_check_map(map);
    vm_map_unref(map);
}

static void hole_in_the_middle_leaves_both_ends(void **state)
{
    struct vm_map *map = fake_map();
    vm_offset_t at = fake_allocate(map, 5 * PG);

    (void)state;
    for (unsigned i = 0; i < 5; i += 1) {
        poke(map, at + i * PG, (uint8_t)(i + 1));
    }
    ok(vm_deallocate(map, at + 2 * PG, PG));
    assert_int_equal(map->entry_count, 2);
    assert_int_equal(access_read(map, at + 2 * PG), KERN_INVALID_ADDRESS);
    assert_int_equal(peek(map, at + PG), 2);
    assert_int_equal(peek(map, at + 3 * PG), 4);
    ok(vm_deallocate(map, 0, VM_MAX_ADDRESS));
    assert_int_equal(map->size, 0);
    vm_map_unref(map);
}

static void protection_takes_effect_on_mapped_pages(void **state)
{
    struct vm_map *map = fake_map();
    vm_offset_t at = fake_allocate(map, 3 * PG);

    (void)state;
    poke(map, at + PG, 5);
    ok(vm_protect(map, at + PG, PG, false, VM_PROT_READ));
    assert_int_equal(fake_write(map, at + PG, 6), KERN_PROTECTION_FAILURE);
    assert_int_equal(peek(map, at + PG), 5);
    ok(vm_protect(map, at + PG, PG, false, VM_PROT_NONE));
    assert_int_equal(access_read(map, at + PG), KERN_PROTECTION_FAILURE);
    ok(vm_protect(map, at + PG, PG, false, VM_PROT_DEFAULT));
    poke(map, at + PG, 7);
    assert_int_equal(map->entry_count, 1);
    fake_check_map(map);
    vm_map_unref(map);
}

static void protection_beyond_the_maximum_changes_nothing(void **state)
{
    struct vm_map *map = fake_map();
    vm_offset_t at = fake_allocate(map, 3 * PG);

    (void)state;
    ok(vm_protect(map, at + PG, PG, true, VM_PROT_READ));
    assert_int_equal(vm_protect(map, at, 3 * PG, false, VM_PROT_DEFAULT), KERN_PROTECTION_FAILURE);
    assert_int_equal(fake_write(map, at + PG, 1), KERN_PROTECTION_FAILURE);
    poke(map, at, 1);
    assert_int_equal(vm_protect(map, at, 3 * PG, true, VM_PROT_ALL), KERN_PROTECTION_FAILURE);
    fake_check_map(map);
    vm_map_unref(map);
}

static void lowering_the_maximum_lowers_the_protection(void **state)
{
    struct vm_map *map = fake_map();
    vm_offset_t at = fake_allocate(map, PG);

    (void)state;
    poke(map, at, 1);
    ok(vm_protect(map, at, PG, true, VM_PROT_READ));
    assert_int_equal(fake_write(map, at, 1), KERN_PROTECTION_FAILURE);
    fake_check_map(map);
    vm_map_unref(map);
}

static void region_reports_what_was_set(void **state)
{
    struct vm_map *map = fake_map();
    vm_offset_t at = fake_allocate(map, 3 * PG);
    vm_offset_t address = at + PG + 1;
    vm_size_t size;
    vm_prot_t prot;
    vm_prot_t max;
    vm_inherit_t inherit;
    boolean_t shared;
    struct ipc_port *name;
    vm_offset_t offset;

    (void)state;
    ok(vm_inherit(map, at + PG, PG, VM_INHERIT_NONE));
    ok(vm_protect(map, at + PG, PG, true, VM_PROT_READ));
    ok(vm_region(map, &address, &size, &prot, &max, &inherit, &shared, &name, &offset));
    assert_int_equal(address, at + PG);
    assert_int_equal(size, PG);
    assert_int_equal(prot, VM_PROT_READ);
    assert_int_equal(max, VM_PROT_READ);
    assert_int_equal(inherit, VM_INHERIT_NONE);
    assert_false(shared);
    assert_null(name);
    address = 0;
    ok(vm_region(map, &address, &size, &prot, &max, &inherit, &shared, &name, &offset));
    assert_int_equal(address, at);
    address = at + 3 * PG;
    assert_int_equal(
        vm_region(map, &address, &size, &prot, &max, &inherit, &shared, &name, &offset),
        KERN_NO_SPACE);
    vm_map_unref(map);
}

static void untouched_memory_costs_no_page(void **state)
{
    struct vm_map *map = fake_map();
    uint64_t before = vm_page_free_count();
    uint8_t buffer[100];

    (void)state;
    ok(vm_fault_read(map, fake_allocate(map, 1ul << 40) + 12345, buffer, sizeof(buffer)));
    assert_true(vm_page_free_count() + 16 >= before);
    assert_int_equal(fake_mapping_count(map), 0);
    vm_map_unref(map);
}

static void wired_pages_are_mapped_and_counted_until_unwired(void **state)
{
    struct vm_map *map = fake_map();
    vm_offset_t at = fake_allocate(map, 8 * PG);

    (void)state;
    poke(map, at + PG, 1);
    ok(vm_map_wire(map, at + PG, at + 4 * PG, VM_PROT_READ));
    assert_int_equal(map->wired_size, 3 * PG);
    assert_int_equal(fake_mapping_count(map), 3);
    ok(vm_map_wire(map, at, at + 8 * PG, VM_PROT_DEFAULT));
    assert_int_equal(map->wired_size, 8 * PG);
    ok(vm_map_wire(map, at, at + 8 * PG, VM_PROT_NONE));
    assert_int_equal(map->wired_size, 3 * PG);
    assert_int_equal(vm_map_wire(map, at, at + 4 * PG, VM_PROT_NONE), KERN_INVALID_ARGUMENT);
    ok(vm_map_wire(map, at + PG, at + 4 * PG, VM_PROT_NONE));
    assert_int_equal(map->wired_size, 0);
    assert_int_equal(map->entry_count, 1);
    fake_check_map(map);
    vm_map_unref(map);
}

static void memory_that_becomes_usable_is_wired_like_future_memory(void **state)
{
    struct vm_map *map = fake_map();
    vm_offset_t at = fake_allocate(map, 4 * PG);

    (void)state;
    ok(vm_protect(map, at, 4 * PG, false, VM_PROT_NONE));
    ok(vm_map_wire_all(map, true, true));
    assert_int_equal(map->wired_size, 0);
    ok(vm_protect(map, at + PG, 2 * PG, false, VM_PROT_DEFAULT));
    assert_int_equal(map->wired_size, 2 * PG);
    assert_int_equal(fake_mapping_count(map), 2);
    ok(vm_protect(map, at + PG, 2 * PG, false, VM_PROT_READ));
    assert_int_equal(map->wired_size, 2 * PG);
    ok(vm_map_wire_all(map, false, false));
    assert_int_equal(map->wired_size, 0);
    fake_check_map(map);
    vm_map_unref(map);
}

static void wiring_a_hole_or_a_forbidden_access_wires_nothing(void **state)
{
    struct vm_map *map = fake_map();
    vm_offset_t at = fake_allocate(map, 4 * PG);

    (void)state;
    assert_int_equal(vm_map_wire(map, at, at + 5 * PG, VM_PROT_READ), KERN_NO_SPACE);
    ok(vm_protect(map, at + 2 * PG, PG, false, VM_PROT_READ));
    assert_int_equal(vm_map_wire(map, at, at + 4 * PG, VM_PROT_WRITE), KERN_PROTECTION_FAILURE);
    fake_enter_budget = 2;
    assert_int_equal(vm_map_wire(map, at, at + 4 * PG, VM_PROT_READ), KERN_RESOURCE_SHORTAGE);
    fake_enter_budget = -1;
    assert_int_equal(map->wired_size, 0);
    fake_check_map(map);
    ok(vm_map_wire(map, at, at + 4 * PG, VM_PROT_READ));
    ok(vm_deallocate(map, at, 4 * PG));
    assert_int_equal(map->wired_size, 0);
    vm_map_unref(map);
}

static void future_wiring_wires_new_regions(void **state)
{
    struct vm_map *map = fake_map();
    vm_offset_t old = fake_allocate(map, 2 * PG);

    (void)state;
    ok(vm_protect(map, old, PG, false, VM_PROT_READ));
    ok(vm_map_wire_all(map, true, true));
    assert_int_equal(map->wired_size, 2 * PG);
    (void)fake_allocate(map, 3 * PG);
    assert_int_equal(map->wired_size, 5 * PG);
    ok(vm_map_wire_all(map, false, false));
    assert_int_equal(map->wired_size, 0);
    (void)fake_allocate(map, 3 * PG);
    assert_int_equal(map->wired_size, 0);
    vm_map_unref(map);
}

static void fault_reports_shortage_and_succeeds_later(void **state)
{
    struct vm_map *map = fake_map();
    vm_offset_t at = fake_allocate(map, PG);

    (void)state;
    fake_enter_budget = 0;
    assert_int_equal(vm_fault(map, at, VM_PROT_WRITE), KERN_RESOURCE_SHORTAGE);
    fake_enter_budget = -1;
    poke(map, at, 1);
    vm_map_unref(map);
}

static void size_limit_refuses_growth_and_counts_what_is_freed(void **state)
{
    struct vm_map *map = fake_map();
    vm_offset_t at = fake_allocate(map, 4 * PG);
    vm_offset_t more = 0;

    (void)state;
    map->size_limit = 6 * PG;
    assert_int_equal(vm_allocate(map, &more, 3 * PG, true), KERN_NO_SPACE);
    ok(vm_deallocate(map, at, PG));
    ok(vm_allocate(map, &more, 3 * PG, true));
    vm_map_unref(map);
}

static void device_memory_is_mapped_and_shared_but_never_copied(void **state)
{
    struct vm_map *map = fake_map();
    struct vm_map_request request = {
        .size = 4 * PG,
        .anywhere = true,
        .object = vm_object_create_device(FAKE_DEVICE, 4 * PG, PMAP_NOCACHE),
        .protection = VM_PROT_DEFAULT,
        .max_protection = VM_PROT_DEFAULT,
        .inheritance = VM_INHERIT_COPY,
    };
    vm_offset_t at = 0;
    struct vm_map *child;
    struct vm_copy *copy;
    phys_addr_t phys;

    (void)state;
    ok(vm_map_enter(map, &at, &request));
    ok(vm_fault(map, at + 2 * PG, VM_PROT_WRITE));
    assert_true(pmap_extract(map->pmap, at + 2 * PG, &phys));
    assert_int_equal(phys, FAKE_DEVICE + 2 * PG);
    ok(vm_map_fork(map, &child));
    ok(vm_fault(child, at + PG, VM_PROT_READ));
    assert_int_equal(vm_map_copyin(map, at, 4 * PG, true, &copy), KERN_MEMORY_ERROR);
    assert_int_equal(vm_map_copyin(map, at, PG, false, &copy), KERN_MEMORY_ERROR);
    assert_int_equal(map->size, 4 * PG);
    ok(vm_map_wire(map, at, at + 4 * PG, VM_PROT_READ));
    ok(vm_deallocate(map, at + PG, PG));
    fake_check_map(map);
    vm_map_unref(child);
    vm_map_unref(map);
}

void run_map_tests(void)
{
    const struct CMUnitTest tests[] = {
        TEST(anywhere_takes_the_lowest_gap_but_never_page_zero),
        TEST(fixed_address_is_used_or_refused),
        TEST(unaligned_address_and_size_cover_the_pages_they_touch),
        TEST(mask_aligns_the_address_chosen),
        TEST(full_map_has_no_space),
        TEST(adjacent_anonymous_regions_become_one),
        TEST(region_that_grows_back_over_an_old_one_is_zero),
        TEST(deallocated_part_of_a_region_gives_its_pages_back_at_once),
        TEST(hole_in_the_middle_leaves_both_ends),
        TEST(protection_takes_effect_on_mapped_pages),
        TEST(protection_beyond_the_maximum_changes_nothing),
        TEST(lowering_the_maximum_lowers_the_protection),
        TEST(region_reports_what_was_set),
        TEST(untouched_memory_costs_no_page),
        TEST(wired_pages_are_mapped_and_counted_until_unwired),
        TEST(memory_that_becomes_usable_is_wired_like_future_memory),
        TEST(wiring_a_hole_or_a_forbidden_access_wires_nothing),
        TEST(future_wiring_wires_new_regions),
        TEST(fault_reports_shortage_and_succeeds_later),
        TEST(size_limit_refuses_growth_and_counts_what_is_freed),
        TEST(device_memory_is_mapped_and_shared_but_never_copied),
    };

    RUN_GROUP(tests);
}
