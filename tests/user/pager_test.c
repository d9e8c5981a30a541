/* pager_test.c - memory objects: a pager answers, and whoever touches the memory goes on. */
#include <gnumach.h>
#include <mach.h>
#include <mach_port.h>
#include <portolan.h>
#include <string.h>

#include "lib/puppet.h"

TEST(a_fault_asks_the_pager_and_sees_what_it_supplies)
{
    struct puppet pager;
    struct puppet_message m;
    struct toucher toucher;
    uint8_t *at = puppet_map(&pager, 4, false, MEMORY_OBJECT_COPY_NONE);

    toucher_start(&toucher, at + PUPPET_PAGE + 5, false, 0, 0);
    puppet_expect(&pager, PUPPET_DATA_REQUEST, &m);
    CHECK_EQ(m.offset, PUPPET_PAGE);
    CHECK_EQ(m.length, PUPPET_PAGE);
    CHECK_EQ(m.access & VM_PROT_WRITE, 0);
    CHECK(!toucher_is_done(&toucher));
    puppet_supply(&pager, m.offset, 1, 0x42);
    CHECK_EQ(toucher_end(&toucher), KERN_SUCCESS);
    CHECK_EQ(toucher.value, 0x42);
    CHECK_EQ(at[PUPPET_PAGE], 0x42);
    puppet_end(&pager, at, 4);
}

TEST(a_changed_page_comes_back_before_the_object_ends)
{
    struct puppet pager;
    struct puppet_message m;
    struct toucher toucher;
    uint8_t *at = puppet_map(&pager, 4, false, MEMORY_OBJECT_COPY_NONE);

    toucher_start(&toucher, at + 7, true, 0x17, 0);
    puppet_expect(&pager, PUPPET_DATA_REQUEST, &m);
    CHECK_EQ(m.access & VM_PROT_WRITE, VM_PROT_WRITE);
    puppet_supply(&pager, m.offset, 1, 0x42);
    CHECK_EQ(toucher_end(&toucher), KERN_SUCCESS);
    CHECK_EQ(at[7], 0x17);
    CHECK_EQ(vm_deallocate(mach_task_self(), (vm_address_t)at, 4 * PUPPET_PAGE), KERN_SUCCESS);
    puppet_expect(&pager, PUPPET_DATA_RETURN, &m);
    CHECK_EQ(m.length, PUPPET_PAGE);
    CHECK_EQ(m.data[7], 0x17);
    CHECK_EQ(m.data[8], 0x42);
    CHECK(m.dirty);
    CHECK_EQ(m.kernel_copy, 0);
    vm_deallocate(mach_task_self(), (vm_address_t)m.data, m.length);
    puppet_expect_end(&pager);
    puppet_destroy(&pager);
}

TEST(a_pager_that_never_answers_costs_its_client_an_exception)
{
    struct puppet pager;
    struct puppet_message m;
    struct toucher toucher;
    uint8_t *at = puppet_map(&pager, 4, false, MEMORY_OBJECT_COPY_NONE);

    toucher_start(&toucher, at, false, 0, 100);
    CHECK_EQ(toucher_end(&toucher), KERN_MEMORY_ERROR);
    puppet_expect(&pager, PUPPET_DATA_REQUEST, &m);
    puppet_end(&pager, at, 4);
}

TEST(a_pager_that_dies_costs_its_client_an_exception)
{
    struct puppet pager;
    struct puppet_message m;
    struct toucher toucher;
    uint8_t *at = puppet_map(&pager, 4, false, MEMORY_OBJECT_COPY_NONE);

    toucher_start(&toucher, at, false, 0, 0);
    puppet_expect(&pager, PUPPET_DATA_REQUEST, &m);
    puppet_destroy(&pager);
    CHECK_EQ(toucher_end(&toucher), KERN_MEMORY_ERROR);
    vm_deallocate(mach_task_self(), (vm_address_t)at, 4 * PUPPET_PAGE);
}

