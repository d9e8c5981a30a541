/* memory_test.c - out-of-line memory: what the receiver sees is what was sent, nothing less,
 * nothing more, whatever the sender does. */
#include <gnumach.h>
#include <mach.h>
#include <mach_port.h>
#include <string.h>
#include <sys/mman.h>

#include "lib/peer.h"

#define PAGES 40u

static struct ipc_message in, out;

static uint8_t byte_at(uint64_t i)
{
    return (uint8_t)(i * 13 + i / 4096 + 1);
}

static void fill(uint8_t *data, uint64_t size)
{
    for (uint64_t i = 0; i < size; i++) {
        data[i] = byte_at(i);
    }
}

static bool is_filled(const uint8_t *data, uint64_t size)
{
    for (uint64_t i = 0; i < size; i++) {
        if (data[i] != byte_at(i)) {
            return false;
        }
    }
    return true;
}

static mach_msg_return_t send_memory(mach_port_t to, const void *data, uint32_t size,
                                     bool deallocate)
{
    ipc_begin(&out, to, MACH_MSG_TYPE_COPY_SEND, 1);
    ipc_add_memory(&out, data, size, deallocate);
    return ipc_send(&out, 0, 0);
}

static uint8_t *receive_memory(mach_port_t from, uint32_t size)
{
    CHECK_EQ(ipc_receive(from, &in, 0, 1000), MACH_MSG_SUCCESS);
    CHECK_EQ(ipc_item(&in, 0)->msgt_number, size);
    return (uint8_t *)*ipc_item_data(&in, 0);
}

static void free_memory(uint8_t *data, uint32_t size)
{
    CHECK_EQ(syscall_vm_deallocate(mach_task_self(), (vm_address_t)data, size), KERN_SUCCESS);
}

/* Around pages and around 8192, above which pages are shared copy-on-write. */
static const uint32_t sizes[] = {1,    7,    8,     4095,  4096,  4097,  8000,  8191,   8192,
                                 8193, 8200, 12287, 12288, 12289, 65536, 65537, 100000, 131072};
#define SIZES (sizeof(sizes) / sizeof(sizes[0]))

/* Bytes of the receiver's pages beside the message's. */
static uint32_t leaked_bytes(const uint8_t *data, uint32_t size)
{
    const uint8_t *first = (const uint8_t *)((uint64_t)data & ~4095ul);
    const uint8_t *end = (const uint8_t *)(((uint64_t)data + size + 4095) & ~4095ul);
    uint32_t n = 0;

    for (const uint8_t *p = first; p < data; p++) {
        n += *p != 0;
    }
    for (const uint8_t *p = data + size; p < end; p++) {
        n += *p != 0;
    }
    return n;
}

TEST(neighbouring_bytes_never_come_along)
{
    static const unsigned offsets[] = {0, 1, 8, 100, 4095};
    mach_port_t port = test_port();
    uint8_t *pages = ipc_pages(PAGES);

    memset(pages, 0xee, PAGES * IPC_PAGE_SIZE);
    for (unsigned i = 0; i < SIZES; i++) {
        for (unsigned o = 0; o < 5; o++) {
            uint8_t *got;

            memset(pages + offsets[o], 0xdd, sizes[i]);
            CHECK_EQ(send_memory(port, pages + offsets[o], sizes[i], false), MACH_MSG_SUCCESS);
            got = receive_memory(port, sizes[i]);
            CHECK_EQ(leaked_bytes(got, sizes[i]), 0);
            CHECK_EQ(got[0], 0xdd);
            CHECK_EQ(got[sizes[i] - 1], 0xdd);
            free_memory(got, sizes[i]);
            memset(pages + offsets[o], 0xee, sizes[i]);
        }
    }
    ipc_free_pages(pages, PAGES);
    ipc_drop(port);
}

TEST(what_the_sender_writes_after_the_send_is_not_seen)
{
    mach_port_t port = test_port();
    uint8_t *pages = ipc_pages(PAGES);

    for (unsigned i = 0; i < SIZES; i++) {
        uint8_t *got;

        fill(pages, sizes[i]);
        CHECK_EQ(send_memory(port, pages, sizes[i], false), MACH_MSG_SUCCESS);
        memset(pages, 0, sizes[i]); /* in the queue */
        got = receive_memory(port, sizes[i]);
        CHECK(is_filled(got, sizes[i]));
        memset(pages, 0x55, sizes[i]); /* received */
        CHECK(is_filled(got, sizes[i]));
        memset(got, 0x66, sizes[i]); /* and the other way */
        CHECK_EQ(pages[sizes[i] - 1], 0x55);
        free_memory(got, sizes[i]);
    }
    ipc_free_pages(pages, PAGES);
    ipc_drop(port);
}

