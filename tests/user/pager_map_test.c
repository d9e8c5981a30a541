/* pager_map_test.c - memory objects in address spaces: several mappings, protections, wiring,
 * vm_region, writing back. */
#include <gnumach.h>
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

/* vm_map with everything said. */
static kern_return_t map(mach_port_t task, vm_address_t *at, unsigned pages, mach_port_t object,
                         vm_offset_t offset, vm_prot_t protection, vm_prot_t max_protection)
{
    *at = 0;
    return vm_map(task, at, pages * PUPPET_PAGE, 0, 1, object, offset, false, protection,
                  max_protection, VM_INHERIT_NONE);
}

/* --- several mappings --- */

TEST(two_mappings_show_the_same_page)
{
    struct puppet pager;
    uint8_t *left = puppet_map(&pager, 4, false, MEMORY_OBJECT_COPY_NONE);
    uint8_t *right = puppet_map_again(&pager, PUPPET_PAGE, 2, false);

    CHECK_EQ(puppet_touch(&pager, left + PUPPET_PAGE, true, 5, PUPPET_PAGE, 1), 5);
    CHECK_EQ(right[0], 5);
    right[1] = 6;
    CHECK_EQ(left[PUPPET_PAGE + 1], 6);
    puppet_expect_nothing(&pager);
    unmap(left, 4);
    CHECK_EQ(right[1], 6);
    unmap(right, 2);
    CHECK_EQ(puppet_expect_return(&pager, PUPPET_PAGE, 1, true, false), 5);
    puppet_expect_end(&pager);
    puppet_destroy(&pager);
}

TEST(two_tasks_see_the_same_page)
{
    struct puppet_server server;
    mach_port_t task = MACH_PORT_NULL;
    vm_address_t theirs;
    mach_msg_type_number_t count = 0;
    pointer_t data = 0;
    uint8_t byte = 9;
    uint8_t *at = puppet_server_start(&server, 4, false, MEMORY_OBJECT_COPY_NONE);

    CHECK_EQ(task_create(self(), FALSE, &task), KERN_SUCCESS);
    CHECK_EQ(
        map(task, &theirs, 4, server.pager.object, 0, VM_PROT_READ | VM_PROT_WRITE, VM_PROT_ALL),
        KERN_SUCCESS);
    CHECK_EQ(vm_write(task, theirs + 2 * PUPPET_PAGE, (pointer_t)&byte, 1), KERN_SUCCESS);
    CHECK_EQ(at[2 * PUPPET_PAGE], 9);
    at[2 * PUPPET_PAGE + 1] = 10;
    CHECK_EQ(vm_read(task, theirs + 2 * PUPPET_PAGE, PUPPET_PAGE, &data, &count), KERN_SUCCESS);
    CHECK_EQ(((uint8_t *)data)[1], 10);
    CHECK_EQ(server.asked, 1);
    vm_deallocate(self(), data, count);
    CHECK_EQ(task_terminate(task), KERN_SUCCESS);
    mach_port_destroy(self(), task);
    CHECK_EQ(at[2 * PUPPET_PAGE], 9);
    puppet_server_end(&server, at);
    CHECK_EQ(server.store[2 * PUPPET_PAGE], 9);
}

static volatile uint32_t *shared_word;

static void *add_many(void *argument)
{
    for (unsigned i = 0; i < 20000; i++) {
        __atomic_fetch_add((volatile uint32_t *)argument, 1, __ATOMIC_RELAXED);
    }
    return NULL;
}

TEST(threads_add_up_through_different_mappings)
{
    struct puppet_server server;
    pthread_t threads[4];
    uint8_t *maps[4], *at = puppet_server_start(&server, 1, false, MEMORY_OBJECT_COPY_NONE);

    memset(server.store, 0, PUPPET_PAGE);
    for (unsigned i = 0; i < 4; i++) {
        maps[i] = puppet_map_again(&server.pager, 0, 1, false);
        CHECK_EQ(pthread_create(&threads[i], NULL, add_many, maps[i]), 0);
    }
    for (unsigned i = 0; i < 20; i++) {
        puppet_lock(&server.pager, 0, 1, MEMORY_OBJECT_RETURN_DIRTY, true, VM_PROT_NO_CHANGE);
        swtch();
    }
    for (unsigned i = 0; i < 4; i++) {
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
    }
    shared_word = (uint32_t *)at;
    CHECK_EQ(*shared_word, 80000);
    for (unsigned i = 0; i < 4; i++) {
        unmap(maps[i], 1);
    }
    puppet_server_end(&server, at);
}

