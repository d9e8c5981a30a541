/* ipc_test.h - the groups of cases of the host tests of kernel/ipc. */
#ifndef TESTS_HOST_IPC_IPC_TEST_H
#define TESTS_HOST_IPC_IPC_TEST_H

#include "sim.h"

/* One case: its name is a sentence. `row` is handed to the function as *state (cases made from a
 * table). */
struct ipc_test {
    const char *name;
    void (*function)(void **state);
    void *row;
};

#define IPC_TEST(function)                                                                         \
    {                                                                                              \
#function, function, NULL                                                                  \
    }

/* Add the cases of a file to the list; returns how many there are. */
int ipc_test_space(struct ipc_test *tests);
int ipc_test_right(struct ipc_test *tests);
int ipc_test_right_table(struct ipc_test *tests);
int ipc_test_message(struct ipc_test *tests);
int ipc_test_queue(struct ipc_test *tests);
int ipc_test_notify(struct ipc_test *tests);
int ipc_test_kcall(struct ipc_test *tests);

#endif
