/* pager_supply_test.c - memory objects: what a pager supplies, asked or not, early, late, twice,
 * too much, too little, and how the pages come. */
#include <gnumach.h>
#include <mach.h>
#include <mach_port.h>
#include <portolan.h>
#include <string.h>

#include "lib/puppet.h"

static mach_port_t self(void)
{
    return mach_task_self();
}

/* Supply from `data` as it is; the reply goes to the object's port. */
static void supply(struct puppet *pager, vm_offset_t offset, void *data, vm_size_t size,
                   bool deallocate)
{
    CHECK_EQ(memory_object_data_supply(pager->control, offset, (vm_offset_t)data,
                                       (mach_msg_type_number_t)size, deallocate, VM_PROT_NONE,
                                       false, pager->object),
             KERN_SUCCESS);
}

static void expect_supplied(struct puppet *pager, vm_offset_t offset, vm_size_t length)
{
    struct puppet_message m;

    puppet_expect(pager, PUPPET_SUPPLY_COMPLETED, &m);
    CHECK_EQ(m.offset, offset);
    CHECK_EQ(m.length, length);
    CHECK_EQ(m.result, KERN_SUCCESS);
}

TEST(a_supply_is_confirmed)
{
    struct puppet pager;
    uint8_t *at = puppet_map(&pager, 4, false, MEMORY_OBJECT_COPY_NONE);

    puppet_supply_as(&pager, PUPPET_PAGE, 2, 7, VM_PROT_NONE, false);
    expect_supplied(&pager, PUPPET_PAGE, 2 * PUPPET_PAGE);
    puppet_end(&pager, at, 4);
}

TEST(a_page_supplied_before_it_is_needed_is_used)
{
    struct puppet pager;
    uint8_t *at = puppet_map(&pager, 4, false, MEMORY_OBJECT_COPY_NONE);

    puppet_supply(&pager, PUPPET_PAGE, 2, 7);
    CHECK_EQ(at[PUPPET_PAGE], 7);
    CHECK_EQ(at[2 * PUPPET_PAGE], 7);
    puppet_expect_nothing(&pager);
    CHECK_EQ(puppet_touch(&pager, at, false, 0, 0, 8), 8);
    puppet_end(&pager, at, 4);
}

TEST(a_page_supplied_before_the_pager_was_ready_is_not_taken)
{
    struct puppet pager;
    struct puppet_message m;
    uint8_t *at;

    puppet_create(&pager);
    at = puppet_map_again(&pager, 0, 1, false);
    puppet_expect(&pager, PUPPET_INIT, &m);
    pager.control = m.control;
    pager.name = m.port;
    puppet_supply(&pager, 0, 1, 7);
    memory_object_ready(pager.control, false, MEMORY_OBJECT_COPY_NONE);
    CHECK_EQ(puppet_touch(&pager, at, false, 0, 0, 8), 8);
    puppet_end(&pager, at, 1);
}

TEST(a_page_that_is_there_is_not_replaced)
{
    struct puppet pager;
    uint8_t *at = puppet_map(&pager, 1, false, MEMORY_OBJECT_COPY_NONE);

    CHECK_EQ(puppet_touch(&pager, at, false, 0, 0, 7), 7);
    puppet_supply(&pager, 0, 1, 8);
    CHECK_EQ(at[0], 7);
    puppet_supply_as(&pager, 0, 1, 9, VM_PROT_ALL, true);
    expect_supplied(&pager, 0, PUPPET_PAGE);
    CHECK_EQ(at[0], 7);
    puppet_end(&pager, at, 1);
}

TEST(a_changed_page_is_not_replaced)
{
    struct puppet pager;
    uint8_t *at = puppet_map(&pager, 1, false, MEMORY_OBJECT_COPY_NONE);

    CHECK_EQ(puppet_touch(&pager, at, true, 1, 0, 7), 1);
    puppet_supply(&pager, 0, 1, 8);
    CHECK_EQ(at[0], 1);
    vm_deallocate(self(), (vm_address_t)at, PUPPET_PAGE);
    CHECK_EQ(puppet_expect_return(&pager, 0, 1, true, false), 1);
    puppet_expect_end(&pager);
    puppet_destroy(&pager);
}

