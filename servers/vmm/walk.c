/* walk.c - a guest's own page tables, as its processor would go through them.
 *
 * The three formats differ in three numbers for each level, which are in a table. An entry is read
 * once; A and D are set with a compare and exchange, so that an entry which the guest has changed
 * meanwhile is left alone. */
#include "walk.h"

#include <stddef.h>

#define CR0_WP   (1ull << 16)
#define CR0_PG   (1ull << 31)
#define CR4_PSE  (1ull << 4)
#define CR4_PAE  (1ull << 5)
#define CR4_SMAP (1ull << 21)
#define EFER_LMA (1ull << 10)

#define ENTRY_PRESENT  1ull
#define ENTRY_WRITE    2ull
#define ENTRY_USER     4ull
#define ENTRY_ACCESSED 0x20ull
#define ENTRY_DIRTY    0x40ull
#define ENTRY_LARGE    0x80ull
#define ENTRY_ADDRESS  0x000ffffffffff000ull
#define ENTRY_RESERVED 0x000fff0000000000ull /* a guest has 40 bits of addresses */

#define ERROR_PRESENT  1u
#define ERROR_WRITE    2u
#define ERROR_USER     4u
#define ERROR_RESERVED 8u

#define LEVELS_MAX 4

/* A table's entries: which bits of the address choose one, and what it may say. */
struct walk_level {
    uint8_t shift;
    uint8_t bits;
    bool can_be_large;
    bool has_rights; /* W, U and A mean something */
};

struct walk_format {
    unsigned entry_size;
    unsigned level_count;
    struct walk_level levels[LEVELS_MAX];
};

static const struct walk_format walk_32 = {4, 2, {{22, 10, true, true}, {12, 10, false, true}}};
static const struct walk_format walk_pae = {
    8, 3, {{30, 2, false, false}, {21, 9, true, true}, {12, 9, false, true}}};
static const struct walk_format walk_long = {
    8, 4, {{39, 9, false, true}, {30, 9, true, true}, {21, 9, true, true}, {12, 9, false, true}}};

/* The entries on the way, as they were read. */
struct walk_path {
    unsigned count;
    void *places[LEVELS_MAX];
    uint64_t entries[LEVELS_MAX];
    bool is_writable;
    bool is_user;
    bool is_large;
    unsigned shift; /* of the page */
};

static const struct walk_format *walk_format_of(const struct walk_paging *paging)
{
    if ((paging->efer & EFER_LMA) != 0) {
        return &walk_long;
    }
    return (paging->cr4 & CR4_PAE) != 0 ? &walk_pae : &walk_32;
}

static uint64_t walk_read(const void *place, unsigned size)
{
    return size == 8 ? __atomic_load_n((const uint64_t *)place, __ATOMIC_RELAXED)
                     : __atomic_load_n((const uint32_t *)place, __ATOMIC_RELAXED);
}

