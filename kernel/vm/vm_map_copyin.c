/* vm_map_copyin.c - taking a copy out of a map.
 *
 * Small ones are bytes in a buffer. Large ones are entries: the pages that lie whole in the range
 * are shared copy-on-write, or moved when the source is to go; of a page at the edge only the bytes
 * in the range are copied, into a page of zeroes, so that nothing beside them leaves the map. All
 * of it happens with the map locked: a remap or an unmap comes before or after the copy, never
 * between its check and its use. */
#include "vm/vm_copy_impl.h"

#include "kern/assert.h"
#include "vm/slab.h"
#include "vm/vm_fault.h"
#include "vm/vm_object.h"
#include "vm/vm_pageout.h"

static vm_size_t vm_map_copyin_threshold = VM_COPY_THRESHOLD; /* [I] after start-up */

void vm_map_copyin_set_threshold(vm_size_t bytes)
{
    vm_map_copyin_threshold = bytes;
}

/* A copy being made. The map is locked. */
struct vm_map_copyin_ctx {
    struct vm_map *map;
    vm_offset_t address;
    vm_size_t size;
    vm_offset_t start; /* pages touched */
    vm_offset_t end;
    vm_offset_t whole_start; /* pages that lie in the range whole */
    vm_offset_t whole_end;
    bool src_destroy;
    bool removes; /* the source goes when the copy is made: its pager may not supply it */
    struct vm_copy *copy;
    vm_offset_t stuck; /* the page that was busy when KERN_ABORTED is returned */
};

static kern_return_t vm_map_copyin_check(struct vm_map_copyin_ctx *ctx)
{
    struct vm_map_entry *entry;

    if (!vm_map_entry_covers(ctx->map, ctx->start, ctx->end, &entry)) {
        return KERN_INVALID_ADDRESS;
    }
    for (; entry != NULL; entry = vm_map_entry_next_below(entry, ctx->end)) {
        if ((entry->protection & VM_PROT_READ) == 0) {
            return KERN_PROTECTION_FAILURE;
        }
        if (ctx->src_destroy && entry->object != NULL &&
            (atomic_load(&entry->object->flags) & VM_OBJECT_INTERNAL) == 0) {
            ctx->src_destroy = false;
            ctx->removes = true;
        }
    }
    return KERN_SUCCESS;
}

/* Copy the bytes [from, to), which lie in one page at the edge, into a page of their own. */
static kern_return_t vm_map_copyin_edge(struct vm_map_copyin_ctx *ctx, vm_offset_t from,
                                        vm_offset_t to)
{
    vm_offset_t page_start = from & ~PAGE_MASK;
    char *bytes = kalloc_zeroed(PAGE_SIZE);
    struct vm_map_entry *entry;
    kern_return_t kr = KERN_RESOURCE_SHORTAGE;

    if (bytes == NULL) {
        return kr;
    }
    kr = vm_fault_read_locked(ctx->map, from, bytes + (from - page_start), to - from);
    if (kr == KERN_SUCCESS) {
        entry = vm_copy_entry_from_bytes(page_start - ctx->start, bytes, PAGE_SIZE);
        if (entry != NULL) {
            list_insert_tail(&ctx->copy->entries, &entry->link);
        } else {
            kr = KERN_RESOURCE_SHORTAGE;
        }
    } else {
        ctx->stuck = page_start;
    }
    kfree(bytes, PAGE_SIZE);
    return kr;
}

/* May the entry itself change hands? Not when others see its object and their writes, too. */
static bool vm_map_copyin_may_move(const struct vm_map_copyin_ctx *ctx, struct vm_map_entry *entry)
{
    bool may_move;

    if (!ctx->src_destroy || entry->object == NULL) {
        return ctx->src_destroy;
    }
    spin_lock(&entry->object->lock);
    may_move =
        (entry->object->flags & (VM_OBJECT_SHARED | VM_OBJECT_INTERNAL)) == VM_OBJECT_INTERNAL;
    spin_unlock(&entry->object->lock);
    return may_move;
}

