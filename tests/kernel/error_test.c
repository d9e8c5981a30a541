/* error_test.c - the codes of routines that a program cannot bring about, or not surely: memory
 * that is out, callers that are aborted, tasks and threads that are ending, privileged ports. */
#include <mach/hardware.h>
#include <mach/notify.h>
#include <mach/policy.h>
#include <mach/portolan.h>

#include "arch/acpi.h"
#include "arch/boot_info.h"
#include "arch/io.h"
#include "arch/layout.h"

#include "ddb/ktest.h"
#include "ddb/slab_debug.h"
#include "device/io_perm.h"
#include "gnumach_kernel_server.h"
#include "hardware_kernel_server.h"
#include "ipc/ipc_port.h"
#include "ipc/ipc_space.h"
#include "ipc/mach_port.h"
#include "kern/atomic.h"
#include "kern/clock.h"
#include "kern/host.h"
#include "kern/kobject.h"
#include "kern/processor.h"
#include "kern/task.h"
#include "kern/thread.h"
#include "mach_host_kernel_server.h"
#include "mach_i386_kernel_server.h"
#include "mach_kernel_server.h"
#include "portolan_kernel_server.h"
#include "vm/memory_object.h"
#include "vm/slab.h"
#include "vm/vm_map.h"
#include "vm/vm_page.h"

static struct task *test_task(void)
{
    struct task *task = NULL;

    EXPECT_EQ(task_create_from(NULL, false, &task), KERN_SUCCESS);
    return task;
}

static void test_end_task(struct task *task)
{
    EXPECT_EQ(task_end(task), KERN_SUCCESS);
    task_unref(task);
}

KTEST(shortage, a_list_of_ports_is_refused)
{
    struct task *task = test_task();
    struct thread *thread;
    struct ipc_port **list;
    mach_msg_type_number_t count;

    EXPECT_EQ(thread_create_in(task, &thread), KERN_SUCCESS);
    slab_debug_refuse(0);
    EXPECT_EQ(task_threads(task, &list, &count), KERN_RESOURCE_SHORTAGE);
    slab_debug_refuse(0);
    EXPECT_EQ(host_processors(&host_self, &list, &count), KERN_RESOURCE_SHORTAGE);
    slab_debug_refuse(0);
    EXPECT_EQ(host_processor_sets(&host_self, &list, &count), KERN_RESOURCE_SHORTAGE);
    slab_debug_refuse(0);
    EXPECT_EQ(processor_set_tasks(&processor_set_default_set, &list, &count),
              KERN_RESOURCE_SHORTAGE);
    slab_debug_refuse(0);
    EXPECT_EQ(processor_set_threads(&processor_set_default_set, &list, &count),
              KERN_RESOURCE_SHORTAGE);
    slab_debug_refuse(0);
    EXPECT_EQ(processor_set_processors(&processor_set_default_set, &list, &count),
              KERN_RESOURCE_SHORTAGE);
    slab_debug_refuse(0);
    EXPECT_EQ(mach_ports_lookup(task, &list, &count), KERN_RESOURCE_SHORTAGE);
    thread_unref(thread);
    test_end_task(task);
}

KTEST(shortage, tasks_threads_and_handlers_are_refused)
{
    struct task *task = test_task();
    struct task *child;
    struct thread *thread;
    struct vm_copy *vector;
    vm_address_t handler = 4096;
    mach_msg_type_number_t count;
    int start;

    for (uint32_t n = 0; n < 4; n++) { /* the task, its map, its space, its port */
        slab_debug_refuse(n);
        EXPECT_EQ(task_create(task, false, &child), KERN_RESOURCE_SHORTAGE);
    }
    for (uint32_t n = 0; n < 2; n++) { /* the thread, its port */
        slab_debug_refuse(n);
        EXPECT_EQ(thread_create(task, &thread), KERN_RESOURCE_SHORTAGE);
    }
    slab_debug_refuse(0);
    EXPECT_EQ(task_get_emulation_vector(task, &start, &vector, &count), KERN_RESOURCE_SHORTAGE);
    slab_debug_refuse(0);
    EXPECT_EQ(task_set_emulation(task, handler, 1), KERN_RESOURCE_SHORTAGE);
    vector = vm_copy_from_kernel(&handler, sizeof(handler));
    slab_debug_refuse(0);
    EXPECT_EQ(task_set_emulation_vector(task, 1, vector, 1), KERN_RESOURCE_SHORTAGE);
    vm_copy_discard(vector);
    test_end_task(task);
}

