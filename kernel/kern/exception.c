/* exception.c - exceptions of threads: to the thread's exception port, then to the task's, then the
 * end of the task.
 *
 * The message is exception_raise (exc.defs). The thread waits without a kernel stack for a message
 * on its reply port, to which only the handler has a right: KERN_SUCCESS lets the thread go on;
 * anything else, or the end of the send-once right, passes the exception on. While it waits the
 * thread's registers are in its pcb, so the handler can read and change them.
 *
 * The reply port is kept for the next exception, unless somebody still has a right to it, with
 * which he could answer that one. */
#include "kern/exception.h"

#include <mach/exception.h>
#include <mach/mig_errors.h>
#include <mach/mig_support.h>

#include "arch/trap.h"
#include "exc_kernel_user.h"
#include "ipc/ipc_fastraise.h"
#include "ipc/ipc_kmsg.h"
#include "ipc/ipc_mqueue.h"
#include "ipc/ipc_port.h"
#include "kern/assert.h"
#include "kern/atomic.h"
#include "kern/ipc_tt.h"
#include "kern/printf.h"
#include "kern/string.h"
#include "kern/task.h"
#include "kern/thread.h"
#include "kern/trace.h"

#define EXCEPTION_RAISE_ID   2400u
#define EXCEPTION_REPLY_SIZE 48u /* of exception_raise_reply_code() */

/* The type of one item of a message, as a word. */
#define EXCEPTION_WORD(name, bits)                                                                 \
    (MACH_MSG_TYPE_WORD(name, bits, MACH_MSG_TYPE_WORD_INLINE) | 1ull << 32)

static void exception_continue(void);
static _Noreturn void exception_receive(struct thread *self, struct ipc_kmsg *kmsg);

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

/* Have a port nobody has a right to for the answer. False when out of memory. */
static bool exception_make_reply(struct thread *self)
{
    struct ipc_port *port = self->exception.reply;

    if (port != NULL) {
        if (atomic_load(&port->sorights) == 0) { /* and only this thread can make one */
            return true;
        }
        spin_lock(&port->lock);
        ipc_port_destroy(port);
    }
    port = ipc_port_create(NULL);
    self->exception.reply = port;
    if (port != NULL) {
        port->receiver = self->space; /* by no name */
    }
    return port != NULL;
}

void exception_end(struct thread *thread)
{
    struct ipc_port *port = thread->exception.reply;

    thread->exception.reply = NULL;
    if (port != NULL) {
        spin_lock(&port->lock);
        ipc_port_destroy(port);
    }
}

/* --- the question --- */

/* The short way: does not return if it can be taken. */
static void exception_send_quickly(struct thread *self, struct ipc_port *const *where)
{
    const struct exception *e = &self->exception;
    uint64_t body[] = {
        EXCEPTION_WORD(MACH_MSG_TYPE_PORT_SEND, 64),  0,
        EXCEPTION_WORD(MACH_MSG_TYPE_PORT_SEND, 64),  0,
        EXCEPTION_WORD(MACH_MSG_TYPE_INTEGER_32, 32), (uint32_t)e->exception,
        EXCEPTION_WORD(MACH_MSG_TYPE_INTEGER_32, 32), (uint32_t)e->code,
        EXCEPTION_WORD(MACH_MSG_TYPE_INTEGER_64, 64), (uint64_t)e->subcode,
    };

    if (!CONFIG_DEBUG && trace_site()) {
        trace_record(TRACE_EXCEPTION, (uint64_t)e->exception, (uint64_t)e->code);
        return; /* the long way says what it does */
    }
    ipc_fastraise(where, e->reply, body, sizeof(body) / sizeof(body[0]), EXCEPTION_RAISE_ID,
                  exception_continue);
}

static kern_return_t exception_send(struct thread *self, struct ipc_port *const *where)
{
    const struct exception *e = &self->exception;
    struct ipc_port *thread_port = thread_self_port(self);
    struct ipc_port *task_port = task_self_port(self->task);
    struct ipc_port *reply = ipc_port_make_sonce(e->reply);
    struct ipc_port *port;
    kern_return_t kr;

    spin_lock(&self->task->lock);
    port = ipc_port_copy_send(*where);
    spin_unlock(&self->task->lock);
    kr = exception_raise(port, reply, thread_port, task_port, e->exception, e->code, e->subcode);
    if (kr == MACH_SEND_NO_BUFFER) { /* there was no message to take them over */
        ipc_port_release_send(port);
        ipc_port_release_sonce(reply);
        ipc_port_release_send(thread_port);
        ipc_port_release_send(task_port);
    }
    return kr;
}

