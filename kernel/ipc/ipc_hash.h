/* ipc_hash.h - per space: from a port to the entry that holds its send right, so that send rights
 * coalesce under one name.
 *
 * Linear hashing: the table of buckets grows by one bucket at a time, so no insertion ever pays for
 * a rehash. Chains run through the entries. The first buckets lie in the space itself; the rest in
 * a reserved range committed page by page. Locks: space->lock for everything. */
#ifndef IPC_IPC_HASH_H
#define IPC_IPC_HASH_H

#include <stdbool.h>
#include <stdint.h>

struct ipc_entry;
struct ipc_port;
struct ipc_space;

#define IPC_HASH_INLINE 32u
#define IPC_HASH_MAX    (1u << 22)

/* Keys: [S] space->lock */
struct ipc_hash {
    uint32_t count;     /* [S] entries in it */
    uint32_t buckets;   /* [S] 0 means not set up */
    uint32_t mask;      /* [S] smallest 2^n - 1 >= buckets - 1 */
    uint32_t committed; /* [S] buckets with memory, those inline included */
    uint32_t *table;    /* [S] bucket IPC_HASH_INLINE is table[0]; NULL while all are inline */
    uint32_t first[IPC_HASH_INLINE]; /* [S] index of the first entry of a chain, 0 for none */
};

void ipc_hash_init(struct ipc_hash *hash);
/* Give the memory back; the hash must not be used again. */
void ipc_hash_fini(struct ipc_hash *hash);
/* The entry whose send right is for this port, or NULL. (An entry that holds the receive right too
 * is found through the port.) */
struct ipc_entry *ipc_hash_lookup(struct ipc_space *space, const struct ipc_port *port);
/* Sleeps: no. Cannot fail: without memory for another bucket, chains grow longer. */
void ipc_hash_insert(struct ipc_space *space, struct ipc_entry *entry);
/* Would an insertion do without asking for memory? */
static inline bool ipc_hash_has_room(const struct ipc_hash *hash)
{
    return hash->count < hash->buckets || hash->buckets < hash->committed;
}

void ipc_hash_remove(struct ipc_space *space, struct ipc_entry *entry);

#endif
