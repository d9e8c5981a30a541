/* boot_info.c - reading the multiboot2 information. */
#include "arch/boot_info.h"

#include "kern/assert.h"
#include "kern/printf.h"
#include "kern/string.h"

#define TAG_END          0u
#define TAG_COMMAND_LINE 1u
#define TAG_MODULE       3u
#define TAG_MEMORY_MAP   6u
#define TAG_FRAMEBUFFER  8u
#define TAG_ACPI_OLD     14u
#define TAG_ACPI_NEW     15u
#define MEMORY_AVAILABLE 1u
#define LOW_MEMORY_END   0x100000ul

struct mb2_tag {
    uint32_t type;
    uint32_t size;
};

struct mb2_module {
    struct mb2_tag tag;
    uint32_t start, end;
    char text[];
};

struct mb2_memory_map {
    struct mb2_tag tag;
    uint32_t entry_size;
    uint32_t version;
    uint8_t entries[];
};

struct mb2_memory_entry {
    uint64_t address;
    uint64_t length;
    uint32_t type;
    uint32_t reserved;
};

struct mb2_framebuffer {
    struct mb2_tag tag;
    uint64_t address;
    uint32_t pitch, width, height;
    uint8_t bits_per_pixel, type;
    uint16_t reserved;
};

struct acpi_rsdp {
    char signature[8];
    uint8_t checksum;
    char oem[6];
    uint8_t revision;
    uint32_t rsdt;
    uint32_t length;
    uint64_t xsdt;
} __attribute__((packed));

struct boot_info boot_info;

/* As the Multiboot2 and ACPI specifications have them. */
static_assert(sizeof(struct mb2_tag) == 8, "tag");
static_assert(sizeof(struct mb2_module) == 16, "module");
static_assert(sizeof(struct mb2_memory_map) == 16, "memory map");
static_assert(sizeof(struct mb2_memory_entry) == 24, "entry of the memory map");
static_assert(__builtin_offsetof(struct acpi_rsdp, xsdt) == 24, "root pointer");

extern char kernel_phys_start[], kernel_phys_end[];

static void boot_info_add_range(phys_addr_t start, phys_addr_t end)
{
    uint32_t i = boot_info.usable_count;

    start = (start + PAGE_MASK) & ~PAGE_MASK;
    end &= ~PAGE_MASK;
    if (start < LOW_MEMORY_END) {
        start = LOW_MEMORY_END; /* firmware data, the trampoline, video memory */
    }
    if (end > DIRECT_MAP_SIZE) {
        end = DIRECT_MAP_SIZE;
    }
    if (start >= end || i == BOOT_RANGE_MAX) {
        return;
    }
    for (; i > 0 && boot_info.usable[i - 1].start > start; i--) {
        boot_info.usable[i] = boot_info.usable[i - 1];
    }
    boot_info.usable[i] = (struct phys_range){start, end};
    boot_info.usable_count++;
    boot_info.ram_bytes += end - start;
    if (end > boot_info.ram_end) {
        boot_info.ram_end = end;
    }
}

/* Remember what is memory, whoever uses it. Without room the last range grows: too much is taken
 * for memory then, never too little. */
static void boot_info_add_ram(phys_addr_t start, phys_addr_t end)
{
    assert(start <= end);
    if (boot_info.ram_count < BOOT_RANGE_MAX) {
        boot_info.ram[boot_info.ram_count] = (struct phys_range){start, end};
        boot_info.ram_count++;
    } else {
        boot_info.ram[BOOT_RANGE_MAX - 1].end = end;
    }
}

bool boot_info_is_ram(phys_addr_t start, phys_addr_t end)
{
    assert(start < end);
    for (uint32_t i = 0; i < boot_info.ram_count; i++) {
        if (start < boot_info.ram[i].end && boot_info.ram[i].start < end) {
            return true;
        }
    }
    return false;
}

/* Take [start, end) out of the usable ranges. */
static void boot_info_reserve(phys_addr_t start, phys_addr_t end)
{
    start &= ~PAGE_MASK;
    end = (end + PAGE_MASK) & ~PAGE_MASK;
    for (uint32_t i = 0; i < boot_info.usable_count; i++) {
        struct phys_range *range = &boot_info.usable[i];
        struct phys_range tail = {end, range->end};

        if (range->end <= start || range->start >= end) {
            continue;
        }
        if (range->start < start) {
            range->end = start;
        } else {
            range->start = end < range->end ? end : range->end;
            continue;
        }
        if (tail.start < tail.end && boot_info.usable_count < BOOT_RANGE_MAX) {
            for (uint32_t j = boot_info.usable_count; j > i + 1; j--) {
                boot_info.usable[j] = boot_info.usable[j - 1];
            }
            boot_info.usable[i + 1] = tail;
            boot_info.usable_count++;
        }
    }
}

static void boot_info_read_memory_map(const struct mb2_memory_map *map)
{
    const uint8_t *end = (const uint8_t *)map + map->tag.size;

    for (const uint8_t *p = map->entries; p + sizeof(struct mb2_memory_entry) <= end;
         p += map->entry_size) {
        const struct mb2_memory_entry *entry = (const struct mb2_memory_entry *)p;

        if (entry->type == MEMORY_AVAILABLE) {
            boot_info_add_range(entry->address, entry->address + entry->length);
            boot_info_add_ram(entry->address, entry->address + entry->length);
        }
    }
}

