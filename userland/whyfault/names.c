/* names.c - names of messages, from the definitions of their interfaces, and of tasks. */
#include <mach.h>
#include <mach_port.h>
#include <portolan.h>
#include <portolan/portolan.h>
#include <stddef.h>
#include <stdio.h>

#include "program.h"
#include "tasks.h"
#include "whyfault.h"

#include "names_all.h"

#define REPLY_DISTANCE 100u /* between the ids of a request and its reply */
#define THREADS_MAX    512u
#define KERNEL_TASK    1u /* id */

static const struct {
    uint64_t id;
    const char *name;
} messages[] = {
#define NAME(id, subsystem, routine) {id, #routine},
    NAMES_ALL(NAME)
#undef NAME
};

static struct task_line *tasks;
static unsigned task_count;
static struct {
    uint64_t thread;
    uint32_t task;
} threads[THREADS_MAX];
static unsigned thread_count;

static const char *names_request(uint64_t id)
{
    for (unsigned i = 0; i < sizeof(messages) / sizeof(messages[0]); i++) {
        if (messages[i].id == id) {
            return messages[i].name;
        }
    }
    return NULL;
}

const char *names_message(uint64_t id, bool *is_reply)
{
    const char *name = names_request(id);

    *is_reply = name == NULL;
    return name != NULL ? name : names_request(id - REPLY_DISTANCE);
}

static void names_learn_threads(const struct task_line *task)
{
    thread_array_t list;
    mach_msg_type_number_t count;

    if (task_threads(task->task, &list, &count) != KERN_SUCCESS) {
        return; /* it has ended */
    }
    for (unsigned i = 0; i < count; i++) {
        int64_t id;

        if (thread_count < THREADS_MAX && thread_get_id(list[i], &id) == KERN_SUCCESS) {
            threads[thread_count].thread = (uint64_t)id;
            threads[thread_count].task = (uint32_t)task->id;
            thread_count++;
        }
        mach_port_deallocate(mach_task_self(), list[i]);
    }
    vm_deallocate(mach_task_self(), (vm_address_t)list, count * sizeof(*list));
}

void names_learn(void)
{
    tasks = tasks_list(&task_count);
    for (unsigned i = 0; i < task_count; i++) {
        names_learn_threads(&tasks[i]);
    }
}

const char *names_task(uint32_t task)
{
    if (task == KERNEL_TASK) {
        return "kernel";
    }
    for (unsigned i = 0; i < task_count; i++) {
        if ((uint32_t)tasks[i].id == task) {
            return tasks[i].name;
        }
    }
    return "?";
}

uint32_t names_task_of(const struct events *events, uint64_t thread)
{
    for (unsigned i = 0; i < events->count; i++) {
        if (events->list[i].thread == thread) {
            return events->list[i].task;
        }
    }
    for (unsigned i = 0; i < thread_count; i++) {
        if (threads[i].thread == thread) {
            return threads[i].task;
        }
    }
    return 0;
}
