/* power_test.c - the power goes after any write of a workload, with what the disk had not flushed
 * lost at random. e2fsck must be able to repair what is left, or the journal be replayed to a clean
 * volume, and each file that was synced and not changed since must be there. No file may have what
 * nobody wrote: the disk was full of STALE. */
#include <stdio.h>
#include <stdlib.h>

#include "model.h"

#define STALE     0xee
#define PATH_SIZE 600u
#define CUTS      60u /* of a workload, at flushes */

/* A file of a sync. */
struct synced {
    uint32_t node;
    char path[PATH_SIZE];
    uint8_t *data;
    uint64_t size;
};

struct sync {
    size_t event; /* so many were in the log when it was done */
    size_t touch; /* so many touches had been */
    struct synced *files;
    size_t file_count;
};

struct workload {
    struct disk *base; /* before the first event */
    struct disk *disk;
    struct model *model;
    struct sync *syncs;
    size_t sync_count;
};

/* --- the workload --- */

static void note_file(struct sync *sync, const struct model *model, uint32_t number,
                      const char *path)
{
    const struct model_node *node = &model->nodes[number];
    struct synced *file;

    sync->files = realloc(sync->files, (sync->file_count + 1) * sizeof(*sync->files));
    file = &sync->files[sync->file_count];
    sync->file_count++;
    file->node = number;
    strcpy(file->path, path);
    file->size = node->size;
    file->data = malloc(node->size + 1);
    memcpy(file->data, node->data, node->size);
}

static void note_directory(struct sync *sync, const struct model *model, uint32_t number,
                           const char *path)
{
    const struct model_node *node = &model->nodes[number];

    for (unsigned i = 0; i < node->entry_count; i++) {
        const struct model_entry *entry = &node->entries[i];
        char inner[PATH_SIZE];

        if (strlen(path) + strlen(entry->name) + 2 > sizeof(inner)) {
            continue;
        }
        strcat(strcat(strcpy(inner, path), *path != '\0' ? "/" : ""), entry->name);
        if (S_ISDIR(model->nodes[entry->node].mode)) {
            note_directory(sync, model, entry->node, inner);
        } else if (S_ISREG(model->nodes[entry->node].mode)) {
            note_file(sync, model, entry->node, inner);
        }
    }
}

static void sync_workload(struct workload *work)
{
    struct volume *volume = work->model->volume;
    struct sync *sync;

    model_flush(work->model);
    assert_int_equal(
        work->sync_count % 2 == 0 ? volume->ops->sync(volume) : volume->ops->clean(volume), 0);
    work->syncs = realloc(work->syncs, (work->sync_count + 1) * sizeof(*work->syncs));
    sync = &work->syncs[work->sync_count];
    work->sync_count++;
    *sync = (struct sync){.event = work->disk->log_count, .touch = work->model->touch_count};
    note_directory(sync, work->model, 0, "");
}

static void run_workload(struct workload *work, size_t kib, const char *options, uint64_t seed,
                         unsigned steps)
{
    work->disk = disk_make(kib, "");
    memset(work->disk->bytes, STALE, kib * 1024);
    char format[256] = "mke2fs -q -F -E nodiscard,lazy_itable_init=0 ";

    assert_int_equal(disk_run(work->disk, strcat(strcat(format, options), " %s")), 0);
    work->base = disk_copy(work->disk);
    work->disk->is_logging = true;
    work->model = malloc(sizeof(*work->model));
    model_init(work->model, work->disk, seed);
    for (unsigned i = 1; i <= steps; i++) {
        model_step(work->model);
        if (i % 25 == 0) {
            sync_workload(work);
        }
    }
    model_flush(work->model);
    model_release_all(work->model);
    disk_unmount(work->model->volume);
}

