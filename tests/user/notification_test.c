/* notification_test.c - the six messages the kernel sends about rights: when, what they say, and
 * who cannot make them. */
#include <mach.h>
#include <mach_port.h>
#include <string.h>

#include "lib/ipc.h"

static struct ipc_message in, out;

static mach_port_t self(void)
{
    return mach_task_self();
}

static kern_return_t request(mach_port_t name, int id, unsigned sync, mach_port_t notify,
                             mach_port_t *previous)
{
    return mach_port_request_notification(self(), name, id, sync, notify,
                                          MACH_MSG_TYPE_MAKE_SEND_ONCE, previous);
}

static kern_return_t cancel(mach_port_t name, int id, mach_port_t *previous)
{
    return mach_port_request_notification(self(), name, id, 0, MACH_PORT_NULL,
                                          MACH_MSG_TYPE_MOVE_SEND_ONCE, previous);
}

/* A notification of that kind arrives, well formed; its one word or name. */
static uint32_t expect(mach_port_t notify, int id, uint32_t type_word)
{
    mach_port_deleted_notification_t *n = (mach_port_deleted_notification_t *)&in;

    CHECK_EQ(ipc_receive(notify, &in, 0, 1000), MACH_MSG_SUCCESS);
    CHECK_EQ(in.head.msgh_id, id);
    CHECK_EQ(MACH_MSGH_BITS_LOCAL(in.head.msgh_bits), MACH_MSG_TYPE_PORT_SEND_ONCE);
    CHECK_EQ(in.head.msgh_remote_port, MACH_PORT_NULL);
    if (id == MACH_NOTIFY_SEND_ONCE) {
        CHECK_EQ(in.head.msgh_size, 32);
        return 0;
    }
    CHECK_EQ(in.head.msgh_size, 48);
    CHECK_EQ(*(uint32_t *)&n->not_type, type_word);
    CHECK_EQ(n->not_type.msgt_number, 1);
    CHECK_EQ(n->not_pad, 0);
    return n->not_port;
}

#define NAME_WORD    MACH_MSG_TYPE_WORD(MACH_MSG_TYPE_PORT_NAME, 32, MACH_MSG_TYPE_WORD_INLINE)
#define NUMBER_WORD  MACH_MSG_TYPE_WORD(MACH_MSG_TYPE_INTEGER_32, 32, MACH_MSG_TYPE_WORD_INLINE)
#define RECEIVE_WORD MACH_MSG_TYPE_WORD(MACH_MSG_TYPE_PORT_RECEIVE, 64, MACH_MSG_TYPE_WORD_INLINE)

static void expect_none(mach_port_t notify)
{
    CHECK_EQ(ipc_receive(notify, &in, 0, 0), MACH_RCV_TIMED_OUT);
}

/* --- dead names --- */

TEST(a_dead_name_notification_names_the_dead_and_adds_a_reference)
{
    mach_port_t port = test_port(), notify = ipc_receive_right(), previous;

    CHECK_EQ(request(port, MACH_NOTIFY_DEAD_NAME, 0, notify, &previous), KERN_SUCCESS);
    CHECK_EQ(previous, MACH_PORT_NULL);
    CHECK_EQ(mach_port_mod_refs(self(), port, MACH_PORT_RIGHT_RECEIVE, -1), KERN_SUCCESS);
    CHECK_EQ(expect(notify, MACH_NOTIFY_DEAD_NAME, NAME_WORD), port);
    CHECK_EQ(ipc_refs(port, MACH_PORT_RIGHT_DEAD_NAME), 2);
    ipc_drop(port);
    ipc_drop(notify);
}

