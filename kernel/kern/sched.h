/* sched.h - the scheduler: per-processor run queues, 64 priorities, preemption, work stealing. */
#ifndef KERN_SCHED_H
#define KERN_SCHED_H

#include <stdbool.h>
#include <stdint.h>

struct thread;
struct cpu;

#define SCHED_TICK_NS 10000000ull

void sched_init_cpu(struct cpu *cpu, struct thread *idle);
/* The idle loop of this processor; never returns. */
_Noreturn void sched_idle(void);
/* Give the processor to a better or equal thread if one is runnable; the current thread stays
 * runnable. */
void sched_preempt(void);
/* As above, but also to threads of the same priority, behind which the current one queues. */
void sched_yield(void);
/* Timer tick, in interrupt context; `user`: it came in user mode. */
void sched_tick(bool user);
/* In an interrupt that came upon user mode: the current thread, all its registers in its pcb, is to
 * go on in user mode when it is its turn. It is on a run queue from here on, and on_cpu until the
 * caller has gone on as another. Interrupts off from here until then. */
void sched_preempted(struct cpu *cpu);
/* From the resched interrupt. */
void sched_interrupt(void);
/* The current thread has ended; switch away from it for good. */
_Noreturn void sched_exit(void);
/* What a thread finds first when it runs on a fresh stack: finish the switch, then go on with its
 * continuation. */
_Noreturn void sched_start_thread(void);
/* Set the base priority and recompute the effective one; requeues a runnable thread. Locks:
 * thread->lock held. */
void sched_set_priority(struct thread *thread, int32_t base);
/* Tell the processor a thread may be running on that its flags have changed. */
void sched_poke(struct thread *thread);
/* Restrict the thread to one processor, or -1 for any. Takes effect when it is next made runnable.
 * Locks: none needed. Sleeps: no. */
void sched_bind(struct thread *thread, int cpu);
/* Leave this processor: the current thread queues where it is bound to. */
void sched_migrate(void);
/* Runnable threads, and processors that idle now. */
uint32_t sched_runnable_count(void);
uint32_t sched_idle_mask(void);
/* Load average over 5, 30 and 60 s, times 1000. */
void sched_load(uint32_t average[3], uint32_t mach_factor[3]);

#endif