TEST(a_larger_mapping_makes_the_object_larger)
{
    struct puppet pager;
    uint8_t *more, *at = puppet_map(&pager, 1, false, MEMORY_OBJECT_COPY_NONE);

    more = puppet_map_again(&pager, 0, 8, false);
    CHECK_EQ(puppet_touch(&pager, more + 7 * PUPPET_PAGE, false, 0, 7 * PUPPET_PAGE, 3), 3);
    unmap(at, 1);
    puppet_end(&pager, more, 8);
}

/* --- protections --- */

TEST(a_mapping_to_read_refuses_a_write_without_asking)
{
    struct puppet pager;
    vm_address_t at;
    uint8_t *first = puppet_map(&pager, 1, false, MEMORY_OBJECT_COPY_NONE);

    CHECK_EQ(map(self(), &at, 1, pager.object, 0, VM_PROT_READ, VM_PROT_READ), KERN_SUCCESS);
    CHECK_EQ(toucher_touch((uint8_t *)at, true, 1, 0), KERN_PROTECTION_FAILURE);
    puppet_expect_nothing(&pager);
    CHECK_EQ(puppet_touch(&pager, (uint8_t *)at, false, 0, 0, 3), 3);
    CHECK_EQ(vm_protect(self(), at, PUPPET_PAGE, false, VM_PROT_READ | VM_PROT_WRITE),
             KERN_PROTECTION_FAILURE);
    first[0] = 4;
    CHECK_EQ(*(uint8_t *)at, 4);
    unmap((uint8_t *)at, 1);
    unmap(first, 1);
    puppet_expect_return(&pager, 0, 1, true, false);
    puppet_expect_end(&pager);
    puppet_destroy(&pager);
}

TEST(a_mapping_may_lose_its_access)
{
    struct puppet pager;
    uint8_t *at = puppet_map(&pager, 1, false, MEMORY_OBJECT_COPY_NONE);

    puppet_supply(&pager, 0, 1, 3);
    CHECK_EQ(at[0], 3);
    CHECK_EQ(vm_protect(self(), (vm_address_t)at, PUPPET_PAGE, false, VM_PROT_NONE), KERN_SUCCESS);
    CHECK_EQ(toucher_touch(at, false, 0, 0), KERN_PROTECTION_FAILURE);
    CHECK_EQ(vm_protect(self(), (vm_address_t)at, PUPPET_PAGE, false, VM_PROT_READ), KERN_SUCCESS);
    CHECK_EQ(at[0], 3);
    CHECK_EQ(toucher_touch(at, true, 1, 0), KERN_PROTECTION_FAILURE);
    puppet_end(&pager, at, 1);
}

/* --- what is refused --- */