static void free_workload(struct workload *work)
{
    for (size_t i = 0; i < work->sync_count; i++) {
        for (size_t n = 0; n < work->syncs[i].file_count; n++) {
            free(work->syncs[i].files[n].data);
        }
        free(work->syncs[i].files);
    }
    free(work->syncs);
    model_free(work->model);
    free(work->model);
    disk_free(work->base);
    disk_free(work->disk);
}

/* --- what a crash leaves --- */

/* A write of which, if it was not flushed, any page may be lost. */
static void apply(struct disk *disk, const struct disk_event *write, bool loses, uint64_t *random)
{
    for (size_t at = 0; at < write->size; at += VOLUME_PAGE_SIZE) {
        size_t left = write->size - at;

        if (!loses || test_random(random, 2) == 0) {
            memcpy(disk->bytes + write->offset + at, write->data + at,
                   left < VOLUME_PAGE_SIZE ? left : VOLUME_PAGE_SIZE);
        }
    }
}

static struct disk *crash(const struct workload *work, size_t event, bool loses, uint64_t *random)
{
    struct disk *disk = disk_copy(work->base);
    size_t flushed = 0;

    for (size_t i = 0; i < event; i++) {
        flushed = work->disk->log[i].size == 0 ? i : flushed;
    }
    for (size_t i = 0; i < event; i++) {
        apply(disk, &work->disk->log[i], loses && i >= flushed, random);
    }
    return disk;
}

static bool is_touched(const struct workload *work, const struct sync *sync, uint32_t node,
                       size_t event)
{
    for (size_t i = sync->touch; i < work->model->touch_count; i++) {
        const struct model_touch *touch = &work->model->touches[i];

        if (touch->node == node && touch->event <= event) {
            return true;
        }
    }
    return false;
}

static void check_synced(const struct workload *work, struct volume *volume, size_t event)
{
    const struct sync *sync = NULL;

    for (size_t i = 0; i < work->sync_count; i++) {
        sync = work->syncs[i].event <= event ? &work->syncs[i] : sync;
    }
    for (size_t i = 0; sync != NULL && i < sync->file_count; i++) {
        const struct synced *file = &sync->files[i];
        uint64_t inode;
        uint8_t *data;

        if (is_touched(work, sync, file->node, event)) {
            continue;
        }
        if (!test_find(volume, file->path, &inode)) {
            fail_msg("%s was synced and is lost after event %zu", file->path, event);
        }
        assert_int_equal((uint64_t)test_stat(volume, inode).st_size, file->size);
        data = malloc(file->size + 1);
        if (file->size != 0) {
            test_read(volume, inode, 0, file->size, data);
            assert_memory_equal(data, file->data, file->size);
        }
        free(data);
    }
}

static void check_stale(struct volume *volume, uint64_t directory, unsigned depth)
{
    struct volume_entry entry;
    uint64_t position = 0;

    while (volume->ops->read_directory(volume, directory, position, &entry, &position) == 0) {
        struct stat stat;
        uint8_t *data;

        if (strcmp(entry.name, ".") == 0 || strcmp(entry.name, "..") == 0) {
            continue;
        }
        stat = test_stat(volume, entry.inode);
        if (S_ISDIR(stat.st_mode) && depth < 50) {
            check_stale(volume, entry.inode, depth + 1);
        } else if (S_ISREG(stat.st_mode) && stat.st_size != 0) {
            data = malloc((size_t)stat.st_size);
            test_read(volume, entry.inode, 0, (size_t)stat.st_size, data);
            assert_null(memchr(data, STALE, (size_t)stat.st_size));
            free(data);
        }
    }
}

static void check_crash(const struct workload *work, struct disk *disk, size_t event,
                        bool has_journal, bool by_us)
{
    struct volume *volume;

    if (!(has_journal && by_us) && !disk_repair(disk)) {
        fail_msg("e2fsck cannot repair what is left by event %zu", event);
    }
    volume = disk_mount(disk);
    check_synced(work, volume, event);
    check_stale(volume, volume->root, 0);
    disk_unmount(volume);
    if (!disk_is_clean(disk)) {
        fail_msg("not clean after event %zu", event);
    }
}

