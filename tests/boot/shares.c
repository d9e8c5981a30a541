/* shares.c - `shares THREADS SECONDS`: who gets how much of the processor while THREADS threads of
 * this task compute. Prints a line for each of them and for each other task that had a share worth
 * a line: `share NAME NUMBER FRACTION`, of the time that all processors together have had. */
#include <mach/thread_info.h>
#include <mach.h>
#include <pthread.h>
#include <portolan/portolan.h>
#include <portolan/thread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "program.h"
#include "tasks.h"

#define THREADS_MAX 16u
#define TASKS_MAX   64u
#define SETTLE_MS   1000  /* until everybody's priority follows from what he uses */
#define LEAST       0.002 /* of a task that gets a line */

struct used {
    int64_t id;
    uint64_t time_us;
};

static mach_port_t threads[THREADS_MAX];
static struct used before[TASKS_MAX];
static unsigned before_count;

static void *shares_compute(void *argument)
{
    *(mach_port_t *)argument = portolan_thread_port();
    for (;;) {
        __asm__ volatile("");
    }
    return NULL;
}

static uint64_t shares_now_us(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static uint64_t shares_of_thread(mach_port_t thread)
{
    struct thread_basic_info info;
    mach_msg_type_number_t count = THREAD_BASIC_INFO_COUNT;

    program_check(thread_info(thread, THREAD_BASIC_INFO, (thread_info_t)&info, &count),
                  "the time of a thread");
    return (uint64_t)info.user_time.seconds * 1000000 + (uint64_t)info.user_time.microseconds +
           (uint64_t)info.system_time.seconds * 1000000 + (uint64_t)info.system_time.microseconds;
}

static void shares_remember(void)
{
    unsigned count;
    struct task_line *list = tasks_list(&count);
    struct task_facts facts;

    before_count = 0;
    for (unsigned i = 0; i < count && before_count < TASKS_MAX; i++) {
        if (tasks_facts(list[i].task, &facts)) {
            before[before_count] = (struct used){list[i].id, facts.time_us};
            before_count++;
        }
    }
    tasks_free(list, count);
}

static uint64_t shares_before(int64_t id)
{
    for (unsigned i = 0; i < before_count; i++) {
        if (before[i].id == id) {
            return before[i].time_us;
        }
    }
    return 0;
}

static void shares_print_tasks(uint64_t passed_us)
{
    unsigned count;
    struct task_line *list = tasks_list(&count);
    struct task_facts facts;

    for (unsigned i = 0; i < count; i++) {
        if (strcmp(list[i].name, program_name) != 0 && tasks_facts(list[i].task, &facts)) {
            double share = (double)(facts.time_us - shares_before(list[i].id)) / (double)passed_us;

            if (share >= LEAST) {
                printf("share %s %lld %.4f\n", list[i].name, (long long)list[i].id, share);
            }
        }
    }
    tasks_free(list, count);
}

int main(int argc, char **argv)
{
    uint64_t used[THREADS_MAX];
    unsigned long count, seconds;
    uint64_t start;
    pthread_t thread;

    program_start(argv);
    if (argc != 3) {
        program_usage("shares THREADS SECONDS");
    }
    count = program_number(argv[1], "a number of threads", 0, THREADS_MAX);
    seconds = program_number(argv[2], "a number of seconds", 1, 1000);
    for (unsigned i = 0; i < count; i++) {
        if (pthread_create(&thread, NULL, shares_compute, &threads[i]) != 0) {
            program_fail("no thread");
        }
    }
    portolan_sleep(SETTLE_MS);
    shares_remember();
    start = shares_now_us();
    for (unsigned i = 0; i < count; i++) {
        used[i] = shares_of_thread(threads[i]);
    }
    portolan_sleep((natural_t)seconds * 1000);
    start = shares_now_us() - start;
    for (unsigned i = 0; i < count; i++) {
        printf("share thread %u %.4f\n", i,
               (double)(shares_of_thread(threads[i]) - used[i]) / (double)start);
    }
    shares_print_tasks(start);
    return 0;
}
