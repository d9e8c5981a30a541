/* main.c - keeps memory changed for SECONDS seconds, with MIB MiB in use, more than the machine
 * has:
 *
 *     pressure MIB SECONDS            starts the tasks, and measures
 *     pressure ROLE SIZE END          is one of them
 *
 * Each task prints what it did. */
#include <mach.h>
#include <mach_port.h>
#include <portolan.h>
#include <portolan/error.h>
#include <portolan/portolan.h>
#include <portolan/spawn.h>
#include <portolan/thread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "pressure.h"

#define ROLES   5u
#define PAGER   3u /* which of them has a pager of its own */
#define SHARES  64u
#define SAMPLES 6u  /* times memory is measured, */
#define EVERY_S 60u /*   or more often in a long test */
#define PERCENT 95u
#define SEEN_PERCENT                                                                               \
    75u /* the rest: what is wired, has not been paged out yet, or is in messages */
#define FAULT_MS                                                                                   \
    60000u /* the host may be slow: what is too long is decided by who reads the output */

struct role {
    const char *name;
    void (*function)(uint64_t size, uint64_t end_ms, struct work *work);
    unsigned share; /* of all memory, in parts of SHARES */
};

static const struct role roles[ROLES] = {
    {"write", role_write, 30}, {"write", role_write, 30},
    {"fork", role_fork, 1},    {"pager", role_pager, 1}, /* in use, and kept by it */
    {"call", role_call, 0},
};

uint64_t pressure_now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Print a line in one piece: others print at the same time. */
static void __attribute__((format(printf, 1, 2))) print_line(const char *format, ...)
{
    char line[200];
    va_list arguments;
    int length;

    va_start(arguments, format);
    length = vsnprintf(line, sizeof(line), format, arguments);
    va_end(arguments);
    (void)!write(1, line, (size_t)length);
}

void pressure_check(kern_return_t kr, const char *what)
{
    if (kr != KERN_SUCCESS) {
        print_line("pressure: %s: %s\n", what, mach_error_string(kr));
        exit(1);
    }
}

void *pressure_allocate(uint64_t size)
{
    vm_address_t address = 0;

    pressure_check(vm_allocate(mach_task_self(), &address, size, TRUE), "no room");
    return (void *)address;
}

void work_step(struct work *work)
{
    uint64_t now = pressure_now_ms();

    if (work->last_ms != 0 && now - work->last_ms > work->gap_ms) {
        work->gap_ms = now - work->last_ms;
    }
    work->last_ms = now;
    work->done++;
}

/* --- a task of the test --- */

static int act(const char *name, uint64_t size, uint64_t end_ms)
{
    struct work work = {0};
    unsigned i = 0;

    while (i < ROLES && strcmp(name, roles[i].name) != 0) {
        i++;
    }
    if (i == ROLES) {
        return 2;
    }
    pressure_check(thread_set_memory_timeout(portolan_thread_port(), FAULT_MS), "patience");
    roles[i].function(size, end_ms, &work);
    print_line("%s: %lu done, %lu wrong, longest wait %lu ms\n", name, work.done, work.wrong,
               work.gap_ms);
    return work.wrong != 0;
}

/* --- all of them --- */

struct child {
    mach_port_t task, exit;
};

static void start(struct child *child, const struct role *role, uint64_t mib, uint64_t end_ms)
{
    char name[16], size[24], end[24];
    char *argv[] = {"/tests/pressure", name, size, end, NULL};
    struct spawn spawn = {.path = argv[0], .argv = argv, .envp = environ};

    snprintf(name, sizeof(name), "%s", role->name);
    snprintf(size, sizeof(size), "%lu", mib * MIB / SHARES * role->share / PAGE * PAGE);
    snprintf(end, sizeof(end), "%lu", end_ms);
    pressure_check(spawn_start(&spawn, &child->task, &child->exit), "a task");
}

/* How much of what programs have in memory is changed? */
static bool measure(mach_port_t pager_task)
{
    struct meter meter;
    bool enough;

    meter_read(&meter, pager_task);
    enough = meter.dirty * 100 >= meter.seen * PERCENT &&
             meter.seen * 100 >= meter.programs * SEEN_PERCENT;
    print_line("memory: %lu pages free, %lu of programs, %lu with a pager, %lu changed: %s\n",
               meter.free, meter.programs, meter.seen, meter.dirty, enough ? "enough" : "too few");
    return enough;
}

static int run(uint64_t mib, uint64_t seconds)
{
    struct child children[ROLES];
    uint64_t now = pressure_now_ms();
    uint64_t end_ms = now + seconds * 1000;
    uint64_t every =
        seconds / (SAMPLES + 1) < EVERY_S ? seconds * 1000 / (SAMPLES + 1) : EVERY_S * 1000;
    bool good = true;

    for (unsigned i = 0; i < ROLES; i++) {
        start(&children[i], &roles[i], mib, end_ms);
    }
    for (uint64_t at = now + every; at + every / 2 < end_ms; at += every) {
        while (pressure_now_ms() < at) {
            usleep(100000);
        }
        if (pressure_now_ms() + every / 2 < end_ms) { /* not too late */
            good = measure(children[PAGER].task) && good;
        }
    }
    for (unsigned i = 0; i < ROLES; i++) {
        good = spawn_wait(children[i].exit) == 0 && good;
    }
    printf("pressure: %s\n", good ? "good" : "bad");
    return good ? 0 : 1;
}

int main(int argc, char **argv)
{
    if (argc == 4) {
        return act(argv[1], strtoul(argv[2], NULL, 10), strtoul(argv[3], NULL, 10));
    }
    if (argc != 3) {
        printf("usage: pressure MIB SECONDS\n");
        return 2;
    }
    return run(strtoul(argv[1], NULL, 10), strtoul(argv[2], NULL, 10));
}
