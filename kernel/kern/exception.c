/* exception.c - exceptions of threads: to the thread's exception port, then to the task's, then the end of the task.
 *
 * Without an exception port nobody is asked. */
#include "kern/exception.h"

#include <mach/exception.h>
#include <mach/mig_errors.h>

#include "ipc/ipc_port.h"
#include "kern/ipc_tt.h"
#include "kern/printf.h"
#include "kern/task.h"
#include "kern/thread.h"
#include "kern/trace.h"
#include "vm/vm_map.h"

/* Is the address just below a region that grows down in practice: the stack? */
static bool exception_is_stack_overrun(int exception, int64_t address)
{
    uint64_t rsp = current_thread()->pcb.regs.rsp;

    return exception == EXC_BAD_ACCESS && (uint64_t)address < rsp + 65536 && (uint64_t)address + 65536 > rsp &&
           (uint64_t)address < VM_MAX_ADDRESS;
}

/* Nobody handled it: say so, and end the task. */
static void exception_end_task(int exception, int code, int64_t subcode, const char *what)
{
    struct thread *self = current_thread();
    struct task *task = self->task;
    char where[64] = "";

    if (exception == EXC_BAD_ACCESS) {
        ksnprintf(where, sizeof(where), " 0x%lx (code %d)%s", (uint64_t)subcode, code,
                  exception_is_stack_overrun(exception, subcode) ? ", near the stack pointer: stack overrun?" : "");
    }
    kprintf("task %s (%lu) thread %lu: %s%s at rip 0x%lx, rsp 0x%lx; the task is ended\n", task->name, task->id, self->id,
            what, where, self->pcb.regs.rip, self->pcb.regs.rsp);
    task->exception_status = exception;
    task_end(task);
}

void exception_raise_current(int exception, int code, int64_t subcode, const char *what)
{
    trace(TRACE_EXCEPTION, (uint64_t)exception, (uint64_t)code);
    exception_end_task(exception, code, subcode, what);
}
