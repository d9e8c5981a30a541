/* hv_apic_test.c - local APICs of guests: timers, priorities, interrupts between processors and
 * from devices. The guests reach their APIC by MSRs, but where it says otherwise. */
#include <mach.h>
#include <mach_host.h>
#include <mach_port.h>
#include <pthread.h>
#include <string.h>

#include "lib/guest.h"
#include "lib/ipc.h"

#define HANDLERS     0x30000u
#define HANDLER_STEP 0x80u
#define START_PAGE   6u /* of a processor that is started */
#define MESSAGE      0xfee00000u
#define LEVEL        0x8000
#define ROUNDS       300u

#define WRITE(msr, value) "movl $" #msr ", %ecx; movl $" #value ", %eax; xorl %edx, %edx; wrmsr\n"
#define READ(msr)         "movl $" #msr ", %ecx; rdmsr\n"
/* x2APIC mode, enabled by software, too. */
#define ENABLE_FIRST WRITE(0x1b, 0xfee00d00) WRITE(0x80f, 0x1ff)
#define ENABLE       WRITE(0x1b, 0xfee00c00) WRITE(0x80f, 0x1ff)
#define END          "xorl %eax, %eax; xorl %edx, %edx; movl $0x80b, %ecx; wrmsr\n"

/* Counts in r8d, and keeps the last vectors in r9. */
#define HANDLER(vector)                                                                            \
    "incl %r8d; shlq $8, %r9; orq $" #vector ", %r9; pushq %rax; pushq %rcx; pushq %rdx\n" END     \
    "popq %rdx; popq %rcx; popq %rax; iretq"
GUEST_CODE64(handler_40, HANDLER(0x40));
GUEST_CODE64(handler_45, HANDLER(0x45));
GUEST_CODE64(handler_48, HANDLER(0x48));
GUEST_CODE64(handler_55, HANDLER(0x55));
GUEST_CODE64(handler_65, HANDLER(0x65));
/* Goes on behind an instruction of two bytes. */
GUEST_CODE64(fault64, "incl %r10d; addq $8, %rsp; addq $2, (%rsp); iretq");

static void put(struct guest *g, unsigned vector, const uint8_t *code, const uint8_t *end)
{
    uint64_t at = HANDLERS + vector * HANDLER_STEP;

    memcpy(g->memory + at, code, (size_t)(end - code));
    guest_set_gate(g, vector, at);
}
#define PUT(g, vector, name) put(g, vector, name, name##_end)

static bool start(struct guest *g, const uint8_t *code, const uint8_t *end)
{
    if (!guest_create_apic(g, GUEST_LONG, code, end)) {
        return false;
    }
    PUT(g, 13, fault64);
    PUT(g, 0x40, handler_40);
    PUT(g, 0x45, handler_45);
    PUT(g, 0x48, handler_48);
    PUT(g, 0x55, handler_55);
    PUT(g, 0x65, handler_65);
    return true;
}
#define START(g, name) start(g, name, name##_end)

static void get(const struct guest *g, int flavor, hv_state_t state)
{
    mach_msg_type_number_t n = HV_STATE_MAX;

    CHECK_EQ(hv_vcpu_get_state(g->vcpu, flavor, state, &n), KERN_SUCCESS);
}

static void *run_to_port(void *argument)
{
    CHECK_EQ(guest_run(argument, 0), HV_EXIT_PORT);
    return NULL;
}

/* --- what is there --- */

GUEST_CODE64(cpuid64, "movl $1, %eax; cpuid; movl %ecx, %r8d; movl %edx, %r9d; movl %ebx, %r10d\n"
                      "movl $0xb, %eax; movl $1, %ecx; cpuid; movl %ebx, %r11d; movl %ecx, %r12d\n"
                      "movl %edx, %r13d; outb %al, $0x80");

