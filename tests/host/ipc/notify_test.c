/* notify_test.c - notifications: each is sent when it must be, once, with what it must carry. */
#include "ipc_test.h"

static void no_senders_comes_with_the_make_send_count(void **state)
{
    mach_port_name_t name = sim_receive_right();
    mach_port_name_t told = sim_receive_right();
    uint32_t value = 0;

    (void)state;
    sim_add_send(name, 3);
    assert_int_equal(sim_request(name, MACH_NOTIFY_NO_SENDERS, 1, told), KERN_SUCCESS);
    assert_int_equal(sim_notification(told, &value), 0);
    mach_port_mod_refs(sim_space(), name, MACH_PORT_RIGHT_SEND, -3);
    assert_int_equal(sim_notification(told, &value), MACH_NOTIFY_NO_SENDERS);
    assert_int_equal(value, 1);
    assert_int_equal(sim_notification(told, &value), 0);
    sim_expect_balanced();
}

static void no_senders_comes_at_once_when_the_count_is_there(void **state)
{
    mach_port_name_t name = sim_receive_right();
    mach_port_name_t told = sim_receive_right();
    mach_port_status_t status;
    uint32_t value = 9;

    (void)state;
    assert_int_equal(sim_request(name, MACH_NOTIFY_NO_SENDERS, 0, told), KERN_SUCCESS);
    assert_int_equal(sim_notification(told, &value), MACH_NOTIFY_NO_SENDERS);
    assert_int_equal(value, 0);
    assert_int_equal(sim_request(name, MACH_NOTIFY_NO_SENDERS, 5, told), KERN_SUCCESS);
    assert_int_equal(sim_notification(told, &value), 0);
    mach_port_get_receive_status(sim_space(), name, &status);
    assert_int_equal(status.mps_nsrequest, 1);
}

static void second_request_returns_the_first(void **state)
{
    mach_port_name_t name = sim_receive_right();
    struct ipc_port *first = ipc_port_make_sonce(sim_port(name));
    struct ipc_port *second = ipc_port_make_sonce(sim_port(name));
    struct ipc_port *previous;
    static const int32_t ids[] = {MACH_NOTIFY_PORT_DESTROYED, MACH_NOTIFY_DEAD_NAME};
    int i;

    (void)state;
    for (i = 0; i < 2; i++) {
        assert_int_equal(
            mach_port_request_notification(sim_space(), name, ids[i], 0, first, &previous),
            KERN_SUCCESS);
        assert_null(previous);
        assert_int_equal(
            mach_port_request_notification(sim_space(), name, ids[i], 0, second, &previous),
            KERN_SUCCESS);
        assert_ptr_equal(previous, first);
        assert_int_equal(
            mach_port_request_notification(sim_space(), name, ids[i], 0, IP_NULL, &previous),
            KERN_SUCCESS);
        assert_ptr_equal(previous, second);
    }
    ipc_port_release_sonce(first);
    ipc_port_release_sonce(second);
    sim_expect_balanced();
}

static void request_notification_refuses_what_it_must(void **state)
{
    mach_port_name_t name = sim_receive_right();
    mach_port_name_t told = sim_receive_right();
    struct ipc_port *previous;
    mach_port_name_t dead;

    (void)state;
    mach_port_allocate(sim_space(), MACH_PORT_RIGHT_DEAD_NAME, &dead);
    assert_int_equal(sim_request(name, 67, 0, told), KERN_INVALID_VALUE);
    assert_int_equal(sim_request(name, MACH_NOTIFY_PORT_DESTROYED, 1, told), KERN_INVALID_VALUE);
    assert_int_equal(sim_request(99, MACH_NOTIFY_PORT_DESTROYED, 0, told), KERN_INVALID_NAME);
    assert_int_equal(sim_request(99, MACH_NOTIFY_NO_SENDERS, 0, told), KERN_INVALID_NAME);
    assert_int_equal(sim_request(99, MACH_NOTIFY_DEAD_NAME, 0, told), KERN_INVALID_NAME);
    assert_int_equal(sim_request(dead, MACH_NOTIFY_NO_SENDERS, 0, told), KERN_INVALID_RIGHT);
    assert_int_equal(sim_request(dead, MACH_NOTIFY_DEAD_NAME, 0, told), KERN_INVALID_ARGUMENT);
    assert_int_equal(sim_request(sim_port_set(), MACH_NOTIFY_DEAD_NAME, 1, told),
                     KERN_INVALID_RIGHT);
    assert_int_equal(mach_port_request_notification(sim_space(), name, MACH_NOTIFY_DEAD_NAME, 0,
                                                    IP_DEAD, &previous),
                     KERN_INVALID_CAPABILITY);
    sim_expect_balanced();
}

