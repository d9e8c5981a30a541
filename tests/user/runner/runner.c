/* runner.c - runs the test programs of /tests, each in a fresh task, and checks after each that the
 * counts of kernel objects are what they were, and that the ledger of rights balances.
 *
 * usage: runner [PREFIX [ARGUMENT...]]      The programs whose names begin so, with the arguments;
 *                                           -PREFIX: those whose names do not.
 * Closes with `runner: N programs, N with failures`. */
#include <device.h>
#include <dirent.h>
#include <file.h>
#include <mach.h>
#include <mach/device_types.h>
#include <mach_debug.h>
#include <mach_host.h>
#include <mach_port.h>
#include <portolan.h>
#include <portolan/file_types.h>
#include <portolan/portolan.h>
#include <portolan/spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

#define PROGRAMS_MAX   64
#define ARGUMENTS_MAX  8
#define SETTLE_TRIES   300
#define SLOW_TRIES     2000
#define RIGHTS_TRIES   300
#define RUNNER_REPEATS 8
/* Caches of the kernel and of servers may keep this many pages after one program. */
#define PAGES_SLACK 48
#define PAGE_BYTES  4096u
/* Programs that are given the hardware port, or the hypervisor port. */
#define HARDWARE "/tests/hardware_"
#define HV       "/tests/hv_"

/* The kinds of host_object_counts, and one more. */
#define RUNNER_COUNT_ALLOCATED PORTOLAN_COUNT_COUNT
#define RUNNER_COUNT_COUNT     (PORTOLAN_COUNT_COUNT + 1)

static const char *const count_names[RUNNER_COUNT_COUNT] = {
    "tasks",       "threads",    "ports", "names",         "messages",      "objects",
    "map entries", "free pages", "pages", "kernel stacks", "kernel tables", "allocated objects"};

static char *arguments[ARGUMENTS_MAX + 1]; /* of each program, after its path; ends with NULL */
static int64_t tasks_alone;                /* what there are while no program runs */

/* Objects that are as many as before when nothing was lost. How many ranges of its memory the
 * kernel has depends on how it was taken, and of the entries for pages that are mapped more than
 * once some are kept for the next. */
static bool is_counted(const char *cache)
{
    return strcmp(cache, "kmem_range") != 0 && strcmp(cache, "pv_entry") != 0;
}

/* Pages of caches count as free: how many there are depends on what lies where. So do, in
 * counts_now(), page tables of the kernel, which stay for who names ports there next. */
static void count_caches(int64_t *counts)
{
    cache_info_array_t caches;
    mach_msg_type_number_t n = 0;

    if (host_slab_info(mach_host_self(), &caches, &n) != KERN_SUCCESS) {
        return;
    }
    for (mach_msg_type_number_t i = 0; i < n; i++) {
        if (is_counted(caches[i].name)) {
            counts[RUNNER_COUNT_ALLOCATED] += (int64_t)caches[i].nr_objs;
        }
        counts[PORTOLAN_COUNT_FREE_PAGES] +=
            (int64_t)(caches[i].nr_slabs * caches[i].slab_size / PAGE_BYTES);
    }
    vm_deallocate(mach_task_self(), (vm_address_t)caches, n * sizeof(*caches));
}

/* What the file server only keeps in case it is asked for again is no loss. */
static void counts_now(int64_t counts[PORTOLAN_NUMBERS_MAX])
{
    mach_msg_type_number_t n = PORTOLAN_NUMBERS_MAX;

    (void)file_sync(portolan_port("root"), FILE_SYNC_FORGET);
    memset(counts, 0, PORTOLAN_NUMBERS_MAX * sizeof(*counts));
    host_object_counts(mach_host_self(), counts, &n);
    count_caches(counts);
    counts[PORTOLAN_COUNT_FREE_PAGES] += counts[PORTOLAN_COUNT_KERNEL_TABLES];
    counts[RUNNER_COUNT_ALLOCATED] -= counts[PORTOLAN_COUNT_MESSAGES]; /* told apart */
}

