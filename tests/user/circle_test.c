/* circle_test.c - ports that would lie in each other's queues, sent by several threads at once.
 * What is missed leaves ports behind that nobody can reach. */
#include <mach.h>
#include <mach_port.h>
#include <pthread.h>

#include "lib/ipc.h"

#define SENDERS 3u
#define ROUNDS  200u

/* In each round sender 0 sends port 0 to port 1, sender 1 port 1 to port 0, and sender 2 a port
 * that has another in its queue to port 0. */
struct sender {
    pthread_t thread;
    unsigned number;
    mach_msg_return_t result;
    struct ipc_message message;
};

static struct sender senders[SENDERS];
static mach_port_t ports[SENDERS];
static unsigned round_number, done; /* atomic */

static void await(unsigned *word, unsigned value)
{
    while (__atomic_load_n(word, __ATOMIC_ACQUIRE) != value) {
        swtch_pri(0);
    }
}

static mach_msg_return_t send_port(struct ipc_message *m, mach_port_t port, mach_port_t to)
{
    ipc_begin(m, to, MACH_MSG_TYPE_COPY_SEND, 1);
    ipc_add_ports(m, &port, 1, MACH_MSG_TYPE_MOVE_RECEIVE);
    return ipc_send(m, 0, 0);
}

static void *send_in_rounds(void *argument)
{
    struct sender *s = argument;

    for (unsigned i = 1; i <= ROUNDS; i++) {
        await(&round_number, i);
        s->result = send_port(&s->message, ports[s->number], ports[s->number == 0 ? 1 : 0]);
        __atomic_fetch_add(&done, 1, __ATOMIC_RELEASE);
    }
    return NULL;
}

/* The circle is dead; what went to it is too, unless it came too late. */
static void check_round(void)
{
    for (unsigned i = 0; i < 2; i++) {
        CHECK_EQ(senders[i].result, MACH_MSG_SUCCESS);
        CHECK_EQ(ipc_type(ports[i]), MACH_PORT_TYPE_DEAD_NAME);
    }
    if (senders[2].result != MACH_SEND_INVALID_DEST) {
        CHECK_EQ(senders[2].result, MACH_MSG_SUCCESS);
        CHECK_EQ(ipc_type(ports[2]), MACH_PORT_TYPE_DEAD_NAME);
    }
}

static void run_round(unsigned number)
{
    static struct ipc_message m;

    for (unsigned i = 0; i < SENDERS; i++) {
        ports[i] = test_port();
        CHECK_EQ(mach_port_set_qlimit(mach_task_self(), ports[i], 5), KERN_SUCCESS);
    }
    CHECK_EQ(send_port(&m, ipc_receive_right(), ports[2]), MACH_MSG_SUCCESS);
    __atomic_store_n(&done, 0, __ATOMIC_RELEASE);
    __atomic_store_n(&round_number, number, __ATOMIC_RELEASE);
    await(&done, SENDERS);
    check_round();
    for (unsigned i = 0; i < SENDERS; i++) {
        ipc_drop(ports[i]);
    }
}

TEST(a_circle_closed_by_two_at_once_is_found_and_who_comes_into_it_gets_out)
{
    for (unsigned i = 0; i < SENDERS; i++) {
        senders[i].number = i;
        CHECK_EQ(pthread_create(&senders[i].thread, NULL, send_in_rounds, &senders[i]), 0);
    }
    for (unsigned i = 1; i <= ROUNDS; i++) {
        run_round(i);
    }
    for (unsigned i = 0; i < SENDERS; i++) {
        pthread_join(senders[i].thread, NULL);
    }
}
