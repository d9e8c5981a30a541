/* memory.h - the memory of a guest, which the monitor has mapped, too.
 *
 * The guest changes it while the monitor looks: what is read here is copied, or read once and then
 * checked. From address 0 up to MEMORY_HOLE, and the rest from 4 GiB on. */
#ifndef VMM_MEMORY_H
#define VMM_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MEMORY_PAGE 4096u
#define MEMORY_HOLE 0xc0000000ull  /* devices, up to MEMORY_HIGH */
#define MEMORY_HIGH 0x100000000ull /* 4 GiB */

struct memory {
    uint8_t *base;      /* in the monitor: low, then high */
    uint64_t low_size;  /* at guest physical address 0, whole pages, at most MEMORY_HOLE */
    uint64_t high_size; /* at MEMORY_HIGH */
};

/* base has size bytes, which is whole pages and more than none. */
void memory_init(struct memory *memory, void *base, uint64_t size);
/* Where [address, address + size) is in the monitor; NULL when not all of it is memory, or it is
 * not in one piece. Of no bytes: NULL beyond the end. */
void *memory_at(const struct memory *memory, uint64_t address, uint64_t size);
/* Copy out of it, or into it. False, and nothing was done: not all of it is memory. */
bool memory_read(const struct memory *memory, uint64_t address, void *data, uint64_t size);
bool memory_write(const struct memory *memory, uint64_t address, const void *data, uint64_t size);

#endif
