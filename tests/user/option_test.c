/* option_test.c - the options of mach_msg: timeouts, notifications, large messages, interruption;
 * queue limits, the order of blocked senders, sequence numbers. */
#include <mach.h>
#include <mach_host.h>
#include <mach_port.h>
#include <string.h>

#include "lib/ipc.h"

static struct ipc_message in, out;

static void fill(mach_port_t port, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        CHECK_EQ(test_send(port, 0, (int)i, MACH_SEND_TIMEOUT, 0), MACH_MSG_SUCCESS);
    }
}

static void drain(mach_port_t port, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        CHECK_EQ(ipc_receive(port, &in, 0, 1000), MACH_MSG_SUCCESS);
    }
    CHECK_EQ(ipc_receive(port, &in, 0, 0), MACH_RCV_TIMED_OUT);
}

static uint64_t now_ms(void)
{
    struct time_value64 uptime;

    CHECK_EQ(host_get_uptime64(mach_host_self(), &uptime), KERN_SUCCESS);
    return (uint64_t)uptime.seconds * 1000 + (uint64_t)uptime.nanoseconds / 1000000;
}

/* --- send: timeouts and limits --- */

TEST(a_send_that_times_out_waited_as_long_as_it_said)
{
    mach_port_t port = test_port();
    uint64_t start;

    fill(port, MACH_PORT_QLIMIT_DEFAULT);
    start = now_ms();
    CHECK_EQ(test_send(port, 0, 1, MACH_SEND_TIMEOUT, 40), MACH_SEND_TIMED_OUT);
    CHECK(now_ms() - start >= 39);
    CHECK(now_ms() - start < 2000);
    drain(port, MACH_PORT_QLIMIT_DEFAULT);
    ipc_drop(port);
}

TEST(a_send_that_times_out_gives_its_rights_back)
{
    mach_port_t port = test_port(), carried = test_port();

    fill(port, MACH_PORT_QLIMIT_DEFAULT);
    ipc_begin(&out, port, MACH_MSG_TYPE_COPY_SEND, 7);
    ipc_add_ports(&out, &carried, 1, MACH_MSG_TYPE_MOVE_SEND);
    CHECK_EQ(ipc_send(&out, MACH_SEND_TIMEOUT, 1), MACH_SEND_TIMED_OUT);
    CHECK_EQ(*ipc_item_data(&out, 0), carried);
    CHECK_EQ(ipc_item(&out, 0)->msgt_name, MACH_MSG_TYPE_MOVE_SEND);
    CHECK_EQ(out.head.msgh_remote_port, port);
    CHECK_EQ(ipc_refs(carried, MACH_PORT_RIGHT_SEND), 1);
    CHECK_EQ(ipc_type(carried), MACH_PORT_TYPE_SEND_RECEIVE);
    drain(port, MACH_PORT_QLIMIT_DEFAULT);
    CHECK_EQ(ipc_send(&out, MACH_SEND_TIMEOUT, 1), MACH_MSG_SUCCESS); /* as it is, once more */
    drain(port, 1);
    ipc_drop(port);
    ipc_drop(carried);
}

TEST(a_send_that_times_out_gives_its_memory_back)
{
    mach_port_t port = test_port();
    uint8_t *pages = ipc_pages(4);

    fill(port, MACH_PORT_QLIMIT_DEFAULT);
    memset(pages, 0x3c, 4 * IPC_PAGE_SIZE);
    ipc_begin(&out, port, MACH_MSG_TYPE_COPY_SEND, 7);
    ipc_add_memory(&out, pages, 4 * IPC_PAGE_SIZE, true);
    CHECK_EQ(ipc_send(&out, MACH_SEND_TIMEOUT, 1), MACH_SEND_TIMED_OUT);
    pages = (uint8_t *)*ipc_item_data(&out, 0);
    CHECK_EQ(pages[0], 0x3c);
    CHECK_EQ(pages[4 * IPC_PAGE_SIZE - 1], 0x3c);
    ipc_free_pages(pages, 4);
    ipc_drop(port);
}

