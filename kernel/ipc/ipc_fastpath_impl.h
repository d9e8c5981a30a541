/* ipc_fastpath_impl.h - names looked up on the short way of a message: interrupts are off, and a
 * page that a table lacks is an answer. */
#ifndef IPC_IPC_FASTPATH_IMPL_H
#define IPC_IPC_FASTPATH_IMPL_H

#include "arch/fastpath.h"
#include "ipc/ipc_space.h"

#define IPC_FASTPATH_INLINE static inline __attribute__((always_inline))

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

#endif
