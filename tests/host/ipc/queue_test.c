/* queue_test.c - queues: order, limits, waiting senders and receivers, handoff, sets, port death,
 * kernel objects. */
#include "ipc_test.h"

struct call {
    struct sim_msg msg;
    uint32_t option;
    uint32_t send_size;
    uint32_t rcv_size;
    mach_port_name_t rcv_name;
    uint32_t timeout;
};

static uint64_t trap(void *argument)
{
    struct call *call = argument;

    return (uint64_t)(int64_t)sim_trap(&call->msg, call->option, call->send_size, call->rcv_size,
                                       call->rcv_name, call->timeout, NAME_NULL);
}

static struct thread *receiver(struct call *call, mach_port_name_t name, uint32_t option)
{
    struct thread *thread;

    *call = (struct call){.option = MACH_RCV_MSG | option,
                          .rcv_size = sizeof(call->msg),
                          .rcv_name = name,
                          .timeout = 50};
    thread = sim_spawn(sim_task, trap, call);
    sim_run(thread);
    return thread;
}

static struct thread *sender(struct call *call, mach_port_name_t dest, int32_t id, uint32_t option)
{
    struct thread *thread;

    *call = (struct call){.option = MACH_SEND_MSG | option, .send_size = 32, .timeout = 50};
    sim_message(&call->msg, MACH_MSGH_BITS(MACH_MSG_TYPE_MAKE_SEND, 0), dest, NAME_NULL);
    call->msg.header.msgh_id = id;
    thread = sim_spawn(sim_task, trap, call);
    sim_run(thread);
    return thread;
}

static int32_t next_id(mach_port_name_t name)
{
    struct sim_msg msg;

    return sim_receive(&msg, sizeof(msg), name, 0) == MACH_MSG_SUCCESS ? msg.header.msgh_id : -1;
}

static void messages_come_in_order_with_numbers(void **state)
{
    mach_port_name_t name = sim_receive_right();
    struct sim_msg msg;
    int i;

    (void)state;
    for (i = 0; i < 5; i++) {
        assert_int_equal(sim_post(name, 100 + i), MACH_MSG_SUCCESS);
    }
    for (i = 0; i < 5; i++) {
        assert_int_equal(sim_receive(&msg, sizeof(msg), name, 0), MACH_MSG_SUCCESS);
        assert_int_equal(msg.header.msgh_id, 100 + i);
        assert_int_equal(msg.header.msgh_seqno, i);
    }
    mach_port_set_seqno(sim_space(), name, 500);
    sim_post(name, 1);
    sim_receive(&msg, sizeof(msg), name, 0);
    assert_int_equal(msg.header.msgh_seqno, 500);
}

static void full_queue_refuses_and_gives_the_message_back(void **state)
{
    struct task *owner = sim_task_create();
    mach_port_name_t other;
    mach_port_name_t send = sim_foreign_right(owner, MACH_MSG_TYPE_PORT_SEND, &other);
    mach_port_name_t reply = sim_receive_right();
    struct sim_msg msg;
    int i;

    (void)state;
    for (i = 0; i < 6; i++) {
        sim_message(&msg, MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, MACH_MSG_TYPE_MAKE_SEND), send,
                    reply);
        assert_int_equal(sim_send(&msg, 32, MACH_SEND_TIMEOUT, 0),
                         i < 5 ? MACH_MSG_SUCCESS : MACH_SEND_TIMED_OUT);
    }
    assert_int_equal(msg.header.msgh_remote_port, send);
    assert_int_equal(msg.header.msgh_local_port, reply);
    assert_int_equal(sim_urefs(send, MACH_PORT_RIGHT_SEND), 2);
    assert_int_equal(sim_type(reply), MACH_PORT_TYPE_SEND_RECEIVE);
    sim_expect_balanced();
}

static void moved_rights_of_a_refused_message_come_back(void **state)
{
    mach_port_name_t dest = sim_receive_right();
    mach_port_name_t moved = sim_receive_right();
    struct sim_msg msg;

    (void)state;
    mach_port_set_qlimit(sim_space(), dest, 0);
    sim_message(&msg, MACH_MSGH_BITS(MACH_MSG_TYPE_MAKE_SEND, 0) | MACH_MSGH_BITS_COMPLEX, dest,
                NAME_NULL);
    msg.body[0] =
        sim_type_word((struct sim_descriptor){MACH_MSG_TYPE_MOVE_RECEIVE, 64, 1, true, false});
    msg.body[1] = moved;
    assert_int_equal(sim_send(&msg, 48, MACH_SEND_TIMEOUT, 0), MACH_SEND_TIMED_OUT);
    assert_int_equal(sim_type((uint32_t)msg.body[1]), MACH_PORT_TYPE_RECEIVE);
    assert_null(sim_port((uint32_t)msg.body[1])->destination);
    sim_expect_balanced();
}