/* Ask one exception port. Returns when it cannot be asked, else the thread goes on elsewhere. */
static void exception_ask(struct thread *self, struct ipc_port *const *where)
{
    struct ipc_thread *ipc = &self->ipc;
    struct ipc_mqueue_source source;
    struct ipc_kmsg *kmsg;
    uint32_t size;

    if (!IP_VALID(atomic_load(where)) || !exception_make_reply(self)) {
        return;
    }
    ipc->msg = VM_MAX_ADDRESS; /* no memory of the task: nobody writes there */
    ipc->option = 0;
    ipc->rcv_size = EXCEPTION_REPLY_SIZE;
    ipc->fastpath_size = EXCEPTION_REPLY_SIZE;
    atomic_fetch_or(&self->flags, THREAD_FLAG_EXCEPTION);
    exception_send_quickly(self, where);
    if (exception_send(self, where) == KERN_SUCCESS) {
        source = (struct ipc_mqueue_source){.port = self->exception.reply};
        ipc_port_ref(source.port);
        ipc->port = source.port;
        if (ipc_mqueue_receive(&source, 0, ipc->rcv_size, true, 0, &kmsg, &size) !=
            MACH_MSG_SUCCESS) {
            (void)thread_block(exception_continue);
        }
        exception_receive(self, kmsg);
    }
    atomic_fetch_and(&self->flags, ~THREAD_FLAG_EXCEPTION);
}

/* Ask the next exception port there is. Without one, end the task. */
static void exception_ask_next(struct thread *self)
{
    struct exception *e = &self->exception;

    while (e->asked < 2) {
        e->asked += 1;
        exception_ask(self, e->asked == 1 ? &self->exception_port : &self->task->exception_port);
    }
    if ((atomic_load(&self->flags) & THREAD_FLAG_TERMINATE) == 0) {
        exception_end_task(e->exception, e->code, e->subcode, e->what);
    }
}

void exception_raise_current(int exception, int code, int64_t subcode, const char *what)
{
    struct thread *self = current_thread();
    struct exception *e = &self->exception;

    if (CONFIG_DEBUG) {
        trace(TRACE_EXCEPTION, (uint64_t)exception, (uint64_t)code);
    }
    e->exception = exception;
    e->code = code;
    e->subcode = subcode;
    e->what = what;
    e->asked = 0;
    exception_ask_next(self);
}

/* --- the answer --- */

static _Noreturn void exception_answered(struct thread *self, kern_return_t code)
{
    assert(self == current_thread());
    self->ipc.port = NULL;
    atomic_fetch_and(&self->flags, ~(THREAD_FLAG_EXCEPTION | THREAD_FLAG_RAX_SET));
    if (code != KERN_SUCCESS) {
        exception_ask_next(self);
    }
    trap_exception_return();
}

void exception_answer(const uint64_t *header, const uint64_t *body, uint32_t words)
{
    uint64_t reply[EXCEPTION_REPLY_SIZE / sizeof(uint64_t)] = {header[0], header[1], header[2],
                                                               header[3]};

    assert(4 + words <= sizeof(reply) / sizeof(reply[0]));
    memcpy(reply + 4, body, words * sizeof(*body));
    exception_answered(current_thread(),
                       exception_raise_reply_code((const mach_msg_header_t *)reply));
}

/* The answer the long way, or word that none will come; NULL: the wait was aborted by someone who
 * gives the thread other registers or ends it, so it may go on. */
static _Noreturn void exception_receive(struct thread *self, struct ipc_kmsg *kmsg)
{
    kern_return_t code = KERN_SUCCESS;

    if (kmsg != NULL) {
        code = exception_raise_reply_code(ipc_kmsg_header(kmsg));
        kmsg->delivered = true;
        ipc_kmsg_destroy(kmsg);
    }
    ipc_port_unref(self->ipc.port);
    exception_answered(self, code);
}

/* The wait for the answer is over. */
static void exception_continue(void)
{
    struct thread *self = current_thread();
    struct ipc_kmsg *kmsg = self->ipc.kmsg;

    self->ipc.kmsg = NULL;
    if (thread_wait_result() != WAIT_OK) {
        const struct ipc_mqueue_source source = {.port = self->ipc.port};

        ipc_mqueue_leave(&source);
    }
    exception_receive(self, kmsg);
}
