/* task_test.c - tasks and threads: made, suspended, read and written, aborted, ended. */
#include <gnumach.h>
#include <mach.h>
#include <mach_host.h>
#include <mach_port.h>
#include <portolan.h>
#include <string.h>

#include "lib/test.h"

static mach_port_t self(void)
{
    return mach_task_self();
}

static uint8_t stacks[4][16384] __attribute__((aligned(16)));
static volatile uint64_t counter;

/* Runs with no libc state: only traps and plain memory. */
static void count_for_ever(void)
{
    for (;;) {
        counter++;
    }
}

static mach_port_t blocked_on;
static volatile uint64_t receive_result;

static void receive_for_ever(void)
{
    static struct test_message m;

    receive_result = (uint32_t)mach_msg_trap(&m.head, MACH_RCV_MSG, 0, sizeof(m), blocked_on, 0, 0);
    for (;;) {
        swtch();
    }
}

static mach_port_t start_thread(void (*function)(void), unsigned stack)
{
    struct i386_thread_state state = {0};
    mach_port_t thread = 0;

    CHECK_EQ(thread_create(self(), &thread), KERN_SUCCESS);
    state.rip = (uint64_t)function;
    state.ursp = (uint64_t)(stacks[stack] + sizeof(stacks[0]) - 8);
    CHECK_EQ(thread_set_state(thread, i386_THREAD_STATE, (thread_state_t)&state,
                              i386_THREAD_STATE_COUNT),
             KERN_SUCCESS);
    CHECK_EQ(thread_resume(thread), KERN_SUCCESS);
    return thread;
}

static void end_thread(mach_port_t thread)
{
    mach_port_type_t type = 0;

    CHECK_EQ(thread_terminate(thread), KERN_SUCCESS);
    for (unsigned i = 0; i < 1000; i++) {
        mach_port_type(self(), thread, &type);
        if ((type & MACH_PORT_TYPE_DEAD_NAME) != 0) {
            break;
        }
        thread_switch(MACH_PORT_NULL, SWITCH_OPTION_WAIT, 1);
    }
    CHECK((type & MACH_PORT_TYPE_DEAD_NAME) != 0);
    mach_port_deallocate(self(), thread);
}

static void pause_ms(unsigned ms)
{
    thread_switch(MACH_PORT_NULL, SWITCH_OPTION_WAIT, ms);
}

TEST(a_thread_runs_from_the_state_it_was_given)
{
    mach_port_t thread;
    uint64_t before = counter;

    thread = start_thread(count_for_ever, 0);
    for (unsigned i = 0; i < 1000 && counter == before; i++) {
        pause_ms(1);
    }
    CHECK(counter != before);
    end_thread(thread);
}

TEST(a_thread_that_never_ran_is_gone_at_once_and_with_it_its_task)
{
    mach_port_t task = 0;
    mach_port_t thread = 0;
    mach_port_type_t type = 0;

    for (unsigned i = 0; i < 200; i++) {
        CHECK_EQ(thread_create(self(), &thread), KERN_SUCCESS);
        CHECK_EQ(thread_terminate(thread), KERN_SUCCESS);
        CHECK_EQ(mach_port_type(self(), thread, &type), KERN_SUCCESS);
        CHECK((type & MACH_PORT_TYPE_DEAD_NAME) != 0);
        mach_port_deallocate(self(), thread);
    }
    CHECK_EQ(task_create(self(), 0, &task), KERN_SUCCESS);
    CHECK_EQ(thread_create(task, &thread), KERN_SUCCESS);
    CHECK_EQ(task_terminate(task), KERN_SUCCESS);
    CHECK_EQ(thread_terminate(thread), MACH_SEND_INVALID_DEST);
    mach_port_deallocate(self(), thread);
    mach_port_deallocate(self(), task);
}

TEST(the_float_state_of_a_thread_that_never_ran_is_the_initial_one_or_what_was_set)
{
    struct i386_float_state state;
    mach_msg_type_number_t count = i386_FLOAT_STATE_COUNT;
    uint32_t *words = (uint32_t *)state.hw_state;
    mach_port_t thread = 0;

    CHECK_EQ(thread_create(self(), &thread), KERN_SUCCESS);
    CHECK_EQ(thread_get_state(thread, i386_FLOAT_STATE, (thread_state_t)&state, &count),
             KERN_SUCCESS);
    CHECK_EQ(words[0] & 0xffff, 0x37f);
    for (unsigned i = 28; i < 108; i++) {
        CHECK_EQ(((uint8_t *)state.hw_state)[i], 0);
    }
    words[0] = 0xffff027f;
    CHECK_EQ(thread_set_state(thread, i386_FLOAT_STATE, (thread_state_t)&state, count),
             KERN_SUCCESS);
    memset(&state, 0, sizeof(state));
    CHECK_EQ(thread_get_state(thread, i386_FLOAT_STATE, (thread_state_t)&state, &count),
             KERN_SUCCESS);
    CHECK_EQ(words[0] & 0xffff, 0x27f);
    end_thread(thread);
}

