/* ipc_copyin.h - from a message in user space to a kmsg: bytes are copied once, names become
 * rights.
 *
 * Everything is checked before anything changes: descriptors and sizes first, then every right
 * against what the space would still have after those before it, then memory; the rights move last,
 * all under one hold of the space's lock, and cannot fail. So a send that fails moved no right. */
#ifndef IPC_IPC_COPYIN_H
#define IPC_IPC_COPYIN_H

#include <mach/message.h>

#include "arch/usercopy.h"

struct ipc_kmsg;
struct ipc_space;
struct vm_map;

/* Rights one message can carry from user space. */
#define IPC_COPYIN_RIGHTS_MAX 16384u

/* Make a kmsg of the message of `size` bytes at `msg` in the current task. `cancel`
 * (MACH_SEND_CANCEL): the receive right whose dead-name request on the destination is dropped
 * silently, or MACH_PORT_NAME_NULL. Locks: none held. Sleeps: yes. Refs: *kmsg belongs to the
 * caller. Returns: MACH_MSG_SUCCESS, MACH_SEND_MSG_TOO_SMALL, MACH_SEND_NO_BUFFER,
 * MACH_SEND_INVALID_DATA, MACH_SEND_INVALID_HEADER, MACH_SEND_INVALID_TYPE, MACH_SEND_INVALID_DEST,
 * MACH_SEND_INVALID_REPLY, MACH_SEND_INVALID_RIGHT, MACH_SEND_INVALID_MEMORY,
 * MACH_SEND_INVALID_NOTIFY. */
mach_msg_return_t ipc_copyin(struct ipc_space *space, struct vm_map *map, user_addr_t msg,
                             uint32_t size, mach_port_name_t cancel, struct ipc_kmsg **kmsg);

#endif
