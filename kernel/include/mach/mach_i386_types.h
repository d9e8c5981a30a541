/* mach_i386_types.h - segment descriptors and ranges of I/O ports. */
#ifndef MACH_MACH_I386_TYPES_H
#define MACH_MACH_I386_TYPES_H

#include <mach/port.h>

typedef struct descriptor {
    uint32_t low_word;
    uint32_t high_word;
} descriptor_t;
typedef descriptor_t *descriptor_list_t;
typedef const descriptor_t *const_descriptor_list_t;
MACH_ABI_SIZE(descriptor_t, 8);

typedef uint16_t io_port_t;

#if KERNEL
struct io_perm;
typedef struct io_perm *io_perm_t;
#else
typedef mach_port_t io_perm_t;
#endif

#endif
