/* damage_test.c - images with random damage: they are refused, or read, walked and written, and
 * nothing crashes or takes for ever. Bytes are changed where metadata is. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "fs_test.h"

#define IMAGES      50u
#define WALK_MAX    3000u /* entries looked at */
#define READ_MAX    (1u << 20)
#define SECONDS_MAX 10
#define KINDS       6u

struct walk {
    struct volume *volume;
    unsigned left; /* entries that may still be looked at */
    uint64_t random;
};

static void touch_file(struct walk *walk, uint64_t inode, const struct stat *stat)
{
    uint64_t size = (uint64_t)stat->st_size < READ_MAX ? (uint64_t)stat->st_size : READ_MAX;
    struct volume *volume = walk->volume;
    char data[100] = "written to a damaged disk";
    struct stat set = {.st_size = (off_t)test_random(&walk->random, 300000)};
    uint64_t offset = test_random(&walk->random, 2000000) / VOLUME_PAGE_SIZE * VOLUME_PAGE_SIZE;
    static char pages[4 * VOLUME_PAGE_SIZE];
    void *read;

    for (uint64_t at = 0; at < size; at += 16 * VOLUME_PAGE_SIZE) {
        if (volume->ops->read_pages(volume, inode, at, 16 * VOLUME_PAGE_SIZE, &read) == 0) {
            block_device_free(read, 16 * VOLUME_PAGE_SIZE);
        }
    }
    memcpy(pages, data, sizeof(data));
    if (volume->ops->prepare(volume, inode, offset, sizeof(pages)) == 0) {
        (void)volume->ops->write_pages(volume, inode, offset, sizeof(pages), pages);
    }
    if (test_random(&walk->random, 2) == 0) {
        (void)volume->ops->set(volume, inode, &set, VOLUME_SET_SIZE | VOLUME_SET_MTIME);
    }
}

static void touch_directory(struct walk *walk, uint64_t inode, unsigned depth);

static void touch(struct walk *walk, uint64_t inode, unsigned depth)
{
    struct volume *volume = walk->volume;
    char target[512];
    size_t length;
    struct stat stat;

    if (volume->ops->hold(volume, inode) != 0) {
        return;
    }
    if (volume->ops->stat(volume, inode, &stat) == 0) {
        (void)volume->ops->read_link(volume, inode, target, sizeof(target), &length);
        if (S_ISDIR(stat.st_mode) && depth < 8) {
            touch_directory(walk, inode, depth + 1);
        } else if (S_ISREG(stat.st_mode)) {
            touch_file(walk, inode, &stat);
        }
    }
    volume->ops->release(volume, inode);
}

static void change_name(struct walk *walk, uint64_t directory, const struct volume_entry *entry)
{
    struct volume *volume = walk->volume;
    struct volume_make what = {.mode = S_IFREG, .target = "target"};
    uint64_t made;

    switch (test_random(&walk->random, 8)) {
    case 0:
        (void)volume->ops->unlink(volume, directory, entry->name, entry->length, false);
        break;
    case 1:
        (void)volume->ops->unlink(volume, directory, entry->name, entry->length, true);
        break;
    case 2:
        (void)volume->ops->rename(volume, directory, entry->name, entry->length, volume->root,
                                  "renamed", 7);
        break;
    case 3:
        what.mode = S_IFDIR;
        (void)volume->ops->make(volume, directory, "made", 4, &what, &made);
        break;
    case 4:
        (void)volume->ops->make(volume, directory, "file", 4, &what, &made);
        break;
    case 5:
        (void)volume->ops->link(volume, directory, "link", 4, entry->inode);
        break;
    default:
        break;
    }
}

static void touch_directory(struct walk *walk, uint64_t inode, unsigned depth)
{
    struct volume *volume = walk->volume;
    struct volume_entry entry;
    uint64_t position = 0;

    while (walk->left > 0 &&
           volume->ops->read_directory(volume, inode, position, &entry, &position) == 0) {
        walk->left--;
        assert_true(entry.length == strlen(entry.name) && strchr(entry.name, '/') == NULL);
        if (strcmp(entry.name, ".") != 0 && strcmp(entry.name, "..") != 0) {
            touch(walk, entry.inode, depth);
            if (!volume->is_read_only) {
                change_name(walk, inode, &entry);
            }
        }
    }
}

/* The volume is still mounted: its journal has not been emptied. */
static struct volume *fill(struct disk *disk)
{
    struct volume *volume = disk_mount(disk);
    static char data[70000];
    char name[64];

