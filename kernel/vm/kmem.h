/* kmem.h - kernel virtual memory: address ranges, and pages behind them. Uncommitted pages are
 * guard pages. */
#ifndef VM_KMEM_H
#define VM_KMEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <mach/kern_return.h>
#include <mach/machine/vm_types.h>

/* After slab_bootstrap(). Nothing is committed before pmap_kernel() works. */
void kmem_bootstrap(void);

/* Reserve an address range of `size` bytes (rounded up to pages), aligned to `align` (a power of
 * two; 0: a page). Nothing is mapped. Locks: takes SLAB, KMEM. Sleeps: no. Returns: 0 when out of
 * addresses or memory. */
vm_offset_t kmem_va_alloc(vm_size_t size, vm_size_t align);
/* Give a whole range back; its pages must be decommitted. Cannot fail. */
void kmem_va_free(vm_offset_t va, vm_size_t size);

/* Back [va, va + size) with zeroed pages, wired and writable. Nothing there may be committed yet.
 * Sleeps: no. Returns: KERN_SUCCESS, KERN_RESOURCE_SHORTAGE (then nothing is committed). */
kern_return_t kmem_commit(vm_offset_t va, vm_size_t size);
/* Unmap the range and free the pages there; holes are skipped. Interrupts enabled (it waits for
 * other processors' TLBs). */
void kmem_decommit(vm_offset_t va, vm_size_t size);

/* kmem_va_alloc and kmem_commit. Returns: zeroed memory, or NULL. */
void *kmem_alloc(vm_size_t size);
void kmem_free(void *pointer, vm_size_t size);

/* A range of KMEM_SLOT_SIZE bytes for a sparse table (port names): found at once, and the lowest
 * free slot is used again first so that its page tables are too. Returns: 0 when none is left. */
vm_offset_t kmem_slot_alloc(void);
void kmem_slot_free(vm_offset_t va);

/* What is reserved and committed now, for host information and leak tests. */
struct kmem_stats {
    uint64_t reserved_bytes;
    uint64_t committed_pages;
    uint64_t ranges; /* reserved ranges */
    uint64_t slots;
};
void kmem_stats(struct kmem_stats *stats);

#endif
