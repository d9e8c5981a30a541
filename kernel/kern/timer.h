/* timer.h - one-shot timers, kept per processor in order of deadline. The handler runs in the timer
 * interrupt with no lock held. */
#ifndef KERN_TIMER_H
#define KERN_TIMER_H

#include <stdbool.h>
#include <stdint.h>

#include "kern/atomic.h"
#include "kern/rbtree.h"

struct timer {
    struct rbnode node;              /* [timers lock of its cpu] */
    uint64_t deadline_ns;            /* [timers lock] */
    void (*handler)(struct timer *); /* [I] */
    uint16_t cpu;                    /* [timers lock] */
    bool armed;                      /* [timers lock] written, [a] set when the deadline is */
    bool running;                    /* [timers lock] handler is being called */
};

void timer_init(struct timer *timer, void (*handler)(struct timer *));
/* Call the handler at or soon after the deadline. The timer must not be armed; its handler may arm
 * it again. */
void timer_arm(struct timer *timer, uint64_t deadline_ns);
/* Is it armed for the deadline or earlier? Then its handler has not been called yet for that. */
static inline bool timer_fires_by(const struct timer *timer, uint64_t deadline_ns)
{
    return atomic_load_acquire(&timer->armed) && atomic_load(&timer->deadline_ns) <= deadline_ns;
}
/* Disarm. On return the handler is not running and will not run. Not callable from the handler
 * itself. */
void timer_cancel(struct timer *timer);
/* Timer interrupt: run what is due on this processor and program the next event. True when the tick
 * asked for with timer_request() is due. */
bool timer_interrupt(void);
/* Ask for a timer interrupt on this processor no later than this (the scheduler's tick). Interrupts
 * off. */
void timer_request(uint64_t deadline_ns);
/* Prepare the structures of one processor. */
void timer_init_cpu(uint32_t cpu);

#endif
