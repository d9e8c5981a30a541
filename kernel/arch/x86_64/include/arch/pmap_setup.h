/* pmap_setup.h - the kernel's own page tables, made once at start-up. */
#ifndef ARCH_PMAP_SETUP_H
#define ARCH_PMAP_SETUP_H

#include <stdint.h>

#include "arch/layout.h"

/* Build the final kernel tables (direct map, kernel image with exact rights, top tables of all
 * kernel regions) and switch to them. After boot_info_init(), before the page allocator. */
void pmap_setup(void);
/* Tell the pmap which top table the kernel uses. */
void pmap_setup_kernel(uint64_t *pml4, phys_addr_t phys);
/* Caches for pmaps and mappings; after the slab allocator. */
void pmap_init(void);
/* Walk the kernel half and panic when a page is both writable and executable. Returns the number of
 * executable pages. */
uint64_t pmap_setup_check(void);

#endif
