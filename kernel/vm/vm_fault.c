/* vm_fault.c - page faults, in restartable steps over one context.
 *
 *     lookup    lock the map; entry, protection; put a shadow in front of an object others see too
 *     resolve   lock the object; look down its chain:
 *                 1  found in the first object          -> use it
 *                 2  found below, access reads          -> use it, mapped read-only
 *                 3  found below, access writes         -> copy it up into the first object
 *                 4  found nowhere                      -> zero-filled page in the first object
 *                 5  a pager has it, or has locked it   -> drop everything, ask, wait, RETRY
 *     push      the first object has a delayed copy that lacks the page: give it one, AGAIN
 *     finish    enter the page in the page table, or copy bytes
 *
 * The map stays locked from lookup to finish, so the mapping entered is one the map still allows;
 * when a step must wait it drops all locks and the fault starts over, for everything may have
 * changed. Locks: map -> first object -> objects it shadows -> pmap. */
#include "vm/vm_fault.h"

#include "arch/pmap.h"
#include "kern/assert.h"
#include "kern/string.h"
#include "kern/task.h"
#include "kern/thread.h"
#include "kern/trace.h"
#include "vm/memory_object.h"
#include "vm/vm_fault_large.h"
#include "vm/vm_map_impl.h"
#include "vm/vm_object.h"
#include "vm/vm_pageout.h"
#include "vm/vm_stat.h"

/* What a step wants to happen next. */
enum vm_fault_status {
    VM_FAULT_NEXT,  /* the step is done: go on to the next one */
    VM_FAULT_AGAIN, /* locks of objects were dropped, the map is still locked: resolve again */
    VM_FAULT_RETRY, /* drop all locks, wait as ctx->wait says, start over */
    VM_FAULT_DONE,  /* ctx->result is the answer */
};

/* Pages entered with the first one of memory that came by message. */
#define FAULT_FILL_PAGES 512u

/* ctx->flags */
#define FAULT_MAP_LOCKED 1u /* the caller holds the map and must not sleep */
#define FAULT_WIRE       2u /* count the page as wired; it must be in the first object */
#define FAULT_AROUND     4u /* the page was there and is read: its neighbours may be there too */
/* No mapping is entered: the page is counted as wired, for a device. Nothing is waited for. */
#define FAULT_PIN 8u

struct vm_fault_ctx {
    struct vm_map *map;
    vm_offset_t va; /* of the page */
    vm_prot_t access;
    unsigned flags;
    kern_return_t result;
    char *buffer;      /* bytes to copy instead of a mapping to enter, or NULL */
    size_t first_byte; /* of the page */
    size_t length;
    struct vm_map_entry *entry; /* valid while the map is locked */
    vm_offset_t offset;         /* of the page in entry->object */
    uint64_t pushed_version;    /* delayed copies up to this one have the page */
    struct vm_fault_wait *wait; /* its `wait` is filled in for VM_FAULT_RETRY */
    struct vm_page *pinned;     /* what FAULT_PIN comes to */
};

static enum vm_fault_status vm_fault_done(struct vm_fault_ctx *ctx, kern_return_t result)
{
    ctx->result = result;
    return VM_FAULT_DONE;
}

/* Is it about the page alone, not about a mapping of it? */
static bool vm_fault_enters_nothing(const struct vm_fault_ctx *ctx)
{
    return ctx->buffer != NULL || (ctx->flags & FAULT_PIN) != 0;
}

/* Is the page to be changed, or to belong to this entry? */
static bool vm_fault_needs_own(const struct vm_fault_ctx *ctx)
{
    return (ctx->access & VM_PROT_WRITE) != 0 || (ctx->flags & FAULT_WIRE) != 0;
}

/* --- lookup --- */

/* Give the entry an object of its own to put the page in. */
static kern_return_t vm_fault_prepare_object(struct vm_fault_ctx *ctx)
{
    struct vm_map_entry *entry = ctx->entry;

    assert(mutex_is_held(&ctx->map->lock));
    if (entry->object == NULL) {
        entry->object = vm_object_create(vm_map_entry_size(entry));
        if (entry->object == NULL) {
            return KERN_RESOURCE_SHORTAGE;
        }
        entry->object->flags |= VM_OBJECT_PRIVATE;
        entry->offset = 0;
        entry->needs_copy = false;
        return KERN_SUCCESS;
    }
    if (entry->needs_copy && vm_fault_needs_own(ctx)) {
        return vm_map_entry_shadow(ctx->map, entry);
    }
    return KERN_SUCCESS;
}

