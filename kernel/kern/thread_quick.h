/* thread_quick.h - the switch from a thread that waits in mach_msg, or for a pager with all its
 * registers to be kept, to another that waited in mach_msg, as the short way of a message makes it:
 * nobody is asked who should run, and no stack changes but its owner. The general switches are in
 * thread_wait.c. Time is not read: what a thread used since the last general switch or tick goes to
 * the one that runs at the next. */
#ifndef KERN_THREAD_QUICK_H
#define KERN_THREAD_QUICK_H

#include "arch/fastpath.h"
#include "kern/thread.h"

/* thread->place of a thread that waits interruptibly, is on no processor, ran last on this one and
 * is bound to none. */
static inline uint32_t thread_quick_place(uint32_t cpu)
{
    return 1u | 0u << 8 | cpu << 16 | 0xffu << 24;
}

/* Self, BLOCKED, stops and t, RUNNING and without a stack, goes on here: everything but the GS
 * base. Self stays on_cpu until fastpath_leave() or thread_quick_end(). Interrupts off. */
static inline __attribute__((always_inline)) void
thread_quick_switch(struct cpu *cpu, struct thread *self, struct thread *t, bool keeps_registers)
{
    t->switches++;
    t->on_cpu = true;
    fastpath_switch(cpu, &self->pcb, &t->pcb, keeps_registers);
    pmap_switch(cpu, t->pmap);
}

/* The rest of the switch for a thread that does not leave the kernel yet. Enables interrupts. */
void thread_quick_end(struct thread *self, struct thread *t);

#endif
