/* time.c - run a command and tell how long it took. */
#include <mach_host.h>
#include <portolan/portolan.h>
#include <portolan/spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>

#include "program.h"

extern char **environ;

static uint64_t now_us(void)
{
    time_value64_t now = {0};

    program_check(host_get_uptime64(mach_host_self(), &now), "the time cannot be read");
    return (uint64_t)now.seconds * 1000000u + (uint64_t)now.nanoseconds / 1000u;
}

int main(int argc, char **argv)
{
    struct spawn_right host = {"host", portolan_port("host"), MACH_MSG_TYPE_COPY_SEND, 0};
    struct spawn spawn = {.argv = argv + 1, .envp = environ, .rights = &host};
    char path[1024];
    mach_port_t end;
    uint64_t start;
    kern_return_t kr;
    int status;

    program_start(argv);
    if (argc < 2) {
        program_usage("time COMMAND [ARGUMENT...]");
    }
    if (!program_find(argv[1], path, sizeof(path))) {
        program_say("%s: command not found", argv[1]);
        return STATUS_NOT_FOUND;
    }
    spawn.path = path;
    spawn.nrights = host.right != MACH_PORT_NULL;
    start = now_us();
    kr = spawn_start(&spawn, NULL, &end);
    if (kr != KERN_SUCCESS) {
        program_say("%s: %s", argv[1], spawn_error_string(kr));
        return STATUS_CANNOT_RUN;
    }
    status = spawn_wait(end);
    start = now_us() - start;
    fprintf(stderr, "real %llu.%06llu s\n", (unsigned long long)start / 1000000,
            (unsigned long long)start % 1000000);
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}
