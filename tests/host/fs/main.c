/* main.c - helpers; runs the tests of the file system and counts. With arguments: how many times as
 * long as usual the random ones are to be, the seed to begin with, and a group to run alone. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "fs_test.h"

unsigned test_scale = 1;
uint64_t test_seed = 1;

uint64_t test_random(uint64_t *state, uint64_t limit)
{
    *state = *state * 6364136223846793005ul + 1442695040888963407ul;
    return (*state >> 33) % limit;
}

uint64_t test_make(struct volume *volume, uint64_t directory, const char *name, mode_t mode)
{
    struct volume_make what = {.mode = mode};
    uint64_t inode;

    assert_int_equal(volume->ops->make(volume, directory, name, strlen(name), &what, &inode), 0);
    return inode;
}

uint64_t test_make_link(struct volume *volume, uint64_t directory, const char *name,
                        const char *target)
{
    struct volume_make what = {.mode = S_IFLNK | 0777, .target = target};
    uint64_t inode;

    assert_int_equal(volume->ops->make(volume, directory, name, strlen(name), &what, &inode), 0);
    return inode;
}

uint64_t test_lookup(struct volume *volume, uint64_t directory, const char *name)
{
    uint64_t inode;

    assert_int_equal(volume->ops->lookup(volume, directory, name, strlen(name), &inode), 0);
    return inode;
}

void test_unlink(struct volume *volume, uint64_t directory, const char *name)
{
    assert_int_equal(volume->ops->unlink(volume, directory, name, strlen(name), false), 0);
}

struct stat test_stat(struct volume *volume, uint64_t inode)
{
    struct stat stat;

    assert_int_equal(volume->ops->stat(volume, inode, &stat), 0);
    return stat;
}

void test_set_size(struct volume *volume, uint64_t inode, uint64_t size)
{
    struct stat stat = {.st_size = (off_t)size};

    assert_int_equal(volume->ops->set(volume, inode, &stat, VOLUME_SET_SIZE), 0);
}

int test_write(struct volume *volume, uint64_t inode, uint64_t offset, size_t size,
               const void *data)
{
    uint64_t first = offset / VOLUME_PAGE_SIZE * VOLUME_PAGE_SIZE;
    size_t span =
        (offset + size - first + VOLUME_PAGE_SIZE - 1) / VOLUME_PAGE_SIZE * VOLUME_PAGE_SIZE;
    int error = volume->ops->prepare(volume, inode, offset, size);
    void *pages;

    if (error != 0) {
        return error;
    }
    if ((uint64_t)test_stat(volume, inode).st_size < offset + size) {
        test_set_size(volume, inode, offset + size);
    }
    assert_int_equal(volume->ops->read_pages(volume, inode, first, span, &pages), 0);
    memcpy((char *)pages + (offset - first), data, size);
    assert_int_equal(volume->ops->write_pages(volume, inode, first, span, pages), 0);
    block_device_free(pages, span);
    return 0;
}

void test_read(struct volume *volume, uint64_t inode, uint64_t offset, size_t size, void *data)
{
    uint64_t first = offset / VOLUME_PAGE_SIZE * VOLUME_PAGE_SIZE;
    size_t span =
        (offset + size - first + VOLUME_PAGE_SIZE - 1) / VOLUME_PAGE_SIZE * VOLUME_PAGE_SIZE;
    void *pages;

    assert_int_equal(volume->ops->read_pages(volume, inode, first, span, &pages), 0);
    memcpy(data, (char *)pages + (offset - first), size);
    block_device_free(pages, span);
}

bool test_find(struct volume *volume, const char *path, uint64_t *inode)
{
    *inode = volume->root;
    while (*path != '\0') {
        size_t length = strcspn(path, "/");

        if (volume->ops->lookup(volume, *inode, path, length, inode) != 0) {
            return false;
        }
        path += length + (path[length] == '/');
    }
    return true;
}

struct group {
    const char *name;
    const struct CMUnitTest *tests;
    const size_t *count;
};

#define ONE(group)                                                                                 \
    {                                                                                              \
#group, group##_tests, &group##_test_count                                                 \
    }

int main(int argc, char **argv)
{
    const struct group groups[] = {ONE(volume), ONE(image), ONE(history),
                                   ONE(damage), ONE(order), ONE(power)};
    size_t total = 0;
    int failed = 0;

    test_scale = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 0) : 1;
    test_seed = argc > 2 ? strtoul(argv[2], NULL, 0) : 1;
    for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
        if (argc <= 3 || strcmp(argv[3], groups[i].name) == 0) {
            total += *groups[i].count;
            failed += _cmocka_run_group_tests(groups[i].name, groups[i].tests, *groups[i].count,
                                              NULL, NULL);
        }
    }
    printf("%zu passed, %d failed\n", total - (size_t)failed, failed);
    return failed != 0;
}
