/* channel.c - transfers of a channel (ATA8-ACS, ATA/ATAPI-7 volume 2: PIO, PACKET and DMA
 * protocols; Programming Interface for Bus Master IDE Controller 1.0). Data goes by the bus master
 * when that reaches all of the memory, which must be below 4 GiB; else through the data register.
 *
 * What a device says is believed within the transfer's bounds: no more bytes are moved than that
 * has, and fewer are an error. */
#include "channel_impl.h"

#include <hardware.h>
#include <mach/device_types.h>
#include <stddef.h>

#include "../ata_packet.h"

#define CONTROL_NO_INTERRUPT 0x02u
#define CONTROL_RESET        0x04u
#define DEVICE_ALWAYS        0xa0u
#define DMA_START            0x01u
#define DMA_READ             0x08u /* from the device */
#define DMA_ACTIVE           0x01u
#define DMA_ERROR            0x02u
#define DMA_INTERRUPT        0x04u
#define RUN_LAST             0x8000u
#define RUN_BOUNDARY         0x10000u
#define LIMIT_4GIB           (1ull << 32)
#define BYTE_COUNT_MAX       0xf800u /* of one interrupt, whole CD sectors */

#define SELECT_MS      100u
#define DATA_MS        1000u /* until data can be written */
#define SPINS          200u  /* looks at the status before the first millisecond */
#define RESET_TICKS    100u
#define TRANSFER_TICKS 60u
#define FLUSH_TICKS    300u
#define LATE_MAX       3u
#define READY_POLLS    5u

/* What the bus master reads; size 0 is 64 KiB. */
struct channel_run {
    uint32_t address;
    uint16_t size;
    uint16_t flags;
};

/* --- registers --- */

void channel_select(const struct channel *channel, uint8_t select)
{
    bus_put8(channel->base + BUS_DEVICE, DEVICE_ALWAYS | select);
    for (unsigned i = 0; i < 5; i++) {
        (void)bus_get8(channel->control); /* 400 ns */
    }
}

uint8_t channel_wait(const struct channel *channel, uint8_t bits, unsigned limit_ms)
{
    uint8_t status = bus_get8(channel->control);

    for (unsigned i = 0; i < SPINS && (status & bits) != 0; i++) {
        status = bus_get8(channel->control);
    }
    for (unsigned i = 0; i < limit_ms && (status & bits) != 0; i++) {
        driver_sleep(1);
        status = bus_get8(channel->control);
    }
    return status;
}

static void channel_put_half(const struct channel *channel, uint16_t feature, uint16_t count,
                             uint32_t lba)
{
    bus_put8(channel->base + BUS_FEATURE, (uint8_t)feature);
    bus_put8(channel->base + BUS_COUNT, (uint8_t)count);
    bus_put8(channel->base + BUS_LOW, (uint8_t)lba);
    bus_put8(channel->base + BUS_MID, (uint8_t)(lba >> 8));
    bus_put8(channel->base + BUS_HIGH, (uint8_t)(lba >> 16));
}

bool channel_give(const struct channel *channel, const struct channel_disk *d,
                  const struct ata_command *c)
{
    uint8_t busy = ATA_STATUS_BSY | ATA_STATUS_DRQ;

    channel_select(channel, d->select);
    if ((channel_wait(channel, busy, SELECT_MS) & busy) != 0) {
        return false;
    }
    bus_put8(channel->base + BUS_DEVICE, DEVICE_ALWAYS | d->select | c->device);
    if (c->has_48_bits) {
        channel_put_half(channel, c->feature >> 8, c->count >> 8, (uint32_t)(c->lba >> 24));
    }
    channel_put_half(channel, c->feature, c->count, (uint32_t)c->lba);
    bus_put8(channel->base + BUS_COMMAND, c->command);
    for (unsigned i = 0; i < 5; i++) {
        (void)bus_get8(channel->control); /* 400 ns, until it says that it is busy */
    }
    return true;
}

uint16_t channel_byte_count(const struct channel *channel)
{
    return (uint16_t)(bus_get8(channel->base + BUS_MID) | bus_get8(channel->base + BUS_HIGH) << 8);
}

/* --- stop and reset --- */

/* The bus master reads and writes no more. */
static void channel_stop_dma(const struct channel *channel)
{
    if (channel->dma != 0) {
        bus_put8(channel->dma + BUS_DMA_COMMAND, 0);
        bus_put8(channel->dma + BUS_DMA_STATUS, DMA_ERROR | DMA_INTERRUPT);
    }
}

void channel_stop(const struct channel *channel)
{
    channel_stop_dma(channel);
    bus_put8(channel->control, CONTROL_NO_INTERRUPT);
}