TEST(a_page_that_comes_late_serves_the_next_touch)
{
    struct puppet pager;
    struct puppet_message m;
    uint8_t *at = puppet_map(&pager, 1, false, MEMORY_OBJECT_COPY_NONE);

    CHECK_EQ(toucher_touch(at, false, 0, 50), KERN_MEMORY_ERROR);
    puppet_expect(&pager, PUPPET_DATA_REQUEST, &m);
    puppet_supply(&pager, 0, 1, 7);
    CHECK_EQ(at[0], 7);
    puppet_expect_nothing(&pager);
    puppet_end(&pager, at, 1);
}

TEST(who_gave_up_asks_again)
{
    struct puppet pager;
    struct puppet_message m;
    uint8_t *at = puppet_map(&pager, 1, false, MEMORY_OBJECT_COPY_NONE);

    for (unsigned i = 0; i < 3; i++) {
        CHECK_EQ(toucher_touch(at, false, 0, 50), KERN_MEMORY_ERROR);
        puppet_expect(&pager, PUPPET_DATA_REQUEST, &m);
    }
    CHECK_EQ(puppet_touch(&pager, at, false, 0, 0, 7), 7);
    puppet_end(&pager, at, 1);
}

TEST(a_page_behind_the_end_of_the_object_is_not_taken)
{
    struct puppet pager;
    uint8_t *more, *at = puppet_map(&pager, 2, false, MEMORY_OBJECT_COPY_NONE);

    puppet_supply(&pager, 2 * PUPPET_PAGE, 4, 7);
    more = puppet_map_again(&pager, 0, 6, false);
    CHECK_EQ(puppet_touch(&pager, more + 2 * PUPPET_PAGE, false, 0, 2 * PUPPET_PAGE, 8), 8);
    vm_deallocate(self(), (vm_address_t)at, 2 * PUPPET_PAGE);
    puppet_end(&pager, more, 6);
}

TEST(ranges_that_are_not_whole_pages_are_refused)
{
    static const struct {
        vm_offset_t offset;
        vm_size_t size;
    } bad[] = {{1, PUPPET_PAGE},
               {0, 100},
               {0, PUPPET_PAGE + 1},
               {PUPPET_PAGE - 1, 2 * PUPPET_PAGE},
               {~0ul & ~(PUPPET_PAGE - 1), PUPPET_PAGE},
               {1ul << 47, PUPPET_PAGE},
               {1ul << 63, 2 * PUPPET_PAGE}};
    struct puppet pager;
    struct puppet_message m;
    uint8_t *data = ipc_pages(3);
    uint8_t *at = puppet_map(&pager, 3, false, MEMORY_OBJECT_COPY_NONE);

    memset(data, 9, 3 * PUPPET_PAGE);
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        supply(&pager, bad[i].offset, data, bad[i].size, false);
        puppet_expect(&pager, PUPPET_REFUSED, &m);
    }
    CHECK_EQ(memory_object_data_supply(pager.control, 0, (vm_offset_t)data, PUPPET_PAGE, false, 8,
                                       false, pager.object),
             KERN_SUCCESS); /* no such protection */
    puppet_expect(&pager, PUPPET_REFUSED, &m);
    CHECK_EQ(puppet_touch(&pager, at, false, 0, 0, 7), 7);
    ipc_free_pages(data, 3);
    puppet_end(&pager, at, 3);
}

TEST(nothing_supplied_is_confirmed_as_nothing)
{
    struct puppet pager;
    uint8_t *at = puppet_map(&pager, 1, false, MEMORY_OBJECT_COPY_NONE);

    supply(&pager, 0, at, 0, false);
    expect_supplied(&pager, 0, 0);
    CHECK_EQ(puppet_touch(&pager, at, false, 0, 0, 7), 7);
    puppet_end(&pager, at, 1);
}

