/* events.c - the trace rings of the kernel. */
#include <mach.h>
#include <mach_host.h>
#include <mach_port.h>
#include <portolan.h>
#include <portolan/portolan.h>
#include <stdlib.h>
#include <string.h>

#include "program.h"
#include "whyfault.h"

#define EVENTS_PER_CPU 8192u

void events_start(void)
{
    program_check(host_trace_start(program_host(), EVENTS_PER_CPU), "nothing can be recorded");
}

static int events_compare(const void *left, const void *right)
{
    const struct trace_event *a = left, *b = right;

    return (a->time > b->time) - (a->time < b->time);
}

static void events_read(struct events *events, int cpu)
{
    trace_words_t words;
    mach_msg_type_number_t count;
    int64_t position = 0;

    do {
        unsigned n;

        count = TRACE_WORDS_MAX;
        program_check(host_trace_read(program_host(), cpu, &position, words, &count),
                      "the events cannot be read");
        n = count / TRACE_EVENT_WORDS;
        events->list = realloc(events->list, (events->count + n + 1) * sizeof(*events->list));
        if (events->list == NULL) {
            program_fail("out of memory");
        }
        memcpy(events->list + events->count, words, n * sizeof(*events->list));
        events->count += n;
    } while (count != 0);
}

void events_stop(struct events *events)
{
    mach_msg_type_number_t cpus;
    processor_array_t processors;

    program_check(host_trace_stop(program_host()), "recording cannot be stopped");
    program_check(host_processors(program_host(), &processors, &cpus),
                  "the processors cannot be listed");
    *events = (struct events){0};
    for (unsigned cpu = 0; cpu < cpus; cpu++) {
        mach_port_deallocate(mach_task_self(), processors[cpu]);
        events_read(events, (int)cpu);
    }
    vm_deallocate(mach_task_self(), (vm_address_t)processors, cpus * sizeof(*processors));
    qsort(events->list, events->count, sizeof(*events->list), events_compare);
}

bool events_of_fault(const struct events *all, uint64_t thread, uint64_t address,
                     struct events *fault)
{
    unsigned first = 0, last;

    while (first < all->count &&
           (all->list[first].kind != TRACE_FAULT || all->list[first].thread != thread ||
            all->list[first].a != address)) {
        first++;
    }
    last = first;
    while (last < all->count &&
           (all->list[last].kind != TRACE_FAULT_END || all->list[last].thread != thread)) {
        last++;
    }
    if (last == all->count) {
        return false;
    }
    fault->list = all->list + first;
    fault->count = last - first + 1;
    return true;
}
