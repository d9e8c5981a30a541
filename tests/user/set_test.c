/* set_test.c - port sets: many receivers, members that come and go with messages queued. */
#include <mach_port.h>
#include <string.h>

#include "lib/ipc.h"

static struct ipc_message in;

static mach_port_t self(void)
{
    return mach_task_self();
}

static void move(mach_port_t member, mach_port_t set)
{
    CHECK_EQ(mach_port_move_member(self(), member, set), KERN_SUCCESS);
}

static mach_port_t member_of(mach_port_t set)
{
    mach_port_t port = test_port();

    move(port, set);
    return port;
}

TEST(many_receivers_on_one_set_each_get_one_message)
{
    enum { RECEIVERS = 6 };
    static struct ipc_message messages[RECEIVERS];
    struct ipc_call receivers[RECEIVERS];
    mach_port_t set = ipc_set(), a = member_of(set), b = member_of(set);
    unsigned seen = 0;

    for (unsigned i = 0; i < RECEIVERS; i++) {
        ipc_call_receive(&receivers[i], set, &messages[i], 0, 0);
    }
    for (unsigned i = 0; i < RECEIVERS; i++) {
        CHECK_EQ(test_send(i % 2 == 0 ? a : b, 0, (int)i, 0, 0), MACH_MSG_SUCCESS);
    }
    for (unsigned i = 0; i < RECEIVERS; i++) {
        CHECK_EQ(ipc_call_end(&receivers[i]), MACH_MSG_SUCCESS);
        seen |= 1u << messages[i].head.msgh_id;
        CHECK_EQ(messages[i].head.msgh_local_port, messages[i].head.msgh_id % 2 == 0 ? a : b);
    }
    CHECK_EQ(seen, (1u << RECEIVERS) - 1);
    ipc_drop(set);
    ipc_drop(a);
    ipc_drop(b);
}

TEST(receivers_that_waited_longest_are_served_first)
{
    enum { RECEIVERS = 5 };
    static struct ipc_message messages[RECEIVERS];
    struct ipc_call receivers[RECEIVERS];
    mach_port_t set = ipc_set(), a = member_of(set);

    for (unsigned i = 0; i < RECEIVERS; i++) {
        ipc_call_receive(&receivers[i], set, &messages[i], 0, 0);
    }
    for (unsigned i = 0; i < RECEIVERS; i++) {
        CHECK_EQ(test_send(a, 0, (int)i, 0, 0), MACH_MSG_SUCCESS);
    }
    for (unsigned i = 0; i < RECEIVERS; i++) {
        CHECK_EQ(ipc_call_end(&receivers[i]), MACH_MSG_SUCCESS);
        CHECK_EQ(messages[i].head.msgh_id, i);
    }
    ipc_drop(set);
    ipc_drop(a);
}

TEST(members_with_messages_take_turns)
{
    mach_port_t set = ipc_set(), ports[3];
    unsigned last = 99;

    for (unsigned i = 0; i < 3; i++) {
        ports[i] = member_of(set);
        for (unsigned n = 0; n < 4; n++) {
            CHECK_EQ(test_send(ports[i], 0, (int)i, 0, 0), MACH_MSG_SUCCESS);
        }
    }
    for (unsigned i = 0; i < 12; i++) {
        CHECK_EQ(ipc_receive(set, &in, 0, 0), MACH_MSG_SUCCESS);
        CHECK(in.head.msgh_id != (int)last);
        last = (unsigned)in.head.msgh_id;
    }
    CHECK_EQ(ipc_receive(set, &in, 0, 0), MACH_RCV_TIMED_OUT);
    ipc_drop(set);
    for (unsigned i = 0; i < 3; i++) {
        ipc_drop(ports[i]);
    }
}

TEST(a_port_that_joins_brings_its_messages)
{
    mach_port_t set = ipc_set(), port = test_port();
    struct ipc_call receiver;

    CHECK_EQ(test_send(port, 0, 1, 0, 0), MACH_MSG_SUCCESS);
    CHECK_EQ(test_send(port, 0, 2, 0, 0), MACH_MSG_SUCCESS);
    ipc_call_receive(&receiver, set, &in, 0, 0);
    CHECK(!ipc_call_is_done(&receiver));
    move(port, set);
    CHECK_EQ(ipc_call_end(&receiver), MACH_MSG_SUCCESS);
    CHECK_EQ(in.head.msgh_id, 1);
    CHECK_EQ(ipc_receive(set, &in, 0, 0), MACH_MSG_SUCCESS);
    CHECK_EQ(in.head.msgh_id, 2);
    ipc_drop(set);
    ipc_drop(port);
}

