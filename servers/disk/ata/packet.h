/* packet.h - devices that take packets (ATA8-ACS 7.18; the packets are SCSI's, MMC-6): CDs, to be
 * read. */
#ifndef ATA_PACKET_H
#define ATA_PACKET_H

#include <stdbool.h>
#include <stdint.h>

#define PACKET_SIZE   12u
#define PACKET_SECTOR 2048u

/* Does IDENTIFY PACKET DEVICE say that it is a CD that takes packets of this size? */
bool packet_is_cd(const uint16_t *words);

/* Fill in READ CAPACITY(10), and READ(10) of count sectors. */
void packet_capacity(uint8_t packet[PACKET_SIZE]);
void packet_read(uint8_t packet[PACKET_SIZE], uint32_t sector, uint16_t count);

/* The answer to the first. Returns: sectors, 0 when they are not of PACKET_SECTOR bytes. */
uint64_t packet_sectors(const uint8_t answer[8]);

#endif
