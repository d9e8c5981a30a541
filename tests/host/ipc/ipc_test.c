/* ipc_test.c - run all host tests of kernel/ipc, or those whose name contains the argument. */
#include "ipc_test.h"

#include <stdio.h>
#include <stdlib.h>

#define IPC_TEST_MAX 500

static struct ipc_test tests[IPC_TEST_MAX];
static struct CMUnitTest cases[IPC_TEST_MAX];

/* "a_name_of_a_case" reads "a name of a case". */
static const char *sentence(const char *name)
{
    char *text = strdup(name);
    char *at;

    for (at = text; *at != '\0'; at++) {
        if (*at == '_') {
            *at = ' ';
        }
    }
    return text;
}

int main(int argc, char **argv)
{
    const char *only = argc > 1 ? argv[1] : NULL;
    int count = 0;
    int chosen = 0;
    int failed;
    int i;

    count += ipc_test_space(tests + count);
    count += ipc_test_right(tests + count);
    count += ipc_test_right_table(tests + count);
    count += ipc_test_message(tests + count);
    count += ipc_test_queue(tests + count);
    count += ipc_test_notify(tests + count);
    count += ipc_test_kcall(tests + count);
    for (i = 0; i < count; i++) {
        if (only == NULL || strstr(tests[i].name, only) != NULL) {
            cases[chosen] = (struct CMUnitTest){sentence(tests[i].name), tests[i].function,
                                                sim_setup, sim_teardown, tests[i].row};
            chosen += 1;
        }
    }
    sim_init();
    failed = _cmocka_run_group_tests("kernel/ipc", cases, (size_t)chosen, NULL, NULL);
    for (i = 0; i < chosen; i++) {
        free((char *)(uintptr_t)cases[i].name);
    }
    printf("%d passed, %d failed\n", chosen - failed, failed);
    return failed == 0 ? 0 : 1;
}
