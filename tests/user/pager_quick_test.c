/* pager_quick_test.c - the short way of a fault to its pager: a thread of the pager waits in a
 * plain receive, and the thread that faults, which has waited for a pager before, asks it. On one
 * processor it is taken; what is seen is the same on several. */
#include <mach.h>
#include <mach_port.h>
#include <string.h>

#include "lib/puppet.h"

#define AT(page) (at + (page)*PUPPET_PAGE)

static struct ipc_message quick_in;

/* Let the toucher go while a thread waits for its question, which is then in quick_in. */
static void quick_ask(struct puppet *pager, struct toucher *toucher, mach_port_t from)
{
    struct ipc_call receive;

    ipc_call_receive(&receive, from, &quick_in, MACH_RCV_MSG, 0);
    toucher_go(toucher);
    CHECK_EQ(ipc_call_end(&receive), MACH_MSG_SUCCESS);
    CHECK_EQ(quick_in.head.msgh_id, PUPPET_DATA_REQUEST);
    CHECK_EQ((mach_port_t)*ipc_item_data(&quick_in, 0), pager->control);
    mach_port_deallocate(mach_task_self(), pager->control);
}

/* A map of 16 pages, and a toucher that has asked for page 0 and is about to touch page 9. */
static uint8_t *quick_start(struct puppet *pager, struct toucher *toucher, bool write,
                            unsigned timeout_ms)
{
    uint8_t *at = puppet_map(pager, 16, false, MEMORY_OBJECT_COPY_NONE);

    toucher_start_after(toucher, pager, at, AT(9) + 5, write, 7, timeout_ms);
    return at;
}

TEST(a_question_is_the_same_the_short_way_and_the_long)
{
    struct puppet pager;
    struct toucher toucher;
    struct ipc_message slow;
    uint8_t *at = quick_start(&pager, &toucher, false, 0);

    quick_ask(&pager, &toucher, pager.object);
    CHECK_EQ(*ipc_item_data(&quick_in, 1), 9 * PUPPET_PAGE);
    CHECK_EQ(*ipc_item_data(&quick_in, 2), PUPPET_PAGE);
    CHECK(!toucher_is_done(&toucher));
    puppet_supply(&pager, 9 * PUPPET_PAGE, 1, 0x42);
    CHECK_EQ(toucher_end(&toucher), KERN_SUCCESS);
    CHECK_EQ(toucher.value, 0x42);

    toucher_start(&toucher, AT(4), false, 0, 0);
    CHECK(ipc_wait_blocked(toucher.port));
    CHECK_EQ(ipc_receive(pager.object, &slow, MACH_RCV_MSG, 0), MACH_MSG_SUCCESS);
    mach_port_deallocate(mach_task_self(), pager.control);
    CHECK_EQ(*ipc_item_data(&slow, 1), 4 * PUPPET_PAGE);
    CHECK_EQ(slow.head.msgh_seqno, quick_in.head.msgh_seqno + 1);
    slow.head.msgh_seqno = quick_in.head.msgh_seqno;
    *ipc_item_data(&slow, 1) = 9 * PUPPET_PAGE;
    CHECK_EQ(slow.head.msgh_size, quick_in.head.msgh_size);
    CHECK_EQ(memcmp(&slow, &quick_in, slow.head.msgh_size), 0);
    puppet_supply(&pager, 4 * PUPPET_PAGE, 1, 3);
    CHECK_EQ(toucher_end(&toucher), KERN_SUCCESS);
    puppet_end(&pager, at, 16);
}

TEST(a_question_goes_the_short_way_to_a_set)
{
    struct puppet pager;
    struct toucher toucher;
    mach_port_t set;
    uint8_t *at = quick_start(&pager, &toucher, true, 0);

    CHECK_EQ(mach_port_allocate(mach_task_self(), MACH_PORT_RIGHT_PORT_SET, &set), KERN_SUCCESS);
    CHECK_EQ(mach_port_move_member(mach_task_self(), pager.object, set), KERN_SUCCESS);
    quick_ask(&pager, &toucher, set);
    CHECK_EQ(*(int *)ipc_item_data(&quick_in, 3) & VM_PROT_WRITE, VM_PROT_WRITE);
    CHECK_EQ(mach_port_destroy(mach_task_self(), set), KERN_SUCCESS);
    puppet_supply(&pager, 9 * PUPPET_PAGE, 1, 0x42);
    CHECK_EQ(toucher_end(&toucher), KERN_SUCCESS);
    CHECK_EQ(AT(9)[5], 7);
    CHECK_EQ(AT(9)[6], 0x42);
    vm_deallocate(mach_task_self(), (vm_address_t)at, 16 * PUPPET_PAGE);
    CHECK_EQ(puppet_expect_return(&pager, 9 * PUPPET_PAGE, 1, true, false), 0x42);
    puppet_expect_end(&pager);
    puppet_destroy(&pager);
}

TEST(a_question_asked_the_short_way_is_not_waited_for_longer)
{
    struct puppet pager;
    struct toucher toucher;
    uint8_t *at = quick_start(&pager, &toucher, false, 150);

    quick_ask(&pager, &toucher, pager.object);
    CHECK_EQ(toucher_end(&toucher), KERN_MEMORY_ERROR);
    CHECK_EQ(toucher.subcode, (uint64_t)AT(9) + 5);
    CHECK_EQ(puppet_touch(&pager, AT(9), false, 0, 9 * PUPPET_PAGE, 6), 6); /* it is asked anew */
    puppet_end(&pager, at, 16);
}

