/* vm_object.c - memory cache objects: their life and their pages. Chains of shadows are in
 * vm_object_shadow.c.
 *
 * Locks: object->lock (VM_OBJECT), before the pmap's, the page allocator's and the wait queues'. */
#include "vm/vm_object.h"

#include "kern/assert.h"
#include "kern/string.h"
#include "vm/memory_object.h"
#include "vm/slab.h"
#include "vm/vm_pageout.h"

static struct kmem_cache vm_object_cache;
static struct kmem_cache vm_object_absent_cache; /* pages that are asked of pagers */
static uint64_t vm_object_alive;                 /* [a] */

void vm_object_bootstrap(void)
{
    vm_radix_bootstrap();
    kmem_cache_init(&vm_object_cache, "vm_object", sizeof(struct vm_object), 0);
    kmem_cache_init(&vm_object_absent_cache, "vm_page_absent", sizeof(struct vm_page), 0);
}

struct vm_object *vm_object_create(vm_size_t size)
{
    struct vm_object *object = kmem_cache_alloc(&vm_object_cache);

    if (object == NULL) {
        return NULL;
    }
    memset(object, 0, sizeof(*object));
    spin_init(&object->lock, LOCK_RANK_VM_OBJECT, "vm_object");
    object->refs = 1;
    object->flags = VM_OBJECT_INTERNAL | VM_OBJECT_TEMPORARY | VM_OBJECT_ALIVE;
    object->copy_strategy = MEMORY_OBJECT_COPY_TEMPORARY;
    object->size = size;
    vm_radix_init(&object->pages);
    vm_radix_init(&object->paged);
    list_init(&object->hash_link);
    list_init(&object->cache_link);
    list_init(&object->pageout_link);
    atomic_inc(&vm_object_alive);
    vm_pageout_add(object);
    return object;
}

struct vm_object *vm_object_create_device(phys_addr_t phys, vm_size_t size, unsigned pmap_flags)
{
    struct vm_object *object = vm_object_create(size);

    assert(((phys | size) & PAGE_MASK) == 0 && size != 0);
    if (object != NULL) {
        object->flags = VM_OBJECT_DEVICE | VM_OBJECT_SHARED | VM_OBJECT_ALIVE;
        object->copy_strategy = MEMORY_OBJECT_COPY_NONE;
        object->device_phys = phys;
        object->device_flags = pmap_flags;
    }
    return object;
}

uint64_t vm_object_count(void)
{
    return atomic_load(&vm_object_alive);
}

void vm_object_forget_paged(struct vm_object *object, vm_offset_t start, vm_offset_t end)
{
    uint64_t index = start >> PAGE_SHIFT;

    assert(spin_is_held(&object->lock));
    while (vm_radix_next(&object->paged, &index) != NULL && index << PAGE_SHIFT < end) {
        vm_radix_remove(&object->paged, index);
    }
}

/* The last reference is gone. A delayed copy is still known to the object it copies: nobody may
 * find it there after this. Returns: the shadow, whose reference the caller owns. */
static struct vm_object *vm_object_destroy(struct vm_object *object)
{
    struct vm_object *shadow;

    assert(atomic_load(&object->refs) == 0);
    vm_pageout_remove(object);
    spin_lock_nested(&object->lock);
    assert(object->copy == NULL);
    object->flags &= ~VM_OBJECT_ALIVE;
    shadow = object->shadow;
    if (shadow != NULL) {
        spin_lock_nested(&shadow->lock);
        if (shadow->copy == object) {
            shadow->copy = NULL;
        }
        spin_unlock(&shadow->lock);
    }
    vm_object_page_free_range(object, 0, ~0ul);
    vm_object_forget_paged(object, 0, ~0ul);
    assert(object->resident_count == 0 && object->absent_count == 0);
    spin_unlock(&object->lock);
    if ((object->flags & VM_OBJECT_LAUNDRY) != 0) {
        vm_pageout_done(object->size >> PAGE_SHIFT);
    }
    kmem_cache_free(&vm_object_cache, object);
    atomic_dec(&vm_object_alive);
    return shadow;
}

bool vm_object_try_ref(struct vm_object *object)
{
    uint32_t refs = atomic_load(&object->refs);

    if ((atomic_load(&object->flags) & VM_OBJECT_PAGER_CREATED) != 0) {
        return memory_object_try_ref(object);
    }
    while (refs != 0) {
        if (atomic_cas(&object->refs, refs, refs + 1)) {
            return true;
        }
        refs = atomic_load(&object->refs);
    }
    return false;
}

void vm_object_unref(struct vm_object *object)
{
    while (object != NULL) {
        if ((atomic_load(&object->flags) & VM_OBJECT_PAGER_CREATED) != 0) {
            memory_object_unref(object);
            return;
        }
        if (!atomic_dec_and_test(&object->refs)) {
            return;
        }
        object = vm_object_destroy(object);
    }
}

void vm_object_end(struct vm_object *object)
{
    assert((atomic_load(&object->flags) & VM_OBJECT_ENDING) != 0);
    if (atomic_dec_and_test(&object->refs)) {
        vm_object_unref(vm_object_destroy(object));
    }
}

/* --- pages --- */

/* The count the page is in. */
static inline uint64_t *vm_object_page_count(struct vm_object *object, const struct vm_page *page)
{
    return (page->flags & VM_PAGE_ABSENT) != 0 ? &object->absent_count : &object->resident_count;
}

