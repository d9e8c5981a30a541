/* acpi_aml.h - the devices of a machine and the state in which it is off, in AML (ACPI
 * Specification 6.4, chapter 20; resources: 6.4). */
#ifndef VMM_ACPI_AML_H
#define VMM_ACPI_AML_H

#include <stdint.h>

#define ACPI_AML_MAX 2048u

/* Write it; pci_irqs are of PCI_LINES lines. Returns: how many bytes, 0: more than ACPI_AML_MAX. */
unsigned acpi_aml_devices(uint8_t *bytes, const uint8_t *pci_irqs);

#endif
