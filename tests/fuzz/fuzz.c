/* fuzz.c - the fuzzer of traps, messages and mach_port calls.
 *
 * usage: fuzz_test [SEED CALLS THREADS]      Two tasks with THREADS threads between them make CALLS
 * calls, made from SEED; one thread makes the same calls again. A thread that stands still is
 * aborted; threads are stopped and go on at random. When a task has sent away the memory it works
 * with and the kernel has ended it, new tasks go on with the calls. Passes when all calls are made,
 * the kernel is there to tell, and the ledger of rights balances. */
#include <gnumach.h>
#include <mach.h>
#include <mach_host.h>
#include <mach_port.h>
#include <portolan.h>
#include <portolan/portolan.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "fuzz_calls.h"

#define TASKS       2u
#define THREADS_MAX 8u
#define STACK_SIZE  65536u
#define STILL_MAX   4000u /* looks in which a thread may stand still: 20 s */

struct fuzz_starter {
    uint64_t seed;
    unsigned threads;
    mach_port_t tasks[TASKS];
    mach_port_t ports[THREADS_MAX];
    struct fuzz_thread *shared; /* of each thread */
    uint64_t seen[THREADS_MAX]; /* calls at the last look */
    unsigned still[THREADS_MAX];
    unsigned restarts;
};

static uint8_t stacks[THREADS_MAX][STACK_SIZE] __attribute__((aligned(16)));

static void must(kern_return_t kr, const char *what)
{
    if (kr != KERN_SUCCESS) {
        printf("fuzz: %s: %#x\n", what, kr);
        exit(1);
    }
}

static void *fresh_pages(size_t size)
{
    void *pages = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    must(pages == MAP_FAILED ? KERN_NO_SPACE : KERN_SUCCESS, "memory");
    return pages;
}

/* Each thread has a buffer with a hole behind it and a page it cannot write. */
static void make_threads(struct fuzz_starter *s, uint64_t calls)
{
    s->shared = fresh_pages(THREADS_MAX * sizeof(*s->shared));
    must(vm_inherit(mach_task_self(), (vm_address_t)s->shared, THREADS_MAX * sizeof(*s->shared),
                    VM_INHERIT_SHARE),
         "sharing the counters");
    for (unsigned i = 0; i < s->threads; i++) {
        struct fuzz_thread *t = &s->shared[i];

        t->random = (s->seed + i) * 0x9e3779b97f4a7c15ull | 1;
        t->limit = calls / s->threads + (i < calls % s->threads);
        t->buffer = fresh_pages(FUZZ_BUFFER + FUZZ_PAGE);
        munmap(t->buffer + FUZZ_BUFFER, FUZZ_PAGE);
        t->read_only = fresh_pages(FUZZ_PAGE);
        mprotect(t->read_only, FUZZ_PAGE, PROT_READ);
    }
}

/* Half of the common ports are received in each task; both may send to all. */
static void make_common_ports(struct fuzz_starter *s)
{
    for (unsigned i = 0; i < FUZZ_COMMON_COUNT; i++) {
        mach_port_t owner = s->tasks[i % TASKS], other = s->tasks[(i + 1) % TASKS], right;
        mach_msg_type_name_t type;
        mach_port_name_t name = FUZZ_COMMON_FIRST + i;

        must(mach_port_allocate_name(owner, MACH_PORT_RIGHT_RECEIVE, name), "a common port");
        for (unsigned n = 0; n < TASKS; n++) {
            must(mach_port_extract_right(owner, name, MACH_MSG_TYPE_MAKE_SEND, &right, &type),
                 "its right");
            must(mach_port_insert_right(n == 0 ? owner : other, name, right,
                                        MACH_MSG_TYPE_MOVE_SEND),
                 "its right in a task");
        }
    }
}

/* What one task can make the kernel allocate, so that there is some for all. */
static void limit_task(mach_port_t task)
{
    static const struct {
        int kind;
        int64_t limit;
    } limits[] = {{PORTOLAN_LEDGER_NAMES, 20000},
                  {PORTOLAN_LEDGER_PORTS, 20000},
                  {PORTOLAN_LEDGER_KMEM_PAGES, 2000},
                  {PORTOLAN_LEDGER_KMSG_BYTES, 8 << 20}};

    for (unsigned i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
        must(task_set_ledger_limit(mach_host_self(), task, limits[i].kind, limits[i].limit),
             "a limit");
    }
}

static void make_tasks(struct fuzz_starter *s)
{
    for (unsigned i = 0; i < TASKS; i++) {
        must(task_create(mach_task_self(), TRUE, &s->tasks[i]), "a task");
        limit_task(s->tasks[i]);
    }
    make_common_ports(s);
    for (unsigned i = 0; i < TASKS; i++) {
        must(mach_port_insert_right(s->tasks[i], FUZZ_OTHER_TASK, s->tasks[(i + 1) % TASKS],
                                    MACH_MSG_TYPE_COPY_SEND),
             "the other task's port");
    }
}

