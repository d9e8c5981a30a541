/* port_test.c - names and rights: the calls of mach_port.defs, with the errors they return. */
#include <mach_port.h>

#include "lib/test.h"

#define NO_NAME 0x00abcdef

static mach_port_t self(void)
{
    return mach_task_self();
}

static mach_port_type_t type_of(mach_port_t name)
{
    mach_port_type_t type = 0;

    CHECK_EQ(mach_port_type(self(), name, &type), KERN_SUCCESS);
    return type & MACH_PORT_TYPE_ALL_RIGHTS;
}

static mach_port_urefs_t refs_of(mach_port_t name, mach_port_right_t right)
{
    mach_port_urefs_t refs = ~0u;

    CHECK_EQ(mach_port_get_refs(self(), name, right, &refs), KERN_SUCCESS);
    return refs;
}

TEST(a_new_receive_right_has_no_senders)
{
    mach_port_t port;
    mach_port_status_t status;

    CHECK_EQ(mach_port_allocate(self(), MACH_PORT_RIGHT_RECEIVE, &port), KERN_SUCCESS);
    CHECK_EQ(type_of(port), MACH_PORT_TYPE_RECEIVE);
    CHECK_EQ(mach_port_get_receive_status(self(), port, &status), KERN_SUCCESS);
    CHECK_EQ(status.mps_qlimit, MACH_PORT_QLIMIT_DEFAULT);
    CHECK_EQ(status.mps_msgcount, 0);
    CHECK_EQ(status.mps_srights, 0);
    CHECK_EQ(status.mps_mscount, 0);
    CHECK_EQ(mach_port_mod_refs(self(), port, MACH_PORT_RIGHT_RECEIVE, -1), KERN_SUCCESS);
}

TEST(every_kind_of_right_that_can_be_allocated_is_and_others_are_refused)
{
    mach_port_t name;

    CHECK_EQ(mach_port_allocate(self(), MACH_PORT_RIGHT_PORT_SET, &name), KERN_SUCCESS);
    CHECK_EQ(type_of(name), MACH_PORT_TYPE_PORT_SET);
    CHECK_EQ(mach_port_destroy(self(), name), KERN_SUCCESS);
    CHECK_EQ(mach_port_allocate(self(), MACH_PORT_RIGHT_DEAD_NAME, &name), KERN_SUCCESS);
    CHECK_EQ(type_of(name), MACH_PORT_TYPE_DEAD_NAME);
    CHECK_EQ(mach_port_deallocate(self(), name), KERN_SUCCESS);
    CHECK_EQ(mach_port_allocate(self(), MACH_PORT_RIGHT_SEND, &name), KERN_INVALID_VALUE);
    CHECK_EQ(mach_port_allocate(self(), 77, &name), KERN_INVALID_VALUE);
}

TEST(a_stale_name_misses)
{
    mach_port_t port, next;
    mach_port_type_t type;

    CHECK_EQ(mach_port_allocate(self(), MACH_PORT_RIGHT_RECEIVE, &port), KERN_SUCCESS);
    CHECK_EQ(mach_port_mod_refs(self(), port, MACH_PORT_RIGHT_RECEIVE, -1), KERN_SUCCESS);
    CHECK_EQ(mach_port_allocate(self(), MACH_PORT_RIGHT_RECEIVE, &next), KERN_SUCCESS);
    CHECK(next != port);
    CHECK_EQ(mach_port_type(self(), port, &type), KERN_INVALID_NAME);
    CHECK_EQ(mach_port_destroy(self(), next), KERN_SUCCESS);
}

TEST(chosen_names_work_once)
{
    CHECK_EQ(mach_port_allocate_name(self(), MACH_PORT_RIGHT_RECEIVE, 0x1234), KERN_SUCCESS);
    CHECK_EQ(type_of(0x1234), MACH_PORT_TYPE_RECEIVE);
    CHECK_EQ(mach_port_allocate_name(self(), MACH_PORT_RIGHT_RECEIVE, 0x1234), KERN_NAME_EXISTS);
    CHECK_EQ(mach_port_allocate_name(self(), MACH_PORT_RIGHT_RECEIVE, MACH_PORT_NULL),
             KERN_INVALID_VALUE);
    CHECK_EQ(mach_port_allocate_name(self(), MACH_PORT_RIGHT_RECEIVE, MACH_PORT_DEAD),
             KERN_INVALID_VALUE);
    CHECK_EQ(mach_port_destroy(self(), 0x1234), KERN_SUCCESS);
}

