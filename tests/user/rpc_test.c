/* rpc_test.c - call and answer: what arrives at every size, and what both sides see when either is
 * suspended, aborted, ended, or loses its port in the middle. */
#include <mach.h>
#include <mach_port.h>
#include <portolan.h>
#include <string.h>

#include "lib/peer.h"

static struct ipc_message in, out;

/* One call with a body of so many bytes; false when anything is not as it must be. */
static bool call_of_size(const struct ipc_peer *peer, mach_port_t reply, uint32_t size)
{
    uint32_t words = size / 4;
    mach_msg_return_t mr;

    ipc_begin(&out, peer->service, MACH_MSG_TYPE_COPY_SEND, (int)size);
    ipc_pattern(&out, words, size);
    ((uint32_t *)out.body)[words] = 0xdeadbeef; /* not part of it */
    out.head.msgh_size = sizeof(out.head) + size;
    mr = ipc_rpc(&out, peer->service, reply);
    CHECK_EQ(mr, MACH_MSG_SUCCESS);
    CHECK_EQ(out.head.msgh_id, size + 100);
    CHECK_EQ(out.head.msgh_size, MACH_MSG_ALIGN((uint32_t)sizeof(out.head) + size));
    CHECK(ipc_has_pattern(&out, words, size));
    CHECK_EQ(out.head.msgh_local_port, reply);
    CHECK_EQ(out.head.msgh_remote_port, MACH_PORT_NULL);
    if (size % 8 != 0) { /* what fills it up is zero, not what lay behind */
        CHECK_EQ(((uint32_t *)out.body)[words], 0);
    }
    return mr == MACH_MSG_SUCCESS;
}

static void call_of_all_sizes(bool own_task, int cpu)
{
    struct ipc_peer peer;
    mach_port_t reply = mach_reply_port();

    ipc_peer_start(&peer, ipc_peer_echo, own_task);
    CHECK_EQ(thread_bind(peer.thread, cpu), KERN_SUCCESS);
    for (uint32_t size = 0; size <= 8224; size += 4) {
        if (!call_of_size(&peer, reply, size)) {
            break;
        }
    }
    ipc_peer_end(&peer);
    ipc_drop(reply);
}

TEST(every_size_up_to_8224_is_echoed_by_another_task)
{
    call_of_all_sizes(true, -1);
}
TEST(every_size_up_to_8224_is_echoed_by_a_bound_thread)
{
    call_of_all_sizes(true, 0);
}
TEST(every_size_up_to_8224_is_echoed_by_another_thread)
{
    call_of_all_sizes(false, -1);
}

/* mach_msg_quick is no call, but the kernel takes it for one: what the compiler had in registers
 * that a call may change must come through. */
TEST(a_trap_in_place_keeps_numbers_and_floats)
{
    struct ipc_peer peer;
    mach_port_t reply = mach_reply_port();
    volatile double one = 1;
    volatile long double two = 2;

    ipc_peer_start(&peer, ipc_peer_echo, true);
    for (unsigned i = 0; i < 100; i++) {
        double sum = one + i, product = sum * i;
        long double twice = two * i;

        ipc_begin(&out, peer.service, MACH_MSG_TYPE_COPY_SEND, 7);
        out.head.msgh_bits |= MACH_MSGH_BITS(0, MACH_MSG_TYPE_MAKE_SEND_ONCE);
        out.head.msgh_local_port = reply;
        CHECK_EQ(mach_msg_quick(&out.head, MACH_SEND_MSG | MACH_RCV_MSG, out.head.msgh_size,
                                sizeof(out), reply, 0, MACH_PORT_NULL),
                 MACH_MSG_SUCCESS);
        CHECK_EQ(out.head.msgh_id, 107);
        CHECK_EQ((unsigned)sum, i + 1);
        CHECK_EQ((unsigned)product, i * (i + 1));
        CHECK_EQ((unsigned)twice, 2 * i);
    }
    ipc_peer_end(&peer);
    ipc_drop(reply);
}

TEST(sizes_that_are_no_multiple_of_4_are_refused)
{
    struct ipc_peer peer;
    mach_port_t reply = mach_reply_port();

    ipc_peer_start(&peer, ipc_peer_echo, true);
    for (uint32_t size = 1; size < 600; size += 1) {
        if (size % 4 != 0) {
            ipc_begin(&out, peer.service, MACH_MSG_TYPE_COPY_SEND, 1);
            out.head.msgh_size = sizeof(out.head) + size;
            CHECK_EQ(ipc_rpc(&out, peer.service, reply), MACH_SEND_MSG_TOO_SMALL);
        }
    }
    for (uint32_t size = 0; size < sizeof(out.head); size++) {
        out.head.msgh_size = size;
        CHECK_EQ(ipc_rpc(&out, peer.service, reply), MACH_SEND_MSG_TOO_SMALL);
    }
    CHECK(call_of_size(&peer, reply, 64));
    CHECK_EQ(ipc_status(reply).mps_sorights, 0);
    ipc_peer_end(&peer);
    ipc_drop(reply);
}

