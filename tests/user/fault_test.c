/* fault_test.c - programs that do what they must not: each ends alone, and the system goes on. An
 * exception handler can save them. */
#include <exc_server.h>
#include <mach.h>
#include <mach/mig_errors.h>
#include <mach_port.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "lib/test.h"

#define KILLED(status) (WIFSIGNALED(status))

/* An access the compiler does not look through. */
static int read_at(uint64_t address)
{
    int value;

    __asm__ volatile("movl (%1), %0" : "=r"(value) : "r"(address) : "memory");
    return value;
}

static void write_at(uint64_t address)
{
    __asm__ volatile("movb $1, (%0)" ::"r"(address) : "memory");
}

TEST_CHILD(read_null)
{
    read_at(0);
}
TEST_CHILD(write_null)
{
    write_at(8);
}
TEST_CHILD(read_kernel)
{
    read_at(0xffffffff80100000);
}
TEST_CHILD(read_direct_map)
{
    read_at(0xffff800000100000);
}
TEST_CHILD(non_canonical)
{
    read_at(0x0000900000000000);
}
TEST_CHILD(write_text)
{
    write_at((uint64_t)read_at);
}
TEST_CHILD(execute_data)
{
    static char code[] = {(char)0xc3};

    ((void (*)(void))code)();
}
TEST_CHILD(divide)
{
    __asm__ volatile("xorl %%ecx, %%ecx; divl %%ecx" ::: "eax", "ecx", "edx");
}
TEST_CHILD(invalid_instruction)
{
    __asm__ volatile("ud2");
}
TEST_CHILD(halt)
{
    __asm__ volatile("hlt");
}
TEST_CHILD(port_io)
{
    __asm__ volatile("outb %%al, $0x80" ::"a"(0));
}
TEST_CHILD(disable_interrupts)
{
    __asm__ volatile("cli");
}
TEST_CHILD(read_cr0)
{
    uint64_t x;

    __asm__ volatile("mov %%cr0, %0" : "=r"(x));
}
TEST_CHILD(read_msr)
{
    __asm__ volatile("rdmsr" ::"c"(0xc0000080) : "eax", "edx");
}
TEST_CHILD(breakpoint)
{
    __asm__ volatile("int3");
}
TEST_CHILD(software_interrupt)
{
    __asm__ volatile("int $0xf0");
}
TEST_CHILD(bad_trap_number)
{
    __asm__ volatile("syscall" ::"a"(-5000) : "rcx", "r11", "memory");
}
TEST_CHILD(bad_stack_for_trap)
{
    __asm__ volatile(
        "mov %%rsp, %%rbx; mov $8, %%rsp; mov $-25, %%rax; syscall; mov %%rbx, %%rsp" ::
            : "rax", "rbx", "rcx", "r11", "memory");
}
TEST_CHILD(stack_pointer_in_kernel)
{
    __asm__ volatile("mov $0xffffffff80100000, %%rsp; push %%rax" ::: "memory");
}
TEST_CHILD(endless_recursion)
{
    __asm__ volatile("1: push %%rax; jmp 1b" ::: "memory");
}
TEST_CHILD(jump_to_end)
{
    ((void (*)(void))0x00007ffffffffff0)();
}

