/* hv_life_test.c - machines and their processors: how they are made and end, what is refused, and
 * what threads can do to one that runs. */
#include <gnumach.h>
#include <mach.h>
#include <mach/mach_traps.h>
#include <mach_host.h>
#include <mach_port.h>
#include <portolan.h>
#include <portolan/thread.h>
#include <string.h>
#include <time.h>

#include "lib/guest.h"
#include "lib/ipc.h"
#include "lib/peer.h"

#define PAGE 4096u

GUEST_CODE64(spin64, "1: incq 0x3000; jmp 1b");
GUEST_CODE64(halt64, "hlt; ud2");

static volatile uint64_t *counter(const struct guest *g)
{
    return (volatile uint64_t *)(g->memory + 0x3000);
}

static void pause_ms(long ms)
{
    struct timespec pause = {0, ms * 1000000};

    nanosleep(&pause, NULL);
}

/* --- without the processor for it, or the right --- */

TEST(a_machine_takes_the_hypervisor_port_and_a_processor_that_can)
{
    hv_machine_t machine = MACH_PORT_NULL;

    CHECK_EQ(hv_machine_create(mach_host_self(), &machine), KERN_NO_ACCESS);
    CHECK_EQ(machine, MACH_PORT_NULL);
    if (!guest_is_possible()) {
        CHECK_EQ(hv_machine_create(guest_hv(), &machine), KERN_FAILURE);
        return;
    }
    CHECK_EQ(hv_machine_create(guest_hv(), &machine), KERN_SUCCESS);
    ipc_drop(machine);
}

TEST(other_ports_are_no_machines_or_processors)
{
    vm_address_t record = 0;
    hv_vcpu_t vcpu = MACH_PORT_NULL;
    hv_state_t state = {0};
    mach_msg_type_number_t n = HV_STATE_MAX;
    mach_port_t other = mach_task_self();

    CHECK_EQ(hv_machine_terminate(other), KERN_INVALID_ARGUMENT);
    CHECK_EQ(hv_machine_share(other, 0, PAGE, mach_task_self(), 0, VM_PROT_READ),
             KERN_INVALID_ARGUMENT);
    CHECK_EQ(hv_vcpu_create(other, mach_task_self(), record, &vcpu), KERN_INVALID_ARGUMENT);
    CHECK_EQ(hv_vcpu_run(other), KERN_INVALID_ARGUMENT);
    CHECK_EQ(syscall_hv_vcpu_run(other), KERN_INVALID_ARGUMENT);
    CHECK_EQ(hv_vcpu_kick(other), KERN_INVALID_ARGUMENT);
    CHECK_EQ(hv_vcpu_get_state(other, HV_STATE_GENERAL, state, &n), KERN_INVALID_ARGUMENT);
    CHECK_EQ(hv_vcpu_set_state(other, HV_STATE_GENERAL, state, HV_GENERAL_COUNT),
             KERN_INVALID_ARGUMENT);
    CHECK_EQ(hv_vcpu_inject(other, HV_INJECT_NMI, 0, 0), KERN_INVALID_ARGUMENT);
}

/* --- arguments --- */

TEST(memory_is_shared_as_it_may_be)
{
    vm_address_t at = 0;
    struct guest g;

    if (!GUEST_START(&g, GUEST_LONG, halt64)) {
        return;
    }
    CHECK_EQ(vm_allocate(mach_task_self(), &at, 2 * PAGE, TRUE), KERN_SUCCESS);
    CHECK_EQ(vm_protect(mach_task_self(), at, 2 * PAGE, TRUE, VM_PROT_READ), KERN_SUCCESS);
    CHECK_EQ(hv_machine_share(g.machine, 0x200001, PAGE, mach_task_self(), at, VM_PROT_READ),
             KERN_INVALID_ARGUMENT);
    CHECK_EQ(hv_machine_share(g.machine, 0x200000, 0, mach_task_self(), at, VM_PROT_READ),
             KERN_INVALID_ARGUMENT);
    CHECK_EQ(hv_machine_share(g.machine, 0x200000, PAGE, mach_task_self(), at, 64),
             KERN_INVALID_ARGUMENT);
    CHECK_EQ(hv_machine_share(g.machine, 0x200000, PAGE, mach_task_self(), at, VM_PROT_DEFAULT),
             KERN_PROTECTION_FAILURE);
    CHECK_EQ(hv_machine_share(g.machine, 0x200000, 64 * PAGE, mach_task_self(), at, VM_PROT_READ),
             KERN_INVALID_ADDRESS);
    CHECK_EQ(
        hv_machine_share(g.machine, 0x200000, -(vm_size_t)PAGE, mach_task_self(), at, VM_PROT_READ),
        KERN_INVALID_ADDRESS);
    CHECK_EQ(hv_machine_share(g.machine, 1ul << 40, PAGE, mach_task_self(), at, VM_PROT_READ),
             KERN_INVALID_ADDRESS);
    CHECK_EQ(hv_machine_share(g.machine, 0x1000, PAGE, mach_task_self(), at, VM_PROT_READ),
             KERN_NO_SPACE);
    CHECK_EQ(hv_machine_share(g.machine, 0x200000, 2 * PAGE, mach_task_self(), at, VM_PROT_READ),
             KERN_SUCCESS);
    vm_deallocate(mach_task_self(), at, 2 * PAGE);
    guest_destroy(&g);
}

