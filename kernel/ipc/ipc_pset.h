/* ipc_pset.h - port sets: receive from whichever member has a message, the members taking turns.
 *
 * Messages stay in the queues of the ports; the set keeps a list of members that have some. Lock
 * order: port -> port set. */
#ifndef IPC_IPC_PSET_H
#define IPC_IPC_PSET_H

#include <stdbool.h>
#include <stdint.h>

#include <mach/message.h>
#include <mach/port.h>

#include "kern/list.h"
#include "kern/spinlock.h"

struct ipc_port;

/* Keys: [L] this->lock, [S] lock of the space that holds it and [L], [a] atomic */
struct ipc_pset {
    struct spinlock lock;  /* PSET */
    uint32_t refs;         /* [a] */
    bool active;           /* [L] */
    mach_port_name_t name; /* [S] in the space that holds it */
    struct list members;   /* [L] ports by pset_link; each owns a reference to the set */
    struct list ready; /* [L] members with messages by ready_link, the next to be served first */
    struct list receivers; /* [L] threads waiting to receive */
    uint32_t member_count; /* [L] */
};

void ipc_pset_init(void);
/* A new set. Refs: caller owns one. NULL when out of memory. */
struct ipc_pset *ipc_pset_create(mach_port_name_t name);
void ipc_pset_ref(struct ipc_pset *pset);
void ipc_pset_unref(struct ipc_pset *pset);
/* The set ends: members leave it, waiting receivers get MACH_RCV_PORT_DIED. Refs: consumes the
 * caller's. Locks: none held. */
void ipc_pset_destroy(struct ipc_pset *pset);
/* Put a port that is in no set into one; its messages go to receivers waiting there. Locks:
 * port->lock held. False when the set has ended. */
bool ipc_pset_add(struct ipc_pset *pset, struct ipc_port *port);
/* Take a port out of its set (port->pset). Locks: port->lock held. */
void ipc_pset_remove(struct ipc_pset *pset, struct ipc_port *port);

#endif
