/* main.c - the driver of the disks that the monitor of a virtual machine has, when this system is
 * its guest and asks it by calls (mach/hypercall.h). The kernel makes the calls, with memory that
 * this driver has pinned and no other (hardware_block_*, hardware.defs), and keeps that until the
 * monitor is done with it: there is nothing to reset, and nothing to be stopped when the driver
 * ends. A request has no time limit: a monitor that takes long is not made faster by asking again.
 */
#include <hardware.h>
#include <mach/device_types.h>
#include <mach/hypercall.h>
#include <portolan/driver_block.h>
#include <portolan/portolan.h>

#define SECTOR    512u
#define DISKS_MAX 16u
#define SLOTS     HYPERCALL_BLOCK_REQUESTS

/* A request under way; its tag is its index. */
struct slot {
    struct block_disk *disk;
    struct block_transfer *transfer; /* NULL: free */
};

static hardware_block_t main_monitor;
static struct slot main_slots[SLOTS];
static struct block_disk main_disks[DISKS_MAX];
static unsigned main_disk_count;
static bool main_told_error;

static struct slot *main_free_slot(void)
{
    for (unsigned i = 0; i < SLOTS; i++) {
        if (main_slots[i].transfer == NULL) {
            return &main_slots[i];
        }
    }
    return NULL;
}

static int main_operation(const struct block_transfer *transfer)
{
    return (int)(transfer->operation == BLOCK_READ    ? HYPERCALL_BLOCK_READ
                 : transfer->operation == BLOCK_WRITE ? HYPERCALL_BLOCK_WRITE
                                                      : HYPERCALL_BLOCK_FLUSH);
}

/* There is no place when requests of a driver before this one are still under way: they are told
 * like others when they are done. */
static kern_return_t main_start(struct block_disk *disk, struct block_transfer *transfer)
{
    struct slot *slot = main_free_slot();
    kern_return_t kr;

    if (slot == NULL) {
        return D_WOULD_BLOCK;
    }
    kr = hardware_block_begin(main_monitor, disk->unit, main_operation(transfer), transfer->sector,
                              (int)(transfer->size / SECTOR), transfer->pin, transfer->offset,
                              (int)(slot - main_slots));
    if (kr == KERN_NO_SPACE) {
        return D_WOULD_BLOCK;
    }
    if (kr != KERN_SUCCESS) {
        driver_say("disk %d: a request of %u bytes at sector %llu is not taken: 0x%x", disk->unit,
                   transfer->size, (unsigned long long)transfer->sector, (unsigned)kr);
        return kr == KERN_RESOURCE_SHORTAGE ? D_NO_MEMORY : D_IO_ERROR;
    }
    *slot = (struct slot){disk, transfer};
    return KERN_SUCCESS;
}

/* Said of each write or flush, and of reads once: somebody may read a bad sector for ever. */
static kern_return_t main_result(const struct slot *slot, uint32_t status)
{
    static const char *const words[] = {"read", "write", "flush"};
    const struct block_transfer *transfer = slot->transfer;

    if (status == HYPERCALL_BLOCK_DONE) {
        return KERN_SUCCESS;
    }
    if (!main_told_error || transfer->operation != BLOCK_READ) {
        driver_say("disk %d: %s of %u bytes at sector %llu failed", slot->disk->unit,
                   words[transfer->operation], transfer->size,
                   (unsigned long long)transfer->sector);
        main_told_error = transfer->operation == BLOCK_READ;
    }
    return D_IO_ERROR;
}

static void main_done(uint32_t tag, uint32_t status)
{
    struct slot slot;

    if (tag >= SLOTS || main_slots[tag].transfer == NULL) {
        driver_fail("request %u is done, which is none", tag);
    }
    slot = main_slots[tag];
    main_slots[tag].transfer = NULL;
    block_done(slot.disk, slot.transfer, main_result(&slot, status));
}

/* Take what is done until there is no more. Then others may begin, also where what has made room
 * was another disk's, or an earlier driver's. */
static void main_take(void *context)
{
    hardware_block_done_t done;
    mach_msg_type_number_t count;

    (void)context;
    do {
        count = HARDWARE_BLOCK_DONE_MAX;
        if (hardware_block_take(main_monitor, done, &count) != KERN_SUCCESS) {
            driver_fail("the kernel does not say what is done");
        }
        for (mach_msg_type_number_t i = 0; i < count; i++) {
            main_done((uint32_t)done[i], (uint32_t)((uint64_t)done[i] >> 32));
        }
    } while (count == HARDWARE_BLOCK_DONE_MAX);
    for (unsigned i = 0; i < main_disk_count; i++) {
        block_resume(&main_disks[i]);
    }
}

/* Returns: false when there is no disk of that number. */
static bool main_find_disk(unsigned number, struct block_disk *disk)
{
    static const struct block_ops ops = {main_start};
    uint64_t sectors = 0;

    if (hardware_block_size(main_monitor, (int)number, &sectors) != KERN_SUCCESS || sectors == 0 ||
        sectors == HYPERCALL_UNKNOWN) {
        return false;
    }
    *disk = (struct block_disk){
        .ops = &ops,
        .kind = "disk",
        .unit = (int)number,
        .sectors = sectors & ~HYPERCALL_BLOCK_READ_ONLY,
        .sector_size = SECTOR,
        .is_read_only = (sectors & HYPERCALL_BLOCK_READ_ONLY) != 0,
        .has_cache = true,
        .max_runs = HYPERCALL_BLOCK_PIECES_MAX,
        .max_size = HYPERCALL_BLOCK_SECTORS_MAX * SECTOR,
    };
    if (disk->sectors > INT64_MAX / SECTOR) {
        driver_fail("a disk of %llu sectors", (unsigned long long)disk->sectors);
    }
    return true;
}

/* What is under way is the kernel's to keep. */
static void main_stop(void) {}

int main(void)
{
    struct block_disk *disks[DISKS_MAX];

    driver_begin(main_stop);
    if (driver_block(driver.port, &main_monitor) != KERN_SUCCESS) {
        driver_fail("there is no monitor that has disks");
    }
    while (main_disk_count < DISKS_MAX &&
           main_find_disk(main_disk_count, &main_disks[main_disk_count])) {
        disks[main_disk_count] = &main_disks[main_disk_count];
        main_disk_count++;
    }
    if (main_disk_count == 0) {
        driver_fail("the monitor has no disk");
    }
    if (driver_on_interrupt(0, main_take, NULL) != KERN_SUCCESS) {
        driver_fail("no interrupt");
    }
    if (driver_enable(driver.port) != KERN_SUCCESS) {
        driver_fail("the device master does not let the device begin");
    }
    main_take(NULL); /* or what an earlier driver's has left is never told anew */
    block_serve(disks, main_disk_count);
    driver_loop();
}
