/* vtd_unit.h - the registers of one DMA remapping unit (Intel VT-d specification 4.1, chapter 11).
 * Calls about one unit come one at a time; none sleeps. A unit that does not carry out a command in
 * a second is a panic: nobody could say any more what devices reach. */
#ifndef ARCH_VTD_UNIT_H
#define ARCH_VTD_UNIT_H

#include <stdbool.h>
#include <stdint.h>

#include "arch/layout.h"

#define VTD_UNIT_SIZE PAGE_SIZE /* of its registers at least */

struct vtd_unit {
    volatile uint8_t *registers;
    uint64_t capabilities, extended;
    phys_addr_t queue; /* a page of commands to invalidate, and a word that the unit writes */
    uint32_t tail;     /* where the next command goes */
    uint32_t sequence; /* what the unit writes when it is done with the last one */
};

/* An access that the unit has refused. */
struct vtd_fault {
    uint16_t source; /* bus, device and function of who wanted it */
    uint8_t reason;  /* 7.1.3 of the specification */
    bool is_read;
    uint64_t address; /* of the page, on the bus */
};

/* Look at the unit whose registers are at phys, and make its queue. Returns: false when it cannot
 * be used: not there, without a queue for invalidation, or out of memory. */
bool vtd_unit_init(struct vtd_unit *unit, phys_addr_t phys);
/* Levels of page tables it takes, a bit each (3: 1 << 3). */
unsigned vtd_unit_levels(const struct vtd_unit *unit);
/* Numbers of domains it tells apart. */
uint32_t vtd_unit_domains(const struct vtd_unit *unit);
/* Does it see what is in the processors' caches? */
bool vtd_unit_is_coherent(const struct vtd_unit *unit);
/* May it remember what was not there? */
bool vtd_unit_caches_absent(const struct vtd_unit *unit);

/* Have it take commands, go by the table at phys once it translates, and tell of faults by writing
 * data to address. */
void vtd_unit_start(struct vtd_unit *unit, phys_addr_t root, uint64_t address, uint32_t data);
/* From now on devices reach what the table says. */
void vtd_unit_translate(struct vtd_unit *unit);
/* Forget what it knows of a source's context; of a domain's pages; of [bus, bus + size) of a
 * domain. Accesses under way by what was there are over on return. */
void vtd_unit_forget_source(struct vtd_unit *unit, uint16_t source, uint16_t domain);
void vtd_unit_forget_domain(struct vtd_unit *unit, uint16_t domain);
void vtd_unit_forget_pages(struct vtd_unit *unit, uint16_t domain, uint64_t bus, uint64_t size);

/* Take one of the faults it has kept. Returns: false when there is none. When more came than it
 * could keep, *lost is set. */
bool vtd_unit_take_fault(struct vtd_unit *unit, struct vtd_fault *fault, bool *lost);
/* Interrupt for faults, or not. */
void vtd_unit_tell_faults(struct vtd_unit *unit, bool tell);

#endif