KTEST(shortage, listings_of_names_are_refused)
{
    struct task *task = test_task();
    struct vm_copy *names, *types;
    mach_port_name_t set, port;
    uint32_t count, type_count;

    EXPECT_EQ(mach_port_allocate(task->space, MACH_PORT_RIGHT_PORT_SET, &set), KERN_SUCCESS);
    EXPECT_EQ(mach_port_allocate(task->space, MACH_PORT_RIGHT_RECEIVE, &port), KERN_SUCCESS);
    EXPECT_EQ(mach_port_move_member(task->space, port, set), KERN_SUCCESS);
    slab_debug_refuse(0);
    EXPECT_EQ(mach_port_names(task->space, &names, &count, &types, &type_count),
              KERN_RESOURCE_SHORTAGE);
    slab_debug_refuse(0);
    EXPECT_EQ(mach_port_get_set_status(task->space, set, &names, &count), KERN_RESOURCE_SHORTAGE);
    test_end_task(task);
}

KTEST(shortage, a_request_for_a_notification_is_refused)
{
    struct task *task = test_task();
    struct ipc_port *notify = ipc_port_alloc_kernel(KOBJECT_NONE, NULL);
    struct ipc_port *right = ipc_port_make_sonce(notify);
    struct ipc_port *previous;
    mach_port_name_t port;

    EXPECT_EQ(mach_port_allocate(task->space, MACH_PORT_RIGHT_RECEIVE, &port), KERN_SUCCESS);
    slab_debug_refuse(0);
    EXPECT_EQ(mach_port_request_notification(task->space, port, MACH_NOTIFY_DEAD_NAME, 0, right,
                                             &previous),
              KERN_RESOURCE_SHORTAGE);
    ipc_port_release_sonce(right);
    test_end_task(task);
    ipc_port_destroy_kernel(notify);
}

KTEST(shortage, a_name_far_away_needs_pages_the_ledger_refuses)
{
    struct task *task = test_task();
    struct ipc_port *port = ipc_port_alloc_kernel(KOBJECT_NONE, NULL);
    struct ipc_port *right = ipc_port_make_send(port);
    mach_port_name_t name;

    EXPECT_EQ(mach_port_allocate(task->space, MACH_PORT_RIGHT_DEAD_NAME, &name), KERN_SUCCESS);
    task->ledger.limit[LEDGER_KMEM_PAGES] = task->ledger.used[LEDGER_KMEM_PAGES];
    EXPECT_EQ(mach_port_rename(task->space, name, 0x00100000), KERN_RESOURCE_SHORTAGE);
    EXPECT_EQ(mach_port_allocate_name(task->space, MACH_PORT_RIGHT_DEAD_NAME, 0x00100000),
              KERN_RESOURCE_SHORTAGE);
    EXPECT_EQ(mach_port_insert_right(task->space, 0x00100000, right, MACH_MSG_TYPE_PORT_SEND),
              KERN_RESOURCE_SHORTAGE);
    ipc_port_release_send(right);
    test_end_task(task);
    ipc_port_destroy_kernel(port);
}

KTEST(shortage, rights_to_hardware_are_refused)
{
    struct task *task = test_task();
    struct io_perm *io_perm;
    vm_address_t address;
    irq_t irq;

    slab_debug_refuse(0);
    EXPECT_EQ(i386_io_perm_create(host_hardware_port, 0x70, 0x71, &io_perm),
              KERN_RESOURCE_SHORTAGE);
    slab_debug_refuse(1);
    EXPECT_EQ(i386_io_perm_create(host_hardware_port, 0x70, 0x71, &io_perm),
              KERN_RESOURCE_SHORTAGE);
    EXPECT_EQ(i386_io_perm_create(host_hardware_port, 0x70, 0x71, &io_perm), KERN_SUCCESS);
    slab_debug_refuse(0);
    EXPECT_EQ(i386_io_perm_modify(task, io_perm, true), KERN_RESOURCE_SHORTAGE);
    ipc_port_release_send(convert_io_perm_to_port(io_perm));
    slab_debug_refuse(0);
    EXPECT_EQ(hardware_irq_create(host_hardware_port, 5, &irq), KERN_RESOURCE_SHORTAGE);
    slab_debug_refuse(1);
    EXPECT_EQ(hardware_irq_create(host_hardware_port, 5, &irq), KERN_RESOURCE_SHORTAGE);
    slab_debug_refuse(0);
    EXPECT_EQ(
        hardware_map(host_hardware_port, task->map, 0xb8000, 4096, HARDWARE_CACHE_NONE, &address),
        KERN_RESOURCE_SHORTAGE);
    test_end_task(task);
}