static void send_once_messages_ignore_the_limit(void **state)
{
    mach_port_name_t name = sim_receive_right();
    struct sim_msg msg;

    (void)state;
    mach_port_set_qlimit(sim_space(), name, 0);
    sim_message(&msg, MACH_MSGH_BITS(MACH_MSG_TYPE_MAKE_SEND_ONCE, 0), name, NAME_NULL);
    assert_int_equal(sim_send(&msg, 32, MACH_SEND_TIMEOUT, 0), MACH_MSG_SUCCESS);
    assert_int_equal(sim_post(name, 1), MACH_SEND_TIMED_OUT);
}

static void waiting_senders_are_served_in_order(void **state)
{
    mach_port_name_t name = sim_receive_right();
    struct call calls[3];
    struct thread *threads[3];
    int i;

    (void)state;
    mach_port_set_qlimit(sim_space(), name, 1);
    sim_post(name, 1);
    for (i = 0; i < 3; i++) {
        threads[i] = sender(&calls[i], name, 2 + i, 0);
        assert_true(sim_is_blocked(threads[i]));
    }
    for (i = 0; i < 4; i++) {
        assert_int_equal(next_id(name), 1 + i);
        sim_run_all();
        assert_int_equal(sim_is_done(threads[0]), i >= 0);
        assert_int_equal(sim_is_done(threads[2]), i >= 2);
    }
    assert_int_equal((int32_t)threads[2]->result, MACH_MSG_SUCCESS);
    sim_expect_balanced();
}

static void higher_limit_lets_waiting_senders_in(void **state)
{
    mach_port_name_t name = sim_receive_right();
    struct call calls[2];
    struct thread *first;
    struct thread *second;

    (void)state;
    mach_port_set_qlimit(sim_space(), name, 0);
    first = sender(&calls[0], name, 1, 0);
    second = sender(&calls[1], name, 2, 0);
    mach_port_set_qlimit(sim_space(), name, 1);
    sim_run_all();
    assert_true(sim_is_done(first));
    assert_true(sim_is_blocked(second));
    assert_int_equal(next_id(name), 1);
    assert_int_equal(next_id(name), 2);
}

static void waiting_sender_times_out_or_is_interrupted(void **state)
{
    mach_port_name_t name = sim_receive_right();
    struct call calls[2];
    struct thread *first;
    struct thread *second;

    (void)state;
    mach_port_set_qlimit(sim_space(), name, 0);
    first = sender(&calls[0], name, 1, MACH_SEND_TIMEOUT);
    second = sender(&calls[1], name, 2, 0);
    assert_true(first->deadline_ns != 0);
    assert_true(second->deadline_ns == 0);
    sim_end_wait(first, WAIT_TIMED_OUT);
    sim_end_wait(second, WAIT_INTERRUPTED);
    assert_int_equal((int32_t)first->result, MACH_SEND_TIMED_OUT);
    assert_int_equal((int32_t)second->result, MACH_SEND_INTERRUPTED);
    assert_int_equal(sim_task->ledger.used[LEDGER_KMSG_BYTES], 0);
    sim_expect_balanced();
}

static void port_death_lets_waiting_senders_go_with_success(void **state)
{
    mach_port_name_t name = sim_receive_right();
    struct call call;
    struct thread *thread;

    (void)state;
    mach_port_set_qlimit(sim_space(), name, 0);
    thread = sender(&call, name, 1, 0);
    mach_port_destroy(sim_space(), name);
    sim_run_all();
    assert_int_equal((int32_t)thread->result, MACH_MSG_SUCCESS);
    assert_int_equal(ipc_kmsg_live_count(), 0);
}

