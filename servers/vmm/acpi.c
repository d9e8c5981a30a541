/* acpi.c - the tables, one behind the other, each with its checksum. */
#include "acpi.h"

#include <string.h>

#include "acpi_aml.h"
#include "hpet.h"
#include "ioapic.h"
#include "load.h"
#include "power.h"

#define ALIGNMENT     64u
#define HEAD          36u /* of a table */
#define OEM           "PORTLN"
#define OEM_TABLE     "VMM     "
#define CREATOR       "PTLN"
#define CHECKSUM      9u /* where it is in a table */
#define ROOT_SIZE     36u
#define ROOT_OLD_SIZE 20u /* what its first checksum covers */
#define FACS_SIZE     64u
#define FADT_SIZE     276u
#define TABLES_MAX    3u /* beside the DSDT */

#define SCI_IRQ    9u
#define CENTURY    0x32u
#define NO_C_STATE 0xfffu
#define BOOT_ARCH  0x5u /* legacy devices, no VGA, no 8042 that anything hangs on */
/* WBINVD, C1, no fixed buttons and alarm, 32-bit timer, reset register */
#define FLAGS 0x575u

#define APIC_BASE    0xfee00000u
#define TIMER_GSI    2u
#define MADT_PC      1u /* there are 8259s, too */
#define ISA_DEFAULT  0u
#define LEVEL_HIGH   0x0du
#define EVERY_CPU    0xffu
#define HPET_MINIMUM 0x80u /* ticks */

struct acpi {
    struct memory *memory;
    uint64_t next; /* where the next table goes */
    bool is_full;
};

static void acpi_put(uint8_t *table, unsigned offset, unsigned size, uint64_t value)
{
    for (unsigned i = 0; i < size; i++) {
        table[offset + i] = (uint8_t)(value >> 8 * i);
    }
}

static uint8_t acpi_sum(const uint8_t *bytes, unsigned size)
{
    uint8_t sum = 0;

    for (unsigned i = 0; i < size; i++) {
        sum += bytes[i];
    }
    return (uint8_t)-sum;
}

/* Copy it into the guest's memory. Returns: where. */
static uint64_t acpi_place(struct acpi *a, const uint8_t *bytes, unsigned size)
{
    uint64_t address = a->next;

    if (address + size > LOAD_LOW_TOP || !memory_write(a->memory, address, bytes, size)) {
        a->is_full = true;
        return 0;
    }
    a->next = (address + size + ALIGNMENT - 1) & ~(uint64_t)(ALIGNMENT - 1);
    return address;
}

/* Finish a table: its head and checksum. Returns: where it is. */
static uint64_t acpi_table(struct acpi *a, uint8_t *table, unsigned size, const char *signature,
                           uint8_t revision)
{
    memcpy(table, signature, 4);
    acpi_put(table, 4, 4, size);
    table[8] = revision;
    table[CHECKSUM] = 0;
    memcpy(table + 10, OEM, 6);
    memcpy(table + 16, OEM_TABLE, 8);
    acpi_put(table, 24, 4, 1);
    memcpy(table + 28, CREATOR, 4);
    acpi_put(table, 32, 4, 1);
    table[CHECKSUM] = acpi_sum(table, size);
    return acpi_place(a, table, size);
}

/* A generic address: a port, or (is_memory) a register in memory. */
static void acpi_put_address(uint8_t *table, unsigned offset, unsigned bytes, bool is_memory,
                             uint64_t address)
{
    table[offset] = is_memory ? 0 : 1;
    table[offset + 1] = (uint8_t)(8 * bytes);
    table[offset + 3] = (uint8_t)(bytes == 4 ? 3 : bytes); /* the width of an access */
    acpi_put(table, offset + 4, 8, address);
}

static uint64_t acpi_build_facs(struct acpi *a)
{
    uint8_t table[FACS_SIZE] = "FACS";

    acpi_put(table, 4, 4, FACS_SIZE);
    table[32] = 2; /* version */
    return acpi_place(a, table, FACS_SIZE);
}

static uint64_t acpi_build_dsdt(struct acpi *a, const uint8_t *pci_irqs)
{
    uint8_t table[HEAD + ACPI_AML_MAX] = {0};
    unsigned size = acpi_aml_devices(table + HEAD, pci_irqs);

    a->is_full |= size == 0;
    return acpi_table(a, table, HEAD + size, "DSDT", 2);
}

