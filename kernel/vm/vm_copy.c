/* vm_copy.c - copies of memory on their way from one map to another: bytes in a buffer, or entries
 * that share pages copy-on-write. */
#include "vm/vm_copy_impl.h"

#include "kern/assert.h"
#include "kern/string.h"
#include "vm/memory_object.h"
#include "vm/slab.h"
#include "vm/vm_object.h"

static struct kmem_cache vm_copy_cache; /* those of entries; buffers vary in size */

void vm_copy_bootstrap(void)
{
    kmem_cache_init(&vm_copy_cache, "vm_copy", sizeof(struct vm_copy), 0);
}

struct vm_copy *vm_copy_create(vm_size_t size, vm_offset_t offset)
{
    struct vm_copy *copy = kmem_cache_alloc(&vm_copy_cache);

    if (copy != NULL) {
        copy->kind = VM_COPY_ENTRIES;
        copy->size = size;
        copy->offset = offset;
        list_init(&copy->entries);
    }
    return copy;
}

struct vm_copy *vm_copy_from_kernel(const void *data, vm_size_t size)
{
    struct vm_copy *copy = NULL;

    if (size <= VM_MAX_ADDRESS) {
        copy = kalloc(sizeof(*copy) + size);
    }
    if (copy != NULL) {
        copy->kind = VM_COPY_BUFFER;
        copy->size = size;
        copy->offset = 0;
        list_init(&copy->entries);
        if (data != NULL) {
            memcpy(copy->data, data, size);
        }
    }
    return copy;
}

void vm_copy_discard(struct vm_copy *copy)
{
    if (copy == NULL) {
        return;
    }
    vm_map_entry_release_list(&copy->entries);
    if (copy->kind == VM_COPY_BUFFER) {
        kfree(copy, sizeof(*copy) + copy->size);
    } else {
        kmem_cache_free(&vm_copy_cache, copy);
    }
}

vm_size_t vm_copy_size(const struct vm_copy *copy)
{
    return copy == NULL ? 0 : copy->size;
}

kern_return_t vm_copy_clip(struct vm_copy *copy, vm_offset_t at)
{
    list_for_each (&copy->entries, node) {
        struct vm_map_entry *entry = list_entry(node, struct vm_map_entry, link);
        struct vm_map_entry *rest;

        if (at <= entry->start || at >= entry->end) {
            continue;
        }
        rest = vm_map_entry_create();
        if (rest == NULL) {
            return KERN_RESOURCE_SHORTAGE;
        }
        rest->start = at;
        rest->end = entry->end;
        rest->object = entry->object;
        rest->offset = entry->offset + (at - entry->start);
        rest->needs_copy = entry->needs_copy;
        entry->end = at;
        if (rest->object != NULL) {
            vm_object_ref(rest->object);
        }
        list_insert_after(&entry->link, &rest->link);
        break;
    }
    return KERN_SUCCESS;
}

/* Put a page with n bytes of data and zeroes behind them into the object. */
static bool vm_copy_fill_page(struct vm_object *object, vm_offset_t offset, const char *data,
                              vm_size_t n)
{
    struct vm_page *page = vm_page_alloc(n < PAGE_SIZE ? VM_PAGE_ZERO : 0);
    bool inserted;

    if (page == NULL) {
        return false;
    }
    memcpy(vm_page_to_virt(page), data, n);
    page->flags |= VM_PAGE_DIRTY;
    spin_lock(&object->lock);
    inserted = vm_object_page_insert(object, page, offset);
    spin_unlock(&object->lock);
    if (!inserted) {
        vm_page_free(page);
    }
    return inserted;
}

struct vm_map_entry *vm_copy_entry_from_bytes(vm_offset_t start, const char *data, vm_size_t size)
{
    struct vm_map_entry *entry = vm_map_entry_create();
    bool filled = true;

    if (entry == NULL) {
        return NULL;
    }
    entry->start = start;
    entry->end = start + ((size + PAGE_MASK) & ~PAGE_MASK);
    entry->object = vm_object_create(vm_map_entry_size(entry));
    filled = entry->object != NULL;
    if (filled) {
        entry->object->flags |= VM_OBJECT_PRIVATE;
    }
    for (vm_offset_t at = 0; filled && at < size; at += PAGE_SIZE) {
        filled = vm_copy_fill_page(entry->object, at, data + at,
                                   size - at < PAGE_SIZE ? size - at : PAGE_SIZE);
    }
    if (!filled) {
        vm_object_unref(entry->object);
        entry->object = NULL;
        vm_map_entry_destroy(entry);
        return NULL;
    }
    return entry;
}

/* Read n bytes of what the object shows, all in one page. Sleeps for its pager. */
static kern_return_t vm_copy_read_page(struct vm_object *object, vm_offset_t offset,
                                       char *destination, size_t n, uint64_t *deadline_ns)
    NO_LOCK_ANALYSIS /* memory_object_walk() leaves two locks held */
{
    struct vm_object_hit hit;
    kern_return_t kr = memory_object_walk(object, offset & ~PAGE_MASK, &hit, deadline_ns);

    if (kr != KERN_SUCCESS) {
        return kr;
    }
    if (hit.page == NULL) {
        memset(destination, 0, n);
    } else {
        memcpy(destination, (char *)vm_page_to_virt(hit.page) + (offset & PAGE_MASK), n);
    }
    vm_object_walk_done(object, &hit);
    spin_unlock(&object->lock);
    return KERN_SUCCESS;
}