static void dead_name_comes_when_the_port_dies_with_a_reference(void **state)
{
    struct task *owner = sim_task_create();
    mach_port_name_t other;
    mach_port_name_t send = sim_foreign_right(owner, MACH_MSG_TYPE_PORT_SEND, &other);
    mach_port_name_t told = sim_receive_right();
    uint32_t value;

    (void)state;
    assert_int_equal(sim_request(send, MACH_NOTIFY_DEAD_NAME, 0, told), KERN_SUCCESS);
    assert_int_equal(sim_type(send), MACH_PORT_TYPE_SEND | MACH_PORT_TYPE_DNREQUEST);
    mach_port_destroy(owner->space, other);
    assert_int_equal(sim_notification(told, &value), MACH_NOTIFY_DEAD_NAME);
    assert_int_equal(value, send);
    assert_int_equal(sim_type(send), MACH_PORT_TYPE_DEAD_NAME);
    assert_int_equal(sim_urefs(send, MACH_PORT_RIGHT_DEAD_NAME), 2);
    sim_expect_balanced();
}

static void dead_name_comes_at_once_for_a_dead_name_when_asked(void **state)
{
    mach_port_name_t told = sim_receive_right();
    mach_port_name_t dead;
    uint32_t value;

    (void)state;
    mach_port_allocate(sim_space(), MACH_PORT_RIGHT_DEAD_NAME, &dead);
    assert_int_equal(sim_request(dead, MACH_NOTIFY_DEAD_NAME, 1, told), KERN_SUCCESS);
    assert_int_equal(sim_notification(told, &value), MACH_NOTIFY_DEAD_NAME);
    assert_int_equal(sim_urefs(dead, MACH_PORT_RIGHT_DEAD_NAME), 2);
    mach_port_mod_refs(sim_space(), dead, MACH_PORT_RIGHT_DEAD_NAME, MACH_PORT_UREFS_MAX - 2);
    assert_int_equal(sim_request(dead, MACH_NOTIFY_DEAD_NAME, 1, told), KERN_UREFS_OVERFLOW);
}

static void dead_name_comes_when_own_receive_right_goes(void **state)
{
    mach_port_name_t name = sim_receive_right();
    mach_port_name_t told = sim_receive_right();
    uint32_t value;

    (void)state;
    sim_add_send(name, 2);
    sim_request(name, MACH_NOTIFY_DEAD_NAME, 0, told);
    mach_port_mod_refs(sim_space(), name, MACH_PORT_RIGHT_RECEIVE, -1);
    assert_int_equal(sim_notification(told, &value), MACH_NOTIFY_DEAD_NAME);
    assert_int_equal(value, name);
    assert_int_equal(sim_urefs(name, MACH_PORT_RIGHT_DEAD_NAME), 3);
    assert_int_equal(sim_notification(told, &value), 0);
}

