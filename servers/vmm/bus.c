/* bus.c - ranges of ports and of physical addresses, sorted by where they begin. */
#include "bus.h"

#include <stddef.h>
#include <string.h>

void bus_init(struct bus *bus)
{
    bus->count = 0;
}

/* The first range that ends behind the address: where it is, or would be. */
static unsigned bus_find(const struct bus *bus, uint64_t address)
{
    unsigned low = 0, high = bus->count;

    while (low < high) {
        unsigned middle = (low + high) / 2;
        const struct bus_range *r = &bus->ranges[middle];

        if (r->base + (r->size - 1) < address) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

bool bus_insert(struct bus *bus, const struct bus_range *range)
{
    unsigned i;

    if (range->size == 0 || range->base + (range->size - 1) < range->base ||
        bus->count == BUS_RANGES_MAX) {
        return false;
    }
    i = bus_find(bus, range->base);
    if (i < bus->count && bus->ranges[i].base <= range->base + (range->size - 1)) {
        return false;
    }
    memmove(&bus->ranges[i + 1], &bus->ranges[i], (bus->count - i) * sizeof(bus->ranges[0]));
    bus->ranges[i] = *range;
    bus->count++;
    return true;
}

bool bus_remove(struct bus *bus, uint64_t base)
{
    unsigned i = bus_find(bus, base);

    if (i == bus->count || bus->ranges[i].base != base) {
        return false;
    }
    bus->count--;
    memmove(&bus->ranges[i], &bus->ranges[i + 1], (bus->count - i) * sizeof(bus->ranges[0]));
    return true;
}

const struct bus_range *bus_lookup(const struct bus *bus, uint64_t address)
{
    unsigned i = bus_find(bus, address);

    return i < bus->count && bus->ranges[i].base <= address ? &bus->ranges[i] : NULL;
}

static uint64_t bus_mask(unsigned size)
{
    return size >= 8 ? ~0ull : (1ull << 8 * size) - 1;
}

/* The range all of the access is in, or NULL. */
static const struct bus_range *bus_claim(const struct bus *bus, uint64_t address, unsigned size)
{
    const struct bus_range *r = bus_lookup(bus, address);

    return r != NULL && size <= r->size && address - r->base <= r->size - size ? r : NULL;
}

uint64_t bus_read(const struct bus *bus, uint64_t address, unsigned size)
{
    const struct bus_range *r = bus_claim(bus, address, size);

    return (r != NULL && r->read != NULL ? r->read(r->device, address - r->base, size) : ~0ull) &
           bus_mask(size);
}

void bus_write(const struct bus *bus, uint64_t address, unsigned size, uint64_t value)
{
    const struct bus_range *r = bus_claim(bus, address, size);

    if (r != NULL && r->write != NULL) {
        r->write(r->device, address - r->base, size, value & bus_mask(size));
    }
}
