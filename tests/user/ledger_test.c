/* ledger_test.c - what a task makes the kernel allocate is charged, refused at the limit and
 * credited at the end: tasks and page tables. */
#include <exc_server.h>
#include <mach.h>
#include <mach_host.h>
#include <mach_port.h>
#include <portolan.h>
#include <portolan/spawn.h>
#include <portolan/thread.h>
#include <pthread.h>

#include "lib/test.h"

#define TABLE_SPAN (2ul << 20) /* memory one page of a page table maps */

static mach_port_t self(void)
{
    return mach_task_self();
}

static int64_t used(int kind)
{
    portolan_ledger_t amounts, limits;
    mach_msg_type_number_t n = PORTOLAN_NUMBERS_MAX, m = PORTOLAN_NUMBERS_MAX;

    CHECK_EQ(task_get_ledger(self(), amounts, &n, limits, &m), KERN_SUCCESS);
    CHECK_EQ(n, PORTOLAN_LEDGER_COUNT);
    return amounts[kind];
}

static void limit_to_now(int kind)
{
    CHECK_EQ(task_set_ledger_limit(mach_host_self(), self(), kind, used(kind)), KERN_SUCCESS);
}

TEST(a_task_is_charged_to_its_maker_until_it_ends)
{
    mach_port_t tasks[3];
    int64_t before = 0;

    while (used(PORTOLAN_LEDGER_TASKS) != before) {
        portolan_sleep(1); /* a child of another case ends a little after its exit is told */
    }
    for (unsigned i = 0; i < 3; i++) {
        CHECK_EQ(task_create(self(), i % 2, &tasks[i]), KERN_SUCCESS);
        CHECK_EQ(used(PORTOLAN_LEDGER_TASKS), before + i + 1);
    }
    for (unsigned i = 0; i < 3; i++) {
        CHECK_EQ(task_terminate(tasks[i]), KERN_SUCCESS);
        CHECK_EQ(used(PORTOLAN_LEDGER_TASKS), before + 2 - i);
        mach_port_deallocate(self(), tasks[i]);
    }
}

TEST_CHILD(at_its_limit_of_tasks)
{
    struct spawn spawn = {.path = "/bin/true"};
    mach_port_t task, second;

    CHECK_EQ(task_create(self(), 0, &task), KERN_SUCCESS);
    limit_to_now(PORTOLAN_LEDGER_TASKS);
    CHECK_EQ(task_create(self(), 0, &second), KERN_RESOURCE_SHORTAGE);
    CHECK_EQ(task_create(self(), 1, &second), KERN_RESOURCE_SHORTAGE);
    CHECK_EQ(spawn_start(&spawn, NULL, NULL), KERN_RESOURCE_SHORTAGE);
    CHECK_EQ(task_terminate(task), KERN_SUCCESS);
    CHECK_EQ(task_create(self(), 0, &second), KERN_SUCCESS);
    CHECK_EQ(task_terminate(second), KERN_SUCCESS);
}

TEST(a_task_at_its_limit_of_tasks_makes_no_more)
{
    CHECK_EQ(test_run_child("at_its_limit_of_tasks"), 0);
}

TEST(a_task_whose_maker_has_ended_still_ends)
{
    mach_port_t maker, task, thread;

    CHECK_EQ(task_create(self(), 0, &maker), KERN_SUCCESS);
    CHECK_EQ(task_create(maker, 0, &task), KERN_SUCCESS);
    CHECK_EQ(thread_create(task, &thread), KERN_SUCCESS);
    CHECK_EQ(task_terminate(maker), KERN_SUCCESS);
    CHECK_EQ(task_terminate(task), KERN_SUCCESS);
    mach_port_deallocate(self(), thread);
    mach_port_deallocate(self(), task);
    mach_port_deallocate(self(), maker);
}

TEST(page_tables_are_charged_while_there_are_any)
{
    int64_t before = used(PORTOLAN_LEDGER_KMEM_PAGES);
    vm_address_t at = 0;

    CHECK_EQ(vm_allocate(self(), &at, 64 * TABLE_SPAN, 1), KERN_SUCCESS);
    CHECK_EQ(used(PORTOLAN_LEDGER_KMEM_PAGES), before);
    for (unsigned i = 0; i < 64; i++) {
        *(volatile char *)(at + i * TABLE_SPAN) = 1;
    }
    CHECK(used(PORTOLAN_LEDGER_KMEM_PAGES) >= before + 63);
    CHECK(used(PORTOLAN_LEDGER_KMEM_PAGES) <= before + 67);
    CHECK_EQ(vm_deallocate(self(), at, 64 * TABLE_SPAN), KERN_SUCCESS);
    CHECK_EQ(used(PORTOLAN_LEDGER_KMEM_PAGES), before);
}

TEST_CHILD(at_its_limit_of_page_tables)
{
    vm_address_t at = 0;

    CHECK_EQ(vm_allocate(self(), &at, 4 * TABLE_SPAN, 1), KERN_SUCCESS);
    limit_to_now(PORTOLAN_LEDGER_KMEM_PAGES);
    CHECK_EQ(vm_wire(mach_host_self(), self(), at + 2 * TABLE_SPAN, 4096, VM_PROT_READ),
             KERN_RESOURCE_SHORTAGE);
    /* what is mapped already stays so, and a fault beyond it ends this task alone */
    *(volatile int64_t *)(at + 2 * TABLE_SPAN) = used(PORTOLAN_LEDGER_KMEM_PAGES);
    portolan_exit(0);
}

static mach_port_t exception_port;
static volatile int seen_exception, seen_code;

kern_return_t catch_exception_raise(mach_port_t port, mach_port_t thread, mach_port_t task,
                                    integer_t exception, integer_t code, rpc_long_integer_t subcode)
{
    (void)port;
    (void)thread;
    (void)task;
    (void)subcode;
    seen_exception = exception;
    seen_code = code;
    return KERN_FAILURE; /* not handled: the task ends */
}

static void *handle_one(void *unused)
{
    struct test_message in, out;

    if (mach_msg(&in.head, MACH_RCV_MSG, 0, sizeof(in), exception_port, 0, 0) == MACH_MSG_SUCCESS) {
        exc_server(&in.head, &out.head);
        mach_msg(&out.head, MACH_SEND_MSG, out.head.msgh_size, 0, 0, 0, 0);
        mach_msg_destroy(&in.head);
    }
    return unused;
}

TEST(a_fault_at_the_limit_of_page_tables_is_a_shortage_and_ends_that_task_alone)
{
    pthread_t handler;

    exception_port = test_port();
    CHECK_EQ(task_set_special_port(self(), TASK_EXCEPTION_PORT, exception_port), KERN_SUCCESS);
    CHECK_EQ(pthread_create(&handler, NULL, handle_one, NULL), 0);
    CHECK(test_run_child("at_its_limit_of_page_tables") != 0);
    CHECK_EQ(pthread_join(handler, NULL), 0);
    CHECK_EQ(seen_exception, EXC_BAD_ACCESS);
    CHECK_EQ(seen_code, KERN_RESOURCE_SHORTAGE);
    CHECK_EQ(task_set_special_port(self(), TASK_EXCEPTION_PORT, MACH_PORT_NULL), KERN_SUCCESS);
    mach_port_destroy(self(), exception_port);
}
