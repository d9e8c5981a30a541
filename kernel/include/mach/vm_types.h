/* vm_types.h - the integer types of the interface: 32-bit counts, 64-bit addresses. */
#ifndef MACH_VM_TYPES_H
#define MACH_VM_TYPES_H

#include <mach/abi_assert.h>
#include <stdint.h>

typedef uint32_t natural_t;
typedef int32_t integer_t;
typedef uint64_t long_natural_t;
typedef int64_t long_integer_t;

typedef uint64_t vm_offset_t;
typedef uint64_t vm_address_t;
typedef uint64_t vm_size_t;

/* The same as they are named in definitions that fix their width on the wire. */
typedef uint64_t rpc_uintptr_t;
typedef uint64_t rpc_vm_address_t;
typedef uint64_t rpc_vm_offset_t;
typedef uint64_t rpc_vm_size_t;
typedef rpc_vm_offset_t *rpc_vm_offset_array_t;
typedef rpc_vm_size_t *rpc_vm_size_array_t;
typedef uint64_t rpc_long_natural_t;
typedef int64_t rpc_long_integer_t;
typedef uint64_t rpc_phys_addr_t;
typedef rpc_phys_addr_t *rpc_phys_addr_array_t;

typedef vm_offset_t *emulation_vector_t;
typedef vm_offset_t pointer_t;

MACH_ABI_SIZE(natural_t, 4);
MACH_ABI_SIZE(vm_offset_t, 8);

#endif
