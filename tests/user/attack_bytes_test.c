/* attack_bytes_test.c - M7 "uninitialised kernel memory in trailers or padding" (CVE-2020-27950:
 * the trailer of a message carried what was in the kernel's heap before).
 *
 * The attacker fills the kernel's stack with bytes of its own (the debug kernel has done so with
 * the heap), then looks at every byte it is given: padding of items, of structures and of strings,
 * the ends of pages, the header's spare words, notifications, exceptions, answers that refuse. None
 * may be a byte nobody wrote for it: padding is zero, nothing is poison, an address of the kernel's
 * or the attacker's own pattern, and nothing lies behind the end. */
#include <mach.h>
#include <mach/mig_errors.h>
#include <mach_host.h>
#include <mach_port.h>
#include <portolan.h>
#include <string.h>

#include "lib/attack.h"
#include "lib/peer.h"

#define DIRT        0x5c5c5c5cu /* left in the kernel's stack */
#define POISON_NEW  0xa5a5a5a5u /* kernel/ddb/slab_debug.c */
#define POISON_FREE 0x6b6b6b6bu
#define DIRTY_WORDS 1024
#define TASK_INFO   2012

static struct ipc_message in, out;

static mach_port_t self(void)
{
    return mach_task_self();
}

/* --- looking at bytes --- */

/* Have the kernel's stack full of DIRT: a trap and a short call put their arguments there. */
static void soil(void)
{
    static uint32_t words[DIRTY_WORDS];
    static struct ipc_message m;

    memset(words, (uint8_t)DIRT, sizeof(words));
    CHECK_EQ(thread_set_self_state(0x7fffffff, (thread_state_t)words, DIRTY_WORDS),
             KERN_INVALID_ARGUMENT);
    ipc_begin(&m, self(), MACH_MSG_TYPE_COPY_SEND, 0x12345678);
    memset(m.body, (uint8_t)DIRT, 64);
    m.head.msgh_size += 64;
    CHECK_EQ(attack_call(&m), MIG_BAD_ID);
}

static bool is_suspicious(uint32_t word)
{
    return word == DIRT || word == POISON_NEW || word == POISON_FREE;
}

/* Words in [from, to) that the kernel should not have given away. */
static unsigned suspicious_words(const uint8_t *from, const uint8_t *to)
{
    unsigned n = 0;

    for (; from + 4 <= to; from += 4) {
        uint64_t wide = 0;

        n += is_suspicious(*(const uint32_t *)from);
        if ((uintptr_t)from % 8 == 0 && from + 8 <= to) {
            wide = *(const uint64_t *)from;
        }
        n += wide >= IPC_KERNEL_MEMORY - 0x100000 && wide < (uint64_t)-0x10000;
    }
    return n;
}

static bool is_zero(const uint8_t *from, const uint8_t *to)
{
    while (from < to && *from == 0) {
        from++;
    }
    return from == to;
}

/* An item's data and what pads it; memory out of line to the end of its last page. */
static void check_item(const mach_msg_type_t *item, const char *what, int id)
{
    uint64_t size = ((uint64_t)item->msgt_number * item->msgt_size + 7) / 8;
    const uint8_t *data = (const uint8_t *)(item + 1);
    const uint8_t *end = data + size, *edge = data + MACH_MSG_ALIGN(size);

    if (!item->msgt_inline) {
        data = *(const uint8_t *const *)data;
        end = data + size;
        edge = (const uint8_t *)(((uintptr_t)end + IPC_PAGE_SIZE - 1) & -(uintptr_t)IPC_PAGE_SIZE);
    }
    if (!is_zero(end, edge) || suspicious_words(data, end) != 0) {
        test_check(false, id, (long)suspicious_words(data, end), what, __FILE__, __LINE__);
    }
}

