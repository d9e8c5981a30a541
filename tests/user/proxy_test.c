/* proxy_test.c - windows on memory objects and on regions: they show what they are windows on, and
 * give no more rights than they were made with. */
#include <mach.h>
#include <mach4.h>
#include <mach_port.h>
#include <string.h>

#include "lib/puppet.h"

static const vm_prot_t READ_WRITE = VM_PROT_READ | VM_PROT_WRITE;

static kern_return_t map_proxy(mach_port_t proxy, vm_offset_t offset, vm_size_t size, bool copy,
                               vm_prot_t protection, vm_prot_t maximum, uint8_t **at)
{
    vm_address_t address = 0;
    kern_return_t kr = vm_map(mach_task_self(), &address, size, 0, 1, proxy, offset, copy,
                              protection, maximum, VM_INHERIT_DEFAULT);

    *at = (uint8_t *)address;
    return kr;
}

static void unmap(uint8_t *at, unsigned pages)
{
    CHECK_EQ(vm_deallocate(mach_task_self(), (vm_address_t)at, pages * PUPPET_PAGE), KERN_SUCCESS);
}

static mach_port_t make_proxy(mach_port_t object, vm_prot_t maximum, uint64_t offset, uint64_t len)
{
    uint64_t start = 0;
    mach_port_t proxy = MACH_PORT_NULL;

    CHECK_EQ(memory_object_create_proxy(mach_task_self(), maximum, &object, MACH_MSG_TYPE_COPY_SEND,
                                        1, &offset, 1, &start, 1, &len, 1, &proxy),
             KERN_SUCCESS);
    return proxy;
}

TEST(a_region_is_shared_through_its_proxy)
{
    uint8_t *region = ipc_pages(4);
    mach_port_t proxy;
    uint8_t *window;

    memset(region, 7, 4 * PUPPET_PAGE);
    CHECK_EQ(vm_region_create_proxy(mach_task_self(), (vm_address_t)region + PUPPET_PAGE,
                                    READ_WRITE, 2 * PUPPET_PAGE, &proxy),
             KERN_SUCCESS);
    CHECK_EQ(map_proxy(proxy, 0, 2 * PUPPET_PAGE, false, READ_WRITE, READ_WRITE, &window),
             KERN_SUCCESS);
    CHECK_EQ(window[0], 7);
    window[1] = 9;
    CHECK_EQ(region[PUPPET_PAGE + 1], 9);
    region[2 * PUPPET_PAGE] = 11;
    CHECK_EQ(window[PUPPET_PAGE], 11);
    ipc_free_pages(region, 4);
    CHECK_EQ(window[1], 9);
    ipc_drop(proxy);
    CHECK_EQ(window[PUPPET_PAGE], 11);
    unmap(window, 2);
}

TEST(a_proxy_gives_no_more_than_it_has)
{
    uint8_t *region = ipc_pages(2);
    mach_port_t proxy;
    uint8_t *window;

    region[0] = 5;
    CHECK_EQ(vm_region_create_proxy(mach_task_self(), (vm_address_t)region, VM_PROT_READ,
                                    2 * PUPPET_PAGE, &proxy),
             KERN_SUCCESS);
    CHECK_EQ(map_proxy(proxy, 0, PUPPET_PAGE, false, READ_WRITE, READ_WRITE, &window),
             KERN_PROTECTION_FAILURE);
    CHECK_EQ(map_proxy(proxy, 0, PUPPET_PAGE, false, VM_PROT_READ, VM_PROT_ALL, &window),
             KERN_SUCCESS);
    CHECK_EQ(window[0], 5);
    CHECK_EQ(vm_protect(mach_task_self(), (vm_address_t)window, PUPPET_PAGE, 0, READ_WRITE),
             KERN_PROTECTION_FAILURE);
    unmap(window, 1);
    CHECK_EQ(
        map_proxy(proxy, PUPPET_PAGE, 2 * PUPPET_PAGE, false, VM_PROT_READ, VM_PROT_ALL, &window),
        KERN_INVALID_ARGUMENT);
    CHECK_EQ(
        map_proxy(proxy, -PUPPET_PAGE, 2 * PUPPET_PAGE, false, VM_PROT_READ, VM_PROT_ALL, &window),
        KERN_INVALID_ARGUMENT);
    /* A copy is the mapper's own. */
    CHECK_EQ(map_proxy(proxy, 0, PUPPET_PAGE, true, READ_WRITE, VM_PROT_ALL, &window),
             KERN_SUCCESS);
    window[0] = 6;
    CHECK_EQ(region[0], 5);
    unmap(window, 1);
    ipc_drop(proxy);
    ipc_free_pages(region, 2);
}