/* Send from and receive into a message at any address, with anything behind it. */
static mach_msg_return_t call_at(uint8_t *address, const struct ipc_peer *peer, mach_port_t reply,
                                 uint32_t size)
{
    ipc_begin(&out, peer->service, MACH_MSG_TYPE_COPY_SEND, 5);
    ipc_pattern(&out, size / 4, size);
    out.head.msgh_bits |= MACH_MSGH_BITS(0, MACH_MSG_TYPE_MAKE_SEND_ONCE);
    out.head.msgh_local_port = reply;
    memcpy(address, &out, sizeof(out.head) + size);
    return mach_msg((mach_msg_header_t *)address, MACH_SEND_MSG | MACH_RCV_MSG,
                    sizeof(out.head) + size, sizeof(out.head) + size, reply, 0, 0);
}

static void call_across_pages(uint32_t size)
{
    struct ipc_peer peer;
    mach_port_t reply = mach_reply_port();
    uint8_t *pages = ipc_pages(6);

    ipc_peer_start(&peer, ipc_peer_echo, true);
    for (uint32_t back = 0; back <= sizeof(out.head) + size; back += size > 256 ? 92 : 4) {
        uint8_t *address = pages + 3 * IPC_PAGE_SIZE - back;

        CHECK_EQ(call_at(address, &peer, reply, size), MACH_MSG_SUCCESS);
        memcpy(&in, address, sizeof(in.head) + size);
        CHECK_EQ(in.head.msgh_id, 105);
        CHECK(ipc_has_pattern(&in, size / 4, size));
    }
    ipc_free_pages(pages, 6);
    ipc_peer_end(&peer);
    ipc_drop(reply);
}

TEST(a_short_message_may_lie_across_pages_anywhere)
{
    call_across_pages(64);
}
TEST(a_long_message_may_lie_across_pages_anywhere)
{
    call_across_pages(6000);
}

TEST(a_message_may_begin_at_any_byte)
{
    struct ipc_peer peer;
    mach_port_t reply = mach_reply_port();
    uint8_t *pages = ipc_pages(4);

    ipc_peer_start(&peer, ipc_peer_echo, true);
    for (uint32_t size = 0; size <= 4096; size += 256) {
        for (unsigned offset = 1; offset < 16; offset += 2) {
            CHECK_EQ(call_at(pages + offset, &peer, reply, size), MACH_MSG_SUCCESS);
            memcpy(&in, pages + offset, sizeof(in.head) + size);
            CHECK_EQ(in.head.msgh_id, 105);
            CHECK(ipc_has_pattern(&in, size / 4, size));
        }
    }
    ipc_free_pages(pages, 4);
    ipc_peer_end(&peer);
    ipc_drop(reply);
}

TEST(a_message_may_end_with_the_last_mapped_byte)
{
    struct ipc_peer peer;
    mach_port_t reply = mach_reply_port();
    uint8_t *pages = ipc_pages(4);

    ipc_free_pages(pages + 3 * IPC_PAGE_SIZE, 1);
    ipc_peer_start(&peer, ipc_peer_echo, true);
    for (uint32_t size = 0; size <= 8192; size += 128) {
        uint8_t *address = pages + 3 * IPC_PAGE_SIZE - sizeof(out.head) - size;

        CHECK_EQ(call_at(address, &peer, reply, size), MACH_MSG_SUCCESS);
        CHECK_EQ(mach_msg((mach_msg_header_t *)(address + 8), MACH_SEND_MSG | MACH_RCV_MSG,
                          sizeof(out.head) + size, sizeof(out), reply, 0, 0),
                 MACH_SEND_INVALID_DATA);
    }
    CHECK_EQ(ipc_status(reply).mps_sorights, 0);
    ipc_free_pages(pages, 3);
    ipc_peer_end(&peer);
    ipc_drop(reply);
}

TEST(a_call_from_where_no_message_can_be_is_refused)
{
    static const uint64_t addresses[] = {0,
                                         16,
                                         4064,
                                         IPC_KERNEL_TEXT,
                                         IPC_KERNEL_MEMORY,
                                         IPC_NON_CANONICAL,
                                         IPC_USER_END - 16,
                                         ~31ul,
                                         ~0ul,
                                         1ul << 63};
    struct ipc_peer peer;
    mach_port_t reply = mach_reply_port();

    ipc_peer_start(&peer, ipc_peer_echo, true);
    for (unsigned i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
        for (uint32_t size = 32; size <= 8224; size *= 2) {
            CHECK_EQ(mach_msg((mach_msg_header_t *)addresses[i], MACH_SEND_MSG | MACH_RCV_MSG, size,
                              size, reply, 0, 0),
                     MACH_SEND_INVALID_DATA);
        }
    }
    CHECK(call_of_size(&peer, reply, 100));
    ipc_peer_end(&peer);
    ipc_drop(reply);
}

