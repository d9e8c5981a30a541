/* object.c - which block a page is in. Each block of the store has a record that says whose page it
 * holds; a page is found through a hash of object and number, and the blocks of an object are
 * strung together. There are as many records as blocks, so that no page-out ever needs memory, and
 * an object may be of any size, with holes. */
#include "object.h"

#include <stdlib.h>

#include "store.h"

#define HASH_FACTOR 0x9e3779b97f4a7c15ul /* 2^64 by the golden ratio */

/* What a block holds, while it is taken. */
struct object_record {
    const struct object *object;
    uint64_t page;
    uint32_t hash_next;   /* the next block in its bucket */
    uint32_t object_next; /* the next block of the object */
    bool is_bad;          /* it could not be written */
};

static struct object_record *object_records; /* by block */
static uint32_t *object_buckets;             /* the first block of each */
static uint32_t object_mask;                 /* number of buckets, a power of two, less one */

bool object_tables_init(uint32_t blocks)
{
    uint32_t buckets = 1;

    while (buckets < blocks) {
        buckets *= 2;
    }
    object_records = calloc(blocks, sizeof(*object_records));
    object_buckets = malloc(buckets * sizeof(*object_buckets));
    if (object_records == NULL || object_buckets == NULL) {
        free(object_records);
        free(object_buckets);
        return false;
    }
    for (uint32_t i = 0; i < buckets; i++) {
        object_buckets[i] = STORE_NONE;
    }
    object_mask = buckets - 1;
    return true;
}

void object_init(struct object *object)
{
    *object = (struct object){.first = STORE_NONE};
}

/* Pages in a row are in buckets in a row. */
static uint32_t *object_bucket(const struct object *object, uint64_t page)
{
    return &object_buckets[(((uintptr_t)object * HASH_FACTOR >> 32) + page) & object_mask];
}

/* The page's block, or STORE_NONE. */
static uint32_t object_block(const struct object *object, uint64_t page)
{
    uint32_t block = *object_bucket(object, page);

    while (block != STORE_NONE &&
           (object_records[block].object != object || object_records[block].page != page)) {
        block = object_records[block].hash_next;
    }
    return block;
}

/* A block for a page that has none. */
static uint32_t object_add(struct object *object, uint64_t page)
{
    uint32_t *bucket = object_bucket(object, page);
    uint32_t block = store_alloc();

    if (block == STORE_NONE) {
        return STORE_NONE;
    }
    object_records[block] = (struct object_record){object, page, *bucket, object->first, false};
    *bucket = block;
    object->first = block;
    object->count++;
    return block;
}

/* Take the block out of its bucket and give it back, unless it is bad. */
static void object_release(uint32_t block)
{
    const struct object_record *record = &object_records[block];
    uint32_t *link = object_bucket(record->object, record->page);

    while (*link != block) {
        link = &object_records[*link].hash_next;
    }
    *link = record->hash_next;
    if (!record->is_bad) {
        store_free(block);
    }
}

void object_clear(struct object *object)
{
    uint32_t block = object->first;

    while (block != STORE_NONE) {
        uint32_t next = object_records[block].object_next;

        object_release(block);
        block = next;
    }
    object_init(object);
}

uint32_t object_place(struct object *object, uint64_t page)
{
    uint32_t block = object_block(object, page);

    if (block == STORE_NONE) {
        block = object_add(object, page);
    }
    if (block == STORE_NONE) {
        object->lost = true;
    } else {
        object_records[block].is_bad = false; /* another try */
    }
    return block;
}

void object_failed(struct object *object, uint64_t page)
{
    object_records[object_block(object, page)].is_bad = true;
}

enum object_page object_find(const struct object *object, uint64_t page, uint32_t *block)
{
    uint32_t found = object_block(object, page);

    if (found == STORE_NONE) {
        return object->lost ? OBJECT_PAGE_LOST : OBJECT_PAGE_NEVER;
    }
    if (object_records[found].is_bad) {
        return OBJECT_PAGE_LOST;
    }
    *block = found;
    return OBJECT_PAGE_STORED;
}

uint32_t object_list(const struct object *object, uint64_t *pages, uint32_t max)
{
    uint32_t block = object->first;
    uint32_t n = 0;

    for (; block != STORE_NONE && n < max; block = object_records[block].object_next) {
        pages[n] = object_records[block].page;
        n++;
    }
    return n;
}
