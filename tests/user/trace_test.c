/* trace_test.c - what the trace rings record. */
#include <mach.h>
#include <mach_host.h>
#include <mach_port.h>
#include <mach/trace.h>
#include <portolan.h>
#include <stdlib.h>

#include "lib/peer.h"
#include "lib/puppet.h"

#define EVENTS       4096u
#define EVENTS_USUAL 256u
#define CPUS         16

struct trace {
    struct trace_event events[CPUS * EVENTS];
    unsigned count;
};

static struct trace trace;

static mach_port_t trace_host(void)
{
    return portolan_port("host");
}

static void trace_start(void)
{
    CHECK_EQ(host_trace_start(trace_host(), EVENTS), KERN_SUCCESS);
}

static void trace_read_cpu(int cpu)
{
    trace_words_t words;
    mach_msg_type_number_t count;
    int64_t position = 0;

    do {
        const struct trace_event *events = (const struct trace_event *)words;

        count = TRACE_WORDS_MAX;
        CHECK_EQ(host_trace_read(trace_host(), cpu, &position, words, &count), KERN_SUCCESS);
        for (unsigned i = 0; i < count / TRACE_EVENT_WORDS && trace.count < CPUS * EVENTS; i++) {
            trace.events[trace.count++] = events[i];
        }
    } while (count != 0 && position < (int64_t)EVENTS);
}

static int trace_compare(const void *left, const void *right)
{
    const struct trace_event *a = left, *b = right;

    return a->time < b->time ? -1 : a->time > b->time;
}

/* All events, in order of time. */
static void trace_end(void)
{
    mach_msg_type_number_t count = 0;
    processor_array_t processors;

    CHECK_EQ(host_trace_stop(trace_host()), KERN_SUCCESS);
    CHECK_EQ(host_processors(trace_host(), &processors, &count), KERN_SUCCESS);
    trace.count = 0;
    for (unsigned cpu = 0; cpu < count; cpu++) {
        ipc_drop(processors[cpu]);
        trace_read_cpu((int)cpu);
    }
    vm_deallocate(mach_task_self(), (vm_address_t)processors, count * sizeof(*processors));
    CHECK_EQ(host_trace_start(trace_host(), EVENTS_USUAL), KERN_SUCCESS); /* for a panic later on */
    qsort(trace.events, trace.count, sizeof(trace.events[0]), trace_compare);
}

/* The first event of that kind after *at with that a, of any cause (0) or one; *at becomes where it
 * is. NULL: none. */
static const struct trace_event *trace_find(unsigned *at, enum trace_kind kind, uint64_t a,
                                            uint32_t cause)
{
    for (unsigned i = *at; i < trace.count; i++) {
        const struct trace_event *e = &trace.events[i];

        if (e->kind == kind && e->a == a && (cause == 0 || e->cause == cause)) {
            *at = i + 1;
            return e;
        }
    }
    return NULL;
}

static uint64_t trace_thread(mach_port_t thread)
{
    int64_t id = 0;

    CHECK_EQ(thread_get_id(thread, &id), KERN_SUCCESS);
    return (uint64_t)id;
}

TEST(a_fault_and_what_its_pager_does_have_one_cause)
{
    const struct trace_event *fault, *request, *taken, *moved, *end;
    struct puppet pager;
    struct toucher toucher;
    uint8_t *at = puppet_map(&pager, 4, false, MEMORY_OBJECT_COPY_NONE);
    uint64_t self = trace_thread(mach_thread_self()), thread;
    unsigned i = 0, k;

    trace_start();
    toucher_start(&toucher, at + PUPPET_PAGE + 5, false, 0, 0);
    thread = trace_thread(toucher.port);
    puppet_answer(&pager, PUPPET_PAGE, 6);
    CHECK_EQ(toucher_end(&toucher), KERN_SUCCESS);
    trace_end();

    fault = trace_find(&i, TRACE_FAULT, (uint64_t)at + PUPPET_PAGE + 5, 0);
    CHECK(fault != NULL && fault->thread == thread && fault->cause != 0);
    if (fault == NULL) {
        return;
    }
    k = i;
    request = trace_find(&k, TRACE_SEND, PUPPET_DATA_REQUEST, fault->cause);
    CHECK(request != NULL && request->thread == thread);
    taken = trace_find(&k, TRACE_RECEIVE, PUPPET_DATA_REQUEST, fault->cause);
    CHECK(taken != NULL && taken->thread == self);
    moved = trace_find(&k, TRACE_MOVED, 1, fault->cause);
    CHECK(moved != NULL && moved->thread == self);
    do { /* the pager's thread has faults of its own while it serves */
        end = trace_find(&k, TRACE_FAULT_END, KERN_SUCCESS, fault->cause);
    } while (end != NULL && end->thread != thread);
    CHECK(end != NULL);
    puppet_end(&pager, at, 4);
}