/* The answer cannot be written: the caller learns it, and the system and the server go on. */
static void call_into(uint8_t *page, int protection, uint32_t size)
{
    struct ipc_peer peer;
    mach_port_t reply = mach_reply_port();

    ipc_peer_start(&peer, ipc_peer_echo, true);
    ipc_begin(&out, peer.service, MACH_MSG_TYPE_COPY_SEND, 5);
    out.head.msgh_bits |= MACH_MSGH_BITS(0, MACH_MSG_TYPE_MAKE_SEND_ONCE);
    out.head.msgh_local_port = reply;
    memcpy(page, &out, sizeof(out.head) + size);
    ipc_protect(page, 3, protection);
    CHECK_EQ(mach_msg((mach_msg_header_t *)page, MACH_SEND_MSG | MACH_RCV_MSG,
                      sizeof(out.head) + size, sizeof(out), reply, 0, 0),
             MACH_RCV_INVALID_DATA);
    CHECK(call_of_size(&peer, reply, size));
    ipc_peer_end(&peer);
    ipc_drop(reply);
}

TEST(an_answer_into_read_only_memory_is_lost_and_the_caller_told)
{
    for (uint32_t size = 0; size <= 8192; size += 1024) {
        uint8_t *pages = ipc_pages(3);

        call_into(pages, VM_PROT_READ, size);
        ipc_free_pages(pages, 3);
    }
}

/* --- the receiver's buffer goes while it waits --- */

static uint8_t peer_pages[4 * IPC_PAGE_SIZE] __attribute__((aligned(4096)));

/* Receives into peer_pages, then echoes from good memory what the receive returned. */
static void peer_fragile(mach_port_t service)
{
    static struct ipc_message m;
    mach_msg_return_t first;

    first = mach_msg_trap((mach_msg_header_t *)peer_pages, MACH_RCV_MSG, 0, sizeof(peer_pages),
                          service, 0, 0);
    for (;;) {
        if (mach_msg_trap(&m.head, MACH_RCV_MSG, 0, sizeof(m), service, 0, 0) == MACH_MSG_SUCCESS) {
            ipc_peer_answer(&m);
            *(mach_msg_return_t *)m.body = first;
            mach_msg_trap(&m.head, MACH_SEND_MSG, sizeof(m.head) + 8, 0, 0, 0, 0);
        }
    }
}

static void lose_buffer(uint32_t size, unsigned page, bool unmap, mach_msg_return_t expected)
{
    struct ipc_peer peer;
    struct ipc_call call;
    mach_port_t reply = mach_reply_port();
    vm_address_t address = (vm_address_t)peer_pages + page * IPC_PAGE_SIZE;

    ipc_peer_start(&peer, peer_fragile, true);
    CHECK_EQ(unmap ? vm_deallocate(peer.task, address, IPC_PAGE_SIZE)
                   : vm_protect(peer.task, address, IPC_PAGE_SIZE, FALSE, VM_PROT_READ),
             KERN_SUCCESS);
    ipc_begin(&out, peer.service, MACH_MSG_TYPE_COPY_SEND, 5);
    out.head.msgh_size = sizeof(out.head) + size;
    ipc_call_rpc(&call, &out, reply); /* is not answered: the right is in the peer's hands */
    ipc_begin(&in, peer.service, MACH_MSG_TYPE_COPY_SEND, 6);
    in.head.msgh_size += 8;
    CHECK_EQ(ipc_rpc(&in, peer.service, mig_get_reply_port()), MACH_MSG_SUCCESS);
    CHECK_EQ(*(mach_msg_return_t *)in.body, expected);
    ipc_peer_end(&peer);
    CHECK_EQ(ipc_call_end(&call), MACH_MSG_SUCCESS);
    CHECK_EQ(out.head.msgh_id, MACH_NOTIFY_SEND_ONCE);
    ipc_drop(reply);
}

TEST(a_receiver_whose_buffer_is_unmapped_while_it_waits_is_told)
{
    lose_buffer(0, 0, true, MACH_RCV_INVALID_DATA);
    lose_buffer(128, 0, true, MACH_RCV_INVALID_DATA);
    lose_buffer(6000, 0, true, MACH_RCV_INVALID_DATA);
    lose_buffer(6000, 1, true, MACH_RCV_INVALID_DATA);
    lose_buffer(6000, 2, true, MACH_MSG_SUCCESS);
}

TEST(a_receiver_whose_buffer_is_write_protected_while_it_waits_is_told)
{
    lose_buffer(0, 0, false, MACH_RCV_INVALID_DATA);
    lose_buffer(128, 0, false, MACH_RCV_INVALID_DATA);
    lose_buffer(6000, 0, false, MACH_RCV_INVALID_DATA);
    lose_buffer(6000, 1, false, MACH_RCV_INVALID_DATA);
    lose_buffer(6000, 2, false, MACH_MSG_SUCCESS);
}

/* --- the answer does not come as it was meant to --- */