TEST(every_queue_limit_is_kept_exactly)
{
    for (unsigned limit = 1; limit <= MACH_PORT_QLIMIT_MAX; limit++) {
        mach_port_t port = test_port();

        CHECK_EQ(mach_port_set_qlimit(mach_task_self(), port, limit), KERN_SUCCESS);
        fill(port, limit);
        CHECK_EQ(test_send(port, 0, 1, MACH_SEND_TIMEOUT, 0), MACH_SEND_TIMED_OUT);
        CHECK_EQ(ipc_status(port).mps_msgcount, limit);
        drain(port, limit);
        ipc_drop(port);
    }
}

TEST(a_queue_limit_of_zero_lets_through_what_a_receiver_waits_for)
{
    mach_port_t port = test_port();
    struct ipc_call receiver;

    CHECK_EQ(mach_port_set_qlimit(mach_task_self(), port, 0), KERN_SUCCESS);
    CHECK_EQ(test_send(port, 0, 1, MACH_SEND_TIMEOUT, 0), MACH_SEND_TIMED_OUT);
    ipc_call_receive(&receiver, port, &in, 0, 0);
    CHECK_EQ(test_send(port, 0, 2, MACH_SEND_TIMEOUT, 0), MACH_MSG_SUCCESS);
    CHECK_EQ(ipc_call_end(&receiver), MACH_MSG_SUCCESS);
    CHECK_EQ(in.head.msgh_id, 2);
    ipc_drop(port);
}

TEST(a_send_once_right_ignores_the_queue_limit)
{
    mach_port_t port = test_port();

    fill(port, MACH_PORT_QLIMIT_DEFAULT);
    for (unsigned i = 0; i < 8; i++) {
        ipc_begin(&out, ipc_send_once(port), MACH_MSG_TYPE_MOVE_SEND_ONCE, 50);
        CHECK_EQ(ipc_send(&out, MACH_SEND_TIMEOUT, 0), MACH_MSG_SUCCESS);
    }
    drain(port, MACH_PORT_QLIMIT_DEFAULT + 8);
    ipc_drop(port);
}

TEST(raising_the_limit_lets_a_blocked_sender_go)
{
    mach_port_t port = test_port();
    struct ipc_call sender;

    CHECK_EQ(mach_port_set_qlimit(mach_task_self(), port, 1), KERN_SUCCESS);
    fill(port, 1);
    ipc_begin(&out, port, MACH_MSG_TYPE_COPY_SEND, 77);
    ipc_call_send(&sender, &out, 0, 0);
    CHECK(!ipc_call_is_done(&sender));
    CHECK_EQ(mach_port_set_qlimit(mach_task_self(), port, 2), KERN_SUCCESS);
    CHECK_EQ(ipc_call_end(&sender), MACH_MSG_SUCCESS);
    drain(port, 2);
    ipc_drop(port);
}

TEST(lowering_the_limit_loses_no_message)
{
    mach_port_t port = test_port();

    CHECK_EQ(mach_port_set_qlimit(mach_task_self(), port, 8), KERN_SUCCESS);
    fill(port, 8);
    CHECK_EQ(mach_port_set_qlimit(mach_task_self(), port, 2), KERN_SUCCESS);
    for (int i = 0; i < 7; i++) {
        CHECK_EQ(test_send(port, 0, 1, MACH_SEND_TIMEOUT, 0), MACH_SEND_TIMED_OUT);
        CHECK_EQ(ipc_receive(port, &in, 0, 0), MACH_MSG_SUCCESS);
        CHECK_EQ(in.head.msgh_id, i);
    }
    CHECK_EQ(test_send(port, 0, 8, MACH_SEND_TIMEOUT, 0), MACH_MSG_SUCCESS);
    drain(port, 2);
    ipc_drop(port);
}

