/* ata_packet.h - devices that take packets (ATA8-ACS 7.18; the packets are SCSI's, MMC-6): CDs, to
 * be read. */
#ifndef DISK_ATA_PACKET_H
#define DISK_ATA_PACKET_H

#include <portolan/driver_block.h>
#include <stdbool.h>
#include <stdint.h>

#define ATA_PACKET_SIZE   12u
#define ATA_PACKET_SECTOR 2048u

/* Does IDENTIFY PACKET DEVICE say that it is a CD that takes packets of this size? */
bool ata_packet_is_cd(const uint16_t *words);

/* Fill in READ CAPACITY(10), and READ(10) of count sectors. */
void ata_packet_capacity(uint8_t packet[ATA_PACKET_SIZE]);
void ata_packet_read(uint8_t packet[ATA_PACKET_SIZE], uint32_t sector, uint16_t count);

/* The answer to the first. Returns: sectors, 0 when they are not of ATA_PACKET_SECTOR bytes. */
uint64_t ata_packet_sectors(const uint8_t answer[8]);

/* Fill in what the driver of a CD with so many sectors tells the library, but for what depends on
 * the controller. */
void ata_packet_describe(uint64_t sectors, struct block_disk *disk);

#endif
