/* model.h - what a file system should have in it: a tree in memory, changed by random operations
 * that are done to a volume as well. It also stands for the cache of pages above the volume: what
 * was written may stay in the model alone for a while. */
#ifndef FS_TEST_MODEL_H
#define FS_TEST_MODEL_H

#include "fs_test.h"

#define MODEL_NODES    256u
#define MODEL_PAGES    192u /* of a file */
#define MODEL_FILE_MAX ((uint64_t)MODEL_PAGES * VOLUME_PAGE_SIZE)
#define MODEL_NAME_MAX 64u
#define MODEL_NONE     UINT32_MAX

struct model_entry {
    char name[MODEL_NAME_MAX];
    uint32_t node;
};

struct model_node {
    mode_t mode; /* 0: unused */
    uint64_t inode;
    unsigned links;
    unsigned holds;
    uint32_t parent; /* of a directory */
    struct model_entry *entries;
    unsigned entry_count;
    uint8_t *data; /* MODEL_FILE_MAX bytes; of a link, its target */
    uint64_t size;
    bool dirty[MODEL_PAGES]; /* not yet written to the volume */
};

/* That a node was changed, when so many events were in the disk's log. */
struct model_touch {
    size_t event;
    uint32_t node;
};

struct model {
    struct disk *disk;
    struct volume *volume;
    uint64_t random;
    struct model_node nodes[MODEL_NODES]; /* 0: the root */
    struct model_touch *touches;
    size_t touch_count;
    unsigned full; /* how many operations found no room */
};

void model_init(struct model *model, struct disk *disk, uint64_t seed);
void model_free(struct model *model);
/* One random operation, on both. */
void model_step(struct model *model);
/* Write all dirty pages. */
void model_flush(struct model *model);
void model_release_all(struct model *model);
/* Is all in the volume that is in the model, and nothing else? */
void model_compare(struct model *model);

#endif
