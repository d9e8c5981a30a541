/* acpi_aml.c - AML is written as it is read: an operation, the length of what it covers, and that.
 * Every length takes two bytes, which are filled in when what it covers is known. */
#include "acpi_aml.h"

#include <stdbool.h>
#include <string.h>

#include "pci.h"
#include "power.h"

#define OP_ZERO    0x00u
#define OP_NAME    0x08u
#define OP_BYTE    0x0au
#define OP_DWORD   0x0cu
#define OP_SCOPE   0x10u
#define OP_BUFFER  0x11u
#define OP_PACKAGE 0x12u
#define OP_EXT     0x5bu
#define EXT_DEVICE 0x82u

#define LENGTH_TWO 0x40u

/* Small resources: the item's byte and what follows. */
#define RESOURCE_IRQ  0x22u
#define RESOURCE_PORT 0x47u
#define RESOURCE_END  0x79u
/* Large ones. */
#define RESOURCE_WORD  0x88u
#define RESOURCE_DWORD 0x87u

enum { RANGE_MEMORY, RANGE_PORTS, RANGE_BUS };
#define RANGE_FIXED        0x0cu
#define RANGE_ENTIRE_PORTS 3u
#define RANGE_WRITABLE     1u

#define EISA_PCI    0x030ad041u /* PNP0A03 */
#define EISA_SERIAL 0x0105d041u /* PNP0501 */
#define EISA_CLOCK  0x000bd041u /* PNP0B00 */

struct aml {
    uint8_t *bytes;
    unsigned used;
    bool is_full;
};

static void acpi_aml_byte(struct aml *a, unsigned byte)
{
    if (a->used == ACPI_AML_MAX) {
        a->is_full = true;
        return;
    }
    a->bytes[a->used] = (uint8_t)byte;
    a->used++;
}

static void acpi_aml_bytes(struct aml *a, const void *bytes, unsigned size)
{
    for (unsigned i = 0; i < size; i++) {
        acpi_aml_byte(a, ((const uint8_t *)bytes)[i]);
    }
}

static void acpi_aml_number(struct aml *a, uint32_t value, unsigned size)
{
    for (unsigned i = 0; i < size; i++) {
        acpi_aml_byte(a, value >> 8 * i & 0xff);
    }
}

static void acpi_aml_integer(struct aml *a, uint32_t value)
{
    if (value == 0) {
        acpi_aml_byte(a, OP_ZERO);
    } else {
        acpi_aml_byte(a, value < 256 ? OP_BYTE : OP_DWORD);
        acpi_aml_number(a, value, value < 256 ? 1 : 4);
    }
}

/* Something with a length. Returns: where that is, for acpi_aml_end(). */
static unsigned acpi_aml_begin(struct aml *a, unsigned operation)
{
    acpi_aml_byte(a, operation);
    acpi_aml_number(a, 0, 2);
    return a->used - 2;
}

static void acpi_aml_end(struct aml *a, unsigned at)
{
    unsigned length = a->used - at;

    if (!a->is_full) {
        a->bytes[at] = (uint8_t)(LENGTH_TWO | (length & 15));
        a->bytes[at + 1] = (uint8_t)(length >> 4);
    }
}

/* A name of four characters for what comes next. */
static void acpi_aml_name(struct aml *a, const char *name)
{
    acpi_aml_byte(a, OP_NAME);
    acpi_aml_bytes(a, name, 4);
}

static unsigned acpi_aml_device(struct aml *a, const char *name, uint32_t id)
{
    unsigned at;

    acpi_aml_byte(a, OP_EXT);
    at = acpi_aml_begin(a, EXT_DEVICE);
    acpi_aml_bytes(a, name, 4);
    acpi_aml_name(a, "_HID");
    acpi_aml_byte(a, OP_DWORD);
    acpi_aml_number(a, id, 4);
    acpi_aml_name(a, "_UID");
    acpi_aml_integer(a, 0);
    return at;
}

/* --- resources --- */

/* _CRS: a buffer, whose size is told twice. */
static unsigned acpi_aml_begin_resources(struct aml *a, unsigned *size_at)
{
    unsigned at;

    acpi_aml_name(a, "_CRS");
    at = acpi_aml_begin(a, OP_BUFFER);
    acpi_aml_byte(a, OP_BYTE);
    *size_at = a->used;
    acpi_aml_byte(a, 0);
    return at;
}

static void acpi_aml_end_resources(struct aml *a, unsigned at, unsigned size_at)
{
    acpi_aml_byte(a, RESOURCE_END);
    acpi_aml_byte(a, 0);
    if (!a->is_full) {
        a->bytes[size_at] = (uint8_t)(a->used - size_at - 1);
    }
    acpi_aml_end(a, at);
}