TEST(a_second_request_returns_the_first_and_takes_its_place)
{
    mach_port_t port = test_port(), a = ipc_receive_right(), b = ipc_receive_right(), previous;

    CHECK_EQ(request(port, MACH_NOTIFY_DEAD_NAME, 0, a, &previous), KERN_SUCCESS);
    CHECK_EQ(request(port, MACH_NOTIFY_DEAD_NAME, 0, b, &previous), KERN_SUCCESS);
    CHECK_EQ(ipc_type(previous), MACH_PORT_TYPE_SEND_ONCE);
    CHECK_EQ(mach_port_deallocate(self(), previous), KERN_SUCCESS);
    expect(a, MACH_NOTIFY_SEND_ONCE, 0);
    CHECK_EQ(mach_port_mod_refs(self(), port, MACH_PORT_RIGHT_RECEIVE, -1), KERN_SUCCESS);
    CHECK_EQ(expect(b, MACH_NOTIFY_DEAD_NAME, NAME_WORD), port);
    expect_none(a);
    ipc_drop(port);
    ipc_drop(a);
    ipc_drop(b);
}

TEST(a_cancelled_dead_name_request_says_nothing)
{
    mach_port_t port = test_port(), notify = ipc_receive_right(), previous;

    CHECK_EQ(request(port, MACH_NOTIFY_DEAD_NAME, 0, notify, &previous), KERN_SUCCESS);
    CHECK_EQ(cancel(port, MACH_NOTIFY_DEAD_NAME, &previous), KERN_SUCCESS);
    CHECK_EQ(mach_port_deallocate(self(), previous), KERN_SUCCESS);
    expect(notify, MACH_NOTIFY_SEND_ONCE, 0);
    CHECK_EQ(mach_port_mod_refs(self(), port, MACH_PORT_RIGHT_RECEIVE, -1), KERN_SUCCESS);
    expect_none(notify);
    CHECK_EQ(ipc_refs(port, MACH_PORT_RIGHT_DEAD_NAME), 1);
    ipc_drop(port);
    ipc_drop(notify);
}

TEST(a_request_on_a_dead_name_is_answered_at_once_or_refused)
{
    mach_port_t dead = ipc_dead_name(), notify = ipc_receive_right(), previous = 0;

    CHECK_EQ(request(dead, MACH_NOTIFY_DEAD_NAME, 0, notify, &previous), KERN_INVALID_ARGUMENT);
    expect(notify, MACH_NOTIFY_SEND_ONCE, 0); /* the right made for the request */
    CHECK_EQ(request(dead, MACH_NOTIFY_DEAD_NAME, 1, notify, &previous), KERN_SUCCESS);
    CHECK_EQ(expect(notify, MACH_NOTIFY_DEAD_NAME, NAME_WORD), dead);
    CHECK_EQ(ipc_refs(dead, MACH_PORT_RIGHT_DEAD_NAME), 2);
    CHECK_EQ(mach_port_mod_refs(self(), dead, MACH_PORT_RIGHT_DEAD_NAME, 0xfffd), KERN_SUCCESS);
    CHECK_EQ(request(dead, MACH_NOTIFY_DEAD_NAME, 1, notify, &previous), KERN_UREFS_OVERFLOW);
    ipc_drop(dead);
    ipc_drop(notify);
}

TEST(a_name_deleted_before_its_port_dies_is_port_deleted)
{
    mach_port_t port = ipc_receive_right(), once = ipc_send_once(port),
                notify = ipc_receive_right(), previous;

    CHECK_EQ(request(once, MACH_NOTIFY_DEAD_NAME, 0, notify, &previous), KERN_SUCCESS);
    CHECK_EQ(mach_port_deallocate(self(), once), KERN_SUCCESS);
    CHECK_EQ(expect(notify, MACH_NOTIFY_PORT_DELETED, NAME_WORD), once);
    CHECK_EQ(ipc_type(once), 0);
    ipc_drop(port);
    ipc_drop(notify);
}