    for (int i = 0; i < 60; i++) {
        uint64_t directory = volume->root;
        uint64_t inode;

        snprintf(name, sizeof(name), "directory%d", i / 10);
        if (i % 10 == 0) {
            test_make(volume, volume->root, name, S_IFDIR | 0755);
        }
        directory = test_lookup(volume, volume->root, name);
        snprintf(name, sizeof(name), "file%d", i);
        inode = test_make(volume, directory, name, S_IFREG | 0644);
        memset(data, i, sizeof(data));
        assert_int_equal(test_write(volume, inode, (uint64_t)i * 10000, sizeof(data), data), 0);
        snprintf(name, sizeof(name), "link%d", i);
        test_make_link(volume, directory, name, i % 2 == 0 ? "short" : name);
    }
    assert_int_equal(volume->ops->sync(volume), 0);
    return volume;
}

/* Where the journal begins, or 0. */
static uint64_t journal_of(const struct disk *disk)
{
    static const uint8_t super[] = {0xc0, 0x3b, 0x39, 0x98, 0, 0, 0, 4};
    const uint8_t *found = memmem(disk->bytes, disk->device.size, super, sizeof(super));

    return found != NULL ? (uint64_t)(found - disk->bytes) : 0;
}

/* Change bytes, mostly in the first blocks and the journal, to values that hurt. */
static void damage(struct disk *disk, uint64_t *random)
{
    static const uint32_t values[] = {0,      1,          2,          0xff, 0x7fff,
                                      0xffff, 0x7fffffff, 0xffffffff, 100,  12};
    unsigned count = 1 + (unsigned)test_random(random, 60);
    uint64_t journal = journal_of(disk);

    for (unsigned i = 0; i < count; i++) {
        uint64_t limit = test_random(random, 3) == 0 ? disk->device.size : 300 * 1024;
        uint64_t at = test_random(random, limit - 2048) / 4 * 4;
        uint32_t value = values[test_random(random, sizeof(values) / sizeof(values[0]))];
        uint32_t other = (uint32_t)test_random(random, 8192);

        if (test_random(random, 8) == 0) {
            at = 1024 + test_random(random, 256) / 4 * 4; /* the superblock */
        } else if (journal != 0 && test_random(random, 2) == 0) {
            at = journal + test_random(random, 1 << (5 + test_random(random, 12))) / 4 * 4;
        }
        value = test_random(random, 3) == 0 ? other : value;
        memcpy(disk->bytes + at, &value, 1 + test_random(random, 4));
    }
}

static unsigned mount_and_touch(struct disk *disk, uint64_t seed)
{
    struct volume *volume;
    char why[128];
    time_t start = time(NULL);

    if (ext2_mount(&disk->device, false, &volume, why, sizeof(why)) != 0) {
        assert_true(strlen(why) > 0);
        return 0;
    }
    touch(&(struct walk){volume, WALK_MAX, seed}, volume->root, 0);
    (void)volume->ops->sync(volume);
    (void)volume->ops->unmount(volume);
    assert_true(time(NULL) - start < SECONDS_MAX);
    return 1;
}

/* Damage some copies. Returns: how many of them could be mounted. */
static unsigned damage_copies(const struct disk *disk, unsigned first)
{
    unsigned mounted = 0;

    for (unsigned i = first; i < IMAGES * test_scale; i += KINDS) {
        uint64_t random = test_seed + i;
        struct disk *copy = disk_copy(disk);

        damage(copy, &random);
        mounted += mount_and_touch(copy, random);
        disk_free(copy);
    }
    return mounted;
}

static void damaged_images_are_survived(void **state)
{
    static const struct {
        const char *options;
        bool is_mounted; /* when it is copied */
    } kinds[] = {{"-t ext2 -b 1024", false}, {"-t ext2 -b 4096", false},
                 {"-t ext3 -b 1024", false}, {"-t ext2 -b 2048 -g 1024", false},
                 {"-t ext3 -b 1024", true},  {"-t ext4 -b 1024 -d ", false}};
    unsigned mounted = 0;

    (void)state;
    for (unsigned kind = 0; kind < KINDS; kind++) {
        bool has_tree = strstr(kinds[kind].options, "-d") != NULL;
        struct volume *volume = NULL;
        char options[256];
        struct disk *disk;

        snprintf(options, sizeof(options), "%s%s", kinds[kind].options,
                 has_tree ? test_tree() : "");
        disk = disk_make(has_tree ? 16384 : 8192, options);
        if (!has_tree) {
            volume = fill(disk);
        }
        if (volume != NULL && !kinds[kind].is_mounted) {
            disk_unmount(volume);
        }
        mounted += damage_copies(disk, kind);
        if (kinds[kind].is_mounted) {
            disk_unmount(volume);
        }
        disk_free(disk);
    }
    assert_true(mounted > IMAGES * test_scale / 4);
}