static void waiting_receiver_takes_the_message_without_a_queue(void **state)
{
    mach_port_name_t name = sim_receive_right();
    struct call call;
    struct thread *thread = receiver(&call, name, 0);
    mach_port_status_t status;

    (void)state;
    assert_true(sim_is_blocked(thread));
    assert_int_equal(sim_post(name, 7), MACH_MSG_SUCCESS);
    mach_port_get_receive_status(sim_space(), name, &status);
    assert_int_equal(status.mps_msgcount, 0);
    sim_run_all();
    assert_int_equal((int32_t)thread->result, MACH_MSG_SUCCESS);
    assert_true(thread->used_continuation);
    assert_int_equal(call.msg.header.msgh_id, 7);
}

static void receivers_are_served_in_order(void **state)
{
    mach_port_name_t name = sim_receive_right();
    struct call calls[3];
    int i;

    (void)state;
    for (i = 0; i < 3; i++) {
        receiver(&calls[i], name, 0);
    }
    for (i = 0; i < 3; i++) {
        sim_post(name, i + 1);
    }
    sim_run_all();
    for (i = 0; i < 3; i++) {
        assert_int_equal(calls[i].msg.header.msgh_id, i + 1);
        assert_int_equal(calls[i].msg.header.msgh_seqno, i);
    }
}

static void receiver_with_a_small_buffer_and_large_is_passed_over(void **state)
{
    mach_port_name_t name = sim_receive_right();
    struct call small = {.option = MACH_RCV_MSG | MACH_RCV_LARGE, .rcv_size = 40, .rcv_name = name};
    struct call large;
    struct thread *first = sim_spawn(sim_task, trap, &small);
    struct thread *second;
    struct sim_msg msg;

    (void)state;
    sim_run(first);
    second = receiver(&large, name, 0);
    sim_message(&msg, MACH_MSGH_BITS(MACH_MSG_TYPE_MAKE_SEND, 0), name, NAME_NULL);
    assert_int_equal(sim_send(&msg, 64, 0, 0), MACH_MSG_SUCCESS);
    sim_run_all();
    assert_int_equal((int32_t)first->result, MACH_RCV_TOO_LARGE);
    assert_int_equal(small.msg.header.msgh_size, 64);
    assert_int_equal((int32_t)second->result, MACH_MSG_SUCCESS);
}

static void receiver_times_out_or_is_interrupted(void **state)
{
    mach_port_name_t name = sim_receive_right();
    struct call calls[2];
    struct thread *first = receiver(&calls[0], name, MACH_RCV_TIMEOUT);
    struct thread *second = receiver(&calls[1], name, 0);
    struct sim_msg msg;

    (void)state;
    sim_end_wait(first, WAIT_TIMED_OUT);
    sim_end_wait(second, WAIT_INTERRUPTED);
    assert_int_equal((int32_t)first->result, MACH_RCV_TIMED_OUT);
    assert_int_equal((int32_t)second->result, MACH_RCV_INTERRUPTED);
    assert_int_equal(sim_post(name, 1), MACH_MSG_SUCCESS);
    assert_int_equal(sim_trap(&msg, MACH_RCV_MSG | MACH_RCV_TIMEOUT, 0, sizeof(msg), name, 5, 0),
                     MACH_MSG_SUCCESS);
    assert_int_equal(sim_trap(&msg, MACH_RCV_MSG | MACH_RCV_TIMEOUT, 0, sizeof(msg), name, 5, 0),
                     MACH_RCV_TIMED_OUT);
}

static void receive_needs_a_receive_right_or_set(void **state)
{
    struct task *owner = sim_task_create();
    mach_port_name_t other;
    mach_port_name_t send = sim_foreign_right(owner, MACH_MSG_TYPE_PORT_SEND, &other);
    mach_port_name_t member = sim_receive_right();
    struct sim_msg msg;

    (void)state;
    assert_int_equal(sim_receive(&msg, sizeof(msg), 99, 0), MACH_RCV_INVALID_NAME);
    assert_int_equal(sim_receive(&msg, sizeof(msg), send, 0), MACH_RCV_INVALID_NAME);
    mach_port_move_member(sim_space(), member, sim_port_set());
    assert_int_equal(sim_receive(&msg, sizeof(msg), member, 0), MACH_RCV_IN_SET);
}

