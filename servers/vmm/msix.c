/* msix.c - interrupts that are messages: the table a driver fills in, and what waits while masked.
 */
#include "msix.h"

#include <string.h>

#define CAPABILITY_ID   0x11u
#define CAPABILITY_SIZE 12u
#define CONTROL         2u /* offsets in it */
#define TABLE           4u
#define PENDING         8u

#define CONTROL_MASKED  0x4000u
#define CONTROL_ENABLED 0x8000u

#define BAR_SIZE       4096u
#define PENDING_OFFSET 2048u /* in the BAR */
#define ENTRY_SIZE     16u

#define VECTOR_MASKED 1u

static uint16_t msix_control(const struct msix *msix)
{
    return pci_get16(msix->function, msix->capability + CONTROL);
}

bool msix_is_enabled(const struct msix *msix)
{
    return msix->count != 0 && (msix_control(msix) & CONTROL_ENABLED) != 0;
}

/* Send it if nothing is in the way. */
static void msix_try(struct msix *msix, struct msix_vector *v)
{
    bool is_open = (msix_control(msix) & (CONTROL_ENABLED | CONTROL_MASKED)) == CONTROL_ENABLED;

    if (v->is_pending && is_open && !v->is_masked) {
        v->is_pending = false;
        msix->send(msix->context, (uint64_t)v->address_high << 32 | v->address, v->data);
    }
}

void msix_raise(struct msix *msix, unsigned vector)
{
    if (vector < msix->count && msix_is_enabled(msix)) {
        msix->vectors[vector].is_pending = true;
        msix_try(msix, &msix->vectors[vector]);
    }
}

void msix_written(struct msix *msix)
{
    for (unsigned n = 0; n < msix->count; n++) {
        msix_try(msix, &msix->vectors[n]);
    }
}

/* --- the BAR --- */

static uint32_t msix_read32(const struct msix *msix, unsigned offset)
{
    unsigned n = offset / ENTRY_SIZE;
    uint32_t pending = 0;

    if (offset == PENDING_OFFSET) {
        for (unsigned i = 0; i < msix->count; i++) {
            pending |= msix->vectors[i].is_pending ? 1u << i : 0;
        }
        return pending;
    }
    if (n >= msix->count) {
        return 0;
    }
    switch (offset % ENTRY_SIZE) {
    case 0:
        return msix->vectors[n].address;
    case 4:
        return msix->vectors[n].address_high;
    case 8:
        return msix->vectors[n].data;
    default:
        return msix->vectors[n].is_masked ? VECTOR_MASKED : 0;
    }
}

static void msix_write32(struct msix *msix, unsigned offset, uint32_t value)
{
    unsigned n = offset / ENTRY_SIZE;

    if (n >= msix->count) {
        return;
    }
    switch (offset % ENTRY_SIZE) {
    case 0:
        msix->vectors[n].address = value & ~3u;
        break;
    case 4:
        msix->vectors[n].address_high = value;
        break;
    case 8:
        msix->vectors[n].data = value;
        break;
    default:
        msix->vectors[n].is_masked = (value & VECTOR_MASKED) != 0;
        msix_try(msix, &msix->vectors[n]);
        break;
    }
}

/* Accesses are of 4 or 8 bytes, aligned (6.8.2); others read nothing and change nothing. */
static bool msix_is_access(uint64_t offset, unsigned size)
{
    return (size == 4 || size == 8) && offset % size == 0;
}

static uint64_t msix_read(void *device, uint64_t offset, unsigned size)
{
    const struct msix *msix = device;
    uint64_t value;

    if (!msix_is_access(offset, size)) {
        return 0;
    }
    value = msix_read32(msix, (unsigned)offset);
    if (size == 8) {
        value |= (uint64_t)msix_read32(msix, (unsigned)offset + 4) << 32;
    }
    return value;
}

static void msix_write(void *device, uint64_t offset, unsigned size, uint64_t value)
{
    struct msix *msix = device;

    if (!msix_is_access(offset, size)) {
        return;
    }
    msix_write32(msix, (unsigned)offset, (uint32_t)value);
    if (size == 8) {
        msix_write32(msix, (unsigned)offset + 4, (uint32_t)(value >> 32));
    }
}

void msix_reset(struct msix *msix)
{
    pci_set16(msix->function, msix->capability + CONTROL, (uint16_t)(msix->count - 1));
    for (unsigned n = 0; n < MSIX_VECTORS_MAX; n++) {
        msix->vectors[n] = (struct msix_vector){.is_masked = true};
    }
}

bool msix_init(struct msix *msix, struct pci_function *function, unsigned bar, unsigned count,
               msix_send_function *send, void *context)
{
    unsigned at = pci_function_add_capability(function, CAPABILITY_ID, CAPABILITY_SIZE);

    if (at == 0) {
        return false;
    }
    *msix = (struct msix){function, at, count, send, context, {{0}}};
    pci_set32(function, at + TABLE, bar);
    pci_set32(function, at + PENDING, PENDING_OFFSET | bar);
    function->writable[at + CONTROL + 1] = (CONTROL_MASKED | CONTROL_ENABLED) >> 8;
    pci_function_set_bar(function, bar, false, BAR_SIZE, msix_read, msix_write, msix);
    msix_reset(msix);
    return true;
}
