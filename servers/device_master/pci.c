/* pci.c - PCI functions through configuration space: in memory (ECAM) where the firmware tells of
 * it, else through the ports 0xcf8 and 0xcfc. What a device says is checked: lists end, buses are
 * visited once. */
#include "pci.h"

#include <hardware.h>
#include <mach/hardware.h>
#include <mach_i386.h>
#include <mach_port.h>
#include <portolan/driver.h>
#include <portolan/portolan.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#define CONFIG_ADDRESS 0xcf8
#define CONFIG_DATA    0xcfc
#define BUS_SIZE       (1ul << 20) /* of ECAM */
#define FUNCTION_SIZE  4096u

#define VENDOR        0x00
#define COMMAND       0x04
#define STATUS        0x06
#define CLASS         0x08
#define HEADER_TYPE   0x0e
#define BAR           0x10
#define SECONDARY_BUS 0x19
#define CAPABILITIES  0x34
#define INTERRUPT     0x3c

#define COMMAND_IO         0x001u
#define COMMAND_MEMORY     0x002u
#define COMMAND_MASTER     0x004u
#define COMMAND_INTX_OFF   0x400u
#define STATUS_LIST        0x10u
#define HEADER_MULTIPLE    0x80u
#define HEADER_BRIDGE      1u
#define CAPABILITIES_FIRST 0x40u
#define CAPABILITIES_MAX   48u
#define BAR_IO             1u
#define BAR_64             4u
#define MSI_CONTROL        2u
#define MSI_ON             1u
#define MSIX_ON            0x8000u
#define PCIE_DEVICE        4u
#define PCIE_CONTROL       8u
#define PCIE_CAN_RESET     (1u << 28)
#define PCIE_RESET         (1u << 15)
#define AF_CAPABLE         3u
#define AF_CAN_RESET       2u
#define AF_CONTROL         4u
#define PCIE_TYPE          2u /* in its capability: bits 4 to 7 */
#define PCIE_TYPE_TO_PCI   7u
#define NO_ALIAS           0x10000u
#define CLASS_IDE          0x0101u
#define IDE_CHANNELS       2u

static struct {
    mach_port_t hardware;
    int64_t ecam; /* 0: through ports */
    int first_bus, last_bus;
    uint8_t *buses[256]; /* ECAM of those looked at */
    uint8_t visited[256 / 8];
} pci;

static bool pci_grant_ports(mach_port_t hardware)
{
    mach_port_t range;
    kern_return_t kr = i386_io_perm_create(hardware, CONFIG_ADDRESS, CONFIG_DATA + 3, &range);

    if (kr == KERN_SUCCESS) {
        kr = i386_io_perm_modify(mach_task_self(), range, TRUE);
        mach_port_deallocate(mach_task_self(), range);
    }
    return kr == KERN_SUCCESS;
}

bool pci_init(mach_port_t hardware)
{
    pci.hardware = hardware;
    if (hardware_pci(hardware, &pci.ecam, &pci.first_bus, &pci.last_bus) != KERN_SUCCESS) {
        pci.ecam = 0;
    }
    return pci_grant_ports(hardware) || pci.ecam != 0;
}

/* The function's registers in memory, or NULL. */
static volatile uint8_t *pci_registers(const struct pci_function *f)
{
    vm_address_t address;

    if (f->is_fixed || pci.ecam == 0 || f->bus < pci.first_bus || f->bus > pci.last_bus) {
        return NULL;
    }
    if (pci.buses[f->bus] == NULL) {
        int64_t phys = pci.ecam + (int64_t)((f->bus - pci.first_bus) * BUS_SIZE);

        if (hardware_map(pci.hardware, mach_task_self(), phys, BUS_SIZE, HARDWARE_CACHE_NONE,
                         &address) != KERN_SUCCESS) {
            return NULL;
        }
        pci.buses[f->bus] = (uint8_t *)address;
    }
    return pci.buses[f->bus] + (f->slot * 8u + f->function) * FUNCTION_SIZE;
}