TEST(blocked_senders_go_on_in_the_order_they_came)
{
    enum { SENDERS = 6 };
    static struct ipc_message messages[SENDERS];
    struct ipc_call senders[SENDERS];
    mach_port_t port = test_port();

    CHECK_EQ(mach_port_set_qlimit(mach_task_self(), port, 1), KERN_SUCCESS);
    fill(port, 1);
    for (int i = 0; i < SENDERS; i++) {
        ipc_begin(&messages[i], port, MACH_MSG_TYPE_COPY_SEND, 100 + i);
        ipc_call_send(&senders[i], &messages[i], 0, 0);
        CHECK(!ipc_call_is_done(&senders[i]));
    }
    CHECK_EQ(ipc_receive(port, &in, 0, 1000), MACH_MSG_SUCCESS);
    for (int i = 0; i < SENDERS; i++) {
        CHECK_EQ(ipc_receive(port, &in, 0, IPC_LONG_MS), MACH_MSG_SUCCESS);
        CHECK_EQ(in.head.msgh_id, 100 + i);
        CHECK_EQ(ipc_call_end(&senders[i]), MACH_MSG_SUCCESS);
    }
    ipc_drop(port);
}

TEST(a_blocked_sender_is_told_when_the_port_dies)
{
    mach_port_t port = test_port();
    struct ipc_call sender;

    CHECK_EQ(mach_port_set_qlimit(mach_task_self(), port, 1), KERN_SUCCESS);
    fill(port, 1);
    ipc_begin(&out, port, MACH_MSG_TYPE_COPY_SEND, 77);
    ipc_call_send(&sender, &out, 0, 0);
    CHECK_EQ(mach_port_mod_refs(mach_task_self(), port, MACH_PORT_RIGHT_RECEIVE, -1), KERN_SUCCESS);
    CHECK_EQ(ipc_call_end(&sender),
             MACH_MSG_SUCCESS); /* as if it had been queued, and died there */
    CHECK_EQ(ipc_type(port), MACH_PORT_TYPE_DEAD_NAME);
    ipc_drop(port);
}

TEST(a_blocked_sender_that_is_aborted_has_its_message_back)
{
    mach_port_t port = test_port(), carried = test_port();
    struct ipc_call sender;

    CHECK_EQ(mach_port_set_qlimit(mach_task_self(), port, 1), KERN_SUCCESS);
    fill(port, 1);
    ipc_begin(&out, port, MACH_MSG_TYPE_COPY_SEND, 77);
    ipc_add_ports(&out, &carried, 1, MACH_MSG_TYPE_MOVE_SEND);
    ipc_call_send(&sender, &out, 0, 0);
    CHECK(!ipc_call_is_done(&sender));
    CHECK_EQ(thread_abort(sender.port), KERN_SUCCESS);
    CHECK_EQ(ipc_call_end(&sender), MACH_SEND_INTERRUPTED);
    CHECK_EQ(ipc_refs(carried, MACH_PORT_RIGHT_SEND), 1);
    CHECK_EQ(*ipc_item_data(&out, 0), carried);
    drain(port, 1);
    ipc_drop(port);
    ipc_drop(carried);
}

TEST(the_kernel_ignores_the_options_about_interruptions)
{
    mach_port_t port = test_port();
    struct ipc_call sender;

    CHECK_EQ(mach_port_set_qlimit(mach_task_self(), port, 1), KERN_SUCCESS);
    fill(port, 1);
    ipc_begin(&out, port, MACH_MSG_TYPE_COPY_SEND, 77);
    ipc_call_send(&sender, &out, MACH_SEND_INTERRUPT, 0);
    CHECK_EQ(thread_abort(sender.port), KERN_SUCCESS);
    CHECK_EQ(ipc_call_end(&sender), MACH_SEND_INTERRUPTED);
    CHECK_EQ(ipc_send(&out, MACH_SEND_TIMEOUT | MACH_SEND_INTERRUPT, 1), MACH_SEND_TIMED_OUT);
    ipc_drop(port);
}

/* --- MACH_SEND_NOTIFY and MACH_SEND_CANCEL --- */

