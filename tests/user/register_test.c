/* register_test.c - what a trap and a call do to registers: those of the ABI are kept, the others
 * carry nothing of the kernel's, vector registers never those of another task. */
#include <mach.h>
#include <mach_port.h>
#include <portolan.h>
#include <string.h>

#include "lib/peer.h"

#define TRAP_MACH_MSG  (-25)
#define TRAP_TASK_SELF (-28)
#define VECTORS        16
#define VECTOR_WORDS   8 /* 32-bit words of a ymm register */

static struct ipc_message in, out;

/* All registers around one trap. */
struct registers {
    uint64_t rax, rbx, rcx, rdx, rsi, rdi, rbp, r8, r9, r10, r11, r12, r13, r14, r15;
};

/* Load all, trap, store all. The seventh argument of the trap is the word at 8(%rsp). */
void register_trap(const struct registers *before, struct registers *after, uint64_t seventh);
__asm__(".globl register_trap\n"
        "register_trap:\n"
        "    push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15\n"
        "    push %rsi\n"
        "    push %rdx\n" /* the seventh, at 8(%rsp) once there is a return address */
        "    push $0\n"
        "    mov %rdi, %rax\n"
        "    mov 8(%rax), %rbx; mov 24(%rax), %rdx; mov 32(%rax), %rsi; mov 40(%rax), %rdi\n"
        "    mov 48(%rax), %rbp; mov 56(%rax), %r8; mov 64(%rax), %r9; mov 72(%rax), %r10\n"
        "    mov 88(%rax), %r12; mov 96(%rax), %r13; mov 104(%rax), %r14; mov 112(%rax), %r15\n"
        "    mov (%rax), %rax\n"
        "    syscall\n"
        "    push %rax\n"
        "    mov 24(%rsp), %rax\n"
        "    mov %rbx, 8(%rax); mov %rcx, 16(%rax); mov %rdx, 24(%rax); mov %rsi, 32(%rax)\n"
        "    mov %rdi, 40(%rax); mov %rbp, 48(%rax); mov %r8, 56(%rax); mov %r9, 64(%rax)\n"
        "    mov %r10, 72(%rax); mov %r11, 80(%rax); mov %r12, 88(%rax); mov %r13, 96(%rax)\n"
        "    mov %r14, 104(%rax); mov %r15, 112(%rax)\n"
        "    pop %rbx; mov %rbx, (%rax)\n"
        "    add $24, %rsp\n"
        "    pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx\n"
        "    ret\n");

static struct registers registers_of(uint64_t trap, const uint64_t arguments[6])
{
    return (struct registers){.rax = trap,
                              .rbx = 0x1111111111111111,
                              .rdi = arguments[0],
                              .rsi = arguments[1],
                              .rdx = arguments[2],
                              .r10 = arguments[3],
                              .r8 = arguments[4],
                              .r9 = arguments[5],
                              .rbp = 0x2222222222222222,
                              .r12 = 0x3333333333333333,
                              .r13 = 0x4444444444444444,
                              .r14 = 0x5555555555555555,
                              .r15 = 0x6666666666666666};
}

/* A dead register holds what it held, a return address or flags, or nothing of interest: never an
 * address of the kernel's half. */
static bool is_harmless(uint64_t value, uint64_t before)
{
    return value == before || value < 0x0000800000000000ul;
}

static void check_registers(const struct registers *before, const struct registers *after)
{
    CHECK_EQ(after->rbx, before->rbx);
    CHECK_EQ(after->rbp, before->rbp);
    CHECK_EQ(after->r12, before->r12);
    CHECK_EQ(after->r13, before->r13);
    CHECK_EQ(after->r14, before->r14);
    CHECK_EQ(after->r15, before->r15);
    CHECK(is_harmless(after->rdi, before->rdi));
    CHECK(is_harmless(after->rsi, before->rsi));
    CHECK(is_harmless(after->rdx, before->rdx));
    CHECK(is_harmless(after->r8, before->r8));
    CHECK(is_harmless(after->r9, before->r9));
    CHECK(is_harmless(after->r10, before->r10));
    CHECK(is_harmless(after->rcx, before->rcx));
    CHECK_EQ(after->r11 & ~0xfffful, 0); /* flags at most */
}

