/* tasks.h - the tasks of the system, by the numbers ps shows. */
#ifndef USERLAND_TASKS_H
#define USERLAND_TASKS_H

#include <mach/portolan.h>
#include <mach/port.h>
#include <mach/task_info.h>
#include <stdbool.h>

struct task_line {
    mach_port_t task;
    int64_t id;
    portolan_name_t name;
};

struct task_facts {
    struct task_basic_info basic;
    unsigned threads;
    char state;       /* R running, S stopped, W waiting, ? none */
    int priority;     /* the best of its threads */
    uint64_t time_us; /* of all its threads, also of those that ended */
};

/* All tasks, by id; fails with a sentence. Free with tasks_free. */
struct task_line *tasks_list(unsigned *count);
void tasks_free(struct task_line *list, unsigned count);

/* The task with the id in the word; exits with a sentence when there is none. */
mach_port_t tasks_find(const char *word, portolan_name_t name);

/* Returns: false when the task is gone. */
bool tasks_facts(mach_port_t task, struct task_facts *facts);

#endif
