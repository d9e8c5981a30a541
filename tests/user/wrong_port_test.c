/* wrong_port_test.c - a routine called on a port that is not the object it is for says so, with the
 * code the type of its argument has (mach_types.defs). */
#include <gnumach.h>
#include <hardware.h>
#include <mach.h>
#include <mach4.h>
#include <mach_debug.h>
#include <mach_host.h>
#include <mach_i386.h>
#include <mach_port.h>
#include <portolan.h>

#include "lib/test.h"

/* Ports of the kernel, each of the wrong kind for most. */
static mach_port_t host(void)
{
    return mach_host_self();
}

static mach_port_t task(void)
{
    return mach_task_self();
}

static mach_port_t privileged(void)
{
    return portolan_port("host");
}

static mach_msg_type_number_t count;

TEST(a_port_that_is_no_task_is_refused)
{
    thread_array_t threads;
    mach_port_array_t ports;
    emulation_vector_t vector = NULL;
    portolan_ledger_t used, limit;
    portolan_name_t name;
    mach_port_t port;
    int64_t id;
    sampled_pc_t pcs[512];
    natural_t seqno = 0;
    uint64_t offset = 0;
    int start;

    CHECK_EQ(task_create(host(), 0, &port), KERN_INVALID_ARGUMENT);
    CHECK_EQ(task_terminate(host()), KERN_INVALID_ARGUMENT);
    CHECK_EQ(task_suspend(host()), KERN_INVALID_ARGUMENT);
    CHECK_EQ(task_resume(host()), KERN_INVALID_ARGUMENT);
    CHECK_EQ(task_threads(host(), &threads, &count), KERN_INVALID_ARGUMENT);
    CHECK_EQ(task_get_emulation_vector(host(), &start, &vector, &count), KERN_INVALID_ARGUMENT);
    CHECK_EQ(task_set_emulation_vector(host(), 0, vector, 0), KERN_INVALID_ARGUMENT);
    CHECK_EQ(task_set_emulation(host(), 0, 0), KERN_INVALID_ARGUMENT);
    CHECK_EQ(task_ras_control(host(), 0, 0, 0), KERN_INVALID_ARGUMENT);
    CHECK_EQ(task_priority(host(), 30, 0), KERN_INVALID_ARGUMENT);
    CHECK_EQ(task_max_priority(host(), host(), 30, 0, 0), KERN_INVALID_ARGUMENT);
    CHECK_EQ(task_assign(host(), host(), 0), KERN_INVALID_ARGUMENT);
    CHECK_EQ(task_assign_default(host(), 0), KERN_INVALID_ARGUMENT);
    CHECK_EQ(task_get_assignment(host(), &port), KERN_INVALID_ARGUMENT);
    CHECK_EQ(task_get_name(host(), name), KERN_INVALID_ARGUMENT);
    CHECK_EQ(task_get_id(host(), &id), KERN_INVALID_ARGUMENT);
    CHECK_EQ(task_enable_pc_sampling(host(), &start, 0), KERN_INVALID_ARGUMENT);
    CHECK_EQ(task_disable_pc_sampling(host(), &start), KERN_INVALID_ARGUMENT);
    CHECK_EQ(task_get_sampled_pcs(host(), &seqno, pcs, &count), KERN_INVALID_ARGUMENT);
    CHECK_EQ(vm_region_create_proxy(host(), 0, VM_PROT_READ, 4096, &port), KERN_INVALID_ARGUMENT);
    CHECK_EQ(memory_object_create_proxy(host(), VM_PROT_READ, &port, MACH_MSG_TYPE_COPY_SEND, 0,
                                        &offset, 1, &offset, 1, &offset, 1, &port),
             KERN_INVALID_TASK);
    CHECK_EQ(task_get_ledger(host(), used, &count, limit, &count), KERN_INVALID_ARGUMENT);
    CHECK_EQ(mach_ports_lookup(host(), &ports, &count), KERN_INVALID_ARGUMENT);
    CHECK_EQ(thread_create(host(), &port), KERN_INVALID_ARGUMENT);
    CHECK_EQ(i386_io_perm_modify(host(), host(), 1), KERN_INVALID_ARGUMENT);
}