TEST(an_error_of_the_pager_is_an_exception)
{
    struct puppet pager;
    struct puppet_message m;
    struct toucher toucher;
    uint8_t *at = puppet_map(&pager, 4, false, MEMORY_OBJECT_COPY_NONE);

    toucher_start(&toucher, at, false, 0, 0);
    puppet_expect(&pager, PUPPET_DATA_REQUEST, &m);
    CHECK_EQ(memory_object_data_error(pager.control, m.offset, m.length, KERN_FAILURE),
             KERN_SUCCESS);
    CHECK_EQ(toucher_end(&toucher), KERN_MEMORY_ERROR);
    toucher_start(&toucher, at, false, 0, 0);
    puppet_expect(&pager, PUPPET_DATA_REQUEST, &m);
    CHECK_EQ(memory_object_data_unavailable(pager.control, m.offset, m.length), KERN_SUCCESS);
    CHECK_EQ(toucher_end(&toucher), KERN_SUCCESS);
    CHECK_EQ(toucher.value, 0);
    vm_deallocate(mach_task_self(), (vm_address_t)at, 4 * PUPPET_PAGE);
    puppet_destroy(&pager);
}

/* --- the beginning --- */

TEST(the_kernel_introduces_an_object_at_its_first_map_only)
{
    struct puppet pager;
    struct puppet_message m;
    uint8_t *at, *again;

    puppet_create(&pager);
    at = puppet_map_again(&pager, 0, 4, false);
    puppet_expect(&pager, PUPPET_INIT, &m);
    CHECK_EQ(m.length, PUPPET_PAGE);
    CHECK_EQ(ipc_type(m.control), MACH_PORT_TYPE_SEND);
    CHECK_EQ(ipc_type(m.port), MACH_PORT_TYPE_SEND);
    CHECK(m.control != m.port);
    pager.control = m.control;
    pager.name = m.port;
    again = puppet_map_again(&pager, 0, 4, false);
    puppet_expect_nothing(&pager);
    vm_deallocate(mach_task_self(), (vm_address_t)again, 4 * PUPPET_PAGE);
    puppet_expect_nothing(&pager);
    puppet_end(&pager, at, 4);
}

TEST(a_fault_waits_until_the_pager_is_ready)
{
    struct puppet pager;
    struct puppet_message m;
    struct toucher toucher;
    uint8_t *at;

    puppet_create(&pager);
    at = puppet_map_again(&pager, 0, 1, false);
    puppet_expect(&pager, PUPPET_INIT, &m);
    pager.control = m.control;
    pager.name = m.port;
    toucher_start(&toucher, at, false, 0, 0);
    puppet_expect_nothing(&pager);
    CHECK(!toucher_is_done(&toucher));
    CHECK_EQ(memory_object_ready(pager.control, false, MEMORY_OBJECT_COPY_NONE), KERN_SUCCESS);
    puppet_answer(&pager, 0, 9);
    CHECK_EQ(toucher_end(&toucher), KERN_SUCCESS);
    CHECK_EQ(toucher.value, 9);
    puppet_end(&pager, at, 1);
}

TEST(an_object_that_is_never_ready_costs_its_client_an_exception)
{
    struct puppet pager;
    struct puppet_message m;
    uint8_t *at;

    puppet_create(&pager);
    at = puppet_map_again(&pager, 0, 1, false);
    CHECK_EQ(toucher_touch(at, true, 1, 100), KERN_MEMORY_ERROR);
    puppet_expect(&pager, PUPPET_INIT, &m);
    pager.name = m.port;
    pager.control = m.control;
    puppet_end(&pager, at, 1);
}

/* --- attributes --- */

static void check_attributes(struct puppet *pager, bool ready, bool may_cache, int copy_strategy)
{
    boolean_t is_ready = -1, caches = -1;
    int strategy = -1;

    CHECK_EQ(memory_object_get_attributes(pager->control, &is_ready, &caches, &strategy),
             KERN_SUCCESS);
    CHECK_EQ(is_ready, ready);
    CHECK_EQ(caches, may_cache);
    CHECK_EQ(strategy, copy_strategy);
}

