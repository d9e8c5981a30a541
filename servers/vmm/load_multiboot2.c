/* load_multiboot2.c - kernels with a Multiboot2 header (Multiboot2 Specification 2.0, 3.1 to 3.6):
 * ELF files. Of the header's tags, those that ask for what cannot be given here refuse the image
 * unless they are marked as optional. */
#include <string.h>

#include "load.h"

#define HEADER_MAGIC 0xe85250d6u
#define LOADER_MAGIC 0x36d76289u
#define SEARCH       32768u
#define HEADER_SIZE  16u
#define ARCHITECTURE 0u /* 32-bit protected mode of i386 */
#define TAG_HEAD     8u
#define TAG_OPTIONAL 1u
#define RFLAGS       2u
#define RSDP_SIZE    36u
#define MAP_VERSION  0u
#define MAP_ENTRY    24u
#define HEADER_TAGS  64u /* at most */

/* Tags of the header. */
enum {
    HEADER_END,
    HEADER_REQUEST,
    HEADER_ADDRESSES,
    HEADER_ENTRY,
    HEADER_FLAGS,
    HEADER_FRAMEBUFFER,
    HEADER_ALIGN
};
/* Tags of what is handed over. */
enum {
    INFO_END,
    INFO_CMDLINE,
    INFO_LOADER,
    INFO_MODULE,
    INFO_MEMORY,
    INFO_MAP = 6,
    INFO_RSDP = 15
};

struct multiboot2_header {
    uint32_t magic, architecture, size, checksum;
};

/* What is handed over, while it grows. */
struct multiboot2_info {
    uint32_t used;
    bool is_full;
    uint8_t bytes[LOAD_CMDLINE - LOAD_INFO];
};

static uint64_t load_multiboot2_find(const struct load_file *image, struct multiboot2_header *h)
{
    uint64_t end = image->size < SEARCH ? image->size : SEARCH;

    for (uint64_t at = 0; at + HEADER_SIZE <= end; at += 8) {
        memcpy(h, image->data + at, sizeof(*h));
        if (h->magic == HEADER_MAGIC && h->magic + h->architecture + h->size + h->checksum == 0) {
            return at;
        }
    }
    return image->size;
}

bool load_multiboot2_is(const struct load_file *image)
{
    struct multiboot2_header header;

    return load_multiboot2_find(image, &header) != image->size;
}

/* --- the header --- */

static const char *load_multiboot2_tag(uint16_t type, uint16_t flags, const uint8_t *data,
                                       uint32_t size, uint64_t *entry)
{
    uint32_t address;

    if (type == HEADER_ENTRY && size >= sizeof(address)) {
        memcpy(&address, data, sizeof(address));
        *entry = address;
        return NULL;
    }
    /* modules are always aligned, there is no framebuffer, information is given as far as it is
     * known */
    if (type == HEADER_ALIGN || type == HEADER_FLAGS || type == HEADER_REQUEST ||
        type == HEADER_FRAMEBUFFER || (flags & TAG_OPTIONAL) != 0) {
        return NULL;
    }
    return "the multiboot2 header asks for something that is not known here";
}

/* *entry: what the header says, 0: nothing. */
static const char *load_multiboot2_header(const struct load_file *image, uint64_t *entry)
{
    struct multiboot2_header h = {0};
    uint64_t at = load_multiboot2_find(image, &h);
    uint64_t end = at + h.size;

    if (h.architecture != ARCHITECTURE) {
        return "the multiboot2 header is for another kind of processor";
    }
    if (h.size < HEADER_SIZE || end > image->size) {
        return "the multiboot2 header is damaged";
    }
    at += HEADER_SIZE;
    for (unsigned i = 0; i < HEADER_TAGS && end - at >= TAG_HEAD; i++) {
        uint16_t type, flags;
        uint32_t size;
        const char *why;

        memcpy(&type, image->data + at, sizeof(type));
        memcpy(&flags, image->data + at + 2, sizeof(flags));
        memcpy(&size, image->data + at + 4, sizeof(size));
        if (type == HEADER_END) {
            return NULL;
        }
        if (size < TAG_HEAD || ((size + 7ull) & ~7ull) > end - at) {
            break;
        }
        why = load_multiboot2_tag(type, flags, image->data + at + TAG_HEAD, size - TAG_HEAD, entry);
        if (why != NULL) {
            return why;
        }
        at += (size + 7ull) & ~7ull;
    }
    return "the tags of the multiboot2 header are damaged";
}

/* --- what is handed over --- */

