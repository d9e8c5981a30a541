/* layout.h - host stand-in: the kernel map lies where the test process has room for it, physical
 * memory is an arena. */
#ifndef ARCH_LAYOUT_H
#define ARCH_LAYOUT_H

#include <stdint.h>

#define PAGE_SHIFT      12
#define PAGE_SIZE       4096ul
#define PAGE_MASK       (PAGE_SIZE - 1)
#define LARGE_PAGE_SIZE 0x200000ul

#define KMEM_BASE       0x200000000000ul
#define KMEM_SIZE       0x010000000000ul
#define KMEM_SLOT_BASE  0x300000000000ul
#define KMEM_SLOT_SIZE  0x20000000ul
#define KMEM_SLOT_COUNT 16384ul

#define VM_MIN_ADDRESS 0ul
#define VM_MAX_ADDRESS 0x800000000000ul

typedef uint64_t phys_addr_t;

void *phys_to_virt(phys_addr_t phys);
phys_addr_t virt_to_phys(const void *virt);

#endif
