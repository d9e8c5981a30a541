/* hv_guest_test.c - the smallest guests: each reason to leave one, in real, protected and long
 * mode. */
#include <mach.h>
#include <string.h>

#include "lib/guest.h"

#define USER_SEGMENT 0x600003 /* privilege level 3, in attributes and selector */
#define XMM3         26       /* in HV_STATE_VECTORS */

GUEST_CODE16(halt16, "hlt; hlt");

TEST(a_guest_halts)
{
    struct guest g;

    if (!GUEST_START(&g, GUEST_REAL, halt16)) {
        return;
    }
    CHECK_EQ(guest_run(&g, HV_RUN_HALT_EXITS), HV_EXIT_HALT);
    CHECK_EQ(guest_register(&g, HV_RIP), GUEST_CODE + 1);
    CHECK_EQ(guest_run(&g, HV_RUN_HALT_EXITS), HV_EXIT_HALT);
    CHECK_EQ(guest_register(&g, HV_RIP), GUEST_CODE + 2);
    guest_destroy(&g);
}

GUEST_CODE16(cpuid16, "xorl %eax, %eax; cpuid; hlt");

TEST(cpuid_is_answered_by_the_kernel)
{
    uint32_t a = 0, b, c = 0, d;
    struct guest g;

    if (!GUEST_START(&g, GUEST_REAL, cpuid16)) {
        return;
    }
    CHECK_EQ(guest_run(&g, HV_RUN_HALT_EXITS), HV_EXIT_HALT);
    CHECK(guest_register(&g, HV_RAX) >= 1);
    __asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
    CHECK_EQ(guest_register(&g, HV_RBX), b); /* the same maker */
    CHECK(g.record->exits >= 2);
    guest_destroy(&g);
}

GUEST_CODE64(features64, "movl $1, %eax; cpuid; movl %ecx, %r8d\n"
                         "movl $0x80000001, %eax; cpuid; movl %ecx, %r9d\n"
                         "movl $0x40000000, %eax; cpuid; movl %ebx, %r10d\n"
                         "movl $0x14, %eax; xorl %ecx, %ecx; cpuid; hlt");

TEST(a_guest_sees_no_features_that_it_does_not_have)
{
    struct guest g;

    if (!GUEST_START(&g, GUEST_LONG, features64)) {
        return;
    }
    CHECK_EQ(guest_run(&g, HV_RUN_HALT_EXITS), HV_EXIT_HALT);
    CHECK_EQ(guest_register(&g, HV_R8) & 0x08000020, 0);          /* OSXSAVE; VMX */
    CHECK_EQ(guest_register(&g, HV_R8) & 0x80000000, 0x80000000); /* a hypervisor */
    CHECK_EQ(guest_register(&g, HV_R8 + 1) & 4, 0);               /* SVM */
    CHECK_EQ(guest_register(&g, HV_R8 + 2), 0x74726f50);          /* "Port" */
    CHECK_EQ(guest_register(&g, HV_RAX), 0);
    guest_destroy(&g);
}

/* --- ports --- */

GUEST_CODE16(ports16, "movw $0x1234, %dx; movb $0x5a, %al; outb %al, %dx\n"
                      "movl $0xdeadbeef, %eax; outl %eax, $0x80\n"
                      "xorl %eax, %eax; inb $0x81, %al; inw $0x82, %ax; hlt");

TEST(ports_are_the_monitors)
{
    struct guest g;

    if (!GUEST_START(&g, GUEST_REAL, ports16)) {
        return;
    }
    CHECK_EQ(guest_run(&g, 0), HV_EXIT_PORT);
    CHECK_EQ(g.record->address, 0x1234);
    CHECK_EQ(g.record->value, 0x5a);
    CHECK_EQ(g.record->size, 1);
    CHECK_EQ(g.record->length, 1);
    CHECK_EQ(g.record->qualification, 0);
    CHECK_EQ(guest_run(&g, HV_RUN_ADVANCE), HV_EXIT_PORT);
    CHECK_EQ(g.record->address, 0x80);
    CHECK_EQ(g.record->value, 0xdeadbeef);
    CHECK_EQ(g.record->size, 4);
    CHECK_EQ(guest_run(&g, HV_RUN_ADVANCE), HV_EXIT_PORT);
    CHECK_EQ(g.record->address, 0x81);
    CHECK_EQ(g.record->qualification, HV_PORT_IN);
    g.record->registers[HV_RAX] = 0x77;
    CHECK_EQ(guest_run(&g, HV_RUN_ADVANCE | HV_RUN_REGISTERS), HV_EXIT_PORT);
    CHECK_EQ(g.record->address, 0x82);
    CHECK_EQ(g.record->size, 2);
    CHECK_EQ(guest_register(&g, HV_RAX), 0x77);
    guest_destroy(&g);
}