TEST(a_renamed_right_dies_under_its_new_name)
{
    mach_port_t port = test_port(), notify = ipc_receive_right(), previous;

    CHECK_EQ(request(port, MACH_NOTIFY_DEAD_NAME, 0, notify, &previous), KERN_SUCCESS);
    CHECK_EQ(mach_port_rename(self(), port, 0x6001), KERN_SUCCESS);
    CHECK_EQ(mach_port_mod_refs(self(), 0x6001, MACH_PORT_RIGHT_RECEIVE, -1), KERN_SUCCESS);
    CHECK_EQ(expect(notify, MACH_NOTIFY_DEAD_NAME, NAME_WORD), 0x6001);
    ipc_drop(0x6001);
    ipc_drop(notify);
}

TEST(the_death_of_a_task_is_a_dead_name)
{
    mach_port_t task = MACH_PORT_NULL, notify = ipc_receive_right(), previous;

    CHECK_EQ(task_create(self(), FALSE, &task), KERN_SUCCESS);
    CHECK_EQ(request(task, MACH_NOTIFY_DEAD_NAME, 0, notify, &previous), KERN_SUCCESS);
    CHECK_EQ(task_terminate(task), KERN_SUCCESS);
    CHECK_EQ(expect(notify, MACH_NOTIFY_DEAD_NAME, NAME_WORD), task);
    ipc_drop(task);
    ipc_drop(notify);
}

TEST(a_notification_that_goes_to_the_dying_port_itself_is_lost_quietly)
{
    mach_port_t port = test_port(), previous;

    CHECK_EQ(request(port, MACH_NOTIFY_DEAD_NAME, 0, port, &previous), KERN_SUCCESS);
    CHECK_EQ(request(port, MACH_NOTIFY_NO_SENDERS, 99, port, &previous), KERN_SUCCESS);
    CHECK_EQ(mach_port_mod_refs(self(), port, MACH_PORT_RIGHT_RECEIVE, -1), KERN_SUCCESS);
    CHECK_EQ(ipc_type(port), MACH_PORT_TYPE_DEAD_NAME);
    ipc_drop(port);
}

/* --- no senders --- */

TEST(no_senders_comes_at_once_when_there_are_none_and_enough_were_made)
{
    mach_port_t port = ipc_receive_right(), notify = ipc_receive_right(), previous;

    CHECK_EQ(request(port, MACH_NOTIFY_NO_SENDERS, 1, notify, &previous), KERN_SUCCESS);
    expect_none(notify); /* none was made yet */
    CHECK_EQ(cancel(port, MACH_NOTIFY_NO_SENDERS, &previous), KERN_SUCCESS);
    mach_port_deallocate(self(), previous);
    expect(notify, MACH_NOTIFY_SEND_ONCE, 0);
    CHECK_EQ(request(port, MACH_NOTIFY_NO_SENDERS, 0, notify, &previous), KERN_SUCCESS);
    CHECK_EQ(expect(notify, MACH_NOTIFY_NO_SENDERS, NUMBER_WORD), 0);
    ipc_drop(port);
    ipc_drop(notify);
}

TEST(no_senders_says_how_many_send_rights_were_made)
{
    mach_port_t port = test_port(), notify = ipc_receive_right(), previous;

    for (unsigned i = 0; i < 4; i++) {
        CHECK_EQ(mach_port_insert_right(self(), port, port, MACH_MSG_TYPE_MAKE_SEND), KERN_SUCCESS);
    }
    CHECK_EQ(request(port, MACH_NOTIFY_NO_SENDERS, 1, notify, &previous), KERN_SUCCESS);
    CHECK_EQ(mach_port_mod_refs(self(), port, MACH_PORT_RIGHT_SEND, -4), KERN_SUCCESS);
    expect_none(notify);
    CHECK_EQ(mach_port_deallocate(self(), port), KERN_SUCCESS);
    CHECK_EQ(expect(notify, MACH_NOTIFY_NO_SENDERS, NUMBER_WORD), 5);
    ipc_drop(port);
    ipc_drop(notify);
}

