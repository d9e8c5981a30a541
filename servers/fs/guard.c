/* guard.c - touching memory that may fail: a page of a file that was cut off meanwhile, or that its
 * disk cannot give. The exception of the copying routine is answered by letting it return false.
 * Any other exception ends the server, as it would without this. */
#include <mach/thread_status.h>
#include <mach_port.h>
#include <portolan/portolan.h>
#include <portolan/server_loop.h>
#include <stdlib.h>

#include "exc_server.h"
#include "fs_impl.h"

/* bool guard_copy(void *to, const void *from, size_t size) */
__asm__(".text\n"
        ".globl guard_copy\n"
        "guard_copy:\n"
        "    mov %rdx, %rcx\n"
        "    shr $3, %rcx\n"
        "    rep movsq\n"
        "    mov %edx, %ecx\n"
        "    and $7, %ecx\n"
        "    rep movsb\n"
        "guard_copy_done:\n"
        "    mov $1, %eax\n"
        "    ret\n"
        "guard_copy_failed:\n"
        "    xor %eax, %eax\n"
        "    ret\n");
extern const char guard_copy_done[], guard_copy_failed[];

static struct server guard_server = {.demux = exc_server};

/* Let a thread that copies return; false when it does something else. */
static bool guard_skip(mach_port_t thread)
{
    struct i386_thread_state state;
    mach_msg_type_number_t count = i386_THREAD_STATE_COUNT;

    if (thread_get_state(thread, i386_REGS_SEGS_STATE, (thread_state_t)&state, &count) !=
            KERN_SUCCESS ||
        state.rip < (uint64_t)guard_copy || state.rip >= (uint64_t)guard_copy_done) {
        return false;
    }
    state.rip = (uint64_t)guard_copy_failed;
    return thread_set_state(thread, i386_REGS_SEGS_STATE, (thread_state_t)&state, count) ==
           KERN_SUCCESS;
}

kern_return_t catch_exception_raise(mach_port_t port, mach_port_t thread, mach_port_t task,
                                    integer_t exception, integer_t code, rpc_long_integer_t subcode)
{
    (void)port;
    if (task != mach_task_self() || !guard_skip(thread)) {
        portolan_print("fs: exception %d, code %d, at 0x%lx\n", exception, code, (long)subcode);
        return KERN_FAILURE;
    }
    (void)mach_port_deallocate(mach_task_self(), thread);
    (void)mach_port_deallocate(mach_task_self(), task);
    return KERN_SUCCESS;
}

void guard_start(void)
{
    if (portolan_port_allocate(true, &guard_server.receive) != KERN_SUCCESS ||
        task_set_special_port(mach_task_self(), TASK_EXCEPTION_PORT, guard_server.receive) !=
            KERN_SUCCESS ||
        server_add_thread(&guard_server) != KERN_SUCCESS) {
        portolan_print("fs: no memory for the exception port\n");
        exit(1);
    }
}