bool vm_object_page_insert(struct vm_object *object, struct vm_page *page, vm_offset_t offset)
{
    assert((offset & PAGE_MASK) == 0);
    assert(spin_is_held(&object->lock));
    assert(page->object == NULL);
    if (!vm_radix_insert(&object->pages, offset >> PAGE_SHIFT, page)) {
        return false;
    }
    page->object = object;
    page->offset = offset;
    *vm_object_page_count(object, page) += 1;
    return true;
}

bool vm_object_page_insert_clean(struct vm_object *object, struct vm_page *page, vm_offset_t offset)
{
    assert(page->pv.pmap == NULL && (page->flags & VM_PAGE_DIRTY) == 0);
    pmap_forget_page(page);
    return vm_object_page_insert(object, page, offset);
}

uint64_t vm_object_page_insert_run(struct vm_object *object, struct vm_page *page,
                                   vm_offset_t offset, uint64_t n)
{
    uint64_t done =
        vm_radix_insert_run(&object->pages, offset >> PAGE_SHIFT, n, (char *)page, sizeof(*page));

    assert(spin_is_held(&object->lock));
    for (uint64_t i = 0; i < done; i += 1) {
        assert(page[i].object == NULL && page[i].flags == 0);
        page[i].object = object;
        page[i].offset = offset + (i << PAGE_SHIFT);
    }
    object->resident_count += done;
    return done;
}

void vm_object_page_remove(struct vm_object *object, struct vm_page *page)
{
    assert(spin_is_held(&object->lock));
    assert(page->object == object && *vm_object_page_count(object, page) != 0);
    vm_radix_remove(&object->pages, page->offset >> PAGE_SHIFT);
    page->object = NULL;
    *vm_object_page_count(object, page) -= 1;
}

void vm_object_page_remove_run(struct vm_object *object, struct vm_page *const *pages, unsigned n)
{
    assert(spin_is_held(&object->lock));
    vm_radix_remove_run(&object->pages, pages[0]->offset >> PAGE_SHIFT, n);
    for (unsigned i = 0; i < n; i += 1) {
        assert(pages[i]->object == object && pages[i]->pv.pmap == NULL);
        pages[i]->object = NULL;
        pages[i]->flags = 0;
    }
    object->resident_count -= n;
}

void vm_object_page_replace(struct vm_object *object, void **place, struct vm_page *page)
{
    struct vm_page *absent = *place;

    assert(spin_is_held(&object->lock) && page->object == NULL);
    assert(absent->object == object && (absent->flags & VM_PAGE_ABSENT) != 0);
    pmap_forget_page(page);
    page->object = object;
    page->offset = absent->offset;
    *place = page;
    absent->object = NULL;
    object->absent_count -= 1;
    object->resident_count += 1;
}

bool vm_object_page_move(struct vm_object *from, struct vm_page *page, struct vm_object *to,
                         vm_offset_t offset)
{
    assert(spin_is_held(&from->lock) && spin_is_held(&to->lock));
    if (!vm_radix_insert(&to->pages, offset >> PAGE_SHIFT, page)) {
        return false;
    }
    vm_object_page_remove(from, page);
    page->object = to;
    page->offset = offset;
    *vm_object_page_count(to, page) += 1;
    return true;
}

void vm_object_page_free(struct vm_object *object, struct vm_page *page)
{
    assert(spin_is_held(&object->lock));
    vm_object_page_remove(object, page);
    if (page->pv.pmap != NULL) {
        pmap_page_protect(page, VM_PROT_NONE);
    }
    page->wire_count = 0;
    if ((page->flags & VM_PAGE_ABSENT) != 0) {
        vm_object_absent_free(page);
    } else {
        vm_page_free(page);
    }
}

struct vm_page *vm_object_page_next(const struct vm_object *object, vm_offset_t offset,
                                    vm_offset_t end)
{
    uint64_t index = offset >> PAGE_SHIFT;
    struct vm_page *page = vm_radix_next(&object->pages, &index);

    assert(spin_is_held(&object->lock));
    return page != NULL && page->offset < end ? page : NULL;
}

void vm_object_page_free_range(struct vm_object *object, vm_offset_t start, vm_offset_t end)
{
    struct vm_page *page = vm_object_page_next(object, start, end);
    bool dying = (object->flags & VM_OBJECT_ALIVE) == 0;

    assert(spin_is_held(&object->lock));
    while (page != NULL) {
        vm_offset_t next = page->offset + PAGE_SIZE;

        if (dying || (page->wire_count == 0 && (page->flags & VM_PAGE_ABSENT) == 0)) {
            vm_object_page_free(object, page);
        }
        page = vm_object_page_next(object, next, end);
    }
}

void vm_object_page_protect_range(struct vm_object *object, vm_offset_t start, vm_offset_t end,
                                  vm_prot_t prot)
{
    struct vm_page *page = vm_object_page_next(object, start, end);

    assert(spin_is_held(&object->lock));
    while (page != NULL) {
        if (page->pv.pmap != NULL) {
            pmap_page_protect(page, prot);
        }
        page = vm_object_page_next(object, page->offset + PAGE_SIZE, end);
    }
}

/* --- absent pages --- */

struct vm_page *vm_object_absent_create(void)
{
    struct vm_page *page = kmem_cache_alloc(&vm_object_absent_cache);

    if (page != NULL) {
        *page = (struct vm_page){.flags = VM_PAGE_ABSENT | VM_PAGE_UNUSUAL};
    }
    return page;
}

void vm_object_absent_free(struct vm_page *page)
{
    assert((page->flags & VM_PAGE_ABSENT) != 0 && page->object == NULL && page->wire_count == 0);
    kmem_cache_free(&vm_object_absent_cache, page);
}
