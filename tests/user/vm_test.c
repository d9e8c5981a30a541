/* vm_test.c - address space calls: mach.defs vm_*, with the errors they return. */
#include <gnumach.h>
#include <mach.h>
#include <mach_host.h>
#include <mach_port.h>
#include <string.h>

#include "lib/test.h"

#define PAGE 4096ul

static mach_port_t self(void)
{
    return mach_task_self();
}

static uint8_t *allocate(vm_size_t size)
{
    vm_address_t address = 0;

    CHECK_EQ(vm_allocate(self(), &address, size, 1), KERN_SUCCESS);
    return (uint8_t *)address;
}

static vm_prot_t protection_at(const void *where)
{
    vm_address_t address = (vm_address_t)where;
    vm_size_t size;
    vm_prot_t protection = 0, max;
    vm_inherit_t inherit;
    boolean_t shared;
    mach_port_t name = 0;
    vm_offset_t offset;

    CHECK_EQ(
        vm_region(self(), &address, &size, &protection, &max, &inherit, &shared, &name, &offset),
        KERN_SUCCESS);
    return protection;
}

TEST(allocated_memory_is_zero_and_writable)
{
    uint8_t *p = allocate(5 * PAGE);

    for (unsigned i = 0; i < 5 * PAGE; i++) {
        if (p[i] != 0) {
            CHECK_EQ(p[i], 0);
            break;
        }
    }
    memset(p, 1, 5 * PAGE);
    CHECK_EQ(vm_deallocate(self(), (vm_address_t)p, 5 * PAGE), KERN_SUCCESS);
}

TEST(an_address_that_is_taken_or_out_of_range_is_refused)
{
    vm_address_t address = (vm_address_t)allocate(PAGE);
    vm_address_t taken = address;

    CHECK_EQ(vm_allocate(self(), &taken, PAGE, 0), KERN_NO_SPACE);
    taken = 0x0000900000000000;
    CHECK_EQ(vm_allocate(self(), &taken, PAGE, 0), KERN_INVALID_ADDRESS);
    taken = 0xffff800000000000;
    CHECK_EQ(vm_allocate(self(), &taken, PAGE, 0), KERN_INVALID_ADDRESS);
    taken = 0;
    CHECK_EQ(vm_allocate(self(), &taken, ~0ul - PAGE, 1), KERN_NO_SPACE);
    CHECK_EQ(vm_deallocate(self(), address, PAGE), KERN_SUCCESS);
}

TEST(sizes_that_wrap_are_refused)
{
    CHECK_EQ(vm_deallocate(self(), PAGE, ~0ul), KERN_INVALID_ADDRESS);
    CHECK_EQ(vm_protect(self(), PAGE, ~0ul, 0, VM_PROT_READ), KERN_INVALID_ADDRESS);
    CHECK_EQ(vm_inherit(self(), PAGE, ~0ul, VM_INHERIT_NONE), KERN_INVALID_ADDRESS);
}

TEST(protection_can_be_lowered_and_raised_within_the_maximum)
{
    uint8_t *p = allocate(2 * PAGE);

    p[0] = 1;
    CHECK_EQ(vm_protect(self(), (vm_address_t)p, PAGE, 0, VM_PROT_READ), KERN_SUCCESS);
    CHECK_EQ(protection_at(p), VM_PROT_READ);
    CHECK_EQ(protection_at(p + PAGE) & VM_PROT_WRITE, VM_PROT_WRITE);
    CHECK_EQ(vm_protect(self(), (vm_address_t)p, PAGE, 1, VM_PROT_READ), KERN_SUCCESS);
    CHECK_EQ(vm_protect(self(), (vm_address_t)p, PAGE, 0, VM_PROT_READ | VM_PROT_WRITE),
             KERN_PROTECTION_FAILURE);
    CHECK_EQ(vm_protect(self(), (vm_address_t)p, PAGE, 0, 0x77), KERN_INVALID_ARGUMENT);
    CHECK_EQ(p[0], 1);
    CHECK_EQ(vm_deallocate(self(), (vm_address_t)p, 2 * PAGE), KERN_SUCCESS);
}

TEST(read_returns_a_copy_and_write_changes_memory)
{
    uint8_t *p = allocate(3 * PAGE);
    vm_offset_t copy;
    mach_msg_type_number_t count;

    memset(p, 7, 3 * PAGE);
    CHECK_EQ(vm_read(self(), (vm_address_t)p, 3 * PAGE, &copy, &count), KERN_SUCCESS);
    CHECK_EQ(count, 3 * PAGE);
    memset(p, 8, 3 * PAGE);
    CHECK_EQ(((uint8_t *)copy)[2 * PAGE + 5], 7);
    CHECK_EQ(vm_write(self(), (vm_address_t)p, copy, 3 * PAGE), KERN_SUCCESS);
    CHECK_EQ(p[2 * PAGE], 7);
    CHECK_EQ(vm_deallocate(self(), copy, 3 * PAGE), KERN_SUCCESS);
    CHECK_EQ(vm_read(self(), 0, PAGE, &copy, &count), KERN_INVALID_ADDRESS);
    CHECK_EQ(vm_deallocate(self(), (vm_address_t)p, 3 * PAGE), KERN_SUCCESS);
}

TEST(copy_is_private_to_each_side)
{
    uint8_t *p = allocate(2 * PAGE), *q = allocate(2 * PAGE);

    memset(p, 3, 2 * PAGE);
    CHECK_EQ(vm_copy(self(), (vm_address_t)p, 2 * PAGE, (vm_address_t)q), KERN_SUCCESS);
    p[0] = 4;
    q[PAGE] = 5;
    CHECK_EQ(q[0], 3);
    CHECK_EQ(p[PAGE], 3);
    CHECK_EQ(vm_deallocate(self(), (vm_address_t)p, 2 * PAGE), KERN_SUCCESS);
    CHECK_EQ(q[0], 3);
    CHECK_EQ(vm_deallocate(self(), (vm_address_t)q, 2 * PAGE), KERN_SUCCESS);
}

