/* load.c - what an image is, and what the loaders share. */
#include "load.h"

#include <string.h>

#define PAGE_MASK    4095ull
#define LARGE_SIZE   0x200000ull
#define TABLE_ENTRY  7u    /* present, writable, for everybody */
#define LARGE_ENTRY  0x87u /* 2 MiB */
#define TABLE_COUNT  512u
#define GDT_CODE_64  0x00af9b000000ffffull
#define GDT_DATA     0x00cf93000000ffffull
#define MINIMUM_SIZE 0x200000ull /* of memory: what is below 1 MiB, and as much for the image */

unsigned load_map(const struct memory *memory, struct load_map_entry *map)
{
    unsigned n = 0;

    map[n++] = (struct load_map_entry){0, LOAD_LOW_END, LOAD_MAP_USABLE};
    map[n++] =
        (struct load_map_entry){LOAD_LOW_END, LOAD_LOW_TOP - LOAD_LOW_END, LOAD_MAP_RESERVED};
    map[n++] =
        (struct load_map_entry){LOAD_LOW_TOP, memory->low_size - LOAD_LOW_TOP, LOAD_MAP_USABLE};
    if (memory->high_size != 0) {
        map[n++] = (struct load_map_entry){MEMORY_HIGH, memory->high_size, LOAD_MAP_USABLE};
    }
    return n;
}

const char *load_modules(const struct load_request *request, struct memory *memory, uint64_t end,
                         uint64_t limit, uint64_t *addresses)
{
    uint64_t top = memory->low_size < limit ? memory->low_size : limit;

    for (unsigned i = 0; i < request->module_count; i++) {
        const struct load_file *module = &request->modules[i];

        if (module->size > top || ((top - module->size) & ~PAGE_MASK) < end) {
            return "the machine has not enough memory for what is loaded beside the image";
        }
        top = (top - module->size) & ~PAGE_MASK;
        if (!memory_write(memory, top, module->data, module->size)) {
            return "a module lies outside of memory";
        }
        addresses[i] = top;
    }
    return NULL;
}

const char *load_cmdline(const struct load_request *request, struct memory *memory)
{
    uint64_t size = strlen(request->cmdline) + 1;

    if (size > LOAD_CMDLINE_MAX) {
        return "the command line is too long";
    }
    return memory_write(memory, LOAD_CMDLINE, request->cmdline, size)
               ? NULL
               : "the command line lies outside of memory";
}

/* Nobody else looks at the memory yet. */
void load_tables(struct memory *memory)
{
    uint64_t *tables = memory_at(memory, LOAD_TABLES, 6 * MEMORY_PAGE);
    uint64_t *gdt = memory_at(memory, LOAD_GDT, 4 * sizeof(uint64_t));

    memset(tables, 0, 6 * MEMORY_PAGE);
    tables[0] = (LOAD_TABLES + MEMORY_PAGE) | TABLE_ENTRY;
    for (unsigned i = 0; i < 4; i++) {
        tables[TABLE_COUNT + i] = (LOAD_TABLES + (2 + i) * MEMORY_PAGE) | TABLE_ENTRY;
    }
    for (unsigned i = 0; i < 4 * TABLE_COUNT; i++) {
        tables[2 * TABLE_COUNT + i] = i * LARGE_SIZE | LARGE_ENTRY;
    }
    gdt[0] = gdt[1] = 0;
    gdt[LOAD_CODE / 8] = GDT_CODE_64;
    gdt[LOAD_DATA / 8] = GDT_DATA;
}

const char *load_image(const struct load_request *request, struct memory *memory,
                       struct load_start *start)
{
    const struct load_file *image = &request->image;

    memset(start, 0, sizeof(*start));
    if (memory->low_size < MINIMUM_SIZE) {
        return "a machine needs 2 MiB of memory";
    }
    if (image->size == 0) {
        return "the image is empty";
    }
    if (load_linux_is(image)) {
        return load_linux(request, memory, start);
    }
    if (load_multiboot2_is(image)) {
        return load_multiboot2(request, memory, start);
    }
    if (load_multiboot_is(image)) {
        return load_multiboot(request, memory, start);
    }
    if (load_elf_is(image)) {
        return "the image is an ELF program without a multiboot header";
    }
    if (load_firmware_is(image)) {
        return load_firmware(request, memory, start);
    }
    return load_flat(request, memory, start);
}