static uint16_t pci_select(const struct pci_function *f, unsigned offset)
{
    port_out32(CONFIG_ADDRESS, 0x80000000u | (uint32_t)f->bus << 16 | (uint32_t)f->slot << 11 |
                                   (uint32_t)f->function << 8 | (offset & 0xfcu));
    return (uint16_t)(CONFIG_DATA + (offset & 3));
}

uint32_t pci_read(const struct pci_function *f, unsigned offset, unsigned size)
{
    volatile uint8_t *registers = pci_registers(f);
    uint16_t port;

    if (f->is_fixed) {
        return 0;
    }
    if (registers != NULL) {
        volatile uint8_t *at = registers + offset;

        return size == 1 ? *at : size == 2 ? *(volatile uint16_t *)at : *(volatile uint32_t *)at;
    }
    if (offset >= 256) {
        return ~0u;
    }
    port = pci_select(f, offset);
    return size == 1 ? port_in8(port) : size == 2 ? port_in16(port) : port_in32(port);
}

void pci_write(const struct pci_function *f, unsigned offset, unsigned size, uint32_t value)
{
    volatile uint8_t *registers = pci_registers(f);
    uint16_t port;

    if (registers != NULL) {
        volatile uint8_t *at = registers + offset;

        if (size == 1) {
            *at = (uint8_t)value;
        } else if (size == 2) {
            *(volatile uint16_t *)at = (uint16_t)value;
        } else {
            *(volatile uint32_t *)at = value;
        }
        return;
    }
    if (f->is_fixed || offset >= 256) {
        return;
    }
    port = pci_select(f, offset);
    if (size == 1) {
        port_out8(port, (uint8_t)value);
    } else if (size == 2) {
        port_out16(port, (uint16_t)value);
    } else {
        port_out32(port, value);
    }
}

unsigned pci_capability(const struct pci_function *f, unsigned after, uint8_t id)
{
    unsigned at = after != 0 ? pci_read(f, after + 1, 1) : pci_read(f, CAPABILITIES, 1);

    if ((pci_read(f, STATUS, 2) & STATUS_LIST) == 0) {
        return 0;
    }
    for (unsigned n = 0; n < CAPABILITIES_MAX; n++) {
        at &= ~3u;
        if (at < CAPABILITIES_FIRST) {
            return 0;
        }
        if (pci_read(f, at, 1) == id) {
            return at;
        }
        at = pci_read(f, at + 1, 1);
    }
    return 0;
}

/* What of a register stays when ones are written to it. */
static uint32_t pci_size_mask(const struct pci_function *f, unsigned offset, uint32_t raw)
{
    uint32_t mask;

    pci_write(f, offset, 4, ~0u);
    mask = pci_read(f, offset, 4);
    pci_write(f, offset, 4, raw);
    return mask;
}

/* Returns how many registers it takes: 1, or 2 for 64 bits. */
static unsigned pci_size_bar(struct pci_function *f, unsigned index)
{
    unsigned offset = BAR + 4 * index;
    uint32_t raw = f->raw_bars[index];
    bool is_64 = (raw & BAR_IO) == 0 && (raw & 6) == BAR_64 && index + 1 < PCI_BARS_MAX;
    struct pci_bar *bar = &f->bars[index];
    uint64_t mask = pci_size_mask(f, offset, raw);

    bar->is_io = (raw & BAR_IO) != 0;
    bar->base = bar->is_io ? raw & 0xfffcu : raw & ~0xfu;
    if (bar->is_io) {
        mask = (mask & 0xfffcu) | ~0xffffull;
    } else if (is_64) {
        uint32_t high = f->raw_bars[index + 1];

        mask = (mask & ~0xfull) | (uint64_t)pci_size_mask(f, offset + 4, high) << 32;
        bar->base |= (uint64_t)high << 32;
    } else {
        mask = mask == 0 ? 0 : (mask & ~0xfull) | ~0xffffffffull;
    }
    /* The lowest bit that can be set; a size that is no power of two does not come out of this. */
    bar->size = bar->base != 0 && mask != ~0xffffull ? mask & -mask : 0;
    return is_64 ? 2 : 1;
}

