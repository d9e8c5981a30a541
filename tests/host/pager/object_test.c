/* object_test.c - what is written to a page is read from it, and from no other. */
#include <stdlib.h>
#include <string.h>

#include "object.h"
#include "pager_test.h"

#define BLOCKS 300u
#define FAR    (1ul << 40) /* a page of a very large object */

static char page_in[STORE_BLOCK_SIZE], page_out[STORE_BLOCK_SIZE];

static void test_objects(uint32_t blocks)
{
    test_disk(blocks);
    assert_true(object_tables_init(blocks));
}

static bool write_page(struct object *object, uint64_t page, int byte)
{
    uint32_t block = object_place(object, page);

    memset(page_in, byte, sizeof(page_in));
    if (block == STORE_NONE || store_write(block, 1, page_in)) {
        return block != STORE_NONE;
    }
    object_failed(object, page);
    return false;
}

static enum object_page read_page(const struct object *object, uint64_t page)
{
    uint32_t block;
    enum object_page found = object_find(object, page, &block);

    return found != OBJECT_PAGE_STORED || store_read(block, 1, page_out) ? found : OBJECT_PAGE_LOST;
}

static void expect_page(const struct object *object, uint64_t page, int byte)
{
    assert_int_equal(read_page(object, page), OBJECT_PAGE_STORED);
    assert_int_equal(page_out[0], byte);
    assert_int_equal(page_out[STORE_BLOCK_SIZE - 1], byte);
}

static void a_page_keeps_what_was_written_last(void **state)
{
    struct object object;

    (void)state;
    test_objects(BLOCKS);
    object_init(&object);
    assert_int_equal(read_page(&object, 5), OBJECT_PAGE_NEVER);
    assert_true(write_page(&object, 5, 1));
    assert_true(write_page(&object, FAR, 2));
    assert_true(write_page(&object, 5, 3));
    expect_page(&object, 5, 3);
    expect_page(&object, FAR, 2);
    assert_int_equal(object.count, 2);
    assert_int_equal(store_free_count(), BLOCKS - 2);
    assert_int_equal(read_page(&object, 6), OBJECT_PAGE_NEVER);
}

static void objects_do_not_see_each_other(void **state)
{
    struct object objects[3];

    (void)state;
    test_objects(BLOCKS);
    for (int i = 0; i < 3; i++) {
        object_init(&objects[i]);
        for (uint64_t page = 0; page < 50; page++) {
            assert_true(write_page(&objects[i], page, i + 1));
        }
    }
    object_clear(&objects[1]);
    assert_int_equal(store_free_count(), BLOCKS - 100);
    for (uint64_t page = 0; page < 50; page++) {
        expect_page(&objects[0], page, 1);
        assert_int_equal(read_page(&objects[1], page), OBJECT_PAGE_NEVER);
        expect_page(&objects[2], page, 3);
    }
    object_clear(&objects[0]);
    object_clear(&objects[2]);
    assert_int_equal(store_free_count(), BLOCKS);
}

static void a_full_store_loses_new_pages_and_keeps_the_others(void **state)
{
    struct object object, other;

    (void)state;
    test_objects(4);
    object_init(&object);
    object_init(&other);
    for (uint64_t page = 0; page < 4; page++) {
        assert_true(write_page(&object, page, (int)page));
    }
    assert_false(write_page(&object, 4, 4));
    assert_false(write_page(&other, 0, 5));
    assert_true(write_page(&object, 2, 7));
    expect_page(&object, 2, 7);
    assert_int_equal(read_page(&object, 4), OBJECT_PAGE_LOST);
    assert_int_equal(read_page(&other, 0), OBJECT_PAGE_LOST);
    object_clear(&object);
    assert_true(write_page(&other, 0, 6));
    expect_page(&other, 0, 6);
    assert_int_equal(read_page(&other, 1), OBJECT_PAGE_LOST);
}