TEST(a_region_unmapped_after_the_send_still_arrives)
{
    mach_port_t port = test_port();

    for (unsigned i = 0; i < SIZES; i++) {
        uint8_t *pages = ipc_pages(PAGES), *got;

        fill(pages, sizes[i]);
        CHECK_EQ(send_memory(port, pages, sizes[i], false), MACH_MSG_SUCCESS);
        ipc_free_pages(pages, PAGES);
        got = receive_memory(port, sizes[i]);
        CHECK(is_filled(got, sizes[i]));
        free_memory(got, sizes[i]);
    }
    ipc_drop(port);
}

TEST(the_deallocate_bit_takes_the_region_from_the_sender)
{
    mach_port_t port = test_port();

    for (unsigned pages = 1; pages <= 32; pages *= 2) {
        uint8_t *data = ipc_pages(pages), *got;
        vm_address_t address = (vm_address_t)data;
        uint32_t size = pages * IPC_PAGE_SIZE;

        fill(data, size);
        CHECK_EQ(send_memory(port, data, size, true), MACH_MSG_SUCCESS);
        CHECK_EQ(syscall_vm_allocate(mach_task_self(), &address, size, FALSE), KERN_SUCCESS);
        CHECK_EQ(((uint8_t *)address)[0], 0);
        got = receive_memory(port, size);
        CHECK(is_filled(got, size));
        CHECK_EQ(ipc_item(&in, 0)->msgt_deallocate, 1);
        free_memory(got, size);
        free_memory((uint8_t *)address, size);
    }
    ipc_drop(port);
}

TEST(a_region_with_a_hole_is_refused_and_stays)
{
    mach_port_t port = test_port();
    uint8_t *pages = ipc_pages(8);

    memset(pages, 0x31, 8 * IPC_PAGE_SIZE);
    ipc_free_pages(pages + 5 * IPC_PAGE_SIZE, 1);
    for (unsigned deallocate = 0; deallocate < 2; deallocate++) {
        CHECK_EQ(send_memory(port, pages, 8 * IPC_PAGE_SIZE, deallocate != 0),
                 MACH_SEND_INVALID_MEMORY);
        CHECK_EQ(send_memory(port, pages + 4 * IPC_PAGE_SIZE + 4000, 200, deallocate != 0),
                 MACH_SEND_INVALID_MEMORY);
    }
    CHECK_EQ(pages[0], 0x31);
    CHECK_EQ(pages[7 * IPC_PAGE_SIZE], 0x31);
    CHECK_EQ(ipc_receive(port, &in, 0, 0), MACH_RCV_TIMED_OUT);
    ipc_free_pages(pages, 5);
    ipc_free_pages(pages + 6 * IPC_PAGE_SIZE, 2);
    ipc_drop(port);
}

TEST(a_region_that_cannot_be_read_is_refused)
{
    mach_port_t port = test_port();
    uint8_t *pages = ipc_pages(8);

    ipc_protect(pages + 4 * IPC_PAGE_SIZE, 1, PROT_NONE);
    CHECK_EQ(send_memory(port, pages, 8 * IPC_PAGE_SIZE, false), MACH_SEND_INVALID_MEMORY);
    CHECK_EQ(send_memory(port, pages + 4 * IPC_PAGE_SIZE, 8, false), MACH_SEND_INVALID_MEMORY);
    ipc_free_pages(pages, 8);
    ipc_drop(port);
}

TEST(a_read_only_region_arrives_writable_and_a_copy)
{
    mach_port_t port = test_port();

    for (unsigned count = 1; count <= 16; count *= 4) {
        uint8_t *pages = ipc_pages(count), *got;
        uint32_t size = count * IPC_PAGE_SIZE;

        fill(pages, size);
        ipc_protect(pages, count, PROT_READ);
        CHECK_EQ(send_memory(port, pages, size, false), MACH_MSG_SUCCESS);
        got = receive_memory(port, size);
        got[0] = 0x99;
        got[size - 1] = 0x98;
        CHECK(is_filled(pages, size));
        free_memory(got, size);
        ipc_free_pages(pages, count);
    }
    ipc_drop(port);
}

