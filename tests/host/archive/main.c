/* main.c - runs the tests of manifest and archive and counts. */
#include <stdio.h>

#include "archive_test.h"

#define RUN(group) _cmocka_run_group_tests(#group, group##_tests, group##_test_count, NULL, NULL)

int main(void)
{
    const size_t total = manifest_test_count + archive_test_count;
    int failed = RUN(manifest) + RUN(archive);

    printf("%zu passed, %d failed\n", total - (size_t)failed, failed);
    return failed != 0;
}