/* Add copies of the whole pages' entries to the list; entries that will move are left for
 * vm_map_copyin_take(). */
static kern_return_t vm_map_copyin_whole(struct vm_map_copyin_ctx *ctx)
{
    struct vm_map_entry *entry;
    kern_return_t kr;

    if (ctx->whole_start >= ctx->whole_end) {
        return KERN_SUCCESS;
    }
    kr = vm_map_entry_clip_range(ctx->map, ctx->whole_start, ctx->whole_end, &entry);
    for (; kr == KERN_SUCCESS && entry != NULL;
         entry = vm_map_entry_next_below(entry, ctx->whole_end)) {
        struct vm_map_entry *copy;

        if (vm_map_copyin_may_move(ctx, entry)) {
            continue;
        }
        copy = vm_map_entry_create();
        if (copy == NULL) {
            return KERN_RESOURCE_SHORTAGE;
        }
        copy->start = entry->start - ctx->start;
        copy->end = entry->end - ctx->start;
        kr = vm_map_entry_copy(ctx->map, entry, copy);
        if (kr == KERN_SUCCESS) {
            list_insert_tail(&ctx->copy->entries, &copy->link);
        } else {
            vm_map_entry_destroy(copy);
        }
    }
    return kr;
}

/* Put the entry into the copy at its place. */
static void vm_map_copyin_insert(struct vm_copy *copy, struct vm_map_entry *entry)
{
    list_for_each (&copy->entries, node) {
        if (list_entry(node, struct vm_map_entry, link)->start > entry->start) {
            list_insert_before(node, &entry->link);
            return;
        }
    }
    list_insert_tail(&copy->entries, &entry->link);
}

/* Move the entry, out of the map already, into the copy. */
static void vm_map_copyin_move(struct vm_map_copyin_ctx *ctx, struct vm_map_entry *entry)
{
    struct vm_object *object = entry->object;

    if (object != NULL) {
        vm_map_entry_unmap(ctx->map, entry);
        if (ctx->map->wire_future != VM_PROT_NONE) {
            vm_pageout_remove(object);
        }
        if (entry->wired_count != 0) {
            vm_map_entry_unwire_pages(ctx->map, entry, entry->end);
            entry->wired_count = 0;
        }
        spin_lock(&object->lock);
        if (atomic_load(&object->refs) > 1) {
            /* Other windows of the object stay behind in this map. */
            object->flags &= ~VM_OBJECT_PRIVATE;
        }
        spin_unlock(&object->lock);
    }
    entry->start -= ctx->start;
    entry->end -= ctx->start;
    vm_map_copyin_insert(ctx->copy, entry);
}

/* The copies are made: take the source away. Cannot fail, the range is cut at its ends. */
static void vm_map_copyin_take(struct vm_map_copyin_ctx *ctx, struct list *removed)
{
    struct vm_map_entry *entry = vm_map_entry_lookup_from(ctx->map, ctx->start);

    while (entry != NULL) {
        struct vm_map_entry *next = vm_map_entry_next_below(entry, ctx->end);

        if (entry->start >= ctx->whole_start && entry->end <= ctx->whole_end &&
            vm_map_copyin_may_move(ctx, entry)) {
            vm_map_entry_unlink(ctx->map, entry);
            vm_map_copyin_move(ctx, entry);
        } else {
            vm_map_entry_detach(ctx->map, entry);
            list_insert_tail(removed, &entry->link);
        }
        entry = next;
    }
}

static kern_return_t vm_map_copyin_locked(struct vm_map_copyin_ctx *ctx, struct list *removed)
{
    vm_offset_t last = ctx->address + ctx->size;
    struct vm_map_entry *first;
    kern_return_t kr = vm_map_copyin_check(ctx);

    if (kr == KERN_SUCCESS && ctx->src_destroy) {
        kr = vm_map_entry_clip_range(ctx->map, ctx->start, ctx->end, &first);
    }
    if (kr == KERN_SUCCESS && ctx->address != ctx->start) {
        kr = vm_map_copyin_edge(ctx, ctx->address, ctx->whole_start);
    }
    if (kr == KERN_SUCCESS) {
        kr = vm_map_copyin_whole(ctx);
    }
    if (kr == KERN_SUCCESS && last != ctx->end) {
        kr = vm_map_copyin_edge(ctx, ctx->whole_end, last);
    }
    if (kr == KERN_SUCCESS && ctx->src_destroy) {
        vm_map_copyin_take(ctx, removed);
    }
    return kr;
}