#define FAULT_TEST(word, sentence)                                                                 \
    TEST(sentence)                                                                                 \
    {                                                                                              \
        CHECK(KILLED(test_run_child(#word)));                                                      \
    }

FAULT_TEST(read_null, reading_address_zero_ends_the_task_alone)
FAULT_TEST(write_null, writing_near_zero_ends_the_task_alone)
FAULT_TEST(read_kernel, reading_kernel_text_ends_the_task_alone)
FAULT_TEST(read_direct_map, reading_the_direct_map_ends_the_task_alone)
FAULT_TEST(non_canonical, a_non_canonical_address_ends_the_task_alone)
FAULT_TEST(write_text, writing_program_text_ends_the_task_alone)
FAULT_TEST(execute_data, executing_data_ends_the_task_alone)
FAULT_TEST(divide, dividing_by_zero_ends_the_task_alone)
FAULT_TEST(invalid_instruction, an_invalid_instruction_ends_the_task_alone)
FAULT_TEST(halt, halting_the_processor_ends_the_task_alone)
FAULT_TEST(port_io, port_io_without_a_grant_ends_the_task_alone)
FAULT_TEST(disable_interrupts, disabling_interrupts_ends_the_task_alone)
FAULT_TEST(read_cr0, reading_a_control_register_ends_the_task_alone)
FAULT_TEST(read_msr, reading_an_msr_ends_the_task_alone)
FAULT_TEST(breakpoint, a_breakpoint_nobody_handles_ends_the_task_alone)
FAULT_TEST(software_interrupt, a_software_interrupt_to_a_kernel_vector_ends_the_task_alone)
FAULT_TEST(bad_trap_number, a_trap_number_out_of_range_ends_the_task_alone)
FAULT_TEST(bad_stack_for_trap, trap_arguments_on_an_unmapped_stack_end_the_task_alone)
FAULT_TEST(stack_pointer_in_kernel, a_stack_pointer_in_the_kernel_ends_the_task_alone)
FAULT_TEST(endless_recursion, a_stack_overrun_ends_the_task_alone)
FAULT_TEST(jump_to_end, running_at_the_end_of_the_address_space_ends_the_task_alone)

/* --- a handler in the same program saves a thread --- */

static mach_port_t exception_port;
static volatile int seen_exception, seen_code;

kern_return_t catch_exception_raise(mach_port_t port, mach_port_t thread, mach_port_t task,
                                    integer_t exception, integer_t code, rpc_long_integer_t subcode)
{
    struct i386_thread_state state;
    mach_msg_type_number_t count = i386_THREAD_STATE_COUNT;

    (void)port;
    (void)subcode;
    seen_exception = exception;
    seen_code = code;
    if (thread_get_state(thread, i386_THREAD_STATE, (thread_state_t)&state, &count) !=
        KERN_SUCCESS) {
        return KERN_FAILURE;
    }
    state.rip += 2; /* over the ud2 */
    if (thread_set_state(thread, i386_THREAD_STATE, (thread_state_t)&state, count) !=
        KERN_SUCCESS) {
        return KERN_FAILURE;
    }
    mach_port_deallocate(mach_task_self(), thread);
    mach_port_deallocate(mach_task_self(), task);
    return KERN_SUCCESS;
}

static void *handle_one(void *unused)
{
    struct test_message in, out;

    (void)unused;
    if (mach_msg(&in.head, MACH_RCV_MSG, 0, sizeof(in), exception_port, 0, 0) == MACH_MSG_SUCCESS) {
        exc_server(&in.head, &out.head);
        mach_msg(&out.head, MACH_SEND_MSG, out.head.msgh_size, 0, 0, 0, 0);
    }
    return NULL;
}

TEST(a_handler_that_fixes_the_state_resumes_the_thread)
{
    pthread_t handler;

    exception_port = test_port();
    CHECK_EQ(task_set_special_port(mach_task_self(), TASK_EXCEPTION_PORT, exception_port),
             KERN_SUCCESS);
    CHECK_EQ(pthread_create(&handler, NULL, handle_one, NULL), 0);
    __asm__ volatile("ud2" ::: "memory");
    CHECK_EQ(pthread_join(handler, NULL), 0);
    CHECK_EQ(seen_exception, EXC_BAD_INSTRUCTION);
    CHECK_EQ(seen_code, EXC_I386_INVOP);
    CHECK_EQ(task_set_special_port(mach_task_self(), TASK_EXCEPTION_PORT, MACH_PORT_NULL),
             KERN_SUCCESS);
    mach_port_destroy(mach_task_self(), exception_port);
}

/* --- a server that handles one exception after the other --- */

#define GUARD_PAGE  4096u
#define GUARD_PAGES 40u

/* Handlers that let what was protected be written. */
static mach_port_t guard_port[2];
static volatile unsigned guard_seen[2];

static void guard_answer(struct test_message *m, kern_return_t code)
{
    mig_reply_error_t *reply = (mig_reply_error_t *)m;

    m->head.msgh_bits = MACH_MSGH_BITS(MACH_MSGH_BITS_REMOTE(m->head.msgh_bits), 0);
    m->head.msgh_local_port = MACH_PORT_NULL;
    m->head.msgh_size = sizeof(*reply);
    m->head.msgh_id += 100;
    reply->RetCodeType = (mach_msg_type_t){
        .msgt_name = MACH_MSG_TYPE_INTEGER_32, .msgt_size = 32, .msgt_inline = 1, .msgt_number = 1};
    reply->RetCode = code;
    reply->RetCodePad = 0;
}

static mach_port_t guard_right(const struct test_message *m, unsigned i)
{
    return (mach_port_t)((const uint64_t *)m->body)[2 * i + 1];
}

/* The first handler refuses every other exception; the second one takes what it is asked. Ends with
 * a message that is no exception. */
static void *guard_serve(void *argument)
{
    unsigned i = (unsigned)(uintptr_t)argument;
    struct test_message m = {.head = {.msgh_size = 0}};
    mach_msg_option_t option = MACH_RCV_MSG;

    for (;;) {
        kern_return_t code = KERN_FAILURE;

        if (mach_msg(&m.head, option, m.head.msgh_size, sizeof(m), guard_port[i], 0, 0) !=
                MACH_MSG_SUCCESS ||
            m.head.msgh_id != 2400) {
            return NULL;
        }
        guard_seen[i] += 1;
        if (i == 1 || guard_seen[i] % 2 != 0) {
            vm_address_t page = ((uint64_t *)m.body)[9] & ~(uint64_t)(GUARD_PAGE - 1);

            code = vm_protect(guard_right(&m, 1), page, GUARD_PAGE, FALSE, VM_PROT_DEFAULT);
        }
        mach_port_deallocate(mach_task_self(), guard_right(&m, 0));
        mach_port_deallocate(mach_task_self(), guard_right(&m, 1));
        guard_answer(&m, code);
        option = MACH_SEND_MSG | MACH_RCV_MSG;
    }
}

TEST(handlers_are_asked_in_turn_and_registers_survive_each)
{
    vm_address_t memory = 0;
    pthread_t handlers[2];

    CHECK_EQ(vm_allocate(mach_task_self(), &memory, GUARD_PAGES * GUARD_PAGE, TRUE), KERN_SUCCESS);
    CHECK_EQ(vm_protect(mach_task_self(), memory, GUARD_PAGES * GUARD_PAGE, FALSE, VM_PROT_READ),
             KERN_SUCCESS);
    for (unsigned i = 0; i < 2; i++) {
        guard_port[i] = test_port();
        CHECK_EQ(pthread_create(&handlers[i], NULL, guard_serve, (void *)(uintptr_t)i), 0);
    }
    CHECK_EQ(thread_set_special_port(mach_thread_self(), THREAD_EXCEPTION_PORT, guard_port[0]),
             KERN_SUCCESS);
    CHECK_EQ(task_set_special_port(mach_task_self(), TASK_EXCEPTION_PORT, guard_port[1]),
             KERN_SUCCESS);
    for (uint64_t page = 0; page < GUARD_PAGES; page++) {
        uint64_t in = page + 0x123456789abcdef0ul, out, rax = page;

        __asm__ volatile("movq %3, %%xmm7; movb $1, (%2); movq %%xmm7, %1"
                         : "+a"(rax), "=r"(out)
                         : "r"(memory + page * GUARD_PAGE), "r"(in)
                         : "xmm7", "memory");
        CHECK_EQ(out, in);
        CHECK_EQ(rax, page);
        CHECK_EQ(*(char *)(memory + page * GUARD_PAGE), 1);
    }
    CHECK_EQ(guard_seen[0], GUARD_PAGES);
    CHECK_EQ(guard_seen[1], GUARD_PAGES / 2);
    thread_set_special_port(mach_thread_self(), THREAD_EXCEPTION_PORT, MACH_PORT_NULL);
    task_set_special_port(mach_task_self(), TASK_EXCEPTION_PORT, MACH_PORT_NULL);
    for (unsigned i = 0; i < 2; i++) {
        test_send(guard_port[i], MACH_PORT_NULL, 1, 0, 0);
        CHECK_EQ(pthread_join(handlers[i], NULL), 0);
        mach_port_destroy(mach_task_self(), guard_port[i]);
    }
    vm_deallocate(mach_task_self(), memory, GUARD_PAGES * GUARD_PAGE);
}

/* --- a reply right is for one exception --- */

static volatile bool stale_gone_on;

static void *stale_fault(void *unused)
{
    __asm__ volatile("ud2" ::: "memory");
    stale_gone_on = true;
    return unused;
}

/* Step over the instruction, and answer. */
static void stale_resume(struct test_message *m)
{
    struct i386_thread_state state;
    mach_msg_type_number_t count = i386_THREAD_STATE_COUNT;
    mach_port_t thread = guard_right(m, 0);

    CHECK_EQ(thread_get_state(thread, i386_THREAD_STATE, (thread_state_t)&state, &count),
             KERN_SUCCESS);
    state.rip += 2;
    CHECK_EQ(thread_set_state(thread, i386_THREAD_STATE, (thread_state_t)&state, count),
             KERN_SUCCESS);
    guard_answer(m, KERN_SUCCESS);
    CHECK_EQ(mach_msg(&m->head, MACH_SEND_MSG, m->head.msgh_size, 0, 0, 0, 0), MACH_MSG_SUCCESS);
}

TEST(a_kept_reply_right_does_not_answer_the_next_exception)
{
    mach_port_t port = test_port();
    struct test_message first, second;
    pthread_t thread;

    stale_gone_on = false;
    CHECK_EQ(task_set_special_port(mach_task_self(), TASK_EXCEPTION_PORT, port), KERN_SUCCESS);
    CHECK_EQ(pthread_create(&thread, NULL, stale_fault, NULL), 0);
    CHECK_EQ(test_receive(port, &first, 0, 2000), MACH_MSG_SUCCESS);
    CHECK_EQ(thread_abort(guard_right(&first, 0)), KERN_SUCCESS); /* it does the same again */
    CHECK_EQ(test_receive(port, &second, 0, 2000), MACH_MSG_SUCCESS);
    CHECK_EQ(second.head.msgh_id, 2400);
    guard_answer(&first, KERN_SUCCESS);
    CHECK_EQ(mach_msg(&first.head, MACH_SEND_MSG, first.head.msgh_size, 0, 0, 0, 0),
             MACH_SEND_INVALID_DEST);
    CHECK(!stale_gone_on);
    stale_resume(&second);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    CHECK(stale_gone_on);
    for (unsigned i = 0; i < 2; i++) {
        mach_port_deallocate(mach_task_self(), guard_right(&first, i));
        mach_port_deallocate(mach_task_self(), guard_right(&second, i));
    }
    mach_port_deallocate(mach_task_self(), first.head.msgh_remote_port);
    task_set_special_port(mach_task_self(), TASK_EXCEPTION_PORT, MACH_PORT_NULL);
    mach_port_destroy(mach_task_self(), port);
}

TEST(a_handler_that_drops_its_right_passes_the_exception_on)
{
    mach_port_t port[2] = {test_port(), test_port()};
    struct test_message m;
    pthread_t thread;

    stale_gone_on = false;
    CHECK_EQ(task_set_special_port(mach_task_self(), TASK_EXCEPTION_PORT, port[0]), KERN_SUCCESS);
    CHECK_EQ(pthread_create(&thread, NULL, stale_fault, NULL), 0);
    CHECK_EQ(test_receive(port[0], &m, 0, 2000), MACH_MSG_SUCCESS);
    CHECK_EQ(thread_set_special_port(guard_right(&m, 0), THREAD_EXCEPTION_PORT, port[0]),
             KERN_SUCCESS);
    CHECK_EQ(task_set_special_port(mach_task_self(), TASK_EXCEPTION_PORT, port[1]), KERN_SUCCESS);
    CHECK_EQ(thread_abort(guard_right(&m, 0)), KERN_SUCCESS);
    mach_port_deallocate(mach_task_self(), m.head.msgh_remote_port);
    for (unsigned i = 0; i < 2; i++) { /* the thread's port, then the task's */
        CHECK_EQ(test_receive(port[i], &m, 0, 2000), MACH_MSG_SUCCESS);
        CHECK_EQ(m.head.msgh_id, 2400);
        if (i == 0) {
            mach_port_deallocate(mach_task_self(), m.head.msgh_remote_port);
        }
    }
    stale_resume(&m);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    CHECK(stale_gone_on);
    for (unsigned i = 0; i < 3; i++) {
        mach_port_deallocate(mach_task_self(), guard_right(&m, 0));
        mach_port_deallocate(mach_task_self(), guard_right(&m, 1));
    }
    task_set_special_port(mach_task_self(), TASK_EXCEPTION_PORT, MACH_PORT_NULL);
    mach_port_destroy(mach_task_self(), port[0]);
    mach_port_destroy(mach_task_self(), port[1]);
}

/* --- vector registers belong to their thread --- */

static void *spoil_vectors(void *unused)
{
    uint64_t ones[4] = {~0ul, ~0ul, ~0ul, ~0ul};

    for (unsigned i = 0; i < 200; i++) {
        __asm__ volatile("movdqu %0, %%xmm5; movdqu %0, %%xmm6" ::"m"(*ones) : "xmm5", "xmm6");
        swtch();
    }
    return unused;
}

TEST(vector_registers_survive_other_threads)
{
    uint64_t in[2] = {0x1122334455667788, 0x99aabbccddeeff00}, out[2];
    pthread_t thread;

    CHECK_EQ(pthread_create(&thread, NULL, spoil_vectors, NULL), 0);
    for (unsigned i = 0; i < 200; i++) {
        __asm__ volatile("movdqu %1, %%xmm5; mov $-60, %%rax; syscall; movdqu %%xmm5, %0"
                         : "=m"(*out)
                         : "m"(*in)
                         : "rax", "rcx", "r11", "rdi", "rsi", "rdx", "r8", "r9", "r10", "xmm5",
                           "memory");
        if (out[0] != in[0] || out[1] != in[1]) {
            CHECK_EQ(out[0], in[0]);
            break;
        }
    }
    CHECK_EQ(pthread_join(thread, NULL), 0);
}

/* --- and nothing of another task shows in them --- */

TEST_CHILD(read_vectors)
{
    uint64_t words[4];

    /* before anything used them: what the loader of this task, or any other, left there must not
     * show */
    __asm__ volatile("movdqu %%xmm14, (%0); movdqu %%xmm15, 16(%0)" ::"r"(words) : "memory");
    exit((words[0] | words[1] | words[2] | words[3]) == 0 ? 42 : 43);
}

TEST(a_new_task_finds_its_vector_registers_empty)
{
    uint64_t ones[2] = {~0ul, ~0ul};
    int status;

    __asm__ volatile("movdqu (%0), %%xmm14; movdqu (%0), %%xmm15" ::"r"(ones) : "xmm14", "xmm15");
    status = test_run_child("read_vectors");
    CHECK(WIFEXITED(status));
    CHECK_EQ(WEXITSTATUS(status), 42);
}
