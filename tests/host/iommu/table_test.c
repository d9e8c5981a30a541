/* table_test.c - second-level page tables against a model, read as a remapping unit reads them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "vtd_table.c"

#define FRAMES     4096u /* pages of memory there are, for tables */
#define ROUNDS     200u
#define OPERATIONS 2000u
#define PAGES      2046u /* that the model knows */

static uint8_t memory[FRAMES][PAGE_SIZE] __attribute__((aligned(PAGE_SIZE)));
static struct vm_page descriptors[FRAMES] __attribute__((aligned(64)));
static bool is_used[FRAMES];
static unsigned frames_used, frames_left;
struct vm_page_segment vm_page_segments[1];

void panic(const char *format, ...)
{
    fprintf(stderr, "panic: %s\n", format);
    abort();
}

void *phys_to_virt(phys_addr_t phys)
{
    assert_true(phys >= PAGE_SIZE && phys / PAGE_SIZE < FRAMES && is_used[phys / PAGE_SIZE]);
    return memory[phys / PAGE_SIZE] + phys % PAGE_SIZE;
}

struct vm_page *vm_page_alloc(unsigned flags)
{
    unsigned i = 1 + (unsigned)rand() % (FRAMES - 1);

    assert_int_equal(flags, VM_PAGE_ZERO);
    if (frames_left == 0) {
        return NULL;
    }
    while (is_used[i]) {
        i = i + 1 < FRAMES ? i + 1 : 1;
    }
    is_used[i] = true;
    frames_used++;
    frames_left--;
    memset(memory[i], 0, PAGE_SIZE);
    return &descriptors[i];
}

void vm_page_free(struct vm_page *page)
{
    assert_true(is_used[page - descriptors]);
    is_used[page - descriptors] = false;
    frames_used--;
}

struct vm_page *vm_page_from_phys(phys_addr_t phys)
{
    return &descriptors[phys / PAGE_SIZE];
}

/* As the unit translates (specification, 3.7): rights are those that all levels give. Returns:
 * false when there is no way; else what an access of one byte finds. */
static bool walk(const struct vtd_table *table, uint64_t bus, uint64_t *phys, uint64_t *rights)
{
    uint64_t at = table->root;

    *rights = 3;
    if (bus >= 1ull << (12 + 9 * table->levels)) {
        return false;
    }
    for (unsigned level = table->levels; level-- > 0;) {
        uint64_t entry;

        memcpy(&entry, (uint8_t *)phys_to_virt(at) + 8 * (bus >> (12 + 9 * level) & 511), 8);
        if ((entry & 3) == 0) {
            return false;
        }
        assert_int_equal(entry & 0xfff0000000000ffcull, 0); /* reserved, or a large page */
        *rights &= entry;
        at = entry & 0x000ffffffffff000ull;
    }
    *phys = at + (bus & 0xfff);
    return true;
}

static void assert_finds(const struct vtd_table *table, uint64_t bus, uint64_t phys,
                         uint64_t rights)
{
    uint64_t found = 0, may = 0;

    assert_int_equal(walk(table, bus, &found, &may), rights != 0);
    if (rights != 0) {
        assert_int_equal(found, phys);
        assert_int_equal(may, rights);
    }
    assert_int_equal(vtd_table_entry(table, bus) & 3, rights);
}

static int setup(void **state)
{
    (void)state;
    srand(1);
    frames_left = FRAMES - 1;
    vm_page_segments[0].origin = -(phys_addr_t)descriptors * VM_PAGE_RATIO;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    return frames_used != 0;
}

static void an_empty_table_leads_nowhere(void **state)
{
    struct vtd_table table;

    (void)state;
    for (unsigned levels = 3; levels <= 4; levels++) {
        assert_true(vtd_table_build(&table, levels, false));
        assert_int_equal(table.ntables, 1);
        for (unsigned bit = 12; bit < 64; bit++) {
            assert_finds(&table, 1ull << bit, 0, 0);
        }
        vtd_table_destroy(&table);
        assert_int_equal(frames_used, 0);
    }
}