TEST(a_processor_has_an_apic_if_the_monitor_wants_it)
{
    const uint64_t features = 1u << 21 | 1u << 24; /* x2APIC, TSC deadline */
    hv_state_t state;
    mach_msg_type_number_t n = HV_STATE_MAX;
    struct guest g, second;

    if (!GUEST_START(&g, GUEST_LONG, cpuid64)) {
        return;
    }
    CHECK_EQ(guest_run(&g, 0), HV_EXIT_PORT);
    CHECK_EQ(guest_register(&g, HV_R8) & features, 0);
    CHECK_EQ(guest_register(&g, HV_R8 + 1) & 1u << 9, 0);
    CHECK_EQ(hv_vcpu_get_state(g.vcpu, HV_STATE_APIC, state, &n), KERN_INVALID_ARGUMENT);
    CHECK_EQ(hv_vcpu_set_state(g.vcpu, HV_STATE_APIC, state, HV_APIC_COUNT), KERN_INVALID_ARGUMENT);
    CHECK_EQ(hv_machine_enable_apic(g.machine), KERN_FAILURE);
    CHECK_EQ(hv_machine_message(g.machine, MESSAGE, 0x40), KERN_FAILURE);
    CHECK_EQ(guest_run(&g, HV_RUN_APIC_READ), HV_EXIT_APIC);
    CHECK_EQ(g.record->value, 0xffffffff);
    guest_destroy(&g);
    if (!START(&g, cpuid64)) {
        return;
    }
    guest_add(&second, &g);
    CHECK_EQ(guest_run(&g, 0), HV_EXIT_PORT);
    CHECK_EQ(guest_register(&g, HV_R8) & features, features);
    CHECK_EQ(guest_register(&g, HV_R8 + 1) & 1u << 9, 1u << 9);
    CHECK_EQ(guest_register(&g, HV_R8 + 2) >> 16, 2); /* of two, number 0 */
    CHECK_EQ(guest_register(&g, HV_R8 + 3), 2);
    CHECK_EQ(guest_register(&g, HV_R8 + 4), 0x201);
    CHECK_EQ(guest_register(&g, HV_R8 + 5), 0);
    get(&second, HV_STATE_APIC, state);
    CHECK_EQ(state[HV_APIC_ID], 1 << 24);
    guest_remove(&second);
    guest_destroy(&g);
}

TEST(a_machine_that_has_ended_gets_no_apic_and_no_message)
{
    struct guest g;

    if (!START(&g, cpuid64)) {
        return;
    }
    CHECK_EQ(hv_machine_terminate(g.machine), KERN_SUCCESS);
    CHECK_EQ(hv_machine_enable_apic(g.machine), KERN_TERMINATED);
    CHECK_EQ(hv_machine_message(g.machine, MESSAGE, 0x40), KERN_TERMINATED);
    CHECK_EQ(hv_machine_enable_apic(mach_task_self()), KERN_INVALID_ARGUMENT);
    CHECK_EQ(hv_machine_message(mach_task_self(), MESSAGE, 0x40), KERN_INVALID_ARGUMENT);
    guest_destroy(&g);
}

/* --- modes: what a guest must not write is a #GP, counted in r10d --- */

GUEST_CODE64(modes64, READ(0x802)    /* not in xAPIC mode: 1 */
             WRITE(0x1b, 0xfee00500) /* wide, not enabled: 2 */
             WRITE(0x1b, 0xfee01900) /* elsewhere: 3 */
             WRITE(0x1b, 0xfee00900) /* as it is */
             WRITE(0x1b, 0xfee00d00) /* x2APIC */
             WRITE(0x1b, 0xfee00900) /* back: 4 */
             READ(0x802)             /* now it can be read */
             WRITE(0x1b, 0xfee00100) /* off */
             WRITE(0x1b, 0xfee00d00) /* not at once: 5 */
             WRITE(0x1b, 0xfee00900) /* on, in xAPIC mode */
             "outb %al, $0x80");
GUEST_CODE64(values64, ENABLE_FIRST "xorl %r10d, %r10d\n" WRITE(0x808, 0x100) /* TPR: 1 */
             WRITE(0x80b, 1)                                                  /* EOI: 2 */
             WRITE(0x802, 0)                                                  /* ID: 3 */
             WRITE(0x80d, 0)                                                  /* LDR: 4 */
             WRITE(0x80e, 0)                                                  /* DFR: 5 */
             WRITE(0x80f, 0x1000)                                             /* SVR: 6 */
             WRITE(0x828, 1)                                                  /* ESR: 7 */
             WRITE(0x830, 0x1040)                                             /* ICR: 8 */
             WRITE(0x831, 0)                                                  /* none: 9 */
             WRITE(0x832, 0x80040)                                            /* timer: 10 */
             WRITE(0x839, 0)                                              /* current count: 11 */
             WRITE(0x83e, 4)                                              /* divide: 12 */
             WRITE(0x83f, 0x100)                                          /* self: 13 */
             WRITE(0x820, 0)                                              /* IRR: 14 */
             WRITE(0x8ff, 0)                                              /* 15 */
             READ(0x80b)                                                  /* 16 */
             READ(0x83f)                                                  /* 17 */
             READ(0x80e)                                                  /* 18 */
             READ(0x833)                                                  /* 19 */
             READ(0x840)                                                  /* 20 */
             "movl $0x838, %ecx; movl $1, %edx; xorl %eax, %eax; wrmsr\n" /* 64 bits: 21 */
             WRITE(0x828, 0) "outb %al, $0x80");

