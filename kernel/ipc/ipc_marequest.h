/* ipc_marequest.h - msg-accepted requests (MACH_SEND_NOTIFY): a message forced into a full queue,
 * and who wants to know when it is received. A request is found from the message and, while its
 * name lives, from the space by name. Locks: space->lock. */
#ifndef IPC_IPC_MAREQUEST_H
#define IPC_IPC_MAREQUEST_H

#include <mach/message.h>
#include <mach/port.h>

#include "kern/list.h"

struct ipc_port;
struct ipc_request;
struct ipc_space;

/* Keys: [S] space->lock, [I] immutable */
struct ipc_marequest {
    struct list link;        /* [S] in the space, by name; unlinked once cancelled */
    struct ipc_space *space; /* [I] owns a reference */
    struct ipc_request *
        request; /* [S] what the sender calls the port and who is to be told; NULL once cancelled */
};

void ipc_marequest_init(void);
/* Ask for one about a message to `port`, told through the receive right `notify`. Locks: none held.
 * Returns: MACH_MSG_SUCCESS, MACH_SEND_INVALID_NOTIFY, MACH_SEND_NOTIFY_IN_PROGRESS,
 * MACH_SEND_NO_NOTIFY. */
mach_msg_return_t ipc_marequest_create(struct ipc_space *space, struct ipc_port *port,
                                       mach_port_name_t notify, struct ipc_marequest **request);
/* The message was received or destroyed: send msg-accepted and forget the request. Locks: none
 * held. */
void ipc_marequest_accept(struct ipc_marequest *request);
/* The name is going: detach its request, which the caller then owns. Locks: space->lock held; the
 * entry has IPC_ENTRY_MAREQUEST. */
struct ipc_request *ipc_marequest_cancel(struct ipc_space *space, mach_port_name_t name);
void ipc_marequest_rename(struct ipc_space *space, mach_port_name_t from, mach_port_name_t to);
/* Free the space's table of requests; all names are gone. */
void ipc_marequest_forget(struct ipc_space *space);

#endif
