/* message_test.c - mach_msg as a program sees it: sizes, options, timeouts, rights in messages, bad
 * addresses. */
#include <mach_port.h>
#include <string.h>
#include <sys/mman.h>

#include "lib/test.h"

#define KERNEL_ADDRESS 0xffffffff80100000ul
#define NON_CANONICAL  0x0000900000000000ul
#define LAST_PAGE_END  0x0000800000000000ul

TEST(a_message_arrives_with_its_id_and_its_bytes)
{
    mach_port_t port = test_port();
    struct test_message out = {0}, in;

    for (unsigned i = 0; i < 100; i++) {
        out.body[i] = (uint8_t)(i * 7);
    }
    out.head = (mach_msg_header_t){.msgh_bits = MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, 0),
                                   .msgh_remote_port = port,
                                   .msgh_id = 4711};
    CHECK_EQ(mach_msg(&out.head, MACH_SEND_MSG, sizeof(out.head) + 100, 0, 0, 0, 0),
             MACH_MSG_SUCCESS);
    CHECK_EQ(test_receive(port, &in, 0, 2000), MACH_MSG_SUCCESS);
    CHECK_EQ(in.head.msgh_id, 4711);
    CHECK_EQ(in.head.msgh_size, sizeof(out.head) + 104); /* rounded up to 8 */
    CHECK_EQ(memcmp(in.body, out.body, 100), 0);
    CHECK_EQ(in.head.msgh_local_port, port);
    CHECK_EQ(in.head.msgh_remote_port, MACH_PORT_NULL);
    mach_port_destroy(mach_task_self(), port);
}

TEST(a_receive_with_a_timeout_gives_up)
{
    mach_port_t port = test_port();
    struct test_message in;

    CHECK_EQ(test_receive(port, &in, 0, 20), MACH_RCV_TIMED_OUT);
    CHECK_EQ(test_receive(port, &in, 0, 0), MACH_RCV_TIMED_OUT);
    mach_port_destroy(mach_task_self(), port);
}

TEST(a_full_queue_makes_a_sender_time_out)
{
    mach_port_t port = test_port();
    struct test_message in;

    for (unsigned i = 0; i < MACH_PORT_QLIMIT_DEFAULT; i++) {
        CHECK_EQ(test_send(port, 0, (int)i, MACH_SEND_TIMEOUT, 0), MACH_MSG_SUCCESS);
    }
    CHECK_EQ(test_send(port, 0, 99, MACH_SEND_TIMEOUT, 10), MACH_SEND_TIMED_OUT);
    for (unsigned i = 0; i < MACH_PORT_QLIMIT_DEFAULT; i++) {
        CHECK_EQ(test_receive(port, &in, 0, 0), MACH_MSG_SUCCESS);
        CHECK_EQ(in.head.msgh_id, i);
        CHECK_EQ(in.head.msgh_seqno, i);
    }
    mach_port_destroy(mach_task_self(), port);
}

TEST(a_message_larger_than_the_buffer_is_destroyed_or_kept_as_asked)
{
    mach_port_t port = test_port();
    struct test_message out = {.head = {.msgh_bits = MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, 0),
                                        .msgh_remote_port = port}};
    struct test_message in;

    CHECK_EQ(mach_msg(&out.head, MACH_SEND_MSG, sizeof(out.head) + 512, 0, 0, 0, 0),
             MACH_MSG_SUCCESS);
    CHECK_EQ(
        mach_msg(&in.head, MACH_RCV_MSG | MACH_RCV_LARGE | MACH_RCV_TIMEOUT, 0, 64, port, 0, 0),
        MACH_RCV_TOO_LARGE);
    CHECK_EQ(in.head.msgh_size, sizeof(out.head) + 512);
    CHECK_EQ(mach_msg(&in.head, MACH_RCV_MSG | MACH_RCV_TIMEOUT, 0, 64, port, 0, 0),
             MACH_RCV_TOO_LARGE);
    CHECK_EQ(test_receive(port, &in, 0, 0), MACH_RCV_TIMED_OUT); /* it is gone */
    mach_port_destroy(mach_task_self(), port);
}