TEST(what_is_no_memory_object_is_not_mapped)
{
    struct puppet pager;
    mach_port_t dead = ipc_dead_name();
    vm_address_t at;
    uint8_t *first = puppet_map(&pager, 1, false, MEMORY_OBJECT_COPY_NONE);

    CHECK_EQ(map(self(), &at, 1, self(), 0, VM_PROT_READ, VM_PROT_READ), KERN_INVALID_ARGUMENT);
    CHECK_EQ(map(self(), &at, 1, mach_host_self(), 0, VM_PROT_READ, VM_PROT_READ),
             KERN_INVALID_ARGUMENT);
    CHECK_EQ(map(self(), &at, 1, pager.control, 0, VM_PROT_READ, VM_PROT_READ),
             KERN_INVALID_ARGUMENT);
    CHECK_EQ(map(self(), &at, 1, pager.name, 0, VM_PROT_READ, VM_PROT_READ), KERN_INVALID_ARGUMENT);
    CHECK_EQ(map(self(), &at, 1, dead, 0, VM_PROT_READ, VM_PROT_READ), KERN_INVALID_ARGUMENT);
    CHECK_EQ(map(self(), &at, 1, pager.object, 100, VM_PROT_READ, VM_PROT_READ),
             KERN_INVALID_ARGUMENT);
    CHECK_EQ(map(self(), &at, 1, pager.object, ~0xffful, VM_PROT_READ, VM_PROT_READ),
             KERN_INVALID_ARGUMENT);
    CHECK_EQ(map(self(), &at, 1, pager.object, 1ul << 47, VM_PROT_READ, VM_PROT_READ),
             KERN_INVALID_ARGUMENT);
    puppet_expect_nothing(&pager);
    mach_port_deallocate(self(), dead);
    puppet_end(&pager, first, 1);
}

TEST(a_map_that_finds_no_room_leaves_the_object_alone)
{
    struct puppet pager;
    struct puppet_message m;
    vm_address_t at = ~0xfffful;

    puppet_create(&pager);
    CHECK_EQ(vm_map(self(), &at, PUPPET_PAGE, 0, 0, pager.object, 0, false, VM_PROT_READ,
                    VM_PROT_READ, VM_INHERIT_NONE),
             KERN_INVALID_ADDRESS);
    puppet_expect(&pager, PUPPET_INIT, &m);
    pager.control = m.control;
    pager.name = m.port;
    puppet_expect_end(&pager);
    puppet_destroy(&pager);
}

/* --- parts go --- */

TEST(a_mapping_may_go_in_parts)
{
    struct puppet pager;
    uint8_t *at = puppet_map(&pager, 3, false, MEMORY_OBJECT_COPY_NONE);

    puppet_supply(&pager, 0, 3, 1);
    at[PUPPET_PAGE] = 2;
    unmap(at + PUPPET_PAGE, 1);
    puppet_expect_nothing(&pager);
    CHECK_EQ(at[0], 1);
    CHECK_EQ(at[2 * PUPPET_PAGE], 1);
    unmap(at, 1);
    puppet_expect_nothing(&pager);
    unmap(at + 2 * PUPPET_PAGE, 1);
    CHECK_EQ(puppet_expect_return(&pager, PUPPET_PAGE, 1, true, false), 2);
    puppet_expect_end(&pager);
    puppet_destroy(&pager);
}

TEST(memory_that_goes_while_a_thread_waits_for_it_is_gone)
{
    struct puppet pager;
    struct puppet_message m;
    struct toucher toucher;
    uint8_t *at = puppet_map(&pager, 4, false, MEMORY_OBJECT_COPY_NONE);

    toucher_start(&toucher, at + PUPPET_PAGE, false, 0, 0);
    puppet_expect(&pager, PUPPET_DATA_REQUEST, &m);
    unmap(at + PUPPET_PAGE, 3);
    CHECK_EQ(vm_protect(self(), (vm_address_t)at, PUPPET_PAGE, true, VM_PROT_READ), KERN_SUCCESS);
    puppet_supply(&pager, PUPPET_PAGE, 1, 1);
    CHECK_EQ(toucher_end(&toucher), KERN_INVALID_ADDRESS);
    puppet_end(&pager, at, 1);
}

TEST(memory_that_goes_as_a_whole_waits_for_its_waiters)
{
    struct puppet pager;
    struct puppet_message m;
    struct toucher toucher;
    uint8_t *at = puppet_map(&pager, 4, false, MEMORY_OBJECT_COPY_NONE);

    toucher_start(&toucher, at, true, 1, 0);
    puppet_expect(&pager, PUPPET_DATA_REQUEST, &m);
    unmap(at, 4);
    puppet_expect_nothing(&pager);
    puppet_supply(&pager, 0, 1, 1);
    CHECK_EQ(toucher_end(&toucher), KERN_INVALID_ADDRESS);
    puppet_expect_end(&pager);
    puppet_destroy(&pager);
}