TEST(the_modes_of_an_apic_change_as_they_may)
{
    struct guest g;

    if (!START(&g, modes64)) {
        return;
    }
    CHECK_EQ(guest_run(&g, 0), HV_EXIT_PORT);
    CHECK_EQ(guest_register(&g, HV_R8 + 2), 5);
    guest_destroy(&g);
}

TEST(what_no_register_takes_is_a_fault_of_the_guest)
{
    struct guest g;

    if (!START(&g, values64)) {
        return;
    }
    CHECK_EQ(guest_run(&g, 0), HV_EXIT_PORT);
    CHECK_EQ(guest_register(&g, HV_R8 + 2), 21);
    guest_destroy(&g);
}

/* --- timer --- */

#define WAIT(count)                                                                                \
    "1: cli; cmpl $" #count ", %r8d; jae 2f; sti; hlt; jmp 1b; 2: sti; outb %al, $0x80\n"

/* 3 ms, twice; then what is left. */
GUEST_CODE64(once64,
             ENABLE_FIRST WRITE(0x832, 0x40) WRITE(0x83e, 0) WRITE(0x838, 1500000) WAIT(1)
                 WRITE(0x838, 1500000) WAIT(2) READ(0x839) "movl %eax, %r12d; outb %al, $0x80");
GUEST_CODE64(again64,
             ENABLE_FIRST WRITE(0x832, 0x20040) WRITE(0x83e, 0xb) WRITE(0x838, 2000000) WAIT(4));
GUEST_CODE64(
    deadline64,
    ENABLE_FIRST WRITE(
        0x832,
        0x40040) "rdtsc; addl $5000000, %eax; adcl $0, %edx; movl $0x6e0, %ecx; wrmsr\n" WAIT(1)
        READ(0x6e0) "orl %edx, %eax; movl %eax, %r12d; outb %al, $0x80");
GUEST_CODE64(past64, ENABLE_FIRST WRITE(0x832, 0x40040) WRITE(0x6e0, 1) WAIT(1));
GUEST_CODE64(busy64, ENABLE_FIRST WRITE(0x832, 0x20040)
                         WRITE(0x838, 1000000) "sti; 1: cmpl $4, %r8d; jb 1b; outb %al, $0x80");

static uint64_t now_ns(void)
{
    time_value64_t now;

    CHECK_EQ(host_get_uptime64(mach_host_self(), &now), KERN_SUCCESS);
    return (uint64_t)now.seconds * 1000000000u + (uint64_t)now.nanoseconds;
}

TEST(a_timer_fires_once)
{
    uint64_t before = now_ns();
    struct guest g;

    if (!START(&g, once64)) {
        return;
    }
    CHECK_EQ(guest_run(&g, 0), HV_EXIT_PORT);
    CHECK(now_ns() - before >= 3000000);
    CHECK_EQ(guest_register(&g, HV_R8), 1);
    CHECK_EQ(guest_run(&g, HV_RUN_ADVANCE), HV_EXIT_PORT);
    CHECK(now_ns() - before >= 6000000);
    CHECK_EQ(guest_register(&g, HV_R8), 2);
    CHECK_EQ(guest_run(&g, HV_RUN_ADVANCE), HV_EXIT_PORT);
    CHECK_EQ(guest_register(&g, HV_R8 + 4), 0);
    guest_destroy(&g);
}

TEST(a_timer_fires_again_and_again)
{
    uint64_t before = now_ns();
    struct guest g;

    if (!START(&g, again64)) {
        return;
    }
    CHECK_EQ(guest_run(&g, 0), HV_EXIT_PORT);
    CHECK(now_ns() - before >= 8000000);
    guest_destroy(&g);
}

TEST(a_timer_waits_for_a_time_stamp)
{
    struct guest g;

    if (!START(&g, deadline64)) {
        return;
    }
    CHECK_EQ(guest_run(&g, 0), HV_EXIT_PORT);
    CHECK_EQ(guest_register(&g, HV_R8), 1);
    CHECK_EQ(guest_run(&g, HV_RUN_ADVANCE), HV_EXIT_PORT);
    CHECK_EQ(guest_register(&g, HV_R8 + 4), 0);
    guest_destroy(&g);
}

TEST(a_time_stamp_that_has_been_is_an_interrupt_at_once)
{
    struct guest g;

    if (!START(&g, past64)) {
        return;
    }
    CHECK_EQ(guest_run(&g, 0), HV_EXIT_PORT);
    CHECK_EQ(guest_register(&g, HV_R8), 1);
    guest_destroy(&g);
}