TEST(names_that_are_not_rights_are_refused)
{
    mach_port_t port = test_port();
    struct test_message in;

    CHECK_EQ(test_send(0x123456, 0, 1, 0, 0), MACH_SEND_INVALID_DEST);
    CHECK_EQ(test_send(MACH_PORT_NULL, 0, 1, 0, 0), MACH_SEND_INVALID_DEST);
    CHECK_EQ(test_send(port, 0x123456, 1, 0, 0), MACH_SEND_INVALID_REPLY);
    CHECK_EQ(test_receive(0x123456, &in, 0, 0), MACH_RCV_INVALID_NAME);
    mach_port_destroy(mach_task_self(), port);
}

TEST(a_message_shorter_than_its_header_is_refused)
{
    mach_msg_header_t head = {.msgh_bits = MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, 0)};

    CHECK_EQ(mach_msg(&head, MACH_SEND_MSG, 16, 0, 0, 0, 0), MACH_SEND_MSG_TOO_SMALL);
    CHECK_EQ(mach_msg(&head, MACH_SEND_MSG, 30, 0, 0, 0, 0), MACH_SEND_MSG_TOO_SMALL);
}

static mach_msg_return_t send_from(uint64_t address)
{
    return mach_msg((mach_msg_header_t *)address, MACH_SEND_MSG, sizeof(mach_msg_header_t) + 32, 0,
                    0, 0, 0);
}

TEST(a_message_at_a_bad_address_is_refused)
{
    CHECK_EQ(send_from(0), MACH_SEND_INVALID_DATA);
    CHECK_EQ(send_from(0x10), MACH_SEND_INVALID_DATA);
    CHECK_EQ(send_from(KERNEL_ADDRESS), MACH_SEND_INVALID_DATA);
    CHECK_EQ(send_from(NON_CANONICAL), MACH_SEND_INVALID_DATA);
    CHECK_EQ(send_from(LAST_PAGE_END - 16), MACH_SEND_INVALID_DATA);
    CHECK_EQ(send_from(~0ul - 8), MACH_SEND_INVALID_DATA);
}

TEST(a_message_that_straddles_into_an_unmapped_page_is_refused)
{
    uint8_t *pages = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    mach_port_t port = test_port();
    mach_msg_header_t *head;

    munmap(pages + 4096, 4096);
    head = (mach_msg_header_t *)(pages + 4096 - sizeof(*head));
    *head = (mach_msg_header_t){.msgh_bits = MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, 0),
                                .msgh_remote_port = port};
    CHECK_EQ(send_from((uint64_t)head), MACH_SEND_INVALID_DATA);
    CHECK_EQ(mach_msg(head, MACH_SEND_MSG, sizeof(*head), 0, 0, 0, 0), MACH_MSG_SUCCESS);
    munmap(pages, 4096);
    mach_port_destroy(mach_task_self(), port);
}

TEST(a_receive_into_a_bad_or_read_only_buffer_loses_the_message_and_nothing_else)
{
    mach_port_t port = test_port();
    struct test_message in;
    void *page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    CHECK_EQ(test_send(port, 0, 1, 0, 0), MACH_MSG_SUCCESS);
    CHECK_EQ(mach_msg((mach_msg_header_t *)KERNEL_ADDRESS, MACH_RCV_MSG, 0, 256, port, 0, 0),
             MACH_RCV_INVALID_DATA);
    CHECK_EQ(test_send(port, 0, 2, 0, 0), MACH_MSG_SUCCESS);
    CHECK_EQ(mach_msg(page, MACH_RCV_MSG, 0, 256, port, 0, 0), MACH_RCV_INVALID_DATA);
    CHECK_EQ(test_send(port, 0, 3, 0, 0), MACH_MSG_SUCCESS);
    CHECK_EQ(test_receive(port, &in, 0, 0), MACH_MSG_SUCCESS);
    CHECK_EQ(in.head.msgh_id, 3);
    munmap(page, 4096);
    mach_port_destroy(mach_task_self(), port);
}

