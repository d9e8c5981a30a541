/* port_error_test.c - the codes of the routines on names that port_test.c has no story for, and of
 * their trap twins. */
#include <mach_debug.h>
#include <mach_port.h>
#include <portolan.h>

#include "lib/test.h"

#define NO_NAME 0x00abcdef

static mach_port_t self(void)
{
    return mach_task_self();
}

TEST(a_name_that_denotes_nothing_is_refused)
{
    mach_port_t privileged = portolan_port("host");
    mach_port_status_t status;
    mach_port_rights_t rights;
    unsigned total, used;
    vm_offset_t address;

    CHECK_EQ(mach_port_destroy(self(), NO_NAME), KERN_INVALID_NAME);
    CHECK_EQ(mach_port_set_mscount(self(), NO_NAME, 1), KERN_INVALID_NAME);
    CHECK_EQ(mach_port_set_seqno(self(), NO_NAME, 1), KERN_INVALID_NAME);
    CHECK_EQ(mach_port_set_protected_payload(self(), NO_NAME, 1), KERN_INVALID_NAME);
    CHECK_EQ(mach_port_clear_protected_payload(self(), NO_NAME), KERN_INVALID_NAME);
    CHECK_EQ(mach_port_get_receive_status(self(), NO_NAME, &status), KERN_INVALID_NAME);
    CHECK_EQ(mach_port_set_ktype(privileged, self(), NO_NAME, MACH_PORT_RIGHT_SEND, 0),
             KERN_INVALID_NAME);
    CHECK_EQ(mach_port_get_srights(self(), NO_NAME, &rights), KERN_INVALID_NAME);
    CHECK_EQ(mach_port_dnrequest_info(self(), NO_NAME, &total, &used), KERN_INVALID_NAME);
    CHECK_EQ(mach_port_kernel_object(self(), NO_NAME, &total, &address), KERN_INVALID_NAME);
}

TEST(a_name_without_the_right_is_refused)
{
    mach_port_t privileged = portolan_port("host");
    mach_port_t host = mach_host_self(); /* a send right and no more */
    mach_port_t set, previous;
    mach_msg_type_name_t type;
    unsigned total, used;

    CHECK_EQ(mach_port_allocate(self(), MACH_PORT_RIGHT_PORT_SET, &set), KERN_SUCCESS);
    CHECK_EQ(mach_port_set_mscount(self(), host, 1), KERN_INVALID_RIGHT);
    CHECK_EQ(mach_port_set_seqno(self(), host, 1), KERN_INVALID_RIGHT);
    CHECK_EQ(mach_port_set_protected_payload(self(), host, 1), KERN_INVALID_RIGHT);
    CHECK_EQ(mach_port_clear_protected_payload(self(), host), KERN_INVALID_RIGHT);
    CHECK_EQ(mach_port_dnrequest_info(self(), host, &total, &used), KERN_INVALID_RIGHT);
    CHECK_EQ(mach_port_set_ktype(privileged, self(), host, MACH_PORT_RIGHT_RECEIVE, 0),
             KERN_INVALID_RIGHT);
    CHECK_EQ(mach_port_extract_right(self(), set, MACH_MSG_TYPE_COPY_SEND, &previous, &type),
             KERN_INVALID_RIGHT);
    CHECK_EQ(mach_port_request_notification(self(), set, MACH_NOTIFY_DEAD_NAME, 0, MACH_PORT_NULL,
                                            MACH_MSG_TYPE_MAKE_SEND_ONCE, &previous),
             KERN_INVALID_RIGHT);
    CHECK_EQ(mach_port_destroy(self(), set), KERN_SUCCESS);
}

TEST(values_that_mean_nothing_are_refused)
{
    mach_port_t privileged = portolan_port("host");
    mach_port_t port = test_port();
    mach_port_t right;
    mach_msg_type_name_t type;

    CHECK_EQ(mach_port_set_ktype(privileged, self(), port, MACH_PORT_RIGHT_RECEIVE, 99),
             KERN_INVALID_ARGUMENT);
    CHECK_EQ(mach_port_set_ktype(privileged, self(), port, 99, 0), KERN_INVALID_VALUE);
    CHECK_EQ(mach_port_extract_right(self(), port, 99, &right, &type), KERN_INVALID_VALUE);
    CHECK_EQ(mach_port_destroy(self(), port), KERN_SUCCESS);
}

