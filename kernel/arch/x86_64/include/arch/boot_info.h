/* boot_info.h - what the boot loader told us, copied out of its memory before that is reused. */
#ifndef ARCH_BOOT_INFO_H
#define ARCH_BOOT_INFO_H

#include <stdbool.h>
#include <stdint.h>

#include "arch/layout.h"
#include "vm/vm_page.h" /* struct phys_range */

#define BOOT_RANGE_MAX  64
#define BOOT_MODULE_MAX 4
#define BOOT_TEXT_MAX   256

struct boot_module {
    struct phys_range range;
    char text[BOOT_TEXT_MAX]; /* its command line */
};

struct boot_framebuffer {
    phys_addr_t phys;
    uint32_t pitch, width, height;
    uint8_t bits_per_pixel;
    uint8_t type; /* 1 direct RGB, 2 EGA text, 0 none */
};

/* Keys: [I] all, after boot_info_init() */
struct boot_info {
    char command_line[BOOT_TEXT_MAX];
    struct phys_range usable[BOOT_RANGE_MAX]; /* sorted, whole pages, without kernel, modules and
                                                 what was taken early */
    uint32_t usable_count;
    struct phys_range ram[BOOT_RANGE_MAX]; /* all that is memory */
    uint32_t ram_count;
    struct phys_range disk; /* the memory disk of `memdisk=SIZE`, memory the kernel leaves alone;
                               empty without */
    phys_addr_t ram_end;    /* behind the last usable byte */
    uint64_t ram_bytes;
    struct boot_module modules[BOOT_MODULE_MAX];
    uint32_t module_count;
    struct boot_framebuffer framebuffer;
    phys_addr_t rsdp_xsdt; /* ACPI 2 table or 0 */
    phys_addr_t rsdp_rsdt; /* ACPI 1 table or 0 */
};

extern struct boot_info boot_info;

/* Read the multiboot2 information at phys (Multiboot2 specification 2.0, 3.6). Panics when there is
 * no memory map. */
void boot_info_init(uint32_t phys);
/* Is any of [start, end) memory? */
bool boot_info_is_ram(phys_addr_t start, phys_addr_t end);
/* Take whole pages from the usable ranges for good, below 4 GiB, zeroed. Before the page allocator
 * exists. Panics when out of memory. */
phys_addr_t boot_info_take_pages(uint64_t npages);
/* Copy the value after `name=` on the kernel command line to buffer; a bare `name` gives "". False
 * when the option is not there. */
bool boot_info_option(const char *name, char *buffer, uint64_t size);

#endif
