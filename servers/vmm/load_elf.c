/* load_elf.c - the segments of an ELF file, at their physical addresses. Every number in the file
 * is looked at before it is used, in 64 bits. */
#include <elf.h>
#include <string.h>

#include "load.h"

#define SEGMENTS_MAX 64u

/* What counts of a program header, of either size. */
struct load_elf_segment {
    uint32_t type;
    uint64_t offset, virtual, physical, file_size, memory_size;
};

struct load_elf_file {
    const struct load_file *image;
    bool is_64;
    uint16_t machine;
    uint16_t type;
    uint64_t entry, headers, header_size, header_count;
};

bool load_elf_is(const struct load_file *image)
{
    return image->size >= SELFMAG && memcmp(image->data, ELFMAG, SELFMAG) == 0;
}

/* Is [offset, offset + size) in the file? */
static bool load_elf_has(const struct load_file *image, uint64_t offset, uint64_t size)
{
    return offset <= image->size && size <= image->size - offset;
}

static void load_elf_head_32(struct load_elf_file *file)
{
    Elf32_Ehdr h;

    memcpy(&h, file->image->data, sizeof(h));
    file->machine = h.e_machine;
    file->type = h.e_type;
    file->entry = h.e_entry;
    file->headers = h.e_phoff;
    file->header_size = h.e_phentsize;
    file->header_count = h.e_phnum;
}

static void load_elf_head_64(struct load_elf_file *file)
{
    Elf64_Ehdr h;

    memcpy(&h, file->image->data, sizeof(h));
    file->machine = h.e_machine;
    file->type = h.e_type;
    file->entry = h.e_entry;
    file->headers = h.e_phoff;
    file->header_size = h.e_phentsize;
    file->header_count = h.e_phnum;
}

static const char *load_elf_head(struct load_elf_file *file)
{
    const struct load_file *image = file->image;

    if (!load_elf_has(image, 0, EI_NIDENT)) {
        return "the ELF header is cut short";
    }
    file->is_64 = image->data[EI_CLASS] == ELFCLASS64;
    if (!file->is_64 && image->data[EI_CLASS] != ELFCLASS32) {
        return "the ELF file is of no known size of words";
    }
    if (image->data[EI_DATA] != ELFDATA2LSB) {
        return "the ELF file is not for this kind of processor";
    }
    if (!load_elf_has(image, 0, file->is_64 ? sizeof(Elf64_Ehdr) : sizeof(Elf32_Ehdr))) {
        return "the ELF header is cut short";
    }
    (file->is_64 ? load_elf_head_64 : load_elf_head_32)(file);
    if (file->machine != EM_386 && file->machine != EM_X86_64) {
        return "the ELF file is not for this kind of processor";
    }
    if (file->type != ET_EXEC) {
        return "the ELF file is no program with an address of its own";
    }
    if (file->header_size != (file->is_64 ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr)) ||
        file->header_count == 0 || file->header_count > SEGMENTS_MAX ||
        !load_elf_has(image, file->headers, file->header_size * file->header_count)) {
        return "the ELF program headers are damaged";
    }
    return NULL;
}

static struct load_elf_segment load_elf_segment(const struct load_elf_file *file, unsigned index)
{
    const uint8_t *at = file->image->data + file->headers + index * file->header_size;
    Elf64_Phdr h64;
    Elf32_Phdr h32;

    if (file->is_64) {
        memcpy(&h64, at, sizeof(h64));
        return (struct load_elf_segment){h64.p_type,  h64.p_offset, h64.p_vaddr,
                                         h64.p_paddr, h64.p_filesz, h64.p_memsz};
    }
    memcpy(&h32, at, sizeof(h32));
    return (struct load_elf_segment){h32.p_type,  h32.p_offset, h32.p_vaddr,
                                     h32.p_paddr, h32.p_filesz, h32.p_memsz};
}

static const char *load_elf_check(const struct load_elf_file *file, struct memory *memory,
                                  const struct load_elf_segment *s)
{
    if (s->file_size > s->memory_size) {
        return "an ELF segment is longer in the file than in memory";
    }
    if (!load_elf_has(file->image, s->offset, s->file_size)) {
        return "an ELF segment lies outside of the file";
    }
    if (s->physical < LOAD_LOW_TOP) {
        return "an ELF segment wants to be below 1 MiB, where boot information is";
    }
    if (memory_at(memory, s->physical, s->memory_size) == NULL) {
        return "an ELF segment wants to be where the machine has no memory";
    }
    return NULL;
}

static bool load_elf_overlap(const struct load_elf_segment *a, const struct load_elf_segment *b)
{
    return a->physical < b->physical + b->memory_size && b->physical < a->physical + a->memory_size;
}

/* One segment of those to be loaded, and what those before it left to be said. */
static const char *load_elf_put(const struct load_elf_file *file, struct memory *memory,
                                unsigned index)
{
    struct load_elf_segment s = load_elf_segment(file, index);
    const char *why = load_elf_check(file, memory, &s);
    uint8_t *at;

    for (unsigned i = 0; i < index && why == NULL; i++) {
        struct load_elf_segment other = load_elf_segment(file, i);

        if (other.type == PT_LOAD && load_elf_overlap(&s, &other)) {
            why = "two ELF segments want to be at the same place";
        }
    }
    if (why != NULL) {
        return why;
    }
    at = memory_at(memory, s.physical, s.memory_size);
    memcpy(at, file->image->data + s.offset, s.file_size);
    memset(at + s.file_size, 0, s.memory_size - s.file_size);
    return NULL;
}

/* Where the entry point, which the file has as a virtual address, is in physical memory. */
static bool load_elf_find_entry(const struct load_elf_file *file, uint64_t *entry, uint64_t *end)
{
    bool is_found = false;

    *end = LOAD_LOW_TOP;
    for (unsigned i = 0; i < file->header_count; i++) {
        struct load_elf_segment s = load_elf_segment(file, i);

        if (s.type != PT_LOAD) {
            continue;
        }
        if (s.physical + s.memory_size > *end && s.physical < MEMORY_HIGH) {
            *end = s.physical + s.memory_size;
        }
        if (!is_found && file->entry >= s.virtual && file->entry - s.virtual < s.memory_size) {
            *entry = s.physical + (file->entry - s.virtual);
            is_found = true;
        }
    }
    return is_found;
}

const char *load_elf(const struct load_file *image, struct memory *memory, uint64_t *entry,
                     uint64_t *end)
{
    struct load_elf_file file = {.image = image};
    const char *why = load_elf_head(&file);

    for (unsigned i = 0; why == NULL && i < file.header_count; i++) {
        if (load_elf_segment(&file, i).type == PT_LOAD) {
            why = load_elf_put(&file, memory, i);
        }
    }
    if (why == NULL && (!load_elf_find_entry(&file, entry, end) || *entry >= MEMORY_HIGH)) {
        why = "the ELF entry point is in no segment";
    }
    return why;
}
