/* acpi.c - static ACPI tables (ACPI specification 6.4, chapter 5). No AML interpreter: \_S5 is
 * found by its bytes in the DSDT. */
#include "arch/acpi.h"

#include "arch/boot_info.h"
#include "arch/io.h"
#include "kern/assert.h"
#include "kern/printf.h"
#include "kern/string.h"

struct acpi_header {
    char signature[4];
    uint32_t length;
    uint8_t revision, checksum;
    char oem[6], oem_table[8];
    uint32_t oem_revision, creator, creator_revision;
} __attribute__((packed));

struct acpi_madt {
    struct acpi_header header;
    uint32_t lapic;
    uint32_t flags;
    uint8_t entries[];
} __attribute__((packed));

struct acpi_madt_entry {
    uint8_t type, length;
    union {
        struct {
            uint8_t processor, apic_id;
            uint32_t flags;
        } __attribute__((packed)) lapic;
        struct {
            uint8_t id, reserved;
            uint32_t phys, first_gsi;
        } __attribute__((packed)) ioapic;
        struct {
            uint8_t bus, source;
            uint32_t gsi;
            uint16_t flags;
        } __attribute__((packed)) override;
        struct {
            uint16_t reserved;
            uint64_t phys;
        } __attribute__((packed)) lapic_address;
        struct {
            uint16_t reserved;
            uint32_t apic_id, flags, processor;
        } __attribute__((packed)) x2apic;
    };
} __attribute__((packed));

struct acpi_address {
    uint8_t space, width, offset, access;
    uint64_t address;
} __attribute__((packed));

struct acpi_fadt {
    struct acpi_header header;
    uint32_t firmware_control, dsdt;
    uint8_t reserved, profile;
    uint16_t sci;
    uint32_t smi_command;
    uint8_t acpi_enable, acpi_disable, s4bios, pstate;
    uint32_t pm1a_event, pm1b_event, pm1a_control, pm1b_control;
    uint8_t unused[40];
    uint32_t flags;
    struct acpi_address reset;
    uint8_t reset_value;
} __attribute__((packed));

struct acpi_hpet {
    struct acpi_header header;
    uint32_t block;
    struct acpi_address address;
} __attribute__((packed));

struct acpi_mcfg {
    struct acpi_header header;
    uint64_t reserved;
    uint64_t ecam;
    uint16_t segment;
    uint8_t first_bus, last_bus;
    uint32_t reserved2;
} __attribute__((packed));

#define FADT_RESET_SUPPORTED (1u << 10)
#define PM1_SLEEP_ENABLE     (1u << 13)

struct acpi_info acpi_info;

/* As the specification has them. */
static_assert(sizeof(struct acpi_header) == 36, "table header");
static_assert(sizeof(struct acpi_madt) == 44, "MADT");
static_assert(sizeof(struct acpi_address) == 12, "generic address");
static_assert(__builtin_offsetof(struct acpi_fadt, reset) == 116, "FADT");
static_assert(__builtin_offsetof(struct acpi_hpet, address) == 40, "HPET");
static_assert(__builtin_offsetof(struct acpi_mcfg, ecam) == 44, "MCFG");

static bool acpi_checksum_ok(const struct acpi_header *table)
{
    const uint8_t *bytes = (const uint8_t *)table;
    uint8_t sum = 0;

    for (uint32_t i = 0; i < table->length; i++) {
        sum = (uint8_t)(sum + bytes[i]);
    }
    return sum == 0;
}

static void acpi_add_processor(uint32_t apic_id, uint32_t flags)
{
    if ((flags & 1) != 0 && acpi_info.apic_id_count < CPU_MAX) {
        acpi_info.apic_ids[acpi_info.apic_id_count] = apic_id;
        acpi_info.apic_id_count++;
    }
}

static void acpi_read_madt_entry(const struct acpi_madt_entry *entry)
{
    switch (entry->type) {
    case 0:
        acpi_add_processor(entry->lapic.apic_id, entry->lapic.flags);
        break;
    case 1:
        if (acpi_info.ioapic_count < ACPI_IOAPIC_MAX) {
            acpi_info.ioapics[acpi_info.ioapic_count] =
                (struct acpi_ioapic){entry->ioapic.phys, entry->ioapic.first_gsi};
            acpi_info.ioapic_count++;
        }
        break;
    case 2:
        if (entry->override.source < 16) {
            acpi_info.isa_gsi[entry->override.source] = entry->override.gsi;
            acpi_info.isa_flags[entry->override.source] = entry->override.flags;
        }
        break;
    case 5:
        acpi_info.lapic = entry->lapic_address.phys;
        break;
    case 9:
        acpi_add_processor(entry->x2apic.apic_id, entry->x2apic.flags);
        break;
    default:
        break;
    }
}

static void acpi_read_madt(const struct acpi_madt *madt)
{
    const uint8_t *p = madt->entries;
    const uint8_t *end = (const uint8_t *)madt + madt->header.length;

    acpi_info.lapic = madt->lapic;
    while (p + 2 <= end && p[1] >= 2 && p + p[1] <= end) {
        acpi_read_madt_entry((const struct acpi_madt_entry *)p);
        p += p[1];
    }
}

