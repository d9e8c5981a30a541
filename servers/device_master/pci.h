/* pci.h - PCI functions: found, read, stopped and reset (PCI Local Bus 3.0, PCI Express 3.0 7). */
#ifndef DEVICE_MASTER_PCI_H
#define DEVICE_MASTER_PCI_H

#include <mach/port.h>
#include <stdbool.h>
#include <stdint.h>

#define PCI_BARS_MAX  6
#define PCI_PLACE_MAX 8

#define PCI_CAPABILITY_MSI    0x05
#define PCI_CAPABILITY_VENDOR 0x09
#define PCI_CAPABILITY_PCIE   0x10
#define PCI_CAPABILITY_MSIX   0x11
#define PCI_CAPABILITY_AF     0x13

struct pci_bar {
    uint64_t base; /* physical, or the first I/O port */
    uint64_t size; /* 0: none */
    bool is_io;
};

struct pci_function {
    bool is_fixed; /* on no bus (fixed.c): it has no configuration space, and no other place */
    uint8_t bus, slot, function;
    uint16_t
        source; /* what it names itself by when it reads and writes memory: itself, or a bridge */
    uint16_t vendor, device;
    uint32_t class; /* class, subclass, programming interface: 24 bits */
    uint8_t line;   /* interrupt line the firmware has set, 0 or 255: none */
    struct pci_bar bars[PCI_BARS_MAX];
    uint32_t raw_bars[PCI_BARS_MAX]; /* as the firmware has set them */
};

/* Find the way to configuration space. Returns: false when there is none. */
bool pci_init(mach_port_t hardware);
/* Call found for each function, those behind bridges too. The structure is the callee's to copy. */
void pci_scan(void (*found)(const struct pci_function *f));

/* 1, 2 or 4 bytes; offset is a multiple of size, below 256 (4096 with ECAM, else all ones). A fixed
 * function reads as zeroes. */
uint32_t pci_read(const struct pci_function *f, unsigned offset, unsigned size);
void pci_write(const struct pci_function *f, unsigned offset, unsigned size, uint32_t value);
/* Offset of the capability after `after` (0: of the first) with that id, or 0. */
unsigned pci_capability(const struct pci_function *f, unsigned after, uint8_t id);
/* Find out sizes of the function's base address registers, which nobody may use meanwhile. */
void pci_size_bars(struct pci_function *f);

/* Where it is: "bus:slot.function". place: room for PCI_PLACE_MAX. */
void pci_place(const struct pci_function *f, char *place);

/* The interrupt line of that number, of functions that raise no messages: 0, none. IDE controllers
 * have two, which may be the same. */
unsigned pci_line(const struct pci_function *f, unsigned index);

/* Have it answer to its addresses; memory only with bus_master. */
void pci_enable(const struct pci_function *f, bool bus_master);
/* May it read and write memory? */
bool pci_is_master(const struct pci_function *f);
/* It reads, writes and interrupts no more. */
void pci_stop(const struct pci_function *f);
/* Begin to reset it, which takes 100 ms. Returns: false when it cannot be reset. */
bool pci_reset(const struct pci_function *f);
/* Afterwards: its addresses as they were. */
void pci_restore(const struct pci_function *f);

#endif
