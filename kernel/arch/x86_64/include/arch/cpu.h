/* cpu.h - the per-processor area, reached through %gs while in the kernel.
 *
 * The first fields are known to entry.asm by offset (checked in cpu.c). */
#ifndef ARCH_CPU_H
#define ARCH_CPU_H

#include <stdbool.h>
#include <stdint.h>

#define CPU_MAX 16

/* cpu->ast: why the processor must not return to user mode yet. */
#define AST_RESCHED 1u /* a better thread is runnable, or the quantum is over */
#define AST_THREAD  2u /* the current thread is to stop, end, or be aborted */

struct thread;
struct pmap;
struct tss;

/* Keys: [C] this processor only, interrupts off or preemption disabled; [a] atomic; [I] set at
 * start */
struct cpu {
    struct thread *current;    /* 0  [C] */
    uint64_t kernel_stack_top; /* 8  [C] stack of the current thread */
    uint64_t scratch;          /* 16 [C] user rsp during system call entry */
    int32_t preempt_count;     /* 24 [C] */
    uint32_t ast;              /* 28 [a] AST_* */
    uint64_t
        *tss_rsp0; /* 32 [I] where the hardware takes the stack pointer for traps from user mode */
    struct cpu *self;         /* 40 [I] */
    uint32_t number;          /* 48 [I] */
    uint32_t apic_id;         /* 52 [I] */
    struct pmap *pmap;        /* 56 [a] address space that CR3 holds (pmap_switch.h) */
    struct thread *idle;      /* 64 [I] */
    struct thread *previous;  /* 72 [C] the thread just switched away from, until dispatched */
    struct pmap *pmap_peer;   /* 80 [a] another one it reads, or NULL (pmap_switch.h) */
    struct tss *tss;          /* 88 [I] */
    uint32_t interrupt_depth; /* 96 [C] */
    volatile bool online;     /* 100 [a] */
    uint32_t quick_place;    /* [I] thread->place of those that the short way of messages resumes */
    uint64_t run_since;      /* [C] time stamp up to which processor time has been accounted */
    uint64_t io_task_id;     /* [C] whose I/O ports the TSS holds */
    uint64_t io_version;     /* [C] */
    struct pmap *pmap_guest; /* [a] of the guest it runs, or NULL (pmap_nested.h) */
};

extern struct cpu cpu_table[CPU_MAX];
extern uint32_t cpu_count; /* [I] after start-up: processors that run */

static inline struct cpu *cpu_current(void)
{
    struct cpu *cpu;

    __asm__ volatile("movq %%gs:40, %0" : "=r"(cpu));
    return cpu;
}

static inline uint32_t cpu_number(void)
{
    uint32_t number;

    __asm__ volatile("movl %%gs:48, %0" : "=r"(number));
    return number;
}

static inline uint32_t cpu_quick_place(void)
{
    uint32_t place;

    __asm__("movl %%gs:%c1, %0" : "=r"(place) : "i"(__builtin_offsetof(struct cpu, quick_place)));
    return place;
}

static inline struct thread *cpu_current_thread(void)
{
    struct thread *thread;

    __asm__("movq %%gs:0, %0" : "=r"(thread));
    return thread;
}

static inline void cpu_preempt_add(int32_t n)
{
    __asm__ volatile("addl %0, %%gs:24" ::"ri"(n) : "memory", "cc");
}

static inline int32_t cpu_preempt_count(void)
{
    int32_t count;

    __asm__ volatile("movl %%gs:24, %0" : "=r"(count));
    return count;
}

static inline uint32_t cpu_ast(void)
{
    uint32_t ast;

    __asm__ volatile("movl %%gs:28, %0" : "=r"(ast));
    return ast;
}

/* Take one off the preemption count: true when it fell to zero and a reschedule is pending. */
static inline bool cpu_preempt_sub_pending(void)
{
    bool zero;

    __asm__ volatile("subl $1, %%gs:24" : "=@ccz"(zero)::"memory");
    return zero && (cpu_ast() & AST_RESCHED) != 0;
}

#endif
