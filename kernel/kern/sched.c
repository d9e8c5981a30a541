/* sched.c - the scheduler.
 *
 * Each processor has a run queue: 64 lists by priority (0 best) and a bitmap of those that are not
 * empty. A thread that becomes runnable queues where it ran last, or on an idle processor; a
 * processor with nothing to do steals from others. Timesharing threads lose priority while they use
 * the processor and win it back while they wait; fixed-priority threads keep theirs.
 *
 * Switching. A thread blocked with a continuation has no kernel stack. When the thread that leaves
 * also leaves with a continuation, the next one takes over its stack and just runs its
 * continuation: no registers are kept, no stack is switched.
 *
 * Locks: RUNQ, one per processor, interrupts off. A thread's on_cpu is true until the processor it
 * leaves no longer uses its stack and registers: who makes it runnable elsewhere waits for that. */
#include "kern/sched.h"

#include "arch/clock_machine.h"
#include "arch/cpu.h"
#include "arch/interrupt.h"
#include "arch/ipi.h"
#include "arch/pmap_switch.h"
#include "arch/switch.h"
#include "device/io_perm.h"
#include "kern/assert.h"
#include "kern/atomic.h"
#include "kern/clock.h"
#include "kern/sched_impl.h"
#include "kern/stack.h"
#include "kern/task.h"
#include "kern/thread.h"
#include "kern/thread_quick.h"
#include "kern/timer.h"
#include "kern/trace.h"
#include "vm/vm_page.h"

#define USAGE_DECAY_NS     100000000ull /* usage halves in this time */
#define USAGE_PER_PRIORITY 2u           /* ticks of usage that cost one level */
#define USAGE_PRIORITY_MAX 20           /* levels a thread can lose */
#define AGE_AT_ONCE        8u
#define SCHED_AWAKE_NS     20000ull /* about what it costs to halt and to be woken by an interrupt */

/* Keys: [L] this->lock, interrupts off; [a] atomic */
struct sched_queue {
    struct spinlock lock; /* RUNQ */
    uint64_t ready;       /* [L] bit p: lists[p] is not empty */
    struct list lists[PRIORITY_COUNT];
    uint32_t count;         /* [L] written, read by anybody */
    uint64_t stack_to_free; /* by its processor, interrupts off: of the thread switched away from */
    struct list
        dead; /* by its processor, interrupts off: threads that have ended and can be freed */
    bool requeue_previous; /* by its processor: the thread switched away from is still runnable */
    bool starved; /* by its processor: the thread to run next waits for memory for a stack */
    bool halts;   /* [a] its processor no longer looks at `ready` and wants an interrupt */
};

static struct sched_queue sched_queues[CPU_MAX];
static uint32_t sched_idle_cpus;   /* [a] */
static uint64_t sched_awake_ticks; /* [I] once processors idle: SCHED_AWAKE_NS of the time stamp */

static bool sched_is_idle_thread(const struct thread *t)
{
    return cpu_table[t->cpu].idle == t;
}

/* --- queues --- */

static void sched_enqueue_locked(struct sched_queue *queue, struct thread *t)
{
    assert(!list_is_linked(&t->run_link));
    list_insert_tail(&queue->lists[t->priority], &t->run_link);
    queue->ready |= 1ull << t->priority;
    queue->count++;
}

static void sched_dequeue_locked(struct sched_queue *queue, struct thread *t)
{
    list_remove(&t->run_link);
    if (list_empty(&queue->lists[t->priority])) {
        queue->ready &= ~(1ull << t->priority);
    }
    queue->count--;
}

/* One that an interrupt sent away is queued before its processor has left it (sched_preempted).
 * Interrupts off. */
static void sched_wait_until_left(const struct thread *t)
{
    while (atomic_load_acquire(&t->on_cpu)) {
        cpu_relax();
    }
}

/* The best thread of priority `worst` or better, taken off the queue; NULL when there is none. */
static struct thread *sched_dequeue_best(struct sched_queue *queue, int32_t worst)
{
    struct thread *t = NULL;

