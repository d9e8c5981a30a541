/* hv_xsave_test.c - vector state of guests: XCR0, what CPUID says of it, AVX registers. */
#include <mach.h>
#include <mach_port.h>
#include <pthread.h>
#include <string.h>

#include "lib/guest.h"
#include "lib/ipc.h"

#define DATA   0x3000u
#define FAULTS 0x5000u
#define AVX    4u

static uint32_t cpuid_of(uint32_t leaf, unsigned reg)
{
    uint32_t r[4] = {leaf, 0, 0, 0};

    __asm__ volatile("cpuid" : "+a"(r[0]), "=b"(r[1]), "+c"(r[2]), "=d"(r[3]));
    return r[reg];
}

static bool host_has(uint32_t bit)
{
    return guest_is_possible() && (cpuid_of(1, 2) & bit) != 0;
}
#define HAS_XSAVE host_has(1u << 27)
#define HAS_AVX   host_has(1u << 28)

/* Goes on behind an instruction of three or four bytes: r10d counts #UD, r11d #GP. */
GUEST_CODE64(undefined64, "incl %r10d; addq $4, (%rsp); iretq");
GUEST_CODE64(protection64, "incl %r11d; addq $8, %rsp; addq $3, (%rsp); iretq");

static bool start(struct guest *g, const uint8_t *code, const uint8_t *end)
{
    if (!guest_create(g, GUEST_LONG, code, end)) {
        return false;
    }
    memcpy(g->memory + FAULTS, undefined64, (size_t)(undefined64_end - undefined64));
    memcpy(g->memory + FAULTS + 0x80, protection64, (size_t)(protection64_end - protection64));
    guest_set_gate(g, 6, FAULTS);
    guest_set_gate(g, 13, FAULTS + 0x80);
    return true;
}
#define START(g, name) start(g, name, name##_end)

#define OSXSAVE   "movq %cr4, %rax; btsq $18, %rax; movq %rax, %cr4\n"
#define SET(xcr0) "xorl %ecx, %ecx; xorl %edx, %edx; movl $" #xcr0 ", %eax; xsetbv\n"
#define GET       "xorl %ecx, %ecx; xgetbv\n"

GUEST_CODE64(cpuid64, "movl $1, %eax; cpuid; movl %ecx, %r8d\n" OSXSAVE
                      "movl $1, %eax; cpuid; movl %ecx, %r9d\n" GET "movl %eax, %r12d\n"
                      "movl $0xd, %eax; xorl %ecx, %ecx; cpuid; movl %ebx, %r13d\n" SET(7) GET
             "movl %eax, %r14d; movl $0xd, %eax; xorl %ecx, %ecx; cpuid\n"
             "movl %ebx, %r15d; outb %al, $0x80");

TEST(a_guest_sees_the_vector_state_that_the_hosts_threads_have)
{
    struct guest g;

    if (!HAS_AVX || !START(&g, cpuid64)) {
        return;
    }
    CHECK_EQ(guest_run(&g, 0), HV_EXIT_PORT);
    CHECK_EQ(guest_register(&g, HV_R8) & (3u << 26 | 1u << 28), 1u << 26 | 1u << 28);
    CHECK_EQ(guest_register(&g, HV_R8 + 1) & 3u << 26, 3u << 26); /* OSXSAVE */
    CHECK_EQ(guest_register(&g, HV_R8 + 4), 1);                   /* XCR0 after a reset */
    CHECK_EQ(guest_register(&g, HV_R8 + 5), 576);
    CHECK_EQ(guest_register(&g, HV_R8 + 6), 7);
    CHECK_EQ(guest_register(&g, HV_RAX), 7);
    CHECK_EQ(guest_register(&g, HV_R8 + 7), guest_register(&g, HV_RCX));
    CHECK(guest_register(&g, HV_R8 + 7) >= 832);
    guest_destroy(&g);
}

GUEST_CODE64(wrong64,
             "xorl %r10d, %r10d; " OSXSAVE SET(0) SET(2) SET(5) SET(0x407)
                 SET(0x11) "movl $1, %ecx; movl $1, %eax; xorl %edx, %edx; xsetbv\n"
                           "xorl %ecx, %ecx; movl $7, %eax; movl $0x80000000, %edx; xsetbv\n" SET(3)
                               GET "movl %eax, %r12d; vaddps %ymm0, %ymm1, %ymm2; outb %al, $0x80");

TEST(what_xcr0_cannot_be_is_a_fault_and_what_it_has_not_is_undefined)
{
    struct guest g;

    if (!HAS_AVX || !START(&g, wrong64)) {
        return;
    }
    CHECK_EQ(guest_run(&g, 0), HV_EXIT_PORT);
    CHECK_EQ(guest_register(&g, HV_R8 + 3), 7);
    CHECK_EQ(guest_register(&g, HV_R8 + 4), 3);
    CHECK_EQ(guest_register(&g, HV_R8 + 2), 1);
    guest_destroy(&g);
}

/* --- registers --- */

#define LOAD(pattern)                                                                              \
    __asm__ volatile("vmovdqu %0, %%ymm5; vmovdqu %0, %%ymm15" ::"m"(pattern) : "memory")
#define STORE(pattern) __asm__ volatile("vmovdqu %%ymm5, %0" : "=m"(pattern)::"memory")

struct wide {
    uint64_t words[4];
};

