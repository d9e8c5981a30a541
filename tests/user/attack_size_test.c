/* attack_size_test.c - attacks with numbers that do not fit what they count.
 *
 * M4 "wrong element count in port arrays" (mach_ports_register, CVE-2016-4669). The attacker gives
 * arrays of ports another length than they have: none, too many, more than memory has, a size of
 * element that is not a name's; and changes what is registered from several threads. Each must be
 * refused (KERN_INVALID_ARGUMENT, MIG_BAD_ARGUMENTS, MACH_SEND_MSG_TOO_SMALL, _INVALID_TYPE,
 * _INVALID_MEMORY, _NO_BUFFER) before a right moves.
 *
 * M6 "heap overflow from a size field read twice or of the wrong type" (CVE-2017-2370). The
 * attacker lies about sizes, in the header, in descriptors, in the room for an answer and in counts
 * of traps, and changes them from another thread while the kernel reads the message. The kernel
 * must go by what it copied once: no message is longer than the trap said, no answer than its room.
 */
#include <mach.h>
#include <mach/mig_errors.h>
#include <mach_debug.h>
#include <mach_host.h>
#include <mach_port.h>
#include <portolan.h>
#include <string.h>

#include "lib/attack.h"

#define PORTS_REGISTER    2033
#define PORTS_REGISTERED  4
#define RIGHTS_MAX        16384 /* in one message */
#define STATE_WORDS_MAX   1024
#define MESSAGE_BYTES_MAX (16u << 20)

static struct ipc_message in, out;

static mach_port_t self(void)
{
    return mach_task_self();
}

/* --- M4 --- */

/* What is registered: every place is `port`, or none. */
static void check_registered(mach_port_t port)
{
    mach_port_array_t back = NULL;
    mach_msg_type_number_t n = 0;

    CHECK_EQ(mach_ports_lookup(self(), &back, &n), KERN_SUCCESS);
    CHECK_EQ(n, PORTS_REGISTERED);
    for (unsigned i = 0; i < n; i++) {
        CHECK_EQ(back[i], port);
        if (back[i] != MACH_PORT_NULL) {
            mach_port_deallocate(self(), back[i]);
        }
    }
    CHECK_EQ(syscall_vm_deallocate(self(), (vm_address_t)back, n * sizeof(*back)), KERN_SUCCESS);
}

TEST(m4_arrays_of_ports_of_another_length_are_refused)
{
    static const uint32_t counts[] = {5, 6, 100, RIGHTS_MAX};
    static mach_port_t ports[RIGHTS_MAX];
    mach_port_t port = test_port();

    for (unsigned i = 0; i < RIGHTS_MAX; i++) {
        ports[i] = port;
    }
    CHECK_EQ(mach_ports_register(self(), ports, PORTS_REGISTERED), KERN_SUCCESS);
    for (unsigned i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        CHECK_EQ(mach_ports_register(self(), ports, counts[i]), KERN_INVALID_ARGUMENT);
        CHECK_EQ(attack_send_rights(port), 1 + PORTS_REGISTERED);
    }
    check_registered(port);
    CHECK_EQ(mach_ports_register(self(), ports, 0), KERN_SUCCESS);
    check_registered(MACH_PORT_NULL);
    CHECK_EQ(attack_send_rights(port), 1);
    ipc_drop(port);
}

/* Register an array by hand, its descriptor saying `count` elements of `bits`. */
static kern_return_t register_array(const void *ports, uint32_t count, unsigned bits)
{
    ipc_begin(&out, self(), MACH_MSG_TYPE_COPY_SEND, PORTS_REGISTER);
    ipc_add_port_array(&out, ports, count, MACH_MSG_TYPE_COPY_SEND, false);
    ipc_item(&out, 0)->msgt_size = bits & 0xff;
    return attack_call(&out);
}