static mach_msg_return_t send_notify(mach_port_t to, mach_port_t notify, int option)
{
    ipc_begin(&out, to, MACH_MSG_TYPE_COPY_SEND, 88);
    return mach_msg(&out.head, MACH_SEND_MSG | MACH_SEND_NOTIFY | option, out.head.msgh_size, 0, 0,
                    0, notify);
}

TEST(a_message_forced_into_a_full_queue_tells_when_it_is_taken)
{
    mach_port_t port = test_port(), notify = ipc_receive_right();

    fill(port, MACH_PORT_QLIMIT_DEFAULT);
    CHECK_EQ(send_notify(port, notify, 0), MACH_SEND_WILL_NOTIFY);
    CHECK_EQ(ipc_status(port).mps_msgcount, MACH_PORT_QLIMIT_DEFAULT + 1);
    CHECK_EQ(ipc_receive(notify, &in, 0, 0), MACH_RCV_TIMED_OUT);
    CHECK_EQ(send_notify(port, notify, 0), MACH_SEND_NOTIFY_IN_PROGRESS);
    drain(port, MACH_PORT_QLIMIT_DEFAULT + 1);
    CHECK_EQ(ipc_receive(notify, &in, 0, 1000), MACH_MSG_SUCCESS);
    CHECK_EQ(in.head.msgh_id, MACH_NOTIFY_MSG_ACCEPTED);
    CHECK_EQ(((mach_msg_accepted_notification_t *)&in)->not_port, port);
    ipc_drop(port);
    ipc_drop(notify);
}

TEST(a_message_there_is_room_for_is_sent_without_a_notification)
{
    mach_port_t port = test_port(), notify = ipc_receive_right();

    CHECK_EQ(send_notify(port, notify, 0), MACH_MSG_SUCCESS);
    CHECK_EQ(send_notify(port, IPC_NO_NAME, 0), MACH_MSG_SUCCESS); /* the name is not looked at */
    drain(port, 2);
    CHECK_EQ(ipc_receive(notify, &in, 0, 0), MACH_RCV_TIMED_OUT);
    ipc_drop(port);
    ipc_drop(notify);
}

TEST(a_notification_to_what_is_no_receive_right_is_refused)
{
    mach_port_t port = test_port(), set = ipc_set();

    fill(port, MACH_PORT_QLIMIT_DEFAULT);
    CHECK_EQ(send_notify(port, IPC_NO_NAME, 0), MACH_SEND_INVALID_NOTIFY);
    CHECK_EQ(send_notify(port, MACH_PORT_NULL, 0), MACH_SEND_INVALID_NOTIFY);
    CHECK_EQ(send_notify(port, set, 0), MACH_SEND_INVALID_NOTIFY);
    drain(port, MACH_PORT_QLIMIT_DEFAULT);
    ipc_drop(port);
    ipc_drop(set);
}

TEST(the_request_of_a_forced_message_shows_in_the_type_and_survives_renaming)
{
    mach_port_t port = test_port(), notify = ipc_receive_right();
    mach_port_type_t type;

    fill(port, MACH_PORT_QLIMIT_DEFAULT);
    CHECK_EQ(send_notify(port, notify, 0), MACH_SEND_WILL_NOTIFY);
    CHECK_EQ(mach_port_type(mach_task_self(), port, &type), KERN_SUCCESS);
    CHECK((type & MACH_PORT_TYPE_MAREQUEST) != 0);
    CHECK_EQ(mach_port_rename(mach_task_self(), port, 0x4711), KERN_SUCCESS);
    drain(0x4711, MACH_PORT_QLIMIT_DEFAULT + 1);
    CHECK_EQ(ipc_receive(notify, &in, 0, 1000), MACH_MSG_SUCCESS);
    CHECK_EQ(((mach_msg_accepted_notification_t *)&in)->not_port, 0x4711);
    ipc_drop(0x4711);
    ipc_drop(notify);
}

