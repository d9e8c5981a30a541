/* mount.c - the file systems there are. Which are mounted is said in the manifest. */
#include <file.h>
#include <portolan/file_types.h>
#include <portolan/portolan.h>
#include <stdio.h>

#include "program.h"

int main(int argc, char **argv)
{
    file_text_t text;
    mach_msg_type_number_t count = sizeof(text);

    program_start(argv);
    if (argc > 1) {
        program_usage("mount (what is mounted where is said in the manifest)");
    }
    program_check(file_mounts(portolan_port("root"), text, &count), "the file server");
    fwrite(text, 1, count, stdout);
    return 0;
}