TEST(memory_never_touched_arrives_as_zeros)
{
    mach_port_t port = test_port();

    for (unsigned i = 0; i < SIZES; i++) {
        uint8_t *pages = ipc_pages(PAGES), *got;
        uint32_t sum = 0;

        CHECK_EQ(send_memory(port, pages, sizes[i], false), MACH_MSG_SUCCESS);
        got = receive_memory(port, sizes[i]);
        for (uint32_t b = 0; b < sizes[i]; b++) {
            sum += got[b];
        }
        CHECK_EQ(sum, 0);
        free_memory(got, sizes[i]);
        ipc_free_pages(pages, PAGES);
    }
    ipc_drop(port);
}

TEST(no_memory_arrives_as_a_null_pointer)
{
    mach_port_t port = test_port();

    CHECK_EQ(send_memory(port, NULL, 0, false), MACH_MSG_SUCCESS);
    CHECK_EQ((uint64_t)receive_memory(port, 0), 0);
    CHECK_EQ(send_memory(port, (void *)IPC_KERNEL_TEXT, 0, true), MACH_MSG_SUCCESS);
    CHECK_EQ((uint64_t)receive_memory(port, 0), 0);
    ipc_drop(port);
}

TEST(memory_at_any_bad_address_or_of_any_bad_size_is_refused)
{
    static const struct {
        uint64_t address;
        uint32_t size;
    } bad[] = {
        {0, 1},
        {IPC_KERNEL_TEXT, 1},
        {IPC_KERNEL_MEMORY, 100000},
        {IPC_NON_CANONICAL, 8},
        {IPC_USER_END, 1},
        {IPC_USER_END - 1, 2}, /* the stack ends there */
        {IPC_USER_END - 4096, 8192},
        {~0ul, 1},
        {~0ul - 4095, 4096},
        {~0ul - 100, 0xffffffff},
        {0x400000, 0xffffffff},
    };
    mach_port_t port = test_port();

    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        for (unsigned deallocate = 0; deallocate < 2; deallocate++) {
            if (bad[i].address != 0x400000 || deallocate == 0) {
                CHECK_EQ(send_memory(port, (void *)bad[i].address, bad[i].size, deallocate != 0),
                         MACH_SEND_INVALID_MEMORY);
            }
        }
    }
    ipc_begin(&out, port, MACH_MSG_TYPE_COPY_SEND, 1); /* 65535 bits each: 32 TiB */
    ipc_add_memory(&out, (void *)0x400000, 0xffffffff, false);
    ipc_item(&out, 0)->msgt_size = 0xffff;
    CHECK_EQ(ipc_send(&out, 0, 0), MACH_SEND_INVALID_MEMORY);
    CHECK_EQ(ipc_receive(port, &in, 0, 0), MACH_RCV_TIMED_OUT);
    ipc_drop(port);
}

TEST(elements_of_odd_sizes_are_rounded_up_to_bytes)
{
    mach_port_t port = test_port();
    uint8_t *pages = ipc_pages(1), *got;

    fill(pages, 100);
    ipc_begin(&out, port, MACH_MSG_TYPE_COPY_SEND, 1);
    ipc_add_memory(&out, pages, 13, false);
    ipc_item(&out, 0)->msgt_size = 5; /* 65 bits */
    CHECK_EQ(ipc_send(&out, 0, 0), MACH_MSG_SUCCESS);
    got = receive_memory(port, 13);
    CHECK(is_filled(got, 9));
    CHECK_EQ(leaked_bytes(got, 9), 0);
    free_memory(got, 9);
    ipc_free_pages(pages, 1);
    ipc_drop(port);
}