TEST(a_name_that_goes_with_a_forced_message_in_the_queue_is_port_deleted)
{
    mach_port_t port = test_port(), notify = ipc_receive_right();

    fill(port, MACH_PORT_QLIMIT_DEFAULT);
    CHECK_EQ(send_notify(port, notify, 0), MACH_SEND_WILL_NOTIFY);
    ipc_drop(port);
    CHECK_EQ(ipc_receive(notify, &in, 0, 1000), MACH_MSG_SUCCESS);
    CHECK_EQ(in.head.msgh_id, MACH_NOTIFY_PORT_DELETED);
    CHECK_EQ(((mach_port_deleted_notification_t *)&in)->not_port, port);
    CHECK_EQ(ipc_receive(notify, &in, 0, 0), MACH_RCV_TIMED_OUT);
    ipc_drop(notify);
}

TEST(a_cancelling_send_drops_the_dead_name_request_of_the_right_it_uses_up)
{
    mach_port_t port = test_port(), notify = ipc_receive_right(), previous;
    mach_port_t once = ipc_send_once(port);

    CHECK_EQ(mach_port_request_notification(mach_task_self(), once, MACH_NOTIFY_DEAD_NAME, 0,
                                            notify, MACH_MSG_TYPE_MAKE_SEND_ONCE, &previous),
             KERN_SUCCESS);
    ipc_begin(&out, once, MACH_MSG_TYPE_MOVE_SEND_ONCE, 3);
    CHECK_EQ(
        mach_msg(&out.head, MACH_SEND_MSG | MACH_SEND_CANCEL, out.head.msgh_size, 0, 0, 0, notify),
        MACH_MSG_SUCCESS);
    drain(port, 1);
    CHECK_EQ(ipc_receive(notify, &in, 0, 0), MACH_RCV_TIMED_OUT); /* no port-deleted */
    ipc_drop(port);
    ipc_drop(notify);
}

TEST(without_the_cancel_option_the_same_send_tells_that_the_name_went)
{
    mach_port_t port = test_port(), notify = ipc_receive_right(), previous;
    mach_port_t once = ipc_send_once(port);

    CHECK_EQ(mach_port_request_notification(mach_task_self(), once, MACH_NOTIFY_DEAD_NAME, 0,
                                            notify, MACH_MSG_TYPE_MAKE_SEND_ONCE, &previous),
             KERN_SUCCESS);
    ipc_begin(&out, once, MACH_MSG_TYPE_MOVE_SEND_ONCE, 3);
    CHECK_EQ(ipc_send(&out, 0, 0), MACH_MSG_SUCCESS);
    CHECK_EQ(ipc_receive(notify, &in, 0, 1000), MACH_MSG_SUCCESS);
    CHECK_EQ(in.head.msgh_id, MACH_NOTIFY_PORT_DELETED);
    ipc_drop(port);
    ipc_drop(notify);
}

TEST(a_cancelling_send_needs_a_receive_right)
{
    mach_port_t port = test_port();

    for (unsigned i = 0; i < 2; i++) {
        ipc_begin(&out, port, MACH_MSG_TYPE_COPY_SEND, 3);
        CHECK_EQ(mach_msg(&out.head, MACH_SEND_MSG | MACH_SEND_CANCEL, out.head.msgh_size, 0, 0, 0,
                          i == 0 ? MACH_PORT_NULL : IPC_NO_NAME),
                 MACH_SEND_INVALID_NOTIFY);
    }
    drain(port, 0);
    ipc_drop(port);
}

/* --- receive --- */

TEST(a_receive_that_times_out_waited_as_long_as_it_said)
{
    mach_port_t port = test_port();
    uint64_t start = now_ms();

    CHECK_EQ(ipc_receive(port, &in, 0, 40), MACH_RCV_TIMED_OUT);
    CHECK(now_ms() - start >= 39);
    CHECK(now_ms() - start < 2000);
    ipc_drop(port);
}

TEST(a_receive_without_the_timeout_option_ignores_the_number)
{
    mach_port_t port = test_port();
    struct ipc_call receiver;

    ipc_call_receive(&receiver, port, &in, 0, 1);
    ipc_pause_ms(20);
    CHECK(!ipc_call_is_done(&receiver));
    CHECK_EQ(test_send(port, 0, 5, 0, 0), MACH_MSG_SUCCESS);
    CHECK_EQ(ipc_call_end(&receiver), MACH_MSG_SUCCESS);
    ipc_drop(port);
}