TEST(a_timer_interrupts_a_guest_that_is_busy)
{
    struct guest g;

    if (!START(&g, busy64)) {
        return;
    }
    CHECK_EQ(guest_run(&g, 0), HV_EXIT_PORT);
    guest_destroy(&g);
}

/* --- priorities --- */

/* CR8 at 5: of 0x45, 0x55 and 0x65 the last is taken; then, with CR8 at 0, the others. */
GUEST_CODE64(priority64,
             ENABLE_FIRST "movl $5, %eax; movq %rax, %cr8; sti\n" WRITE(0x83f, 0x45)
                 WRITE(0x83f, 0x55) WRITE(0x83f, 0x65) "nop; nop; outb %al, $0x80\n" READ(
                     0x808) "movl %eax, %r12d\n"
                            "xorl %eax, %eax; movq %rax, %cr8; nop; nop; outb %al, $0x81");
/* With interrupts off first: the highest is taken first. One of the same class does not interrupt a
 * handler that lets interrupts in, one of a higher class does. */
GUEST_CODE64(order64, ENABLE_FIRST WRITE(0x83f, 0x45) WRITE(0x83f, 0x65) "sti; nop; nop\n"
                                                                         "outb %al, $0x80");
GUEST_CODE64(nesting64,
             "shlq $8, %r9; orq $0x41, %r9\n" WRITE(0x83f, 0x48)
                 WRITE(0x83f, 0x55) "sti; nop; nop; cli; shlq $8, %r9; orq $0x42, %r9\n" END
                                    "iretq");
GUEST_CODE64(nested64, ENABLE_FIRST "sti\n" WRITE(0x83f, 0x41) "nop; nop; outb %al, $0x80");

TEST(cr8_holds_interrupts_back_and_none_is_lost)
{
    struct guest g;

    if (!START(&g, priority64)) {
        return;
    }
    for (unsigned i = 0; i < 2; i++) {
        CHECK_EQ(guest_run(&g, i != 0 ? HV_RUN_ADVANCE : 0), HV_EXIT_PORT);
        CHECK_EQ(g.record->address, 0x80 + i);
        CHECK_EQ(guest_register(&g, HV_R8 + 1), i == 0 ? 0x65 : 0x655545);
    }
    CHECK_EQ(guest_register(&g, HV_R8 + 4), 0x50);
    guest_destroy(&g);
}

TEST(the_highest_interrupt_is_taken_first)
{
    struct guest g;

    if (!START(&g, order64)) {
        return;
    }
    CHECK_EQ(guest_run(&g, 0), HV_EXIT_PORT);
    CHECK_EQ(guest_register(&g, HV_R8 + 1), 0x6545);
    guest_destroy(&g);
}

TEST(a_handler_is_interrupted_by_higher_classes_only)
{
    struct guest g;

    if (!START(&g, nested64)) {
        return;
    }
    PUT(&g, 0x41, nesting64);
    CHECK_EQ(guest_run(&g, 0), HV_EXIT_PORT);
    CHECK_EQ(guest_register(&g, HV_R8 + 1), 0x41554248);
    guest_destroy(&g);
}

TEST(the_monitors_interrupts_have_no_priority)
{
    struct guest g;

    if (!START(&g, priority64)) {
        return;
    }
    CHECK_EQ(hv_vcpu_inject(g.vcpu, HV_INJECT_INTERRUPT, 0x48, 0), KERN_SUCCESS);
    CHECK_EQ(guest_run(&g, 0), HV_EXIT_PORT);
    CHECK_EQ(guest_register(&g, HV_R8 + 1) & 0xffff, 0x4865);
    guest_destroy(&g);
}

/* --- from devices --- */

GUEST_CODE64(ready64, ENABLE_FIRST "outb %al, $0x80; sti; 1: hlt; jmp 1b");

