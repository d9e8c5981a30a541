/* ipc_state_test.c - names in great number, what the debug interface says of a port, and replies of
 * the kernel that cannot come the short way. */
#include <mach/notify.h>
#include <mach.h>
#include <mach_debug.h>
#include <mach_port.h>

#include "lib/ipc.h"

#define MANY      2500 /* more than the first page of the table from ports to names holds */
#define SOME      97
#define FIRST_FAR 0x100
#define ASKED     3201 /* mach_port_type, and */
#define TOLD      3301 /*   its reply */

static struct ipc_message in;
static mach_port_t many[MANY];

static mach_port_t self(void)
{
    return mach_task_self();
}

/* A second send right to a port comes to the name the task has for it. */
static void expect_known(mach_port_t port)
{
    mach_msg_type_name_t type;
    mach_port_t copy = MACH_PORT_NULL;

    CHECK_EQ(mach_port_extract_right(self(), port, MACH_MSG_TYPE_COPY_SEND, &copy, &type),
             KERN_SUCCESS);
    CHECK_EQ(copy, port);
    CHECK_EQ(mach_port_deallocate(self(), copy), KERN_SUCCESS);
}

/* A send right to a port whose receive right another task has. */
static mach_port_t far_port(mach_port_t task, mach_port_t name)
{
    mach_port_t port = test_port();

    CHECK_EQ(mach_port_insert_right(task, name, port, MACH_MSG_TYPE_MOVE_RECEIVE), KERN_SUCCESS);
    return port;
}

TEST(each_of_many_ports_is_found_under_its_one_name)
{
    mach_port_t task = MACH_PORT_NULL;

    CHECK_EQ(task_create(self(), FALSE, &task), KERN_SUCCESS);
    for (unsigned i = 0; i < MANY; i++) {
        many[i] = far_port(task, FIRST_FAR + i);
    }
    for (unsigned i = 0; i < MANY; i += SOME) {
        expect_known(many[i]);
    }
    for (unsigned i = 0; i < MANY; i += 2) {
        CHECK_EQ(mach_port_deallocate(self(), many[i]), KERN_SUCCESS);
    }
    for (unsigned i = 1; i < MANY; i += 2) {
        if (i % SOME == 0) {
            expect_known(many[i]);
        }
        CHECK_EQ(mach_port_deallocate(self(), many[i]), KERN_SUCCESS);
    }
    CHECK_EQ(task_terminate(task), KERN_SUCCESS);
    ipc_drop(task);
}

TEST(the_debug_interface_counts_send_rights_and_requests)
{
    mach_port_t port = test_port(), notify = ipc_receive_right(), previous;
    mach_port_rights_t rights = 0;
    unsigned total = 0, used = 0;

    CHECK_EQ(mach_port_get_srights(self(), port, &rights), KERN_SUCCESS);
    CHECK_EQ(rights, 1);
    CHECK_EQ(mach_port_dnrequest_info(self(), port, &total, &used), KERN_SUCCESS);
    CHECK_EQ(used, 0);
    CHECK_EQ(mach_port_request_notification(self(), port, MACH_NOTIFY_DEAD_NAME, 0, notify,
                                            MACH_MSG_TYPE_MAKE_SEND_ONCE, &previous),
             KERN_SUCCESS);
    CHECK_EQ(mach_port_dnrequest_info(self(), port, &total, &used), KERN_SUCCESS);
    CHECK_EQ(used, 1);
    CHECK(total >= used);
    ipc_drop(port);
    ipc_drop(notify);
}

TEST(the_debug_interface_tells_a_kernel_object_from_a_port)
{
    mach_port_t port = test_port(), set = ipc_set();
    vm_offset_t address = 1;
    unsigned own = 0, task = 0;

    CHECK_EQ(mach_port_kernel_object(self(), port, &own, &address), KERN_SUCCESS);
    CHECK_EQ(address, 0);
    CHECK_EQ(mach_port_kernel_object(self(), self(), &task, &address), KERN_SUCCESS);
    CHECK(task != own);
    CHECK_EQ(mach_port_kernel_object(self(), set, &task, &address), KERN_INVALID_RIGHT);
    ipc_drop(port);
    ipc_drop(set);
}

/* Call mach_port_type about the task's own port; receive from `reply` in the same trap. */
static mach_msg_return_t ask(mach_port_t reply, uint32_t rcv_size)
{
    struct {
        mach_msg_type_t type;
        uint32_t name, pad;
    } item = {.type = {.msgt_name = MACH_MSG_TYPE_PORT_NAME,
                       .msgt_size = 32,
                       .msgt_inline = 1,
                       .msgt_number = 1},
              .name = self()};

    ipc_begin(&in, self(), MACH_MSG_TYPE_COPY_SEND, ASKED);
    ipc_add_bytes(&in, &item, sizeof(item));
    in.head.msgh_bits |= MACH_MSGH_BITS(0, MACH_MSG_TYPE_MAKE_SEND_ONCE);
    in.head.msgh_local_port = reply;
    return mach_msg_trap(&in.head, MACH_SEND_MSG | MACH_RCV_MSG, in.head.msgh_size, rcv_size, reply,
                         0, 0);
}

TEST(a_reply_of_the_kernel_queues_behind_what_is_there)
{
    mach_port_t reply = test_port();

    CHECK_EQ(test_send(reply, 0, 31, 0, 0), MACH_MSG_SUCCESS);
    CHECK_EQ(ask(reply, sizeof(in)), MACH_MSG_SUCCESS);
    CHECK_EQ(in.head.msgh_id, 31);
    CHECK_EQ(ipc_receive(reply, &in, 0, 0), MACH_MSG_SUCCESS);
    CHECK_EQ(in.head.msgh_id, TOLD);
    CHECK_EQ(MACH_MSGH_BITS_LOCAL(in.head.msgh_bits), MACH_MSG_TYPE_PORT_SEND_ONCE);
    CHECK_EQ(ask(reply, sizeof(in)), MACH_MSG_SUCCESS);
    CHECK_EQ(in.head.msgh_id, TOLD);
    ipc_drop(reply);
}

TEST(a_reply_of_the_kernel_too_long_for_the_buffer_is_destroyed)
{
    mach_port_t reply = ipc_receive_right();

    CHECK_EQ(ask(reply, sizeof(mach_msg_header_t)), MACH_RCV_TOO_LARGE);
    CHECK_EQ(ipc_status(reply).mps_msgcount, 0);
    CHECK_EQ(ipc_status(reply).mps_sorights, 0);
    ipc_drop(reply);
}

TEST(a_reply_of_the_kernel_carries_the_payload_of_its_port)
{
    mach_port_t reply = ipc_receive_right();

    CHECK_EQ(mach_port_set_protected_payload(self(), reply, 0x123456789abcul), KERN_SUCCESS);
    CHECK_EQ(ask(reply, sizeof(in)), MACH_MSG_SUCCESS);
    CHECK_EQ(in.head.msgh_id, TOLD);
    CHECK_EQ(MACH_MSGH_BITS_LOCAL(in.head.msgh_bits), MACH_MSG_TYPE_PROTECTED_PAYLOAD);
    CHECK_EQ(in.head.msgh_protected_payload, 0x123456789abcul);
    ipc_drop(reply);
}
