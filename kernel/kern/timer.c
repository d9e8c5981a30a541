/* timer.c - one-shot timers: a balanced tree by deadline on each processor, and its hardware timer
 * set to the earliest event. Locks: TIMER, one per processor, interrupts off; handlers run without
 * it. */
#include "kern/timer.h"

#include "arch/apic.h"
#include "arch/clock_machine.h"
#include "arch/cpu.h"
#include "kern/assert.h"
#include "kern/atomic.h"
#include "kern/clock.h"
#include "kern/spinlock.h"

/* Keys: [L] this->lock */
struct timer_queue {
    struct spinlock lock;   /* TIMER */
    struct rbtree tree;     /* [L] by deadline */
    uint64_t tick_ns;       /* [L] the scheduler's request, 0 for none */
    uint64_t programmed_ns; /* [L] what the hardware is set to, 0 for nothing */
};

static struct timer_queue timer_queues[CPU_MAX];

void timer_init_cpu(uint32_t cpu)
{
    assert(cpu < CPU_MAX);
    spin_init(&timer_queues[cpu].lock, LOCK_RANK_TIMER, "timers");
    rbtree_init(&timer_queues[cpu].tree);
}

void timer_init(struct timer *timer, void (*handler)(struct timer *))
{
    assert(handler != NULL);
    timer->handler = handler;
    timer->armed = false;
    timer->running = false;
    timer->cpu = 0;
    timer->deadline_ns = 0;
}

static struct timer *timer_from_node(struct rbnode *node)
{
    return rbtree_entry(node, struct timer, node);
}

static void timer_insert(struct timer_queue *queue, struct timer *timer)
{
    struct rbnode *parent = NULL;
    unsigned side = 0;

    assert(spin_is_held(&queue->lock));
    for (struct rbnode *node = queue->tree.root; node != NULL; node = node->child[side]) {
        parent = node;
        side = timer->deadline_ns < timer_from_node(node)->deadline_ns ? 0 : 1;
    }
    rbtree_insert(&queue->tree, &timer->node, parent, side);
}

/* Set the hardware of this processor to the earliest event. */
static void timer_program(struct timer_queue *queue)
{
    struct rbnode *first = rbtree_first(&queue->tree);
    uint64_t next = queue->tick_ns;

    assert(spin_is_held(&queue->lock));
    if (first != NULL && (next == 0 || timer_from_node(first)->deadline_ns < next)) {
        next = timer_from_node(first)->deadline_ns;
    }
    if (next == 0 || (queue->programmed_ns != 0 && queue->programmed_ns <= next)) {
        return; /* nothing, or the hardware fires early enough */
    }
    queue->programmed_ns = next;
    apic_timer_set(clock_boot_ticks + clock_ns_to_ticks_machine(next) + 1);
}

void timer_arm(struct timer *timer, uint64_t deadline_ns)
{
    uint64_t flags = interrupt_save_disable();
    struct timer_queue *queue = &timer_queues[cpu_number()];

    assert(timer->handler != NULL);
    spin_lock(&queue->lock);
    assert(!timer->armed);
    timer->deadline_ns = deadline_ns;
    timer->cpu = (uint16_t)cpu_number();
    atomic_store_release(&timer->armed, true);
    timer_insert(queue, timer);
    timer_program(queue);
    spin_unlock(&queue->lock);
    interrupt_restore(flags);
}

void timer_cancel(struct timer *timer)
{
    struct timer_queue *queue = &timer_queues[timer->cpu];
    uint64_t flags = spin_lock_irqsave(&queue->lock);

    while (timer->running) { /* it may arm itself again, here */
        spin_unlock_irqrestore(&queue->lock, flags);
        cpu_relax();
        flags = spin_lock_irqsave(&queue->lock);
    }
    if (timer->armed) {
        rbtree_remove(&queue->tree, &timer->node);
        timer->armed = false;
    }
    spin_unlock_irqrestore(&queue->lock, flags);
}

void timer_request(uint64_t deadline_ns)
{
    struct timer_queue *queue = &timer_queues[cpu_number()];

    assert(!interrupt_is_enabled());
    spin_lock(&queue->lock);
    queue->tick_ns = deadline_ns;
    timer_program(queue);
    spin_unlock(&queue->lock);
}

bool timer_interrupt(void)
{
    struct timer_queue *queue = &timer_queues[cpu_number()];
    uint64_t now = clock_now_ns();
    struct rbnode *node;
    bool tick;

    assert(!interrupt_is_enabled());
    spin_lock(&queue->lock);
    queue->programmed_ns = 0;
    while ((node = rbtree_first(&queue->tree)) != NULL &&
           timer_from_node(node)->deadline_ns <= now) {
        struct timer *timer = timer_from_node(node);

        rbtree_remove(&queue->tree, node);
        timer->armed = false;
        timer->running = true;
        spin_unlock(&queue->lock);
        timer->handler(timer);
        spin_lock(&queue->lock);
        timer->running = false;
    }
    tick = queue->tick_ns != 0 && queue->tick_ns <= now;
    if (tick) {
        queue->tick_ns = 0;
    }
    timer_program(queue);
    spin_unlock(&queue->lock);
    return tick;
}
