/* hv_event_test.c - interrupts, NMIs and exceptions for a guest, and its window for interrupts. */
#include <mach.h>
#include <pthread.h>
#include <string.h>

#include "lib/guest.h"
#include "lib/ipc.h"

#define HANDLER 0x5000u
#define VECTOR  0x40

/* Takes interrupts; halts until there is one; stops for good with what the handler has left. */
GUEST_CODE64(idle64, "sti; 1: hlt; testl %r8d, %r8d; jz 1b; outb %al, $0x80");
GUEST_CODE64(deaf64, "1: outb %al, $0x80; nop; sti; nop; nop; outb %al, $0x81; cli; jmp 1b");
GUEST_CODE64(spin64, "sti; 1: testl %r8d, %r8d; jz 1b; outb %al, $0x80");
GUEST_CODE64(handler64, "incl %r8d; iretq");
GUEST_CODE64(halt64, "hlt; outb %al, $0x81");
GUEST_CODE64(nmi64, "incl %r8d; outb %al, $0x90; iretq");

static bool start(struct guest *g, const uint8_t *code, const uint8_t *end, unsigned vector,
                  const uint8_t *handler, const uint8_t *handler_end)
{
    if (!guest_create(g, GUEST_LONG, code, end)) {
        return false;
    }
    memcpy(g->memory + HANDLER, handler, (size_t)(handler_end - handler));
    guest_set_gate(g, vector, HANDLER);
    return true;
}
#define START(g, name, vector, handler) start(g, name, name##_end, vector, handler, handler##_end)

TEST(an_interrupt_is_taken_by_a_guest_that_lets_it_in)
{
    struct guest g;

    if (!START(&g, idle64, VECTOR, handler64)) {
        return;
    }
    CHECK_EQ(hv_vcpu_inject(g.vcpu, HV_INJECT_INTERRUPT, VECTOR, 0), KERN_SUCCESS);
    CHECK_EQ(guest_run(&g, 0), HV_EXIT_PORT);
    CHECK_EQ(guest_register(&g, HV_R8), 1);
    guest_destroy(&g);
}

TEST(an_interrupt_waits_until_the_guest_lets_it_in)
{
    struct guest g;

    if (!START(&g, deaf64, VECTOR, handler64)) {
        return;
    }
    CHECK_EQ(hv_vcpu_inject(g.vcpu, HV_INJECT_INTERRUPT, VECTOR, 0), KERN_SUCCESS);
    CHECK_EQ(guest_run(&g, 0), HV_EXIT_PORT);
    CHECK_EQ(g.record->address, 0x80);
    CHECK_EQ(guest_register(&g, HV_R8), 0);
    CHECK_EQ(hv_vcpu_inject(g.vcpu, HV_INJECT_INTERRUPT, VECTOR, 0), KERN_FAILURE);
    CHECK_EQ(guest_run(&g, HV_RUN_ADVANCE), HV_EXIT_PORT);
    CHECK_EQ(g.record->address, 0x81);
    CHECK_EQ(guest_register(&g, HV_R8), 1);
    CHECK_EQ(hv_vcpu_inject(g.vcpu, HV_INJECT_INTERRUPT, VECTOR, 0), KERN_SUCCESS);
    guest_destroy(&g);
}

/* Taken before the HLT, it would not end it. */
TEST(an_interrupt_behind_sti_and_hlt_ends_the_hlt)
{
    mach_msg_type_number_t n = HV_STATE_MAX;
    hv_state_t state;
    struct guest g;

    if (!START(&g, halt64, VECTOR, handler64)) {
        return;
    }
    CHECK_EQ(hv_vcpu_get_state(g.vcpu, HV_STATE_GENERAL, state, &n), KERN_SUCCESS);
    state[HV_RFLAGS] |= 0x200;
    CHECK_EQ(hv_vcpu_set_state(g.vcpu, HV_STATE_GENERAL, state, n), KERN_SUCCESS);
    n = HV_STATE_MAX;
    CHECK_EQ(hv_vcpu_get_state(g.vcpu, HV_STATE_EVENTS, state, &n), KERN_SUCCESS);
    state[HV_EVENT_SHADOW] = 1;
    CHECK_EQ(hv_vcpu_set_state(g.vcpu, HV_STATE_EVENTS, state, n), KERN_SUCCESS);
    CHECK_EQ(hv_vcpu_inject(g.vcpu, HV_INJECT_INTERRUPT, VECTOR, 0), KERN_SUCCESS);
    CHECK_EQ(guest_run(&g, HV_RUN_HALT_EXITS), HV_EXIT_PORT);
    CHECK_EQ(g.record->address, 0x81);
    CHECK_EQ(guest_register(&g, HV_R8), 1);
    guest_destroy(&g);
}

TEST(the_monitor_is_told_of_the_window)
{
    struct guest g;

    if (!START(&g, deaf64, VECTOR, handler64)) {
        return;
    }
    CHECK_EQ(guest_run(&g, HV_RUN_WINDOW), HV_EXIT_PORT);
    CHECK_EQ(g.record->address, 0x80);
    CHECK_EQ(guest_run(&g, HV_RUN_ADVANCE | HV_RUN_WINDOW), HV_EXIT_WINDOW);
    CHECK_EQ(guest_register(&g, HV_RFLAGS) & 0x200, 0x200);
    CHECK_EQ(hv_vcpu_inject(g.vcpu, HV_INJECT_INTERRUPT, VECTOR, 0), KERN_SUCCESS);
    CHECK_EQ(guest_run(&g, 0), HV_EXIT_PORT);
    CHECK_EQ(g.record->address, 0x81);
    CHECK_EQ(guest_register(&g, HV_R8), 1);
    guest_destroy(&g);
}

