/* uname.c - the system's name; -a with the kernel's version and the machine. */
#include <mach/host_info.h>
#include <mach_host.h>
#include <portolan/portolan.h>
#include <stdio.h>
#include <string.h>

#include "program.h"

int main(int argc, char **argv)
{
    kernel_version_t version = "";

    program_start(argv);
    if (argc > 2 || (argc == 2 && strcmp(argv[1], "-a") != 0)) {
        program_usage("uname [-a]");
    }
    if (argc == 1) {
        printf("Portolan\n");
        return 0;
    }
    program_check(host_get_kernel_version(mach_host_self(), version), "the version cannot be read");
    printf("%s x86-64\n", version);
    return 0;
}