static void port_deleted_comes_when_a_watched_name_goes(void **state)
{
    struct task *owner = sim_task_create();
    mach_port_name_t other;
    mach_port_name_t send = sim_foreign_right(owner, MACH_MSG_TYPE_PORT_SEND, &other);
    mach_port_name_t told = sim_receive_right();
    uint32_t value;

    (void)state;
    sim_request(send, MACH_NOTIFY_DEAD_NAME, 0, told);
    mach_port_deallocate(sim_space(), send);
    assert_int_equal(sim_notification(told, &value), MACH_NOTIFY_PORT_DELETED);
    assert_int_equal(value, send);
    sim_expect_balanced();
}

static void renamed_name_is_told_by_its_new_name(void **state)
{
    struct task *owner = sim_task_create();
    mach_port_name_t other;
    mach_port_name_t send = sim_foreign_right(owner, MACH_MSG_TYPE_PORT_SEND, &other);
    mach_port_name_t told = sim_receive_right();
    uint32_t value;

    (void)state;
    sim_request(send, MACH_NOTIFY_DEAD_NAME, 0, told);
    mach_port_rename(sim_space(), send, 0x3000);
    mach_port_destroy(owner->space, other);
    assert_int_equal(sim_notification(told, &value), MACH_NOTIFY_DEAD_NAME);
    assert_int_equal(value, 0x3000);
}

static void cancelling_send_drops_the_request_silently(void **state)
{
    struct task *owner = sim_task_create();
    mach_port_name_t other;
    mach_port_name_t once = sim_foreign_right(owner, MACH_MSG_TYPE_PORT_SEND_ONCE, &other);
    mach_port_name_t told = sim_receive_right();
    struct sim_msg msg;
    uint32_t value;

    (void)state;
    sim_request(once, MACH_NOTIFY_DEAD_NAME, 0, told);
    sim_message(&msg, MACH_MSGH_BITS(MACH_MSG_TYPE_MOVE_SEND_ONCE, 0), once, NAME_NULL);
    assert_int_equal(sim_trap(&msg, MACH_SEND_MSG | MACH_SEND_CANCEL, 32, 0, 0, 0, NAME_NULL),
                     MACH_SEND_INVALID_NOTIFY);
    assert_int_equal(sim_trap(&msg, MACH_SEND_MSG | MACH_SEND_CANCEL, 32, 0, 0, 0, once),
                     MACH_SEND_INVALID_NOTIFY);
    assert_int_equal(sim_trap(&msg, MACH_SEND_MSG | MACH_SEND_CANCEL, 32, 0, 0, 0, told),
                     MACH_MSG_SUCCESS);
    assert_int_equal(sim_notification(told, &value), 0);
    sim_expect_balanced();
}

static void port_destroyed_hands_the_receive_right_over(void **state)
{
    struct task *other = sim_task_create();
    mach_port_name_t told = sim_receive_right();
    mach_port_name_t name;
    struct sim_msg msg;
    struct ipc_port *notify = ipc_port_make_sonce(sim_port(told));
    struct ipc_port *previous;

    (void)state;
    sim_become(other);
    name = sim_receive_right();
    assert_int_equal(mach_port_request_notification(sim_space(), name, MACH_NOTIFY_PORT_DESTROYED,
                                                    0, notify, &previous),
                     KERN_SUCCESS);
    sim_become(sim_task);
    sim_task_end(other);
    assert_int_equal(sim_receive(&msg, sizeof(msg), told, 0), MACH_MSG_SUCCESS);
    assert_int_equal(msg.header.msgh_id, MACH_NOTIFY_PORT_DESTROYED);
    assert_int_equal(msg.header.msgh_size, 48);
    assert_int_equal(sim_type((uint32_t)msg.body[1]), MACH_PORT_TYPE_RECEIVE);
    assert_int_equal(sim_post((uint32_t)msg.body[1], 3), MACH_MSG_SUCCESS);
    sim_expect_balanced();
}