static void trap_and_check(uint64_t trap, const uint64_t arguments[6], uint64_t result)
{
    struct registers before = registers_of(trap, arguments), after;

    register_trap(&before, &after, 0);
    check_registers(&before, &after);
    CHECK_EQ((uint32_t)after.rax, (uint32_t)result);
}

TEST(a_simple_trap_keeps_registers)
{
    static const uint64_t none[6] = {~0ul, ~1ul, ~2ul, ~3ul, ~4ul, ~5ul};
    struct registers before = registers_of((uint64_t)TRAP_TASK_SELF, none), after;

    register_trap(&before, &after, 0);
    check_registers(&before, &after);
    CHECK_EQ(after.rax, mach_task_self());
    mach_port_deallocate(mach_task_self(), (mach_port_t)after.rax);
}

TEST(a_trap_that_does_not_exist_keeps_registers)
{
    static const uint64_t none[6] = {~0ul, ~1ul, ~2ul, ~3ul, ~4ul, ~5ul};

    for (int trap = 1; trap < 10; trap++) {
        trap_and_check((uint64_t)-trap, none, KERN_INVALID_ARGUMENT);
    }
}

TEST(a_message_that_is_refused_keeps_registers)
{
    const uint64_t arguments[6] = {IPC_NON_CANONICAL, MACH_SEND_MSG | MACH_RCV_MSG, 64, 64, 1, 0};
    const uint64_t kernel[6] = {IPC_KERNEL_TEXT, MACH_SEND_MSG, 64, 64, 1, 0};

    trap_and_check((uint64_t)TRAP_MACH_MSG, arguments, MACH_SEND_INVALID_DATA);
    trap_and_check((uint64_t)TRAP_MACH_MSG, kernel, MACH_SEND_INVALID_DATA);
}

static void begin_call(struct ipc_message *m, mach_port_t service, mach_port_t reply, uint32_t size)
{
    ipc_begin(m, service, MACH_MSG_TYPE_COPY_SEND, 5);
    m->head.msgh_bits |= MACH_MSGH_BITS(0, MACH_MSG_TYPE_MAKE_SEND_ONCE);
    m->head.msgh_local_port = reply;
    m->head.msgh_size += size;
}

static void call_keeps_registers(uint32_t size, bool own_task)
{
    struct ipc_peer peer;
    mach_port_t reply = mach_reply_port();

    ipc_peer_start(&peer, ipc_peer_echo, own_task);
    for (unsigned i = 0; i < 100; i++) {
        const uint64_t arguments[6] = {(uint64_t)&out,
                                       MACH_SEND_MSG | MACH_RCV_MSG,
                                       sizeof(out.head) + size,
                                       sizeof(out),
                                       reply,
                                       0};

        begin_call(&out, peer.service, reply, size);
        trap_and_check((uint64_t)TRAP_MACH_MSG, arguments, MACH_MSG_SUCCESS);
        CHECK_EQ(out.head.msgh_id, 105);
    }
    ipc_peer_end(&peer);
    ipc_drop(reply);
}

TEST(a_call_of_another_task_keeps_registers)
{
    call_keeps_registers(0, true);
    call_keeps_registers(128, true);
    call_keeps_registers(4096, true);
}
TEST(a_call_of_another_thread_keeps_registers)
{
    call_keeps_registers(0, false);
    call_keeps_registers(4096, false);
}

/* --- vector registers --- */

static bool has_avx(void)
{
    uint32_t eax = 1, ebx, ecx = 0, edx, low, high;

    __asm__("cpuid" : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx));
    if ((ecx & (1u << 28)) == 0 || (ecx & (1u << 27)) == 0) {
        return false;
    }
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (low & 6) == 6;
}

/* mach_msg with all vector registers set before and read after. */
struct vectors {
    uint32_t words[VECTORS][VECTOR_WORDS];
};

