/* virtio_queue.c - the device's side of a virtqueue: what a guest has written there is looked at
 * once, and checked before it is believed. */
#include "virtio_queue.h"

#include <stddef.h>
#include <string.h>

#define DESCRIPTOR_SIZE 16u
#define FLAG_NEXT       1u /* of a descriptor */
#define FLAG_WRITE      2u
#define FLAG_INDIRECT   4u

#define RING_FLAGS      0u /* offsets in both rings */
#define RING_INDEX      2u
#define RING_ENTRIES    4u
#define RING_NO_NOTICE  1u /* the driver wants no interrupts */
#define DRIVER_ENTRY    2u /* bytes */
#define DEVICE_ENTRY    8u
#define RING_EVENT_SIZE 2u /* behind the entries */

#define CHAIN_BYTES_MAX UINT32_MAX /* 2.7.4: no more than 2^32 */

struct virtio_descriptor {
    uint64_t address;
    uint32_t size;
    uint16_t flags;
    uint16_t next;
};

/* Descriptors in a row: the queue's, or an indirect table. */
struct virtio_table {
    uint8_t *base;
    uint32_t count;
};

static uint16_t virtio_queue_load(const uint8_t *ring, unsigned offset)
{
    return __atomic_load_n((const uint16_t *)(const void *)(ring + offset), __ATOMIC_ACQUIRE);
}

static void virtio_queue_store(uint8_t *ring, unsigned offset, uint16_t value)
{
    __atomic_store_n((uint16_t *)(void *)(ring + offset), value, __ATOMIC_RELEASE);
}

/* One descriptor, each half read once. */
static struct virtio_descriptor virtio_queue_descriptor(const struct virtio_table *table,
                                                        uint32_t index)
{
    const uint64_t *words = (const uint64_t *)(const void *)(table->base + DESCRIPTOR_SIZE * index);
    uint64_t rest = __atomic_load_n(&words[1], __ATOMIC_RELAXED);

    return (struct virtio_descriptor){
        .address = __atomic_load_n(&words[0], __ATOMIC_RELAXED),
        .size = (uint32_t)rest,
        .flags = (uint16_t)(rest >> 32),
        .next = (uint16_t)(rest >> 48),
    };
}

static bool virtio_queue_break(struct virtio_queue *queue, const char *why)
{
    queue->broken = why;
    return false;
}

void virtio_queue_init(struct virtio_queue *queue, const struct memory *memory)
{
    *queue = (struct virtio_queue){.memory = memory, .size = VIRTIO_QUEUE_SIZE_MAX};
}

static uint8_t *virtio_queue_place(const struct virtio_queue *queue, uint64_t address,
                                   uint64_t size, uint64_t alignment)
{
    return (address & (alignment - 1)) == 0 ? memory_at(queue->memory, address, size) : NULL;
}

bool virtio_queue_enable(struct virtio_queue *queue)
{
    uint64_t size = queue->size;

    if (size == 0 || size > VIRTIO_QUEUE_SIZE_MAX || (size & (size - 1)) != 0) {
        return virtio_queue_break(queue, "the size of a queue is no power of two up to 256");
    }
    queue->descriptor_ring =
        virtio_queue_place(queue, queue->descriptors, DESCRIPTOR_SIZE * size, 16);
    queue->driver_ring = virtio_queue_place(
        queue, queue->driver, RING_ENTRIES + DRIVER_ENTRY * size + RING_EVENT_SIZE, 2);
    queue->device_ring = virtio_queue_place(
        queue, queue->device, RING_ENTRIES + DEVICE_ENTRY * size + RING_EVENT_SIZE, 4);
    if (queue->descriptor_ring == NULL || queue->driver_ring == NULL ||
        queue->device_ring == NULL) {
        return virtio_queue_break(queue, "a ring of a queue is not aligned or not in memory");
    }
    queue->is_enabled = true;
    return true;
}

/* --- requests --- */

/* Add a descriptor's memory to the chain. */
static bool virtio_queue_add(struct virtio_queue *queue, struct virtio_chain *chain,
                             const struct virtio_descriptor *d)
{
    uint8_t *base = memory_at(queue->memory, d->address, d->size);
    bool is_writable = (d->flags & FLAG_WRITE) != 0;

    if (base == NULL) {
        return virtio_queue_break(queue, "a descriptor is of what is not memory");
    }
    if (chain->count == queue->size) {
        return virtio_queue_break(queue, "a chain is longer than its queue, or goes round");
    }
    if (!is_writable && chain->readable < chain->count) {
        return virtio_queue_break(queue, "a descriptor to be read is behind one to be written");
    }
    if (chain->readable_size + chain->writable_size + d->size > CHAIN_BYTES_MAX) {
        return virtio_queue_break(queue, "a chain has more than 2^32 bytes");
    }
    chain->pieces[chain->count] = (struct virtio_piece){base, d->size};
    chain->count += 1;
    if (is_writable) {
        chain->writable_size += d->size;
    } else {
        chain->readable += 1;
        chain->readable_size += d->size;
    }
    return true;
}

