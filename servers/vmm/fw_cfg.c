/* fw_cfg.c - items by number: one is selected, then its bytes are read one after the other, zeroes
 * behind its end. */
#include "fw_cfg.h"

#include <string.h>

#include "serial.h"

#define PORT     0x510u
#define PORTS    2u
#define SELECTOR 0u /* 16 bits */
#define DATA     1u

#define KEY_SIGNATURE    0x0000u
#define KEY_VERSION      0x0001u
#define KEY_MAX_CPUS     0x000fu
#define KEY_DIRECTORY    0x0019u
#define KEY_FILES        0x0020u
#define KEY_IRQ0_IS_GSI2 0x8002u

#define VERSION_PORTS 1u
#define E820_USABLE   1u

static const struct fw_cfg_item *fw_cfg_selected(const struct fw_cfg *f)
{
    for (unsigned i = 0; i < f->count; i++) {
        if (f->items[i].key == f->key) {
            return &f->items[i];
        }
    }
    return NULL;
}

static uint64_t fw_cfg_read(void *device, uint64_t offset, unsigned size)
{
    struct fw_cfg *f = device;
    const struct fw_cfg_item *item = fw_cfg_selected(f);

    if (offset != DATA || size != 1) {
        return 0;
    }
    if (item == NULL || f->offset >= item->size) {
        return 0;
    }
    f->offset += 1;
    return ((const uint8_t *)item->data)[f->offset - 1];
}

static void fw_cfg_write(void *device, uint64_t offset, unsigned size, uint64_t value)
{
    struct fw_cfg *f = device;

    if (offset == SELECTOR && size == 2) {
        f->key = (uint16_t)value;
        f->offset = 0;
    }
}

bool fw_cfg_add(struct fw_cfg *f, uint16_t key, const void *data, uint32_t size)
{
    if (f->count == FW_CFG_ITEMS_MAX) {
        return false;
    }
    f->items[f->count] = (struct fw_cfg_item){key, size, data};
    f->count += 1;
    return true;
}

bool fw_cfg_add_file(struct fw_cfg *f, const char *name, const void *data, uint32_t size)
{
    uint32_t n = __builtin_bswap32(f->directory.count);
    uint16_t key = (uint16_t)(KEY_FILES + n);
    struct fw_cfg_file *file = &f->directory.files[n];

    if (n == FW_CFG_FILES_MAX || strlen(name) >= FW_CFG_NAME_MAX ||
        !fw_cfg_add(f, key, data, size)) {
        return false;
    }
    file->size = __builtin_bswap32(size);
    file->key = __builtin_bswap16(key);
    strcpy(file->name, name);
    f->directory.count = __builtin_bswap32(n + 1);
    return true;
}

bool fw_cfg_init(struct fw_cfg *f, struct bus *ports)
{
    static const uint32_t version = VERSION_PORTS;
    struct bus_range range = {PORT, PORTS, fw_cfg_read, fw_cfg_write, f};

    memset(f, 0, sizeof(*f));
    return fw_cfg_add(f, KEY_SIGNATURE, "QEMU", 4) &&
           fw_cfg_add(f, KEY_VERSION, &version, sizeof(version)) &&
           fw_cfg_add(f, KEY_DIRECTORY, &f->directory, sizeof(f->directory)) &&
           bus_insert(ports, &range);
}

bool fw_cfg_describe(struct fw_cfg *f, const struct memory *memory, unsigned vcpu_count)
{
    static const uint16_t screen = SERIAL_COM1;
    static const uint8_t yes = 1;
    unsigned n = memory->high_size != 0 ? 2 : 1;

    f->e820[0] = (struct fw_cfg_e820){0, memory->low_size, E820_USABLE};
    f->e820[1] = (struct fw_cfg_e820){MEMORY_HIGH, memory->high_size, E820_USABLE};
    f->vcpu_count = (uint16_t)vcpu_count;
    /* no menu: its item reads as zeroes */
    return fw_cfg_add(f, KEY_MAX_CPUS, &f->vcpu_count, sizeof(f->vcpu_count)) &&
           fw_cfg_add(f, KEY_IRQ0_IS_GSI2, &yes, sizeof(yes)) &&
           fw_cfg_add_file(f, "etc/e820", f->e820, (uint32_t)(n * sizeof(f->e820[0]))) &&
           fw_cfg_add_file(f, "etc/sercon-port", &screen, sizeof(screen));
}
