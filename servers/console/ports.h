/* ports.h - I/O ports of the machine. */
#ifndef CONSOLE_PORTS_H
#define CONSOLE_PORTS_H

#include <mach/port.h>
#include <stdbool.h>
#include <stdint.h>

/* Let this task use the I/O ports first to last. Returns: false when the kernel refuses. */
bool ports_grant(mach_port_t hardware, uint16_t first, uint16_t last);

static inline void port_write(uint16_t port, uint8_t value)
{
    __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static inline uint8_t port_read(uint16_t port)
{
    uint8_t value;

    __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

#endif