static void port_death_wakes_receivers(void **state)
{
    mach_port_name_t name = sim_receive_right();
    struct call calls[2];
    struct thread *first = receiver(&calls[0], name, 0);
    struct thread *second = receiver(&calls[1], name, 0);

    (void)state;
    mach_port_destroy(sim_space(), name);
    sim_run_all();
    assert_int_equal((int32_t)first->result, MACH_RCV_PORT_DIED);
    assert_int_equal((int32_t)second->result, MACH_RCV_PORT_DIED);
}

static void moved_receive_right_and_joining_a_set_wake_receivers(void **state)
{
    mach_port_name_t name = sim_receive_right();
    mach_port_name_t second_name = sim_receive_right();
    struct call calls[2];
    struct thread *first = receiver(&calls[0], name, 0);
    struct thread *second = receiver(&calls[1], second_name, 0);
    struct ipc_port *port;

    (void)state;
    assert_int_equal(ipc_space_copyin_right(sim_space(), name, MACH_MSG_TYPE_MOVE_RECEIVE, &port),
                     KERN_SUCCESS);
    mach_port_move_member(sim_space(), second_name, sim_port_set());
    sim_run_all();
    assert_int_equal((int32_t)first->result, MACH_RCV_PORT_CHANGED);
    assert_int_equal((int32_t)second->result, MACH_RCV_PORT_CHANGED);
    ipc_port_release_right(port, MACH_MSG_TYPE_PORT_RECEIVE);
}

static void set_serves_its_members_in_turn(void **state)
{
    mach_port_name_t set = sim_port_set();
    mach_port_name_t members[3];
    int i;
    int j;

    (void)state;
    for (i = 0; i < 3; i++) {
        members[i] = sim_receive_right();
        mach_port_move_member(sim_space(), members[i], set);
        for (j = 0; j < 3; j++) {
            sim_post(members[i], 10 * i + j);
        }
    }
    for (j = 0; j < 3; j++) {
        for (i = 0; i < 3; i++) {
            assert_int_equal(next_id(set), 10 * i + j);
        }
    }
    assert_int_equal(next_id(set), -1);
}

static void set_receivers_take_from_any_member(void **state)
{
    mach_port_name_t set = sim_port_set();
    mach_port_name_t members[2] = {sim_receive_right(), sim_receive_right()};
    struct call calls[2];

    (void)state;
    mach_port_move_member(sim_space(), members[0], set);
    receiver(&calls[0], set, 0);
    receiver(&calls[1], set, 0);
    sim_post(members[1], 21);
    mach_port_move_member(sim_space(), members[1], set);
    sim_post(members[0], 22);
    sim_run_all();
    assert_int_equal(calls[0].msg.header.msgh_id, 21);
    assert_int_equal(calls[0].msg.header.msgh_local_port, members[1]);
    assert_int_equal(calls[1].msg.header.msgh_id, 22);
}

static void large_message_stays_in_a_set(void **state)
{
    mach_port_name_t set = sim_port_set();
    mach_port_name_t member = sim_receive_right();
    struct sim_msg msg;

    (void)state;
    mach_port_move_member(sim_space(), member, set);
    sim_message(&msg, MACH_MSGH_BITS(MACH_MSG_TYPE_MAKE_SEND, 0), member, NAME_NULL);
    sim_send(&msg, 128, 0, 0);
    assert_int_equal(sim_receive(&msg, 64, set, MACH_RCV_LARGE), MACH_RCV_TOO_LARGE);
    assert_int_equal(sim_receive(&msg, 128, set, MACH_RCV_LARGE), MACH_MSG_SUCCESS);
}

static void member_leaves_with_its_messages(void **state)
{
    mach_port_name_t set = sim_port_set();
    mach_port_name_t member = sim_receive_right();

    (void)state;
    mach_port_move_member(sim_space(), member, set);
    sim_post(member, 3);
    assert_int_equal(mach_port_move_member(sim_space(), member, NAME_NULL), KERN_SUCCESS);
    assert_int_equal(next_id(set), -1);
    assert_int_equal(next_id(member), 3);
    assert_int_equal(mach_port_move_member(sim_space(), member, NAME_NULL), KERN_NOT_IN_SET);
}