TEST(a_call_to_a_server_that_ends_with_the_request_is_told)
{
    for (unsigned state = 0; state < 3; state++) {
        struct ipc_peer peer;
        struct ipc_call call;
        mach_port_t reply = mach_reply_port();

        ipc_peer_create(&peer, peer_fragile, true); /* takes one message and keeps it */
        if (state > 0) {
            CHECK_EQ(thread_resume(peer.thread), KERN_SUCCESS);
        }
        if (state > 1) {
            CHECK(ipc_wait_blocked(peer.thread));
        }
        ipc_begin(&out, peer.service, MACH_MSG_TYPE_COPY_SEND, 5);
        ipc_call_rpc(&call, &out, reply);
        CHECK(!ipc_call_is_done(&call));
        ipc_peer_end(&peer);
        CHECK_EQ(ipc_call_end(&call), MACH_MSG_SUCCESS);
        CHECK_EQ(out.head.msgh_id, MACH_NOTIFY_SEND_ONCE);
        CHECK_EQ(out.head.msgh_size, sizeof(out.head));
        ipc_drop(reply);
    }
}

TEST(a_caller_whose_reply_port_dies_is_told_and_the_server_goes_on)
{
    struct ipc_peer peer;
    struct ipc_call call;
    mach_port_t reply = mach_reply_port();

    ipc_peer_create(&peer, ipc_peer_echo, true);
    ipc_begin(&out, peer.service, MACH_MSG_TYPE_COPY_SEND, 5);
    ipc_call_rpc(&call, &out, reply);
    ipc_drop(reply);
    CHECK_EQ(ipc_call_end(&call), MACH_RCV_PORT_DIED);
    CHECK_EQ(thread_resume(peer.thread), KERN_SUCCESS);
    reply = mach_reply_port();
    CHECK(call_of_size(&peer, reply, 40));
    ipc_peer_end(&peer);
    ipc_drop(reply);
}

/* The request is received here: the test is the server. */
struct held {
    struct ipc_call call;
    mach_port_t service, reply;
    mach_port_t once; /* the reply right */
};

static void hold_call(struct held *held)
{
    held->service = test_port();
    held->reply = mach_reply_port();
    ipc_begin(&out, held->service, MACH_MSG_TYPE_COPY_SEND, 5);
    ipc_call_rpc(&held->call, &out, held->reply);
    CHECK_EQ(ipc_receive(held->service, &in, 0, IPC_LONG_MS), MACH_MSG_SUCCESS);
    held->once = in.head.msgh_remote_port;
    CHECK(ipc_wait_blocked(held->call.port));
}

static mach_msg_return_t answer_held(const struct held *held)
{
    struct ipc_message answer;

    ipc_begin(&answer, held->once, MACH_MSG_TYPE_MOVE_SEND_ONCE, 105);
    answer.head.msgh_size += 40;
    memset(answer.body, 0x66, 40);
    return ipc_send(&answer, 0, 0);
}

static void end_held(struct held *held)
{
    CHECK_EQ(ipc_call_end(&held->call), MACH_MSG_SUCCESS);
    CHECK_EQ(out.head.msgh_id, 105);
    CHECK_EQ(out.body[39], 0x66);
    ipc_drop(held->service);
    ipc_drop(held->reply);
}

TEST(a_suspended_caller_has_its_answer_when_it_is_resumed)
{
    struct held held;

    hold_call(&held);
    CHECK_EQ(thread_suspend(held.call.port), KERN_SUCCESS);
    CHECK_EQ(answer_held(&held), MACH_MSG_SUCCESS);
    ipc_pause_ms(10);
    CHECK(!ipc_call_is_done(&held.call));
    CHECK_EQ(thread_resume(held.call.port), KERN_SUCCESS);
    end_held(&held);
}

TEST(a_caller_suspended_and_resumed_again_and_again_misses_nothing)
{
    struct held held;

    hold_call(&held);
    for (unsigned i = 0; i < 50; i++) {
        CHECK_EQ(thread_suspend(held.call.port), KERN_SUCCESS);
        CHECK_EQ(thread_resume(held.call.port), KERN_SUCCESS);
    }
    CHECK(!ipc_call_is_done(&held.call));
    CHECK_EQ(answer_held(&held), MACH_MSG_SUCCESS);
    end_held(&held);
}

TEST(an_aborted_caller_finds_its_answer_in_the_queue)
{
    struct held held;

    hold_call(&held);
    CHECK_EQ(thread_abort(held.call.port), KERN_SUCCESS);
    CHECK_EQ(ipc_call_end(&held.call), MACH_RCV_INTERRUPTED);
    CHECK_EQ(answer_held(&held), MACH_MSG_SUCCESS);
    CHECK_EQ(ipc_receive(held.reply, &in, 0, 0), MACH_MSG_SUCCESS);
    CHECK_EQ(in.head.msgh_id, 105);
    ipc_drop(held.service);
    ipc_drop(held.reply);
}

