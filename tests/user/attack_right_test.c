/* attack_right_test.c - attacks on who owns a right.
 *
 * M2 "ownership confusion in stub or kernel server: consume the port and return an error, or
 * success without consuming" (Project Zero issue 930, CVE-2022-32866, the voucher swap
 * CVE-2019-6225). The attacker has a routine that takes a right fail in each way it can, or swaps
 * the right it keeps from several threads, and looks for a right that was dropped twice or not at
 * all. A refused request must consume what it carried exactly once, whatever refused it.
 *
 * M12 "rights carried in a message to a dead port or destroyed with its queue: leaks, recursion,
 * stack depth" (classic Mach). The attacker puts ports into the queues of ports thousands deep and
 * destroys the outermost, from several threads, and while others still send. All must be given
 * back, with the kernel's stack as flat as for one.
 *
 * M13 "circular send of a receive right to itself" (classic). The attacker sends receive rights in
 * rings, so that nobody could ever receive them. The last send must find the ring: it succeeds and
 * the rights die with it (dead names), leaving nothing. */
#include <mach.h>
#include <mach/mig_errors.h>
#include <mach_port.h>

#include "lib/attack.h"

#define DEPTH 4000 /* a frame for each would be ten times the kernel's stack */

/* Routines that take a right, by their numbers: requests are made by hand here. */
#define TASK_SET_SPECIAL_PORT     2059
#define THREAD_SET_SPECIAL_PORT   2068
#define VM_MAP                    2089
#define THREAD_ASSIGN             2613
#define PORT_REQUEST_NOTIFICATION 3214
#define PORT_INSERT_RIGHT         3215
#define NEW_TASK_NOTIFICATION     4203
#define IO_PERM_MODIFY            3806
#define NO_ROUTINE                0x12345678

static struct ipc_message in, out;

static mach_port_t self(void)
{
    return mach_task_self();
}

static mach_port_t host(void)
{
    return mach_host_self();
}

static mach_port_t thread(void)
{
    return mach_thread_self();
}

/* --- M2 --- */

#define INT(number)                                                                                \
    {                                                                                              \
        MACH_MSG_TYPE_INTEGER_32, 32, number                                                       \
    }
#define LONG(number)                                                                               \
    {                                                                                              \
        MACH_MSG_TYPE_INTEGER_64, 64, number                                                       \
    }
#define NAME(number)                                                                               \
    {                                                                                              \
        MACH_MSG_TYPE_PORT_NAME, 32, number                                                        \
    }
#define BOOL(number)                                                                               \
    {                                                                                              \
        MACH_MSG_TYPE_BOOLEAN, 32, number                                                          \
    }

struct number {
    unsigned type, bits;
    uint64_t number;
};

/* A request with a right among its numbers, and the code that refuses it. */
struct refused {
    mach_port_t (*to)(void);
    int id;
    struct number before[4], after[5];
    unsigned disposition;
    kern_return_t code;
};

#define ONCE    MACH_MSG_TYPE_MAKE_SEND_ONCE
#define SEND    MACH_MSG_TYPE_MAKE_SEND
#define RECEIVE MACH_MSG_TYPE_MOVE_RECEIVE

