/* test_page.c - physical pages: zones, buddies, caches, runs. Each test boots its own memory. */
#include "tests.h"

#include "ddb/vm_check.h"
#include "vm/vm_page.h"

#define MIB (1ul << 20)
#define GIB (1ul << 30)

static void boot(uint64_t start, uint64_t end)
{
    struct phys_range range = {start, end};

    fake_arena();
    vm_page_bootstrap(&range, 1);
}

static void small_machine_keeps_nearly_all_its_memory_for_use(void **state)
{
    (void)state;
    boot(0, 32 * MIB);
    assert_true(vm_page_total_count() >= 32 * MIB / PG - 32 * MIB / PG / 64 - 4);
    assert_int_equal(vm_page_free_count(), vm_page_total_count());
    vm_check_pages();
}

static void large_machine_with_pci_hole_describes_only_ram(void **state)
{
    struct phys_range ranges[] = {{0x1000, 0x9f000}, {MIB, 3 * GIB}, {4 * GIB, 7 * GIB}};

    (void)state;
    fake_arena();
    vm_page_bootstrap(ranges, 3);
    assert_true(vm_page_total_count() > 6 * GIB / PG * 63 / 64 - 1024);
    assert_true(vm_page_total_count() < 6 * GIB / PG);
    assert_null(vm_page_from_phys(3 * GIB + MIB));
    assert_non_null(vm_page_from_phys(4 * GIB));
    assert_int_equal(vm_page_to_phys(vm_page_from_phys(5 * GIB + PG)), 5 * GIB + PG);
}

static void pages_come_from_the_zone_asked_for(void **state)
{
    struct phys_range ranges[] = {{MIB, 64 * MIB}, {4 * GIB, 4 * GIB + 64 * MIB}};

    (void)state;
    fake_arena();
    vm_page_bootstrap(ranges, 2);
    assert_true(vm_page_to_phys(vm_page_alloc(0)) >= 4 * GIB);
    assert_true(vm_page_to_phys(vm_page_alloc(VM_PAGE_DMA32)) < 4 * GIB);
    assert_true(vm_page_to_phys(vm_page_alloc(VM_PAGE_DMA32)) >= 16 * MIB);
    assert_true(vm_page_to_phys(vm_page_alloc(VM_PAGE_LOW)) < 16 * MIB);
}

static void counts_are_exact_with_pages_in_the_caches(void **state)
{
    struct vm_page *pages[100];
    uint64_t before;

    (void)state;
    boot(MIB, 64 * MIB);
    before = vm_page_free_count();
    for (unsigned i = 0; i < 100; i += 1) {
        pages[i] = vm_page_alloc(0);
        assert_int_equal(vm_page_free_count(), before - i - 1);
    }
    for (unsigned i = 0; i < 100; i += 1) {
        vm_page_free(pages[i]);
    }
    assert_int_equal(vm_page_free_count(), before);
    vm_page_drain_cache();
    assert_int_equal(vm_page_free_count(), before);
    vm_check_pages();
}

static void freed_buddies_join_to_the_largest_blocks_again(void **state)
{
    static struct vm_page *pages[8192];
    unsigned n = 0;

    (void)state;
    boot(32 * MIB, 64 * MIB);
    while (n < 8192 && (pages[n] = vm_page_alloc(VM_PAGE_RESERVE)) != NULL) {
        n += 1;
    }
    assert_int_equal(vm_page_free_count(), 0);
    for (unsigned i = 0; i < n; i += 1) {
        vm_page_free(pages[(i * 4099ul) % n]);
    }
    vm_page_drain_cache();
    vm_check_pages();
    assert_non_null(vm_page_alloc_contig(4096, 12, 0, 0, 0));
}

static void no_page_is_handed_out_twice(void **state)
{
    static uint8_t seen[16384];
    struct vm_page *page;

    (void)state;
    boot(MIB, 64 * MIB);
    memset(seen, 0, sizeof(seen));
    while ((page = vm_page_alloc(VM_PAGE_RESERVE)) != NULL) {
        uint64_t pfn = vm_page_to_phys(page) / PG;

        assert_int_equal(seen[pfn], 0);
        seen[pfn] = 1;
    }
}

static void reserve_is_kept_for_those_who_may_use_it(void **state)
{
    (void)state;
    boot(MIB, 64 * MIB);
    while (vm_page_alloc(0) != NULL) {
    }
    assert_true(vm_page_free_count() >= vm_page_reserve_count());
    assert_non_null(vm_page_alloc(VM_PAGE_RESERVE));
    assert_null(vm_page_alloc(0));
}

static void low_memory_is_held_back_from_those_who_need_none(void **state)
{
    (void)state;
    boot(MIB, 64 * MIB);
    while (vm_page_alloc(0) != NULL) {
    }
    assert_non_null(vm_page_alloc(VM_PAGE_LOW | VM_PAGE_RESERVE));
}