/* A whole message that lies in m; behind it `fill`, from the end of what was sent on. */
static void check_message(struct ipc_message *m, uint8_t fill, uint32_t sent, const char *what)
{
    const uint8_t *end = (uint8_t *)m + m->head.msgh_size, *at = m->body;

    CHECK_EQ(m->head.msgh_remote_pad, 0);
    CHECK_EQ(m->head.msgh_local_pad, 0);
    CHECK_EQ(m->head.msgh_size % 8, 0);
    if (m->head.msgh_size >= sent) {
        CHECK_EQ(*end, fill);
    }
    while (at + sizeof(mach_msg_type_t) <= end) {
        const mach_msg_type_t *item = (const mach_msg_type_t *)at;
        uint32_t size = (uint32_t)(((uint64_t)item->msgt_number * item->msgt_size + 7) / 8);

        CHECK_EQ(item->msgt_unused, 0);
        check_item(item, what, m->head.msgh_id);
        at += sizeof(*item) + (item->msgt_inline ? MACH_MSG_ALIGN(size) : sizeof(uint64_t));
    }
    CHECK(at == end);
}

/* --- answers of the kernel --- */

static mach_port_t thread(void)
{
    static mach_port_t port;

    if (port == MACH_PORT_NULL) {
        port = (mach_thread_self)();
    }
    return port;
}

static mach_port_t host(void)
{
    return mach_host_self();
}

static mach_port_t privileged(void)
{
    return portolan_port("host");
}

static mach_port_t processors(void)
{
    static mach_port_t set;

    if (set == MACH_PORT_NULL) {
        CHECK_EQ(processor_set_default(host(), &set), KERN_SUCCESS);
    }
    return set;
}

static mach_port_t receive(void)
{
    static mach_port_t port;

    if (port == MACH_PORT_NULL) {
        port = test_port();
    }
    return port;
}

#define INT(number)                                                                                \
    {                                                                                              \
        MACH_MSG_TYPE_INTEGER_32, 32, number                                                       \
    }
#define LONG(number)                                                                               \
    {                                                                                              \
        MACH_MSG_TYPE_INTEGER_64, 64, number                                                       \
    }
#define HERE                                                                                       \
    {                                                                                              \
        MACH_MSG_TYPE_INTEGER_64, 64, 1                                                            \
    } /* an address of this program's data */
#define NAME                                                                                       \
    {                                                                                              \
        MACH_MSG_TYPE_PORT_NAME, 32, 0                                                             \
    } /* of a port of this task */

static const struct question {
    mach_port_t (*to)(void);
    int id;
    struct {
        unsigned type, bits;
        uint64_t number;
    } arguments[2];
    const char *what;
} questions[] = {
    {self, 2009, {}, "task_get_emulation_vector"},
    {self, 2011, {}, "task_threads"},
    {self, TASK_INFO, {INT(1), INT(1024)}, "task_info basic"},
    {self, TASK_INFO, {INT(2), INT(1024)}, "task_info events"},
    {self, TASK_INFO, {INT(3), INT(1024)}, "task_info times"},
    {self, TASK_INFO, {INT(99), INT(1024)}, "task_info unknown"},
    {thread, 2019, {INT(1), INT(1024)}, "thread_info basic"},
    {thread, 2019, {INT(2), INT(1024)}, "thread_info sched"},
    {self, 2026, {HERE, LONG(100)}, "vm_read"},
    {self, 2029, {HERE}, "vm_region"},
    {self, 2030, {}, "vm_statistics"},
    {self, 2034, {}, "mach_ports_lookup"},
    {self, 2058, {INT(1)}, "task_get_special_port"},
    {self, 2058, {INT(99)}, "task_get_special_port unknown"},
    {host, 2606, {}, "processor_set_default"},
    {host, 2629, {}, "host_processor_sets"},
    {host, 2634, {}, "host_get_time"},
    {host, 2638, {INT(1), INT(1024)}, "host_info basic"},
    {host, 2638, {INT(2), INT(1024)}, "host_info slots"},
    {host, 2638, {INT(3), INT(1024)}, "host_info sched"},
    {host, 2638, {INT(4), INT(1024)}, "host_info load"},
    {processors, 2640, {INT(1), INT(1024)}, "processor_set_info basic"},
    {processors, 2640, {INT(2), INT(1024)}, "processor_set_info sched"},
    {host, 2643, {}, "host_get_time64"},
    {host, 2646, {}, "host_get_kernel_version"},
    {host, 2647, {}, "host_get_uptime64"},
    {privileged, 2600, {}, "host_processors"},
    {host, 3009, {INT(0)}, "host_ipc_marequest_info"},
    {host, 3014, {}, "host_stack_usage"},
    {processors, 3015, {}, "processor_set_stack_usage"},
    {host, 3016, {INT(0)}, "host_virtual_physical_table_info"},
    {self, 3019, {HERE}, "mach_vm_region_info"},
    {host, 3022, {INT(0)}, "host_slab_info"},
    {self, 3200, {}, "mach_port_names"},
    {self, 3201, {NAME}, "mach_port_type"},
    {self, 3207, {NAME, INT(0)}, "mach_port_get_refs"},
    {self, 3212, {NAME}, "mach_port_get_set_status"},
    {self, 3217, {NAME}, "mach_port_get_receive_status"},
    {self, 3007, {NAME}, "mach_port_get_srights"},
    {self, 3011, {NAME}, "mach_port_dnrequest_info"},
    {host, 3809, {}, "i386_get_xstate_size"},
    {self, 4200, {}, "vm_cache_statistics"},
    {thread, 4214, {}, "thread_get_name"},
    {self, 4216, {}, "vm_get_size_limit"},
    {self, 5000, {}, "task_get_name"},
    {self, 5001, {}, "task_get_id"},
    {self, 5002, {}, "task_get_ledger"},
    {thread, 5004, {}, "thread_get_id"},
    {host, 5005, {LONG(0)}, "host_read_messages"},
    {host, 5006, {}, "host_object_counts"},
};