TEST(m4_an_array_that_is_not_all_there_is_refused)
{
    mach_port_t port = test_port();
    mach_port_t *page = (mach_port_t *)ipc_pages(2);

    for (unsigned i = 0; i < IPC_PAGE_SIZE / sizeof(*page); i++) {
        page[i] = port;
    }
    ipc_free_pages((uint8_t *)page + IPC_PAGE_SIZE, 1);
    CHECK_EQ(register_array(page, 1025, 32), MACH_SEND_INVALID_MEMORY);
    CHECK_EQ(register_array(page + 1023, 2, 32), MACH_SEND_INVALID_MEMORY);
    CHECK_EQ(register_array((void *)IPC_KERNEL_MEMORY, 2, 32), MACH_SEND_INVALID_MEMORY);
    CHECK_EQ(register_array((void *)(IPC_USER_END - 4), 2, 32), MACH_SEND_INVALID_MEMORY);
    CHECK_EQ(register_array(page, RIGHTS_MAX + 1, 32), MACH_SEND_NO_BUFFER);
    CHECK_EQ(register_array(page, 0x40000000, 32), MACH_SEND_NO_BUFFER);
    CHECK_EQ(register_array(page, 0x80000001, 32), MACH_SEND_NO_BUFFER);
    CHECK_EQ(register_array(page, 0xffffffff, 32), MACH_SEND_NO_BUFFER);
    for (unsigned bits = 0; bits < 256; bits++) {
        if (bits != 32) {
            CHECK_EQ(register_array(page, 2, bits), MACH_SEND_INVALID_TYPE);
        }
    }
    CHECK_EQ(attack_send_rights(port), 1);
    check_registered(MACH_PORT_NULL);
    ipc_free_pages(page, 1);
    ipc_drop(port);
}

TEST(m4_an_array_in_the_message_that_says_it_is_longer_is_refused)
{
    mach_port_t port = test_port();

    for (uint32_t count = 2; count != 0; count *= 2) {
        ipc_begin(&out, port, MACH_MSG_TYPE_COPY_SEND, 1);
        ipc_add_ports(&out, &port, 1, MACH_MSG_TYPE_COPY_SEND);
        ipc_item(&out, 0)->msgt_number = count;
        CHECK_EQ(ipc_send(&out, 0, 0), MACH_SEND_MSG_TOO_SMALL);
        ipc_item(&out, 0)->msgt_number = count + 1; /* times 64 bits: 8 bytes modulo 2^32 */
        CHECK_EQ(ipc_send(&out, 0, 0), MACH_SEND_MSG_TOO_SMALL);
    }
    ipc_begin(&out, port, MACH_MSG_TYPE_COPY_SEND, 1);
    ipc_add_ports(&out, &port, 1, MACH_MSG_TYPE_COPY_SEND);
    ipc_item(&out, 0)->msgt_number = 0x20000001;
    CHECK_EQ(ipc_send(&out, 0, 0), MACH_SEND_MSG_TOO_SMALL);
    CHECK_EQ(attack_send_rights(port), 1);
    ipc_drop(port);
}

TEST(m4_an_array_of_another_kind_than_the_routine_s_is_refused)
{
    mach_port_t port = test_port(), ports[2] = {port, port};

    ipc_begin(&out, self(), MACH_MSG_TYPE_COPY_SEND, PORTS_REGISTER);
    ipc_add_ports(&out, ports, 1, MACH_MSG_TYPE_COPY_SEND);
    CHECK_EQ(attack_call(&out), MIG_BAD_ARGUMENTS);
    ipc_begin(&out, self(), MACH_MSG_TYPE_COPY_SEND, PORTS_REGISTER);
    ipc_add_port_array(&out, ports, 2, MACH_MSG_TYPE_MAKE_SEND_ONCE, false);
    CHECK_EQ(attack_call(&out), MIG_BAD_ARGUMENTS);
    ipc_begin(&out, self(), MACH_MSG_TYPE_COPY_SEND, PORTS_REGISTER);
    ipc_add_memory(&out, ports, sizeof(ports), false);
    out.head.msgh_bits |= MACH_MSGH_BITS_COMPLEX;
    CHECK_EQ(attack_call(&out), MIG_BAD_ARGUMENTS);
    ipc_begin(&out, self(), MACH_MSG_TYPE_COPY_SEND, PORTS_REGISTER);
    attack_add_number(&out, MACH_MSG_TYPE_INTEGER_64, 64, 1); /* a slot's number, without a slot */
    out.head.msgh_bits |= MACH_MSGH_BITS_COMPLEX;
    CHECK_EQ(attack_call(&out), MIG_BAD_ARGUMENTS);
    check_registered(MACH_PORT_NULL);
    CHECK_EQ(attack_send_rights(port), 1);
    while (ipc_receive(port, &in, 0, 0) == MACH_MSG_SUCCESS) {
        CHECK_EQ(in.head.msgh_id, MACH_NOTIFY_SEND_ONCE);
    }
    ipc_drop(port);
}