TEST(a_port_that_leaves_takes_its_messages_along)
{
    mach_port_t set = ipc_set(), other = ipc_set(), port = member_of(set);

    CHECK_EQ(test_send(port, 0, 1, 0, 0), MACH_MSG_SUCCESS);
    CHECK_EQ(test_send(port, 0, 2, 0, 0), MACH_MSG_SUCCESS);
    move(port, other);
    CHECK_EQ(ipc_receive(set, &in, 0, 0), MACH_RCV_TIMED_OUT);
    CHECK_EQ(ipc_receive(other, &in, 0, 0), MACH_MSG_SUCCESS);
    move(port, MACH_PORT_NULL);
    CHECK_EQ(ipc_receive(other, &in, 0, 0), MACH_RCV_TIMED_OUT);
    CHECK_EQ(ipc_receive(port, &in, 0, 0), MACH_MSG_SUCCESS);
    CHECK_EQ(in.head.msgh_id, 2);
    ipc_drop(set);
    ipc_drop(other);
    ipc_drop(port);
}

TEST(moving_to_the_set_it_is_in_changes_nothing)
{
    mach_port_t set = ipc_set(), port = member_of(set);

    CHECK_EQ(test_send(port, 0, 1, 0, 0), MACH_MSG_SUCCESS);
    move(port, set);
    CHECK_EQ(ipc_receive(set, &in, 0, 0), MACH_MSG_SUCCESS);
    CHECK_EQ(ipc_receive(set, &in, 0, 0), MACH_RCV_TIMED_OUT);
    ipc_drop(set);
    ipc_drop(port);
}

TEST(a_receiver_on_a_port_that_joins_a_set_is_told)
{
    mach_port_t set = ipc_set(), port = test_port();
    struct ipc_call receiver;

    ipc_call_receive(&receiver, port, &in, 0, 0);
    move(port, set);
    CHECK_EQ(ipc_call_end(&receiver), MACH_RCV_PORT_CHANGED);
    ipc_drop(set);
    ipc_drop(port);
}

TEST(a_receiver_on_a_set_that_dies_is_told_and_the_members_live_on)
{
    mach_port_t set = ipc_set(), port = member_of(set);
    struct ipc_call receiver;

    ipc_call_receive(&receiver, set, &in, 0, 0);
    ipc_drop(set);
    CHECK_EQ(ipc_call_end(&receiver), MACH_RCV_PORT_DIED);
    CHECK_EQ(ipc_status(port).mps_pset, MACH_PORT_NULL);
    CHECK_EQ(test_send(port, 0, 4, 0, 0), MACH_MSG_SUCCESS);
    CHECK_EQ(ipc_receive(port, &in, 0, 0), MACH_MSG_SUCCESS);
    ipc_drop(port);
}

TEST(a_member_that_dies_leaves_the_set_working)
{
    mach_port_t set = ipc_set(), a = member_of(set), b = member_of(set);
    struct ipc_call receiver;

    CHECK_EQ(test_send(a, 0, 1, 0, 0), MACH_MSG_SUCCESS);
    ipc_drop(a);
    CHECK_EQ(ipc_receive(set, &in, 0, 0), MACH_RCV_TIMED_OUT);
    ipc_call_receive(&receiver, set, &in, 0, 0);
    CHECK_EQ(test_send(b, 0, 2, 0, 0), MACH_MSG_SUCCESS);
    CHECK_EQ(ipc_call_end(&receiver), MACH_MSG_SUCCESS);
    ipc_drop(set);
    ipc_drop(b);
}

