/* task_error_test.c - the codes of the routines and traps on tasks, threads, memory and the host
 * that no other test has a story for. */
#include <gnumach.h>
#include <mach.h>
#include <mach4.h>
#include <mach_debug.h>
#include <mach_host.h>
#include <mach_port.h>
#include <pthread.h>
#include <portolan/thread.h>

#include "lib/test.h"

#define NO_NAME 0x00abcdef

static mach_port_t self(void)
{
    return mach_task_self();
}

TEST(nobody_samples_program_counters)
{
    sampled_pc_t pcs[512];
    mach_msg_type_number_t count = 512;
    natural_t seqno = 0;
    int tick;

    CHECK_EQ(task_enable_pc_sampling(self(), &tick, 0), KERN_FAILURE);
    CHECK_EQ(task_disable_pc_sampling(self(), &tick), KERN_FAILURE);
    CHECK_EQ(task_get_sampled_pcs(self(), &seqno, pcs, &count), KERN_FAILURE);
    CHECK_EQ(thread_enable_pc_sampling(mach_thread_self(), &tick, 0), KERN_FAILURE);
    CHECK_EQ(thread_disable_pc_sampling(mach_thread_self(), &tick), KERN_FAILURE);
    CHECK_EQ(thread_get_sampled_pcs(mach_thread_self(), &seqno, pcs, &count), KERN_FAILURE);
}

TEST(what_was_not_suspended_is_not_resumed)
{
    CHECK_EQ(task_resume(self()), KERN_FAILURE);
}

TEST_CHILD(with_a_limit)
{
    CHECK_EQ(task_max_priority(mach_host_self(), self(), 30, 1, 0), KERN_SUCCESS);
    CHECK_EQ(task_priority(self(), 0, 0), KERN_FAILURE);
    CHECK_EQ(task_max_priority(mach_host_self(), self(), 0, 0, 0), KERN_NO_ACCESS);
}

TEST(priorities_better_than_the_limit_take_privilege)
{
    CHECK_EQ(test_run_child("with_a_limit"), 0);
}

TEST(a_flavor_of_the_host_that_is_not_there_is_refused)
{
    integer_t info[16];
    mach_msg_type_number_t count = 16;

    CHECK_EQ(host_info(mach_host_self(), 99, info, &count), KERN_INVALID_ARGUMENT);
}

TEST(the_traps_refuse_a_name_that_is_no_task)
{
    mach_port_t host = mach_host_self();
    mach_port_t child;
    vm_address_t address = 0;

    CHECK_EQ(syscall_task_create(host, 0, &child), KERN_INVALID_ARGUMENT);
    CHECK_EQ(syscall_task_terminate(host), KERN_INVALID_ARGUMENT);
    CHECK_EQ(syscall_task_suspend(host), KERN_INVALID_ARGUMENT);
    CHECK_EQ(syscall_task_set_special_port(host, TASK_BOOTSTRAP_PORT, host), KERN_INVALID_ARGUMENT);
    CHECK_EQ(syscall_thread_depress_abort(host), KERN_INVALID_ARGUMENT);
    CHECK_EQ(syscall_vm_allocate(host, &address, 4096, 1), MACH_SEND_INTERRUPTED);
    CHECK_EQ(syscall_vm_deallocate(host, address, 4096), MACH_SEND_INTERRUPTED);
    CHECK_EQ(syscall_vm_map(host, &address, 4096, 0, 1, 0, 0, 0, VM_PROT_READ, VM_PROT_READ,
                            VM_INHERIT_NONE),
             MACH_SEND_INTERRUPTED);
}

TEST(the_traps_refuse_rights_and_addresses_that_are_not_there)
{
    vm_address_t *nowhere = (vm_address_t *)16;
    mach_port_t port;

    CHECK_EQ(mach_port_allocate(self(), MACH_PORT_RIGHT_RECEIVE, &port), KERN_SUCCESS);
    CHECK_EQ(syscall_task_set_special_port(self(), TASK_BOOTSTRAP_PORT, NO_NAME),
             KERN_INVALID_NAME);
    CHECK_EQ(syscall_task_set_special_port(self(), TASK_BOOTSTRAP_PORT, port), KERN_INVALID_RIGHT);
    CHECK_EQ(syscall_vm_map(self(), nowhere, 4096, 0, 1, 0, 0, 0, VM_PROT_READ, VM_PROT_READ,
                            VM_INHERIT_NONE),
             KERN_INVALID_ADDRESS);
    CHECK_EQ(
        thread_set_self_state(i386_THREAD_STATE, (thread_state_t)nowhere, i386_THREAD_STATE_COUNT),
        KERN_INVALID_ADDRESS);
    CHECK_EQ(mach_port_mod_refs(self(), port, MACH_PORT_RIGHT_RECEIVE, -1), KERN_SUCCESS);
}

