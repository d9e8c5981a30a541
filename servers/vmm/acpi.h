/* acpi.h - what a machine says of itself by ACPI (ACPI Specification 6.4, chapters 5, 6, 20): the
 * tables of fixed hardware, interrupt controllers and timers, and the names of devices in AML. */
#ifndef VMM_ACPI_H
#define VMM_ACPI_H

#include <stdbool.h>
#include <stdint.h>

#include "memory.h"

struct acpi_options {
    unsigned vcpu_count;
    bool has_apic; /* local APICs and the I/O APIC: then there is a MADT */
    bool has_hpet;
    const uint8_t *pci_irqs; /* of PCI_LINES lines */
};

/* Write the tables at LOAD_ACPI. Returns: where the root pointer is; 0: they do not fit. */
uint64_t acpi_build(struct memory *memory, const struct acpi_options *options);

#endif
