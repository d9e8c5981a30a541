/* mv.c - give files other names; to another file system they are copied. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "paths.h"
#include "program.h"

static bool move(const char *from, const char *to)
{
    if (rename(from, to) == 0) {
        return true;
    }
    if (errno == EXDEV) {
        return paths_copy(from, to, true) && paths_remove(from, true);
    }
    program_say("%s to %s: %s", from, to, strerror(errno));
    return false;
}

int main(int argc, char **argv)
{
    int status = 0;

    program_start(argv);
    if (argc < 3 || argv[1][0] == '-') {
        program_usage("mv FROM TO, mv FROM... DIRECTORY");
    }
    if (argc > 3 && !paths_is_directory(argv[argc - 1])) {
        program_fail("%s: is no directory", argv[argc - 1]);
    }
    for (int i = 1; i < argc - 1; i++) {
        char target[PATH_MAX];

        if (!paths_target(argv[i], argv[argc - 1], target) || !move(argv[i], target)) {
            status = 1;
        }
    }
    return status;
}
