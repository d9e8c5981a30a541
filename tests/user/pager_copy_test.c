/* pager_copy_test.c - memory objects that are copied: by vm_map, vm_read, in messages, into new
 * tasks, with each copy strategy. */
#include <mach.h>
#include <mach_host.h>
#include <mach_port.h>
#include <portolan.h>
#include <string.h>

#include "lib/puppet.h"

static mach_port_t self(void)
{
    return mach_task_self();
}

static void unmap(uint8_t *at, unsigned pages)
{
    CHECK_EQ(vm_deallocate(self(), (vm_address_t)at, pages * PUPPET_PAGE), KERN_SUCCESS);
}

/* The first byte of each page says which it is: n + 1 at first. */
static void check_pages(const uint8_t *at, unsigned pages, unsigned first)
{
    for (unsigned i = 0; i < pages; i++) {
        CHECK_EQ(at[i * PUPPET_PAGE], first + i);
    }
}

/* --- vm_map --- */

TEST(without_a_strategy_a_copy_is_made_at_once)
{
    struct puppet_server server;
    uint8_t *copy, *at = puppet_server_start(&server, 4, false, MEMORY_OBJECT_COPY_NONE);

    at[0] = 50;
    copy = puppet_map_again(&server.pager, 0, 4, true);
    CHECK_EQ(server.asked, 4);
    at[0] = 51;
    at[PUPPET_PAGE] = 52;
    copy[2 * PUPPET_PAGE] = 53;
    CHECK_EQ(copy[0], 50);
    check_pages(copy + PUPPET_PAGE, 1, 2);
    check_pages(at + 2 * PUPPET_PAGE, 2, 3);
    puppet_server_end(&server, at); /* the copy has nothing to do with the object */
    CHECK_EQ(copy[2 * PUPPET_PAGE], 53);
    check_pages(copy + 3 * PUPPET_PAGE, 1, 4);
    unmap(copy, 4);
}

static void delayed_copy(int strategy)
{
    struct puppet_server server;
    uint8_t *copy, *at = puppet_server_start(&server, 4, false, strategy);

    at[0] = 50;
    copy = puppet_map_again(&server.pager, 0, 4, true);
    CHECK_EQ(server.asked, 1);
    at[0] = 51;
    at[PUPPET_PAGE] = 52;
    copy[2 * PUPPET_PAGE] = 53;
    CHECK_EQ(copy[0], 50);
    check_pages(copy + PUPPET_PAGE, 1, 2);
    check_pages(at + 2 * PUPPET_PAGE, 2, 3);
    check_pages(copy + 3 * PUPPET_PAGE, 1, 4);
    CHECK_EQ(at[0], 51);
    CHECK_EQ(at[PUPPET_PAGE], 52);
    CHECK_EQ(copy[2 * PUPPET_PAGE], 53);
    unmap(copy, 4);
    puppet_server_end(&server, at);
    CHECK_EQ(server.returns > 0, strategy != MEMORY_OBJECT_COPY_TEMPORARY);
}

TEST(a_delayed_copy_shows_what_was_there)
{
    delayed_copy(MEMORY_OBJECT_COPY_DELAY);
}

TEST(a_temporary_object_is_copied_the_same_and_dies_with_its_changes)
{
    delayed_copy(MEMORY_OBJECT_COPY_TEMPORARY);
}

TEST(a_copy_keeps_the_object_when_it_is_not_mapped_itself)
{
    struct puppet pager;
    uint8_t *copy, *at = puppet_map(&pager, 4, false, MEMORY_OBJECT_COPY_DELAY);

    copy = puppet_map_again(&pager, 0, 4, true);
    unmap(at, 4);
    puppet_expect_nothing(&pager);
    CHECK_EQ(puppet_touch(&pager, copy + PUPPET_PAGE, false, 0, PUPPET_PAGE, 5), 5);
    CHECK_EQ(puppet_touch(&pager, copy, true, 7, 0, 5), 7);
    puppet_end(&pager, copy, 4);
}

