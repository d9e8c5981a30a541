/* walk_test.c - a guest's page tables in three formats: where an address is, who may go there, and
 * what is left in the entries. */
#include "vmm_test.h"
#include "walk.h"

#define RAM       0x40000u
#define TABLE(n)  (0x1000ull * (n))
#define P         1ull
#define W         2ull
#define U         4ull
#define A         0x20ull
#define D         0x40ull
#define LARGE     0x80ull
#define CR0_PAGED 0x80000001ull
#define CR0_WP    0x10000ull
#define CR4_PSE   0x10ull
#define CR4_PAE   0x20ull
#define CR4_SMAP  0x200000ull
#define EFER_LMA  0x400ull

static uint8_t ram[RAM] __attribute__((aligned(4096)));
static struct memory memory;
static const struct walk_access reading = {false, false, false};
static const struct walk_access writing = {true, false, false};
static const struct walk_access user_reading = {false, true, false};
static const struct walk_access user_writing = {true, true, false};
static const struct walk_paging paged_long = {CR0_PAGED | CR0_WP, TABLE(1), CR4_PAE, EFER_LMA};

static int setup(void **state)
{
    (void)state;
    memset(ram, 0, sizeof(ram));
    memory_init(&memory, ram, sizeof(ram));
    return 0;
}

static uint64_t *entry64(unsigned table, unsigned index)
{
    return (uint64_t *)(ram + TABLE(table)) + index;
}

static uint32_t *entry32(unsigned table, unsigned index)
{
    return (uint32_t *)(ram + TABLE(table)) + index;
}

/* The last page of 0x0000_7fff_ffff_f000 to a physical page, through tables 1 to 4. */
static void map_top(uint64_t page, uint64_t rights)
{
    *entry64(1, 255) = TABLE(2) | P | W | U;
    *entry64(2, 511) = TABLE(3) | P | W | U;
    *entry64(3, 511) = TABLE(4) | P | W | U;
    *entry64(4, 511) = page | rights;
}

static enum walk_result go(const struct walk_paging *paging, uint64_t linear,
                           struct walk_access access, uint64_t *physical, uint32_t *error)
{
    *physical = 0;
    *error = 0xdead;
    return walk(&memory, paging, linear, access, physical, error);
}

static void without_paging_an_address_is_itself(void **state)
{
    struct walk_paging off = {.cr0 = 1};
    uint64_t physical;
    uint32_t error;

    (void)state;
    assert_int_equal(go(&off, 0xfee00123, reading, &physical, &error), WALK_DONE);
    assert_int_equal(physical, 0xfee00123);
}

static void four_levels(void **state)
{
    uint64_t physical;
    uint32_t error;

    (void)state;
    map_top(0xfee00000, P | W);
    assert_int_equal(go(&paged_long, 0x7ffffffff0b0, reading, &physical, &error), WALK_DONE);
    assert_int_equal(physical, 0xfee000b0);
    for (unsigned n = 1; n <= 4; n++) {
        assert_true((*entry64(n, n == 1 ? 255 : 511) & (A | D)) == A);
    }
    assert_int_equal(go(&paged_long, 0x7ffffffff0b0, writing, &physical, &error), WALK_DONE);
    assert_true((*entry64(4, 511) & (A | D)) == (A | D));
    assert_true((*entry64(3, 511) & D) == 0);
}

static void large_pages(void **state)
{
    uint64_t physical;
    uint32_t error;

    (void)state;
    map_top(0, P);
    *entry64(3, 511) = 0xfe000000 | P | LARGE;
    assert_int_equal(go(&paged_long, 0x7fffffe12345, reading, &physical, &error), WALK_DONE);
    assert_int_equal(physical, 0xfe012345);
    *entry64(2, 511) = 0x1c0000000ull | P | LARGE;
    assert_int_equal(go(&paged_long, 0x7fffffe12345, reading, &physical, &error), WALK_DONE);
    assert_true(physical == 0x1ffe12345ull);
}

static void three_levels(void **state)
{
    struct walk_paging pae = {CR0_PAGED, TABLE(1) | 0x20, CR4_PAE, 0};
    uint64_t physical;
    uint32_t error;

    (void)state;
    entry64(1, 4)[3] = TABLE(2) | P; /* CR3 counts in 32 bytes; this entry has no rights */
    *entry64(2, 0) = TABLE(3) | P | W | U;
    *entry64(3, 1) = 0xfec00000 | P | W | U;
    assert_int_equal(go(&pae, 0xc0001010, user_writing, &physical, &error), WALK_DONE);
    assert_int_equal(physical, 0xfec00010);
    assert_true(entry64(1, 4)[3] == (TABLE(2) | P));
}

