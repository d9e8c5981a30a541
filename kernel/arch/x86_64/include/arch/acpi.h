/* acpi.h - the ACPI tables the kernel reads: processors and interrupt controllers, HPET, PCI
 * configuration space, DMA remapping, power. */
#ifndef ARCH_ACPI_H
#define ARCH_ACPI_H

#include <stdbool.h>
#include <stdint.h>

#include "arch/cpu.h"
#include "arch/dmar.h"
#include "arch/layout.h"

#define ACPI_IOAPIC_MAX 4

struct acpi_ioapic {
    phys_addr_t phys;
    uint32_t first_gsi;
};

/* Keys: [I] all, after acpi_init() */
struct acpi_info {
    phys_addr_t lapic;
    uint32_t apic_ids[CPU_MAX]; /* enabled processors; more than CPU_MAX are left off */
    uint32_t apic_id_count;
    struct acpi_ioapic ioapics[ACPI_IOAPIC_MAX];
    uint32_t ioapic_count;
    uint32_t isa_gsi[16];   /* where each legacy interrupt arrives */
    uint16_t isa_flags[16]; /* its polarity and trigger bits of the MADT */
    phys_addr_t hpet;       /* 0: none */
    phys_addr_t ecam;       /* PCI configuration space of segment 0, 0: none */
    uint8_t ecam_first_bus, ecam_last_bus;
    struct dmar_info dmar;               /* remapping units */
    uint16_t pm1a_control, pm1b_control; /* 0: none */
    bool has_s5;
    uint8_t s5_type_a, s5_type_b;
    bool has_reset;
    uint8_t reset_space, reset_value; /* 0 memory, 1 port */
    uint64_t reset_address;
};

extern struct acpi_info acpi_info;

/* Parse what the boot loader found; without ACPI one processor and the legacy interrupt
 * controller's defaults are assumed. */
void acpi_init(void);
/* Switch the machine off (S5), or start it again. Returns only when the hardware did not obey. */
void acpi_power_off(void);
void acpi_reset(void);

#endif
