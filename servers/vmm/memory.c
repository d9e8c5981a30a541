/* memory.c - from guest physical addresses to the monitor's own. */
#include "memory.h"

#include <string.h>

void memory_init(struct memory *memory, void *base, uint64_t size)
{
    memory->base = base;
    memory->low_size = size < MEMORY_HOLE ? size : MEMORY_HOLE;
    memory->high_size = size - memory->low_size;
}

void *memory_at(const struct memory *memory, uint64_t address, uint64_t size)
{
    if (address < MEMORY_HIGH) {
        return address <= memory->low_size && size <= memory->low_size - address
                   ? memory->base + address
                   : NULL;
    }
    address -= MEMORY_HIGH;
    return address <= memory->high_size && size <= memory->high_size - address
               ? memory->base + memory->low_size + address
               : NULL;
}

bool memory_read(const struct memory *memory, uint64_t address, void *data, uint64_t size)
{
    const void *from = memory_at(memory, address, size);

    if (from != NULL) {
        memcpy(data, from, size);
    }
    return from != NULL;
}

bool memory_write(const struct memory *memory, uint64_t address, const void *data, uint64_t size)
{
    void *to = memory_at(memory, address, size);

    if (to != NULL) {
        memcpy(to, data, size);
    }
    return to != NULL;
}