TEST(a_write_to_a_copy_asks_only_to_read)
{
    struct puppet pager;
    struct puppet_message m;
    struct toucher toucher;
    uint8_t *copy, *at = puppet_map(&pager, 4, false, MEMORY_OBJECT_COPY_DELAY);

    copy = puppet_map_again(&pager, PUPPET_PAGE, 3, true);
    toucher_start(&toucher, copy + PUPPET_PAGE, true, 7, 0);
    puppet_expect(&pager, PUPPET_DATA_REQUEST, &m);
    CHECK_EQ(m.offset, 2 * PUPPET_PAGE);
    puppet_supply(&pager, m.offset, 1, 5);
    CHECK_EQ(toucher_end(&toucher), KERN_SUCCESS);
    CHECK_EQ(at[2 * PUPPET_PAGE], 5);
    CHECK_EQ(copy[PUPPET_PAGE], 7);
    unmap(copy, 3);
    puppet_end(&pager, at, 4); /* and the pager gets nothing of it */
}

TEST(copies_of_different_times_differ)
{
    struct puppet_server server;
    uint8_t *copies[5], *at = puppet_server_start(&server, 4, false, MEMORY_OBJECT_COPY_DELAY);

    for (unsigned i = 0; i < 5; i++) {
        at[PUPPET_PAGE] = (uint8_t)(60 + i);
        copies[i] = puppet_map_again(&server.pager, 0, 4, true);
    }
    at[PUPPET_PAGE] = 99;
    at[2 * PUPPET_PAGE] = 98;
    for (unsigned i = 0; i < 5; i++) {
        CHECK_EQ(copies[i][PUPPET_PAGE], 60 + i);
        check_pages(copies[i] + 2 * PUPPET_PAGE, 2, 3);
    }
    unmap(copies[2], 4);
    unmap(copies[0], 4);
    at[3 * PUPPET_PAGE] = 97;
    CHECK_EQ(copies[1][3 * PUPPET_PAGE], 4);
    CHECK_EQ(copies[3][PUPPET_PAGE], 63);
    CHECK_EQ(copies[4][3 * PUPPET_PAGE], 4);
    unmap(copies[1], 4);
    unmap(copies[4], 4);
    unmap(copies[3], 4);
    puppet_server_end(&server, at);
}

TEST(a_copy_survives_a_flush_of_what_it_saw_change)
{
    struct puppet_server server;
    uint8_t *copy, *at = puppet_server_start(&server, 2, false, MEMORY_OBJECT_COPY_DELAY);

    at[0] = 50;
    copy = puppet_map_again(&server.pager, 0, 2, true);
    at[0] = 51;
    puppet_lock(&server.pager, 0, 2, MEMORY_OBJECT_RETURN_DIRTY, true, VM_PROT_NO_CHANGE);
    CHECK_EQ(copy[0], 50);
    CHECK_EQ(at[0], 51);
    unmap(copy, 2);
    puppet_server_end(&server, at);
}

TEST(a_copy_of_an_object_that_is_not_ready_waits)
{
    struct puppet pager;
    struct puppet_message m;
    vm_address_t address = 0;
    mach_port_t thread = mach_thread_self();

    puppet_create(&pager);
    thread_set_memory_timeout(thread, 50);
    CHECK_EQ(vm_map(self(), &address, PUPPET_PAGE, 0, 1, pager.object, 0, true, VM_PROT_READ,
                    VM_PROT_ALL, VM_INHERIT_COPY),
             KERN_MEMORY_ERROR);
    thread_set_memory_timeout(thread, 0);
    mach_port_deallocate(self(), thread);
    puppet_expect(&pager, PUPPET_INIT, &m);
    pager.control = m.control;
    pager.name = m.port;
    puppet_expect_end(&pager);
    puppet_destroy(&pager);
}

static mach_port_t volatile aborted_thread;

