/* main.c - runs all host tests of the memory system and prints one verdict; or only histories of
 * random operations: vm_host_test FIRST LAST OPERATIONS [N,N,...], the last to leave out all but
 * those. */
#include <stdio.h>
#include <stdlib.h>

#include "model.h"
#include "tests.h"

unsigned tests_run;
unsigned tests_failed;

/* The operations named, as flags: NULL when none are. */
static uint8_t *chosen(const char *names, unsigned operations)
{
    uint8_t *only = names != NULL ? calloc(operations + 1, 1) : NULL;
    char *end = NULL;

    for (; only != NULL && *names != 0; names = *end == ',' ? end + 1 : end) {
        unsigned long n = strtoul(names, &end, 10);

        if (end == names || n > operations) {
            exit(2);
        }
        only[n] = 1;
    }
    return only;
}

static int run_histories(unsigned first, unsigned last, unsigned operations, const char *names)
{
    uint8_t *only = chosen(names, operations);

    fake_boot();
    for (unsigned history = first; history <= last; history += 1) {
        fake_setup(NULL);
        model_run(history, operations, only);
        expect_code(fake_teardown(NULL), 0);
    }
    free(only);
    printf("%u passed, 0 failed\n", last - first + 1);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc >= 4) {
        return run_histories((unsigned)atol(argv[1]), (unsigned)atol(argv[2]),
                             (unsigned)atol(argv[3]), argv[4]);
    }
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
    run_balloon_tests();
    run_discard_tests();
    run_random_tests();
    printf("%u passed, %u failed\n", tests_run - tests_failed, tests_failed);
    return tests_failed == 0 ? 0 : 1;
}