/* The ledger of rights; false when the kernel has none. */
static bool rights_now(portolan_counts_t rights)
{
    mach_msg_type_number_t n = PORTOLAN_NUMBERS_MAX;

    memset(rights, 0, sizeof(portolan_counts_t));
    return host_check_rights(mach_host_self(), rights, &n) == KERN_SUCCESS;
}

/* Kinds that must be exactly what they were. */
static bool is_exact(unsigned kind)
{
    return kind <= PORTOLAN_COUNT_MAP_ENTRIES || kind == RUNNER_COUNT_ALLOCATED;
}

static bool is_left(unsigned kind, const int64_t *before, const int64_t *after)
{
    if (kind == PORTOLAN_COUNT_FREE_PAGES) {
        return after[kind] + PAGES_SLACK < before[kind];
    }
    if (kind == PORTOLAN_COUNT_MESSAGES) {
        return after[kind] > before[kind];
    }
    return is_exact(kind) && before[kind] != after[kind];
}

static bool is_same(const int64_t *before, const int64_t *after)
{
    for (unsigned i = 0; i < RUNNER_COUNT_COUNT; i++) {
        if (is_left(i, before, after)) {
            return false;
        }
    }
    return true;
}

/* Is more left of what is in no heap? */
static bool is_no_heap(const int64_t *before, const int64_t *after)
{
    for (unsigned i = 0; i < PORTOLAN_COUNT_OBJECTS; i++) {
        if (after[i] > before[i]) {
            return true;
        }
    }
    return false;
}

/* What a program leaves behind may take a moment to go; tasks, ports and the like a longer one,
 * when the host has other work. Whoever sleeps may hold the messages of that call meanwhile, for
 * seconds: it does when the call could not take the short way. */
static bool settle(const int64_t *before, int64_t *after)
{
    struct timespec pause = {0, 5000000};
    bool is_slow = false;

    for (unsigned tries = 0; tries < (is_slow ? SLOW_TRIES : SETTLE_TRIES); tries++) {
        counts_now(after);
        if (is_same(before, after)) {
            return true;
        }
        is_slow = is_no_heap(before, after);
        nanosleep(&pause, NULL);
    }
    return false;
}

static void print_leak(const int64_t *before, const int64_t *after)
{
    for (unsigned i = 0; i < RUNNER_COUNT_COUNT; i++) {
        if (is_left(i, before, after)) {
            printf("  %s: %ld before, %ld after\n", count_names[i], (long)before[i],
                   (long)after[i]);
        }
    }
}

/* Does the ledger of rights balance, and does the kernel hold what it held? What another task has
 * under way may pass through the kernel, so look again. *now is what was seen last. */
static bool is_balanced(const int64_t *before, portolan_counts_t now)
{
    struct timespec pause = {0, 10000000};

    for (unsigned tries = 0; tries < RIGHTS_TRIES; tries++) {
        rights_now(now);
        if (now[PORTOLAN_RIGHTS_ERRORS] != 0) {
            break;
        }
        if (now[PORTOLAN_RIGHTS_KERNEL_SEND] == before[PORTOLAN_RIGHTS_KERNEL_SEND] &&
            now[PORTOLAN_RIGHTS_KERNEL_SEND_ONCE] == before[PORTOLAN_RIGHTS_KERNEL_SEND_ONCE]) {
            return true;
        }
        nanosleep(&pause, NULL);
    }
    return false;
}

/* The counts once they stand still and no program is on its way out: its processor may be one the
 * host does not run just now, and then it stands still, too. */
static void counts_settled(int64_t counts[PORTOLAN_NUMBERS_MAX])
{
    struct timespec pause = {0, 20000000};
    int64_t last[PORTOLAN_NUMBERS_MAX];
    unsigned tries = 0;

    counts_now(counts);
    do {
        memcpy(last, counts, sizeof(last));
        nanosleep(&pause, NULL);
        counts_now(counts);
        tries++;
    } while (!is_same(last, counts) || !is_same(counts, last) ||
             (counts[PORTOLAN_COUNT_TASKS] > tasks_alone && tries < SETTLE_TRIES));
}

