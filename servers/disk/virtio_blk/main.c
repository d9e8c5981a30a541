/* main.c - the driver of virtio disks (virtio 1.1, 5.2): a request is one descriptor of the queue,
 * a table of its own behind it, and as many are under way as the queue has room for. The
 * device is looked at once a second: one that does not work any more is reset, and the driver ends;
 * who used it asks the next driver. */
#include <hardware.h>
#include <mach/device_types.h>
#include <mach/vm_param.h>
#include <portolan/driver_block.h>
#include <portolan/portolan.h>

#include "virtio.h"

#define FEATURE_SIZE_MAX   (1ull << 1)
#define FEATURE_SEG_MAX    (1ull << 2)
#define FEATURE_RO         (1ull << 5)
#define FEATURE_BLK_SIZE   (1ull << 6)
#define FEATURE_FLUSH      (1ull << 9)
#define CONFIG_CAPACITY    0
#define CONFIG_SIZE_MAX    8
#define CONFIG_SEG_MAX     12
#define CONFIG_BLK_SIZE    20
#define TYPE_IN            0u
#define TYPE_OUT           1u
#define TYPE_FLUSH         4u
#define STATUS_OK          0u
#define STATUS_UNSUPPORTED 2u
#define STATUS_NONE        0xffu
#define SECTOR             512u

#define SLOTS    64u  /* requests under way */
#define RUNS_MAX 254u /* pieces of memory of one: with head and status one page of descriptors */

/* In looks at the device, a second apart. */
#define TRANSFER_LOOKS 6u
#define FLUSH_LOOKS    30u
#define UNTOLD_MAX     3u /* in a row that find requests done without an interrupt */

/* What the device reads of one request, and where it writes the status. */
struct slot_memory {
    struct virtq_desc table[RUNS_MAX + 2];
    struct {
        uint32_t type;
        uint32_t reserved;
        uint64_t sector;
    } head;
    uint8_t status;
};

struct slot {
    struct block_transfer *transfer; /* NULL: free */
    volatile struct slot_memory *memory;
    uint64_t phys;
    unsigned looks; /* since it was begun */
};

static struct virtio main_virtio;
static struct virtq main_queue;
static struct slot main_slots[SLOTS];
static unsigned main_slot_count;
static bool main_told_error;
static unsigned main_untold; /* looks in a row */

static struct slot *main_free_slot(void)
{
    for (unsigned i = 0; i < main_slot_count; i++) {
        if (main_slots[i].transfer == NULL) {
            return &main_slots[i];
        }
    }
    return NULL;
}

static void main_describe(struct slot *slot, unsigned i, uint64_t phys, uint32_t size,
                          uint16_t flags)
{
    volatile struct virtq_desc *d = &slot->memory->table[i];

    d->address = phys;
    d->size = size;
    d->flags = flags;
    d->next = (uint16_t)(i + 1);
}

/* Fill in the table: head, runs, status. Returns: how many descriptors. */
static unsigned main_fill(struct slot *slot, const struct block_transfer *transfer)
{
    uint64_t head = slot->phys + offsetof(struct slot_memory, head);
    uint64_t status = slot->phys + offsetof(struct slot_memory, status);
    uint16_t flags = VIRTQ_NEXT | (transfer->operation == BLOCK_READ ? VIRTQ_WRITE : 0);
    unsigned n = 1;

    slot->memory->head.type = transfer->operation == BLOCK_READ    ? TYPE_IN
                              : transfer->operation == BLOCK_WRITE ? TYPE_OUT
                                                                   : TYPE_FLUSH;
    slot->memory->head.reserved = 0;
    slot->memory->head.sector = transfer->sector;
    slot->memory->status = STATUS_NONE;
    main_describe(slot, 0, head, sizeof(slot->memory->head), VIRTQ_NEXT);
    for (unsigned i = 0; i < transfer->nruns; i++) {
        main_describe(slot, n, transfer->runs[i].phys, transfer->runs[i].size, flags);
        n++;
    }
    main_describe(slot, n, status, 1, VIRTQ_WRITE);
    return n + 1;
}

static kern_return_t main_start(struct block_disk *disk, struct block_transfer *transfer)
{
    struct slot *slot = main_free_slot();
    uint16_t index;
    unsigned n;

    (void)disk;
    if (slot == NULL) {
        return D_WOULD_BLOCK;
    }
    index = (uint16_t)(slot - main_slots);
    slot->transfer = transfer;
    slot->looks = 0;
    n = main_fill(slot, transfer);
    main_queue.desc[index].address = slot->phys;
    main_queue.desc[index].size = n * (uint32_t)sizeof(struct virtq_desc);
    main_queue.desc[index].flags = VIRTQ_INDIRECT;
    main_queue.desc[index].next = 0;
    virtq_offer(&main_queue, index);
    virtq_tell(&main_queue);
    return KERN_SUCCESS;
}

static kern_return_t main_result(const struct block_transfer *transfer, uint8_t status)
{
    static const char *const words[] = {"read", "write", "flush"};

    if (status == STATUS_OK) {
        return KERN_SUCCESS;
    }
    if (!main_told_error || transfer->operation != BLOCK_READ) {
        driver_say("%s of %u bytes at sector %llu: status %u", words[transfer->operation],
                   transfer->size, (unsigned long long)transfer->sector, status);
        main_told_error = transfer->operation == BLOCK_READ;
    }
    return status == STATUS_UNSUPPORTED ? D_INVALID_OPERATION : D_IO_ERROR;
}

