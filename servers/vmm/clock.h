/* clock.h - a machine's time, and what is to be done at a time.
 *
 * Where the time comes from is the clock's to say: the host's in a monitor, any number in a test.
 * Everything here is called with the machine's lock held. */
#ifndef VMM_CLOCK_H
#define VMM_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

#define CLOCK_NEVER  UINT64_MAX
#define CLOCK_SECOND 1000000000ull

/* Nanoseconds since some time, never less than before. */
typedef uint64_t clock_source_function(void *context);
/* The first timer is due sooner than was said before. */
typedef void clock_sooner_function(void *context);

/* One thing to be done. Part of its device; must be stopped before that goes [V3]. */
struct clock_timer {
    struct clock_timer *next; /* the clock's, by due */
    uint64_t due_ns;          /* CLOCK_NEVER: it is not set */
    void (*function)(void *device);
    void *device;
};

struct clock {
    clock_source_function *source;
    clock_sooner_function *sooner; /* NULL: nobody waits */
    void *context;
    struct clock_timer *first;
};

void clock_init(struct clock *clock, clock_source_function *source, clock_sooner_function *sooner,
                void *context);
uint64_t clock_now(const struct clock *clock);
/* A timer that is not set. */
void clock_timer_init(struct clock_timer *timer, void (*function)(void *device), void *device);
/* Call the timer's function, once, when the time has come; in place of what was set before. */
void clock_set(struct clock *clock, struct clock_timer *timer, uint64_t due_ns);
/* Do not. */
void clock_stop(struct clock *clock, struct clock_timer *timer);
/* Call the functions of timers that are due, as many as there are now: timers that set themselves
 * again and again do not hold the caller. Returns: when the next is due, CLOCK_NEVER: none. */
uint64_t clock_run(struct clock *clock);

#endif
