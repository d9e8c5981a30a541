/* virtio_blk.c - a disk: its requests, from the pieces of a chain to a store and back. */
#include "virtio_blk.h"

#include <string.h>

#define CLASS_DISK 0x018000u /* mass storage, of another kind */
#define QUEUE      0u
#define HEADER     16u /* bytes of a request before its data: type, nothing, sector */

#define FEATURE_SEGMENTS  (1ull << 2)
#define FEATURE_READ_ONLY (1ull << 5)
#define FEATURE_BLOCK     (1ull << 6)
#define FEATURE_FLUSH     (1ull << 9)

#define TYPE_IN     0u
#define TYPE_OUT    1u
#define TYPE_FLUSH  4u
#define TYPE_GET_ID 8u

#define STATUS_OK      0u
#define STATUS_ERROR   1u
#define STATUS_UNKNOWN 2u

static void virtio_blk_notify(void *device, unsigned queue)
{
    struct virtio_blk *blk = device;

    (void)queue;
    blk->wake(blk->context);
}

static bool virtio_blk_reset(void *device)
{
    const struct virtio_blk *blk = device;

    return !blk->is_busy;
}

static const void *virtio_blk_config(void *device)
{
    return &((struct virtio_blk *)device)->config;
}

void virtio_blk_init(struct virtio_blk *blk, const struct virtio_pci_machine *machine,
                     const struct virtio_blk_store *store, void (*wake)(void *context),
                     void *context)
{
    memset(blk, 0, sizeof(*blk));
    blk->store = store;
    blk->wake = wake;
    blk->context = context;
    blk->config = (struct virtio_blk_config){
        .capacity = store->sectors,
        .segments_max = VIRTIO_QUEUE_SIZE_MAX - 2, /* the header and the status are two more */
        .block_size = store->block_size,
    };
    blk->ops = (struct virtio_pci_ops){
        .id = VIRTIO_ID_BLOCK,
        .class = CLASS_DISK,
        .queues = 1,
        .features = FEATURE_SEGMENTS | FEATURE_BLOCK | FEATURE_FLUSH |
                    (store->is_read_only ? FEATURE_READ_ONLY : 0),
        .notify = virtio_blk_notify,
        .reset = virtio_blk_reset,
        .config_size = sizeof(blk->config),
        .config = virtio_blk_config,
    };
    virtio_pci_init(&blk->pci, &blk->ops, blk, machine);
}

bool virtio_blk_take(struct virtio_blk *blk, struct virtio_blk_request *request)
{
    uint32_t words[4];

    if (!virtio_pci_pop(&blk->pci, QUEUE, &request->chain)) {
        return false;
    }
    if (!virtio_chain_read(&request->chain, 0, words, HEADER) ||
        request->chain.writable_size == 0) {
        virtio_pci_break(&blk->pci, "a disk's request has no header, or no room for its status");
        return false;
    }
    request->type = words[0];
    request->sector = words[2] | (uint64_t)words[3] << 32;
    request->status = STATUS_ERROR;
    request->written = 0;
    blk->is_busy = true;
    return true;
}

bool virtio_blk_is_inside(const struct virtio_blk_store *store, uint64_t sector, uint64_t size)
{
    uint64_t count = size / VIRTIO_BLK_SECTOR;

    return size % store->block_size == 0 && count <= store->sectors &&
           sector <= store->sectors - count &&
           sector % (store->block_size / VIRTIO_BLK_SECTOR) == 0;
}

/* One block whose bytes are in more than one piece. */
static bool virtio_blk_scattered(const struct virtio_blk_store *store,
                                 const struct virtio_chain *chain, bool is_write, uint64_t at,
                                 uint64_t offset)
{
    uint8_t block[VIRTIO_BLK_BLOCK_MAX];

    if (is_write) {
        return virtio_chain_read(chain, at, block, store->block_size) &&
               store->write(store->context, offset, block, store->block_size);
    }
    return store->read(store->context, offset, block, store->block_size) &&
           virtio_chain_write(chain, at, block, store->block_size);
}

