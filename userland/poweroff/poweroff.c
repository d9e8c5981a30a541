/* poweroff.c - stop the machine. */
#include "program.h"
#include "shutdown.h"

int main(int argc, char **argv)
{
    program_start(argv);
    if (argc != 1) {
        program_usage("poweroff");
    }
    program_check(shutdown_machine(false), "the machine cannot be stopped");
    return 1;
}