/* The ledger of rights once what the kernel holds stands still. */
static void rights_settled(portolan_counts_t rights)
{
    struct timespec pause = {0, 20000000};
    portolan_counts_t last;
    unsigned tries = 0;

    if (!rights_now(rights)) {
        return;
    }
    do {
        memcpy(last, rights, sizeof(last));
        nanosleep(&pause, NULL);
        rights_now(rights);
        tries++;
    } while ((rights[PORTOLAN_RIGHTS_KERNEL_SEND] != last[PORTOLAN_RIGHTS_KERNEL_SEND] ||
              rights[PORTOLAN_RIGHTS_KERNEL_SEND_ONCE] != last[PORTOLAN_RIGHTS_KERNEL_SEND_ONCE]) &&
             tries < RIGHTS_TRIES);
}

/* Wait until all drivers have come up: only then is a device that is not there refused. */
static void wait_for_drivers(void)
{
    mach_port_t master, device;

    if (portolan_look_up("device_master", &master) == KERN_SUCCESS) {
        if (device_open(master, D_READ, "none", &device) == KERN_SUCCESS) {
            mach_port_deallocate(mach_task_self(), device);
        }
        mach_port_deallocate(mach_task_self(), master);
    }
}

/* Run one program; its exit status, or -1. */
static int run(const char *path)
{
    char *argv[ARGUMENTS_MAX + 2] = {(char *)path};
    struct spawn_right rights[] = {
        {"host", portolan_port("host"), MACH_MSG_TYPE_COPY_SEND, 0},
        {"hardware", portolan_port("hardware"), MACH_MSG_TYPE_COPY_SEND, 0},
        {"hv", portolan_port("hv"), MACH_MSG_TYPE_COPY_SEND, 0},
    };
    bool is_hv = strncmp(path, HV, strlen(HV)) == 0;
    bool has_hardware = is_hv || strncmp(path, HARDWARE, strlen(HARDWARE)) == 0;
    struct spawn spawn = {
        .path = path, .argv = argv, .rights = rights, .nrights = 1 + has_hardware + is_hv};
    mach_port_t task, exit_receive;
    kern_return_t kr;
    int status;

    memcpy(argv + 1, arguments, sizeof(arguments));
    kr = spawn_start(&spawn, &task, &exit_receive);
    if (kr != KERN_SUCCESS) {
        printf("  %s: %s\n", path, spawn_error_string(kr));
        return -1;
    }
    status = spawn_wait(exit_receive);
    mach_port_deallocate(mach_task_self(), task);
    return status;
}

/* A server may have grown its heap, a few times; what leaks does so each time, and there are no
 * tasks, threads, ports, names or messages in a heap. When there are fewer of those, something was
 * still on its way out before; what a program takes from others it takes each time, too. */
static bool nothing_is_left(const char *path, int64_t *before)
{
    int64_t after[PORTOLAN_NUMBERS_MAX];
    bool is_settled = settle(before, after);

    for (unsigned tries = 0; !is_settled && tries < RUNNER_REPEATS && !is_no_heap(before, after);
         tries++) {
        printf("once more %s, as there are\n", path);
        print_leak(before, after);
        counts_settled(before);
        run(path);
        is_settled = settle(before, after);
    }
    printf("case %s %s: nothing_is_left_behind\n", is_settled ? "ok" : "FAILED", path);
    if (!is_settled) {
        print_leak(before, after);
    }
    return is_settled;
}

/* Are fewer rights held, and no more of either kind? Then something was still on its way out
 * before, as in nothing_is_left(). */
static bool is_fewer(const int64_t *before, const int64_t *after)
{
    return after[PORTOLAN_RIGHTS_ERRORS] == 0 &&
           after[PORTOLAN_RIGHTS_KERNEL_SEND] <= before[PORTOLAN_RIGHTS_KERNEL_SEND] &&
           after[PORTOLAN_RIGHTS_KERNEL_SEND_ONCE] <= before[PORTOLAN_RIGHTS_KERNEL_SEND_ONCE];
}

