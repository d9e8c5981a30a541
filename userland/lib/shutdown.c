/* shutdown.c - stopping the machine. The file server is asked by a thread of its own, which may
 * wait for ever: the machine goes off all the same. */
#include "shutdown.h"

#include <bootstrap.h>
#include <file.h>
#include <portolan/error.h>
#include <portolan/file_types.h>
#include <portolan/portolan.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

#include <mach/mig_errors.h>

#include "program.h"

#define SHUTDOWN_SECONDS 20

static void *shutdown_clean(void *unused)
{
    (void)unused;
    return (void *)(intptr_t)file_sync(portolan_port("root"), FILE_SYNC_ALL | FILE_SYNC_CLEAN);
}

/* A root directory that is not the file server's has nothing to be put on a disk. */
static void shutdown_volumes(void)
{
    struct timespec until;
    pthread_t thread;
    void *result;

    if (pthread_create(&thread, NULL, shutdown_clean, NULL) != 0) {
        program_say("no memory to have the disks marked clean");
        return;
    }
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += SHUTDOWN_SECONDS;
    if (pthread_timedjoin_np(thread, &result, &until) != 0) {
        program_say("the file server has not answered for %d s: disks are not marked clean",
                    SHUTDOWN_SECONDS);
    } else if ((intptr_t)result != KERN_SUCCESS && (intptr_t)result != MIG_BAD_ID) {
        program_say("the disks are not marked clean: %s",
                    mach_error_string((kern_return_t)(intptr_t)result));
    }
}

kern_return_t shutdown_machine(bool restart)
{
    fflush(NULL);
    if (MACH_PORT_VALID(portolan_port("root"))) {
        shutdown_volumes();
    }
    return bootstrap_shutdown(portolan_bootstrap(), restart);
}
