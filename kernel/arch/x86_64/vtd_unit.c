/* vtd_unit.c - the registers of one DMA remapping unit, and its queue: commands in memory to forget
 * what is in its caches (6.5.2), each with one behind it that has the unit write a word. */
#include "arch/vtd_unit.h"

#include "arch/io.h"
#include "kern/assert.h"
#include "kern/atomic.h"
#include "kern/clock.h"
#include "vm/vm_page.h"

#define VERSION       0x00
#define CAPABILITY    0x08
#define EXTENDED      0x10
#define COMMAND       0x18
#define STATUS        0x1c
#define ROOT          0x20
#define FAULT_STATUS  0x34
#define FAULT_CONTROL 0x38
#define FAULT_DATA    0x3c
#define FAULT_ADDRESS 0x40
#define FAULT_UPPER   0x44
#define PROTECTED     0x64
#define QUEUE_TAIL    0x88
#define QUEUE_BASE    0x90

#define VERSION_MAJOR(v)  ((v) >> 4 & 0xf)
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
#define EXT_QUEUE         (1ull << 1)

#define COMMAND_TRANSLATE (1u << 31)
#define COMMAND_ROOT      (1u << 30)
#define COMMAND_FLUSH     (1u << 27)
#define COMMAND_QUEUE     (1u << 26)
#define STATUS_LASTING    0x96ffffffu /* bits that are commands given once are 0 here */

/* Commands: two words. */
#define QUEUE_LENGTH    256u
#define QUEUE_SHIFT     4
#define ORDER_CONTEXT   0x1u
#define ORDER_TLB       0x2u
#define ORDER_WAIT      0x25u /* and write */
#define ORDER_ALL       0x10u
#define ORDER_DOMAIN    0x20u
#define ORDER_ONE       0x30u /* source, or pages */
#define ORDER_DRAIN(n)  ((uint64_t)(n) << 6)
#define ORDER_NUMBER(d) ((uint64_t)(d) << 16)
#define ORDER_SOURCE(s) ((uint64_t)(s) << 32)
#define ORDER_DATA(n)   ((uint64_t)(n) << 32)

#define FAULT_OVERFLOW  1u
#define FAULT_QUEUE     0x70u /* of a command */
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
    struct vm_page *queue;
    uint64_t faults;

    *unit = (struct vtd_unit){.registers = phys_to_virt(phys)};
    unit->capabilities = vtd_unit_read64(unit, CAPABILITY);
    unit->extended = vtd_unit_read64(unit, EXTENDED);
    faults =
        CAP_FAULTS(unit->capabilities) + (CAP_FAULT_LAST(unit->capabilities) + 1ul) * FAULT_BYTES;
    if (unit->capabilities == ~0ull || faults > VTD_UNIT_SIZE ||
        (unit->extended & EXT_QUEUE) == 0 || VERSION_MAJOR(vtd_unit_read32(unit, VERSION)) == 0) {
        return false;
    }
    queue = vm_page_alloc_contig(2, 0, VM_PAGE_ZERO, 0, 0);
    unit->queue = queue != NULL ? vm_page_to_phys(queue) : 0;
    return queue != NULL;
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

static void vtd_unit_put(struct vtd_unit *unit, uint64_t low, uint64_t high)
{
    uint64_t *command = (uint64_t *)phys_to_virt(unit->queue) + 2ul * unit->tail;

    command[0] = low;
    command[1] = high;
    if (!vtd_unit_is_coherent(unit)) {
        clflush(command);
    }
    unit->tail = (unit->tail + 1) % QUEUE_LENGTH;
}

/* Give the command, and wait until it has been carried out. */
static void vtd_unit_order(struct vtd_unit *unit, uint64_t low, uint64_t high)
{
    phys_addr_t told = unit->queue + PAGE_SIZE;
    const uint32_t *word = phys_to_virt(told);
    uint64_t late = clock_now_ns() + NS_PER_SEC;

    unit->sequence++;
    vtd_unit_write_flush(unit);
    vtd_unit_put(unit, low, high);
    vtd_unit_put(unit, ORDER_WAIT | ORDER_DATA(unit->sequence), told);
    __sync_synchronize(); /* what was changed in memory is there */
    vtd_unit_write64(unit, QUEUE_TAIL, (uint64_t)unit->tail << QUEUE_SHIFT);
    while (atomic_load_acquire(word) != unit->sequence) {
        if ((vtd_unit_read32(unit, FAULT_STATUS) & FAULT_QUEUE) != 0 || clock_now_ns() > late) {
            panic("iommu: a command is not carried out: status 0x%x",
                  vtd_unit_read32(unit, FAULT_STATUS));
        }
        cpu_relax();
    }
}

/* With all accesses under way finished first. */
static void vtd_unit_order_tlb(struct vtd_unit *unit, uint64_t what, uint64_t pages)
{
    vtd_unit_order(unit, ORDER_TLB | ORDER_DRAIN(CAP_DRAIN(unit->capabilities)) | what, pages);
}

/* Begin with an empty queue, whatever the firmware did. */
static void vtd_unit_start_queue(struct vtd_unit *unit)
{
    vtd_unit_set(unit, COMMAND_QUEUE, false);
    vtd_unit_write32(unit, FAULT_STATUS, FAULT_QUEUE); /* taken */
    vtd_unit_write64(unit, QUEUE_TAIL, 0);
    vtd_unit_write64(unit, QUEUE_BASE, unit->queue);
    vtd_unit_set(unit, COMMAND_QUEUE, true);
}

void vtd_unit_start(struct vtd_unit *unit, phys_addr_t root, uint64_t address, uint32_t data)
{
    struct vtd_fault fault;
    bool lost;

    vtd_unit_set(unit, COMMAND_TRANSLATE, false); /* the firmware's, if any */
    vtd_unit_start_queue(unit);
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
    vtd_unit_order(unit, ORDER_CONTEXT | ORDER_ALL, 0);
    vtd_unit_order_tlb(unit, ORDER_ALL, 0);
}

void vtd_unit_translate(struct vtd_unit *unit)
{
    vtd_unit_set(unit, COMMAND_TRANSLATE, true);
    if ((unit->capabilities & (CAP_LOW_MEMORY | CAP_HIGH_MEMORY)) != 0) {
        vtd_unit_write32(unit, PROTECTED, vtd_unit_read32(unit, PROTECTED) & ~PROTECTED_ON);
        vtd_unit_wait32(unit, PROTECTED, PROTECTED_STILL, 0);
    }
}

void vtd_unit_forget_source(struct vtd_unit *unit, uint16_t source, uint16_t domain)
{
    vtd_unit_order(unit, ORDER_CONTEXT | ORDER_ONE | ORDER_NUMBER(domain) | ORDER_SOURCE(source),
                   0);
}

void vtd_unit_forget_domain(struct vtd_unit *unit, uint16_t domain)
{
    vtd_unit_order_tlb(unit, ORDER_DOMAIN | ORDER_NUMBER(domain), 0);
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
    vtd_unit_order_tlb(unit, ORDER_ONE | ORDER_NUMBER(domain), (bus & ~PAGE_MASK) | order);
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