    if (queue->ready == 0) {
        return NULL;
    }
    spin_lock(&queue->lock);
    if (queue->ready != 0 && __builtin_ctzll(queue->ready) <= worst) {
        t = list_entry(list_first(&queue->lists[__builtin_ctzll(queue->ready)]), struct thread,
                       run_link);
        sched_dequeue_locked(queue, t);
    }
    spin_unlock(&queue->lock);
    if (t != NULL) {
        sched_wait_until_left(t);
    }
    return t;
}

/* Take a thread that may run here from another processor's queue. */
static struct thread *sched_steal(uint32_t self)
{
    for (uint32_t i = 1; i < cpu_count; i++) {
        struct sched_queue *queue = &sched_queues[(self + i) % cpu_count];
        struct thread *found = NULL;

        if (queue->count == 0) {
            continue;
        }
        spin_lock(&queue->lock);
        for (uint64_t ready = queue->ready; ready != 0 && found == NULL; ready &= ready - 1) {
            list_for_each (&queue->lists[__builtin_ctzll(ready)], node) {
                struct thread *t = list_entry(node, struct thread, run_link);

                if (t->bound_cpu < 0 || (uint32_t)t->bound_cpu == self) {
                    found = t;
                    break;
                }
            }
        }
        if (found != NULL) {
            sched_dequeue_locked(queue, found);
            atomic_store(&found->cpu, (uint8_t)self);
        }
        spin_unlock(&queue->lock);
        if (found != NULL) {
            sched_wait_until_left(found);
            return found;
        }
    }
    return NULL;
}

struct thread *sched_pick(struct cpu *cpu)
{
    struct thread *t = sched_dequeue_best(&sched_queues[cpu->number], PRIORITY_COUNT - 1);

    if (t == NULL && cpu_count > 1) {
        t = sched_steal(cpu->number);
    }
    return t != NULL ? t : cpu->idle;
}

/* --- priorities --- */

static void sched_decay_usage(struct thread *t, uint64_t now)
{
    uint64_t halvings = (now - t->usage_stamp_ns) / USAGE_DECAY_NS;

    if (halvings > 0) {
        t->usage = halvings > 31 ? 0 : t->usage >> halvings;
        t->usage_stamp_ns += halvings * USAGE_DECAY_NS;
    }
}

/* The priority a thread queues at. */
static int32_t sched_effective_priority(const struct thread *t)
{
    int32_t penalty = (int32_t)(t->usage / USAGE_PER_PRIORITY);
    int32_t priority = t->base_priority;

    if (t->policy == THREAD_POLICY_TIMESHARE && priority < PRIORITY_IDLE) {
        priority += penalty < USAGE_PRIORITY_MAX ? penalty : USAGE_PRIORITY_MAX;
        priority = priority < PRIORITY_IDLE ? priority : PRIORITY_IDLE - 1;
    }
    return priority;
}

void sched_set_priority(struct thread *thread, int32_t base)
{
    uint64_t flags = interrupt_save_disable();
    struct sched_queue *queue;

    for (;;) { /* the thread may be moved between reading its processor and locking the queue */
        uint32_t cpu = atomic_load(&thread->cpu);

        queue = &sched_queues[cpu];
        spin_lock(&queue->lock);
        if (atomic_load(&thread->cpu) == cpu) {
            break;
        }
        spin_unlock(&queue->lock);
    }
    thread->base_priority = base;
    if (list_is_linked(&thread->run_link)) {
        sched_dequeue_locked(queue, thread);
        thread->priority = sched_effective_priority(thread);
        sched_enqueue_locked(queue, thread);
    } else {
        thread->priority = sched_effective_priority(thread);
    }
    spin_unlock(&queue->lock);
    interrupt_restore(flags);
}

/* --- making threads runnable --- */

/* Move a thread that is on no queue to another processor. Under the lock of the one it leaves, so
 * that sched_set_priority(), which holds the lock of the processor it found in the thread, knows
 * where the thread is. Interrupts off. */
