/* ipc_hash.c - linear hashing from ports to the entries that hold their send rights. See
 * ipc_hash.h. */
#include "ipc/ipc_hash.h"

#include "arch/layout.h"
#include "ipc/ipc_space.h"
#include "kern/assert.h"
#include "kern/ledger.h"
#include "kern/string.h"
#include "kern/task.h"
#include "vm/kmem.h"

#define IPC_HASH_BYTES    (IPC_HASH_MAX * sizeof(uint32_t))
#define IPC_HASH_PER_PAGE (PAGE_SIZE / sizeof(uint32_t))

void ipc_hash_init(struct ipc_hash *hash)
{
    memset(hash, 0, sizeof(*hash));
    hash->buckets = IPC_HASH_INLINE;
    hash->mask = IPC_HASH_INLINE - 1;
    hash->committed = IPC_HASH_INLINE;
}

void ipc_hash_fini(struct ipc_hash *hash)
{
    if (hash->table != NULL) {
        vm_offset_t base = (vm_offset_t)hash->table;

        if (hash->committed > IPC_HASH_INLINE) {
            kmem_decommit(base, (hash->committed - IPC_HASH_INLINE) * sizeof(uint32_t));
        }
        kmem_va_free(base, IPC_HASH_BYTES);
        hash->table = NULL;
    }
}

static uint32_t *ipc_hash_bucket(struct ipc_hash *hash, uint32_t index)
{
    return index < IPC_HASH_INLINE ? &hash->first[index] : &hash->table[index - IPC_HASH_INLINE];
}

/* Which bucket a port belongs to: buckets not yet split off are reached through the one they come
 * from. */
static uint32_t ipc_hash_index(const struct ipc_hash *hash, const struct ipc_port *port)
{
    uint64_t product = ((uint64_t)(uintptr_t)port >> 4) * 0x9e3779b97f4a7c15ull;
    uint32_t index = (uint32_t)(product >> 32) & hash->mask;

    return index < hash->buckets ? index : index & (hash->mask >> 1);
}

static void ipc_hash_link(struct ipc_space *space, struct ipc_entry *entry, uint32_t bucket)
{
    uint32_t *head = ipc_hash_bucket(&space->hash, bucket);
    uint32_t index = ipc_space_index(space, entry);

    entry->prev = 0;
    entry->next = *head;
    if (*head != 0) {
        space->table[*head].prev = index;
    }
    *head = index;
}

/* Is there memory for one more bucket? */
static bool ipc_hash_reserve(struct ipc_space *space)
{
    struct ipc_hash *hash = &space->hash;
    struct ledger *ledger = &space->task->ledger;

    if (hash->buckets < hash->committed) {
        return true;
    }
    if (hash->committed + IPC_HASH_PER_PAGE > IPC_HASH_MAX) {
        return false;
    }
    if (hash->table == NULL) {
        hash->table = (uint32_t *)kmem_va_alloc(IPC_HASH_BYTES, PAGE_SIZE);
        if (hash->table == NULL) {
            return false;
        }
    }
    if (!ledger_charge(ledger, LEDGER_KMEM_PAGES, 1)) {
        return false;
    }
    if (kmem_commit((vm_offset_t)&hash->table[hash->committed - IPC_HASH_INLINE], PAGE_SIZE) !=
        KERN_SUCCESS) {
        ledger_credit(ledger, LEDGER_KMEM_PAGES, 1);
        return false;
    }
    space->page_count += 1;
    hash->committed += IPC_HASH_PER_PAGE;
    return true;
}

/* Add one bucket and move to it what belongs there from the bucket it splits. */
static void ipc_hash_grow(struct ipc_space *space)
{
    struct ipc_hash *hash = &space->hash;
    uint32_t added = hash->buckets;
    uint32_t old_mask = added > hash->mask ? hash->mask : hash->mask >> 1;
    uint32_t split = added & old_mask;
    uint32_t index;

    assert(hash->buckets < hash->committed);
    if (added > hash->mask) {
        hash->mask = hash->mask * 2 + 1;
    }
    hash->buckets = added + 1;
    *ipc_hash_bucket(hash, added) = 0;
    index = *ipc_hash_bucket(hash, split);
    *ipc_hash_bucket(hash, split) = 0;
    while (index != 0) {
        struct ipc_entry *entry = &space->table[index];
        uint32_t following = entry->next;

        ipc_hash_link(space, entry, ipc_hash_index(hash, entry->port));
        index = following;
    }
}

struct ipc_entry *ipc_hash_lookup(struct ipc_space *space, const struct ipc_port *port)
{
    uint32_t index = *ipc_hash_bucket(&space->hash, ipc_hash_index(&space->hash, port));

    while (index != 0) {
        struct ipc_entry *entry = &space->table[index];

        if (entry->port == port) {
            return entry;
        }
        index = entry->next;
    }
    return NULL;
}

void ipc_hash_insert(struct ipc_space *space, struct ipc_entry *entry)
{
    struct ipc_hash *hash = &space->hash;

    if (hash->count >= hash->buckets && ipc_hash_reserve(space)) {
        ipc_hash_grow(space);
    }
    ipc_hash_link(space, entry, ipc_hash_index(hash, entry->port));
    hash->count += 1;
}

void ipc_hash_remove(struct ipc_space *space, struct ipc_entry *entry)
{
    struct ipc_hash *hash = &space->hash;

    assert(hash->count != 0);
    if (entry->prev != 0) {
        space->table[entry->prev].next = entry->next;
    } else {
        uint32_t *head = ipc_hash_bucket(hash, ipc_hash_index(hash, entry->port));

        assert(*head == ipc_space_index(space, entry));
        *head = entry->next;
    }
    if (entry->next != 0) {
        space->table[entry->next].prev = entry->prev;
    }
    entry->next = 0;
    entry->prev = 0;
    hash->count -= 1;
}
