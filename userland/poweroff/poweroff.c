/* poweroff.c - stop the machine. */
#include <bootstrap.h>
#include <portolan/portolan.h>
#include <stdio.h>

#include "program.h"

int main(int argc, char **argv)
{
    program_start(argv);
    if (argc != 1) {
        program_usage("poweroff");
    }
    fflush(NULL);
    program_check(bootstrap_shutdown(portolan_bootstrap(), FALSE), "the machine cannot be stopped");
    return 1;
}