/* Returns: the size of the request. */
static uint32_t ask(const struct question *q)
{
    static const char here[] = "some bytes of this program";
    uint32_t sent;

    ipc_begin(&out, q->to(), MACH_MSG_TYPE_COPY_SEND, q->id);
    for (unsigned i = 0; i < 2 && q->arguments[i].bits != 0; i++) {
        uint64_t number = q->arguments[i].number;

        if (q->arguments[i].bits == 64 && number == 1) {
            number = (uint64_t)here;
        } else if (q->arguments[i].type == MACH_MSG_TYPE_PORT_NAME) {
            number = receive();
        }
        attack_add_number(&out, q->arguments[i].type, q->arguments[i].bits, number);
    }
    sent = out.head.msgh_size;
    soil();
    if (attack_call(&out) == MIG_BAD_ARGUMENTS) {
        test_check(false, q->id, 0, q->what, __FILE__, __LINE__); /* not what was to be asked */
    }
    return sent;
}

TEST(m7_no_answer_of_the_kernel_has_bytes_that_nobody_wrote)
{
    for (unsigned i = 0; i < sizeof(questions) / sizeof(questions[0]); i++) {
        for (unsigned times = 0; times < 2; times++) {
            uint32_t sent = ask(&questions[i]);

            check_message(&out, ATTACK_FILL, sent, questions[i].what);
            mach_msg_destroy(&out.head);
        }
    }
}

TEST(m7_no_refusal_of_the_kernel_has_bytes_that_nobody_wrote)
{
    for (unsigned i = 0; i < sizeof(questions) / sizeof(questions[0]); i++) {
        for (uint32_t size = 0; size <= 128; size += 16) {
            uint32_t sent;

            ipc_begin(&out, questions[i].to(), MACH_MSG_TYPE_COPY_SEND, questions[i].id);
            memset(out.body, 0x11, size);
            out.head.msgh_size += size;
            sent = out.head.msgh_size;
            soil();
            attack_call(&out);
            check_message(&out, ATTACK_FILL, sent, questions[i].what);
            mach_msg_destroy(&out.head);
        }
    }
}

TEST(m7_registers_of_a_thread_are_given_without_others)
{
    mach_port_t stopped = MACH_PORT_NULL;

    CHECK_EQ(thread_create(self(), &stopped), KERN_SUCCESS);
    for (int flavor = 0; flavor < 16; flavor++) {
        uint32_t sent;

        ipc_begin(&out, stopped, MACH_MSG_TYPE_COPY_SEND, 2017); /* thread_get_state */
        attack_add_number(&out, MACH_MSG_TYPE_INTEGER_32, 32, (uint32_t)flavor);
        attack_add_number(&out, MACH_MSG_TYPE_INTEGER_32, 32, 1024);
        sent = out.head.msgh_size;
        soil();
        attack_call(&out);
        check_message(&out, ATTACK_FILL, sent, "thread_get_state");
    }
    CHECK_EQ(thread_terminate(stopped), KERN_SUCCESS);
    ipc_drop(stopped);
}

/* --- messages between programs --- */

