/* rpc_memory_test.c - a call that carries memory out of line, to a server that waits: what the
 * server sees of it, whichever way the kernel takes, and what it must not see. */
#include <gnumach.h>
#include <mach.h>
#include <mach/mach_traps.h>
#include <mach_port.h>
#include <string.h>

#include "lib/peer.h"

/* What the server does with the memory: the id of the request. */
enum { READ = 1, WRITE = 2, KEEP = 3 };

#define WRITTEN 0xee

static struct ipc_message out;
static struct ipc_message server_message;

static uint64_t sum_of(const uint8_t *bytes, uint64_t size)
{
    uint64_t sum = 0;

    for (uint64_t i = 0; i < size; i++) {
        sum = sum * 31 + bytes[i];
    }
    return sum;
}

/* Is everything around the memory in its pages zero? */
static bool is_alone(const uint8_t *bytes, uint64_t size)
{
    uint64_t start = (uint64_t)bytes & ~(IPC_PAGE_SIZE - 1ul);
    uint64_t end = ((uint64_t)bytes + size + IPC_PAGE_SIZE - 1) & ~(IPC_PAGE_SIZE - 1ul);

    for (uint64_t at = start; at < end; at++) {
        if ((at < (uint64_t)bytes || at >= (uint64_t)bytes + size) && *(uint8_t *)at != 0) {
            return false;
        }
    }
    return true;
}

/* Answers with the sum of the bytes, whether it saw others, and where they were. */
static void memory_server(mach_port_t service)
{
    mach_port_t task = (mach_task_self)();
    struct ipc_message *m = &server_message;
    mach_msg_return_t mr = mach_msg_trap(&m->head, MACH_RCV_MSG, 0, sizeof(*m), service, 0, 0);

    while (mr == MACH_MSG_SUCCESS || mr == (MACH_RCV_BODY_ERROR | MACH_MSG_VM_SPACE)) {
        uint64_t *words = (uint64_t *)m->body;
        uint64_t size = ipc_item(m, 0)->msgt_number;
        uint8_t *bytes = (uint8_t *)*ipc_item_data(m, 0);

        size = mr == MACH_MSG_SUCCESS ? size : 0;
        words[0] = sum_of(bytes, size) + mr;
        words[2] = is_alone(bytes, size);
        if (m->head.msgh_id == WRITE) {
            memset(bytes, WRITTEN, size);
            words[0] = sum_of(bytes, size);
        }
        if (m->head.msgh_id != KEEP && size != 0) {
            syscall_vm_deallocate(task, (uint64_t)bytes, size);
        }
        ipc_peer_answer(m);
        m->head.msgh_size = sizeof(m->head) + 24;
        mr = mach_msg_trap(&m->head, MACH_SEND_MSG | MACH_RCV_MSG, m->head.msgh_size, sizeof(*m),
                           service, 0, 0);
    }
    ipc_peer_idle();
}

static mach_msg_return_t carry(const struct ipc_peer *peer, mach_port_t reply, const void *data,
                               uint32_t size, bool deallocate, int what)
{
    ipc_begin(&out, peer->service, MACH_MSG_TYPE_COPY_SEND, what);
    ipc_add_memory(&out, data, size, deallocate);
    return ipc_rpc_carry(&out, reply);
}

static uint64_t answer(unsigned word)
{
    return ((uint64_t *)out.body)[word];
}

static void fill(uint8_t *bytes, uint64_t size, unsigned seed)
{
    for (uint64_t i = 0; i < size; i++) {
        bytes[i] = (uint8_t)(i * 7 + seed + i / 251);
    }
}

struct fixture {
    struct ipc_peer peer;
    mach_port_t reply;
};

static void begin(struct fixture *f, bool own_task)
{
    f->reply = mach_reply_port();
    ipc_peer_start(&f->peer, memory_server, own_task);
}

static void end(struct fixture *f)
{
    CHECK_EQ(ipc_status(f->reply).mps_sorights, 0);
    ipc_peer_end(&f->peer);
    ipc_drop(f->reply);
}

static void carry_sizes(bool own_task)
{
    static const uint32_t sizes[] = {1,     8,     100,   4095,  4096,  4097,   8191,   8192,
                                     16384, 20000, 65536, 69632, 70000, 262144, 1048576};
    struct fixture f;
    uint8_t *pages = ipc_pages(260);

    begin(&f, own_task);
    for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        for (uint32_t shift = 0; shift < 3; shift++) {
            uint8_t *bytes = pages + shift * 1500;

            memset(pages, 0x77, 260 * IPC_PAGE_SIZE); /* what must not leak */
            fill(bytes, sizes[i], i);
            CHECK_EQ(carry(&f.peer, f.reply, bytes, sizes[i], false, READ), MACH_MSG_SUCCESS);
            CHECK_EQ(answer(0), sum_of(bytes, sizes[i]));
            CHECK(answer(2));
        }
    }
    end(&f);
    ipc_free_pages(pages, 260);
}

