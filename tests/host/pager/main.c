/* main.c - the disk of these tests; runs the tests of store and objects and counts. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pager_test.h"

#define RUN(group) _cmocka_run_group_tests(#group, group##_tests, group##_test_count, NULL, NULL)

static struct store_device device;
static char *contents;
static bool reads_fail, writes_fail;

static bool disk_read(uint32_t block, uint32_t count, void *data)
{
    assert_true(count != 0 && block < device.blocks && count <= device.blocks - block);
    memcpy(data, contents + (size_t)block * STORE_BLOCK_SIZE, (size_t)count * STORE_BLOCK_SIZE);
    return !reads_fail;
}

static bool disk_write(uint32_t block, uint32_t count, const void *data)
{
    assert_true(count != 0 && block < device.blocks && count <= device.blocks - block);
    memcpy(contents + (size_t)block * STORE_BLOCK_SIZE, data, (size_t)count * STORE_BLOCK_SIZE);
    return !writes_fail;
}

void test_disk(uint32_t blocks)
{
    free(contents);
    contents = malloc((size_t)blocks * STORE_BLOCK_SIZE + 1);
    device = (struct store_device){blocks, disk_read, disk_write};
    test_disk_fails(false, false);
    assert_true(store_init(&device));
}

void test_disk_fails(bool reads, bool writes)
{
    reads_fail = reads;
    writes_fail = writes;
}

int main(void)
{
    const size_t total = store_test_count + object_test_count + swap_header_test_count;
    int failed = RUN(store) + RUN(object) + RUN(swap_header);

    printf("%zu passed, %d failed\n", total - (size_t)failed, failed);
    return failed != 0;
}
