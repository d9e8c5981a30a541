/* top.c - the tasks by the time they use, again and again until a key is pressed. */
#include <console.h>
#include <io.h>
#include <mach_host.h>
#include <mach_port.h>
#include <portolan.h>
#include <portolan/io_types.h>
#include <portolan/portolan.h>
#include <portolan/thread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "program.h"
#include "tasks.h"

#define REMEMBERED_MAX 256
#define STEP_MS        100
#define STEPS          10
#define ROWS_DEFAULT   24
#define LINES_ABOVE    3
#define PAGE_KIB       4

/* What a task had used a round ago. */
struct remembered {
    int64_t id;
    uint64_t time_us;
};

struct top_line {
    const struct task_line *task;
    struct task_facts facts;
    uint64_t used_us;
};

static struct remembered remembered[REMEMBERED_MAX];
static unsigned remembered_count;
static uint64_t last_uptime_us;

static uint64_t top_uptime(void)
{
    time_value64_t now = {0};

    program_check(host_get_uptime64(mach_host_self(), &now), "the time cannot be read");
    return (uint64_t)now.seconds * 1000000u + (uint64_t)now.nanoseconds / 1000u;
}

static uint64_t top_before(int64_t id)
{
    for (unsigned i = 0; i < remembered_count; i++) {
        if (remembered[i].id == id) {
            return remembered[i].time_us;
        }
    }
    return 0;
}

static int top_compare(const void *a, const void *b)
{
    const struct top_line *left = a;
    const struct top_line *right = b;

    if (left->used_us != right->used_us) {
        return left->used_us < right->used_us ? 1 : -1;
    }
    return left->task->id < right->task->id ? -1 : 1;
}

static unsigned top_collect(const struct task_line *list, unsigned count, struct top_line *lines)
{
    unsigned n = 0;

    for (unsigned i = 0; i < count; i++) {
        lines[n].task = &list[i];
        if (tasks_facts(list[i].task, &lines[n].facts)) {
            uint64_t before = top_before(list[i].id);

            lines[n].used_us = lines[n].facts.time_us - before;
            n++;
        }
    }
    remembered_count = n < REMEMBERED_MAX ? n : REMEMBERED_MAX;
    for (unsigned i = 0; i < remembered_count; i++) {
        remembered[i] = (struct remembered){lines[i].task->id, lines[i].facts.time_us};
    }
    qsort(lines, n, sizeof(*lines), top_compare);
    return n;
}

static void top_head(uint64_t uptime_us, unsigned tasks)
{
    portolan_counts_t counts = {0};
    mach_msg_type_number_t n = PORTOLAN_NUMBERS_MAX;

    program_check(host_object_counts(mach_host_self(), counts, &n), "the kernel's counts");
    printf(
        "up %llu s, %u tasks, %lld threads, %lld of %lld KiB free, %lld ports, %lld messages\n\n",
        (unsigned long long)uptime_us / 1000000, tasks, (long long)counts[PORTOLAN_COUNT_THREADS],
        (long long)counts[PORTOLAN_COUNT_FREE_PAGES] * PAGE_KIB,
        (long long)counts[PORTOLAN_COUNT_TOTAL_PAGES] * PAGE_KIB,
        (long long)counts[PORTOLAN_COUNT_PORTS], (long long)counts[PORTOLAN_COUNT_MESSAGES]);
}

static void top_show(unsigned rows)
{
    unsigned count;
    struct task_line *list = tasks_list(&count);
    struct top_line *lines = calloc(count + 1, sizeof(*lines));
    uint64_t now = top_uptime();
    uint64_t passed = now - last_uptime_us;
    unsigned n;

    if (lines == NULL) {
        program_fail("out of memory");
    }
    n = top_collect(list, count, lines);
    last_uptime_us = now;
    top_head(now, n);
    printf("%6s %6s %4s %c %8s %s\n", "ID", "CPU%", "THR", 'S', "KIB", "NAME");
    for (unsigned i = 0; i < n && i + LINES_ABOVE + 1 < rows; i++) {
        unsigned long long tenths = passed != 0 ? lines[i].used_us * 1000 / passed : 0;

        printf("%6lld %4llu.%llu %4u %c %8llu %s\n", (long long)lines[i].task->id, tenths / 10,
               tenths % 10, lines[i].facts.threads, lines[i].facts.state,
               (unsigned long long)lines[i].facts.basic.resident_size / 1024, lines[i].task->name);
    }
    fflush(stdout);
    free(lines);
    tasks_free(list, count);
}

/* Wait a second; true when a key was pressed. */
static bool top_wait(mach_port_t console)
{
    for (unsigned i = 0; i < STEPS; i++) {
        int ready = 0;
        io_data_t key;
        mach_msg_type_number_t count = sizeof(key);

        portolan_sleep(STEP_MS);
        if (console != MACH_PORT_NULL && io_poll(console, &ready) == KERN_SUCCESS &&
            (ready & IO_READY_READ) != 0) {
            io_read(console, IO_POSITION, 1, key, &count);
            return true;
        }
    }
    return false;
}

/* Rounds until a key is pressed, or as many as are given. */
static void top_run(mach_port_t console, unsigned long rounds, int rows)
{
    for (unsigned long i = 0; rounds == 0 || i < rounds; i++) {
        if (rounds == 0) {
            printf("\033[H\033[2J");
        }
        top_show(rounds == 0 ? (unsigned)rows : REMEMBERED_MAX);
        if (i + 1 != rounds && top_wait(rounds == 0 ? console : MACH_PORT_NULL)) {
            break;
        }
    }
}

int main(int argc, char **argv)
{
    mach_port_t console = portolan_fd_port(0);
    unsigned long rounds = 0;
    int rows = ROWS_DEFAULT, columns;

    program_start(argv);
    if (argc == 3 && strcmp(argv[1], "-n") == 0) {
        rounds = program_number(argv[2], "a number of rounds", 1, 100000);
    } else if (argc != 1) {
        program_usage("top [-n ROUNDS]");
    }
    if (rounds == 0 && console_set_mode(console, TRUE) != KERN_SUCCESS) {
        program_fail("standard input is no console; give a number of rounds with -n");
    }
    console_size(console, &rows, &columns);
    top_run(console, rounds, rows);
    if (rounds == 0) {
        console_set_mode(console, FALSE);
    }
    return 0;
}
