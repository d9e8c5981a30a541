/* hv_hostile_test.c - monitors that lie and guests that do whatever they like: the machine is left
 * with a reason, and nobody else notices. */
#include <mach.h>
#include <mach_port.h>
#include <portolan/thread.h>
#include <pthread.h>
#include <string.h>

#include "lib/guest.h"
#include "lib/ipc.h"

#define STATES  400u
#define CODES   150u
#define RUNS    40u
#define KICK_MS 1

static uint64_t seed = 0x9e3779b97f4a7c15u;

static uint64_t draw(void)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

/* --- somebody who ends what would not end --- */

struct kicker {
    pthread_t thread;
    hv_vcpu_t vcpu;
    volatile bool stop;
};

static void *kick(void *argument)
{
    struct kicker *k = argument;

    while (!k->stop) {
        portolan_sleep(KICK_MS);
        hv_vcpu_kick(k->vcpu);
    }
    return NULL;
}

static void kicker_start(struct kicker *k, hv_vcpu_t vcpu)
{
    k->vcpu = vcpu;
    k->stop = false;
    CHECK_EQ(pthread_create(&k->thread, NULL, kick, k), 0);
}

static void kicker_end(struct kicker *k)
{
    k->stop = true;
    CHECK_EQ(pthread_join(k->thread, NULL), 0);
}

/* --- the monitor --- */

/* A word near what is good: one bit of it, or all, may be anything, one time in so many. */
static int64_t spoil(int64_t word, uint64_t rarely)
{
    switch (draw() % rarely) {
    case 0:
        return (int64_t)draw();
    case 1:
        return word ^ (int64_t)(1ull << draw() % 64);
    default:
        return word;
    }
}

GUEST_CODE64(halt64, "1: hlt; jmp 1b");

TEST(whatever_state_a_monitor_sets_the_guest_is_left_with_a_reason)
{
    static const unsigned counts[HV_STATE_FLAVORS] = {
        HV_GENERAL_COUNT, HV_SEGMENTS_COUNT, HV_CONTROL_COUNT, HV_MSRS_COUNT,
        HV_EVENTS_COUNT,  HV_VECTORS_COUNT,  HV_APIC_COUNT,    HV_XSAVE_COUNT};
    struct kicker kicker;
    hv_state_t good[HV_STATE_FLAVORS], bad;
    unsigned reasons[HV_EXIT_COUNT] = {0};
    struct guest g;

    if (!GUEST_START_APIC(&g, GUEST_LONG, halt64)) {
        return;
    }
    for (int flavor = 0; flavor < HV_STATE_FLAVORS; flavor++) {
        mach_msg_type_number_t n = HV_STATE_MAX;

        CHECK_EQ(hv_vcpu_get_state(g.vcpu, flavor, good[flavor], &n), KERN_SUCCESS);
    }
    kicker_start(&kicker, g.vcpu);
    for (unsigned i = 0; i < STATES; i++) {
        uint64_t rarely = 8ull << draw() % 7;
        unsigned reason;

        for (int flavor = 0; flavor < HV_STATE_FLAVORS; flavor++) {
            for (unsigned word = 0; word < counts[flavor]; word++) {
                bad[word] = spoil(good[flavor][word], rarely);
            }
            (void)hv_vcpu_set_state(g.vcpu, flavor, bad, counts[flavor]);
        }
        reason = guest_run(&g, HV_RUN_HALT_EXITS | (draw() & HV_RUN_WINDOW));
        CHECK(reason > HV_EXIT_NONE && reason < HV_EXIT_COUNT);
        CHECK(reason != HV_EXIT_INVALID || !strstr((const char *)g.record->sentence, "bug"));
        CHECK(reason != HV_EXIT_INVALID ||
              !strstr((const char *)g.record->sentence, "does not say")); /* we knew why */
        reasons[reason < HV_EXIT_COUNT ? reason : 0] += 1;
    }
    kicker_end(&kicker);
    CHECK(reasons[HV_EXIT_INVALID] != 0);
    CHECK(reasons[HV_EXIT_INVALID] != STATES);
    guest_destroy(&g);
}

struct scribbler {
    pthread_t thread;
    volatile struct hv_record *record;
    volatile bool stop;
};

static void *scribble(void *argument)
{
    struct scribbler *s = argument;
    volatile uint64_t *words = (volatile uint64_t *)s->record;

    while (!s->stop) {
        for (unsigned i = 0; i < sizeof(*s->record) / sizeof(*words); i++) {
            words[i] = draw();
        }
    }
    return NULL;
}

GUEST_CODE64(count64, "1: incl %r9d; outb %al, $0x80; cpuid; jmp 1b");