static void a_device_that_fails_never_shows_old_contents(void **state)
{
    struct object object;

    (void)state;
    test_objects(BLOCKS);
    object_init(&object);
    assert_true(write_page(&object, 1, 1));
    assert_true(write_page(&object, 2, 2));
    test_disk_fails(false, true);
    assert_false(write_page(&object, 1, 9));
    assert_int_equal(read_page(&object, 1), OBJECT_PAGE_LOST);
    assert_false(write_page(&object, 3, 9));
    expect_page(&object, 2, 2);
    assert_int_equal(read_page(&object, 4), OBJECT_PAGE_NEVER);
    test_disk_fails(true, false);
    assert_int_equal(read_page(&object, 2), OBJECT_PAGE_LOST);
    test_disk_fails(false, false);
    expect_page(&object, 2, 2);
    assert_int_equal(read_page(&object, 3), OBJECT_PAGE_LOST);
    assert_true(write_page(&object, 1, 4));
    expect_page(&object, 1, 4);
    object_clear(&object);
    assert_int_equal(store_free_count(), BLOCKS - 1); /* that of page 3 is not used again */
}

/* Pages in a row that come together can be written together. */
static void pages_in_a_row_have_blocks_in_a_row(void **state)
{
    struct object object;
    uint32_t first, block;

    (void)state;
    test_objects(BLOCKS);
    object_init(&object);
    first = object_place(&object, 10);
    for (uint32_t i = 1; i < 32; i++) {
        assert_int_equal(object_place(&object, 10 + i), first + i);
    }
    assert_int_equal(object_find(&object, 20, &block), OBJECT_PAGE_STORED);
    assert_int_equal(block, first + 10);
}

static void the_pages_can_be_listed(void **state)
{
    uint64_t pages[8];
    uint64_t sum = 0;
    struct object object;

    (void)state;
    test_objects(BLOCKS);
    object_init(&object);
    assert_int_equal(object_list(&object, pages, 8), 0);
    write_page(&object, 3, 1);
    write_page(&object, 70, 1);
    write_page(&object, FAR, 1);
    assert_int_equal(object_list(&object, pages, 8), 3);
    for (unsigned i = 0; i < 3; i++) {
        sum += pages[i];
    }
    assert_true(sum == 73 + FAR);
    assert_int_equal(object_list(&object, pages, 2), 2);
}

/* Against an array that says what each page must be. */
static void many_writes_and_ends_match_a_model(void **state)
{
    static int model[8][64];
    static struct object objects[8];

    (void)state;
    test_objects(BLOCKS);
    srandom(1);
    memset(model, 0, sizeof(model));
    for (unsigned i = 0; i < 8; i++) {
        object_init(&objects[i]);
    }
    for (unsigned step = 0; step < 20000; step++) {
        unsigned o = (unsigned)random() % 8, page = (unsigned)random() % 64;
        int byte = (int)random() % 100 + 1;

        if (random() % 100 == 0) {
            object_clear(&objects[o]);
            memset(model[o], 0, sizeof(model[o]));
        } else if (model[o][page] != 0 || store_free_count() != 0) {
            assert_true(write_page(&objects[o], page * FAR / 64, byte));
            model[o][page] = byte;
        }
        o = (unsigned)random() % 8;
        if (model[o][page] != 0) {
            expect_page(&objects[o], page * FAR / 64, model[o][page]);
        } else {
            assert_int_equal(read_page(&objects[o], page * FAR / 64), OBJECT_PAGE_NEVER);
        }
    }
}

const struct CMUnitTest object_tests[] = {
    cmocka_unit_test(a_page_keeps_what_was_written_last),
    cmocka_unit_test(objects_do_not_see_each_other),
    cmocka_unit_test(a_full_store_loses_new_pages_and_keeps_the_others),
    cmocka_unit_test(a_device_that_fails_never_shows_old_contents),
    cmocka_unit_test(pages_in_a_row_have_blocks_in_a_row),
    cmocka_unit_test(the_pages_can_be_listed),
    cmocka_unit_test(many_writes_and_ends_match_a_model),
};
const size_t object_test_count = sizeof(object_tests) / sizeof(object_tests[0]);