static const struct refused refused[] = {
    /* the arguments are wrong */
    {self,
     PORT_REQUEST_NOTIFICATION,
     {NAME(IPC_NO_NAME), INT(MACH_NOTIFY_DEAD_NAME), INT(0)},
     {},
     ONCE,
     KERN_INVALID_NAME},
    {self,
     PORT_REQUEST_NOTIFICATION,
     {NAME(IPC_NO_NAME), INT(MACH_NOTIFY_NO_SENDERS), INT(0)},
     {},
     ONCE,
     KERN_INVALID_NAME},
    {self,
     PORT_REQUEST_NOTIFICATION,
     {NAME(IPC_NO_NAME), INT(MACH_NOTIFY_PORT_DESTROYED), INT(0)},
     {},
     ONCE,
     KERN_INVALID_NAME},
    {self,
     PORT_REQUEST_NOTIFICATION,
     {NAME(IPC_NO_NAME), INT(MACH_NOTIFY_PORT_DESTROYED), INT(1)},
     {},
     ONCE,
     KERN_INVALID_VALUE},
    {self,
     PORT_REQUEST_NOTIFICATION,
     {NAME(1), INT(MACH_NOTIFY_SEND_ONCE), INT(0)},
     {},
     ONCE,
     KERN_INVALID_VALUE},
    {self, PORT_INSERT_RIGHT, {NAME(0)}, {}, SEND, KERN_INVALID_VALUE},
    {self, PORT_INSERT_RIGHT, {NAME(0)}, {}, ONCE, KERN_INVALID_VALUE},
    {self, PORT_INSERT_RIGHT, {NAME(0)}, {}, RECEIVE, KERN_INVALID_VALUE},
    {self, PORT_INSERT_RIGHT, {NAME(0xffffffff)}, {}, RECEIVE, KERN_INVALID_VALUE},
    {self, TASK_SET_SPECIAL_PORT, {INT(99)}, {}, SEND, KERN_INVALID_ARGUMENT},
    {self, TASK_SET_SPECIAL_PORT, {INT(TASK_KERNEL_PORT)}, {}, SEND, KERN_INVALID_ARGUMENT},
    {thread, THREAD_SET_SPECIAL_PORT, {INT(99)}, {}, SEND, KERN_INVALID_ARGUMENT},
    {self,
     VM_MAP,
     {LONG(0), LONG(0), LONG(0), BOOL(1)},
     {LONG(0), BOOL(0), INT(3), INT(3), INT(1)},
     SEND,
     KERN_INVALID_ARGUMENT},
    {self,
     VM_MAP,
     {LONG(0), LONG(4096), LONG(0), BOOL(1)},
     {LONG(0), BOOL(0), INT(3), INT(3), INT(9)},
     SEND,
     KERN_INVALID_ARGUMENT},
    {thread, THREAD_ASSIGN, {}, {}, SEND, KERN_INVALID_ARGUMENT},
    {self, IO_PERM_MODIFY, {}, {BOOL(1)}, SEND, KERN_INVALID_ARGUMENT},
    /* the object is another */
    {host,
     PORT_REQUEST_NOTIFICATION,
     {NAME(1), INT(MACH_NOTIFY_DEAD_NAME), INT(0)},
     {},
     ONCE,
     KERN_INVALID_TASK},
    {host, PORT_INSERT_RIGHT, {NAME(77)}, {}, SEND, KERN_INVALID_TASK},
    {host, PORT_INSERT_RIGHT, {NAME(77)}, {}, RECEIVE, KERN_INVALID_TASK},
    {host, TASK_SET_SPECIAL_PORT, {INT(TASK_EXCEPTION_PORT)}, {}, SEND, KERN_INVALID_ARGUMENT},
    {self, THREAD_SET_SPECIAL_PORT, {INT(THREAD_EXCEPTION_PORT)}, {}, SEND, KERN_INVALID_ARGUMENT},
    {host, NEW_TASK_NOTIFICATION, {}, {}, SEND, KERN_INVALID_HOST},
    /* the right is another */
    {self,
     PORT_REQUEST_NOTIFICATION,
     {NAME(1), INT(MACH_NOTIFY_DEAD_NAME), INT(0)},
     {},
     SEND,
     MIG_BAD_ARGUMENTS},
    {self,
     PORT_REQUEST_NOTIFICATION,
     {NAME(1), INT(MACH_NOTIFY_DEAD_NAME), INT(0)},
     {},
     RECEIVE,
     MIG_BAD_ARGUMENTS},
    {self, TASK_SET_SPECIAL_PORT, {INT(TASK_EXCEPTION_PORT)}, {}, ONCE, MIG_BAD_ARGUMENTS},
    {self, TASK_SET_SPECIAL_PORT, {INT(TASK_EXCEPTION_PORT)}, {}, RECEIVE, MIG_BAD_ARGUMENTS},
    {thread, THREAD_SET_SPECIAL_PORT, {INT(THREAD_EXCEPTION_PORT)}, {}, ONCE, MIG_BAD_ARGUMENTS},
    {host, NEW_TASK_NOTIFICATION, {}, {}, ONCE, MIG_BAD_ARGUMENTS},
    {self, IO_PERM_MODIFY, {}, {BOOL(1)}, RECEIVE, MIG_BAD_ARGUMENTS},
    {self,
     VM_MAP,
     {LONG(0), LONG(4096), LONG(0), BOOL(1)},
     {LONG(0), BOOL(0), INT(3), INT(3), INT(1)},
     ONCE,
     MIG_BAD_ARGUMENTS},
    /* the request is too long, or for nobody */
    {self, TASK_SET_SPECIAL_PORT, {INT(TASK_EXCEPTION_PORT)}, {INT(0)}, SEND, MIG_BAD_ARGUMENTS},
    {self, PORT_INSERT_RIGHT, {NAME(77)}, {INT(0)}, RECEIVE, MIG_BAD_ARGUMENTS},
    {self, NO_ROUTINE, {}, {}, SEND, MIG_BAD_ID},
    {host, NO_ROUTINE, {}, {}, ONCE, MIG_BAD_ID},
    {thread, NO_ROUTINE, {}, {}, RECEIVE, MIG_BAD_ID},
};