static bool walk_exchange(void *place, unsigned size, uint64_t was, uint64_t is)
{
    uint32_t was32 = (uint32_t)was;

    if (size == 8) {
        return __atomic_compare_exchange_n((uint64_t *)place, &was, is, false, __ATOMIC_SEQ_CST,
                                           __ATOMIC_SEQ_CST);
    }
    return __atomic_compare_exchange_n((uint32_t *)place, &was32, (uint32_t)is, false,
                                       __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

/* One level: the entry for `linear` in the table. WALK_FAULT: with *error. */
static enum walk_result walk_step(const struct memory *memory, const struct walk_format *format,
                                  uint64_t table, uint64_t linear, bool has_large,
                                  struct walk_path *path, uint32_t *error)
{
    const struct walk_level *level = &format->levels[path->count];
    uint64_t index = (linear >> level->shift) & ((1ull << level->bits) - 1);
    void *place = memory_at(memory, table + index * format->entry_size, format->entry_size);
    uint64_t entry;

    if (place == NULL) {
        return WALK_LOST;
    }
    entry = walk_read(place, format->entry_size);
    if ((entry & ENTRY_PRESENT) == 0) {
        *error = 0;
        return WALK_FAULT;
    }
    if (format->entry_size == 8 && (entry & ENTRY_RESERVED) != 0) {
        *error = ERROR_PRESENT | ERROR_RESERVED;
        return WALK_FAULT;
    }
    if (level->has_rights) {
        path->is_writable = path->is_writable && (entry & ENTRY_WRITE) != 0;
        path->is_user = path->is_user && (entry & ENTRY_USER) != 0;
    }
    path->is_large = level->can_be_large && has_large && (entry & ENTRY_LARGE) != 0;
    path->shift = level->shift;
    path->places[path->count] = place;
    path->entries[path->count] = entry;
    path->count += 1;
    return WALK_DONE;
}

/* May the access be? (4.6.1) */
static bool walk_is_allowed(const struct walk_paging *paging, const struct walk_path *path,
                            struct walk_access access)
{
    bool is_strict = access.is_user || (paging->cr0 & CR0_WP) != 0;

    if (access.is_user && !path->is_user) {
        return false;
    }
    if (access.is_write && !path->is_writable && is_strict) {
        return false;
    }
    return access.is_user || !path->is_user || (paging->cr4 & CR4_SMAP) == 0 || access.is_user_ok;
}

/* A in each entry, D in the last. False: one of them is no longer what was read. */
static bool walk_mark(const struct walk_format *format, const struct walk_path *path, bool is_write)
{
    for (unsigned i = 0; i < path->count; i++) {
        uint64_t bits = !format->levels[i].has_rights ? 0 : ENTRY_ACCESSED;

        if (is_write && i == path->count - 1) {
            bits |= ENTRY_DIRTY;
        }
        if ((path->entries[i] & bits) != bits &&
            !walk_exchange(path->places[i], format->entry_size, path->entries[i],
                           path->entries[i] | bits)) {
            return false;
        }
    }
    return true;
}

/* The page's address, in the last entry: with the bits 32 to 39 that a large page of the 32-bit
 * format has in 13 to 20 (4.3). */
static uint64_t walk_page(const struct walk_format *format, const struct walk_path *path)
{
    uint64_t entry = path->entries[path->count - 1];
    uint64_t page = entry & ENTRY_ADDRESS & ~((1ull << path->shift) - 1);

    if (format == &walk_32 && path->is_large) {
        page |= (entry >> 13 & 0xff) << 32;
    }
    return page;
}

static enum walk_result walk_tables(const struct memory *memory, const struct walk_paging *paging,
                                    uint64_t linear, struct walk_path *path, uint32_t *error)
{
    const struct walk_format *format = walk_format_of(paging);
    bool has_large = format != &walk_32 || (paging->cr4 & CR4_PSE) != 0;
    uint64_t table = paging->cr3 & (format == &walk_pae ? 0xffffffe0ull : ENTRY_ADDRESS);
    enum walk_result result = WALK_DONE;

    *path = (struct walk_path){.is_writable = true, .is_user = true};
    while (result == WALK_DONE && path->count < format->level_count && !path->is_large) {
        result = walk_step(memory, format, table, linear, has_large, path, error);
        if (result == WALK_DONE) {
            table = path->entries[path->count - 1] & ENTRY_ADDRESS;
        }
    }
    return result;
}

enum walk_result walk(const struct memory *memory, const struct walk_paging *paging,
                      uint64_t linear, struct walk_access access, uint64_t *physical,
                      uint32_t *error)
{
    const struct walk_format *format = walk_format_of(paging);
    struct walk_path path;
    enum walk_result result;

    if ((paging->cr0 & CR0_PG) == 0) {
        *physical = linear;
        return WALK_DONE;
    }
    result = walk_tables(memory, paging, linear, &path, error);
    if (result == WALK_DONE && !walk_is_allowed(paging, &path, access)) {
        *error = ERROR_PRESENT;
        result = WALK_FAULT;
    }
    if (result == WALK_FAULT) {
        *error |= (access.is_write ? ERROR_WRITE : 0) | (access.is_user ? ERROR_USER : 0);
    }
    if (result != WALK_DONE) {
        return result;
    }
    if (!walk_mark(format, &path, access.is_write)) {
        return WALK_AGAIN;
    }
    *physical = walk_page(format, &path) | (linear & ((1ull << path.shift) - 1));
    return WALK_DONE;
}