/* Is that channel of an IDE controller in compatibility mode? Then its registers and its interrupt
 * are where they were before there was PCI, and its base address registers say nothing (PCI IDE
 * Controller Specification 1.0, 2). */
static bool pci_is_fixed_channel(const struct pci_function *f, unsigned channel)
{
    return f->class >> 8 == CLASS_IDE && channel < IDE_CHANNELS &&
           (f->class & 1u << 2 * channel) == 0;
}

/* Of the control block one port: the others are the floppy controller's. */
static void pci_fix_channels(struct pci_function *f)
{
    static const struct pci_bar fixed[IDE_CHANNELS][2] = {
        {{0x1f0, 8, true}, {0x3f6, 1, true}},
        {{0x170, 8, true}, {0x376, 1, true}},
    };

    for (unsigned i = 0; i < IDE_CHANNELS; i++) {
        if (pci_is_fixed_channel(f, i)) {
            f->bars[2 * i] = fixed[i][0];
            f->bars[2 * i + 1] = fixed[i][1];
        }
    }
}

void pci_place(const struct pci_function *f, char *place)
{
    if (f->is_fixed) {
        snprintf(place, PCI_PLACE_MAX, "fixed");
    } else {
        snprintf(place, PCI_PLACE_MAX, "%02x:%02x.%x", f->bus, f->slot & 31u, f->function & 7u);
    }
}

unsigned pci_line(const struct pci_function *f, unsigned index)
{
    if (pci_is_fixed_channel(f, index)) {
        return 14 + index;
    }
    if (f->class >> 8 == CLASS_IDE ? index >= IDE_CHANNELS : index != 0) {
        return 0;
    }
    return f->line == 0xff ? 0 : f->line;
}

void pci_size_bars(struct pci_function *f)
{
    uint32_t command = pci_read(f, COMMAND, 2);

    if (f->is_fixed) {
        return; /* they are known */
    }
    memset(f->bars, 0, sizeof(f->bars));
    pci_write(f, COMMAND, 2, command & ~(COMMAND_IO | COMMAND_MEMORY));
    for (unsigned i = 0; i < PCI_BARS_MAX; i++) {
        f->raw_bars[i] = pci_read(f, BAR + 4 * i, 4);
    }
    for (unsigned i = 0; i < PCI_BARS_MAX;) {
        i += pci_size_bar(f, i);
    }
    pci_fix_channels(f);
    pci_write(f, COMMAND, 2, command);
}

void pci_enable(const struct pci_function *f, bool bus_master)
{
    pci_write(f, COMMAND, 2, COMMAND_IO | COMMAND_MEMORY | (bus_master ? COMMAND_MASTER : 0));
}

bool pci_is_master(const struct pci_function *f)
{
    return (pci_read(f, COMMAND, 2) & COMMAND_MASTER) != 0;
}

void pci_stop(const struct pci_function *f)
{
    unsigned msi = pci_capability(f, 0, PCI_CAPABILITY_MSI);
    unsigned msix = pci_capability(f, 0, PCI_CAPABILITY_MSIX);

    pci_write(f, COMMAND, 2, COMMAND_INTX_OFF);
    if (msi != 0) {
        pci_write(f, msi + MSI_CONTROL, 2, pci_read(f, msi + MSI_CONTROL, 2) & ~MSI_ON);
    }
    if (msix != 0) {
        pci_write(f, msix + MSI_CONTROL, 2, pci_read(f, msix + MSI_CONTROL, 2) & ~MSIX_ON);
    }
}