static unsigned vm_fault_written(const struct vm_fault_ctx *ctx)
{
    return (ctx->access & VM_PROT_WRITE) != 0 ? PMAP_WRITTEN : 0;
}

/* Device memory: nothing to find, and not to be copied by the kernel. */
static kern_return_t vm_fault_device(const struct vm_fault_ctx *ctx)
{
    const struct vm_object *object = ctx->entry->object;

    if (vm_fault_enters_nothing(ctx) || ctx->offset >= object->size) {
        return KERN_MEMORY_ERROR;
    }
    ctx->entry->entered = true;
    return pmap_enter(ctx->map->pmap, ctx->va, object->device_phys + ctx->offset,
                      ctx->entry->protection, object->device_flags | vm_fault_written(ctx));
}

static enum vm_fault_status vm_fault_lookup(struct vm_fault_ctx *ctx)
{
    kern_return_t kr;

    assert((ctx->va & PAGE_MASK) == 0);
    ctx->entry = vm_map_entry_lookup(ctx->map, ctx->va);
    if (ctx->entry == NULL) {
        return vm_fault_done(ctx, KERN_INVALID_ADDRESS);
    }
    if ((ctx->access & ~ctx->entry->protection) != 0) {
        return vm_fault_done(ctx, KERN_PROTECTION_FAILURE);
    }
    if (ctx->entry->object == NULL && ctx->buffer != NULL && !vm_fault_needs_own(ctx)) {
        memset(ctx->buffer, 0, ctx->length);
        return vm_fault_done(ctx, KERN_SUCCESS);
    }
    if (__builtin_expect(ctx->entry->object == NULL || ctx->entry->needs_copy, 0)) {
        kr = vm_fault_prepare_object(ctx);
        if (kr != KERN_SUCCESS) {
            return vm_fault_done(ctx, kr);
        }
    }
    ctx->offset = ctx->entry->offset + (ctx->va - ctx->entry->start);
    if (__builtin_expect((ctx->entry->object->flags & VM_OBJECT_DEVICE) != 0, 0)) {
        return vm_fault_done(ctx, vm_fault_device(ctx));
    }
    return VM_FAULT_NEXT;
}

/* --- resolve; the first object and hit->object are locked --- */

/* Put a new page into the first object: cleared, or a copy of what was found below. */
static enum vm_fault_status vm_fault_new_page(struct vm_fault_ctx *ctx, struct vm_object *first,
                                              struct vm_object_hit *hit)
{
    struct vm_page *source = hit->page;
    unsigned modest = (ctx->flags & FAULT_PIN) != 0 ? VM_PAGE_MODEST : 0;
    struct vm_page *page = vm_page_alloc(source == NULL ? VM_PAGE_ZERO | modest : 0);

    assert(spin_is_held(&first->lock));
    if (page == NULL) {
        return vm_fault_done(ctx, KERN_RESOURCE_SHORTAGE);
    }
    if (source != NULL) {
        pmap_copy_page(vm_page_to_phys(source), vm_page_to_phys(page));
        page->flags |= VM_PAGE_DIRTY;
    }
    if (!vm_object_page_insert(first, page, ctx->offset)) {
        vm_page_free(page);
        return vm_fault_done(ctx, KERN_RESOURCE_SHORTAGE);
    }
    if (source == NULL) {
        trace(TRACE_ZEROED, 1, ctx->va);
        vm_stat_current()->zero_fills += 1;
    } else {
        trace(TRACE_COPIED, 1, ctx->va);
        vm_stat_current()->cow_faults += 1;
        /* Others who map the first object may have mapped the page below; so may this map, and a
         * what enters no mapping leaves that one. */
        if (atomic_load(&first->refs) > 1 || vm_fault_enters_nothing(ctx)) {
            pmap_page_protect(source, VM_PROT_NONE);
        }
    }
    vm_object_walk_done(first, hit);
    hit->object = first;
    hit->page = page;
    hit->depth = 0;
    return VM_FAULT_NEXT;
}

