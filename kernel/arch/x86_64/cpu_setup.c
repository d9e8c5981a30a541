/* cpu_setup.c - descriptor tables, control registers and system call registers of a processor.
 *
 * The interrupt stacks of NMI, double fault and machine check are separate (IST 1-3), since these
 * come at any instruction. */
#include "arch/cpu_setup.h"

#include "arch/cpu.h"
#include "arch/cpu_features.h"
#include "arch/io.h"
#include "arch/pcb.h"
#include "kern/assert.h"
#include "kern/string.h"

#define IST_STACK_SIZE      8192
#define IDT_ENTRIES         256
#define TSS_BUSY            (2ull << 40)
#define RFLAGS_SYSCALL_MASK 0x47700u /* TF IF DF IOPL NT AC cleared on system calls */

struct idt_gate {
    uint16_t offset_low;
    uint16_t selector;
    uint8_t ist;
    uint8_t type;
    uint16_t offset_middle;
    uint32_t offset_high;
    uint32_t reserved;
} __attribute__((packed));

struct table_pointer {
    uint16_t limit;
    uint64_t base;
} __attribute__((packed));

struct smap_site {
    uint8_t *instruction;
    uint64_t is_stac;
};

struct cpu cpu_table[CPU_MAX];
uint32_t cpu_count = 1;

static struct tss cpu_setup_tss[CPU_MAX];
static uint64_t cpu_setup_gdt[CPU_MAX][8];
static uint8_t cpu_setup_ist[CPU_MAX][3][IST_STACK_SIZE] __attribute__((aligned(16)));
static struct idt_gate cpu_setup_idt_table[IDT_ENTRIES];

extern const uint64_t trap_vector_stubs[IDT_ENTRIES];
extern const struct smap_site smap_table_start[], smap_table_end[];
extern void syscall_entry(void);

static_assert(__builtin_offsetof(struct cpu, current) == 0, "entry.asm");
static_assert(__builtin_offsetof(struct cpu, kernel_stack_top) == 8, "entry.asm");
static_assert(__builtin_offsetof(struct cpu, scratch) == 16, "entry.asm");
static_assert(__builtin_offsetof(struct cpu, preempt_count) == 24, "cpu.h");
static_assert(__builtin_offsetof(struct cpu, ast) == 28, "entry.asm");
static_assert(__builtin_offsetof(struct cpu, self) == 40, "cpu.h");
static_assert(__builtin_offsetof(struct cpu, number) == 48, "cpu.h");
static_assert(sizeof(struct trap_frame) == TRAP_FRAME_SIZE, "entry.asm");
static_assert(__builtin_offsetof(struct trap_frame, rip) == 136, "entry.asm");
static_assert(__builtin_offsetof(struct pcb, kernel_rsp) == 176, "entry.asm");
static_assert(__builtin_offsetof(struct pcb, gs_base) == 200, "entry.asm");
static_assert(__builtin_offsetof(struct pcb, return_by_iret) == 216, "entry.asm");
static_assert(__builtin_offsetof(struct tss, ist) == 36, "Intel SDM volume 3A, 8.7");
static_assert(__builtin_offsetof(struct tss, io_map_base) == 102, "Intel SDM volume 3A, 8.7");

void cpu_setup_idt(void)
{
    static bool filled;
    struct table_pointer pointer = {sizeof(cpu_setup_idt_table) - 1, (uint64_t)cpu_setup_idt_table};

    for (unsigned i = 0; !filled && i < IDT_ENTRIES; i++) {
        struct idt_gate *gate = &cpu_setup_idt_table[i];
        uint64_t stub = trap_vector_stubs[i];
        bool user = i == 3 || i == 4; /* int3 and into are for everybody */

        gate->offset_low = (uint16_t)stub;
        gate->offset_middle = (uint16_t)(stub >> 16);
        gate->offset_high = (uint32_t)(stub >> 32);
        gate->selector = SELECTOR_KERNEL_CODE;
        gate->ist = i == 2 ? 1 : i == 8 ? 2 : i == 18 ? 3 : 0;
        gate->type = user ? 0xee : 0x8e;
    }
    filled = true;
    __asm__ volatile("lidt %0" ::"m"(pointer));
}