/* The piece that byte `at` of the data side is in: where it is, and how many bytes are left there.
 */
static uint8_t *virtio_blk_find(const struct virtio_chain *chain, bool is_write, uint64_t at,
                                uint64_t *left)
{
    unsigned n = is_write ? 0 : chain->readable;

    while (at >= chain->pieces[n].size) {
        at -= chain->pieces[n].size;
        n += 1;
    }
    *left = chain->pieces[n].size - at;
    return chain->pieces[n].base + at;
}

bool virtio_blk_move(const struct virtio_blk_store *store, const struct virtio_chain *chain,
                     bool is_write, uint64_t at, uint64_t sector, uint64_t size)
{
    uint64_t offset = sector * VIRTIO_BLK_SECTOR;
    bool is_good = true;

    while (size != 0 && is_good) {
        uint64_t left;
        uint8_t *data = virtio_blk_find(chain, is_write, at, &left);
        uint64_t n = (left < size ? left : size) & ~(uint64_t)(store->block_size - 1);

        if (n != 0) {
            is_good = is_write ? store->write(store->context, offset, data, n)
                               : store->read(store->context, offset, data, n);
        } else {
            n = store->block_size;
            is_good = virtio_blk_scattered(store, chain, is_write, at, offset);
        }
        at += n;
        offset += n;
        size -= n;
    }
    return is_good;
}

static uint8_t virtio_blk_in(const struct virtio_blk *blk, struct virtio_blk_request *request)
{
    uint64_t size = request->chain.writable_size - 1;

    if (!virtio_blk_is_inside(blk->store, request->sector, size) ||
        !virtio_blk_move(blk->store, &request->chain, false, 0, request->sector, size)) {
        return STATUS_ERROR;
    }
    request->written = (uint32_t)size;
    return STATUS_OK;
}

static uint8_t virtio_blk_out(const struct virtio_blk *blk,
                              const struct virtio_blk_request *request)
{
    uint64_t size = request->chain.readable_size - HEADER;

    if (blk->store->is_read_only || !virtio_blk_is_inside(blk->store, request->sector, size)) {
        return STATUS_ERROR;
    }
    return virtio_blk_move(blk->store, &request->chain, true, HEADER, request->sector, size)
               ? STATUS_OK
               : STATUS_ERROR;
}

static uint8_t virtio_blk_get_id(const struct virtio_blk *blk, struct virtio_blk_request *request)
{
    if (request->chain.writable_size - 1 < VIRTIO_BLK_ID_SIZE) {
        return STATUS_ERROR;
    }
    (void)virtio_chain_write(&request->chain, 0, blk->store->id, VIRTIO_BLK_ID_SIZE);
    request->written = VIRTIO_BLK_ID_SIZE;
    return STATUS_OK;
}

void virtio_blk_do(const struct virtio_blk *blk, struct virtio_blk_request *request)
{
    switch (request->type) {
    case TYPE_IN:
        request->status = virtio_blk_in(blk, request);
        break;
    case TYPE_OUT:
        request->status = virtio_blk_out(blk, request);
        break;
    case TYPE_FLUSH:
        request->status = blk->store->flush(blk->store->context) ? STATUS_OK : STATUS_ERROR;
        break;
    case TYPE_GET_ID:
        request->status = virtio_blk_get_id(blk, request);
        break;
    default:
        request->status = STATUS_UNKNOWN;
        break;
    }
}

void virtio_blk_finish(struct virtio_blk *blk, const struct virtio_blk_request *request)
{
    blk->is_busy = false;
    if (blk->pci.is_resetting) {
        virtio_pci_reset_done(&blk->pci);
        return;
    }
    (void)virtio_chain_write(&request->chain, request->chain.writable_size - 1, &request->status,
                             1);
    virtio_pci_push(&blk->pci, QUEUE, request->chain.head, request->written + 1);
}
