/* elf_image.h - reading a static ELF64 program in memory; believes nothing it has not checked. */
#ifndef LIBMACH_SPAWN_ELF_IMAGE_H
#define LIBMACH_SPAWN_ELF_IMAGE_H

#include <elf.h>
#include <mach/vm_prot.h>
#include <mach/vm_types.h>
#include <stddef.h>

#define ELF_IMAGE_SEGMENTS_MAX 16

/* A piece of memory: whole pages, of which size bytes from address on come from data. */
struct elf_segment {
    vm_address_t start; /* page */
    vm_address_t end;   /* page */
    vm_address_t address;
    const void *data;
    vm_size_t size;
    vm_prot_t protection;
};

struct elf_image {
    vm_address_t entry;
    vm_address_t headers; /* where the program headers lie in memory; 0: they do not */
    uint16_t header_count;
    unsigned segment_count;
    struct elf_segment segments[ELF_IMAGE_SEGMENTS_MAX]; /* by rising address, never overlapping */
};

/* Read the program. Segments point into the image given.
 * Returns: KERN_SUCCESS, SPAWN_NOT_ELF, SPAWN_WRONG_MACHINE, SPAWN_NOT_STATIC, SPAWN_DAMAGED.
 * Locks: none. Sleeps: no. */
int elf_image_read(const void *data, size_t size, struct elf_image *image);

#endif
