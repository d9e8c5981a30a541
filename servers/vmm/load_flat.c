/* load_flat.c - images that are nothing but code. One of 512 bytes that ends in 55 aa is the first
 * sector of a disk: at 0x7c00, in real mode. Any other is at 1 MiB, in protected mode without
 * paging, with the memory's size in EBX (KiB). Both begin with their first byte. */
#include <string.h>

#include "load.h"

#define SECTOR         512u
#define SECTOR_ADDRESS 0x7c00u
#define RFLAGS         2u

static bool load_flat_is_sector(const struct load_file *image)
{
    return image->size == SECTOR && image->data[SECTOR - 2] == 0x55 &&
           image->data[SECTOR - 1] == 0xaa;
}

const char *load_flat(const struct load_request *request, struct memory *memory,
                      struct load_start *start)
{
    const struct load_file *image = &request->image;
    bool is_sector = load_flat_is_sector(image);
    uint64_t address = is_sector ? SECTOR_ADDRESS : LOAD_LOW_TOP;

    if (request->module_count != 0) {
        return "a flat image has no use for anything that is loaded beside it";
    }
    if (!memory_write(memory, address, image->data, image->size)) {
        return "the machine has not enough memory for the image";
    }
    start->mode = is_sector ? LOAD_REAL : LOAD_PROTECTED;
    start->registers[HV_RIP] = address;
    start->registers[HV_RFLAGS] = RFLAGS;
    start->registers[HV_RSP] = is_sector ? SECTOR_ADDRESS : LOAD_STACK;
    start->registers[HV_RBX] = is_sector ? 0 : (memory->low_size + memory->high_size) / 1024;
    return NULL;
}
