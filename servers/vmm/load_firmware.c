/* load_firmware.c - a PC's firmware (SeaBIOS): whole 64 KiB that end in the first instruction, a
 * far jump into the segment F000h. It is a ROM at the end of the first 4 GiB, and a copy of its
 * last 128 KiB is at the end of the first MiB, where it begins as a processor does that was reset.
 */
#include "load.h"

#define UNIT     0x10000u
#define ROM_MAX  0x1000000u /* below it are the devices' registers */
#define LOW_SIZE 0x20000u
#define START    16u /* from the end */
#define JUMP     0xeau
#define SEGMENT  0xf000u
#define RFLAGS   2u

bool load_firmware_is(const struct load_file *image)
{
    const uint8_t *first;

    if (image->size == 0 || image->size % UNIT != 0 || image->size > ROM_MAX) {
        return false;
    }
    first = image->data + image->size - START;
    return first[0] == JUMP && (first[3] | first[4] << 8) == SEGMENT;
}

const char *load_firmware(const struct load_request *request, struct memory *memory,
                          struct load_start *start)
{
    const struct load_file *image = &request->image;
    uint64_t size = image->size < LOW_SIZE ? image->size : LOW_SIZE;

    if (request->module_count != 0) {
        return "firmware has no use for anything that is loaded beside it";
    }
    if (!memory_write(memory, LOAD_LOW_TOP - size, image->data + image->size - size, size)) {
        return "the machine has not enough memory for the image";
    }
    start->mode = LOAD_REAL;
    start->code = SEGMENT;
    start->rom_size = image->size;
    start->registers[HV_RIP] = LOAD_LOW_TOP - START - (SEGMENT << 4);
    start->registers[HV_RFLAGS] = RFLAGS;
    return NULL;
}
