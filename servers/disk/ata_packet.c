/* ata_packet.c - the packets for reading a CD. */
#include "ata_packet.h"

#include <string.h>

#define READ_CAPACITY 0x25u
#define READ_10       0x28u
#define TYPE_CD       5u
#define READ_MAX      (128u * 1024)

/* Bits 15 and 14: packets; 12 to 8: the type; 1 and 0: the size of a packet. */
bool ata_packet_is_cd(const uint16_t *words)
{
    return (words[0] & 0xc000u) == 0x8000u && (words[0] >> 8 & 0x1fu) == TYPE_CD &&
           (words[0] & 3u) == 0;
}

void ata_packet_capacity(uint8_t packet[ATA_PACKET_SIZE])
{
    memset(packet, 0, ATA_PACKET_SIZE);
    packet[0] = READ_CAPACITY;
}

void ata_packet_read(uint8_t packet[ATA_PACKET_SIZE], uint32_t sector, uint16_t count)
{
    memset(packet, 0, ATA_PACKET_SIZE);
    packet[0] = READ_10;
    packet[2] = (uint8_t)(sector >> 24);
    packet[3] = (uint8_t)(sector >> 16);
    packet[4] = (uint8_t)(sector >> 8);
    packet[5] = (uint8_t)sector;
    packet[7] = (uint8_t)(count >> 8);
    packet[8] = (uint8_t)count;
}

static uint32_t ata_packet_get32(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

uint64_t ata_packet_sectors(const uint8_t answer[8])
{
    return ata_packet_get32(answer + 4) == ATA_PACKET_SECTOR
               ? (uint64_t)ata_packet_get32(answer) + 1
               : 0;
}

void ata_packet_describe(uint64_t sectors, struct block_disk *disk)
{
    disk->kind = "cd";
    disk->is_read_only = disk->is_whole = true;
    disk->sectors = sectors;
    disk->sector_size = ATA_PACKET_SECTOR;
    disk->max_size = READ_MAX;
    disk->alignment = 2;
}
