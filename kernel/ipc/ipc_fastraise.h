/* ipc_fastraise.h - the short way of an exception to its handler. */
#ifndef IPC_IPC_FASTRAISE_H
#define IPC_IPC_FASTRAISE_H

#include <stdint.h>

struct ipc_port;

/* Send a message to *where, an exception port of the current thread or its task, if a thread waits
 * there that can be run at once: then that one goes on with it, and the current thread waits on
 * `reply`, whose receive right is its own, to go on at `continuation`. Else return, before anything
 * has changed. The body begins with two send rights, whose names are filled in: to the thread's
 * port and to the task's. What an answer may be is in the thread (ipc_thread). Locks: none held. */
void ipc_fastraise(struct ipc_port *const *where, struct ipc_port *reply, uint64_t *body,
                   uint32_t words, uint32_t id, void (*continuation)(void));

#endif
