/* iommu_fault.c - accesses of devices that a remapping unit has refused: counted by source, the
 * first of a source told. A source that goes on is not recorded any more, so that it costs nobody
 * time, until it is given a domain anew. Locks: iommu_lock. */
#include "arch/iommu_impl.h"

#include <stddef.h>

#include "arch/irq.h"
#include "kern/assert.h"
#include "kern/printf.h"

#define SOURCES   64u  /* the last stands for all that there is no room for */
#define STORM_MAX 100u /* faults of a source that are recorded */

/* Keys: [L] iommu_lock */
struct iommu_fault_source {
    uint16_t source;            /* [L] */
    bool is_used;               /* [L] */
    uint32_t recent;            /* [L] faults since it was given a domain */
    struct iommu_faults faults; /* [L] */
};

static struct iommu_fault_source iommu_fault_sources[SOURCES];
static uint64_t iommu_fault_lost; /* [L] times that a unit had no room for one */

/* The record of the source, or NULL. */
static struct iommu_fault_source *iommu_fault_find(uint16_t source)
{
    assert(spin_is_held(&iommu_lock));
    for (unsigned i = 0; i + 1 < SOURCES && iommu_fault_sources[i].is_used; i++) {
        if (iommu_fault_sources[i].source == source) {
            return &iommu_fault_sources[i];
        }
    }
    return NULL;
}

/* The same, made if there is none. */
static struct iommu_fault_source *iommu_fault_make(uint16_t source)
{
    struct iommu_fault_source *s = iommu_fault_find(source);
    unsigned i = 0;

    if (s != NULL) {
        return s;
    }
    while (i + 1 < SOURCES && iommu_fault_sources[i].is_used) {
        i++;
    }
    s = &iommu_fault_sources[i];
    s->is_used = true;
    s->source = source;
    return s;
}

void iommu_fault_forgive(uint16_t source)
{
    struct iommu_fault_source *s = iommu_fault_find(source);

    if (s != NULL) {
        s->recent = 0;
    }
    iommu_keep_faults(source, true);
    for (uint32_t i = 0; i < iommu.unit_count; i++) {
        vtd_unit_tell_faults(&iommu.units[i], true);
    }
}

void iommu_fault_get(uint16_t source, struct iommu_faults *faults)
{
    const struct iommu_fault_source *s = iommu_fault_find(source);

    *faults = s != NULL ? s->faults : (struct iommu_faults){0, 0, 0};
}

static void iommu_fault_record(struct vtd_unit *unit, const struct vtd_fault *fault)
{
    struct iommu_fault_source *s = iommu_fault_make(fault->source);
    unsigned bus = fault->source >> 8, slot = fault->source >> 3 & 31, part = fault->source & 7;

    s->faults = (struct iommu_faults){s->faults.count + 1, fault->address, fault->reason};
    s->recent++;
    if (s->recent == 1) {
        kprintf("iommu: %02x:%02x.%x may not %s 0x%lx (reason %u)\n", bus, slot, part,
                fault->is_read ? "read" : "write", fault->address, fault->reason);
    }
    if (s->recent == STORM_MAX) {
        kprintf("iommu: %02x:%02x.%x goes on; not recorded any more\n", bus, slot, part);
    }
    if (s->recent >= STORM_MAX && !iommu_keep_faults(fault->source, false)) {
        vtd_unit_tell_faults(unit, false);
    }
}

/* Take what the unit has kept. Devices that are faster than this are not waited for: the unit tells
 * of no more then, until some source is given a domain anew. */
static void iommu_fault_drain(struct vtd_unit *unit)
{
    struct vtd_fault fault;
    bool lost = false;

    for (unsigned n = 0; vtd_unit_take_fault(unit, &fault, &lost); n++) {
        if (n == 2 * STORM_MAX) {
            kprintf("iommu: too many accesses are refused; not recorded any more\n");
            vtd_unit_tell_faults(unit, false);
            break;
        }
        iommu_fault_record(unit, &fault);
    }
    iommu_fault_lost += lost;
}

/* In interrupt context. */
static struct thread *iommu_fault_interrupt(void *argument, bool user)
{
    (void)argument, (void)user;
    spin_lock(&iommu_lock);
    for (uint32_t i = 0; i < iommu.unit_count; i++) {
        iommu_fault_drain(&iommu.units[i]);
    }
    spin_unlock(&iommu_lock);
    return NULL;
}

bool iommu_fault_init(uint64_t *address, uint32_t *data)
{
    uint32_t line;

    if (!irq_message_create(&line)) {
        return false;
    }
    irq_message_of(line, address, data);
    irq_attach(line, iommu_fault_interrupt, NULL);
    return true;
}

void iommu_fault_print(void)
{
    kprintf("source  faults recorded, last page, reason (times too many came: %lu)\n",
            iommu_fault_lost);
    for (unsigned i = 0; i < SOURCES; i++) {
        const struct iommu_fault_source *s = &iommu_fault_sources[i];

        if (s->is_used && s->faults.count != 0) {
            kprintf("%02x:%02x.%x %lu, 0x%lx, %d\n", s->source >> 8, s->source >> 3 & 31,
                    s->source & 7, s->faults.count, s->faults.address, s->faults.reason);
        }
    }
}
