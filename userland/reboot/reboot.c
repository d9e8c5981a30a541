/* reboot.c - start the machine anew. */
#include <bootstrap.h>
#include <portolan/portolan.h>
#include <stdio.h>

#include "program.h"

int main(int argc, char **argv)
{
    program_start(argv);
    if (argc != 1) {
        program_usage("reboot");
    }
    fflush(NULL);
    program_check(bootstrap_shutdown(portolan_bootstrap(), TRUE),
                  "the machine cannot be started anew");
    return 1;
}
