/* thread_test.c - waiting, waking, priorities, mutexes, timers. */
#include "ddb/ktest.h"
#include "kern/atomic.h"
#include "kern/clock.h"
#include "kern/mutex.h"
#include "kern/sched.h"
#include "kern/sched_impl.h"
#include "kern/stack.h"
#include "kern/thread.h"
#include "kern/timer.h"
#include "kern/waitq.h"

/* Run function in a kernel thread of the given priority. */
static struct thread *test_start(void (*function)(void *), void *argument, int priority)
{
    struct thread *t = thread_create_kernel("test", function, argument, priority);

    thread_ref(t);
    t->wait = THREAD_CLAIMED;
    thread_setrun(t);
    return t;
}

/* Wait until the thread has ended. */
static void test_join(struct thread *t)
{
    while (atomic_load(&t->wait) != THREAD_DEAD || atomic_load(&t->on_cpu)) {
        thread_wait_prepare(false, clock_now_ns() + NS_PER_MS);
        thread_block(NULL);
    }
    thread_unref(t);
    sched_yield();
    thread_wait_prepare(false, clock_now_ns() + NS_PER_MS); /* the other processor lets go of it */
    thread_block(NULL);
}

KTEST(thread, a_timed_wait_ends_at_its_deadline)
{
    uint64_t start = clock_now_ns();

    thread_wait_prepare(false, start + 5 * NS_PER_MS);
    EXPECT_EQ(thread_block(NULL), WAIT_TIMED_OUT);
    EXPECT_TRUE(clock_now_ns() >= start + 5 * NS_PER_MS);
}

KTEST(thread, a_wait_claimed_before_it_blocks_does_not_block)
{
    thread_wait_prepare(false, 0);
    EXPECT_TRUE(thread_wake(current_thread(), WAIT_RESTART));
    EXPECT_EQ(thread_block(NULL), WAIT_RESTART);
}

KTEST(thread, only_one_waker_claims_a_wait)
{
    thread_wait_prepare(false, 0);
    EXPECT_TRUE(thread_claim(current_thread(), WAIT_OK));
    EXPECT_TRUE(!thread_claim(current_thread(), WAIT_TIMED_OUT));
    thread_setrun(current_thread());
    EXPECT_EQ(thread_block(NULL), WAIT_OK);
}

#define WAKES_MAX 1000u

struct test_rewait {
    struct waitq queue;
    unsigned wakes;
    bool stop;
};

/* Wait again whenever it is woken. */
static void test_wait_again(void *argument)
{
    struct test_rewait *r = argument;

    while (!atomic_load(&r->stop) && r->wakes < WAKES_MAX) {
        waitq_assert_wait(&r->queue, false, clock_now_ns() + 100 * NS_PER_MS);
        if (waitq_block(&r->queue) == WAIT_OK) {
            atomic_inc(&r->wakes);
        }
    }
    thread_exit();
}

KTEST(thread, who_is_woken_and_waits_again_is_not_woken_for_ever)
{
    struct test_rewait r = {.wakes = 0};
    struct thread *t;

    waitq_init(&r.queue, "again");
    t = test_start(test_wait_again, &r, 0);
    thread_sleep(5 * NS_PER_MS);
    waitq_wake_all(&r.queue, WAIT_OK);
    EXPECT_TRUE(atomic_load(&r.wakes) < WAKES_MAX);
    atomic_store(&r.stop, true);
    waitq_wake_all(&r.queue, WAIT_OK);
    test_join(t);
}

KTEST(thread, a_cancelled_wait_leaves_the_thread_running)
{
    thread_wait_prepare(true, clock_now_ns() + NS_PER_SEC);
    EXPECT_TRUE(thread_wait_cancel());
    EXPECT_TRUE(!thread_wake(current_thread(), WAIT_OK));
}

struct ping {
    struct waitq queue;
    uint32_t turn;
    uint32_t rounds;
};

static void test_ping(void *argument)
{
    struct ping *p = argument;

    for (uint32_t i = 0; i < p->rounds; i++) {
        for (;;) {
            waitq_assert_wait(&p->queue, false, 0);
            if (atomic_load_acquire(&p->turn) == 1) {
                waitq_cancel_wait(&p->queue);
                break;
            }
            waitq_block(&p->queue);
        }
        atomic_store_release(&p->turn, 0);
        waitq_wake_all(&p->queue, WAIT_OK);
    }
    thread_exit();
}

