/* ipc_thread.h - what kernel/ipc keeps in a thread: the arguments of a blocked mach_msg, and the
 * place where a message is put.
 *
 * A thread blocked in receive has no kernel stack: all it needs when it goes on is here. */
#ifndef IPC_IPC_THREAD_H
#define IPC_IPC_THREAD_H

#include <stdint.h>

#include <mach/message.h>

#include "arch/usercopy.h"
#include "kern/list.h"

struct ipc_kmsg;
struct ipc_port;
struct ipc_pset;

/* Keys: [C] only by the thread itself, [Q] lock of the port or set it waits on, [W] by whoever owns
 * the wait (see kern/thread.h) */
struct ipc_thread {
    struct list link;      /* [Q] on receivers or senders of what it waits on */
    struct ipc_kmsg *kmsg; /* [W] receiver: the message it was handed; sender: what it wants queued,
                              NULL once taken */
    struct ipc_port *port; /* [C] port a receiver waits on, with a reference */
    struct ipc_pset *pset; /* [C] or the set, with a reference; NULL when it does not wait on one */
    user_addr_t msg;       /* [C] buffer in the task */
    uint32_t option;       /* [C] MACH_RCV_* */
    uint32_t rcv_size;     /* [C] size of the buffer: a longer message is not accepted */
    uint32_t fastpath_size;   /* [C] the same while a message may come the short way, else 0 */
    mach_port_name_t notify;  /* [C] */
    mach_msg_return_t result; /* [W] why the wait ended when no kmsg came with it; MACH_MSG_SUCCESS:
                                 the message is in the buffer */
    uint32_t large_size;      /* [W] size of the message that did not fit (MACH_RCV_LARGE) */
    struct list *reap; /* [C] messages to destroy, while ipc_kmsg_destroy() is at work; else NULL */
};

static inline void ipc_thread_init(struct ipc_thread *ipc)
{
    *ipc = (struct ipc_thread){0};
    list_init(&ipc->link);
}

#endif
