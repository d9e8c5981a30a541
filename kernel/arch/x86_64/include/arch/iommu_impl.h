/* iommu_impl.h - what iommu.c and iommu_fault.c share. */
#ifndef ARCH_IOMMU_IMPL_H
#define ARCH_IOMMU_IMPL_H

#include "arch/dmar.h"
#include "arch/iommu.h"
#include "arch/vtd_unit.h"
#include "kern/spinlock.h"

/* All units go by the same tables. Keys: [L] iommu_lock, [I] after iommu_init() */
struct iommu {
    struct vtd_unit units[DMAR_UNIT_MAX]; /* [L] their registers */
    uint32_t unit_count;                  /* [I] 0: there are none in use */
    unsigned levels;                      /* [I] of page tables */
    bool is_coherent;                     /* [I] */
    bool caches_absent;                   /* [I] */
    uint32_t domain_count;                /* [I] numbers there are, 0 is not used */
    phys_addr_t root;                     /* [I] a table of a context table a bus */
};

extern struct iommu iommu;
extern struct spinlock iommu_lock;

/* Have faults of the source, whatever it reaches, kept by the units or not. Locks: iommu_lock.
 * Returns: false when there is no context table for its bus. */
bool iommu_keep_faults(uint16_t source, bool keep);

/* Faults of the source are told and kept again. Locks: iommu_lock. */
void iommu_fault_forgive(uint16_t source);
/* Locks: iommu_lock. */
void iommu_fault_get(uint16_t source, struct iommu_faults *faults);
void iommu_fault_print(void);
/* A line for the interrupts of units. Returns: false when there is none. */
bool iommu_fault_init(uint64_t *address, uint32_t *data);

#endif