/* Cut at some of the events: most just before a flush, when most is at stake. */
static void cut_workload(const struct workload *work, bool has_journal, uint64_t *random)
{
    size_t flushes = 0, met = 0;

    for (size_t i = 0; i < work->disk->log_count; i++) {
        flushes += work->disk->log[i].size == 0;
    }
    for (size_t i = 0; i <= work->disk->log_count; i++) {
        bool is_flush = i < work->disk->log_count && work->disk->log[i].size == 0;
        size_t others = work->disk->log_count + 1 - flushes;
        struct disk *disk;

        if (test_random(random, is_flush ? flushes : others) >= (is_flush ? CUTS : CUTS / 3)) {
            continue;
        }
        disk = crash(work, i, test_random(random, 4) != 0, random);
        check_crash(work, disk, i, has_journal, test_random(random, 3) != 0);
        disk_free(disk);
        met++;
    }
    assert_true(met > CUTS / 2);
}

static void power_cut(size_t kib, const char *options, bool has_journal)
{
    for (unsigned n = 0; n < test_scale; n++) {
        struct workload work = {0};
        uint64_t random = test_seed + n;

        run_workload(&work, kib, options, random, 700);
        cut_workload(&work, has_journal, &random);
        free_workload(&work);
    }
}

static void synced_files_outlive_a_power_cut(void **state)
{
    (void)state;
    power_cut(4096, "-t ext2 -b 1024", false);
    power_cut(4096, "-t ext2 -b 4096", false);
}

static void a_journal_is_replayed_after_a_power_cut(void **state)
{
    (void)state;
    power_cut(6144, "-t ext3 -b 1024 -J size=1", true);
    power_cut(12288, "-t ext3 -b 4096 -J size=4", true);
}

/* As many files as bring a transaction near its end, then a cut over many groups. */
static void cut_after(unsigned files)
{
    struct disk *disk = disk_make(8192, "-t ext3 -b 1024 -g 512 -N 2048");
    struct volume *volume = disk_mount(disk);
    uint64_t file = test_make(volume, volume->root, "file", S_IFREG);
    static char data[4 << 20];
    struct workload work = {.disk = disk};
    uint64_t random = files;
    char name[16];

    memset(data, 'd', sizeof(data));
    assert_int_equal(test_write(volume, file, 0, sizeof(data), data), 0);
    assert_int_equal(volume->ops->sync(volume), 0);
    work.base = disk_copy(disk);
    disk->is_logging = true;
    for (unsigned i = 0; i < files; i++) {
        snprintf(name, sizeof(name), "f%u", i);
        test_make(volume, volume->root, name, S_IFREG);
    }
    test_set_size(volume, file, 5000);
    for (size_t event = 0; event <= disk->log_count; event++) {
        struct disk *left = crash(&work, event, event % 2 == 0, &random);
        struct volume *again = disk_mount(left);
        struct stat stat = test_stat(again, file);

        assert_true(stat.st_size == sizeof(data) || (stat.st_size == 5000 && stat.st_blocks < 20));
        disk_unmount(again);
        if (!disk_is_clean(left)) {
            fail_msg("not clean after event %zu of %u files and a cut", event, files);
        }
        disk_free(left);
    }
    disk_unmount(volume);
    disk_free(work.base);
    disk_free(disk);
}

static void a_cut_of_several_transactions_is_finished_by_the_next_mount(void **state)
{
    (void)state;
    for (unsigned files = 600; files < 900; files += 20) {
        cut_after(files);
    }
}

#define power_TESTS                                                                                \
    TEST(synced_files_outlive_a_power_cut), TEST(a_journal_is_replayed_after_a_power_cut),         \
        TEST(a_cut_of_several_transactions_is_finished_by_the_next_mount)
GROUP(power);
