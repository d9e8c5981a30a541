/* load.h - images a machine can begin with: what they are, where they go, and how the first
 * processor is to begin. Each loader reads nothing but what it was given and writes nothing but the
 * guest's memory.
 *
 * What is below 1 MiB belongs to the monitor until the guest runs: */
#ifndef VMM_LOAD_H
#define VMM_LOAD_H

#include <mach/hv.h>
#include <stdint.h>

#include "memory.h"

#define LOAD_TABLES      0x1000u /* six pages: the first 4 GiB, each address its own */
#define LOAD_GDT         0x7000u
#define LOAD_INFO        0x8000u  /* what the boot protocol hands over: up to LOAD_CMDLINE */
#define LOAD_CMDLINE     0x10000u /* and that many bytes, with its NUL */
#define LOAD_CMDLINE_MAX 4096u
#define LOAD_STACK       0x9f000u /* down from there */
#define LOAD_LOW_END     0x9fc00u /* of memory below 1 MiB that is the guest's */
#define LOAD_ACPI        0xe0000u /* to LOAD_LOW_TOP */
#define LOAD_LOW_TOP     0x100000u

#define LOAD_MODULES_MAX 8u
#define LOAD_MAP_MAX     4u

#define LOAD_CODE 0x10u /* selectors in the table at LOAD_GDT */
#define LOAD_DATA 0x18u

struct load_file {
    const uint8_t *data;
    uint64_t size;
    const char *words; /* of a module */
};

struct load_request {
    struct load_file image;
    struct load_file modules[LOAD_MODULES_MAX]; /* the first is Linux's initrd */
    unsigned module_count;
    const char *cmdline; /* never NULL */
    uint64_t rsdp;       /* where ACPI's root pointer is; 0: there is none */
};

enum load_mode { LOAD_REAL, LOAD_PROTECTED, LOAD_LONG };

/* How the first processor begins: flat segments, interrupts off, paging as the mode needs it. */
struct load_start {
    enum load_mode mode;
    uint16_t code;     /* segment of the code, in real mode */
    uint64_t rom_size; /* the image, of so many bytes, is a ROM at the end of the first 4 GiB; 0: it
                          is not */
    uint64_t registers[HV_GENERAL_COUNT];
};

/* One stretch of memory, as E820 has it. */
struct load_map_entry {
    uint64_t base;
    uint64_t size;
    uint32_t type;
} __attribute__((packed));
#define LOAD_MAP_USABLE   1u
#define LOAD_MAP_RESERVED 2u

/* Find out what the image is, and load it. Returns: NULL, or a sentence about why not; the guest's
 * memory has then something of it. */
const char *load_image(const struct load_request *request, struct memory *memory,
                       struct load_start *start);

/* The loaders. Each is for one kind of image, which is_X recognises by its first bytes. */
bool load_linux_is(const struct load_file *image);
const char *load_linux(const struct load_request *request, struct memory *memory,
                       struct load_start *start);
bool load_multiboot2_is(const struct load_file *image);
const char *load_multiboot2(const struct load_request *request, struct memory *memory,
                            struct load_start *start);
bool load_multiboot_is(const struct load_file *image);
const char *load_multiboot(const struct load_request *request, struct memory *memory,
                           struct load_start *start);
bool load_firmware_is(const struct load_file *image);
const char *load_firmware(const struct load_request *request, struct memory *memory,
                          struct load_start *start);
const char *load_flat(const struct load_request *request, struct memory *memory,
                      struct load_start *start);

/* --- what loaders share --- */

/* What memory there is; map has room for LOAD_MAP_MAX. Returns: how many. */
unsigned load_map(const struct memory *memory, struct load_map_entry *map);
/* Put the segments of an ELF file, of 32 or 64 bits, where they want to be: from 1 MiB on. *entry
 * is the physical address it begins at, *end where the highest segment ends. */
const char *load_elf(const struct load_file *image, struct memory *memory, uint64_t *entry,
                     uint64_t *end);
bool load_elf_is(const struct load_file *image);
/* Put the modules at the top of memory below `limit`, each on a page of its own; addresses[n] is
 * where. `end` is where what has been loaded ends. */
const char *load_modules(const struct load_request *request, struct memory *memory, uint64_t end,
                         uint64_t limit, uint64_t *addresses);
/* Put the command line at LOAD_CMDLINE. */
const char *load_cmdline(const struct load_request *request, struct memory *memory);
/* The tables for long mode, and the segments LOAD_CODE and LOAD_DATA. */
void load_tables(struct memory *memory);

#endif