TEST(a_caller_whose_reply_port_moves_into_a_set_is_told_and_the_set_has_the_answer)
{
    struct held held;
    mach_port_t set = ipc_set();

    hold_call(&held);
    CHECK_EQ(mach_port_move_member(mach_task_self(), held.reply, set), KERN_SUCCESS);
    CHECK_EQ(ipc_call_end(&held.call), MACH_RCV_PORT_CHANGED);
    CHECK_EQ(answer_held(&held), MACH_MSG_SUCCESS);
    CHECK_EQ(ipc_receive(set, &in, 0, 0), MACH_MSG_SUCCESS);
    CHECK_EQ(in.head.msgh_id, 105);
    CHECK_EQ(in.head.msgh_local_port, held.reply);
    ipc_drop(set);
    ipc_drop(held.service);
    ipc_drop(held.reply);
}

TEST(a_caller_whose_reply_port_is_renamed_still_has_its_answer)
{
    struct held held;

    hold_call(&held);
    CHECK_EQ(mach_port_rename(mach_task_self(), held.reply, 0x31337), KERN_SUCCESS);
    held.reply = 0x31337;
    CHECK_EQ(answer_held(&held), MACH_MSG_SUCCESS);
    end_held(&held);
    CHECK_EQ(out.head.msgh_local_port, 0x31337);
}

TEST(a_reply_right_moved_to_another_task_answers_from_there)
{
    struct held held;
    mach_port_t task = MACH_PORT_NULL, back;
    mach_msg_type_name_t type;

    hold_call(&held);
    CHECK_EQ(task_create(mach_task_self(), FALSE, &task), KERN_SUCCESS);
    CHECK_EQ(mach_port_insert_right(task, 0x777, held.once, MACH_MSG_TYPE_MOVE_SEND_ONCE),
             KERN_SUCCESS);
    CHECK_EQ(ipc_type(held.once), 0);
    CHECK(!ipc_call_is_done(&held.call));
    CHECK_EQ(mach_port_extract_right(task, 0x777, MACH_MSG_TYPE_MOVE_SEND_ONCE, &back, &type),
             KERN_SUCCESS);
    held.once = back;
    CHECK_EQ(answer_held(&held), MACH_MSG_SUCCESS);
    end_held(&held);
    task_terminate(task);
    mach_port_deallocate(mach_task_self(), task);
}

TEST(a_reply_right_that_dies_with_a_task_tells_the_caller)
{
    struct held held;
    mach_port_t task = MACH_PORT_NULL;

    hold_call(&held);
    CHECK_EQ(task_create(mach_task_self(), FALSE, &task), KERN_SUCCESS);
    CHECK_EQ(mach_port_insert_right(task, 0x777, held.once, MACH_MSG_TYPE_MOVE_SEND_ONCE),
             KERN_SUCCESS);
    CHECK_EQ(task_terminate(task), KERN_SUCCESS);
    CHECK_EQ(ipc_call_end(&held.call), MACH_MSG_SUCCESS);
    CHECK_EQ(out.head.msgh_id, MACH_NOTIFY_SEND_ONCE);
    mach_port_deallocate(mach_task_self(), task);
    ipc_drop(held.service);
    ipc_drop(held.reply);
}

TEST(a_reply_right_lies_in_a_message_until_that_is_received)
{
    struct held held;
    mach_port_t box = test_port();
    struct ipc_message m;

    hold_call(&held);
    ipc_begin(&m, box, MACH_MSG_TYPE_COPY_SEND, 1);
    ipc_add_ports(&m, &held.once, 1, MACH_MSG_TYPE_MOVE_SEND_ONCE);
    CHECK_EQ(ipc_send(&m, 0, 0), MACH_MSG_SUCCESS);
    CHECK(!ipc_call_is_done(&held.call));
    CHECK_EQ(ipc_receive(box, &m, 0, 0), MACH_MSG_SUCCESS);
    held.once = (mach_port_t)*ipc_item_data(&m, 0);
    CHECK_EQ(answer_held(&held), MACH_MSG_SUCCESS);
    end_held(&held);
    ipc_drop(box);
}

TEST(an_answer_to_a_thread_that_has_ended_stays_in_the_queue)
{
    struct held held;

    hold_call(&held);
    CHECK_EQ(thread_abort(held.call.port), KERN_SUCCESS);
    CHECK_EQ(ipc_call_end(&held.call), MACH_RCV_INTERRUPTED); /* and the thread is gone */
    CHECK_EQ(answer_held(&held), MACH_MSG_SUCCESS);
    CHECK_EQ(ipc_status(held.reply).mps_msgcount, 1);
    ipc_drop(held.service);
    ipc_drop(held.reply);
}

/* --- the caller is a task of its own and ends --- */

static struct ipc_message client_message;

/* Calls the service named by its argument for ever, with reply port 0x200. */
static void peer_client(mach_port_t service)
{
    for (;;) {
        ipc_begin(&client_message, service, MACH_MSG_TYPE_COPY_SEND, 5);
        client_message.head.msgh_bits |= MACH_MSGH_BITS(0, MACH_MSG_TYPE_MAKE_SEND_ONCE);
        client_message.head.msgh_local_port = 0x200;
        mach_msg_trap(&client_message.head, MACH_SEND_MSG | MACH_RCV_MSG,
                      sizeof(client_message.head), sizeof(client_message), 0x200, 0, 0);
    }
}