KTEST(hardware, only_the_hardware_port_gives_hardware_out)
{
    struct task *task = test_task();
    struct io_perm *io_perm;
    hardware_info_t info;
    mach_msg_type_number_t count;
    vm_address_t address;
    int64_t phys;
    vm_size_t size;
    irq_t irq;

    EXPECT_EQ(hardware_irq_create(host_priv_port, 5, &irq), KERN_NO_ACCESS);
    EXPECT_EQ(hardware_framebuffer(host_priv_port, info, &count), KERN_NO_ACCESS);
    EXPECT_EQ(hardware_memory_disk(host_priv_port, &phys, &size), KERN_NO_ACCESS);
    EXPECT_EQ(hardware_map(host_priv_port, task->map, 0xb8000, 4096, HARDWARE_CACHE_NONE, &address),
              KERN_NO_ACCESS);
    EXPECT_EQ(i386_io_perm_create(host_priv_port, 0x70, 0x71, &io_perm), KERN_INVALID_ARGUMENT);
    EXPECT_EQ(i386_io_perm_create(host_hardware_port, 0x71, 0x70, &io_perm), KERN_INVALID_ARGUMENT);
    test_end_task(task);
}

KTEST(hardware, lines_and_ranges_that_are_not_there_are_refused)
{
    struct task *task = test_task();
    vm_address_t address;
    irq_t irq;

    EXPECT_EQ(hardware_irq_create(host_hardware_port, -1, &irq), KERN_INVALID_ARGUMENT);
    EXPECT_EQ(hardware_irq_create(host_hardware_port, 100000, &irq), KERN_INVALID_ARGUMENT);
    EXPECT_EQ(
        hardware_map(host_hardware_port, task->map, 0xb8000, 0, HARDWARE_CACHE_NONE, &address),
        KERN_INVALID_ARGUMENT);
    task->map->size_limit = 4096;
    EXPECT_EQ(
        hardware_map(host_hardware_port, task->map, 0xb8000, 8192, HARDWARE_CACHE_NONE, &address),
        KERN_NO_SPACE);
    test_end_task(task);
}

static kern_return_t test_map_hardware(phys_addr_t phys, vm_size_t size)
{
    struct task *task = test_task();
    vm_address_t address;
    kern_return_t kr = hardware_map(host_hardware_port, task->map, (int64_t)phys, size,
                                    HARDWARE_CACHE_NONE, &address);

    test_end_task(task);
    return kr;
}

