/* queue_test.c - messages sent alone and received from a queue: every size, where they are read
 * from and written to, and what goes with the right that came along. */
#include <mach.h>
#include <mach_port.h>
#include <string.h>

#include "lib/peer.h"

static struct ipc_message in, out;

static mach_msg_return_t put(mach_port_t to, uint32_t words, uint32_t seed)
{
    ipc_begin(&out, to, MACH_MSG_TYPE_COPY_SEND, (int)seed);
    ipc_pattern(&out, words, seed);
    out.head.msgh_size = sizeof(out.head) + words * 4;
    return mach_msg(&out.head, MACH_SEND_MSG, out.head.msgh_size, 0, MACH_PORT_NULL, 0, 0);
}

static mach_msg_return_t get(mach_port_t from, void *buffer, uint32_t size)
{
    return mach_msg(buffer, MACH_RCV_MSG, 0, size, from, 0, 0);
}

static void check_header(mach_port_t port, uint32_t words, uint32_t seed)
{
    CHECK_EQ(in.head.msgh_bits, MACH_MSGH_BITS(0, MACH_MSG_TYPE_PORT_SEND));
    CHECK_EQ(in.head.msgh_size, MACH_MSG_ALIGN(sizeof(in.head) + words * 4));
    CHECK_EQ(in.head.msgh_remote_port, MACH_PORT_NULL);
    CHECK_EQ(in.head.msgh_protected_payload, port);
    CHECK_EQ(in.head.msgh_id, seed);
    CHECK(ipc_has_pattern(&in, words, seed));
}

TEST(messages_of_every_size_leave_a_queue_as_they_came)
{
    mach_port_t port = test_port();

    for (uint32_t words = 0; words <= 540; words++) {
        CHECK_EQ(put(port, words, words + 1), MACH_MSG_SUCCESS);
        CHECK_EQ(ipc_status(port).mps_msgcount, 1);
        CHECK_EQ(get(port, &in, sizeof(in)), MACH_MSG_SUCCESS);
        check_header(port, words, words + 1);
        CHECK_EQ(in.head.msgh_seqno, words);
        CHECK_EQ(ipc_status(port).mps_msgcount, 0);
    }
    CHECK_EQ(ipc_refs(port, MACH_PORT_RIGHT_SEND), 1);
    mach_port_destroy(mach_task_self(), port);
}

TEST(a_queue_is_in_order_and_has_its_limit)
{
    mach_port_t port = test_port();

    CHECK_EQ(mach_port_set_qlimit(mach_task_self(), port, 8), KERN_SUCCESS);
    for (uint32_t round = 0; round < 5; round++) {
        for (uint32_t i = 0; i < 8; i++) {
            CHECK_EQ(put(port, i, 10 * round + i), MACH_MSG_SUCCESS);
        }
        ipc_begin(&out, port, MACH_MSG_TYPE_COPY_SEND, 1);
        CHECK_EQ(ipc_send(&out, MACH_SEND_TIMEOUT, 0), MACH_SEND_TIMED_OUT);
        for (uint32_t i = 0; i < 8; i++) {
            CHECK_EQ(get(port, &in, sizeof(in)), MACH_MSG_SUCCESS);
            check_header(port, i, 10 * round + i);
        }
    }
    mach_port_destroy(mach_task_self(), port);
}

/* Who waits for room comes in, and who waits for a message gets it. */
TEST(waiting_senders_and_receivers_are_not_forgotten)
{
    mach_port_t port = test_port();
    static struct ipc_message waiting;
    struct ipc_call call;

    CHECK_EQ(mach_port_set_qlimit(mach_task_self(), port, 1), KERN_SUCCESS);
    CHECK_EQ(put(port, 1, 1), MACH_MSG_SUCCESS);
    ipc_begin(&waiting, port, MACH_MSG_TYPE_COPY_SEND, 2);
    ipc_pattern(&waiting, 3, 2);
    waiting.head.msgh_size = sizeof(waiting.head) + 12;
    ipc_call_send(&call, &waiting, 0, 0);
    CHECK_EQ(get(port, &in, sizeof(in)), MACH_MSG_SUCCESS);
    check_header(port, 1, 1);
    CHECK_EQ(ipc_call_end(&call), MACH_MSG_SUCCESS);
    CHECK_EQ(get(port, &in, sizeof(in)), MACH_MSG_SUCCESS);
    check_header(port, 3, 2);
    ipc_call_receive(&call, port, &in, 0, 0);
    CHECK_EQ(put(port, 5, 3), MACH_MSG_SUCCESS);
    CHECK_EQ(ipc_call_end(&call), MACH_MSG_SUCCESS);
    check_header(port, 5, 3);
    mach_port_destroy(mach_task_self(), port);
}

TEST(a_message_comes_from_and_goes_to_pages_not_yet_there)
{
    mach_port_t port = test_port();
    uint8_t *pages = ipc_pages(4);

    for (uint32_t back = 4; back < 200; back += 4) {
        uint8_t *address = pages + 2 * IPC_PAGE_SIZE - back;

        CHECK_EQ(put(port, 30, back), MACH_MSG_SUCCESS);
        CHECK_EQ(get(port, address, sizeof(in.head) + 120), MACH_MSG_SUCCESS);
        memcpy(&in, address, sizeof(in.head) + 120);
        check_header(port, 30, back);
        ipc_free_pages(pages, 4);
        pages = ipc_pages(4);
    }
    CHECK_EQ(mach_msg((mach_msg_header_t *)pages, MACH_SEND_MSG, 64, 0, 0, 0, 0),
             MACH_SEND_INVALID_HEADER); /* zeroes */
    ipc_free_pages(pages, 4);
    mach_port_destroy(mach_task_self(), port);
}

