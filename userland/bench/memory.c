/* memory.c - what memory costs: the first touch of a page, copies that are written, pages that are
 * there but not mapped, faults a handler in another task repairs, and the calls that make and find
 * regions. */
#include <mach.h>
#include <mach/mach_traps.h>
#include <mach_port.h>
#include <portolan.h>
#include <stdint.h>
#include <string.h>

#include "bench_impl.h"
#include "program.h"

#define PAGE        4096u
#define LARGE_PAGE  0x200000ul
#define FAULT_PAGES (BENCH_ROUNDS + BENCH_WARM_UP)
#define FAULT_SIZE  ((vm_size_t)FAULT_PAGES * PAGE)
#define LARGE_SIZE  (4 * LARGE_PAGE)
#define CACHED_SIZE 0x100000ul
#define GENERATIONS 1000u
#define FORK_PAGES  1000ul
#define FORK_ROUNDS 16u
#define FIND_ROUNDS 100u

static mach_port_t memory_self; /* asked for once: it is a trap */

static vm_address_t memory_allocate(vm_size_t size)
{
    vm_address_t memory = 0;

    program_check(syscall_vm_allocate(memory_self, &memory, size, TRUE), "vm_allocate");
    return memory;
}

static void memory_deallocate(vm_address_t memory, vm_size_t size)
{
    program_check(syscall_vm_deallocate(memory_self, memory, size), "vm_deallocate");
}

/* Write to the pages in order. */
static void memory_write(vm_address_t memory, vm_size_t size)
{
    for (vm_address_t at = memory; at < memory + size; at += PAGE) {
        *(volatile char *)at = 1;
    }
}

/* A copy of this task's memory, as fork makes one, in a task that never runs. */
static mach_port_t memory_fork(void)
{
    mach_port_t task;

    program_check(task_create(memory_self, TRUE, &task), "task_create");
    return task;
}

static void memory_end_fork(mach_port_t task)
{
    program_check(task_terminate(task), "task_terminate");
    syscall_mach_port_deallocate(memory_self, task);
}

/* --- one page at a time --- */

/* Write to the next page. */
static void work_write(void *argument)
{
    volatile char **page = argument;

    **page = 1;
    *page += PAGE;
}

static void measure_writes(const char *name, vm_address_t memory)
{
    volatile char *page = (volatile char *)memory;

    bench_measure(name, work_write, &page);
}

static void memory_zero(void)
{
    vm_address_t memory = memory_allocate(FAULT_SIZE);

    measure_writes("fault.zero", memory);
    memory_deallocate(memory, FAULT_SIZE);
}

static void memory_copied(void)
{
    vm_address_t memory = memory_allocate(FAULT_SIZE);
    mach_port_t task;

    memset((void *)memory, 1, FAULT_SIZE);
    task = memory_fork();
    measure_writes("fault.cow", memory);
    memory_end_fork(task);
    memory_deallocate(memory, FAULT_SIZE);
}

/* The same after a long line of copies of copies, each changed a little before the next is made. */
static void memory_generations(void)
{
    vm_address_t memory = memory_allocate(FAULT_SIZE);
    mach_port_t task;

    memset((void *)memory, 1, FAULT_SIZE);
    for (unsigned i = 0; i < GENERATIONS; i++) {
        vm_address_t next;
        mach_msg_type_number_t size;

        program_check(vm_read(memory_self, memory, FAULT_SIZE, &next, &size), "vm_read");
        ((char *)next)[i % FAULT_PAGES * PAGE] = 1;
        memory_deallocate(memory, FAULT_SIZE);
        memory = next;
    }
    task = memory_fork();
    measure_writes("fault.cow.generation.1000", memory);
    memory_end_fork(task);
    memory_deallocate(memory, FAULT_SIZE);
}

/* --- many pages in order; the figure is for one --- */

static void memory_large(void)
{
    uint64_t smallest = UINT64_MAX;

    for (unsigned i = 0; i < 4; i++) {
        vm_address_t memory = 0;
        uint64_t start;
        uint64_t taken;

        program_check(syscall_vm_map(memory_self, &memory, LARGE_SIZE, LARGE_PAGE - 1, TRUE,
                                     MACH_PORT_NULL, 0, FALSE, VM_PROT_DEFAULT, VM_PROT_ALL,
                                     VM_INHERIT_DEFAULT),
                      "vm_map");
        start = bench_now();
        memory_write(memory, LARGE_SIZE);
        taken = bench_now() - start;
        smallest = taken < smallest ? taken : smallest;
        memory_deallocate(memory, LARGE_SIZE);
    }
    bench_print("fault.zero.2m", smallest / (LARGE_SIZE / PAGE));
}

