/* vm_map.h - copies of memory on the host. */
#ifndef SHIM_VM_VM_MAP_H
#define SHIM_VM_VM_MAP_H

#include <mach/vm_types.h>

struct vm_copy;

struct vm_copy *vm_copy_from_kernel(const void *data, vm_size_t size);
void vm_copy_discard(struct vm_copy *copy);

#endif
