/* slab.h - the kernel's allocator on the host. */
#ifndef SHIM_VM_SLAB_H
#define SHIM_VM_SLAB_H

#include <stddef.h>

void *kalloc(size_t size);
void kfree(void *pointer, size_t size);

#endif