/* --- vm_region --- */

static mach_port_t region_name(uint8_t *at, vm_offset_t *offset, boolean_t *is_shared)
{
    vm_address_t address = (vm_address_t)at;
    vm_size_t size;
    vm_prot_t protection, max_protection;
    vm_inherit_t inheritance;
    mach_port_t name = MACH_PORT_NULL;

    CHECK_EQ(vm_region(self(), &address, &size, &protection, &max_protection, &inheritance,
                       is_shared, &name, offset),
             KERN_SUCCESS);
    CHECK_EQ(address, (vm_address_t)at);
    return name;
}

TEST(vm_region_names_the_object)
{
    struct puppet pager, other;
    vm_offset_t offset;
    boolean_t is_shared;
    mach_port_t name;
    uint8_t *at = puppet_map(&pager, 1, false, MEMORY_OBJECT_COPY_NONE);
    uint8_t *again = puppet_map_again(&pager, 3 * PUPPET_PAGE, 1, false);
    uint8_t *more = puppet_map(&other, 1, false, MEMORY_OBJECT_COPY_NONE);

    name = region_name(at, &offset, &is_shared);
    CHECK_EQ(name, pager.name);
    CHECK_EQ(offset, 0);
    CHECK_EQ(ipc_refs(name, MACH_PORT_RIGHT_SEND), 2);
    name = region_name(again, &offset, &is_shared);
    CHECK_EQ(name, pager.name);
    CHECK_EQ(offset, 3 * PUPPET_PAGE);
    name = region_name(more, &offset, &is_shared);
    CHECK_EQ(name, other.name);
    unmap(again, 1);
    puppet_end(&pager, at, 1);
    puppet_end(&other, more, 1);
}

/* --- wiring --- */

static kern_return_t wire(uint8_t *at, unsigned pages, vm_prot_t access)
{
    return vm_wire(mach_host_self(), self(), (vm_address_t)at, pages * PUPPET_PAGE, access);
}

TEST(wiring_asks_for_the_pages_and_keeps_them)
{
    struct puppet_server server;
    uint8_t *at = puppet_server_start(&server, 4, false, MEMORY_OBJECT_COPY_NONE);

    CHECK_EQ(wire(at, 4, VM_PROT_READ), KERN_SUCCESS);
    CHECK_EQ(server.asked, 4);
    at[0] = 9;
    puppet_lock(&server.pager, 0, 4, MEMORY_OBJECT_RETURN_DIRTY, true, VM_PROT_NO_CHANGE);
    CHECK_EQ(at[0], 9);
    CHECK_EQ(at[PUPPET_PAGE], 2);
    CHECK_EQ(server.asked, 4);
    CHECK_EQ(wire(at, 4, VM_PROT_NONE), KERN_SUCCESS);
    puppet_lock(&server.pager, 0, 4, MEMORY_OBJECT_RETURN_DIRTY, true, VM_PROT_NO_CHANGE);
    CHECK_EQ(at[PUPPET_PAGE], 2);
    CHECK(server.asked > 4);
    puppet_server_end(&server, at);
}

TEST(wiring_what_does_not_come_wires_nothing)
{
    struct puppet pager;
    struct puppet_message m;
    mach_port_t thread = mach_thread_self();
    uint8_t *at = puppet_map(&pager, 4, false, MEMORY_OBJECT_COPY_NONE);

    puppet_supply(&pager, 0, 2, 1);
    thread_set_memory_timeout(thread, 50);
    CHECK_EQ(wire(at, 4, VM_PROT_READ), KERN_MEMORY_ERROR);
    thread_set_memory_timeout(thread, 0);
    mach_port_deallocate(self(), thread);
    puppet_expect(&pager, PUPPET_DATA_REQUEST, &m);
    puppet_lock(&pager, 0, 4, MEMORY_OBJECT_RETURN_DIRTY, true, VM_PROT_NO_CHANGE);
    puppet_expect(&pager, PUPPET_LOCK_COMPLETED, &m);
    CHECK_EQ(puppet_touch(&pager, at, false, 0, 0, 7), 7);
    puppet_end(&pager, at, 4);
}

