/* quiet_test.c - the other processors stand still. */
#include "arch/cpu.h"
#include "arch/interrupt.h"
#include "ddb/ktest.h"
#include "ddb/quiet.h"
#include "kern/atomic.h"
#include "kern/clock.h"
#include "kern/sched.h"
#include "kern/thread.h"

#define QUIET_LOOKS 100000

struct quiet_test {
    struct thread *threads[CPU_MAX];
    uint64_t counts[CPU_MAX]; /* [a] each by a thread of its own */
    uint32_t running;         /* [a] */
    bool over;                /* [a] */
    uint64_t moved;
    bool could_be_interrupted;
};

static struct quiet_test test;

static void quiet_test_count(void *argument)
{
    uint64_t *count = argument;

    atomic_inc(&test.running);
    while (!atomic_load(&test.over)) {
        atomic_inc(count);
    }
    thread_exit();
}

static uint64_t quiet_test_sum(void)
{
    uint64_t sum = 0;

    for (uint32_t i = 0; i < cpu_count; i++) {
        sum += atomic_load(&test.counts[i]);
    }
    return sum;
}

static void quiet_test_look(void *argument)
{
    uint64_t before = quiet_test_sum();

    (void)argument;
    for (unsigned i = 0; i < QUIET_LOOKS; i++) {
        cpu_relax();
    }
    test.moved = quiet_test_sum() - before;
    test.could_be_interrupted = interrupt_is_enabled();
}

static void quiet_test_pause(void)
{
    thread_wait_prepare(false, clock_now_ns() + NS_PER_MS);
    thread_block(NULL);
}

/* A thread that counts on each processor, of a priority below this one's. */
static void quiet_test_start(void)
{
    test = (struct quiet_test){0};
    for (uint32_t i = 0; i < cpu_count; i++) {
        struct thread *thread =
            thread_create_kernel("counts", quiet_test_count, &test.counts[i], PRIORITY_IDLE - 1);

        thread_ref(thread);
        sched_bind(thread, (int)i);
        thread->wait = THREAD_CLAIMED;
        thread_setrun(thread);
        test.threads[i] = thread;
    }
    while (atomic_load(&test.running) != cpu_count) {
        quiet_test_pause();
    }
}

static void quiet_test_end(void)
{
    atomic_store(&test.over, true);
    for (uint32_t i = 0; i < cpu_count; i++) {
        struct thread *thread = test.threads[i];

        while (atomic_load(&thread->wait) != THREAD_DEAD || atomic_load(&thread->on_cpu)) {
            quiet_test_pause();
        }
        thread_unref(thread);
    }
    sched_yield();
    quiet_test_pause(); /* the other processors let go of them */
}

KTEST(quiet, nothing_else_runs_while_the_function_does)
{
    quiet_test_start();
    for (unsigned i = 0; i < 20; i++) {
        quiet_run(quiet_test_look, NULL);
        EXPECT_EQ(test.moved, 0);
        EXPECT_EQ(test.could_be_interrupted, false);
        EXPECT_EQ(interrupt_is_enabled(), true);
    }
    quiet_test_look(NULL); /* and the others go on */
    EXPECT_TRUE(cpu_count == 1 || test.moved != 0);
    quiet_test_end();
}
