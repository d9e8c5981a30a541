/* volume_test.c - each operation, its errors, and what is on the disk afterwards, on images of
 * several kinds. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/sysmacros.h>

#include "fs_test.h"

static const char *const kinds[] = {
    "-t ext2 -b 1024",
    "-t ext2 -b 2048",
    "-t ext2 -b 4096",
    "-t ext2 -r 0 -b 1024 -O none",
    "-t ext2 -b 1024 -O ^filetype,^dir_index,^resize_inode -N 64",
    "-t ext3 -b 1024",
    "-t ext3 -b 4096 -J size=4 -I 128",
    "-t ext2 -b 4096 -O meta_bg,^resize_inode",
    "-t ext2 -b 1024 -O flex_bg -g 1024",
};
#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

/* Run a test on each kind, and have e2fsck look at what it left. */
static void on_each_kind(void (*test)(struct disk *, struct volume *))
{
    for (size_t i = 0; i < KINDS; i++) {
        struct disk *disk = disk_make(10240, kinds[i]);
        struct volume *volume = disk_mount(disk);

        assert_false(volume->is_read_only);
        test(disk, volume);
        volume = disk_remount(disk, volume);
        disk_unmount(volume);
        if (!disk_is_clean(disk)) {
            fail_msg("not clean: %s", kinds[i]);
        }
        disk_free(disk);
    }
}