static void add_numbers(const struct number *numbers, unsigned count)
{
    for (unsigned i = 0; i < count && numbers[i].bits != 0; i++) {
        attack_add_number(&out, numbers[i].type, numbers[i].bits, numbers[i].number);
    }
}

/* The one right that went has been dropped, and nothing else. */
static void check_consumed(mach_port_t port, unsigned disposition)
{
    if (disposition == RECEIVE) {
        CHECK_EQ(ipc_type(port), MACH_PORT_TYPE_DEAD_NAME);
        return;
    }
    if (disposition == ONCE) {
        CHECK_EQ(ipc_receive(port, &in, 0, 0), MACH_MSG_SUCCESS);
        CHECK_EQ(in.head.msgh_id, MACH_NOTIFY_SEND_ONCE);
    }
    CHECK_EQ(ipc_receive(port, &in, 0, 0), MACH_RCV_TIMED_OUT);
    CHECK_EQ(ipc_status(port).mps_sorights, 0);
    CHECK_EQ(attack_send_rights(port), 1); /* this task's */
}

TEST(m2_a_refused_request_consumes_its_right_once)
{
    for (unsigned i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        const struct refused *r = &refused[i];
        mach_port_t port = test_port();
        kern_return_t kr;

        ipc_begin(&out, r->to(), MACH_MSG_TYPE_COPY_SEND, r->id);
        add_numbers(r->before, 4);
        ipc_add_ports(&out, &port, 1, r->disposition);
        add_numbers(r->after, 5);
        kr = attack_call(&out);
        if (kr != r->code) {
            CHECK_EQ(i, kr); /* says which */
        }
        check_consumed(port, r->disposition);
        ipc_drop(port);
    }
}

TEST(m2_a_refused_insertion_consumes_its_right_once)
{
    mach_port_t port = ipc_receive_right(), taken = ipc_dead_name();
    static const unsigned kinds[] = {SEND, ONCE};

    for (unsigned i = 0; i < 2; i++) {
        CHECK_EQ(mach_port_insert_right(self(), taken, port, kinds[i]),
                 i == 0 ? KERN_RIGHT_EXISTS : KERN_NAME_EXISTS);
        CHECK_EQ(syscall_mach_port_insert_right(self(), taken, port, kinds[i]),
                 i == 0 ? KERN_RIGHT_EXISTS : KERN_NAME_EXISTS);
        CHECK_EQ(syscall_mach_port_insert_right(self(), 0, port, kinds[i]), KERN_INVALID_VALUE);
        CHECK_EQ(attack_send_rights(port), 0);
    }
    for (unsigned i = 0; i < 3; i++) {
        CHECK_EQ(ipc_receive(port, &in, 0, 0), MACH_MSG_SUCCESS);
        CHECK_EQ(in.head.msgh_id, MACH_NOTIFY_SEND_ONCE);
    }
    CHECK_EQ(ipc_receive(port, &in, 0, 0), MACH_RCV_TIMED_OUT);
    CHECK_EQ(ipc_status(port).mps_sorights, 0);
    ipc_drop(port);
    ipc_drop(taken);
}