/* Which hand-off or queue a message of this thread went by first, from *at on. */
static const struct trace_event *trace_find_sent(unsigned *at, uint32_t id, uint32_t cause)
{
    unsigned queued = *at, handed = *at;
    const struct trace_event *send = trace_find(&queued, TRACE_SEND, id, cause);
    const struct trace_event *handoff = trace_find(&handed, TRACE_HANDOFF, id, cause);

    if (send == NULL || (handoff != NULL && handed < queued)) {
        *at = handed;
        return handoff;
    }
    *at = queued;
    return send;
}

TEST(a_call_and_its_answer_have_one_cause_and_the_next_call_another)
{
    struct ipc_peer server;
    mach_port_t reply = ipc_receive_right();
    uint32_t causes[2] = {0};
    static struct ipc_message m;
    unsigned at = 0;

    ipc_peer_start(&server, ipc_peer_echo, true);
    trace_start();
    for (int n = 0; n < 2; n++) {
        ipc_begin(&m, server.service, MACH_MSG_TYPE_COPY_SEND, 4711 + n);
        CHECK_EQ(ipc_rpc(&m, server.service, reply), MACH_MSG_SUCCESS);
    }
    trace_end();
    for (unsigned n = 0; n < 2; n++) {
        const struct trace_event *question = trace_find_sent(&at, 4711 + n, 0);
        const struct trace_event *answer;

        CHECK(question != NULL && question->cause != 0);
        if (question == NULL) {
            return;
        }
        causes[n] = question->cause;
        answer = trace_find_sent(&at, 4811 + n, question->cause); /* the echo adds 100 */
        CHECK(answer != NULL && answer->task != question->task);
    }
    CHECK(causes[0] != causes[1]);
    ipc_peer_end(&server);
    CHECK_EQ(mach_port_destroy(mach_task_self(), reply), KERN_SUCCESS);
}

TEST(a_ring_keeps_the_newest_events)
{
    trace_words_t words;
    mach_msg_type_number_t count = TRACE_WORDS_MAX;
    int64_t position = 0;
    int64_t id;

    CHECK_EQ(thread_bind(mach_thread_self(), 0), KERN_SUCCESS);
    CHECK_EQ(host_trace_start(trace_host(), 8), KERN_SUCCESS);
    for (unsigned i = 0; i < 100; i++) {
        CHECK_EQ(task_get_id(mach_task_self(), &id), KERN_SUCCESS);
    }
    CHECK_EQ(host_trace_read(trace_host(), 0, &position, words, &count), KERN_SUCCESS);
    CHECK(count / TRACE_EVENT_WORDS <= 8);
    CHECK(position > 100);
    CHECK_EQ(thread_bind(mach_thread_self(), -1), KERN_SUCCESS);
    CHECK_EQ(host_trace_start(trace_host(), EVENTS_USUAL), KERN_SUCCESS);
}

TEST(what_is_no_ring_is_refused)
{
    trace_words_t words;
    mach_msg_type_number_t count = TRACE_WORDS_MAX;
    int64_t position = 0;

    CHECK_EQ(host_trace_start(trace_host(), 0), KERN_INVALID_ARGUMENT);
    CHECK_EQ(host_trace_start(trace_host(), ~0u), KERN_RESOURCE_SHORTAGE);
    CHECK_EQ(host_trace_read(trace_host(), -1, &position, words, &count), KERN_INVALID_ARGUMENT);
    CHECK_EQ(host_trace_read(trace_host(), 1000, &position, words, &count), KERN_INVALID_ARGUMENT);
    position = -1;
    CHECK_EQ(host_trace_read(trace_host(), 0, &position, words, &count), KERN_SUCCESS);
    CHECK_EQ(count, 0);
    CHECK_EQ(host_trace_start(mach_host_self(), 10), KERN_INVALID_HOST);
    CHECK_EQ(host_trace_stop(mach_host_self()), KERN_INVALID_HOST);
    CHECK_EQ(host_trace_read(mach_host_self(), 0, &position, words, &count), KERN_INVALID_HOST);
}