static mach_msg_return_t vector_msg(const struct vectors *before, struct vectors *after, bool avx,
                                    struct ipc_message *m, int option, uint32_t send_size,
                                    mach_port_t from)
{
    register uint64_t rcv_size __asm__("r10") = sizeof(*m);
    register uint64_t r8 __asm__("r8") = from;
    register uint64_t r9 __asm__("r9") = 0;
    uint64_t result = (uint64_t)TRAP_MACH_MSG;

    if (avx) {
#define LOAD(n)  "vmovups " #n "*32(%[before]), %%ymm" #n "\n"
#define STORE(n) "vmovups %%ymm" #n ", " #n "*32(%[after])\n"
#define ALL(m)   m(0) m(1) m(2) m(3) m(4) m(5) m(6) m(7) m(8) m(9) m(10) m(11) m(12) m(13) m(14) m(15)
        __asm__ volatile("sub $16, %%rsp\n movq $0, 8(%%rsp)\n" ALL(LOAD) "syscall\n" ALL(
                             STORE) "add $16, %%rsp\n"
                         : "+a"(result), "+r"(rcv_size), "+r"(r8), "+r"(r9)
                         : "D"(m), "S"((uint64_t)option),
                           "d"((uint64_t)send_size), [before] "r"(before), [after] "r"(after)
                         : "rcx", "r11", "memory", "cc");
#undef LOAD
#undef STORE
    } else {
#define LOAD(n)  "movups " #n "*32(%[before]), %%xmm" #n "\n"
#define STORE(n) "movups %%xmm" #n ", " #n "*32(%[after])\n"
        __asm__ volatile("sub $16, %%rsp\n movq $0, 8(%%rsp)\n" ALL(LOAD) "syscall\n" ALL(
                             STORE) "add $16, %%rsp\n"
                         : "+a"(result), "+r"(rcv_size), "+r"(r8), "+r"(r9)
                         : "D"(m), "S"((uint64_t)option),
                           "d"((uint64_t)send_size), [before] "r"(before), [after] "r"(after)
                         : "rcx", "r11", "memory", "cc");
    }
    return (mach_msg_return_t)result;
}

static void fill_vectors(struct vectors *v, uint32_t pattern)
{
    for (unsigned i = 0; i < VECTORS; i++) {
        for (unsigned w = 0; w < VECTOR_WORDS; w++) {
            v->words[i][w] = pattern + i * VECTOR_WORDS + w;
        }
    }
}

/* How many words are neither what they were nor zero. */
static uint32_t foreign_words(const struct vectors *before, const struct vectors *after, bool avx)
{
    uint32_t n = 0;

    for (unsigned i = 0; i < VECTORS; i++) {
        for (unsigned w = 0; w < (avx ? VECTOR_WORDS : VECTOR_WORDS / 2); w++) {
            n += after->words[i][w] != before->words[i][w] && after->words[i][w] != 0;
        }
    }
    return n;
}

static uint32_t get_mxcsr(void)
{
    uint32_t value;

    __asm__ volatile("stmxcsr %0" : "=m"(value));
    return value & ~0x3fu; /* without the exceptions seen */
}

static void set_mxcsr(uint32_t value)
{
    __asm__ volatile("ldmxcsr %0" ::"m"(value));
}

static uint16_t get_x87(void)
{
    uint16_t value;

    __asm__ volatile("fnstcw %0" : "=m"(value));
    return value;
}

static void set_x87(uint16_t value)
{
    __asm__ volatile("fldcw %0" ::"m"(value));
}

static void set_gs_base(uint64_t value)
{
    __asm__ volatile("wrgsbase %0" ::"r"(value));
}

static uint64_t get_gs_base(void)
{
    uint64_t value;

    __asm__ volatile("rdgsbase %0" : "=r"(value));
    return value;
}

static void set_fs_base(uint64_t value)
{
    __asm__ volatile("wrfsbase %0" ::"r"(value));
}

static uint64_t get_fs_base(void)
{
    uint64_t value;

    __asm__ volatile("rdfsbase %0" : "=r"(value));
    return value;
}

#define PEER_PATTERN 0x90000000u
#define PEER_MXCSR   0x3f80u /* flush to zero and round down */
#define PEER_X87     0x0a7fu
#define PEER_GS      0x123456789000ul
#define PEER_FS      0x0fedcba98000ul
#define OWN_PATTERN  0x50000000u
#define OWN_MXCSR    0x5f80u
#define OWN_X87      0x067fu
#define OWN_GS       0x765432100000ul

static bool peer_avx; /* copied into the peer's task */
static bool peer_fsgs;
static struct vectors peer_before, peer_after;
static struct ipc_message peer_message;

