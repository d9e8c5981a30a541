/* clock.c - timers in a list, by when they are due: there are a few for a machine. */
#include "clock.h"

#include <stddef.h>

void clock_init(struct clock *clock, clock_source_function *source, clock_sooner_function *sooner,
                void *context)
{
    *clock = (struct clock){source, sooner, context, NULL};
}

uint64_t clock_now(const struct clock *clock)
{
    return clock->source(clock->context);
}

void clock_timer_init(struct clock_timer *timer, void (*function)(void *device), void *device)
{
    *timer = (struct clock_timer){NULL, CLOCK_NEVER, function, device};
}

void clock_stop(struct clock *clock, struct clock_timer *timer)
{
    struct clock_timer **link = &clock->first;

    if (timer->due_ns == CLOCK_NEVER) {
        return;
    }
    while (*link != timer) {
        link = &(*link)->next;
    }
    *link = timer->next;
    timer->next = NULL;
    timer->due_ns = CLOCK_NEVER;
}

void clock_set(struct clock *clock, struct clock_timer *timer, uint64_t due_ns)
{
    struct clock_timer **link = &clock->first;

    clock_stop(clock, timer);
    if (due_ns == CLOCK_NEVER) {
        return;
    }
    while (*link != NULL && (*link)->due_ns <= due_ns) {
        link = &(*link)->next;
    }
    timer->due_ns = due_ns;
    timer->next = *link;
    *link = timer;
    if (clock->first == timer && clock->sooner != NULL) {
        clock->sooner(clock->context);
    }
}

uint64_t clock_run(struct clock *clock)
{
    uint64_t now = clock_now(clock);
    unsigned due = 0;

    for (const struct clock_timer *t = clock->first; t != NULL && t->due_ns <= now; t = t->next) {
        due++;
    }
    for (; due != 0 && clock->first != NULL && clock->first->due_ns <= now; due--) {
        struct clock_timer *timer = clock->first;

        clock_stop(clock, timer);
        timer->function(timer->device);
    }
    return clock->first != NULL ? clock->first->due_ns : CLOCK_NEVER;
}