TEST(memory_of_every_size_is_read_by_another_task)
{
    carry_sizes(true);
}
TEST(memory_of_every_size_is_read_by_another_thread)
{
    carry_sizes(false);
}

/* A page is shared until one side writes: neither sees what the other does then. */
TEST(what_either_side_writes_later_the_other_does_not_see)
{
    struct fixture f;
    uint8_t *pages = ipc_pages(32);
    uint64_t sum;

    begin(&f, true);
    for (unsigned size = IPC_PAGE_SIZE; size <= 32 * IPC_PAGE_SIZE; size *= 2) {
        fill(pages, size, size);
        sum = sum_of(pages, size);
        CHECK_EQ(carry(&f.peer, f.reply, pages, size, false, WRITE), MACH_MSG_SUCCESS);
        CHECK(answer(0) != sum);
        CHECK_EQ(sum_of(pages, size), sum);
        CHECK_EQ(carry(&f.peer, f.reply, pages, size, false, READ), MACH_MSG_SUCCESS);
        CHECK_EQ(answer(0), sum);
        memset(pages, 1, size);
        CHECK_EQ(carry(&f.peer, f.reply, pages, size, false, READ), MACH_MSG_SUCCESS);
        CHECK_EQ(answer(0), sum_of(pages, size));
    }
    end(&f);
    ipc_free_pages(pages, 32);
}

/* The server holds what it got although the sender has unmapped it since. */
TEST(memory_outlives_the_sender_s_mapping)
{
    struct fixture f;
    uint8_t *pages = ipc_pages(32);
    vm_offset_t read;
    mach_msg_type_number_t size;

    begin(&f, true);
    fill(pages, 32 * IPC_PAGE_SIZE, 5);
    CHECK_EQ(carry(&f.peer, f.reply, pages, 32 * IPC_PAGE_SIZE, false, KEEP), MACH_MSG_SUCCESS);
    ipc_free_pages(pages, 32);
    pages = ipc_pages(32);
    fill(pages, 32 * IPC_PAGE_SIZE, 5);
    CHECK_EQ(vm_read(f.peer.task, answer(1), 32 * IPC_PAGE_SIZE, &read, &size), KERN_SUCCESS);
    CHECK_EQ(size, 32 * IPC_PAGE_SIZE);
    CHECK(memcmp((void *)read, pages, size) == 0);
    vm_deallocate(mach_task_self(), read, size);
    end(&f);
    ipc_free_pages(pages, 32);
}

TEST(memory_that_is_to_leave_the_sender_has_left_it)
{
    struct fixture f;
    mach_msg_type_number_t size;
    vm_offset_t read;

    begin(&f, true);
    for (unsigned pages = 1; pages <= 32; pages *= 2) {
        uint8_t *bytes = ipc_pages(pages);
        uint64_t sum;

        fill(bytes, pages * IPC_PAGE_SIZE, pages);
        sum = sum_of(bytes, pages * IPC_PAGE_SIZE);
        CHECK_EQ(carry(&f.peer, f.reply, bytes, pages * IPC_PAGE_SIZE, true, READ),
                 MACH_MSG_SUCCESS);
        CHECK_EQ(answer(0), sum);
        CHECK_EQ(vm_read(mach_task_self(), (vm_address_t)bytes, IPC_PAGE_SIZE, &read, &size),
                 KERN_INVALID_ADDRESS);
    }
    end(&f);
}

TEST(no_memory_and_much_memory_never_touched_can_be_sent)
{
    struct fixture f;
    uint8_t *pages = ipc_pages(1024);

    begin(&f, true);
    CHECK_EQ(carry(&f.peer, f.reply, pages, 0, false, READ), MACH_MSG_SUCCESS);
    CHECK_EQ(answer(0), 0);
    CHECK_EQ(carry(&f.peer, f.reply, NULL, 0, true, READ), MACH_MSG_SUCCESS);
    CHECK_EQ(carry(&f.peer, f.reply, pages, 1024 * IPC_PAGE_SIZE, false, READ), MACH_MSG_SUCCESS);
    CHECK_EQ(answer(0), 0);
    end(&f);
    ipc_free_pages(pages, 1024);
}