static void zeroed_page_is_zero_after_it_was_dirty(void **state)
{
    struct vm_page *page;

    (void)state;
    boot(MIB, 64 * MIB);
    page = vm_page_alloc(0);
    memset(vm_page_to_virt(page), 0xff, PG);
    vm_page_free(page);
    page = vm_page_alloc(VM_PAGE_ZERO);
    for (unsigned i = 0; i < PG; i += 1) {
        assert_int_equal(((uint8_t *)vm_page_to_virt(page))[i], 0);
    }
}

static void idle_thread_fills_a_small_pool_and_stops(void **state)
{
    uint64_t before;
    unsigned n = 0;

    (void)state;
    boot(MIB, 64 * MIB);
    before = vm_page_free_count();
    while (vm_page_zero_idle()) {
        n += 1;
    }
    assert_in_range(n, 1, 32);
    assert_int_equal(vm_page_free_count(), before);
    for (unsigned i = 0; i < n + 2; i += 1) {
        struct vm_page *page = vm_page_alloc(VM_PAGE_ZERO);

        assert_int_equal(*(uint8_t *)vm_page_to_virt(page), 0);
    }
    assert_int_equal(vm_page_free_count(), before - n - 2);
}

static void contiguous_run_is_aligned_and_within_its_bounds(void **state)
{
    struct vm_page *run;
    uint64_t before;

    (void)state;
    boot(MIB, 64 * MIB);
    before = vm_page_free_count();
    run = vm_page_alloc_contig(5, 4, VM_PAGE_ZERO, 20 * MIB + 1, 24 * MIB);
    assert_non_null(run);
    assert_true(vm_page_to_phys(run) > 20 * MIB && vm_page_to_phys(run) + 5 * PG <= 24 * MIB);
    assert_int_equal(vm_page_to_phys(run) % (16 * PG), 0);
    assert_int_equal(vm_page_free_count(), before - 5);
    vm_check_pages();
    vm_page_free_contig(run, 5);
    assert_int_equal(vm_page_free_count(), before);
    vm_check_pages();
}

static void contiguous_run_that_cannot_be_is_refused(void **state)
{
    (void)state;
    boot(MIB, 64 * MIB);
    assert_null(vm_page_alloc_contig(0, 0, 0, 0, 0));
    assert_null(vm_page_alloc_contig(~0ul, 0, 0, 0, 0));
    assert_null(vm_page_alloc_contig(1, 63, 0, 0, 0));
    assert_null(vm_page_alloc_contig(1, 0, 0, 100 * MIB, 200 * MIB));
    assert_null(vm_page_alloc_contig(16384, 0, 0, 0, 0));
}

static void free_twice(void *page)
{
    vm_page_free(page);
}

static void page_freed_twice_is_noticed(void **state)
{
    struct vm_page *page;

    (void)state;
    boot(MIB, 64 * MIB);
    page = vm_page_alloc(0);
    vm_page_free(page);
    assert_true(fake_panics(free_twice, page));
    assert_non_null(strstr(fake_panic_text, "freed twice"));
}

static void memory_added_later_is_used(void **state)
{
    uint64_t before;

    (void)state;
    boot(MIB, 32 * MIB);
    before = vm_page_total_count();
    vm_page_add_range(40 * MIB + 5, 44 * MIB - 5);
    assert_true(vm_page_total_count() > before + 1000);
    assert_non_null(vm_page_alloc_contig(1, 0, 0, 40 * MIB, 44 * MIB));
    vm_check_pages();
}

void run_page_tests(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_machine_keeps_nearly_all_its_memory_for_use),
        cmocka_unit_test(large_machine_with_pci_hole_describes_only_ram),
        cmocka_unit_test(pages_come_from_the_zone_asked_for),
        cmocka_unit_test(counts_are_exact_with_pages_in_the_caches),
        cmocka_unit_test(freed_buddies_join_to_the_largest_blocks_again),
        cmocka_unit_test(no_page_is_handed_out_twice),
        cmocka_unit_test(reserve_is_kept_for_those_who_may_use_it),
        cmocka_unit_test(low_memory_is_held_back_from_those_who_need_none),
        cmocka_unit_test(zeroed_page_is_zero_after_it_was_dirty),
        cmocka_unit_test(idle_thread_fills_a_small_pool_and_stops),
        cmocka_unit_test(contiguous_run_is_aligned_and_within_its_bounds),
        cmocka_unit_test(contiguous_run_that_cannot_be_is_refused),
        cmocka_unit_test(page_freed_twice_is_noticed),
        cmocka_unit_test(memory_added_later_is_used),
    };

    RUN_GROUP(tests);
}