/* What the peer found wrong so far. */
static uint32_t peer_errors(void)
{
    uint32_t n = foreign_words(&peer_before, &peer_after, peer_avx);

    n += get_mxcsr() != PEER_MXCSR ? 1000 : 0;
    n += get_x87() != PEER_X87 ? 10000 : 0;
    n += peer_fsgs && get_gs_base() != PEER_GS ? 100000 : 0;
    n += peer_fsgs && get_fs_base() != PEER_FS ? 1000000 : 0;
    return n;
}

/* Answers with its own vectors, and the count of what was not its own. */
static void peer_vectors(mach_port_t service)
{
    uint32_t errors = 0;

    fill_vectors(&peer_before, PEER_PATTERN);
    set_mxcsr(PEER_MXCSR);
    set_x87(PEER_X87);
    if (peer_fsgs) {
        set_gs_base(PEER_GS);
        set_fs_base(PEER_FS);
    }
    vector_msg(&peer_before, &peer_after, peer_avx, &peer_message, MACH_RCV_MSG, 0, service);
    for (;;) {
        uint32_t size = peer_message.head.msgh_size;

        errors += peer_errors();
        ipc_peer_answer(&peer_message);
        *(uint32_t *)peer_message.body = errors;
        vector_msg(&peer_before, &peer_after, peer_avx, &peer_message, MACH_SEND_MSG | MACH_RCV_MSG,
                   size, service);
    }
}

static bool has_fsgsbase(void)
{
    uint32_t eax = 7, ebx, ecx = 0, edx;

    __asm__("cpuid" : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx));
    return (ebx & 1) != 0;
}

/* What a call leaves of the registers that belong to the caller's thread. */
struct controls {
    uint64_t fs, gs;
    uint32_t mxcsr;
    uint16_t x87;
};

/* One call with unusual control words and GS base, which the library does not see. */
static mach_msg_return_t controlled_call(const struct vectors *before, struct vectors *after,
                                         struct controls *seen, mach_port_t reply)
{
    struct controls own = {.mxcsr = get_mxcsr(), .x87 = get_x87()};
    mach_msg_return_t mr;

    if (peer_fsgs) {
        own.fs = get_fs_base();
        own.gs = get_gs_base();
        set_gs_base(OWN_GS);
    }
    set_mxcsr(OWN_MXCSR);
    set_x87(OWN_X87);
    mr = vector_msg(before, after, peer_avx, &out, MACH_SEND_MSG | MACH_RCV_MSG, out.head.msgh_size,
                    reply);
    *seen = (struct controls){.mxcsr = get_mxcsr(), .x87 = get_x87()};
    if (peer_fsgs) {
        seen->fs = get_fs_base();
        seen->gs = get_gs_base();
        set_gs_base(own.gs);
        set_fs_base(own.fs);
    }
    set_mxcsr(own.mxcsr);
    set_x87(own.x87);
    return mr;
}

static void call_with_vectors(bool own_task, int cpu)
{
    struct ipc_peer peer;
    struct vectors before, after;
    struct controls seen;
    mach_port_t reply = mach_reply_port();

    peer_avx = has_avx();
    peer_fsgs = has_fsgsbase();
    fill_vectors(&before, OWN_PATTERN);
    ipc_peer_start(&peer, peer_vectors, own_task);
    CHECK_EQ(thread_bind(peer.thread, cpu), KERN_SUCCESS);
    for (unsigned i = 0; i < 200; i++) {
        begin_call(&out, peer.service, reply, i % 4 == 3 ? 6000 : 8 + i % 4 * 64);
        CHECK_EQ(controlled_call(&before, &after, &seen, reply), MACH_MSG_SUCCESS);
        CHECK_EQ(foreign_words(&before, &after, peer_avx), 0);
        CHECK_EQ(*(uint32_t *)out.body, 0);
        CHECK_EQ(seen.mxcsr, OWN_MXCSR);
        CHECK_EQ(seen.x87, OWN_X87);
        CHECK(!peer_fsgs || (seen.gs == OWN_GS && seen.fs == get_fs_base()));
    }
    ipc_peer_end(&peer);
    ipc_drop(reply);
}

TEST(no_vector_register_control_word_or_base_passes_between_tasks)
{
    call_with_vectors(true, -1);
}
TEST(no_vector_register_control_word_or_base_passes_to_a_bound_thread)
{
    call_with_vectors(true, 0);
}
TEST(no_vector_register_control_word_or_base_passes_between_threads)
{
    call_with_vectors(false, -1);
}

