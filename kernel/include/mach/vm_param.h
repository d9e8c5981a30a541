/* vm_param.h - page size and the limits of a task's address space. */
#ifndef MACH_VM_PARAM_H
#define MACH_VM_PARAM_H

#include <mach/vm_types.h>

#define MACH_PAGE_SHIFT 12
#define MACH_PAGE_SIZE  ((vm_size_t)1 << MACH_PAGE_SHIFT)
#define MACH_PAGE_MASK  (MACH_PAGE_SIZE - 1)

#define VM_MIN_ADDRESS ((vm_address_t)0)
#define VM_MAX_ADDRESS ((vm_address_t)0x0000800000000000ULL)

/* The stack of the first task ends at VM_MAX_ADDRESS. */
#define VM_FIRST_STACK_SIZE ((vm_size_t)128 * 1024)

#define mach_trunc_page(x)   ((vm_offset_t)(x) & ~MACH_PAGE_MASK)
#define mach_round_page(x)   (((vm_offset_t)(x) + MACH_PAGE_MASK) & ~MACH_PAGE_MASK)
#define mach_page_aligned(x) (((vm_offset_t)(x)&MACH_PAGE_MASK) == 0)

#endif