TEST(a_receiver_that_is_aborted_is_interrupted_and_the_next_message_stays)
{
    mach_port_t port = test_port();
    struct ipc_call receiver;

    ipc_call_receive(&receiver, port, &in, 0, 0);
    CHECK_EQ(thread_abort(receiver.port), KERN_SUCCESS);
    CHECK_EQ(ipc_call_end(&receiver), MACH_RCV_INTERRUPTED);
    CHECK_EQ(test_send(port, 0, 6, 0, 0), MACH_MSG_SUCCESS);
    CHECK_EQ(ipc_status(port).mps_msgcount, 1);
    drain(port, 1);
    ipc_drop(port);
}

TEST(a_receiver_is_told_when_its_port_dies)
{
    mach_port_t port = test_port();
    struct ipc_call receiver;

    ipc_call_receive(&receiver, port, &in, 0, 0);
    ipc_drop(port);
    CHECK_EQ(ipc_call_end(&receiver), MACH_RCV_PORT_DIED);
}

TEST(a_receiver_is_told_when_its_right_moves_away)
{
    mach_port_t port = ipc_receive_right(), other = test_port();
    struct ipc_call receiver;

    ipc_call_receive(&receiver, port, &in, 0, 0);
    ipc_begin(&out, other, MACH_MSG_TYPE_COPY_SEND, 1);
    ipc_add_ports(&out, &port, 1, MACH_MSG_TYPE_MOVE_RECEIVE);
    CHECK_EQ(ipc_send(&out, 0, 0), MACH_MSG_SUCCESS);
    CHECK_EQ(ipc_call_end(&receiver), MACH_RCV_PORT_CHANGED);
    ipc_drop(other);
}

TEST(a_message_larger_than_the_buffer_stays_with_rcv_large_while_a_receiver_waits)
{
    mach_port_t port = test_port();
    struct ipc_call receiver;

    memset(&in, 0, sizeof(in));
    receiver = (struct ipc_call){
        .message = &in.head, .option = MACH_RCV_MSG | MACH_RCV_LARGE, .rcv_size = 40, .from = port};
    ipc_call_start(&receiver);
    ipc_begin(&out, port, MACH_MSG_TYPE_COPY_SEND, 1);
    ipc_add_bytes(&out, in.body, 200);
    CHECK_EQ(ipc_send(&out, 0, 0), MACH_MSG_SUCCESS);
    CHECK_EQ(ipc_call_end(&receiver), MACH_RCV_TOO_LARGE);
    CHECK_EQ(in.head.msgh_size, 232);
    CHECK_EQ(ipc_receive(port, &in, 0, 0), MACH_MSG_SUCCESS);
    CHECK_EQ(in.head.msgh_size, 232);
    ipc_drop(port);
}

TEST(a_message_too_large_for_a_waiting_receiver_is_destroyed_with_its_rights)
{
    mach_port_t port = test_port(), carried = test_port(), notify = ipc_receive_right(), previous;
    struct ipc_call receiver;

    CHECK_EQ(mach_port_request_notification(mach_task_self(), carried, MACH_NOTIFY_NO_SENDERS, 1,
                                            notify, MACH_MSG_TYPE_MAKE_SEND_ONCE, &previous),
             KERN_SUCCESS);
    receiver = (struct ipc_call){
        .message = &in.head, .option = MACH_RCV_MSG, .rcv_size = 40, .from = port};
    ipc_call_start(&receiver);
    ipc_begin(&out, port, MACH_MSG_TYPE_COPY_SEND, 1);
    ipc_add_ports(&out, &carried, 1, MACH_MSG_TYPE_MOVE_SEND);
    CHECK_EQ(ipc_send(&out, 0, 0), MACH_MSG_SUCCESS);
    CHECK_EQ(ipc_call_end(&receiver), MACH_RCV_TOO_LARGE);
    CHECK_EQ(ipc_receive(notify, &in, 0, 1000), MACH_MSG_SUCCESS);
    CHECK_EQ(in.head.msgh_id, MACH_NOTIFY_NO_SENDERS);
    drain(port, 0);
    ipc_drop(port);
    ipc_drop(carried);
    ipc_drop(notify);
}