TEST(an_error_answers_a_question_asked_the_short_way)
{
    struct puppet pager;
    struct toucher toucher;
    uint8_t *at = quick_start(&pager, &toucher, true, 0);

    quick_ask(&pager, &toucher, pager.object);
    CHECK_EQ(memory_object_data_error(pager.control, 9 * PUPPET_PAGE, PUPPET_PAGE, 1),
             KERN_SUCCESS);
    CHECK_EQ(toucher_end(&toucher), KERN_MEMORY_ERROR);
    CHECK_EQ(toucher.subcode, (uint64_t)AT(9) + 5);
    puppet_end(&pager, at, 16);
}

TEST(a_pager_that_dies_ends_the_wait_for_what_was_asked_the_short_way)
{
    struct puppet pager;
    struct toucher toucher;
    uint8_t *at = quick_start(&pager, &toucher, false, 0);

    quick_ask(&pager, &toucher, pager.object);
    puppet_destroy(&pager);
    CHECK_EQ(toucher_end(&toucher), KERN_MEMORY_ERROR);
    vm_deallocate(mach_task_self(), (vm_address_t)at, 16 * PUPPET_PAGE);
}

TEST(an_abort_has_the_thread_ask_again)
{
    struct puppet pager;
    struct toucher toucher;
    uint8_t *at = quick_start(&pager, &toucher, false, 0);

    quick_ask(&pager, &toucher, pager.object);
    CHECK(ipc_wait_blocked(toucher.port));
    CHECK_EQ(thread_abort(toucher.port), KERN_SUCCESS);
    puppet_answer(&pager, 9 * PUPPET_PAGE, 8);
    CHECK_EQ(toucher_end(&toucher), KERN_SUCCESS);
    CHECK_EQ(toucher.value, 8);
    puppet_end(&pager, at, 16);
}

TEST(a_thread_that_waits_without_a_stack_goes_on_where_it_is_told)
{
    struct puppet pager;
    struct toucher toucher;
    struct i386_thread_state state;
    mach_msg_type_number_t count = i386_THREAD_STATE_COUNT;
    uint8_t *at = quick_start(&pager, &toucher, false, 0);

    quick_ask(&pager, &toucher, pager.object);
    CHECK(ipc_wait_blocked(toucher.port));
    CHECK_EQ(thread_suspend(toucher.port), KERN_SUCCESS);
    CHECK_EQ(thread_abort(toucher.port), KERN_SUCCESS);
    CHECK_EQ(thread_get_state(toucher.port, i386_THREAD_STATE, (thread_state_t)&state, &count),
             KERN_SUCCESS);
    CHECK_EQ(state.rdi, (uint64_t)AT(9) + 5);
    state.rdi = (uint64_t)at;
    CHECK_EQ(thread_set_state(toucher.port, i386_THREAD_STATE, (thread_state_t)&state, count),
             KERN_SUCCESS);
    CHECK_EQ(thread_resume(toucher.port), KERN_SUCCESS);
    CHECK_EQ(toucher_end(&toucher), KERN_SUCCESS);
    CHECK_EQ(toucher.value, 0);
    puppet_expect_nothing(&pager);
    puppet_end(&pager, at, 16);
}

TEST(threads_that_wait_both_ways_are_all_woken)
{
    struct puppet pager;
    struct toucher quick, slow;
    uint8_t *at = quick_start(&pager, &quick, false, 0);

    quick_ask(&pager, &quick, pager.object);
    toucher_start(&slow, AT(9), false, 0, 0);
    CHECK(ipc_wait_blocked(slow.port));
    puppet_expect_nothing(&pager);
    puppet_supply(&pager, 9 * PUPPET_PAGE, 1, 5);
    CHECK_EQ(toucher_end(&quick), KERN_SUCCESS);
    CHECK_EQ(toucher_end(&slow), KERN_SUCCESS);
    CHECK_EQ(quick.value + slow.value, 10);
    puppet_end(&pager, at, 16);
}

TEST(the_last_of_those_that_wait_both_ways_gives_the_page_up)
{
    struct puppet pager;
    struct toucher quick, slow;
    uint8_t *at = quick_start(&pager, &quick, false, 800);

    /* The slow one must wait before the quick one gives up, also on a machine that is busy. */
    quick_ask(&pager, &quick, pager.object);
    toucher_start(&slow, AT(9), false, 0, 2500);
    CHECK(ipc_wait_blocked(slow.port));
    CHECK(!toucher_is_done(&quick));
    CHECK_EQ(toucher_end(&quick), KERN_MEMORY_ERROR);
    CHECK(!toucher_is_done(&slow));
    puppet_expect_nothing(&pager);
    CHECK_EQ(toucher_end(&slow), KERN_MEMORY_ERROR);
    CHECK_EQ(puppet_touch(&pager, AT(9), false, 0, 9 * PUPPET_PAGE, 6), 6);
    puppet_end(&pager, at, 16);
}

TEST(a_thread_that_waits_without_a_stack_can_be_ended)
{
    struct puppet pager;
    struct toucher toucher;
    uint8_t *at = quick_start(&pager, &toucher, false, 0);

    quick_ask(&pager, &toucher, pager.object);
    CHECK(ipc_wait_blocked(toucher.port));
    CHECK_EQ(thread_terminate(toucher.port), KERN_SUCCESS);
    while (ipc_type(toucher.port) != MACH_PORT_TYPE_DEAD_NAME) {
        ipc_pause_ms(1);
    }
    ipc_drop(toucher.port);
    mach_port_destroy(mach_task_self(), toucher.exceptions);
    CHECK_EQ(puppet_touch(&pager, AT(9), false, 0, 9 * PUPPET_PAGE, 6), 6); /* it is asked anew */
    puppet_end(&pager, at, 16);
}