TEST(wiring_a_page_locked_against_writes_asks_for_it)
{
    struct puppet_server server;
    uint8_t *at = puppet_server_start(&server, 2, false, MEMORY_OBJECT_COPY_NONE);

    CHECK_EQ(at[0] + at[PUPPET_PAGE], 3);
    puppet_lock(&server.pager, 0, 2, MEMORY_OBJECT_RETURN_NONE, false, VM_PROT_WRITE);
    CHECK_EQ(wire(at, 2, VM_PROT_READ), KERN_SUCCESS);
    CHECK(server.unlocks > 0);
    puppet_lock(&server.pager, 0, 2, MEMORY_OBJECT_RETURN_DIRTY, true, VM_PROT_NO_CHANGE);
    at[0] = 7;
    CHECK_EQ(at[PUPPET_PAGE], 2);
    CHECK_EQ(server.asked, 2);
    CHECK_EQ(wire(at, 2, VM_PROT_NONE), KERN_SUCCESS);
    puppet_server_end(&server, at);
}

TEST(a_wired_page_outlives_its_pager)
{
    struct puppet pager;
    uint8_t *at = puppet_map(&pager, 2, false, MEMORY_OBJECT_COPY_NONE);

    puppet_supply(&pager, 0, 2, 5);
    CHECK_EQ(wire(at, 1, VM_PROT_READ), KERN_SUCCESS);
    CHECK_EQ(memory_object_destroy(pager.control, KERN_FAILURE), KERN_SUCCESS);
    CHECK_EQ(at[0], 5);
    CHECK_EQ(toucher_touch(at + PUPPET_PAGE, false, 0, 0), KERN_MEMORY_ERROR);
    CHECK_EQ(wire(at, 1, VM_PROT_NONE), KERN_SUCCESS);
    puppet_expect_end(&pager);
    unmap(at, 2);
    puppet_destroy(&pager);
}

/* --- writing back --- */

TEST(vm_msync_sends_changed_pages_of_the_range)
{
    struct puppet pager;
    uint8_t *at = puppet_map(&pager, 4, false, MEMORY_OBJECT_COPY_NONE);

    puppet_supply(&pager, 0, 4, 1);
    memset(at, 2, 4 * PUPPET_PAGE);
    CHECK_EQ(vm_msync(self(), (vm_address_t)at + PUPPET_PAGE, 2 * PUPPET_PAGE, VM_SYNC_SYNCHRONOUS),
             KERN_SUCCESS);
    CHECK_EQ(puppet_expect_return(&pager, PUPPET_PAGE, 2, true, true), 2);
    CHECK_EQ(vm_msync(self(), (vm_address_t)at, 4 * PUPPET_PAGE, VM_SYNC_ASYNCHRONOUS),
             KERN_SUCCESS);
    CHECK_EQ(puppet_expect_return(&pager, 0, 1, true, true), 2);
    CHECK_EQ(puppet_expect_return(&pager, 3 * PUPPET_PAGE, 1, true, true), 2);
    CHECK_EQ(vm_msync(self(), (vm_address_t)at, 4 * PUPPET_PAGE, 0), KERN_SUCCESS);
    puppet_expect_nothing(&pager);
    puppet_end(&pager, at, 4);
}

TEST(vm_msync_forgets_pages_when_told)
{
    struct puppet pager;
    uint8_t *at = puppet_map(&pager, 2, false, MEMORY_OBJECT_COPY_NONE);

    puppet_supply(&pager, 0, 2, 1);
    at[PUPPET_PAGE] = 2;
    CHECK_EQ(vm_msync(self(), (vm_address_t)at, 2 * PUPPET_PAGE,
                      VM_SYNC_SYNCHRONOUS | VM_SYNC_INVALIDATE),
             KERN_SUCCESS);
    CHECK_EQ(puppet_expect_return(&pager, PUPPET_PAGE, 1, true, false), 2);
    CHECK_EQ(puppet_touch(&pager, at, false, 0, 0, 3), 3);
    puppet_end(&pager, at, 2);
}

