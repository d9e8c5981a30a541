/* bus.h - the I/O ports of an IDE controller. Tests of the host put devices of their own behind
 * them. */
#ifndef ATA_BUS_H
#define ATA_BUS_H

#include <stdint.h>

/* Behind a channel's first port. */
#define BUS_DATA    0u
#define BUS_ERROR   1u
#define BUS_FEATURE 1u
#define BUS_COUNT   2u
#define BUS_LOW     3u
#define BUS_MID     4u
#define BUS_HIGH    5u
#define BUS_DEVICE  6u
#define BUS_STATUS  7u
#define BUS_COMMAND 7u

/* Behind a channel's first port of the bus master. */
#define BUS_DMA_COMMAND 0u
#define BUS_DMA_STATUS  2u
#define BUS_DMA_TABLE   4u

uint8_t bus_get8(uint16_t port);
void bus_put8(uint16_t port, uint8_t value);
void bus_put32(uint16_t port, uint32_t value);
/* Bytes, an even number of them, from and to a data register. */
void bus_read(uint16_t port, void *to, uint32_t size);
void bus_write(uint16_t port, const void *from, uint32_t size);

#endif
