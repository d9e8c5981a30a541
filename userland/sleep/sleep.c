/* sleep.c - wait; seconds may have a fraction. */
#include <portolan/thread.h>
#include <stdlib.h>

#include "program.h"

#define SECONDS_MAX 4000000.0

int main(int argc, char **argv)
{
    char *end;
    double seconds;

    program_start(argv);
    if (argc != 2) {
        program_usage("sleep SECONDS");
    }
    seconds = strtod(argv[1], &end);
    if (end == argv[1] || *end != '\0' || !(seconds >= 0 && seconds <= SECONDS_MAX)) {
        program_say("`%s` is not a number of seconds", argv[1]);
        return STATUS_USAGE;
    }
    portolan_sleep((natural_t)(seconds * 1000));
    return 0;
}
