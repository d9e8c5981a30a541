/* pci.h - the PCI bus of a machine: one bus, reached through the ports 0xcf8 and 0xcfc, and the
 * functions on it (PCI Local Bus Specification 3.0, 3.2.2.3 and 6.1).
 *
 * A device has a struct pci_function inside, fills it in with the functions below and inserts it.
 * Everything is called with the machine's lock held. */
#ifndef VMM_PCI_H
#define VMM_PCI_H

#include <stdbool.h>
#include <stdint.h>

#include "bus.h"
#include "line.h"

#define PCI_SLOTS  32u
#define PCI_BARS   6u
#define PCI_CONFIG 256u
#define PCI_LINES  4u /* to the interrupt controllers; slot n uses line n % 4 */

/* Where BARs are put at first: as firmware would do it. */
#define PCI_MEMORY_BASE 0xc0000000u
#define PCI_MEMORY_END  0xfec00000u
#define PCI_PORTS_BASE  0xc000u
#define PCI_PORTS_END   0x10000u

struct pci;

/* A window of registers. */
struct pci_bar {
    uint32_t size; /* a power of two; 0: there is none */
    bool is_ports;
    bus_read_function *read;
    bus_write_function *write;
    void *device;
    bool is_mapped; /* the bus's: it is at `base` on the machine's bus */
    uint64_t base;
};

struct pci_function {
    struct pci *pci; /* NULL: not inserted */
    unsigned slot;
    uint8_t config[PCI_CONFIG];
    uint8_t writable[PCI_CONFIG]; /* bits that the guest can change */
    uint8_t capabilities_end;     /* where the next goes */
    struct pci_bar bars[PCI_BARS];
    bool level; /* of its interrupt */
    /* The guest has written config[offset .. offset + size); NULL: not of interest. */
    void (*written)(void *device, unsigned offset, unsigned size);
    void *device;
};

struct pci {
    struct bus *ports;
    struct bus *memory;
    struct line lines[PCI_LINES]; /* the caller's to fill in, like irqs, before functions come */
    uint8_t irqs[PCI_LINES];      /* what functions say in their configuration space */
    unsigned raised[PCI_LINES];   /* functions whose interrupt is up */
    uint32_t address;             /* port 0xcf8 */
    uint32_t next_memory;         /* for the next BAR */
    uint32_t next_ports;
    struct pci_function *functions[PCI_SLOTS];
    struct pci_function bridge; /* slot 0 */
};

/* The bus with its host bridge, at its ports. False: the ports are taken. */
bool pci_init(struct pci *pci, struct bus *ports, struct bus *memory);

/* A function with nothing but its ids. class: base class, subclass, interface. */
void pci_function_init(struct pci_function *f, uint16_t vendor, uint16_t device, uint32_t class,
                       uint16_t subsystem_vendor, uint16_t subsystem);
/* Give it registers, before it is inserted. Ports or memory with 32-bit addresses. */
void pci_function_set_bar(struct pci_function *f, unsigned index, bool is_ports, uint32_t size,
                          bus_read_function *read, bus_write_function *write, void *device);
/* Room for a capability of that many bytes, id and link included, which have been filled in.
 * Returns: where in config it is; 0: no room. */
unsigned pci_function_add_capability(struct pci_function *f, uint8_t id, unsigned size);
/* Put it into the slot, with its BARs at addresses that are free; reading and writing them works
 * when the guest has turned it on (command register), which it is here. False: the slot is taken,
 * or no addresses are left. */
bool pci_insert(struct pci *pci, unsigned slot, struct pci_function *f);
/* The interrupt INTA. */
void pci_function_interrupt(struct pci_function *f, bool level);
/* May it read and write memory? (Bus master, in the command register.) */
bool pci_function_is_master(const struct pci_function *f);

/* Little-endian words of config. */
static inline uint16_t pci_get16(const struct pci_function *f, unsigned offset)
{
    return (uint16_t)(f->config[offset] | f->config[offset + 1] << 8);
}

static inline void pci_set16(struct pci_function *f, unsigned offset, uint16_t value)
{
    f->config[offset] = (uint8_t)value;
    f->config[offset + 1] = (uint8_t)(value >> 8);
}

static inline uint32_t pci_get32(const struct pci_function *f, unsigned offset)
{
    return pci_get16(f, offset) | (uint32_t)pci_get16(f, offset + 2) << 16;
}

static inline void pci_set32(struct pci_function *f, unsigned offset, uint32_t value)
{
    pci_set16(f, offset, (uint16_t)value);
    pci_set16(f, offset + 2, (uint16_t)(value >> 16));
}

#endif