GUEST_CODE64(keep64, OSXSAVE SET(7) "vmovdqu 0x3000, %ymm5; 1: outb %al, $0x80\n"
                                    "vmovdqu %ymm5, 0x3040; vmovdqu %ymm6, 0x3080; jmp 1b");

TEST(registers_of_the_guest_and_of_its_monitor_are_kept_apart)
{
    const struct wide mine = {{1, 2, 3, 4}}, guests = {{5, 6, 7, 8}};
    struct wide now;
    struct guest g;

    if (!HAS_AVX || !START(&g, keep64)) {
        return;
    }
    memcpy(g.memory + DATA, &guests, sizeof(guests));
    for (unsigned i = 0; i < 3; i++) {
        LOAD(mine);
        g.record->request = i != 0 ? HV_RUN_ADVANCE : 0;
        (void)hv_vcpu_run(g.vcpu);
        STORE(now);
        CHECK_EQ(g.record->reason, HV_EXIT_PORT);
        CHECK_EQ(memcmp(&now, &mine, sizeof(now)), 0);
    }
    CHECK_EQ(memcmp(g.memory + DATA + 0x40, &guests, sizeof(guests)), 0);
    guest_destroy(&g);
}

TEST(the_upper_halves_are_read_and_set)
{
    const struct wide guests = {{5, 6, 7, 8}}, other = {{0, 0, 11, 12}};
    mach_msg_type_number_t n = HV_STATE_MAX;
    hv_state_t state;
    struct guest g;

    if (!HAS_AVX || !START(&g, keep64)) {
        return;
    }
    memcpy(g.memory + DATA, &guests, sizeof(guests));
    CHECK_EQ(guest_run(&g, 0), HV_EXIT_PORT);
    CHECK_EQ(hv_vcpu_get_state(g.vcpu, HV_STATE_XSAVE, state, &n), KERN_SUCCESS);
    CHECK_EQ(n, HV_XSAVE_COUNT);
    CHECK_EQ(state[HV_XSAVE_XCR0], 7);
    CHECK_EQ(state[HV_XSAVE_IN_USE] & AVX, AVX);
    CHECK_EQ(state[HV_XSAVE_UPPER + 10], 7);
    CHECK_EQ(state[HV_XSAVE_UPPER + 11], 8);
    state[HV_XSAVE_UPPER + 12] = 11; /* of YMM6 */
    state[HV_XSAVE_UPPER + 13] = 12;
    CHECK_EQ(hv_vcpu_set_state(g.vcpu, HV_STATE_XSAVE, state, n), KERN_SUCCESS);
    CHECK_EQ(guest_run(&g, HV_RUN_ADVANCE), HV_EXIT_PORT);
    CHECK_EQ(memcmp(g.memory + DATA + 0x40, &guests, sizeof(guests)), 0);
    CHECK_EQ(memcmp(g.memory + DATA + 0x80, &other, sizeof(other)), 0);
    state[HV_XSAVE_XCR0] = 5;
    CHECK_EQ(hv_vcpu_set_state(g.vcpu, HV_STATE_XSAVE, state, n), KERN_INVALID_ARGUMENT);
    state[HV_XSAVE_XCR0] = 7;
    state[HV_XSAVE_IN_USE] = 1 << 9;
    CHECK_EQ(hv_vcpu_set_state(g.vcpu, HV_STATE_XSAVE, state, n), KERN_INVALID_ARGUMENT);
    guest_destroy(&g);
}

TEST(without_xsave_there_is_no_such_state)
{
    mach_msg_type_number_t n = HV_STATE_MAX;
    hv_state_t state;
    struct guest g;

    if (HAS_XSAVE || !START(&g, keep64)) {
        return;
    }
    CHECK_EQ(hv_vcpu_get_state(g.vcpu, HV_STATE_XSAVE, state, &n), KERN_INVALID_ARGUMENT);
    guest_destroy(&g);
}

/* A guest whose XCR0 is not the host's, and a thread of the host with AVX beside it. */
GUEST_CODE64(narrow64, OSXSAVE SET(1) "1: incl 0x3000; cpuid; jmp 1b");

static void *run_until_kicked(void *argument)
{
    CHECK_EQ(guest_run(argument, 0), HV_EXIT_KICKED);
    return NULL;
}

TEST(another_xcr0_stays_with_its_guest)
{
    const struct wide mine = {{1, 2, 3, 4}};
    struct wide now;
    pthread_t threads[2];
    struct guest g[2];

    if (!HAS_AVX) {
        return;
    }
    for (unsigned i = 0; i < 2; i++) { /* one for each processor */
        if (!START(&g[i], narrow64)) {
            return;
        }
        CHECK_EQ(pthread_create(&threads[i], NULL, run_until_kicked, &g[i]), 0);
    }
    LOAD(mine);
    for (unsigned i = 0; i < 20; i++) {
        ipc_pause_ms(2);
        STORE(now);
        CHECK_EQ(memcmp(&now, &mine, sizeof(now)), 0);
        LOAD(mine);
    }
    for (unsigned i = 0; i < 2; i++) {
        CHECK_EQ(hv_vcpu_kick(g[i].vcpu), KERN_SUCCESS);
        CHECK_EQ(pthread_join(threads[i], NULL), 0);
        CHECK(*(uint32_t *)(g[i].memory + DATA) != 0);
        guest_destroy(&g[i]);
    }
}
