/* hv_control_test.c - control registers and modes of a guest, what is delivered across a fault of
 * its memory, and what of the host a guest leaves as it was. */
#include <mach.h>
#include <mach_i386.h>
#include <string.h>

#include "lib/guest.h"
#include "lib/ipc.h"

#define HANDLER     0x5000u
#define POST        0x80u /* a port that takes anything */
#define CR0_NE      0x20u
#define CR0_CD      0x40000000u
#define CR0_NW      0x20000000u
#define CR4_OSXSAVE 0x40000u
#define GDT_SIZE    8u /* descriptors of the host's */

static bool has_xsave(void)
{
    uint32_t a = 1, b, c = 0, d;

    __asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
    return (c & 0x4000000) != 0;
}

static void put_handler(struct guest *g, unsigned vector, const uint8_t *code, const uint8_t *end)
{
    memcpy(g->memory + HANDLER, code, (size_t)(end - code));
    guest_set_gate(g, vector, HANDLER);
}

static int64_t control_word(struct guest *g, unsigned word)
{
    mach_msg_type_number_t n = HV_STATE_MAX;
    hv_state_t state = {0};

    CHECK_EQ(hv_vcpu_get_state(g->vcpu, HV_STATE_CONTROL, state, &n), KERN_SUCCESS);
    return state[word];
}

/* --- control registers --- */

/* Clears NE, sets it, sets CD, all read back; the last changes PE's neighbours, too. */
GUEST_CODE64(cr0_64,
             "movq %cr0, %rax; andl $~0x20, %eax; movq %rax, %cr0; movq %cr0, %r8\n"
             "orl $0x40000020, %eax; movq %rax, %cr0; movq %cr0, %r9\n"
             "orl $0x8, %eax; andl $~0x40000020, %eax; movq %rax, %cr0; movq %cr0, %r10; hlt");

TEST(a_guest_reads_what_it_has_written_to_cr0)
{
    struct guest g;

    if (!GUEST_START(&g, GUEST_LONG, cr0_64)) {
        return;
    }
    CHECK_EQ(guest_run(&g, HV_RUN_HALT_EXITS), HV_EXIT_HALT);
    CHECK_EQ(guest_register(&g, HV_R8), 0x80000011);
    CHECK_EQ(guest_register(&g, HV_R8 + 1), 0xc0000031);
    CHECK_EQ(guest_register(&g, HV_R8 + 2), 0x80000019);
    CHECK_EQ(g.record->cr0, 0x80000019);
    CHECK_EQ(control_word(&g, HV_CR0), 0x80000019);
    guest_destroy(&g);
}

GUEST_CODE64(nw64, "movq %cr0, %rax; orl $0x20000000, %eax; movq %rax, %cr0; hlt");
GUEST_CODE64(faulted64, "popq %rax; popq %rbx; movl $0x99, %r8d; hlt");

/* By the kernel, where it is left for CR0; elsewhere by the processor, but not by QEMU's. */
TEST(cr0_that_goes_with_nothing_is_a_fault_of_the_guest)
{
    struct guest g;

    if (!guest_is_intel() || !GUEST_START(&g, GUEST_LONG, nw64)) {
        return;
    }
    put_handler(&g, 13, faulted64, faulted64_end);
    CHECK_EQ(guest_run(&g, HV_RUN_HALT_EXITS), HV_EXIT_HALT);
    CHECK_EQ(guest_register(&g, HV_R8), 0x99);
    CHECK_EQ(guest_register(&g, HV_RBX), GUEST_CODE + 8);
    CHECK_EQ(control_word(&g, HV_CR0), 0x80000011);
    guest_destroy(&g);
}

/* The bit is in the instruction, from byte 6 on, in R9. */
GUEST_CODE64(cr4_64, "movq %cr4, %r9; orq $0x11223344, %r9; movq %r9, %cr4; movq %cr4, %rcx; hlt");

static void check_cr4(uint32_t bit, bool is_fault)
{
    struct guest g;

    if (!GUEST_START(&g, GUEST_LONG, cr4_64)) {
        return;
    }
    put_handler(&g, 13, faulted64, faulted64_end);
    memcpy(g.memory + GUEST_CODE + 7, &bit, sizeof(bit));
    CHECK_EQ(guest_run(&g, HV_RUN_HALT_EXITS), HV_EXIT_HALT);
    CHECK_EQ(guest_register(&g, HV_R8), is_fault ? 0x99 : 0);
    CHECK_EQ(guest_register(&g, is_fault ? HV_RBX : HV_RCX),
             is_fault ? GUEST_CODE + 11 : (bit | 0x20));
    CHECK_EQ(control_word(&g, HV_CR4), is_fault ? 0x20 : bit | 0x20);
    guest_destroy(&g);
}