void channel_reset_devices(const struct channel *channel, bool interrupts)
{
    channel_stop_dma(channel);
    bus_put8(channel->control, CONTROL_RESET | CONTROL_NO_INTERRUPT);
    driver_sleep(1);
    bus_put8(channel->control, interrupts ? 0 : CONTROL_NO_INTERRUPT);
    driver_sleep(2);
}

void channel_begin(struct channel *channel)
{
    bus_put8(channel->control, 0);
}

/* Are those that are used ready, after a reset? */
static bool channel_is_ready(const struct channel *channel)
{
    for (unsigned i = 0; i < CHANNEL_DISKS; i++) {
        if (channel->disks[i].is_there) {
            channel_select(channel, channel->disks[i].select);
            if ((bus_get8(channel->control) & (ATA_STATUS_BSY | ATA_STATUS_DRQ)) != 0) {
                return false;
            }
        }
    }
    return true;
}

/* --- the end of a transfer --- */

/* Have those begin who were refused: the one that did not have its turn first. */
static void channel_next(struct channel *channel)
{
    unsigned last = channel->last == &channel->disks[1] ? 1 : 0;

    for (unsigned i = 1; i <= CHANNEL_DISKS && channel->state == CHANNEL_IDLE; i++) {
        struct channel_disk *d = &channel->disks[(last + i) % CHANNEL_DISKS];

        if (d->is_waiting) {
            d->is_waiting = false;
            block_resume(&d->disk);
        }
    }
}

/* The transfer is no longer the channel's; state is what that is in now. */
static void channel_finish(struct channel *channel, enum channel_state state, kern_return_t result)
{
    struct block_transfer *transfer = channel->transfer;

    channel->transfer = NULL;
    channel->state = state;
    if (result == KERN_SUCCESS) {
        channel->last->late = 0;
    }
    block_done(&channel->last->disk, transfer, result);
    channel_next(channel);
}

/* The disk is not used any more: what waits fails. */
static void channel_give_up(struct channel_disk *d, const char *why)
{
    if (d->is_there) {
        d->is_there = d->is_waiting = false;
        driver_say("unit %d: %s; it is not used any more", d->disk.unit, why);
        block_resume(&d->disk);
    }
}

/* Commands can be given again, but not to one that did not answer too often. */
static void channel_settle(struct channel *channel)
{
    unsigned most = channel->is_serving ? LATE_MAX : 1;

    channel->state = CHANNEL_IDLE;
    for (unsigned i = 0; i < CHANNEL_DISKS; i++) {
        if (channel->disks[i].late >= most) {
            channel_give_up(&channel->disks[i], "the device does not answer");
        }
    }
    channel_next(channel);
}

/* After a reset: see whether the devices are ready soon, else later. */
static void channel_await(struct channel *channel)
{
    channel->ticks = 0;
    main_need_ticks();
    for (unsigned i = 0; i < READY_POLLS; i++) {
        if (channel_is_ready(channel)) {
            channel_settle(channel);
            return;
        }
        driver_sleep(1);
    }
}

/* The transfer failed. A device that is not done with it is reset, and nothing is moved any more
 * before it is said to be over. */
static void channel_fail(struct channel *channel, uint8_t status, const char *why)
{
    struct channel_disk *d = channel->last;
    bool is_busy = (status & (ATA_STATUS_BSY | ATA_STATUS_DRQ)) != 0;

    channel_stop_dma(channel);
    ata_device_say(&d->device, d->disk.unit, channel->transfer, "%s; status 0x%02x, error 0x%02x",
                   why, status, bus_get8(channel->base + BUS_ERROR));
    if (!is_busy) {
        channel_finish(channel, CHANNEL_IDLE, D_IO_ERROR);
        return;
    }
    channel_reset_devices(channel, true);
    channel_finish(channel, CHANNEL_RESETTING, D_IO_ERROR);
    channel_await(channel);
}

/* --- data --- */

/* Where the next bytes of the transfer are. */
static void *channel_place(const struct channel *channel)
{
    return (void *)(channel->transfer->memory + channel->moved);
}

/* The status after an interrupt of a PIO read: a sector is there. */
static void channel_read_sector(struct channel *channel, uint8_t status)
{
    uint32_t size = channel->last->disk.sector_size;

    if ((status & ATA_STATUS_DRQ) == 0) {
        channel_fail(channel, status, "no data");
        return;
    }
    bus_read(channel->base, channel_place(channel), size);
    channel->moved += size;
    if (channel->moved == channel->transfer->size) {
        channel_finish(channel, CHANNEL_IDLE, KERN_SUCCESS);
    }
}