TEST(bad_buffers_are_refused_and_what_was_to_go_there_is_gone)
{
    mach_port_t port = test_port();
    uint8_t *pages = ipc_pages(2);
    const uintptr_t bad[] = {0,
                             IPC_KERNEL_TEXT,
                             IPC_KERNEL_MEMORY,
                             IPC_NON_CANONICAL,
                             IPC_USER_END - 16,
                             (uintptr_t)pages + IPC_PAGE_SIZE - 40};

    memset(pages, 1, 2 * IPC_PAGE_SIZE);
    ipc_protect(pages + IPC_PAGE_SIZE, 1, 0);
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        CHECK_EQ(mach_msg((void *)bad[i], MACH_SEND_MSG, 64, 0, 0, 0, 0), MACH_SEND_INVALID_DATA);
        CHECK_EQ(put(port, 8, i), MACH_MSG_SUCCESS);
        CHECK_EQ(get(port, (void *)bad[i], 4096), MACH_RCV_INVALID_DATA);
        CHECK_EQ(ipc_status(port).mps_msgcount, 0);
    }
    CHECK_EQ(ipc_refs(port, MACH_PORT_RIGHT_SEND), 1);
    ipc_free_pages(pages, 2);
    mach_port_destroy(mach_task_self(), port);
}

TEST(a_buffer_too_small_says_so)
{
    mach_port_t port = test_port();

    CHECK_EQ(put(port, 30, 1), MACH_MSG_SUCCESS);
    CHECK_EQ(get(port, &in, sizeof(in.head) + 112), MACH_RCV_TOO_LARGE);
    CHECK_EQ(put(port, 30, 1), MACH_MSG_SUCCESS);
    CHECK_EQ(get(port, &in, sizeof(in.head) + 120), MACH_MSG_SUCCESS);
    check_header(port, 30, 1);
    mach_port_destroy(mach_task_self(), port);
}

/* A message holds the last send right: no-senders comes when it has been received. */
TEST(the_last_right_goes_with_the_message)
{
    mach_port_t port = test_port(), notify = ipc_receive_right(), previous;

    CHECK_EQ(mach_port_request_notification(mach_task_self(), port, MACH_NOTIFY_NO_SENDERS, 0,
                                            notify, MACH_MSG_TYPE_MAKE_SEND_ONCE, &previous),
             KERN_SUCCESS);
    CHECK_EQ(put(port, 2, 1), MACH_MSG_SUCCESS);
    CHECK_EQ(put(port, 2, 2), MACH_MSG_SUCCESS);
    CHECK_EQ(mach_port_mod_refs(mach_task_self(), port, MACH_PORT_RIGHT_SEND, -1), KERN_SUCCESS);
    for (uint32_t i = 1; i <= 2; i++) {
        CHECK_EQ(ipc_receive(notify, &in, 0, 0), MACH_RCV_TIMED_OUT);
        CHECK(ipc_status(port).mps_srights);
        CHECK_EQ(get(port, &in, sizeof(in)), MACH_MSG_SUCCESS);
        check_header(port, 2, i);
    }
    CHECK(!ipc_status(port).mps_srights);
    CHECK_EQ(ipc_receive(notify, &in, 0, 1000), MACH_MSG_SUCCESS);
    CHECK_EQ(in.head.msgh_id, MACH_NOTIFY_NO_SENDERS);
    ipc_drop(notify);
    ipc_drop(port);
}

TEST(a_payload_comes_in_place_of_the_name)
{
    mach_port_t port = test_port();

    CHECK_EQ(mach_port_set_protected_payload(mach_task_self(), port, 0x123456789abcdef0),
             KERN_SUCCESS);
    CHECK_EQ(put(port, 4, 9), MACH_MSG_SUCCESS);
    CHECK_EQ(get(port, &in, sizeof(in)), MACH_MSG_SUCCESS);
    CHECK_EQ(in.head.msgh_bits, MACH_MSGH_BITS(0, MACH_MSG_TYPE_PROTECTED_PAYLOAD));
    CHECK_EQ(in.head.msgh_protected_payload, 0x123456789abcdef0);
    mach_port_destroy(mach_task_self(), port);
}

TEST(what_is_no_right_to_send_or_receive_is_refused)
{
    mach_port_t port = ipc_receive_right(), set = ipc_set(), dead = ipc_dead_name();
    mach_port_t once = ipc_send_once(port);

    CHECK_EQ(put(port, 1, 1), MACH_SEND_INVALID_DEST);
    CHECK_EQ(put(set, 1, 1), MACH_SEND_INVALID_DEST);
    CHECK_EQ(put(dead, 1, 1), MACH_SEND_INVALID_DEST);
    CHECK_EQ(put(once, 1, 1), MACH_SEND_INVALID_DEST);
    CHECK_EQ(put(IPC_NO_NAME, 1, 1), MACH_SEND_INVALID_DEST);
    CHECK_EQ(get(dead, &in, sizeof(in)), MACH_RCV_INVALID_NAME);
    CHECK_EQ(get(once, &in, sizeof(in)), MACH_RCV_INVALID_NAME);
    CHECK_EQ(get(IPC_NO_NAME, &in, sizeof(in)), MACH_RCV_INVALID_NAME);
    CHECK_EQ(ipc_status(port).mps_msgcount, 0);
    ipc_drop(once);
    ipc_drop(port);
    ipc_drop(set);
    ipc_drop(dead);
}