TEST(a_reply_right_works_once)
{
    mach_port_t port = test_port();
    mach_port_t reply = test_port();
    struct test_message in;

    CHECK_EQ(test_send(port, reply, 1, 0, 0), MACH_MSG_SUCCESS);
    CHECK_EQ(test_receive(port, &in, 0, 0), MACH_MSG_SUCCESS);
    CHECK_EQ(MACH_MSGH_BITS_REMOTE(in.head.msgh_bits), MACH_MSG_TYPE_PORT_SEND_ONCE);
    in.head.msgh_bits = MACH_MSGH_BITS(MACH_MSG_TYPE_MOVE_SEND_ONCE, 0);
    in.head.msgh_local_port = MACH_PORT_NULL;
    in.head.msgh_id = 101;
    CHECK_EQ(mach_msg(&in.head, MACH_SEND_MSG, sizeof(in.head), 0, 0, 0, 0), MACH_MSG_SUCCESS);
    CHECK_EQ(mach_msg(&in.head, MACH_SEND_MSG, sizeof(in.head), 0, 0, 0, 0),
             MACH_SEND_INVALID_DEST);
    CHECK_EQ(test_receive(reply, &in, 0, 0), MACH_MSG_SUCCESS);
    CHECK_EQ(in.head.msgh_id, 101);
    mach_port_destroy(mach_task_self(), port);
    mach_port_destroy(mach_task_self(), reply);
}

TEST(a_send_once_right_that_is_dropped_tells_its_port)
{
    mach_port_t port = test_port();
    mach_port_t reply = test_port();
    struct test_message in;

    CHECK_EQ(test_send(port, reply, 1, 0, 0), MACH_MSG_SUCCESS);
    CHECK_EQ(test_receive(port, &in, 0, 0), MACH_MSG_SUCCESS);
    CHECK_EQ(mach_port_deallocate(mach_task_self(), in.head.msgh_remote_port), KERN_SUCCESS);
    CHECK_EQ(test_receive(reply, &in, 0, 0), MACH_MSG_SUCCESS);
    CHECK_EQ(in.head.msgh_id, MACH_NOTIFY_SEND_ONCE);
    mach_port_destroy(mach_task_self(), port);
    mach_port_destroy(mach_task_self(), reply);
}

/* A complex message with one inline right. */
struct port_message {
    mach_msg_header_t head;
    mach_msg_type_t type;
    mach_port_t port;
    uint32_t pad;
};

static mach_msg_return_t send_port(mach_port_t to, mach_port_t port, unsigned disposition,
                                   unsigned count)
{
    struct port_message m = {
        .head = {.msgh_bits = MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, 0) | MACH_MSGH_BITS_COMPLEX,
                 .msgh_remote_port = to,
                 .msgh_id = 5},
        .type = {.msgt_name = disposition, .msgt_size = 64, .msgt_number = count, .msgt_inline = 1},
        .port = port,
    };

    return mach_msg(&m.head, MACH_SEND_MSG, sizeof(m), 0, 0, 0, 0);
}

TEST(a_send_right_in_a_message_arrives_under_the_same_name)
{
    mach_port_t port = test_port();
    struct test_message in;
    struct port_message *m = (struct port_message *)&in;
    mach_port_urefs_t refs;

    CHECK_EQ(send_port(port, port, MACH_MSG_TYPE_MAKE_SEND, 1), MACH_MSG_SUCCESS);
    CHECK_EQ(test_receive(port, &in, 0, 0), MACH_MSG_SUCCESS);
    CHECK_EQ(m->type.msgt_name, MACH_MSG_TYPE_PORT_SEND);
    CHECK_EQ(m->port, port);
    CHECK_EQ(m->pad, 0);
    CHECK_EQ(mach_port_get_refs(mach_task_self(), port, MACH_PORT_RIGHT_SEND, &refs), KERN_SUCCESS);
    CHECK_EQ(refs, 2);
    mach_port_destroy(mach_task_self(), port);
}

TEST(a_receive_right_moves_and_leaves_its_send_right)
{
    mach_port_t port = test_port();
    mach_port_t moved = test_port();
    struct test_message in;
    struct port_message *m = (struct port_message *)&in;
    mach_port_type_t type;

    CHECK_EQ(send_port(port, moved, MACH_MSG_TYPE_MOVE_RECEIVE, 1), MACH_MSG_SUCCESS);
    CHECK_EQ(mach_port_type(mach_task_self(), moved, &type), KERN_SUCCESS);
    CHECK_EQ(type & MACH_PORT_TYPE_ALL_RIGHTS, MACH_PORT_TYPE_SEND);
    CHECK_EQ(test_receive(port, &in, 0, 0), MACH_MSG_SUCCESS);
    CHECK_EQ(m->port, moved);
    CHECK_EQ(mach_port_type(mach_task_self(), moved, &type), KERN_SUCCESS);
    CHECK_EQ(type & MACH_PORT_TYPE_ALL_RIGHTS, MACH_PORT_TYPE_SEND_RECEIVE);
    mach_port_destroy(mach_task_self(), port);
    mach_port_destroy(mach_task_self(), moved);
}

