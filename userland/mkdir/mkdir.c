/* mkdir.c - make directories; -p those above them, too, and none that is there. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "paths.h"
#include "program.h"

static bool make(const char *path, bool may_be_there)
{
    if (mkdir(path, 0777) == 0 || (may_be_there && paths_is_directory(path))) {
        return true;
    }
    program_say("%s: %s", path, strerror(errno));
    return false;
}

static bool make_all(const char *path)
{
    char above[PATH_MAX];

    if (strlen(path) >= sizeof(above)) {
        program_say("%s: the path is too long", path);
        return false;
    }
    strcpy(above, path);
    for (char *slash = strchr(above + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (!make(above, true)) {
            return false;
        }
        *slash = '/';
    }
    return make(path, true);
}

int main(int argc, char **argv)
{
    bool all = false;
    int status = 0;

    program_start(argv);
    if (argc > 1 && strcmp(argv[1], "-p") == 0) {
        all = true;
        argc--;
        argv++;
    }
    if (argc < 2 || argv[1][0] == '-') {
        program_usage("mkdir [-p] PATH...");
    }
    for (int i = 1; i < argc; i++) {
        if (!(all ? make_all(argv[i]) : make(argv[i], false))) {
            status = 1;
        }
    }
    return status;
}
