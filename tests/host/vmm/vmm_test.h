/* vmm_test.h - what every test of the monitor begins with, and a machine's surroundings without a
 * kernel: buses, memory, a clock that stands still until it is told. */
#ifndef VMM_TEST_H
#define VMM_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "bus.h"
#include "clock.h"
#include "line.h"
#include "memory.h"

/* A clock whose time is a number. */
struct test_clock {
    struct clock clock;
    uint64_t now_ns;
};

static inline uint64_t test_clock_source(void *context)
{
    return ((struct test_clock *)context)->now_ns;
}

static inline void test_clock_init(struct test_clock *t)
{
    t->now_ns = 0;
    clock_init(&t->clock, test_clock_source, NULL, t);
}

/* Let time pass, with timers called when they are due. */
static inline void test_clock_pass(struct test_clock *t, uint64_t ns)
{
    uint64_t end = t->now_ns + ns;

    while (t->clock.first != NULL && t->clock.first->due_ns <= end) {
        if (t->clock.first->due_ns > t->now_ns) {
            t->now_ns = t->clock.first->due_ns;
        }
        clock_run(&t->clock);
    }
    t->now_ns = end;
}

/* A line's other end: its level, and how often it went up. */
struct test_line {
    struct line line;
    bool level;
    unsigned rises;
};

static inline void test_line_change(void *target, unsigned input, bool level)
{
    struct test_line *t = target;

    (void)input;
    t->level = level;
    t->rises += level;
}

static inline void test_line_init(struct test_line *t)
{
    t->level = false;
    t->rises = 0;
    line_init(&t->line, test_line_change, t, 0);
}

/* Run the tests and print how many. Returns: main's. */
#define TEST_MAIN(name, tests)                                                                     \
    int main(void)                                                                                 \
    {                                                                                              \
        const int total = (int)(sizeof(tests) / sizeof(tests[0]));                                 \
        int failed = cmocka_run_group_tests_name(name, tests, NULL, NULL);                         \
                                                                                                   \
        printf("%d passed, %d failed\n", total - failed, failed);                                  \
        return failed != 0;                                                                        \
    }

#endif
