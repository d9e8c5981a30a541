/* vm_map_impl.h - entries of a map: what the files of vm_map share. In all functions here the map
 * is locked. */
#ifndef VM_VM_MAP_IMPL_H
#define VM_VM_MAP_IMPL_H

#include "kern/list.h"
#include "vm/vm_map.h"
#include "vm/vm_object.h"

#define VM_MAP_WIRED_MAX 65535u

/* A region. Keys: [L] map->lock, or whoever owns the copy that holds the entry */
struct vm_map_entry {
    struct rbnode node;        /* [L] in map->entries; its value is the gap: free bytes between the
                                  entry before and this one */
    struct vm_map_entry *prev; /* [L] the entries before and after it in the map, or NULL */
    struct vm_map_entry *next;
    struct list link;         /* [L] in a vm_copy, or among entries being removed */
    vm_offset_t start;        /* [L] */
    vm_offset_t end;          /* [L] */
    struct vm_object *object; /* [L] owns a reference; NULL until the first fault */
    vm_offset_t offset;       /* [L] */
    vm_prot_t protection;     /* [L] */
    vm_prot_t max_protection; /* [L] */
    vm_inherit_t inheritance; /* [L] */
    uint16_t wired_count;     /* [L] */
    bool needs_copy;          /* [L] others see the object too: shadow it before writing */
    bool entered;             /* [L] some of it may be in the page table */
    bool fill;                /* [L] came by message: the first fault enters all that is resident */
    bool copy_later;          /* [L] object is what is to be copied, with the map unlocked */
};

static inline struct vm_map_entry *vm_map_entry_of(struct rbnode *node)
{
    return node == NULL ? NULL : rbtree_entry(node, struct vm_map_entry, node);
}

static inline struct vm_map_entry *vm_map_entry_next(struct vm_map_entry *entry)
{
    return entry->next;
}

/* The entry after this one, if it begins before `end`, which this one may end beyond. */
static inline struct vm_map_entry *vm_map_entry_next_below(struct vm_map_entry *entry,
                                                           vm_offset_t end)
{
    struct vm_map_entry *next = entry->end < end ? vm_map_entry_next(entry) : NULL;

    return next != NULL && next->start < end ? next : NULL;
}

static inline vm_size_t vm_map_entry_size(const struct vm_map_entry *entry)
{
    return entry->end - entry->start;
}

void vm_map_entry_bootstrap(void);

/* An entry that is in no map, all fields 0, or without contents; NULL when out of memory. */
struct vm_map_entry *vm_map_entry_create(void);
struct vm_map_entry *vm_map_entry_alloc(void);
/* Free an entry that is in no map; the reference to its object must be gone. */
void vm_map_entry_destroy(struct vm_map_entry *entry);

/* Put the entry, whose range is free, into the map: tree, gaps, counts. */
void vm_map_entry_link(struct vm_map *map, struct vm_map_entry *entry);
/* The same when the next entry is known; NULL: there is none. */
void vm_map_entry_link_before(struct vm_map *map, struct vm_map_entry *entry,
                              struct vm_map_entry *next);
/* Take the entry out again. Returns: the one after it. */
struct vm_map_entry *vm_map_entry_unlink(struct vm_map *map, struct vm_map_entry *entry);

/* The entry that holds address, or NULL. */
struct vm_map_entry *vm_map_entry_lookup(struct vm_map *map, vm_offset_t address);
/* The entry that holds address, or the first one after it, or NULL. */
struct vm_map_entry *vm_map_entry_lookup_from(struct vm_map *map, vm_offset_t address);
/* Is [start, end) mapped without a hole? Then *first is the entry of start. */
bool vm_map_entry_covers(struct vm_map *map, vm_offset_t start, vm_offset_t end,
                         struct vm_map_entry **first);

/* The lowest gap of `size` bytes at or above `low` whose address has no bit of mask; *next is the
 * entry behind it, or NULL. */
bool vm_map_entry_find_space(struct vm_map *map, vm_offset_t low, vm_size_t size, vm_offset_t mask,
                             vm_offset_t *address, struct vm_map_entry **next);

/* Cut the entry that straddles `at`, if any, in two. Returns: KERN_SUCCESS, KERN_RESOURCE_SHORTAGE.
 */
kern_return_t vm_map_entry_clip(struct vm_map *map, vm_offset_t at);
/* Cut at both ends; *first is the first entry at or after start, or NULL when that lies at or
 * beyond end. */
kern_return_t vm_map_entry_clip_range(struct vm_map *map, vm_offset_t start, vm_offset_t end,
                                      struct vm_map_entry **first);
