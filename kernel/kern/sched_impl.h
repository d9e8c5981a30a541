/* sched_impl.h - what thread_wait.c uses of the scheduler: picking a thread and switching to it.
 * All with interrupts off on the processor concerned, unless said otherwise. */
#ifndef KERN_SCHED_IMPL_H
#define KERN_SCHED_IMPL_H

#include <stdbool.h>
#include <stdint.h>

struct cpu;
struct thread;

/* The thread to run next on this processor: its own best, one stolen, or the idle thread. */
struct thread *sched_pick(struct cpu *cpu);
/* The same instead of a thread that keeps its stack: one that has a stack or for which there is
 * one. */
struct thread *sched_pick_with_stack(struct cpu *cpu);
/* Switch from the current thread to `next`. Returns, when continuation is NULL, once something
 * switches back; then sched_switched() follows. */
void sched_switch(struct cpu *cpu, struct thread *self, struct thread *next,
                  void (*continuation)(void));
/* Load everything of `next` but its stack. */
void sched_switch_machine(struct cpu *cpu, struct thread *self, struct thread *next);
/* Take the number of runnable threads into the load averages once a second. Processor 0. */
void sched_load_update(uint64_t now_ns);
/* The idle thread is to leave the processor to t in an interrupt: see that t has a stack. False
 * when there is none. */
bool sched_leave_idle(struct thread *t);
/* Finish with the thread just switched away from. */
void sched_dispatch_previous(void);
/* Back from a switch: enables interrupts, and frees threads that ended on this processor. */
void sched_switched(void);
/* The thread switched away from next is still runnable. */
void sched_keep_runnable(void);
/* Run the continuation of the current thread on its stack from the top. */
_Noreturn void sched_continue(struct thread *self);
/* Spin until the wait of the current thread has ended, for SCHED_AWAKE_NS at most and only while
 * nothing else is to be done here. Enables interrupts. Returns: has it ended, the waker having done
 * all it does? */
bool sched_wait_awake(struct thread *self);
/* Let a thread of priority `worst` or better run in place of the current one. Interrupts as they
 * are. */
void sched_give_way(int32_t worst);

#endif