TEST(attributes_are_what_the_pager_said)
{
    static const int strategies[] = {MEMORY_OBJECT_COPY_NONE, MEMORY_OBJECT_COPY_CALL,
                                     MEMORY_OBJECT_COPY_DELAY, MEMORY_OBJECT_COPY_TEMPORARY};

    for (unsigned i = 0; i < 4; i++) {
        struct puppet pager;
        uint8_t *at = puppet_map(&pager, 1, i % 2 != 0, strategies[i]);

        check_attributes(&pager, true, i % 2 != 0, strategies[i]);
        CHECK_EQ(memory_object_change_attributes(pager.control, false, strategies[3 - i],
                                                 MACH_PORT_NULL),
                 KERN_SUCCESS);
        check_attributes(&pager, true, false, strategies[3 - i]);
        puppet_end(&pager, at, 1);
    }
}

TEST(attributes_are_not_those_of_another_port)
{
    struct puppet pager;
    boolean_t ready, caches;
    int strategy;
    uint8_t *at = puppet_map(&pager, 1, false, MEMORY_OBJECT_COPY_NONE);

    CHECK_EQ(memory_object_get_attributes(pager.name, &ready, &caches, &strategy),
             KERN_INVALID_ARGUMENT);
    CHECK_EQ(memory_object_get_attributes(mach_task_self(), &ready, &caches, &strategy),
             KERN_INVALID_ARGUMENT);
    CHECK_EQ(thread_set_memory_timeout(pager.control, 1), KERN_INVALID_ARGUMENT);
    puppet_end(&pager, at, 1);
}

TEST(a_change_of_attributes_is_confirmed)
{
    struct puppet pager;
    struct puppet_message m;
    uint8_t *at = puppet_map(&pager, 1, true, MEMORY_OBJECT_COPY_NONE);

    CHECK_EQ(memory_object_change_attributes(pager.control, false, MEMORY_OBJECT_COPY_DELAY,
                                             pager.object),
             KERN_SUCCESS);
    puppet_expect(&pager, PUPPET_CHANGE_COMPLETED, &m);
    CHECK_EQ(m.may_cache, false);
    CHECK_EQ(m.copy_strategy, MEMORY_OBJECT_COPY_DELAY);
    puppet_end(&pager, at, 1);
}

TEST(unknown_copy_strategies_are_refused)
{
    struct puppet pager;
    struct puppet_message m;
    uint8_t *at;

    puppet_create(&pager);
    at = puppet_map_again(&pager, 0, 1, false);
    puppet_expect(&pager, PUPPET_INIT, &m);
    pager.control = m.control;
    pager.name = m.port;
    memory_object_ready(pager.control, true, 4);
    memory_object_ready(pager.control, true, -1);
    check_attributes(&pager, false, false, MEMORY_OBJECT_COPY_NONE);
    memory_object_change_attributes(pager.control, true, 4, pager.object);
    puppet_expect(&pager, PUPPET_REFUSED, &m);
    check_attributes(&pager, false, false, MEMORY_OBJECT_COPY_NONE);
    puppet_end(&pager, at, 1);
}

/* --- requests --- */

TEST(a_request_names_the_page_of_the_object)
{
    struct puppet pager;
    uint8_t *first = puppet_map(&pager, 1, false, MEMORY_OBJECT_COPY_NONE);
    uint8_t *at = puppet_map_again(&pager, 5 * PUPPET_PAGE, 3, false);

    CHECK_EQ(puppet_touch(&pager, at + 2 * PUPPET_PAGE, false, 0, 7 * PUPPET_PAGE, 3), 3);
    vm_deallocate(mach_task_self(), (vm_address_t)at, 3 * PUPPET_PAGE);
    puppet_end(&pager, first, 1);
}

TEST(offsets_have_more_than_32_bits)
{
    struct puppet pager;
    vm_offset_t offset = 0x123456789000;
    uint8_t *first = puppet_map(&pager, 1, false, MEMORY_OBJECT_COPY_NONE);
    uint8_t *at = puppet_map_again(&pager, offset, 2, false);

    CHECK_EQ(puppet_touch(&pager, at + PUPPET_PAGE, true, 6, offset + PUPPET_PAGE, 3), 6);
    vm_deallocate(mach_task_self(), (vm_address_t)first, PUPPET_PAGE);
    vm_deallocate(mach_task_self(), (vm_address_t)at, 2 * PUPPET_PAGE);
    CHECK_EQ(puppet_expect_return(&pager, offset + PUPPET_PAGE, 1, true, false), 6);
    puppet_expect_end(&pager);
    puppet_destroy(&pager);
}

