/* exception.h - what a thread did that the processor or the kernel cannot let pass. */
#ifndef KERN_EXCEPTION_H
#define KERN_EXCEPTION_H

#include <stdint.h>

struct ipc_port;
struct thread;

/* An exception of a thread: what is asked about it, and whom. A thread that waits for an answer has
 * no kernel stack. */
struct exception {
    int exception;
    int code;
    int64_t subcode;
    const char *what;
    unsigned asked;         /* exception ports so far: the thread's, the task's */
    struct ipc_port *reply; /* where it waits for answers: its receive right, or NULL */
};

/* Raise an exception (EXC_*, mach/exception.h) of the current thread: tell the thread's exception
 * port, else the task's; if nobody handles it, say on the console which thread, where and why, and
 * end the task. `what` is a phrase for people. The thread goes on in user mode with the registers
 * in its pcb; this returns only when it is to end there. Locks: none held. Sleeps: yes. */
void exception_raise_current(int exception, int code, int64_t subcode, const char *what);
/* The answer to the current thread's exception has come the short way: its header, of four words,
 * and its body. Sleeps: yes. */
_Noreturn void exception_answer(const uint64_t *header, const uint64_t *body, uint32_t words);
/* Give back what the thread, which ends, has kept for its exceptions. Locks: none held. */
void exception_end(struct thread *thread);

#endif