TEST(a_message_interrupts_its_processor)
{
    struct guest g;

    if (!START(&g, ready64)) {
        return;
    }
    CHECK_EQ(hv_machine_message(g.machine, MESSAGE, 0x40), KERN_FAILURE); /* disabled yet */
    CHECK_EQ(guest_run(&g, 0), HV_EXIT_PORT);
    CHECK_EQ(hv_machine_message(g.machine, MESSAGE + 0x5000, 0x40), KERN_FAILURE);
    CHECK_EQ(hv_machine_message(g.machine, 0xfef00000, 0x40), KERN_INVALID_ARGUMENT);
    CHECK_EQ(hv_machine_message(g.machine, MESSAGE | 1ull << 32, 0x40), KERN_INVALID_ARGUMENT);
    CHECK_EQ(hv_machine_message(g.machine, MESSAGE, 0xf), KERN_INVALID_ARGUMENT);
    CHECK_EQ(hv_machine_message(g.machine, MESSAGE, 0x640), KERN_INVALID_ARGUMENT); /* start-up */
    CHECK_EQ(hv_machine_message(g.machine, MESSAGE, 0x40), KERN_SUCCESS);
    CHECK_EQ(hv_machine_message(g.machine, MESSAGE, 0x40), KERN_SUCCESS); /* is the same one */
    for (unsigned i = 0; i < 2; i++) {
        CHECK_EQ(guest_run(&g, HV_RUN_ADVANCE | HV_RUN_HALT_EXITS), HV_EXIT_HALT);
        CHECK_EQ(guest_register(&g, HV_R8), 1);
    }
    guest_destroy(&g);
}

TEST(the_end_of_a_level_triggered_interrupt_is_told)
{
    struct guest g;

    if (!START(&g, ready64)) {
        return;
    }
    CHECK_EQ(guest_run(&g, 0), HV_EXIT_PORT);
    for (unsigned i = 1; i <= 2; i++) {
        CHECK_EQ(hv_machine_message(g.machine, MESSAGE, LEVEL | 0x55), KERN_SUCCESS);
        CHECK_EQ(guest_run(&g, HV_RUN_ADVANCE), HV_EXIT_EOI);
        CHECK_EQ(g.record->value, 0x55);
        CHECK_EQ(guest_run(&g, HV_RUN_ADVANCE | HV_RUN_HALT_EXITS), HV_EXIT_HALT);
        CHECK_EQ(guest_register(&g, HV_R8), i);
    }
    guest_destroy(&g);
}

/* --- between processors --- */

GUEST_CODE64(starter64,
             ENABLE_FIRST "movl $1, %edx; movl $0xc500, %eax; movl $0x830, %ecx; wrmsr\n" /* INIT */
                          "movl $1, %edx; movl $0x606, %eax; wrmsr\n"
                          "movl $1, %edx; movl $0x607, %eax; wrmsr\n" /* has no effect */
                          "outb %al, $0x80");
GUEST_CODE16(started16, "movw %cs, %ax; outb %al, $0x81");

TEST(a_processor_waits_until_it_is_started)
{
    pthread_t thread;
    hv_state_t state;
    struct guest g, second;

    if (!START(&g, starter64)) {
        return;
    }
    memcpy(g.memory + START_PAGE * 0x1000, started16, (size_t)(started16_end - started16));
    guest_add(&second, &g);
    get(&second, HV_STATE_EVENTS, state);
    CHECK_EQ(state[HV_EVENT_HALTED], HV_HALTED_STARTUP);
    CHECK_EQ(hv_vcpu_kick(second.vcpu), KERN_SUCCESS);
    CHECK_EQ(guest_run(&second, HV_RUN_HALT_EXITS), HV_EXIT_KICKED);
    CHECK_EQ(pthread_create(&thread, NULL, run_to_port, &second), 0);
    ipc_pause_ms(10);
    CHECK_EQ(guest_run(&g, 0), HV_EXIT_PORT);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    CHECK_EQ(second.record->address, 0x81);
    CHECK_EQ(guest_register(&second, HV_RAX), START_PAGE << 8);
    CHECK_EQ(second.record->code_base, START_PAGE << 12);
    guest_remove(&second);
    guest_destroy(&g);
}

/* Two processors wake each other by turns, each by halting: r14d is the other's id. */
GUEST_CODE64(turns64, ENABLE
             "cmpl $0, %r14d; jne 2f; movl $1, 0x3000; jmp 3f\n"
             "2: movl %r14d, %edx; movl $0x40, %eax; movl $0x830, %ecx; wrmsr\n"
             "3: incl %r15d; 1: cli; cmpl %r15d, %r8d; jae 4f; sti; hlt; jmp 1b; 4: sti\n"
             "cmpl $300, %r8d; jb 2b; cmpl $0, %r14d; jne 5f\n"
             "movl %r14d, %edx; movl $0x40, %eax; movl $0x830, %ecx; wrmsr\n 5: outb %al, $0x80");