static void *copy_until_aborted(void *argument)
{
    struct puppet *pager = argument;
    vm_address_t address = 0;

    aborted_thread = mach_thread_self();
    CHECK_EQ(vm_map(self(), &address, PUPPET_PAGE, 0, 1, pager->object, 0, true, VM_PROT_READ,
                    VM_PROT_ALL, VM_INHERIT_COPY),
             KERN_ABORTED);
    return NULL;
}

TEST(a_thread_that_waits_to_copy_can_be_aborted)
{
    struct puppet pager;
    struct puppet_message m;
    pthread_t thread;

    puppet_create(&pager);
    CHECK_EQ(pthread_create(&thread, NULL, copy_until_aborted, &pager), 0);
    puppet_expect(&pager, PUPPET_INIT, &m);
    pager.control = m.control;
    pager.name = m.port;
    CHECK(ipc_wait_blocked(aborted_thread)); /* for memory_object_ready */
    CHECK_EQ(thread_abort(aborted_thread), KERN_SUCCESS);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    mach_port_deallocate(self(), aborted_thread);
    puppet_expect_end(&pager);
    puppet_destroy(&pager);
}

static uint8_t *aborted_memory; /* that never comes */

static void *read_until_aborted(void *argument)
{
    vm_offset_t data = 0;
    mach_msg_type_number_t size = 0;

    (void)argument;
    aborted_thread = mach_thread_self();
    CHECK_EQ(vm_read(self(), (vm_address_t)aborted_memory, 2 * PUPPET_PAGE, &data, &size),
             KERN_ABORTED);
    return NULL;
}

static void *overwrite_until_aborted(void *argument)
{
    vm_address_t to = 0;

    (void)argument;
    aborted_thread = mach_thread_self();
    CHECK_EQ(vm_allocate(self(), &to, 2 * PUPPET_PAGE, TRUE), KERN_SUCCESS);
    CHECK_EQ(vm_copy(self(), (vm_address_t)aborted_memory, 2 * PUPPET_PAGE, to), KERN_ABORTED);
    CHECK_EQ(vm_deallocate(self(), to, 2 * PUPPET_PAGE), KERN_SUCCESS);
    return NULL;
}

/* Abort a thread when it waits for the page it copies. */
static void abort_a_copy(void *(*run)(void *))
{
    struct puppet pager;
    struct puppet_message m;
    pthread_t thread;

    aborted_memory = puppet_map(&pager, 4, false, MEMORY_OBJECT_COPY_NONE);
    CHECK_EQ(pthread_create(&thread, NULL, run, NULL), 0);
    puppet_expect(&pager, PUPPET_DATA_REQUEST, &m);
    CHECK(ipc_wait_blocked(aborted_thread));
    CHECK_EQ(thread_abort(aborted_thread), KERN_SUCCESS);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    mach_port_deallocate(self(), aborted_thread);
    puppet_end(&pager, aborted_memory, 4);
}

TEST(a_thread_that_waits_for_what_it_reads_can_be_aborted)
{
    abort_a_copy(read_until_aborted);
}

TEST(a_thread_that_waits_for_what_it_copies_can_be_aborted)
{
    abort_a_copy(overwrite_until_aborted);
}

/* --- the pager is asked to copy --- */

struct copier {
    pthread_t thread;
    struct puppet *pager;
    vm_offset_t offset;
    unsigned pages;
    unsigned timeout_ms;
    vm_address_t address;
    kern_return_t result;
};

static void *copier_run(void *argument)
{
    struct copier *copier = argument;
    mach_port_t thread = mach_thread_self();

    thread_set_memory_timeout(thread, copier->timeout_ms);
    copier->result =
        vm_map(self(), &copier->address, copier->pages * PUPPET_PAGE, 0, 1, copier->pager->object,
               copier->offset, true, VM_PROT_READ | VM_PROT_WRITE, VM_PROT_ALL, VM_INHERIT_COPY);
    mach_port_deallocate(self(), thread);
    return NULL;
}