static void move_member_refuses_what_it_must(void **state)
{
    mach_port_name_t set = sim_port_set();
    mach_port_name_t member = sim_receive_right();
    struct vm_copy *copy;
    uint32_t count;

    (void)state;
    assert_int_equal(mach_port_move_member(sim_space(), 99, set), KERN_INVALID_NAME);
    assert_int_equal(mach_port_move_member(sim_space(), set, set), KERN_INVALID_RIGHT);
    assert_int_equal(mach_port_move_member(sim_space(), member, 99), KERN_INVALID_NAME);
    assert_int_equal(mach_port_move_member(sim_space(), member, member), KERN_INVALID_RIGHT);
    assert_int_equal(mach_port_move_member(sim_space(), member, set), KERN_SUCCESS);
    assert_int_equal(mach_port_move_member(sim_space(), member, set), KERN_SUCCESS);
    assert_int_equal(mach_port_get_set_status(sim_space(), member, &copy, &count),
                     KERN_INVALID_RIGHT);
    assert_int_equal(mach_port_get_set_status(sim_space(), 99, &copy, &count), KERN_INVALID_NAME);
}

static void set_status_names_all_members(void **state)
{
    mach_port_name_t set = sim_port_set();
    mach_port_name_t names[2000];
    mach_port_name_t got[2000];
    mach_port_status_t status;
    struct vm_copy *copy;
    uint32_t count;
    int i;

    (void)state;
    for (i = 0; i < 2000; i++) {
        names[i] = sim_receive_right();
        assert_int_equal(mach_port_move_member(sim_space(), names[i], set), KERN_SUCCESS);
    }
    assert_int_equal(mach_port_get_set_status(sim_space(), set, &copy, &count), KERN_SUCCESS);
    assert_int_equal(count, 2000);
    vm_copy_read(copy, 0, got, sizeof(got));
    assert_memory_equal(got, names, sizeof(names));
    vm_copy_discard(copy);
    mach_port_get_receive_status(sim_space(), names[5], &status);
    assert_int_equal(status.mps_pset, set);
    assert_int_equal(mach_port_destroy(sim_space(), set), KERN_SUCCESS);
    mach_port_get_receive_status(sim_space(), names[5], &status);
    assert_int_equal(status.mps_pset, NAME_NULL);
}

static void set_death_wakes_its_receivers(void **state)
{
    mach_port_name_t set = sim_port_set();
    struct call call;
    struct thread *thread = receiver(&call, set, 0);

    (void)state;
    mach_port_destroy(sim_space(), set);
    sim_run_all();
    assert_int_equal((int32_t)thread->result, MACH_RCV_PORT_DIED);
}

/* A server that answers every request on its port. */
static uint64_t echo(void *argument)
{
    struct call *call = argument;
    mach_msg_return_t mr =
        sim_trap(&call->msg, MACH_RCV_MSG, 0, sizeof(call->msg), call->rcv_name, 0, NAME_NULL);

    return (uint64_t)(int64_t)mr;
}

static void call_runs_the_waiting_server_by_handoff(void **state)
{
    mach_port_name_t name = sim_receive_right();
    mach_port_name_t reply = sim_receive_right();
    struct call server = {.rcv_name = name};
    struct call client = {.option = MACH_SEND_MSG | MACH_RCV_MSG,
                          .send_size = 32,
                          .rcv_size = sizeof(client.msg),
                          .rcv_name = reply};
    struct thread *server_thread = sim_spawn(sim_task, echo, &server);
    struct thread *client_thread = sim_spawn(sim_task, trap, &client);

    (void)state;
    sim_run(server_thread);
    sim_message(&client.msg, MACH_MSGH_BITS(MACH_MSG_TYPE_MAKE_SEND, MACH_MSG_TYPE_MAKE_SEND_ONCE),
                name, reply);
    client.msg.header.msgh_id = 5;
    sim_run(client_thread);
    assert_int_equal(sim_handoffs, 1);
    assert_true(sim_is_blocked(client_thread));
    sim_run_all();
    assert_true(sim_is_done(server_thread));
    sim_message(&server.msg, MACH_MSGH_BITS(MACH_MSG_TYPE_MOVE_SEND_ONCE, 0),
                server.msg.header.msgh_remote_port, NAME_NULL);
    server.msg.header.msgh_id = 105;
    assert_int_equal(sim_send(&server.msg, 32, 0, 0), MACH_MSG_SUCCESS);
    sim_run_all();
    assert_int_equal((int32_t)client_thread->result, MACH_MSG_SUCCESS);
    assert_int_equal(client.msg.header.msgh_id, 105);
    sim_expect_balanced();
}

