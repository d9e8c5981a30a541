/* load_multiboot.c - kernels with a Multiboot header, version 1 (Multiboot Specification
 * 0.6.96, 3.1 to 3.3): ELF files, or flat ones whose header says where they go. */
#include <string.h>

#include "load.h"

#define HEADER_MAGIC   0x1badb002u
#define LOADER_MAGIC   0x2badb002u
#define SEARCH         8192u /* the header begins and ends in there */
#define FLAG_ADDRESSES 0x00010000u
#define FLAGS_NEEDED   0x0000fffcu /* of those we must know, these are unknown */
#define HEADER_SHORT   12u
#define HEADER_LONG    32u

#define INFO_MEMORY  0x001u
#define INFO_CMDLINE 0x004u
#define INFO_MODULES 0x008u
#define INFO_MAP     0x040u
#define INFO_LOADER  0x200u
#define RFLAGS       2u

struct multiboot_header {
    uint32_t magic, flags, checksum;
    uint32_t header_address, load_address, load_end_address, bss_end_address, entry_address;
};

struct multiboot_module {
    uint32_t start, end, words, reserved;
};

struct multiboot_map {
    uint32_t size; /* of what follows */
    struct load_map_entry entry;
} __attribute__((packed));

/* What EBX points to, and what that points to: all at LOAD_INFO. */
struct multiboot_info {
    uint32_t flags;
    uint32_t memory_lower, memory_upper;
    uint32_t boot_device;
    uint32_t cmdline;
    uint32_t module_count, modules;
    uint32_t symbols[4];
    uint32_t map_size, map;
    uint32_t drives_size, drives;
    uint32_t config_table;
    uint32_t loader_name;
    struct multiboot_module module[LOAD_MODULES_MAX];
    struct multiboot_map maps[LOAD_MAP_MAX];
    char name[16];
    char words[LOAD_MODULES_MAX][256];
};

_Static_assert(LOAD_INFO + sizeof(struct multiboot_info) <= LOAD_CMDLINE, "it fits");

/* Where the header is; the image's size when there is none. */
static uint64_t load_multiboot_find(const struct load_file *image, struct multiboot_header *header)
{
    uint64_t end = image->size < SEARCH ? image->size : SEARCH;

    for (uint64_t at = 0; at + HEADER_SHORT <= end; at += 4) {
        uint64_t size = at + sizeof(*header) <= image->size ? sizeof(*header) : HEADER_SHORT;

        memset(header, 0, sizeof(*header));
        memcpy(header, image->data + at, size);
        if (header->magic == HEADER_MAGIC &&
            header->magic + header->flags + header->checksum == 0) {
            return at;
        }
    }
    return image->size;
}

bool load_multiboot_is(const struct load_file *image)
{
    struct multiboot_header header = {0};

    return load_multiboot_find(image, &header) != image->size;
}

/* A flat kernel, by the addresses in its header. */
static const char *load_multiboot_flat(const struct load_file *image, struct memory *memory,
                                       const struct multiboot_header *h, uint64_t at,
                                       uint64_t *entry, uint64_t *end)
{
    uint64_t before = (uint64_t)h->header_address - h->load_address; /* the header */
    uint64_t offset = at - before;
    uint64_t size, total;
    uint8_t *to;

    if (at + HEADER_LONG > image->size || h->load_address > h->header_address || before > at ||
        (h->load_end_address != 0 && h->load_end_address < h->load_address)) {
        return "the addresses in the multiboot header are damaged";
    }
    size = h->load_end_address != 0 ? h->load_end_address - h->load_address : image->size - offset;
    total = h->bss_end_address != 0 ? (uint64_t)h->bss_end_address - h->load_address : size;
    if (size > image->size - offset || total < size || total > UINT32_MAX) {
        return "the addresses in the multiboot header lie outside of the file";
    }
    to = h->load_address >= LOAD_LOW_TOP ? memory_at(memory, h->load_address, total) : NULL;
    if (to == NULL) {
        return "the multiboot image wants to be where the machine has no memory for it";
    }
    if (h->entry_address < h->load_address || h->entry_address - h->load_address >= size) {
        return "the multiboot entry point is outside of the image";
    }
    memcpy(to, image->data + offset, size);
    memset(to + size, 0, total - size);
    *entry = h->entry_address;
    *end = h->load_address + total;
    return NULL;
}

/* The address, in the guest, of a part of the information. */
#define PLACE(info, part) ((uint32_t)(LOAD_INFO + ((uint8_t *)(info)->part - (uint8_t *)(info))))

static void load_multiboot_tell(const struct load_request *request, const struct memory *memory,
                                const uint64_t *addresses, struct multiboot_info *info)
{
    struct load_map_entry map[LOAD_MAP_MAX];
    unsigned n = load_map(memory, map);

    memset(info, 0, sizeof(*info));
    info->flags = INFO_MEMORY | INFO_CMDLINE | INFO_MODULES | INFO_MAP | INFO_LOADER;
    info->memory_lower = LOAD_LOW_END / 1024;
    info->memory_upper = (uint32_t)((memory->low_size - LOAD_LOW_TOP) / 1024);
    info->cmdline = LOAD_CMDLINE;
    info->module_count = request->module_count;
    info->modules = PLACE(info, module);
    for (unsigned i = 0; i < request->module_count; i++) {
        info->module[i] = (struct multiboot_module){
            (uint32_t)addresses[i], (uint32_t)(addresses[i] + request->modules[i].size),
            PLACE(info, words[i]), 0};
        strncpy(info->words[i], request->modules[i].words, sizeof(info->words[i]) - 1);
    }
    for (unsigned i = 0; i < n; i++) {
        info->maps[i] = (struct multiboot_map){sizeof(map[i]), map[i]};
    }
    info->map = PLACE(info, maps);
    info->map_size = n * (uint32_t)sizeof(struct multiboot_map);
    strcpy(info->name, "Portolan vmm");
    info->loader_name = PLACE(info, name);
}

const char *load_multiboot(const struct load_request *request, struct memory *memory,
                           struct load_start *start)
{
    struct multiboot_header header = {0};
    struct multiboot_info info;
    uint64_t at = load_multiboot_find(&request->image, &header);
    uint64_t addresses[LOAD_MODULES_MAX];
    uint64_t entry = 0, end = 0;
    const char *why;

    if ((header.flags & FLAGS_NEEDED) != 0) {
        return "the multiboot header asks for something that is not known here";
    }
    why = (header.flags & FLAG_ADDRESSES) != 0
              ? load_multiboot_flat(&request->image, memory, &header, at, &entry, &end)
              : load_elf(&request->image, memory, &entry, &end);
    why = why != NULL ? why : load_modules(request, memory, end, MEMORY_HOLE, addresses);
    why = why != NULL ? why : load_cmdline(request, memory);
    if (why != NULL) {
        return why;
    }
    load_multiboot_tell(request, memory, addresses, &info);
    memory_write(memory, LOAD_INFO, &info, sizeof(info));
    start->mode = LOAD_PROTECTED;
    start->registers[HV_RIP] = entry;
    start->registers[HV_RFLAGS] = RFLAGS;
    start->registers[HV_RSP] = LOAD_STACK;
    start->registers[HV_RAX] = LOADER_MAGIC;
    start->registers[HV_RBX] = LOAD_INFO;
    return NULL;
}