TEST(bits_of_cr4_that_a_guest_does_not_have_are_a_fault)
{
    check_cr4(0x80, false);    /* PGE */
    check_cr4(0x608, false);   /* OSFXSR, OSXMMEXCPT, DE */
    check_cr4(0x2000, true);   /* VMXE */
    check_cr4(0x20000, true);  /* PCIDE */
    check_cr4(0x800000, true); /* CET */
}

GUEST_CODE32(cr4_32, "movl %ecx, %cr4; movl %cr4, %edx; movl %ebx, %cr4; movl %cr4, %esi; hlt");

/* What is in the upper half of a register when the guest has come from 64-bit mode. */
TEST(outside_64_bit_mode_cr4_has_32_bits)
{
    const uint64_t upper = 0x5a5a5a5a00000000u;
    mach_msg_type_number_t n = HV_STATE_MAX;
    hv_state_t general;
    struct guest g;

    if (!has_xsave() || !GUEST_START(&g, GUEST_PROTECTED, cr4_32)) {
        return;
    }
    CHECK_EQ(hv_vcpu_get_state(g.vcpu, HV_STATE_GENERAL, general, &n), KERN_SUCCESS);
    general[HV_RCX] = (int64_t)(upper | CR4_OSXSAVE | 0x10);
    general[HV_RBX] = (int64_t)(upper | 0x10);
    CHECK_EQ(hv_vcpu_set_state(g.vcpu, HV_STATE_GENERAL, general, n), KERN_SUCCESS);
    CHECK_EQ(guest_run(&g, HV_RUN_HALT_EXITS), HV_EXIT_HALT);
    CHECK_EQ(guest_register(&g, HV_RDX), CR4_OSXSAVE | 0x10);
    CHECK_EQ(guest_register(&g, HV_RSI), 0x10);
    guest_destroy(&g);
}

GUEST_CODE64(pae64, "xorl %eax, %eax; movq %rax, %cr4; hlt");

TEST(a_guest_in_long_mode_keeps_cr4_pae)
{
    struct guest g;

    if (!GUEST_START(&g, GUEST_LONG, pae64)) {
        return;
    }
    put_handler(&g, 13, faulted64, faulted64_end);
    CHECK_EQ(guest_run(&g, HV_RUN_HALT_EXITS), HV_EXIT_HALT);
    CHECK_EQ(guest_register(&g, HV_R8), 0x99);
    CHECK_EQ(control_word(&g, HV_CR4), 0x20);
    guest_destroy(&g);
}

GUEST_CODE64(cr8_64, "movl $5, %eax; movq %rax, %cr8; outb %al, $0x80; movq %cr8, %r10\n"
                     "movl $16, %ecx; movq %rcx, %cr8; hlt");

TEST(a_guest_has_a_task_priority_of_its_own)
{
    mach_msg_type_number_t n = HV_STATE_MAX;
    hv_state_t state = {0};
    struct guest g;

    if (!GUEST_START(&g, GUEST_LONG, cr8_64)) {
        return;
    }
    put_handler(&g, 13, faulted64, faulted64_end);
    CHECK_EQ(guest_run(&g, 0), HV_EXIT_PORT);
    CHECK_EQ(hv_vcpu_get_state(g.vcpu, HV_STATE_CONTROL, state, &n), KERN_SUCCESS);
    CHECK_EQ(state[HV_CR8], 5);
    state[HV_CR8] = 9;
    CHECK_EQ(hv_vcpu_set_state(g.vcpu, HV_STATE_CONTROL, state, n), KERN_SUCCESS);
    CHECK_EQ(guest_run(&g, HV_RUN_ADVANCE | HV_RUN_HALT_EXITS), HV_EXIT_HALT);
    CHECK_EQ(guest_register(&g, HV_R8 + 2), 9);
    CHECK(!guest_is_intel() || guest_register(&g, HV_R8) == 0x99); /* 16 is none */
    guest_destroy(&g);
}

/* --- modes --- */

/* From real mode through protected mode to long mode, as any kernel starts. */
GUEST_CODE16(start16, "cli; lgdtl 0x2000; movl %cr0, %eax; orb $1, %al; movl %eax, %cr0\n"
                      "ljmpl $24, $0x1100");