static void sched_set_cpu(struct thread *t, uint32_t number)
{
    struct sched_queue *queue = &sched_queues[t->cpu];

    if (t->cpu == number) {
        return;
    }
    spin_lock(&queue->lock);
    atomic_store(&t->cpu, (uint8_t)number);
    spin_unlock(&queue->lock);
}

/* The processor t should queue on. */
static uint32_t sched_choose_cpu(struct thread *t, uint32_t self)
{
    uint32_t idle = atomic_load(&sched_idle_cpus);

    if (t->bound_cpu >= 0) {
        return (uint32_t)t->bound_cpu;
    }
    if (idle == 0 || (idle & 1u << t->cpu) != 0) {
        return t->cpu;
    }
    if (cpu_table[self].current != NULL && (idle & 1u << self) != 0) {
        return self;
    }
    return (uint32_t)__builtin_ctz(idle);
}

/* Queue t on a processor and make that look at its queue if t is better than what it runs. One that
 * idles without having halted looks by itself. Interrupts off. */
static void sched_queue_thread(struct thread *t)
{
    struct cpu *self = cpu_current();
    uint32_t number = sched_choose_cpu(t, self->number);
    struct cpu *cpu = &cpu_table[number];
    struct sched_queue *queue = &sched_queues[number];
    const struct thread *current;

    sched_set_cpu(t, number);
    spin_lock(&queue->lock);
    sched_enqueue_locked(queue, t);
    spin_unlock(&queue->lock);
    /* Either the other processor, which says that it idles or halts and then looks at its queue
     * once more, finds t there, or what it says is seen here. */
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    current = atomic_load(&cpu->current); /* it may have ended by now: then t has been found */
    if (t->priority >= current->priority && current != cpu->idle) {
        return;
    }
    if (cpu == self) {
        self->ast |= AST_RESCHED;
    } else if (current != cpu->idle || atomic_load(&queue->halts)) {
        ipi_resched(number);
    }
}

void thread_setrun(struct thread *t)
{
    uint64_t flags;

    trace_wake(t);
    if (atomic_load_acquire(&t->wait) == THREAD_CLAIMED_EARLY) {
        atomic_store_release(
            &t->wait,
            THREAD_RUNNING); /* it has not blocked yet, and spins for this word if it tries */
        return;
    }
    flags = interrupt_save_disable();
    preempt_disable();
    while (atomic_load_acquire(&t->on_cpu)) {
        cpu_relax();
    }
    if (t->usage != 0) {
        sched_decay_usage(t, clock_now_ns());
    }
    t->priority = sched_effective_priority(t);
    atomic_store_release(&t->wait, THREAD_RUNNING);
    sched_queue_thread(t);
    interrupt_restore(flags);
    preempt_enable();
}

/* --- switching --- */

/* What there is to do with the thread switched away from that only waits seldom asks for. */
static __attribute__((noinline)) void sched_dispatch_unusual(struct sched_queue *queue,
                                                             struct thread *previous)
{
    bool requeue = queue->requeue_previous && !sched_is_idle_thread(previous);

    queue->requeue_previous = false;
    if (queue->stack_to_free != 0) {
        stack_give(queue->stack_to_free);
        queue->stack_to_free = 0;
    }
    if (atomic_load(&previous->wait) == THREAD_DEAD) {
        list_insert_tail(&queue->dead, &previous->wait_link); /* not run_link: sched_set_priority()
                                                                 takes that for being runnable */
    }
    atomic_store_release(&previous->on_cpu, false);
    if (requeue) {
        sched_queue_thread(previous);
    }
}

/* Finish with the thread just switched away from. Interrupts off. */
void sched_dispatch_previous(void)
{
    struct cpu *cpu = cpu_current();
    struct sched_queue *queue = &sched_queues[cpu->number];
    struct thread *previous = cpu->previous;

    if (previous == NULL) {
        return;
    }
    cpu->previous = NULL;
    if (queue->stack_to_free != 0 || queue->requeue_previous ||
        atomic_load(&previous->wait) == THREAD_DEAD) {
        sched_dispatch_unusual(queue, previous);
    } else {
        atomic_store_release(&previous->on_cpu, false);
    }
}

