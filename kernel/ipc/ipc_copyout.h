/* ipc_copyout.h - from a kmsg to a message in user space: rights become names, memory is mapped,
 * bytes are written. */
#ifndef IPC_IPC_COPYOUT_H
#define IPC_IPC_COPYOUT_H

#include <mach/message.h>

#include "arch/usercopy.h"

struct ipc_kmsg;
struct ipc_space;
struct vm_copy;
struct vm_map;

/* Where a message is to go in the current task. */
struct ipc_copyout_target {
    struct ipc_space *space;
    struct vm_map *map;
    user_addr_t msg;
    uint32_t size;           /* of the buffer */
    mach_port_name_t notify; /* MACH_RCV_NOTIFY: the receive right told when the reply right dies;
                                else MACH_PORT_NAME_NULL */
};

/* Deliver a received message. Locks: none held. Sleeps: yes. Refs: consumes kmsg always.
 * Returns: MACH_MSG_SUCCESS, MACH_RCV_TOO_LARGE (the header alone is delivered, what it carried
 * destroyed), MACH_RCV_HEADER_ERROR and MACH_RCV_BODY_ERROR with what there was no room for
 * (MACH_MSG_IPC_SPACE ...), MACH_RCV_INVALID_NOTIFY, MACH_RCV_INVALID_DATA. */
mach_msg_return_t ipc_copyout(struct ipc_kmsg *kmsg, const struct ipc_copyout_target *target);
/* Give a message that could not be sent back to its sender, rights and memory included, under names
 * they have or get now. Refs: consumes kmsg. Returns: 0, or what there was no room for (bits of
 * MACH_MSG_MASK). */
mach_msg_return_t ipc_copyout_pseudo(struct ipc_kmsg *kmsg, struct ipc_space *space,
                                     struct vm_map *map, user_addr_t msg);

/* Map memory that came in a message; what does not fit is discarded and the address is 0. Refs:
 * consumes copy. Sleeps: yes. Returns: MACH_MSG_SUCCESS, or what there was no room for. */
mach_msg_return_t ipc_copyout_map(struct vm_map *map, struct vm_copy *copy, uint64_t *address);

#endif
