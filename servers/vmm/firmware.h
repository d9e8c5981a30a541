/* firmware.h - what firmware is told of the machine. ACPI tables it puts into memory itself, by a
 * script (QEMU's linker/loader: commands of 128 bytes in the file etc/table-loader). */
#ifndef VMM_FIRMWARE_H
#define VMM_FIRMWARE_H

#include <stdbool.h>
#include <stdint.h>

#include "acpi.h"
#include "fw_cfg.h"
#include "load.h"

#define FIRMWARE_COMMANDS_MAX 32u

enum firmware_command_kind { FIRMWARE_ALLOCATE = 1, FIRMWARE_ADD_POINTER, FIRMWARE_ADD_CHECKSUM };

/* A command; numbers are little-endian. */
struct firmware_command {
    uint32_t kind;
    union {
        struct {
            char file[FW_CFG_NAME_MAX];
            uint32_t alignment;
            uint8_t zone; /* FIRMWARE_ZONE_* */
        } __attribute__((packed)) allocate;
        struct {
            char file[FW_CFG_NAME_MAX];
            char target[FW_CFG_NAME_MAX]; /* the file whose address is added */
            uint32_t offset;
            uint8_t size;
        } __attribute__((packed)) pointer;
        struct {
            char file[FW_CFG_NAME_MAX];
            uint32_t offset; /* of the checksum */
            uint32_t start;
            uint32_t size;
        } __attribute__((packed)) checksum;
        uint8_t bytes[124];
    };
};
#define FIRMWARE_ZONE_HIGH 1u /* anywhere */
#define FIRMWARE_ZONE_F    2u /* in the last 64 KiB of the first MiB */

struct firmware {
    struct firmware_command script[FIRMWARE_COMMANDS_MAX];
    unsigned count;
    uint8_t low[LOAD_LOW_TOP]; /* as memory in which the tables are made */
};

/* Have the device tell it. `firmware` must stay as long as that. False: it is too much. */
bool firmware_describe(struct firmware *firmware, struct fw_cfg *device,
                       const struct memory *memory, const struct acpi_options *options);

#endif
