/* vm_map.h - address spaces: which object is seen at which address, with which rights.
 *
 * A map is a balanced tree of entries under a sleeping lock. Every operation holds that lock from
 * its first check to its last change, page table included, so no other operation and no fault sees
 * a range half done. */
#ifndef VM_VM_MAP_H
#define VM_VM_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <mach/kern_return.h>
#include <mach/machine/vm_types.h>
#include <mach/vm_inherit.h>
#include <mach/vm_prot.h>

#include "arch/layout.h"
#include "kern/mutex.h"
#include "kern/rbtree.h"

struct pmap;
struct vm_copy;
struct vm_map_entry;
struct vm_object;
struct vm_page;

/* Up to this size out-of-line data is copied into kernel memory; above, pages are shared
 * copy-on-write. */
#define VM_COPY_THRESHOLD 8192ul

/* Keys: [L] this->lock, [a] atomic, [I] immutable after create */
struct vm_map {
    struct mutex lock;
    uint32_t refs;     /* [a] */
    struct pmap *pmap; /* [I] owned */
    vm_offset_t min;   /* [I] */
    vm_offset_t low;   /* [I] the lowest address that is chosen: not 0, a null pointer must fault */
    vm_offset_t max;   /* [I] */
    struct rbtree entries;     /* [L] by start address, with the largest gap of each subtree */
    struct vm_map_entry *last; /* [L] the entry at the highest address, or NULL */
    struct vm_map_entry *hint; /* [L] the entry found last, or NULL */
    uint64_t entry_count;      /* [L] */
    vm_size_t size;            /* [L] bytes mapped */
    vm_size_t wired_size;      /* [L] bytes of wired entries */
    vm_size_t size_limit;      /* [L] */
    vm_size_t size_limit_max;  /* [L] what size_limit may be set to without privilege */
    vm_prot_t wire_future;     /* [L] not VM_PROT_NONE: new regions are wired for this access */
};

/* How a region is to be made: the argument of vm_map_enter(). */
struct vm_map_request {
    vm_size_t size;           /* a multiple of the page size, not 0 */
    vm_offset_t mask;         /* bits that must be zero in the address chosen */
    bool anywhere;            /* at the lowest free place at or above the address */
    struct vm_object *object; /* NULL: zero-filled memory */
    vm_offset_t offset;       /* of the region in the object */
    bool needs_copy;          /* the first write makes a private copy */
    vm_prot_t protection;
    vm_prot_t max_protection;
    vm_inherit_t inheritance;
};

/* A region as vm_region shows it. */
struct vm_map_region {
    vm_offset_t start;
    vm_offset_t end;
    vm_prot_t protection;
    vm_prot_t max_protection;
    vm_inherit_t inheritance;
    bool is_shared;
    bool needs_copy;
    uint32_t wired_count;
    struct vm_object
        *object; /* borrowed: only to be compared or shown, unless asked for with a reference */
    vm_offset_t offset;
};

void vm_map_bootstrap(void);

/* --- life --- */

/* An empty map over [min, max). Takes over pmap on success. Returns: one reference, or NULL when
 * out of memory. */
struct vm_map *vm_map_create(struct pmap *pmap, vm_offset_t min, vm_offset_t max);
void vm_map_ref(struct vm_map *map);
/* The last reference unmaps everything and destroys the pmap. Sleeps: yes. */
void vm_map_unref(struct vm_map *map);
/* A new map made from parent's regions by their inheritance. Sleeps: yes.
 * Returns: KERN_SUCCESS, KERN_RESOURCE_SHORTAGE, KERN_MEMORY_ERROR. Refs: caller owns one reference
 * to *child. */
kern_return_t vm_map_fork(struct vm_map *parent, struct vm_map **child);

/* --- regions; all sleep on map->lock --- */