TEST(a_record_is_a_page_that_can_be_written)
{
    hv_machine_t machine;
    hv_vcpu_t vcpu = MACH_PORT_NULL;
    vm_address_t at = 0;

    if (!guest_is_possible()) {
        return;
    }
    CHECK_EQ(hv_machine_create(guest_hv(), &machine), KERN_SUCCESS);
    CHECK_EQ(vm_allocate(mach_task_self(), &at, PAGE, TRUE), KERN_SUCCESS);
    CHECK_EQ(hv_vcpu_create(machine, mach_task_self(), at + 8, &vcpu), KERN_INVALID_ARGUMENT);
    CHECK_EQ(vm_protect(mach_task_self(), at, PAGE, FALSE, VM_PROT_READ), KERN_SUCCESS);
    CHECK_EQ(hv_vcpu_create(machine, mach_task_self(), at, &vcpu), KERN_PROTECTION_FAILURE);
    vm_deallocate(mach_task_self(), at, PAGE);
    CHECK_EQ(hv_vcpu_create(machine, mach_task_self(), at, &vcpu), KERN_INVALID_ADDRESS);
    CHECK_EQ(vcpu, MACH_PORT_NULL);
    ipc_drop(machine);
}

TEST(state_has_flavors_of_so_many_words)
{
    hv_state_t state = {0}, again = {0};
    mach_msg_type_number_t n = HV_STATE_MAX;
    struct guest g;

    if (!GUEST_START(&g, GUEST_LONG, halt64)) {
        return;
    }
    CHECK_EQ(hv_vcpu_get_state(g.vcpu, -1, state, &n), KERN_INVALID_ARGUMENT);
    CHECK_EQ(hv_vcpu_get_state(g.vcpu, HV_STATE_FLAVORS, state, &n), KERN_INVALID_ARGUMENT);
    CHECK_EQ(hv_vcpu_set_state(g.vcpu, HV_STATE_FLAVORS, state, 1), KERN_INVALID_ARGUMENT);
    for (int flavor = 0; flavor < HV_STATE_APIC; flavor++) {
        n = HV_STATE_MAX;
        CHECK_EQ(hv_vcpu_get_state(g.vcpu, flavor, state, &n), KERN_SUCCESS);
        CHECK_EQ(hv_vcpu_set_state(g.vcpu, flavor, state, n - 1), KERN_INVALID_ARGUMENT);
        CHECK_EQ(hv_vcpu_set_state(g.vcpu, flavor, state, n), KERN_SUCCESS);
        CHECK_EQ(hv_vcpu_get_state(g.vcpu, flavor, again, &n), KERN_SUCCESS);
        CHECK_EQ(memcmp(state, again, n * sizeof(*state)), 0);
    }
    n = HV_STATE_MAX;
    CHECK_EQ(hv_vcpu_get_state(g.vcpu, HV_STATE_CONTROL, state, &n), KERN_SUCCESS);
    state[HV_CR8] = 16;
    CHECK_EQ(hv_vcpu_set_state(g.vcpu, HV_STATE_CONTROL, state, n), KERN_INVALID_ARGUMENT);
    n = HV_STATE_MAX;
    CHECK_EQ(hv_vcpu_get_state(g.vcpu, HV_STATE_VECTORS, state, &n), KERN_SUCCESS);
    state[3] |= 0x10000; /* MXCSR */
    CHECK_EQ(hv_vcpu_set_state(g.vcpu, HV_STATE_VECTORS, state, n), KERN_INVALID_ARGUMENT);
    guest_destroy(&g);
}

