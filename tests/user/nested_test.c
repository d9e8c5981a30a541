/* nested_test.c - a million of a thing: ports in messages in ports, and names in a task. */
#include <mach.h>
#include <mach_host.h>
#include <mach_port.h>
#include <portolan.h>
#include <portolan/portolan.h>
#include <stdio.h>
#include <time.h>

#include "lib/peer.h"

#define MILLION     1000000u
#define CI_PORTS    20000u
#define CI_NAMES    100000u
#define LARGE_PAGES 400000 /* of 4 KiB: from here on there is room for a million */

static struct ipc_message out, in;

static bool is_large(void)
{
    portolan_counts_t counts;
    mach_msg_type_number_t n = PORTOLAN_NUMBERS_MAX;

    CHECK_EQ(host_object_counts(mach_host_self(), counts, &n), KERN_SUCCESS);
    return counts[PORTOLAN_COUNT_FREE_PAGES] >= LARGE_PAGES;
}

/* With the privileged host port there is no limit to reach. */
static void raise_limits(void)
{
    static const struct {
        int kind;
        int64_t limit;
    } limits[] = {{PORTOLAN_LEDGER_KMEM_PAGES, 1 << 20},
                  {PORTOLAN_LEDGER_PORTS, 4 * MILLION},
                  {PORTOLAN_LEDGER_NAMES, 4 * MILLION},
                  {PORTOLAN_LEDGER_KMSG_BYTES, 1l << 31}};

    for (unsigned i = 0; i < 4; i++) {
        CHECK_EQ(task_set_ledger_limit(portolan_port("host"), mach_task_self(), limits[i].kind,
                                       limits[i].limit),
                 KERN_SUCCESS);
    }
}

/* Each port goes into the queue of the next; the last one is left. */
static mach_port_t make_chain(uint32_t length)
{
    mach_port_t inner = ipc_receive_right();

    for (uint32_t i = 1; i < length; i++) {
        mach_port_t outer = ipc_receive_right();
        mach_msg_return_t mr;

        ipc_begin(&out, outer, MACH_MSG_TYPE_MAKE_SEND, 1);
        ipc_add_ports(&out, &inner, 1, MACH_MSG_TYPE_MOVE_RECEIVE);
        mr = ipc_send(&out, MACH_SEND_TIMEOUT, 0);
        if (mr != MACH_MSG_SUCCESS) {
            CHECK_EQ(mr, MACH_MSG_SUCCESS);
            break;
        }
        inner = outer;
    }
    return inner;
}

static int64_t live_ports(void)
{
    portolan_counts_t counts;
    mach_msg_type_number_t n = PORTOLAN_NUMBERS_MAX;

    CHECK_EQ(host_object_counts(mach_host_self(), counts, &n), KERN_SUCCESS);
    return counts[PORTOLAN_COUNT_PORTS];
}

TEST(a_chain_of_ports_in_each_other_s_queues_is_torn_down)
{
    uint32_t length = is_large() ? MILLION : CI_PORTS;
    int64_t before = live_ports();
    time_t start = time(NULL);
    mach_port_t last;

    raise_limits();
    last = make_chain(length);
    CHECK_EQ(live_ports() - before, length);
    printf("time: a chain of %u ports made in %ld s", length, (long)(time(NULL) - start));
    start = time(NULL);
    ipc_drop(last);
    CHECK_EQ(live_ports(), before);
    printf(", torn down in %ld s\n", (long)(time(NULL) - start));
}

/* A port that nothing travels to yet goes where the chain begins, however far that is from its end:
 * to look at all of the chain each time would take longer than any test may. */