TEST(a_send_right_in_a_queue_is_a_sender)
{
    mach_port_t port = ipc_receive_right(), box = test_port(), notify = ipc_receive_right(),
                previous;

    CHECK_EQ(request(port, MACH_NOTIFY_NO_SENDERS, 1, notify, &previous), KERN_SUCCESS);
    ipc_begin(&out, box, MACH_MSG_TYPE_COPY_SEND, 1);
    ipc_add_ports(&out, &port, 1, MACH_MSG_TYPE_MAKE_SEND);
    CHECK_EQ(ipc_send(&out, 0, 0), MACH_MSG_SUCCESS);
    expect_none(notify);
    CHECK_EQ(ipc_receive(box, &in, 0, 0), MACH_MSG_SUCCESS);
    CHECK_EQ(ipc_type(port), MACH_PORT_TYPE_SEND_RECEIVE);
    CHECK_EQ(mach_port_deallocate(self(), port), KERN_SUCCESS);
    CHECK_EQ(expect(notify, MACH_NOTIFY_NO_SENDERS, NUMBER_WORD), 1);
    ipc_drop(port);
    ipc_drop(box);
    ipc_drop(notify);
}

TEST(send_once_rights_are_no_senders)
{
    mach_port_t port = test_port(), notify = ipc_receive_right(), previous, once;

    once = ipc_send_once(port);
    CHECK_EQ(request(port, MACH_NOTIFY_NO_SENDERS, 1, notify, &previous), KERN_SUCCESS);
    CHECK_EQ(mach_port_deallocate(self(), port), KERN_SUCCESS);
    CHECK_EQ(expect(notify, MACH_NOTIFY_NO_SENDERS, NUMBER_WORD), 1);
    ipc_drop(once);
    ipc_drop(port);
    ipc_drop(notify);
}

TEST(the_death_of_the_last_task_with_a_send_right_is_no_senders)
{
    mach_port_t port = ipc_receive_right(), notify = ipc_receive_right(), previous, task = 0;

    CHECK_EQ(task_create(self(), FALSE, &task), KERN_SUCCESS);
    CHECK_EQ(mach_port_insert_right(task, 0x90, port, MACH_MSG_TYPE_MAKE_SEND), KERN_SUCCESS);
    CHECK_EQ(request(port, MACH_NOTIFY_NO_SENDERS, 1, notify, &previous), KERN_SUCCESS);
    expect_none(notify);
    CHECK_EQ(task_terminate(task), KERN_SUCCESS);
    CHECK_EQ(expect(notify, MACH_NOTIFY_NO_SENDERS, NUMBER_WORD), 1);
    mach_port_destroy(self(), task);
    ipc_drop(port);
    ipc_drop(notify);
}

/* --- port destroyed --- */

TEST(port_destroyed_saves_the_right_its_queue_and_its_senders)
{
    mach_port_t port = test_port(), notify = ipc_receive_right(), previous;

    CHECK_EQ(test_send(port, 0, 31, 0, 0), MACH_MSG_SUCCESS);
    CHECK_EQ(request(port, MACH_NOTIFY_PORT_DESTROYED, 0, notify, &previous), KERN_SUCCESS);
    CHECK_EQ(mach_port_mod_refs(self(), port, MACH_PORT_RIGHT_RECEIVE, -1), KERN_SUCCESS);
    port = expect(notify, MACH_NOTIFY_PORT_DESTROYED, RECEIVE_WORD);
    CHECK_EQ(ipc_status(port).mps_msgcount, 1);
    CHECK_EQ(ipc_receive(port, &in, 0, 0), MACH_MSG_SUCCESS);
    CHECK_EQ(in.head.msgh_id, 31);
    CHECK(!ipc_status(port).mps_pdrequest);
    ipc_drop(port);
    ipc_drop(notify);
}