/* Free threads that ended on this processor: not possible with interrupts off. */
static __attribute__((noinline)) void sched_free_dead(struct sched_queue *queue)
{
    struct list dead = LIST_INITIALIZER(dead);
    struct list *node;

    list_splice_tail(&dead, &queue->dead);
    interrupt_enable();
    while ((node = list_pop(&dead)) != NULL) {
        thread_unref(list_entry(node, struct thread, wait_link));
    }
}

/* Back from a switch: enable interrupts. */
void sched_switched(void)
{
    struct sched_queue *queue = &sched_queues[cpu_number()];

    if (__builtin_expect(list_empty(&queue->dead), 1)) {
        interrupt_enable();
    } else {
        sched_free_dead(queue);
    }
}

void sched_keep_runnable(void)
{
    sched_queues[cpu_number()].requeue_previous = true;
}

/* Processor time up to now is the thread's. Interrupts off. */
static void sched_account(struct cpu *cpu, struct thread *t)
{
    uint64_t now = rdtsc_ticks();

    t->run_ticks += now - cpu->run_since;
    cpu->run_since = now;
}

/* The time is the idle thread's: without this the processor would idle. */
bool sched_wait_awake(struct thread *self)
{
    struct cpu *cpu = cpu_current();
    struct sched_queue *queue = &sched_queues[cpu->number];
    uint64_t end = rdtsc_ticks() + sched_awake_ticks;
    bool over;

    sched_account(cpu, self);
    preempt_disable(); /* nor moved */
    interrupt_enable();
    for (;;) {
        over = atomic_load_acquire(&self->wait) == THREAD_RUNNING;
        if (over || atomic_load(&queue->ready) != 0 || atomic_load(&cpu->ast) != 0 ||
            rdtsc_ticks() >= end) {
            break;
        }
        cpu_relax();
    }
    interrupt_disable();
    sched_account(cpu, cpu->idle);
    interrupt_enable();
    preempt_enable();
    return over;
}

/* Load everything of `next` but its stack. Interrupts off. */
void sched_switch_machine(struct cpu *cpu, struct thread *self, struct thread *next)
{
    sched_account(cpu, self);
    trace(TRACE_SWITCH, 0, next->id);
    next->switches++;
    sched_set_cpu(next, cpu->number);
    atomic_store(&next->on_cpu, true);
    switch_machine_state(cpu, &self->pcb, &next->pcb);
    if (next->task != self->task && next->task != task_kernel) {
        pmap_switch(cpu, next->pmap);
        io_perm_switch(cpu, next->task);
    }
    cpu->previous = self;
    /* Before its flags are looked at: who sets one either is seen here or sees the thread here
     * (sched_poke). */
    __atomic_store_n(&cpu->current, next, __ATOMIC_SEQ_CST);
    cpu->ast = (atomic_load(&next->flags) & THREAD_FLAG_AST) != 0 ? AST_THREAD : 0;
}

/* Run the continuation of `self`, by now the current thread, on its stack from the top. (The
 * compiler may believe that current_thread() is still who it was before a switch in the same
 * function.) Interrupts off. */
_Noreturn void sched_continue(struct thread *self)
{
    assert(self == current_thread());
    stack_jump(cpu_current()->kernel_stack_top, sched_start_thread);
}

void sched_start_thread(void)
{
    struct thread *self = current_thread();
    void (*continuation)(void) = self->continuation;

    sched_dispatch_previous();
    self->continuation = NULL;
    sched_switched();
    thread_wait_finish(self);
    continuation();
    panic("thread %lu: its continuation %p returned", self->id, (void *)continuation);
}

/* Go over to the stack and the thread that was left on it. */
static void sched_switch_stacks(struct cpu *cpu, struct thread *self, struct thread *next)
{
    cpu->kernel_stack_top = next->pcb.kernel_stack + KERNEL_STACK_SIZE;
    next->pcb.kernel_stack = 0;
    switch_stacks(&self->pcb, &next->pcb);
}

