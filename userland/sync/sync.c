/* sync.c - have everything that was changed put on the disks. */
#include <file.h>
#include <portolan/file_types.h>
#include <portolan/portolan.h>

#include "program.h"

int main(int argc, char **argv)
{
    program_start(argv);
    if (argc > 1) {
        program_usage("sync");
    }
    program_check(file_sync(portolan_port("root"), FILE_SYNC_ALL), "the file server");
    return 0;
}
