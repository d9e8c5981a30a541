/* load_linux.c - Linux kernels, bzImage files of boot protocol 2.12 and later (Documentation/arch/
 * x86/boot.rst): entered in 64-bit mode when they can be, else in 32-bit mode. The parameters are
 * at LOAD_INFO. */
#include <string.h>

#include "load.h"

#define SECTOR         512u
#define PARAMS_SIZE    4096u
#define HEADER         0x1f1u /* where the setup header begins, in the file and the parameters */
#define BOOT_FLAG      0xaa55u
#define VERSION        0x020cu
#define ENTRY_64       0x200u /* from where the kernel is */
#define RFLAGS         2u
#define LOADER_UNKNOWN 0xffu
#define INITRD_LIMIT   0x80000000ull /* what no kernel minds */

#define LOADED_HIGH 0x01u
#define LOAD_64     0x01u /* of extended_flags: has a 64-bit entry */

/* Offsets in the parameters. */
#define PARAM_RSDP      0x070u
#define PARAM_MAP_COUNT 0x1e8u
#define PARAM_MAP       0x2d0u

struct linux_header {
    uint8_t setup_sectors;
    uint16_t root_flags;
    uint32_t size_16; /* of the kernel, in 16 bytes */
    uint16_t ram_size, video_mode, root_device;
    uint16_t boot_flag;
    uint16_t jump;
    char magic[4];
    uint16_t version;
    uint32_t real_mode_switch;
    uint16_t start_system, kernel_version;
    uint8_t loader, flags;
    uint16_t setup_move_size;
    uint32_t code_32;
    uint32_t initrd, initrd_size;
    uint32_t bootsector;
    uint16_t heap_end;
    uint8_t loader_version, loader_type;
    uint32_t cmdline;
    uint32_t initrd_last;
    uint32_t alignment;
    uint8_t is_relocatable, alignment_minimum;
    uint16_t extended_flags;
    uint32_t cmdline_size;
    uint32_t hardware;
    uint64_t hardware_data;
    uint32_t payload, payload_size;
    uint64_t setup_data;
    uint64_t preferred;
    uint32_t init_size; /* memory it needs where it is */
    uint32_t handover;
} __attribute__((packed));

_Static_assert(HEADER + sizeof(struct linux_header) == 0x268, "the setup header");

/* What is looked at, once, and where things are to go. */
struct linux_kernel {
    struct linux_header header;
    const uint8_t *code;
    uint64_t size; /* of the code in the file */
    uint64_t address;
};

bool load_linux_is(const struct load_file *image)
{
    return image->size >= 2 * SECTOR && memcmp(image->data + 0x202, "HdrS", 4) == 0 &&
           image->data[0x1fe] == (BOOT_FLAG & 0xff) && image->data[0x1ff] == BOOT_FLAG >> 8;
}

/* Read the header. */
static const char *load_linux_header(const struct load_file *image, struct linux_kernel *k)
{
    const struct linux_header *h = &k->header;
    uint64_t setup;

    memcpy(&k->header, image->data + HEADER, sizeof(k->header)); /* in the first two sectors */
    if (h->version < VERSION) {
        return "the Linux kernel is too old: its boot protocol is below 2.12";
    }
    if ((h->flags & LOADED_HIGH) == 0) {
        return "the Linux kernel is a zImage, which is loaded below 1 MiB";
    }
    setup = (uint64_t)(h->setup_sectors != 0 ? h->setup_sectors : 4) * SECTOR + SECTOR;
    k->size = (uint64_t)h->size_16 * 16;
    if (setup > image->size || k->size > image->size - setup || k->size < 2 * ENTRY_64) {
        return "the Linux kernel is cut short";
    }
    k->code = image->data + setup;
    if (h->init_size < k->size) {
        return "the Linux kernel says that it needs less memory than it has bytes";
    }
    if (h->alignment == 0 || (h->alignment & (h->alignment - 1)) != 0) {
        return "the Linux kernel has an alignment that is no power of two";
    }
    return NULL;
}

/* Where it goes: where it wants to be, or, if it can be moved, from 1 MiB on. */
static const char *load_linux_place(const struct memory *memory, struct linux_kernel *k)
{
    const struct linux_header *h = &k->header;

    k->address = h->preferred;
    if (k->address >= LOAD_LOW_TOP && k->address < MEMORY_HOLE &&
        memory_at(memory, k->address, h->init_size) != NULL) {
        return NULL;
    }
    k->address = (LOAD_LOW_TOP + (uint64_t)h->alignment - 1) & ~((uint64_t)h->alignment - 1);
    if (h->is_relocatable == 0 || k->address >= MEMORY_HOLE ||
        memory_at(memory, k->address, h->init_size) == NULL) {
        return "the machine has not enough memory for the Linux kernel";
    }
    return NULL;
}

static void load_linux_tell(const struct load_request *request, const struct memory *memory,
                            struct linux_kernel *k, uint64_t initrd, uint8_t *params)
{
    struct load_map_entry map[LOAD_MAP_MAX];
    unsigned n = load_map(memory, map);
    struct linux_header *h = &k->header;

    h->loader = LOADER_UNKNOWN;
    h->code_32 = (uint32_t)k->address;
    h->cmdline = LOAD_CMDLINE;
    h->initrd = (uint32_t)initrd;
    h->initrd_size = request->module_count != 0 ? (uint32_t)request->modules[0].size : 0;
    memcpy(params + HEADER, h, sizeof(*h));
    memcpy(params + PARAM_RSDP, &request->rsdp, sizeof(request->rsdp));
    params[PARAM_MAP_COUNT] = (uint8_t)n;
    memcpy(params + PARAM_MAP, map, n * sizeof(map[0]));
}

static void load_linux_start(const struct linux_kernel *k, struct memory *memory,
                             struct load_start *start)
{
    bool is_64 = (k->header.extended_flags & LOAD_64) != 0;

    load_tables(memory);
    start->mode = is_64 ? LOAD_LONG : LOAD_PROTECTED;
    start->registers[HV_RIP] = k->address + (is_64 ? ENTRY_64 : 0);
    start->registers[HV_RFLAGS] = RFLAGS;
    start->registers[HV_RSP] = LOAD_STACK;
    start->registers[HV_RSI] = LOAD_INFO;
}

const char *load_linux(const struct load_request *request, struct memory *memory,
                       struct load_start *start)
{
    uint8_t params[PARAMS_SIZE] = {0};
    struct linux_kernel k;
    uint64_t initrd[LOAD_MODULES_MAX] = {0};
    uint64_t limit;
    const char *why = load_linux_header(&request->image, &k);

    why = why != NULL ? why : load_linux_place(memory, &k);
    if (why != NULL) {
        return why;
    }
    if (request->module_count > 1) {
        return "a Linux kernel takes one file beside it, the initrd";
    }
    if (strlen(request->cmdline) > k.header.cmdline_size) {
        return "the command line is longer than the Linux kernel takes";
    }
    limit = (uint64_t)k.header.initrd_last + 1;
    why = load_modules(request, memory, k.address + k.header.init_size,
                       limit < INITRD_LIMIT ? limit : INITRD_LIMIT, initrd);
    why = why != NULL ? why : load_cmdline(request, memory);
    if (why != NULL) {
        return why;
    }
    memory_write(memory, k.address, k.code, k.size);
    load_linux_tell(request, memory, &k, initrd[0], params);
    memory_write(memory, LOAD_INFO, params, sizeof(params));
    load_linux_start(&k, memory, start);
    return NULL;
}