GUEST_CODE32(start32, "movw $16, %ax; movw %ax, %ds; movw %ax, %ss; movl %cr4, %eax\n"
                      "orl $0x20, %eax; movl %eax, %cr4; movl $0x10000, %eax; movl %eax, %cr3\n"
                      "movl $0xc0000080, %ecx; rdmsr; orl $0x100, %eax; wrmsr\n"
                      "movl %cr0, %eax; orl $0x80000020, %eax; movl %eax, %cr0\n"
                      "ljmpl $8, $0x1200");
GUEST_CODE64(start64, "movl $0xc0000080, %ecx; rdmsr; movl %eax, %r8d\n"
                      "movq $0x1122334455667788, %r9; outb %al, $0x80; movq %cr0, %r10; hlt");

static void put_start(struct guest *g)
{
    static const struct {
        uint16_t limit;
        uint32_t base;
    } __attribute__((packed)) pointer = {31, GUEST_GDT};
    uint64_t *gdt = (uint64_t *)(g->memory + GUEST_GDT);
    uint64_t *tables = (uint64_t *)(g->memory + GUEST_TABLES);

    memcpy(g->memory + 0x2000, &pointer, sizeof(pointer));
    memcpy(g->memory + 0x1100, start32, (size_t)(start32_end - start32));
    memcpy(g->memory + 0x1200, start64, (size_t)(start64_end - start64));
    gdt[1] = 0x00af9b000000ffffull;
    gdt[2] = 0x00cf93000000ffffull;
    gdt[3] = 0x00cf9b000000ffffull;
    tables[0] = (GUEST_TABLES + 0x1000) | 7;
    tables[512] = (GUEST_TABLES + 0x2000) | 7;
    tables[1024] = 0x87;
}

TEST(a_guest_goes_from_real_to_long_mode_by_itself)
{
    mach_msg_type_number_t n = HV_STATE_MAX;
    hv_state_t segments = {0};
    struct guest g;

    if (!GUEST_START(&g, GUEST_REAL, start16)) {
        return;
    }
    put_start(&g);
    CHECK_EQ(guest_run(&g, HV_RUN_HALT_EXITS), HV_EXIT_PORT);
    CHECK_EQ(guest_register(&g, HV_R8), 0x500);
    CHECK_EQ(guest_register(&g, HV_R8 + 1), 0x1122334455667788);
    CHECK_EQ(g.record->efer, 0x500);
    CHECK_EQ(control_word(&g, HV_EFER), 0x500);
    CHECK_EQ(control_word(&g, HV_CR0) & 0x80000021, 0x80000021);
    CHECK_EQ(hv_vcpu_get_state(g.vcpu, HV_STATE_SEGMENTS, segments, &n), KERN_SUCCESS);
    CHECK_EQ((uint16_t)segments[2 * HV_SEGMENT_CS], 8);
    CHECK_EQ(segments[2 * HV_SEGMENT_CS] >> 16 & 0xffb, 0xa9b);
    CHECK_EQ(hv_vcpu_set_state(g.vcpu, HV_STATE_SEGMENTS, segments, n), KERN_SUCCESS);
    CHECK_EQ(guest_run(&g, HV_RUN_ADVANCE | HV_RUN_HALT_EXITS), HV_EXIT_HALT);
    guest_destroy(&g);
}

GUEST_CODE64(null64, "xorl %eax, %eax; movw %ax, %es; outb %al, $0x80; movw %es, %cx; hlt");

TEST(a_segment_that_is_null_is_not_present_and_stays_so)
{
    mach_msg_type_number_t n = HV_STATE_MAX;
    hv_state_t segments = {0}, again = {0};
    struct guest g;

    if (!GUEST_START(&g, GUEST_LONG, null64)) {
        return;
    }
    CHECK_EQ(guest_run(&g, 0), HV_EXIT_PORT);
    CHECK_EQ(hv_vcpu_get_state(g.vcpu, HV_STATE_SEGMENTS, segments, &n), KERN_SUCCESS);
    CHECK_EQ((uint16_t)segments[2 * HV_SEGMENT_ES], 0);
    CHECK_EQ(segments[2 * HV_SEGMENT_ES] >> 16 & 0x80, 0);
    CHECK_EQ(hv_vcpu_set_state(g.vcpu, HV_STATE_SEGMENTS, segments, n), KERN_SUCCESS);
    CHECK_EQ(guest_run(&g, HV_RUN_ADVANCE | HV_RUN_HALT_EXITS), HV_EXIT_HALT);
    CHECK_EQ(guest_register(&g, HV_RCX), 0);
    CHECK_EQ(hv_vcpu_get_state(g.vcpu, HV_STATE_SEGMENTS, again, &n), KERN_SUCCESS);
    CHECK_EQ(again[2 * HV_SEGMENT_ES] >> 16 & 0x80, 0);
    guest_destroy(&g);
}

