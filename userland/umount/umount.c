/* umount.c - end a mount: its disk can be taken away then. */
#include <file.h>
#include <portolan/portolan.h>

#include "paths.h"
#include "program.h"

int main(int argc, char **argv)
{
    char place[DIR_PATH_MAX];

    program_start(argv);
    if (argc != 2 || argv[1][0] == '-') {
        program_usage("umount DIRECTORY");
    }
    paths_absolute(argv[1], place, sizeof(place));
    program_check(file_unmount(portolan_port("root"), program_host(), place), place);
    return 0;
}
