/* partition.c - reading partition tables. Every number comes from the disk and may be anything. */
#include "driver/partition.h"

#include <stddef.h>
#include <string.h>

#define MBR_TABLE      446u
#define MBR_ENTRY      16u
#define MBR_PRIMARY    4u
#define MBR_MAGIC      510u
#define TYPE_NONE      0x00
#define TYPE_EXTENDED  0x05
#define TYPE_EXTENDED2 0x0f
#define TYPE_LINUX_EXT 0x85
#define TYPE_GPT       0xee
#define LOGICAL_MAX    64u

#define GPT_HEADER_MIN  92u
#define GPT_ENTRY_MIN   128u
#define GPT_ENTRIES_MAX 1024u /* looked at; the checksum is over all of them */

/* The table as far as it is read. */
struct partition_list {
    const struct partition_source *source;
    struct partition *table;
    unsigned count;
    const char *trouble;
};

static uint32_t partition_get32(const uint8_t *at)
{
    return at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static uint64_t partition_get64(const uint8_t *at)
{
    return partition_get32(at) | (uint64_t)partition_get32(at + 4) << 32;
}

static uint32_t partition_crc(uint32_t crc, const uint8_t *data, size_t size)
{
    crc = ~crc;
    for (size_t i = 0; i < size; i++) {
        crc ^= data[i];
        for (unsigned bit = 0; bit < 8; bit++) {
            crc = crc >> 1 ^ ((crc & 1) != 0 ? 0xedb88320u : 0);
        }
    }
    return ~crc;
}

static bool partition_sector(const struct partition_list *list, uint64_t sector, uint8_t *data)
{
    return sector < list->source->sectors &&
           list->source->read(list->source->context, sector, data);
}

/* Note a partition, if it lies in the disk and in nobody else's sectors. */
static void partition_add(struct partition_list *list, unsigned number, uint64_t first,
                          uint64_t count)
{
    uint64_t sectors = list->source->sectors;

    if (count == 0 || first == 0 || first >= sectors || count > sectors - first) {
        list->trouble = "an entry leaves the disk";
        return;
    }
    for (unsigned i = 0; i < list->count; i++) {
        const struct partition *other = &list->table[i];

        if (first < other->first + other->count && other->first < first + count) {
            list->trouble = "entries overlap";
            return;
        }
    }
    if (list->count < PARTITIONS_MAX) {
        list->table[list->count] = (struct partition){number, first, count};
        list->count++;
    }
}

/* --- MBR --- */

static bool partition_is_extended(uint8_t type)
{
    return type == TYPE_EXTENDED || type == TYPE_EXTENDED2 || type == TYPE_LINUX_EXT;
}

static bool partition_has_magic(const uint8_t *sector)
{
    return sector[MBR_MAGIC] == 0x55 && sector[MBR_MAGIC + 1] == 0xaa;
}

/* Follow the chain of an extended partition: each sector has one logical partition, relative to it,
 * and the next one, relative to the first. */
static void partition_read_logical(struct partition_list *list, uint64_t base)
{
    uint8_t sector[PARTITION_SECTOR_MAX];
    uint64_t at = base;

    for (unsigned n = 0; n < LOGICAL_MAX; n++) {
        const uint8_t *entry = sector + MBR_TABLE;
        const uint8_t *next = entry + MBR_ENTRY;

        if (!partition_sector(list, at, sector) || !partition_has_magic(sector)) {
            list->trouble = "the chain of logical partitions is broken";
            return;
        }
        if (entry[4] != TYPE_NONE) {
            partition_add(list, 5 + n, at + partition_get32(entry + 8),
                          partition_get32(entry + 12));
        }
        if (next[4] == TYPE_NONE) {
            return;
        }
        at = base + partition_get32(next + 8);
    }
    list->trouble = "the chain of logical partitions does not end";
}

static void partition_read_mbr(struct partition_list *list, const uint8_t *sector)
{
    for (unsigned i = 0; i < MBR_PRIMARY; i++) {
        const uint8_t *entry = sector + MBR_TABLE + i * MBR_ENTRY;

        if (entry[4] != TYPE_NONE && !partition_is_extended(entry[4])) {
            partition_add(list, i + 1, partition_get32(entry + 8), partition_get32(entry + 12));
        }
    }
    for (unsigned i = 0; i < MBR_PRIMARY; i++) {
        const uint8_t *entry = sector + MBR_TABLE + i * MBR_ENTRY;

        if (partition_is_extended(entry[4])) {
            partition_read_logical(list, partition_get32(entry + 8));
        }
    }
}

/* An MBR, or the boot sector of a file system, which ends the same way? */
static bool partition_is_mbr(const uint8_t *sector)
{
    if (!partition_has_magic(sector)) {
        return false;
    }
    for (unsigned i = 0; i < MBR_PRIMARY; i++) {
        if ((sector[MBR_TABLE + i * MBR_ENTRY] & 0x7f) != 0) {
            return false; /* bootable or not: there is nothing else */
        }
    }
    return true;
}

/* --- GPT --- */

struct partition_gpt {
    uint64_t entries; /* sector */
    uint32_t count;
    uint32_t size; /* of one */
    uint32_t crc;
};

/* The header in a sector. Returns: false when it is none, or damaged. */
static bool partition_gpt_header(const struct partition_list *list, uint64_t at,
                                 struct partition_gpt *gpt)
{
    uint8_t sector[PARTITION_SECTOR_MAX];
    uint32_t header, crc;

    if (!partition_sector(list, at, sector) || memcmp(sector, "EFI PART", 8) != 0) {
        return false;
    }
    header = partition_get32(sector + 12);
    crc = partition_get32(sector + 16);
    if (header < GPT_HEADER_MIN || header > list->source->sector_size) {
        return false;
    }
    memset(sector + 16, 0, 4);
    gpt->entries = partition_get64(sector + 72);
    gpt->count = partition_get32(sector + 80);
    gpt->size = partition_get32(sector + 84);
    gpt->crc = partition_get32(sector + 88);
    return partition_crc(0, sector, header) == crc && partition_get64(sector + 24) == at &&
           gpt->size >= GPT_ENTRY_MIN && (gpt->size & (gpt->size - 1)) == 0 &&
           gpt->size <= list->source->sector_size && gpt->count <= GPT_ENTRIES_MAX;
}

static void partition_gpt_entry(struct partition_list *list, unsigned number, const uint8_t *entry)
{
    static const uint8_t unused[16];
    uint64_t first = partition_get64(entry + 32);
    uint64_t last = partition_get64(entry + 40);

    if (memcmp(entry, unused, sizeof(unused)) == 0) {
        return;
    }
    if (last < first || last == UINT64_MAX) {
        list->trouble = "an entry leaves the disk";
        return;
    }
    partition_add(list, number, first, last - first + 1);
}

/* Go through the entries: for the checksum alone, or to note them. Returns: false when one cannot
 * be read. */
static bool partition_gpt_entries(struct partition_list *list, const struct partition_gpt *gpt,
                                  bool note, uint32_t *crc)
{
    uint8_t sector[PARTITION_SECTOR_MAX];
    unsigned per_sector = list->source->sector_size / gpt->size;

    *crc = 0;
    for (unsigned i = 0; i < gpt->count; i++) {
        const uint8_t *entry = sector + i % per_sector * gpt->size;

        if (i % per_sector == 0 &&
            (gpt->entries >= list->source->sectors ||
             !partition_sector(list, gpt->entries + i / per_sector, sector))) {
            return false;
        }
        *crc = partition_crc(*crc, entry, gpt->size);
        if (note) {
            partition_gpt_entry(list, i + 1, entry);
        }
    }
    return true;
}

/* The table whose header is in that sector. Returns: false when it is damaged. */
static bool partition_read_gpt(struct partition_list *list, uint64_t at)
{
    struct partition_gpt gpt;
    uint32_t crc;

    return partition_gpt_header(list, at, &gpt) && partition_gpt_entries(list, &gpt, false, &crc) &&
           crc == gpt.crc && partition_gpt_entries(list, &gpt, true, &crc);
}

unsigned partition_read(const struct partition_source *source,
                        struct partition table[PARTITIONS_MAX], const char **trouble)
{
    struct partition_list list = {source, table, 0, NULL};
    uint8_t sector[PARTITION_SECTOR_MAX];

    if (!partition_sector(&list, 0, sector)) {
        list.trouble = "the first sector cannot be read";
    } else if (partition_is_mbr(sector) && sector[MBR_TABLE + 4] == TYPE_GPT) {
        if (!partition_read_gpt(&list, 1) && !partition_read_gpt(&list, source->sectors - 1)) {
            list.trouble = "both copies of the GPT are damaged";
        }
    } else if (partition_is_mbr(sector)) {
        partition_read_mbr(&list, sector);
    }
    if (list.trouble != NULL) {
        *trouble = list.trouble;
    }
    return list.count;
}
