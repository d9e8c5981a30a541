/* console.c - between this terminal and a machine's serial line: what it sends is written here by
 * the first thread, what is typed goes there by another. */
#include <errno.h>
#include <io.h>
#include <portolan/errno.h>
#include <portolan/io_types.h>
#include <portolan/portolan.h>
#include <portolan/thread.h>
#include <portolan/vm_machine_types.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "program.h"
#include "vm_impl.h"
#include "vm_machine.h"

#define LEAVE    0x1d /* Ctrl-] */
#define AGAIN_MS 10

static struct termios console_before;
static bool console_is_terminal;

static void console_restore(void)
{
    if (console_is_terminal) {
        tcsetattr(0, TCSANOW, &console_before);
    }
}

static void console_set_raw(void)
{
    struct termios raw;

    console_is_terminal = tcgetattr(0, &console_before) == 0;
    if (console_is_terminal) {
        raw = console_before;
        cfmakeraw(&raw);
        tcsetattr(0, TCSANOW, &raw);
    }
}

static _Noreturn void console_leave(int status)
{
    console_restore();
    exit(status);
}

/* All of it, however long the guest takes to read it, or as much as there is room for. False: the
 * machine has gone. */
static bool console_type(mach_port_t console, const char *data, size_t size, bool waits)
{
    while (size != 0) {
        natural_t written = 0;
        kern_return_t kr =
            io_write(console, IO_POSITION, (char *)data, (mach_msg_type_number_t)size, &written);

        if (kr == PORTOLAN_ERRNO(EAGAIN) && !waits) {
            return true;
        } else if (kr == PORTOLAN_ERRNO(EAGAIN)) {
            portolan_sleep(AGAIN_MS);
        } else if (kr != KERN_SUCCESS) {
            return false;
        }
        data += written;
        size -= written;
    }
    return true;
}

static void *console_keys(void *argument)
{
    mach_port_t console = *(mach_port_t *)argument;
    char data[256];
    ssize_t n;

    while ((n = read(0, data, sizeof(data))) > 0) {
        const char *leave = memchr(data, LEAVE, (size_t)n);
        size_t size = leave != NULL ? (size_t)(leave - data) : (size_t)n;

        if (!console_type(console, data, size, leave == NULL)) {
            break;
        }
        if (leave != NULL) {
            console_leave(0);
        }
    }
    return NULL;
}

/* Write what the machine sends until it ends. */
static void console_show(mach_port_t console)
{
    static char data[IO_DATA_MAX];
    kern_return_t kr;

    do {
        mach_msg_type_number_t count = sizeof(data);

        kr = io_read(console, IO_POSITION, sizeof(data), data, &count);
        if (kr == KERN_SUCCESS && (count == 0 || write(1, data, count) != (ssize_t)count)) {
            return;
        }
    } while (kr == KERN_SUCCESS);
    console_restore();
    if (kr == PORTOLAN_ERRNO(EBUSY)) {
        program_fail("somebody else looks at this machine");
    }
    program_fail("the machine's monitor is gone");
}

int console_join(mach_port_t machine)
{
    static mach_port_t console; /* the other thread's, too */
    pthread_t keys;
    int state = VM_ENDED, status = 1;

    program_check(vm_machine_console(machine, &console), "the machine's monitor is gone");
    console_set_raw();
    if (pthread_create(&keys, NULL, console_keys, &console) != 0) {
        program_say("there is no memory for what is typed");
    }
    console_show(console);
    (void)vm_machine_state(machine, &state, &status);
    console_leave(status);
}