static void copier_start(struct copier *copier, struct puppet *pager, vm_offset_t offset,
                         unsigned pages, unsigned timeout_ms)
{
    *copier =
        (struct copier){.pager = pager, .offset = offset, .pages = pages, .timeout_ms = timeout_ms};
    CHECK_EQ(pthread_create(&copier->thread, NULL, copier_run, copier), 0);
}

/* Receive the new object of memory_object_copy, and its introduction. */
static void expect_copy(struct puppet *pager, vm_offset_t offset, unsigned pages,
                        struct puppet *fresh)
{
    struct puppet_message m;

    puppet_expect(pager, PUPPET_COPY, &m);
    CHECK_EQ(m.offset, offset);
    CHECK_EQ(m.length, pages * PUPPET_PAGE);
    CHECK_EQ(ipc_type(m.port), MACH_PORT_TYPE_RECEIVE);
    *fresh = (struct puppet){.object = m.port};
    puppet_expect(fresh, PUPPET_INIT, &m);
    fresh->control = m.control;
    fresh->name = m.port;
    CHECK(fresh->control != pager->control);
    CHECK_EQ(memory_object_ready(fresh->control, false, MEMORY_OBJECT_COPY_NONE), KERN_SUCCESS);
}

TEST(a_pager_may_copy_itself)
{
    struct puppet pager, fresh;
    struct copier copier;
    uint8_t *copy, *at = puppet_map(&pager, 8, false, MEMORY_OBJECT_COPY_CALL);

    puppet_supply(&pager, 0, 8, 1);
    at[3 * PUPPET_PAGE] = 2;
    copier_start(&copier, &pager, 2 * PUPPET_PAGE, 4, 0);
    /* First what it does not have yet. */
    CHECK_EQ(puppet_expect_return(&pager, 3 * PUPPET_PAGE, 1, true, true), 2);
    expect_copy(&pager, 2 * PUPPET_PAGE, 4, &fresh);
    CHECK_EQ(pthread_join(copier.thread, NULL), 0);
    CHECK_EQ(copier.result, KERN_SUCCESS);
    copy = (uint8_t *)copier.address;
    at[3 * PUPPET_PAGE] = 3;
    CHECK_EQ(puppet_touch(&fresh, copy + PUPPET_PAGE, true, 9, 3 * PUPPET_PAGE, 2), 9);
    CHECK_EQ(at[3 * PUPPET_PAGE], 3);
    CHECK_EQ(copy[PUPPET_PAGE + 1], 2);
    unmap(copy, 4);
    CHECK_EQ(puppet_expect_return(&fresh, 3 * PUPPET_PAGE, 1, true, false), 9);
    puppet_expect_end(&fresh);
    puppet_destroy(&fresh);
    unmap(at, 8);
    CHECK_EQ(puppet_expect_return(&pager, 3 * PUPPET_PAGE, 1, true, false), 3);
    puppet_expect_end(&pager);
    puppet_destroy(&pager);
}

TEST(a_pager_that_drops_the_copy_costs_its_client_an_exception)
{
    struct puppet pager, fresh;
    struct puppet_message m;
    struct copier copier;
    uint8_t *copy, *at = puppet_map(&pager, 2, false, MEMORY_OBJECT_COPY_CALL);

    copier_start(&copier, &pager, 0, 2, 0);
    puppet_expect(&pager, PUPPET_COPY, &m);
    fresh = (struct puppet){.object = m.port};
    CHECK_EQ(pthread_join(copier.thread, NULL), 0);
    CHECK_EQ(copier.result, KERN_SUCCESS);
    copy = (uint8_t *)copier.address;
    puppet_destroy(&fresh);
    CHECK_EQ(toucher_touch(copy, false, 0, 0), KERN_MEMORY_ERROR);
    unmap(copy, 2);
    puppet_end(&pager, at, 2);
}