/* Change one word of control state; the guest is not entered, and a sentence says why. */
static void check_invalid(unsigned word, int64_t value, const char *sentence)
{
    mach_msg_type_number_t n = HV_STATE_MAX;
    hv_state_t state = {0};
    struct guest g;

    if (!GUEST_START(&g, GUEST_LONG, halt64)) {
        return;
    }
    CHECK_EQ(hv_vcpu_get_state(g.vcpu, HV_STATE_CONTROL, state, &n), KERN_SUCCESS);
    state[word] = value;
    CHECK_EQ(hv_vcpu_set_state(g.vcpu, HV_STATE_CONTROL, state, n), KERN_SUCCESS);
    CHECK_EQ(guest_run(&g, HV_RUN_HALT_EXITS), HV_EXIT_INVALID);
    CHECK(strstr((const char *)g.record->sentence, sentence) != NULL);
    CHECK_EQ(g.record->exits, 0);
    guest_destroy(&g);
}

TEST(no_processor_is_in_such_a_state)
{
    check_invalid(HV_CR0, 0x180000011, "upper half of CR0");
    check_invalid(HV_CR0, 0xa0000011, "CR0.NW");
    check_invalid(HV_CR0, 0x80000010, "CR0.PE");
    check_invalid(HV_CR3, 1ll << 52, "CR3");
    check_invalid(HV_CR4, 0, "CR4.PAE");
    check_invalid(HV_CR4, 1ll << 40, "CR4");
    check_invalid(HV_EFER, 0x100, "EFER.LMA");
    check_invalid(HV_EFER, 0x10500, "EFER");
    check_invalid(HV_PAT, 2, "PAT");
    check_invalid(HV_DR6, 1ll << 33, "DR6");
    check_invalid(HV_DR7, 1ll << 33, "DR7");
}

TEST(events_have_kinds_and_vectors)
{
    struct guest g;

    if (!GUEST_START(&g, GUEST_LONG, halt64)) {
        return;
    }
    CHECK_EQ(hv_vcpu_inject(g.vcpu, HV_INJECT_INTERRUPT, 256, 0), KERN_INVALID_ARGUMENT);
    CHECK_EQ(hv_vcpu_inject(g.vcpu, HV_INJECT_INTERRUPT, -1, 0), KERN_INVALID_ARGUMENT);
    CHECK_EQ(hv_vcpu_inject(g.vcpu, HV_INJECT_INTERRUPT, 32, 1), KERN_INVALID_ARGUMENT);
    CHECK_EQ(hv_vcpu_inject(g.vcpu, 1, 32, 0), KERN_INVALID_ARGUMENT);
    CHECK_EQ(hv_vcpu_inject(g.vcpu, HV_INJECT_EXCEPTION, 32, 0), KERN_INVALID_ARGUMENT);
    CHECK_EQ(hv_vcpu_inject(g.vcpu, HV_INJECT_EXCEPTION, 2, 0), KERN_INVALID_ARGUMENT);
    CHECK_EQ(hv_vcpu_inject(g.vcpu, HV_INJECT_EXCEPTION, 13, 0), KERN_INVALID_ARGUMENT);
    CHECK_EQ(hv_vcpu_inject(g.vcpu, HV_INJECT_EXCEPTION_ERROR, 6, 0), KERN_INVALID_ARGUMENT);
    CHECK_EQ(hv_vcpu_inject(g.vcpu, HV_INJECT_INTERRUPT, 32, 0), KERN_SUCCESS);
    CHECK_EQ(hv_vcpu_inject(g.vcpu, HV_INJECT_INTERRUPT, 33, 0), KERN_FAILURE);
    CHECK_EQ(hv_vcpu_inject(g.vcpu, HV_INJECT_EXCEPTION, 6, 0), KERN_SUCCESS);
    CHECK_EQ(hv_vcpu_inject(g.vcpu, HV_INJECT_EXCEPTION, 6, 0), KERN_FAILURE);
    guest_destroy(&g);
}