/* The state of the first for the second, but that it runs. */
static void copy_state(const struct guest *second, const struct guest *first)
{
    hv_state_t state;

    for (int flavor = 0; flavor < HV_STATE_APIC; flavor++) {
        mach_msg_type_number_t n = HV_STATE_MAX;

        CHECK_EQ(hv_vcpu_get_state(first->vcpu, flavor, state, &n), KERN_SUCCESS);
        if (flavor == HV_STATE_GENERAL) {
            state[HV_R8 + 6] = 0;
            state[HV_RSP] -= 0x400;
        }
        CHECK_EQ(hv_vcpu_set_state(second->vcpu, flavor, state, n), KERN_SUCCESS);
    }
}

TEST(processors_that_wake_each_other_lose_no_interrupt)
{
    pthread_t threads[2];
    hv_state_t state;
    struct guest g, second;

    if (!START(&g, turns64)) {
        return;
    }
    guest_add(&second, &g);
    copy_state(&second, &g);
    get(&g, HV_STATE_GENERAL, state);
    state[HV_R8 + 6] = 1;
    CHECK_EQ(hv_vcpu_set_state(g.vcpu, HV_STATE_GENERAL, state, HV_GENERAL_COUNT), KERN_SUCCESS);
    CHECK_EQ(pthread_create(&threads[0], NULL, run_to_port, &second), 0);
    while (*(volatile uint32_t *)(g.memory + 0x3000) == 0) { /* it has not enabled its APIC */
        ipc_pause_ms(1);
    }
    CHECK_EQ(pthread_create(&threads[1], NULL, run_to_port, &g), 0);
    CHECK_EQ(pthread_join(threads[1], NULL), 0);
    CHECK_EQ(pthread_join(threads[0], NULL), 0);
    CHECK_EQ(guest_register(&g, HV_R8), ROUNDS);
    CHECK_EQ(guest_register(&second, HV_R8), ROUNDS);
    guest_remove(&second);
    guest_destroy(&g);
}

static void enable(const struct guest *g)
{
    hv_state_t state;

    get(g, HV_STATE_APIC, state);
    state[HV_APIC_SVR] = 0x1ff;
    CHECK_EQ(hv_vcpu_set_state(g->vcpu, HV_STATE_APIC, state, HV_APIC_COUNT), KERN_SUCCESS);
}

/* Lowest priority, to all: one of them is chosen, by turns. */
TEST(an_interrupt_for_one_of_many_goes_round)
{
    struct guest g[3];
    unsigned asked[3] = {0};

    if (!START(&g[0], ready64)) {
        return;
    }
    guest_add(&g[1], &g[0]);
    guest_add(&g[2], &g[0]);
    for (unsigned i = 0; i < 3; i++) {
        enable(&g[i]);
    }
    for (unsigned vector = 0x40; vector < 0x46; vector++) {
        CHECK_EQ(hv_machine_message(g[0].machine, MESSAGE | 0xff000, 0x100 | (int)vector),
                 KERN_SUCCESS);
    }
    for (unsigned i = 0; i < 3; i++) {
        hv_state_t state;

        get(&g[i], HV_STATE_APIC, state);
        asked[i] = (unsigned)__builtin_popcountl((unsigned long)state[HV_APIC_IRR + 2]);
        CHECK_EQ(asked[i], 2);
    }
    guest_remove(&g[2]);
    guest_remove(&g[1]);
    guest_destroy(&g[0]);
}

TEST(a_machine_has_as_many_processors_as_there_are_ids)
{
    hv_vcpu_t vcpu = MACH_PORT_NULL;
    vm_address_t record = 0;
    struct guest g;

    if (!START(&g, ready64)) {
        return;
    }
    CHECK_EQ(vm_allocate(mach_task_self(), &record, IPC_PAGE_SIZE, TRUE), KERN_SUCCESS);
    for (unsigned i = 1; i < 255; i++) {
        CHECK_EQ(hv_vcpu_create(g.machine, mach_task_self(), record, &vcpu), KERN_SUCCESS);
        ipc_drop(vcpu);
    }
    CHECK_EQ(hv_vcpu_create(g.machine, mach_task_self(), record, &vcpu), KERN_RESOURCE_SHORTAGE);
    vm_deallocate(mach_task_self(), record, IPC_PAGE_SIZE);
    guest_destroy(&g);
}

/* --- by memory: the monitor has decoded it --- */

static void write_register(struct guest *g, unsigned number, uint64_t value)
{
    g->record->address = number * 16u;
    g->record->value = value;
    CHECK_EQ(hv_vcpu_kick(g->vcpu), KERN_SUCCESS);
    CHECK_EQ(guest_run(g, HV_RUN_APIC_WRITE), HV_EXIT_KICKED);
}

