/* pmap_setup.c - the kernel's own page tables: the direct map, the kernel image with the rights of
 * each section, and the top tables that all address spaces share. Pages without memory behind them
 * are mapped uncached in the direct map: device registers are reached there. */
#include "arch/pmap_setup.h"

#include "arch/boot_info.h"
#include "arch/cpu_features.h"
#include "arch/io.h"
#include "arch/pmap_impl.h"
#include "kern/assert.h"

#define GIB 0x40000000ul

extern char kernel_phys_start[], kernel_text_start[], kernel_text_end[], kernel_rodata_end[],
    kernel_end[];

static uint64_t *pmap_setup_pml4;

static uint64_t *pmap_setup_next(uint64_t *entry)
{
    if ((*entry & PTE_PRESENT) == 0) {
        *entry = boot_info_take_pages(1) | PTE_PRESENT | PTE_WRITE;
    }
    return phys_to_virt(*entry & PTE_FRAME);
}

/* The entry of the given level for va, making the tables above it. */
static uint64_t *pmap_setup_entry(uint64_t va, unsigned level)
{
    uint64_t *table = pmap_setup_pml4;

    for (unsigned l = 3; l > level; l--) {
        table = pmap_setup_next(&table[va >> (12 + 9 * l) & 511]);
    }
    return &table[va >> (12 + 9 * level) & 511];
}

static bool pmap_setup_has_ram(phys_addr_t start, phys_addr_t end)
{
    for (uint32_t i = 0; i < boot_info.usable_count; i++) {
        if (boot_info.usable[i].start < end && boot_info.usable[i].end > start) {
            return true;
        }
    }
    return false;
}

static void pmap_setup_direct_map(void)
{
    phys_addr_t end = boot_info.ram_end > 4 * GIB ? boot_info.ram_end : 4 * GIB;
    phys_addr_t phys = 0;

    while (phys < end) {
        bool big = cpu_features.pdpe1gb && phys % GIB == 0 && phys >= 4 * GIB;
        uint64_t span = big ? GIB : LARGE_PAGE_SIZE;
        uint64_t entry = phys | PTE_PRESENT | PTE_WRITE | PTE_LARGE | PTE_GLOBAL | PTE_NX;

        /* the low 1 MiB and firmware tables are memory too, as are loaded modules: only what lies
         * in the hole below 4 GiB is a device */
        if (phys >= 0xc0000000ul && phys < 4 * GIB && !pmap_setup_has_ram(phys, phys + span)) {
            entry |= PTE_NOCACHE | PTE_WRITE_THROUGH;
        }
        *pmap_setup_entry(DIRECT_MAP_BASE + phys, big ? 2 : 1) = entry;
        phys += span;
    }
}

static void pmap_setup_map_image(uint64_t start, uint64_t end, uint64_t rights)
{
    for (uint64_t va = start; va < end; va += PAGE_SIZE) {
        *pmap_setup_entry(va, 0) = (va - KERNEL_IMAGE_BASE) | rights | PTE_PRESENT | PTE_GLOBAL;
    }
}

/* Top tables for every kernel region, so that address spaces made later share whatever is mapped
 * there. */
static void pmap_setup_top_tables(void)
{
    uint64_t span = 1ul << 39;

    for (uint64_t va = KMEM_BASE; va < KMEM_BASE + KMEM_SIZE; va += span) {
        pmap_setup_next(&pmap_setup_pml4[PMAP_PML4_INDEX(va)]);
    }
    for (uint64_t va = KMEM_SLOT_BASE; va < KMEM_SLOT_BASE + KMEM_SLOT_SIZE * KMEM_SLOT_COUNT;
         va += span) {
        pmap_setup_next(&pmap_setup_pml4[PMAP_PML4_INDEX(va)]);
    }
}

void pmap_setup(void)
{
    phys_addr_t phys = boot_info_take_pages(1);

    pmap_setup_pml4 = phys_to_virt(phys);
    pmap_setup_direct_map();
    pmap_setup_map_image((uint64_t)kernel_phys_start + KERNEL_IMAGE_BASE,
                         (uint64_t)kernel_text_start, PTE_NX | PTE_WRITE); /* the stack we run on */
    pmap_setup_map_image((uint64_t)kernel_text_start, (uint64_t)kernel_text_end, 0);
    pmap_setup_map_image((uint64_t)kernel_text_end, (uint64_t)kernel_rodata_end, PTE_NX);
    pmap_setup_map_image((uint64_t)kernel_rodata_end, (uint64_t)kernel_end, PTE_NX | PTE_WRITE);
    pmap_setup_top_tables();
    pmap_setup_kernel(pmap_setup_pml4, phys);
    write_cr3(phys);
    cpu_current()->pmap = pmap_kernel();
    if (cpu_features.pcid) {
        write_cr4(read_cr4() | CR4_PCIDE);
    }
}

static uint64_t pmap_setup_check_table(const uint64_t *table, unsigned level, unsigned first,
                                       bool writable, bool executable)
{
    uint64_t count = 0;

    for (unsigned i = first; i < PMAP_ENTRIES; i++) {
        bool w = writable && (table[i] & PTE_WRITE) != 0;
        bool x = executable && (table[i] & PTE_NX) == 0;

        if ((table[i] & PTE_PRESENT) == 0) {
            continue;
        }
        if (level > 0 && (level == 3 || (table[i] & PTE_LARGE) == 0)) {
            count += pmap_setup_check_table(phys_to_virt(table[i] & PTE_FRAME), level - 1, 0, w, x);
            continue;
        }
        if (w && x) {
            panic("page table entry %p (level %u, index %u) is writable and executable",
                  (void *)table[i], level, i);
        }
        count += x ? 1 : 0;
    }
    return count;
}

uint64_t pmap_setup_check(void)
{
    return pmap_setup_check_table(pmap_kernel()->pml4, 3, PMAP_KERNEL_ENTRY, true, true);
}
