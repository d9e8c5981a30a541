/* vtd_unit.c - the registers of one DMA remapping unit. Caches are invalidated through registers,
 * which the specification has until version 6. */
#include "arch/vtd_unit.h"

#include "kern/assert.h"
#include "kern/atomic.h"
#include "kern/clock.h"

#define VERSION       0x00
#define CAPABILITY    0x08
#define EXTENDED      0x10
#define COMMAND       0x18
#define STATUS        0x1c
#define ROOT          0x20
#define CONTEXT       0x28
#define FAULT_STATUS  0x34
#define FAULT_CONTROL 0x38
#define FAULT_DATA    0x3c
#define FAULT_ADDRESS 0x40
#define FAULT_UPPER   0x44
#define PROTECTED     0x64

#define VERSION_MAJOR(v)  ((v) >> 4 & 0xf)
#define VERSION_QUEUE     6u /* from here on only queued invalidation */
#define CAP_DOMAINS(c)    ((c)&7)
#define CAP_WRITE_FLUSH   (1ull << 4)
#define CAP_LOW_MEMORY    (1ull << 5)
#define CAP_HIGH_MEMORY   (1ull << 6)
#define CAP_CACHING       (1ull << 7)
#define CAP_LEVELS(c)     ((c) >> 8 & 0x1f)
#define CAP_FAULTS(c)     (((c) >> 24 & 0x3ff) * 16)
#define CAP_BY_PAGE       (1ull << 39)
#define CAP_FAULT_LAST(c) ((uint32_t)((c) >> 40 & 0xff))
#define CAP_MASK_MAX(c)   ((unsigned)((c) >> 48 & 0x3f))
#define CAP_DRAIN(c)      ((c) >> 54 & 3) /* writes, reads */
#define EXT_COHERENT      (1ull << 0)
#define EXT_TLB(e)        (((e) >> 8 & 0x3ff) * 16)

#define COMMAND_TRANSLATE (1u << 31)
#define COMMAND_ROOT      (1u << 30)
#define COMMAND_FLUSH     (1u << 27)
#define COMMAND_QUEUE     (1u << 26)
#define STATUS_LASTING    0x96ffffffu /* bits that are commands given once are 0 here */

#define CONTEXT_START  (1ull << 63)
#define CONTEXT_ALL    (1ull << 61)
#define CONTEXT_SOURCE (3ull << 61)
#define TLB_ADDRESS    0
#define TLB_COMMAND    8
#define TLB_START      (1ull << 63)
#define TLB_ALL        (1ull << 60)
#define TLB_DOMAIN     (2ull << 60)
#define TLB_PAGES      (3ull << 60)
#define TLB_DRAIN(n)   ((uint64_t)(n) << 48)

#define FAULT_OVERFLOW  1u
#define FAULT_MASKED    (1u << 31)
#define FAULT_PRESENT   (1ull << 63)
#define FAULT_READ      (1ull << 62)
#define FAULT_BYTES     16u
#define PROTECTED_ON    (1u << 31)
#define PROTECTED_STILL 1u

static uint32_t vtd_unit_read32(const struct vtd_unit *unit, uint64_t at)
{
    return *(volatile uint32_t *)(unit->registers + at);
}

static uint64_t vtd_unit_read64(const struct vtd_unit *unit, uint64_t at)
{
    return *(volatile uint64_t *)(unit->registers + at);
}

static void vtd_unit_write32(struct vtd_unit *unit, uint64_t at, uint32_t value)
{
    *(volatile uint32_t *)(unit->registers + at) = value;
}

static void vtd_unit_write64(struct vtd_unit *unit, uint64_t at, uint64_t value)
{
    *(volatile uint64_t *)(unit->registers + at) = value;
}