TEST(a_pager_that_takes_no_message_makes_a_copy_fail)
{
    struct puppet pager;
    struct puppet_message m;
    struct copier copier;
    uint8_t *at = puppet_map(&pager, 2, false, MEMORY_OBJECT_COPY_CALL);

    CHECK_EQ(mach_port_set_qlimit(self(), pager.object, 1), KERN_SUCCESS);
    CHECK_EQ(test_send(pager.object, MACH_PORT_NULL, 1, MACH_SEND_TIMEOUT, 0), MACH_MSG_SUCCESS);
    copier_start(&copier, &pager, 0, 2, 50);
    CHECK_EQ(pthread_join(copier.thread, NULL), 0);
    CHECK_EQ(copier.result, KERN_MEMORY_ERROR);
    puppet_receive(pager.object, &m, 0);
    CHECK_EQ(m.id, 1);
    puppet_expect_nothing(&pager);
    puppet_end(&pager, at, 2);
}

/* --- vm_read, vm_write, vm_copy --- */

static void read_with(int strategy)
{
    struct puppet_server server;
    uint8_t *at = puppet_server_start(&server, 8, false, strategy);
    mach_msg_type_number_t count = 0;
    pointer_t data = 0;

    at[0] = 50;
    CHECK_EQ(vm_read(self(), (vm_address_t)at, 8 * PUPPET_PAGE, &data, &count), KERN_SUCCESS);
    CHECK_EQ(count, 8 * PUPPET_PAGE);
    at[0] = 51;
    at[PUPPET_PAGE] = 52;
    CHECK_EQ(((uint8_t *)data)[0], 50);
    check_pages((uint8_t *)data + PUPPET_PAGE, 7, 2);
    ((uint8_t *)data)[3 * PUPPET_PAGE] = 53;
    CHECK_EQ(at[3 * PUPPET_PAGE], 4);
    unmap((uint8_t *)data, 8);
    puppet_server_end(&server, at);
}

TEST(vm_read_copies_an_object_without_a_strategy)
{
    read_with(MEMORY_OBJECT_COPY_NONE);
}

TEST(vm_read_copies_an_object_later)
{
    read_with(MEMORY_OBJECT_COPY_DELAY);
}

TEST(vm_read_copies_a_temporary_object)
{
    read_with(MEMORY_OBJECT_COPY_TEMPORARY);
}

TEST(vm_read_of_what_does_not_come_fails)
{
    struct puppet pager;
    struct puppet_message m;
    mach_port_t thread = mach_thread_self();
    mach_msg_type_number_t count = 0;
    pointer_t data = 0;
    uint8_t *at = puppet_map(&pager, 8, false, MEMORY_OBJECT_COPY_NONE);

    thread_set_memory_timeout(thread, 50);
    CHECK_EQ(vm_read(self(), (vm_address_t)at, 8 * PUPPET_PAGE, &data, &count), KERN_MEMORY_ERROR);
    thread_set_memory_timeout(thread, 0);
    mach_port_deallocate(self(), thread);
    CHECK_EQ(data, 0);
    puppet_expect(&pager, PUPPET_DATA_REQUEST, &m);
    puppet_end(&pager, at, 8);
}

TEST(vm_write_goes_to_the_object)
{
    struct puppet_server server;
    uint8_t bytes[64];
    uint8_t *data = ipc_pages(4);
    uint8_t *at = puppet_server_start(&server, 8, false, MEMORY_OBJECT_COPY_NONE);

    memset(bytes, 9, sizeof(bytes));
    memset(data, 8, 4 * PUPPET_PAGE);
    CHECK_EQ(vm_write(self(), (vm_address_t)at + PUPPET_PAGE + 10, (pointer_t)bytes, sizeof(bytes)),
             KERN_SUCCESS);
    CHECK_EQ(at[PUPPET_PAGE + 9], 2);
    CHECK_EQ(at[PUPPET_PAGE + 10], 9);
    CHECK_EQ(
        vm_copy(self(), (vm_address_t)data, 4 * PUPPET_PAGE, (vm_address_t)at + 4 * PUPPET_PAGE),
        KERN_SUCCESS);
    CHECK_EQ(at[7 * PUPPET_PAGE], 8);
    ipc_free_pages(data, 4);
    puppet_server_end(&server, at);
}

