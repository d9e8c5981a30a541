/* reboot.c - start the machine anew. */
#include "program.h"
#include "shutdown.h"

int main(int argc, char **argv)
{
    program_start(argv);
    if (argc != 1) {
        program_usage("reboot");
    }
    program_check(shutdown_machine(true), "the machine cannot be started anew");
    return 1;
}