TEST(a_send_that_fails_has_moved_no_right)
{
    mach_port_t port = test_port();
    mach_port_urefs_t before, after;

    CHECK_EQ(mach_port_get_refs(mach_task_self(), port, MACH_PORT_RIGHT_SEND, &before),
             KERN_SUCCESS);
    CHECK_EQ(send_port(0x777777, port, MACH_MSG_TYPE_MOVE_SEND, 1), MACH_SEND_INVALID_DEST);
    CHECK_EQ(send_port(port, 0x777777, MACH_MSG_TYPE_COPY_SEND, 1), MACH_SEND_INVALID_RIGHT);
    CHECK_EQ(send_port(port, port, MACH_MSG_TYPE_COPY_SEND, 0x1000000), MACH_SEND_MSG_TOO_SMALL);
    CHECK_EQ(mach_port_get_refs(mach_task_self(), port, MACH_PORT_RIGHT_SEND, &after),
             KERN_SUCCESS);
    CHECK_EQ(before, after);
    mach_port_destroy(mach_task_self(), port);
}

/* Out-of-line memory. */
struct memory_message {
    mach_msg_header_t head;
    mach_msg_type_t type;
    uint64_t address;
};

static mach_msg_return_t send_memory(mach_port_t to, const void *data, uint32_t size,
                                     bool deallocate)
{
    struct memory_message m = {
        .head = {.msgh_bits = MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, 0) | MACH_MSGH_BITS_COMPLEX,
                 .msgh_remote_port = to},
        .type = {.msgt_name = MACH_MSG_TYPE_BYTE,
                 .msgt_size = 8,
                 .msgt_number = size,
                 .msgt_deallocate = deallocate},
        .address = (uint64_t)data,
    };

    return mach_msg(&m.head, MACH_SEND_MSG, sizeof(m), 0, 0, 0, 0);
}

static void check_memory_arrives(uint32_t size, unsigned offset)
{
    mach_port_t port = test_port();
    struct test_message in;
    struct memory_message *m = (struct memory_message *)&in;
    uint8_t *data =
        mmap(NULL, size + 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    for (uint32_t i = 0; i < size; i++) {
        data[offset + i] = (uint8_t)(i * 13 + i / 4096);
    }
    CHECK_EQ(send_memory(port, data + offset, size, false), MACH_MSG_SUCCESS);
    memset(data, 0xff, size); /* after the send nothing the sender does is seen */
    CHECK_EQ(test_receive(port, &in, 0, 0), MACH_MSG_SUCCESS);
    CHECK_EQ(m->type.msgt_number, size);
    for (uint32_t i = 0; i < size; i++) {
        if (((uint8_t *)m->address)[i] != (uint8_t)(i * 13 + i / 4096)) {
            CHECK_EQ(i, size);
            break;
        }
    }
    munmap((void *)(m->address & ~4095ul), size + (m->address & 4095));
    munmap(data, size + 8192);
    mach_port_destroy(mach_task_self(), port);
}

TEST(out_of_line_memory_arrives_as_it_was_when_sent)
{
    check_memory_arrives(100, 0);
    check_memory_arrives(4096, 0);
    check_memory_arrives(8192, 100);
    check_memory_arrives(100000, 0);
    check_memory_arrives(100000, 123);
}

TEST(out_of_line_memory_at_a_bad_address_is_refused)
{
    mach_port_t port = test_port();

    CHECK_EQ(send_memory(port, (void *)KERNEL_ADDRESS, 100, false), MACH_SEND_INVALID_MEMORY);
    CHECK_EQ(send_memory(port, (void *)16, 100, false), MACH_SEND_INVALID_MEMORY);
    CHECK_EQ(send_memory(port, (void *)16, 0xffffffff, false), MACH_SEND_INVALID_MEMORY);
    mach_port_destroy(mach_task_self(), port);
}