TEST(more_than_was_asked_for_is_kept)
{
    struct puppet pager;
    struct puppet_message m;
    struct toucher toucher;
    uint8_t *at = puppet_map(&pager, 8, false, MEMORY_OBJECT_COPY_NONE);

    toucher_start(&toucher, at + 3 * PUPPET_PAGE, false, 0, 0);
    puppet_expect(&pager, PUPPET_DATA_REQUEST, &m);
    CHECK_EQ(m.length, PUPPET_PAGE);
    puppet_supply(&pager, 0, 8, 5);
    CHECK_EQ(toucher_end(&toucher), KERN_SUCCESS);
    for (unsigned i = 0; i < 8; i++) {
        CHECK_EQ(at[i * PUPPET_PAGE], 5);
    }
    puppet_expect_nothing(&pager);
    puppet_end(&pager, at, 8);
}

TEST(less_than_was_asked_for_leaves_the_others_waiting)
{
    struct puppet pager;
    struct puppet_message m;
    struct toucher first, third;
    uint8_t *at = puppet_map(&pager, 4, false, MEMORY_OBJECT_COPY_NONE);

    puppet_touch(&pager, at, false, 0, 0, 5);
    toucher_start(&first, at + PUPPET_PAGE, false, 0, 0);
    puppet_expect(&pager, PUPPET_DATA_REQUEST, &m);
    CHECK_EQ(m.length, 3 * PUPPET_PAGE);
    toucher_start(&third, at + 3 * PUPPET_PAGE, false, 0, 0);
    CHECK(ipc_wait_blocked(third.port));
    puppet_supply(&pager, PUPPET_PAGE, 1, 6);
    CHECK_EQ(toucher_end(&first), KERN_SUCCESS);
    puppet_expect_nothing(&pager);
    CHECK(!toucher_is_done(&third));
    puppet_supply(&pager, 2 * PUPPET_PAGE, 2, 7);
    CHECK_EQ(toucher_end(&third), KERN_SUCCESS);
    CHECK_EQ(third.value, 7);
    puppet_end(&pager, at, 4);
}

TEST(a_page_that_comes_is_no_error_for_the_pages_that_do_not)
{
    struct puppet pager;
    struct puppet_message m;
    struct toucher first;
    uint8_t *at = puppet_map(&pager, 4, false, MEMORY_OBJECT_COPY_NONE);

    puppet_touch(&pager, at, false, 0, 0, 5);
    toucher_start(&first, at + PUPPET_PAGE, false, 0, 0);
    puppet_expect(&pager, PUPPET_DATA_REQUEST, &m);
    puppet_supply(&pager, PUPPET_PAGE, 1, 6);
    CHECK_EQ(toucher_end(&first), KERN_SUCCESS);
    /* It has been asked for: this one waits until it gives up, the next asks anew. */
    CHECK_EQ(toucher_touch(at + 2 * PUPPET_PAGE, false, 0, 50), KERN_MEMORY_ERROR);
    puppet_expect_nothing(&pager);
    CHECK_EQ(puppet_touch(&pager, at + 2 * PUPPET_PAGE, false, 0, 2 * PUPPET_PAGE, 6), 6);
    puppet_end(&pager, at, 4);
}

/* --- how the pages come --- */

static uint64_t physical(void *address)
{
    rpc_phys_addr_t *pages;
    mach_msg_type_number_t count = 0;
    uint64_t page = 0;

    CHECK_EQ(vm_pages_phys(portolan_port("host"), self(), (vm_address_t)address, PUPPET_PAGE,
                           &pages, &count),
             KERN_SUCCESS);
    if (count == 1) {
        page = pages[0];
        vm_deallocate(self(), (vm_address_t)pages, sizeof(*pages));
    }
    return page;
}

/* Where the memory begins that is mapped at or after the address. */
static vm_address_t next_region(const void *at)
{
    vm_address_t address = (vm_address_t)at;
    vm_size_t size;
    vm_prot_t protection, max_protection;
    vm_inherit_t inheritance;
    boolean_t is_shared;
    mach_port_t name;
    vm_offset_t offset;

    CHECK_EQ(vm_region(self(), &address, &size, &protection, &max_protection, &inheritance,
                       &is_shared, &name, &offset),
             KERN_SUCCESS);
    CHECK_EQ(name, MACH_PORT_NULL);
    return address;
}

