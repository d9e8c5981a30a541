/* kobject_test.c - messages to kernel objects, through the dispatcher and the generated stubs. */
#include <mach/host_info.h>
#include <mach/mig_errors.h>

#include "ddb/ktest.h"
#include "ddb/slab_debug.h"
#include "ipc/ipc_kmsg.h"
#include "ipc/ipc_port.h"
#include "kern/emulation.h"
#include "kern/host.h"
#include "kern/ipc_tt.h"
#include "kern/kobject.h"
#include "kern/string.h"
#include "kern/task.h"
#include "mach_kernel_server.h"

/* A request to a port (a send right, taken over) with a reply right to `reply`. */
static struct ipc_kmsg *test_request(struct ipc_port *to, struct ipc_port *reply, int32_t id,
                                     uint32_t size)
{
    struct ipc_kmsg *kmsg = ipc_kmsg_alloc(size, 0);
    mach_msg_header_t *header = ipc_kmsg_header(kmsg);

    ipc_kmsg_set_remote(kmsg, to, MACH_MSG_TYPE_PORT_SEND);
    ipc_kmsg_set_local(kmsg, ipc_port_make_sonce(reply), MACH_MSG_TYPE_PORT_SEND_ONCE);
    header->msgh_id = id;
    header->msgh_size = size;
    return kmsg;
}

static kern_return_t test_return_code(struct ipc_kmsg *reply)
{
    return ((mig_reply_error_t *)ipc_kmsg_header(reply))->RetCode;
}

static kern_return_t test_call(struct ipc_port *to, int32_t id, uint32_t size)
{
    struct ipc_port *reply_port = ipc_port_alloc_kernel(KOBJECT_NONE, NULL);
    struct ipc_kmsg *reply = ipc_kmsg_serve(test_request(to, reply_port, id, size));
    kern_return_t kr = reply != NULL ? test_return_code(reply) : -1;

    if (reply != NULL) {
        ipc_kmsg_destroy(reply);
    }
    ipc_port_destroy_kernel(reply_port);
    return kr;
}

KTEST(kobject, an_unknown_id_is_answered_with_bad_id)
{
    EXPECT_EQ(test_call(host_self_port(), 1, sizeof(mach_msg_header_t)), MIG_BAD_ID);
    EXPECT_EQ(test_call(host_self_port(), 2022, sizeof(mach_msg_header_t)), MIG_BAD_ID);
}

KTEST(kobject, a_request_of_the_wrong_size_is_answered_with_bad_arguments)
{
    EXPECT_EQ(test_call(host_self_port(), 2638, sizeof(mach_msg_header_t)), MIG_BAD_ARGUMENTS);
}

KTEST(kobject, a_request_without_a_reply_needs_no_memory_to_be_served)
{
    struct ipc_kmsg *kmsg;
    struct ipc_kmsg *reply;

    kmsg = ipc_kmsg_alloc(sizeof(mach_msg_header_t), 0);
    EXPECT_TRUE(kmsg != NULL);
    ipc_kmsg_header(kmsg)->msgh_id = 2094; /* memory_object_ready, too short: refused */
    ipc_kmsg_set_remote(kmsg, host_self_port(), MACH_MSG_TYPE_PORT_SEND);
    slab_debug_refuse(0);
    reply = kobject_server(kmsg);
    EXPECT_TRUE(reply == NULL);
    EXPECT_TRUE(slab_debug_is_refused()); /* nothing was asked for: the next is refused */
}

/* As on the stack of a call served in place. */
struct test_plain {
    struct ipc_kmsg kmsg;
    uint64_t body[32];
};

KTEST(kobject, a_reply_in_place_holds_nothing_from_before)
{
    struct ipc_port *host = host_self_port();
    struct test_plain request;
    struct test_plain reply;
    uint64_t stale = 0;

    memset(&reply, 0xa5, sizeof(reply));
    ipc_kmsg_setup(&request.kmsg, sizeof(mach_msg_header_t)); /* too short: an error comes back */
    ipc_kmsg_header(&request.kmsg)->msgh_id = 3201;           /* mach_port_type */
    ipc_kmsg_set_remote(&request.kmsg, host, MACH_MSG_TYPE_PORT_SEND);
    ipc_kmsg_setup(&reply.kmsg, sizeof(mach_msg_header_t) + sizeof(reply.body));
    EXPECT_TRUE(kobject_serve_plain(&request.kmsg, &reply.kmsg));
    EXPECT_EQ(test_return_code(&reply.kmsg), MIG_BAD_ARGUMENTS);
    for (unsigned i = 0; i < 4; i++) { /* further than the error reaches */
        stale += reply.body[i] == 0xa5a5a5a5a5a5a5a5ul ? 1 : 0;
    }
    EXPECT_EQ(stale, 0);
    EXPECT_EQ(reply.body[2], 0);
    ipc_port_release_send(host);
}

KTEST(kobject, a_request_to_the_wrong_kind_of_object_is_refused)
{
    EXPECT_EQ(test_call(host_self_port(), 2056, sizeof(mach_msg_header_t)),
              KERN_INVALID_ARGUMENT); /* task_suspend */
}

KTEST(kobject, a_good_request_is_served)
{
    EXPECT_EQ(test_call(host_self_port(), 2634, sizeof(mach_msg_header_t)),
              KERN_SUCCESS); /* host_get_time */
}