/* Write into another task's memory, and read it back. */
static uint32_t peek(mach_port_t task, const void *where)
{
    vm_offset_t data = 0;
    mach_msg_type_number_t count = 0;
    uint32_t value = 0;
    vm_address_t page = (vm_address_t)where & ~(PAGE - 1);

    CHECK_EQ(vm_read(task, page, PAGE, &data, &count), KERN_SUCCESS);
    if (count == PAGE) {
        memcpy(&value, (uint8_t *)data + ((vm_address_t)where - page), sizeof(value));
        vm_deallocate(self(), data, PAGE);
    }
    return value;
}

TEST(a_child_inherits_memory_as_each_region_says)
{
    uint32_t *copied = (uint32_t *)allocate(PAGE), *shared = (uint32_t *)allocate(PAGE),
             *none = (uint32_t *)allocate(PAGE);
    mach_port_t child;
    vm_offset_t data;
    mach_msg_type_number_t count;

    CHECK_EQ(vm_inherit(self(), (vm_address_t)shared, PAGE, VM_INHERIT_SHARE), KERN_SUCCESS);
    CHECK_EQ(vm_inherit(self(), (vm_address_t)none, PAGE, VM_INHERIT_NONE), KERN_SUCCESS);
    CHECK_EQ(vm_inherit(self(), (vm_address_t)none, PAGE, 77), KERN_INVALID_ARGUMENT);
    *copied = *shared = *none = 1;
    CHECK_EQ(task_create(self(), 1, &child), KERN_SUCCESS);
    *copied = *shared = 2;
    CHECK_EQ(peek(child, copied), 1);
    CHECK_EQ(peek(child, shared), 2);
    CHECK_EQ(vm_read(child, (vm_address_t)none, PAGE, &data, &count), KERN_INVALID_ADDRESS);
    CHECK_EQ(task_terminate(child), KERN_SUCCESS);
    mach_port_deallocate(self(), child);
    vm_deallocate(self(), (vm_address_t)copied, PAGE);
    vm_deallocate(self(), (vm_address_t)shared, PAGE);
    vm_deallocate(self(), (vm_address_t)none, PAGE);
}

TEST(statistics_tell_the_page_size_and_count_pages)
{
    vm_statistics_data_t stats;

    CHECK_EQ(vm_statistics(self(), &stats), KERN_SUCCESS);
    CHECK_EQ(stats.pagesize, PAGE);
    CHECK(stats.free_count > 0);
}

TEST(a_size_limit_holds)
{
    vm_size_t current, max;
    vm_address_t address = 0;
    mach_port_t child;

    CHECK_EQ(task_create(self(), 0, &child), KERN_SUCCESS);
    CHECK_EQ(vm_get_size_limit(child, &current, &max), KERN_SUCCESS);
    CHECK_EQ(vm_set_size_limit(mach_host_self(), child, 16 * PAGE, 16 * PAGE), KERN_SUCCESS);
    CHECK_EQ(vm_allocate(child, &address, 17 * PAGE, 1), KERN_NO_SPACE);
    CHECK_EQ(vm_allocate(child, &address, 16 * PAGE, 1), KERN_SUCCESS);
    CHECK_EQ(vm_set_size_limit(mach_host_self(), child, 32 * PAGE, 32 * PAGE), KERN_NO_ACCESS);
    CHECK_EQ(task_terminate(child), KERN_SUCCESS);
    mach_port_deallocate(self(), child);
}

TEST(a_kernel_port_or_a_dead_one_is_no_memory_object)
{
    vm_address_t address = 0;
    mach_port_t port = test_port();

    CHECK_EQ(vm_map(self(), &address, PAGE, 0, 1, self(), 0, 0, VM_PROT_READ, VM_PROT_READ,
                    VM_INHERIT_NONE),
             KERN_INVALID_ARGUMENT);
    CHECK_EQ(vm_map(self(), &address, PAGE, 0xffff, 1, MACH_PORT_NULL, 0, 0, VM_PROT_READ,
                    VM_PROT_ALL, VM_INHERIT_COPY),
             KERN_SUCCESS);
    CHECK_EQ(address & 0xffff, 0);
    CHECK_EQ(protection_at((void *)address), VM_PROT_READ);
    vm_deallocate(self(), address, PAGE);
    mach_port_destroy(self(), port);
}

TEST(the_traps_do_what_the_messages_do)
{
    vm_address_t address = 0;

    CHECK_EQ(syscall_vm_allocate(self(), &address, PAGE, 1), KERN_SUCCESS);
    *(volatile char *)address = 1;
    CHECK_EQ(syscall_vm_deallocate(self(), address, PAGE), KERN_SUCCESS);
    CHECK_EQ(syscall_vm_map(self(), &address, PAGE, 0, 1, MACH_PORT_NULL, 0, 0,
                            VM_PROT_READ | VM_PROT_WRITE, VM_PROT_ALL, VM_INHERIT_COPY),
             KERN_SUCCESS);
    *(volatile char *)address = 1;
    CHECK_EQ(syscall_vm_deallocate(self(), address, PAGE), KERN_SUCCESS);
    CHECK_EQ(syscall_vm_allocate(self(), (vm_address_t *)16, PAGE, 1), KERN_INVALID_ADDRESS);
}
