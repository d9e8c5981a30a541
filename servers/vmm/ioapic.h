/* ioapic.h - the I/O interrupt controller: 24 lines in, messages to local APICs out (Intel 82093AA;
 * version 0x20, with the EOI register). */
#ifndef VMM_IOAPIC_H
#define VMM_IOAPIC_H

#include <stdbool.h>
#include <stdint.h>

#include "bus.h"
#include "msix.h"

#define IOAPIC_BASE  0xfec00000u
#define IOAPIC_LINES 24u

struct ioapic {
    msix_send_function *send;
    void *context;
    uint8_t select;
    uint8_t id;
    uint32_t raised;                /* lines that are up */
    uint64_t entries[IOAPIC_LINES]; /* the redirection table, as it reads */
};

/* False: another device is there. */
bool ioapic_init(struct ioapic *ioapic, struct bus *bus, msix_send_function *send, void *context);
/* A line has changed: a line_function. */
void ioapic_set(void *ioapic, unsigned line, bool level);
/* A local APIC has been told that an interrupt of a level is dealt with. */
void ioapic_end(struct ioapic *ioapic, uint8_t vector);

#endif