TEST(vm_copy_out_of_an_object)
{
    struct puppet_server server;
    uint8_t *data = ipc_pages(8);
    uint8_t *at = puppet_server_start(&server, 8, false, MEMORY_OBJECT_COPY_DELAY);

    CHECK_EQ(vm_copy(self(), (vm_address_t)at, 8 * PUPPET_PAGE, (vm_address_t)data), KERN_SUCCESS);
    at[PUPPET_PAGE] = 99;
    check_pages(data, 8, 1);
    data[0] = 77;
    CHECK_EQ(at[0], 1);
    ipc_free_pages(data, 8);
    puppet_server_end(&server, at);
}

/* --- messages --- */

static void message_with(int strategy, unsigned pages)
{
    struct puppet_server server;
    static struct ipc_message out, in;
    mach_port_t port = test_port();
    uint8_t *got, *at = puppet_server_start(&server, pages, false, strategy);

    at[0] = 50;
    ipc_begin(&out, port, MACH_MSG_TYPE_COPY_SEND, 5);
    ipc_add_memory(&out, at, (uint32_t)(pages * PUPPET_PAGE), false);
    CHECK_EQ(ipc_send(&out, 0, 0), MACH_MSG_SUCCESS);
    at[0] = 51;
    at[PUPPET_PAGE] = 52;
    CHECK_EQ(ipc_receive(port, &in, 0, 1000), MACH_MSG_SUCCESS);
    got = (uint8_t *)*ipc_item_data(&in, 0);
    CHECK_EQ(got[0], 50);
    check_pages(got + PUPPET_PAGE, pages - 1, 2);
    unmap(got, pages);
    ipc_drop(port);
    puppet_server_end(&server, at);
}

TEST(a_message_carries_memory_of_an_object)
{
    static const int strategies[] = {MEMORY_OBJECT_COPY_NONE, MEMORY_OBJECT_COPY_DELAY,
                                     MEMORY_OBJECT_COPY_TEMPORARY};

    for (unsigned i = 0; i < 3; i++) {
        message_with(strategies[i], 2); /* copied as bytes */
        message_with(strategies[i], 20);
    }
}

TEST(a_message_that_lies_in_a_queue_keeps_the_object)
{
    static struct ipc_message out;
    struct puppet pager;
    mach_port_t port = test_port();
    uint8_t *at = puppet_map(&pager, 8, false, MEMORY_OBJECT_COPY_DELAY);

    ipc_begin(&out, port, MACH_MSG_TYPE_COPY_SEND, 5);
    ipc_add_memory(&out, at, 8 * PUPPET_PAGE, true);
    CHECK_EQ(ipc_send(&out, 0, 0), MACH_MSG_SUCCESS);
    puppet_expect_nothing(&pager);
    ipc_drop(port);
    puppet_expect_end(&pager);
    puppet_destroy(&pager);
}

TEST(a_message_with_memory_that_does_not_come_is_not_sent)
{
    static struct ipc_message out, in;
    struct puppet pager;
    struct puppet_message m;
    mach_port_t port = test_port(), thread = mach_thread_self();
    uint8_t *at = puppet_map(&pager, 8, false, MEMORY_OBJECT_COPY_NONE);

    thread_set_memory_timeout(thread, 50);
    for (unsigned pages = 1; pages <= 8; pages += 7) {
        ipc_begin(&out, port, MACH_MSG_TYPE_COPY_SEND, 5);
        ipc_add_memory(&out, at, (uint32_t)(pages * PUPPET_PAGE), false);
        CHECK_EQ(ipc_send(&out, 0, 0), MACH_SEND_INVALID_MEMORY);
        puppet_expect(&pager, PUPPET_DATA_REQUEST, &m);
    }
    thread_set_memory_timeout(thread, 0);
    CHECK_EQ(ipc_receive(port, &in, 0, 0), MACH_RCV_TIMED_OUT);
    mach_port_deallocate(self(), thread);
    ipc_drop(port);
    puppet_end(&pager, at, 8);
}