static uint64_t read_register(struct guest *g, unsigned number)
{
    g->record->address = number * 16u;
    CHECK_EQ(guest_run(g, HV_RUN_APIC_READ), HV_EXIT_APIC);
    return g->record->value;
}

GUEST_CODE64(idle64, "sti; 1: hlt; jmp 1b");

TEST(the_monitor_reaches_the_registers_as_memory)
{
    struct guest g;

    if (!START(&g, idle64)) {
        return;
    }
    write_register(&g, HV_APIC_SVR, 0x1ff);
    CHECK_EQ(read_register(&g, HV_APIC_SVR), 0x1ff);
    write_register(&g, HV_APIC_TPR, 0x63);
    CHECK_EQ(read_register(&g, HV_APIC_TPR), 0x63);
    CHECK_EQ(read_register(&g, HV_APIC_PPR), 0x63);
    write_register(&g, HV_APIC_LDR, 0x4000000);
    CHECK_EQ(hv_machine_message(g.machine, MESSAGE + 0x3000 + 4, 0x40), KERN_FAILURE);
    CHECK_EQ(hv_machine_message(g.machine, MESSAGE + 0x6000 + 4, LEVEL | 0x55), KERN_SUCCESS);
    CHECK_EQ(read_register(&g, HV_APIC_IRR + 2), 1u << 21);
    g.record->address = HV_APIC_TPR * 16;
    g.record->value = 0;
    CHECK_EQ(guest_run(&g, HV_RUN_APIC_WRITE | HV_RUN_HALT_EXITS), HV_EXIT_HALT);
    CHECK_EQ(guest_register(&g, HV_R8), 1); /* whose EOI, by MSR, was a #GP here */
    CHECK_EQ(guest_register(&g, HV_R8 + 2), 1);
    CHECK_EQ(read_register(&g, HV_APIC_ISR + 2), 1u << 21);
    g.record->address = HV_APIC_EOI * 16;
    CHECK_EQ(guest_run(&g, HV_RUN_APIC_WRITE), HV_EXIT_EOI);
    CHECK_EQ(g.record->value, 0x55);
    CHECK_EQ(read_register(&g, HV_APIC_ISR + 2), 0);
    g.record->address = 0x1000;
    CHECK_EQ(guest_run(&g, HV_RUN_APIC_READ), HV_EXIT_APIC);
    CHECK_EQ(g.record->value, 0xffffffff);
    CHECK_EQ(read_register(&g, HV_APIC_ESR), 0);
    CHECK_EQ(read_register(&g, 1), 0); /* there is none */
    write_register(&g, HV_APIC_ESR, 0);
    CHECK_EQ(read_register(&g, HV_APIC_ESR), 0x80);
    guest_destroy(&g);
}

/* --- state --- */

TEST(the_state_of_an_apic_is_kept_and_checked)
{
    static const struct {
        unsigned word;
        int64_t value;
    } bad[] = {
        {HV_APIC_BASE, 0xfee00500},
        {HV_APIC_BASE, 0xfed00900},
        {HV_APIC_ID, 7},
        {HV_APIC_TPR, 0x100},
        {HV_APIC_ISR, 1},
        {HV_APIC_IRR + 3, 1l << 32},
        {HV_APIC_TMR, 0x8000},
        {HV_APIC_SVR, 0x1000},
        {HV_APIC_LVT_TIMER, 0x80000},
        {HV_APIC_INITIAL, 1l << 32},
        {HV_APIC_CURRENT, 3000001},
        {HV_APIC_DCR, 4},
        {HV_APIC_PENDING_STARTUP, 1024},
        {HV_APIC_PENDING_STARTUP, 64},
        {HV_APIC_ICR, 0x1000},
    };
    hv_state_t state, again;
    struct guest g;

    if (!START(&g, busy64)) {
        return;
    }
    get(&g, HV_STATE_APIC, state);
    state[HV_APIC_SVR] = 0x1ff;
    state[HV_APIC_TPR] = 0x23;
    state[HV_APIC_LVT_TIMER] = 0x20040;
    state[HV_APIC_INITIAL] = 3000000;
    state[HV_APIC_CURRENT] = 2000000;
    state[HV_APIC_IRR + 2] = 1 << 5;
    CHECK_EQ(hv_vcpu_set_state(g.vcpu, HV_STATE_APIC, state, HV_APIC_COUNT), KERN_SUCCESS);
    get(&g, HV_STATE_CONTROL, again);
    CHECK_EQ(again[HV_CR8], 2);
    get(&g, HV_STATE_APIC, again);
    CHECK(again[HV_APIC_CURRENT] != 0 && again[HV_APIC_CURRENT] != 2000000);
    again[HV_APIC_CURRENT] = 2000000;
    again[HV_APIC_IRR + 2] &= ~1; /* the timer's, if it has gone on for so long */
    state[HV_APIC_PPR] = 0x23;
    CHECK_EQ(memcmp(state, again, sizeof(state)), 0);
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        memcpy(again, state, sizeof(again));
        again[bad[i].word] = bad[i].value;
        CHECK_EQ(hv_vcpu_set_state(g.vcpu, HV_STATE_APIC, again, HV_APIC_COUNT),
                 KERN_INVALID_ARGUMENT);
    }
    guest_destroy(&g);
}