TEST(a_right_can_be_renamed)
{
    mach_port_t port = test_port();

    CHECK_EQ(mach_port_rename(self(), port, 0x4321), KERN_SUCCESS);
    CHECK_EQ(type_of(0x4321), MACH_PORT_TYPE_SEND_RECEIVE);
    CHECK_EQ(mach_port_rename(self(), port, 0x4322), KERN_INVALID_NAME);
    CHECK_EQ(mach_port_rename(self(), 0x4321, MACH_PORT_NULL), KERN_INVALID_VALUE);
    port = test_port();
    CHECK_EQ(mach_port_rename(self(), port, 0x4321), KERN_NAME_EXISTS);
    CHECK_EQ(mach_port_destroy(self(), port), KERN_SUCCESS);
    CHECK_EQ(mach_port_destroy(self(), 0x4321), KERN_SUCCESS);
}

TEST(references_are_counted_and_checked)
{
    mach_port_t port = test_port();

    CHECK_EQ(refs_of(port, MACH_PORT_RIGHT_SEND), 1);
    CHECK_EQ(mach_port_mod_refs(self(), port, MACH_PORT_RIGHT_SEND, 10), KERN_SUCCESS);
    CHECK_EQ(refs_of(port, MACH_PORT_RIGHT_SEND), 11);
    CHECK_EQ(mach_port_mod_refs(self(), port, MACH_PORT_RIGHT_SEND, -12), KERN_INVALID_VALUE);
    CHECK_EQ(mach_port_mod_refs(self(), port, MACH_PORT_RIGHT_SEND, 0x7fffffff),
             KERN_UREFS_OVERFLOW);
    CHECK_EQ(mach_port_mod_refs(self(), port, MACH_PORT_RIGHT_SEND, -11), KERN_SUCCESS);
    CHECK_EQ(type_of(port), MACH_PORT_TYPE_RECEIVE);
    CHECK_EQ(mach_port_mod_refs(self(), port, MACH_PORT_RIGHT_SEND, -1), KERN_INVALID_RIGHT);
    CHECK_EQ(mach_port_mod_refs(self(), port, 77, 1), KERN_INVALID_VALUE);
    CHECK_EQ(mach_port_mod_refs(self(), NO_NAME, MACH_PORT_RIGHT_SEND, 1), KERN_INVALID_NAME);
    CHECK_EQ(mach_port_deallocate(self(), port), KERN_INVALID_RIGHT);
    CHECK_EQ(mach_port_mod_refs(self(), port, MACH_PORT_RIGHT_RECEIVE, -1), KERN_SUCCESS);
}

TEST(a_send_right_of_a_dead_port_is_a_dead_name)
{
    mach_port_t port = test_port();

    CHECK_EQ(mach_port_mod_refs(self(), port, MACH_PORT_RIGHT_RECEIVE, -1), KERN_SUCCESS);
    CHECK_EQ(type_of(port), MACH_PORT_TYPE_DEAD_NAME);
    CHECK_EQ(test_send(port, 0, 1, 0, 0), MACH_SEND_INVALID_DEST);
    CHECK_EQ(mach_port_deallocate(self(), port), KERN_SUCCESS);
}

TEST(the_queue_limit_is_bounded)
{
    mach_port_t port = test_port();

    CHECK_EQ(mach_port_set_qlimit(self(), port, MACH_PORT_QLIMIT_MAX), KERN_SUCCESS);
    CHECK_EQ(mach_port_set_qlimit(self(), port, MACH_PORT_QLIMIT_MAX + 1), KERN_INVALID_VALUE);
    CHECK_EQ(mach_port_set_qlimit(self(), NO_NAME, 1), KERN_INVALID_NAME);
    CHECK_EQ(mach_port_set_qlimit(self(), self(), 1), KERN_INVALID_RIGHT);
    mach_port_destroy(self(), port);
}

TEST(make_send_count_and_sequence_number_can_be_set)
{
    mach_port_t port = test_port();
    mach_port_status_t status;

    CHECK_EQ(mach_port_set_mscount(self(), port, 42), KERN_SUCCESS);
    CHECK_EQ(mach_port_set_seqno(self(), port, 7), KERN_SUCCESS);
    CHECK_EQ(mach_port_get_receive_status(self(), port, &status), KERN_SUCCESS);
    CHECK_EQ(status.mps_mscount, 42);
    CHECK_EQ(status.mps_seqno, 7);
    CHECK_EQ(mach_port_get_receive_status(self(), self(), &status), KERN_INVALID_RIGHT);
    mach_port_destroy(self(), port);
}

