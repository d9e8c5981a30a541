/* ata_device.c - the words of IDENTIFY DEVICE, each believed only within bounds, and the commands
 * for reading, writing and flushing with 28 and 48 bits. */
#include "ata_device.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define WORD_CONFIGURATION 0
#define WORD_MODEL         27
#define WORD_CAPABILITIES  49
#define WORD_SECTORS_28    60
#define WORD_QUEUE_DEPTH   75
#define WORD_SATA          76
#define WORD_SETS          83
#define WORD_SECTORS_48    100
#define WORD_SECTOR_SIZE   106
#define WORD_SECTOR_WORDS  117
#define WORD_CHECKSUM      255

#define CONFIGURATION_PACKET 0x8000u /* no ATA disk */
#define CAPABILITIES_DMA     0x0100u
#define CAPABILITIES_LBA     0x0200u
#define SATA_QUEUED          0x0100u
#define SETS_48_BITS         0x0400u
#define SETS_FLUSH           0x1000u
#define SETS_FLUSH_EXT       0x2000u
#define SECTOR_SIZE_LARGE    0x1000u /* words 117 and 118 say how large */
#define CHECKSUM_THERE       0x00a5u

#define COMMAND_READ          0x20u
#define COMMAND_READ_EXT      0x24u
#define COMMAND_READ_DMA      0xc8u
#define COMMAND_READ_DMA_EXT  0x25u
#define COMMAND_READ_QUEUED   0x60u
#define COMMAND_WRITE         0x30u
#define COMMAND_WRITE_EXT     0x34u
#define COMMAND_WRITE_DMA     0xcau
#define COMMAND_WRITE_DMA_EXT 0x35u
#define COMMAND_WRITE_QUEUED  0x61u
#define COMMAND_FLUSH         0xe7u
#define COMMAND_FLUSH_EXT     0xeau
#define DEVICE_LBA            0x40u

#define SECTORS_28_MAX  (1ull << 28)
#define SECTORS_48_MAX  (1ull << 48)
#define COUNT_28_MAX    256u
#define COUNT_48_MAX    65536u
#define TRANSFER_MAX    (1u << 20)
#define ERRORS_TOLD_MAX 64u

/* Words of which two bits say that the others mean something. */
static bool ata_device_is_valid(uint16_t word)
{
    return (word & 0xc000u) == 0x4000u;
}

static bool ata_device_checksum_is_good(const uint16_t *words)
{
    uint8_t sum = 0;

    if ((words[WORD_CHECKSUM] & 0xffu) != CHECKSUM_THERE) {
        return true; /* old devices have none */
    }
    for (unsigned i = 0; i < ATA_IDENTIFY_WORDS; i++) {
        sum = (uint8_t)(sum + (words[i] & 0xffu) + (words[i] >> 8));
    }
    return sum == 0;
}

static uint32_t ata_device_sector_size(const uint16_t *words)
{
    uint32_t nwords = words[WORD_SECTOR_WORDS] | (uint32_t)words[WORD_SECTOR_WORDS + 1] << 16;

    if (!ata_device_is_valid(words[WORD_SECTOR_SIZE]) ||
        (words[WORD_SECTOR_SIZE] & SECTOR_SIZE_LARGE) == 0) {
        return 512;
    }
    return nwords <= 2048 ? nwords * 2 : 0;
}

static uint64_t ata_device_sectors(const uint16_t *words, bool has_48_bits)
{
    const uint16_t *at = words + (has_48_bits ? WORD_SECTORS_48 : WORD_SECTORS_28);
    uint64_t low = at[0] | (uint64_t)at[1] << 16;

    return has_48_bits ? low | (uint64_t)at[2] << 32 | (uint64_t)at[3] << 48 : low;
}

void ata_device_model(const uint16_t words[ATA_IDENTIFY_WORDS], char model[ATA_MODEL_MAX + 1])
{
    unsigned n = ATA_MODEL_MAX;

    for (unsigned i = 0; i < ATA_MODEL_MAX; i++) {
        uint16_t word = words[WORD_MODEL + i / 2];
        uint8_t c = (uint8_t)(i % 2 == 0 ? word >> 8 : word);

        model[i] = (char)(c >= ' ' && c <= '~' ? c : '?');
    }
    while (n != 0 && model[n - 1] == ' ') {
        n--;
    }
    model[n] = '\0';
}