TEST(a_port_that_is_no_thread_is_refused)
{
    kernel_debug_name_t name;
    sampled_pc_t pcs[512];
    natural_t seqno = 0;
    integer_t info[64];
    mach_port_t port;
    int64_t id;
    int tick;

    count = 64;
    CHECK_EQ(thread_terminate(host()), KERN_INVALID_ARGUMENT);
    CHECK_EQ(thread_suspend(host()), KERN_INVALID_ARGUMENT);
    CHECK_EQ(thread_resume(host()), KERN_INVALID_ARGUMENT);
    CHECK_EQ(thread_abort(host()), KERN_INVALID_ARGUMENT);
    CHECK_EQ(thread_info(host(), THREAD_BASIC_INFO, info, &count), KERN_INVALID_ARGUMENT);
    CHECK_EQ(thread_get_special_port(host(), THREAD_KERNEL_PORT, &port), KERN_INVALID_ARGUMENT);
    CHECK_EQ(thread_set_special_port(host(), THREAD_EXCEPTION_PORT, MACH_PORT_NULL),
             KERN_INVALID_ARGUMENT);
    CHECK_EQ(thread_assign(host(), host()), KERN_INVALID_ARGUMENT);
    CHECK_EQ(thread_assign_default(host()), KERN_INVALID_ARGUMENT);
    CHECK_EQ(thread_get_assignment(host(), &port), KERN_INVALID_ARGUMENT);
    CHECK_EQ(thread_depress_abort(host()), KERN_INVALID_ARGUMENT);
    CHECK_EQ(thread_get_name(host(), name), KERN_INVALID_ARGUMENT);
    CHECK_EQ(thread_get_id(host(), &id), KERN_INVALID_ARGUMENT);
    CHECK_EQ(thread_bind(host(), -1), KERN_INVALID_ARGUMENT);
    CHECK_EQ(thread_set_memory_timeout(host(), 1), KERN_INVALID_ARGUMENT);
    CHECK_EQ(thread_enable_pc_sampling(host(), &tick, 0), KERN_INVALID_ARGUMENT);
    CHECK_EQ(thread_disable_pc_sampling(host(), &tick), KERN_INVALID_ARGUMENT);
    CHECK_EQ(thread_get_sampled_pcs(host(), &seqno, pcs, &count), KERN_INVALID_ARGUMENT);
    CHECK_EQ(thread_wire(privileged(), host(), 0), KERN_INVALID_ARGUMENT);
}

TEST(a_port_that_is_no_task_has_no_names)
{
    mach_port_t port = 0;
    mach_port_type_t type;
    mach_port_urefs_t refs;
    mach_port_rights_t rights;
    mach_port_status_t status;
    mach_msg_type_name_t right_type;
    unsigned total, used;
    vm_offset_t address;

    CHECK_EQ(mach_port_type(host(), 1, &type), KERN_INVALID_TASK);
    CHECK_EQ(mach_port_allocate_name(host(), MACH_PORT_RIGHT_RECEIVE, 77), KERN_INVALID_TASK);
    CHECK_EQ(mach_port_destroy(host(), 1), KERN_INVALID_TASK);
    CHECK_EQ(mach_port_get_refs(host(), 1, MACH_PORT_RIGHT_SEND, &refs), KERN_INVALID_TASK);
    CHECK_EQ(mach_port_mod_refs(host(), 1, MACH_PORT_RIGHT_SEND, 1), KERN_INVALID_TASK);
    CHECK_EQ(mach_port_set_qlimit(host(), 1, 1), KERN_INVALID_TASK);
    CHECK_EQ(mach_port_set_mscount(host(), 1, 1), KERN_INVALID_TASK);
    CHECK_EQ(mach_port_set_seqno(host(), 1, 1), KERN_INVALID_TASK);
    CHECK_EQ(mach_port_set_protected_payload(host(), 1, 1), KERN_INVALID_TASK);
    CHECK_EQ(mach_port_clear_protected_payload(host(), 1), KERN_INVALID_TASK);
    CHECK_EQ(mach_port_get_receive_status(host(), 1, &status), KERN_INVALID_TASK);
    CHECK_EQ(mach_port_request_notification(host(), 1, MACH_NOTIFY_DEAD_NAME, 0, MACH_PORT_NULL,
                                            MACH_MSG_TYPE_MAKE_SEND_ONCE, &port),
             KERN_INVALID_TASK);
    CHECK_EQ(mach_port_insert_right(host(), 77, task(), MACH_MSG_TYPE_COPY_SEND),
             KERN_INVALID_TASK);
    CHECK_EQ(mach_port_extract_right(host(), 1, MACH_MSG_TYPE_COPY_SEND, &port, &right_type),
             KERN_INVALID_TASK);
    CHECK_EQ(mach_port_set_ktype(privileged(), host(), 1, MACH_PORT_RIGHT_SEND, 0),
             KERN_INVALID_TASK);
    CHECK_EQ(mach_port_get_srights(host(), 1, &rights), KERN_INVALID_TASK);
    CHECK_EQ(mach_port_dnrequest_info(host(), 1, &total, &used), KERN_INVALID_TASK);
    CHECK_EQ(mach_port_kernel_object(host(), 1, &total, &address), KERN_INVALID_TASK);
}

