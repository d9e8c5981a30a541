/* vm_fault_large.c - 2 MiB in one fault: of fresh memory, or of what a pager supplied in one piece.
 *
 * Memory that is written in order from the start of an aligned 2 MiB, all of it in one region and
 * none of it touched, is filled at once with neighbouring pages and mapped by one entry. The pages
 * are the object's one by one: nothing but the page table knows that they are neighbours, and
 * whatever is done to one of them later splits the mapping. What cannot be done so is left to the
 * next steps of the fault, which find the pages there, or none.
 *
 * Pages of a memory object that lie side by side in memory, as pages from such memory of its pager
 * do, are mapped by one entry when the first of them is read and none is mapped yet. They are not
 * to be written that way: a write splits the mapping, so that one page was changed, not 512.
 * Locks: the map's, held; then the object's, not while the pages are cleared. */
#include "vm/vm_fault_large.h"

#include "arch/pmap.h"
#include "kern/assert.h"
#include "kern/trace.h"
#include "vm/vm_map_impl.h"
#include "vm/vm_object.h"
#include "vm/vm_page.h"
#include "vm/vm_radix.h"
#include "vm/vm_stat.h"

#define LARGE_ORDER 9u
#define LARGE_PAGES (1ul << LARGE_ORDER)

static_assert(LARGE_PAGES << PAGE_SHIFT == LARGE_PAGE_SIZE, "an entry maps 2^LARGE_ORDER pages");

/* Is there so much free memory that 2 MiB of it may be spent where one page was asked for? */
static bool vm_fault_large_is_affordable(void)
{
    return vm_page_free_count() > vm_page_total_count() / 4 + LARGE_PAGES;
}

/* Would the 2 MiB at va be all fresh memory of the entry alone? */
static bool vm_fault_large_is_fresh(const struct vm_map_entry *entry, vm_offset_t va)
{
    struct vm_object *object = entry->object;
    vm_offset_t offset = entry->offset + (va - entry->start);
    bool fresh;

    if (entry->end - va < LARGE_PAGE_SIZE || va + LARGE_PAGE_SIZE >= VM_MAX_ADDRESS ||
        entry->wired_count != 0 || entry->needs_copy) {
        return false;
    }
    spin_lock(&object->lock);
    fresh = (object->flags & VM_OBJECT_PRIVATE) != 0 && vm_object_is_plain(object) &&
            object->shadow == NULL && object->copy == NULL &&
            vm_object_page_next(object, offset, offset + LARGE_PAGE_SIZE) == NULL;
    spin_unlock(&object->lock);
    return fresh;
}

/* Give the object the pages, those that do not fit back to the allocator, and map them if they all
 * do. */
static bool vm_fault_large_enter(struct vm_map *map, struct vm_map_entry *entry, vm_offset_t va,
                                 struct vm_page *pages)
{
    struct vm_object *object = entry->object;
    bool entered = false;
    uint64_t owned;

    spin_lock(&object->lock);
    owned =
        vm_object_page_insert_run(object, pages, entry->offset + (va - entry->start), LARGE_PAGES);
    if (owned == LARGE_PAGES) {
        entered = pmap_enter_large(map->pmap, va, vm_page_to_phys(pages), entry->protection, 0) ==
                  KERN_SUCCESS;
    }
    vm_stat_current()->zero_fills += owned;
    spin_unlock(&object->lock);
    if (owned != LARGE_PAGES) {
        vm_page_free_contig(pages + owned, LARGE_PAGES - owned);
    }
    return entered;
}

/* Of 2 MiB of an object the first page, if they are as they must be. Locks: object->lock held. */
static struct vm_page *vm_fault_large_find(struct vm_object *object, vm_offset_t offset)
{
    struct vm_page *first = vm_object_page_lookup(object, offset);
    unsigned found = 0;

    assert(spin_is_held(&object->lock));
    if (first == NULL || !vm_page_is_at_rest(first) ||
        (vm_page_to_phys(first) & (LARGE_PAGE_SIZE - 1)) != 0) {
        return NULL;
    }
    while (found < LARGE_PAGES) {
        unsigned n = LARGE_PAGES - found;
        void **place = vm_radix_run(&object->pages, (offset >> PAGE_SHIFT) + found, &n);

        for (unsigned end = found + n; found < end; found++, place++) {
            struct vm_page *page = place != NULL ? *place : NULL;

            if (page != first + found || !vm_page_is_at_rest(page) || page->wire_count != 0 ||
                page->pv.pmap != NULL) {
                return NULL;
            }
        }
    }
    return first;
}

bool vm_fault_large_read(struct vm_map *map, struct vm_map_entry *entry, vm_offset_t va)
{
    struct vm_object *object = entry->object;
    vm_offset_t offset = entry->offset + (va - entry->start);
    struct vm_page *first;
    bool entered;

    assert(mutex_is_held(&map->lock) && object != NULL);
    if (entry->end - va < LARGE_PAGE_SIZE || va + LARGE_PAGE_SIZE >= VM_MAX_ADDRESS ||
        entry->wired_count != 0 || (entry->protection & VM_PROT_READ) == 0) {
        return false;
    }
    spin_lock(&object->lock);
    first = object->pager != NULL ? vm_fault_large_find(object, offset) : NULL;
    entered =
        first != NULL && pmap_enter_large(map->pmap, va, vm_page_to_phys(first),
                                          entry->protection & ~VM_PROT_WRITE, 0) == KERN_SUCCESS;
    spin_unlock(&object->lock);
    entry->entered = entry->entered || entered;
    return entered;
}

bool vm_fault_large(struct vm_map *map, struct vm_map_entry *entry, vm_offset_t va)
{
    struct vm_page *pages;

    assert(mutex_is_held(&map->lock) && entry->object != NULL);
    if (!vm_fault_large_is_fresh(entry, va) || !vm_fault_large_is_affordable()) {
        return false;
    }
    /* The object is this map's alone, and the map is locked: it stays as it is. */
    pages = vm_page_alloc_contig(LARGE_PAGES, LARGE_ORDER, VM_PAGE_ZERO, 0, 0);
    if (pages == NULL) {
        return false;
    }
    trace(TRACE_ZEROED, LARGE_PAGES, va);
    entry->entered = true;
    return vm_fault_large_enter(map, entry, va, pages);
}