KTEST(hardware, what_the_kernel_uses_is_never_mapped)
{
    extern char kernel_phys_start[], kernel_phys_end[];
    static const char rodata[] = "here";
    phys_addr_t stack;

    EXPECT_EQ(test_map_hardware(0xb8000, PAGE_SIZE), KERN_SUCCESS);
    EXPECT_EQ(test_map_hardware(0, PAGE_SIZE), KERN_INVALID_ARGUMENT);
    EXPECT_EQ(test_map_hardware((phys_addr_t)kernel_phys_start, PAGE_SIZE), KERN_INVALID_ARGUMENT);
    EXPECT_EQ(test_map_hardware((phys_addr_t)kernel_phys_end - 1, 1), KERN_INVALID_ARGUMENT);
    EXPECT_TRUE(pmap_extract(pmap_kernel(), (vm_offset_t)rodata, &stack));
    EXPECT_EQ(test_map_hardware(stack, 1), KERN_INVALID_ARGUMENT);
    EXPECT_TRUE(pmap_extract(pmap_kernel(), (vm_offset_t)&stack & ~PAGE_MASK, &stack));
    EXPECT_EQ(test_map_hardware(stack, 1), KERN_INVALID_ARGUMENT);
    EXPECT_EQ(test_map_hardware(read_cr3() & ~PAGE_MASK, 1), KERN_INVALID_ARGUMENT);
    EXPECT_EQ(test_map_hardware(acpi_info.lapic, PAGE_SIZE), KERN_INVALID_ARGUMENT);
    EXPECT_EQ(test_map_hardware(acpi_info.lapic - PAGE_SIZE, 3 * PAGE_SIZE), KERN_INVALID_ARGUMENT);
    for (uint32_t i = 0; i < acpi_info.ioapic_count; i++) {
        EXPECT_EQ(test_map_hardware(acpi_info.ioapics[i].phys, 64), KERN_INVALID_ARGUMENT);
    }
    for (uint32_t i = 0; i < boot_info.ram_count; i++) { /* page tables, descriptors, free pages */
        EXPECT_EQ(test_map_hardware(boot_info.ram[i].start, 1), KERN_INVALID_ARGUMENT);
        if (boot_info.ram[i].end != boot_info.disk.end) {
            EXPECT_EQ(test_map_hardware(boot_info.ram[i].end - 1, 1), KERN_INVALID_ARGUMENT);
        }
    }
}

/* The image of these tests is started with memdisk=8M. */
KTEST(hardware, the_memory_disk_is_nobodys_but_whoever_maps_it)
{
    int64_t phys;
    vm_size_t size;

    EXPECT_EQ(hardware_memory_disk(host_hardware_port, &phys, &size), KERN_SUCCESS);
    EXPECT_EQ(size, 8ul << 20);
    EXPECT_TRUE(vm_page_from_phys((phys_addr_t)phys) == NULL);
    EXPECT_TRUE(vm_page_from_phys((phys_addr_t)phys + size - 1) == NULL);
    EXPECT_EQ(test_map_hardware((phys_addr_t)phys, size), KERN_SUCCESS);
    EXPECT_EQ(test_map_hardware((phys_addr_t)phys - 1, size), KERN_INVALID_ARGUMENT);
    EXPECT_EQ(test_map_hardware((phys_addr_t)phys, size + 1), KERN_INVALID_ARGUMENT);
}

KTEST(hardware, a_range_of_io_ports_goes_with_the_last_right_to_it)
{
    portolan_counts_t before, after;
    mach_msg_type_number_t count;
    struct io_perm *io_perm;
    struct ipc_port *right, *second;

    EXPECT_EQ(host_object_counts(&host_self, before, &count), KERN_SUCCESS);
    EXPECT_EQ(i386_io_perm_create(host_hardware_port, 0x70, 0x71, &io_perm), KERN_SUCCESS);
    right = convert_io_perm_to_port(io_perm);
    second = ipc_port_copy_send(right);
    ipc_port_release_send(right);
    EXPECT_TRUE(second->active);
    ipc_port_release_send(second);
    EXPECT_EQ(host_object_counts(&host_self, after, &count), KERN_SUCCESS);
    EXPECT_EQ(after[PORTOLAN_COUNT_PORTS], before[PORTOLAN_COUNT_PORTS]);
}

KTEST(ending, a_task_that_is_ending_is_given_nothing)
{
    struct task *task = test_task();
    struct task *child;
    struct thread *thread;
    struct vm_copy *vector;
    vm_address_t handler = 4096;

    task->dying = true;
    EXPECT_EQ(task_create(task, false, &child), KERN_FAILURE);
    EXPECT_EQ(thread_create(task, &thread), KERN_FAILURE);
    EXPECT_EQ(task_set_special_port(task, TASK_BOOTSTRAP_PORT, IP_NULL), KERN_FAILURE);
    EXPECT_EQ(mach_ports_register(task, NULL, 0), KERN_FAILURE);
    EXPECT_EQ(task_set_emulation(task, handler, 1), KERN_FAILURE);
    vector = vm_copy_from_kernel(&handler, sizeof(handler));
    EXPECT_EQ(task_set_emulation_vector(task, 1, vector, 1), KERN_FAILURE);
    vm_copy_discard(vector);
    task->dying = false;
    test_end_task(task);
}