/* The pages that [address, address + size) touches. False when it wraps or leaves the map. */
static inline bool vm_map_range(const struct vm_map *map, vm_offset_t address, vm_size_t size,
                                vm_offset_t *start, vm_offset_t *end)
{
    if (size > map->max || address < map->min || address > map->max - size) {
        return false;
    }
    *start = address & ~PAGE_MASK;
    *end = (address + size + PAGE_MASK) & ~PAGE_MASK;
    return true;
}

/* Map at *address, or at the lowest place from there on. Refs: takes over request->object on
 * success. Returns: KERN_SUCCESS, KERN_INVALID_ADDRESS, KERN_NO_SPACE (occupied, no gap, or over
 * the size limit), KERN_INVALID_ARGUMENT, KERN_RESOURCE_SHORTAGE. */
kern_return_t vm_map_enter(struct vm_map *map, vm_offset_t *address,
                           const struct vm_map_request *request);
/* Unmap the pages of [start, end), page aligned; holes are skipped. Returns: KERN_SUCCESS,
 * KERN_RESOURCE_SHORTAGE (an entry could not be cut). */
kern_return_t vm_map_remove(struct vm_map *map, vm_offset_t start, vm_offset_t end);
/* Set the protection, or the maximum (the current one is lowered to it); holes are skipped.
 * Returns: KERN_SUCCESS, KERN_PROTECTION_FAILURE (beyond a region's maximum; nothing changed),
 * KERN_RESOURCE_SHORTAGE. */
kern_return_t vm_map_protect(struct vm_map *map, vm_offset_t start, vm_offset_t end,
                             vm_prot_t protection, bool set_maximum);
/* Returns: KERN_SUCCESS, KERN_RESOURCE_SHORTAGE. */
kern_return_t vm_map_inherit(struct vm_map *map, vm_offset_t start, vm_offset_t end,
                             vm_inherit_t inheritance);
/* The region that holds address, or the first one after it. With take_reference a reference to
 * region->object (if any) goes to the caller. Returns: KERN_SUCCESS, KERN_NO_SPACE (none). */
kern_return_t vm_map_region(struct vm_map *map, vm_offset_t address, bool take_reference,
                            struct vm_map_region *region);
/* Have [start, end), page aligned and in one region, shared with whoever is given the object. Refs:
 * the caller owns one to *object. Returns: KERN_SUCCESS, KERN_INVALID_ADDRESS (not in one region),
 * KERN_PROTECTION_FAILURE (the region may not be used for `access`), KERN_RESOURCE_SHORTAGE. */
kern_return_t vm_map_share(struct vm_map *map, vm_offset_t start, vm_offset_t end, vm_prot_t access,
                           struct vm_object **object, vm_offset_t *offset);
/* Take up to n pages from `start` (page aligned) on out of memory that only this map sees and
 * writes, as far as they are resident: it reads as zeroes then. Refs: the caller owns pages[],
 * unmapped and of no object. Returns: how many. */
unsigned vm_map_take_pages(struct vm_map *map, vm_offset_t start, unsigned n,
                           struct vm_page **pages);
/* Free the pages of [start, end), page aligned, whose contents nobody needs: they are zeroes when
 * they are touched again, in every map that shares them. Pages that are pinned, or asked of a
 * pager, stay. Returns: KERN_SUCCESS, KERN_INVALID_ADDRESS (a hole), KERN_PROTECTION_FAILURE (not
 * to be written), KERN_FAILURE (wired, a pager's, or somebody has a copy of it). Sleeps: on
 * map->lock. */
kern_return_t vm_map_discard(struct vm_map *map, vm_offset_t start, vm_offset_t end);
/* Wire the regions of [start, end) for the given access, or undo one wiring with VM_PROT_NONE.
 * Returns: KERN_SUCCESS, KERN_NO_SPACE (a hole), KERN_PROTECTION_FAILURE, KERN_INVALID_ARGUMENT
 * (unwiring what is not wired), KERN_RESOURCE_SHORTAGE, KERN_MEMORY_ERROR; on error nothing is
 * wired or unwired. */