TEST(without_advance_the_instruction_comes_again)
{
    struct guest g;

    if (!GUEST_START(&g, GUEST_REAL, ports16)) {
        return;
    }
    CHECK_EQ(guest_run(&g, 0), HV_EXIT_PORT);
    CHECK_EQ(guest_run(&g, 0), HV_EXIT_PORT);
    CHECK_EQ(g.record->address, 0x1234);
    guest_destroy(&g);
}

GUEST_CODE16(strings16, "movw $0x3000, %si; movw $4, %cx; movw $0x90, %dx; rep outsb; hlt");

TEST(string_instructions_are_told_apart)
{
    struct guest g;

    if (!GUEST_START(&g, GUEST_REAL, strings16)) {
        return;
    }
    CHECK_EQ(guest_run(&g, 0), HV_EXIT_PORT);
    CHECK_EQ(g.record->address, 0x90);
    CHECK_EQ(g.record->qualification, HV_PORT_STRING | HV_PORT_REPEAT);
    CHECK_EQ(guest_register(&g, HV_RCX), 4);
    guest_destroy(&g);
}

/* --- MSRs --- */

GUEST_CODE32(
    msrs32,
    "movl $0x1b, %ecx; rdmsr; movl $0xc0010015, %ecx; movl $5, %eax; movl $6, %edx; wrmsr; hlt");

TEST(msrs_the_kernel_does_not_have_are_the_monitors)
{
    struct guest g;

    if (!GUEST_START(&g, GUEST_PROTECTED, msrs32)) {
        return;
    }
    CHECK_EQ(guest_run(&g, 0), HV_EXIT_MSR_READ);
    CHECK_EQ(g.record->address, 0x1b);
    CHECK_EQ(g.record->length, 2);
    CHECK_EQ(guest_run(&g, HV_RUN_ADVANCE), HV_EXIT_MSR_WRITE);
    CHECK_EQ(g.record->address, 0xc0010015);
    CHECK_EQ(g.record->value, 0x600000005);
    CHECK_EQ(guest_run(&g, HV_RUN_ADVANCE | HV_RUN_HALT_EXITS), HV_EXIT_HALT);
    guest_destroy(&g);
}

GUEST_CODE64(efer64,
             "movl $0xc0000080, %ecx; rdmsr; movl %eax, %r8d; orl $0x801, %eax; wrmsr; rdmsr\n"
             "movl %eax, %r9d; movl $0xc0000082, %ecx; movl $0x1234, %eax; xorl %edx, %edx; wrmsr\n"
             "xorl %eax, %eax; rdmsr; movl %eax, %r10d; hlt");

TEST(a_guest_has_an_efer_and_system_call_registers_of_its_own)
{
    struct guest g;

    if (!GUEST_START(&g, GUEST_LONG, efer64)) {
        return;
    }
    CHECK_EQ(guest_run(&g, HV_RUN_HALT_EXITS), HV_EXIT_HALT);
    CHECK_EQ(guest_register(&g, HV_R8), 0x500); /* no SVME */
    CHECK_EQ(guest_register(&g, HV_R8 + 1), 0xd01);
    CHECK_EQ(guest_register(&g, HV_R8 + 2), 0x1234);
    guest_destroy(&g);
}

/* #GP goes to the handler, which stops with what it found on its stack. */
GUEST_CODE64(badefer64, "movl $0xc0000080, %ecx; movl $0x1500, %eax; xorl %edx, %edx; wrmsr; hlt");
GUEST_CODE64(faulted64, "popq %rax; popq %rbx; movl $0x99, %r8d; hlt");

static void put_code(struct guest *g, uint64_t address, const uint8_t *code, const uint8_t *end)
{
    memcpy(g->memory + address, code, (size_t)(end - code));
}

