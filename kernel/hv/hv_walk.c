/* hv_walk.c - a guest's page tables. AMD64 APM volume 2, 5.2 (legacy mode) and 5.3 (long mode). A
 * guest may change them meanwhile: then it gets what it asked for. */
#include "hv/hv_walk.h"

#include "arch/layout.h"
#include "kern/assert.h"
#include "vm/vm_fault.h"
#include "vm/vm_map.h"

#define CR0_PG         (1ul << 31)
#define CR4_PSE        (1ul << 4)
#define CR4_PAE        (1ul << 5)
#define EFER_LMA       (1ul << 10)
#define ENTRY_PRESENT  1ul
#define ENTRY_LARGE    0x80ul
#define FRAME          0x000ffffffffff000ul
#define FRAME_LEGACY   0xfffff000ul
#define ROOT_PAE       0xffffffe0ul
#define HIGH_4M(entry) (((entry) >> 13 & 0xff) << 32) /* PSE-36 */

/* One kind of page tables. */
struct hv_walk_format {
    uint64_t root;       /* bits of CR3 */
    uint64_t frame;      /* bits of an entry */
    unsigned levels;     /* of tables */
    unsigned index_bits; /* of an address for each; the highest may have fewer */
    unsigned entry_size; /* bytes */
};

static const struct hv_walk_format hv_walk_legacy = {FRAME_LEGACY, FRAME_LEGACY, 2, 10, 4};
static const struct hv_walk_format hv_walk_pae = {ROOT_PAE, FRAME, 3, 9, 8};
static const struct hv_walk_format hv_walk_long = {FRAME, FRAME, 4, 9, 8};

static const struct hv_walk_format *hv_walk_format_of(const struct hv_paging *paging)
{
    return (paging->efer & EFER_LMA) != 0 ? &hv_walk_long
           : (paging->cr4 & CR4_PAE) != 0 ? &hv_walk_pae
                                          : &hv_walk_legacy;
}

/* Does an entry of that level (1: of the lowest table) map memory? */
static bool hv_walk_is_page(const struct hv_paging *paging, const struct hv_walk_format *format,
                            unsigned level, uint64_t entry)
{
    if (level == 1) {
        return true;
    }
    if ((entry & ENTRY_LARGE) == 0 || level == 4) {
        return false;
    }
    return format == &hv_walk_legacy ? (paging->cr4 & CR4_PSE) != 0
                                     : level == 2 || format == &hv_walk_long;
}

/* The guest physical address of a linear one; false: there is none. */
static bool hv_walk_translate(struct vm_map *map, const struct hv_paging *paging, uint64_t linear,
                              uint64_t *physical)
{
    const struct hv_walk_format *format = hv_walk_format_of(paging);
    uint64_t table = paging->cr3 & format->root;

    if ((paging->cr0 & CR0_PG) == 0) {
        *physical = linear;
        return true;
    }
    for (unsigned level = format->levels; level >= 1; level--) {
        unsigned shift = PAGE_SHIFT + (level - 1) * format->index_bits;
        uint64_t index = linear >> shift & ((1ul << format->index_bits) - 1);
        uint64_t within = (1ul << shift) - 1;
        uint64_t entry = 0;

        if (vm_fault_read(map, table + index * format->entry_size, &entry, format->entry_size) !=
                KERN_SUCCESS ||
            (entry & ENTRY_PRESENT) == 0) {
            return false;
        }
        if (hv_walk_is_page(paging, format, level, entry)) {
            uint64_t high = format == &hv_walk_legacy && level == 2 ? HIGH_4M(entry) : 0;

            *physical = (entry & format->frame & ~within) | high | (linear & within);
            return true;
        }
        table = entry & format->frame;
    }
    return false;
}

size_t hv_walk_read(struct vm_map *map, const struct hv_paging *paging, uint64_t linear,
                    uint8_t *bytes, size_t n)
{
    size_t done = 0;

    assert(n <= PAGE_SIZE);
    while (done < n) {
        uint64_t at = paging->is_64bit ? linear + done : (uint32_t)(linear + done);
        size_t left = PAGE_SIZE - (at & PAGE_MASK);
        size_t piece = n - done < left ? n - done : left;
        uint64_t physical;

        if (!hv_walk_translate(map, paging, at, &physical) ||
            vm_fault_read(map, physical, bytes + done, piece) != KERN_SUCCESS) {
            break;
        }
        done += piece;
    }
    return done;
}
