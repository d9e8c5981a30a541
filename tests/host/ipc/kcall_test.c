/* kcall_test.c - calls of kernel objects served in place (kernel/ipc/ipc_kcall.c). */
#include <mach/mig_errors.h>

#include "ipc/ipc_kcall.h"
#include "ipc/ipc_kmsg.h"
#include "ipc/ipc_port.h"
#include "ipc/mach_port.h"
#include "ipc_test.h"
#include "kern/kobject.h"

#define CALL_BITS MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, MACH_MSG_TYPE_MAKE_SEND_ONCE)
#define ID        4711

static struct sim_msg buffer; /* the caller's */
static mach_port_name_t reply_name;
static mach_port_name_t kernel_name;
static struct ipc_port *kernel;
static int served_long; /* messages that came the long way */

/* Answers with the id plus 100 and the first word of the body, one more. */
static bool serve(struct ipc_kmsg *request, struct ipc_kmsg *reply)
{
    mach_msg_header_t *in = ipc_kmsg_header(request);
    mach_msg_header_t *out = ipc_kmsg_header(reply);

    assert_ptr_equal(ipc_kmsg_remote(request), kernel);
    assert_int_equal(in->msgh_size, 40);
    out->msgh_size = 48;
    out->msgh_id = in->msgh_id + 100;
    ((uint64_t *)(out + 1))[0] = ((uint64_t *)(in + 1))[0] + 1;
    ((uint64_t *)(out + 1))[1] = 0;
    return true;
}

static bool refuse(struct ipc_kmsg *request, struct ipc_kmsg *reply)
{
    (void)request;
    (void)reply;
    return false;
}

static bool serve_and_lose_the_port(struct ipc_kmsg *request, struct ipc_kmsg *reply)
{
    mach_port_destroy(sim_space(), reply_name);
    return serve(request, reply);
}

static bool serve_and_join_a_set(struct ipc_kmsg *request, struct ipc_kmsg *reply)
{
    assert_int_equal(mach_port_move_member(sim_space(), reply_name, sim_port_set()), KERN_SUCCESS);
    return serve(request, reply);
}

static bool serve_after_another_message(struct ipc_kmsg *request, struct ipc_kmsg *reply)
{
    assert_int_equal(sim_post(reply_name, 7), MACH_MSG_SUCCESS);
    return serve(request, reply);
}

static struct ipc_kmsg *count_long(struct ipc_kmsg *request)
{
    struct ipc_kmsg *reply = ipc_kmsg_alloc(48, 0);
    unsigned type;
    struct ipc_port *port = ipc_kmsg_take_local(request, &type);

    served_long += 1;
    ipc_kmsg_set_remote(reply, port, type);
    ipc_kmsg_header(reply)->msgh_id = ID + 200;
    ipc_kmsg_destroy(request);
    return reply;
}

/* As entry and fast path leave it: the header in the caller's buffer, the body read. */
static mach_msg_return_t call(bool (*plain)(struct ipc_kmsg *, struct ipc_kmsg *), user_addr_t msg,
                              uint32_t rcv_size)
{
    struct ipc_kcall_message request;
    struct ipc_thread *ipc = &current_thread()->ipc;
    struct ipc_port *reply_port;

    kernel = ipc_port_alloc_kernel(KOBJECT_HOST, NULL);
    reply_name = sim_receive_right();
    reply_port = sim_port(reply_name);
    ipc_space_copyout_right(sim_space(), ipc_port_make_send(kernel), MACH_MSG_TYPE_PORT_SEND,
                            &kernel_name);
    sim_message(&buffer, CALL_BITS, kernel_name, reply_name);
    buffer.header.msgh_id = ID;
    buffer.body[0] = 41;
    sim_kobject_plain = plain;
    sim_kobject = count_long;
    served_long = 0;
    ipc->msg = msg;
    ipc->rcv_size = rcv_size;
    request.body[0] = 41;
    ipc_port_ref(kernel);
    ipc_port_ref(reply_port);
    return ipc_kcall(&request, 40, ID, kernel, reply_port, reply_name);
}

static void end_call(void)
{
    ipc_port_destroy_kernel(kernel);
}

static void the_reply_of_a_plain_call_comes_in_place(void **state)
{
    (void)state;
    assert_int_equal(call(serve, (user_addr_t)&buffer, sizeof(buffer)), MACH_MSG_SUCCESS);
    assert_int_equal(served_long, 0);
    assert_int_equal(buffer.header.msgh_bits, MACH_MSGH_BITS(0, MACH_MSG_TYPE_PORT_SEND_ONCE));
    assert_int_equal(buffer.header.msgh_size, 48);
    assert_int_equal(buffer.header.msgh_remote_port, MACH_PORT_NAME_NULL);
    assert_int_equal(buffer.header.msgh_local_port, reply_name);
    assert_int_equal(buffer.header.msgh_id, ID + 100);
    assert_int_equal(buffer.body[0], 42);
    assert_int_equal(sim_port(reply_name)->seqno, 1);
    assert_int_equal(sim_port(reply_name)->sorights, 0);
    end_call();
}

