/* store_test.c - blocks are given out once, and come back. */
#include <string.h>

#include "pager_test.h"

static void every_block_is_given_out_once(void **state)
{
    static const uint32_t sizes[] = {1, 63, 64, 65, 200};
    bool seen[200];

    (void)state;
    for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        memset(seen, 0, sizeof(seen));
        test_disk(sizes[i]);
        assert_int_equal(store_total_count(), sizes[i]);
        for (uint32_t n = 0; n < sizes[i]; n++) {
            uint32_t block = store_alloc();

            assert_true(block < sizes[i]);
            assert_false(seen[block]);
            seen[block] = true;
            assert_int_equal(store_free_count(), sizes[i] - n - 1);
        }
        assert_int_equal(store_alloc(), STORE_NONE);
        assert_int_equal(store_free_count(), 0);
    }
}

static void an_empty_device_has_no_blocks(void **state)
{
    (void)state;
    test_disk(0);
    assert_int_equal(store_alloc(), STORE_NONE);
}

static void a_block_given_back_is_given_out_again(void **state)
{
    (void)state;
    test_disk(130);
    while (store_alloc() != STORE_NONE) {
    }
    store_free(7);
    store_free(129);
    assert_int_equal(store_free_count(), 2);
    assert_int_equal(store_alloc() + store_alloc(), 7 + 129);
    assert_int_equal(store_alloc(), STORE_NONE);
}

static void blocks_in_a_row_are_neighbours(void **state)
{
    (void)state;
    test_disk(256);
    for (uint32_t i = 0; i < 200; i++) {
        assert_int_equal(store_alloc(), i);
    }
}

static void a_block_keeps_its_contents(void **state)
{
    static char in[STORE_BLOCK_SIZE], out[STORE_BLOCK_SIZE];
    uint32_t one, other;

    (void)state;
    test_disk(4);
    one = store_alloc();
    other = store_alloc();
    memset(in, 1, sizeof(in));
    assert_true(store_write(one, 1, in));
    memset(in, 2, sizeof(in));
    assert_true(store_write(other, 1, in));
    assert_true(store_read(one, 1, out));
    assert_int_equal(out[0], 1);
    assert_int_equal(out[STORE_BLOCK_SIZE - 1], 1);
    test_disk_fails(true, true);
    assert_false(store_read(one, 1, out));
    assert_false(store_write(one, 1, in));
}

const struct CMUnitTest store_tests[] = {
    cmocka_unit_test(every_block_is_given_out_once),
    cmocka_unit_test(an_empty_device_has_no_blocks),
    cmocka_unit_test(a_block_given_back_is_given_out_again),
    cmocka_unit_test(blocks_in_a_row_are_neighbours),
    cmocka_unit_test(a_block_keeps_its_contents),
};
const size_t store_test_count = sizeof(store_tests) / sizeof(store_tests[0]);