/* --- hostile --- */

GUEST_CODE64(storm64,
             ENABLE_FIRST WRITE(0x832, 0x20040) WRITE(0x83e, 0xb) WRITE(0x838, 1) "sti; 1: jmp 1b");
GUEST_CODE64(zero64,
             ENABLE_FIRST WRITE(0x832, 0x20040) WRITE(0x838, 0) WRITE(0x832, 0x70040)
                 WRITE(0x838, 5) WRITE(0x832, 0x20001) WRITE(0x838, 0xffffffff) WRITE(0x83e, 0xa)
                     WRITE(0x838, 0xffffffff)
                         WRITE(0x832,
                               0x40040) "movl $-1, %eax; movl $-1, %edx; movl $0x6e0, %ecx; wrmsr\n"
                                        "movl $-1, %eax; movl $0x7fffffff, %edx; wrmsr; movl $1, "
                                        "%eax; xorl %edx, %edx; wrmsr\n"
                                        "outb %al, $0x80");
GUEST_CODE64(
    messages64, ENABLE_FIRST
    "movl $0x830, %ecx; xorl %edx, %edx\n"
    "1: movl $0x80040, %eax; wrmsr; movl $0xcc400, %eax; wrmsr; movl $0xcc500, %eax; wrmsr\n"
    "incl %r8d; cmpl $1000, %r8d; jb 1b; movl $0x8c500, %eax; wrmsr; outb %al, $0x80");

static void *kick_later(void *argument)
{
    struct guest *g = argument;

    ipc_pause_ms(50);
    CHECK_EQ(hv_vcpu_kick(g->vcpu), KERN_SUCCESS);
    return NULL;
}

TEST(a_timer_without_a_period_takes_its_own_guests_time)
{
    uint64_t before;
    pthread_t thread;
    struct guest g;

    if (!START(&g, storm64)) {
        return;
    }
    before = now_ns();
    CHECK_EQ(pthread_create(&thread, NULL, kick_later, &g), 0);
    CHECK_EQ(guest_run(&g, 0), HV_EXIT_KICKED);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    CHECK(guest_register(&g, HV_R8) >= 2);
    CHECK(guest_register(&g, HV_R8) <= (now_ns() - before) / 100000 + 2);
    ipc_pause_ms(5); /* nobody attends to it now */
    guest_destroy(&g);
}

TEST(counts_and_deadlines_may_be_anything)
{
    struct guest g;

    if (!START(&g, zero64)) {
        return;
    }
    CHECK_EQ(guest_run(&g, 0), HV_EXIT_PORT);
    guest_destroy(&g);
}

TEST(interrupts_to_all_processors_all_the_time_harm_nobody)
{
    struct guest g, others[3];

    if (!START(&g, messages64)) {
        return;
    }
    for (unsigned i = 0; i < 3; i++) {
        guest_add(&others[i], &g);
    }
    CHECK_EQ(guest_run(&g, 0), HV_EXIT_MEMORY); /* INIT for all: it begins where nothing is */
    CHECK_EQ(g.record->address, 0xfffffff0);
    for (unsigned i = 0; i < 3; i++) {
        CHECK_EQ(hv_vcpu_kick(others[i].vcpu), KERN_SUCCESS);
        CHECK_EQ(guest_run(&others[i], 0), HV_EXIT_KICKED);
        guest_remove(&others[i]);
    }
    guest_destroy(&g);
}

TEST(a_timer_does_not_outlive_its_processor)
{
    struct guest g;

    for (unsigned i = 0; i < 4; i++) {
        if (!START(&g, again64)) {
            return;
        }
        CHECK_EQ(hv_vcpu_kick(g.vcpu), KERN_SUCCESS);
        CHECK_EQ(guest_run(&g, 0), HV_EXIT_KICKED);
        if (i % 2 != 0) {
            CHECK_EQ(hv_machine_terminate(g.machine), KERN_SUCCESS);
        }
        guest_destroy(&g);
        ipc_pause_ms(3);
    }
}