TEST(a_port_set_delivers_from_all_its_members)
{
    mach_port_t set, a = test_port(), b = test_port();
    struct test_message in;

    CHECK_EQ(mach_port_allocate(self(), MACH_PORT_RIGHT_PORT_SET, &set), KERN_SUCCESS);
    CHECK_EQ(mach_port_move_member(self(), a, set), KERN_SUCCESS);
    CHECK_EQ(mach_port_move_member(self(), b, set), KERN_SUCCESS);
    CHECK_EQ(test_send(b, 0, 2, 0, 0), MACH_MSG_SUCCESS);
    CHECK_EQ(test_send(a, 0, 1, 0, 0), MACH_MSG_SUCCESS);
    CHECK_EQ(test_receive(set, &in, 0, 0), MACH_MSG_SUCCESS);
    CHECK_EQ(in.head.msgh_local_port, in.head.msgh_id == 1 ? a : b);
    CHECK_EQ(test_receive(set, &in, 0, 0), MACH_MSG_SUCCESS);
    CHECK_EQ(test_receive(set, &in, 0, 0), MACH_RCV_TIMED_OUT);
    CHECK_EQ(test_receive(a, &in, 0, 0), MACH_RCV_IN_SET);
    CHECK_EQ(mach_port_move_member(self(), a, MACH_PORT_NULL), KERN_SUCCESS);
    CHECK_EQ(mach_port_move_member(self(), a, MACH_PORT_NULL), KERN_NOT_IN_SET);
    CHECK_EQ(mach_port_move_member(self(), a, NO_NAME), KERN_INVALID_NAME);
    CHECK_EQ(mach_port_destroy(self(), set), KERN_SUCCESS);
    mach_port_destroy(self(), a);
    mach_port_destroy(self(), b);
}

TEST(set_status_lists_the_members)
{
    mach_port_t set, a = test_port();
    mach_port_name_t *members;
    mach_msg_type_number_t count = 0;

    CHECK_EQ(mach_port_allocate(self(), MACH_PORT_RIGHT_PORT_SET, &set), KERN_SUCCESS);
    CHECK_EQ(mach_port_move_member(self(), a, set), KERN_SUCCESS);
    CHECK_EQ(mach_port_get_set_status(self(), set, &members, &count), KERN_SUCCESS);
    CHECK_EQ(count, 1);
    CHECK_EQ(members[0], a);
    syscall_vm_deallocate(self(), (vm_address_t)members, count * sizeof(*members));
    CHECK_EQ(mach_port_get_set_status(self(), a, &members, &count), KERN_INVALID_RIGHT);
    mach_port_destroy(self(), set);
    mach_port_destroy(self(), a);
}

TEST(a_dead_name_notification_comes_when_the_port_dies)
{
    mach_port_t port = test_port(), notify = test_port(), previous = 99;
    struct test_message in;

    CHECK_EQ(mach_port_request_notification(self(), port, MACH_NOTIFY_DEAD_NAME, 0, notify,
                                            MACH_MSG_TYPE_MAKE_SEND_ONCE, &previous),
             KERN_SUCCESS);
    CHECK_EQ(previous, MACH_PORT_NULL);
    CHECK_EQ(mach_port_mod_refs(self(), port, MACH_PORT_RIGHT_RECEIVE, -1), KERN_SUCCESS);
    CHECK_EQ(test_receive(notify, &in, 0, 2000), MACH_MSG_SUCCESS);
    CHECK_EQ(in.head.msgh_id, MACH_NOTIFY_DEAD_NAME);
    CHECK_EQ(refs_of(port, MACH_PORT_RIGHT_DEAD_NAME), 2);
    mach_port_destroy(self(), port);
    mach_port_destroy(self(), notify);
}

TEST(a_no_senders_notification_comes_when_the_last_send_right_goes)
{
    mach_port_t port = test_port(), notify = test_port(), previous;
    struct test_message in;

    CHECK_EQ(mach_port_request_notification(self(), port, MACH_NOTIFY_NO_SENDERS, 1, notify,
                                            MACH_MSG_TYPE_MAKE_SEND_ONCE, &previous),
             KERN_SUCCESS);
    CHECK_EQ(test_receive(notify, &in, 0, 0), MACH_RCV_TIMED_OUT);
    CHECK_EQ(mach_port_deallocate(self(), port), KERN_SUCCESS);
    CHECK_EQ(test_receive(notify, &in, 0, 2000), MACH_MSG_SUCCESS);
    CHECK_EQ(in.head.msgh_id, MACH_NOTIFY_NO_SENDERS);
    mach_port_destroy(self(), port);
    mach_port_destroy(self(), notify);
}