static void call_with_a_bad_receive_name_still_runs_the_server(void **state)
{
    mach_port_name_t name = sim_receive_right();
    struct call server = {.rcv_name = name};
    struct thread *thread = sim_spawn(sim_task, echo, &server);
    struct sim_msg msg;

    (void)state;
    sim_run(thread);
    sim_message(&msg, MACH_MSGH_BITS(MACH_MSG_TYPE_MAKE_SEND, 0), name, NAME_NULL);
    assert_int_equal(sim_trap(&msg, MACH_SEND_MSG | MACH_RCV_MSG, 32, sizeof(msg), 99, 0, 0),
                     MACH_RCV_INVALID_NAME);
    sim_run_all();
    assert_true(sim_is_done(thread));
}

/* A kernel object that answers with id + 100 and takes nothing. */
static struct ipc_kmsg *answer(struct ipc_kmsg *request)
{
    struct ipc_kmsg *reply = ipc_kmsg_alloc(48, 0);
    unsigned type;
    struct ipc_port *port = ipc_kmsg_take_local(request, &type);

    ipc_kmsg_set_remote(reply, port, type);
    ipc_kmsg_header(reply)->msgh_id = ipc_kmsg_header(request)->msgh_id + 100;
    ipc_kmsg_destroy(request);
    return reply;
}

static mach_port_name_t kernel_right(struct ipc_port **port)
{
    mach_port_name_t name;

    *port = ipc_port_alloc_kernel(KOBJECT_HOST, NULL);
    ipc_space_copyout_right(sim_space(), ipc_port_make_send(*port), MACH_MSG_TYPE_PORT_SEND, &name);
    sim_kobject = answer;
    return name;
}

static void reply_of_a_kernel_object_comes_without_queueing(void **state)
{
    struct ipc_port *port;
    mach_port_name_t object = kernel_right(&port);
    mach_port_name_t reply = sim_receive_right();
    struct sim_msg msg;

    (void)state;
    sim_message(&msg, MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, MACH_MSG_TYPE_MAKE_SEND_ONCE), object,
                reply);
    msg.header.msgh_id = 2000;
    assert_int_equal(sim_trap(&msg, MACH_SEND_MSG | MACH_RCV_MSG, 32, sizeof(msg), reply, 0, 0),
                     MACH_MSG_SUCCESS);
    assert_int_equal(msg.header.msgh_id, 2100);
    assert_int_equal(msg.header.msgh_size, 48);
    assert_int_equal(msg.header.msgh_local_port, reply);
    assert_true(msg.body[0] == 0 && msg.body[1] == 0);
    sim_expect_balanced();
    ipc_port_destroy_kernel(port);
}

static void reply_of_a_kernel_object_queues_behind_others(void **state)
{
    struct ipc_port *port;
    mach_port_name_t object = kernel_right(&port);
    mach_port_name_t reply = sim_receive_right();
    struct sim_msg msg;

    (void)state;
    sim_post(reply, 1);
    sim_message(&msg, MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, MACH_MSG_TYPE_MAKE_SEND_ONCE), object,
                reply);
    assert_int_equal(sim_trap(&msg, MACH_SEND_MSG | MACH_RCV_MSG, 32, sizeof(msg), reply, 0, 0),
                     MACH_MSG_SUCCESS);
    assert_int_equal(msg.header.msgh_id, 1);
    assert_int_equal(next_id(reply), 100);
    ipc_port_destroy_kernel(port);
}

static void kernel_reply_too_large_for_the_buffer_stays_queued(void **state)
{
    struct ipc_port *port;
    mach_port_name_t object = kernel_right(&port);
    mach_port_name_t reply = sim_receive_right();
    struct sim_msg msg;

    (void)state;
    sim_message(&msg, MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, MACH_MSG_TYPE_MAKE_SEND_ONCE), object,
                reply);
    assert_int_equal(
        sim_trap(&msg, MACH_SEND_MSG | MACH_RCV_MSG | MACH_RCV_LARGE, 32, 40, reply, 0, 0),
        MACH_RCV_TOO_LARGE);
    assert_int_equal(next_id(reply), 100);
    ipc_port_destroy_kernel(port);
}

static void message_to_a_dead_kernel_object_has_no_destination(void **state)
{
    struct ipc_port *port;
    mach_port_name_t object = kernel_right(&port);
    struct sim_msg msg;

    (void)state;
    ipc_port_destroy_kernel(port);
    sim_message(&msg, MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, 0), object, NAME_NULL);
    assert_int_equal(sim_send(&msg, 32, 0, 0), MACH_SEND_INVALID_DEST);
}