TEST(a_port_that_is_no_task_has_no_memory)
{
    vm_address_t address = 0x1000000;
    vm_size_t size;
    vm_prot_t prot, max;
    vm_inherit_t inheritance;
    boolean_t shared;
    mach_port_t object;
    vm_offset_t offset;
    vm_statistics_data_t statistics;
    vm_cache_statistics_data_t cache;
    vm_region_info_t region;
    rpc_phys_addr_t phys;
    rpc_phys_addr_array_t pages;
    pointer_t data;

    CHECK_EQ(vm_deallocate(host(), address, 4096), KERN_INVALID_ARGUMENT);
    CHECK_EQ(vm_read(host(), address, 4096, &data, &count), KERN_INVALID_ARGUMENT);
    CHECK_EQ(vm_copy(host(), address, 4096, address), KERN_INVALID_ARGUMENT);
    CHECK_EQ(
        vm_region(host(), &address, &size, &prot, &max, &inheritance, &shared, &object, &offset),
        KERN_INVALID_ARGUMENT);
    CHECK_EQ(vm_statistics(host(), &statistics), KERN_INVALID_ARGUMENT);
    CHECK_EQ(vm_cache_statistics(host(), &cache), KERN_INVALID_ARGUMENT);
    CHECK_EQ(vm_wire(host(), host(), address, 4096, VM_PROT_READ), KERN_INVALID_TASK);
    CHECK_EQ(vm_wire_all(privileged(), host(), 0), KERN_INVALID_TASK);
    CHECK_EQ(vm_get_size_limit(host(), &size, &size), KERN_INVALID_TASK);
    CHECK_EQ(vm_set_size_limit(host(), host(), 4096, 4096), KERN_INVALID_TASK);
    CHECK_EQ(vm_allocate_contiguous(privileged(), host(), &address, &phys, 4096, 0, 0, 0),
             KERN_INVALID_TASK);
    CHECK_EQ(vm_pages_phys(privileged(), host(), address, 4096, &pages, &count), KERN_INVALID_TASK);
    CHECK_EQ(mach_vm_region_info(host(), address, &region, &object), KERN_INVALID_TASK);
}

