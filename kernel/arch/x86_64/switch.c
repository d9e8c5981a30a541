/* switch.c - the machine's part of switching threads. */
#include "arch/switch.h"

#include "arch/cpu_features.h"
#include "arch/fpu.h"
#include "kern/assert.h"
#include "kern/thread.h"

static_assert(__builtin_offsetof(struct thread, on_cpu) == 265, "entry.asm");

static uint64_t switch_read_fs_base(const struct pcb *pcb)
{
    uint64_t base = pcb->fs_base;

    if (cpu_features.fsgsbase) {
        __asm__ volatile("rdfsbase %0" : "=r"(base));
    }
    return base;
}

/* The user's GS base is in the MSR that swapgs exchanges. */
static uint64_t switch_read_gs_base(const struct pcb *pcb)
{
    uint64_t base = pcb->gs_base;

    if (cpu_features.fsgsbase) {
        __asm__ volatile("swapgs; rdgsbase %0; swapgs" : "=r"(base));
    }
    return base;
}

static void switch_write_bases(const struct pcb *pcb)
{
    if (cpu_features.fsgsbase) {
        __asm__ volatile("wrfsbase %0" ::"r"(pcb->fs_base));
        __asm__ volatile("swapgs; wrgsbase %0; swapgs" ::"r"(pcb->gs_base));
        return;
    }
    wrmsr(MSR_FS_BASE, pcb->fs_base);
    wrmsr(MSR_KERNEL_GS_BASE, pcb->gs_base);
}

static void switch_bases(struct pcb *from, const struct pcb *to)
{
    uint64_t fs_base = switch_read_fs_base(from);
    uint64_t gs_base = switch_read_gs_base(from);

    from->fs_base = fs_base;
    from->gs_base = gs_base;
    if (fs_base != to->fs_base || gs_base != to->gs_base) {
        switch_write_bases(to);
    }
}

void switch_gs_base(struct pcb *from, const struct pcb *to)
{
    from->gs_base = switch_read_gs_base(from);
    if (from->gs_base != to->gs_base) {
        __asm__ volatile("swapgs; wrgsbase %0; swapgs" ::"r"(to->gs_base));
    }
}

void switch_machine_state(struct cpu *cpu, struct pcb *from, struct pcb *to)
{
    switch_bases(from, to);
    fpu_save(from);
    fpu_load(to);
    *cpu->tss_rsp0 = (uint64_t)&to->regs + TRAP_FRAME_SIZE;
}

void switch_prepare_stack(struct pcb *pcb, uint64_t stack_top, void (*function)(void))
{
    uint64_t *stack = (uint64_t *)stack_top;

    /* as switch_stacks() leaves it: six registers and the return address; then the alignment a
     * called function sees */
    *--stack = 0;
    *--stack = (uint64_t)function;
    for (unsigned i = 0; i < 6; i++) {
        *--stack = 0;
    }
    pcb->kernel_rsp = (uint64_t)stack;
}