/* A message of `size` bytes of body, its header's spare words and its end dirty. */
static void send_sized(mach_port_t port, uint32_t size)
{
    ipc_begin(&out, port, MACH_MSG_TYPE_COPY_SEND, 1);
    memset(out.body, 0x11, sizeof(out.body));
    out.head.msgh_remote_pad = DIRT;
    out.head.msgh_local_pad = DIRT;
    out.head.msgh_size += size;
    CHECK_EQ(ipc_send(&out, 0, 0), MACH_MSG_SUCCESS);
}

TEST(m7_a_message_has_its_bytes_and_zeroes_up_to_the_next_8)
{
    mach_port_t port = test_port();

    for (uint32_t size = 0; size < 2400; size += size < 400 ? 4 : 92) {
        uint32_t padded = MACH_MSG_ALIGN(size);

        send_sized(port, size);
        CHECK_EQ(ipc_receive(port, &in, 0, 0), MACH_MSG_SUCCESS);
        CHECK_EQ(in.head.msgh_size, sizeof(in.head) + padded);
        CHECK_EQ(in.head.msgh_remote_pad, 0);
        CHECK_EQ(in.head.msgh_local_pad, 0);
        CHECK(is_zero(in.body + size, in.body + padded));
        CHECK_EQ(suspicious_words(in.body, in.body + size), 0);
        CHECK_EQ(in.body[padded], 0xa5); /* the test's own */
    }
    ipc_drop(port);
}

TEST(m7_a_call_and_its_answer_by_the_short_way_have_clean_headers)
{
    mach_port_t reply = mach_reply_port();
    struct ipc_peer peer;

    ipc_peer_start(&peer, ipc_peer_echo, true);
    for (uint32_t words = 0; words < 40; words++) {
        ipc_begin(&out, peer.service, MACH_MSG_TYPE_COPY_SEND, 1);
        ipc_pattern(&out, words, words);
        out.head.msgh_remote_pad = DIRT;
        out.head.msgh_local_pad = DIRT;
        soil();
        CHECK_EQ(ipc_rpc(&out, peer.service, reply), MACH_MSG_SUCCESS);
        CHECK(ipc_has_pattern(&out, words, words));
        CHECK_EQ(out.head.msgh_remote_port, MACH_PORT_NULL);
        CHECK_EQ(out.head.msgh_remote_pad, 0);
        CHECK_EQ(out.head.msgh_local_pad, 0);
    }
    ipc_peer_end(&peer);
    ipc_drop(reply);
}

TEST(m7_memory_out_of_line_brings_nothing_beside_it)
{
    mach_port_t port = test_port();
    uint8_t *pages = ipc_pages(4);

    memset(pages, (uint8_t)DIRT, 4 * IPC_PAGE_SIZE); /* the sender's secret */
    for (uint32_t size = 1; size < 3 * IPC_PAGE_SIZE; size += 1 + size / 2) {
        for (uint32_t offset = 0; offset < 100; offset += 33) {
            memset(pages + offset, 0x11, size);
            ipc_begin(&out, port, MACH_MSG_TYPE_COPY_SEND, 1);
            ipc_add_memory(&out, pages + offset, size, false);
            CHECK_EQ(ipc_send(&out, 0, 0), MACH_MSG_SUCCESS);
            CHECK_EQ(ipc_receive(port, &in, 0, 0), MACH_MSG_SUCCESS);
            check_message(&in, 0xa5, 0, "memory");
            mach_msg_destroy(&in.head);
            memset(pages + offset, (uint8_t)DIRT, size);
        }
    }
    ipc_free_pages(pages, 4);
    ipc_drop(port);
}

TEST(m7_arrays_of_ports_out_of_line_end_in_zeroes)
{
    mach_port_t port = test_port(), names[200];

    for (unsigned i = 0; i < 200; i++) {
        names[i] = i % 3 == 1 ? MACH_PORT_NULL : port;
    }
    for (uint32_t count = 1; count < 200; count += 13) {
        ipc_begin(&out, port, MACH_MSG_TYPE_COPY_SEND, 1);
        ipc_add_port_array(&out, names, count, MACH_MSG_TYPE_COPY_SEND, false);
        ipc_add_ports(&out, names, count, MACH_MSG_TYPE_COPY_SEND);
        CHECK_EQ(ipc_send(&out, 0, 0), MACH_MSG_SUCCESS);
        CHECK_EQ(ipc_receive(port, &in, 0, 0), MACH_MSG_SUCCESS);
        for (uint32_t i = 0; i < count; i++) { /* a name takes half of its place */
            CHECK_EQ(ipc_item_data(&in, 1)[i], names[i]);
        }
        check_message(&in, 0xa5, 0, "array");
        mach_msg_destroy(&in.head);
    }
    ipc_drop(port);
}