static uint64_t acpi_build_fadt(struct acpi *a, uint64_t facs, uint64_t dsdt)
{
    uint8_t table[FADT_SIZE] = {0};

    acpi_put(table, 36, 4, facs);
    acpi_put(table, 40, 4, dsdt);
    acpi_put(table, 46, 2, SCI_IRQ);
    acpi_put(table, 56, 4, POWER_EVENTS);
    acpi_put(table, 64, 4, POWER_CONTROL);
    acpi_put(table, 76, 4, POWER_TIMER);
    table[88] = 4; /* lengths of the three */
    table[89] = 2;
    table[91] = 4;
    acpi_put(table, 96, 2, NO_C_STATE);
    acpi_put(table, 98, 2, NO_C_STATE);
    table[108] = CENTURY;
    acpi_put(table, 109, 2, BOOT_ARCH);
    acpi_put(table, 112, 4, FLAGS);
    acpi_put_address(table, 116, 1, false, POWER_RESET);
    table[128] = POWER_RESET_VALUE;
    acpi_put(table, 140, 8, dsdt);
    acpi_put_address(table, 148, 4, false, POWER_EVENTS);
    acpi_put_address(table, 172, 2, false, POWER_CONTROL);
    acpi_put_address(table, 208, 4, false, POWER_TIMER);
    return acpi_table(a, table, FADT_SIZE, "FACP", 6);
}

/* --- interrupt controllers --- */

static unsigned acpi_put_bytes(uint8_t *table, unsigned offset, const uint8_t *bytes)
{
    memcpy(table + offset, bytes, bytes[1]); /* an entry's second byte is its size */
    return offset + bytes[1];
}

static uint64_t acpi_build_madt(struct acpi *a, unsigned vcpu_count)
{
    uint8_t table[HEAD + 8 + 8 * 256 + 64] = {0};
    uint8_t ioapic[12] = {1, 12, (uint8_t)vcpu_count};
    const uint8_t timer[10] = {2, 10, 0, 0, TIMER_GSI, 0, 0, 0, ISA_DEFAULT, 0};
    const uint8_t sci[10] = {2, 10, 0, SCI_IRQ, SCI_IRQ, 0, 0, 0, LEVEL_HIGH, 0};
    const uint8_t nmi[6] = {4, 6, EVERY_CPU, 0, 0, 1};
    unsigned at = HEAD + 8;

    acpi_put(table, HEAD, 4, APIC_BASE);
    acpi_put(table, HEAD + 4, 4, MADT_PC);
    for (unsigned i = 0; i < vcpu_count && i < 256; i++) {
        const uint8_t local[8] = {0, 8, (uint8_t)i, (uint8_t)i, 1, 0, 0, 0};

        at = acpi_put_bytes(table, at, local);
    }
    acpi_put(ioapic, 4, 4, IOAPIC_BASE);
    at = acpi_put_bytes(table, at, ioapic);
    at = acpi_put_bytes(table, at, timer);
    at = acpi_put_bytes(table, at, sci);
    at = acpi_put_bytes(table, at, nmi);
    return acpi_table(a, table, at, "APIC", 5);
}

static uint64_t acpi_build_hpet(struct acpi *a)
{
    uint8_t table[56] = {0};

    acpi_put(table, 36, 4, HPET_ID);
    acpi_put_address(table, 40, 8, true, HPET_BASE);
    table[43] = 0;
    acpi_put(table, 53, 2, HPET_MINIMUM);
    return acpi_table(a, table, sizeof(table), "HPET", 1);
}

/* --- the root --- */

static void acpi_put_root(struct acpi *a, uint64_t address, uint64_t xsdt)
{
    uint8_t root[ROOT_SIZE] = "RSD PTR ";

    memcpy(root + 9, OEM, 6);
    root[15] = 2;
    acpi_put(root, 20, 4, ROOT_SIZE);
    acpi_put(root, 24, 8, xsdt);
    root[8] = acpi_sum(root, ROOT_OLD_SIZE);
    root[32] = acpi_sum(root, ROOT_SIZE);
    a->is_full |= !memory_write(a->memory, address, root, sizeof(root));
}

uint64_t acpi_build(struct memory *memory, const struct acpi_options *options)
{
    struct acpi a = {memory, LOAD_ACPI + ALIGNMENT, false};
    uint8_t xsdt[HEAD + 8 * TABLES_MAX] = {0};
    unsigned at = HEAD;
    uint64_t facs = acpi_build_facs(&a);
    uint64_t dsdt = acpi_build_dsdt(&a, options->pci_irqs);

    acpi_put(xsdt, at, 8, acpi_build_fadt(&a, facs, dsdt));
    at += 8;
    if (options->has_apic) {
        acpi_put(xsdt, at, 8, acpi_build_madt(&a, options->vcpu_count));
        at += 8;
    }
    if (options->has_hpet) {
        acpi_put(xsdt, at, 8, acpi_build_hpet(&a));
        at += 8;
    }
    acpi_put_root(&a, LOAD_ACPI, acpi_table(&a, xsdt, at, "XSDT", 1));
    return a.is_full ? 0 : LOAD_ACPI;
}
