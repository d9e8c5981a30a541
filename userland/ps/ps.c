/* ps.c - the tasks: number, threads, state, best priority, memory, time, name. */
#include <stdio.h>

#include "program.h"
#include "tasks.h"

int main(int argc, char **argv)
{
    struct task_line *list;
    unsigned count;

    program_start(argv);
    if (argc != 1) {
        program_usage("ps");
    }
    list = tasks_list(&count);
    printf("%6s %4s %c %3s %8s %9s %s\n", "ID", "THR", 'S', "PRI", "KIB", "TIME", "NAME");
    for (unsigned i = 0; i < count; i++) {
        struct task_facts facts;

        if (tasks_facts(list[i].task, &facts)) {
            printf("%6lld %4u %c %3d %8llu %5llu.%03llu %s\n", (long long)list[i].id, facts.threads,
                   facts.state, facts.priority,
                   (unsigned long long)facts.basic.resident_size / 1024,
                   (unsigned long long)facts.time_us / 1000000,
                   (unsigned long long)facts.time_us / 1000 % 1000, list[i].name);
        }
    }
    tasks_free(list, count);
    return 0;
}
