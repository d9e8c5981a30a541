/* main.c - runs the tests of libmach and counts. */
#include "fake.h"

#include <stdio.h>

#define RUN(group) _cmocka_run_group_tests(#group, group##_tests, group##_test_count, NULL, NULL)

int main(void)
{
    const size_t total =
        elf_test_count + stack_test_count + file_test_count + path_test_count + core_test_count;
    int failed = RUN(elf) + RUN(stack) + RUN(file) + RUN(path) + RUN(core);

    printf("%zu passed, %d failed\n", total - (size_t)failed, failed);
    return failed != 0;
}