/* \_S5: NameOp "_S5_" PackageOp length count value value; small constants are bytes, others have a
 * prefix 0x0a. */
static void acpi_read_s5(const struct acpi_header *dsdt)
{
    const uint8_t *bytes = (const uint8_t *)dsdt;

    for (uint32_t i = sizeof(*dsdt); i + 16 < dsdt->length; i++) {
        const uint8_t *p = bytes + i;

        if (memcmp(p, "_S5_", 4) != 0 || p[4] != 0x12) {
            continue;
        }
        p += 5;
        p += 1 + (*p >> 6); /* package length */
        p += 1;             /* number of elements */
        p += *p == 0x0a;
        acpi_info.s5_type_a = *p & 7;
        p += 1;
        p += *p == 0x0a;
        acpi_info.s5_type_b = *p & 7;
        acpi_info.has_s5 = true;
        return;
    }
}

static void acpi_read_fadt(const struct acpi_fadt *fadt)
{
    acpi_info.pm1a_control = (uint16_t)fadt->pm1a_control;
    acpi_info.pm1b_control = (uint16_t)fadt->pm1b_control;
    if (fadt->header.length >= sizeof(*fadt) && (fadt->flags & FADT_RESET_SUPPORTED) != 0) {
        acpi_info.has_reset = true;
        acpi_info.reset_space = fadt->reset.space;
        acpi_info.reset_address = fadt->reset.address;
        acpi_info.reset_value = fadt->reset_value;
    }
    if (fadt->dsdt != 0) {
        acpi_read_s5(phys_to_virt(fadt->dsdt));
    }
}

static void acpi_read_table(phys_addr_t phys)
{
    const struct acpi_header *table = phys_to_virt(phys);

    if (!acpi_checksum_ok(table)) {
        kprintf("acpi: table %.4s has a wrong checksum, ignored\n", table->signature);
    } else if (memcmp(table->signature, "APIC", 4) == 0) {
        acpi_read_madt((const struct acpi_madt *)table);
    } else if (memcmp(table->signature, "FACP", 4) == 0) {
        acpi_read_fadt((const struct acpi_fadt *)table);
    } else if (memcmp(table->signature, "HPET", 4) == 0) {
        acpi_info.hpet = ((const struct acpi_hpet *)table)->address.address;
    } else if (memcmp(table->signature, "MCFG", 4) == 0) {
        const struct acpi_mcfg *mcfg = (const struct acpi_mcfg *)table;

        acpi_info.ecam = mcfg->ecam;
        acpi_info.ecam_first_bus = mcfg->first_bus;
        acpi_info.ecam_last_bus = mcfg->last_bus;
    } else if (memcmp(table->signature, "DMAR", 4) == 0 &&
               !dmar_read(table, table->length, &acpi_info.dmar)) {
        kprintf("acpi: DMAR is damaged, ignored; devices reach all memory\n");
    }
}

static void acpi_read_root(phys_addr_t phys, uint32_t entry_size)
{
    const struct acpi_header *root = phys_to_virt(phys);
    const uint8_t *entries = (const uint8_t *)(root + 1);
    uint32_t n = (root->length - (uint32_t)sizeof(*root)) / entry_size;

    for (uint32_t i = 0; i < n; i++) {
        uint64_t table = 0;

        memcpy(&table, entries + (uint64_t)i * entry_size, entry_size);
        if (table != 0) {
            acpi_read_table(table);
        }
    }
}

void acpi_init(void)
{
    acpi_info.lapic = 0xfee00000;
    for (uint32_t i = 0; i < 16; i++) {
        acpi_info.isa_gsi[i] = i;
    }
    if (boot_info.rsdp_xsdt != 0) {
        acpi_read_root(boot_info.rsdp_xsdt, 8);
    } else if (boot_info.rsdp_rsdt != 0) {
        acpi_read_root(boot_info.rsdp_rsdt, 4);
    } else {
        kprintf("acpi: no tables; one processor, legacy interrupts\n");
    }
}

void acpi_power_off(void)
{
    if (!acpi_info.has_s5 || acpi_info.pm1a_control == 0) {
        return;
    }
    outw(acpi_info.pm1a_control, (uint16_t)(acpi_info.s5_type_a << 10 | PM1_SLEEP_ENABLE));
    if (acpi_info.pm1b_control != 0) {
        outw(acpi_info.pm1b_control, (uint16_t)(acpi_info.s5_type_b << 10 | PM1_SLEEP_ENABLE));
    }
}

void acpi_reset(void)
{
    if (acpi_info.has_reset && acpi_info.reset_space == 1) {
        outb((uint16_t)acpi_info.reset_address, acpi_info.reset_value);
    }
    if (acpi_info.has_reset && acpi_info.reset_space == 0) {
        *(volatile uint8_t *)phys_to_virt(acpi_info.reset_address) = acpi_info.reset_value;
    }
    outb(0xcf9, 0x06); /* PCI reset control */
    outb(0x64, 0xfe);  /* keyboard controller pulses the reset line */
}
