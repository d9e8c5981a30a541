/* tasks.c - listing tasks: the privileged host port leads to the processor set, and that to the
 * tasks. */
#include "tasks.h"

#include <mach.h>
#include <mach/thread_info.h>
#include <mach_host.h>
#include <mach_port.h>
#include <portolan.h>
#include <portolan/portolan.h>
#include <stdlib.h>
#include <string.h>

#include "program.h"

#define TASK_ID_MAX 4294967295u
#define US_PER_S    1000000u
#define NS_PER_US   1000u

static mach_port_t tasks_set(void)
{
    mach_port_t host = program_host();
    mach_port_t name, set;

    program_check(processor_set_default(host, &name), "the processor set cannot be found");
    program_check(host_processor_set_priv(host, name, &set),
                  "the processor set cannot be controlled");
    mach_port_deallocate(mach_task_self(), name);
    return set;
}

static int tasks_compare(const void *a, const void *b)
{
    const struct task_line *left = a;
    const struct task_line *right = b;

    return (left->id > right->id) - (left->id < right->id);
}

struct task_line *tasks_list(unsigned *count)
{
    mach_port_t set = tasks_set();
    mach_port_t *ports;
    mach_msg_type_number_t n;
    struct task_line *list;

    program_check(processor_set_tasks(set, &ports, &n), "the tasks cannot be listed");
    mach_port_deallocate(mach_task_self(), set);
    list = calloc(n + 1, sizeof(*list));
    if (list == NULL) {
        program_fail("out of memory");
    }
    *count = 0;
    for (unsigned i = 0; i < n; i++) {
        struct task_line *line = &list[*count];

        line->task = ports[i];
        if (task_get_id(ports[i], &line->id) == KERN_SUCCESS &&
            task_get_name(ports[i], line->name) == KERN_SUCCESS) {
            *count += 1;
        } else {
            mach_port_deallocate(mach_task_self(), ports[i]); /* it has just ended */
        }
    }
    vm_deallocate(mach_task_self(), (vm_address_t)ports, n * sizeof(*ports));
    qsort(list, *count, sizeof(*list), tasks_compare);
    return list;
}

void tasks_free(struct task_line *list, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        if (list[i].task != MACH_PORT_NULL) {
            mach_port_deallocate(mach_task_self(), list[i].task);
        }
    }
    free(list);
}

mach_port_t tasks_find(const char *word, portolan_name_t name)
{
    int64_t id = (int64_t)program_number(word, "a task's number as ps shows it", 0, TASK_ID_MAX);
    unsigned count;
    struct task_line *list = tasks_list(&count);
    mach_port_t task = MACH_PORT_NULL;

    for (unsigned i = 0; i < count; i++) {
        if (list[i].id == id) {
            task = list[i].task;
            list[i].task = MACH_PORT_NULL;
            memcpy(name, list[i].name, sizeof(portolan_name_t));
        }
    }
    tasks_free(list, count);
    if (task == MACH_PORT_NULL) {
        program_fail("there is no task %s", word);
    }
    return task;
}

static uint64_t time_us(const time_value64_t *time)
{
    return (uint64_t)time->seconds * US_PER_S + (uint64_t)time->nanoseconds / NS_PER_US;
}

static void tasks_thread_facts(mach_port_t thread, struct task_facts *facts)
{
    struct thread_basic_info info;
    mach_msg_type_number_t count = THREAD_BASIC_INFO_COUNT;

    if (thread_info(thread, THREAD_BASIC_INFO, (thread_info_t)&info, &count) != KERN_SUCCESS) {
        return;
    }
    facts->threads++;
    facts->time_us += time_us(&info.user_time64) + time_us(&info.system_time64);
    if (facts->threads == 1 || info.cur_priority < facts->priority) {
        facts->priority = info.cur_priority;
    }
    if (info.run_state == TH_STATE_RUNNING) {
        facts->state = 'R';
    } else if (facts->state != 'R') {
        facts->state = info.run_state == TH_STATE_STOPPED ? 'S' : 'W';
    }
}

bool tasks_facts(mach_port_t task, struct task_facts *facts)
{
    mach_msg_type_number_t count = TASK_BASIC_INFO_COUNT;
    mach_port_t *threads;
    mach_msg_type_number_t n;

    *facts = (struct task_facts){.state = '?'};
    if (task_info(task, TASK_BASIC_INFO, (task_info_t)&facts->basic, &count) != KERN_SUCCESS ||
        task_threads(task, &threads, &n) != KERN_SUCCESS) {
        return false;
    }
    facts->time_us = time_us(&facts->basic.user_time64) + time_us(&facts->basic.system_time64);
    facts->priority = facts->basic.base_priority;
    for (unsigned i = 0; i < n; i++) {
        tasks_thread_facts(threads[i], facts);
        mach_port_deallocate(mach_task_self(), threads[i]);
    }
    if (n != 0) {
        vm_deallocate(mach_task_self(), (vm_address_t)threads, n * sizeof(*threads));
    }
    return true;
}