/* The table an indirect descriptor is of. */
static bool virtio_queue_enter(struct virtio_queue *queue, const struct virtio_descriptor *d,
                               struct virtio_table *table)
{
    if (!queue->has_indirect || (d->flags & FLAG_NEXT) != 0) {
        return virtio_queue_break(queue, "an indirect descriptor where none may be");
    }
    if (d->size == 0 || d->size % DESCRIPTOR_SIZE != 0) {
        return virtio_queue_break(queue, "an indirect table is no number of descriptors");
    }
    table->base = virtio_queue_place(queue, d->address, d->size, 8);
    table->count = d->size / DESCRIPTOR_SIZE;
    if (table->base == NULL) {
        return virtio_queue_break(queue, "an indirect table is not aligned or not in memory");
    }
    return true;
}

/* Follow a chain from `index` in a table. An indirect descriptor ends it with another table, which
 * has no indirect ones (2.7.5.3.1). */
static bool virtio_queue_follow(struct virtio_queue *queue, struct virtio_table table,
                                uint16_t index, struct virtio_chain *chain)
{
    bool is_indirect = false;
    struct virtio_descriptor d;

    do {
        if (index >= table.count) {
            return virtio_queue_break(queue, "a descriptor's number is beyond the table");
        }
        d = virtio_queue_descriptor(&table, index);
        index = d.next;
        if ((d.flags & FLAG_INDIRECT) == 0) {
            if (!virtio_queue_add(queue, chain, &d)) {
                return false;
            }
        } else if (is_indirect) {
            return virtio_queue_break(queue, "an indirect descriptor in an indirect table");
        } else if (!virtio_queue_enter(queue, &d, &table)) {
            return false;
        } else {
            is_indirect = true;
            index = 0;
            d.flags = FLAG_NEXT; /* on with the first of the table */
        }
    } while ((d.flags & FLAG_NEXT) != 0);
    return true;
}

/* Is there a request? Else the driver is asked to tell when there is, and looked at once more. */
static bool virtio_queue_has_next(struct virtio_queue *queue)
{
    uint16_t index = virtio_queue_load(queue->driver_ring, RING_INDEX);

    if (index == queue->next && queue->has_event) {
        virtio_queue_store(queue->device_ring, RING_ENTRIES + DEVICE_ENTRY * queue->size,
                           queue->next);
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
        index = virtio_queue_load(queue->driver_ring, RING_INDEX);
    }
    if ((uint16_t)(index - queue->next) > queue->size) {
        return virtio_queue_break(queue, "a ring has more requests than it has room");
    }
    return index != queue->next;
}

bool virtio_queue_pop(struct virtio_queue *queue, struct virtio_chain *chain)
{
    struct virtio_table table = {queue->descriptor_ring, queue->size};
    unsigned entry = RING_ENTRIES + DRIVER_ENTRY * (queue->next & (queue->size - 1u));

    if (!queue->is_enabled || queue->broken != NULL || !virtio_queue_has_next(queue)) {
        return false;
    }
    chain->head = virtio_queue_load(queue->driver_ring, entry);
    chain->readable = chain->count = 0;
    chain->readable_size = chain->writable_size = 0;
    queue->next += 1;
    return virtio_queue_follow(queue, table, chain->head, chain);
}

/* Does the driver want to know of what was used since this was asked last? (2.7.7, 2.7.10) */
static bool virtio_queue_is_wanted(struct virtio_queue *queue)
{
    uint16_t since = (uint16_t)(queue->used - queue->asked);
    uint16_t event;

    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    if (!queue->has_event) {
        return (virtio_queue_load(queue->driver_ring, RING_FLAGS) & RING_NO_NOTICE) == 0;
    }
    event = virtio_queue_load(queue->driver_ring, RING_ENTRIES + DRIVER_ENTRY * queue->size);
    queue->asked = queue->used;
    return (uint16_t)(queue->used - event - 1) < since;
}

bool virtio_queue_push(struct virtio_queue *queue, uint16_t head, uint32_t written)
{
    unsigned entry = RING_ENTRIES + DEVICE_ENTRY * (queue->used & (queue->size - 1u));
    uint32_t words[2] = {head, written};

    memcpy(queue->device_ring + entry, words, sizeof(words));
    queue->used += 1;
    virtio_queue_store(queue->device_ring, RING_INDEX, queue->used);
    return virtio_queue_is_wanted(queue);
}

/* --- bytes of a request --- */

/* Copy between data and the pieces from first to end. */
static void virtio_chain_copy(const struct virtio_chain *chain, unsigned first, uint64_t offset,
                              uint8_t *data, uint64_t size, bool is_write)
{
    for (unsigned i = first; size != 0; i++) {
        const struct virtio_piece *p = &chain->pieces[i];
        uint64_t n;

        if (offset >= p->size) {
            offset -= p->size;
            continue;
        }
        n = p->size - offset < size ? p->size - offset : size;
        if (is_write) {
            memcpy(p->base + offset, data, n);
        } else {
            memcpy(data, p->base + offset, n);
        }
        data += n;
        size -= n;
        offset = 0;
    }
}

bool virtio_chain_read(const struct virtio_chain *chain, uint64_t offset, void *data, uint64_t size)
{
    if (offset > chain->readable_size || size > chain->readable_size - offset) {
        return false;
    }
    virtio_chain_copy(chain, 0, offset, data, size, false);
    return true;
}

bool virtio_chain_write(const struct virtio_chain *chain, uint64_t offset, const void *data,
                        uint64_t size)
{
    if (offset > chain->writable_size || size > chain->writable_size - offset) {
        return false;
    }
    virtio_chain_copy(chain, chain->readable, offset, (uint8_t *)(uintptr_t)data, size, true);
    return true;
}