/* A pager has to be asked first: prepare that. */
static enum vm_fault_status vm_fault_ask(struct vm_fault_ctx *ctx, const struct vm_object_hit *hit)
{
    kern_return_t kr;

    assert(spin_is_held(&hit->object->lock));
    if ((ctx->flags & (FAULT_MAP_LOCKED | FAULT_PIN)) != 0) {
        return vm_fault_done(ctx, KERN_ABORTED);
    }
    kr = memory_object_want(hit, ctx->access, &ctx->wait->wait);
    return kr == KERN_SUCCESS ? VM_FAULT_RETRY : vm_fault_done(ctx, kr);
}

/* Has its pager just been asked for this page and no other? */
static bool vm_fault_came_alone(const struct vm_fault_ctx *ctx)
{
    return __builtin_expect(ctx->wait->deadline_ns != 0, 0) && ctx->buffer == NULL &&
           ctx->wait->wait.length == PAGE_SIZE;
}

/* Find the page or make it. */
static enum vm_fault_status vm_fault_find(struct vm_fault_ctx *ctx, struct vm_object *first,
                                          struct vm_object_hit *hit)
{
    assert(spin_is_held(&first->lock));
    if (first->shadow != NULL) {
        vm_object_collapse(first);
    }
    vm_object_walk(first, ctx->offset, hit);
    vm_stat_current()->lookups += 1;
    if (hit->page == NULL) {
        if (__builtin_expect(vm_object_pager_has(hit->object, hit->offset), 0)) {
            return vm_fault_ask(ctx, hit);
        }
        if (ctx->buffer != NULL && !vm_fault_needs_own(ctx)) {
            memset(ctx->buffer, 0, ctx->length);
            return vm_fault_done(ctx, KERN_SUCCESS);
        }
        return vm_fault_new_page(ctx, first, hit);
    }
    if (__builtin_expect((hit->page->flags & VM_PAGE_UNUSUAL) != 0, 0) &&
        memory_object_must_ask(hit, ctx->access)) {
        return vm_fault_ask(ctx, hit);
    }
    if (hit->depth == 0) {
        vm_stat_current()->hits += 1;
        ctx->flags |= vm_fault_needs_own(ctx) || vm_fault_came_alone(ctx) ? 0 : FAULT_AROUND;
        return VM_FAULT_NEXT;
    }
    return vm_fault_needs_own(ctx) ? vm_fault_new_page(ctx, first, hit) : VM_FAULT_NEXT;
}

/* Must a write wait until the delayed copy has been given the page? */
static bool vm_fault_needs_push(const struct vm_fault_ctx *ctx, const struct vm_object *first)
{
    assert(spin_is_held(&first->lock));
    return first->copy != NULL && first->copy_version != ctx->pushed_version;
}

/* --- finish --- */

/* Pin what was found. The reference keeps the page in its object: none is moved out of one that
 * others refer to, nor taken or freed while it is wired. */
static kern_return_t vm_fault_take_pin(struct vm_fault_ctx *ctx, const struct vm_object_hit *hit)
{
    struct vm_page *page = hit->page;

    assert(spin_is_held(&hit->object->lock));
    if (page->wire_count == UINT16_MAX) {
        return KERN_NO_SPACE;
    }
    page->wire_count += 1;
    if ((ctx->access & VM_PROT_WRITE) != 0) {
        page->flags |= VM_PAGE_DIRTY;
    }
    vm_object_ref(hit->object);
    ctx->pinned = page;
    return KERN_SUCCESS;
}

