/* history_test.c - random operations on a volume and on a model of it, with the two compared, the
 * volume mounted anew, and e2fsck looking at the disk in between. */
#include <stdlib.h>

#include "model.h"

static const struct {
    size_t kib;
    const char *options;
} kinds[] = {
    {8192, "-t ext2 -b 1024"},           {2048, "-t ext2 -b 1024 -N 128"}, /* soon full */
    {8192, "-t ext2 -b 4096"},           {8192, "-t ext2 -b 2048 -I 128 -O ^filetype"},
    {8192, "-t ext3 -b 1024"},           {16384, "-t ext3 -b 4096 -J size=4"},
    {8192, "-t ext2 -b 1024 -g 512"}, /* many groups */
    {4096, "-t ext3 -b 1024 -J size=1"},
};

static void history(struct disk *disk, uint64_t seed, unsigned steps)
{
    struct model *model = malloc(sizeof(*model));

    model_init(model, disk, seed);
    for (unsigned i = 1; i <= steps; i++) {
        model_step(model);
        if (i % 100 == 0) {
            model_compare(model);
        }
        if (i % 250 == 0) {
            model_flush(model);
            model_release_all(model);
            model->volume = disk_remount(disk, model->volume);
            model_compare(model);
            if (!disk_is_clean(disk)) { /* a mounted disk with a journal is so, too */
                fail_msg("not clean after %u operations of seed %lu", i, seed);
            }
        }
    }
    model_flush(model);
    model_release_all(model);
    disk_unmount(model->volume);
    assert_true(disk_is_clean(disk));
    model_free(model);
    free(model);
}

static void random_operations_do_what_they_should(void **state)
{
    (void)state;
    for (unsigned i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        for (unsigned n = 0; n < test_scale; n++) {
            struct disk *disk = disk_make(kinds[i].kib, kinds[i].options);

            history(disk, test_seed + n + 1000 * i, 1000);
            disk_free(disk);
        }
    }
}

#define history_TESTS TEST(random_operations_do_what_they_should)
GROUP(history);