static void two_levels(void **state)
{
    struct walk_paging paged = {CR0_PAGED, TABLE(1), CR4_PSE, 0};
    uint64_t physical;
    uint32_t error;

    (void)state;
    *entry32(1, 1) = TABLE(2) | P | W;
    *entry32(2, 2) = 0xb8000 | P | W;
    *entry32(1, 2) = 0x00c00000 | P | LARGE | 1 << 13; /* bit 32 of the address */
    assert_int_equal(go(&paged, 0x402abc, writing, &physical, &error), WALK_DONE);
    assert_int_equal(physical, 0xb8abc);
    assert_int_equal(*entry32(2, 2), 0xb8000 | P | W | A | D);
    assert_int_equal(go(&paged, 0x812345, reading, &physical, &error), WALK_DONE);
    assert_true(physical == 0x100c12345ull);
    paged.cr4 = 0; /* then the bit means nothing, and a table it is, which is not in memory */
    assert_int_equal(go(&paged, 0x812345, reading, &physical, &error), WALK_LOST);
}

static void faults_say_why(void **state)
{
    struct walk_paging no_wp = paged_long;
    uint64_t physical;
    uint32_t error;

    (void)state;
    assert_int_equal(go(&paged_long, 0x1000, user_writing, &physical, &error), WALK_FAULT);
    assert_int_equal(error, 6);
    map_top(0x5000, P);
    assert_int_equal(go(&paged_long, 0x7ffffffff000, writing, &physical, &error), WALK_FAULT);
    assert_int_equal(error, 3);
    assert_true((*entry64(4, 511) & (A | D)) == 0);
    assert_int_equal(go(&paged_long, 0x7ffffffff000, user_reading, &physical, &error), WALK_FAULT);
    assert_int_equal(error, 5);
    no_wp.cr0 &= ~CR0_WP;
    assert_int_equal(go(&no_wp, 0x7ffffffff000, writing, &physical, &error), WALK_DONE);
    *entry64(4, 511) = 0x5000 | P | W | U | 1ull << 45;
    assert_int_equal(go(&paged_long, 0x7ffffffff000, reading, &physical, &error), WALK_FAULT);
    assert_int_equal(error, 9);
}

static void rights_are_those_of_all_levels(void **state)
{
    uint64_t physical;
    uint32_t error;

    (void)state;
    map_top(0x5000, P | W | U);
    assert_int_equal(go(&paged_long, 0x7ffffffff000, user_writing, &physical, &error), WALK_DONE);
    *entry64(2, 511) &= ~W;
    assert_int_equal(go(&paged_long, 0x7ffffffff000, writing, &physical, &error), WALK_FAULT);
    *entry64(2, 511) |= W;
    *entry64(1, 255) &= ~U;
    assert_int_equal(go(&paged_long, 0x7ffffffff000, user_reading, &physical, &error), WALK_FAULT);
    assert_int_equal(go(&paged_long, 0x7ffffffff000, writing, &physical, &error), WALK_DONE);
}

static void the_system_keeps_off_pages_of_users(void **state)
{
    struct walk_paging smap = paged_long;
    struct walk_access allowed = {true, false, true};
    uint64_t physical;
    uint32_t error;

    (void)state;
    smap.cr4 |= CR4_SMAP;
    map_top(0x5000, P | W | U);
    assert_int_equal(go(&smap, 0x7ffffffff000, reading, &physical, &error), WALK_FAULT);
    assert_int_equal(error, 1);
    assert_int_equal(go(&smap, 0x7ffffffff000, allowed, &physical, &error), WALK_DONE);
    assert_int_equal(go(&smap, 0x7ffffffff000, user_writing, &physical, &error), WALK_DONE);
}

static void tables_outside_memory_are_not_followed(void **state)
{
    struct walk_paging far = paged_long;
    uint64_t physical;
    uint32_t error;

    (void)state;
    far.cr3 = 0xfffffffffffff000;
    assert_int_equal(go(&far, 0, reading, &physical, &error), WALK_LOST);
    map_top(0x5000, P);
    *entry64(3, 511) = 0xfee00000 | P;
    assert_int_equal(go(&paged_long, 0x7ffffffff000, reading, &physical, &error), WALK_LOST);
    far.cr3 = RAM - 8; /* the first entries are in memory, the others behind its end */
    assert_int_equal(go(&far, 0x7ffffffff000, reading, &physical, &error), WALK_FAULT);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup(without_paging_an_address_is_itself, setup),
    cmocka_unit_test_setup(four_levels, setup),
    cmocka_unit_test_setup(large_pages, setup),
    cmocka_unit_test_setup(three_levels, setup),
    cmocka_unit_test_setup(two_levels, setup),
    cmocka_unit_test_setup(faults_say_why, setup),
    cmocka_unit_test_setup(rights_are_those_of_all_levels, setup),
    cmocka_unit_test_setup(the_system_keeps_off_pages_of_users, setup),
    cmocka_unit_test_setup(tables_outside_memory_are_not_followed, setup),
};

TEST_MAIN("walk", tests)