static void send_once_right_destroyed_unused_tells_its_receiver(void **state)
{
    mach_port_name_t name = sim_receive_right();
    mach_port_name_t once;
    struct sim_msg msg;

    (void)state;
    ipc_space_copyout_right(sim_space(), ipc_port_make_sonce(sim_port(name)),
                            MACH_MSG_TYPE_PORT_SEND_ONCE, &once);
    mach_port_deallocate(sim_space(), once);
    assert_int_equal(sim_receive(&msg, sizeof(msg), name, 0), MACH_MSG_SUCCESS);
    assert_int_equal(msg.header.msgh_id, MACH_NOTIFY_SEND_ONCE);
    assert_int_equal(msg.header.msgh_size, 32);
    assert_int_equal(msg.header.msgh_remote_port, NAME_NULL);
    sim_expect_balanced();
}

static void notification_layout_has_no_stale_bytes(void **state)
{
    mach_port_name_t name = sim_receive_right();
    mach_port_name_t told = sim_receive_right();
    struct sim_msg msg;

    (void)state;
    sim_request(name, MACH_NOTIFY_NO_SENDERS, 0, told);
    memset(&msg, 0xee, sizeof(msg));
    assert_int_equal(sim_receive(&msg, sizeof(msg), told, 0), MACH_MSG_SUCCESS);
    assert_int_equal(msg.header.msgh_bits, MACH_MSGH_BITS(0, MACH_MSG_TYPE_PORT_SEND_ONCE));
    assert_int_equal(msg.header.msgh_size, 48);
    assert_true(msg.body[0] == (MACH_MSG_TYPE_WORD(2, 32, MACH_MSG_TYPE_WORD_INLINE) | 1ull << 32));
    assert_true(msg.body[1] == 0);
    assert_true(msg.body[2] == 0xeeeeeeeeeeeeeeee);
}

static mach_msg_return_t force(mach_port_name_t dest, mach_port_name_t told)
{
    struct sim_msg msg;

    sim_message(&msg, MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, 0), dest, NAME_NULL);
    return sim_trap(&msg, MACH_SEND_MSG | MACH_SEND_NOTIFY, 32, 0, 0, 0, told);
}

static void forced_message_is_announced_when_received(void **state)
{
    struct task *owner = sim_task_create();
    mach_port_name_t other;
    mach_port_name_t send = sim_foreign_right(owner, MACH_MSG_TYPE_PORT_SEND, &other);
    mach_port_name_t told = sim_receive_right();
    struct sim_msg msg;
    uint32_t value;

    (void)state;
    assert_int_equal(mach_port_set_qlimit(owner->space, other, 1), KERN_SUCCESS);
    assert_int_equal(force(send, told), MACH_MSG_SUCCESS);
    assert_int_equal(force(send, send), MACH_SEND_INVALID_NOTIFY);
    assert_int_equal(force(send, told), MACH_SEND_WILL_NOTIFY);
    assert_int_equal(force(send, told), MACH_SEND_NOTIFY_IN_PROGRESS);
    assert_true((sim_type(send) & MACH_PORT_TYPE_MAREQUEST) != 0);
    sim_become(owner);
    sim_receive(&msg, sizeof(msg), other, 0);
    sim_receive(&msg, sizeof(msg), other, 0);
    sim_become(sim_task);
    assert_int_equal(sim_notification(told, &value), MACH_NOTIFY_MSG_ACCEPTED);
    assert_int_equal(value, send);
    assert_int_equal(sim_type(send), MACH_PORT_TYPE_SEND);
    sim_expect_balanced();
}

static void forced_message_whose_name_goes_is_port_deleted(void **state)
{
    struct task *owner = sim_task_create();
    mach_port_name_t other;
    mach_port_name_t send = sim_foreign_right(owner, MACH_MSG_TYPE_PORT_SEND, &other);
    mach_port_name_t told = sim_receive_right();
    struct sim_msg msg;
    uint32_t value;

    (void)state;
    mach_port_set_qlimit(owner->space, other, 0);
    assert_int_equal(force(send, told), MACH_SEND_WILL_NOTIFY);
    mach_port_rename(sim_space(), send, 0x222);
    mach_port_destroy(sim_space(), 0x222);
    assert_int_equal(sim_notification(told, &value), MACH_NOTIFY_PORT_DELETED);
    assert_int_equal(value, 0x222);
    sim_become(owner);
    sim_receive(&msg, sizeof(msg), other, 0);
    sim_become(sim_task);
    assert_int_equal(sim_notification(told, &value), 0);
    sim_expect_balanced();
}

