/* many_test.c - many clients and many servers, in tasks of their own and on all processors: every
 * answer is the caller's own. */
#include <mach.h>
#include <mach_port.h>
#include <portolan.h>
#include <string.h>

#include "lib/peer.h"

#define CLIENTS 4
#define CALLS   500

/* A caller among many. */
struct client {
    pthread_t thread;
    mach_port_t service;
    uint32_t seed;
    uint32_t wrong;
    bool in_set; /* waits for its answers on a set */
};

static uint32_t random_next(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

/* One call with a body of random size and contents; true when the answer is its own. */
static bool call_once(struct client *c, struct ipc_message *m, mach_port_t reply, mach_port_t from,
                      uint32_t n)
{
    uint32_t size =
        n % 7 == 0 ? random_next(&c->seed) % 8192 & ~3u : random_next(&c->seed) % 320 & ~7u;
    uint32_t words = size / 4;

    ipc_begin(m, c->service, MACH_MSG_TYPE_COPY_SEND, (int)n);
    m->head.msgh_bits |= MACH_MSGH_BITS(0, MACH_MSG_TYPE_MAKE_SEND_ONCE);
    m->head.msgh_local_port = reply;
    m->head.msgh_size += size;
    ipc_pattern(m, words, c->seed ^ n);
    return mach_msg(&m->head, MACH_SEND_MSG | MACH_RCV_MSG, m->head.msgh_size, sizeof(*m), from, 0,
                    0) == MACH_MSG_SUCCESS &&
           m->head.msgh_id == (int)n + 100 && ipc_has_pattern(m, words, c->seed ^ n);
}

static void *client_run(void *argument)
{
    static __thread struct ipc_message m;
    struct client *c = argument;
    mach_port_t reply = mach_reply_port(), set = MACH_PORT_NULL;

    if (c->in_set) {
        set = ipc_set();
        CHECK_EQ(mach_port_move_member(mach_task_self(), reply, set), KERN_SUCCESS);
    }
    for (uint32_t n = 0; n < CALLS; n++) {
        c->wrong += !call_once(c, &m, reply, c->in_set ? set : reply, n);
    }
    if (c->in_set) {
        ipc_drop(set);
    }
    ipc_drop(reply);
    return NULL;
}

static void run_clients(const mach_port_t *services, unsigned count)
{
    struct client clients[CLIENTS];

    for (unsigned i = 0; i < CLIENTS; i++) {
        clients[i] = (struct client){
            .service = services[i % count], .seed = i * 7919 + 1, .in_set = i % 2 != 0};
        CHECK_EQ(pthread_create(&clients[i].thread, NULL, client_run, &clients[i]), 0);
    }
    for (unsigned i = 0; i < CLIENTS; i++) {
        CHECK_EQ(pthread_join(clients[i].thread, NULL), 0);
        CHECK_EQ(clients[i].wrong, 0);
    }
}

TEST(many_clients_of_one_server_get_their_own_answers)
{
    struct ipc_peer peer;

    ipc_peer_start(&peer, ipc_peer_echo, true);
    run_clients(&peer.service, 1);
    ipc_peer_end(&peer);
}

TEST(many_clients_of_many_servers_get_their_own_answers)
{
    struct ipc_peer peers[3];
    mach_port_t services[3];

    for (unsigned i = 0; i < 3; i++) {
        ipc_peer_start(&peers[i], ipc_peer_echo, true);
        services[i] = peers[i].service;
    }
    run_clients(services, 3);
    for (unsigned i = 0; i < 3; i++) {
        ipc_peer_end(&peers[i]);
    }
}

TEST(many_clients_of_a_server_with_many_threads_get_their_own_answers)
{
    struct ipc_peer peer;
    mach_port_t threads[3];

    ipc_peer_start(&peer, ipc_peer_echo, true);
    for (unsigned i = 0; i < 3; i++) {
        threads[i] = ipc_peer_thread(&peer, ipc_peer_echo, i + 1);
        CHECK_EQ(thread_resume(threads[i]), KERN_SUCCESS);
    }
    run_clients(&peer.service, 1);
    ipc_peer_end(&peer);
    for (unsigned i = 0; i < 3; i++) {
        ipc_drop(threads[i]);
    }
}

TEST(many_clients_of_a_server_in_the_same_task_get_their_own_answers)
{
    struct ipc_peer peer;

    ipc_peer_start(&peer, ipc_peer_echo, false);
    run_clients(&peer.service, 1);
    ipc_peer_end(&peer);
}

/* Servers are suspended, moved and aborted under load. */
static void *disturb(void *argument)
{
    const struct ipc_peer *peer = argument;

    for (unsigned i = 0; i < 300; i++) {
        switch (i % 4) {
        case 0:
            thread_suspend(peer->thread);
            swtch();
            thread_resume(peer->thread);
            break;
        case 1:
            thread_bind(peer->thread, (int)(i / 4 % 4)); /* or an error where there are fewer */
            break;
        case 2:
            task_suspend(peer->task);
            task_resume(peer->task);
            break;
        default:
            thread_bind(peer->thread, -1);
        }
        ipc_pause_ms(1);
    }
    return NULL;
}

TEST(clients_of_a_server_that_is_stopped_and_moved_all_the_time_get_their_answers)
{
    struct ipc_peer peer;
    pthread_t thread;

    ipc_peer_start(&peer, ipc_peer_echo, true);
    CHECK_EQ(pthread_create(&thread, NULL, disturb, &peer), 0);
    run_clients(&peer.service, 1);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    ipc_peer_end(&peer);
}

/* A client that is aborted all the time repeats what was interrupted and misses nothing. */
struct aborter {
    mach_port_t victim;
    bool stop;
};

static void *abort_all_the_time(void *argument)
{
    struct aborter *a = argument;

    while (!__atomic_load_n(&a->stop, __ATOMIC_RELAXED)) {
        thread_abort(a->victim);
        swtch();
    }
    return NULL;
}

TEST(a_client_that_is_aborted_all_the_time_gets_every_answer_once)
{
    static struct ipc_message m;
    struct ipc_peer peer;
    struct aborter aborter = {.victim = (mach_thread_self)()};
    mach_port_t reply = mach_reply_port();
    pthread_t thread;

    ipc_peer_start(&peer, ipc_peer_echo, true);
    CHECK_EQ(pthread_create(&thread, NULL, abort_all_the_time, &aborter), 0);
    for (int i = 0; i < 500; i++) {
        mach_msg_return_t mr;

        ipc_begin(&m, peer.service, MACH_MSG_TYPE_COPY_SEND, i);
        m.head.msgh_bits |= MACH_MSGH_BITS(0, MACH_MSG_TYPE_MAKE_SEND_ONCE);
        m.head.msgh_local_port = reply;
        mr =
            mach_msg(&m.head, MACH_SEND_MSG | MACH_RCV_MSG, sizeof(m.head), sizeof(m), reply, 0, 0);
        if (mr != MACH_MSG_SUCCESS || m.head.msgh_id != i + 100) {
            CHECK_EQ(mr, MACH_MSG_SUCCESS);
            CHECK_EQ(m.head.msgh_id, i + 100);
            break;
        }
    }
    __atomic_store_n(&aborter.stop, true, __ATOMIC_RELAXED);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    ipc_peer_end(&peer);
    mach_port_deallocate(mach_task_self(), aborter.victim);
    ipc_drop(reply);
}

/* Ports die under calls: every call ends, with an answer or with the right error. */
static void *kill_all_the_time(void *argument)
{
    mach_port_t *port = argument;

    for (unsigned i = 0; i < 200; i++) {
        mach_port_t fresh = test_port(), old;

        old = __atomic_exchange_n(port, fresh, __ATOMIC_ACQ_REL);
        ipc_pause_ms(1);
        mach_port_destroy(mach_task_self(), old);
    }
    return NULL;
}

TEST(calls_to_ports_that_die_all_the_time_all_end)
{
    static struct ipc_message m;
    mach_port_t port = test_port(), reply = mach_reply_port();
    pthread_t thread;
    bool done = false;

    CHECK_EQ(pthread_create(&thread, NULL, kill_all_the_time, &port), 0);
    for (unsigned i = 0; !done; i++) {
        mach_msg_return_t mr;

        ipc_begin(&m, __atomic_load_n(&port, __ATOMIC_ACQUIRE), MACH_MSG_TYPE_COPY_SEND, 5);
        m.head.msgh_bits |= MACH_MSGH_BITS(0, MACH_MSG_TYPE_MAKE_SEND_ONCE);
        m.head.msgh_local_port = reply;
        mr = mach_msg(&m.head, MACH_SEND_MSG | MACH_RCV_MSG | MACH_RCV_TIMEOUT, sizeof(m.head),
                      sizeof(m), reply, 200, 0);
        if (mr == MACH_MSG_SUCCESS) {
            CHECK_EQ(m.head.msgh_id, MACH_NOTIFY_SEND_ONCE);
        } else if (mr == MACH_RCV_TIMED_OUT) {
            done = true; /* the last port lives on */
        } else {
            CHECK_EQ(mr, MACH_SEND_INVALID_DEST);
        }
    }
    CHECK_EQ(pthread_join(thread, NULL), 0);
    mach_port_destroy(mach_task_self(), port);
    ipc_drop(reply);
}
