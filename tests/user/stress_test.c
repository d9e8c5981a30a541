/* stress_test.c - many threads on several processors: no message is lost, doubled or late. */
#include <mach_port.h>
#include <pthread.h>
#include <string.h>

#include "lib/test.h"

#define SENDERS 3
#define ROUNDS  400

struct sender {
    pthread_t thread;
    mach_port_t port;
    int id;
    int failures;
};

static void *send_rounds(void *argument)
{
    struct sender *s = argument;

    for (int i = 0; i < ROUNDS; i++) {
        if (test_send(s->port, 0, s->id * ROUNDS + i, MACH_SEND_TIMEOUT, 5000) !=
            MACH_MSG_SUCCESS) {
            s->failures++;
        }
        if (i % 16 == 0) {
            swtch();
        }
    }
    return NULL;
}

/* Receive everything the senders send from `from`; each message once and those of a sender in
 * order. */
static void receive_all(mach_port_t from)
{
    int next[SENDERS] = {0};
    struct test_message m;

    for (int i = 0; i < SENDERS * ROUNDS; i++) {
        int sender;
        mach_msg_return_t mr = test_receive(from, &m, 0, 5000);

        if (mr != MACH_MSG_SUCCESS) {
            CHECK_EQ(mr, MACH_MSG_SUCCESS); /* a receiver that sleeps beside a queued message */
            return;
        }
        sender = m.head.msgh_id / ROUNDS;
        if (sender < 0 || sender >= SENDERS || m.head.msgh_id % ROUNDS != next[sender]) {
            CHECK_EQ(m.head.msgh_id % ROUNDS, next[sender]);
            return;
        }
        next[sender]++;
    }
    CHECK_EQ(test_receive(from, &m, 0, 0), MACH_RCV_TIMED_OUT);
}

static void run(bool one_port, bool in_set)
{
    struct sender senders[SENDERS];
    mach_port_t set, shared = test_port();

    CHECK_EQ(mach_port_allocate(mach_task_self(), MACH_PORT_RIGHT_PORT_SET, &set), KERN_SUCCESS);
    if (in_set && one_port) {
        CHECK_EQ(mach_port_move_member(mach_task_self(), shared, set), KERN_SUCCESS);
    }
    for (int i = 0; i < SENDERS; i++) {
        senders[i] = (struct sender){.port = one_port ? shared : test_port(), .id = i};
        if (in_set && !one_port) {
            CHECK_EQ(mach_port_move_member(mach_task_self(), senders[i].port, set), KERN_SUCCESS);
        }
        CHECK_EQ(pthread_create(&senders[i].thread, NULL, send_rounds, &senders[i]), 0);
    }
    receive_all(in_set ? set : shared);
    for (int i = 0; i < SENDERS; i++) {
        CHECK_EQ(pthread_join(senders[i].thread, NULL), 0);
        CHECK_EQ(senders[i].failures, 0);
        if (!one_port) {
            mach_port_destroy(mach_task_self(), senders[i].port);
        }
    }
    mach_port_destroy(mach_task_self(), shared);
    mach_port_destroy(mach_task_self(), set);
}

TEST(three_senders_to_one_port_lose_nothing)
{
    run(true, false);
}
TEST(three_senders_to_one_port_in_a_set_lose_nothing)
{
    run(true, true);
}
TEST(three_senders_to_three_ports_in_a_set_lose_nothing)
{
    run(false, true);
}

static mach_port_t echo_port;

static void *echo(void *unused)
{
    struct test_message m;

    for (;;) {
        if (mach_msg(&m.head, MACH_RCV_MSG, 0, sizeof(m), echo_port, 0, 0) != MACH_MSG_SUCCESS ||
            m.head.msgh_id < 0) {
            return unused;
        }
        m.head.msgh_bits = MACH_MSGH_BITS(MACH_MSG_TYPE_MOVE_SEND_ONCE, 0);
        m.head.msgh_local_port = MACH_PORT_NULL;
        m.head.msgh_id += 100;
        mach_msg(&m.head, MACH_SEND_MSG, sizeof(m.head), 0, 0, 0, 0);
    }
}

TEST(two_thousand_calls_are_answered)
{
    pthread_t thread;
    mach_port_t reply = mach_reply_port();

    echo_port = test_port();
    CHECK_EQ(pthread_create(&thread, NULL, echo, NULL), 0);
    for (int i = 0; i < 2000; i++) {
        struct test_message m = {.head = {.msgh_bits = MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND,
                                                                      MACH_MSG_TYPE_MAKE_SEND_ONCE),
                                          .msgh_remote_port = echo_port,
                                          .msgh_local_port = reply,
                                          .msgh_id = i}};
        mach_msg_return_t mr = mach_msg(&m.head, MACH_SEND_MSG | MACH_RCV_MSG | MACH_RCV_TIMEOUT,
                                        sizeof(m.head), sizeof(m), reply, 5000, 0);

        if (mr != MACH_MSG_SUCCESS || m.head.msgh_id != i + 100) {
            CHECK_EQ(mr, MACH_MSG_SUCCESS);
            CHECK_EQ(m.head.msgh_id, i + 100);
            break;
        }
    }
    CHECK_EQ(test_send(echo_port, 0, -1, 0, 0), MACH_MSG_SUCCESS);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    mach_port_destroy(mach_task_self(), reply);
    mach_port_destroy(mach_task_self(), echo_port);
}