static bool rights_balance(const char *path, int64_t *before)
{
    int64_t counts[PORTOLAN_NUMBERS_MAX];
    portolan_counts_t now;
    bool is_good;

    if (!rights_now(now)) {
        return true; /* the release kernel has no ledger */
    }
    is_good = is_balanced(before, now);
    for (unsigned tries = 0; !is_good && tries < RUNNER_REPEATS && is_fewer(before, now); tries++) {
        printf("once more %s, as fewer rights are held by the kernel\n", path);
        rights_settled(before);
        run(path);
        counts_settled(counts); /* it is on its way out, with the rights the kernel holds for it */
        is_good = is_balanced(before, now);
    }
    printf("case %s %s: rights_balance\n", is_good ? "ok" : "FAILED", path);
    if (!is_good) {
        printf(
            "  errors %ld; held by the kernel: send %ld before, %ld after, send-once %ld before, "
            "%ld after\n",
            (long)now[PORTOLAN_RIGHTS_ERRORS], (long)before[PORTOLAN_RIGHTS_KERNEL_SEND],
            (long)now[PORTOLAN_RIGHTS_KERNEL_SEND], (long)before[PORTOLAN_RIGHTS_KERNEL_SEND_ONCE],
            (long)now[PORTOLAN_RIGHTS_KERNEL_SEND_ONCE]);
    }
    return is_good;
}

static bool run_checked(const char *path)
{
    int64_t before[PORTOLAN_NUMBERS_MAX];
    portolan_counts_t rights;
    int status;

    counts_settled(before);
    rights_settled(rights);
    status = run(path);
    if (status == -1 || !WIFEXITED(status)) {
        printf("case FAILED %s: ended with status %d\n", path, status);
        return false;
    }
    return nothing_is_left(path, before) && rights_balance(path, rights) &&
           WEXITSTATUS(status) == 0;
}

static int by_name(const void *left, const void *right)
{
    return strcmp(*(char *const *)left, *(char *const *)right);
}

/* Is that to be run? */
static bool is_chosen(const char *name, const char *prefix)
{
    bool is_not = prefix[0] == '-';

    prefix += is_not;
    return strstr(name, "_test") != NULL && (strncmp(name, prefix, strlen(prefix)) == 0) != is_not;
}

static unsigned list_programs(const char *prefix, char **paths)
{
    DIR *dir = opendir("/tests");
    struct dirent *entry;
    unsigned n = 0;

    while (dir != NULL && n < PROGRAMS_MAX && (entry = readdir(dir)) != NULL) {
        if (is_chosen(entry->d_name, prefix)) {
            char *path = malloc(strlen(entry->d_name) + sizeof("/tests/"));

            sprintf(path, "/tests/%s", entry->d_name);
            paths[n] = path;
            n++;
        }
    }
    if (dir != NULL) {
        closedir(dir);
    }
    qsort(paths, n, sizeof(*paths), by_name);
    return n;
}

int main(int argc, char **argv)
{
    int64_t counts[PORTOLAN_NUMBERS_MAX];
    char *paths[PROGRAMS_MAX];
    unsigned n, failed = 0;

    setvbuf(stdout, NULL, _IOLBF, 0);
    for (int i = 2; i < argc && i < 2 + ARGUMENTS_MAX; i++) {
        arguments[i - 2] = argv[i];
    }
    n = list_programs(argc > 1 ? argv[1] : "", paths);
    wait_for_drivers();
    counts_now(counts);
    tasks_alone = counts[PORTOLAN_COUNT_TASKS];
    run("/bin/true"); /* fills caches that stay filled */
    for (unsigned i = 0; i < n; i++) {
        failed += run_checked(paths[i]) ? 0 : 1;
    }
    printf("runner: %u programs, %u with failures\n", n, failed);
    return failed == 0 && n > 0 ? 0 : 1;
}