/* The same where the server's buffer has no pages when the call comes: the short way ends as the
 * receiver, which then waits for memory. */
static uint8_t peer_pages[4 * IPC_PAGE_SIZE] __attribute__((aligned(4096)));

static void peer_without_pages(mach_port_t service)
{
    struct ipc_message *m = (struct ipc_message *)peer_pages;
    mach_msg_option_t option = MACH_RCV_MSG;

    if (peer_fsgs) {
        set_gs_base(PEER_GS);
        set_fs_base(PEER_FS);
    }
    for (;;) {
        mach_msg_trap(&m->head, option, m->head.msgh_size, sizeof(peer_pages), service, 0, 0);
        ipc_peer_answer(m);
        *(uint32_t *)m->body = peer_fsgs && (get_gs_base() != PEER_GS || get_fs_base() != PEER_FS);
        option = MACH_SEND_MSG | MACH_RCV_MSG;
    }
}

TEST(a_call_to_a_server_whose_buffer_has_no_pages_keeps_the_bases_of_both)
{
    struct ipc_peer peer;
    struct vectors before, after;
    struct controls seen;
    mach_port_t reply = mach_reply_port();

    peer_avx = has_avx();
    peer_fsgs = has_fsgsbase();
    fill_vectors(&before, OWN_PATTERN);
    ipc_peer_start(&peer, peer_without_pages, true);
    for (unsigned i = 0; i < 20; i++) {
        vm_address_t pages = (vm_address_t)peer_pages;

        CHECK(ipc_wait_blocked(peer.thread));
        CHECK_EQ(vm_deallocate(peer.task, pages, sizeof(peer_pages)), KERN_SUCCESS);
        CHECK_EQ(vm_allocate(peer.task, &pages, sizeof(peer_pages), FALSE), KERN_SUCCESS);
        begin_call(&out, peer.service, reply, i % 2 == 0 ? 8 : 4000);
        CHECK_EQ(controlled_call(&before, &after, &seen, reply), MACH_MSG_SUCCESS);
        CHECK_EQ(*(uint32_t *)out.body, 0);
        CHECK_EQ(foreign_words(&before, &after, peer_avx), 0);
        CHECK(!peer_fsgs || (seen.gs == OWN_GS && seen.fs == get_fs_base()));
    }
    ipc_peer_end(&peer);
    ipc_drop(reply);
}

/* --- what a preempted thread has in its vectors stays, calls or not --- */

static volatile bool spin_stop;
static volatile uint32_t spin_errors;

static void spin_with_vectors(mach_port_t service)
{
    uint32_t value[4] = {service, 0xabcd0001, 0xabcd0002, 0xabcd0003}, seen[4];

    for (;;) {
        __asm__ volatile("movups %1, %%xmm7\n mov $20000, %%ecx\n 1: dec %%ecx\n jnz 1b\n"
                         "movups %%xmm7, %0"
                         : "=m"(seen)
                         : "m"(value)
                         : "ecx", "xmm7");
        for (unsigned i = 0; i < 4; i++) {
            spin_errors += seen[i] != value[i];
        }
        if (spin_stop) {
            ipc_peer_idle();
        }
    }
}

TEST(a_thread_that_is_preempted_by_calls_keeps_its_vectors)
{
    struct ipc_peer spinner, server;
    mach_port_t reply = mach_reply_port();

    spin_stop = false;
    spin_errors = 0;
    ipc_peer_create(&spinner, spin_with_vectors, false);
    ipc_peer_start(&server, peer_vectors, true);
    CHECK_EQ(thread_bind(spinner.thread, 0), KERN_SUCCESS);
    CHECK_EQ(thread_resume(spinner.thread), KERN_SUCCESS);
    for (unsigned i = 0; i < 500; i++) {
        begin_call(&in, server.service, reply, 8);
        CHECK_EQ(mach_msg(&in.head, MACH_SEND_MSG | MACH_RCV_MSG, in.head.msgh_size, sizeof(in),
                          reply, 0, 0),
                 MACH_MSG_SUCCESS);
        CHECK_EQ(*(uint32_t *)in.body, 0);
    }
    spin_stop = true;
    CHECK(ipc_wait_blocked(spinner.thread));
    CHECK_EQ(spin_errors, 0);
    ipc_peer_end(&spinner);
    ipc_peer_end(&server);
    ipc_drop(reply);
}