TEST(what_a_task_makes_is_limited)
{
    portolan_ledger_t used, limit;
    mach_msg_type_number_t n = PORTOLAN_NUMBERS_MAX, m = PORTOLAN_NUMBERS_MAX;
    hv_machine_t machine = MACH_PORT_NULL, second = MACH_PORT_NULL;
    hv_vcpu_t vcpu = MACH_PORT_NULL;
    vm_address_t at = 0;

    if (!guest_is_possible()) {
        return;
    }
    CHECK_EQ(hv_machine_create(guest_hv(), &machine), KERN_SUCCESS);
    CHECK_EQ(vm_allocate(mach_task_self(), &at, PAGE, TRUE), KERN_SUCCESS);
    memset((void *)at, 0, PAGE);
    CHECK_EQ(task_get_ledger(mach_task_self(), used, &n, limit, &m), KERN_SUCCESS);
    CHECK_EQ(task_set_ledger_limit(portolan_port("host"), mach_task_self(),
                                   PORTOLAN_LEDGER_KMEM_PAGES, used[PORTOLAN_LEDGER_KMEM_PAGES]),
             KERN_SUCCESS);
    CHECK_EQ(hv_machine_create(guest_hv(), &second), KERN_RESOURCE_SHORTAGE);
    CHECK_EQ(hv_vcpu_create(machine, mach_task_self(), at, &vcpu), KERN_RESOURCE_SHORTAGE);
    CHECK_EQ(task_set_ledger_limit(portolan_port("host"), mach_task_self(),
                                   PORTOLAN_LEDGER_KMEM_PAGES, limit[PORTOLAN_LEDGER_KMEM_PAGES]),
             KERN_SUCCESS);
    CHECK_EQ(hv_vcpu_create(machine, mach_task_self(), at, &vcpu), KERN_SUCCESS);
    ipc_drop(vcpu);
    ipc_drop(machine);
    vm_deallocate(mach_task_self(), at, PAGE);
}

/* A task that may have so much memory has no more of it by a machine. */
TEST(a_machine_has_the_limit_of_who_made_it)
{
    const vm_size_t limit = 64ul << 20;
    vm_size_t current, maximum;
    hv_machine_t machine = MACH_PORT_NULL;
    vm_address_t at = 0;

    if (!guest_is_possible()) {
        return;
    }
    CHECK_EQ(vm_get_size_limit(mach_task_self(), &current, &maximum), KERN_SUCCESS);
    CHECK_EQ(vm_set_size_limit(mach_host_self(), mach_task_self(), limit, maximum), KERN_SUCCESS);
    CHECK_EQ(hv_machine_create(guest_hv(), &machine), KERN_SUCCESS);
    CHECK_EQ(vm_set_size_limit(mach_host_self(), mach_task_self(), current, maximum), KERN_SUCCESS);
    CHECK_EQ(vm_allocate(machine, &at, limit + PAGE, FALSE), KERN_NO_SPACE);
    CHECK_EQ(vm_allocate(machine, &at, limit, FALSE), KERN_SUCCESS);
    at = limit;
    CHECK_EQ(vm_allocate(machine, &at, PAGE, FALSE), KERN_NO_SPACE);
    ipc_drop(machine);
}

/* --- threads --- */

struct runner {
    struct guest *guest;
    pthread_t thread;
    volatile mach_port_t port; /* the thread's */
    volatile bool done;
    kern_return_t result;
};

static void *run_guest(void *argument)
{
    struct runner *r = argument;

    r->port = portolan_thread_port();
    r->result = hv_vcpu_run(r->guest->vcpu);
    r->done = true;
    return NULL;
}

/* Run the guest on a thread of its own. */
static void runner_start(struct runner *r, struct guest *g)
{
    memset(r, 0, sizeof(*r));
    r->guest = g;
    g->record->request = 0;
    CHECK_EQ(pthread_create(&r->thread, NULL, run_guest, r), 0);
}

static kern_return_t runner_end(struct runner *r)
{
    CHECK_EQ(pthread_join(r->thread, NULL), 0);
    CHECK(r->done);
    return r->result;
}

/* Wait until the guest counts on. */
static bool counts(const struct guest *g)
{
    uint64_t before = *counter(g);

    for (unsigned i = 0; i < 5000 && *counter(g) == before; i++) {
        pause_ms(1);
    }
    return *counter(g) != before;
}