static kern_return_t vm_fault_finish(struct vm_fault_ctx *ctx, struct vm_object *first,
                                     const struct vm_object_hit *hit)
{
    struct vm_map_entry *entry = ctx->entry;
    vm_prot_t prot = entry->protection & ~(hit->page->access_lock & VM_PAGE_LOCKED);
    unsigned flags = vm_fault_written(ctx);
    kern_return_t kr;

    assert(spin_is_held(&first->lock) && hit->page != NULL);
    if (ctx->buffer != NULL) {
        char *bytes = (char *)vm_page_to_virt(hit->page) + ctx->first_byte;

        if ((ctx->access & VM_PROT_WRITE) != 0) {
            memcpy(bytes, ctx->buffer, ctx->length);
            hit->page->flags |= VM_PAGE_DIRTY;
        } else {
            memcpy(ctx->buffer, bytes, ctx->length);
        }
        return KERN_SUCCESS;
    }
    if ((ctx->flags & FAULT_PIN) != 0) {
        return vm_fault_take_pin(ctx, hit);
    }
    if (entry->needs_copy || hit->depth != 0 || vm_fault_needs_push(ctx, first)) {
        prot &= ~VM_PROT_WRITE;
    }
    if (entry->wired_count != 0 || (ctx->flags & FAULT_WIRE) != 0) {
        flags |= PMAP_WIRED;
    }
    entry->entered = true;
    kr = pmap_enter(ctx->map->pmap, ctx->va, vm_page_to_phys(hit->page), prot, flags);
    if (kr == KERN_SUCCESS && (ctx->flags & FAULT_WIRE) != 0) {
        hit->page->wire_count += 1;
    }
    return kr;
}

static enum vm_fault_status vm_fault_resolve(struct vm_fault_ctx *ctx)
{
    struct vm_object *first = ctx->entry->object;
    struct vm_object_hit hit;
    enum vm_fault_status status;

    assert(mutex_is_held(&ctx->map->lock) && ctx->entry->object != NULL);
    spin_lock(&first->lock);
    status = vm_fault_find(ctx, first, &hit);
    if (status == VM_FAULT_NEXT) {
        if ((ctx->access & VM_PROT_WRITE) != 0 && vm_fault_needs_push(ctx, first)) {
            status = VM_FAULT_AGAIN;
        } else {
            status = vm_fault_done(ctx, vm_fault_finish(ctx, first, &hit));
        }
    }
    vm_object_walk_done(first, &hit);
    spin_unlock(&first->lock);
    if (status == VM_FAULT_AGAIN) {
        kern_return_t kr = vm_object_push(first, ctx->offset, &ctx->pushed_version);

        return kr == KERN_SUCCESS ? VM_FAULT_AGAIN : vm_fault_done(ctx, kr);
    }
    return status;
}

/* Did the task itself touch the start of an aligned 2 MiB, and have all of that entered? */
static inline bool vm_fault_enter_large(const struct vm_fault_ctx *ctx)
{
    if (__builtin_expect((ctx->va & (LARGE_PAGE_SIZE - 1)) != 0, 1) || ctx->buffer != NULL ||
        ctx->flags != 0) {
        return false;
    }
    return (ctx->access & VM_PROT_WRITE) != 0 ? vm_fault_large(ctx->map, ctx->entry, ctx->va)
                                              : vm_fault_large_read(ctx->map, ctx->entry, ctx->va);
}

/* What else is to be entered in the page table, the page itself being there. */
static inline void vm_fault_fill(const struct vm_fault_ctx *ctx)
{
    if (__builtin_expect(ctx->entry->fill, 0)) {
        vm_map_entry_premap(ctx->map, ctx->entry, FAULT_FILL_PAGES);
    } else if ((ctx->flags & FAULT_AROUND) != 0) {
        vm_map_entry_premap_around(ctx->map, ctx->entry, ctx->va);
    }
}

/* --- the loop --- */

/* One try with the map locked; unlocks it unless the caller locked it. */
static enum vm_fault_status vm_fault_step(struct vm_fault_ctx *ctx)
    NO_LOCK_ANALYSIS /* the caller may have locked the map: a flag in ctx says */
{
    bool own_lock = (ctx->flags & FAULT_MAP_LOCKED) == 0;
    enum vm_fault_status status;

    if (own_lock) {
        mutex_lock(&ctx->map->lock);
    }
    ctx->pushed_version = 0;
    status = vm_fault_lookup(ctx);
    if (status == VM_FAULT_NEXT && vm_fault_enter_large(ctx)) {
        status = vm_fault_done(ctx, KERN_SUCCESS);
    }
    if (status == VM_FAULT_NEXT) {
        do {
            status = vm_fault_resolve(ctx);
        } while (status == VM_FAULT_AGAIN);
    }
    if (status == VM_FAULT_DONE && ctx->result == KERN_SUCCESS && !vm_fault_enters_nothing(ctx)) {
        vm_fault_fill(ctx);
    }
    if (own_lock) {
        mutex_unlock(&ctx->map->lock);
    }
    return status;
}