TEST(a_member_that_moves_in_a_message_leaves_the_set)
{
    mach_port_t set = ipc_set(), port = member_of(set), box = test_port(), got;
    static struct ipc_message out;

    CHECK_EQ(test_send(port, 0, 1, 0, 0), MACH_MSG_SUCCESS);
    ipc_begin(&out, box, MACH_MSG_TYPE_COPY_SEND, 1);
    ipc_add_ports(&out, &port, 1, MACH_MSG_TYPE_MOVE_RECEIVE);
    CHECK_EQ(ipc_send(&out, 0, 0), MACH_MSG_SUCCESS);
    CHECK_EQ(ipc_receive(set, &in, 0, 0), MACH_RCV_TIMED_OUT);
    CHECK_EQ(ipc_receive(box, &in, 0, 0), MACH_MSG_SUCCESS);
    got = (mach_port_t)*ipc_item_data(&in, 0);
    CHECK_EQ(ipc_status(got).mps_pset, MACH_PORT_NULL);
    CHECK_EQ(ipc_receive(got, &in, 0, 0), MACH_MSG_SUCCESS);
    CHECK_EQ(in.head.msgh_id, 1);
    ipc_drop(set);
    ipc_drop(got);
    ipc_drop(box);
}

TEST(a_set_lists_a_thousand_members)
{
    enum { COUNT = 1000 };
    static mach_port_t ports[COUNT];
    mach_port_t set = ipc_set();
    mach_port_name_t *members;
    mach_msg_type_number_t count = 0;

    for (unsigned i = 0; i < COUNT; i++) {
        ports[i] = member_of(set);
    }
    CHECK_EQ(mach_port_get_set_status(self(), set, &members, &count), KERN_SUCCESS);
    CHECK_EQ(count, COUNT);
    syscall_vm_deallocate(self(), (vm_address_t)members, count * sizeof(*members));
    CHECK_EQ(test_send(ports[COUNT - 1], 0, 8, 0, 0), MACH_MSG_SUCCESS);
    CHECK_EQ(ipc_receive(set, &in, 0, 0), MACH_MSG_SUCCESS);
    CHECK_EQ(in.head.msgh_local_port, ports[COUNT - 1]);
    for (unsigned i = 0; i < COUNT; i++) {
        ipc_drop(ports[i]);
    }
    ipc_drop(set);
}

TEST(sequence_numbers_are_those_of_the_member)
{
    mach_port_t set = ipc_set(), a = member_of(set), b = member_of(set);

    CHECK_EQ(mach_port_set_seqno(self(), a, 10), KERN_SUCCESS);
    CHECK_EQ(mach_port_set_seqno(self(), b, 20), KERN_SUCCESS);
    for (unsigned i = 0; i < 3; i++) {
        CHECK_EQ(test_send(a, 0, 1, 0, 0), MACH_MSG_SUCCESS);
        CHECK_EQ(ipc_receive(set, &in, 0, 0), MACH_MSG_SUCCESS);
        CHECK_EQ(in.head.msgh_seqno, 10 + i);
        CHECK_EQ(test_send(b, 0, 1, 0, 0), MACH_MSG_SUCCESS);
        CHECK_EQ(ipc_receive(set, &in, 0, 0), MACH_MSG_SUCCESS);
        CHECK_EQ(in.head.msgh_seqno, 20 + i);
    }
    ipc_drop(set);
    ipc_drop(a);
    ipc_drop(b);
}

/* Members come and go while others send and receive: nothing is lost. */
struct mover {
    mach_port_t port, sets[2];
    bool stop;
};

static void *move_about(void *argument)
{
    struct mover *m = argument;

    for (unsigned i = 0; !__atomic_load_n(&m->stop, __ATOMIC_RELAXED); i++) {
        mach_port_move_member(mach_task_self(), m->port, m->sets[i % 2]);
        swtch();
    }
    return NULL;
}

TEST(a_member_that_moves_between_two_sets_all_the_time_loses_no_message)
{
    enum { MESSAGES = 1000 };
    struct mover m = {.port = test_port(), .sets = {ipc_set(), ipc_set()}};
    pthread_t thread;
    int next = 0;

    CHECK_EQ(pthread_create(&thread, NULL, move_about, &m), 0);
    for (int sent = 0; next < MESSAGES;) {
        if (sent < MESSAGES &&
            test_send(m.port, 0, sent, MACH_SEND_TIMEOUT, 0) == MACH_MSG_SUCCESS) {
            sent++;
        }
        if (ipc_receive(m.sets[next % 2], &in, 0, 1) == MACH_MSG_SUCCESS) {
            if (in.head.msgh_id != next) {
                CHECK_EQ(in.head.msgh_id, next);
                break;
            }
            next++;
        }
    }
    __atomic_store_n(&m.stop, true, __ATOMIC_RELAXED);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    ipc_drop(m.port);
    ipc_drop(m.sets[0]);
    ipc_drop(m.sets[1]);
}