/* Register 0 to 4 ports, and now and then too many. */
static void register_some(struct attack_hammer *h)
{
    mach_port_t ports[] = {h->port, h->port, h->port, h->port, h->port};

    h->hits += mach_ports_register(self(), ports, h->blows % 6) == KERN_SUCCESS;
}

TEST(m4_ports_registered_by_several_threads_keep_their_counts)
{
    mach_port_t port = test_port();
    struct attack_hammer hammers[2];

    for (unsigned i = 0; i < 2; i++) {
        hammers[i] = (struct attack_hammer){.blow = register_some, .port = port};
    }
    attack_start(hammers, 2);
    for (unsigned i = 0; i < 100; i++) {
        mach_port_array_t back = NULL;
        mach_msg_type_number_t n = 0;

        CHECK_EQ(mach_ports_lookup(self(), &back, &n), KERN_SUCCESS);
        for (unsigned j = 0; j < n; j++) {
            CHECK(back[j] == port || back[j] == MACH_PORT_NULL);
            if (back[j] == port) {
                mach_port_deallocate(self(), port);
            }
        }
        syscall_vm_deallocate(self(), (vm_address_t)back, n * sizeof(*back));
    }
    attack_stop(hammers, 2);
    CHECK(attack_send_rights(port) <= 1 + PORTS_REGISTERED);
    CHECK_EQ(mach_ports_register(self(), NULL, 0), KERN_SUCCESS);
    CHECK_EQ(attack_send_rights(port), 1);
    CHECK_EQ(ipc_refs(port, MACH_PORT_RIGHT_SEND), 1);
    ipc_drop(port);
}

/* --- M6 --- */

TEST(m6_the_size_in_the_header_is_not_believed)
{
    static const uint32_t lies[] = {0, 4, 31, 33, 4096, 12320, 0x10000, 0x7fffffff, 0xfffffff8};
    mach_port_t port = test_port();

    for (unsigned i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
        for (uint32_t size = 32; size <= 96; size += 32) {
            ipc_begin(&out, port, MACH_MSG_TYPE_COPY_SEND, 1);
            memset(out.body, 0, sizeof(out.body));
            out.head.msgh_size = lies[i];
            out.head.msgh_bits |= i % 2 == 0 ? MACH_MSGH_BITS_COMPLEX : 0;
            CHECK_EQ(mach_msg(&out.head, MACH_SEND_MSG, size, 0, 0, 0, 0), MACH_MSG_SUCCESS);
            CHECK_EQ(ipc_receive(port, &in, 0, 0), MACH_MSG_SUCCESS);
            CHECK_EQ(in.head.msgh_size, size);
            CHECK_EQ(in.body[size - sizeof(in.head)], 0xa5); /* not a byte behind it */
        }
    }
    ipc_drop(port);
}

TEST(m6_a_message_of_an_impossible_size_is_refused)
{
    mach_port_t port = test_port();

    ipc_begin(&out, port, MACH_MSG_TYPE_COPY_SEND, 1);
    for (uint32_t size = 0; size < 40; size++) {
        CHECK_EQ(mach_msg(&out.head, MACH_SEND_MSG, size, 0, 0, 0, 0),
                 size < 32 || size % 4 != 0 ? MACH_SEND_MSG_TOO_SMALL : MACH_MSG_SUCCESS);
        ipc_receive(port, &in, 0, 0);
    }
    CHECK_EQ(mach_msg(&out.head, MACH_SEND_MSG, MESSAGE_BYTES_MAX + 4, 0, 0, 0, 0),
             MACH_SEND_NO_BUFFER);
    CHECK_EQ(mach_msg(&out.head, MACH_SEND_MSG, 0x80000000, 0, 0, 0, 0), MACH_SEND_NO_BUFFER);
    CHECK_EQ(mach_msg(&out.head, MACH_SEND_MSG, 0xfffffffc, 0, 0, 0, 0), MACH_SEND_NO_BUFFER);
    ipc_drop(port);
}

TEST(m6_memory_and_data_longer_than_32_bits_can_say_are_refused)
{
    mach_port_t port = test_port();
    static const struct {
        uint32_t bits, number;
    } items[] = {{32, 0x40000000},  {64, 0x20000001}, {8, 0xffffffff},
                 {255, 0xffffffff}, {16, 0x80000001}, {32, 0xffffffff}};

    for (unsigned i = 0; i < sizeof(items) / sizeof(items[0]); i++) {
        for (unsigned is_inline = 0; is_inline < 2; is_inline++) {
            ipc_begin(&out, port, MACH_MSG_TYPE_COPY_SEND, 1);
            ipc_add_memory(&out, &in, 8, false);
            ipc_item(&out, 0)->msgt_size = items[i].bits & 0xff;
            ipc_item(&out, 0)->msgt_number = items[i].number;
            ipc_item(&out, 0)->msgt_inline = is_inline & 1;
            CHECK_EQ(ipc_send(&out, 0, 0),
                     is_inline ? MACH_SEND_MSG_TOO_SMALL : MACH_SEND_INVALID_MEMORY);
        }
    }
    CHECK_EQ(ipc_status(port).mps_msgcount, 0);
    ipc_drop(port);
}