const char *ata_device_decode(const uint16_t words[ATA_IDENTIFY_WORDS], struct ata_device *device)
{
    uint16_t sets = ata_device_is_valid(words[WORD_SETS]) ? words[WORD_SETS] : 0;
    uint16_t sata = words[WORD_SATA] == 0xffffu ? 0 : words[WORD_SATA];
    struct ata_device d = {
        .has_48_bits = (sets & SETS_48_BITS) != 0,
        .has_dma = (words[WORD_CAPABILITIES] & CAPABILITIES_DMA) != 0,
        .sector_size = ata_device_sector_size(words),
    };

    d.has_flush = (sets & (d.has_48_bits ? SETS_FLUSH_EXT | SETS_FLUSH : SETS_FLUSH)) != 0;
    d.sectors = ata_device_sectors(words, d.has_48_bits);
    if (d.has_48_bits && d.has_dma && (sata & SATA_QUEUED) != 0) {
        d.queue_depth = (words[WORD_QUEUE_DEPTH] & 31u) + 1;
    }
    if ((words[WORD_CONFIGURATION] & CONFIGURATION_PACKET) != 0) {
        return "it does not say that it is an ATA disk";
    }
    if (!ata_device_checksum_is_good(words)) {
        return "the checksum of what it says is wrong";
    }
    if ((words[WORD_CAPABILITIES] & CAPABILITIES_LBA) == 0) {
        return "it has no addresses of sectors";
    }
    if (d.sector_size < 512 || (d.sector_size & (d.sector_size - 1)) != 0) {
        return "its sectors have a size that cannot be";
    }
    if (d.sectors == 0 || d.sectors > (d.has_48_bits ? SECTORS_48_MAX : SECTORS_28_MAX)) {
        return "it has a number of sectors that cannot be";
    }
    ata_device_model(words, d.model);
    *device = d;
    return NULL;
}

void ata_device_describe(const struct ata_device *device, struct block_disk *disk)
{
    uint32_t most = (device->has_48_bits ? COUNT_48_MAX : COUNT_28_MAX) * device->sector_size;

    disk->sectors = device->sectors;
    disk->sector_size = device->sector_size;
    disk->has_cache = device->has_flush;
    disk->max_size = most < TRANSFER_MAX ? most : TRANSFER_MAX;
    disk->alignment = 2;
}

/* [write][48 bits][protocol] */
static const uint8_t ata_device_commands[2][2][3] = {
    {{COMMAND_READ, COMMAND_READ_DMA, 0},
     {COMMAND_READ_EXT, COMMAND_READ_DMA_EXT, COMMAND_READ_QUEUED}},
    {{COMMAND_WRITE, COMMAND_WRITE_DMA, 0},
     {COMMAND_WRITE_EXT, COMMAND_WRITE_DMA_EXT, COMMAND_WRITE_QUEUED}},
};

bool ata_device_command(const struct ata_device *device, const struct block_transfer *transfer,
                        enum ata_protocol protocol, struct ata_command *command)
{
    bool is_48 = device->has_48_bits;
    uint64_t count = transfer->size / device->sector_size;
    struct ata_command c = {.device = DEVICE_LBA, .has_48_bits = is_48};

    if (transfer->operation == BLOCK_FLUSH) {
        c.command = is_48 ? COMMAND_FLUSH_EXT : COMMAND_FLUSH;
        *command = c;
        return true;
    }
    if (count == 0 || count > (is_48 ? COUNT_48_MAX : COUNT_28_MAX) ||
        transfer->sector >= device->sectors || count > device->sectors - transfer->sector) {
        return false;
    }
    c.command = ata_device_commands[transfer->operation == BLOCK_WRITE][is_48][protocol];
    c.lba = transfer->sector;
    if (!is_48) {
        c.device |= (uint8_t)(transfer->sector >> 24);
    }
    if (protocol == ATA_QUEUED) {
        c.feature = (uint16_t)count; /* 0: 65536 */
    } else {
        c.count = (uint16_t)(is_48 ? count : count & 0xffu); /* 0: 65536, 256 */
    }
    *command = c;
    return c.command != 0;
}

void ata_device_say(struct ata_device *device, int unit, const struct block_transfer *transfer,
                    const char *format, ...)
{
    static const char *const words[] = {"read", "write", "flush"};
    char why[80];
    va_list list;

    if (device->errors_told >= ERRORS_TOLD_MAX) {
        return;
    }
    device->errors_told++;
    va_start(list, format);
    vsnprintf(why, sizeof(why), format, list);
    va_end(list);
    driver_say("unit %d: %s of %u bytes at sector %llu: %s%s", unit, words[transfer->operation],
               transfer->size, (unsigned long long)transfer->sector, why,
               device->errors_told == ERRORS_TOLD_MAX ? "; of others nothing is said" : "");
}