KTEST(thread, two_threads_pass_a_turn_a_thousand_times_without_losing_a_wake_up)
{
    struct ping p = {.rounds = 1000};
    struct thread *t;

    waitq_init(&p.queue, "ping");
    t = test_start(test_ping, &p, PRIORITY_SYSTEM);
    for (uint32_t i = 0; i < p.rounds; i++) {
        atomic_store_release(&p.turn, 1);
        waitq_wake_all(&p.queue, WAIT_OK);
        for (;;) {
            waitq_assert_wait(&p.queue, false, 0);
            if (atomic_load_acquire(&p.turn) == 0) {
                waitq_cancel_wait(&p.queue);
                break;
            }
            waitq_block(&p.queue);
        }
    }
    test_join(t);
    EXPECT_EQ(p.turn, 0);
}

struct count {
    struct mutex mutex;
    uint64_t value;
    uint32_t rounds;
};

static void test_count(void *argument)
{
    struct count *c = argument;

    for (uint32_t i = 0; i < c->rounds; i++) {
        mutex_lock(&c->mutex);
        uint64_t value = c->value;
        if (i % 64 == 0) {
            sched_yield();
        }
        c->value = value + 1;
        mutex_unlock(&c->mutex);
    }
    thread_exit();
}

KTEST(mutex, four_threads_never_hold_it_at_once)
{
    struct count c = {.rounds = 3000};
    struct thread *threads[4];

    mutex_init(&c.mutex, "count");
    for (unsigned i = 0; i < 4; i++) {
        threads[i] = test_start(test_count, &c, PRIORITY_SYSTEM);
    }
    for (unsigned i = 0; i < 4; i++) {
        test_join(threads[i]);
    }
    EXPECT_EQ(c.value, 12000);
}

static void test_note_order(void *argument)
{
    uint32_t **next = argument;

    atomic_fetch_add(*next, 1);
    thread_exit();
}

KTEST(sched, a_better_thread_runs_before_a_worse_one_on_the_same_processor)
{
    uint32_t counter = 0;
    uint32_t *pointer = &counter;
    struct thread *t;
    uint64_t flags = interrupt_save_disable();

    sched_bind(current_thread(), (int)cpu_number());
    t = thread_create_kernel("better", test_note_order, &pointer, 0);
    thread_ref(t);
    sched_bind(t, (int)cpu_number());
    t->wait = THREAD_CLAIMED;
    thread_setrun(t);
    interrupt_restore(flags);
    preempt_disable();
    preempt_enable(); /* the first place where this thread can be preempted */
    EXPECT_EQ(counter, 1);
    sched_bind(current_thread(), -1);
    test_join(t);
}

static void test_wander(void *argument)
{
    uint32_t *running = argument;

    for (unsigned i = 0; i < 2000; i++) {
        sched_yield();
        if (i % 16 == 0) {
            thread_wait_prepare(false, clock_now_ns() + 10 * NS_PER_US);
            thread_block(NULL);
        }
    }
    atomic_fetch_sub(running, 1);
    thread_exit();
}

KTEST(sched, priorities_can_be_changed_while_threads_move_between_processors)
{
    struct thread *threads[6];
    uint32_t running = 6;

    for (unsigned i = 0; i < 6; i++) {
        threads[i] = test_start(test_wander, &running, PRIORITY_USER);
    }
    for (int32_t priority = PRIORITY_USER; atomic_load(&running) != 0;
         priority = priority < 40 ? priority + 1 : PRIORITY_USER) {
        for (unsigned i = 0; i < 6; i++) {
            spin_lock(&threads[i]->lock);
            sched_set_priority(threads[i], priority + (int32_t)i);
            spin_unlock(&threads[i]->lock);
        }
        thread_wait_prepare(false, clock_now_ns() + 50 * NS_PER_US);
        thread_block(NULL);
    }
    for (unsigned i = 0; i < 6; i++) {
        test_join(threads[i]);
    }
}

static void test_set(void *argument)
{
    atomic_store((uint32_t *)argument, 1);
    thread_exit();
}