TEST(a_suspended_thread_stands_still_and_a_resumed_one_goes_on)
{
    mach_port_t thread = start_thread(count_for_ever, 0);
    uint64_t seen;

    pause_ms(5);
    CHECK_EQ(thread_suspend(thread), KERN_SUCCESS);
    seen = counter;
    pause_ms(20);
    CHECK_EQ(counter, seen);
    CHECK_EQ(thread_suspend(thread), KERN_SUCCESS);
    CHECK_EQ(thread_resume(thread), KERN_SUCCESS);
    pause_ms(20);
    CHECK_EQ(counter, seen);
    CHECK_EQ(thread_resume(thread), KERN_SUCCESS);
    for (unsigned i = 0; i < 1000 && counter == seen; i++) {
        pause_ms(1);
    }
    CHECK(counter != seen);
    CHECK_EQ(thread_resume(thread), KERN_FAILURE);
    end_thread(thread);
}

TEST(the_state_of_a_running_thread_can_be_read_and_has_user_selectors)
{
    mach_port_t thread = start_thread(count_for_ever, 0);
    struct i386_thread_state state;
    mach_msg_type_number_t count = i386_THREAD_STATE_COUNT;

    CHECK_EQ(thread_get_state(thread, i386_THREAD_STATE, (thread_state_t)&state, &count),
             KERN_SUCCESS);
    CHECK_EQ(count, i386_THREAD_STATE_COUNT);
    CHECK(state.rip >= (uint64_t)count_for_ever && state.rip < (uint64_t)count_for_ever + 64);
    CHECK_EQ(state.cs & 3, 3);
    CHECK_EQ(state.ss & 3, 3);
    count = 1;
    CHECK_EQ(thread_get_state(thread, i386_THREAD_STATE, (thread_state_t)&state, &count),
             KERN_INVALID_ARGUMENT);
    count = i386_THREAD_STATE_COUNT;
    CHECK_EQ(thread_get_state(thread, 99, (thread_state_t)&state, &count), KERN_INVALID_ARGUMENT);
    end_thread(thread);
}

TEST(a_state_the_processor_would_refuse_is_refused)
{
    struct i386_thread_state state = {0};
    struct i386_fsgs_base_state bases = {0x0000900000000000, 0};
    mach_port_t thread;

    CHECK_EQ(thread_create(self(), &thread), KERN_SUCCESS);
    state.rip = 0x0000900000000000;
    CHECK_EQ(thread_set_state(thread, i386_THREAD_STATE, (thread_state_t)&state,
                              i386_THREAD_STATE_COUNT),
             KERN_INVALID_ARGUMENT);
    state.rip = 0xffffffff80100000;
    CHECK_EQ(thread_set_state(thread, i386_THREAD_STATE, (thread_state_t)&state,
                              i386_THREAD_STATE_COUNT),
             KERN_INVALID_ARGUMENT);
    CHECK_EQ(thread_set_state(thread, i386_THREAD_STATE, (thread_state_t)&state, 2),
             KERN_INVALID_ARGUMENT);
    CHECK_EQ(thread_set_state(thread, i386_FSGS_BASE_STATE, (thread_state_t)&bases,
                              i386_FSGS_BASE_STATE_COUNT),
             KERN_INVALID_ARGUMENT);
    end_thread(thread);
}

TEST(privileged_flags_are_not_taken)
{
    struct i386_thread_state state = {.rip = 0x1000, .rfl = ~0ul};
    mach_msg_type_number_t count = i386_THREAD_STATE_COUNT;
    mach_port_t thread;

    CHECK_EQ(thread_create(self(), &thread), KERN_SUCCESS);
    CHECK_EQ(thread_set_state(thread, i386_THREAD_STATE, (thread_state_t)&state,
                              i386_THREAD_STATE_COUNT),
             KERN_SUCCESS);
    CHECK_EQ(thread_get_state(thread, i386_THREAD_STATE, (thread_state_t)&state, &count),
             KERN_SUCCESS);
    CHECK_EQ(state.rfl & 0x3000, 0);    /* I/O privilege */
    CHECK_EQ(state.rfl & 0x200, 0x200); /* interrupts */
    CHECK_EQ(state.rfl & 0x20000, 0);   /* virtual 8086 */
    end_thread(thread);
}