TEST(a_port_destroyed_notification_hands_the_receive_right_over)
{
    mach_port_t port = test_port(), notify = test_port(), previous, revived;
    struct test_message in;

    CHECK_EQ(mach_port_request_notification(self(), port, MACH_NOTIFY_PORT_DESTROYED, 0, notify,
                                            MACH_MSG_TYPE_MAKE_SEND_ONCE, &previous),
             KERN_SUCCESS);
    CHECK_EQ(mach_port_mod_refs(self(), port, MACH_PORT_RIGHT_RECEIVE, -1), KERN_SUCCESS);
    CHECK_EQ(type_of(port), MACH_PORT_TYPE_DEAD_NAME);
    CHECK_EQ(test_receive(notify, &in, 0, 2000), MACH_MSG_SUCCESS);
    CHECK_EQ(in.head.msgh_id, MACH_NOTIFY_PORT_DESTROYED);
    revived = ((mach_port_destroyed_notification_t *)&in)->not_port.name;
    CHECK_EQ(type_of(revived), MACH_PORT_TYPE_RECEIVE);
    mach_port_destroy(self(), port);
    mach_port_destroy(self(), revived);
    mach_port_destroy(self(), notify);
}

TEST(unknown_notifications_are_refused)
{
    mach_port_t port = test_port(), previous;

    CHECK_EQ(mach_port_request_notification(self(), port, 1, 0, port, MACH_MSG_TYPE_MAKE_SEND_ONCE,
                                            &previous),
             KERN_INVALID_VALUE);
    CHECK_EQ(mach_port_request_notification(self(), NO_NAME, MACH_NOTIFY_DEAD_NAME, 0, port,
                                            MACH_MSG_TYPE_MAKE_SEND_ONCE, &previous),
             KERN_INVALID_NAME);
    mach_port_destroy(self(), port);
}

TEST(a_protected_payload_replaces_the_name_of_the_port)
{
    mach_port_t port = test_port();
    struct test_message in;

    CHECK_EQ(mach_port_set_protected_payload(self(), port, 0x1122334455667788), KERN_SUCCESS);
    CHECK_EQ(test_send(port, 0, 1, 0, 0), MACH_MSG_SUCCESS);
    CHECK_EQ(test_receive(port, &in, 0, 0), MACH_MSG_SUCCESS);
    CHECK_EQ(in.head.msgh_protected_payload, 0x1122334455667788);
    CHECK_EQ(MACH_MSGH_BITS_LOCAL(in.head.msgh_bits), MACH_MSG_TYPE_PROTECTED_PAYLOAD);
    CHECK_EQ(mach_port_clear_protected_payload(self(), port), KERN_SUCCESS);
    mach_port_destroy(self(), port);
}

TEST(names_lists_every_name_with_its_type)
{
    mach_port_t port = test_port();
    mach_port_name_t *names;
    mach_port_type_t *types;
    mach_msg_type_number_t name_count, type_count;
    bool found = false;

    CHECK_EQ(mach_port_names(self(), &names, &name_count, &types, &type_count), KERN_SUCCESS);
    CHECK_EQ(name_count, type_count);
    for (mach_msg_type_number_t i = 0; i < name_count; i++) {
        found = found || (names[i] == port &&
                          (types[i] & MACH_PORT_TYPE_ALL_RIGHTS) == MACH_PORT_TYPE_SEND_RECEIVE);
    }
    CHECK(found);
    syscall_vm_deallocate(self(), (vm_address_t)names, name_count * sizeof(*names));
    syscall_vm_deallocate(self(), (vm_address_t)types, type_count * sizeof(*types));
    mach_port_destroy(self(), port);
}

TEST(rights_can_be_extracted_and_inserted)
{
    mach_port_t port = test_port(), right = 0;
    mach_msg_type_name_t type = 0;

    CHECK_EQ(mach_port_extract_right(self(), port, MACH_MSG_TYPE_MAKE_SEND, &right, &type),
             KERN_SUCCESS);
    CHECK_EQ(right, port);
    CHECK_EQ(type, MACH_MSG_TYPE_PORT_SEND);
    CHECK_EQ(refs_of(port, MACH_PORT_RIGHT_SEND), 2);
    CHECK_EQ(mach_port_insert_right(self(), 0x2222, port, MACH_MSG_TYPE_COPY_SEND),
             KERN_RIGHT_EXISTS);
    CHECK_EQ(mach_port_insert_right(self(), 0x2222, NO_NAME, MACH_MSG_TYPE_COPY_SEND),
             MACH_SEND_INVALID_RIGHT);
    CHECK_EQ(mach_port_extract_right(self(), NO_NAME, MACH_MSG_TYPE_COPY_SEND, &right, &type),
             KERN_INVALID_NAME);
    mach_port_destroy(self(), port);
}