/* In real mode a handler finds three words on its stack, whatever was raised. */
GUEST_CODE16(nop16, "nop; hlt");
GUEST_CODE16(real16, "popw %ax; popw %bx; popw %cx; hlt");

TEST(a_fault_in_real_mode_has_no_error_code)
{
    uint32_t vector = 0x00005000; /* 0:5000 */
    struct guest g;

    if (!GUEST_START(&g, GUEST_REAL, nop16)) {
        return;
    }
    memcpy(g.memory + HANDLER, real16, (size_t)(real16_end - real16));
    memcpy(g.memory + 13 * sizeof(vector), &vector, sizeof(vector));
    CHECK_EQ(hv_vcpu_inject(g.vcpu, HV_INJECT_EXCEPTION_ERROR, 13, 0x7777), KERN_SUCCESS);
    CHECK_EQ(guest_run(&g, HV_RUN_HALT_EXITS), HV_EXIT_HALT);
    CHECK_EQ(guest_register(&g, HV_RAX) & 0xffff, GUEST_CODE);
    CHECK_EQ(guest_register(&g, HV_RBX) & 0xffff, 0);
    CHECK_EQ(guest_register(&g, HV_RSP) & 0xffff, GUEST_STACK);
    guest_destroy(&g);
}

/* --- across faults --- */

GUEST_CODE64(fresh64, "movl $0x301000, %esp; sti; nop; nop; outb %al, $0x80");
GUEST_CODE64(once64, "incl %r8d; iretq");

/* What is being delivered when the stack turns out not to be there yet is delivered once. */
static void check_fresh(int kind, int vector)
{
    vm_address_t at = 0x300000;
    struct guest g;

    if (!GUEST_START(&g, GUEST_LONG, fresh64)) {
        return;
    }
    put_handler(&g, kind == HV_INJECT_NMI ? 2 : (unsigned)vector, once64, once64_end);
    CHECK_EQ(vm_allocate(g.machine, &at, IPC_PAGE_SIZE, FALSE), KERN_SUCCESS);
    CHECK_EQ(hv_vcpu_inject(g.vcpu, kind, vector, 0), KERN_SUCCESS);
    CHECK_EQ(guest_run(&g, 0), HV_EXIT_PORT);
    CHECK_EQ(guest_register(&g, HV_R8), 1);
    guest_destroy(&g);
}

TEST(an_interrupt_is_delivered_once_across_a_fault)
{
    check_fresh(HV_INJECT_INTERRUPT, 0x40);
}

/* --- the host --- */

TEST(a_guest_leaves_the_descriptors_of_the_host_as_they_were)
{
    unsigned there = 0;
    struct guest g;

    if (!GUEST_START(&g, GUEST_REAL, nop16)) {
        return;
    }
    CHECK_EQ(guest_run(&g, HV_RUN_HALT_EXITS), HV_EXIT_HALT);
    for (uint64_t selector = GDT_SIZE * 8 | 3; selector < 0x10000; selector += 8) {
        bool is_there;

        __asm__ volatile("lsl %1, %1" : "=@ccz"(is_there), "+r"(selector));
        there += is_there;
    }
    CHECK_EQ(there, 0);
    guest_destroy(&g);
}

TEST(a_guest_leaves_a_task_its_ports)
{
    mach_port_t range = MACH_PORT_NULL;
    struct guest g;

    if (!GUEST_START(&g, GUEST_REAL, nop16)) {
        return;
    }
    CHECK_EQ(i386_io_perm_create(portolan_port("hardware"), POST, POST, &range), KERN_SUCCESS);
    CHECK_EQ(i386_io_perm_modify(mach_task_self(), range, TRUE), KERN_SUCCESS);
    __asm__ volatile("outb %%al, $0x80" ::"a"(0));
    CHECK_EQ(guest_run(&g, HV_RUN_HALT_EXITS), HV_EXIT_HALT);
    __asm__ volatile("outb %%al, $0x80" ::"a"(0));
    CHECK_EQ(i386_io_perm_modify(mach_task_self(), range, FALSE), KERN_SUCCESS);
    ipc_drop(range);
    guest_destroy(&g);
}