static void flip_word(struct attack_hammer *h)
{
    *h->word = h->hits ^ *h->word;
}

/* Send m 300 times, and until one has arrived, while another thread changes a word of it back and
 * forth: on one processor the word may stay as it is for long. What arrives goes to `check`, what
 * does not must be refused with a code of `mach_msg`. */
static unsigned send_flipped(struct ipc_message *m, volatile void *word, uint32_t other,
                             mach_port_t port, void (*check)(struct ipc_message *))
{
    struct attack_hammer hammer = {
        .blow = flip_word, .word = word, .hits = *(volatile uint32_t *)word ^ other};
    unsigned arrived = 0;

    attack_start(&hammer, 1);
    for (unsigned i = 0; i < 300 || (arrived == 0 && i < 1000000); i++) {
        mach_msg_return_t mr = ipc_send(m, MACH_SEND_TIMEOUT, 0);

        if (mr != MACH_MSG_SUCCESS) {
            CHECK(mr == MACH_SEND_MSG_TOO_SMALL || mr == MACH_SEND_INVALID_MEMORY ||
                  mr == MACH_SEND_INVALID_RIGHT);
            continue;
        }
        CHECK_EQ(ipc_receive(port, &in, 0, 0), MACH_MSG_SUCCESS);
        CHECK_EQ(in.body[in.head.msgh_size - sizeof(in.head)], 0xa5);
        check(&in);
        arrived++;
    }
    attack_stop(&hammer, 1);
    return arrived;
}

#define LONG_ARRAY 0x3000u

static void check_memory(struct ipc_message *m)
{
    uint32_t size = ipc_item(m, 0)->msgt_number;
    const uint8_t *data = (const uint8_t *)*ipc_item_data(m, 0);

    CHECK(size == 1 || size == LONG_ARRAY);
    CHECK_EQ(data[size - 1], 0x77);
    CHECK_EQ(syscall_vm_deallocate(self(), (vm_address_t)data, size), KERN_SUCCESS);
}

TEST(m6_a_length_of_memory_that_changes_while_it_is_read_is_read_once)
{
    static struct ipc_message m;
    static uint8_t data[LONG_ARRAY];
    mach_port_t port = test_port();

    memset(data, 0x77, sizeof(data));
    ipc_begin(&m, port, MACH_MSG_TYPE_COPY_SEND, 1);
    ipc_add_memory(&m, data, 1, false);
    CHECK(send_flipped(&m, &ipc_item(&m, 0)->msgt_number, LONG_ARRAY, port, check_memory) != 0);
    ipc_drop(port);
}

static mach_port_t carried;

static void check_array(struct ipc_message *m)
{
    uint32_t count = ipc_item(m, 0)->msgt_number;
    mach_port_t *names = (mach_port_t *)*ipc_item_data(m, 0);

    CHECK(count == 1 || count == 1000);
    for (uint32_t i = 0; i < count; i++) {
        CHECK_EQ(names[i], carried);
    }
    mach_port_mod_refs(self(), carried, MACH_PORT_RIGHT_SEND, -(int)count);
    CHECK_EQ(syscall_vm_deallocate(self(), (vm_address_t)names, count * sizeof(*names)),
             KERN_SUCCESS);
}

TEST(m6_a_count_of_rights_that_changes_while_it_is_read_is_read_once)
{
    static struct ipc_message m;
    static mach_port_t names[1000];
    mach_port_t port = test_port();

    carried = test_port();
    for (unsigned i = 0; i < 1000; i++) {
        names[i] = carried;
    }
    ipc_begin(&m, port, MACH_MSG_TYPE_COPY_SEND, 1);
    ipc_add_port_array(&m, names, 1, MACH_MSG_TYPE_COPY_SEND, false);
    CHECK(send_flipped(&m, &ipc_item(&m, 0)->msgt_number, 1000, port, check_array) != 0);
    CHECK_EQ(ipc_refs(carried, MACH_PORT_RIGHT_SEND), 1);
    CHECK_EQ(attack_send_rights(carried), 1);
    ipc_drop(carried);
    ipc_drop(port);
}

