/* dmar.h - the ACPI table of DMA remapping units and of memory that devices need from the start
 * (Intel VT-d specification 4.1, chapter 8). */
#ifndef ARCH_DMAR_H
#define ARCH_DMAR_H

#include <stdbool.h>
#include <stdint.h>

#include "arch/layout.h"

#define DMAR_UNIT_MAX   8
#define DMAR_REGION_MAX 16
#define DMAR_PATH_MAX   4

struct dmar_step {
    uint8_t device, function;
};

/* Memory that the firmware has a device use, and where that is: a bus, and the way through
 * bridges. */
struct dmar_region {
    phys_addr_t start, end; /* whole pages */
    uint8_t bus, steps;
    struct dmar_step path[DMAR_PATH_MAX];
};

struct dmar_info {
    phys_addr_t units[DMAR_UNIT_MAX]; /* their registers */
    uint32_t unit_count;
    struct dmar_region regions[DMAR_REGION_MAX];
    uint32_t region_count;
};

/* Read the table of so many bytes into *info; segment 0 only, as the rest of the system knows no
 * other. Returns: false when it is not what the specification says, or names more than there is
 * room for; *info is empty then. */
bool dmar_read(const void *table, uint32_t size, struct dmar_info *info);

#endif