TEST(memory_given_away_moves_into_the_object)
{
    struct puppet pager;
    uint8_t *at = puppet_map(&pager, 4, false, MEMORY_OBJECT_COPY_NONE);
    uint8_t *data = ipc_pages(4);
    uint64_t where[4];

    for (unsigned i = 0; i < 4; i++) {
        data[i * PUPPET_PAGE] = (uint8_t)(i + 1);
        where[i] = physical(data + i * PUPPET_PAGE);
        CHECK(where[i] != 0);
    }
    supply(&pager, 0, data, 4 * PUPPET_PAGE, true);
    CHECK(next_region(data) >= (vm_address_t)data + 4 * PUPPET_PAGE);
    expect_supplied(&pager, 0, 4 * PUPPET_PAGE);
    for (unsigned i = 0; i < 4; i++) {
        CHECK_EQ(at[i * PUPPET_PAGE], i + 1);
        CHECK_EQ(physical(at + i * PUPPET_PAGE), where[i]);
    }
    puppet_end(&pager, at, 4);
}

TEST(memory_that_is_not_given_away_is_copied)
{
    struct puppet pager;
    uint8_t *at = puppet_map(&pager, 4, false, MEMORY_OBJECT_COPY_NONE);
    uint8_t *data = ipc_pages(4);

    memset(data, 3, 4 * PUPPET_PAGE);
    supply(&pager, 0, data, 4 * PUPPET_PAGE, false);
    expect_supplied(&pager, 0, 4 * PUPPET_PAGE);
    memset(data, 4, 4 * PUPPET_PAGE);
    for (unsigned i = 0; i < 4; i++) {
        CHECK_EQ(at[i * PUPPET_PAGE], 3);
        CHECK(physical(at + i * PUPPET_PAGE) != physical(data + i * PUPPET_PAGE));
    }
    ipc_free_pages(data, 4);
    puppet_end(&pager, at, 4);
}

TEST(memory_that_others_share_does_not_move)
{
    struct puppet pager;
    uint8_t *at = puppet_map(&pager, 4, false, MEMORY_OBJECT_COPY_NONE);
    uint8_t *data = ipc_pages(4), *copy = ipc_pages(4);

    memset(data, 3, 4 * PUPPET_PAGE);
    CHECK_EQ(vm_copy(self(), (vm_address_t)data, 4 * PUPPET_PAGE, (vm_address_t)copy),
             KERN_SUCCESS);
    supply(&pager, 0, data, 4 * PUPPET_PAGE, true);
    expect_supplied(&pager, 0, 4 * PUPPET_PAGE);
    at[0] = 9;
    CHECK_EQ(at[PUPPET_PAGE], 3);
    CHECK_EQ(copy[0], 3);
    copy[PUPPET_PAGE] = 8;
    CHECK_EQ(at[PUPPET_PAGE], 3);
    ipc_free_pages(copy, 4);
    vm_deallocate(self(), (vm_address_t)at, 4 * PUPPET_PAGE);
    CHECK_EQ(puppet_expect_return(&pager, 0, 1, true, false), 9);
    puppet_expect_end(&pager);
    puppet_destroy(&pager);
}

TEST(memory_never_written_comes_as_zeroes)
{
    struct puppet pager;
    uint8_t *at = puppet_map(&pager, 4, false, MEMORY_OBJECT_COPY_NONE);

    supply(&pager, 0, ipc_pages(4), 4 * PUPPET_PAGE, true);
    expect_supplied(&pager, 0, 4 * PUPPET_PAGE);
    CHECK_EQ(at[0], 0);
    CHECK_EQ(at[4 * PUPPET_PAGE - 1], 0);
    puppet_expect_nothing(&pager);
    puppet_end(&pager, at, 4);
}

TEST(memory_that_does_not_begin_at_a_page_is_copied)
{
    struct puppet pager;
    uint8_t *at = puppet_map(&pager, 2, false, MEMORY_OBJECT_COPY_NONE);
    uint8_t *data = ipc_pages(3);

    memset(data, 1, 3 * PUPPET_PAGE);
    data[100] = 2;
    data[100 + 2 * PUPPET_PAGE - 1] = 3;
    supply(&pager, 0, data + 100, 2 * PUPPET_PAGE, false);
    expect_supplied(&pager, 0, 2 * PUPPET_PAGE);
    CHECK_EQ(at[0], 2);
    CHECK_EQ(at[2 * PUPPET_PAGE - 1], 3);
    ipc_free_pages(data, 3);
    puppet_end(&pager, at, 2);
}