/* Wait until the bits of a register are all as wanted. */
static void vtd_unit_wait32(const struct vtd_unit *unit, uint64_t at, uint32_t bits, uint32_t want)
{
    uint64_t late = clock_now_ns() + NS_PER_SEC;

    while ((vtd_unit_read32(unit, at) & bits) != want) {
        if (clock_now_ns() > late) {
            panic("iommu: register 0x%lx is 0x%x and does not become ready", at,
                  vtd_unit_read32(unit, at));
        }
        cpu_relax();
    }
}

/* Give the command in a 64-bit register, which clears its top bit when it is done. */
static void vtd_unit_order(struct vtd_unit *unit, uint64_t at, uint64_t command)
{
    __sync_synchronize(); /* what was changed in memory is there */
    vtd_unit_write64(unit, at, command);
    vtd_unit_wait32(unit, at + 4, 1u << 31, 0);
}

/* Write what the unit itself holds back to memory, where it has to be told. */
static void vtd_unit_write_flush(struct vtd_unit *unit)
{
    uint32_t status = vtd_unit_read32(unit, STATUS) & STATUS_LASTING;

    if ((unit->capabilities & CAP_WRITE_FLUSH) != 0) {
        vtd_unit_write32(unit, COMMAND, status | COMMAND_FLUSH);
        vtd_unit_wait32(unit, STATUS, COMMAND_FLUSH, 0);
    }
}

/* Set or clear one bit of the command register, and wait until it is so. */
static void vtd_unit_set(struct vtd_unit *unit, uint32_t bit, bool on)
{
    uint32_t status = vtd_unit_read32(unit, STATUS) & STATUS_LASTING;

    vtd_unit_write32(unit, COMMAND, on ? status | bit : status & ~bit);
    vtd_unit_wait32(unit, STATUS, bit, on ? bit : 0);
}

bool vtd_unit_init(struct vtd_unit *unit, phys_addr_t phys)
{
    uint64_t faults, tlb;

    unit->registers = phys_to_virt(phys);
    unit->capabilities = vtd_unit_read64(unit, CAPABILITY);
    unit->extended = vtd_unit_read64(unit, EXTENDED);
    faults =
        CAP_FAULTS(unit->capabilities) + (CAP_FAULT_LAST(unit->capabilities) + 1ul) * FAULT_BYTES;
    tlb = EXT_TLB(unit->extended) + 2 * sizeof(uint64_t);
    return unit->capabilities != ~0ull && faults <= VTD_UNIT_SIZE && tlb <= VTD_UNIT_SIZE &&
           VERSION_MAJOR(vtd_unit_read32(unit, VERSION)) < VERSION_QUEUE;
}

unsigned vtd_unit_levels(const struct vtd_unit *unit)
{
    return (unsigned)(CAP_LEVELS(unit->capabilities) << 2) & (1u << 3 | 1u << 4);
}

uint32_t vtd_unit_domains(const struct vtd_unit *unit)
{
    return 1u << (4 + 2 * CAP_DOMAINS(unit->capabilities));
}

bool vtd_unit_is_coherent(const struct vtd_unit *unit)
{
    return (unit->extended & EXT_COHERENT) != 0;
}

bool vtd_unit_caches_absent(const struct vtd_unit *unit)
{
    return (unit->capabilities & CAP_CACHING) != 0;
}

/* Do to the TLB as told, with all accesses under way finished first. */
static void vtd_unit_order_tlb(struct vtd_unit *unit, uint64_t command)
{
    vtd_unit_order(unit, EXT_TLB(unit->extended) + TLB_COMMAND,
                   TLB_START | command | TLB_DRAIN(CAP_DRAIN(unit->capabilities)));
}

