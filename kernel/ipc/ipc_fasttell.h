/* ipc_fasttell.h - the short way of a message that is made in an interrupt. */
#ifndef IPC_IPC_FASTTELL_H
#define IPC_IPC_FASTTELL_H

#include <stdint.h>

struct ipc_port;
struct thread;

/* Put a simple message of whole words (at most IPC_FASTTELL_WORDS) into the buffer of a thread that
 * waits at `dest` or its set in a plain receive. Nothing is allocated and no lock is waited for: of
 * what is not at hand nothing changes. Interrupts off, in interrupt context too. Locks: any may be
 * held, but THREAD_CLAIMED stands until the caller has called thread_setrun() or thread_preempt().
 * Refs: uses up the caller's send-once right when it is sent, else leaves it. Returns: the thread,
 * claimed; NULL when it cannot go this way. */
#define IPC_FASTTELL_WORDS 4u
struct thread *ipc_fasttell(struct ipc_port *dest, uint32_t id, const uint64_t *body,
                            uint32_t words);
/* The same in an interrupt that came upon user mode, if that thread can be switched to at once and
 * is better than the current one, which stays runnable: then this does not return. Else nothing has
 * changed. Locks: the caller holds `lock` and no other; released if it does not return. Refs: as
 * above. */
struct spinlock;
void ipc_fasttell_at_once(struct ipc_port *dest, uint32_t id, const uint64_t *body, uint32_t words,
                          struct spinlock *lock);

#endif