TEST(a_port_that_is_no_right_to_hardware_is_refused)
{
    static dma_pages_t pages;
    static hardware_block_done_t done;
    mach_port_t irq, dma, port = test_port();
    int64_t address;
    uint64_t answer;
    boolean_t is_translated;
    vm_size_t size;
    int number, last;

    CHECK_EQ(hardware_irq_create(privileged(), 5, &irq), KERN_NO_ACCESS);
    CHECK_EQ(hardware_msi_create(privileged(), &irq, &address, &number), KERN_NO_ACCESS);
    CHECK_EQ(hardware_dma_create(privileged(), 0x18, 4096, &dma), KERN_NO_ACCESS);
    CHECK_EQ(hardware_memory_disk(privileged(), &address, &size), KERN_NO_ACCESS);
    CHECK_EQ(hardware_pci(privileged(), &address, &number, &last), KERN_NO_ACCESS);
    CHECK_EQ(irq_wait(host(), 1, port), KERN_INVALID_ARGUMENT);
    CHECK_EQ(hypercall_make(host(), 1, 2, 3, 4, &answer), KERN_INVALID_ARGUMENT);
    CHECK_EQ(hardware_block_create(host(), host(), &dma), KERN_INVALID_ARGUMENT);
    CHECK_EQ(hardware_block_size(host(), 0, &answer), KERN_INVALID_ARGUMENT);
    CHECK_EQ(hardware_block_begin(host(), 0, 0, 0, 1, 1, 0, 0), KERN_INVALID_ARGUMENT);
    CHECK_EQ(hardware_block_take(host(), done, &count), KERN_INVALID_ARGUMENT);
    CHECK_EQ(dma_pin(host(), task(), 4096, 4096, VM_PROT_READ, &number, pages, &count),
             KERN_INVALID_ARGUMENT);
    CHECK_EQ(dma_unpin(host(), 1), KERN_INVALID_ARGUMENT);
    CHECK_EQ(dma_end(host()), KERN_INVALID_ARGUMENT);
    CHECK_EQ(dma_status(host(), &is_translated, &address, &address, &number),
             KERN_INVALID_ARGUMENT);
    CHECK_EQ(mach_port_destroy(task(), port), KERN_SUCCESS);
}

TEST(a_port_that_names_no_memory_object_is_refused)
{
    vm_object_info_t info;
    vm_page_info_array_t pages;
    vm_page_phys_info_array_t phys_pages;
    mach_port_t shadow, copy;

    CHECK_EQ(mach_vm_object_info(host(), &info, &shadow, &copy), KERN_INVALID_ARGUMENT);
    CHECK_EQ(mach_vm_object_pages(host(), &pages, &count), KERN_INVALID_ARGUMENT);
    CHECK_EQ(mach_vm_object_pages_phys(host(), &phys_pages, &count), KERN_INVALID_ARGUMENT);
}

TEST(a_port_that_is_no_host_is_refused)
{
    time_value_t time = {0};
    time_value64_t time64 = {0};
    kernel_version_t version;
    integer_t info[64];
    unsigned number;
    hash_info_bucket_array_t buckets;
    processor_set_name_array_t sets;
    cache_info_array_t caches;
    portolan_counts_t counts;
    portolan_text_t text;
    vm_size_t size;
    mach_port_t port;
    int64_t position = 0;

    count = 64;
    CHECK_EQ(host_info(task(), HOST_BASIC_INFO, info, &count), KERN_INVALID_HOST);
    CHECK_EQ(vm_set_default_memory_manager(task(), &port), KERN_INVALID_HOST);
    CHECK_EQ(host_get_kernel_version(task(), version), KERN_INVALID_HOST);
    CHECK_EQ(host_get_time(task(), &time), KERN_INVALID_HOST);
    CHECK_EQ(host_get_time64(task(), &time64), KERN_INVALID_HOST);
    CHECK_EQ(host_get_uptime64(task(), &time64), KERN_INVALID_HOST);
    CHECK_EQ(host_processor_sets(task(), &sets, &count), KERN_INVALID_HOST);
    CHECK_EQ(processor_set_default(task(), &port), KERN_INVALID_HOST);
    CHECK_EQ(processor_set_create(task(), &port, &port), KERN_INVALID_HOST);
    CHECK_EQ(host_slab_info(task(), &caches, &count), KERN_INVALID_HOST);
    CHECK_EQ(host_ipc_marequest_info(task(), &number, &buckets, &count), KERN_INVALID_HOST);
    CHECK_EQ(host_virtual_physical_table_info(task(), &buckets, &count), KERN_INVALID_HOST);
    CHECK_EQ(host_stack_usage(task(), &size, &number, &size, &size, &size, &size),
             KERN_INVALID_HOST);
    CHECK_EQ(host_read_messages(task(), &position, text, &count), KERN_INVALID_HOST);
    CHECK_EQ(host_object_counts(task(), counts, &count), KERN_INVALID_HOST);
    CHECK_EQ(host_check_rights(task(), counts, &count), KERN_INVALID_HOST);
    CHECK_EQ(i386_get_xstate_size(task(), &size), KERN_INVALID_HOST);
}