static void start_client(struct ipc_peer *client, mach_port_t service)
{
    client->service = service;
    CHECK_EQ(task_create(mach_task_self(), TRUE, &client->task), KERN_SUCCESS);
    CHECK_EQ(mach_port_insert_right(client->task, service, service, MACH_MSG_TYPE_COPY_SEND),
             KERN_SUCCESS);
    CHECK_EQ(mach_port_allocate_name(client->task, MACH_PORT_RIGHT_RECEIVE, 0x200), KERN_SUCCESS);
    client->thread = ipc_peer_thread(client, peer_client, 0);
    CHECK_EQ(thread_resume(client->thread), KERN_SUCCESS);
}

TEST(a_caller_that_ends_while_it_waits_leaves_a_dead_reply_right)
{
    struct ipc_peer client;
    mach_port_t service = test_port();

    for (unsigned round = 0; round < 10; round++) {
        start_client(&client, service);
        CHECK_EQ(ipc_receive(service, &in, 0, IPC_LONG_MS), MACH_MSG_SUCCESS);
        CHECK(ipc_wait_blocked(client.thread));
        CHECK_EQ(task_terminate(client.task), KERN_SUCCESS);
        CHECK_EQ(ipc_type(in.head.msgh_remote_port), MACH_PORT_TYPE_DEAD_NAME);
        ipc_peer_answer(&in);
        CHECK_EQ(ipc_send(&in, 0, 0), MACH_SEND_INVALID_DEST);
        ipc_drop(in.head.msgh_remote_port);
        mach_port_destroy(mach_task_self(), client.task);
        mach_port_destroy(mach_task_self(), client.thread);
    }
    ipc_drop(service);
}

TEST(a_calling_thread_that_ends_leaves_its_answer_to_its_task)
{
    struct ipc_peer client;
    mach_port_t service = test_port();

    start_client(&client, service);
    CHECK_EQ(ipc_receive(service, &in, 0, IPC_LONG_MS), MACH_MSG_SUCCESS);
    CHECK(ipc_wait_blocked(client.thread));
    ipc_end_thread(client.thread);
    ipc_peer_answer(&in);
    CHECK_EQ(ipc_send(&in, 0, 0), MACH_MSG_SUCCESS);
    CHECK_EQ(task_terminate(client.task), KERN_SUCCESS);
    mach_port_destroy(mach_task_self(), client.task);
    ipc_drop(service);
}

/* Calls of a task that may end at any moment never hurt the server. */
TEST(callers_that_end_at_any_moment_leave_the_server_working)
{
    struct ipc_peer server, client;
    mach_port_t reply = mach_reply_port();

    ipc_peer_start(&server, ipc_peer_echo, true);
    for (unsigned round = 0; round < 40; round++) {
        start_client(&client, server.service);
        ipc_pause_ms(round % 5);
        CHECK_EQ(task_terminate(client.task), KERN_SUCCESS);
        mach_port_destroy(mach_task_self(), client.task);
        mach_port_destroy(mach_task_self(), client.thread);
        CHECK(call_of_size(&server, reply, round * 4));
    }
    ipc_peer_end(&server);
    ipc_drop(reply);
}

/* --- the server is stopped --- */

TEST(a_suspended_server_answers_when_it_is_resumed)
{
    struct ipc_peer peer;
    struct ipc_call call;
    mach_port_t reply = mach_reply_port();

    ipc_peer_start(&peer, ipc_peer_echo, true);
    for (unsigned i = 0; i < 20; i++) {
        CHECK_EQ(thread_suspend(peer.thread), KERN_SUCCESS);
        ipc_begin(&out, peer.service, MACH_MSG_TYPE_COPY_SEND, 5);
        ipc_call_rpc(&call, &out, reply); /* claims the server, which is stopped */
        CHECK(!ipc_call_is_done(&call));
        CHECK_EQ(thread_resume(peer.thread), KERN_SUCCESS);
        CHECK_EQ(ipc_call_end(&call), MACH_MSG_SUCCESS);
        CHECK_EQ(out.head.msgh_id, 105);
        CHECK(ipc_wait_blocked(peer.thread));
    }
    ipc_peer_end(&peer);
    ipc_drop(reply);
}

TEST(an_aborted_server_receives_again)
{
    struct ipc_peer peer;
    mach_port_t reply = mach_reply_port();

    ipc_peer_start(&peer, ipc_peer_echo, true);
    for (unsigned i = 0; i < 100; i++) {
        CHECK_EQ(thread_abort(peer.thread), KERN_SUCCESS);
        CHECK(call_of_size(&peer, reply, i * 4));
    }
    ipc_peer_end(&peer);
    ipc_drop(reply);
}

