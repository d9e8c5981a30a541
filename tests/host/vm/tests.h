/* tests.h - the groups of tests main.c runs. */
#ifndef TEST_VM_TESTS_H
#define TEST_VM_TESTS_H

#include "fake.h"

/* A test whose use of memory is compared before and after. */
#define TEST(function)    cmocka_unit_test_setup_teardown(function, fake_setup, fake_teardown)
#define TEST_COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* Each runs its tests and adds to the totals. */
void run_page_tests(void);
void run_slab_tests(void);
void run_tree_tests(void);
void run_map_tests(void);
void run_cow_tests(void);
void run_fault_tests(void);
void run_copy_tests(void);
void run_user_tests(void);
void run_error_tests(void);
void run_pager_tests(void);
void run_pageout_tests(void);
void run_balloon_tests(void);
void run_discard_tests(void);
void run_random_tests(void);

extern unsigned tests_run;
extern unsigned tests_failed;
#define RUN_GROUP(tests)                                                                           \
    do {                                                                                           \
        tests_run += (unsigned)TEST_COUNT(tests);                                                  \
        tests_failed += (unsigned)cmocka_run_group_tests(tests, NULL, NULL);                       \
    } while (0)

#endif
