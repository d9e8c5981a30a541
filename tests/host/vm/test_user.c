/* test_user.c - the routines as user tasks call them: bad arguments, limits, host ports, counts. */
#include "tests.h"

#include "ipc/ipc_port.h"

#include "arch/pmap.h"
#include "ddb/vm_check.h"
#include "vm/vm_map_impl.h"
#include "vm/vm_object.h"
#include "vm/vm_page.h"
#include "vm/vm_user.h"

#define HOST      ((struct ipc_port *)1)
#define HOST_PRIV ((struct ipc_port *)2)

/* Address and size pairs that wrap, leave the user half, or both. */
static const struct {
    vm_offset_t address;
    vm_size_t size;
} wild[] = {
    {0, ~0ul},
    {PG, ~0ul},
    {PG, ~0ul - PG + 1},
    {VM_MAX_ADDRESS, PG},
    {VM_MAX_ADDRESS - PG, 2 * PG},
    {VM_MAX_ADDRESS - 1, 2},
    {~0ul, 1},
    {~0ul, ~0ul},
    {~0ul - PG + 1, PG},
    {1ul << 63, 1ul << 63},
    {0xffff800000000000ul, PG},
    {0, VM_MAX_ADDRESS + 1},
};

static void wild_ranges_are_refused_by_every_routine(void **state)
{
    struct vm_map *map = fake_map();
    vm_offset_t at = fake_allocate(map, 4 * PG);
    vm_size_t size = map->size;

    (void)state;
    for (unsigned i = 0; i < TEST_COUNT(wild); i += 1) {
        vm_offset_t a = wild[i].address;
        vm_size_t s = wild[i].size;
        struct vm_copy *copy;
        natural_t count;
        vm_machine_attribute_val_t value = MATTR_VAL_CACHE_FLUSH;

        assert_int_equal(vm_deallocate(map, a, s), KERN_INVALID_ADDRESS);
        assert_int_equal(vm_protect(map, a, s, false, VM_PROT_NONE), KERN_INVALID_ADDRESS);
        assert_int_equal(vm_inherit(map, a, s, VM_INHERIT_NONE), KERN_INVALID_ADDRESS);
        assert_int_not_equal(vm_read(map, a, s, &copy, &count), KERN_SUCCESS);
        assert_int_equal(vm_map_copyin(map, a, s, true, &copy), KERN_INVALID_ADDRESS);
        assert_int_equal(vm_copy(map, a, s, at), KERN_INVALID_ADDRESS);
        assert_int_equal(vm_machine_attribute(map, a, s, MATTR_CACHE, &value),
                         KERN_INVALID_ADDRESS);
        assert_int_equal(vm_msync(map, a, s, VM_SYNC_SYNCHRONOUS), KERN_INVALID_ADDRESS);
        assert_int_equal(vm_wire(HOST_PRIV, map, a, s, VM_PROT_READ), KERN_INVALID_ADDRESS);
        assert_int_not_equal(vm_pages_phys((struct host *)2, map, a, s, &copy, &count),
                             KERN_SUCCESS);
        if (a % PG == 0) {
            /* These two begin at the page of the address, so that an odd one reaches less far. */
            assert_int_not_equal(vm_allocate(map, &a, s, false), KERN_SUCCESS);
            assert_int_not_equal(vm_map(map, &a, s, 0, false, NULL, 0, false, VM_PROT_ALL,
                                        VM_PROT_ALL, VM_INHERIT_COPY),
                                 KERN_SUCCESS);
        }
        copy = vm_copy_from_kernel("x", 1);
        if (wild[i].address >= VM_MAX_ADDRESS) {
            assert_int_equal(vm_write(map, wild[i].address, copy, 1), KERN_INVALID_ADDRESS);
        }
        vm_copy_discard(copy);
        assert_int_equal(map->size, size);
    }
    poke(map, at, 1);
    vm_map_unref(map);
}

static void wild_sizes_anywhere_are_refused(void **state)
{
    struct vm_map *map = fake_map();
    vm_offset_t at = 0;

    (void)state;
    assert_int_equal(vm_allocate(map, &at, ~0ul, true), KERN_INVALID_ARGUMENT);
    assert_int_equal(vm_allocate(map, &at, ~0ul - PG, true), KERN_NO_SPACE);
    assert_int_equal(vm_allocate(map, &at, VM_MAX_ADDRESS, true), KERN_NO_SPACE);
    assert_int_equal(at, 0);
    for (unsigned shift = 0; shift < 64; shift += 1) {
        kern_return_t kr;

        at = 1ul << shift;
        kr = vm_map(map, &at, PG, ~0ul >> shift, true, NULL, 0, false, VM_PROT_ALL, VM_PROT_ALL,
                    VM_INHERIT_COPY);
        assert_true(kr == KERN_NO_SPACE || (kr == KERN_SUCCESS && at + PG <= VM_MAX_ADDRESS));
    }
    vm_check_map(map);
    vm_map_unref(map);
}