struct bad_entry {
    uint32_t inode;
    uint16_t size;
    uint8_t length;
    uint8_t type;
};

/* The last 12 bytes of a directory's block are the entry. */
static void walk_entry(const struct bad_entry *bad)
{
    struct disk *disk = disk_make(4096, "-t ext2 -b 1024");
    struct volume *volume = disk_mount(disk);
    uint64_t directory = test_make(volume, volume->root, "d", S_IFDIR);
    uint64_t inode = test_make(volume, directory, "a-name-to-be-found", S_IFREG), position = 0;
    struct volume_entry entry;
    uint8_t *block;
    int error;

    disk_unmount(volume);
    block = memmem(disk->bytes, disk->device.size, "a-name-to-be-found", 18);
    assert_non_null(block);
    block -= 32; /* the entries of "." and "..", and the head of its own */
    *(uint16_t *)(void *)(block + 24 + 4) = 1024 - 24 - 12;
    memcpy(block + 1024 - 12, bad, sizeof(*bad));
    volume = disk_mount(disk);
    assert_int_equal(test_lookup(volume, directory, "a-name-to-be-found"), inode);
    assert_int_equal(volume->ops->lookup(volume, directory, "none", 4, &inode), EIO);
    do {
        error = volume->ops->read_directory(volume, directory, position, &entry, &position);
    } while (error == 0);
    assert_int_equal(error, EIO);
    assert_int_equal(volume->ops->unlink(volume, volume->root, "d", 1, true), ENOTEMPTY);
    assert_int_equal(volume->ops->stat(volume, 0, &(struct stat){0}), EIO);
    assert_int_equal(volume->ops->stat(volume, UINT64_MAX, &(struct stat){0}), EIO);
    assert_int_equal(volume->ops->stat(volume, (1ul << 32) + 12, &(struct stat){0}), EIO);
    disk_unmount(volume);
    assert_true(disk_repair(disk));
    disk_free(disk);
}

static void entries_that_make_no_sense_are_not_believed(void **state)
{
    static const struct bad_entry entries[] = {
        {12, 0, 1, 1},      /* no step */
        {12, 8, 1, 1},      /* shorter than its name */
        {12, 12, 255, 1},   /* the name goes on behind the block */
        {12, 264, 255, 1},  /* the entry, too */
        {12, 65532, 4, 1},  /* far behind */
        {12, 11, 1, 1},     /* the next one would not be aligned */
        {0, 4, 0, 0},       /* shorter than an entry */
        {100000, 12, 1, 1}, /* there is no such inode */
    };

    (void)state;
    for (size_t i = 0; i < sizeof(entries) / sizeof(entries[0]); i++) {
        walk_entry(&entries[i]);
    }
}

/* As deep as a map goes, with every number the same. */
static void maps_that_are_circles_end(void **state)
{
    (void)state;
    for (unsigned depth = 1; depth <= 3; depth++) {
        struct disk *disk = disk_make(8192, "-t ext2 -b 1024 -I 128");
        struct volume *volume = disk_mount(disk);
        uint64_t inode = test_make(volume, volume->root, "file", S_IFREG);
        char page[VOLUME_PAGE_SIZE] = {1};
        uint32_t number = 4000;

        assert_int_equal(test_write(volume, inode, 0, sizeof(page), page), 0);
        disk_unmount(volume);
        for (size_t i = 0; i < 256; i++) {
            memcpy(disk->bytes + (size_t)number * 1024 + 4 * i, &number, sizeof(number));
        }
        assert_int_equal(disk_run(disk, "debugfs -w -R 'setb 4000 1' %s 2>/dev/null"), 0);
        assert_int_equal(
            disk_run(disk, depth == 1 ? "debugfs -w -R 'sif file block[IND] 4000' %s 2>/dev/null"
                           : depth == 2
                               ? "debugfs -w -R 'sif file block[DIND] 4000' %s 2>/dev/null"
                               : "debugfs -w -R 'sif file block[TIND] 4000' %s 2>/dev/null"),
            0);
        volume = disk_mount(disk);
        test_set_size(volume, inode, 100000000);
        test_read(volume, inode, 60000000, sizeof(page), page);
        test_set_size(volume, inode, 5000);
        test_unlink(volume, volume->root, "file");
        (void)volume->ops->unmount(volume);
        assert_true(disk_repair(disk));
        disk_free(disk);
    }
}

#define damage_TESTS                                                                               \
    TEST(damaged_images_are_survived), TEST(entries_that_make_no_sense_are_not_believed),          \
        TEST(maps_that_are_circles_end)
GROUP(damage);
