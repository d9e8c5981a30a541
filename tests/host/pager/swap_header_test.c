/* swap_header_test.c - what mkswap has marked is taken, and nothing else. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pager_test.h"
#include "swap_header.h"

#define PAGES 64u

static char header[SWAP_HEADER_SIZE];

/* The header of a disk of PAGES pages, by mkswap. */
static void make_header(void)
{
    char name[] = "/tmp/portolan-swap-XXXXXX", command[128];
    int file = mkstemp(name);

    assert_true(file >= 0);
    assert_int_equal(ftruncate(file, PAGES * SWAP_HEADER_SIZE), 0);
    snprintf(command, sizeof(command), "PATH=$PATH:/usr/sbin:/sbin mkswap %s >/dev/null", name);
    assert_int_equal(system(command), 0);
    assert_int_equal(pread(file, header, sizeof(header), 0), sizeof(header));
    close(file);
    unlink(name);
}

static void set_number(unsigned n, uint32_t value)
{
    memcpy(header + 1024 + 4 * n, &value, sizeof(value));
}

static void what_mkswap_marks_is_swap(void **state)
{
    uint32_t pages = 0;

    (void)state;
    make_header();
    assert_null(swap_header_check(header, PAGES * SWAP_HEADER_SIZE, &pages));
    assert_int_equal(pages, PAGES - 1);
    assert_null(swap_header_check(header, 2 * PAGES * SWAP_HEADER_SIZE, &pages));
    assert_int_equal(pages, PAGES - 1);
}

static void what_is_not_marked_is_left_alone(void **state)
{
    const char *const others[] = {"S1SUSPEND", "SWAP-SPACE", "swapspace2", ""};
    uint32_t pages = 7;

    (void)state;
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        make_header();
        memset(header + SWAP_HEADER_SIZE - 10, 0, 10);
        memcpy(header + SWAP_HEADER_SIZE - 10, others[i], strlen(others[i]));
        assert_non_null(swap_header_check(header, PAGES * SWAP_HEADER_SIZE, &pages));
    }
    assert_int_equal(pages, 7);
}

static void numbers_that_cannot_be_are_refused(void **state)
{
    static const struct {
        unsigned number;
        uint32_t value;
    } wrong[] = {{0, 0},     {0, 2}, {0, 1u << 24},   {1, 0},
                 {1, PAGES}, {1, 9}, {1, UINT32_MAX}, {2, 1}};
    uint32_t pages = 7;

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        make_header();
        set_number(wrong[i].number, wrong[i].value);
        assert_non_null(swap_header_check(header, PAGES * SWAP_HEADER_SIZE, &pages));
    }
    make_header();
    assert_non_null(swap_header_check(header, PAGES * SWAP_HEADER_SIZE - 1, &pages));
    assert_non_null(swap_header_check(header, SWAP_HEADER_SIZE, &pages));
    make_header();
    set_number(1, UINT32_MAX);
    assert_non_null(swap_header_check(header, UINT64_MAX, &pages));
    assert_int_equal(pages, 7);
}

const struct CMUnitTest swap_header_tests[] = {
    cmocka_unit_test(what_mkswap_marks_is_swap),
    cmocka_unit_test(what_is_not_marked_is_left_alone),
    cmocka_unit_test(numbers_that_cannot_be_are_refused),
};
const size_t swap_header_test_count = sizeof(swap_header_tests) / sizeof(swap_header_tests[0]);
