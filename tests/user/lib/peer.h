/* peer.h - a thread that runs with nothing but traps and plain memory, in this task or in one of
 * its own: the other side of a call. A task of its own has a copy of this program's memory as it
 * was. */
#ifndef PEER_H
#define PEER_H

#include "ipc.h"

struct ipc_peer {
    mach_port_t task; /* MACH_PORT_NULL: this one */
    mach_port_t thread;
    mach_port_t service; /* send right to what the peer receives from */
};

/* Receives from `service`, never returns: it has no libc. */
typedef void (*ipc_peer_function)(mach_port_t service);

/* Start it and wait until it waits. The peer gets the receive right under the name its service has
 * here. Both threads have then run on the first processor last and are bound to none: so the short
 * way is open to a call. */
void ipc_peer_start(struct ipc_peer *peer, ipc_peer_function function, bool own_task);
/* The same, but the thread runs only once it is resumed. */
void ipc_peer_create(struct ipc_peer *peer, ipc_peer_function function, bool own_task);
/* One more thread of the peer's. */
mach_port_t ipc_peer_thread(const struct ipc_peer *peer, ipc_peer_function function,
                            unsigned stack);
/* End the peer and all it has. */
void ipc_peer_end(struct ipc_peer *peer);
/* End a thread of this task and wait until it is gone. */
void ipc_end_thread(mach_port_t thread);

/* Answers every message with the same body and the id plus 100. */
void ipc_peer_echo(mach_port_t service);
/* Turn a received request into its answer. */
void ipc_peer_answer(struct ipc_message *m);
/* What a peer does when it has nothing left to do. */
_Noreturn void ipc_peer_idle(void);

/* The words of a body, different for each seed. */
void ipc_pattern(struct ipc_message *m, uint32_t words, uint32_t seed);
bool ipc_has_pattern(const struct ipc_message *m, uint32_t words, uint32_t seed);

/* Call the service with the message; the answer is in its place. */
mach_msg_return_t ipc_rpc(struct ipc_message *m, mach_port_t service, mach_port_t reply);
/* The same with a message that has its destination, and may be complex. */
mach_msg_return_t ipc_rpc_carry(struct ipc_message *m, mach_port_t reply);

#endif