TEST(m2_a_right_that_is_kept_is_given_back_when_another_takes_its_place)
{
    mach_port_t first = test_port(), second = test_port();

    CHECK_EQ(task_set_special_port(self(), TASK_EXCEPTION_PORT, first), KERN_SUCCESS);
    CHECK_EQ(task_set_special_port(self(), TASK_EXCEPTION_PORT, first), KERN_SUCCESS);
    CHECK_EQ(attack_send_rights(first), 2);
    CHECK_EQ(task_set_special_port(self(), TASK_EXCEPTION_PORT, second), KERN_SUCCESS);
    CHECK_EQ(attack_send_rights(first), 1);
    CHECK_EQ(attack_send_rights(second), 2);
    CHECK_EQ(task_set_special_port(self(), TASK_EXCEPTION_PORT, MACH_PORT_NULL), KERN_SUCCESS);
    CHECK_EQ(attack_send_rights(second), 1);
    ipc_drop(first);
    ipc_drop(second);
}

/* Replace the request of h->port by one of one's own, and drop the one it replaced. */
static void swap(struct attack_hammer *h)
{
    mach_port_t previous = MACH_PORT_NULL;

    h->hits += mach_port_request_notification(self(), h->port, MACH_NOTIFY_NO_SENDERS, 1000000,
                                              *h->word, ONCE, &previous) == KERN_SUCCESS;
    if (previous != MACH_PORT_NULL) {
        mach_port_deallocate(self(), previous);
    }
}

TEST(m2_requests_swapped_by_many_come_back_once_each)
{
    mach_port_t port = test_port(), previous;
    uint32_t notify = ipc_receive_right(), received = 0;
    struct attack_hammer hammers[3];

    for (unsigned i = 0; i < 3; i++) {
        hammers[i] = (struct attack_hammer){.blow = swap, .port = port, .word = &notify};
    }
    attack_start(hammers, 3);
    while (received < 1000 && ipc_receive(notify, &in, 0, IPC_LONG_MS) == MACH_MSG_SUCCESS) {
        CHECK_EQ(in.head.msgh_id, MACH_NOTIFY_SEND_ONCE);
        received++;
    }
    attack_stop(hammers, 3);
    CHECK_EQ(mach_port_request_notification(self(), port, MACH_NOTIFY_NO_SENDERS, 0, MACH_PORT_NULL,
                                            ONCE, &previous),
             KERN_SUCCESS);
    CHECK_EQ(mach_port_deallocate(self(), previous), KERN_SUCCESS);
    while (ipc_receive(notify, &in, 0, 0) == MACH_MSG_SUCCESS) {
        received++;
    }
    CHECK_EQ(received, hammers[0].hits + hammers[1].hits + hammers[2].hits);
    CHECK_EQ(ipc_status(notify).mps_sorights, 0);
    ipc_drop(notify);
    ipc_drop(port);
}

/* --- M12 --- */

/* Ports in each other's queues, `depth` of them; the outermost is left. Each message has a send
 * right to `carried`, too. */
static mach_port_t make_chain(unsigned depth, mach_port_t carried)
{
    mach_port_t inner = ipc_receive_right();

    for (unsigned i = 1; i < depth; i++) {
        mach_port_t outer = ipc_receive_right();

        ipc_begin(&out, outer, SEND, 1);
        ipc_add_ports(&out, &inner, 1, RECEIVE);
        ipc_add_ports(&out, &carried, 1, SEND);
        if (ipc_send(&out, MACH_SEND_TIMEOUT, 0) != MACH_MSG_SUCCESS) {
            CHECK_EQ(i, depth); /* says how far it came */
            ipc_drop(inner);
            return outer;
        }
        inner = outer;
    }
    return inner;
}

TEST(m12_a_chain_of_nested_ports_is_torn_down_without_recursion)
{
    mach_port_t carried = ipc_receive_right();
    int64_t before = attack_live_ports();
    mach_port_t chain = make_chain(DEPTH, carried);

    CHECK_EQ(attack_live_ports() - before, DEPTH);
    CHECK_EQ(attack_send_rights(carried), DEPTH - 1);
    ipc_drop(chain);
    CHECK_EQ(attack_live_ports(), before);
    CHECK_EQ(attack_send_rights(carried), 0);
    ipc_drop(carried);
}