static void cpu_setup_gdt_and_tss(struct cpu *cpu)
{
    struct tss *tss = &cpu_setup_tss[cpu->number];
    uint64_t *gdt = cpu_setup_gdt[cpu->number];
    uint64_t base = (uint64_t)tss;
    uint64_t limit = sizeof(*tss) - 1;
    struct table_pointer pointer = {sizeof(cpu_setup_gdt[0]) - 1, (uint64_t)gdt};

    memset(tss, 0, sizeof(*tss));
    memset(tss->io_bitmap, 0xff, sizeof(tss->io_bitmap));
    for (unsigned i = 0; i < 3; i++) {
        uint64_t top = (uint64_t)cpu_setup_ist[cpu->number][i] + IST_STACK_SIZE - 16;

        *(struct cpu **)top = cpu; /* for entry.asm, which cannot trust %gs there */
        tss->ist[i] = top;
    }
    tss->io_map_base = sizeof(*tss); /* behind the limit: no ports */
    gdt[0] = 0;
    gdt[1] = 0x00af9a000000ffffull; /* kernel code */
    gdt[2] = 0x00cf92000000ffffull; /* kernel data */
    gdt[3] = 0;                     /* where 32-bit user code would be */
    gdt[4] = 0x00cff2000000ffffull; /* user data */
    gdt[5] = 0x00affa000000ffffull; /* user code */
    gdt[6] = (limit & 0xffff) | (base & 0xffffff) << 16 | 0x89ull << 40 | (base >> 24 & 0xff) << 56;
    gdt[7] = base >> 32;
    cpu->tss = tss;
    cpu->tss_rsp0 = (uint64_t *)((uint8_t *)tss + 4);
    __asm__ volatile("lgdt %0" ::"m"(pointer));
    __asm__ volatile("pushq %0; leaq 1f(%%rip), %%rax; pushq %%rax; lretq; 1:" ::"i"(
                         (uint64_t)SELECTOR_KERNEL_CODE)
                     : "rax", "memory");
    __asm__ volatile("movw %w0, %%ss" ::"r"(SELECTOR_KERNEL_DATA));
    __asm__ volatile("movw %w0, %%ds; movw %w0, %%es; movw %w0, %%fs; movw %w0, %%gs" ::"r"(0));
    __asm__ volatile("ltr %w0" ::"r"(SELECTOR_TSS));
}

uint64_t cpu_setup_gdt_base(const struct cpu *cpu)
{
    return (uint64_t)cpu_setup_gdt[cpu->number];
}

uint64_t cpu_setup_idt_base(void)
{
    return (uint64_t)cpu_setup_idt_table;
}

void cpu_setup_reload_tables(void)
{
    uint64_t *gdt = cpu_setup_gdt[cpu_number()];
    struct table_pointer pointer = {sizeof(cpu_setup_gdt[0]) - 1, (uint64_t)gdt};

    cpu_setup_idt();
    __asm__ volatile("lgdt %0" ::"m"(pointer));
    gdt[SELECTOR_TSS / 8] &= ~TSS_BUSY;
    __asm__ volatile("ltr %w0" ::"r"(SELECTOR_TSS) : "memory");
}

static void cpu_setup_control_registers(void)
{
    uint64_t cr4 = read_cr4() | CR4_DE | CR4_OSFXSR | CR4_OSXMMEXCPT;

    cr4 |= cpu_features.pge ? CR4_PGE : 0;
    cr4 |= cpu_features.umip ? CR4_UMIP : 0;
    cr4 |= cpu_features.fsgsbase ? CR4_FSGSBASE : 0;
    cr4 |= cpu_features.smep ? CR4_SMEP : 0;
    cr4 |= cpu_features.smap ? CR4_SMAP : 0;
    cr4 |= cpu_features.xsave ? CR4_OSXSAVE : 0;
    write_cr0((read_cr0() | CR0_MP | CR0_NE | CR0_WP) & ~(CR0_EM | CR0_TS));
    write_cr4(cr4);
    if (cpu_features.xsave) {
        write_xcr0(cpu_features.xsave_mask);
    }
    /* PAT: the reset values, with entry 4 (PAT bit alone) write-combining */
    wrmsr(MSR_PAT, 0x0007040100070406ull);
}

void cpu_setup(struct cpu *cpu)
{
    cpu->self = cpu;
    cpu_setup_gdt_and_tss(cpu);
    wrmsr(MSR_GS_BASE, (uint64_t)cpu);
    wrmsr(MSR_KERNEL_GS_BASE, 0);
    wrmsr(MSR_FS_BASE, 0);
    cpu_setup_idt();
    cpu_setup_control_registers();
    wrmsr(MSR_EFER, rdmsr(MSR_EFER) | 1);
    wrmsr(MSR_STAR, (uint64_t)0x18 << 48 | (uint64_t)SELECTOR_KERNEL_CODE << 32);
    wrmsr(MSR_LSTAR, (uint64_t)syscall_entry);
    wrmsr(MSR_CSTAR, (uint64_t)syscall_entry);
    wrmsr(MSR_SFMASK, RFLAGS_SYSCALL_MASK);
}

void cpu_patch_smap(void)
{
    if (!cpu_features.smap) {
        return;
    }
    for (const struct smap_site *site = smap_table_start; site < smap_table_end; site++) {
        site->instruction[0] = 0x0f;
        site->instruction[1] = 0x01;
        site->instruction[2] = site->is_stac != 0 ? 0xcb : 0xca;
    }
}
