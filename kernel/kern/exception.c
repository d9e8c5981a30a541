/* exception.c - exceptions of threads: to the thread's exception port, then to the task's, then the
 * end of the task.
 *
 * The message is exception_raise (exc.defs). The thread waits for the reply to a port made for this
 * one exception, whose kernel object is the thread: KERN_SUCCESS in it lets the thread go on;
 * anything else, or the end of the send-once right, passes the exception on. While it waits the
 * thread's registers are in its pcb, so the handler can read and change them. */
#include "kern/exception.h"

#include <mach/exception.h>
#include <mach/mig_errors.h>

#include "ddb/trace.h"
#include "exc_kernel_user.h"
#include "ipc/ipc_kmsg.h"
#include "ipc/ipc_port.h"
#include "kern/assert.h"
#include "kern/atomic.h"
#include "kern/ipc_tt.h"
#include "kern/kobject.h"
#include "kern/printf.h"
#include "kern/task.h"
#include "kern/thread.h"
#include "kern/waitq.h"

/* Is the address just below a region that grows down in practice: the stack? */
static bool exception_is_stack_overrun(int exception, int64_t address)
{
    uint64_t rsp = current_thread()->pcb.regs.rsp;

    return exception == EXC_BAD_ACCESS && (uint64_t)address < rsp + 65536 &&
           (uint64_t)address + 65536 > rsp && (uint64_t)address < VM_MAX_ADDRESS;
}

/* Nobody handled it: say so, and end the task. */
static void exception_end_task(int exception, int code, int64_t subcode, const char *what)
{
    struct thread *self = current_thread();
    struct task *task = self->task;
    char where[64] = "";

    assert(interrupt_is_enabled());
    if (exception == EXC_BAD_ACCESS) {
        ksnprintf(where, sizeof(where), " 0x%lx (code %d)%s", (uint64_t)subcode, code,
                  exception_is_stack_overrun(exception, subcode)
                      ? ", near the stack pointer: stack overrun?"
                      : "");
    }
    kprintf("task %s (%lu) thread %lu: %s%s at rip 0x%lx, rsp 0x%lx; the task is ended\n",
            task->name, task->id, self->id, what, where, self->pcb.regs.rip, self->pcb.regs.rsp);
    task->exception_status = exception;
    task_end(task);
}

/* A reply, or word that none will come, arrived at a thread's exception reply port. Consumes the
 * message. */
void exception_reply(struct ipc_kmsg *reply)
{
    struct ipc_port *port = ipc_kmsg_remote(reply);
    struct thread *thread = NULL;

    spin_lock(&port->lock); /* held to the end: once the port has gone the thread may be in another
                               exception, which this must not answer */
    if (port->active && port->kobject_type == KOBJECT_EXCEPTION_REPLY) {
        thread = port->kobject;
        thread_ref(thread);
        thread->exception_code = exception_raise_reply_code(ipc_kmsg_header(reply));
        atomic_store_release(&thread->exception_done, true);
    }
    spin_unlock(&port->lock);
    if (thread != NULL) {
        waitq_wake_all(&thread->stopped, WAIT_OK);
        thread_unref(thread);
    }
    ipc_kmsg_destroy(reply);
}

/* Wait for exception_reply(); false when the wait was aborted. Uses the queue of those who wait for
 * this thread to stop: they look again when woken. */
static bool exception_wait_reply(struct thread *self)
{
    assert(self == current_thread());
    while (!atomic_load_acquire(&self->exception_done)) {
        enum wait_result result;

        waitq_assert_wait(&self->stopped, true, 0);
        if (atomic_load_acquire(&self->exception_done)) {
            waitq_cancel_wait(&self->stopped);
            break;
        }
        result = waitq_block(&self->stopped);
        if (result == WAIT_INTERRUPTED) {
            return false;
        }
    }
    return true;
}

/* Send exception_raise; all rights are consumed. */
static kern_return_t exception_send(struct ipc_port *port, struct ipc_port *reply, int exception,
                                    int code, int64_t subcode)
{
    struct ipc_port *thread_port = thread_self_port(current_thread());
    struct ipc_port *task_port = task_self_port(current_task());
    kern_return_t kr =
        exception_raise(port, reply, thread_port, task_port, exception, code, subcode);

    assert(IP_VALID(port) && IP_VALID(reply));
    if (kr == MACH_SEND_NO_BUFFER) { /* there was no message to take them over */
        ipc_port_release_send(port);
        ipc_port_release_sonce(reply);
        ipc_port_release_send(thread_port);
        ipc_port_release_send(task_port);
    }
    return kr;
}

/* Ask one exception port (a send right, consumed). True when the thread may go on: it was answered
 * so, or its wait was aborted by someone who gives it other registers or ends it. */
static bool exception_ask(struct ipc_port *port, int exception, int code, int64_t subcode)
{
    struct thread *self = current_thread();
    struct ipc_port *reply_port = ipc_port_alloc_kernel(KOBJECT_EXCEPTION_REPLY, self);
    bool sent, answered;

    if (reply_port == NULL) {
        ipc_port_release_send(port);
        return false;
    }
    self->exception_done = false;
    sent = exception_send(port, ipc_port_make_sonce(reply_port), exception, code, subcode) ==
           KERN_SUCCESS;
    answered = sent && exception_wait_reply(self);
    ipc_port_destroy_kernel(reply_port);
    atomic_fetch_and(&self->flags, ~THREAD_FLAG_RAX_SET);
    return sent && (!answered || self->exception_code == KERN_SUCCESS);
}

void exception_raise_current(int exception, int code, int64_t subcode, const char *what)
{
    struct thread *self = current_thread();
    struct ipc_port *ports[2];

    trace(TRACE_EXCEPTION, (uint64_t)exception, (uint64_t)code);
    spin_lock(&self->task->lock);
    ports[0] = ipc_port_copy_send(self->exception_port);
    ports[1] = ipc_port_copy_send(self->task->exception_port);
    spin_unlock(&self->task->lock);
    for (unsigned i = 0; i < 2; i++) {
        if (IP_VALID(ports[i]) && exception_ask(ports[i], exception, code, subcode)) {
            ipc_port_release_send(i == 0 ? ports[1] : IP_NULL);
            return;
        }
    }
    if ((atomic_load(&self->flags) & THREAD_FLAG_TERMINATE) == 0) {
        exception_end_task(exception, code, subcode, what);
    }
}
