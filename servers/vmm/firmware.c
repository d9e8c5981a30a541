/* firmware.c - the tables are made as they are for guests without firmware, then every address in
 * them becomes an offset in their file, to which firmware adds where it has put that. */
#include "firmware.h"

#include <string.h>

#define FILE_ROOT   "etc/acpi/rsdp"
#define FILE_TABLES "etc/acpi/tables"
#define FILE_SCRIPT "etc/table-loader"

#define ALIGNMENT     64u
#define ROOT_SIZE     36u /* ACPI Specification 6.4, 5.2.5.3 */
#define ROOT_OLD_SIZE 20u
#define ROOT_OLD_SUM  8u
#define ROOT_SUM      32u
#define ROOT_XSDT     24u
#define HEAD          36u /* 5.2.6 */
#define HEAD_SIZE     4u
#define HEAD_SUM      9u
#define FADT_FACS     36u /* 5.2.9 */
#define FADT_DSDT     40u
#define FADT_X_DSDT   140u

#define TABLES (LOAD_ACPI + ALIGNMENT) /* behind the root */

static uint64_t firmware_get(const struct firmware *f, uint64_t address, unsigned size)
{
    uint64_t value = 0;

    memcpy(&value, f->low + address, size);
    return value;
}

static struct firmware_command *firmware_command(struct firmware *f,
                                                 enum firmware_command_kind kind)
{
    struct firmware_command *command = &f->script[f->count];

    command->kind = kind;
    f->count += f->count < FIRMWARE_COMMANDS_MAX - 1; /* the last is never used */
    return command;
}

static void firmware_allocate(struct firmware *f, const char *file, uint8_t zone)
{
    struct firmware_command *command = firmware_command(f, FIRMWARE_ALLOCATE);

    strcpy(command->allocate.file, file);
    command->allocate.alignment = ALIGNMENT;
    command->allocate.zone = zone;
}

/* What is in `size` bytes at `address`, in the file that begins at `begin`, is the address of a
 * table. Returns: that table's. */
static uint64_t firmware_pointer(struct firmware *f, const char *file, uint64_t begin,
                                 uint64_t address, uint8_t size)
{
    struct firmware_command *command = firmware_command(f, FIRMWARE_ADD_POINTER);
    uint64_t table = firmware_get(f, address, size);
    uint64_t offset = table - TABLES;

    strcpy(command->pointer.file, file);
    strcpy(command->pointer.target, FILE_TABLES);
    command->pointer.offset = (uint32_t)(address - begin);
    command->pointer.size = size;
    memcpy(f->low + address, &offset, size);
    return table;
}

static void firmware_checksum(struct firmware *f, const char *file, uint64_t offset, uint64_t start,
                              uint64_t size)
{
    struct firmware_command *command = firmware_command(f, FIRMWARE_ADD_CHECKSUM);

    strcpy(command->checksum.file, file);
    command->checksum.offset = (uint32_t)offset;
    command->checksum.start = (uint32_t)start;
    command->checksum.size = (uint32_t)size;
}

/* A table has been gone through. Returns: where it ends. */
static uint64_t firmware_table(struct firmware *f, uint64_t table)
{
    uint64_t size = firmware_get(f, table + HEAD_SIZE, 4);

    firmware_checksum(f, FILE_TABLES, table - TABLES + HEAD_SUM, table - TABLES, size);
    return table + size;
}

/* Only the FADT has addresses of others. It and the DSDT change; the FACS has no checksum. */
static void firmware_fadt(struct firmware *f, uint64_t fadt)
{
    (void)firmware_pointer(f, FILE_TABLES, TABLES, fadt + FADT_FACS, 4);
    (void)firmware_pointer(f, FILE_TABLES, TABLES, fadt + FADT_DSDT, 4);
    (void)firmware_pointer(f, FILE_TABLES, TABLES, fadt + FADT_X_DSDT, 8);
    (void)firmware_table(f, fadt);
}

/* Make the script. Returns: where the last table ends, which is the root of the others. */
static uint64_t firmware_write_script(struct firmware *f)
{
    uint64_t xsdt;
    uint64_t size;

    firmware_allocate(f, FILE_ROOT, FIRMWARE_ZONE_F);
    firmware_allocate(f, FILE_TABLES, FIRMWARE_ZONE_HIGH);
    xsdt = firmware_pointer(f, FILE_ROOT, LOAD_ACPI, LOAD_ACPI + ROOT_XSDT, 8);
    firmware_checksum(f, FILE_ROOT, ROOT_OLD_SUM, 0, ROOT_OLD_SIZE);
    firmware_checksum(f, FILE_ROOT, ROOT_SUM, 0, ROOT_SIZE);
    size = firmware_get(f, xsdt + HEAD_SIZE, 4);
    for (uint64_t at = HEAD; at < size; at += 8) {
        uint64_t table = firmware_pointer(f, FILE_TABLES, TABLES, xsdt + at, 8);

        if (memcmp(f->low + table, "FACP", 4) == 0) {
            firmware_fadt(f, table);
        }
    }
    return firmware_table(f, xsdt);
}

bool firmware_describe(struct firmware *f, struct fw_cfg *device, const struct memory *memory,
                       const struct acpi_options *options)
{
    struct memory low;
    uint64_t end;

    memset(f, 0, sizeof(*f));
    memory_init(&low, f->low, sizeof(f->low));
    if (acpi_build(&low, options) != LOAD_ACPI) {
        return false;
    }
    end = firmware_write_script(f);
    return f->count < FIRMWARE_COMMANDS_MAX - 1 &&
           fw_cfg_describe(device, memory, options->vcpu_count) &&
           fw_cfg_add_file(device, FILE_ROOT, f->low + LOAD_ACPI, ROOT_SIZE) &&
           fw_cfg_add_file(device, FILE_TABLES, f->low + TABLES, (uint32_t)(end - TABLES)) &&
           fw_cfg_add_file(device, FILE_SCRIPT, f->script,
                           (uint32_t)(f->count * sizeof(f->script[0])));
}