/* --- new tasks --- */

static int peek(mach_port_t task, const uint8_t *at)
{
    mach_msg_type_number_t count = 0;
    pointer_t data = 0;
    kern_return_t kr =
        vm_read(task, (vm_address_t)at & ~(PUPPET_PAGE - 1), PUPPET_PAGE, &data, &count);
    int byte = kr == KERN_SUCCESS ? *(uint8_t *)data : -kr;

    if (kr == KERN_SUCCESS) {
        vm_deallocate(self(), data, count);
    }
    return byte;
}

static mach_port_t fork_with(uint8_t *at, unsigned pages, vm_inherit_t inheritance)
{
    mach_port_t task = MACH_PORT_NULL;

    CHECK_EQ(vm_inherit(self(), (vm_address_t)at, pages * PUPPET_PAGE, inheritance), KERN_SUCCESS);
    CHECK_EQ(task_create(self(), TRUE, &task), KERN_SUCCESS);
    return task;
}

static void end_task(mach_port_t task)
{
    CHECK_EQ(task_terminate(task), KERN_SUCCESS);
    mach_port_destroy(self(), task);
}

TEST(a_child_that_shares_an_object_sees_changes)
{
    struct puppet_server server;
    uint8_t *at = puppet_server_start(&server, 4, false, MEMORY_OBJECT_COPY_NONE);
    mach_port_t task = fork_with(at, 4, VM_INHERIT_SHARE);
    uint8_t byte = 71;

    at[0] = 70;
    CHECK_EQ(peek(task, at), 70);
    CHECK_EQ(vm_write(task, (vm_address_t)at + PUPPET_PAGE, (pointer_t)&byte, 1), KERN_SUCCESS);
    CHECK_EQ(at[PUPPET_PAGE], 71);
    CHECK_EQ(peek(task, at + 2 * PUPPET_PAGE), 3);
    end_task(task);
    puppet_server_end(&server, at);
    CHECK_EQ(server.store[PUPPET_PAGE], 71);
}

TEST(a_child_with_a_copy_sees_what_was_there)
{
    static const int strategies[] = {MEMORY_OBJECT_COPY_NONE, MEMORY_OBJECT_COPY_DELAY,
                                     MEMORY_OBJECT_COPY_TEMPORARY};

    for (unsigned i = 0; i < 3; i++) {
        struct puppet_server server;
        uint8_t *at = puppet_server_start(&server, 4, false, strategies[i]);
        uint8_t byte = 71;
        mach_port_t task;

        at[0] = 60;
        task = fork_with(at, 4, VM_INHERIT_COPY);
        at[0] = 70;
        CHECK_EQ(peek(task, at), 60);
        CHECK_EQ(vm_write(task, (vm_address_t)at + PUPPET_PAGE, (pointer_t)&byte, 1), KERN_SUCCESS);
        CHECK_EQ(at[PUPPET_PAGE], 2);
        CHECK_EQ(peek(task, at + PUPPET_PAGE), 71);
        end_task(task);
        puppet_server_end(&server, at);
        CHECK_EQ(server.store[PUPPET_PAGE], 2);
    }
}

TEST(a_child_without_inheritance_has_nothing)
{
    struct puppet_server server;
    uint8_t *at = puppet_server_start(&server, 4, false, MEMORY_OBJECT_COPY_NONE);
    mach_port_t task = fork_with(at, 4, VM_INHERIT_NONE);

    CHECK_EQ(peek(task, at), -KERN_INVALID_ADDRESS);
    CHECK_EQ(server.asked, 0);
    end_task(task);
    puppet_server_end(&server, at);
}