static void check_inline(struct ipc_message *m)
{
    CHECK(ipc_item(m, 0)->msgt_number == 1 && *ipc_item_data(m, 0) == carried);
    mach_port_deallocate(self(), carried);
}

TEST(m6_a_number_of_ports_that_changes_while_it_is_read_is_read_once)
{
    static struct ipc_message m;
    mach_port_t port = test_port();

    carried = test_port();
    ipc_begin(&m, port, MACH_MSG_TYPE_COPY_SEND, 1);
    ipc_add_ports(&m, &carried, 1, MACH_MSG_TYPE_COPY_SEND);
    CHECK(send_flipped(&m, &ipc_item(&m, 0)->msgt_number, 100000, port, check_inline) != 0);
    CHECK_EQ(attack_send_rights(carried), 1);
    ipc_drop(carried);
    ipc_drop(port);
}

static void check_size(struct ipc_message *m)
{
    CHECK_EQ(m->head.msgh_size, sizeof(m->head));
}

TEST(m6_a_header_whose_size_changes_while_it_is_read_is_as_long_as_the_trap_says)
{
    mach_port_t port = test_port();
    struct ipc_message *m = &out;
    struct attack_hammer hammer = {
        .blow = flip_word, .word = &m->head.msgh_size, .hits = 32 ^ 0x10000};

    ipc_begin(m, port, MACH_MSG_TYPE_COPY_SEND, 1);
    attack_start(&hammer, 1);
    for (unsigned i = 0; i < 300; i++) {
        CHECK_EQ(mach_msg(&m->head, MACH_SEND_MSG, 32, 0, 0, 0, 0), MACH_MSG_SUCCESS);
        CHECK_EQ(ipc_receive(port, &in, 0, 0), MACH_MSG_SUCCESS);
        check_size(&in);
    }
    attack_stop(&hammer, 1);
    ipc_drop(port);
}

/* Calls that answer into room of the caller's: task, thread and host of this program. */
static const struct {
    mach_port_t (*to)(void);
    int id, flavor;
    unsigned words; /* of the answer */
} answers[] = {{self, 2012, TASK_BASIC_INFO, TASK_BASIC_INFO_COUNT},
               {self, 2012, TASK_EVENTS_INFO, TASK_EVENTS_INFO_COUNT},
               {self, 2012, TASK_THREAD_TIMES_INFO, TASK_THREAD_TIMES_INFO_COUNT}};

TEST(m6_an_answer_is_never_longer_than_its_room)
{
    static const uint32_t rooms[] = {1023, 1024, 1025, 0x10000, 0x7fffffff, 0xffffffff};

    for (unsigned i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        for (uint32_t room = 0; room < answers[i].words + 6; room++) {
            uint32_t r = room < answers[i].words ? room : rooms[room - answers[i].words];

            ipc_begin(&out, answers[i].to(), MACH_MSG_TYPE_COPY_SEND, answers[i].id);
            attack_add_number(&out, MACH_MSG_TYPE_INTEGER_32, 32, (uint32_t)answers[i].flavor);
            attack_add_number(&out, MACH_MSG_TYPE_INTEGER_32, 32, r);
            CHECK_EQ(attack_call(&out),
                     r < answers[i].words ? KERN_INVALID_ARGUMENT : KERN_SUCCESS);
            if (r >= answers[i].words) {
                CHECK_EQ(ipc_item(&out, 1)->msgt_number, answers[i].words);
            }
        }
    }
}

TEST(m6_a_trap_s_count_of_words_is_checked_before_they_are_copied)
{
    static const uint32_t counts[] = {STATE_WORDS_MAX + 1, 4096,       0x10000,    0x40000000,
                                      0x40000001,          0x7fffffff, 0x80000000, 0xffffffff};
    static uint32_t words[0x10001];

    for (unsigned i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        CHECK_EQ(thread_set_self_state(1, (thread_state_t)words, counts[i]), KERN_INVALID_ARGUMENT);
    }
    CHECK_EQ(thread_set_self_state(0x7fffffff, (thread_state_t)words, STATE_WORDS_MAX),
             KERN_INVALID_ARGUMENT);
    CHECK_EQ(thread_set_self_state(1, (thread_state_t)IPC_KERNEL_MEMORY, 64), KERN_INVALID_ADDRESS);
}
