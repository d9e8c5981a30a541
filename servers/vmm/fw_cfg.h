/* fw_cfg.h - what firmware asks the machine by the ports of QEMU's firmware configuration device
 * (QEMU, docs/specs/fw_cfg.rst): items by number, files by name. Without DMA.
 *
 * Called with the machine's lock held. */
#ifndef VMM_FW_CFG_H
#define VMM_FW_CFG_H

#include <stdbool.h>
#include <stdint.h>

#include "bus.h"
#include "memory.h"

#define FW_CFG_ITEMS_MAX 16u
#define FW_CFG_FILES_MAX 8u
#define FW_CFG_NAME_MAX  56u /* of a file, with its NUL */

struct fw_cfg_item {
    uint16_t key;
    uint32_t size;
    const void *data;
};

/* The directory as firmware reads it; numbers are big-endian. */
struct fw_cfg_file {
    uint32_t size;
    uint16_t key;
    uint16_t reserved;
    char name[FW_CFG_NAME_MAX];
};

struct fw_cfg_directory {
    uint32_t count;
    struct fw_cfg_file files[FW_CFG_FILES_MAX];
};

/* A stretch of memory, in the file of that name. */
struct fw_cfg_e820 {
    uint64_t base;
    uint64_t size;
    uint32_t type;
} __attribute__((packed));

struct fw_cfg {
    struct fw_cfg_item items[FW_CFG_ITEMS_MAX];
    unsigned count;
    uint16_t key;    /* selected */
    uint32_t offset; /* of the byte that is read next */
    struct fw_cfg_directory directory;
    struct fw_cfg_e820 e820[2]; /* what fw_cfg_describe says, which must stay */
    uint16_t vcpu_count;
};

/* The device, with nothing to say but that it is there. False: its ports are taken. */
bool fw_cfg_init(struct fw_cfg *f, struct bus *ports);
/* One more item, or file; data stays the caller's and must stay. False: there are too many, or the
 * name is too long. */
bool fw_cfg_add(struct fw_cfg *f, uint16_t key, const void *data, uint32_t size);
bool fw_cfg_add_file(struct fw_cfg *f, const char *name, const void *data, uint32_t size);
/* What a PC's firmware cannot find out itself: memory, processors, that the serial line is the
 * screen and the keyboard, and that nobody waits for a menu. */
bool fw_cfg_describe(struct fw_cfg *f, const struct memory *memory, unsigned vcpu_count);

#endif