/* Make the copies that had to wait until the map is unlocked. */
static kern_return_t vm_map_copyin_finish(struct vm_copy *copy)
{
    kern_return_t kr = KERN_SUCCESS;

    list_for_each (&copy->entries, node) {
        if (kr == KERN_SUCCESS) {
            kr = vm_map_entry_copy_finish(list_entry(node, struct vm_map_entry, link));
        }
    }
    return kr;
}

static kern_return_t vm_map_copyin_entries(struct vm_map_copyin_ctx *ctx, struct vm_copy **copy)
{
    kern_return_t kr;
    bool busy;

    ctx->whole_start = (ctx->address + PAGE_MASK) & ~PAGE_MASK;
    ctx->whole_end = (ctx->address + ctx->size) & ~PAGE_MASK;
    do {
        struct list removed = LIST_INITIALIZER(removed);

        ctx->copy = vm_copy_create(ctx->size, ctx->address & PAGE_MASK);
        if (ctx->copy == NULL) {
            return KERN_RESOURCE_SHORTAGE;
        }
        mutex_lock(&ctx->map->lock);
        kr = vm_map_copyin_locked(ctx, &removed);
        mutex_unlock(&ctx->map->lock);
        vm_map_entry_release_list(&removed);
        busy = kr == KERN_ABORTED;
        if (kr == KERN_SUCCESS) {
            kr = vm_map_copyin_finish(ctx->copy);
        }
        if (kr == KERN_SUCCESS && ctx->removes) {
            kr = vm_map_remove(ctx->map, ctx->start, ctx->end);
        }
        if (kr != KERN_SUCCESS) {
            vm_copy_discard(ctx->copy);
        }
        if (busy) {
            /* An edge was: wait for it as a fault does, then look at everything again. */
            kr = vm_fault(ctx->map, ctx->stuck, VM_PROT_READ);
        }
    } while (busy && kr == KERN_SUCCESS);
    if (kr == KERN_SUCCESS) {
        *copy = ctx->copy;
    }
    return kr;
}

static kern_return_t vm_map_copyin_buffer(struct vm_map_copyin_ctx *ctx, struct vm_copy **copy)
{
    struct vm_copy *buffer = vm_copy_from_kernel(NULL, ctx->size);
    kern_return_t kr;

    if (buffer == NULL) {
        return KERN_RESOURCE_SHORTAGE;
    }
    kr = vm_fault_read(ctx->map, ctx->address, buffer->data, ctx->size);
    if (kr == KERN_SUCCESS && ctx->src_destroy) {
        kr = vm_map_remove(ctx->map, ctx->start, ctx->end);
    }
    if (kr != KERN_SUCCESS) {
        vm_copy_discard(buffer);
        return kr;
    }
    *copy = buffer;
    return KERN_SUCCESS;
}

kern_return_t vm_map_copyin(struct vm_map *map, vm_offset_t address, vm_size_t size,
                            bool src_destroy, struct vm_copy **copy)
{
    struct vm_map_copyin_ctx ctx = {
        .map = map, .address = address, .size = size, .src_destroy = src_destroy};

    if (size == 0) {
        *copy = NULL;
        return KERN_SUCCESS;
    }
    if (!vm_map_range(map, address, size, &ctx.start, &ctx.end)) {
        return KERN_INVALID_ADDRESS;
    }
    return size <= vm_map_copyin_threshold ? vm_map_copyin_buffer(&ctx, copy)
                                           : vm_map_copyin_entries(&ctx, copy);
}