TEST(abort_ends_a_receive)
{
    mach_port_t thread;

    blocked_on = test_port();
    receive_result = 0;
    thread = start_thread(receive_for_ever, 1);
    pause_ms(10);
    CHECK_EQ(thread_suspend(thread), KERN_SUCCESS);
    CHECK_EQ(thread_abort(thread), KERN_SUCCESS);
    CHECK_EQ(thread_resume(thread), KERN_SUCCESS);
    for (unsigned i = 0; i < 1000 && receive_result == 0; i++) {
        pause_ms(1);
    }
    CHECK_EQ(receive_result, MACH_RCV_INTERRUPTED);
    end_thread(thread);
    mach_port_destroy(self(), blocked_on);
}

TEST(rax_set_while_suspended_is_what_an_aborted_receive_returns)
{
    struct i386_thread_state state;
    mach_msg_type_number_t count = i386_THREAD_STATE_COUNT;
    mach_port_t thread;

    blocked_on = test_port();
    receive_result = 0;
    thread = start_thread(receive_for_ever, 1);
    pause_ms(10);
    CHECK_EQ(thread_suspend(thread), KERN_SUCCESS);
    CHECK_EQ(thread_get_state(thread, i386_THREAD_STATE, (thread_state_t)&state, &count),
             KERN_SUCCESS);
    state.rax = 0x1234;
    CHECK_EQ(thread_set_state(thread, i386_THREAD_STATE, (thread_state_t)&state, count),
             KERN_SUCCESS);
    CHECK_EQ(thread_abort(thread), KERN_SUCCESS);
    CHECK_EQ(thread_resume(thread), KERN_SUCCESS);
    for (unsigned i = 0; i < 1000 && receive_result == 0; i++) {
        pause_ms(1);
    }
    CHECK_EQ(receive_result, 0x1234);
    end_thread(thread);
    mach_port_destroy(self(), blocked_on);
}

TEST(a_task_with_no_threads_can_be_made_and_ended)
{
    mach_port_t task;
    mach_port_t *threads;
    mach_msg_type_number_t count = 9;

    CHECK_EQ(task_create(self(), 0, &task), KERN_SUCCESS);
    CHECK_EQ(task_threads(task, &threads, &count), KERN_SUCCESS);
    CHECK_EQ(count, 0);
    CHECK_EQ(task_terminate(task), KERN_SUCCESS);
    CHECK_EQ(task_suspend(task), MACH_SEND_INVALID_DEST);
    mach_port_deallocate(self(), task);
}

TEST(task_info_tells_sizes_and_counts)
{
    struct task_basic_info basic;
    mach_msg_type_number_t count = TASK_BASIC_INFO_COUNT;

    CHECK_EQ(task_info(self(), TASK_BASIC_INFO, (task_info_t)&basic, &count), KERN_SUCCESS);
    CHECK(basic.virtual_size > 0 && basic.resident_size > 0);
    CHECK_EQ(basic.suspend_count, 0);
    count = 1;
    CHECK_EQ(task_info(self(), TASK_BASIC_INFO, (task_info_t)&basic, &count),
             KERN_INVALID_ARGUMENT);
    count = TASK_BASIC_INFO_COUNT;
    CHECK_EQ(task_info(self(), 77, (task_info_t)&basic, &count), KERN_INVALID_ARGUMENT);
}

TEST(special_ports_can_be_set_and_read)
{
    mach_port_t port = test_port(), task, read = 0;

    CHECK_EQ(task_create(self(), 0, &task), KERN_SUCCESS);
    CHECK_EQ(task_set_special_port(task, TASK_BOOTSTRAP_PORT, port), KERN_SUCCESS);
    CHECK_EQ(task_get_special_port(task, TASK_BOOTSTRAP_PORT, &read), KERN_SUCCESS);
    CHECK_EQ(read, port);
    CHECK_EQ(task_set_special_port(task, 77, port), KERN_INVALID_ARGUMENT);
    CHECK_EQ(task_get_special_port(task, 77, &read), KERN_INVALID_ARGUMENT);
    CHECK_EQ(task_terminate(task), KERN_SUCCESS);
    mach_port_deallocate(self(), task);
    mach_port_destroy(self(), port);
}