TEST(a_child_is_not_made_when_its_copy_does_not_come)
{
    struct puppet pager;
    struct puppet_message m;
    mach_port_t task = MACH_PORT_NULL, thread = mach_thread_self();
    uint8_t *at = puppet_map(&pager, 4, false, MEMORY_OBJECT_COPY_NONE);

    CHECK_EQ(vm_inherit(self(), (vm_address_t)at, 4 * PUPPET_PAGE, VM_INHERIT_COPY), KERN_SUCCESS);
    thread_set_memory_timeout(thread, 50);
    CHECK_EQ(task_create(self(), TRUE, &task), KERN_MEMORY_ERROR);
    thread_set_memory_timeout(thread, 0);
    mach_port_deallocate(self(), thread);
    CHECK_EQ(task, MACH_PORT_NULL);
    puppet_expect(&pager, PUPPET_DATA_REQUEST, &m);
    puppet_end(&pager, at, 4);
}

TEST(a_grandchild_has_a_copy_of_a_copy)
{
    struct puppet_server server;
    uint8_t *at = puppet_server_start(&server, 4, false, MEMORY_OBJECT_COPY_DELAY);
    mach_port_t child = fork_with(at, 4, VM_INHERIT_COPY), grandchild = MACH_PORT_NULL;
    uint8_t byte = 71;

    CHECK_EQ(vm_write(child, (vm_address_t)at, (pointer_t)&byte, 1), KERN_SUCCESS);
    CHECK_EQ(task_create(child, TRUE, &grandchild), KERN_SUCCESS);
    at[0] = 5;
    at[PUPPET_PAGE] = 6;
    byte = 72;
    CHECK_EQ(vm_write(child, (vm_address_t)at, (pointer_t)&byte, 1), KERN_SUCCESS);
    CHECK_EQ(peek(grandchild, at), 71);
    CHECK_EQ(peek(child, at), 72);
    CHECK_EQ(peek(grandchild, at + PUPPET_PAGE), 2);
    end_task(child);
    CHECK_EQ(peek(grandchild, at + 3 * PUPPET_PAGE), 4);
    end_task(grandchild);
    puppet_server_end(&server, at);
}

static mach_port_t forked;
static volatile bool fork_done;

static void *fork_run(void *argument)
{
    mach_port_t thread = mach_thread_self();

    (void)argument;
    thread_set_memory_timeout(thread, 1000);
    CHECK_EQ(task_create(self(), TRUE, &forked), KERN_MEMORY_ERROR);
    fork_done = true;
    mach_port_deallocate(self(), thread);
    return NULL;
}

TEST(nobody_else_waits_while_a_copy_of_a_wired_page_waits_for_its_pager)
{
    struct puppet pager;
    struct puppet_message m;
    pthread_t thread;
    vm_address_t address = 0;
    uint8_t *at = puppet_map(&pager, 1, false, MEMORY_OBJECT_COPY_NONE);

    puppet_supply(&pager, 0, 1, 1);
    CHECK_EQ(vm_inherit(self(), (vm_address_t)at, PUPPET_PAGE, VM_INHERIT_COPY), KERN_SUCCESS);
    CHECK_EQ(vm_wire(mach_host_self(), self(), (vm_address_t)at, PUPPET_PAGE, VM_PROT_READ),
             KERN_SUCCESS);
    puppet_lock(&pager, 0, 1, MEMORY_OBJECT_RETURN_NONE, false, VM_PROT_ALL);
    puppet_expect(&pager, PUPPET_LOCK_COMPLETED, &m);
    fork_done = false;
    CHECK_EQ(pthread_create(&thread, NULL, fork_run, NULL), 0);
    puppet_expect(&pager, PUPPET_DATA_UNLOCK, &m);
    CHECK_EQ(vm_allocate(self(), &address, PUPPET_PAGE, true), KERN_SUCCESS);
    CHECK(!fork_done);
    vm_deallocate(self(), address, PUPPET_PAGE);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    puppet_end(&pager, at, 1);
}