TEST(a_chain_grows_at_its_beginning_too)
{
    uint32_t length = is_large() ? MILLION : CI_PORTS;
    int64_t before = live_ports();
    mach_port_t last = test_port(), first = last;

    raise_limits();
    for (uint32_t i = 1; i < length; i++) {
        mach_port_t port = test_port();

        ipc_begin(&out, first, MACH_MSG_TYPE_COPY_SEND, 1);
        ipc_add_ports(&out, &port, 1, MACH_MSG_TYPE_MOVE_RECEIVE);
        if (ipc_send(&out, MACH_SEND_TIMEOUT, 0) != MACH_MSG_SUCCESS) {
            CHECK_EQ(i, length);
            break;
        }
        if (first != last) {
            ipc_drop(first);
        }
        first = port;
    }
    CHECK_EQ(live_ports() - before, length);
    ipc_drop(last);
    CHECK_EQ(ipc_type(first), MACH_PORT_TYPE_DEAD_NAME);
    ipc_drop(first);
    CHECK_EQ(live_ports(), before);
}

TEST(a_chain_is_taken_apart_from_the_outside)
{
    mach_port_t port = make_chain(1000);
    uint32_t length = 1;

    while (ipc_receive(port, &in, 0, 0) == MACH_MSG_SUCCESS) {
        ipc_drop(port);
        port = (mach_port_t)*ipc_item_data(&in, 0);
        length++;
    }
    CHECK_EQ(length, 1000);
    ipc_drop(port);
}

static uint64_t now_ns(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void call_with_right(const struct ipc_peer *peer, mach_port_t reply, mach_port_t carried)
{
    ipc_begin(&out, peer->service, MACH_MSG_TYPE_COPY_SEND, 5);
    out.head.msgh_bits |= MACH_MSGH_BITS(0, MACH_MSG_TYPE_MAKE_SEND_ONCE);
    out.head.msgh_local_port = reply;
    ipc_add_ports(&out, &carried, 1, MACH_MSG_TYPE_MAKE_SEND);
    CHECK_EQ(mach_msg(&out.head, MACH_SEND_MSG | MACH_RCV_MSG, out.head.msgh_size, sizeof(out),
                      reply, 0, 0),
             MACH_MSG_SUCCESS);
}

/* Nanoseconds of one call that carries a send right: the best of some batches, as the emulator may
 * be kept waiting during others. */
static uint64_t carry_time(const struct ipc_peer *peer, mach_port_t reply)
{
    enum { BATCHES = 10, CALLS = 30 };
    mach_port_t carried = test_port();
    uint64_t best = ~0ul;

    for (unsigned batch = 0; batch < BATCHES; batch++) {
        uint64_t start = now_ns(), took;

        for (unsigned i = 0; i < CALLS; i++) {
            call_with_right(peer, reply, carried);
        }
        took = (now_ns() - start) / CALLS;
        best = took < best ? took : best;
    }
    ipc_drop(carried);
    return best;
}

TEST(with_a_million_names_each_is_found_and_a_call_costs_what_it_did)
{
    uint32_t count = is_large() ? MILLION : CI_NAMES, wrong = 0;
    mach_port_t first = ipc_dead_name(), name = first, reply = mach_reply_port();
    struct ipc_peer peer;
    uint64_t few, many;

    raise_limits();
    ipc_peer_start(&peer, ipc_peer_echo, true);
    few = carry_time(&peer, reply);
    for (uint32_t i = 1; i < count; i++) {
        wrong +=
            mach_port_allocate(mach_task_self(), MACH_PORT_RIGHT_DEAD_NAME, &name) != KERN_SUCCESS;
    }
    CHECK_EQ(wrong, 0);
    CHECK_EQ(ipc_type(first), MACH_PORT_TYPE_DEAD_NAME);
    CHECK_EQ(ipc_type(name), MACH_PORT_TYPE_DEAD_NAME);
    CHECK_EQ(ipc_type(name + 1), 0);
    many = carry_time(&peer, reply);
    printf("time: a call with a right takes %lu ns with few names and %lu ns with %u\n", few, many,
           count);
    CHECK(many < 10 * few); /* a search through the names would take a thousand times as long */
    ipc_peer_end(&peer);
    ipc_drop(reply);
}