TEST(registered_ports_are_bounded_and_inherited)
{
    mach_port_t ports[5] = {test_port(), 0, 0, 0, 0};
    mach_port_t *read;
    mach_msg_type_number_t count = 0;
    mach_port_t task;

    CHECK_EQ(mach_ports_register(self(), ports, 5), KERN_INVALID_ARGUMENT);
    CHECK_EQ(mach_ports_register(self(), ports, 1), KERN_SUCCESS);
    CHECK_EQ(task_create(self(), 0, &task), KERN_SUCCESS);
    CHECK_EQ(mach_ports_lookup(task, &read, &count), KERN_SUCCESS);
    CHECK(count >= 1 && read[0] == ports[0]);
    CHECK_EQ(task_terminate(task), KERN_SUCCESS);
    syscall_vm_deallocate(self(), (vm_address_t)read, count * sizeof(*read));
    CHECK_EQ(mach_ports_register(self(), ports, 0), KERN_SUCCESS);
    mach_port_deallocate(self(), task);
    mach_port_destroy(self(), ports[0]);
}

TEST(priorities_stay_within_the_maximum)
{
    mach_port_t thread;

    CHECK_EQ(thread_create(self(), &thread), KERN_SUCCESS);
    CHECK_EQ(thread_priority(thread, 40, 1), KERN_SUCCESS);
    CHECK_EQ(thread_priority(thread, 30, 0), KERN_FAILURE);
    CHECK_EQ(thread_priority(thread, 50, 0), KERN_SUCCESS);
    CHECK_EQ(thread_priority(thread, -1, 0), KERN_INVALID_ARGUMENT);
    CHECK_EQ(thread_priority(thread, 64, 0), KERN_INVALID_ARGUMENT);
    CHECK_EQ(thread_policy(thread, POLICY_FIXEDPRI, 10), KERN_SUCCESS);
    CHECK_EQ(thread_policy(thread, 77, 0), KERN_INVALID_ARGUMENT);
    end_thread(thread);
}

TEST(a_task_cannot_call_itself_essential)
{
    CHECK_EQ(task_set_essential(self(), 1),
             KERN_SUCCESS); /* one-way: it went out; that nothing came of it shows when this program
                               ends */
}

TEST(tasks_have_names_and_numbers)
{
    portolan_name_t name;
    mach_port_t task;
    int64_t id = 0, other = 0;

    CHECK_EQ(task_create(self(), 0, &task), KERN_SUCCESS);
    CHECK_EQ(task_set_name(task, "a name"), KERN_SUCCESS);
    CHECK_EQ(task_get_name(task, name), KERN_SUCCESS);
    CHECK_EQ(strcmp(name, "a name"), 0);
    CHECK_EQ(task_get_id(self(), &id), KERN_SUCCESS);
    CHECK_EQ(task_get_id(task, &other), KERN_SUCCESS);
    CHECK(id != other);
    CHECK_EQ(task_terminate(task), KERN_SUCCESS);
    mach_port_deallocate(self(), task);
}

TEST(limits_can_be_lowered_by_anybody_and_raised_by_none_without_privilege)
{
    mach_port_t task;
    mach_port_name_t name;

    CHECK_EQ(task_create(self(), 0, &task), KERN_SUCCESS);
    CHECK_EQ(task_set_ledger_limit(mach_host_self(), task, PORTOLAN_LEDGER_PORTS, 2), KERN_SUCCESS);
    CHECK_EQ(task_set_ledger_limit(mach_host_self(), task, PORTOLAN_LEDGER_PORTS, 3),
             KERN_NO_ACCESS);
    CHECK_EQ(task_set_ledger_limit(mach_host_self(), task, 99, 3), KERN_INVALID_ARGUMENT);
    CHECK_EQ(mach_port_allocate(task, MACH_PORT_RIGHT_RECEIVE, &name), KERN_SUCCESS);
    CHECK_EQ(mach_port_allocate(task, MACH_PORT_RIGHT_RECEIVE, &name), KERN_SUCCESS);
    CHECK_EQ(mach_port_allocate(task, MACH_PORT_RIGHT_RECEIVE, &name), KERN_RESOURCE_SHORTAGE);
    CHECK_EQ(task_terminate(task), KERN_SUCCESS);
    mach_port_deallocate(self(), task);
}