TEST(a_pager_may_supply_memory_of_another_pager)
{
    struct puppet_server server;
    struct puppet pager;
    uint8_t *theirs = puppet_server_start(&server, 4, false, MEMORY_OBJECT_COPY_DELAY);
    uint8_t *at = puppet_map(&pager, 4, false, MEMORY_OBJECT_COPY_NONE);

    supply(&pager, 0, theirs, 4 * PUPPET_PAGE, false);
    expect_supplied(&pager, 0, 4 * PUPPET_PAGE);
    CHECK_EQ(at[0], 1);
    CHECK_EQ(at[3 * PUPPET_PAGE], 4);
    CHECK_EQ(server.asked, 4);
    puppet_end(&pager, at, 4);
    puppet_server_end(&server, theirs);
}

TEST(memory_of_another_pager_that_does_not_come_is_reported)
{
    struct puppet pager, other;
    struct puppet_message m;
    struct toucher toucher;
    mach_port_t thread = mach_thread_self();
    uint8_t *theirs = puppet_map(&other, 4, false, MEMORY_OBJECT_COPY_DELAY);
    uint8_t *at = puppet_map(&pager, 4, false, MEMORY_OBJECT_COPY_NONE);

    toucher_start(&toucher, at + PUPPET_PAGE, false, 0, 0);
    puppet_expect(&pager, PUPPET_DATA_REQUEST, &m);
    puppet_supply(&other, 0, 1, 4);
    thread_set_memory_timeout(thread, 50);
    supply(&pager, 0, theirs, 4 * PUPPET_PAGE, false);
    thread_set_memory_timeout(thread, 0);
    puppet_expect(&pager, PUPPET_SUPPLY_COMPLETED, &m);
    CHECK_EQ(m.result, KERN_MEMORY_ERROR);
    CHECK_EQ(m.error_offset, PUPPET_PAGE);
    CHECK_EQ(at[0], 4);
    CHECK(!toucher_is_done(&toucher));
    puppet_supply(&pager, PUPPET_PAGE, 3, 5);
    CHECK_EQ(toucher_end(&toucher), KERN_SUCCESS);
    CHECK_EQ(toucher.value, 5);
    mach_port_deallocate(self(), thread);
    puppet_end(&pager, at, 4);
    puppet_expect(&other, PUPPET_DATA_REQUEST, &m);
    puppet_end(&other, theirs, 4);
}

TEST(many_pages_come_in_one_message)
{
    struct puppet pager;
    uint8_t *at = puppet_map(&pager, 512, false, MEMORY_OBJECT_COPY_NONE);
    unsigned wrong = 0;

    puppet_supply(&pager, 0, 512, 0x6b);
    for (unsigned i = 0; i < 512; i++) {
        wrong += at[i * PUPPET_PAGE + i] != 0x6b;
    }
    CHECK_EQ(wrong, 0);
    puppet_expect_nothing(&pager);
    puppet_end(&pager, at, 512);
}

TEST(pages_supplied_are_counted)
{
    struct puppet pager;
    vm_statistics_data_t before, after;
    uint8_t *at = puppet_map(&pager, 8, false, MEMORY_OBJECT_COPY_NONE);

    CHECK_EQ(vm_statistics(self(), &before), KERN_SUCCESS);
    puppet_supply(&pager, 0, 8, 1);
    CHECK_EQ(vm_statistics(self(), &after), KERN_SUCCESS);
    CHECK_EQ(after.pageins - before.pageins, 8);
    puppet_end(&pager, at, 8);
}

