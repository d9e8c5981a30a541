/* elf_image.c - reading a static ELF64 program: identity, then headers, then each segment. */
#include "spawn/elf_image.h"

#include <mach/vm_param.h>
#include <portolan/spawn.h>
#include <stdbool.h>

#include "core/text.h"

static int elf_check_identity(const Elf64_Ehdr *eh, size_t size)
{
    static const unsigned char magic[SELFMAG] = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3};

    for (size_t i = 0; i < SELFMAG; i++) {
        if (size < SELFMAG || eh->e_ident[i] != magic[i]) {
            return SPAWN_NOT_ELF;
        }
    }
    if (size < sizeof(*eh)) {
        return SPAWN_DAMAGED;
    }
    if (eh->e_ident[EI_CLASS] != ELFCLASS64 || eh->e_ident[EI_DATA] != ELFDATA2LSB ||
        eh->e_machine != EM_X86_64) {
        return SPAWN_WRONG_MACHINE;
    }
    return eh->e_type == ET_EXEC ? KERN_SUCCESS : SPAWN_NOT_STATIC;
}

static bool elf_headers_are_inside(const Elf64_Ehdr *eh, size_t size)
{
    return eh->e_phentsize == sizeof(Elf64_Phdr) && eh->e_phnum != 0 && eh->e_phoff <= size &&
           (size_t)eh->e_phnum * sizeof(Elf64_Phdr) <= size - eh->e_phoff;
}

static vm_prot_t elf_protection(uint32_t flags)
{
    return ((flags & PF_R) != 0 ? VM_PROT_READ : 0) | ((flags & PF_W) != 0 ? VM_PROT_WRITE : 0) |
           ((flags & PF_X) != 0 ? VM_PROT_EXECUTE : 0);
}

static bool elf_segment_is_good(const Elf64_Phdr *ph, size_t size)
{
    return ph->p_offset <= size && ph->p_filesz <= size - ph->p_offset &&
           ph->p_filesz <= ph->p_memsz && ph->p_vaddr >= MACH_PAGE_SIZE &&
           ph->p_vaddr < VM_MAX_ADDRESS - MACH_PAGE_SIZE &&
           ph->p_memsz <= VM_MAX_ADDRESS - MACH_PAGE_SIZE - ph->p_vaddr;
}

static int elf_add_segment(const char *data, size_t size, const Elf64_Phdr *ph,
                           struct elf_image *image)
{
    struct elf_segment *segment = &image->segments[image->segment_count];

    if (ph->p_memsz == 0) {
        return KERN_SUCCESS;
    }
    if (image->segment_count == ELF_IMAGE_SEGMENTS_MAX || !elf_segment_is_good(ph, size)) {
        return SPAWN_DAMAGED;
    }
    *segment = (struct elf_segment){
        .start = mach_trunc_page(ph->p_vaddr),
        .end = mach_round_page(ph->p_vaddr + ph->p_memsz),
        .address = ph->p_vaddr,
        .data = data + ph->p_offset,
        .size = ph->p_filesz,
        .protection = elf_protection(ph->p_flags),
    };
    if (image->segment_count != 0 && segment[-1].end > segment->start) {
        return SPAWN_DAMAGED;
    }
    image->segment_count++;
    return KERN_SUCCESS;
}

/* Where the program headers came to lie, if a segment covers them in the file. */
static void elf_find_headers(const Elf64_Ehdr *eh, const Elf64_Phdr *ph, struct elf_image *image)
{
    uint64_t length = (uint64_t)eh->e_phnum * sizeof(*ph);

    if (ph->p_offset <= eh->e_phoff && eh->e_phoff - ph->p_offset <= ph->p_filesz &&
        length <= ph->p_filesz - (eh->e_phoff - ph->p_offset)) {
        image->headers = ph->p_vaddr + (eh->e_phoff - ph->p_offset);
    }
}

static bool elf_entry_is_code(const struct elf_image *image)
{
    for (unsigned i = 0; i < image->segment_count; i++) {
        const struct elf_segment *s = &image->segments[i];

        if ((s->protection & VM_PROT_EXECUTE) != 0 && image->entry >= s->address &&
            image->entry < s->end) {
            return true;
        }
    }
    return false;
}

int elf_image_read(const void *data, size_t size, struct elf_image *image)
{
    const char *bytes = data;
    Elf64_Ehdr eh;
    Elf64_Phdr ph;
    int error;

    memory_zero(&eh, sizeof(eh));
    memory_zero(image, sizeof(*image));
    memory_copy(&eh, data, size < sizeof(eh) ? size : sizeof(eh));
    error = elf_check_identity(&eh, size);
    if (error != KERN_SUCCESS) {
        return error;
    }
    if (!elf_headers_are_inside(&eh, size)) {
        return SPAWN_DAMAGED;
    }
    image->entry = eh.e_entry;
    image->header_count = eh.e_phnum;
    for (unsigned i = 0; i < eh.e_phnum; i++) {
        memory_copy(&ph, bytes + eh.e_phoff + i * sizeof(ph), sizeof(ph));
        if (ph.p_type == PT_INTERP) {
            return SPAWN_NOT_STATIC;
        }
        if (ph.p_type != PT_LOAD) {
            continue;
        }
        error = elf_add_segment(bytes, size, &ph, image);
        if (error != KERN_SUCCESS) {
            return error;
        }
        elf_find_headers(&eh, &ph, image);
    }
    return elf_entry_is_code(image) ? KERN_SUCCESS : SPAWN_DAMAGED;
}
