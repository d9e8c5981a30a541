/* registers.c - the registers of an AHCI controller, in the memory of its last base address
 * register. */
#include "registers.h"

#include <portolan/driver.h>

#define BAR 5

static vm_address_t registers_base;
static vm_size_t registers_size;

unsigned registers_map(void)
{
    vm_size_t room;

    if (driver_map(driver.port, BAR, HARDWARE_CACHE_NONE, &registers_base, &registers_size) !=
            KERN_SUCCESS ||
        registers_size < HBA_PORTS + HBA_PORT) {
        driver_fail("no AHCI controller");
    }
    room = (registers_size - HBA_PORTS) / HBA_PORT;
    return room < HBA_PORT_MAX ? (unsigned)room : HBA_PORT_MAX;
}

uint32_t registers_get(unsigned offset)
{
    if (registers_size < 4 || offset > registers_size - 4) {
        return ~0u;
    }
    return *(volatile uint32_t *)(registers_base + offset);
}

void registers_put(unsigned offset, uint32_t value)
{
    if (registers_size >= 4 && offset <= registers_size - 4) {
        *(volatile uint32_t *)(registers_base + offset) = value;
    }
}