TEST(a_kick_ends_a_guest_that_spins)
{
    struct runner r;
    struct guest g;

    if (!GUEST_START(&g, GUEST_LONG, spin64)) {
        return;
    }
    runner_start(&r, &g);
    CHECK(counts(&g));
    CHECK(counts(&g)); /* this thread runs beside it, on however few processors */
    CHECK(!r.done);
    CHECK_EQ(hv_vcpu_run(g.vcpu), KERN_FAILURE);
    CHECK_EQ(hv_vcpu_kick(g.vcpu), KERN_SUCCESS);
    CHECK_EQ(runner_end(&r), KERN_SUCCESS);
    CHECK_EQ(g.record->reason, HV_EXIT_KICKED);
    CHECK_EQ(hv_vcpu_kick(g.vcpu), KERN_SUCCESS); /* before it runs */
    CHECK_EQ(guest_run(&g, 0), HV_EXIT_KICKED);
    guest_destroy(&g);
}

TEST(what_runs_cannot_be_looked_at)
{
    hv_state_t state = {0};
    mach_msg_type_number_t n = HV_STATE_MAX;
    struct runner r;
    struct guest g;

    if (!GUEST_START(&g, GUEST_LONG, spin64)) {
        return;
    }
    runner_start(&r, &g);
    CHECK(counts(&g));
    CHECK_EQ(hv_vcpu_get_state(g.vcpu, HV_STATE_GENERAL, state, &n), KERN_FAILURE);
    CHECK_EQ(hv_vcpu_set_state(g.vcpu, HV_STATE_GENERAL, state, HV_GENERAL_COUNT), KERN_FAILURE);
    CHECK_EQ(hv_vcpu_inject(g.vcpu, HV_INJECT_EXCEPTION, 6, 0), KERN_FAILURE);
    hv_vcpu_kick(g.vcpu);
    CHECK_EQ(runner_end(&r), KERN_SUCCESS);
    guest_destroy(&g);
}

TEST(a_halted_guest_waits_until_it_is_kicked)
{
    mach_msg_type_number_t n = HV_STATE_MAX;
    hv_state_t state;
    struct runner r;
    struct guest g;

    if (!GUEST_START(&g, GUEST_LONG, halt64)) {
        return;
    }
    runner_start(&r, &g);
    while (r.port == MACH_PORT_NULL || !ipc_wait_blocked(r.port)) {
    }
    CHECK(!r.done);
    hv_vcpu_kick(g.vcpu);
    CHECK_EQ(runner_end(&r), KERN_SUCCESS);
    CHECK_EQ(g.record->reason, HV_EXIT_KICKED);
    CHECK_EQ(hv_vcpu_get_state(g.vcpu, HV_STATE_EVENTS, state, &n), KERN_SUCCESS);
    CHECK_EQ(state[HV_EVENT_HALTED], 1);
    state[HV_EVENT_HALTED] = 0;
    CHECK_EQ(hv_vcpu_set_state(g.vcpu, HV_STATE_EVENTS, state, n), KERN_SUCCESS);
    CHECK_EQ(guest_run(&g, 0), HV_EXIT_SHUTDOWN); /* what is behind HLT */
    guest_destroy(&g);
}

TEST(a_thread_is_suspended_out_of_its_guest)
{
    struct runner r;
    struct guest g;
    uint64_t before;

    if (!GUEST_START(&g, GUEST_LONG, spin64)) {
        return;
    }
    runner_start(&r, &g);
    CHECK(counts(&g));
    CHECK_EQ(thread_suspend(r.port), KERN_SUCCESS);
    before = *counter(&g);
    pause_ms(20);
    CHECK_EQ(*counter(&g), before);
    CHECK_EQ(thread_resume(r.port), KERN_SUCCESS);
    CHECK_EQ(runner_end(&r), KERN_SUCCESS);
    CHECK_EQ(g.record->reason, HV_EXIT_KICKED);
    guest_destroy(&g);
}

