/* iommu.h - what devices reach of memory. A domain is the memory one source of accesses has been
 * given: a PCI function, or all those behind a bridge that speaks for them. A source without a
 * domain reaches nothing, but for what the firmware says it needs (RMRR).
 *
 * Where there is no remapping unit there are no domains, and devices reach all memory. */
#ifndef ARCH_IOMMU_H
#define ARCH_IOMMU_H

#include <stdbool.h>
#include <stdint.h>

#include <mach/kern_return.h>

#include "arch/layout.h"

struct iommu_domain;
struct vm_page;

/* What a source has tried that it may not. */
struct iommu_faults {
    uint64_t count;
    uint64_t address; /* on the bus, of the last one's page */
    int reason;       /* of the last one; Intel VT-d specification 4.1, 7.1.3 */
};

/* Turn the units on. After irq_init(), with threads. */
void iommu_init(void);
bool iommu_is_on(void);
/* Are there registers of a unit in [start, end)? */
bool iommu_is_register(phys_addr_t start, phys_addr_t end);

/* The domain of the source, made if there is none; its tables are charged to the current task.
 * Its faults are told and counted anew. Locks: takes DEVICE, PHYS. Refs: caller owns one. Sleeps:
 * no. Returns: KERN_SUCCESS (NULL when there are no domains), KERN_RESOURCE_SHORTAGE (memory, the
 * task's ledger, numbers of domains). */
kern_return_t iommu_domain_find(uint16_t source, struct iommu_domain **domain);
/* With the last one the source reaches none of it any more on return. Locks: takes DEVICE, PHYS. */
void iommu_domain_unref(struct iommu_domain *domain);

/* Let the source read, or write too, n pages, at *bus and behind it. Locks: takes DEVICE. Sleeps:
 * no. Returns: KERN_SUCCESS, KERN_RESOURCE_SHORTAGE (no such range of addresses is free). */
kern_return_t iommu_domain_map(struct iommu_domain *domain, struct vm_page *const *pages,
                               uint32_t n, bool is_writable, uint64_t *bus);
/* It does not reach the n pages at bus any more, on return. Locks: takes DEVICE. */
void iommu_domain_unmap(struct iommu_domain *domain, uint64_t bus, uint32_t n);
/* What the domain's source has tried since there was a domain for it. Locks: takes DEVICE. */
void iommu_domain_faults(struct iommu_domain *domain, struct iommu_faults *faults);

/* Sources, their domains and faults, for the debugger while nothing else runs. */
void iommu_print(void);

#endif
