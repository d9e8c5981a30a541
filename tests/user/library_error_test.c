/* library_error_test.c - the codes of the library's own routines. */
#include <mach.h>
#include <mach_port.h>
#include <portolan.h>
#include <portolan/server_loop.h>
#include <stdlib.h>
#include <string.h>

#include "lib/test.h"

#define NO_NAME 0x00abcdef

TEST(a_service_nobody_has_declared_is_not_found)
{
    mach_port_t port;

    CHECK_EQ(portolan_look_up("no-such-service", &port), KERN_INVALID_NAME);
    CHECK_EQ(portolan_check_in("no-such-service", &port), KERN_INVALID_NAME);
}

TEST_CHILD(without_bootstrap)
{
    mach_port_t port;
    char *ports = strstr(getenv("PORTS"), "bootstrap:");

    CHECK(ports != NULL);
    *ports = 'B'; /* a right of another name */
    CHECK_EQ(task_set_special_port(mach_task_self(), TASK_BOOTSTRAP_PORT, MACH_PORT_NULL),
             KERN_SUCCESS);
    CHECK_EQ(portolan_look_up("hello", &port), KERN_FAILURE);
    CHECK_EQ(portolan_check_in("hello", &port), KERN_FAILURE);
}

TEST(without_a_bootstrap_port_nothing_is_found)
{
    CHECK_EQ(test_run_child("without_bootstrap"), 0);
}

TEST(a_server_port_goes_into_port_sets_only)
{
    mach_port_t plain = test_port();
    mach_port_t port;

    CHECK_EQ(server_port_create(NO_NAME, &port), KERN_INVALID_NAME);
    CHECK_EQ(server_port_create(plain, &port), KERN_INVALID_RIGHT);
    CHECK_EQ(server_object_create(NO_NAME, 1, &port), KERN_INVALID_NAME);
    CHECK_EQ(server_object_create(plain, 1, &port), KERN_INVALID_RIGHT);
    CHECK_EQ(mach_port_destroy(mach_task_self(), plain), KERN_SUCCESS);
}

TEST(only_rights_are_watched)
{
    mach_port_t port = test_port();
    mach_port_t set;

    CHECK_EQ(server_set_create(&set), KERN_SUCCESS);
    CHECK_EQ(server_watch_senders(NO_NAME, 0), MACH_SEND_INVALID_RIGHT);
    CHECK_EQ(server_watch_senders(set, 0), MACH_SEND_INVALID_RIGHT);
    CHECK_EQ(server_watch_death(NO_NAME, port), KERN_INVALID_NAME);
    CHECK_EQ(server_watch_death(set, port), KERN_INVALID_RIGHT);
    CHECK_EQ(mach_port_destroy(mach_task_self(), set), KERN_SUCCESS);
    CHECK_EQ(mach_port_destroy(mach_task_self(), port), KERN_SUCCESS);
}

TEST_CHILD(without_threads)
{
    struct server server = {0};

    CHECK_EQ(task_set_ledger_limit(mach_host_self(), mach_task_self(), PORTOLAN_LEDGER_THREADS, 1),
             KERN_SUCCESS);
    CHECK_EQ(server_add_thread(&server), KERN_RESOURCE_SHORTAGE);
}

TEST(a_server_at_its_limit_of_threads_gets_no_more)
{
    CHECK_EQ(test_run_child("without_threads"), 0);
}