static void start_threads(struct fuzz_starter *s)
{
    for (unsigned i = 0; i < s->threads; i++) {
        struct i386_thread_state state = {0};

        must(thread_create(s->tasks[i % TASKS], &s->ports[i]), "a thread");
        state.rip = (uint64_t)fuzz_run;
        state.rdi = (uint64_t)&s->shared[i];
        state.ursp = (uint64_t)(stacks[i] + STACK_SIZE - 8);
        must(thread_set_state(s->ports[i], i386_THREAD_STATE, (thread_state_t)&state,
                              i386_THREAD_STATE_COUNT),
             "its registers");
        must(thread_resume(s->ports[i]), "its start");
    }
}

/* Look after one thread; true when it has made its calls. */
static bool tend(struct fuzz_starter *s, unsigned i, unsigned look)
{
    uint64_t calls = __atomic_load_n(&s->shared[i].calls, __ATOMIC_ACQUIRE);

    if (calls >= s->shared[i].limit) {
        return true;
    }
    if (calls == s->seen[i]) {
        s->still[i]++;
        thread_abort(s->ports[i]);
    } else {
        s->still[i] = 0;
    }
    s->seen[i] = calls;
    if (s->threads > 1 && (look + i) % 7 == 0) {
        thread_suspend(s->ports[i]);
        swtch();
        thread_resume(s->ports[i]);
    }
    return false;
}

static void clean_up(struct fuzz_starter *s)
{
    for (unsigned i = 0; i < TASKS; i++) {
        task_terminate(s->tasks[i]);
        mach_port_destroy(mach_task_self(), s->tasks[i]);
    }
    for (unsigned i = 0; i < s->threads; i++) {
        mach_port_destroy(mach_task_self(), s->ports[i]);
    }
}

static bool has_dead_task(struct fuzz_starter *s)
{
    for (unsigned i = 0; i < TASKS; i++) {
        mach_port_type_t type = 0;

        if (mach_port_type(mach_task_self(), s->tasks[i], &type) == KERN_SUCCESS &&
            (type & MACH_PORT_TYPE_DEAD_NAME) != 0) {
            return true;
        }
    }
    return false;
}

static void start_all(struct fuzz_starter *s)
{
    make_tasks(s);
    start_threads(s);
}

/* Wait for all; false when one stands still for good. */
static bool tend_all(struct fuzz_starter *s)
{
    const struct timespec pause = {0, 5000000};

    for (unsigned look = 0;; look++) {
        bool done = true;

        for (unsigned i = 0; i < s->threads; i++) {
            done = tend(s, i, look) && done;
            if (s->still[i] > STILL_MAX) {
                printf("fuzz: thread %u stands still after %lu calls\n", i, s->seen[i]);
                return false;
            }
        }
        if (done) {
            return true;
        }
        if (has_dead_task(s)) {
            clean_up(s);
            start_all(s);
            s->restarts++;
        }
        nanosleep(&pause, NULL);
    }
}

static bool ledger_balances(void)
{
    portolan_counts_t rights = {0};
    mach_msg_type_number_t n = PORTOLAN_NUMBERS_MAX;

    host_check_rights(mach_host_self(), rights, &n);
    if (rights[PORTOLAN_RIGHTS_ERRORS] != 0) {
        printf("fuzz: %ld errors in the ledger of rights\n", (long)rights[PORTOLAN_RIGHTS_ERRORS]);
    }
    return rights[PORTOLAN_RIGHTS_ERRORS] == 0;
}

static bool fuzz(uint64_t seed, uint64_t calls, unsigned threads)
{
    struct fuzz_starter s = {.seed = seed, .threads = threads};
    time_t start = time(NULL);
    uint64_t done = 0;
    bool passed;

    make_threads(&s, calls);
    start_all(&s);
    passed = tend_all(&s);
    passed = ledger_balances() && passed;
    clean_up(&s);
    passed = ledger_balances() && passed;
    for (unsigned i = 0; i < threads; i++) {
        done += s.shared[i].done;
    }
    printf("case %s fuzz: seed %lu, %lu calls, %lu messages, %u threads, %u restarts, %ld s\n",
           passed ? "ok" : "FAILED", seed, calls, done, threads, s.restarts,
           (long)(time(NULL) - start));
    return passed;
}

int main(int argc, char **argv)
{
    uint64_t seed = 1, calls = 60000;
    unsigned threads = 4;

    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc == 4) {
        seed = strtoull(argv[1], NULL, 0);
        calls = strtoull(argv[2], NULL, 0);
        threads = (unsigned)strtoul(argv[3], NULL, 0);
    }
    if (argc != 1 && (argc != 4 || threads < 1 || threads > THREADS_MAX)) {
        fprintf(stderr, "usage: fuzz_test [SEED CALLS THREADS]    (at most %u threads)\n",
                THREADS_MAX);
        return 2;
    }
    return fuzz(seed, calls, threads) ? 0 : 1;
}
