/* cp.c - copy files; -r directories, too. */
#include <stdlib.h>
#include <unistd.h>

#include "paths.h"
#include "program.h"

#define USAGE "cp [-r] FROM TO, cp [-r] FROM... DIRECTORY"

int main(int argc, char **argv)
{
    bool whole = false;
    int status = 0;
    int option;

    program_start(argv);
    while ((option = getopt(argc, argv, "rRa")) != -1) {
        if (option == '?') {
            program_usage(USAGE);
        }
        whole = true;
    }
    if (argc - optind < 2) {
        program_usage(USAGE);
    }
    if (argc - optind > 2 && !paths_is_directory(argv[argc - 1])) {
        program_fail("%s: is no directory", argv[argc - 1]);
    }
    for (int i = optind; i < argc - 1; i++) {
        char target[PATH_MAX];

        if (!paths_target(argv[i], argv[argc - 1], target) || !paths_copy(argv[i], target, whole)) {
            status = 1;
        }
    }
    return status;
}
