/* object.h - what a memory object has in swap: pages by number, in blocks of the store. Nothing
 * here locks: see pager_impl.h. */
#ifndef PAGER_OBJECT_H
#define PAGER_OBJECT_H

#include <stdbool.h>
#include <stdint.h>

struct object {
    uint32_t first; /* one of its blocks, the others behind it; STORE_NONE */
    uint32_t count; /* of them */
    bool lost;      /* a page had no room: which ones are not known */
};

enum object_page {
    OBJECT_PAGE_STORED,
    OBJECT_PAGE_NEVER, /* it was never written */
    OBJECT_PAGE_LOST,  /* it was, or may have been, but its contents are gone */
};

/* The tables for all objects of a store with so many blocks; they never grow. Returns: false
 * without memory. */
bool object_tables_init(uint32_t blocks);

void object_init(struct object *object);
/* Give all its blocks back. */
void object_clear(struct object *object);

/* The block a page is to be written to. Returns: STORE_NONE when there is no room: the page is
 * lost. */
uint32_t object_place(struct object *object, uint64_t page);
/* It could not be written: this page is lost, and nothing else is put into its block. */
void object_failed(struct object *object, uint64_t page);
/* Where a page is: *block is set for OBJECT_PAGE_STORED. */
enum object_page object_find(const struct object *object, uint64_t page, uint32_t *block);

/* The numbers of the first `max` of its pages, in any order. Returns: how many. */
uint32_t object_list(const struct object *object, uint64_t *pages, uint32_t max);

#endif