KTEST(ending, a_thread_that_is_ending_is_not_stopped)
{
    struct task *task = test_task();
    struct thread *thread;
    natural_t state[4];
    mach_msg_type_number_t count = 4;

    EXPECT_EQ(thread_create(task, &thread), KERN_SUCCESS);
    atomic_fetch_or(&thread->flags, THREAD_FLAG_TERMINATE);
    EXPECT_EQ(thread_suspend(thread), KERN_TERMINATED);
    EXPECT_EQ(thread_get_state(thread, 1, state, &count), KERN_TERMINATED);
    EXPECT_EQ(thread_set_state(thread, 1, state, count), KERN_TERMINATED);
    atomic_fetch_and(&thread->flags, ~THREAD_FLAG_TERMINATE);
    thread_end(thread);
    EXPECT_EQ(thread_set_special_port(thread, THREAD_EXCEPTION_PORT, IP_NULL), KERN_FAILURE);
    thread_unref(thread);
    test_end_task(task);
}

/* Spins in the kernel, where nothing stops it. */
static void test_spin(void *argument)
{
    while (!atomic_load((bool *)argument)) {
        thread_wait_prepare(false, clock_now_ns() + NS_PER_MS);
        thread_block(NULL);
    }
    thread_exit();
}

KTEST(aborted, a_caller_that_is_aborted_says_so)
{
    bool done = false;
    struct thread *self = current_thread();
    struct thread *thread = thread_create_kernel("test", test_spin, &done, 20);
    struct task *task = test_task();
    struct thread *stays;
    natural_t state[4];
    mach_msg_type_number_t count = 4;

    thread_ref(thread);
    thread->wait = THREAD_CLAIMED;
    thread_setrun(thread);
    atomic_fetch_or(&self->flags, THREAD_FLAG_ABORT);
    EXPECT_EQ(thread_suspend(thread), KERN_ABORTED);
    atomic_fetch_or(&self->flags, THREAD_FLAG_ABORT);
    EXPECT_EQ(thread_get_state(thread, 1, state, &count), KERN_ABORTED);
    atomic_fetch_or(&self->flags, THREAD_FLAG_ABORT);
    EXPECT_EQ(thread_set_state(thread, 1, state, count), KERN_ABORTED);
    /* a task whose one thread does not end */
    EXPECT_EQ(thread_create(task, &stays), KERN_SUCCESS);
    atomic_fetch_or(&stays->flags, THREAD_FLAG_TERMINATE);
    atomic_fetch_or(&self->flags, THREAD_FLAG_ABORT);
    EXPECT_EQ(task_terminate(task), KERN_ABORTED);
    atomic_fetch_and(&self->flags, ~THREAD_FLAG_ABORT);
    atomic_fetch_and(&stays->flags, ~THREAD_FLAG_TERMINATE);
    thread_end(stays);
    thread_unref(stays);
    test_end_task(task);
    atomic_store(&done, true);
    while (atomic_load(&thread->wait) != THREAD_DEAD || atomic_load(&thread->on_cpu)) {
        thread_wait_prepare(false, clock_now_ns() + NS_PER_MS);
        thread_block(NULL);
    }
    thread_unref(thread);
}

KTEST(task, only_the_first_may_be_essential)
{
    struct task *task = test_task();

    EXPECT_EQ(task_set_essential(task, true), KERN_NO_ACCESS);
    EXPECT_EQ(task_ras_control(task, 0, 0, 0), KERN_FAILURE);
    test_end_task(task);
}

KTEST(gsync, wrong_words_are_refused)
{
    struct task *task = test_task();

    EXPECT_EQ(gsync_wake(task, 4097, 0, 0), KERN_INVALID_ARGUMENT);
    EXPECT_EQ(gsync_wake(task, ~0ul << 12, 0, 0), KERN_INVALID_ADDRESS);
    EXPECT_EQ(gsync_requeue(task, 4096, 4098, false, 0), KERN_INVALID_ARGUMENT);
    EXPECT_EQ(gsync_requeue(task, 4096, 4096, false, 0), KERN_INVALID_ARGUMENT);
    EXPECT_EQ(gsync_requeue(task, 4096, ~0ul << 12, false, 0), KERN_INVALID_ADDRESS);
    test_end_task(task);
}

