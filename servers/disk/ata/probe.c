/* probe.c - who is on a channel: devices are asked with interrupts off, by looking at the status
 * again and again. A bus that nobody drives reads as anything; what is not there is left alone. */
#include <mach/device_types.h>
#include <string.h>

#include "channel_impl.h"
#include "../ata_packet.h"

#define NOTHING          0xffu /* a floating bus */
#define SIGNATURE_PACKET 0xeb14u
#define SIGNATURE_DISK   0x0000u
#define READY_MS         2000u /* four devices are waited for, and the driver has 20 s to come up */
#define ANSWER_MS        1000u
#define CAPACITY_TRIES   5u /* the first answers are that it was reset, and that the CD is new */
#define RUNS_MAX         256u

/* Wait for the end of a command. Returns: false when it failed, or took too long; data: when it has
 * none to give. */
static bool probe_wait(const struct channel *channel, bool data)
{
    uint8_t status = channel_wait(channel, ATA_STATUS_BSY, ANSWER_MS);
    uint8_t bad = ATA_STATUS_BSY | ATA_STATUS_ERR | ATA_STATUS_DF;

    return (status & bad) == 0 && ((status & ATA_STATUS_DRQ) != 0) == data;
}

static bool probe_identify(const struct channel *channel, const struct channel_disk *d,
                           uint16_t *words)
{
    struct ata_command c = {.command =
                                d->is_packet ? ATA_COMMAND_IDENTIFY_PACKET : ATA_COMMAND_IDENTIFY};

    if (!channel_give(channel, d, &c) || !probe_wait(channel, true)) {
        return false;
    }
    bus_read(channel->base, words, ATA_IDENTIFY_WORDS * 2);
    return true;
}

/* Ask for the capacity of what is in the drive. */
static uint64_t probe_capacity(const struct channel *channel, const struct channel_disk *d)
{
    uint8_t packet[ATA_PACKET_SIZE], answer[8];
    struct ata_command c = {.command = ATA_COMMAND_PACKET, .lba = sizeof(answer) << 8};

    ata_packet_capacity(packet);
    if (!channel_give(channel, d, &c) || !probe_wait(channel, true)) {
        return 0;
    }
    bus_write(channel->base, packet, sizeof(packet));
    if (!probe_wait(channel, true) || channel_byte_count(channel) != sizeof(answer)) {
        return 0;
    }
    bus_read(channel->base, answer, sizeof(answer));
    return probe_wait(channel, false) ? ata_packet_sectors(answer) : 0;
}

/* Returns: NULL, or why it is not used. */
static const char *probe_cd(struct channel *channel, struct channel_disk *d, const uint16_t *words)
{
    uint64_t sectors = 0;

    if (!ata_packet_is_cd(words)) {
        return "it is no CD";
    }
    for (unsigned i = 0; i < CAPACITY_TRIES && sectors == 0; i++) {
        sectors = probe_capacity(channel, d);
        if ((bus_get8(channel->control) & ATA_STATUS_BSY) != 0) {
            break; /* it would not answer the next time either */
        }
    }
    if (sectors == 0) {
        return "there is nothing in it that can be read";
    }
    d->device = (struct ata_device){.sectors = sectors, .sector_size = ATA_PACKET_SECTOR};
    ata_packet_describe(sectors, &d->disk);
    return NULL;
}

static const char *probe_disk(struct channel *channel, struct channel_disk *d)
{
    uint16_t words[ATA_IDENTIFY_WORDS];
    const char *trouble;

    if (!probe_identify(channel, d, words)) {
        return "it does not say what it is";
    }
    if (d->is_packet) {
        return probe_cd(channel, d, words);
    }
    trouble = ata_device_decode(words, &d->device);
    if (trouble != NULL) {
        return trouble;
    }
    ata_device_describe(&d->device, &d->disk);
    d->disk.kind = "disk";
    return NULL;
}

/* Is there a device, and of which kind? */
static bool probe_is_there(struct channel *channel, struct channel_disk *d)
{
    uint16_t signature;
    uint8_t status;

    channel_select(channel, d->select);
    status = channel_wait(channel, ATA_STATUS_BSY, READY_MS);
    if (status == NOTHING || (status & ATA_STATUS_BSY) != 0) {
        return false;
    }
    signature = channel_byte_count(channel);
    d->is_packet = signature == SIGNATURE_PACKET;
    return d->is_packet || (signature == SIGNATURE_DISK && status != 0);
}

/* Use the device, or say why not. */
static void probe_use(struct channel *channel, struct channel_disk *d)
{
    const char *trouble = probe_disk(channel, d);

    if (trouble != NULL) {
        driver_say("unit %d: %s", d->disk.unit, trouble);
        return;
    }
    d->disk.ops = &channel_ops;
    d->disk.is_touched = true; /* data may go through the data register */
    d->disk.max_runs = RUNS_MAX;
    d->is_there = true;
    channel->state = CHANNEL_IDLE;
}

void channel_find(struct channel *channel)
{
    bool is_there[CHANNEL_DISKS];

    channel_select(channel, 0);
    if (bus_get8(channel->control) == NOTHING) {
        return; /* waiting would be for nothing */
    }
    channel_reset_devices(channel, false);
    for (unsigned i = 0; i < CHANNEL_DISKS; i++) {
        channel->disks[i].select = (uint8_t)(i << 4);
        channel->disks[i].channel = channel;
        is_there[i] = probe_is_there(channel, &channel->disks[i]);
    }
    /* Only now: what a command writes into registers takes the place of both signatures. */
    for (unsigned i = 0; i < CHANNEL_DISKS; i++) {
        if (is_there[i]) {
            probe_use(channel, &channel->disks[i]);
        }
    }
}