/* Read the part of [at, at + n) that lies in the entry; returns how much that was in *done. */
static kern_return_t vm_copy_read_entry(struct vm_map_entry *entry, vm_offset_t at,
                                        char *destination, vm_size_t n, vm_size_t *done)
{
    kern_return_t kr = KERN_SUCCESS;
    uint64_t deadline_ns = 0;
    vm_size_t length = entry->end - at < n ? entry->end - at : n;

    *done = length;
    if (entry->object == NULL) {
        memset(destination, 0, length);
        return KERN_SUCCESS;
    }
    while (length != 0 && kr == KERN_SUCCESS) {
        vm_size_t part =
            PAGE_SIZE - (at & PAGE_MASK) < length ? PAGE_SIZE - (at & PAGE_MASK) : length;

        kr = vm_copy_read_page(entry->object, entry->offset + (at - entry->start), destination,
                               part, &deadline_ns);
        at += part;
        destination += part;
        length -= part;
    }
    return kr;
}

kern_return_t vm_copy_read(struct vm_copy *copy, vm_size_t offset, void *destination, vm_size_t n)
{
    char *to = destination;
    vm_offset_t at;

    if (n > vm_copy_size(copy) || offset > vm_copy_size(copy) - n) {
        return KERN_INVALID_ARGUMENT;
    }
    if (n == 0) {
        return KERN_SUCCESS;
    }
    if (copy->kind == VM_COPY_BUFFER) {
        memcpy(destination, copy->data + offset, n);
        return KERN_SUCCESS;
    }
    at = copy->offset + offset;
    list_for_each (&copy->entries, node) {
        struct vm_map_entry *entry = list_entry(node, struct vm_map_entry, link);
        vm_size_t done;
        kern_return_t kr;

        if (n == 0 || at >= entry->end) {
            continue;
        }
        kr = vm_copy_read_entry(entry, at, to, n, &done);
        if (kr != KERN_SUCCESS) {
            return kr;
        }
        at += done;
        to += done;
        n -= done;
    }
    return KERN_SUCCESS;
}

/* --- pages --- */

struct vm_copy *vm_copy_from_object(struct vm_object *object, vm_size_t size)
{
    struct vm_copy *copy = vm_copy_create(size, 0);
    struct vm_map_entry *entry = copy != NULL ? vm_map_entry_create() : NULL;

    if (entry == NULL) {
        vm_copy_discard(copy);
        return NULL;
    }
    entry->start = 0;
    entry->end = size;
    entry->object = object;
    list_insert_tail(&copy->entries, &entry->link);
    return copy;
}

void vm_copy_trim(struct vm_copy *copy, vm_size_t size)
{
    struct vm_map_entry *entry = list_entry(list_first(&copy->entries), struct vm_map_entry, link);

    assert(size <= copy->size && entry->end == copy->size);
    copy->size = size;
    entry->end = size;
}

/* The entry that holds `at`, when pages of its object may be taken: nobody else sees them. */
static struct vm_map_entry *vm_copy_sole_entry(struct vm_copy *copy, vm_offset_t at)
{
    list_for_each (&copy->entries, node) {
        struct vm_map_entry *entry = list_entry(node, struct vm_map_entry, link);
        struct vm_object *object = entry->object;

        if (at < entry->end) {
            return object != NULL && !entry->needs_copy && atomic_load(&object->refs) == 1 ? entry
                                                                                           : NULL;
        }
    }
    return NULL;
}

/* Take the page of an object nobody else refers to; NULL when it is not such a page. */
static struct vm_page *vm_copy_move_page(struct vm_object *object, vm_offset_t offset)
{
    struct vm_page *page;

    spin_lock(&object->lock);
    page = vm_object_page_lookup(object, offset);
    if (page != NULL && vm_object_is_plain(object) && object->copy == NULL &&
        page->wire_count == 0) {
        vm_object_page_remove(object, page);
        if (page->pv.pmap != NULL) {
            pmap_page_protect(page, VM_PROT_NONE);
        }
        page->flags = 0;
    } else {
        page = NULL;
    }
    spin_unlock(&object->lock);
    return page;
}

kern_return_t vm_copy_take_page(struct vm_copy *copy, vm_size_t offset, struct vm_page **page)
{
    struct vm_map_entry *entry = NULL;
    kern_return_t kr;

    if (copy->kind == VM_COPY_ENTRIES && copy->offset == 0) {
        entry = vm_copy_sole_entry(copy, offset);
    }
    *page = entry != NULL
                ? vm_copy_move_page(entry->object, entry->offset + (offset - entry->start))
                : NULL;
    if (*page != NULL) {
        return KERN_SUCCESS;
    }
    *page = vm_page_alloc(0);
    if (*page == NULL) {
        return KERN_RESOURCE_SHORTAGE;
    }
    kr = vm_copy_read(copy, offset, vm_page_to_virt(*page), PAGE_SIZE);
    if (kr != KERN_SUCCESS) {
        vm_page_free(*page);
    }
    return kr;
}
