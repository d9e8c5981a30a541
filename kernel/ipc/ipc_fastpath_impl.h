/* ipc_fastpath_impl.h - what the short ways of a message share. Interrupts are off, and a page that
 * a table of names lacks is an answer. */
#ifndef IPC_IPC_FASTPATH_IMPL_H
#define IPC_IPC_FASTPATH_IMPL_H

#include <mach/message.h>

#include "arch/fastpath.h"
#include "ipc/ipc_kcall.h"
#include "ipc/ipc_port.h"
#include "ipc/ipc_space_impl.h"
#include "kern/assert.h"
#include "kern/task.h"
#include "kern/thread.h"

#define IPC_FASTPATH_INLINE static inline __attribute__((always_inline))

#define IPC_FASTPATH_BUFFER IPC_KCALL_WORDS /* words of a body that are copied twice */

#define IPC_FASTPATH_CALL  MACH_MSGH_BITS(MACH_MSG_TYPE_COPY_SEND, MACH_MSG_TYPE_MAKE_SEND_ONCE)
#define IPC_FASTPATH_REPLY MACH_MSGH_BITS(MACH_MSG_TYPE_MOVE_SEND_ONCE, 0)

/* What is asked. Where the message is and how large its answer may be is in self->ipc already. */
struct ipc_fastpath {
    struct thread *self;
    mach_port_name_t rcv_name;
    mach_port_name_t dest;
    uint32_t size;  /* of the message */
    uint32_t words; /* of its body */
    uint32_t id;
    const uint64_t *buffer; /* the body, up to IPC_FASTPATH_BUFFER words */
};

/* The entry at a name's index; in *bits what it has, the generation as the name should have it.
 * False when the table has no memory there. Locks: space held. */
IPC_FASTPATH_INLINE bool ipc_fastpath_find(struct ipc_space *space, mach_port_name_t name,
                                           struct ipc_entry **entry, uint32_t *bits)
{
    *entry = &space->table[name & IPC_NAME_INDEX_MASK];
    return fastpath_read_table(&(*entry)->bits, bits);
}

/* Are the bits those of the name's generation, with the type among them? */
IPC_FASTPATH_INLINE bool ipc_fastpath_has(uint32_t bits, mach_port_name_t name,
                                          mach_port_type_t type)
{
    return (bits ^ name) <= IPC_NAME_INDEX_MASK && (bits & type) != 0;
}

/* Can one wait at once on the port? Who holds a receive right knows that the port is alive. Locks:
 * port's held. */
IPC_FASTPATH_INLINE bool ipc_fastpath_can_wait(const struct ipc_port *port)
{
    assert(port->active && port->receiver == current_task()->space);
    return port->pset == NULL && port->msgcount == 0;
}

/* What the receiver sees of the destination. Locks: dest's held. */
IPC_FASTPATH_INLINE void ipc_fastpath_number(const struct ipc_fastpath *f, struct ipc_port *dest,
                                             uint32_t remote_type, uint32_t local_type,
                                             struct fastpath_header *header)
{
    header->bits_and_size = MACH_MSGH_BITS(remote_type, local_type) | (uint64_t)f->size << 32;
    header->local = dest->receiver_name;
    if (__builtin_expect(dest->has_payload, 0)) {
        header->bits_and_size += MACH_MSGH_BITS(0, MACH_MSG_TYPE_PROTECTED_PAYLOAD - local_type);
        header->local = dest->payload;
    }
    header->id = f->id;
    header->seqno = dest->seqno;
    dest->seqno = header->seqno + 1;
}

/* The name of a call's reply right in the receiver's space. Locks: that space's, port's held. */
IPC_FASTPATH_INLINE mach_port_name_t ipc_fastpath_make_reply(struct ipc_space *space,
                                                             struct ipc_port *port)
{
    uint32_t index;
    struct ipc_entry *entry = ipc_space_take_free(space, &index);
    mach_port_name_t name = entry->bits | index;

    entry->bits |= MACH_PORT_TYPE_SEND_ONCE | 1;
    entry->port = port;
    port->sorights += 1;
    return name;
}

/* A reply uses its send-once right up. Locks: space's, dest's held. */
IPC_FASTPATH_INLINE void ipc_fastpath_use_reply(struct ipc_space *space, struct ipc_entry *entry,
                                                mach_port_name_t name, struct ipc_port *dest)
{
    ipc_space_give(space, entry);
    ipc_space_link_free(space, entry, name & IPC_NAME_INDEX_MASK);
    dest->sorights -= 1;
}

#endif