TEST(rcv_notify_watches_the_reply_right)
{
    mach_port_t port = test_port(), reply = ipc_receive_right(), notify = ipc_receive_right();

    CHECK_EQ(test_send(port, reply, 1, 0, 0), MACH_MSG_SUCCESS);
    CHECK_EQ(mach_msg(&in.head, MACH_RCV_MSG | MACH_RCV_NOTIFY | MACH_RCV_TIMEOUT, 0, sizeof(in),
                      port, 0, notify),
             MACH_MSG_SUCCESS);
    ipc_drop(reply);
    CHECK_EQ(ipc_receive(notify, &out, 0, 1000), MACH_MSG_SUCCESS);
    CHECK_EQ(out.head.msgh_id, MACH_NOTIFY_DEAD_NAME);
    CHECK_EQ(((mach_dead_name_notification_t *)&out)->not_port, in.head.msgh_remote_port);
    CHECK_EQ(ipc_refs(in.head.msgh_remote_port, MACH_PORT_RIGHT_DEAD_NAME), 2);
    ipc_drop(in.head.msgh_remote_port);
    ipc_drop(port);
    ipc_drop(notify);
}

TEST(rcv_notify_to_what_is_no_receive_right_loses_the_message)
{
    mach_port_t port = test_port(), reply = ipc_receive_right();

    CHECK_EQ(test_send(port, reply, 1, 0, 0), MACH_MSG_SUCCESS);
    CHECK_EQ(mach_msg(&in.head, MACH_RCV_MSG | MACH_RCV_NOTIFY | MACH_RCV_TIMEOUT, 0, sizeof(in),
                      port, 0, IPC_NO_NAME),
             MACH_RCV_INVALID_NOTIFY);
    CHECK_EQ(ipc_receive(reply, &in, 0, 1000), MACH_MSG_SUCCESS);
    CHECK_EQ(in.head.msgh_id, MACH_NOTIFY_SEND_ONCE);
    ipc_drop(reply);
    ipc_drop(port);
}

TEST(rcv_notify_watches_no_reply_right_that_is_not_there)
{
    mach_port_t port = test_port(), notify = ipc_receive_right();

    CHECK_EQ(test_send(port, 0, 1, 0, 0), MACH_MSG_SUCCESS);
    CHECK_EQ(mach_msg(&in.head, MACH_RCV_MSG | MACH_RCV_NOTIFY | MACH_RCV_TIMEOUT, 0, sizeof(in),
                      port, 0, notify),
             MACH_MSG_SUCCESS);
    CHECK_EQ(ipc_status(notify).mps_sorights, 0);
    ipc_drop(port);
    ipc_drop(notify);
}

TEST(sequence_numbers_rise_by_one_with_each_message_received)
{
    mach_port_t port = test_port();
    struct ipc_call receiver;

    CHECK_EQ(mach_port_set_seqno(mach_task_self(), port, 0xfffffffe), KERN_SUCCESS);
    fill(port, 3);
    for (uint32_t i = 0; i < 3; i++) {
        CHECK_EQ(ipc_receive(port, &in, 0, 0), MACH_MSG_SUCCESS);
        CHECK_EQ(in.head.msgh_seqno, (uint32_t)(0xfffffffe + i));
    }
    ipc_call_receive(&receiver, port, &in, 0, 0);
    CHECK_EQ(test_send(port, 0, 5, 0, 0), MACH_MSG_SUCCESS);
    CHECK_EQ(ipc_call_end(&receiver), MACH_MSG_SUCCESS);
    CHECK_EQ(in.head.msgh_seqno, 1);
    CHECK_EQ(ipc_status(port).mps_seqno, 2);
    ipc_drop(port);
}

