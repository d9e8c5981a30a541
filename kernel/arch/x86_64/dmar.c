/* dmar.c - the ACPI table DMAR. What its lengths say is checked before it is read: a part that does
 * not fit makes the whole table none. */
#include "arch/dmar.h"

#include "kern/assert.h"
#include "kern/string.h"

#define DMAR_HEADER  48u /* of the table: ACPI's, address width, flags */
#define TYPE_UNIT    0u
#define TYPE_REGION  1u
#define SCOPE_HEADER 6u
#define SCOPE_DEVICE 1u
#define SCOPE_BRIDGE 2u

struct dmar_structure {
    uint16_t type, length;
} __attribute__((packed));

struct dmar_unit {
    struct dmar_structure head;
    uint8_t flags, size;
    uint16_t segment;
    uint64_t registers;
} __attribute__((packed));

struct dmar_reserved {
    struct dmar_structure head;
    uint16_t reserved, segment;
    uint64_t first, last;
} __attribute__((packed));

struct dmar_scope {
    uint8_t type, length, flags, reserved, id, bus;
    struct dmar_step path[];
} __attribute__((packed));

static_assert(sizeof(struct dmar_unit) == 16, "DRHD");
static_assert(sizeof(struct dmar_reserved) == 24, "RMRR");
static_assert(sizeof(struct dmar_scope) == SCOPE_HEADER, "device scope");

static bool dmar_read_unit(const struct dmar_unit *unit, struct dmar_info *info)
{
    if (unit->head.length < sizeof(*unit) || (unit->registers & PAGE_MASK) != 0 ||
        unit->registers == 0 || unit->registers >= DIRECT_MAP_SIZE) {
        return false;
    }
    if (unit->segment != 0) {
        return true;
    }
    if (info->unit_count == DMAR_UNIT_MAX) {
        return false;
    }
    info->units[info->unit_count] = unit->registers;
    info->unit_count++;
    return true;
}

/* The region for one of its devices. */
static bool dmar_read_scope(const struct dmar_reserved *region, const struct dmar_scope *scope,
                            struct dmar_info *info)
{
    uint32_t steps = (scope->length - SCOPE_HEADER) / (uint32_t)sizeof(scope->path[0]);
    struct dmar_region *out = &info->regions[info->region_count];

    if (scope->type != SCOPE_DEVICE && scope->type != SCOPE_BRIDGE) {
        return true; /* an I/O APIC or a timer: no memory of theirs is told of */
    }
    if (steps == 0 || steps > DMAR_PATH_MAX || info->region_count == DMAR_REGION_MAX) {
        return false;
    }
    out->start = region->first;
    out->end = region->last + 1;
    out->bus = scope->bus;
    out->steps = (uint8_t)steps;
    for (uint32_t i = 0; i < steps; i++) {
        out->path[i] = scope->path[i];
        if (scope->path[i].device >= 32 || scope->path[i].function >= 8) {
            return false;
        }
    }
    info->region_count++;
    return true;
}

static bool dmar_read_region(const struct dmar_reserved *region, struct dmar_info *info)
{
    const uint8_t *at = (const uint8_t *)(region + 1);
    const uint8_t *end = (const uint8_t *)region + region->head.length;

    if (region->head.length < sizeof(*region) || (region->first & PAGE_MASK) != 0 ||
        (region->last & PAGE_MASK) != PAGE_MASK || region->first > region->last ||
        region->last >= DIRECT_MAP_SIZE) {
        return false;
    }
    while (region->segment == 0 && at < end) {
        const struct dmar_scope *scope = (const struct dmar_scope *)at;
        uint32_t left = (uint32_t)(end - at);

        if (left < SCOPE_HEADER || scope->length < SCOPE_HEADER || scope->length > left ||
            !dmar_read_scope(region, scope, info)) {
            return false;
        }
        at += scope->length;
    }
    return true;
}

/* Those of other types are about caches in devices and the like. */
static bool dmar_read_structure(const struct dmar_structure *head, struct dmar_info *info)
{
    switch (head->type) {
    case TYPE_UNIT:
        return dmar_read_unit((const struct dmar_unit *)head, info);
    case TYPE_REGION:
        return dmar_read_region((const struct dmar_reserved *)head, info);
    default:
        return true;
    }
}

bool dmar_read(const void *table, uint32_t size, struct dmar_info *info)
{
    const uint8_t *at = (const uint8_t *)table + DMAR_HEADER;
    const uint8_t *end = (const uint8_t *)table + size;
    bool is_right = size >= DMAR_HEADER;

    memset(info, 0, sizeof(*info));
    while (is_right && at < end) {
        const struct dmar_structure *head = (const struct dmar_structure *)at;
        uint32_t left = (uint32_t)(end - at);

        is_right = left >= sizeof(*head) && head->length >= sizeof(*head) && head->length <= left &&
                   dmar_read_structure(head, info);
        at += is_right ? head->length : 0;
    }
    if (!is_right) {
        memset(info, 0, sizeof(*info));
    }
    return is_right;
}