/* Touch a page, check how much the pager is asked for, supply that. */
static void touch_asks(struct puppet *pager, uint8_t *at, unsigned page, unsigned pages)
{
    struct puppet_message m;
    struct toucher toucher;

    toucher_start(&toucher, at + page * PUPPET_PAGE, false, 0, 0);
    puppet_expect(pager, PUPPET_DATA_REQUEST, &m);
    CHECK_EQ(m.offset, page * PUPPET_PAGE);
    CHECK_EQ(m.length, pages * PUPPET_PAGE);
    puppet_supply(pager, m.offset, (unsigned)(m.length / PUPPET_PAGE), (int)page);
    CHECK_EQ(toucher_end(&toucher), KERN_SUCCESS);
    CHECK_EQ(toucher.value, page);
}

TEST(reading_in_order_asks_for_clusters_that_grow)
{
    struct puppet pager;
    uint8_t *at = puppet_map(&pager, 220, false, MEMORY_OBJECT_COPY_NONE);

    touch_asks(&pager, at, 0, 1);
    touch_asks(&pager, at, 1, 16);
    CHECK_EQ(at[16 * PUPPET_PAGE], 1);
    touch_asks(&pager, at, 17, 32);
    touch_asks(&pager, at, 49, 64);
    touch_asks(&pager, at, 113, 64);
    touch_asks(&pager, at, 200, 1); /* somewhere else */
    touch_asks(&pager, at, 201, 16);
    touch_asks(&pager, at, 217, 3); /* to the end */
    puppet_expect_nothing(&pager);
    puppet_end(&pager, at, 220);
}

TEST(reading_here_and_there_asks_for_single_pages)
{
    static const unsigned pages[] = {9, 3, 39, 20, 4, 22};
    struct puppet pager;
    uint8_t *at = puppet_map(&pager, 40, false, MEMORY_OBJECT_COPY_NONE);

    for (unsigned i = 0; i < sizeof(pages) / sizeof(pages[0]); i++) {
        touch_asks(&pager, at, pages[i], 1);
    }
    puppet_end(&pager, at, 40);
}

TEST(a_cluster_ends_at_a_page_that_is_there)
{
    struct puppet pager;
    uint8_t *at = puppet_map(&pager, 40, false, MEMORY_OBJECT_COPY_NONE);

    touch_asks(&pager, at, 6, 1);
    touch_asks(&pager, at, 0, 1);
    touch_asks(&pager, at, 1, 5);
    puppet_end(&pager, at, 40);
}

#define WAITERS 50

TEST(many_threads_wait_for_one_page_with_one_request)
{
    static struct toucher waiters[WAITERS];
    struct puppet pager;
    struct puppet_message m;
    uint8_t *at = puppet_map(&pager, 1, false, MEMORY_OBJECT_COPY_NONE);

    for (unsigned i = 0; i < WAITERS; i++) {
        toucher_start(&waiters[i], at + i, i == 7, 0x33, 0);
    }
    puppet_expect(&pager, PUPPET_DATA_REQUEST, &m);
    for (unsigned i = 0; i < WAITERS; i++) {
        CHECK(ipc_wait_blocked(waiters[i].port));
    }
    puppet_expect_nothing(&pager);
    puppet_supply(&pager, 0, 1, 0x33);
    for (unsigned i = 0; i < WAITERS; i++) {
        CHECK_EQ(toucher_end(&waiters[i]), KERN_SUCCESS);
        CHECK_EQ(waiters[i].value, 0x33);
    }
    puppet_expect_nothing(&pager);
    vm_deallocate(mach_task_self(), (vm_address_t)at, PUPPET_PAGE);
    puppet_expect_return(&pager, 0, 1, true, false);
    puppet_expect_end(&pager);
    puppet_destroy(&pager);
}