TEST(two_threads_may_supply_the_same_page)
{
    struct puppet pager;
    uint8_t *at = puppet_map(&pager, 64, false, MEMORY_OBJECT_COPY_NONE);
    struct toucher touchers[2];

    /* Two requests, answered for both by two supplies that overlap. */
    toucher_start(&touchers[0], at + 20 * PUPPET_PAGE, false, 0, 0);
    toucher_start(&touchers[1], at + 40 * PUPPET_PAGE, false, 0, 0);
    CHECK(ipc_wait_blocked(touchers[0].port));
    CHECK(ipc_wait_blocked(touchers[1].port));
    puppet_supply(&pager, 0, 41, 1);
    puppet_supply(&pager, 20 * PUPPET_PAGE, 44, 2);
    for (unsigned i = 0; i < 2; i++) {
        CHECK_EQ(toucher_end(&touchers[i]), KERN_SUCCESS);
        CHECK_EQ(touchers[i].value, 1);
    }
    CHECK_EQ(at[40 * PUPPET_PAGE], 1);
    CHECK_EQ(at[41 * PUPPET_PAGE], 2);
    vm_deallocate(self(), (vm_address_t)at, 64 * PUPPET_PAGE);
    for (unsigned i = 0; i < 2; i++) {
        struct puppet_message m;

        puppet_expect(&pager, PUPPET_DATA_REQUEST, &m);
    }
    puppet_expect_end(&pager);
    puppet_destroy(&pager);
}

TEST(a_name_port_takes_no_pages)
{
    struct puppet pager;
    struct puppet wrong;
    uint8_t *at = puppet_map(&pager, 1, false, MEMORY_OBJECT_COPY_NONE);

    wrong = pager;
    wrong.control = pager.name;
    puppet_supply(&wrong, 0, 1, 7);
    wrong.control = pager.object;
    CHECK_EQ(puppet_touch(&pager, at, false, 0, 0, 8), 8);
    puppet_end(&pager, at, 1);
}

/* --- 2 MiB in one piece --- */

#define LARGE (512 * PUPPET_PAGE)

static uint64_t faults(void)
{
    vm_statistics_data_t statistics;

    CHECK_EQ(vm_statistics(self(), &statistics), KERN_SUCCESS);
    return (uint64_t)statistics.faults;
}

/* Memory of neighbouring pages, numbered from 1 on. */
static vm_address_t large_memory(void)
{
    vm_address_t data = 0;

    CHECK_EQ(vm_map(self(), &data, LARGE, LARGE - 1, TRUE, MACH_PORT_NULL, 0, FALSE,
                    VM_PROT_DEFAULT, VM_PROT_ALL, VM_INHERIT_NONE),
             KERN_SUCCESS);
    for (unsigned i = 0; i < 512; i++) {
        *(uint32_t *)(data + i * PUPPET_PAGE) = i + 1;
    }
    return data;
}

TEST(two_mib_that_move_into_an_object_are_read_with_few_faults)
{
    struct puppet pager;
    vm_address_t at = 0, data = large_memory();
    uint8_t *small = puppet_map(&pager, 512, false, MEMORY_OBJECT_COPY_NONE);
    uint64_t before;

    CHECK_EQ(syscall_memory_object_supply(pager.control, 0, data, LARGE, VM_PROT_NONE, FALSE),
             KERN_SUCCESS);
    CHECK_EQ(vm_map(self(), &at, LARGE, LARGE - 1, TRUE, pager.object, 0, FALSE, VM_PROT_DEFAULT,
                    VM_PROT_ALL, VM_INHERIT_NONE),
             KERN_SUCCESS);
    before = faults();
    for (unsigned i = 0; i < 512; i++) {
        CHECK_EQ(*(volatile uint32_t *)(at + i * PUPPET_PAGE), i + 1);
    }
    CHECK(faults() - before < 16); /* with others' of the system */
    *(volatile uint32_t *)(at + 77 * PUPPET_PAGE) = 5;
    CHECK_EQ(*(volatile uint32_t *)(small + 77 * PUPPET_PAGE), 5);
    CHECK_EQ(*(volatile uint32_t *)(small + 78 * PUPPET_PAGE), 79);
    puppet_lock(&pager, 0, 512, MEMORY_OBJECT_RETURN_DIRTY, true, VM_PROT_NONE);
    CHECK_EQ(puppet_expect_return(&pager, 77 * PUPPET_PAGE, 1, true, false), 5);
    puppet_expect(&pager, PUPPET_LOCK_COMPLETED, &(struct puppet_message){0});
    CHECK_EQ(vm_deallocate(self(), at, LARGE), KERN_SUCCESS);
    vm_deallocate(self(), data, LARGE);
    puppet_end(&pager, small, 512);
}
