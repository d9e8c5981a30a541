/* exception.h - what a thread did that the processor or the kernel cannot let pass. */
#ifndef KERN_EXCEPTION_H
#define KERN_EXCEPTION_H

#include <stdint.h>

struct ipc_kmsg;

/* Raise an exception (EXC_*, mach/exception.h) of the current thread: tell the thread's exception
 * port, else the task's; if nobody handles it, say on the console which thread, where and why, and
 * end the task. `what` is a phrase for people. Returns when the thread may go on with the registers
 * in its pcb (or is to end at its return to user mode). Sleeps: yes. */
void exception_raise_current(int exception, int code, int64_t subcode, const char *what);
/* A message for a thread's exception reply port. Refs: consumes it. Locks: none held. */
void exception_reply(struct ipc_kmsg *reply);

#endif