/* If the part of the entry below `end` would, with that protection, be one region with the entry
 * before it, move their boundary there: nothing is cut and joined. Not for a protection that takes
 * rights away: the page table is left alone. */
bool vm_map_entry_shift(struct vm_map_entry *entry, vm_offset_t end, vm_prot_t protection);
/* Join the entry with the one before it when they are one region in all but name. Returns: the one
 * that is left. */
struct vm_map_entry *vm_map_entry_merge_left(struct vm_map *map, struct vm_map_entry *right);
/* Join a new entry with those before and after it that are one region with it in all but name, and
 * expect what is left to be used next. Returns: that. */
struct vm_map_entry *vm_map_entry_merge(struct vm_map *map, struct vm_map_entry *entry);
/* Join what is one region in all but name at every boundary in [start, end]. */
void vm_map_entry_merge_range(struct vm_map *map, vm_offset_t start, vm_offset_t end);

/* Unmap and unwire the pages of an entry that has been taken out of the map and, where nobody else
 * can see them, free them. */
void vm_map_entry_clear(struct vm_map *map, struct vm_map_entry *entry);

/* Take the clipped entry out of the map, and clear it. Returns: the entry after it. */
static inline struct vm_map_entry *vm_map_entry_detach(struct vm_map *map,
                                                       struct vm_map_entry *entry)
{
    struct vm_map_entry *next = vm_map_entry_unlink(map, entry);

    if (entry->object != NULL) {
        vm_map_entry_clear(map, entry);
    }
    return next;
}

/* Drop the references of detached entries and free them. Locks: map not locked. */
void vm_map_entry_release_list(struct list *entries);

static inline void vm_map_entry_release(struct vm_map_entry *entry)
{
    if (entry->object != NULL) {
        vm_object_unref(entry->object);
        entry->object = NULL;
    }
    vm_map_entry_destroy(entry);
}

/* Lower the rights the page table grants to the entry's pages to `prot`; take the pages out of it.
 */
void vm_map_entry_protect(struct vm_map *map, struct vm_map_entry *entry, vm_prot_t prot);
void vm_map_entry_unmap(struct vm_map *map, struct vm_map_entry *entry);
/* Undo the wiring of the entry's pages below address `end`; entry->wired_count is left alone. */
void vm_map_entry_unwire_pages(struct vm_map *map, struct vm_map_entry *entry, vm_offset_t end);

/* Make `copy` (of the same size, in no map) show what entry shows now, sharing pages until one side
 * writes. A copy that has to wait for a pager is only begun: copy->copy_later. Returns:
 * KERN_SUCCESS (copy->object, offset and needs_copy are set), KERN_RESOURCE_SHORTAGE,
 * KERN_MEMORY_ERROR. */
kern_return_t vm_map_entry_copy(struct vm_map *map, struct vm_map_entry *entry,
                                struct vm_map_entry *copy);
/* Give the entry, which needs a copy, an object of its own to write. When that has been filled
 * instead of put in front, pages that are mapped for reading belong to the old one. Locks: map
 * held. Returns: KERN_SUCCESS, KERN_RESOURCE_SHORTAGE. */
static inline kern_return_t vm_map_entry_shadow(struct vm_map *map, struct vm_map_entry *entry)
{
    const struct vm_object *old = entry->object;
    kern_return_t kr = vm_object_shadow(&entry->object, &entry->offset, vm_map_entry_size(entry));

    if (kr == KERN_SUCCESS) {
        entry->needs_copy = false;
        if (__builtin_expect(entry->object != old && entry->object->shadow == NULL, 0)) {
            vm_map_entry_protect(map, entry, VM_PROT_NONE);
        }
    }
    return kr;
}
/* Make the entry one of several that see its object, and each other's changes. Locks: map held.
 * Returns: KERN_SUCCESS, KERN_RESOURCE_SHORTAGE. */
kern_return_t vm_map_entry_share(struct vm_map *map, struct vm_map_entry *entry);
/* Do what vm_map_entry_copy() left for later, if it did. Locks: no map's. Sleeps: yes. Returns: as
 * memory_object_copy_range(). */
kern_return_t vm_map_entry_copy_finish(struct vm_map_entry *copy);
/* Enter the entry's resident pages in the page table, of its first `limit` pages those of its own
 * object. Locks: map's held. */
void vm_map_entry_premap(struct vm_map *map, struct vm_map_entry *entry, uint64_t limit);
/* Enter those of the entry's object that are resident and share an aligned 64 KiB with va, where
 * nothing is mapped. The object is not a device's, and the entry may be read. Locks: map's held. */
void vm_map_entry_premap_around(struct vm_map *map, struct vm_map_entry *entry, vm_offset_t va);

#endif