static void a_plain_reply_carries_the_protected_payload(void **state)
{
    (void)state;
    assert_int_equal(call(serve, (user_addr_t)&buffer, sizeof(buffer)), MACH_MSG_SUCCESS);
    assert_int_equal(mach_port_set_protected_payload(sim_space(), reply_name, 0xabcdef0123ull),
                     KERN_SUCCESS);
    {
        struct ipc_kcall_message request;

        request.body[0] = 1;
        ipc_port_ref(kernel);
        ipc_port_ref(sim_port(reply_name));
        assert_int_equal(ipc_kcall(&request, 40, ID, kernel, sim_port(reply_name), reply_name),
                         MACH_MSG_SUCCESS);
    }
    assert_int_equal(buffer.header.msgh_bits, MACH_MSGH_BITS(0, MACH_MSG_TYPE_PROTECTED_PAYLOAD));
    assert_int_equal(buffer.header.msgh_protected_payload, 0xabcdef0123ull);
    assert_int_equal(buffer.header.msgh_seqno, 1);
    end_call();
}

static void what_is_not_plain_takes_the_long_way(void **state)
{
    (void)state;
    assert_int_equal(call(refuse, (user_addr_t)&buffer, sizeof(buffer)), MACH_MSG_SUCCESS);
    assert_int_equal(served_long, 1);
    assert_int_equal(buffer.header.msgh_id, ID + 200);
    end_call();
}

static void a_reply_behind_another_message_waits_its_turn(void **state)
{
    (void)state;
    assert_int_equal(call(serve_after_another_message, (user_addr_t)&buffer, sizeof(buffer)),
                     MACH_MSG_SUCCESS);
    assert_int_equal(buffer.header.msgh_id, 7);
    assert_int_equal(sim_receive(&buffer, sizeof(buffer), reply_name, MACH_RCV_TIMEOUT),
                     MACH_MSG_SUCCESS);
    assert_int_equal(buffer.header.msgh_id, ID + 100);
    assert_int_equal(buffer.header.msgh_bits, MACH_MSGH_BITS(0, MACH_MSG_TYPE_PORT_SEND_ONCE));
    assert_int_equal(buffer.body[0], 42);
    end_call();
}

static void a_reply_port_that_joins_a_set_keeps_the_reply(void **state)
{
    (void)state;
    assert_int_equal(call(serve_and_join_a_set, (user_addr_t)&buffer, sizeof(buffer)),
                     MACH_RCV_IN_SET);
    assert_int_equal(sim_port(reply_name)->msgcount, 1);
    end_call();
}

static void a_reply_to_a_port_that_is_gone_is_lost(void **state)
{
    (void)state;
    assert_int_equal(call(serve_and_lose_the_port, (user_addr_t)&buffer, sizeof(buffer)),
                     MACH_RCV_INVALID_NAME);
    end_call();
}

static void a_plain_reply_too_large_for_its_buffer_is_not_delivered(void **state)
{
    (void)state;
    assert_int_equal(call(serve, (user_addr_t)&buffer, 40), MACH_RCV_TOO_LARGE);
    assert_int_equal(sim_port(reply_name)->msgcount, 0);
    end_call();
}

static void a_plain_reply_into_the_kernel_half_is_refused(void **state)
{
    (void)state;
    assert_int_equal(call(serve, 0xffff800000000000ull, sizeof(buffer)), MACH_RCV_INVALID_DATA);
    end_call();
}

int ipc_test_kcall(struct ipc_test *tests)
{
    static const struct ipc_test list[] = {
        IPC_TEST(the_reply_of_a_plain_call_comes_in_place),
        IPC_TEST(a_plain_reply_carries_the_protected_payload),
        IPC_TEST(what_is_not_plain_takes_the_long_way),
        IPC_TEST(a_reply_behind_another_message_waits_its_turn),
        IPC_TEST(a_reply_port_that_joins_a_set_keeps_the_reply),
        IPC_TEST(a_reply_to_a_port_that_is_gone_is_lost),
        IPC_TEST(a_plain_reply_too_large_for_its_buffer_is_not_delivered),
        IPC_TEST(a_plain_reply_into_the_kernel_half_is_refused),
    };

    memcpy(tests, list, sizeof(list));
    return (int)(sizeof(list) / sizeof(list[0]));
}