static void bad_values_are_refused(void **state)
{
    struct ipc_port *host = ipc_port_alloc_kernel(KOBJECT_HOST, NULL);
    struct vm_map *map = fake_map();
    vm_offset_t at = fake_allocate(map, PG);
    vm_machine_attribute_val_t value = MATTR_VAL_ON;

    (void)state;
    assert_int_equal(vm_protect(map, at, PG, false, 0x100), KERN_INVALID_ARGUMENT);
    assert_int_equal(vm_inherit(map, at, PG, 3), KERN_INVALID_ARGUMENT);
    assert_int_equal(vm_inherit(map, at, PG, -1), KERN_INVALID_ARGUMENT);
    assert_int_equal(vm_map(map, &at, 0, 0, true, NULL, 0, false, 1, 1, 1), KERN_INVALID_ARGUMENT);
    assert_int_equal(vm_map(map, &at, PG, 0, true, NULL, 0, false, 3, 1, 1), KERN_INVALID_ARGUMENT);
    assert_int_equal(vm_map(map, &at, PG, 0, true, NULL, 0, false, 1, 1, 7), KERN_INVALID_ARGUMENT);
    assert_int_equal(vm_map(map, &at, PG, 0, true, host, 0, false, 1, 1, 1), KERN_INVALID_ARGUMENT);
    ipc_port_destroy_kernel(host);
    assert_int_equal(vm_machine_attribute(map, at, PG, MATTR_CACHE, &value), KERN_INVALID_ARGUMENT);
    assert_int_equal(vm_machine_attribute(map, at, PG, 77, &value), KERN_INVALID_ARGUMENT);
    assert_int_equal(vm_msync(map, at, PG, 3), KERN_INVALID_ARGUMENT);
    assert_int_equal(vm_msync(map, at, 2 * PG, 1), KERN_INVALID_ADDRESS);
    ok(vm_msync(map, at, PG, VM_SYNC_SYNCHRONOUS | VM_SYNC_INVALIDATE));
    vm_map_unref(map);
}

static void size_zero_does_nothing_and_succeeds(void **state)
{
    struct vm_map *map = fake_map();
    vm_offset_t at = 77;

    (void)state;
    ok(vm_allocate(map, &at, 0, true));
    assert_int_equal(at, 0);
    ok(vm_deallocate(map, ~0ul, 0));
    ok(vm_protect(map, PG, 0, false, VM_PROT_NONE));
    ok(vm_inherit(map, PG, 0, VM_INHERIT_NONE));
    ok(vm_copy(map, PG, 0, PG));
    vm_map_unref(map);
}

static void wiring_needs_a_host_port_and_is_limited_without_privilege(void **state)
{
    struct vm_map *map = fake_map();
    vm_offset_t at = fake_allocate(map, 9ul << 20);

    (void)state;
    assert_int_equal(vm_wire(NULL, map, at, PG, VM_PROT_READ), KERN_INVALID_HOST);
    assert_int_equal(vm_wire(HOST, map, at, 9ul << 20, VM_PROT_READ), KERN_NO_ACCESS);
    ok(vm_wire(HOST, map, at, PG, VM_PROT_READ));
    assert_int_equal(vm_wire(HOST, map, at, PG, 0x40), KERN_INVALID_ARGUMENT);
    ok(vm_wire(HOST, map, at, PG, VM_PROT_NONE));
    ok(vm_wire(HOST_PRIV, map, at, 9ul << 20, VM_PROT_READ));
    assert_int_equal(vm_wire_all(HOST, map, VM_WIRE_NONE), KERN_INVALID_HOST);
    assert_int_equal(vm_wire_all(HOST_PRIV, map, 4), KERN_INVALID_ARGUMENT);
    ok(vm_wire_all(HOST_PRIV, map, VM_WIRE_NONE));
    assert_int_equal(map->wired_size, 0);
    vm_map_unref(map);
}

static void size_limit_is_raised_with_privilege_only(void **state)
{
    struct vm_map *map = fake_map();
    vm_size_t current;
    vm_size_t max;

    (void)state;
    ok(vm_set_size_limit(HOST, map, 10 * PG, 20 * PG));
    ok(vm_get_size_limit(map, &current, &max));
    assert_int_equal(current, 10 * PG);
    assert_int_equal(max, 20 * PG);
    assert_int_equal(vm_set_size_limit(HOST, map, 30 * PG, 30 * PG), KERN_NO_ACCESS);
    assert_int_equal(vm_set_size_limit(HOST, map, 30 * PG, 20 * PG), KERN_INVALID_ARGUMENT);
    assert_int_equal(vm_set_size_limit(NULL, map, PG, PG), KERN_INVALID_HOST);
    ok(vm_set_size_limit(HOST_PRIV, map, 30 * PG, 30 * PG));
    vm_map_unref(map);
}