void vtd_unit_start(struct vtd_unit *unit, phys_addr_t root, uint64_t address, uint32_t data)
{
    struct vtd_fault fault;
    bool lost;

    vtd_unit_set(unit, COMMAND_TRANSLATE, false); /* the firmware's, if any */
    vtd_unit_set(unit, COMMAND_QUEUE, false);
    vtd_unit_tell_faults(unit, false);
    while (vtd_unit_take_fault(unit, &fault, &lost)) {
    }
    vtd_unit_write32(unit, FAULT_DATA, data);
    vtd_unit_write32(unit, FAULT_ADDRESS, (uint32_t)address);
    vtd_unit_write32(unit, FAULT_UPPER, (uint32_t)(address >> 32));
    vtd_unit_tell_faults(unit, true);
    vtd_unit_write_flush(unit);
    vtd_unit_write64(unit, ROOT, root);
    vtd_unit_set(unit, COMMAND_ROOT, true);
    vtd_unit_order(unit, CONTEXT, CONTEXT_START | CONTEXT_ALL);
    vtd_unit_order_tlb(unit, TLB_ALL);
    vtd_unit_set(unit, COMMAND_TRANSLATE, true);
    if ((unit->capabilities & (CAP_LOW_MEMORY | CAP_HIGH_MEMORY)) != 0) {
        vtd_unit_write32(unit, PROTECTED, vtd_unit_read32(unit, PROTECTED) & ~PROTECTED_ON);
        vtd_unit_wait32(unit, PROTECTED, PROTECTED_STILL, 0);
    }
}

void vtd_unit_forget_source(struct vtd_unit *unit, uint16_t source, uint16_t domain)
{
    vtd_unit_write_flush(unit);
    vtd_unit_order(unit, CONTEXT, CONTEXT_START | CONTEXT_SOURCE | (uint64_t)source << 16 | domain);
}

void vtd_unit_forget_domain(struct vtd_unit *unit, uint16_t domain)
{
    vtd_unit_write_flush(unit);
    vtd_unit_order_tlb(unit, TLB_DOMAIN | (uint64_t)domain << 32);
}

void vtd_unit_forget_pages(struct vtd_unit *unit, uint16_t domain, uint64_t bus, uint64_t size)
{
    uint64_t differs = bus ^ (bus + size - 1);
    unsigned order = 0; /* of the aligned block of pages that holds all of it */

    assert(size != 0);
    while (differs >> (PAGE_SHIFT + order) != 0) {
        order++;
    }
    if ((unit->capabilities & CAP_BY_PAGE) == 0 || order > CAP_MASK_MAX(unit->capabilities)) {
        vtd_unit_forget_domain(unit, domain);
        return;
    }
    vtd_unit_write_flush(unit);
    vtd_unit_write64(unit, EXT_TLB(unit->extended) + TLB_ADDRESS, (bus & ~PAGE_MASK) | order);
    vtd_unit_order_tlb(unit, TLB_PAGES | (uint64_t)domain << 32);
}

bool vtd_unit_take_fault(struct vtd_unit *unit, struct vtd_fault *fault, bool *lost)
{
    uint32_t last = CAP_FAULT_LAST(unit->capabilities);

    *lost = (vtd_unit_read32(unit, FAULT_STATUS) & FAULT_OVERFLOW) != 0;
    for (uint32_t i = 0; i <= last; i++) {
        uint64_t at = CAP_FAULTS(unit->capabilities) + i * FAULT_BYTES;
        uint64_t high = vtd_unit_read64(unit, at + 8);

        if ((high & FAULT_PRESENT) != 0) {
            fault->source = (uint16_t)high;
            fault->reason = (uint8_t)(high >> 32);
            fault->is_read = (high & FAULT_READ) != 0;
            fault->address = vtd_unit_read64(unit, at) & ~PAGE_MASK;
            vtd_unit_write32(unit, at + 12, 1u << 31); /* taken */
            return true;
        }
    }
    vtd_unit_write32(unit, FAULT_STATUS, FAULT_OVERFLOW); /* taken, too */
    return false;
}

void vtd_unit_tell_faults(struct vtd_unit *unit, bool tell)
{
    vtd_unit_write32(unit, FAULT_CONTROL, tell ? 0 : FAULT_MASKED);
}