/* The mappings are taken away and the pages stay. */
static void memory_cached(void)
{
    vm_address_t memory = memory_allocate(CACHED_SIZE);
    uint64_t smallest = UINT64_MAX;

    memset((void *)memory, 1, CACHED_SIZE);
    for (unsigned i = 0; i < BENCH_WARM_UP; i++) {
        uint64_t start;
        uint64_t taken;

        vm_protect(memory_self, memory, CACHED_SIZE, FALSE, VM_PROT_NONE);
        vm_protect(memory_self, memory, CACHED_SIZE, FALSE, VM_PROT_READ);
        start = bench_now();
        for (vm_size_t at = 0; at < CACHED_SIZE; at += PAGE) {
            (void)*(volatile char *)(memory + at);
        }
        taken = bench_now() - start;
        smallest = taken < smallest ? taken : smallest;
    }
    bench_print("fault.cached", smallest / (CACHED_SIZE / PAGE));
    memory_deallocate(memory, CACHED_SIZE);
}

/* --- a handler in another task --- */

static void memory_exception(void)
{
    vm_address_t memory = memory_allocate(FAULT_SIZE);
    mach_port_t task;
    mach_port_t service = server_start("exception", 0, &task);

    memory_write(memory, FAULT_SIZE);
    vm_protect(memory_self, memory, FAULT_SIZE, FALSE, VM_PROT_READ);
    program_check(thread_set_special_port(mach_thread_self(), THREAD_EXCEPTION_PORT, service),
                  "thread_set_special_port");
    measure_writes("fault.exception", memory);
    thread_set_special_port(mach_thread_self(), THREAD_EXCEPTION_PORT, MACH_PORT_NULL);
    server_stop(service, task);
    memory_deallocate(memory, FAULT_SIZE);
}

/* --- regions --- */

static void work_allocate(void *argument)
{
    (void)argument;
    memory_deallocate(memory_allocate(PAGE), PAGE);
}

/* A read of a page that is there and not mapped, in each of some regions in the middle of many. */
static void memory_regions(const char *name, unsigned regions)
{
    vm_size_t step = 2ul * PAGE; /* a region and a hole */
    vm_address_t base, first, last;
    uint64_t start;

    if (!bench_is_wanted(name)) {
        return;
    }
    base = memory_allocate(step * regions);
    memory_deallocate(base, step * regions);
    for (vm_address_t at = base; at < base + step * regions; at += step) {
        program_check(syscall_vm_allocate(memory_self, &at, PAGE, FALSE), "vm_allocate");
    }
    first = base + (regions - FIND_ROUNDS) / 2 * step;
    last = first + FIND_ROUNDS * step;
    for (vm_address_t at = first; at < last; at += step) {
        *(volatile char *)at = 1;
    }
    vm_protect(memory_self, first, last - first, FALSE, VM_PROT_NONE);
    vm_protect(memory_self, first, last - first, FALSE, VM_PROT_READ);
    start = bench_now();
    for (vm_address_t at = first; at < last; at += step) {
        (void)*(volatile char *)at;
    }
    bench_print(name, (bench_now() - start) / FIND_ROUNDS);
    memory_deallocate(base, step * regions);
}

static void memory_task(void)
{
    vm_address_t memory = memory_allocate(FORK_PAGES * PAGE);
    uint64_t smallest = UINT64_MAX;

    for (unsigned i = 0; i < FORK_ROUNDS; i++) {
        uint64_t start;
        uint64_t taken;

        memory_write(memory, FORK_PAGES * PAGE);
        start = bench_now();
        memory_end_fork(memory_fork());
        taken = bench_now() - start;
        smallest = taken < smallest ? taken : smallest;
    }
    bench_print("task.fork", smallest);
    memory_deallocate(memory, FORK_PAGES * PAGE);
}

void memory_all(void)
{
    static const struct {
        const char *name;
        void (*measure)(void);
    } measurements[] = {
        {"fault.zero", memory_zero},     {"fault.zero.2m", memory_large},
        {"fault.cow", memory_copied},    {"fault.cow.generation.1000", memory_generations},
        {"fault.cached", memory_cached}, {"fault.exception", memory_exception},
        {"task.fork", memory_task},
    };

    memory_self = mach_task_self();
    for (unsigned i = 0; i < sizeof(measurements) / sizeof(measurements[0]); i++) {
        if (bench_is_wanted(measurements[i].name)) {
            measurements[i].measure();
        }
    }
    bench_measure("vm.allocate_deallocate", work_allocate, NULL);
    memory_regions("vm.map_entries.100", 100);
    memory_regions("vm.map_entries.100000", 100000);
}