static void contiguous_memory_is_contiguous_zeroed_and_where_it_was_asked(void **state)
{
    struct vm_map *map = fake_map();
    struct host *host = (struct host *)2;
    vm_offset_t at = 0;
    rpc_phys_addr_t phys = 0;
    struct vm_copy *pages;
    natural_t count;
    rpc_phys_addr_t list[5];

    (void)state;
    assert_int_equal(vm_allocate_contiguous(host, map, &at, &phys, 0, 0, 0, 0),
                     KERN_INVALID_ARGUMENT);
    assert_int_equal(vm_allocate_contiguous(host, map, &at, &phys, PG, 0, 0, 3 * PG),
                     KERN_INVALID_ARGUMENT);
    assert_int_equal(vm_allocate_contiguous(host, map, &at, &phys, 1ul << 40, 0, 0, 0),
                     KERN_RESOURCE_SHORTAGE);
    assert_int_equal(vm_allocate_contiguous(host, map, &at, &phys, PG, 0, 0, 1ul << 62),
                     KERN_RESOURCE_SHORTAGE);
    ok(vm_allocate_contiguous(host, map, &at, &phys, 5 * PG - 7, 0, 0x1000000, 0x10000));
    assert_int_equal(phys % 0x10000, 0);
    assert_true(phys + 5 * PG <= 0x1000000);
    ok(vm_pages_phys(host, map, at, 5 * PG, &pages, &count));
    assert_int_equal(count, 5);
    ok(vm_copy_read(pages, 0, list, sizeof(list)));
    for (unsigned i = 0; i < 5; i += 1) {
        assert_int_equal(list[i], phys + i * PG);
        assert_int_equal(peek(map, at + i * PG), 0);
    }
    vm_copy_discard(pages);
    assert_int_equal(vm_pages_phys(host, map, at + 1, PG, &pages, &count), KERN_INVALID_ARGUMENT);
    vm_map_unref(map);
}

static void statistics_count_what_happened(void **state)
{
    struct vm_map *map = fake_map();
    vm_statistics_data_t before;
    vm_statistics_data_t after;
    vm_cache_statistics_data_t cache;
    vm_offset_t at = fake_allocate(map, 4 * PG);
    struct vm_map *child;

    (void)state;
    ok(vm_statistics(map, &before));
    poke(map, at, 1);
    poke(map, at + PG, 1);
    ok(vm_map_fork(map, &child));
    poke(child, at, 2);
    ok(vm_statistics(map, &after));
    assert_int_equal(after.pagesize, PG);
    assert_int_equal(after.zero_fill_count - before.zero_fill_count, 2);
    assert_int_equal(after.cow_faults - before.cow_faults, 1);
    assert_true(after.faults - before.faults >= 3);
    assert_int_equal(after.free_count, vm_page_free_count());
    ok(vm_cache_statistics(map, &cache));
    assert_true(cache.slab_count > 0);
    vm_map_unref(child);
    vm_map_unref(map);
}

static void debugging_routines_show_regions_objects_and_caches(void **state)
{
    struct vm_map *map = fake_map();
    vm_offset_t at = fake_allocate(map, 4 * PG);
    struct vm_map_region region;
    vm_region_info_t info;
    vm_object_info_t object_info;
    struct ipc_port *port;
    struct ipc_port *port2;
    struct vm_copy *copy;
    natural_t count;
    vm_page_info_t pages[2];

    (void)state;
    poke(map, at + PG, 1);
    poke(map, at + 3 * PG, 1);
    ok(mach_vm_region_info(map, at, &info, &port));
    assert_int_equal(info.vri_end - info.vri_start, 4 * PG);
    ok(vm_map_region(map, at, true, &region));
    ok(mach_vm_object_info(region.object, &object_info, &port, &port2));
    assert_int_equal(object_info.voi_resident_page_count, 2);
    pmap_clear_modified(vm_object_page_lookup(region.object, PG));
    ok(mach_vm_object_pages(region.object, &copy, &count));
    assert_int_equal(count, 2);
    ok(vm_copy_read(copy, 0, pages, sizeof(pages)));
    assert_int_equal(pages[0].vpi_state & VPI_STATE_DIRTY, 0);
    assert_int_equal(pages[1].vpi_offset, 3 * PG);
    assert_int_equal(pages[1].vpi_state & VPI_STATE_DIRTY, VPI_STATE_DIRTY);
    vm_copy_discard(copy);
    vm_object_unref(region.object);
    ok(host_slab_info((struct host *)1, &copy, &count));
    assert_true(count > 10);
    vm_copy_discard(copy);
    vm_map_unref(map);
}

void run_user_tests(void)
{
    const struct CMUnitTest tests[] = {
        TEST(wild_ranges_are_refused_by_every_routine),
        TEST(wild_sizes_anywhere_are_refused),
        TEST(bad_values_are_refused),
        TEST(size_zero_does_nothing_and_succeeds),
        TEST(wiring_needs_a_host_port_and_is_limited_without_privilege),
        TEST(size_limit_is_raised_with_privilege_only),
        TEST(contiguous_memory_is_contiguous_zeroed_and_where_it_was_asked),
        TEST(statistics_count_what_happened),
        TEST(debugging_routines_show_regions_objects_and_caches),
    };

    RUN_GROUP(tests);
}
