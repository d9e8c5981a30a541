/* dmesg.c - the kernel's messages since the start, as far as it still has them. */
#include <mach/portolan.h>
#include <portolan.h>
#include <portolan/portolan.h>
#include <stdio.h>

#include "program.h"

int main(int argc, char **argv)
{
    int64_t position = 0;
    portolan_text_t text;
    mach_msg_type_number_t count;

    program_start(argv);
    if (argc != 1) {
        program_usage("dmesg");
    }
    do {
        count = sizeof(text);
        program_check(host_read_messages(mach_host_self(), &position, text, &count),
                      "the kernel's messages cannot be read");
        fwrite(text, 1, count, stdout);
    } while (count == sizeof(text));
    return fflush(stdout) == 0 ? 0 : 1;
}
