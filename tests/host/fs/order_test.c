/* order_test.c - what must be on the disk before what, and what a journal must not bring back: each
 * case is one in which the wrong order shows. */
#include <errno.h>
#include <stdio.h>

#include "fs_test.h"

#define KIB   1024u
#define STALE 0xee /* what blocks have that were a removed file's */
#define FRESH 0x5a
#define NAMES 100u

static uint8_t bytes[64 * KIB];

/* Write to the end of a new file until there is no room. Returns: its inode. */
static uint64_t fill(struct volume *volume, const char *name, uint8_t value)
{
    uint64_t inode = test_make(volume, volume->root, name, S_IFREG | 0644), size = 0;

    memset(bytes, value, sizeof(bytes));
    for (size_t step = sizeof(bytes); step >= KIB; step /= 2) {
        while (test_write(volume, inode, size, step, bytes) == 0) {
            size += step;
        }
    }
    return inode;
}

static void name_of(unsigned i, char *name)
{
    sprintf(name, "%0200u", i);
}

/* The power goes when the block has been a directory's, which is in the journal, and then a file's
 * contents, which are not. */
static void a_directory_that_became_contents_is_not_brought_back(void **state)
{
    struct disk *disk = disk_make(4096, "-t ext3 -b 1024 -J size=1"), *cut;
    struct volume *volume = disk_mount(disk);
    uint64_t directory = test_make(volume, volume->root, "directory", S_IFDIR | 0755);
    uint64_t inode, size;
    char name[256];

    (void)state;
    for (unsigned i = 0; i < NAMES; i++) {
        name_of(i, name);
        test_make(volume, directory, name, S_IFREG | 0644);
    }
    fill(volume, "filler", 0);
    assert_int_equal(volume->ops->sync(volume), 0);
    for (unsigned i = 0; i < NAMES; i++) {
        name_of(i, name);
        test_unlink(volume, directory, name);
    }
    assert_int_equal(volume->ops->unlink(volume, volume->root, "directory", 9, true), 0);
    assert_int_equal(volume->ops->sync(volume), 0);
    inode = fill(volume, "file", FRESH);
    assert_int_equal(volume->ops->sync(volume), 0);
    size = (uint64_t)test_stat(volume, inode).st_size;
    assert_true(size >= 10 * KIB && size <= sizeof(bytes));

    cut = disk_copy(disk);
    disk_unmount(volume);
    disk_free(disk);
    volume = disk_mount(cut);
    assert_true(test_find(volume, "file", &inode));
    test_read(volume, inode, 0, size, bytes);
    for (uint64_t i = 0; i < size; i++) {
        assert_int_equal(bytes[i], FRESH);
    }
    disk_unmount(volume);
    disk_free(cut);
}

/* What the disk has when the power goes at event `last` of the log: everything up to the flush
 * before it, and of what came after that this one write alone. */
static struct disk *cut_at(const struct disk *base, const struct disk *disk, size_t last)
{
    struct disk *cut = disk_copy(base);
    size_t flushed = last;

    while (flushed > 0 && disk->log[flushed - 1].size != 0) {
        flushed--;
    }
    for (size_t i = 0; i <= last; i++) {
        const struct disk_event *event = &disk->log[i];

        if ((i < flushed || i == last) && event->size != 0) {
            memcpy(cut->bytes + event->offset, event->data, event->size);
        }
    }
    return cut;
}

/* The hole of a file whose map is on the disk is filled. */
static void a_map_is_not_on_the_disk_before_the_contents(void **state)
{
    struct disk *disk = disk_make(4096, "-t ext2 -b 1024"), *base;
    struct volume *volume = disk_mount(disk);
    const uint64_t hole = 20 * KIB; /* behind the twelve blocks the inode has */
    uint64_t inode;
    unsigned seen = 0;

    (void)state;
    fill(volume, "stale", STALE);
    assert_int_equal(volume->ops->sync(volume), 0);
    test_unlink(volume, volume->root, "stale");
    inode = test_make(volume, volume->root, "file", S_IFREG | 0644);
    memset(bytes, FRESH, KIB);
    assert_int_equal(test_write(volume, inode, 40 * KIB, KIB, bytes), 0);
    assert_int_equal(volume->ops->sync(volume), 0);
    base = disk_copy(disk);
    disk_forget_log(disk);
    disk->is_logging = true;
    memset(bytes, FRESH, KIB);
    assert_int_equal(test_write(volume, inode, hole, KIB, bytes), 0);
    assert_int_equal(volume->ops->sync(volume), 0);
    disk->is_logging = false;
    for (size_t i = 0; i < disk->log_count; i++) {
        struct disk *cut = cut_at(base, disk, i);
        struct volume *after = disk_mount(cut);

        assert_true(test_find(after, "file", &inode));
        test_read(after, inode, hole, KIB, bytes);
        assert_true(bytes[0] == 0 || bytes[0] == FRESH);
        seen += bytes[0] == FRESH;
        disk_unmount(after);
        disk_free(cut);
    }
    assert_true(seen > 0);
    disk_unmount(volume);
    disk_free(disk);
    disk_free(base);
}

#define order_TESTS                                                                                \
    TEST(a_directory_that_became_contents_is_not_brought_back),                                    \
        TEST(a_map_is_not_on_the_disk_before_the_contents)
GROUP(order);