static void acpi_aml_ports(struct aml *a, uint16_t base, uint8_t count)
{
    acpi_aml_byte(a, RESOURCE_PORT);
    acpi_aml_byte(a, 1); /* all 16 bits are decoded */
    acpi_aml_number(a, base, 2);
    acpi_aml_number(a, base, 2);
    acpi_aml_byte(a, 1);
    acpi_aml_byte(a, count);
}

static void acpi_aml_irq(struct aml *a, unsigned irq)
{
    acpi_aml_byte(a, RESOURCE_IRQ);
    acpi_aml_number(a, 1u << irq, 2);
}

/* What a bridge passes on; numbers of `size` bytes. */
static void acpi_aml_range(struct aml *a, unsigned size, unsigned kind, unsigned flags,
                           uint32_t first, uint32_t last)
{
    acpi_aml_byte(a, size == 2 ? RESOURCE_WORD : RESOURCE_DWORD);
    acpi_aml_number(a, 3 + 5 * size, 2);
    acpi_aml_byte(a, kind);
    acpi_aml_byte(a, RANGE_FIXED);
    acpi_aml_byte(a, flags);
    acpi_aml_number(a, 0, size); /* granularity */
    acpi_aml_number(a, first, size);
    acpi_aml_number(a, last, size);
    acpi_aml_number(a, 0, size); /* translation */
    acpi_aml_number(a, last - first + 1, size);
}

/* --- devices --- */

/* Which line the interrupt of each slot is on. */
static void acpi_aml_routes(struct aml *a, const uint8_t *pci_irqs)
{
    unsigned all;

    acpi_aml_name(a, "_PRT");
    all = acpi_aml_begin(a, OP_PACKAGE);
    acpi_aml_byte(a, PCI_SLOTS - 1);
    for (unsigned slot = 1; slot < PCI_SLOTS; slot++) {
        unsigned one = acpi_aml_begin(a, OP_PACKAGE);

        acpi_aml_byte(a, 4);
        acpi_aml_integer(a, slot << 16 | 0xffff);
        acpi_aml_integer(a, 0); /* INTA */
        acpi_aml_integer(a, 0); /* straight to the controller */
        acpi_aml_integer(a, pci_irqs[slot % PCI_LINES]);
        acpi_aml_end(a, one);
    }
    acpi_aml_end(a, all);
}

static void acpi_aml_pci(struct aml *a, const uint8_t *pci_irqs)
{
    unsigned device = acpi_aml_device(a, "PCI0", EISA_PCI);
    unsigned size, resources = acpi_aml_begin_resources(a, &size);

    acpi_aml_range(a, 2, RANGE_BUS, 0, 0, 0);
    acpi_aml_ports(a, 0xcf8, 8);
    acpi_aml_range(a, 2, RANGE_PORTS, RANGE_ENTIRE_PORTS, 0, 0xcf7);
    acpi_aml_range(a, 2, RANGE_PORTS, RANGE_ENTIRE_PORTS, 0xd00, PCI_PORTS_END - 1);
    acpi_aml_range(a, 4, RANGE_MEMORY, RANGE_WRITABLE, PCI_MEMORY_BASE, PCI_MEMORY_END - 1);
    acpi_aml_end_resources(a, resources, size);
    acpi_aml_routes(a, pci_irqs);
    acpi_aml_end(a, device);
}

static void acpi_aml_isa(struct aml *a, const char *name, uint32_t id, uint16_t base, uint8_t count,
                         unsigned irq)
{
    unsigned device = acpi_aml_device(a, name, id);
    unsigned size, resources = acpi_aml_begin_resources(a, &size);

    acpi_aml_ports(a, base, count);
    acpi_aml_irq(a, irq);
    acpi_aml_end_resources(a, resources, size);
    acpi_aml_end(a, device);
}

static void acpi_aml_off(struct aml *a)
{
    unsigned package;

    acpi_aml_name(a, "_S5_");
    package = acpi_aml_begin(a, OP_PACKAGE);
    acpi_aml_byte(a, 4);
    acpi_aml_integer(a, POWER_SLEEP_OFF);
    acpi_aml_integer(a, POWER_SLEEP_OFF);
    acpi_aml_integer(a, 0);
    acpi_aml_integer(a, 0);
    acpi_aml_end(a, package);
}

unsigned acpi_aml_devices(uint8_t *bytes, const uint8_t *pci_irqs)
{
    struct aml a = {bytes, 0, false};
    unsigned scope;

    acpi_aml_off(&a);
    scope = acpi_aml_begin(&a, OP_SCOPE);
    acpi_aml_bytes(&a, "_SB_", 4);
    acpi_aml_pci(&a, pci_irqs);
    acpi_aml_isa(&a, "COM1", EISA_SERIAL, 0x3f8, 8, 4);
    acpi_aml_isa(&a, "RTC_", EISA_CLOCK, 0x70, 2, 8);
    acpi_aml_end(&a, scope);
    return a.is_full ? 0 : a.used;
}
