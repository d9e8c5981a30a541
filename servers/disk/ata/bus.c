/* bus.c - the I/O ports of an IDE controller. */
#include "bus.h"

#include <portolan/driver.h>

uint8_t bus_get8(uint16_t port)
{
    return port_in8(port);
}

void bus_put8(uint16_t port, uint8_t value)
{
    port_out8(port, value);
}

void bus_put32(uint16_t port, uint32_t value)
{
    port_out32(port, value);
}

void bus_read(uint16_t port, void *to, uint32_t size)
{
    uint64_t words = size / 2;

    __asm__ volatile("rep insw" : "+D"(to), "+c"(words) : "d"(port) : "memory");
}

void bus_write(uint16_t port, const void *from, uint32_t size)
{
    uint64_t words = size / 2;

    __asm__ volatile("rep outsw" : "+S"(from), "+c"(words) : "d"(port) : "memory");
}