/* A step could not be done at once: wait for what it needs. Returns: KERN_SUCCESS (start over), or
 * what the fault comes to. */
static __attribute__((noinline)) kern_return_t
vm_fault_wait(struct vm_fault_ctx *ctx, enum vm_fault_status status, struct vm_pageout_wait *memory)
{
    if (status == VM_FAULT_RETRY) {
        return memory_object_await(&ctx->wait->wait, &ctx->wait->deadline_ns,
                                   ctx->wait->continuation);
    }
    return vm_pageout_wait(memory) ? KERN_SUCCESS : KERN_RESOURCE_SHORTAGE;
}

static inline __attribute__((always_inline)) kern_return_t vm_fault_loop(struct vm_fault_ctx *ctx,
                                                                         struct vm_fault_wait *wait)
{
    struct vm_pageout_wait memory = {.deadline_ns = 0};
    kern_return_t kr = KERN_SUCCESS;

    ctx->wait = wait;
    do {
        enum vm_fault_status status = vm_fault_step(ctx);

        if (__builtin_expect(status == VM_FAULT_DONE &&
                                 (ctx->result != KERN_RESOURCE_SHORTAGE ||
                                  (ctx->flags & (FAULT_MAP_LOCKED | FAULT_PIN)) != 0),
                             1)) {
            kr = ctx->result;
            break;
        }
        kr = vm_fault_wait(ctx, status, &memory);
    } while (kr == KERN_SUCCESS);
    return kr;
}

static kern_return_t vm_fault_run(struct vm_fault_ctx *ctx)
{
    struct vm_fault_wait wait;

    wait.deadline_ns = 0;
    wait.continuation = NULL;
    return vm_fault_loop(ctx, &wait);
}

static inline void vm_fault_count(void)
{
    preempt_disable();
    vm_stat_current()->faults += 1;
    preempt_enable();
}

/* Prepare to enter a mapping; the steps set the rest. */
static inline void vm_fault_init(struct vm_fault_ctx *ctx, struct vm_map *map, vm_offset_t va,
                                 vm_prot_t access)
{
    ctx->map = map;
    ctx->va = va & ~PAGE_MASK;
    ctx->access = access;
    ctx->flags = 0;
    ctx->buffer = NULL;
}

kern_return_t vm_fault(struct vm_map *map, vm_offset_t va, vm_prot_t access)
{
    struct vm_fault_ctx ctx;
    kern_return_t kr;

    vm_fault_init(&ctx, map, va, access);
    kr = vm_fault_run(&ctx);
    vm_fault_count();
    return kr;
}

/* The fault of user mode that is in the thread, from the beginning. */
static inline __attribute__((always_inline)) kern_return_t vm_fault_user_run(struct thread *self)
{
    struct vm_fault_wait *wait = &self->fault;
    struct vm_fault_ctx ctx;
    kern_return_t kr;

    vm_fault_init(&ctx, self->task->map, wait->address, wait->access);
    kr = vm_fault_loop(&ctx, wait);
    vm_fault_count();
    return kr;
}

static inline __attribute__((always_inline)) kern_return_t
vm_fault_user_begin(vm_offset_t va, vm_prot_t access, void (*continuation)(void))
{
    struct thread *self = current_thread();

    self->fault.deadline_ns = 0;
    self->fault.continuation = continuation;
    self->fault.address = va;
    self->fault.access = access;
    return vm_fault_user_run(self);
}

static __attribute__((noinline)) kern_return_t
vm_fault_user_traced(vm_offset_t va, vm_prot_t access, void (*continuation)(void))
{
    kern_return_t kr;

    trace_record_fault(va, (uint64_t)access);
    kr = vm_fault_user_begin(va, access, continuation);
    trace_record_fault_end(kr);
    return kr;
}

