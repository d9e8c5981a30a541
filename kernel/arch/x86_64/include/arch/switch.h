/* switch.h - the machine's part of switching threads. */
#ifndef ARCH_SWITCH_H
#define ARCH_SWITCH_H

#include <stdint.h>

#include "arch/cpu.h"
#include "arch/io.h"
#include "arch/pcb.h"

static inline uint64_t rdtsc_ticks(void)
{
    return rdtsc();
}

/* Change everything of the processor that belongs to a thread but its stack and address space:
 * vector registers, FS and GS base, the place where traps from user mode save. Interrupts off. */
void switch_machine_state(struct cpu *cpu, struct pcb *from, struct pcb *to);
/* The GS base alone, after fastpath_switch(); needs FSGSBASE. Interrupts off. */
void switch_gs_base(struct pcb *from, const struct pcb *to);
/* Make a fresh stack such that switch_stacks() to it enters function. */
void switch_prepare_stack(struct pcb *pcb, uint64_t stack_top, void (*function)(void));
/* entry.asm */
void switch_stacks(struct pcb *from, struct pcb *to);
_Noreturn void stack_jump(uint64_t stack_top, void (*function)(void));

#endif
