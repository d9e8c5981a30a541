/* bus.h - who answers at an address: ranges of I/O ports, or of guest physical memory that is no
 * memory. One bus of each for a machine.
 *
 * Nothing here waits or takes a lock: devices are called with the machine's lock held. */
#ifndef VMM_BUS_H
#define VMM_BUS_H

#include <stdbool.h>
#include <stdint.h>

#define BUS_RANGES_MAX 64u

/* A device's side. offset is from the base of its range, size 1, 2, 4 or 8 bytes, and
 * [offset, offset + size) is inside the range. Of value only `size` bytes count. */
typedef uint64_t bus_read_function(void *device, uint64_t offset, unsigned size);
typedef void bus_write_function(void *device, uint64_t offset, unsigned size, uint64_t value);

struct bus_range {
    uint64_t base;
    uint64_t size;
    bus_read_function *read;   /* NULL: reads give all ones */
    bus_write_function *write; /* NULL: writes have no effect */
    void *device;
};

struct bus {
    unsigned count;
    struct bus_range ranges[BUS_RANGES_MAX]; /* by base; none overlap */
};

void bus_init(struct bus *bus);
/* Have the range's functions called from now on. False: it is empty, goes beyond 2^64, overlaps
 * another, or there are too many. */
bool bus_insert(struct bus *bus, const struct bus_range *range);
/* Take away the range that begins there. False: there is none. */
bool bus_remove(struct bus *bus, uint64_t base);
/* The range an address is in, or NULL. Good until the bus is changed. */
const struct bus_range *bus_lookup(const struct bus *bus, uint64_t address);
/* What a guest does. An access that nobody claims, or that goes beyond the end of a range, reads
 * all ones, or has no effect. */
uint64_t bus_read(const struct bus *bus, uint64_t address, unsigned size);
void bus_write(const struct bus *bus, uint64_t address, unsigned size, uint64_t value);

#endif
