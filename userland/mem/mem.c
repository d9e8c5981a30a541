/* mem.c - memory of the machine, and how many objects of each kind the kernel keeps. */
#include <mach.h>
#include <mach/portolan.h>
#include <mach/vm_statistics.h>
#include <portolan.h>
#include <portolan/portolan.h>
#include <stdio.h>

#include "program.h"

#define PAGE_KIB 4

static const struct {
    unsigned index;
    const char *name;
} kinds[] = {
    {PORTOLAN_COUNT_TASKS, "tasks"},
    {PORTOLAN_COUNT_THREADS, "threads"},
    {PORTOLAN_COUNT_KERNEL_STACKS, "kernel stacks"},
    {PORTOLAN_COUNT_PORTS, "ports"},
    {PORTOLAN_COUNT_RIGHTS, "names"},
    {PORTOLAN_COUNT_MESSAGES, "messages"},
    {PORTOLAN_COUNT_OBJECTS, "memory objects"},
    {PORTOLAN_COUNT_MAP_ENTRIES, "map entries"},
};

int main(int argc, char **argv)
{
    portolan_counts_t counts = {0};
    mach_msg_type_number_t count = PORTOLAN_NUMBERS_MAX;
    struct vm_statistics statistics;
    long long total, free;

    program_start(argv);
    if (argc != 1) {
        program_usage("mem");
    }
    program_check(host_object_counts(mach_host_self(), counts, &count), "the kernel's counts");
    program_check(vm_statistics(mach_task_self(), &statistics), "the memory's counts");
    total = counts[PORTOLAN_COUNT_TOTAL_PAGES] * PAGE_KIB;
    free = counts[PORTOLAN_COUNT_FREE_PAGES] * PAGE_KIB;
    printf("%10lld KiB in all\n%10lld KiB used\n%10lld KiB free\n", total, total - free, free);
    printf("%10d faults, %d pages zero-filled, %d copied on write\n", statistics.faults,
           statistics.zero_fill_count, statistics.cow_faults);
    for (unsigned i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        printf("%10lld %s\n", (long long)counts[kinds[i].index], kinds[i].name);
    }
    return 0;
}