TEST(a_server_thread_that_ends_leaves_the_requests_to_the_next)
{
    struct ipc_peer peer;
    struct ipc_call call;
    mach_port_t reply = mach_reply_port();

    ipc_peer_start(&peer, ipc_peer_echo, true);
    CHECK(call_of_size(&peer, reply, 12));
    ipc_end_thread(peer.thread);
    ipc_begin(&out, peer.service, MACH_MSG_TYPE_COPY_SEND, 5);
    ipc_call_rpc(&call, &out, reply);
    CHECK(!ipc_call_is_done(&call));
    peer.thread = ipc_peer_thread(&peer, ipc_peer_echo, 1);
    CHECK_EQ(thread_resume(peer.thread), KERN_SUCCESS);
    CHECK_EQ(ipc_call_end(&call), MACH_MSG_SUCCESS);
    CHECK_EQ(out.head.msgh_id, 105);
    ipc_peer_end(&peer);
    ipc_drop(reply);
}

TEST(a_server_that_is_suspended_and_then_ends_with_a_claimed_request_tells_the_caller)
{
    struct ipc_peer peer;
    struct ipc_call call;
    mach_port_t reply = mach_reply_port();

    ipc_peer_start(&peer, ipc_peer_echo, true);
    CHECK_EQ(thread_suspend(peer.thread), KERN_SUCCESS);
    ipc_begin(&out, peer.service, MACH_MSG_TYPE_COPY_SEND, 5);
    ipc_call_rpc(&call, &out, reply);
    CHECK(!ipc_call_is_done(&call));
    ipc_peer_end(&peer);
    CHECK_EQ(ipc_call_end(&call), MACH_MSG_SUCCESS);
    CHECK_EQ(out.head.msgh_id, MACH_NOTIFY_SEND_ONCE);
    ipc_drop(reply);
}

TEST(a_whole_task_suspended_in_the_middle_of_calls_goes_on_when_resumed)
{
    struct ipc_peer server, client;

    ipc_peer_start(&server, ipc_peer_echo, true);
    start_client(&client, server.service);
    for (unsigned i = 0; i < 60; i++) {
        mach_port_t task = i % 2 == 0 ? server.task : client.task;

        CHECK_EQ(task_suspend(task), KERN_SUCCESS);
        ipc_pause_ms(i % 3);
        CHECK_EQ(task_resume(task), KERN_SUCCESS);
    }
    task_terminate(client.task);
    mach_port_destroy(mach_task_self(), client.task);
    mach_port_destroy(mach_task_self(), client.thread);
    out.head.msgh_size = 32;
    CHECK_EQ(ipc_rpc(&out, server.service, mig_get_reply_port()), MACH_MSG_SUCCESS);
    ipc_peer_end(&server);
}

/* --- ports that look like replies and are not --- */

TEST(a_call_to_itself_receives_its_own_request)
{
    mach_port_t port = test_port();

    ipc_begin(&out, port, MACH_MSG_TYPE_COPY_SEND, 9);
    out.head.msgh_bits |= MACH_MSGH_BITS(0, MACH_MSG_TYPE_MAKE_SEND_ONCE);
    out.head.msgh_local_port = port;
    CHECK_EQ(mach_msg(&out.head, MACH_SEND_MSG | MACH_RCV_MSG, sizeof(out.head), sizeof(out), port,
                      0, 0),
             MACH_MSG_SUCCESS);
    CHECK_EQ(out.head.msgh_id, 9);
    CHECK_EQ(ipc_type(out.head.msgh_remote_port), MACH_PORT_TYPE_SEND_ONCE);
    ipc_drop(out.head.msgh_remote_port);
    ipc_drop(port);
}

TEST(a_call_that_waits_elsewhere_than_on_its_reply_port_waits_there)
{
    struct ipc_peer peer;
    mach_port_t reply = mach_reply_port(), other = test_port();

    ipc_peer_start(&peer, ipc_peer_echo, true);
    CHECK_EQ(test_send(other, 0, 77, 0, 0), MACH_MSG_SUCCESS);
    ipc_begin(&out, peer.service, MACH_MSG_TYPE_COPY_SEND, 9);
    out.head.msgh_bits |= MACH_MSGH_BITS(0, MACH_MSG_TYPE_MAKE_SEND_ONCE);
    out.head.msgh_local_port = reply;
    CHECK_EQ(mach_msg(&out.head, MACH_SEND_MSG | MACH_RCV_MSG, sizeof(out.head), sizeof(out), other,
                      0, 0),
             MACH_MSG_SUCCESS);
    CHECK_EQ(out.head.msgh_id, 77);
    CHECK_EQ(ipc_receive(reply, &in, 0, IPC_LONG_MS), MACH_MSG_SUCCESS);
    CHECK_EQ(in.head.msgh_id, 109);
    ipc_peer_end(&peer);
    ipc_drop(reply);
    ipc_drop(other);
}

