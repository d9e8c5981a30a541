/* layout.h - where things lie in the kernel half of every address space.
 *
 *   0xffff800000000000  direct map of physical memory (64 TiB), never executable
 *   0xffffc00000000000  kernel map: stacks, tables, large allocations (1 TiB)
 *   0xffffd00000000000  port name tables: slots of 512 MiB (8 TiB)
 *   0xffffffff80000000  the kernel image, linked at its physical address plus this
 */
#ifndef ARCH_LAYOUT_H
#define ARCH_LAYOUT_H

#include <stdint.h>

#define PAGE_SHIFT      12
#define PAGE_SIZE       4096ul
#define PAGE_MASK       (PAGE_SIZE - 1)
#define LARGE_PAGE_SIZE 0x200000ul

#define DIRECT_MAP_BASE   0xffff800000000000ul
#define DIRECT_MAP_SIZE   0x400000000000ul
#define KMEM_BASE         0xffffc00000000000ul
#define KMEM_SIZE         0x010000000000ul
#define KMEM_SLOT_BASE    0xffffd00000000000ul
#define KMEM_SLOT_SIZE    0x20000000ul
#define KMEM_SLOT_COUNT   16384ul
#define KERNEL_IMAGE_BASE 0xffffffff80000000ul

#define VM_MIN_ADDRESS 0ul
#define VM_MAX_ADDRESS 0x800000000000ul

_Static_assert(DIRECT_MAP_BASE + DIRECT_MAP_SIZE <= KMEM_BASE, "parts do not overlap");
_Static_assert(KMEM_BASE + KMEM_SIZE <= KMEM_SLOT_BASE, "parts do not overlap");
_Static_assert(KMEM_SLOT_SIZE *KMEM_SLOT_COUNT <= KERNEL_IMAGE_BASE - KMEM_SLOT_BASE, "nor these");

typedef uint64_t phys_addr_t;

#ifndef CONFIG_HOST_TEST
/* The direct-map address of a physical address, and back. */
static inline void *phys_to_virt(phys_addr_t phys)
{
    return (void *)(phys + DIRECT_MAP_BASE);
}

static inline phys_addr_t virt_to_phys(const void *virt)
{
    return (uint64_t)virt - DIRECT_MAP_BASE;
}
#else
void *phys_to_virt(phys_addr_t phys);
phys_addr_t virt_to_phys(const void *virt);
#endif

#endif