TEST(a_task_whose_name_cannot_be_written_is_not_left_behind)
{
    CHECK_EQ(syscall_task_create(self(), 0, (mach_port_t *)16), KERN_INVALID_ADDRESS);
}

TEST(the_traps_refuse_options_and_flavors_that_are_not_there)
{
    natural_t words[2] = {0, 0};

    CHECK_EQ(thread_switch(MACH_PORT_NULL, 99, 0), KERN_INVALID_ARGUMENT);
    CHECK_EQ(thread_switch(self(), SWITCH_OPTION_NONE, 0), KERN_INVALID_ARGUMENT);
    CHECK_EQ(thread_set_self_state(99, words, 2), KERN_INVALID_ARGUMENT);
    CHECK_EQ(evc_wait(1), KERN_INVALID_ARGUMENT);
    CHECK_EQ(evc_wait_clear(1), KERN_INVALID_ARGUMENT);
    CHECK_EQ(syscall_device_write_request(0, 0, 0, 0, words, 8), KERN_INVALID_ARGUMENT);
    CHECK_EQ(syscall_device_writev_request(0, 0, 0, 0, words, 1), KERN_INVALID_ARGUMENT);
}

TEST(memory_is_refused_where_it_cannot_be_or_may_not_be_touched)
{
    vm_address_t address = ~0ul << 12;
    vm_region_info_t region;
    rpc_phys_addr_array_t pages;
    mach_msg_type_number_t count;
    mach_port_t object;
    pointer_t data;

    CHECK_EQ(vm_map(self(), &address, 4096, 0, 0, MACH_PORT_NULL, 0, 0, VM_PROT_READ, VM_PROT_READ,
                    VM_INHERIT_NONE),
             KERN_INVALID_ADDRESS);
    CHECK_EQ(mach_vm_region_info(self(), address, &region, &object), KERN_NO_SPACE);
    CHECK_EQ(vm_pages_phys(portolan_port("host"), self(), address, 4096, &pages, &count),
             KERN_INVALID_ADDRESS);
    address = 0;
    CHECK_EQ(vm_allocate(self(), &address, 4096, 1), KERN_SUCCESS);
    CHECK_EQ(vm_protect(self(), address, 4096, 0, VM_PROT_NONE), KERN_SUCCESS);
    CHECK_EQ(vm_read(self(), address, 4096, &data, &count), KERN_PROTECTION_FAILURE);
    CHECK_EQ(vm_write(self(), address, (pointer_t)&count, sizeof(count)), KERN_PROTECTION_FAILURE);
    CHECK_EQ(vm_deallocate(self(), address, 4096), KERN_SUCCESS);
}

TEST(a_wait_for_a_word_says_why_it_did_not_wait)
{
    static unsigned word = 1;
    vm_address_t at = (vm_address_t)&word;

    CHECK_EQ(gsync_wait(self(), at, 2, 0, 0, 0), KERN_INVALID_VALUE);
    CHECK_EQ(gsync_wait(self(), at, 1, 0, 1, GSYNC_TIMED), KERN_TIMEDOUT);
    CHECK_EQ(gsync_wait(self(), at + 1, 1, 0, 1, GSYNC_TIMED), KERN_INVALID_ARGUMENT);
    CHECK_EQ(gsync_wait(self(), 16, 1, 0, 1, GSYNC_TIMED), KERN_INVALID_ADDRESS);
}

static mach_port_t sleeper;

/* Aborts the first thread until it is done. */
static void *abort_sleeper(void *done)
{
    while (!*(volatile bool *)done) {
        thread_abort(sleeper);
        thread_switch(MACH_PORT_NULL, SWITCH_OPTION_WAIT, 1);
    }
    return NULL;
}

TEST(a_sleeper_that_is_aborted_says_so)
{
    static unsigned word = 1;
    bool done = false;
    pthread_t other;

    sleeper = portolan_thread_port();
    CHECK_EQ(pthread_create(&other, NULL, abort_sleeper, &done), 0);
    CHECK_EQ(gsync_wait(self(), (vm_address_t)&word, 1, 0, 10000, GSYNC_TIMED), KERN_INTERRUPTED);
    CHECK_EQ(portolan_sleep(10000), KERN_INTERRUPTED);
    done = true;
    CHECK_EQ(pthread_join(other, NULL), 0);
}
