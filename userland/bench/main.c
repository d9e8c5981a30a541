/* main.c - what the kernel's services cost, as lines `bench NAME VALUE`. With an argument only the
 * measurements whose names begin so. With several processors only what is measured between two.
 *
 * usage: bench [NAME] */
#include <mach.h>
#include <mach/mach_traps.h>
#include <mach_host.h>
#include <mach_port.h>
#include <portolan.h>
#include <portolan/portolan.h>
#include <stdio.h>
#include <string.h>

#include "bench_impl.h"
#include "program.h"

#define NULL_TRAP (-20L) /* a number with no trap: in the kernel and out again */

static const char *bench_wanted = "";

bool bench_is_wanted(const char *name)
{
    size_t length = strlen(name) < strlen(bench_wanted) ? strlen(name) : strlen(bench_wanted);

    return strncmp(name, bench_wanted, length) == 0;
}

static uint64_t measure_smallest(void (*work)(void *argument), void *argument)
{
    uint64_t smallest = UINT64_MAX;

    for (unsigned i = 0; i < BENCH_WARM_UP + BENCH_ROUNDS; i++) {
        uint64_t start = bench_now();
        uint64_t taken;

        work(argument);
        taken = bench_now() - start;
        if (i >= BENCH_WARM_UP && taken < smallest) {
            smallest = taken;
        }
    }
    return smallest;
}

static void work_nothing(void *argument)
{
    (void)argument;
}

uint64_t bench_nothing(void)
{
    return measure_smallest(work_nothing, NULL);
}

void bench_print(const char *name, uint64_t value)
{
    printf("bench %s %llu\n", name, (unsigned long long)value);
    fflush(stdout);
}

void bench_measure_each(const char *name, uint64_t count, void (*work)(void *argument),
                        void *argument)
{
    if (strncmp(name, bench_wanted, strlen(bench_wanted)) == 0) {
        uint64_t nothing = bench_nothing();

        bench_print(name, (measure_smallest(work, argument) - nothing) / count);
    }
}

void bench_measure_fraction(const char *name, uint64_t count, void (*work)(void *argument),
                            void *argument)
{
    if (strncmp(name, bench_wanted, strlen(bench_wanted)) == 0) {
        uint64_t taken = measure_smallest(work, argument) - bench_nothing();

        printf("bench %s %.3f\n", name, (double)taken / (double)count);
        fflush(stdout);
    }
}

void bench_measure(const char *name, void (*work)(void *argument), void *argument)
{
    bench_measure_each(name, 1, work, argument);
}

void bench_raise_limits(mach_port_t task)
{
    mach_port_t host = portolan_port("host");

    if (host != MACH_PORT_NULL) {
        task_set_ledger_limit(host, task, PORTOLAN_LEDGER_NAMES, 2000000);
        task_set_ledger_limit(host, task, PORTOLAN_LEDGER_KMEM_PAGES, 20000);
    }
}

static bool bench_has_several_processors(void)
{
    struct host_basic_info info;
    mach_msg_type_number_t count = HOST_BASIC_INFO_COUNT;

    return host_info(mach_host_self(), HOST_BASIC_INFO, (host_info_t)&info, &count) ==
               KERN_SUCCESS &&
           info.avail_cpus > 1;
}

static void work_trap(void *argument)
{
    long result = NULL_TRAP;

    (void)argument;
    __asm__ volatile("syscall"
                     : "+a"(result)
                     :
                     : "rcx", "r11", "rdi", "rsi", "rdx", "r8", "r9", "r10", "memory");
}

/* A call of a kernel object: the same one that was measured on others. */
static void work_kernel_rpc(void *argument)
{
    const mach_port_t *self = argument;
    mach_port_type_t type;

    program_check(mach_port_type(*self, *self, &type), "mach_port_type");
}

static void work_task(void *argument)
{
    mach_port_t task;

    (void)argument;
    program_check(task_create(mach_task_self(), FALSE, &task), "task_create");
    program_check(task_terminate(task), "task_terminate");
    syscall_mach_port_deallocate(mach_task_self(), task);
}

static void work_thread(void *argument)
{
    mach_port_t thread;

    (void)argument;
    program_check(thread_create(mach_task_self(), &thread), "thread_create");
    program_check(thread_terminate(thread), "thread_terminate");
    syscall_mach_port_deallocate(mach_task_self(), thread);
}

int main(int argc, char **argv)
{
    mach_port_t service = portolan_port("service");
    mach_port_t self = mach_task_self();

    program_start(argv);
    if (service != MACH_PORT_NULL) {
        server_run(service, argv);
    }
    if (argc > 2) {
        program_usage(
            "bench [NAME | sizes]    (all measurements whose names begin so, or memory by size)");
    }
    if (argc == 2 && strcmp(argv[1], "sizes") == 0) {
        transfer_sizes();
        return 0;
    }
    bench_wanted = argc == 2 ? argv[1] : "";
    if (bench_has_several_processors()) { /* the others are for one */
        rpc_cross_cpu();
        return 0;
    }
    bench_measure("trap.null", work_trap, NULL);
    rpc_inter();
    rpc_intra();
    transfer_sum();
    transfer_queue();
    transfer_ports();
    transfer_memory();
    bench_measure("ipc.kernel_rpc", work_kernel_rpc, &self);
    bench_measure("task.create_terminate", work_task, NULL);
    bench_measure("thread.create_terminate", work_thread, NULL);
    memory_all();
    file_all(); /* before memory is in pieces */
    pager_all();
    irq_all();
    guest_all();
    return 0;
}
