/* pci.c - configuration space by ports, and BARs that move with what the guest writes to them. */
#include "pci.h"

#include <stddef.h>
#include <string.h>

#define PORT_ADDRESS 0xcf8u
#define PORT_COUNT   8u
#define DATA         4u /* from PORT_ADDRESS */

#define ADDRESS_ENABLE 0x80000000u

#define CONFIG_VENDOR       0x00u
#define CONFIG_DEVICE       0x02u
#define CONFIG_COMMAND      0x04u
#define CONFIG_STATUS       0x06u
#define CONFIG_CLASS        0x09u /* interface, subclass, base class */
#define CONFIG_BAR          0x10u
#define CONFIG_SUBSYSTEM    0x2cu
#define CONFIG_CAPABILITIES 0x34u
#define CONFIG_LINE         0x3cu
#define CONFIG_PIN          0x3du
#define CONFIG_FREE         0x40u

#define COMMAND_PORTS      0x0001u
#define COMMAND_MEMORY     0x0002u
#define COMMAND_MASTER     0x0004u
#define COMMAND_NO_INTX    0x0400u
#define STATUS_INTERRUPT   0x08u /* of its first byte */
#define STATUS_LIST        0x10u
#define BAR_PORTS          1u
#define BAR_PORTS_FLAGS    3u
#define BAR_MEMORY_FLAGS   15u
#define BAR_MEMORY_MINIMUM 4096u

#define PIN_INTA 1u

#define BRIDGE_VENDOR 0x8086u
#define BRIDGE_DEVICE 0x1237u /* of the 82441FX, which guests know and leave alone */
#define BRIDGE_CLASS  0x060000u
#define BRIDGE_PAM    0x59u /* its registers of what is memory from 768 KiB to 1 MiB, where all is */
#define BRIDGE_PAMS   7u
#define PAM_BITS      0x33u

/* --- functions --- */

void pci_function_init(struct pci_function *f, uint16_t vendor, uint16_t device, uint32_t class,
                       uint16_t subsystem_vendor, uint16_t subsystem)
{
    memset(f, 0, sizeof(*f));
    pci_set16(f, CONFIG_VENDOR, vendor);
    pci_set16(f, CONFIG_DEVICE, device);
    pci_set16(f, CONFIG_CLASS, (uint16_t) class);
    f->config[CONFIG_CLASS + 2] = (uint8_t)(class >> 16);
    pci_set16(f, CONFIG_SUBSYSTEM, subsystem_vendor);
    pci_set16(f, CONFIG_SUBSYSTEM + 2, subsystem);
    f->writable[CONFIG_COMMAND] = COMMAND_MASTER;
    f->writable[CONFIG_COMMAND + 1] = COMMAND_NO_INTX >> 8;
    f->writable[CONFIG_LINE] = 0xff;
    f->capabilities_end = CONFIG_FREE;
}

void pci_function_set_bar(struct pci_function *f, unsigned index, bool is_ports, uint32_t size,
                          bus_read_function *read, bus_write_function *write, void *device)
{
    unsigned offset = CONFIG_BAR + 4 * index;
    uint32_t mask;

    if (!is_ports && size < BAR_MEMORY_MINIMUM) {
        size = BAR_MEMORY_MINIMUM; /* a page of its own: accesses to it leave the guest */
    }
    mask = ~(size - 1) & ~(is_ports ? BAR_PORTS_FLAGS : BAR_MEMORY_FLAGS);
    f->bars[index] = (struct pci_bar){
        .size = size, .is_ports = is_ports, .read = read, .write = write, .device = device};
    f->config[offset] = is_ports ? BAR_PORTS : 0;
    for (unsigned i = 0; i < 4; i++) {
        f->writable[offset + i] = (uint8_t)(mask >> 8 * i);
    }
    f->writable[CONFIG_COMMAND] |= is_ports ? COMMAND_PORTS : COMMAND_MEMORY;
}