TEST(requests_may_be_answered_in_any_order)
{
    struct toucher touchers[4];
    struct puppet pager;
    struct puppet_message m;
    uint8_t *at = puppet_map(&pager, 40, false, MEMORY_OBJECT_COPY_NONE);

    for (unsigned i = 0; i < 4; i++) {
        toucher_start(&touchers[i], at + (32 - 8 * i) * PUPPET_PAGE, false, 0, 0);
        puppet_expect(&pager, PUPPET_DATA_REQUEST, &m);
        CHECK_EQ(m.offset, (32 - 8 * i) * PUPPET_PAGE);
    }
    for (unsigned i = 4; i > 0; i--) {
        CHECK(!toucher_is_done(&touchers[i - 1]));
        puppet_supply(&pager, (40 - 8 * i) * PUPPET_PAGE, 1, (int)i);
        CHECK_EQ(toucher_end(&touchers[i - 1]), KERN_SUCCESS);
        CHECK_EQ(touchers[i - 1].value, i);
    }
    puppet_end(&pager, at, 40);
}

TEST(two_objects_do_not_mix)
{
    struct puppet left, right;
    uint8_t *l = puppet_map(&left, 2, false, MEMORY_OBJECT_COPY_NONE);
    uint8_t *r = puppet_map(&right, 2, false, MEMORY_OBJECT_COPY_NONE);

    CHECK_EQ(puppet_touch(&left, l, false, 0, 0, 1), 1);
    CHECK_EQ(puppet_touch(&right, r, false, 0, 0, 2), 2);
    CHECK_EQ(l[1], 1);
    puppet_expect_nothing(&left);
    puppet_end(&left, l, 2);
    CHECK_EQ(r[1], 2);
    puppet_end(&right, r, 2);
}

/* --- no data --- */

TEST(what_the_pager_has_not_is_zero_and_kept_once_written)
{
    struct puppet pager;
    struct puppet_message m;
    struct toucher toucher;
    uint8_t *at = puppet_map(&pager, 4, false, MEMORY_OBJECT_COPY_NONE);

    toucher_start(&toucher, at + PUPPET_PAGE, true, 5, 0);
    puppet_expect(&pager, PUPPET_DATA_REQUEST, &m);
    CHECK_EQ(memory_object_data_unavailable(pager.control, m.offset, m.length), KERN_SUCCESS);
    CHECK_EQ(toucher_end(&toucher), KERN_SUCCESS);
    CHECK_EQ(at[PUPPET_PAGE], 5);
    CHECK_EQ(at[PUPPET_PAGE + 1], 0);
    vm_deallocate(mach_task_self(), (vm_address_t)at, 4 * PUPPET_PAGE);
    CHECK_EQ(puppet_expect_return(&pager, PUPPET_PAGE, 1, true, false), 5);
    puppet_expect_end(&pager);
    puppet_destroy(&pager);
}

TEST(parts_of_a_request_may_have_different_answers)
{
    struct puppet pager;
    struct puppet_message m;
    struct toucher first, second, third;
    uint8_t *at = puppet_map(&pager, 17, false, MEMORY_OBJECT_COPY_NONE);

    touch_asks(&pager, at, 0, 1);
    toucher_start(&first, at + PUPPET_PAGE, false, 0, 0);
    puppet_expect(&pager, PUPPET_DATA_REQUEST, &m);
    CHECK_EQ(m.length, 16 * PUPPET_PAGE);
    toucher_start(&second, at + 2 * PUPPET_PAGE, false, 0, 0);
    toucher_start(&third, at + 3 * PUPPET_PAGE, false, 0, 0);
    puppet_expect_nothing(&pager);
    memory_object_data_error(pager.control, PUPPET_PAGE, PUPPET_PAGE, KERN_FAILURE);
    memory_object_data_unavailable(pager.control, 2 * PUPPET_PAGE, PUPPET_PAGE);
    puppet_supply(&pager, 3 * PUPPET_PAGE, 14, 8);
    CHECK_EQ(toucher_end(&first), KERN_MEMORY_ERROR);
    CHECK_EQ(toucher_end(&second), KERN_SUCCESS);
    CHECK_EQ(second.value, 0);
    CHECK_EQ(toucher_end(&third), KERN_SUCCESS);
    CHECK_EQ(third.value, 8);
    CHECK_EQ(at[16 * PUPPET_PAGE], 8);
    puppet_end(&pager, at, 17);
}

