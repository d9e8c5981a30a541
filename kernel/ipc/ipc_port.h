/* ipc_port.h - ports: a queue of messages with one receiver, and counts of the rights that exist.
 *
 * A right is a reference plus a count of its kind, so a port lives as long as anybody can name it;
 * it is dead once its receive right is gone. Lock order: space -> port -> port set. */
#ifndef IPC_IPC_PORT_H
#define IPC_IPC_PORT_H

#include <stdbool.h>
#include <stdint.h>

#include <mach/kern_return.h>
#include <mach/message.h>
#include <mach/port.h>

#include "kern/kobject.h"
#include "kern/list.h"
#include "kern/mutex.h"
#include "kern/spinlock.h"

struct ipc_pset;
struct ipc_space;
struct task;

#define IP_NULL        ((struct ipc_port *)NULL)
#define IP_DEAD        ((struct ipc_port *)~0ul)
#define IP_VALID(port) ((port) != IP_NULL && (port) != IP_DEAD)

/* A dead-name request. Keys: [P] lock of the port */
struct ipc_request {
    struct list link;        /* [P] on port->dnrequests, or on a cleanup list */
    struct ipc_port *notify; /* [P] send-once right */
    mach_port_name_t name;   /* [P] in the space that asked */
};

/* Keys: [L] this->lock, [S] lock of the space that holds the receive right and [L], [P] lock of
 * this->pset and [L], [a] atomic, [I] immutable after create, [C] ipc_check only, the system at
 * rest */
struct ipc_port {
    struct spinlock lock; /* PORT */
    uint32_t refs;        /* [a] */
    bool active;          /* [L] written, [a] read; false once the receive right is gone */
    bool has_payload;     /* [L] */
    uint8_t kobject_type; /* [L] enum kobject_type */
    uint8_t user_ktype;   /* [L] MACH_PORT_KTYPE_* */
    bool was_destination; /* [L] a receive right has been sent to it; never false again */
    mach_port_name_t receiver_name; /* [S] 0 while in a message or the kernel's */
    struct ipc_space *receiver;     /* [S] holder of the receive right, NULL while in a message */
    struct list messages;           /* [L] queue of kmsgs */
    struct list
        receivers;       /* [L] threads waiting to receive (ipc_thread.link); none while in a set */
    struct list senders; /* [L] threads waiting for room */
    uint32_t msgcount;   /* [L] */
    uint32_t qlimit;     /* [L] */
    uint32_t seqno;      /* [L] number of the next message received */
    uint32_t mscount;    /* [L] send rights made since last set */
    uint32_t srights;    /* [L] */
    uint32_t sorights;   /* [L] */
    struct ipc_pset *pset;      /* [L] the set it is in, with a reference, or NULL */
    struct list pset_link;      /* [P] on pset->members */
    struct list ready_link;     /* [P] on pset->ready while it has messages */
    uint64_t payload;           /* [L] delivered in place of the name when has_payload */
    void *kobject;              /* [L] */
    struct ipc_port *nsrequest; /* [L] send-once right or NULL */
    struct ipc_port *pdrequest; /* [L] send-once right or NULL */
    struct ipc_port
        *destination;       /* [L] while in a message: the port that is sent to, with a reference */
    uint64_t transit;       /* [L] number of that message */
    struct list dnrequests; /* [L] */
    uint32_t dnrequest_count;    /* [L] */
    struct task *charged;        /* [L] whose ledger it is on, with a reference, or NULL */
    uint32_t check_epoch;        /* [C] */
    uint32_t check_srights;      /* [C] rights found */
    uint32_t check_sorights;     /* [C] */
    uint32_t check_receives;     /* [C] */
    struct ipc_port *check_next; /* [C] */
};

void ipc_port_init(void);
uint64_t ipc_port_live_count(void);

/* --- references --- */

void ipc_port_ref(struct ipc_port *port);
void ipc_port_unref(struct ipc_port *port);

/* --- life --- */

/* A new port whose receive right belongs to nobody yet, charged to `task` unless that is NULL.
 * Refs: the caller owns the reference of the receive right. Sleeps: no. Returns: NULL when out of
 * memory or over the limit. */
struct ipc_port *ipc_port_create(struct task *task);
/* A port whose receiver is the kernel; messages to it go to kobject_server(). NULL when out of
 * memory. */
struct ipc_port *ipc_port_alloc_kernel(enum kobject_type type, void *object);
/* The object is gone: its port dies. Refs: consumes the receive right's reference. Locks: none
 * held. */
