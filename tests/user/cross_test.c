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
#define WORDS_MAX   64u         /* of a body: a quarter fits no short way */
#define SPIN_MAX    150000u     /* ticks of the time stamp: past the time a thread waits awake */
#define LATE        2000000000u /* ticks: a second, more or less */
#define LATE_MAX    3u          /* calls of one caller: see client_late() */
#define PAUSE_MS    3000
#define PAUSES      10
#define BUFFER_SIZE 12288u /* three pages; the message crosses from the first into the second */

/* A caller bound to a processor. */
struct client {
    pthread_t thread;
    mach_port_t service;
    int cpu;
    mach_port_t done; /* told at the end */
    uint32_t wrong;
    uint32_t late;
};

static mach_port_t peer_source; /* what slow_echo() receives from, if not its service */

static void spin(uint64_t ticks)
{
    uint64_t end = __builtin_ia32_rdtsc() + ticks;

    while (__builtin_ia32_rdtsc() < end) {
        __builtin_ia32_pause();
    }
}

/* A while that differs from call to call. */
static uint64_t while_of(uint32_t n)
{
    return (n * 2654435761u >> 8) % SPIN_MAX;
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
        spin(while_of((uint32_t)m.head.msgh_id));
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
        uint64_t start = __builtin_ia32_rdtsc();

        c->wrong +=
            !call_once(c, (struct ipc_message *)(buffer + IPC_PAGE_SIZE - before), reply, n);
        c->late += __builtin_ia32_rdtsc() - start > LATE;
        if (n % 3 == 0) {
            spin(while_of(~n)); /* the server waits, too */
        }
    }
    ipc_free_pages(buffer, BUFFER_SIZE / IPC_PAGE_SIZE);
    ipc_drop(reply);
    CHECK_EQ(test_send(c->done, 0, 0, 0, 0), MACH_MSG_SUCCESS);
    return NULL;
}

/* Wait for the end of so many clients. Whatever else happens on a processor can make up for a lost
 * wake-up: so nothing does for long, and it shows in how long a call took. */
static bool wait_for(mach_port_t done, unsigned count)
{
    static struct ipc_message m;

    for (unsigned i = 0; i < PAUSES && count != 0; i++) {
        while (count != 0 &&
               ipc_receive(done, &m, MACH_RCV_TIMEOUT, PAUSE_MS) == MACH_MSG_SUCCESS) {
            count--;
        }
    }
    return count == 0;
}

/* On a busy host QEMU 7.2 leaves a halted processor alone for up to two seconds now and then, with
 * interrupts enabled and pending in its APIC (`info lapic`: IRR): such a call is late, and no
 * wake-up was lost. A wake-up that can be lost is lost more often than that. */
static bool client_late(const struct client *c)
{
    return c->late > LATE_MAX;
}

/* Clients on processors 0 and on, the server on `server_cpu` (-1: any). */
static void run(unsigned count, int server_cpu, bool own_task, bool in_set)
{
    static struct client clients[CLIENTS]; /* static: one that was not woken may go on later */
    mach_port_t done = test_port();
    struct ipc_peer peer;
    bool all_done;

    peer_source = MACH_PORT_NULL;
    ipc_peer_create(&peer, slow_echo, own_task);
    if (in_set) {
        peer_source = ipc_set();
        CHECK_EQ(mach_port_move_member(mach_task_self(), peer.service, peer_source), KERN_SUCCESS);
    }
    thread_bind(peer.thread, server_cpu);
    CHECK_EQ(thread_resume(peer.thread), KERN_SUCCESS);
    for (unsigned i = 0; i < count; i++) {
        clients[i] = (struct client){.service = peer.service, .cpu = (int)i, .done = done};
        CHECK_EQ(pthread_create(&clients[i].thread, NULL, client_run, &clients[i]), 0);
    }
    all_done = wait_for(done, count);
    CHECK(all_done);
    for (unsigned i = 0; i < count && all_done; i++) {
        CHECK_EQ(pthread_join(clients[i].thread, NULL), 0);
        CHECK_EQ(clients[i].wrong, 0);
        CHECK(!client_late(&clients[i]));
    }
    ipc_drop(done);
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

/* What the short way could not read must not be sent from what was there before. */
TEST(a_body_that_is_not_in_memory_arrives_or_is_refused)
{
    mach_port_t self = (mach_thread_self)(), reply = mach_reply_port();
    struct ipc_peer peer;

    peer_source = MACH_PORT_NULL;
    ipc_peer_create(&peer, slow_echo, true);
    thread_bind(peer.thread, 1);
    thread_bind(self, 0);
    CHECK_EQ(thread_resume(peer.thread), KERN_SUCCESS);
    for (unsigned i = 0; i < 50; i++) {
        uint8_t *pages = ipc_pages(3);
        struct ipc_message *m =
            (struct ipc_message *)(pages + IPC_PAGE_SIZE - sizeof(mach_msg_header_t));
        bool may_read = i % 2 == 0;
        uint64_t bits = 0;

        if (!may_read) {
            ipc_protect(pages + IPC_PAGE_SIZE, 1, VM_PROT_NONE);
        }
        ipc_begin(m, peer.service, MACH_MSG_TYPE_COPY_SEND, 0);
        m->head.msgh_bits |= MACH_MSGH_BITS(0, MACH_MSG_TYPE_MAKE_SEND_ONCE);
        m->head.msgh_local_port = reply;
        m->head.msgh_size += 128;
        CHECK_EQ(mach_msg_trap(&m->head, MACH_SEND_MSG | MACH_RCV_MSG, m->head.msgh_size, 8192,
                               reply, 0, MACH_PORT_NULL),
                 may_read ? MACH_MSG_SUCCESS : MACH_SEND_INVALID_DATA);
        for (unsigned k = 0; may_read && k < 16; k++) {
            bits |= ((uint64_t *)m->body)[k];
        }
        CHECK_EQ(bits, 0);
        ipc_free_pages(pages, 3);
    }
    thread_bind(self, -1);
    mach_port_deallocate(mach_task_self(), self);
    ipc_drop(reply);
    ipc_peer_end(&peer);
}