static void receive_can_watch_the_reply_right(void **state)
{
    struct task *client = sim_task_create();
    mach_port_name_t name = sim_receive_right();
    mach_port_name_t told = sim_receive_right();
    struct ipc_port *port = ipc_port_make_send(sim_port(name));
    mach_port_name_t send;
    mach_port_name_t reply;
    struct sim_msg msg;
    uint32_t value;

    (void)state;
    sim_become(client);
    ipc_space_copyout_right(sim_space(), port, MACH_MSG_TYPE_PORT_SEND, &send);
    reply = sim_receive_right();
    sim_message(&msg, MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, MACH_MSG_TYPE_MAKE_SEND_ONCE), send,
                reply);
    sim_send(&msg, 32, 0, 0);
    sim_become(sim_task);
    assert_int_equal(sim_trap(&msg, MACH_RCV_MSG | MACH_RCV_NOTIFY, 0, sizeof(msg), name, 0, told),
                     MACH_MSG_SUCCESS);
    assert_int_equal(sim_type(msg.header.msgh_remote_port),
                     MACH_PORT_TYPE_SEND_ONCE | MACH_PORT_TYPE_DNREQUEST);
    mach_port_destroy(client->space, reply);
    assert_int_equal(sim_notification(told, &value), MACH_NOTIFY_DEAD_NAME);
    assert_int_equal(value, msg.header.msgh_remote_port);
    sim_expect_balanced();
}

static void receive_with_a_bad_notify_argument_says_so(void **state)
{
    mach_port_name_t name = sim_receive_right();
    struct sim_msg msg;

    (void)state;
    sim_post(name, 1);
    assert_int_equal(sim_trap(&msg, MACH_RCV_MSG | MACH_RCV_NOTIFY, 0, sizeof(msg), name, 0, 99),
                     MACH_RCV_INVALID_NOTIFY);
    sim_expect_balanced();
}

static uint32_t served;
static bool served_from_kernel;

static struct ipc_kmsg *count_messages(struct ipc_kmsg *request)
{
    served += 1;
    served_from_kernel = ipc_kmsg_is_from_kernel(request);
    ipc_kmsg_destroy(request);
    return NULL;
}

static void kernel_objects_can_tell_forged_notifications(void **state)
{
    struct ipc_port *kernel = ipc_port_alloc_kernel(KOBJECT_HARDWARE, NULL);
    struct ipc_port *previous;
    mach_port_name_t send;
    struct sim_msg msg;

    (void)state;
    served = 0;
    sim_kobject = count_messages;
    ipc_space_copyout_right(sim_space(), ipc_port_make_send(kernel), MACH_MSG_TYPE_PORT_SEND,
                            &send);
    sim_message(&msg, MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, 0), send, NAME_NULL);
    msg.header.msgh_id = MACH_NOTIFY_NO_SENDERS;
    assert_int_equal(sim_send(&msg, 48, 0, 0), MACH_MSG_SUCCESS);
    assert_int_equal(served, 1);
    assert_false(served_from_kernel);
    spin_lock(&kernel->lock);
    kernel->sorights += 1;
    ipc_port_ref(kernel);
    ipc_port_nsrequest(kernel, 0, kernel, &previous);
    mach_port_deallocate(sim_space(), send);
    assert_int_equal(served, 2);
    assert_true(served_from_kernel);
    ipc_port_destroy_kernel(kernel);
}

/* Answers like a kernel object that does not know the id. */
static struct ipc_kmsg *answer_or_count(struct ipc_kmsg *request)
{
    struct ipc_kmsg *reply;
    struct ipc_port *port;
    unsigned type;