static void queued_messages_are_charged_until_received(void **state)
{
    mach_port_name_t name = sim_receive_right();
    uint64_t one;

    (void)state;
    sim_post(name, 1);
    one = sim_task->ledger.used[LEDGER_KMSG_BYTES];
    assert_true(one > 32);
    sim_task->ledger.limit[LEDGER_KMSG_BYTES] = 2 * one;
    assert_int_equal(sim_post(name, 2), MACH_MSG_SUCCESS);
    assert_int_equal(sim_post(name, 3), MACH_SEND_NO_BUFFER);
    assert_int_equal(next_id(name), 1);
    assert_int_equal(sim_post(name, 3), MACH_MSG_SUCCESS);
    sim_expect_balanced();
}

static void ended_task_leaves_its_messages_to_be_received(void **state)
{
    struct task *other = sim_task_create();
    mach_port_name_t name = sim_receive_right();
    struct ipc_port *port = ipc_port_make_send(sim_port(name));
    mach_port_name_t send;
    struct sim_msg msg;

    (void)state;
    sim_become(other);
    ipc_space_copyout_right(sim_space(), port, MACH_MSG_TYPE_PORT_SEND, &send);
    sim_message(&msg, MACH_MSGH_BITS(MACH_MSG_TYPE_MOVE_SEND, MACH_MSG_TYPE_MAKE_SEND), send,
                sim_receive_right());
    msg.header.msgh_id = 9;
    assert_int_equal(sim_send(&msg, 32, 0, 0), MACH_MSG_SUCCESS);
    sim_become(sim_task);
    sim_task_end(other);
    assert_int_equal(sim_receive(&msg, sizeof(msg), name, 0), MACH_MSG_SUCCESS);
    assert_int_equal(msg.header.msgh_id, 9);
    assert_int_equal(msg.header.msgh_remote_port, NAME_DEAD);
}

int ipc_test_queue(struct ipc_test *tests)
{
    static const struct ipc_test list[] = {
        IPC_TEST(messages_come_in_order_with_numbers),
        IPC_TEST(full_queue_refuses_and_gives_the_message_back),
        IPC_TEST(moved_rights_of_a_refused_message_come_back),
        IPC_TEST(send_once_messages_ignore_the_limit),
        IPC_TEST(waiting_senders_are_served_in_order),
        IPC_TEST(higher_limit_lets_waiting_senders_in),
        IPC_TEST(waiting_sender_times_out_or_is_interrupted),
        IPC_TEST(port_death_lets_waiting_senders_go_with_success),
        IPC_TEST(waiting_receiver_takes_the_message_without_a_queue),
        IPC_TEST(receivers_are_served_in_order),
        IPC_TEST(receiver_with_a_small_buffer_and_large_is_passed_over),
        IPC_TEST(receiver_times_out_or_is_interrupted),
        IPC_TEST(receive_needs_a_receive_right_or_set),
        IPC_TEST(port_death_wakes_receivers),
        IPC_TEST(moved_receive_right_and_joining_a_set_wake_receivers),
        IPC_TEST(set_serves_its_members_in_turn),
        IPC_TEST(set_receivers_take_from_any_member),
        IPC_TEST(large_message_stays_in_a_set),
        IPC_TEST(member_leaves_with_its_messages),
        IPC_TEST(move_member_refuses_what_it_must),
        IPC_TEST(set_status_names_all_members),
        IPC_TEST(set_death_wakes_its_receivers),
        IPC_TEST(call_runs_the_waiting_server_by_handoff),
        IPC_TEST(call_with_a_bad_receive_name_still_runs_the_server),
        IPC_TEST(reply_of_a_kernel_object_comes_without_queueing),
        IPC_TEST(reply_of_a_kernel_object_queues_behind_others),
        IPC_TEST(kernel_reply_too_large_for_the_buffer_stays_queued),
        IPC_TEST(message_to_a_dead_kernel_object_has_no_destination),
        IPC_TEST(queued_messages_are_charged_until_received),
        IPC_TEST(ended_task_leaves_its_messages_to_be_received),
    };

    memcpy(tests, list, sizeof(list));
    return (int)(sizeof(list) / sizeof(list[0]));
}