TEST(what_takes_privilege_is_refused_at_the_port_of_the_host)
{
    time_value_t time = {0};
    time_value64_t time64 = {0};
    processor_array_t processors;
    vm_address_t address = 0;
    rpc_phys_addr_t phys;
    rpc_phys_addr_array_t pages;
    mach_port_t port = test_port();
    mach_port_t set;

    CHECK_EQ(host_reboot(host(), 0), KERN_INVALID_HOST);
    CHECK_EQ(host_set_time(host(), time), KERN_INVALID_HOST);
    CHECK_EQ(host_set_time64(host(), time64), KERN_INVALID_HOST);
    CHECK_EQ(host_adjust_time(host(), time, &time), KERN_INVALID_HOST);
    CHECK_EQ(host_adjust_time64(host(), time64, &time64), KERN_INVALID_HOST);
    CHECK_EQ(host_processors(host(), &processors, &count), KERN_INVALID_HOST);
    CHECK_EQ(host_processor_set_priv(host(), host(), &set), KERN_INVALID_HOST);
    CHECK_EQ(thread_wire(host(), host(), 0), KERN_INVALID_HOST);
    CHECK_EQ(register_new_task_notification(host(), port, MACH_MSG_TYPE_MAKE_SEND),
             KERN_INVALID_HOST);
    CHECK_EQ(vm_allocate_contiguous(host(), task(), &address, &phys, 4096, 0, 0, 0),
             KERN_INVALID_HOST);
    CHECK_EQ(vm_pages_phys(host(), task(), 0, 4096, &pages, &count), KERN_INVALID_HOST);
    CHECK_EQ(mach_port_set_ktype(host(), task(), port, MACH_PORT_RIGHT_RECEIVE, 0),
             KERN_INVALID_HOST);
    CHECK_EQ(mach_port_destroy(task(), port), KERN_SUCCESS);
}

TEST(a_port_that_is_no_processor_and_no_set_of_them_is_refused)
{
    processor_name_array_t processors;
    task_array_t tasks;
    thread_array_t threads;
    integer_t info[64] = {0};
    mach_port_t port;
    vm_size_t size;
    unsigned number;

    count = 64;
    CHECK_EQ(processor_start(host()), KERN_INVALID_ARGUMENT);
    CHECK_EQ(processor_exit(host()), KERN_INVALID_ARGUMENT);
    CHECK_EQ(processor_control(host(), info, 1), KERN_INVALID_ARGUMENT);
    CHECK_EQ(processor_assign(host(), host(), 0), KERN_INVALID_ARGUMENT);
    CHECK_EQ(processor_get_assignment(host(), &port), KERN_INVALID_ARGUMENT);
    CHECK_EQ(processor_set_destroy(host()), KERN_INVALID_ARGUMENT);
    CHECK_EQ(processor_set_max_priority(host(), 30, 0), KERN_INVALID_ARGUMENT);
    CHECK_EQ(processor_set_tasks(host(), &tasks, &count), KERN_INVALID_ARGUMENT);
    CHECK_EQ(processor_set_threads(host(), &threads, &count), KERN_INVALID_ARGUMENT);
    CHECK_EQ(processor_set_processors(host(), &processors, &count), KERN_INVALID_ARGUMENT);
    CHECK_EQ(processor_set_stack_usage(host(), &number, &size, &size, &size, &size),
             KERN_INVALID_ARGUMENT);
    CHECK_EQ(host_processor_set_priv(privileged(), host(), &port), KERN_INVALID_ARGUMENT);
}