TEST(port_destroyed_comes_when_the_task_with_the_right_ends)
{
    mach_port_t task = 0, port = test_port(), notify = ipc_receive_right(), previous, got;

    CHECK_EQ(request(port, MACH_NOTIFY_PORT_DESTROYED, 0, notify, &previous), KERN_SUCCESS);
    CHECK_EQ(task_create(self(), FALSE, &task), KERN_SUCCESS);
    CHECK_EQ(mach_port_insert_right(task, 0x90, port, MACH_MSG_TYPE_MOVE_RECEIVE), KERN_SUCCESS);
    CHECK_EQ(task_terminate(task), KERN_SUCCESS);
    got = expect(notify, MACH_NOTIFY_PORT_DESTROYED, RECEIVE_WORD);
    CHECK_EQ(got, port); /* the send right under it lives */
    CHECK_EQ(ipc_type(got), MACH_PORT_TYPE_SEND_RECEIVE);
    mach_port_destroy(self(), task);
    ipc_drop(got);
    ipc_drop(notify);
}

TEST(port_destroyed_takes_no_number_and_only_one_request)
{
    mach_port_t port = test_port(), notify = ipc_receive_right(), previous;

    CHECK_EQ(request(port, MACH_NOTIFY_PORT_DESTROYED, 1, notify, &previous), KERN_INVALID_VALUE);
    expect(notify, MACH_NOTIFY_SEND_ONCE, 0);
    CHECK_EQ(request(notify, MACH_NOTIFY_PORT_DESTROYED, 0, port, &previous), KERN_SUCCESS);
    CHECK_EQ(cancel(notify, MACH_NOTIFY_PORT_DESTROYED, &previous), KERN_SUCCESS);
    CHECK_EQ(mach_port_deallocate(self(), previous), KERN_SUCCESS);
    ipc_drop(port);
    ipc_drop(notify);
}

TEST(a_receive_right_whose_saviour_is_dead_dies)
{
    mach_port_t port = test_port(), notify = ipc_receive_right(), previous;

    CHECK_EQ(request(port, MACH_NOTIFY_PORT_DESTROYED, 0, notify, &previous), KERN_SUCCESS);
    ipc_drop(notify);
    CHECK_EQ(mach_port_mod_refs(self(), port, MACH_PORT_RIGHT_RECEIVE, -1), KERN_SUCCESS);
    CHECK_EQ(ipc_type(port), MACH_PORT_TYPE_DEAD_NAME);
    CHECK_EQ(test_send(port, 0, 1, 0, 0), MACH_SEND_INVALID_DEST);
    ipc_drop(port);
}

/* --- requests that are refused --- */

TEST(requests_need_the_right_they_are_about)
{
    mach_port_t port = test_port(), set = ipc_set(), once = ipc_send_once(port), previous;

    CHECK_EQ(request(set, MACH_NOTIFY_DEAD_NAME, 0, port, &previous), KERN_INVALID_RIGHT);
    CHECK_EQ(request(once, MACH_NOTIFY_NO_SENDERS, 0, port, &previous), KERN_INVALID_RIGHT);
    CHECK_EQ(request(once, MACH_NOTIFY_PORT_DESTROYED, 0, port, &previous), KERN_INVALID_RIGHT);
    CHECK_EQ(request(port, MACH_NOTIFY_SEND_ONCE, 0, port, &previous), KERN_INVALID_VALUE);
    CHECK_EQ(request(port, MACH_NOTIFY_PORT_DELETED, 0, port, &previous), KERN_INVALID_VALUE);
    CHECK_EQ(request(port, MACH_NOTIFY_MSG_ACCEPTED, 0, port, &previous), KERN_INVALID_VALUE);
    ipc_drop(once);
    ipc_drop(set);
    ipc_drop(port);
}

TEST(a_request_to_a_dead_name_is_refused)
{
    mach_port_t port = test_port(), dead = ipc_dead_name(), previous;

    CHECK_EQ(mach_port_request_notification(self(), port, MACH_NOTIFY_DEAD_NAME, 0, dead,
                                            MACH_MSG_TYPE_MOVE_SEND_ONCE, &previous),
             KERN_INVALID_CAPABILITY);
    ipc_drop(port);
}