/* See that a thread that is to run in place of one that keeps its stack has one, on which it starts
 * with its continuation. False when there is none at hand. Interrupts off. */
static bool sched_give_stack(struct thread *next)
{
    if (next->pcb.kernel_stack == 0) {
        next->pcb.kernel_stack = stack_take();
        if (next->pcb.kernel_stack == 0) {
            return false;
        }
        switch_prepare_stack(&next->pcb, next->pcb.kernel_stack + KERNEL_STACK_SIZE,
                             sched_start_thread);
    }
    return true;
}

/* Switch from the current thread to `next`. Returns, when `continuation` is NULL, once something
 * switches back. Interrupts off. */
void sched_switch(struct cpu *cpu, struct thread *self, struct thread *next,
                  void (*continuation)(void))
{
    uint64_t stack = cpu->kernel_stack_top - KERNEL_STACK_SIZE;

    assert(cpu->preempt_count == 0 && self->pcb.kernel_stack == 0);
    assert(next->pcb.kernel_stack != 0 || continuation != NULL);
    sched_switch_machine(cpu, self, next);
    if (continuation == NULL) {
        self->pcb.kernel_stack = stack;
        sched_switch_stacks(cpu, self, next);
        sched_dispatch_previous();
        return;
    }
    self->continuation = continuation;
    if (next->pcb.kernel_stack == 0) { /* take over the stack */
        sched_continue(next);
    }
    sched_queues[cpu->number].stack_to_free = stack;
    sched_switch_stacks(cpu, self, next);
}

/* The thread to run instead of one that blocks and keeps its stack. A thread without a stack needs
 * one; if there is none, it waits on the queue and the idle thread, which has one or is the one
 * that looks, runs meanwhile. */
struct thread *sched_pick_with_stack(struct cpu *cpu)
{
    struct thread *next = sched_pick(cpu);
    struct sched_queue *queue = &sched_queues[cpu->number];

    if (next == cpu->idle || sched_give_stack(next)) {
        return next;
    }
    spin_lock(&queue->lock);
    sched_enqueue_locked(queue, next);
    spin_unlock(&queue->lock);
    queue->starved = true;
    return cpu->idle;
}

/* --- giving way --- */

/* Let a thread of priority `worst` or better run in place of the current one. */
void sched_give_way(int32_t worst)
{
    struct thread *self = current_thread();
    struct sched_queue *queue;
    struct thread *next;
    struct cpu *cpu;
    uint64_t flags = interrupt_flags();

    preempt_disable();  /* making a stack must not be a reason to come here again */
    interrupt_enable(); /* it takes locks whose holders may wait for this processor to flush its TLB
                         */
    stack_prepare();
    interrupt_disable();
    preempt_enable_no_check();
    cpu = cpu_current();
    cpu->ast &= ~AST_RESCHED;
    self->quantum_over = false;
    queue = &sched_queues[cpu->number];
    next = sched_dequeue_best(queue, worst);
    if (next != NULL && !sched_give_stack(next)) { /* no memory: try again at the next tick */
        spin_lock(&queue->lock);
        sched_enqueue_locked(queue, next);
        spin_unlock(&queue->lock);
        next = NULL;
    }
    if (next != NULL) {
        queue->requeue_previous = true;
        sched_switch(cpu, self, next, NULL);
        if ((flags & RFLAGS_IF) != 0) {
            sched_switched(); /* not in an interrupt: what ended is freed at a later switch */
        }
    }
    interrupt_restore(flags);
}

void sched_preempt(void)
{
    struct thread *self = current_thread();

    if (sched_is_idle_thread(self)) {
        return; /* the idle loop looks at the queue itself */
    }
    sched_give_way(self->quantum_over ? self->priority : self->priority - 1);
}

void sched_yield(void)
{
    sched_give_way(current_thread()->priority);
}

void thread_yield(void)
{
    sched_yield();
}

void preempt_check(void)
{
    if (interrupt_is_enabled() && cpu_current()->interrupt_depth == 0) {
        sched_preempt();
    }
}