unsigned pci_function_add_capability(struct pci_function *f, uint8_t id, unsigned size)
{
    unsigned offset = f->capabilities_end;

    if (size < 2 || size > PCI_CONFIG - offset) {
        return 0;
    }
    f->config[offset] = id;
    f->config[offset + 1] = f->config[CONFIG_CAPABILITIES];
    f->config[CONFIG_CAPABILITIES] = (uint8_t)offset;
    f->config[CONFIG_STATUS] |= STATUS_LIST;
    offset += (size + 3) & ~3u;
    f->capabilities_end = (uint8_t)(offset < PCI_CONFIG - 4 ? offset : PCI_CONFIG - 4);
    return f->config[CONFIG_CAPABILITIES];
}

bool pci_function_is_master(const struct pci_function *f)
{
    return (pci_get16(f, CONFIG_COMMAND) & COMMAND_MASTER) != 0;
}

void pci_function_interrupt(struct pci_function *f, bool level)
{
    unsigned line = f->slot % PCI_LINES;
    bool is_up;

    f->config[CONFIG_STATUS] &= (uint8_t)~STATUS_INTERRUPT;
    f->config[CONFIG_STATUS] |= level ? STATUS_INTERRUPT : 0;
    is_up = level && (pci_get16(f, CONFIG_COMMAND) & COMMAND_NO_INTX) == 0;
    if (f->pci != NULL && f->level != is_up) {
        f->level = is_up;
        f->pci->raised[line] += is_up ? 1 : -1u;
        line_set(&f->pci->lines[line], f->pci->raised[line] != 0);
    }
}

/* --- BARs --- */

static void pci_unmap(struct pci *pci, struct pci_bar *bar)
{
    if (bar->is_mapped) {
        bus_remove(bar->is_ports ? pci->ports : pci->memory, bar->base);
        bar->is_mapped = false;
    }
}

/* Put it where its register says, if it is turned on and nobody else is there. */
static void pci_map(struct pci_function *f, unsigned index)
{
    struct pci_bar *bar = &f->bars[index];
    uint32_t mask = ~(bar->is_ports ? BAR_PORTS_FLAGS : BAR_MEMORY_FLAGS);
    uint32_t base = pci_get32(f, CONFIG_BAR + 4 * index) & mask;
    bool is_on =
        (pci_get16(f, CONFIG_COMMAND) & (bar->is_ports ? COMMAND_PORTS : COMMAND_MEMORY)) != 0;
    /* ports have 16 bits, and memory of the guest is no place for registers */
    bool is_place = bar->is_ports ? base <= PCI_PORTS_END - bar->size
                                  : base >= PCI_MEMORY_BASE && base <= PCI_MEMORY_END - bar->size;
    struct bus_range range = {base, bar->size, bar->read, bar->write, bar->device};

    pci_unmap(f->pci, bar);
    if (is_on && is_place) {
        bar->base = base;
        bar->is_mapped = bus_insert(bar->is_ports ? f->pci->ports : f->pci->memory, &range);
    }
}

static void pci_map_all(struct pci_function *f)
{
    for (unsigned i = 0; i < PCI_BARS; i++) {
        if (f->bars[i].size != 0) {
            pci_map(f, i);
        }
    }
}

/* The next free address, for a BAR that is not yet anywhere. */
static bool pci_place(struct pci *pci, struct pci_function *f, unsigned index)
{
    const struct pci_bar *bar = &f->bars[index];
    uint32_t *next = bar->is_ports ? &pci->next_ports : &pci->next_memory;
    uint32_t end = bar->is_ports ? PCI_PORTS_END : PCI_MEMORY_END;
    uint32_t base = (*next + bar->size - 1) & ~(bar->size - 1);

    if (base < *next || bar->size > end || base > end - bar->size) {
        return false;
    }
    *next = base + bar->size;
    pci_set32(f, CONFIG_BAR + 4 * index, base | (bar->is_ports ? BAR_PORTS : 0));
    return true;
}