TEST(a_record_that_changes_all_the_time_harms_its_guest_alone)
{
    struct scribbler s = {0};
    struct kicker kicker;
    struct guest g;

    if (!GUEST_START(&g, GUEST_LONG, count64)) {
        return;
    }
    s.record = g.record;
    kicker_start(&kicker, g.vcpu);
    CHECK_EQ(pthread_create(&s.thread, NULL, scribble, &s), 0);
    for (unsigned i = 0; i < STATES; i++) {
        CHECK_EQ(hv_vcpu_run(g.vcpu), KERN_SUCCESS);
    }
    s.stop = true;
    CHECK_EQ(pthread_join(s.thread, NULL), 0);
    kicker_end(&kicker);
    guest_destroy(&g);
}

TEST(a_record_that_is_unmapped_is_still_written)
{
    struct guest g;

    if (!GUEST_START(&g, GUEST_LONG, halt64)) {
        return;
    }
    g.record->request = HV_RUN_HALT_EXITS;
    CHECK_EQ(vm_deallocate(mach_task_self(), (vm_address_t)g.record, IPC_PAGE_SIZE), KERN_SUCCESS);
    CHECK_EQ(hv_vcpu_run(g.vcpu), KERN_SUCCESS);
    g.record = NULL;
    guest_destroy(&g);
}

/* --- the guest --- */

/* Bytes at random as code, in each mode; what is read and written is at random, too. */
static void check_random_code(enum guest_mode mode)
{
    struct kicker kicker;
    struct guest g;

    if (!GUEST_START(&g, mode, halt64)) {
        return;
    }
    kicker_start(&kicker, g.vcpu);
    for (unsigned i = 0; i < CODES; i++) {
        uint64_t *code = (uint64_t *)(g.memory + GUEST_CODE);

        for (unsigned word = 0; word < 64; word++) {
            code[word] = draw();
        }
        for (unsigned r = 0; r < HV_GENERAL_COUNT; r++) {
            g.record->registers[r] = draw() % GUEST_MEMORY;
        }
        g.record->registers[HV_RIP] = GUEST_CODE;
        g.record->registers[HV_RSP] = GUEST_STACK;
        for (unsigned run = 0; run < RUNS; run++) {
            unsigned reason =
                guest_run(&g, HV_RUN_HALT_EXITS | (run == 0 ? HV_RUN_REGISTERS : HV_RUN_ADVANCE));

            CHECK(reason > HV_EXIT_NONE && reason < HV_EXIT_COUNT);
            if (reason != HV_EXIT_PORT && reason != HV_EXIT_HALT && reason != HV_EXIT_MSR_READ &&
                reason != HV_EXIT_MSR_WRITE && reason != HV_EXIT_HYPERCALL) {
                break;
            }
        }
    }
    kicker_end(&kicker);
    guest_destroy(&g);
}

TEST(random_code_in_real_mode)
{
    check_random_code(GUEST_REAL);
}

TEST(random_code_in_protected_mode)
{
    check_random_code(GUEST_PROTECTED);
}

TEST(random_code_in_long_mode)
{
    check_random_code(GUEST_LONG);
}

/* A guest that can neither go on nor take an interrupt: an exception that is raised again while it
 * is delivered (#AC with the stack misaligned). */
GUEST_CODE64(align64, "movq %cr0, %rax; btsq $18, %rax; movq %rax, %cr0\n"
                      "pushfq; orl $0x40000, (%rsp); popfq; 1: jmp 1b");

TEST(a_guest_that_checks_its_alignment_is_left)
{
    struct kicker kicker;
    struct guest g;

    if (!GUEST_START(&g, GUEST_LONG, align64)) {
        return;
    }
    kicker_start(&kicker, g.vcpu);
    CHECK_EQ(guest_run(&g, 0), HV_EXIT_KICKED);
    kicker_end(&kicker);
    guest_destroy(&g);
}

/* Single steps: each is an exception. */
GUEST_CODE64(step64, "pushfq; orl $0x100, (%rsp); popfq; nop; nop; nop; hlt");
GUEST_CODE64(stepped64, "incl %r8d; cmpl $3, %r8d; jb 1f; andq $~0x100, 16(%rsp); 1: iretq");

TEST(a_guest_steps_through_its_code)
{
    struct guest g;

    if (!GUEST_START(&g, GUEST_LONG, step64)) {
        return;
    }
    memcpy(g.memory + 0x5000, stepped64, (size_t)(stepped64_end - stepped64));
    guest_set_gate(&g, 1, 0x5000);
    CHECK_EQ(guest_run(&g, HV_RUN_HALT_EXITS), HV_EXIT_HALT);
    CHECK_EQ(guest_register(&g, HV_R8), 3);
    guest_destroy(&g);
}

TEST(page_tables_that_point_nowhere_are_a_fault_of_memory)
{
    struct guest g;

    if (!GUEST_START(&g, GUEST_LONG, halt64)) {
        return;
    }
    *(uint64_t *)(g.memory + GUEST_TABLES) = 0x7000000007;
    CHECK_EQ(guest_run(&g, 0), HV_EXIT_MEMORY);
    CHECK_EQ(g.record->qualification & HV_MEMORY_TABLE, HV_MEMORY_TABLE);
    CHECK_EQ(g.record->address, 0x7000000000);
    guest_destroy(&g);
}