#define ON_EACH_KIND(name)                                                                         \
    static void name##_on(struct disk *disk, struct volume *volume);                               \
    static void name(void **state)                                                                 \
    {                                                                                              \
        (void)state;                                                                               \
        on_each_kind(name##_on);                                                                   \
    }                                                                                              \
    static void name##_on(struct disk *disk, struct volume *volume)

static int make_error(struct volume *volume, uint64_t directory, const char *name, mode_t mode)
{
    struct volume_make what = {.mode = mode, .target = "x"};
    uint64_t inode;

    return volume->ops->make(volume, directory, name, strlen(name), &what, &inode);
}

static int unlink_error(struct volume *volume, uint64_t directory, const char *name, bool is_rmdir)
{
    return volume->ops->unlink(volume, directory, name, strlen(name), is_rmdir);
}

static int rename_error(struct volume *volume, uint64_t from, const char *name, uint64_t to,
                        const char *new_name)
{
    return volume->ops->rename(volume, from, name, strlen(name), to, new_name, strlen(new_name));
}

static int lookup_error(struct volume *volume, uint64_t directory, const char *name)
{
    uint64_t inode;

    return volume->ops->lookup(volume, directory, name, strlen(name), &inode);
}

/* A file of whole pages: where the disk has it is what the file has, and it stays so. */
ON_EACH_KIND(a_pinned_file_stays_as_and_where_it_is)
{
    static uint8_t data[80 * VOLUME_PAGE_SIZE];
    struct volume_run runs[64];
    const struct stat st = {.st_size = VOLUME_PAGE_SIZE, .st_mode = 0600};
    uint64_t inode = test_make(volume, volume->root, "pinned", S_IFREG | 0644);
    uint64_t other = test_make(volume, volume->root, "other", S_IFREG | 0644);
    uint64_t page = 0;
    unsigned count = 0;

    for (size_t i = 0; i < sizeof(data); i++) {
        data[i] = (uint8_t)(i / VOLUME_PAGE_SIZE + i);
    }
    assert_int_equal(test_write(volume, inode, 0, sizeof(data), data), 0);
    test_set_size(volume, other, 3 * VOLUME_PAGE_SIZE);
    assert_int_equal(volume->ops->pin(volume, other, runs, 64, &count), EINVAL); /* holes */
    test_set_size(volume, other, 100);
    assert_int_equal(volume->ops->pin(volume, other, runs, 64, &count), EINVAL);
    assert_int_equal(volume->ops->pin(volume, volume->root, runs, 64, &count), EINVAL);
    assert_int_equal(volume->ops->pin(volume, inode, runs, 0, &count), EFBIG);
    if (volume->ops->pin(volume, inode, runs, 64, &count) == EINVAL) {
        return; /* small blocks: in pieces that are no pages */
    }
    for (unsigned i = 0; i < count; i++) {
        assert_true(runs[i].offset + runs[i].size <= disk->device.size);
        assert_memory_equal(disk->bytes + runs[i].offset, data + page, runs[i].size);
        page += runs[i].size;
    }
    assert_int_equal(page, sizeof(data));
    for (unsigned again = 0; again < 2; again++) {
        assert_int_equal(volume->ops->set(volume, inode, &st, VOLUME_SET_SIZE), EPERM);
        assert_int_equal(volume->ops->set(volume, inode, &st, VOLUME_SET_MODE), EPERM);
        assert_int_equal(volume->ops->prepare(volume, inode, 0, 1), EPERM);
        assert_int_equal(volume->ops->write_pages(volume, inode, 0, VOLUME_PAGE_SIZE, data), EPERM);
        assert_int_equal(unlink_error(volume, volume->root, "pinned", false), EPERM);
        assert_int_equal(rename_error(volume, volume->root, "pinned", volume->root, "x"), EPERM);
        assert_int_equal(rename_error(volume, volume->root, "other", volume->root, "pinned"),
                         EPERM);
        assert_int_equal(volume->ops->link(volume, volume->root, "y", 1, inode), EPERM);
        assert_int_equal(test_stat(volume, inode).st_size, sizeof(data));
    }
}

ON_EACH_KIND(names_are_made_found_and_removed)
{
    char name[VOLUME_NAME_MAX + 2];
    uint64_t directory, inode;

    (void)disk;
    directory = test_make(volume, volume->root, "directory", S_IFDIR | 0755);
    inode = test_make(volume, directory, "file", S_IFREG | 0644);
    assert_int_equal(test_lookup(volume, directory, "file"), inode);
    assert_int_equal(test_lookup(volume, directory, "."), directory);
    assert_int_equal(test_lookup(volume, directory, ".."), volume->root);
    assert_int_equal(test_stat(volume, directory).st_nlink, 2);
    assert_int_equal(test_stat(volume, inode).st_mode, S_IFREG | 0644);
    assert_int_equal(make_error(volume, directory, "file", S_IFREG), EEXIST);
    assert_int_equal(make_error(volume, inode, "file", S_IFREG), ENOTDIR);
    assert_int_equal(lookup_error(volume, inode, "file"), ENOTDIR);
    assert_int_equal(lookup_error(volume, directory, "other"), ENOENT);
    memset(name, 'n', sizeof(name));
    name[VOLUME_NAME_MAX + 1] = '\0';
    assert_int_equal(make_error(volume, directory, name, S_IFREG), ENAMETOOLONG);
    assert_int_equal(lookup_error(volume, directory, name), ENAMETOOLONG);
    name[VOLUME_NAME_MAX] = '\0';
    test_make(volume, directory, name, S_IFREG);
    assert_int_equal(unlink_error(volume, volume->root, "directory", false), EISDIR);
    assert_int_equal(unlink_error(volume, volume->root, "directory", true), ENOTEMPTY);
    assert_int_equal(unlink_error(volume, directory, "file", true), ENOTDIR);
    assert_int_equal(unlink_error(volume, directory, ".", true), EINVAL);
    assert_int_equal(unlink_error(volume, directory, "..", true), ENOTEMPTY);
    assert_int_equal(unlink_error(volume, directory, "other", false), ENOENT);
    test_unlink(volume, directory, "file");
    test_unlink(volume, directory, name);
    assert_int_equal(unlink_error(volume, volume->root, "directory", true), 0);
    assert_int_equal(lookup_error(volume, volume->root, "directory"), ENOENT);
}

ON_EACH_KIND(links_are_counted)
{
    uint64_t inode = test_make(volume, volume->root, "a", S_IFREG | 0600);
    uint64_t directory = test_make(volume, volume->root, "d", S_IFDIR | 0700);

    (void)disk;
    assert_int_equal(volume->ops->link(volume, directory, "b", 1, inode), 0);
    assert_int_equal(volume->ops->link(volume, directory, "b", 1, inode), EEXIST);
    assert_int_equal(volume->ops->link(volume, directory, "c", 1, directory), EPERM);
    assert_int_equal(test_stat(volume, inode).st_nlink, 2);
    test_unlink(volume, volume->root, "a");
    assert_int_equal(test_stat(volume, inode).st_nlink, 1);
    assert_int_equal(test_lookup(volume, directory, "b"), inode);
}

ON_EACH_KIND(symbolic_links_are_short_or_long)
{
    char target[1024], read[1024];
    size_t length;

    (void)disk;
    memset(target, 't', sizeof(target));
    for (size_t size = 1; size < 1024; size += 60 - (size == 1)) {
        char name[16];
        uint64_t inode;

        target[size] = '\0';
        snprintf(name, sizeof(name), "link%zu", size);
        inode = test_make_link(volume, volume->root, name, target);
        assert_int_equal(volume->ops->read_link(volume, inode, read, sizeof(read), &length), 0);
        assert_int_equal(length, size);
        assert_memory_equal(read, target, size);
        target[size] = 't';
        if (size % 120 == 0) {
            test_unlink(volume, volume->root, name);
        }
    }
    assert_int_equal(volume->ops->read_link(volume, volume->root, read, 1, &length), EINVAL);
}

ON_EACH_KIND(what_a_rename_replaces_goes)
{
    uint64_t a = test_make(volume, volume->root, "a", S_IFDIR | 0755);
    uint64_t b = test_make(volume, volume->root, "b", S_IFDIR | 0755);
    uint64_t inner = test_make(volume, a, "inner", S_IFDIR | 0755);
    uint64_t file = test_make(volume, a, "file", S_IFREG | 0644);

    (void)disk;
    test_make(volume, b, "other", S_IFREG | 0644);
    test_make(volume, b, "empty", S_IFDIR | 0755);
    test_make(volume, inner, "leaf", S_IFREG | 0644);
    assert_int_equal(rename_error(volume, volume->root, "a", inner, "x"), EINVAL);
    assert_int_equal(rename_error(volume, volume->root, "a", a, "x"), EINVAL);
    assert_int_equal(rename_error(volume, a, "file", b, "empty"), EISDIR);
    assert_int_equal(rename_error(volume, a, "inner", b, "other"), ENOTDIR);
    assert_int_equal(rename_error(volume, b, "empty", a, "inner"), ENOTEMPTY);
    assert_int_equal(rename_error(volume, b, "nothing", a, "inner"), ENOENT);
    assert_int_equal(rename_error(volume, a, ".", b, "x"), EINVAL);
    assert_int_equal(rename_error(volume, a, "file", a, "file"), 0);
    assert_int_equal(rename_error(volume, a, "file", b, "other"), 0);
    assert_int_equal(test_lookup(volume, b, "other"), file);
    assert_int_equal(lookup_error(volume, a, "file"), ENOENT);
    assert_int_equal(rename_error(volume, a, "inner", b, "empty"), 0);
    assert_int_equal(test_lookup(volume, b, "empty"), inner);
    assert_int_equal(test_lookup(volume, inner, ".."), b);
    assert_int_equal(test_stat(volume, a).st_nlink, 2);
    assert_int_equal(test_stat(volume, b).st_nlink, 3);
    assert_int_equal(rename_error(volume, b, "empty", b, "renamed"), 0);
    assert_int_equal(rename_error(volume, b, "renamed", volume->root, "up"), 0);
    assert_int_equal(test_stat(volume, b).st_nlink, 2);
    assert_int_equal(volume->ops->link(volume, a, "same", 4, file), 0);
    assert_int_equal(rename_error(volume, a, "same", b, "other"), 0);
    assert_int_equal(test_lookup(volume, a, "same"), file);
}

ON_EACH_KIND(an_unlinked_file_lives_while_it_is_held)
{
    uint64_t inode = test_make(volume, volume->root, "file", S_IFREG | 0644);
    uint64_t other = test_make(volume, volume->root, "other", S_IFREG | 0644);
    char data[9000], read[9000];
    struct statfs before, after;

    (void)disk;
    memset(data, 'x', sizeof(data));
    assert_int_equal(volume->ops->hold(volume, inode), 0);
    assert_int_equal(volume->ops->hold(volume, inode), 0);
    assert_int_equal(volume->ops->hold(volume, other), 0);
    assert_int_equal(test_write(volume, inode, 0, sizeof(data), data), 0);
    volume->ops->statfs(volume, &before);
    test_unlink(volume, volume->root, "file");
    test_unlink(volume, volume->root, "other");
    assert_int_equal(volume->ops->link(volume, volume->root, "again", 5, inode), ENOENT);
    volume->ops->release(volume, inode);
    test_read(volume, inode, 0, sizeof(read), read);
    assert_memory_equal(read, data, sizeof(data));
    assert_int_equal(test_stat(volume, inode).st_nlink, 0);
    volume->ops->release(volume, inode);
    volume->ops->release(volume, other);
    volume->ops->statfs(volume, &after);
    assert_true(after.f_bfree > before.f_bfree);
    assert_int_equal(after.f_ffree, before.f_ffree + 2);
}

ON_EACH_KIND(sparse_files_have_zeroes_and_few_blocks)
{
    uint64_t inode = test_make(volume, volume->root, "sparse", S_IFREG | 0644);
    static const uint64_t offsets[] = {0, 70000, 1 << 20, 30 << 20, 500 << 20};
    char data[100], read[100];

    (void)disk;
    for (size_t i = 0; i < 5; i++) {
        memset(data, 'a' + (int)i, sizeof(data));
        assert_int_equal(test_write(volume, inode, offsets[i], sizeof(data), data), 0);
    }
    for (size_t i = 0; i < 5; i++) {
        memset(data, 'a' + (int)i, sizeof(data));
        test_read(volume, inode, offsets[i], sizeof(read), read);
        assert_memory_equal(read, data, sizeof(data));
        memset(data, 0, sizeof(data));
        test_read(volume, inode, offsets[i] + 8192, sizeof(read), read);
        assert_memory_equal(read, data, sizeof(data));
    }
    assert_true(test_stat(volume, inode).st_blocks < 200);
    test_set_size(volume, inode, 2000000);
    test_set_size(volume, inode, 70050);
    test_set_size(volume, inode, 80000);
    test_read(volume, inode, 70050, sizeof(read), read);
    assert_memory_equal(read, data, sizeof(data));
}

ON_EACH_KIND(attributes_are_kept)
{
    uint64_t inode = test_make(volume, volume->root, "file", S_IFREG | 0644);
    uint64_t device;
    struct volume_make what = {.mode = S_IFCHR | 0600, .device = makedev(1000, 70000)};
    struct stat stat = {.st_mode = 04711, .st_uid = 100000, .st_gid = 70000};

    (void)disk;
    stat.st_atim = (struct timespec){1000000000, 500};
    stat.st_mtim = (struct timespec){1100000000, 999999999};
    assert_int_equal(volume->ops->set(volume, inode, &stat,
                                      VOLUME_SET_MODE | VOLUME_SET_OWNER | VOLUME_SET_GROUP |
                                          VOLUME_SET_ATIME | VOLUME_SET_MTIME),
                     0);
    assert_int_equal(volume->ops->make(volume, volume->root, "dev", 3, &what, &device), 0);
    stat = test_stat(volume, inode);
    assert_int_equal(stat.st_mode, S_IFREG | 04711);
    assert_int_equal(stat.st_uid, 100000);
    assert_int_equal(stat.st_gid, 70000);
    assert_int_equal(stat.st_atim.tv_sec, 1000000000);
    assert_int_equal(stat.st_mtim.tv_sec, 1100000000);
    assert_int_equal(test_stat(volume, device).st_rdev, makedev(1000, 70000));
    stat.st_size = -1;
    assert_int_equal(volume->ops->set(volume, inode, &stat, VOLUME_SET_SIZE), EINVAL);
    stat.st_size = INT64_MAX;
    assert_int_equal(volume->ops->set(volume, inode, &stat, VOLUME_SET_SIZE), EFBIG);
    assert_int_equal(volume->ops->set(volume, volume->root, &stat, VOLUME_SET_SIZE), EISDIR);
    assert_int_equal(volume->ops->prepare(volume, inode, UINT64_MAX - 5, 10), EFBIG);
}

ON_EACH_KIND(a_full_disk_says_so_and_loses_nothing)
{
    uint64_t inode = test_make(volume, volume->root, "big", S_IFREG | 0644);
    static char data[65536];
    struct statfs statfs;
    uint64_t offset = 0;
    int error = 0;

    (void)disk;
    memset(data, 'd', sizeof(data));
    while (error == 0) {
        error = test_write(volume, inode, offset, sizeof(data), data);
        offset += error == 0 ? sizeof(data) : 0;
    }
    assert_int_equal(error, ENOSPC);
    while ((error = test_write(volume, inode, offset, 4096, data)) == 0) {
        offset += 4096;
    }
    assert_int_equal(error, ENOSPC);
    assert_int_equal((uint64_t)test_stat(volume, inode).st_size, offset);
    assert_int_equal(volume->ops->sync(volume), 0);
    volume->ops->statfs(volume, &statfs);
    assert_true(statfs.f_bfree < 32);
    test_set_size(volume, inode, 0);
    assert_int_equal(test_write(volume, inode, 0, sizeof(data), data), 0);
    test_unlink(volume, volume->root, "big");
}

ON_EACH_KIND(what_was_prepared_has_room)
{
    uint64_t first = test_make(volume, volume->root, "first", S_IFREG | 0644);
    uint64_t second = test_make(volume, volume->root, "second", S_IFREG | 0644);
    struct statfs statfs;
    static char data[8 << 20];
    uint64_t size;

    (void)disk;
    volume->ops->statfs(volume, &statfs);
    size = statfs.f_bfree * (uint64_t)statfs.f_bsize * 3 / 4 / 4096 * 4096;
    test_set_size(volume, first, size);
    assert_int_equal(volume->ops->prepare(volume, first, 0, size), 0);
    assert_int_equal(volume->ops->prepare(volume, first, 0, size), 0);
    assert_int_equal(volume->ops->prepare(volume, second, 0, size / 2), ENOSPC);
    memset(data, 'f', size);
    assert_int_equal(volume->ops->write_pages(volume, first, 0, size, data), 0);
    test_set_size(volume, first, 0);
    assert_int_equal(volume->ops->prepare(volume, second, 0, size / 2), 0);
    test_unlink(volume, volume->root, "second");
    volume->ops->statfs(volume, &statfs);
    assert_true((uint64_t)statfs.f_bfree * (uint64_t)statfs.f_bsize > size);
}

ON_EACH_KIND(a_directory_is_read_while_it_changes)
{
    uint64_t directory = test_make(volume, volume->root, "d", S_IFDIR | 0755);
    struct volume_entry entry;
    bool met[200] = {false};
    uint64_t position = 0;
    char name[64];
    int error;

    (void)disk;
    for (int i = 0; i < 50; i++) {
        snprintf(name, sizeof(name), "entry-%d-with-a-long-name", i);
        test_make(volume, directory, name, S_IFIFO | 0644);
    }
    for (int i = 0;
         (error = volume->ops->read_directory(volume, directory, position, &entry, &position)) == 0;
         i++) {
        int number = -1;

        sscanf(entry.name, "entry-%d-", &number);
        if (number >= 0) {
            assert_false(met[number]);
            met[number] = true;
            assert_true(entry.type == DT_FIFO || entry.type == DT_UNKNOWN);
        }
        if (i >= 5 && i < 15) { /* odd ones go, what was met and what was not; others come */
            snprintf(name, sizeof(name), "entry-%d-with-a-long-name", 2 * i + 1);
            test_unlink(volume, directory, name);
            snprintf(name, sizeof(name), "new-%d", i);
            test_make(volume, directory, name, S_IFREG);
        }
    }
    assert_int_equal(error, ENOENT);
    for (int i = 0; i < 50; i += 2) {
        assert_true(met[i]);
    }
    assert_int_equal(volume->ops->read_directory(volume, test_lookup(volume, directory, "new-7"), 0,
                                                 &entry, &position),
                     ENOTDIR);
}

ON_EACH_KIND(inodes_run_out)
{
    char name[32];
    int error = 0;
    int made = 0;

    (void)disk;
    for (; error == 0; made += error == 0) {
        snprintf(name, sizeof(name), "f%d", made);
        error = make_error(volume, volume->root, name, S_IFREG | 0644);
    }
    assert_int_equal(error, ENOSPC);
    for (int i = 0; i < made; i++) {
        snprintf(name, sizeof(name), "f%d", i);
        test_unlink(volume, volume->root, name);
    }
    for (int i = 0; i < 20; i++) {
        snprintf(name, sizeof(name), "f%d", i);
        test_make(volume, volume->root, name, S_IFREG);
    }
}

ON_EACH_KIND(many_holes_are_prepared)
{
    uint64_t inode = test_make(volume, volume->root, "holes", S_IFREG | 0644);
    char page[VOLUME_PAGE_SIZE];
    struct stat stat;

    (void)disk;
    test_set_size(volume, inode, 200 * 8192);
    for (uint64_t i = 0; i < 200; i++) {
        assert_int_equal(volume->ops->prepare(volume, inode, i * 8192, 4096), 0);
    }
    for (uint64_t i = 0; i < 200; i++) {
        memset(page, (int)i, sizeof(page));
        assert_int_equal(volume->ops->write_pages(volume, inode, i * 8192, 4096, page), 0);
    }
    for (uint64_t i = 0; i < 200; i++) {
        char expected[VOLUME_PAGE_SIZE];

        memset(expected, (int)i, sizeof(expected));
        test_read(volume, inode, i * 8192, 4096, page);
        assert_memory_equal(page, expected, sizeof(page));
        memset(expected, 0, sizeof(expected));
        test_read(volume, inode, i * 8192 + 4096, 4096, page);
        assert_memory_equal(page, expected, sizeof(page));
    }
    stat = test_stat(volume, inode);
    assert_true(stat.st_blocks * 512 < 210 * 4096);
}

static void links_are_not_too_many(void **state)
{
    struct disk *disk = disk_make(4096, "-t ext2 -b 1024");
    struct volume *volume = disk_mount(disk);
    uint64_t inode = test_make(volume, volume->root, "f", S_IFREG);
    uint64_t directory = test_make(volume, volume->root, "d", S_IFDIR);

    (void)state;
    disk_unmount(volume);
    assert_int_equal(disk_run(disk, "debugfs -w -R 'sif f links_count 32000' %s 2>/dev/null"), 0);
    assert_int_equal(disk_run(disk, "debugfs -w -R 'sif d links_count 32000' %s 2>/dev/null"), 0);
    volume = disk_mount(disk);
    assert_int_equal(volume->ops->link(volume, volume->root, "g", 1, inode), EMLINK);
    assert_int_equal(make_error(volume, directory, "x", S_IFDIR), EMLINK);
    test_make(volume, volume->root, "x", S_IFDIR);
    assert_int_equal(rename_error(volume, volume->root, "x", directory, "x"), EMLINK);
    disk_unmount(volume);
    disk_free(disk);
}

ON_EACH_KIND(a_directory_that_was_removed_takes_no_names)
{
    uint64_t directory = test_make(volume, volume->root, "d", S_IFDIR);
    uint64_t inode = test_make(volume, volume->root, "f", S_IFREG);

    (void)disk;
    assert_int_equal(volume->ops->hold(volume, directory), 0);
    assert_int_equal(unlink_error(volume, volume->root, "d", true), 0);
    assert_int_equal(make_error(volume, directory, "x", S_IFREG), ENOENT);
    assert_int_equal(volume->ops->link(volume, directory, "x", 1, inode), ENOENT);
    assert_int_equal(rename_error(volume, volume->root, "f", directory, "x"), ENOENT);
    assert_int_equal(lookup_error(volume, directory, "x"), ENOENT);
    volume->ops->release(volume, directory);
}

/* A crash, or another system, may leave something behind the end. */
static void what_is_behind_the_end_does_not_come_back(void **state)
{
    struct disk *disk = disk_make(4096, "-t ext2 -b 1024");
    struct volume *volume = disk_mount(disk);
    uint64_t inode = test_make(volume, volume->root, "f", S_IFREG);
    char data[] = "a pattern that is nowhere else", read[200], zeroes[200] = {0};
    uint8_t *found;

    (void)state;
    assert_int_equal(test_write(volume, inode, 0, sizeof(data), data), 0);
    disk_unmount(volume);
    found = memmem(disk->bytes, disk->device.size, data, sizeof(data));
    assert_non_null(found);
    memset(found + sizeof(data), 'x', 500);
    volume = disk_mount(disk);
    test_set_size(volume, inode, 400);
    test_read(volume, inode, sizeof(data), sizeof(read), read);
    assert_memory_equal(read, zeroes, sizeof(read));
    test_read(volume, inode, 0, sizeof(data), read);
    assert_memory_equal(read, data, sizeof(data));
    disk_unmount(volume);
    disk_free(disk);
}

/* Errors of the disk come through, and the volume can still be unmounted. */
static void a_failing_disk_gives_eio(void **state)
{
    (void)state;
    for (uint64_t n = 2; n < 60; n += 3) {
        struct disk *disk = disk_make(4096, "-t ext2 -b 1024");
        static char data[100000];
        struct volume *volume;
        char why[128];
        int error;

        disk->fail_after = n;
        if (ext2_mount(&disk->device, false, &volume, why, sizeof(why)) == 0) {
            struct volume_make what = {.mode = S_IFREG};
            uint64_t inode;

            if (volume->ops->make(volume, volume->root, "f", 1, &what, &inode) == 0 &&
                volume->ops->prepare(volume, inode, 0, sizeof(data)) == 0) {
                struct stat stat = {.st_size = sizeof(data)};

                (void)volume->ops->set(volume, inode, &stat, VOLUME_SET_SIZE);
                (void)volume->ops->write_pages(volume, inode, 0, 98304, data);
            }
            error = volume->ops->unmount(volume);
            assert_int_equal(error, disk->fail_after == 1 ? EIO : 0);
        }
        disk_free(disk);
    }
}

/* What the superblock says of a volume in use: it was not unmounted, or has a journal to replay. */
static bool says_in_use(const struct disk *disk)
{
    uint16_t state;
    uint32_t incompat;

    memcpy(&state, disk->bytes + 1024 + 58, sizeof(state));
    memcpy(&incompat, disk->bytes + 1024 + 96, sizeof(incompat));
    return (state & 1) == 0 || (incompat & 4) != 0;
}

ON_EACH_KIND(a_volume_is_clean_until_it_is_written)
{
    uint64_t inode = test_make(volume, volume->root, "held", S_IFREG | 0644);
    struct disk *copy;

    assert_int_equal(test_write(volume, inode, 0, 5, "first"), 0);
    assert_true(says_in_use(disk));
    assert_int_equal(volume->ops->clean(volume), 0);
    assert_false(says_in_use(disk));
    copy = disk_copy(disk);
    assert_true(disk_is_clean(copy));
    disk_free(copy);
    assert_int_equal(volume->ops->sync(volume), 0);
    assert_false(says_in_use(disk));
    test_make(volume, volume->root, "later", S_IFREG | 0644);
    assert_int_equal(volume->ops->sync(volume), 0);
    assert_true(says_in_use(disk));
    copy = disk_copy(disk);
    assert_true(disk_repair(copy));
    disk_unmount(disk_mount(copy));
    disk_free(copy);
}

/* The machine goes off with a file open that has no name. */
ON_EACH_KIND(a_clean_volume_may_have_orphans)
{
    uint64_t inode = test_make(volume, volume->root, "held", S_IFREG | 0644);
    struct volume *second;
    struct disk *copy;

    assert_int_equal(volume->ops->hold(volume, inode), 0);
    assert_int_equal(test_write(volume, inode, 0, 5, "first"), 0);
    test_unlink(volume, volume->root, "held");
    assert_int_equal(volume->ops->clean(volume), 0);
    assert_false(says_in_use(disk));
    copy = disk_copy(disk);
    second = disk_mount(copy);
    assert_false(second->is_read_only);
    disk_unmount(second);
    assert_true(disk_is_clean(copy));
    disk_free(copy);
    volume->ops->release(volume, inode);
}

#define volume_TESTS                                                                               \
    TEST(names_are_made_found_and_removed), TEST(links_are_counted),                               \
        TEST(a_pinned_file_stays_as_and_where_it_is), TEST(symbolic_links_are_short_or_long),      \
        TEST(what_a_rename_replaces_goes), TEST(an_unlinked_file_lives_while_it_is_held),          \
        TEST(sparse_files_have_zeroes_and_few_blocks), TEST(attributes_are_kept),                  \
        TEST(a_full_disk_says_so_and_loses_nothing), TEST(what_was_prepared_has_room),             \
        TEST(a_directory_is_read_while_it_changes), TEST(inodes_run_out),                          \
        TEST(many_holes_are_prepared), TEST(a_volume_is_clean_until_it_is_written),                \
        TEST(a_clean_volume_may_have_orphans), TEST(links_are_not_too_many),                       \
        TEST(a_directory_that_was_removed_takes_no_names),                                         \
        TEST(what_is_behind_the_end_does_not_come_back), TEST(a_failing_disk_gives_eio)
GROUP(volume);