TEST(m12_a_chain_dies_with_the_port_its_head_was_sent_to)
{
    mach_port_t box = ipc_receive_right(), carried = ipc_receive_right();
    mach_port_t chain = make_chain(DEPTH, carried);

    ipc_begin(&out, box, SEND, 1);
    ipc_add_port_array(&out, &chain, 1, RECEIVE, false);
    CHECK_EQ(ipc_send(&out, 0, 0), MACH_MSG_SUCCESS);
    ipc_drop(box);
    CHECK_EQ(attack_send_rights(carried), 0);
    ipc_drop(carried);
}

static void drop_once(struct attack_hammer *h)
{
    if (h->port != MACH_PORT_NULL) {
        ipc_drop(h->port);
        h->port = MACH_PORT_NULL;
    }
    h->stop = true;
}

TEST(m12_chains_torn_down_by_several_threads_at_once_leave_nothing)
{
    mach_port_t carried = ipc_receive_right();
    int64_t before = attack_live_ports();
    struct attack_hammer hammers[4];

    for (unsigned i = 0; i < 4; i++) {
        hammers[i] = (struct attack_hammer){.blow = drop_once, .port = make_chain(500, carried)};
    }
    attack_start(hammers, 4);
    attack_stop(hammers, 4);
    CHECK_EQ(attack_send_rights(carried), 0);
    CHECK_EQ(attack_live_ports(), before);
    ipc_drop(carried);
}

TEST(m12_rights_queued_on_a_port_that_dies_are_all_given_back)
{
    mach_port_t carried = ipc_receive_right(), names[100];

    for (unsigned i = 0; i < 100; i++) {
        names[i] = carried;
    }
    for (unsigned round = 0; round < 20; round++) {
        mach_port_t box = test_port();

        for (unsigned i = 0; i < MACH_PORT_QLIMIT_DEFAULT; i++) {
            ipc_begin(&out, box, MACH_MSG_TYPE_COPY_SEND, 1);
            ipc_add_ports(&out, names, 100, SEND);
            ipc_add_port_array(&out, names, 100, SEND, false);
            CHECK_EQ(ipc_send(&out, 0, 0), MACH_MSG_SUCCESS);
        }
        CHECK_EQ(attack_send_rights(carried), 200 * MACH_PORT_QLIMIT_DEFAULT);
        ipc_drop(box);
        CHECK_EQ(attack_send_rights(carried), 0);
    }
    ipc_drop(carried);
}

/* Send to the port that *h->word names now a message with three rights. */
static void send_rights(struct attack_hammer *h)
{
    struct {
        mach_msg_header_t head;
        mach_msg_type_t type;
        uint64_t names[3];
    } m = {{.msgh_bits = MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, 0) | MACH_MSGH_BITS_COMPLEX,
            .msgh_size = sizeof(m),
            .msgh_remote_port = *h->word},
           {.msgt_name = SEND, .msgt_size = 64, .msgt_inline = 1, .msgt_number = 3},
           {h->port, h->port, h->port}};

    h->hits += mach_msg(&m.head, MACH_SEND_MSG | MACH_SEND_TIMEOUT, sizeof(m), 0, 0, 0, 0) ==
               MACH_MSG_SUCCESS;
}

TEST(m12_rights_sent_to_a_port_while_it_dies_are_all_given_back)
{
    mach_port_t carried = ipc_receive_right();
    volatile uint32_t box = test_port();
    struct attack_hammer hammers[3];

    for (unsigned i = 0; i < 3; i++) {
        hammers[i] = (struct attack_hammer){.blow = send_rights, .port = carried, .word = &box};
    }
    attack_start(hammers, 3);
    for (unsigned i = 0; i < 100 || attack_hits(hammers, 3) == 0; i++) {
        mach_port_t old = box;

        box = test_port();
        swtch();
        ipc_drop(old);
    }
    attack_stop(hammers, 3);
    ipc_drop(box);
    if (ipc_type(carried) == MACH_PORT_TYPE_SEND_RECEIVE) { /* of sends that timed out */
        CHECK_EQ(mach_port_mod_refs(self(), carried, MACH_PORT_RIGHT_SEND,
                                    -(int)ipc_refs(carried, MACH_PORT_RIGHT_SEND)),
                 KERN_SUCCESS);
    }
    CHECK_EQ(attack_send_rights(carried), 0);
    ipc_drop(carried);
}

/* --- M13 --- */

