/* ipc_fastqueue.h - the short way of a message that is sent alone to a port where nobody waits, and
 * of one received from a queue. */
#ifndef IPC_IPC_FASTQUEUE_H
#define IPC_IPC_FASTQUEUE_H

#include <stdbool.h>
#include <stdint.h>

#include <mach/message.h>
#include <mach/port.h>

#include "arch/usercopy.h"

/* mach_msg(SEND) of a simple message without a reply right, by a copied send right, to a port that
 * has room and no receiver: queue it. Interrupts off; no lock is waited for. Returns: false when
 * that is not so, nothing having changed; else *mr is what mach_msg returns. */
bool ipc_fastqueue_send(user_addr_t msg, uint32_t size, mach_msg_return_t *mr);
/* mach_msg(RCV) from a port whose first message is such a one and fits, while no sender waits for
 * room. Interrupts off, on again when it returns true. Sleeps: then only, for pages of the buffer.
 * Returns: as above. */
bool ipc_fastqueue_receive(user_addr_t msg, uint32_t rcv_size, mach_port_name_t name,
                           mach_msg_return_t *mr);

#endif