TEST(vm_msync_changes_nothing_when_there_is_a_hole)
{
    struct puppet pager;
    uint8_t *at = puppet_map(&pager, 3, false, MEMORY_OBJECT_COPY_NONE);

    puppet_supply(&pager, 0, 3, 1);
    at[0] = 2;
    unmap(at + PUPPET_PAGE, 1);
    CHECK_EQ(vm_msync(self(), (vm_address_t)at, 3 * PUPPET_PAGE, VM_SYNC_SYNCHRONOUS),
             KERN_INVALID_ADDRESS);
    puppet_expect_nothing(&pager);
    unmap(at, 1);
    unmap(at + 2 * PUPPET_PAGE, 1);
    CHECK_EQ(puppet_expect_return(&pager, 0, 1, true, false), 2);
    puppet_expect_end(&pager);
    puppet_destroy(&pager);
}

TEST(vm_msync_leaves_a_private_copy_alone)
{
    struct puppet_server server;
    uint8_t *at = puppet_server_start(&server, 2, false, MEMORY_OBJECT_COPY_DELAY);
    uint8_t *copy = puppet_map_again(&server.pager, 0, 2, true);

    copy[0] = 9;
    CHECK_EQ(vm_msync(self(), (vm_address_t)copy, 2 * PUPPET_PAGE,
                      VM_SYNC_SYNCHRONOUS | VM_SYNC_INVALIDATE),
             KERN_SUCCESS);
    CHECK_EQ(copy[0], 9);
    unmap(copy, 2);
    puppet_server_end(&server, at);
    CHECK_EQ(server.returns, 0);
}

TEST(vm_msync_after_the_pager_s_death_loses_nothing)
{
    struct puppet pager;
    uint8_t *at = puppet_map(&pager, 1, false, MEMORY_OBJECT_COPY_NONE);

    puppet_supply(&pager, 0, 1, 1);
    at[0] = 2;
    puppet_destroy(&pager);
    CHECK_EQ(
        vm_msync(self(), (vm_address_t)at, PUPPET_PAGE, VM_SYNC_SYNCHRONOUS | VM_SYNC_INVALIDATE),
        KERN_SUCCESS);
    CHECK_EQ(toucher_touch(at, false, 0, 0), KERN_SUCCESS);
    unmap(at, 1);
}

TEST(vm_object_sync_sends_pages_of_a_named_object)
{
    struct puppet pager;
    uint8_t *at = puppet_map(&pager, 4, false, MEMORY_OBJECT_COPY_NONE);

    puppet_supply(&pager, 0, 4, 1);
    memset(at, 2, 2 * PUPPET_PAGE);
    CHECK_EQ(vm_object_sync(pager.name, 0, PUPPET_PAGE, false, false, false), KERN_SUCCESS);
    puppet_expect_nothing(&pager);
    CHECK_EQ(vm_object_sync(pager.name, 0, PUPPET_PAGE, false, true, true), KERN_SUCCESS);
    CHECK_EQ(puppet_expect_return(&pager, 0, 1, true, true), 2);
    /* No changes are thrown away with the name of an object. */
    CHECK_EQ(vm_object_sync(pager.name, 0, 4 * PUPPET_PAGE, true, false, false), KERN_SUCCESS);
    CHECK_EQ(puppet_expect_return(&pager, PUPPET_PAGE, 1, true, false), 2);
    CHECK_EQ(puppet_touch(&pager, at + 3 * PUPPET_PAGE, false, 0, 3 * PUPPET_PAGE, 4), 4);
    CHECK_EQ(vm_object_sync(pager.name, 100, PUPPET_PAGE, true, true, false),
             KERN_INVALID_ARGUMENT);
    CHECK_EQ(vm_object_sync(pager.name, ~0xffful, 0x2000, true, true, false),
             KERN_INVALID_ARGUMENT);
    CHECK_EQ(vm_object_sync(pager.control, 0, PUPPET_PAGE, true, true, false),
             KERN_INVALID_ARGUMENT);
    puppet_end(&pager, at, 4);
}
