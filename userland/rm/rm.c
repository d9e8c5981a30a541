/* rm.c - remove files; -r directories, too; -f says nothing of what is not there. */
#include <sys/stat.h>
#include <unistd.h>

#include "paths.h"
#include "program.h"

#define USAGE "rm [-rf] PATH..."

int main(int argc, char **argv)
{
    bool whole = false;
    bool force = false;
    int status = 0;
    int option;

    program_start(argv);
    while ((option = getopt(argc, argv, "rRf")) != -1) {
        if (option == '?') {
            program_usage(USAGE);
        }
        whole = whole || option != 'f';
        force = force || option == 'f';
    }
    if (optind == argc && !force) {
        program_usage(USAGE);
    }
    for (int i = optind; i < argc; i++) {
        struct stat st;

        if ((!force || lstat(argv[i], &st) == 0) && !paths_remove(argv[i], whole)) {
            status = 1;
        }
    }
    return status;
}
