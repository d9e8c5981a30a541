/* image_test.c - images that others have made: ext2, ext3 and ext4 of all kinds, journals that wait
 * to be replayed, and features that are not known. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "fs_test.h"

#define SUPER(disk, type, offset) (*(type *)(void *)((disk)->bytes + 1024 + (offset)))
#define COMPAT                    92
#define INCOMPAT                  96
#define RO_COMPAT                 100

static char tree[64]; /* a folder of the host */

static void make_tree(void)
{
    static const char script[] =
        "set -e; rm -rf %s; mkdir -p %s; cd %s; mkdir -p a/b/c many; "
        "for i in $(seq 400); do echo $i >many/file-with-a-long-name-$i; done; "
        "seq 300000 >big; ln -s big a/short; "
        "ln -s $(printf %%0200d 7) a/long; truncate -s 3000000 sparse; "
        "printf middle | dd of=sparse bs=1 seek=1000001 conv=notrunc status=none; "
        "printf end | dd of=sparse bs=1 seek=2900000 conv=notrunc status=none; "
        "seq 100 >a/b/c/deep; chmod 4751 a/b/c/deep; : >empty; "
        "touch -d '2033-01-02 03:04:05.123456789' a/b/c/deep";
    char command[1024];

    snprintf(tree, sizeof(tree), "%s/portolan_fs_%d",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp", (int)getpid());
    snprintf(command, sizeof(command), script, tree, tree, tree);
    assert_int_equal(system(command), 0);
}

static void remove_tree(void)
{
    char command[128];

    snprintf(command, sizeof(command), "rm -rf %s", tree);
    (void)system(command);
}

const char *test_tree(void)
{
    if (tree[0] == '\0') {
        make_tree();
        atexit(remove_tree);
    }
    return tree;
}

static void compare_file(struct volume *volume, uint64_t inode, const char *path, uint64_t size)
{
    FILE *file = fopen(path, "rb");
    static char expected[1 << 20];

    assert_non_null(file);
    for (uint64_t offset = 0; offset < size; offset += sizeof(expected)) {
        uint64_t left =
            (size - offset + VOLUME_PAGE_SIZE - 1) / VOLUME_PAGE_SIZE * VOLUME_PAGE_SIZE;
        size_t length = left < sizeof(expected) ? left : sizeof(expected);
        void *pages;

        memset(expected, 0, sizeof(expected));
        assert_true(fread(expected, 1, sizeof(expected), file) <= length);
        assert_int_equal(volume->ops->read_pages(volume, inode, offset, length, &pages), 0);
        assert_memory_equal(pages, expected, length);
        block_device_free(pages, length);
    }
    fclose(file);
}

static void compare_tree(struct volume *volume, uint64_t directory, const char *path)
{
    DIR *dir = opendir(path);
    struct dirent *entry;
    unsigned count = 0;
    uint64_t position = 0;
    struct volume_entry found;

    assert_non_null(dir);
    while ((entry = readdir(dir)) != NULL) {
        struct stat expected, stat;
        char name[512], target[512], read[512];
        uint64_t inode = test_lookup(volume, directory, entry->d_name);

        count++;
        if (entry->d_name[0] == '.') {
            continue;
        }
        snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
        assert_int_equal(lstat(name, &expected), 0);
        stat = test_stat(volume, inode);
        assert_int_equal(stat.st_mode, expected.st_mode);
        assert_int_equal(stat.st_nlink, expected.st_nlink);
        assert_int_equal(stat.st_mtim.tv_sec, expected.st_mtim.tv_sec);
        if (S_ISDIR(stat.st_mode)) {
            compare_tree(volume, inode, name);
        } else if (S_ISLNK(stat.st_mode)) {
            ssize_t length = readlink(name, target, sizeof(target));
            size_t got;

            assert_int_equal(volume->ops->read_link(volume, inode, read, sizeof(read), &got), 0);
            assert_int_equal(got, length);
            assert_memory_equal(read, target, got);
        } else {
            assert_int_equal(stat.st_size, expected.st_size);
            compare_file(volume, inode, name, (uint64_t)stat.st_size);
        }
    }
    closedir(dir);
    while (volume->ops->read_directory(volume, directory, position, &found, &position) == 0) {
        count -= strcmp(found.name, "lost+found") != 0;
    }
    assert_int_equal(count, 0);
}

static void what_others_wrote_is_read(void **state)
{
    static const struct {
        const char *options;
        bool is_read_only;
    } kinds[] = {
        {"-t ext2 -b 1024", false},
        {"-t ext3 -b 4096 -J size=4", false},
        {"-t ext2 -b 2048 -O ^dir_index,^filetype", false},
        {"-t ext4 -b 4096 -J size=4", true},
        {"-t ext4 -b 1024", true},
        {"-t ext4 -b 1024 -O ^metadata_csum,uninit_bg,^has_journal", true},
        {"-t ext4 -b 2048 -O bigalloc,^resize_inode -C 16384", true},
        {"-t ext4 -b 1024 -O ^extent,^64bit,^metadata_csum,^huge_file", false},
        {"-t ext4 -b 1024 -O "
         "^64bit,^metadata_csum,meta_bg,^resize_inode,metadata_csum_seed,metadata_csum",
         true},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        char options[256];
        struct disk *disk;
        struct volume *volume;

        snprintf(options, sizeof(options), "%s -E root_owner=0:0 -d %s", kinds[i].options,
                 test_tree());
        disk = disk_make(24576, options);
        volume = disk_mount(disk);
        assert_int_equal(volume->is_read_only, kinds[i].is_read_only);
        compare_tree(volume, volume->root, tree);
        disk_unmount(volume);
        assert_true(disk_is_clean(disk));
        disk_free(disk);
    }
}

/* Entries come and go in a directory that had an index. */
static void an_index_of_a_directory_ends_when_it_changes(void **state)
{
    struct disk *disk;
    struct volume *volume;
    char options[256], name[64];
    uint64_t many;

    (void)state;
    snprintf(options, sizeof(options), "-t ext2 -b 1024 -d %s", test_tree());
    disk = disk_make(24576, options);
    assert_true(disk_run(disk, "e2fsck -fyD %s >/dev/null 2>&1") <= 1);
    volume = disk_mount(disk);
    assert_true(test_find(volume, "many", &many));
    for (int i = 1; i <= 200; i++) {
        snprintf(name, sizeof(name), "file-with-a-long-name-%d", i);
        test_unlink(volume, many, name);
        if (i == 20) {
            volume = disk_remount(disk, volume);
            assert_true(disk_is_clean(disk));
        }
    }
    for (int i = 1; i <= 300; i++) {
        snprintf(name, sizeof(name), "new%d", i);
        test_make(volume, many, name, S_IFREG);
    }
    disk_unmount(volume);
    assert_true(disk_is_clean(disk));
    disk_free(disk);
}

static void mount_error(struct disk *disk, int expected, const char *reason)
{
    struct volume *volume;
    char why[128] = "";

    assert_int_equal(ext2_mount(&disk->device, false, &volume, why, sizeof(why)), expected);
    assert_non_null(strstr(why, reason));
}

static void what_is_not_known_is_refused(void **state)
{
    struct disk *disk = disk_make(4096, "-t ext2 -b 1024");
    struct volume *volume;
    struct volume_make what = {.mode = S_IFREG};
    struct stat stat = {0};
    uint64_t inode;
    char why[128];

    (void)state;
    SUPER(disk, uint32_t, INCOMPAT) |= 0x8000;
    mount_error(disk, EINVAL, "not known");
    SUPER(disk, uint32_t, INCOMPAT) &= ~0x8000u;
    SUPER(disk, uint32_t, RO_COMPAT) |= 0x80000;
    volume = disk_mount(disk);
    assert_true(volume->is_read_only);
    assert_int_equal(volume->ops->make(volume, volume->root, "f", 1, &what, &inode), EROFS);
    assert_int_equal(volume->ops->unlink(volume, volume->root, "f", 1, false), EROFS);
    assert_int_equal(volume->ops->set(volume, volume->root, &stat, VOLUME_SET_MODE), EROFS);
    assert_int_equal(volume->ops->prepare(volume, volume->root, 0, 1), EROFS);
    disk_unmount(volume);
    SUPER(disk, uint32_t, RO_COMPAT) &= ~0x80000u;
    assert_int_equal(ext2_mount(&disk->device, true, &volume, why, sizeof(why)), 0);
    assert_true(volume->is_read_only);
    disk_unmount(volume);
    SUPER(disk, uint16_t, 58) &= 0xfffe; /* as if it was in use when the power went */
    volume = disk_mount(disk);
    assert_true(volume->is_read_only);
    disk_unmount(volume);
    SUPER(disk, uint32_t, 4) *= 2;
    mount_error(disk, EINVAL, "larger than its device");
    SUPER(disk, uint32_t, 24) = 9;
    mount_error(disk, EINVAL, "size of its blocks");
    SUPER(disk, uint16_t, 56) = 0;
    mount_error(disk, EINVAL, "no ext2");
    disk_free(disk);
}

/* A transaction in the journal, written by debugfs, and a block that it revokes. */
static void a_journal_of_others_is_replayed(void **state)
{
    static const char *const kinds[] = {"-t ext3 -b 1024", "-t ext4 -b 1024 -O ^metadata_csum",
                                        "-t ext4 -b 4096 -J size=4",
                                        "-t ext4 -b 1024 -O ^64bit,^metadata_csum"};

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        struct disk *disk = disk_make(16384, kinds[i]);
        uint32_t size = 1024u << SUPER(disk, uint32_t, 24);
        uint32_t magic = __builtin_bswap32(0xc03b3998u);
        struct volume *volume;

        memset(disk->bytes + (size_t)3900 * size, 'x', 4 * size);
        assert_int_equal(
            disk_run(disk,
                     "t=$(mktemp); head -c 16384 /dev/zero | tr '\\0' J >$t;"
                     "printf '\\300\\073\\071\\230' | dd of=$t conv=notrunc status=none;"
                     "printf \"jo\\njw -b 3900,3901 $t\\njw -r 3901\\njw -b 3902 $t\\njc\\n\" |"
                     "debugfs -w %s >/dev/null 2>&1; rm -f $t"),
            0);
        assert_true((SUPER(disk, uint32_t, INCOMPAT) & 4) != 0);
        volume = disk_mount(disk);
        disk_unmount(volume);
        assert_true((SUPER(disk, uint32_t, INCOMPAT) & 4) == 0);
        assert_memory_equal(disk->bytes + (size_t)3900 * size, &magic, 4);
        assert_int_equal(disk->bytes[(size_t)3900 * size + 4], 'J');
        assert_int_equal(disk->bytes[(size_t)3901 * size], 'x');
        assert_memory_equal(disk->bytes + (size_t)3902 * size, &magic, 4);
        assert_int_equal(disk->bytes[(size_t)3903 * size], 'x');
        assert_true(disk_is_clean(disk));
        disk_free(disk);
    }
}

#define image_TESTS                                                                                \
    TEST(what_others_wrote_is_read), TEST(an_index_of_a_directory_ends_when_it_changes),           \
        TEST(what_is_not_known_is_refused), TEST(a_journal_of_others_is_replayed)
GROUP(image);