TEST(a_reply_port_with_a_message_in_it_yields_that_first)
{
    struct ipc_peer peer;
    mach_port_t reply = test_port();

    ipc_peer_start(&peer, ipc_peer_echo, true);
    CHECK_EQ(test_send(reply, 0, 77, 0, 0), MACH_MSG_SUCCESS);
    out.head.msgh_id = 9;
    out.head.msgh_size = 32;
    CHECK_EQ(ipc_rpc(&out, peer.service, reply), MACH_MSG_SUCCESS);
    CHECK_EQ(out.head.msgh_id, 77);
    CHECK_EQ(ipc_receive(reply, &in, 0, IPC_LONG_MS), MACH_MSG_SUCCESS);
    CHECK_EQ(in.head.msgh_id, 109);
    ipc_peer_end(&peer);
    ipc_drop(reply);
}

TEST(an_answer_larger_than_the_caller_s_buffer_is_too_large)
{
    struct ipc_peer peer;
    mach_port_t reply = mach_reply_port();

    ipc_peer_start(&peer, ipc_peer_echo, true);
    for (uint32_t size = 8; size <= 8192; size *= 4) {
        ipc_begin(&out, peer.service, MACH_MSG_TYPE_COPY_SEND, 9);
        out.head.msgh_bits |= MACH_MSGH_BITS(0, MACH_MSG_TYPE_MAKE_SEND_ONCE);
        out.head.msgh_local_port = reply;
        CHECK_EQ(mach_msg(&out.head, MACH_SEND_MSG | MACH_RCV_MSG, sizeof(out.head) + size,
                          sizeof(out.head) + size - 4, reply, 0, 0),
                 MACH_RCV_TOO_LARGE);
        CHECK(call_of_size(&peer, reply, size));
    }
    ipc_peer_end(&peer);
    ipc_drop(reply);
}

TEST(a_request_larger_than_the_server_s_buffer_is_dropped_and_the_caller_told)
{
    struct ipc_peer peer;
    mach_port_t reply = mach_reply_port();

    ipc_peer_start(&peer, ipc_peer_echo, true);
    ipc_begin(&out, peer.service, MACH_MSG_TYPE_COPY_SEND, 9);
    out.head.msgh_bits |= MACH_MSGH_BITS(0, MACH_MSG_TYPE_MAKE_SEND_ONCE);
    out.head.msgh_local_port = reply;
    {
        uint8_t *pages = ipc_pages(8);

        memcpy(pages, &out, sizeof(out.head));
        CHECK_EQ(mach_msg((mach_msg_header_t *)pages, MACH_SEND_MSG | MACH_RCV_MSG,
                          8 * IPC_PAGE_SIZE, 8 * IPC_PAGE_SIZE, reply, 0, 0),
                 MACH_MSG_SUCCESS);
        CHECK_EQ(((mach_msg_header_t *)pages)->msgh_id, MACH_NOTIFY_SEND_ONCE);
        ipc_free_pages(pages, 8);
    }
    ipc_peer_end(&peer);
    ipc_drop(reply);
}

TEST(a_protected_payload_comes_with_a_call)
{
    mach_port_t service = test_port(), reply = mach_reply_port();
    struct ipc_call server, client;

    CHECK_EQ(mach_port_set_protected_payload(mach_task_self(), service, 0xfedcba9876543210),
             KERN_SUCCESS);
    ipc_call_receive(&server, service, &in, 0, 0);
    ipc_begin(&out, service, MACH_MSG_TYPE_COPY_SEND, 9);
    ipc_call_rpc(&client, &out, reply);
    CHECK_EQ(ipc_call_end(&server), MACH_MSG_SUCCESS);
    CHECK_EQ(in.head.msgh_protected_payload, 0xfedcba9876543210);
    CHECK_EQ(MACH_MSGH_BITS_LOCAL(in.head.msgh_bits), MACH_MSG_TYPE_PROTECTED_PAYLOAD);
    ipc_peer_answer(&in);
    CHECK_EQ(ipc_send(&in, 0, 0), MACH_MSG_SUCCESS);
    CHECK_EQ(ipc_call_end(&client), MACH_MSG_SUCCESS);
    ipc_drop(service);
    ipc_drop(reply);
}

TEST(many_calls_to_a_server_on_a_set_are_answered)
{
    mach_port_t reply = mach_reply_port();
    struct ipc_peer peer;

    /* the peer's service becomes a set with the port in it */
    ipc_peer_create(&peer, ipc_peer_echo, true);
    CHECK_EQ(mach_port_rename(peer.task, peer.service, 0x999), KERN_SUCCESS);
    CHECK_EQ(mach_port_allocate_name(peer.task, MACH_PORT_RIGHT_PORT_SET, peer.service),
             KERN_SUCCESS);
    CHECK_EQ(mach_port_move_member(peer.task, 0x999, peer.service), KERN_SUCCESS);
    CHECK_EQ(thread_resume(peer.thread), KERN_SUCCESS);
    for (uint32_t size = 0; size < 2000; size += 4) {
        CHECK(call_of_size(&peer, reply, size));
    }
    ipc_peer_end(&peer);
    ipc_drop(reply);
}