kern_return_t vm_fault_user(vm_offset_t va, vm_prot_t access, void (*continuation)(void))
{
    return trace_site() ? vm_fault_user_traced(va, access, continuation)
                        : vm_fault_user_begin(va, access, continuation);
}

static inline __attribute__((always_inline)) kern_return_t vm_fault_user_go_on(void)
{
    struct thread *self = current_thread();
    kern_return_t kr = memory_object_awaited(&self->fault.wait);

    if (kr != KERN_SUCCESS) {
        vm_fault_count();
        return kr;
    }
    return vm_fault_user_run(self);
}

static __attribute__((noinline)) kern_return_t vm_fault_user_go_on_traced(void)
{
    kern_return_t kr = vm_fault_user_go_on();

    trace_record_fault_end(kr);
    return kr;
}

kern_return_t vm_fault_user_continue(void)
{
    return trace_site() ? vm_fault_user_go_on_traced() : vm_fault_user_go_on();
}

kern_return_t vm_fault_wire(struct vm_map *map, vm_offset_t va)
{
    struct vm_fault_ctx ctx = {
        .map = map, .va = va & ~PAGE_MASK, .flags = FAULT_MAP_LOCKED | FAULT_WIRE};

    assert(mutex_is_held(&map->lock));
    ctx.entry = vm_map_entry_lookup(map, va);
    if (ctx.entry != NULL) {
        /* A writable page is copied up now: wired memory must not fault later. */
        ctx.access = ctx.entry->protection;
    }
    return vm_fault_run(&ctx);
}

kern_return_t vm_fault_pin(struct vm_map *map, vm_offset_t va, vm_prot_t access,
                           struct vm_page **page)
{
    struct vm_fault_ctx ctx = {
        .map = map, .va = va & ~PAGE_MASK, .access = access, .flags = FAULT_PIN};
    kern_return_t kr = vm_fault_run(&ctx);

    if (kr == KERN_SUCCESS) {
        *page = ctx.pinned;
    }
    return kr;
}

void vm_fault_unpin(struct vm_page *page)
{
    struct vm_object *object = page->object;

    spin_lock(&object->lock);
    assert(page->object == object && page->wire_count != 0);
    page->wire_count -= 1;
    spin_unlock(&object->lock);
    vm_object_unref(object);
}

static kern_return_t vm_fault_bytes(struct vm_fault_ctx *ctx, vm_offset_t va, char *buffer,
                                    size_t n)
{
    kern_return_t kr = KERN_SUCCESS;

    while (n != 0 && kr == KERN_SUCCESS) {
        ctx->va = va & ~PAGE_MASK;
        ctx->first_byte = va & PAGE_MASK;
        ctx->length = PAGE_SIZE - ctx->first_byte < n ? PAGE_SIZE - ctx->first_byte : n;
        ctx->buffer = buffer;
        kr = vm_fault_run(ctx);
        va += ctx->length;
        buffer += ctx->length;
        n -= ctx->length;
    }
    return kr;
}

kern_return_t vm_fault_read(struct vm_map *map, vm_offset_t va, void *buffer, size_t n)
{
    struct vm_fault_ctx ctx = {.map = map, .access = VM_PROT_READ};

    return vm_fault_bytes(&ctx, va, buffer, n);
}

kern_return_t vm_fault_write(struct vm_map *map, vm_offset_t va, const void *buffer, size_t n)
{
    struct vm_fault_ctx ctx = {.map = map, .access = VM_PROT_WRITE};

    return vm_fault_bytes(&ctx, va, (char *)buffer, n);
}

kern_return_t vm_fault_read_locked(struct vm_map *map, vm_offset_t va, void *buffer, size_t n)
{
    struct vm_fault_ctx ctx = {.map = map, .access = VM_PROT_READ, .flags = FAULT_MAP_LOCKED};

    assert(mutex_is_held(&map->lock) && (va & PAGE_MASK) + n <= PAGE_SIZE);
    return vm_fault_bytes(&ctx, va, buffer, n);
}