bool pci_reset(const struct pci_function *f)
{
    unsigned pcie = pci_capability(f, 0, PCI_CAPABILITY_PCIE);
    unsigned af = pci_capability(f, 0, PCI_CAPABILITY_AF);

    if (pcie != 0 && (pci_read(f, pcie + PCIE_DEVICE, 4) & PCIE_CAN_RESET) != 0) {
        uint32_t control = pci_read(f, pcie + PCIE_CONTROL, 2);

        pci_write(f, pcie + PCIE_CONTROL, 2, control | PCIE_RESET);
        return true;
    }
    if (af != 0 && (pci_read(f, af + AF_CAPABLE, 1) & AF_CAN_RESET) != 0) {
        pci_write(f, af + AF_CONTROL, 1, 1);
        return true;
    }
    return false;
}

void pci_restore(const struct pci_function *f)
{
    for (unsigned i = 0; i < PCI_BARS_MAX; i++) {
        pci_write(f, BAR + 4 * i, 4, f->raw_bars[i]);
    }
    pci_write(f, INTERRUPT, 1, f->line);
}

static void pci_scan_bus(uint8_t bus, uint32_t alias, void (*found)(const struct pci_function *));

/* What names functions behind the bridge in their stead, NO_ALIAS: nothing does. A bridge from PCI
 * Express to PCI takes the place 0.0 of its secondary bus, one from PCI to PCI its own (PCI Express
 * to PCI Bridge Specification 1.0, 2.3). alias: of the bridge itself. */
static uint32_t pci_alias(const struct pci_function *bridge, uint32_t alias)
{
    unsigned pcie = pci_capability(bridge, 0, PCI_CAPABILITY_PCIE);

    if (alias != NO_ALIAS) {
        return alias;
    }
    if (pcie == 0) {
        return bridge->source;
    }
    return (pci_read(bridge, pcie + PCIE_TYPE, 2) >> 4 & 0xf) == PCIE_TYPE_TO_PCI
               ? pci_read(bridge, SECONDARY_BUS, 1) << 8
               : NO_ALIAS;
}

static uint16_t pci_source(const struct pci_function *f, uint32_t alias)
{
    uint32_t own = (uint32_t)f->bus << 8 | (uint32_t)f->slot << 3 | f->function;

    return (uint16_t)(alias != NO_ALIAS ? alias : own);
}

/* Returns whether there is a function. */
static bool pci_scan_function(struct pci_function *f, uint32_t alias,
                              void (*found)(const struct pci_function *))
{
    uint32_t id = pci_read(f, VENDOR, 4);

    if ((id & 0xffff) == 0xffff || (id & 0xffff) == 0) {
        return false;
    }
    f->vendor = (uint16_t)id;
    f->device = (uint16_t)(id >> 16);
    f->class = pci_read(f, CLASS, 4) >> 8;
    f->line = (uint8_t)pci_read(f, INTERRUPT, 1);
    f->source = pci_source(f, alias);
    found(f);
    if ((pci_read(f, HEADER_TYPE, 1) & 0x7f) == HEADER_BRIDGE) {
        pci_scan_bus((uint8_t)pci_read(f, SECONDARY_BUS, 1), pci_alias(f, alias), found);
    }
    return true;
}

static void pci_scan_bus(uint8_t bus, uint32_t alias, void (*found)(const struct pci_function *))
{
    if ((pci.visited[bus / 8] & 1u << bus % 8) != 0) {
        return; /* a bridge that was not set up, or leads in a circle */
    }
    pci.visited[bus / 8] |= (uint8_t)(1u << bus % 8);
    for (uint8_t slot = 0; slot < 32; slot++) {
        struct pci_function f = {.bus = bus, .slot = slot};

        if (!pci_scan_function(&f, alias, found) ||
            (pci_read(&f, HEADER_TYPE, 1) & HEADER_MULTIPLE) == 0) {
            continue;
        }
        for (uint8_t function = 1; function < 8; function++) {
            struct pci_function other = {.bus = bus, .slot = slot, .function = function};

            pci_scan_function(&other, alias, found);
        }
    }
}

void pci_scan(void (*found)(const struct pci_function *))
{
    memset(pci.visited, 0, sizeof(pci.visited));
    pci_scan_bus(0, NO_ALIAS, found);
}