TEST(no_data_for_what_nobody_asked_for_changes_nothing)
{
    struct puppet pager;
    uint8_t *at = puppet_map(&pager, 4, false, MEMORY_OBJECT_COPY_NONE);

    memory_object_data_error(pager.control, 0, 4 * PUPPET_PAGE, KERN_FAILURE);
    memory_object_data_unavailable(pager.control, 0, 4 * PUPPET_PAGE);
    memory_object_data_error(pager.control, 1, 4 * PUPPET_PAGE, KERN_FAILURE);
    memory_object_data_unavailable(pager.control, ~0ul & ~0xffful, 2 * PUPPET_PAGE);
    CHECK_EQ(puppet_touch(&pager, at, false, 0, 0, 4), 4);
    memory_object_data_error(pager.control, 0, 4 * PUPPET_PAGE, KERN_FAILURE);
    CHECK_EQ(at[0], 4);
    puppet_end(&pager, at, 4);
}

/* --- the question --- */

/* Fill the pager's queue, which takes one message then. */
static void fill_queue(struct puppet *pager)
{
    CHECK_EQ(mach_port_set_qlimit(mach_task_self(), pager->object, 1), KERN_SUCCESS);
    CHECK_EQ(test_send(pager->object, MACH_PORT_NULL, 1, MACH_SEND_TIMEOUT, 0), MACH_MSG_SUCCESS);
}

static void drain_queue(struct puppet *pager)
{
    struct puppet_message m;

    puppet_receive(pager->object, &m, 0);
    CHECK_EQ(m.id, 1);
}

TEST(who_waits_asks_when_the_thread_that_was_to_ask_gave_up)
{
    struct puppet pager;
    struct toucher first, second;
    uint8_t *at = puppet_map(&pager, 4, false, MEMORY_OBJECT_COPY_NONE);

    fill_queue(&pager);
    toucher_start(&first, at, false, 0, 100);
    CHECK(ipc_wait_blocked(first.port));
    toucher_start(&second, at, false, 0, 0);
    CHECK(ipc_wait_blocked(second.port));
    CHECK_EQ(toucher_end(&first), KERN_MEMORY_ERROR);
    drain_queue(&pager);
    puppet_answer(&pager, 0, 6);
    CHECK_EQ(toucher_end(&second), KERN_SUCCESS);
    CHECK_EQ(second.value, 6);
    puppet_end(&pager, at, 4);
}

TEST(who_waits_for_an_unlock_asks_when_the_thread_that_was_to_ask_gave_up)
{
    struct puppet pager;
    struct puppet_message m;
    struct toucher first, second;
    uint8_t *at = puppet_map(&pager, 1, false, MEMORY_OBJECT_COPY_NONE);

    puppet_touch(&pager, at, false, 0, 0, 6);
    puppet_lock(&pager, 0, 1, MEMORY_OBJECT_RETURN_NONE, false, VM_PROT_WRITE);
    puppet_expect(&pager, PUPPET_LOCK_COMPLETED, &m);
    fill_queue(&pager);
    toucher_start(&first, at, true, 7, 100);
    CHECK(ipc_wait_blocked(first.port));
    toucher_start(&second, at, true, 8, 0);
    CHECK(ipc_wait_blocked(second.port));
    CHECK_EQ(toucher_end(&first), KERN_MEMORY_ERROR);
    drain_queue(&pager);
    puppet_expect(&pager, PUPPET_DATA_UNLOCK, &m);
    puppet_lock(&pager, 0, 1, MEMORY_OBJECT_RETURN_NONE, false, VM_PROT_NONE);
    CHECK_EQ(toucher_end(&second), KERN_SUCCESS);
    puppet_expect(&pager, PUPPET_LOCK_COMPLETED, &m);
    vm_deallocate(mach_task_self(), (vm_address_t)at, PUPPET_PAGE);
    CHECK_EQ(puppet_expect_return(&pager, 0, 1, true, false), 8);
    puppet_expect_end(&pager);
    puppet_destroy(&pager);
}

/* --- the kernel touches --- */