TEST(the_same_region_twice_in_a_message_arrives_twice)
{
    mach_port_t port = test_port();
    uint8_t *pages = ipc_pages(8), *a, *b;

    fill(pages, 8 * IPC_PAGE_SIZE);
    ipc_begin(&out, port, MACH_MSG_TYPE_COPY_SEND, 1);
    ipc_add_memory(&out, pages, 8 * IPC_PAGE_SIZE, false);
    ipc_add_memory(&out, pages, 8 * IPC_PAGE_SIZE, true);
    CHECK_EQ(ipc_send(&out, 0, 0), MACH_MSG_SUCCESS);
    a = receive_memory(port, 8 * IPC_PAGE_SIZE);
    b = (uint8_t *)*ipc_item_data(&in, 1);
    CHECK(a != b);
    memset(a, 0, 8 * IPC_PAGE_SIZE);
    CHECK(is_filled(b, 8 * IPC_PAGE_SIZE));
    free_memory(a, 8 * IPC_PAGE_SIZE);
    free_memory(b, 8 * IPC_PAGE_SIZE);
    ipc_drop(port);
}

TEST(a_region_taken_twice_by_one_message_is_refused_and_comes_back)
{
    mach_port_t port = test_port();
    uint8_t *pages = ipc_pages(4);

    fill(pages, 4 * IPC_PAGE_SIZE);
    ipc_begin(&out, port, MACH_MSG_TYPE_COPY_SEND, 1);
    ipc_add_memory(&out, pages, 4 * IPC_PAGE_SIZE, true);
    ipc_add_memory(&out, pages, 4 * IPC_PAGE_SIZE, true);
    CHECK_EQ(ipc_send(&out, 0, 0), MACH_SEND_INVALID_MEMORY);
    pages = (uint8_t *)*ipc_item_data(&out, 0);
    CHECK(is_filled(pages, 4 * IPC_PAGE_SIZE));
    ipc_free_pages(pages, 4);
    ipc_drop(port);
}

/* --- between tasks --- */

static struct ipc_message peer_in;

/* Adds one to every byte it is sent out of line and sends the region back. */
static void peer_increment(mach_port_t service)
{
    mach_msg_return_t mr =
        mach_msg_trap(&peer_in.head, MACH_RCV_MSG, 0, sizeof(peer_in), service, 0, 0);

    for (;;) {
        if (mr == MACH_MSG_SUCCESS && (peer_in.head.msgh_bits & MACH_MSGH_BITS_COMPLEX) != 0) {
            uint8_t *data = (uint8_t *)*(uint64_t *)(peer_in.body + 8);

            for (uint32_t i = 0; i < ((mach_msg_type_t *)peer_in.body)->msgt_number; i++) {
                data[i]++;
            }
            ((mach_msg_type_t *)peer_in.body)->msgt_deallocate = 1;
            ipc_peer_answer(&peer_in);
            peer_in.head.msgh_bits |= MACH_MSGH_BITS_COMPLEX;
        }
        mr = mach_msg_trap(&peer_in.head, MACH_SEND_MSG | MACH_RCV_MSG, peer_in.head.msgh_size,
                           sizeof(peer_in), service, 0, 0);
    }
}

TEST(memory_goes_to_another_task_and_back)
{
    struct ipc_peer peer;
    mach_port_t reply = mach_reply_port();
    uint8_t *pages = ipc_pages(PAGES);

    ipc_peer_start(&peer, peer_increment, true);
    for (unsigned i = 0; i < SIZES; i++) {
        uint8_t *got;
        uint32_t wrong = 0;

        fill(pages, sizes[i]);
        ipc_begin(&in, peer.service, MACH_MSG_TYPE_COPY_SEND, 1);
        ipc_add_memory(&in, pages, sizes[i], false);
        in.head.msgh_bits |= MACH_MSGH_BITS(0, MACH_MSG_TYPE_MAKE_SEND_ONCE);
        in.head.msgh_local_port = reply;
        CHECK_EQ(mach_msg(&in.head, MACH_SEND_MSG | MACH_RCV_MSG, in.head.msgh_size, sizeof(in),
                          reply, 0, 0),
                 MACH_MSG_SUCCESS);
        got = (uint8_t *)*ipc_item_data(&in, 0);
        for (uint32_t b = 0; b < sizes[i]; b++) {
            wrong += got[b] != (uint8_t)(byte_at(b) + 1);
        }
        CHECK_EQ(wrong, 0);
        CHECK(is_filled(pages, sizes[i]));
        free_memory(got, sizes[i]);
    }
    ipc_free_pages(pages, PAGES);
    ipc_peer_end(&peer);
    ipc_drop(reply);
}

/* --- while it is being sent --- */

struct meddler {
    uint8_t *pages;
    int how;
    bool stop;
};