TEST(a_region_can_not_be_given_away_for_more_than_its_maximum)
{
    uint8_t *region = ipc_pages(2);
    mach_port_t proxy;

    CHECK_EQ(vm_protect(mach_task_self(), (vm_address_t)region, 2 * PUPPET_PAGE, 1, VM_PROT_READ),
             KERN_SUCCESS);
    CHECK_EQ(vm_region_create_proxy(mach_task_self(), (vm_address_t)region, READ_WRITE,
                                    2 * PUPPET_PAGE, &proxy),
             KERN_PROTECTION_FAILURE);
    CHECK_EQ(
        vm_region_create_proxy(mach_task_self(), (vm_address_t)region, 64, PUPPET_PAGE, &proxy),
        KERN_INVALID_ARGUMENT);
    CHECK_EQ(vm_region_create_proxy(mach_task_self(), (vm_address_t)region, VM_PROT_READ, 1ul << 40,
                                    &proxy),
             KERN_INVALID_ADDRESS);
    CHECK_EQ(
        vm_region_create_proxy(mach_task_self(), (vm_address_t)region, VM_PROT_READ, ~0ul, &proxy),
        KERN_INVALID_ADDRESS);
    ipc_free_pages(region, 2);
}

TEST(a_memory_object_is_seen_through_its_proxy)
{
    struct puppet pager;
    struct puppet_message m;
    struct toucher toucher;
    uint8_t *at = puppet_map(&pager, 4, false, MEMORY_OBJECT_COPY_NONE);
    mach_port_t proxy = make_proxy(pager.object, VM_PROT_READ, PUPPET_PAGE, 2 * PUPPET_PAGE);
    mach_port_t inner = make_proxy(proxy, VM_PROT_ALL, PUPPET_PAGE, PUPPET_PAGE);
    uint8_t *window;

    CHECK_EQ(map_proxy(inner, 0, PUPPET_PAGE, false, READ_WRITE, VM_PROT_ALL, &window),
             KERN_PROTECTION_FAILURE);
    CHECK_EQ(map_proxy(inner, 0, PUPPET_PAGE, false, VM_PROT_READ, VM_PROT_ALL, &window),
             KERN_SUCCESS);
    toucher_start(&toucher, window, false, 0, 0);
    puppet_expect(&pager, PUPPET_DATA_REQUEST, &m);
    CHECK_EQ(m.offset, 2 * PUPPET_PAGE);
    puppet_supply(&pager, m.offset, 1, 0x33);
    CHECK_EQ(toucher_end(&toucher), KERN_SUCCESS);
    CHECK_EQ(at[2 * PUPPET_PAGE], 0x33);
    unmap(window, 1);
    ipc_drop(proxy);
    ipc_drop(inner);
    unmap(at, 4);
    puppet_destroy(&pager);
}

TEST(a_window_that_can_not_be_is_refused)
{
    mach_port_t object = test_port();
    mach_port_t objects[2] = {object, object};
    uint64_t numbers[2] = {0, 0};
    uint64_t lengths[2] = {PUPPET_PAGE, PUPPET_PAGE};
    mach_port_t proxy;

    CHECK_EQ(memory_object_create_proxy(mach_task_self(), VM_PROT_ALL, objects,
                                        MACH_MSG_TYPE_COPY_SEND, 2, numbers, 2, numbers, 2, lengths,
                                        2, &proxy),
             KERN_INVALID_ARGUMENT);
    numbers[0] = ~0ul & ~4095ul; /* offset + length passes the end of all numbers */
    CHECK_EQ(memory_object_create_proxy(mach_task_self(), VM_PROT_ALL, objects,
                                        MACH_MSG_TYPE_COPY_SEND, 1, numbers, 1, &numbers[1], 1,
                                        lengths, 1, &proxy),
             KERN_INVALID_ARGUMENT);
    numbers[0] = 0;
    lengths[0] = ~0ul & ~4095ul;
    CHECK_EQ(memory_object_create_proxy(mach_task_self(), VM_PROT_ALL, objects,
                                        MACH_MSG_TYPE_COPY_SEND, 1, numbers, 1, &numbers[1], 1,
                                        lengths, 1, &proxy),
             KERN_INVALID_ARGUMENT);
    lengths[0] = 100;
    CHECK_EQ(memory_object_create_proxy(mach_task_self(), VM_PROT_ALL, objects,
                                        MACH_MSG_TYPE_COPY_SEND, 1, numbers, 1, &numbers[1], 1,
                                        lengths, 1, &proxy),
             KERN_INVALID_ARGUMENT);
    objects[0] = mach_task_self();
    lengths[0] = PUPPET_PAGE;
    CHECK_EQ(memory_object_create_proxy(mach_task_self(), VM_PROT_ALL, objects,
                                        MACH_MSG_TYPE_COPY_SEND, 1, numbers, 1, &numbers[1], 1,
                                        lengths, 1, &proxy),
             KERN_INVALID_ARGUMENT);
    mach_port_destroy(mach_task_self(), object);
}

TEST(the_trap_maps_memory_objects_too)
{
    uint8_t *region = ipc_pages(1);
    vm_address_t at = 0;
    mach_port_t proxy;

    region[0] = 3;
    CHECK_EQ(vm_region_create_proxy(mach_task_self(), (vm_address_t)region, VM_PROT_READ,
                                    PUPPET_PAGE, &proxy),
             KERN_SUCCESS);
    CHECK_EQ(syscall_vm_map(mach_task_self(), &at, PUPPET_PAGE, 0, 1, proxy, 0, 0, VM_PROT_READ,
                            VM_PROT_READ, VM_INHERIT_NONE),
             KERN_SUCCESS);
    CHECK_EQ(*(uint8_t *)at, 3);
    unmap((uint8_t *)at, 1);
    ipc_drop(proxy);
    ipc_free_pages(region, 1);
}
