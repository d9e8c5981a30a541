/* thread.h - what the library keeps for each thread.
 *
 * Threads made by pthread_create are ready. A thread made by thread_create alone must call
 * portolan_thread_attach first, before any stub or libc call: the library's block of a thread is
 * found through %gs, which is reserved for it. */
#ifndef PORTOLAN_THREAD_H
#define PORTOLAN_THREAD_H

#include <mach/mach.h>

/* Give the calling thread a block (a reply port's place and a stack for system call emulation).
 * Returns: KERN_SUCCESS, and those of vm_allocate. */
kern_return_t portolan_thread_attach(void);

/* The calling thread's own port, borrowed. */
mach_port_t portolan_thread_port(void);

/* End the calling thread: its block, reply port and thread port go with it, the reply port before
 * anyone who joins the thread is told. */
_Noreturn void portolan_thread_exit(void);

/* Sleep for milliseconds. Returns: KERN_SUCCESS, KERN_INTERRUPTED (thread_abort). */
kern_return_t portolan_sleep(natural_t milliseconds);

/* A lock of one word, zero when free; for code that must not use libc. Not recursive. */
struct portolan_lock {
    uint32_t state; /* 0 free, 1 held, 2 held and somebody waits */
};
void portolan_lock_acquire(struct portolan_lock *lock);
void portolan_lock_release(struct portolan_lock *lock);

#endif