TEST(a_receive_right_that_moves_keeps_its_queue_and_begins_to_count_again)
{
    mach_port_t port = ipc_receive_right(), other = test_port(), moved;

    CHECK_EQ(mach_port_insert_right(mach_task_self(), port, port, MACH_MSG_TYPE_MAKE_SEND),
             KERN_SUCCESS);
    fill(port, 3);
    CHECK_EQ(ipc_receive(port, &in, 0, 0), MACH_MSG_SUCCESS);
    ipc_begin(&out, other, MACH_MSG_TYPE_COPY_SEND, 1);
    ipc_add_ports(&out, &port, 1, MACH_MSG_TYPE_MOVE_RECEIVE);
    CHECK_EQ(ipc_send(&out, 0, 0), MACH_MSG_SUCCESS);
    CHECK_EQ(ipc_receive(other, &in, 0, 0), MACH_MSG_SUCCESS);
    moved = (mach_port_t)*ipc_item_data(&in, 0);
    CHECK_EQ(moved, port); /* the send right kept the name */
    CHECK_EQ(ipc_status(moved).mps_msgcount, 2);
    CHECK_EQ(ipc_status(moved).mps_seqno, 0);
    CHECK_EQ(ipc_status(moved).mps_mscount, 0);
    CHECK_EQ(ipc_receive(moved, &in, 0, 0), MACH_MSG_SUCCESS);
    CHECK_EQ(in.head.msgh_id, 1);
    CHECK_EQ(in.head.msgh_seqno, 0);
    ipc_drop(moved);
    ipc_drop(other);
}

TEST(a_combined_call_that_cannot_send_does_not_receive)
{
    mach_port_t port = test_port();

    CHECK_EQ(test_send(port, 0, 1, 0, 0), MACH_MSG_SUCCESS);
    ipc_begin(&out, IPC_NO_NAME, MACH_MSG_TYPE_COPY_SEND, 1);
    CHECK_EQ(mach_msg(&out.head, MACH_SEND_MSG | MACH_RCV_MSG, out.head.msgh_size, sizeof(out),
                      port, 0, 0),
             MACH_SEND_INVALID_DEST);
    CHECK_EQ(ipc_status(port).mps_msgcount, 1);
    ipc_drop(port);
}

TEST(a_combined_call_that_cannot_receive_has_sent)
{
    mach_port_t port = test_port();

    ipc_begin(&out, port, MACH_MSG_TYPE_COPY_SEND, 1);
    CHECK_EQ(mach_msg(&out.head, MACH_SEND_MSG | MACH_RCV_MSG, out.head.msgh_size, sizeof(out),
                      IPC_NO_NAME, 0, 0),
             MACH_RCV_INVALID_NAME);
    drain(port, 1);
    ipc_drop(port);
}

TEST(neither_sending_nor_receiving_is_success)
{
    CHECK_EQ(mach_msg_trap(NULL, 0, 0, 0, 0, 0, 0), MACH_MSG_SUCCESS);
    CHECK_EQ(mach_msg_trap((mach_msg_header_t *)IPC_KERNEL_TEXT, 0, ~0u, ~0u, ~0u, ~0u, ~0u),
             MACH_MSG_SUCCESS);
}

TEST(only_receive_rights_and_sets_can_be_received_from)
{
    mach_port_t port = test_port(), once = ipc_send_once(port), dead = ipc_dead_name();

    CHECK_EQ(ipc_receive(once, &in, 0, 0), MACH_RCV_INVALID_NAME);
    CHECK_EQ(ipc_receive(dead, &in, 0, 0), MACH_RCV_INVALID_NAME);
    CHECK_EQ(ipc_receive(mach_task_self(), &in, 0, 0), MACH_RCV_INVALID_NAME);
    CHECK_EQ(ipc_receive(MACH_PORT_NULL, &in, 0, 0), MACH_RCV_INVALID_NAME);
    CHECK_EQ(ipc_receive(MACH_PORT_DEAD, &in, 0, 0), MACH_RCV_INVALID_NAME);
    ipc_drop(once);
    ipc_drop(dead);
    ipc_drop(port);
}