TEST(efer_bits_that_are_not_there_are_a_fault_of_the_guest)
{
    struct guest g;

    if (!GUEST_START(&g, GUEST_LONG, badefer64)) {
        return;
    }
    put_code(&g, 0x5000, faulted64, faulted64_end);
    guest_set_gate(&g, 13, 0x5000);
    CHECK_EQ(guest_run(&g, HV_RUN_HALT_EXITS), HV_EXIT_HALT);
    CHECK_EQ(guest_register(&g, HV_R8), 0x99);
    CHECK_EQ(guest_register(&g, HV_RAX), 0); /* error code */
    CHECK_EQ(guest_register(&g, HV_RBX), GUEST_CODE + 12);
    guest_destroy(&g);
}

/* --- instructions a guest does not have --- */

#define UNDEFINED(name, text)                                                                      \
    GUEST_CODE64(name##64, text "; hlt");                                                          \
    TEST(a_guest_has_no_##name)                                                                    \
    {                                                                                              \
        struct guest g;                                                                            \
                                                                                                   \
        if (!GUEST_START(&g, GUEST_LONG, name##64)) {                                              \
            return;                                                                                \
        }                                                                                          \
        put_code(&g, 0x5000, faulted64, faulted64_end);                                            \
        guest_set_gate(&g, 6, 0x5000);                                                             \
        CHECK_EQ(guest_run(&g, HV_RUN_HALT_EXITS), HV_EXIT_HALT);                                  \
        CHECK_EQ(guest_register(&g, HV_R8), 0x99);                                                 \
        guest_destroy(&g);                                                                         \
    }

UNDEFINED(vmrun, "movl $0x1000, %eax; .byte 0x0f, 0x01, 0xd8")
UNDEFINED(vmload, "movl $0x1000, %eax; .byte 0x0f, 0x01, 0xda")
UNDEFINED(vmsave, "movl $0x1000, %eax; .byte 0x0f, 0x01, 0xdb")
UNDEFINED(stgi, ".byte 0x0f, 0x01, 0xdc")
UNDEFINED(clgi, ".byte 0x0f, 0x01, 0xdd")
UNDEFINED(monitor, "movl $0x1000, %eax; xorl %ecx, %ecx; xorl %edx, %edx; monitor")

/* --- memory --- */

GUEST_CODE32(
    touch32,
    "movl $0x300000, %ebx; movl (%ebx), %eax; movl $0x1234, (%ebx); movl (%ebx), %ecx; hlt");

TEST(fresh_memory_is_there_when_it_is_touched)
{
    vm_address_t at = 0x300000;
    struct guest g;
    vm_offset_t data = 0;
    mach_msg_type_number_t n = 0;

    if (!GUEST_START(&g, GUEST_PROTECTED, touch32)) {
        return;
    }
    CHECK_EQ(vm_allocate(g.machine, &at, 0x1000, FALSE), KERN_SUCCESS);
    CHECK_EQ(guest_run(&g, HV_RUN_HALT_EXITS), HV_EXIT_HALT);
    CHECK_EQ(guest_register(&g, HV_RAX), 0);
    CHECK_EQ(guest_register(&g, HV_RCX), 0x1234);
    CHECK_EQ(vm_read(g.machine, 0x300000, 0x1000, &data, &n), KERN_SUCCESS);
    CHECK_EQ(*(uint32_t *)data, 0x1234);
    vm_deallocate(mach_task_self(), data, n);
    guest_destroy(&g);
}

TEST(where_no_memory_is_the_monitor_is_asked)
{
    struct guest g;

    if (!GUEST_START(&g, GUEST_PROTECTED, touch32)) {
        return;
    }
    CHECK_EQ(guest_run(&g, 0), HV_EXIT_MEMORY);
    CHECK_EQ(g.record->address, 0x300000);
    CHECK_EQ(g.record->qualification, 0);
    CHECK_EQ(g.record->value, KERN_INVALID_ADDRESS);
    CHECK_EQ(guest_register(&g, HV_RIP), GUEST_CODE + 5);
    CHECK_EQ(g.record->instruction_count, 15);
    CHECK_EQ(memcmp((const void *)g.record->instruction, touch32 + 5, 8), 0);
    g.record->registers[HV_RAX] = 0x55; /* as if it had read that */
    g.record->registers[HV_RIP] += 2;
    CHECK_EQ(guest_run(&g, HV_RUN_REGISTERS), HV_EXIT_MEMORY);
    CHECK_EQ(g.record->qualification, HV_MEMORY_WRITE);
    CHECK_EQ(guest_register(&g, HV_RAX), 0x55);
    guest_destroy(&g);
}

TEST(memory_that_may_not_be_written_is_not)
{
    vm_address_t at = 0x300000;
    struct guest g;

    if (!GUEST_START(&g, GUEST_PROTECTED, touch32)) {
        return;
    }
    CHECK_EQ(vm_allocate(g.machine, &at, 0x1000, FALSE), KERN_SUCCESS);
    CHECK_EQ(vm_protect(g.machine, at, 0x1000, FALSE, VM_PROT_READ), KERN_SUCCESS);
    CHECK_EQ(guest_run(&g, 0), HV_EXIT_MEMORY);
    CHECK_EQ(g.record->address, 0x300000);
    CHECK_EQ(g.record->qualification, HV_MEMORY_WRITE);
    CHECK_EQ(g.record->value, KERN_PROTECTION_FAILURE);
    CHECK_EQ(guest_register(&g, HV_RAX), 0);
    guest_destroy(&g);
}

/* The instruction lies across two pages, which are not neighbours in memory; then the second is not
 * there. */
GUEST_CODE64(moved64, "movl %eax, 0x300000; jmp .");

static void put_across(struct guest *g, uint64_t *entries)
{
    uint64_t *tables = (uint64_t *)(g->memory + GUEST_TABLES);

    tables[1024 + 1] = (GUEST_TABLES + 0x3000) | 7; /* 2-4 MiB, page by page */
    tables[1536] = entries[0];
    tables[1537] = entries[1];
    tables[1536 + 0x100] = 0x300007;
    memcpy(g->memory + 0x40fff, moved64, 1);
    memcpy(g->memory + 0x60000, moved64 + 1, 8);
}

TEST(an_instruction_across_pages_is_told_whole)
{
    hv_state_t general = {[HV_RSP] = GUEST_STACK, [HV_RIP] = 0x200fff, [HV_RFLAGS] = 2};
    struct guest g;

    if (!GUEST_START(&g, GUEST_LONG, halt16)) {
        return;
    }
    put_across(&g, (uint64_t[]){0x40007, 0x60007});
    CHECK_EQ(hv_vcpu_set_state(g.vcpu, HV_STATE_GENERAL, general, HV_GENERAL_COUNT), KERN_SUCCESS);
    CHECK_EQ(guest_run(&g, 0), HV_EXIT_MEMORY);
    CHECK_EQ(g.record->address, 0x300000);
    CHECK_EQ(g.record->instruction_count, 15);
    CHECK_EQ(memcmp((const void *)g.record->instruction, moved64, 7), 0);
    guest_destroy(&g);
}

GUEST_CODE32(paged32, "movl $0x1, 0x300000; hlt");

/* Page tables of other modes: as for CR3 and CR4; both have 0x300000 where no memory is. */
static void check_paged(int64_t cr4, uint64_t first, uint64_t second)
{
    hv_state_t control;
    mach_msg_type_number_t n = HV_STATE_MAX;
    struct guest g;

    if (!GUEST_START(&g, GUEST_PROTECTED, paged32)) {
        return;
    }
    *(uint64_t *)(g.memory + GUEST_TABLES) = first;
    *(uint64_t *)(g.memory + GUEST_TABLES + 0x1000) = second;
    *(uint64_t *)(g.memory + GUEST_TABLES + 0x1008) = 0x200000 | second;
    CHECK_EQ(hv_vcpu_get_state(g.vcpu, HV_STATE_CONTROL, control, &n), KERN_SUCCESS);
    control[HV_CR0] |= 0x80000000;
    control[HV_CR3] = GUEST_TABLES;
    control[HV_CR4] = cr4;
    CHECK_EQ(hv_vcpu_set_state(g.vcpu, HV_STATE_CONTROL, control, n), KERN_SUCCESS);
    CHECK_EQ(guest_run(&g, 0), HV_EXIT_MEMORY);
    CHECK_EQ(g.record->address, 0x300000);
    CHECK_EQ(g.record->qualification & HV_MEMORY_WRITE, HV_MEMORY_WRITE);
    CHECK_EQ(g.record->instruction_count, 15);
    CHECK_EQ(memcmp((const void *)g.record->instruction, paged32, 10), 0);
    guest_destroy(&g);
}

TEST(instructions_are_found_by_page_tables_of_each_kind)
{
    check_paged(0x10, 0x87, 0);                     /* 4 MiB pages */
    check_paged(0x20, GUEST_TABLES + 0x1001, 0x87); /* PAE, 2 MiB pages */
}

GUEST_CODE32(beyond32, "movl $0x300000, %ebx; jmp *%ebx");

TEST(code_beyond_memory_is_a_fetch)
{
    struct guest g;

    if (!GUEST_START(&g, GUEST_PROTECTED, beyond32)) {
        return;
    }
    CHECK_EQ(guest_run(&g, 0), HV_EXIT_MEMORY);
    CHECK_EQ(g.record->address, 0x300000);
    CHECK_EQ(g.record->qualification & HV_MEMORY_FETCH, HV_MEMORY_FETCH);
    guest_destroy(&g);
}

TEST(memory_taken_away_is_gone_at_once)
{
    vm_address_t at = 0x300000;
    struct guest g;

    if (!GUEST_START(&g, GUEST_PROTECTED, touch32)) {
        return;
    }
    CHECK_EQ(vm_allocate(g.machine, &at, 0x1000, FALSE), KERN_SUCCESS);
    CHECK_EQ(guest_run(&g, HV_RUN_HALT_EXITS), HV_EXIT_HALT);
    CHECK_EQ(vm_deallocate(g.machine, at, 0x1000), KERN_SUCCESS);
    g.record->registers[HV_RIP] = GUEST_CODE;
    CHECK_EQ(guest_run(&g, HV_RUN_REGISTERS), HV_EXIT_MEMORY);
    CHECK_EQ(g.record->address, 0x300000);
    guest_destroy(&g);
}

/* --- the end --- */

GUEST_CODE64(triple64, "lidt 1f(%rip); ud2; 1: .word 0; .quad 0");

TEST(a_triple_fault_is_a_shutdown)
{
    struct guest g;

    if (!GUEST_START(&g, GUEST_LONG, triple64)) {
        return;
    }
    CHECK_EQ(guest_run(&g, 0), HV_EXIT_SHUTDOWN);
    guest_destroy(&g);
}

GUEST_CODE64(hypercall64, "movl $7, %eax; movl $8, %ebx; vmmcall; hlt");

TEST(a_hypercall_is_the_monitors)
{
    struct guest g;

    if (!GUEST_START(&g, GUEST_LONG, hypercall64)) {
        return;
    }
    CHECK_EQ(guest_run(&g, 0), HV_EXIT_HYPERCALL);
    CHECK_EQ(guest_register(&g, HV_RAX), 7);
    CHECK_EQ(guest_register(&g, HV_RBX), 8);
    CHECK_EQ(g.record->length, 3);
    CHECK_EQ(guest_run(&g, HV_RUN_ADVANCE | HV_RUN_HALT_EXITS), HV_EXIT_HALT);
    guest_destroy(&g);
}

GUEST_CODE64(time64, "movl $0x504f5201, %ebx; movq %rbx, %rax; vmmcall; movq %rax, %r8\n"
                     "movq %rbx, %rax; vmmcall; hlt");

TEST(the_time_is_a_hypercall_of_the_kernels)
{
    struct guest g;

    if (!GUEST_START(&g, GUEST_LONG, time64)) {
        return;
    }
    CHECK_EQ(guest_run(&g, HV_RUN_HALT_EXITS), HV_EXIT_HALT);
    CHECK(guest_register(&g, HV_R8) != 0);
    CHECK(guest_register(&g, HV_RAX) >= guest_register(&g, HV_R8));
    guest_destroy(&g);
}

/* Let others run, a number nobody knows to this kernel, then as a user, who may not. */
GUEST_CODE64(yield64, "movl $0x504f5202, %eax; vmmcall; movq %rax, %r8; hlt; vmmcall");

TEST(a_guest_lets_others_run_and_its_users_ask_nothing)
{
    mach_msg_type_number_t n = HV_STATE_MAX;
    hv_state_t state;
    struct guest g;

    if (!GUEST_START(&g, GUEST_LONG, yield64)) {
        return;
    }
    CHECK_EQ(guest_run(&g, HV_RUN_HALT_EXITS), HV_EXIT_HALT);
    CHECK_EQ(guest_register(&g, HV_R8), 0);
    CHECK_EQ(hv_vcpu_get_state(g.vcpu, HV_STATE_SEGMENTS, state, &n), KERN_SUCCESS);
    state[2 * HV_SEGMENT_CS] |= USER_SEGMENT;
    state[2 * HV_SEGMENT_SS] |= USER_SEGMENT;
    CHECK_EQ(hv_vcpu_set_state(g.vcpu, HV_STATE_SEGMENTS, state, n), KERN_SUCCESS);
    CHECK_EQ(guest_run(&g, 0), HV_EXIT_SHUTDOWN); /* #UD, for which it has no handler */
    guest_destroy(&g);
}

GUEST_CODE64(vectors64, "movq %cr4, %rax; orl $0x600, %eax; movq %rax, %cr4\n" /* SSE */
                        "movq %rsp, %xmm3; outb %al, $0x80; movq %xmm3, %rcx; hlt");

TEST(vector_registers_are_the_guests_own)
{
    uint64_t mine = 0x1122334455667788, still;
    mach_msg_type_number_t n = HV_STATE_MAX;
    hv_state_t state;
    struct guest g;

    if (!GUEST_START(&g, GUEST_LONG, vectors64)) {
        return;
    }
    CHECK_EQ(guest_run(&g, 0), HV_EXIT_PORT);
    CHECK_EQ(hv_vcpu_get_state(g.vcpu, HV_STATE_VECTORS, state, &n), KERN_SUCCESS);
    CHECK_EQ(state[XMM3], GUEST_STACK);
    state[XMM3] += 8;
    CHECK_EQ(hv_vcpu_set_state(g.vcpu, HV_STATE_VECTORS, state, n), KERN_SUCCESS);
    __asm__ volatile("movq %0, %%xmm3" ::"r"(mine) : "xmm3");
    CHECK_EQ(guest_run(&g, HV_RUN_ADVANCE | HV_RUN_HALT_EXITS), HV_EXIT_HALT);
    CHECK_EQ(guest_register(&g, HV_RCX), GUEST_STACK + 8);
    __asm__ volatile("movq %%xmm3, %0" : "=r"(still));
    CHECK(still != GUEST_STACK && still != GUEST_STACK + 8);
    guest_destroy(&g);
}

GUEST_CODE64(debug64, "movl $0x4321, %eax; movq %rax, %dr0; outb %al, $0x80; movq %dr0, %rcx; hlt");

TEST(debug_registers_are_the_guests_own)
{
    struct guest a, b;

    if (!GUEST_START(&a, GUEST_LONG, debug64)) {
        return;
    }
    CHECK(GUEST_START(&b, GUEST_LONG, debug64));
    b.memory[GUEST_CODE + 1] = 0x11; /* 0x4311 */
    CHECK_EQ(guest_run(&a, 0), HV_EXIT_PORT);
    CHECK_EQ(guest_run(&b, 0), HV_EXIT_PORT);
    CHECK_EQ(guest_run(&a, HV_RUN_ADVANCE | HV_RUN_HALT_EXITS), HV_EXIT_HALT);
    CHECK_EQ(guest_run(&b, HV_RUN_ADVANCE | HV_RUN_HALT_EXITS), HV_EXIT_HALT);
    CHECK_EQ(guest_register(&a, HV_RCX), 0x4321);
    CHECK_EQ(guest_register(&b, HV_RCX), 0x4311);
    guest_destroy(&a);
    guest_destroy(&b);
}

GUEST_CODE64(steps64, "nop; nop; nop; hlt");
GUEST_CODE64(debugged64, "movl $1, %ecx; hlt");

/* QEMU 7.2 stops at no breakpoint that it has from a VMCB. */
static bool has_breakpoints(void)
{
    uint32_t a = 0x40000000u, b, c = 0, d;

    __asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
    return guest_is_intel() || b != 0x54474354u; /* TCGT */
}

/* A breakpoint that was never written by the guest itself: that of a machine that was moved here.
 */
TEST(a_breakpoint_can_be_set_by_the_monitor)
{
    hv_state_t control;
    mach_msg_type_number_t n = HV_STATE_MAX;
    struct guest g;

    if (!has_breakpoints() || !GUEST_START(&g, GUEST_LONG, steps64)) {
        return;
    }
    memcpy(g.memory + 0x5000, debugged64, (size_t)(debugged64_end - debugged64));
    guest_set_gate(&g, 1, 0x5000);
    CHECK_EQ(hv_vcpu_get_state(g.vcpu, HV_STATE_CONTROL, control, &n), KERN_SUCCESS);
    control[HV_DR0] = GUEST_CODE + 2;
    control[HV_DR7] |= 2; /* enabled, of instructions */
    CHECK_EQ(hv_vcpu_set_state(g.vcpu, HV_STATE_CONTROL, control, n), KERN_SUCCESS);
    CHECK_EQ(guest_run(&g, HV_RUN_HALT_EXITS), HV_EXIT_HALT);
    CHECK_EQ(guest_register(&g, HV_RCX), 1);
    guest_destroy(&g);
}