/* Of a PIO write: the sector was taken. */
static void channel_write_sector(struct channel *channel, uint8_t status)
{
    uint32_t size = channel->last->disk.sector_size;
    bool is_all = channel->moved == channel->transfer->size;

    if (((status & ATA_STATUS_DRQ) == 0) != is_all) {
        channel_fail(channel, status, is_all ? "it wants more" : "it wants no more");
    } else if (is_all) {
        channel_finish(channel, CHANNEL_IDLE, KERN_SUCCESS);
    } else {
        bus_write(channel->base, channel_place(channel), size);
        channel->moved += size;
    }
}

/* Of a packet: some bytes are there, or it is done. */
static void channel_read_packet(struct channel *channel, uint8_t status)
{
    uint32_t left = channel->transfer->size - channel->moved;
    uint32_t size = channel_byte_count(channel);

    if ((status & ATA_STATUS_DRQ) == 0) {
        if (left == 0) {
            channel_finish(channel, CHANNEL_IDLE, KERN_SUCCESS);
        } else {
            channel_fail(channel, status, "too little data");
        }
    } else if (size == 0 || size % 2 != 0 || size > left) {
        channel_fail(channel, status, "a wrong number of bytes");
    } else {
        bus_read(channel->base, channel_place(channel), size);
        channel->moved += size;
    }
}

/* The bus master is done when it has seen the device's interrupt; one that is still active has
 * memory left for which there was no data. */
static void channel_end_dma(struct channel *channel)
{
    uint8_t dma = bus_get8(channel->dma + BUS_DMA_STATUS);
    uint8_t bad = ATA_STATUS_BSY | ATA_STATUS_DRQ | ATA_STATUS_ERR | ATA_STATUS_DF;
    uint8_t status;

    if ((dma & DMA_INTERRUPT) == 0) {
        return;
    }
    channel_stop_dma(channel);
    status = bus_get8(channel->base + BUS_STATUS);
    if ((status & bad) != 0) {
        channel_fail(channel, status, "the command failed");
    } else if ((dma & (DMA_ERROR | DMA_ACTIVE)) != 0) {
        channel_fail(channel, status,
                     (dma & DMA_ERROR) != 0 ? "the bus failed" : "too little data");
    } else {
        channel_finish(channel, CHANNEL_IDLE, KERN_SUCCESS);
    }
}

void channel_interrupt(struct channel *channel)
{
    uint8_t status;

    if (channel->state == CHANNEL_BUSY && channel->is_dma) {
        channel_end_dma(channel);
        return;
    }
    status = bus_get8(channel->base + BUS_STATUS); /* acknowledges it */
    if (channel->state != CHANNEL_BUSY || (status & ATA_STATUS_BSY) != 0) {
        return;
    }
    if ((status & (ATA_STATUS_ERR | ATA_STATUS_DF)) != 0) {
        channel_fail(channel, status, "the command failed");
    } else if (channel->last->is_packet) {
        channel_read_packet(channel, status);
    } else if (channel->transfer->operation == BLOCK_READ) {
        channel_read_sector(channel, status);
    } else {
        channel_write_sector(channel, status); /* a flush has nothing to write */
    }
}

/* --- the start of a transfer --- */

/* Can the bus master move it? Then its table is filled in: no run crosses a multiple of 64 KiB,
 * which makes no more of them than there are pages. */
static bool channel_fill_runs(struct channel *channel, const struct block_transfer *transfer)
{
    unsigned n = 0;

    if (channel->dma == 0 || transfer->nruns == 0) {
        return false;
    }
    for (unsigned i = 0; i < transfer->nruns; i++) {
        uint64_t phys = transfer->runs[i].phys;
        uint64_t end = phys + transfer->runs[i].size;

        if (end > LIMIT_4GIB) {
            return false;
        }
        for (; phys < end; n++) {
            uint64_t stop = (phys | (RUN_BOUNDARY - 1)) + 1;

            stop = stop < end ? stop : end;
            channel->runs[n].address = (uint32_t)phys;
            channel->runs[n].size = (uint16_t)(stop - phys);
            channel->runs[n].flags = 0;
            phys = stop;
        }
    }
    channel->runs[n - 1].flags = RUN_LAST;
    return true;
}

/* The device waits for data, which it does not ask for by an interrupt. */
static bool channel_wait_data(const struct channel *channel)
{
    uint8_t status = channel_wait(channel, ATA_STATUS_BSY, DATA_MS);

    return (status & (ATA_STATUS_BSY | ATA_STATUS_ERR | ATA_STATUS_DF)) == 0 &&
           (status & ATA_STATUS_DRQ) != 0;
}

