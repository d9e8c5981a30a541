/* main.c - runs all host tests of the memory system and prints one verdict. */
#include <stdio.h>

#include "tests.h"

unsigned tests_run;
unsigned tests_failed;

int main(void)
{
    run_page_tests();
    fake_boot();
    run_slab_tests();
    run_tree_tests();
    run_map_tests();
    run_cow_tests();
    run_fault_tests();
    run_copy_tests();
    run_user_tests();
    run_error_tests();
    run_pager_tests();
    run_pageout_tests();
    run_random_tests();
    printf("%u passed, %u failed\n", tests_run - tests_failed, tests_failed);
    return tests_failed == 0 ? 0 : 1;
}