KTEST(sched, a_thread_that_used_much_is_not_kept_waiting_by_fresh_ones)
{
    struct thread *self = current_thread();
    uint64_t end = clock_now_ns() + 10 * NS_PER_SEC;
    uint32_t has_run = 0;
    struct thread *t;

    sched_bind(self, (int)cpu_number());
    t = thread_create_kernel("tired", test_set, &has_run, self->base_priority);
    thread_ref(t);
    sched_bind(t, self->bound_cpu);
    t->policy = THREAD_POLICY_TIMESHARE;
    t->usage = 40;
    t->usage_stamp_ns = clock_now_ns();
    t->wait = THREAD_CLAIMED;
    thread_setrun(t);
    while (atomic_load(&has_run) == 0 &&
           clock_now_ns() < end) { /* of a fixed priority: ever fresh */
    }
    EXPECT_TRUE(clock_now_ns() < end);
    sched_bind(self, -1);
    test_join(t);
}

#define STACKS_MAX 8u

/* What a processor without a stack at hand, that idles by the given thread, runs next. */
static struct thread *test_pick_without_stack(struct thread *idle)
{
    struct cpu cpu = {.idle = idle};
    uint64_t stacks[STACKS_MAX];
    uint64_t flags = interrupt_save_disable();
    struct thread *next;
    unsigned n = 0;

    cpu.number = cpu_number();
    for (; n < STACKS_MAX && (stacks[n] = stack_take()) != 0; n++) {
    }
    next = sched_pick_with_stack(&cpu);
    while (n != 0) {
        n--;
        stack_give(stacks[n]);
    }
    if (next != idle) {
        thread_setrun(next);
    }
    interrupt_restore(flags);
    return next;
}

KTEST(sched, a_processor_that_idles_without_a_stack_goes_on_idling)
{
    static struct thread idle; /* of no processor: one that runs has no stack in its pcb */
    struct thread *next;

    list_init(&idle.run_link);
    next = test_pick_without_stack(&idle);
    while (next != &idle) {
        thread_wait_prepare(false, clock_now_ns() + NS_PER_MS);
        thread_block(NULL);
        next = test_pick_without_stack(&idle);
    }
    EXPECT_TRUE(!list_is_linked(&idle.run_link));
}

static uint32_t test_fired;

static void test_timer_handler(struct timer *timer)
{
    (void)timer;
    atomic_fetch_add(&test_fired, 1);
}

KTEST(timer, a_cancelled_timer_never_fires)
{
    struct timer timer;
    uint32_t fired;

    test_fired = 0;
    timer_init(&timer, test_timer_handler);
    timer_arm(&timer, clock_now_ns() + 2 * NS_PER_MS);
    timer_cancel(&timer);
    fired = atomic_load(&test_fired); /* the machine may have stood still for as long */
    thread_wait_prepare(false, clock_now_ns() + 5 * NS_PER_MS);
    thread_block(NULL);
    EXPECT_EQ(test_fired, fired);
}

KTEST(timer, timers_fire_in_order_of_deadline)
{
    struct timer timers[3];
    uint64_t now = clock_now_ns();

    test_fired = 0;
    for (unsigned i = 0; i < 3; i++) {
        timer_init(&timers[i], test_timer_handler);
        timer_arm(&timers[i], now + (3 - i) * NS_PER_MS);
    }
    thread_wait_prepare(false, now + 10 * NS_PER_MS);
    thread_block(NULL);
    EXPECT_EQ(test_fired, 3);
    for (unsigned i = 0; i < 3; i++) {
        timer_cancel(&timers[i]);
    }
}

KTEST(clock, time_never_goes_back)
{
    uint64_t last = clock_now_ns();

    for (unsigned i = 0; i < 10000; i++) {
        uint64_t now = clock_now_ns();

        if (now < last) {
            EXPECT_TRUE(now >= last);
        }
        last = now;
    }
}

KTEST(clock, a_slew_moves_the_wall_clock_and_reports_what_is_left)
{
    EXPECT_EQ(clock_adjust_ns(1000 * 1000), 0);
    EXPECT_TRUE(clock_adjust_ns(0) <= 1000 * 1000);
    EXPECT_EQ(clock_adjust_ns(0), 0);
}
