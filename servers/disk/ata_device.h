/* ata_device.h - what ATA disks say of themselves (ATA8-ACS 7.16, IDENTIFY DEVICE) and the commands
 * they take, for all drivers whose devices speak ATA. Nothing of the machine is needed. */
#ifndef DISK_ATA_DEVICE_H
#define DISK_ATA_DEVICE_H

#include <portolan/driver_block.h>
#include <stdbool.h>
#include <stdint.h>

#define ATA_IDENTIFY_WORDS 256u
#define ATA_MODEL_MAX      40u

#define ATA_COMMAND_IDENTIFY        0xecu
#define ATA_COMMAND_IDENTIFY_PACKET 0xa1u
#define ATA_COMMAND_PACKET          0xa0u

#define ATA_STATUS_ERR 0x01u
#define ATA_STATUS_DRQ 0x08u
#define ATA_STATUS_DF  0x20u
#define ATA_STATUS_BSY 0x80u

/* How the data of a command goes. */
enum ata_protocol { ATA_PIO, ATA_DMA, ATA_QUEUED };

/* A device whose IDENTIFY data was found good. */
struct ata_device {
    uint64_t sectors;
    uint32_t sector_size; /* bytes: a power of two, 512 to 4096 */
    unsigned queue_depth; /* 0: no queued commands, else 1 to 32 */
    bool has_48_bits;     /* addresses and counts */
    bool has_dma;
    bool has_flush;
    char model[ATA_MODEL_MAX + 1]; /* printable */
    unsigned errors_told;
};

/* The registers of a command. */
struct ata_command {
    uint8_t command;
    uint8_t device; /* bit 4, which of two devices, is clear */
    uint16_t feature;
    uint16_t count;
    uint64_t lba;     /* 48 bits */
    bool has_48_bits; /* the upper halves are written too */
};

/* Read the words of IDENTIFY DEVICE, which may be anything. Returns: NULL, with *device filled in,
 * or what is wrong with them. */
const char *ata_device_decode(const uint16_t words[ATA_IDENTIFY_WORDS], struct ata_device *device);

/* The bytes of the model, of IDENTIFY DEVICE or IDENTIFY PACKET DEVICE, as far as they can be
 * printed. */
void ata_device_model(const uint16_t words[ATA_IDENTIFY_WORDS], char model[ATA_MODEL_MAX + 1]);

/* Fill in what a disk's driver tells the library, but for what depends on the controller. */
void ata_device_describe(const struct ata_device *device, struct block_disk *disk);

/* The command for a transfer of at most ata_device_describe()'s size. With ATA_QUEUED the tag is
 * the caller's to put into bits 3 to 7 of count.
 * Returns: false when it leaves what the device can address. */
bool ata_device_command(const struct ata_device *device, const struct block_transfer *transfer,
                        enum ata_protocol protocol, struct ata_command *command);

/* A line in the log about a transfer that failed, unless there were many: a client can make any
 * number of them. `why` ends it: "status 0x51, error 0x40". */
void ata_device_say(struct ata_device *device, int unit, const struct block_transfer *transfer,
                    const char *format, ...) __attribute__((format(printf, 4, 5)));

#endif