static void load_multiboot2_add(struct multiboot2_info *info, const void *data, uint32_t size)
{
    if (size == 0) {
        return;
    }
    if (size > sizeof(info->bytes) - info->used) {
        info->is_full = true;
        return;
    }
    memcpy(info->bytes + info->used, data, size);
    info->used += size;
}

/* A tag of two parts. */
static void load_multiboot2_put(struct multiboot2_info *info, uint32_t type, const void *first,
                                uint32_t first_size, const void *rest, uint32_t rest_size)
{
    uint32_t head[2] = {type, TAG_HEAD + first_size + rest_size};

    load_multiboot2_add(info, head, sizeof(head));
    load_multiboot2_add(info, first, first_size);
    load_multiboot2_add(info, rest, rest_size);
    info->used = (info->used + 7) & ~7u; /* the whole is a multiple of eight long */
}

static void load_multiboot2_put_map(struct multiboot2_info *info, const struct memory *memory)
{
    struct load_map_entry map[LOAD_MAP_MAX];
    uint8_t entries[LOAD_MAP_MAX][MAP_ENTRY] = {0};
    uint32_t head[2] = {MAP_ENTRY, MAP_VERSION};
    unsigned n = load_map(memory, map);

    for (unsigned i = 0; i < n; i++) {
        memcpy(entries[i], &map[i], sizeof(map[i]));
    }
    load_multiboot2_put(info, INFO_MAP, head, sizeof(head), entries, n * MAP_ENTRY);
}

static bool load_multiboot2_tell(const struct load_request *request, const struct memory *memory,
                                 const uint64_t *addresses, struct multiboot2_info *info)
{
    static const char name[] = "Portolan vmm";
    const uint32_t sizes[2] = {LOAD_LOW_END / 1024,
                               (uint32_t)((memory->low_size - LOAD_LOW_TOP) / 1024)};
    uint32_t total[2] = {0, 0};
    uint8_t rsdp[RSDP_SIZE];

    *info = (struct multiboot2_info){.used = sizeof(total)};
    load_multiboot2_put(info, INFO_CMDLINE, request->cmdline,
                        (uint32_t)strlen(request->cmdline) + 1, NULL, 0);
    load_multiboot2_put(info, INFO_LOADER, name, sizeof(name), NULL, 0);
    load_multiboot2_put(info, INFO_MEMORY, sizes, sizeof(sizes), NULL, 0);
    load_multiboot2_put_map(info, memory);
    for (unsigned i = 0; i < request->module_count; i++) {
        const struct load_file *module = &request->modules[i];
        uint32_t place[2] = {(uint32_t)addresses[i], (uint32_t)(addresses[i] + module->size)};

        load_multiboot2_put(info, INFO_MODULE, place, sizeof(place), module->words,
                            (uint32_t)strlen(module->words) + 1);
    }
    if (request->rsdp != 0 && memory_read(memory, request->rsdp, rsdp, sizeof(rsdp))) {
        load_multiboot2_put(info, INFO_RSDP, rsdp, sizeof(rsdp), NULL, 0);
    }
    load_multiboot2_put(info, INFO_END, NULL, 0, NULL, 0);
    total[0] = info->used;
    memcpy(info->bytes, total, sizeof(total));
    return !info->is_full;
}

const char *load_multiboot2(const struct load_request *request, struct memory *memory,
                            struct load_start *start)
{
    struct multiboot2_info info;
    uint64_t addresses[LOAD_MODULES_MAX];
    uint64_t entry = 0, elf_entry = 0, end = 0;
    const char *why = load_multiboot2_header(&request->image, &entry);

    why = why != NULL ? why : load_elf(&request->image, memory, &elf_entry, &end);
    why = why != NULL ? why : load_modules(request, memory, end, MEMORY_HOLE, addresses);
    why = why != NULL ? why : load_cmdline(request, memory);
    if (why != NULL) {
        return why;
    }
    entry = entry != 0 ? entry : elf_entry;
    if (entry < LOAD_LOW_TOP || memory_at(memory, entry, 1) == NULL) {
        return "the multiboot2 entry point is outside of memory";
    }
    if (!load_multiboot2_tell(request, memory, addresses, &info)) {
        return "there are more words for the image and its modules than it can be told";
    }
    memory_write(memory, LOAD_INFO, info.bytes, info.used);
    start->mode = LOAD_PROTECTED;
    start->registers[HV_RIP] = entry;
    start->registers[HV_RFLAGS] = RFLAGS;
    start->registers[HV_RSP] = LOAD_STACK;
    start->registers[HV_RAX] = LOADER_MAGIC;
    start->registers[HV_RBX] = LOAD_INFO;
    return NULL;
}
