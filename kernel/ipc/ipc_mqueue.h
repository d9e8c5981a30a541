/* ipc_mqueue.h - message queues: bounded FIFO per port, with direct handoff.
 *
 * A receiver that waits is given the message without queueing. A sender that finds the queue full
 * waits in line; whoever takes a message out puts the first waiting sender's message in, so the
 * line is served in order and nobody retries. Locks: port -> port set; spin locks. Nothing here
 * sleeps but ipc_mqueue_send. */
#ifndef IPC_IPC_MQUEUE_H
#define IPC_IPC_MQUEUE_H

#include <stdbool.h>
#include <stdint.h>

#include <mach/message.h>

#include "kern/spinlock.h"

struct ipc_kmsg;
struct ipc_port;
struct ipc_pset;
struct list;
struct thread;

/* Send kmsg to kmsg->remote (not a kernel port): to a waiting receiver, else into the queue, else
 * wait for room (option MACH_SEND_TIMEOUT: at most timeout ms). When a receiver took it and next is
 * not NULL, that thread is claimed and *next is it: the caller runs it. Locks: none held. Refs:
 * takes over kmsg on MACH_MSG_SUCCESS (also when the port is dead: it is destroyed); else the
 * caller still owns it. Sleeps: when the queue is full. Returns: MACH_MSG_SUCCESS,
 * MACH_SEND_TIMED_OUT, MACH_SEND_INTERRUPTED, MACH_SEND_NO_BUFFER (ledger). */
mach_msg_return_t ipc_mqueue_send(struct ipc_kmsg *kmsg, uint32_t option, uint32_t timeout,
                                  struct thread **next);
/* Send without regard to limits. Refs: takes over kmsg. Sleeps: no. Returns: MACH_MSG_SUCCESS,
 * MACH_SEND_INVALID_DEST (dead: destroyed). */
mach_msg_return_t ipc_mqueue_send_always(struct ipc_kmsg *kmsg);

/* What is received from. One of the two is set. */
struct ipc_mqueue_source {
    struct ipc_port *port;
    struct ipc_pset *pset;
};

/* Take the first message (of the member whose turn it is). A message longer than `limit` stays when
 * `option` has MACH_RCV_LARGE. With `wait` the current thread, when there is none, is linked to the
 * queue with a wait prepared up to deadline_ns: the caller blocks. Locks: none held. Refs: *kmsg
 * belongs to the caller; *size is its size also when it stays. Returns: MACH_MSG_SUCCESS,
 * MACH_RCV_TOO_LARGE (stays), MACH_RCV_PORT_DIED, MACH_RCV_IN_SET, MACH_RCV_TIMED_OUT (none there,
 * *kmsg NULL). */
mach_msg_return_t ipc_mqueue_receive(const struct ipc_mqueue_source *source, uint32_t option,
                                     uint32_t limit, bool wait, uint64_t deadline_ns,
                                     struct ipc_kmsg **kmsg, uint32_t *size);
/* Prepare the wait of the current thread on a list of receivers. Locks: the list's held. */
void ipc_mqueue_join(struct list *receivers, uint64_t deadline_ns);
/* Take the current thread off the queue it waited on. Locks: none held. */
void ipc_mqueue_leave(const struct ipc_mqueue_source *source);
/* Number a message that goes to its receiver without having been queued: true if the queue is empty
 * and the port's receiver is `space`. */
struct ipc_space;
bool ipc_mqueue_bypass(struct ipc_port *port, struct ipc_space *space, struct ipc_kmsg *kmsg);

/* --- for ipc_port.c and ipc_pset.c: port->lock (of receivers: the lock of their list) held --- */

/* End the wait of all receivers on a list, with a result. */
void ipc_mqueue_wake_receivers(struct list *receivers, mach_msg_return_t result);
/* The port has died: waiting senders look again. */
void ipc_mqueue_wake_senders(struct ipc_port *port);
/* Put messages of waiting senders into the queue while there is room. */
void ipc_mqueue_admit_senders(struct ipc_port *port);
/* Give queued messages to waiting receivers (after the port joined a set). */
void ipc_mqueue_pump(struct ipc_port *port);

#endif