TEST(the_window_comes_after_the_interrupt_that_waits)
{
    struct guest g;

    if (!START(&g, deaf64, VECTOR, handler64)) {
        return;
    }
    CHECK_EQ(hv_vcpu_inject(g.vcpu, HV_INJECT_INTERRUPT, VECTOR, 0), KERN_SUCCESS);
    CHECK_EQ(guest_run(&g, HV_RUN_WINDOW), HV_EXIT_PORT);
    CHECK_EQ(guest_run(&g, HV_RUN_ADVANCE | HV_RUN_WINDOW), HV_EXIT_WINDOW);
    CHECK_EQ(guest_register(&g, HV_R8), 1);
    guest_destroy(&g);
}

TEST(exceptions_are_delivered_at_once)
{
    struct guest g;

    if (!START(&g, deaf64, 13, handler64)) {
        return;
    }
    guest_set_gate(&g, 6, HANDLER);
    CHECK_EQ(hv_vcpu_inject(g.vcpu, HV_INJECT_EXCEPTION, 6, 0), KERN_SUCCESS);
    CHECK_EQ(guest_run(&g, 0), HV_EXIT_PORT);
    CHECK_EQ(g.record->address, 0x80);
    CHECK_EQ(guest_register(&g, HV_R8), 1);
    guest_destroy(&g);
}

TEST(an_nmi_is_taken_though_interrupts_are_off_and_not_within_another)
{
    struct guest g;

    if (!START(&g, deaf64, 2, nmi64)) {
        return;
    }
    CHECK_EQ(hv_vcpu_inject(g.vcpu, HV_INJECT_NMI, 0, 0), KERN_SUCCESS);
    CHECK_EQ(guest_run(&g, 0), HV_EXIT_PORT);
    CHECK_EQ(g.record->address, 0x90);
    CHECK_EQ(guest_register(&g, HV_R8), 1);
    CHECK_EQ(hv_vcpu_inject(g.vcpu, HV_INJECT_NMI, 0, 0), KERN_SUCCESS);
    CHECK_EQ(guest_run(&g, HV_RUN_ADVANCE), HV_EXIT_PORT);
    CHECK_EQ(g.record->address, 0x90);
    CHECK_EQ(guest_register(&g, HV_R8), 2);
    CHECK_EQ(guest_run(&g, HV_RUN_ADVANCE), HV_EXIT_PORT);
    CHECK_EQ(g.record->address, 0x80);
    guest_destroy(&g);
}

/* Keeps where its frame is; the second waits while the first is handled. */
GUEST_CODE64(stack64, "incl %r8d; movq %rsp, 0x3000(,%r8,8); outb %al, $0x90; iretq");

TEST(the_frame_of_an_nmi_is_gone_when_the_next_comes)
{
    const uint64_t *frames;
    struct guest g;

    if (!START(&g, deaf64, 2, stack64)) {
        return;
    }
    frames = (const uint64_t *)(g.memory + 0x3000);
    CHECK_EQ(hv_vcpu_inject(g.vcpu, HV_INJECT_NMI, 0, 0), KERN_SUCCESS);
    for (unsigned i = 1; i <= 3; i++) {
        CHECK_EQ(guest_run(&g, i != 1 ? HV_RUN_ADVANCE : 0), HV_EXIT_PORT);
        CHECK_EQ(g.record->address, 0x90);
        CHECK_EQ(frames[i], frames[1]);
        if (i < 3) {
            CHECK_EQ(hv_vcpu_inject(g.vcpu, HV_INJECT_NMI, 0, 0), KERN_SUCCESS);
        }
    }
    CHECK_EQ(guest_run(&g, HV_RUN_ADVANCE), HV_EXIT_PORT);
    CHECK_EQ(g.record->address, 0x80);
    CHECK_EQ(guest_register(&g, HV_RFLAGS) & 0x100, 0);
    guest_destroy(&g);
}

/* --- while it runs --- */

static void *run_guest(void *argument)
{
    struct guest *g = argument;

    CHECK_EQ(guest_run(g, 0), HV_EXIT_PORT);
    return NULL;
}

static void check_woken(const uint8_t *code, const uint8_t *end, int kind)
{
    pthread_t thread;
    struct guest g;

    if (!start(&g, code, end, kind == HV_INJECT_NMI ? 2 : VECTOR, handler64, handler64_end)) {
        return;
    }
    CHECK_EQ(pthread_create(&thread, NULL, run_guest, &g), 0);
    ipc_pause_ms(20);
    CHECK_EQ(hv_vcpu_inject(g.vcpu, kind, kind == HV_INJECT_NMI ? 0 : VECTOR, 0), KERN_SUCCESS);
    CHECK_EQ(pthread_join(thread, NULL), 0);
    CHECK_EQ(guest_register(&g, HV_R8), 1);
    guest_destroy(&g);
}

TEST(an_interrupt_wakes_a_guest_that_has_halted)
{
    check_woken(idle64, idle64_end, HV_INJECT_INTERRUPT);
}

TEST(an_nmi_wakes_a_guest_that_has_halted)
{
    check_woken(idle64, idle64_end, HV_INJECT_NMI);
}

TEST(an_interrupt_comes_to_a_guest_that_runs)
{
    check_woken(spin64, spin64_end, HV_INJECT_INTERRUPT);
}

TEST(an_nmi_comes_to_a_guest_that_runs)
{
    check_woken(spin64, spin64_end, HV_INJECT_NMI);
}
