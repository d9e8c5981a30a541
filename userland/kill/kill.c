/* kill.c - end tasks. */
#include <mach.h>
#include <portolan/error.h>
#include <portolan/portolan.h>
#include <string.h>

#include "program.h"
#include "tasks.h"

int main(int argc, char **argv)
{
    int status = 0;

    program_start(argv);
    if (argc < 2) {
        program_usage("kill TASK...    (numbers as ps shows them)");
    }
    for (int i = 1; i < argc; i++) {
        portolan_name_t name;
        mach_port_t task = tasks_find(argv[i], name);
        kern_return_t kr;

        if (strcmp(name, "bootstrap") == 0 || strcmp(name, "kernel") == 0) {
            program_say("task %s (%s) holds the system up; see poweroff and reboot", argv[i], name);
            status = 1;
            continue;
        }
        kr = task_terminate(task);
        if (kr != KERN_SUCCESS) {
            program_say("task %s (%s): %s", argv[i], name, mach_error_string(kr));
            status = 1;
        }
    }
    return status;
}
