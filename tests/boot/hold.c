/* hold.c - says `holding` and never ends by itself: `hold spin` computes, `hold sleep` waits.
 * `hold debugger` asks for the kernel debugger instead, and ends. */
#include <portolan/portolan.h>
#include <portolan/thread.h>
#include <stdio.h>
#include <string.h>

#include <mach/host_reboot.h>
#include <mach_host.h>

#define LONG_MS 1000000

int main(int argc, char **argv)
{
    const char *how = argc == 2 ? argv[1] : "";

    if (strcmp(how, "debugger") == 0) {
        return host_reboot(portolan_port("host"), RB_DEBUGGER);
    }
    printf("holding\n");
    fflush(stdout);
    while (strcmp(how, "spin") == 0) {
        __asm__ volatile("");
    }
    portolan_sleep(LONG_MS);
    return 0;
}