TEST(bad_addresses_are_refused_and_the_server_is_not_called)
{
    struct fixture f;
    uint8_t *pages = ipc_pages(64);
    const struct {
        uintptr_t address;
        uint32_t size;
    } bad[] = {
        {0, 8},
        {8, 100000},
        {IPC_KERNEL_TEXT, 8},
        {IPC_KERNEL_MEMORY, 100000},
        {IPC_NON_CANONICAL, 8},
        {IPC_USER_END - 8, 16},
        {IPC_USER_END - 8, 0xffffffffu},
        {(uintptr_t)pages + 32 * IPC_PAGE_SIZE, 8},
        {(uintptr_t)pages + 32 * IPC_PAGE_SIZE - 4, 8},
        {(uintptr_t)pages + 16 * IPC_PAGE_SIZE, 32 * IPC_PAGE_SIZE},
        {~0ul - 4, 8},
    };

    memset(pages, 1, 64 * IPC_PAGE_SIZE);
    ipc_protect(pages + 32 * IPC_PAGE_SIZE, 1, 0);
    begin(&f, true);
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        for (unsigned deallocate = 0; deallocate < 2; deallocate++) {
            CHECK_EQ(carry(&f.peer, f.reply, (void *)bad[i].address, bad[i].size, deallocate, READ),
                     MACH_SEND_INVALID_MEMORY);
        }
    }
    CHECK_EQ(carry(&f.peer, f.reply, pages, 32 * IPC_PAGE_SIZE, false, READ), MACH_MSG_SUCCESS);
    CHECK_EQ(answer(0), sum_of(pages, 32 * IPC_PAGE_SIZE));
    end(&f);
    ipc_free_pages(pages, 64);
}

TEST(two_regions_and_data_beside_a_region_arrive)
{
    struct fixture f;
    uint8_t *pages = ipc_pages(40);

    fill(pages, 40 * IPC_PAGE_SIZE, 1);
    begin(&f, true);
    ipc_begin(&out, f.peer.service, MACH_MSG_TYPE_COPY_SEND, READ);
    ipc_add_memory(&out, pages, 17 * IPC_PAGE_SIZE, false);
    ipc_add_memory(&out, pages + 50, 100, false);
    CHECK_EQ(ipc_rpc_carry(&out, f.reply), MACH_MSG_SUCCESS);
    CHECK_EQ(answer(0), sum_of(pages, 17 * IPC_PAGE_SIZE));
    for (uint64_t words = 0; words <= 40; words++) { /* from the short way to the long one */
        uint64_t data[41] = {(uint64_t)MACH_MSG_TYPE_INTEGER_64 | 64u << 8 | 1u << 29 |
                             words << 32};

        ipc_begin(&out, f.peer.service, MACH_MSG_TYPE_COPY_SEND, READ);
        ipc_add_memory(&out, pages, 20 * IPC_PAGE_SIZE, false);
        ipc_add_bytes(&out, data, (uint32_t)(words + 1) * 8);
        CHECK_EQ(ipc_rpc_carry(&out, f.reply), MACH_MSG_SUCCESS);
        CHECK_EQ(answer(0), sum_of(pages, 20 * IPC_PAGE_SIZE));
    }
    end(&f);
    ipc_free_pages(pages, 40);
}

/* A server whose address space is full is told, and gets the rest of the message. */
TEST(a_receiver_without_room_gets_the_message_without_its_memory)
{
    vm_size_t current, maximum;
    uint8_t *pages = ipc_pages(64);
    struct fixture f;

    memset(pages, 3, 64 * IPC_PAGE_SIZE);
    begin(&f, true);
    CHECK_EQ(vm_get_size_limit(f.peer.task, &current, &maximum), KERN_SUCCESS);
    CHECK_EQ(vm_set_size_limit(mach_host_self(), f.peer.task, IPC_PAGE_SIZE, maximum),
             KERN_SUCCESS);
    CHECK_EQ(carry(&f.peer, f.reply, pages, 64 * IPC_PAGE_SIZE, false, READ), MACH_MSG_SUCCESS);
    CHECK_EQ(answer(0), MACH_RCV_BODY_ERROR | MACH_MSG_VM_SPACE);
    CHECK_EQ(answer(1), 0);
    CHECK_EQ(vm_set_size_limit(mach_host_self(), f.peer.task, current, maximum), KERN_SUCCESS);
    CHECK_EQ(carry(&f.peer, f.reply, pages, 64 * IPC_PAGE_SIZE, false, READ), MACH_MSG_SUCCESS);
    CHECK_EQ(answer(0), sum_of(pages, 64 * IPC_PAGE_SIZE));
    end(&f);
    ipc_free_pages(pages, 64);
}
