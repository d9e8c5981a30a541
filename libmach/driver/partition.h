/* partition.h - partition tables: MBR with logical partitions, and GPT (UEFI 2.9, 5). Nothing of
 * the machine is needed: tests of the host read damaged tables with it. */
#ifndef DRIVER_PARTITION_H
#define DRIVER_PARTITION_H

#include <stdbool.h>
#include <stdint.h>

#define PARTITIONS_MAX       128u
#define PARTITION_SECTOR_MAX 4096u

struct partition {
    unsigned number; /* from 1: the place in the table; logical ones from 5 */
    uint64_t first;  /* sectors, inside the disk */
    uint64_t count;  /* not 0 */
};

struct partition_source {
    bool (*read)(void *context, uint64_t sector, void *data);
    void *context;
    uint64_t sectors;
    uint32_t sector_size; /* 512 to PARTITION_SECTOR_MAX */
};

/* Read the table. Entries that leave the disk, or overlap one before, are left out. *trouble is a
 * sentence about a table that is damaged, else it is left alone. Returns: how many partitions. */
unsigned partition_read(const struct partition_source *source,
                        struct partition table[PARTITIONS_MAX], const char **trouble);

#endif
