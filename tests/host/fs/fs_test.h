/* fs_test.h - what the tests of the file system have in common. */
#ifndef FS_TEST_H
#define FS_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "disk.h"
#include "volume.h"

#define TEST(name)                                                                                 \
    {                                                                                              \
#name, name, NULL, NULL, NULL                                                              \
    }
#define GROUP(group)                                                                               \
    const struct CMUnitTest group##_tests[] = {group##_TESTS};                                     \
    const size_t group##_test_count = sizeof(group##_tests) / sizeof(group##_tests[0])

extern const struct CMUnitTest volume_tests[], image_tests[], history_tests[], damage_tests[],
    order_tests[], power_tests[];
extern const size_t volume_test_count, image_test_count, history_test_count, damage_test_count,
    order_test_count, power_test_count;

/* How many times as long as usual random tests are to be (1), and their first seed. */
extern unsigned test_scale;
extern uint64_t test_seed;

/* A repeatable number below a limit. */
uint64_t test_random(uint64_t *state, uint64_t limit);

/* Operations that must succeed. */
uint64_t test_make(struct volume *volume, uint64_t directory, const char *name, mode_t mode);
uint64_t test_make_link(struct volume *volume, uint64_t directory, const char *name,
                        const char *target);
uint64_t test_lookup(struct volume *volume, uint64_t directory, const char *name);
void test_unlink(struct volume *volume, uint64_t directory, const char *name);
struct stat test_stat(struct volume *volume, uint64_t inode);
void test_set_size(struct volume *volume, uint64_t inode, uint64_t size);
/* Prepare, extend if it must be, and write. Offset and size in bytes; what else is in the first and
 * last page is read. Returns: the error of prepare. */
int test_write(struct volume *volume, uint64_t inode, uint64_t offset, size_t size,
               const void *data);
void test_read(struct volume *volume, uint64_t inode, uint64_t offset, size_t size, void *data);
/* A folder of the host with files of many kinds, for mke2fs -d; it is removed at the end. */
const char *test_tree(void);
/* By path from the root. Returns: false if it is not there. */
bool test_find(struct volume *volume, const char *path, uint64_t *inode);

#endif
