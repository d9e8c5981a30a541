/* fixed.c - devices that are on no bus where they could be found, and that every PC has. Each is a
 * function without configuration space, whose registers and interrupt line are known. */
#include "device_master_impl.h"

/* Ids as PnP BIOS and ACPI name devices: the vendor is "PNP", compressed as in EISA. The classes
 * are those PCI has for them. */
static const struct pci_function fixed_functions[] = {
    {
        .is_fixed = true,
        .vendor = FIXED_VENDOR,
        .device = FIXED_CLOCK,
        .class = 0x080301,
        .line = 8,
        .bars = {{.base = 0x70, .size = 2, .is_io = true}},
    },
};

void fixed_scan(void (*found)(const struct pci_function *f))
{
    for (unsigned i = 0; i < sizeof(fixed_functions) / sizeof(fixed_functions[0]); i++) {
        found(&fixed_functions[i]);
    }
}