KTEST(host, times_out_of_range_are_refused)
{
    time_value64_t old64;
    time_value_t old;

    EXPECT_EQ(host_set_time64(&host_self, (time_value64_t){0, 1000000000}), KERN_INVALID_VALUE);
    EXPECT_EQ(host_set_time(&host_self, (time_value_t){.seconds = -1}), KERN_INVALID_VALUE);
    EXPECT_EQ(host_adjust_time64(&host_self, (time_value64_t){86401, 0}, &old64),
              KERN_INVALID_VALUE);
    EXPECT_EQ(host_adjust_time(&host_self, (time_value_t){.seconds = -86401}, &old),
              KERN_INVALID_VALUE);
}

KTEST(host, processors_and_their_set_stay_as_they_are)
{
    struct processor *processor = &processor_table[0];
    struct processor_set *set = &processor_set_default_set;
    struct processor_set *fresh, *name;
    integer_t info[16];
    struct host *host;
    mach_msg_type_number_t count = 16;

    EXPECT_EQ(processor_start(processor), KERN_FAILURE);
    EXPECT_EQ(processor_exit(processor), KERN_FAILURE);
    EXPECT_EQ(processor_control(processor, info, 1), KERN_FAILURE);
    EXPECT_EQ(processor_info(processor, 99, &host, info, &count), KERN_INVALID_ARGUMENT);
    EXPECT_EQ(processor_set_create(&host_self, &fresh, &name), KERN_FAILURE);
    EXPECT_EQ(processor_set_destroy(set), KERN_FAILURE);
    EXPECT_EQ(processor_set_max_priority(set, 10, false), KERN_FAILURE);
    EXPECT_EQ(processor_set_policy_enable(set, 99), KERN_INVALID_ARGUMENT);
    EXPECT_EQ(processor_set_policy_disable(set, 99, false), KERN_INVALID_ARGUMENT);
    EXPECT_EQ(processor_set_policy_disable(set, POLICY_TIMESHARE, false), KERN_FAILURE);
    EXPECT_EQ(processor_set_info(set, 99, &host, info, &count), KERN_INVALID_ARGUMENT);
}

KTEST(host, new_tasks_are_told_to_one_port_alone)
{
    struct ipc_port *port = ipc_port_alloc_kernel(KOBJECT_NONE, NULL);
    struct ipc_port *second = ipc_port_make_send(port);

    EXPECT_EQ(register_new_task_notification(&host_self, ipc_port_make_send(port)), KERN_SUCCESS);
    EXPECT_EQ(register_new_task_notification(&host_self, second), KERN_NO_ACCESS);
    ipc_port_release_send(second);
    EXPECT_EQ(register_new_task_notification(&host_self, IP_NULL), KERN_SUCCESS);
    ipc_port_destroy_kernel(port);
}

KTEST(thread, a_limit_of_priority_is_checked)
{
    struct task *task = test_task();
    struct thread *thread;

    EXPECT_EQ(thread_create(task, &thread), KERN_SUCCESS);
    EXPECT_EQ(thread_max_priority(thread, &processor_set_default_set, -1), KERN_INVALID_ARGUMENT);
    thread_unref(thread);
    test_end_task(task);
}

/* Put a changed page into the object. */
static void test_changed_page(struct vm_object *object)
{
    struct vm_page *page = vm_page_alloc(VM_PAGE_ZERO);

    page->flags |= VM_PAGE_DIRTY;
    spin_lock(&object->lock);
    EXPECT_TRUE(vm_object_page_insert(object, page, 0));
    spin_unlock(&object->lock);
}

/* Wait until there are as many objects as before: one with a pager ends a little later. */
static void test_objects_end(uint64_t before)
{
    for (unsigned i = 0; i < 1000 && vm_object_count() > before; i++) {
        thread_sleep(NS_PER_MS);
    }
    EXPECT_EQ(vm_object_count(), before);
}