void ipc_port_destroy_kernel(struct ipc_port *port);
/* Destroy a receive right: the port dies, or goes to who asked for port-destroyed.
 * Locks: port->lock held, released on return; no other held. Refs: consumes the right. Never
 * recursive: messages are reaped iteratively. */
void ipc_port_destroy(struct ipc_port *port) RELEASES(port->lock);
/* The receive right leaves its holder: out of its set, waiting receivers are told, counts of its
 * holder are reset. */
void ipc_port_clear_receiver(struct ipc_port *port, mach_msg_return_t result) REQUIRES(port->lock);
/* After ipc_right_copyin with MOVE_RECEIVE: ipc_port_clear_receiver with MACH_RCV_PORT_CHANGED.
 * Locks: none held. */
void ipc_port_receive_moved(struct ipc_port *port);
/* Held while the receive rights of a message are made to point where it goes. */
extern struct mutex ipc_port_transit_mutex;
/* A message carries receive rights to `dest`. Returns: its number, higher than those before.
 * Sleeps: no. */
uint64_t ipc_port_new_transit(struct ipc_port *dest) REQUIRES(ipc_port_transit_mutex);
/* One of its receive rights. True when other ports may be on their way to this one. Sleeps: no. */
bool ipc_port_set_in_transit(struct ipc_port *port, struct ipc_port *dest, uint64_t transit)
    REQUIRES(ipc_port_transit_mutex);
/* Do the ports of message `transit` and ports sent before them to each other make a circle? Then
 * the message must be destroyed. To be asked when all are set. Locks: none held. Sleeps: no. */
bool ipc_port_is_circular(struct ipc_port *dest, uint64_t transit);

/* --- send and send-once rights without a name --- */

/* A new send right; IP_DEAD when the port is dead, IP_NULL for IP_NULL. */
struct ipc_port *ipc_port_make_send(struct ipc_port *port);
/* Another send right from one the caller has. */
struct ipc_port *ipc_port_copy_send(struct ipc_port *port);
/* The same for a caller with a reference only, as the right may have gone: then IP_DEAD. */
struct ipc_port *ipc_port_try_copy_send(struct ipc_port *port);
/* Give a send right back (IP_NULL and IP_DEAD are nothing); the last one brings about no-senders.
 * Locks: none held. */
void ipc_port_release_send(struct ipc_port *port);
struct ipc_port *ipc_port_make_sonce(struct ipc_port *port);
/* Give a send-once right back without telling the receiver. To destroy one as Mach means it:
 * ipc_notify_send_once(). */
void ipc_port_release_sonce(struct ipc_port *port);
/* Destroy a right of the given type (MACH_MSG_TYPE_PORT_RECEIVE, PORT_SEND, PORT_SEND_ONCE), with
 * all notifications. Locks: none held. */
void ipc_port_release_right(struct ipc_port *port, uint32_t type);

/* --- state --- */

/* Is the kernel its receiver? Locks: none; the answer is stable for kernel ports that are alive. */
bool ipc_port_is_kernel(const struct ipc_port *port);
/* Ask for no-senders. Refs: takes over notify (a send-once right or IP_NULL); *previous is what was
 * asked before. Locks: port->lock held, released. */
void ipc_port_nsrequest(struct ipc_port *port, uint32_t sync, struct ipc_port *notify,
                        struct ipc_port **previous) RELEASES(port->lock);
void ipc_port_pdrequest(struct ipc_port *port, struct ipc_port *notify, struct ipc_port **previous)
    RELEASES(port->lock);
/* Register a dead-name request for a name of the port. Refs: takes over notify on success. Returns:
 * NULL when out of memory. */
struct ipc_request *ipc_port_dnrequest(struct ipc_port *port, mach_port_name_t name,
                                       struct ipc_port *notify) REQUIRES(port->lock);
/* Take a request off the port; the caller owns it and the send-once right in it. */
void ipc_port_dncancel(struct ipc_port *port, struct ipc_request *request) REQUIRES(port->lock);
/* A request that is on no port. NULL when out of memory. */
struct ipc_request *ipc_port_request_alloc(void);
void ipc_port_request_free(struct ipc_request *request);
/* Set the queue limit; senders that now have room go on. */
void ipc_port_set_qlimit(struct ipc_port *port, uint32_t qlimit) REQUIRES(port->lock);

#endif