kern_return_t vm_map_wire(struct vm_map *map, vm_offset_t start, vm_offset_t end, vm_prot_t access);
/* The same without waiting for a page. Returns: as vm_map_wire; KERN_ABORTED (the page at *stuck
 * must be waited for). */
kern_return_t vm_map_wire_now(struct vm_map *map, vm_offset_t start, vm_offset_t end,
                              vm_prot_t access, vm_offset_t *stuck);
/* Wire all regions there are (current) and those made or made accessible later (future);
 * neither undoes both. With future memory wired, what leaves the map in messages is not paged out
 * on its way, so that a default pager can send what it has. */
kern_return_t vm_map_wire_all(struct vm_map *map, bool current, bool future);

/* --- copies of memory: opaque to everybody else --- */

/* Copy regions up to so many bytes and share larger ones, at start-up only. */
void vm_map_copyin_set_threshold(vm_size_t bytes);
/* Take a copy of [address, address + size). With src_destroy the pages it touches are unmapped:
 * whole pages move instead of being copied. Returns: KERN_SUCCESS, KERN_INVALID_ADDRESS (a hole, or
 * out of range), KERN_PROTECTION_FAILURE (not readable), KERN_RESOURCE_SHORTAGE, KERN_MEMORY_ERROR,
 * KERN_ABORTED (the thread was); on error nothing changed. size 0 gives *copy = NULL. */
kern_return_t vm_map_copyin(struct vm_map *map, vm_offset_t address, vm_size_t size,
                            bool src_destroy, struct vm_copy **copy);
/* Map the copy at a free place. Refs: consumes copy on success. A NULL copy gives *address = 0.
 * Returns: KERN_SUCCESS, KERN_NO_SPACE, KERN_RESOURCE_SHORTAGE. */
kern_return_t vm_map_copyout(struct vm_map *map, vm_offset_t *address, struct vm_copy *copy);
/* Write the copy over what is mapped at address. Refs: consumes copy on success.
 * Returns: KERN_SUCCESS, KERN_INVALID_ADDRESS (a hole), KERN_PROTECTION_FAILURE (not writable),
 * KERN_RESOURCE_SHORTAGE, KERN_MEMORY_ERROR. The first two change nothing unless the map changes
 * meanwhile. */
kern_return_t vm_map_copy_overwrite(struct vm_map *map, vm_offset_t address, struct vm_copy *copy);
/* A copy that holds `size` bytes of kernel memory; NULL when out of memory. */
struct vm_copy *vm_copy_from_kernel(const void *data, vm_size_t size);
/* A copy that holds the first `size` bytes, whole pages, of an object. Refs: takes the object over
 * on success. NULL when out of memory. */
struct vm_copy *vm_copy_from_object(struct vm_object *object, vm_size_t size);
/* Make such a copy shorter. */
void vm_copy_trim(struct vm_copy *copy, vm_size_t size);
/* Take the page that holds [offset, offset + PAGE_SIZE) of the copy, or a new one with those bytes:
 * of no object, not mapped, with no flags. Once only for each offset. Sleeps: yes. Refs: the caller
 * owns *page. Returns: KERN_SUCCESS, KERN_RESOURCE_SHORTAGE, KERN_MEMORY_ERROR, KERN_ABORTED. */
kern_return_t vm_copy_take_page(struct vm_copy *copy, vm_size_t offset, struct vm_page **page);
void vm_copy_discard(struct vm_copy *copy);
vm_size_t vm_copy_size(const struct vm_copy *copy);
/* Read n bytes at offset of the copy. Returns: KERN_SUCCESS, KERN_INVALID_ARGUMENT (beyond its
 * end), KERN_MEMORY_ERROR. */
kern_return_t vm_copy_read(struct vm_copy *copy, vm_size_t offset, void *destination, vm_size_t n);

#endif