KTEST(kobject, a_privileged_routine_is_refused_at_any_port_but_the_privileged_one)
{
    struct task *task;

    EXPECT_EQ(task_create_from(NULL, false, &task), KERN_SUCCESS);
    EXPECT_EQ(test_call(host_priv_self_port(), 2600, sizeof(mach_msg_header_t)),
              KERN_SUCCESS); /* host_processors */
    EXPECT_EQ(test_call(host_self_port(), 2600, sizeof(mach_msg_header_t)), KERN_INVALID_HOST);
    EXPECT_EQ(test_call(task_self_port(task), 2600, sizeof(mach_msg_header_t)), KERN_INVALID_HOST);
    EXPECT_EQ(test_call(task_self_port(task), 2634, sizeof(mach_msg_header_t)),
              KERN_INVALID_HOST); /* host_get_time */
    EXPECT_EQ(task_end(task), KERN_SUCCESS);
    task_unref(task);
}

KTEST(kobject, ports_convert_only_to_their_own_kind)
{
    struct ipc_port *host = host_self_port();
    struct ipc_port *privileged = host_priv_self_port();

    EXPECT_TRUE(convert_port_to_task(host) == NULL);
    EXPECT_TRUE(convert_port_to_thread(host) == NULL);
    EXPECT_TRUE(convert_port_to_host(host) == &host_self);
    EXPECT_TRUE(convert_port_to_host(privileged) == &host_self);
    EXPECT_TRUE(convert_port_to_host_priv(host) == NULL);
    EXPECT_TRUE(convert_port_to_host_priv(IP_NULL) == NULL);
    EXPECT_TRUE(convert_port_to_host_priv(IP_DEAD) == NULL);
    ipc_port_release_send(host);
    ipc_port_release_send(privileged);
}

KTEST(task, a_task_made_and_ended_leaves_nothing_behind)
{
    struct task *task;

    for (unsigned i = 0; i < 20; i++) {
        EXPECT_EQ(task_create_from(NULL, false, &task), KERN_SUCCESS);
        EXPECT_EQ(task_end(task), KERN_SUCCESS);
        task_unref(task);
    }
}

KTEST(task, a_thread_that_never_ran_ends_with_its_task)
{
    struct task *task;
    struct thread *thread;

    EXPECT_EQ(task_create_from(NULL, false, &task), KERN_SUCCESS);
    EXPECT_EQ(thread_create_in(task, &thread), KERN_SUCCESS);
    EXPECT_EQ(task_end(task), KERN_SUCCESS);
    EXPECT_TRUE(thread_create_in(task, &thread) == KERN_FAILURE);
    thread_unref(thread);
    task_unref(task);
}

KTEST(task, the_limit_of_threads_refuses_the_next_one)
{
    struct task *task;
    struct thread *thread;

    EXPECT_EQ(task_create_from(NULL, false, &task), KERN_SUCCESS);
    task->ledger.limit[LEDGER_THREADS] = 0;
    EXPECT_EQ(thread_create_in(task, &thread), KERN_RESOURCE_SHORTAGE);
    EXPECT_EQ(task_end(task), KERN_SUCCESS);
    task_unref(task);
}

KTEST(task, a_lowered_limit_holds_for_children_too)
{
    struct task *parent, *child;

    EXPECT_EQ(task_create_from(NULL, false, &parent), KERN_SUCCESS);
    parent->ledger.limit[LEDGER_THREADS] = 3;
    EXPECT_EQ(task_create_from(parent, false, &child), KERN_SUCCESS);
    EXPECT_EQ(child->ledger.limit[LEDGER_THREADS], 3);
    EXPECT_EQ(task_end(child), KERN_SUCCESS);
    task_unref(child);
    EXPECT_EQ(task_end(parent), KERN_SUCCESS);
    task_unref(parent);
}

KTEST(task, no_handler_can_be_set_in_a_task_that_has_ended)
{
    vm_address_t handler = 4096;
    struct task *task;

    EXPECT_EQ(task_create_from(NULL, false, &task), KERN_SUCCESS);
    EXPECT_EQ(emulation_set(task, 0, &handler, 1), KERN_SUCCESS);
    EXPECT_EQ(task_end(task), KERN_SUCCESS);
    EXPECT_EQ(emulation_set(task, 0, &handler, 1),
              KERN_FAILURE); /* and the harness checks that nothing leaked */
    task_unref(task);
}

KTEST(thread, users_cannot_undo_a_hold_that_is_not_theirs)
{
    struct task *task;
    struct thread *thread;

    EXPECT_EQ(task_create_from(NULL, false, &task), KERN_SUCCESS);
    EXPECT_EQ(thread_create_in(task, &thread), KERN_SUCCESS);
    EXPECT_EQ(thread_hold(thread), KERN_SUCCESS);
    EXPECT_EQ(thread_resume(thread), KERN_SUCCESS); /* from thread_create */
    EXPECT_EQ(thread_resume(thread), KERN_FAILURE);
    EXPECT_EQ(thread->suspend_count, 1);
    EXPECT_TRUE(thread_is_stopped(thread));
    EXPECT_EQ(task_end(task), KERN_SUCCESS);
    thread_unref(thread);
    task_unref(task);
}