/* --- messages of the kernel's own --- */

static void check_notification(mach_port_t notify, int id)
{
    CHECK_EQ(ipc_receive(notify, &in, 0, 1000), MACH_MSG_SUCCESS);
    CHECK_EQ(in.head.msgh_id, id);
    check_message(&in, 0xa5, 0, "notification");
    mach_msg_destroy(&in.head);
}

TEST(m7_notifications_have_no_bytes_that_nobody_wrote)
{
    static const int ids[] = {MACH_NOTIFY_NO_SENDERS, MACH_NOTIFY_DEAD_NAME,
                              MACH_NOTIFY_PORT_DESTROYED};
    mach_port_t notify = ipc_receive_right(), port = test_port(), previous;

    for (unsigned i = 0; i < 3; i++) {
        CHECK_EQ(mach_port_request_notification(self(), port, ids[i], 0, notify,
                                                MACH_MSG_TYPE_MAKE_SEND_ONCE, &previous),
                 KERN_SUCCESS);
    }
    soil();
    CHECK_EQ(mach_port_deallocate(self(), port), KERN_SUCCESS);
    check_notification(notify, MACH_NOTIFY_NO_SENDERS);
    ipc_drop(port);
    check_notification(notify, MACH_NOTIFY_PORT_DESTROYED);
    check_notification(notify, MACH_NOTIFY_PORT_DELETED);
    ipc_drop(ipc_send_once(notify));
    check_notification(notify, MACH_NOTIFY_SEND_ONCE);
    ipc_drop(notify);
}

static void fall(mach_port_t service)
{
    (void)service;
    __asm__ volatile("movl $1, 8"); /* no memory there */
    ipc_peer_idle();
}

TEST(m7_an_exception_s_message_has_no_bytes_that_nobody_wrote)
{
    mach_port_t port = test_port();
    struct ipc_peer peer;

    ipc_peer_create(&peer, fall, false);
    CHECK_EQ(thread_set_special_port(peer.thread, THREAD_EXCEPTION_PORT, port), KERN_SUCCESS);
    CHECK_EQ(thread_resume(peer.thread), KERN_SUCCESS);
    CHECK_EQ(ipc_receive(port, &in, 0, 2000), MACH_MSG_SUCCESS);
    CHECK_EQ(in.head.msgh_id, 2400);
    check_message(&in, 0xa5, 0, "exception");
    ipc_peer_end(&peer);
    mach_msg_destroy(&in.head);
    ipc_drop(port);
}

TEST(m7_a_message_that_comes_back_or_is_too_long_has_no_others_bytes)
{
    mach_port_t port = test_port();

    CHECK_EQ(mach_port_set_qlimit(self(), port, 1), KERN_SUCCESS);
    send_sized(port, 60);
    ipc_begin(&out, port, MACH_MSG_TYPE_COPY_SEND, 1);
    memset(out.body, 0x11, sizeof(out.body));
    out.head.msgh_size += 60;
    CHECK_EQ(ipc_send(&out, MACH_SEND_TIMEOUT, 0), MACH_SEND_TIMED_OUT);
    CHECK_EQ(out.head.msgh_remote_pad, 0);
    CHECK_EQ(out.head.msgh_local_pad, 0);
    CHECK_EQ(suspicious_words((uint8_t *)&out, out.body + 128), 0);
    CHECK(out.body[64] == 0x11);
    memset(&in, ATTACK_FILL, sizeof(in));
    CHECK_EQ(mach_msg(&in.head, MACH_RCV_MSG, 0, sizeof(in.head), port, 0, 0), MACH_RCV_TOO_LARGE);
    CHECK_EQ(in.body[0], ATTACK_FILL);
    CHECK_EQ(in.head.msgh_remote_pad, 0);
    CHECK_EQ(in.head.msgh_local_pad, 0);
    ipc_drop(port);
}