bool pci_insert(struct pci *pci, unsigned slot, struct pci_function *f)
{
    if (slot >= PCI_SLOTS || pci->functions[slot] != NULL) {
        return false;
    }
    for (unsigned i = 0; i < PCI_BARS; i++) {
        if (f->bars[i].size != 0 && !pci_place(pci, f, i)) {
            return false;
        }
    }
    f->pci = pci;
    f->slot = slot;
    if (f != &pci->bridge) {
        f->config[CONFIG_PIN] = PIN_INTA;
        f->config[CONFIG_LINE] = pci->irqs[slot % PCI_LINES];
    }
    f->config[CONFIG_COMMAND] |= f->writable[CONFIG_COMMAND] & (COMMAND_PORTS | COMMAND_MEMORY);
    pci->functions[slot] = f;
    pci_map_all(f);
    return true;
}

/* --- configuration space --- */

static struct pci_function *pci_addressed(const struct pci *pci)
{
    uint32_t a = pci->address;

    /* bus 0, function 0 */
    return (a & ADDRESS_ENABLE) != 0 && (a & 0xff0700) == 0 ? pci->functions[a >> 11 & 31] : NULL;
}

static void pci_write_config(struct pci_function *f, unsigned offset, unsigned size, uint64_t value)
{
    for (unsigned i = 0; i < size; i++) {
        uint8_t *byte = &f->config[offset + i];
        uint8_t writable = f->writable[offset + i];

        *byte = (uint8_t)((*byte & ~writable) | ((value >> 8 * i) & writable));
    }
    if (offset < CONFIG_BAR + 4 * PCI_BARS && offset + size > CONFIG_COMMAND) {
        pci_map_all(f);
        pci_function_interrupt(f, (f->config[CONFIG_STATUS] & STATUS_INTERRUPT) != 0);
    }
    if (f->written != NULL) {
        f->written(f->device, offset, size);
    }
}

static uint64_t pci_read_port(void *device, uint64_t offset, unsigned size)
{
    const struct pci *pci = device;
    const struct pci_function *f = pci_addressed(pci);
    unsigned at = (pci->address & 0xfc) + (unsigned)(offset & 3);
    uint64_t value = 0;

    if (offset < DATA) {
        return offset == 0 && size == 4 ? pci->address : ~0ull;
    }
    if (f == NULL || (offset & 3) + size > 4) {
        return ~0ull;
    }
    for (unsigned i = 0; i < size; i++) {
        value |= (uint64_t)f->config[at + i] << 8 * i;
    }
    return value;
}

static void pci_write_port(void *device, uint64_t offset, unsigned size, uint64_t value)
{
    struct pci *pci = device;
    struct pci_function *f = pci_addressed(pci);

    if (offset < DATA) {
        if (offset == 0 && size == 4) {
            pci->address = (uint32_t)value;
        }
    } else if (f != NULL && (offset & 3) + size <= 4) {
        pci_write_config(f, (pci->address & 0xfc) + (unsigned)(offset & 3), size, value);
    }
}

bool pci_init(struct pci *pci, struct bus *ports, struct bus *memory)
{
    struct bus_range range = {PORT_ADDRESS, PORT_COUNT, pci_read_port, pci_write_port, pci};

    memset(pci, 0, sizeof(*pci));
    pci->ports = ports;
    pci->memory = memory;
    pci->next_memory = PCI_MEMORY_BASE;
    pci->next_ports = PCI_PORTS_BASE;
    pci_function_init(&pci->bridge, BRIDGE_VENDOR, BRIDGE_DEVICE, BRIDGE_CLASS, 0, 0);
    memset(&pci->bridge.writable[BRIDGE_PAM], PAM_BITS, BRIDGE_PAMS);
    return bus_insert(ports, &range) && pci_insert(pci, 0, &pci->bridge);
}