void sched_exit(void)
{
    struct thread *self = current_thread();
    struct cpu *cpu;

    interrupt_disable();
    cpu = cpu_current();
    atomic_store(&self->wait, THREAD_DEAD);
    sched_switch(cpu, self, sched_pick(cpu), sched_start_thread);
    panic("thread %lu: ran after its end", self->id);
}

/* --- ticks, interrupts, idling --- */

/* Threads that wait on the queue win priority back like those that sleep: else threads that come
 * fresh all the time, new ones for instance, would keep them waiting for ever. A few at a tick, the
 * worst first. Interrupts off. */
static void sched_age(struct sched_queue *queue, uint64_t now)
{
    unsigned left = AGE_AT_ONCE;

    spin_lock(&queue->lock);
    for (uint64_t ready = queue->ready; ready != 0 && left != 0; left--) {
        unsigned worst = 63u - (unsigned)__builtin_clzll(ready);
        struct thread *t = list_entry(list_first(&queue->lists[worst]), struct thread, run_link);

        ready &= ~(1ull << worst);
        sched_dequeue_locked(queue, t);
        sched_decay_usage(t, now);
        t->priority = sched_effective_priority(t);
        sched_enqueue_locked(queue, t);
    }
    spin_unlock(&queue->lock);
}

void sched_tick(bool user)
{
    struct cpu *cpu = cpu_current();
    struct thread *self = cpu->current;
    uint64_t now = clock_now_ns();

    if (sched_is_idle_thread(self)) {
        return;
    }
    timer_request(now + SCHED_TICK_NS);
    if (cpu->number == 0) {
        sched_load_update(now);
    }
    sched_account(cpu, self);
    self->user_samples += user ? 1 : 0;
    self->system_samples += user ? 0 : 1;
    sched_decay_usage(self, now);
    self->usage++;
    self->priority = sched_effective_priority(self);
    if (sched_queues[cpu->number].ready != 0) {
        sched_age(&sched_queues[cpu->number], now);
    }
    if (sched_queues[cpu->number].ready != 0 &&
        __builtin_ctzll(sched_queues[cpu->number].ready) <= self->priority) {
        self->quantum_over = true;
        cpu->ast |= AST_RESCHED;
    }
    if (sched_queues[cpu->number].count != 0) {
        uint32_t idle = sched_idle_mask();

        if (idle != 0) { /* it went idle just before work was queued here: let it steal */
            ipi_resched((uint32_t)__builtin_ctz(idle));
        }
    }
}

void sched_interrupt(void)
{
    struct cpu *cpu = cpu_current();

    cpu->ast |= AST_RESCHED;
    if ((atomic_load(&cpu->current->flags) & THREAD_FLAG_AST) != 0) {
        cpu->ast |= AST_THREAD;
    }
    if (cpu->current->task->io_bitmap != NULL) {
        io_perm_switch(cpu, cpu->current->task); /* they may have been changed */
    }
}

void sched_poke(struct thread *thread)
{
    uint64_t flags = interrupt_save_disable();
    uint32_t number = atomic_load(&thread->cpu);

    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (cpu_table[number].current == thread) {
        if (number == cpu_number()) {
            cpu_current()->ast |= AST_THREAD;
        } else {
            ipi_resched(number);
        }
    }
    interrupt_restore(flags);
}

void sched_bind(struct thread *thread, int cpu)
{
    thread->bound_cpu = (int8_t)cpu;
}

void sched_init_cpu(struct cpu *cpu, struct thread *idle)
{
    struct sched_queue *queue = &sched_queues[cpu->number];

    spin_init(&queue->lock, LOCK_RANK_RUNQ, "run queue");
    for (unsigned i = 0; i < PRIORITY_COUNT; i++) {
        list_init(&queue->lists[i]);
    }
    list_init(&queue->dead);
    idle->cpu = (uint8_t)cpu->number;
    idle->on_cpu = true;
    cpu->run_since = rdtsc_ticks();
    cpu->idle = idle;
    cpu->quick_place = thread_quick_place(cpu->number);
    cpu->current = idle;
}