static void a_page_leads_where_it_was_set(void **state)
{
    static const uint64_t places[] = {0,          0x1000,     0x1ff000,    0x200000,
                                      0x3ffff000, 0x40000000, 0x7ffffff000};
    struct vtd_table table;

    (void)state;
    for (unsigned i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        uint64_t at = places[i];

        assert_true(vtd_table_build(&table, 3 + i % 2, i % 2 != 0));
        assert_true(vtd_table_reserve(&table, at, PAGE_SIZE));
        assert_finds(&table, at, 0, 0);
        vtd_table_set(&table, at, 0x123456789000, false);
        assert_finds(&table, at + 0xabc, 0x123456789abc, VTD_TABLE_READ);
        assert_finds(&table, at + PAGE_SIZE, 0, 0);
        vtd_table_clear(&table, at);
        assert_finds(&table, at, 0, 0);
        vtd_table_set(&table, at, 0x7ffffffff000, true);
        assert_finds(&table, at, 0x7ffffffff000, VTD_TABLE_READ | VTD_TABLE_WRITE);
        vtd_table_destroy(&table);
    }
}

static void what_is_out_of_reach_is_refused(void **state)
{
    struct vtd_table table;

    (void)state;
    assert_true(vtd_table_build(&table, 3, true));
    assert_false(vtd_table_reserve(&table, 1ull << 39, PAGE_SIZE));
    assert_false(vtd_table_reserve(&table, (1ull << 39) - PAGE_SIZE, 2 * PAGE_SIZE));
    assert_false(vtd_table_reserve(&table, PAGE_SIZE, ~0ull - PAGE_SIZE + 1));
    assert_false(vtd_table_reserve(&table, ~0ull - PAGE_SIZE + 1, PAGE_SIZE));
    assert_int_equal(table.ntables, 1);
    assert_true(vtd_table_reserve(&table, (1ull << 39) - PAGE_SIZE, PAGE_SIZE));
    assert_int_equal(table.ntables, 3);
    vtd_table_destroy(&table);
}

static void a_shortage_leaves_nothing_behind(void **state)
{
    struct vtd_table table;

    (void)state;
    for (unsigned n = 0; n < 12; n++) {
        frames_left = n;
        if (vtd_table_build(&table, 4, false)) {
            /* root, one of the third, two of the second and six of the first level */
            bool is_made = vtd_table_reserve(&table, 0x3fa00000, 12ul << 20);

            assert_int_equal(is_made, n >= 10);
            assert_int_equal(table.ntables, n < 10 ? n : 10);
            assert_int_equal(frames_used, table.ntables);
        } else {
            assert_int_equal(n, 0);
        }
        vtd_table_destroy(&table);
        assert_int_equal(frames_used, 0);
    }
}

/* Pages of windows that lie apart are set and cleared at random. */
static void random_histories_agree_with_a_model(void **state)
{
    static const uint64_t windows[] = {0x1000000, 0x3ff00000, 0x7fffa00000};
    static struct {
        uint64_t phys, rights;
    } model[PAGES];

    (void)state;
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct vtd_table table;

        memset(model, 0, sizeof(model));
        assert_true(vtd_table_build(&table, 3 + round % 2, round % 3 != 0));
        for (unsigned i = 0; i < 3; i++) {
            assert_true(vtd_table_reserve(&table, windows[i], PAGES / 3 * PAGE_SIZE));
        }
        for (unsigned n = 0; n < OPERATIONS; n++) {
            unsigned window = (unsigned)rand() % 3, page = (unsigned)rand() % (PAGES / 3);
            unsigned i = page * 3 + window;
            uint64_t bus = windows[window] + page * PAGE_SIZE;

            assert_finds(&table, bus + n % PAGE_SIZE, model[i].phys + n % PAGE_SIZE,
                         model[i].rights);
            if (model[i].rights != 0) {
                vtd_table_clear(&table, bus);
                model[i].rights = 0;
            } else {
                model[i].phys = ((uint64_t)rand() << 20 | (uint64_t)rand()) % (1ull << 34) << 12;
                model[i].rights = rand() % 2 != 0 ? 3 : 1;
                vtd_table_set(&table, bus, model[i].phys, model[i].rights == 3);
            }
        }
        for (unsigned i = 0; i < PAGES; i++) {
            assert_finds(&table, windows[i % 3] + i / 3 * PAGE_SIZE, model[i].phys,
                         model[i].rights);
        }
        vtd_table_destroy(&table);
        assert_int_equal(frames_used, 0);
        frames_left = FRAMES - 1;
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_empty_table_leads_nowhere, setup, teardown),
        cmocka_unit_test_setup_teardown(a_page_leads_where_it_was_set, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_out_of_reach_is_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(a_shortage_leaves_nothing_behind, setup, teardown),
        cmocka_unit_test_setup_teardown(random_histories_agree_with_a_model, setup, teardown),
    };
    const int total = (int)(sizeof(tests) / sizeof(tests[0]));
    int failed = cmocka_run_group_tests_name("tables", tests, NULL, NULL);

    printf("%d passed, %d failed\n", total - failed, failed);
    return failed != 0;
}
