/* pager_test.c - memory objects: a pager answers, and whoever touches the memory goes on. */
#include <mach.h>
#include <mach_port.h>
#include <string.h>

#include "lib/pager.h"

TEST(a_fault_asks_the_pager_and_sees_what_it_supplies)
{
    struct pager pager;
    struct pager_message m;
    struct toucher toucher;
    uint8_t *at = pager_map(&pager, 4, false, MEMORY_OBJECT_COPY_NONE);

    toucher_start(&toucher, at + PAGER_PAGE + 5, false, 0, 0);
    pager_expect(&pager, PAGER_DATA_REQUEST, &m);
    CHECK_EQ(m.offset, PAGER_PAGE);
    CHECK_EQ(m.length, PAGER_PAGE);
    CHECK_EQ(m.access & VM_PROT_WRITE, 0);
    CHECK(!toucher_is_done(&toucher));
    pager_supply(&pager, m.offset, 1, 0x42);
    CHECK_EQ(toucher_end(&toucher), KERN_SUCCESS);
    CHECK_EQ(toucher.value, 0x42);
    CHECK_EQ(at[PAGER_PAGE], 0x42);
    CHECK_EQ(vm_deallocate(mach_task_self(), (vm_address_t)at, 4 * PAGER_PAGE), KERN_SUCCESS);
    pager_expect(&pager, PAGER_TERMINATE, &m);
    ipc_drop(m.control);
    ipc_drop(m.port);
    pager_destroy(&pager);
}

TEST(a_changed_page_comes_back_before_the_object_ends)
{
    struct pager pager;
    struct pager_message m;
    struct toucher toucher;
    uint8_t *at = pager_map(&pager, 4, false, MEMORY_OBJECT_COPY_NONE);

    toucher_start(&toucher, at + 7, true, 0x17, 0);
    pager_expect(&pager, PAGER_DATA_REQUEST, &m);
    CHECK_EQ(m.access & VM_PROT_WRITE, VM_PROT_WRITE);
    pager_supply(&pager, m.offset, 1, 0x42);
    CHECK_EQ(toucher_end(&toucher), KERN_SUCCESS);
    CHECK_EQ(at[7], 0x17);
    CHECK_EQ(vm_deallocate(mach_task_self(), (vm_address_t)at, 4 * PAGER_PAGE), KERN_SUCCESS);
    pager_expect(&pager, PAGER_DATA_RETURN, &m);
    CHECK_EQ(m.length, PAGER_PAGE);
    CHECK_EQ(m.data[7], 0x17);
    CHECK_EQ(m.data[8], 0x42);
    CHECK(m.dirty);
    CHECK_EQ(m.kernel_copy, 0);
    vm_deallocate(mach_task_self(), (vm_address_t)m.data, m.length);
    pager_expect(&pager, PAGER_TERMINATE, &m);
    ipc_drop(m.control);
    ipc_drop(m.port);
    pager_destroy(&pager);
}

TEST(a_pager_that_never_answers_costs_its_client_an_exception)
{
    struct pager pager;
    struct pager_message m;
    struct toucher toucher;
    uint8_t *at = pager_map(&pager, 4, false, MEMORY_OBJECT_COPY_NONE);

    toucher_start(&toucher, at, false, 0, 100);
    CHECK_EQ(toucher_end(&toucher), KERN_MEMORY_ERROR);
    pager_expect(&pager, PAGER_DATA_REQUEST, &m);
    vm_deallocate(mach_task_self(), (vm_address_t)at, 4 * PAGER_PAGE);
    pager_expect(&pager, PAGER_TERMINATE, &m);
    ipc_drop(m.control);
    ipc_drop(m.port);
    pager_destroy(&pager);
}

TEST(a_pager_that_dies_costs_its_client_an_exception)
{
    struct pager pager;
    struct pager_message m;
    struct toucher toucher;
    uint8_t *at = pager_map(&pager, 4, false, MEMORY_OBJECT_COPY_NONE);

    toucher_start(&toucher, at, false, 0, 0);
    pager_expect(&pager, PAGER_DATA_REQUEST, &m);
    pager_destroy(&pager);
    CHECK_EQ(toucher_end(&toucher), KERN_MEMORY_ERROR);
    vm_deallocate(mach_task_self(), (vm_address_t)at, 4 * PAGER_PAGE);
}

TEST(an_error_of_the_pager_is_an_exception)
{
    struct pager pager;
    struct pager_message m;
    struct toucher toucher;
    uint8_t *at = pager_map(&pager, 4, false, MEMORY_OBJECT_COPY_NONE);

    toucher_start(&toucher, at, false, 0, 0);
    pager_expect(&pager, PAGER_DATA_REQUEST, &m);
    CHECK_EQ(memory_object_data_error(pager.control, m.offset, m.length, KERN_FAILURE),
             KERN_SUCCESS);
    CHECK_EQ(toucher_end(&toucher), KERN_MEMORY_ERROR);
    toucher_start(&toucher, at, false, 0, 0);
    pager_expect(&pager, PAGER_DATA_REQUEST, &m);
    CHECK_EQ(memory_object_data_unavailable(pager.control, m.offset, m.length), KERN_SUCCESS);
    CHECK_EQ(toucher_end(&toucher), KERN_SUCCESS);
    CHECK_EQ(toucher.value, 0);
    vm_deallocate(mach_task_self(), (vm_address_t)at, 4 * PAGER_PAGE);
    pager_destroy(&pager);
}
