/* cross_test.c - calls between threads bound to different processors: whenever the answer comes,
 * while the caller still waits on its processor, goes to sleep or has slept for long, it arrives
 * whole and wakes the caller. */
#include <mach.h>
#include <mach_port.h>
#include <portolan.h>
#include <string.h>

#include "lib/peer.h"

#define CALLS       1000u
#define CLIENTS     3u
#define WORDS_MAX   64u    /* of a body: a quarter fits no short way */
#define TICKS_STEP  6000u  /* of the time stamp: some microseconds */
#define STEPS       24u    /* past the time a thread waits without sleeping */
#define BUFFER_SIZE 12288u /* three pages; the message crosses from the first into the second */

/* A caller bound to a processor. */
struct client {
    pthread_t thread;
    mach_port_t service;
    int cpu;
    uint32_t wrong;
    uint32_t calls; /* made so far */
    bool is_done;
};

static mach_port_t peer_source; /* what slow_echo() receives from, if not its service */

static void spin(uint64_t ticks)
{
    uint64_t end = __builtin_ia32_rdtsc() + ticks;

    while (__builtin_ia32_rdtsc() < end) {
        __builtin_ia32_pause();
    }
}

/* Answers after a while that differs from call to call. */
static void slow_echo(mach_port_t service)
{
    static struct ipc_message m;
    mach_port_t from = peer_source != MACH_PORT_NULL ? peer_source : service;
    int option = MACH_RCV_MSG;

    for (;;) {
        if (mach_msg_trap(&m.head, option, m.head.msgh_size, sizeof(m), from, 0, MACH_PORT_NULL) !=
            MACH_MSG_SUCCESS) {
            option = MACH_RCV_MSG;
            continue;
        }
        spin((uint64_t)m.head.msgh_id % STEPS * TICKS_STEP);
        ipc_peer_answer(&m);
        option = MACH_SEND_MSG | MACH_RCV_MSG;
    }
}

static bool call_once(const struct client *c, struct ipc_message *m, mach_port_t reply, uint32_t n)
{
    uint32_t words = n * 7 % WORDS_MAX * 2; /* of 4 bytes: whole words of 8 */

    ipc_begin(m, c->service, MACH_MSG_TYPE_COPY_SEND, (int)n);
    m->head.msgh_bits |= MACH_MSGH_BITS(0, MACH_MSG_TYPE_MAKE_SEND_ONCE);
    m->head.msgh_local_port = reply;
    m->head.msgh_size += words * 4;
    ipc_pattern(m, words, n);
    return mach_msg_trap(&m->head, MACH_SEND_MSG | MACH_RCV_MSG, m->head.msgh_size, 8192, reply, 0,
                         MACH_PORT_NULL) == MACH_MSG_SUCCESS &&
           m->head.msgh_id == (int)n + 100 && m->head.msgh_seqno == n &&
           m->head.msgh_size == sizeof(m->head) + words * 4 && ipc_has_pattern(m, words, n);
}

static void *client_run(void *argument)
{
    struct client *c = argument;
    mach_port_t reply = mach_reply_port();
    uint8_t *buffer = ipc_pages(BUFFER_SIZE / IPC_PAGE_SIZE);

    thread_bind(mach_thread_self(), c->cpu); /* an error where there are fewer */
    for (uint32_t n = 0; n < CALLS; n++) {
        uint32_t before = 8 + n % 40 * 8; /* bytes of the first page */

        c->wrong +=
            !call_once(c, (struct ipc_message *)(buffer + IPC_PAGE_SIZE - before), reply, n);
        __atomic_store_n(&c->calls, n + 1, __ATOMIC_RELAXED);
        if (n % 3 == 0) {
            spin((uint64_t)n % STEPS * TICKS_STEP); /* the server waits, too */
        }
    }
    ipc_free_pages(buffer, BUFFER_SIZE / IPC_PAGE_SIZE);
    ipc_drop(reply);
    __atomic_store_n(&c->is_done, true, __ATOMIC_RELEASE);
    return NULL;
}

/* A caller that was not woken makes no further call. */
static bool goes_on(struct client *c)
{
    while (!__atomic_load_n(&c->is_done, __ATOMIC_ACQUIRE)) {
        uint32_t before = __atomic_load_n(&c->calls, __ATOMIC_RELAXED);
        unsigned waited = 0;

        while (__atomic_load_n(&c->calls, __ATOMIC_RELAXED) == before &&
               !__atomic_load_n(&c->is_done, __ATOMIC_ACQUIRE) && waited < IPC_LONG_MS) {
            ipc_pause_ms(10);
            waited += 10;
        }
        if (waited >= IPC_LONG_MS) {
            return false;
        }
    }
    return true;
}

/* Clients on processors 0 and on, the server on `server_cpu` (-1: any). */
static void run(unsigned count, int server_cpu, bool own_task, bool in_set)
{
    struct client clients[CLIENTS];
    struct ipc_peer peer;

    peer_source = MACH_PORT_NULL;
    ipc_peer_create(&peer, slow_echo, own_task);
    if (in_set) {
        peer_source = ipc_set();
        CHECK_EQ(mach_port_move_member(mach_task_self(), peer.service, peer_source), KERN_SUCCESS);
    }
    thread_bind(peer.thread, server_cpu);
    CHECK_EQ(thread_resume(peer.thread), KERN_SUCCESS);
    for (unsigned i = 0; i < count; i++) {
        clients[i] = (struct client){.service = peer.service, .cpu = (int)i};
        CHECK_EQ(pthread_create(&clients[i].thread, NULL, client_run, &clients[i]), 0);
    }
    for (unsigned i = 0; i < count; i++) {
        bool done = goes_on(&clients[i]);

        CHECK(done);
        if (done) {
            CHECK_EQ(pthread_join(clients[i].thread, NULL), 0);
        }
        CHECK_EQ(clients[i].wrong, 0);
    }
    ipc_peer_end(&peer);
    if (in_set) {
        ipc_drop(peer_source);
    }
}

TEST(a_server_task_on_another_processor_answers_every_call)
{
    run(1, 1, true, false);
}

TEST(a_thread_on_another_processor_answers_every_call)
{
    run(1, 1, false, false);
}

TEST(a_server_with_a_set_on_another_processor_answers_every_call)
{
    run(1, 1, false, true);
}

TEST(a_server_on_the_processor_of_one_client_answers_all)
{
    run(CLIENTS, 1, true, false);
}

TEST(a_server_that_may_run_anywhere_answers_clients_that_may_not)
{
    run(CLIENTS, -1, true, false);
}