KTEST(shortage, pages_stay_that_cannot_be_sent_to_their_pager)
{
    struct task *task = test_task();
    struct ipc_port *port = ipc_port_create(task);
    uint64_t objects = vm_object_count();
    struct vm_map_region region;
    vm_address_t at = 0;

    EXPECT_EQ(vm_map(task->map, &at, PAGE_SIZE, 0, true, ipc_port_make_send(port), 0, false,
                     VM_PROT_READ, VM_PROT_READ, VM_INHERIT_NONE),
              KERN_SUCCESS);
    EXPECT_EQ(vm_map_region(task->map, at, true, &region), KERN_SUCCESS);
    EXPECT_EQ(memory_object_ready(region.object, false, MEMORY_OBJECT_COPY_NONE), KERN_SUCCESS);
    test_changed_page(region.object);
    slab_debug_refuse(0);
    EXPECT_EQ(vm_msync(task->map, at, PAGE_SIZE, 0), KERN_RESOURCE_SHORTAGE);
    slab_debug_refuse(0);
    EXPECT_EQ(vm_object_sync(region.object, 0, PAGE_SIZE, true, true, false),
              KERN_RESOURCE_SHORTAGE);
    slab_debug_refuse(0);
    EXPECT_EQ(memory_object_lock_request(region.object, 0, PAGE_SIZE, MEMORY_OBJECT_RETURN_ALL,
                                         true, VM_PROT_NO_CHANGE, IP_NULL, 0),
              KERN_RESOURCE_SHORTAGE);
    EXPECT_EQ(region.object->resident_count, 1);
    vm_object_unref(region.object);
    ipc_port_release_right(port, MACH_MSG_TYPE_PORT_RECEIVE);
    test_end_task(task);
    test_objects_end(objects);
}

KTEST(shortage, a_page_counts_no_more_waiters_than_it_can)
{
    struct task *task = test_task();
    struct ipc_port *port = ipc_port_create(task);
    struct ipc_port *right = ipc_port_make_send(port);
    struct vm_page *page = vm_object_absent_create();
    uint64_t objects = vm_object_count();
    struct memory_object_wait wait;
    struct vm_object *object;

    EXPECT_EQ(memory_object_enter(right, PAGE_SIZE, &object), KERN_SUCCESS);
    EXPECT_EQ(memory_object_ready(object, false, MEMORY_OBJECT_COPY_NONE), KERN_SUCCESS);
    spin_lock(&object->lock);
    EXPECT_TRUE(vm_object_page_insert(object, page, 0));
    page->wire_count = UINT16_MAX;
    EXPECT_EQ(memory_object_want(&(struct vm_object_hit){.object = object, .page = page},
                                 VM_PROT_READ, &wait),
              KERN_RESOURCE_SHORTAGE);
    EXPECT_EQ(page->wire_count, UINT16_MAX);
    page->wire_count = 0;
    spin_unlock(&object->lock);
    vm_object_unref(object);
    ipc_port_release_send(right);
    ipc_port_release_right(port, MACH_MSG_TYPE_PORT_RECEIVE);
    test_end_task(task);
    test_objects_end(objects);
}

KTEST(refused, calls_of_pagers_without_an_object)
{
    EXPECT_EQ(memory_object_ready(NULL, false, MEMORY_OBJECT_COPY_NONE), KERN_INVALID_ARGUMENT);
    EXPECT_EQ(memory_object_change_attributes(NULL, false, MEMORY_OBJECT_COPY_NONE, IP_NULL, 0),
              KERN_INVALID_ARGUMENT);
    EXPECT_EQ(memory_object_destroy(NULL, KERN_SUCCESS), KERN_INVALID_ARGUMENT);
    EXPECT_EQ(memory_object_data_supply(NULL, 0, NULL, 0, VM_PROT_NONE, false, IP_NULL, 0),
              KERN_INVALID_ARGUMENT);
    EXPECT_EQ(memory_object_data_unavailable(NULL, 0, PAGE_SIZE), KERN_INVALID_ARGUMENT);
    EXPECT_EQ(memory_object_data_error(NULL, 0, PAGE_SIZE, KERN_FAILURE), KERN_INVALID_ARGUMENT);
    EXPECT_EQ(memory_object_lock_request(NULL, 0, PAGE_SIZE, MEMORY_OBJECT_RETURN_ALL, true,
                                         VM_PROT_NO_CHANGE, IP_NULL, 0),
              KERN_INVALID_ARGUMENT);
}