/* Take what the device is done with. Returns: was there anything? */
static bool main_complete(struct block_disk *disk)
{
    bool any = false;
    uint32_t head;

    while (virtq_take(&main_queue, &head)) {
        struct block_transfer *transfer;

        if (head >= main_slot_count || main_slots[head].transfer == NULL) {
            virtio_reset(&main_virtio);
            driver_fail("the device is done with request %u, which is none", head);
        }
        transfer = main_slots[head].transfer;
        main_slots[head].transfer = NULL;
        block_done(disk, transfer, main_result(transfer, main_slots[head].memory->status));
        any = true;
    }
    if (!virtio_is_ready(&main_virtio)) {
        virtio_reset(&main_virtio);
        driver_fail("the device gave itself up");
    }
    return any;
}

static void main_interrupt(void *context)
{
    virtio_acknowledge(&main_virtio);
    main_untold = 0;
    (void)main_complete(context);
}

/* --- time --- */

/* All under way have been looked at once more. Returns: has one been under way for longer than it
 * may?
 */
static bool main_is_late(void)
{
    bool late = false;

    for (unsigned i = 0; i < main_slot_count; i++) {
        struct slot *slot = &main_slots[i];

        if (slot->transfer != NULL) {
            bool is_flush = slot->transfer->operation == BLOCK_FLUSH;

            slot->looks++;
            late |= slot->looks > (is_flush ? FLUSH_LOOKS : TRANSFER_LOOKS);
        }
    }
    return late;
}

static void main_look(void *context)
{
    main_untold = main_complete(context) ? main_untold + 1 : 0;
    if (main_untold > UNTOLD_MAX) {
        virtio_reset(&main_virtio);
        driver_fail("the device does not interrupt any more");
    }
    if (main_is_late()) {
        virtio_reset(&main_virtio);
        driver_fail("the device does not answer");
    }
}

/* --- start --- */

/* Memory for requests: two pages each, for as many as there is memory. */
static void main_make_slots(void)
{
    unsigned most = main_queue.size < SLOTS ? main_queue.size : SLOTS;
    vm_size_t size = mach_round_page(sizeof(struct slot_memory));
    vm_address_t memory;
    int64_t phys;

    for (main_slot_count = 0; main_slot_count < most; main_slot_count++) {
        if (driver_dma_allocate(driver.port, size, 0, &memory, &phys) != KERN_SUCCESS) {
            break;
        }
        main_slots[main_slot_count].memory = (volatile struct slot_memory *)memory;
        main_slots[main_slot_count].phys = (uint64_t)phys;
    }
    if (main_slot_count == 0) {
        driver_fail("no memory for requests");
    }
}

/* What the device says of itself, as far as it can be. */
static void main_describe_disk(struct block_disk *disk)
{
    uint64_t features = main_virtio.features;
    uint32_t most = virtio_config32(&main_virtio, CONFIG_SEG_MAX);
    uint32_t size_max = virtio_config32(&main_virtio, CONFIG_SIZE_MAX);

    disk->sectors = virtio_config64(&main_virtio, CONFIG_CAPACITY);
    disk->sector_size = SECTOR;
    disk->is_read_only = (features & FEATURE_RO) != 0;
    disk->has_cache = (features & FEATURE_FLUSH) != 0;
    disk->max_runs = RUNS_MAX;
    if ((features & FEATURE_SEG_MAX) != 0 && most != 0 && most < RUNS_MAX) {
        disk->max_runs = most;
    }
    disk->max_size = 1u << 20;
    if ((features & FEATURE_SIZE_MAX) != 0 && size_max < disk->max_size) {
        driver_fail("the device takes %u bytes in one piece only", size_max);
    }
    if (disk->sectors == 0 || disk->sectors > INT64_MAX / SECTOR) {
        driver_fail("a disk of %llu sectors", (unsigned long long)disk->sectors);
    }
}

static void main_stop(void)
{
    if (main_virtio.common != NULL) {
        virtio_reset(&main_virtio);
    }
}

int main(void)
{
    static const struct block_ops ops = {main_start};
    static struct block_disk disk = {.ops = &ops, .kind = "disk"};
    struct block_disk *const disks[] = {&disk};

    driver_begin(main_stop);
    virtio_begin(&main_virtio, FEATURE_SIZE_MAX | FEATURE_SEG_MAX | FEATURE_RO | FEATURE_FLUSH |
                                   VIRTIO_F_INDIRECT_DESC);
    if ((main_virtio.features & VIRTIO_F_INDIRECT_DESC) == 0) {
        driver_fail("the device has no indirect descriptors");
    }
    if (driver_on_interrupt(0, main_interrupt, &disk) != KERN_SUCCESS) {
        driver_fail("no interrupt");
    }
    virtio_queue(&main_virtio, &main_queue, 0, SLOTS, 0);
    main_make_slots();
    main_describe_disk(&disk);
    if (driver_enable(driver.port) != KERN_SUCCESS) {
        driver_fail("the device master does not let the device begin");
    }
    virtio_ready(&main_virtio);
    driver_on_ping(main_look, &disk);
    block_serve(disks, 1);
    driver_loop();
}