TEST(a_request_about_a_dead_name_needs_somebody_to_tell_and_a_reference)
{
    mach_port_t port = test_port();
    mach_port_t notify = test_port();
    mach_port_t previous;

    CHECK_EQ(mach_port_mod_refs(self(), port, MACH_PORT_RIGHT_RECEIVE, -1), KERN_SUCCESS);
    CHECK_EQ(mach_port_request_notification(self(), port, MACH_NOTIFY_DEAD_NAME, 0, notify,
                                            MACH_MSG_TYPE_MAKE_SEND_ONCE, &previous),
             KERN_INVALID_ARGUMENT);
    CHECK_EQ(mach_port_mod_refs(self(), port, MACH_PORT_RIGHT_DEAD_NAME, 65534), KERN_SUCCESS);
    CHECK_EQ(mach_port_request_notification(self(), port, MACH_NOTIFY_DEAD_NAME, 1, notify,
                                            MACH_MSG_TYPE_MAKE_SEND_ONCE, &previous),
             KERN_UREFS_OVERFLOW);
    CHECK_EQ(mach_port_destroy(self(), port), KERN_SUCCESS);
    CHECK_EQ(mach_port_destroy(self(), notify), KERN_SUCCESS);
}

/* Names are charged a few at a time: what is left of them is used up first. */
TEST_CHILD(without_names)
{
    mach_port_t first, name, port = test_port();

    CHECK_EQ(mach_port_allocate(self(), MACH_PORT_RIGHT_DEAD_NAME, &first), KERN_SUCCESS);
    CHECK_EQ(task_set_ledger_limit(mach_host_self(), self(), PORTOLAN_LEDGER_NAMES, 0),
             KERN_SUCCESS);
    while (mach_port_allocate(self(), MACH_PORT_RIGHT_DEAD_NAME, &name) == KERN_SUCCESS) {
    }
    CHECK_EQ(mach_port_allocate(self(), MACH_PORT_RIGHT_DEAD_NAME, &name), KERN_NO_SPACE);
    CHECK_EQ(mach_port_allocate_name(self(), MACH_PORT_RIGHT_DEAD_NAME, 0x4000), KERN_NO_SPACE);
    CHECK_EQ(mach_port_rename(self(), first, 0x4000), KERN_NO_SPACE);
    CHECK_EQ(mach_port_insert_right(self(), 0x4000, mach_host_self(), MACH_MSG_TYPE_COPY_SEND),
             KERN_RIGHT_EXISTS);
    CHECK_EQ(mach_port_insert_right(self(), 0x4000, port, MACH_MSG_TYPE_MAKE_SEND_ONCE),
             KERN_NO_SPACE);
}

TEST(a_task_at_its_limit_of_names_gets_no_more)
{
    CHECK_EQ(test_run_child("without_names"), 0);
}

TEST(the_traps_refuse_a_name_that_is_no_task)
{
    mach_port_t host = mach_host_self();
    mach_port_t name;

    CHECK_EQ(syscall_mach_port_allocate(host, MACH_PORT_RIGHT_RECEIVE, &name),
             KERN_INVALID_ARGUMENT);
    CHECK_EQ(syscall_mach_port_allocate_name(host, MACH_PORT_RIGHT_RECEIVE, 77),
             KERN_INVALID_ARGUMENT);
    CHECK_EQ(syscall_mach_port_deallocate(host, host), KERN_INVALID_ARGUMENT);
    CHECK_EQ(syscall_mach_port_insert_right(host, 77, host, MACH_MSG_TYPE_COPY_SEND),
             KERN_INVALID_ARGUMENT);
    CHECK_EQ(syscall_mach_port_insert_right(self(), 77, NO_NAME, MACH_MSG_TYPE_COPY_SEND),
             KERN_INVALID_NAME);
    CHECK_EQ(syscall_mach_port_insert_right(self(), 77, host, MACH_MSG_TYPE_MAKE_SEND),
             KERN_INVALID_RIGHT);
}
