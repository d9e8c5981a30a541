/* ipc_fastask.h - the short way of a question of the kernel to a pager. */
#ifndef IPC_IPC_FASTASK_H
#define IPC_IPC_FASTASK_H

#include <stdint.h>

#include <mach/message.h>

struct ipc_port;
struct spinlock;
struct waitq;

/* The type of one item of a message, as a word. */
#define IPC_FASTASK_WORD(name, bits)                                                               \
    (MACH_MSG_TYPE_WORD(name, bits, MACH_MSG_TYPE_WORD_INLINE) | 1ull << 32)

/* Send a message without a reply to `dest`, if a thread waits there that can be run at once: then
 * that one goes on with it, and the current thread, which gives up its kernel stack, waits on
 * `waitq` until the deadline, to go on at `continuation`. Else return, before anything has changed.
 * The body begins with a send right, made of `right`, whose name is filled in. Interrupts off.
 * Locks: `lock`, which keeps both ports, held; released if it does not return. */
void ipc_fastask(struct ipc_port *dest, struct ipc_port *right, uint64_t *body, uint32_t words,
                 uint32_t id, struct waitq *waitq, struct spinlock *lock, uint64_t deadline_ns,
                 void (*continuation)(void));

#endif