static bool channel_begin_packet(struct channel *channel, const struct block_transfer *transfer)
{
    static const struct ata_command c = {.command = ATA_COMMAND_PACKET,
                                         .lba = (uint64_t)BYTE_COUNT_MAX << 8};
    uint8_t packet[ATA_PACKET_SIZE];

    ata_packet_read(packet, (uint32_t)transfer->sector,
                    (uint16_t)(transfer->size / ATA_PACKET_SECTOR));
    if (!channel_give(channel, channel->last, &c) || !channel_wait_data(channel)) {
        return false;
    }
    bus_write(channel->base, packet, sizeof(packet));
    return true;
}

static bool channel_begin_disk(struct channel *channel, const struct block_transfer *transfer)
{
    bool is_write = transfer->operation == BLOCK_WRITE;
    struct ata_command c;

    channel->is_dma = channel->last->device.has_dma && channel_fill_runs(channel, transfer);
    if (!ata_device_command(&channel->last->device, transfer, channel->is_dma ? ATA_DMA : ATA_PIO,
                            &c)) {
        return false;
    }
    if (channel->is_dma) {
        channel_stop_dma(channel);
        bus_put32(channel->dma + BUS_DMA_TABLE, channel->runs_phys);
        bus_put8(channel->dma + BUS_DMA_COMMAND, is_write ? 0 : DMA_READ);
        driver_barrier();
    }
    if (!channel_give(channel, channel->last, &c)) {
        return false;
    }
    if (channel->is_dma) {
        bus_put8(channel->dma + BUS_DMA_COMMAND, DMA_START | (is_write ? 0 : DMA_READ));
    } else if (is_write) {
        if (!channel_wait_data(channel)) {
            return false;
        }
        bus_write(channel->base, channel_place(channel), channel->last->disk.sector_size);
        channel->moved = channel->last->disk.sector_size;
    }
    return true;
}

static kern_return_t channel_start(struct block_disk *disk, struct block_transfer *transfer)
{
    struct channel_disk *d = (struct channel_disk *)disk; /* its first member */
    struct channel *channel = d->channel;
    struct channel_disk *other = &channel->disks[d == &channel->disks[0]];
    bool begun;

    if (!d->is_there || (d->is_packet && transfer->operation != BLOCK_READ)) {
        return D_IO_ERROR;
    }
    if (channel->state != CHANNEL_IDLE || (other->is_waiting && channel->last == d)) {
        d->is_waiting = true;
        return D_WOULD_BLOCK;
    }
    d->is_waiting = false;
    channel->last = d;
    channel->transfer = transfer;
    channel->is_dma = false;
    channel->moved = channel->ticks = 0;
    begun = d->is_packet ? channel_begin_packet(channel, transfer)
                         : channel_begin_disk(channel, transfer);
    if (begun) {
        channel->state = CHANNEL_BUSY;
        main_need_ticks();
        return KERN_SUCCESS;
    }
    channel->state = CHANNEL_RESETTING;
    channel->transfer = NULL;
    channel->ticks = 0;
    d->late++;
    ata_device_say(&d->device, disk->unit, transfer, "it does not begin; status 0x%02x",
                   bus_get8(channel->control));
    channel_reset_devices(channel, true);
    main_need_ticks();
    return D_IO_ERROR;
}

const struct block_ops channel_ops = {channel_start};

/* --- time --- */

/* The transfer is not done in time. */
static void channel_hangs(struct channel *channel)
{
    struct channel_disk *d = channel->last;

    channel_reset_devices(channel, true); /* before its memory is somebody else's */
    ata_device_say(&d->device, d->disk.unit, channel->transfer, "no answer in time");
    d->late++;
    channel_finish(channel, CHANNEL_RESETTING, D_IO_ERROR);
    channel_await(channel);
}

bool channel_tick(struct channel *channel)
{
    unsigned limit = TRANSFER_TICKS;

    if (channel->state == CHANNEL_RESETTING) {
        channel->ticks++;
        if (channel_is_ready(channel)) {
            channel_settle(channel);
        } else if (channel->ticks > RESET_TICKS) {
            channel->state = CHANNEL_NONE;
            for (unsigned i = 0; i < CHANNEL_DISKS; i++) {
                channel_give_up(&channel->disks[i], "the device does not become ready");
            }
        }
    } else if (channel->state == CHANNEL_BUSY) {
        channel->ticks++;
        channel_interrupt(channel); /* one that was lost costs a tick */
        if (channel->state == CHANNEL_BUSY) {
            limit = channel->transfer->operation == BLOCK_FLUSH ? FLUSH_TICKS : limit;
            if (channel->ticks > limit) {
                channel_hangs(channel);
            }
        }
    }
    return channel->state == CHANNEL_RESETTING || channel->state == CHANNEL_BUSY;
}