/* Is there something for the idle thread to do? */
static bool sched_idle_is_over(const struct cpu *cpu, const struct sched_queue *queue)
{
    return (atomic_load(&cpu->ast) & AST_RESCHED) != 0 ||
           (atomic_load(&queue->ready) != 0 && !queue->starved);
}

/* Wait for something to do: awake for a little while, so that another processor need not interrupt
 * this one, then halted. */
static void sched_idle_wait(struct cpu *cpu, struct sched_queue *queue)
{
    uint64_t end = rdtsc_ticks() + (cpu_count > 1 ? sched_awake_ticks : 0);

    while (!sched_idle_is_over(cpu, queue) && rdtsc_ticks() < end) {
        cpu_relax();
    }
    interrupt_disable();
    if (queue->starved) {
        timer_request(clock_now_ns() + SCHED_TICK_NS); /* try again then */
    }
    __atomic_store_n(&queue->halts, true, __ATOMIC_SEQ_CST); /* before it looks once more */
    if (!sched_idle_is_over(cpu, queue)) {
        __asm__ volatile("sti; hlt" ::: "memory");
    }
    atomic_store(&queue->halts, false);
    interrupt_enable();
}

void sched_idle(void)
{
    struct sched_queue *queue = &sched_queues[cpu_number()];
    uint32_t bit = 1u << cpu_number();

    sched_awake_ticks = clock_ns_to_ticks_machine(SCHED_AWAKE_NS);
    for (;;) {
        struct cpu *cpu = cpu_current();
        struct thread *next;

        stack_prepare();
        interrupt_disable();
        cpu->ast &= ~AST_RESCHED;
        queue->starved = false;
        atomic_fetch_or(&sched_idle_cpus, bit);
        next = sched_pick_with_stack(cpu);
        if (next != cpu->idle) {
            atomic_fetch_and(&sched_idle_cpus, ~bit);
            timer_request(clock_now_ns() + SCHED_TICK_NS);
            sched_switch(cpu, cpu->idle, next, NULL);
            sched_switched();
            stack_trim();
            continue;
        }
        interrupt_enable();
        if (!vm_page_zero_idle()) {
            sched_idle_wait(cpu, queue);
        }
    }
}

void sched_preempted(struct cpu *cpu)
{
    struct thread *self = cpu->current;
    struct sched_queue *queue = &sched_queues[cpu->number];

    assert(!interrupt_is_enabled() && cpu->preempt_count == 0);
    sched_account(cpu, self);
    self->continuation = thread_exception_return;
    if (atomic_load(&sched_idle_cpus) != 0 || self->bound_cpu >= 0) {
        sched_queue_thread(self);
        return;
    }
    spin_lock(&queue->lock);
    sched_enqueue_locked(queue, self);
    spin_unlock(&queue->lock);
}

bool sched_leave_idle(struct thread *t)
{
    if (!sched_give_stack(t)) {
        return false;
    }
    t->priority = sched_effective_priority(t);
    atomic_fetch_and(&sched_idle_cpus, ~(1u << cpu_number()));
    timer_request(clock_now_ns() + SCHED_TICK_NS);
    return true;
}

uint32_t sched_runnable_count(void)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < cpu_count; i++) {
        /* what another processor runs may end any time: it is not looked into */
        count += sched_queues[i].count +
                 (atomic_load(&cpu_table[i].current) == cpu_table[i].idle ? 0 : 1);
    }
    return count;
}

uint32_t sched_idle_mask(void)
{
    return atomic_load(&sched_idle_cpus);
}

void sched_migrate(void)
{
    struct thread *self = current_thread();
    struct cpu *cpu;
    struct thread *next;

    stack_prepare();
    interrupt_disable();
    cpu = cpu_current();
    next = sched_pick_with_stack(cpu);
    sched_queues[cpu->number].requeue_previous = true;
    sched_switch(cpu, self, next, NULL);
    sched_switched();
}