static void boot_info_read_module(const struct mb2_module *module)
{
    struct boot_module *copy = &boot_info.modules[boot_info.module_count];

    if (boot_info.module_count == BOOT_MODULE_MAX) {
        return;
    }
    copy->range = (struct phys_range){module->start, module->end};
    strlcpy(copy->text, module->text, sizeof(copy->text));
    boot_info.module_count++;
}

static void boot_info_read_framebuffer(const struct mb2_framebuffer *tag)
{
    boot_info.framebuffer = (struct boot_framebuffer){
        .phys = tag->address,
        .pitch = tag->pitch,
        .width = tag->width,
        .height = tag->height,
        .bits_per_pixel = tag->bits_per_pixel,
        .type = tag->type,
    };
}

static void boot_info_read_tag(const struct mb2_tag *tag)
{
    const struct acpi_rsdp *rsdp = (const struct acpi_rsdp *)(tag + 1);

    switch (tag->type) {
    case TAG_COMMAND_LINE:
        strlcpy(boot_info.command_line, (const char *)(tag + 1), BOOT_TEXT_MAX);
        break;
    case TAG_MODULE:
        boot_info_read_module((const struct mb2_module *)tag);
        break;
    case TAG_MEMORY_MAP:
        boot_info_read_memory_map((const struct mb2_memory_map *)tag);
        break;
    case TAG_FRAMEBUFFER:
        boot_info_read_framebuffer((const struct mb2_framebuffer *)tag);
        break;
    case TAG_ACPI_OLD:
        boot_info.rsdp_rsdt = rsdp->rsdt;
        break;
    case TAG_ACPI_NEW:
        boot_info.rsdp_xsdt = rsdp->xsdt;
        boot_info.rsdp_rsdt = rsdp->rsdt;
        break;
    default:
        break;
    }
}

/* The bytes that "320M" says; 0 when it is not such a word. */
static uint64_t boot_info_size(const char *text)
{
    uint64_t size = 0;
    unsigned shift = 0;

    for (; *text >= '0' && *text <= '9' && size < DIRECT_MAP_SIZE; text++) {
        size = size * 10 + (uint64_t)(*text - '0');
    }
    if (*text == 'K' || *text == 'M' || *text == 'G') {
        shift = *text == 'K' ? 10 : *text == 'M' ? 20 : 30;
        text++;
    }
    return *text == '\0' && size < DIRECT_MAP_SIZE >> shift ? size << shift : 0;
}

/* Set the memory disk aside, at the end of the highest range that is large enough. */
static void boot_info_reserve_disk(void)
{
    char value[32];
    uint64_t size;

    if (!boot_info_option("memdisk", value, sizeof(value))) {
        return;
    }
    size = boot_info_size(value) & ~PAGE_MASK;
    for (uint32_t i = boot_info.usable_count; i-- > 0 && size != 0;) {
        struct phys_range *range = &boot_info.usable[i];

        if (range->end - range->start > size) {
            range->end -= size;
            boot_info.disk = (struct phys_range){range->end, range->end + size};
            return;
        }
    }
    kprintf("memdisk=%s: there is no such range of memory; no disk is made\n", value);
}

void boot_info_init(uint32_t phys)
{
    const uint8_t *base = phys_to_virt(phys);
    uint32_t total = *(const uint32_t *)base;
    uint32_t offset = 8;

    while (offset + sizeof(struct mb2_tag) <= total) {
        const struct mb2_tag *tag = (const struct mb2_tag *)(base + offset);

        if (tag->type == TAG_END || tag->size < sizeof(*tag)) {
            break;
        }
        boot_info_read_tag(tag);
        offset += (tag->size + 7) & ~7u;
    }
    if (boot_info.usable_count == 0) {
        panic("the boot loader gave no memory map; boot with GRUB's multiboot2 command");
    }
    boot_info_reserve((phys_addr_t)kernel_phys_start, (phys_addr_t)kernel_phys_end);
    for (uint32_t i = 0; i < boot_info.module_count; i++) {
        boot_info_reserve(boot_info.modules[i].range.start, boot_info.modules[i].range.end);
    }
    boot_info_reserve_disk();
}

phys_addr_t boot_info_take_pages(uint64_t npages)
{
    assert(npages != 0);
    for (uint32_t i = boot_info.usable_count; i-- > 0;) {
        struct phys_range *range = &boot_info.usable[i];

        if (range->end > 0x100000000ul || range->end - range->start < npages * PAGE_SIZE) {
            continue;
        }
        range->end -= npages * PAGE_SIZE;
        memset(phys_to_virt(range->end), 0, npages * PAGE_SIZE);
        return range->end;
    }
    panic("too little memory: %lu KiB usable, %lu more pages needed to start",
          boot_info.ram_bytes / 1024, npages);
}

bool boot_info_option(const char *name, char *buffer, uint64_t size)
{
    size_t length = strlen(name);
    const char *p = boot_info.command_line;

    while (*p != '\0') {
        if (strncmp(p, name, length) == 0 &&
            (p[length] == '=' || p[length] == ' ' || p[length] == '\0')) {
            size_t n = 0;

            for (p += length + (p[length] == '='); *p != '\0' && *p != ' ' && n + 1 < size; p++) {
                buffer[n++] = *p;
            }
            buffer[n] = '\0';
            return true;
        }
        while (*p != '\0' && *p != ' ') {
            p++;
        }
        while (*p == ' ') {
            p++;
        }
    }
    return false;
}