TEST(a_machine_ends_under_a_guest_that_runs)
{
    hv_state_t state = {0};
    mach_msg_type_number_t n = HV_STATE_MAX;
    hv_vcpu_t vcpu = MACH_PORT_NULL;
    vm_address_t at = 0x300000;
    struct runner r;
    struct guest g;

    if (!GUEST_START(&g, GUEST_LONG, spin64)) {
        return;
    }
    runner_start(&r, &g);
    CHECK(counts(&g));
    CHECK_EQ(hv_machine_terminate(g.machine), KERN_SUCCESS);
    CHECK_EQ(runner_end(&r), KERN_TERMINATED);
    CHECK_EQ(hv_vcpu_run(g.vcpu), KERN_TERMINATED);
    CHECK_EQ(hv_vcpu_get_state(g.vcpu, HV_STATE_GENERAL, state, &n), KERN_TERMINATED);
    CHECK_EQ(hv_vcpu_set_state(g.vcpu, HV_STATE_GENERAL, state, HV_GENERAL_COUNT), KERN_TERMINATED);
    CHECK_EQ(hv_vcpu_inject(g.vcpu, HV_INJECT_EXCEPTION, 6, 0), KERN_TERMINATED);
    CHECK_EQ(hv_vcpu_create(g.machine, mach_task_self(), (vm_address_t)g.record, &vcpu),
             KERN_TERMINATED);
    CHECK_EQ(hv_machine_share(g.machine, at, PAGE, mach_task_self(), (vm_address_t)g.memory,
                              VM_PROT_READ),
             KERN_TERMINATED);
    CHECK_EQ(vm_allocate(g.machine, &at, PAGE, FALSE), KERN_INVALID_ARGUMENT);
    CHECK_EQ(hv_machine_terminate(g.machine), KERN_SUCCESS); /* once more is nothing */
    guest_destroy(&g);
}

TEST(memory_is_taken_away_under_a_guest_that_runs)
{
    struct runner r;
    struct guest g;

    if (!GUEST_START(&g, GUEST_LONG, spin64)) {
        return;
    }
    for (unsigned i = 0; i < 20; i++) {
        runner_start(&r, &g);
        CHECK(counts(&g));
        CHECK_EQ(vm_deallocate(g.machine, 0x3000, PAGE), KERN_SUCCESS);
        CHECK_EQ(runner_end(&r), KERN_SUCCESS);
        CHECK_EQ(g.record->reason, HV_EXIT_MEMORY);
        CHECK_EQ(g.record->address, 0x3000);
        CHECK_EQ(hv_machine_share(g.machine, 0x3000, PAGE, mach_task_self(),
                                  (vm_address_t)g.memory + 0x3000, VM_PROT_ALL),
                 KERN_SUCCESS);
    }
    guest_destroy(&g);
}

TEST(memory_is_protected_under_a_guest_that_runs)
{
    struct runner r;
    struct guest g;

    if (!GUEST_START(&g, GUEST_LONG, spin64)) {
        return;
    }
    runner_start(&r, &g);
    CHECK(counts(&g));
    CHECK_EQ(vm_protect(g.machine, 0x3000, PAGE, FALSE, VM_PROT_READ), KERN_SUCCESS);
    CHECK_EQ(runner_end(&r), KERN_SUCCESS);
    CHECK_EQ(g.record->reason, HV_EXIT_MEMORY);
    CHECK_EQ(g.record->value, KERN_PROTECTION_FAILURE);
    guest_destroy(&g);
}

/* Machines whose guests run, and all rights to them, go with the task. */
TEST_CHILD(runs_guests_and_ends)
{
    struct runner r[2];
    struct guest g[2];

    for (unsigned i = 0; i < 2; i++) {
        CHECK(GUEST_START(&g[i], GUEST_LONG, spin64));
        runner_start(&r[i], &g[i]);
    }
    CHECK(counts(&g[0]) && counts(&g[1]));
    task_terminate(mach_task_self());
}

TEST(a_task_ends_while_its_guests_run)
{
    if (guest_is_possible()) {
        (void)test_run_child("runs_guests_and_ends");
    }
}

TEST(guests_move_between_processors)
{
    struct runner r[3];
    struct guest g[3];

    if (!guest_is_possible()) {
        return;
    }
    for (unsigned i = 0; i < 3; i++) {
        CHECK(GUEST_START(&g[i], GUEST_LONG, spin64));
        runner_start(&r[i], &g[i]);
    }
    for (unsigned round = 0; round < 20; round++) {
        for (unsigned i = 0; i < 3; i++) {
            CHECK(counts(&g[i]));
            (void)thread_bind(r[i].port, (int)((round + i) % 2)); /* there may be one only */
        }
    }
    for (unsigned i = 0; i < 3; i++) {
        hv_vcpu_kick(g[i].vcpu);
        CHECK_EQ(runner_end(&r[i]), KERN_SUCCESS);
        guest_destroy(&g[i]);
    }
}
