/* ipc_space_impl.h - the everyday way of taking an entry of a table and giving it back: from and to
 * the list of free ones, on the credit of names. What it does not cover is in ipc_space.c. */
#ifndef IPC_IPC_SPACE_IMPL_H
#define IPC_IPC_SPACE_IMPL_H

#include "ipc/ipc_space.h"

#define IPC_SPACE_NAME_BATCH 16u

/* Is there a free entry, and credit for a name? Locks: space->lock held. */
static inline bool ipc_space_has_free(const struct ipc_space *space)
{
    return space->free_head != 0 && space->name_credit != 0;
}

/* Are there two, and the credit? */
static inline bool ipc_space_has_two_free(const struct ipc_space *space)
{
    return ipc_space_has_free(space) && space->table[space->free_head].next != 0 &&
           space->name_credit > 1;
}

/* Take it: its bits hold the generation only. Locks: space->lock held. */
static inline struct ipc_entry *ipc_space_take_free(struct ipc_space *space, uint32_t *index)
{
    struct ipc_entry *entry = &space->table[space->free_head];

    *index = space->free_head;
    space->free_head = entry->next;
    space->name_credit -= 1;
    return entry;
}

/* Can the entry be freed so, without crediting the ledger? Locks: space->lock held. */
static inline bool ipc_space_can_give(const struct ipc_space *space, uint32_t index)
{
    return index < space->high_water && space->name_credit < 2 * IPC_SPACE_NAME_BATCH - 1;
}

/* Free it under the next generation. What it held has been taken out; its request is NULL. Locks:
 * space->lock held. */
static inline void ipc_space_give(struct ipc_space *space, struct ipc_entry *entry)
{
    entry->port = NULL;
    entry->bits = (entry->bits & IPC_ENTRY_GENERATION) + (1u << IPC_NAME_INDEX_BITS);
    space->name_credit += 1;
}

/* Put it on the list of free ones. Entry 0, which is never given out, takes the back link of an
 * empty list. */
static inline void ipc_space_link_free(struct ipc_space *space, struct ipc_entry *entry,
                                       uint32_t index)
{
    entry->next = space->free_head;
    space->table[space->free_head].prev = index;
    space->free_head = index;
}

#endif