/* Send the receive right `what` to `to`. */
static mach_msg_return_t send_receive_right(mach_port_t to, mach_port_t what, bool in_array)
{
    ipc_begin(&out, to, MACH_MSG_TYPE_COPY_SEND, 1);
    if (in_array) {
        ipc_add_port_array(&out, &what, 1, RECEIVE, false);
    } else {
        ipc_add_ports(&out, &what, 1, RECEIVE);
    }
    return ipc_send(&out, 0, 0);
}

TEST(m13_a_ring_of_receive_rights_dies_with_the_send_that_closes_it)
{
    for (unsigned length = 1; length <= 64; length *= 2) {
        int64_t before = attack_live_ports();
        mach_port_t ports[64];

        for (unsigned i = 0; i < length; i++) {
            ports[i] = test_port();
        }
        for (unsigned i = 0; i < length; i++) {
            CHECK_EQ(send_receive_right(ports[(i + 1) % length], ports[i], i % 2 == 1),
                     MACH_MSG_SUCCESS);
        }
        for (unsigned i = 0; i < length; i++) {
            CHECK_EQ(ipc_type(ports[i]), MACH_PORT_TYPE_DEAD_NAME);
            ipc_drop(ports[i]);
        }
        CHECK_EQ(attack_live_ports(), before);
    }
}

static mach_port_t notify_destroyed(mach_port_t port, mach_port_t notify)
{
    mach_port_t previous = MACH_PORT_NULL;

    CHECK_EQ(mach_port_request_notification(self(), port, MACH_NOTIFY_PORT_DESTROYED, 0, notify,
                                            ONCE, &previous),
             KERN_SUCCESS);
    return previous;
}

TEST(m13_receive_rights_that_notifications_would_send_in_a_ring_die)
{
    int64_t before = attack_live_ports();
    mach_port_t alone = ipc_receive_right(), one = ipc_receive_right(), other = ipc_receive_right();

    notify_destroyed(alone, alone);
    ipc_drop(alone);
    CHECK_EQ(attack_live_ports(), before + 2);
    notify_destroyed(one, other);
    notify_destroyed(other, one);
    ipc_drop(one); /* lies in the other's queue now */
    CHECK_EQ(attack_live_ports(), before + 2);
    ipc_drop(other);
    CHECK_EQ(attack_live_ports(), before);
}

/* One step of a ring: this thread sends its port to its neighbour. */
struct ring {
    mach_port_t port, next;
    pthread_t thread;
    pthread_barrier_t *start;
};

static void *ring_run(void *argument)
{
    struct ring *r = argument;
    struct {
        mach_msg_header_t head;
        mach_msg_type_t type;
        uint64_t name;
    } m = {{.msgh_bits = MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, 0) | MACH_MSGH_BITS_COMPLEX,
            .msgh_size = sizeof(m),
            .msgh_remote_port = r->next},
           {.msgt_name = RECEIVE, .msgt_size = 64, .msgt_inline = 1, .msgt_number = 1},
           r->port};

    pthread_barrier_wait(r->start);
    CHECK_EQ(mach_msg(&m.head, MACH_SEND_MSG, sizeof(m), 0, 0, 0, 0), MACH_MSG_SUCCESS);
    return NULL;
}

TEST(m13_a_ring_that_several_threads_close_at_once_dies_too)
{
    enum { RING = 4 };

    for (unsigned round = 0; round < 15; round++) {
        int64_t before = attack_live_ports();
        struct ring rings[RING];
        pthread_barrier_t start;

        pthread_barrier_init(&start, NULL, RING);
        for (unsigned i = 0; i < RING; i++) {
            rings[i] = (struct ring){.port = test_port(), .start = &start};
        }
        for (unsigned i = 0; i < RING; i++) {
            rings[i].next = rings[(i + 1) % RING].port;
            CHECK_EQ(pthread_create(&rings[i].thread, NULL, ring_run, &rings[i]), 0);
        }
        for (unsigned i = 0; i < RING; i++) {
            CHECK_EQ(pthread_join(rings[i].thread, NULL), 0);
        }
        pthread_barrier_destroy(&start);
        for (unsigned i = 0; i < RING; i++) {
            CHECK_EQ(ipc_type(rings[i].port), MACH_PORT_TYPE_DEAD_NAME);
            ipc_drop(rings[i].port);
        }
        CHECK_EQ(attack_live_ports(), before);
    }
}