/* Writes, unmaps or protects the region all the time. */
static void *meddle(void *argument)
{
    struct meddler *m = argument;
    unsigned n = 0;

    while (!__atomic_load_n(&m->stop, __ATOMIC_RELAXED)) {
        vm_address_t address = (vm_address_t)m->pages + n % PAGES * IPC_PAGE_SIZE;

        if (m->how == 0) {
            *(volatile uint32_t *)(m->pages + n * 4093 % (PAGES * IPC_PAGE_SIZE - 4)) += 1;
        } else if (m->how == 1) {
            syscall_vm_deallocate(mach_task_self(), address, IPC_PAGE_SIZE);
            syscall_vm_allocate(mach_task_self(), &address, IPC_PAGE_SIZE, FALSE);
        } else {
            vm_protect(mach_task_self(), address, IPC_PAGE_SIZE, FALSE,
                       n % 2 == 0 ? VM_PROT_NONE : VM_PROT_READ | VM_PROT_WRITE);
        }
        n++;
    }
    return NULL;
}

static uint64_t sum_of(const uint8_t *data, uint32_t size)
{
    uint64_t sum = 0;

    for (uint32_t i = 0; i < size; i += 8) {
        sum = sum * 31 + *(const uint64_t *)(data + i);
    }
    return sum;
}

static void send_under_meddling(int how)
{
    struct meddler m = {.pages = ipc_pages(PAGES), .how = how};
    mach_port_t port = test_port();
    pthread_t thread;

    CHECK_EQ(pthread_create(&thread, NULL, meddle, &m), 0);
    for (unsigned i = 0; i < 200; i++) {
        /* more than a page, for which the hole the meddler makes would do: it would unmap that */
        uint32_t size = (i % (PAGES - 1) + 2) * IPC_PAGE_SIZE;
        mach_msg_return_t mr = send_memory(port, m.pages, size, false);

        CHECK(mr == MACH_MSG_SUCCESS || (how > 0 && mr == MACH_SEND_INVALID_MEMORY));
        if (mr == MACH_MSG_SUCCESS) {
            uint8_t *got = receive_memory(port, size);
            uint64_t sum = sum_of(got, size);

            swtch();
            CHECK_EQ(sum_of(got, size), sum);
            free_memory(got, size);
        }
    }
    __atomic_store_n(&m.stop, true, __ATOMIC_RELAXED);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    CHECK_EQ(ipc_receive(port, &in, 0, 0), MACH_RCV_TIMED_OUT);
    ipc_free_pages(m.pages, PAGES);
    ipc_drop(port);
}

TEST(a_sender_that_writes_all_the_time_changes_nothing_once_it_is_sent)
{
    send_under_meddling(0);
}
TEST(a_sender_that_unmaps_all_the_time_sends_all_or_nothing)
{
    send_under_meddling(1);
}
TEST(a_sender_that_protects_all_the_time_sends_all_or_nothing)
{
    send_under_meddling(2);
}

/* --- a receiver without room --- */

TEST(memory_a_receiver_has_no_room_for_is_lost_and_the_receiver_told)
{
    static struct ipc_message m;
    mach_port_t port = test_port(), task = mach_task_self();
    uint8_t *pages = ipc_pages(64);
    vm_size_t current = 0, maximum = 0;

    CHECK_EQ(vm_get_size_limit(task, &current, &maximum), KERN_SUCCESS);
    memset(pages, 1, 64 * IPC_PAGE_SIZE);
    ipc_begin(&m, port, MACH_MSG_TYPE_COPY_SEND, 1);
    ipc_add_memory(&m, pages, 64 * IPC_PAGE_SIZE, false);
    CHECK_EQ(ipc_send(&m, 0, 0), MACH_MSG_SUCCESS);
    CHECK_EQ(vm_set_size_limit(mach_host_self(), task, 4096, maximum), KERN_SUCCESS);
    CHECK_EQ(ipc_receive(port, &in, 0, 0), MACH_RCV_BODY_ERROR | MACH_MSG_VM_SPACE);
    CHECK_EQ(vm_set_size_limit(mach_host_self(), task, current, maximum), KERN_SUCCESS);
    CHECK_EQ(*ipc_item_data(&in, 0), 0);
    ipc_free_pages(pages, 64);
    ipc_drop(port);
}