    if (ipc_kmsg_header(request)->msgh_id == MACH_NOTIFY_NO_SENDERS) {
        return count_messages(request);
    }
    reply = ipc_kmsg_alloc(48, 0);
    port = ipc_kmsg_take_local(request, &type);
    ipc_kmsg_set_remote(reply, port, type);
    ipc_kmsg_header(reply)->msgh_id = ipc_kmsg_header(request)->msgh_id + 100;
    ipc_kmsg_destroy(request);
    return reply;
}

static void reply_of_one_kernel_object_forges_no_notification_to_another(void **state)
{
    struct ipc_port *one = ipc_port_alloc_kernel(KOBJECT_HOST, NULL);
    struct ipc_port *other = ipc_port_alloc_kernel(KOBJECT_HARDWARE, NULL);
    mach_port_name_t send;
    mach_port_name_t reply;
    struct sim_msg msg;

    (void)state;
    served = 0;
    served_from_kernel = true;
    sim_kobject = answer_or_count;
    ipc_space_copyout_right(sim_space(), ipc_port_make_send(one), MACH_MSG_TYPE_PORT_SEND, &send);
    ipc_space_copyout_right(sim_space(), ipc_port_make_send(other), MACH_MSG_TYPE_PORT_SEND,
                            &reply);
    sim_message(&msg, MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, MACH_MSG_TYPE_COPY_SEND), send,
                reply);
    msg.header.msgh_id = MACH_NOTIFY_NO_SENDERS - 100;
    assert_int_equal(sim_send(&msg, 32, 0, 0), MACH_MSG_SUCCESS);
    assert_int_equal(served, 1);
    assert_false(served_from_kernel);
    ipc_port_destroy_kernel(one);
    ipc_port_destroy_kernel(other);
}

static void notification_without_memory_loses_no_right(void **state)
{
    mach_port_name_t name = sim_receive_right();
    mach_port_name_t told = sim_receive_right();

    (void)state;
    sim_add_send(name, 1);
    sim_request(name, MACH_NOTIFY_NO_SENDERS, 1, told);
    sim_fail_alloc_after = 0;
    mach_port_deallocate(sim_space(), name);
    sim_fail_alloc_after = -1;
    sim_expect_balanced();
}

int ipc_test_notify(struct ipc_test *tests)
{
    static const struct ipc_test list[] = {
        IPC_TEST(no_senders_comes_with_the_make_send_count),
        IPC_TEST(no_senders_comes_at_once_when_the_count_is_there),
        IPC_TEST(second_request_returns_the_first),
        IPC_TEST(request_notification_refuses_what_it_must),
        IPC_TEST(dead_name_comes_when_the_port_dies_with_a_reference),
        IPC_TEST(dead_name_comes_at_once_for_a_dead_name_when_asked),
        IPC_TEST(dead_name_comes_when_own_receive_right_goes),
        IPC_TEST(port_deleted_comes_when_a_watched_name_goes),
        IPC_TEST(renamed_name_is_told_by_its_new_name),
        IPC_TEST(cancelling_send_drops_the_request_silently),
        IPC_TEST(port_destroyed_hands_the_receive_right_over),
        IPC_TEST(send_once_right_destroyed_unused_tells_its_receiver),
        IPC_TEST(notification_layout_has_no_stale_bytes),
        IPC_TEST(forced_message_is_announced_when_received),
        IPC_TEST(forced_message_whose_name_goes_is_port_deleted),
        IPC_TEST(receive_can_watch_the_reply_right),
        IPC_TEST(receive_with_a_bad_notify_argument_says_so),
        IPC_TEST(kernel_objects_can_tell_forged_notifications),
        IPC_TEST(reply_of_one_kernel_object_forges_no_notification_to_another),
        IPC_TEST(notification_without_memory_loses_no_right),
    };

    memcpy(tests, list, sizeof(list));
    return (int)(sizeof(list) / sizeof(list[0]));
}