TEST(messages_may_lie_in_memory_of_a_pager)
{
    struct puppet_server server;
    uint8_t *at = puppet_server_start(&server, 4, false, MEMORY_OBJECT_COPY_NONE);
    struct ipc_message *out = (struct ipc_message *)at;
    struct test_message in;
    mach_port_t port = test_port();
    unsigned asked;

    memset(server.store, 0, sizeof(out->head));
    ((struct ipc_message *)server.store)->head =
        (mach_msg_header_t){.msgh_bits = MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, 0),
                            .msgh_size = sizeof(mach_msg_header_t) + 64,
                            .msgh_remote_port = port,
                            .msgh_id = 77};
    CHECK_EQ(mach_msg(&out->head, MACH_SEND_MSG, sizeof(mach_msg_header_t) + 64, 0, 0, 0, 0),
             MACH_MSG_SUCCESS);
    CHECK_EQ(test_receive(port, &in, 0, 1000), MACH_MSG_SUCCESS);
    CHECK_EQ(in.head.msgh_id, 77);
    CHECK_EQ(in.body[5], 1);
    asked = server.asked;
    CHECK_EQ(test_send(port, MACH_PORT_NULL, 78, 0, 0), MACH_MSG_SUCCESS);
    CHECK_EQ(
        mach_msg((mach_msg_header_t *)(at + 3 * PUPPET_PAGE), MACH_RCV_MSG, 0, 4000, port, 0, 0),
        MACH_MSG_SUCCESS);
    CHECK_EQ(((mach_msg_header_t *)(at + 3 * PUPPET_PAGE))->msgh_id, 78);
    CHECK(server.asked > asked);
    ipc_drop(port);
    puppet_server_end(&server, at);
    CHECK_EQ(server.returns > 0, true);
}

TEST(a_message_in_memory_nobody_supplies_is_an_error)
{
    struct puppet pager;
    struct puppet_message m;
    mach_port_t port = test_port(), thread = mach_thread_self();
    uint8_t *at = puppet_map(&pager, 4, false, MEMORY_OBJECT_COPY_NONE);

    CHECK_EQ(thread_set_memory_timeout(thread, 50), KERN_SUCCESS);
    CHECK_EQ(mach_msg((mach_msg_header_t *)at, MACH_SEND_MSG, 64, 0, 0, 0, 0),
             MACH_SEND_INVALID_DATA);
    puppet_expect(&pager, PUPPET_DATA_REQUEST, &m);
    CHECK_EQ(test_send(port, MACH_PORT_NULL, 78, 0, 0), MACH_MSG_SUCCESS);
    CHECK_EQ(mach_msg((mach_msg_header_t *)(at + PUPPET_PAGE), MACH_RCV_MSG, 0, 4000, port, 0, 0),
             MACH_RCV_INVALID_DATA);
    puppet_expect(&pager, PUPPET_DATA_REQUEST, &m);
    CHECK_EQ(thread_set_memory_timeout(thread, 0), KERN_SUCCESS);
    mach_port_deallocate(mach_task_self(), thread);
    ipc_drop(port);
    puppet_end(&pager, at, 4);
}

/* --- a wait within a wait --- */

static void *wait_for_word(void *at)
{
    return (void *)(uintptr_t)gsync_wait(mach_task_self(), (vm_address_t)at, 0x42424242, 0, 0, 0);
}

TEST(who_waits_for_a_word_of_a_pager_may_be_woken_before_it_is_there)
{
    struct puppet pager;
    struct puppet_message m;
    pthread_t waiter;
    void *result;
    uint8_t *at = puppet_map(&pager, 4, false, MEMORY_OBJECT_COPY_NONE);

    CHECK_EQ(pthread_create(&waiter, NULL, wait_for_word, at), 0);
    puppet_expect(&pager, PUPPET_DATA_REQUEST, &m);
    for (int i = 0; i < 1000; i++) { /* until it waits for the page */
        swtch();
    }
    CHECK_EQ(gsync_wake(mach_task_self(), (vm_address_t)at, 0, 0), KERN_SUCCESS);
    puppet_supply(&pager, m.offset, 1, 0x42);
    CHECK_EQ(pthread_join(waiter, &result), 0);
    CHECK_EQ((kern_return_t)(uintptr_t)result, KERN_SUCCESS);
    puppet_end(&pager, at, 4);
}
