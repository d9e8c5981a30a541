/* memory_object_return.c - pages on their way back to their pager.
 *
 * Pages that stand side by side go in one message, as memory of an object made for it. A page that
 * is flushed moves there; of one that stays a copy is sent. That a page was changed is forgotten
 * before it is copied, so that a change in between counts again. The message goes into the pager's
 * queue whatever its limit, as who sends it may be the pager itself. But nobody is charged for what
 * lies there, so a pager that has a quarter of memory in its queue gets no more, except for the
 * last of an object that ends; and one that has that for long, and receives nothing while memory is
 * short, has no object any more. */
#include "vm/memory_object.h"

#include "ipc/ipc_port.h"
#include "kern/assert.h"
#include "kern/clock.h"
#include "kern/thread.h"
#include "memory_object_default_kernel_user.h"
#include "memory_object_kernel_user.h"
#include "vm/vm_map.h"
#include "vm/vm_pageout.h"
#include "vm/vm_stat.h"

#define SHORTAGE_PAUSE_NS (10 * NS_PER_MS)
#define QUEUED_MIN        64u /* messages a pager may have in its queue on any machine */
#define QUEUED_BUSY       4u  /* and when it is busy: room is left for a question */
#define PATIENCE_NS       (MEMORY_OBJECT_TIMEOUT_MS * NS_PER_MS)

/* Pages on their way in one message, and what is to be done. */
struct memory_object_bundle {
    struct vm_object *object;
    struct vm_object *pages; /* where they go: new, seen by nobody else, */
    struct vm_copy *copy;    /*   and owned by this */
    vm_offset_t start;       /* of the first in object */
    vm_size_t size;
    memory_object_return_t which;
    bool flush;
    bool dirty;
    bool kept;  /* the object keeps the pages */
    bool first; /* of anonymous memory: the default pager has never had them */
};

/* Was it changed since its pager has it? Locks: of page->object. */
static bool memory_object_is_dirty(struct vm_page *page)
{
    return (page->flags & VM_PAGE_DIRTY) != 0 || pmap_is_modified(page);
}

static void memory_object_clear_dirty(struct vm_page *page)
{
    page->flags &= (uint16_t)~VM_PAGE_DIRTY;
    pmap_clear_modified(page);
}

bool memory_object_must_keep(const struct vm_object *object, struct vm_page *page)
{
    return (page->flags & VM_PAGE_PRECIOUS) != 0 || memory_object_is_dirty(page) ||
           !vm_object_pager_has(object, page->offset);
}

/* Has the page to go to the pager? */
static bool memory_object_goes(const struct memory_object_bundle *bundle, struct vm_page *page)
{
    return bundle->which == MEMORY_OBJECT_RETURN_ALL
               ? memory_object_must_keep(bundle->object, page)
               : bundle->which == MEMORY_OBJECT_RETURN_DIRTY && memory_object_is_dirty(page);
}

/* Put the page itself into the bundle. Locks: both objects'. */
static bool memory_object_move(struct memory_object_bundle *bundle, struct vm_page *page)
{
    assert(page->wire_count == 0 && page->pv.pmap == NULL);
    memory_object_clear_dirty(page);
    if (!vm_object_page_move(bundle->object, page, bundle->pages, bundle->size)) {
        page->flags |= VM_PAGE_DIRTY;
        return false;
    }
    page->flags = VM_PAGE_DIRTY;
    page->access_lock = 0;
    return true;
}

/* Put a copy of the page into the bundle. Locks: both objects'. */
static bool memory_object_duplicate(struct memory_object_bundle *bundle, struct vm_page *page)
{
    struct vm_page *copy = vm_page_alloc(0);

    if (copy == NULL) {
        return false;
    }
    memory_object_clear_dirty(page);
    pmap_copy_page(vm_page_to_phys(page), vm_page_to_phys(copy));
    copy->flags |= VM_PAGE_DIRTY;
    if (!vm_object_page_insert(bundle->pages, copy, bundle->size)) {
        vm_page_free(copy);
        page->flags |= VM_PAGE_DIRTY;
        return false;
    }
    page->flags &= (uint16_t)~VM_PAGE_PRECIOUS; /* its pager has it now */
    return true;
}

enum memory_object_step { STEP_TAKEN, STEP_SKIPPED, STEP_FULL, STEP_FAILED };

/* See what becomes of one page: into the bundle, thrown away, or left alone. STEP_FULL: it belongs
 * into another bundle. Locks: both objects'. */
static enum memory_object_step memory_object_collect_page(struct memory_object_bundle *bundle,
                                                          struct vm_page *page)
{
    bool kept = !bundle->flush || page->wire_count != 0;
    bool first = !vm_object_pager_has(bundle->object, page->offset);
    bool dirty;

    if ((page->flags & VM_PAGE_ABSENT) != 0 || (first && !memory_object_default_takes())) {
        return STEP_SKIPPED;
    }
    if (!kept && page->pv.pmap != NULL) {
        pmap_page_protect(page, VM_PROT_NONE);
    }
    if (!memory_object_goes(bundle, page)) {
        if (!kept) {
            vm_object_page_free(bundle->object, page);
        }
        return STEP_SKIPPED;
    }
    dirty = memory_object_is_dirty(page);
    if (bundle->size == 0) {
        bundle->start = page->offset;
        bundle->dirty = dirty;
        bundle->kept = kept;
        bundle->first = first;
    } else if (page->offset != bundle->start + bundle->size || dirty != bundle->dirty ||
               kept != bundle->kept || first != bundle->first ||
               bundle->size == MEMORY_OBJECT_CLUSTER << PAGE_SHIFT) {
        return STEP_FULL;
    }
    if (first && !vm_radix_insert(&bundle->object->paged, page->offset >> PAGE_SHIFT, page)) {
        return STEP_FAILED;
    }
    if (!(kept ? memory_object_duplicate(bundle, page) : memory_object_move(bundle, page))) {
        if (first) {
            vm_radix_remove(&bundle->object->paged, page->offset >> PAGE_SHIFT);
        }
        return STEP_FAILED;
    }
    bundle->size += PAGE_SIZE;
    return STEP_TAKEN;
}

/* Fill the bundle from [*at, end); *at becomes where to go on. False when out of memory. */
static bool memory_object_collect(struct memory_object_bundle *bundle, vm_offset_t *at,
                                  vm_offset_t end)
{
    enum memory_object_step step = STEP_SKIPPED;
    struct vm_page *page;

    spin_lock(&bundle->object->lock);
    spin_lock_nested(&bundle->pages->lock);
    page = vm_object_page_next(bundle->object, *at, end);
    for (unsigned n = 0; page != NULL && n < MEMORY_OBJECT_AT_ONCE; n++) {
        *at = page->offset;
        step = memory_object_collect_page(bundle, page);
        if (step == STEP_FULL || step == STEP_FAILED) {
            break;
        }
        *at += PAGE_SIZE;
        page = vm_object_page_next(bundle->object, *at, end);
    }
    if (page == NULL) {
        *at = end;
    }
    if (bundle->size != 0) {
        bundle->pages->size = bundle->size;
        bundle->pages->flags |= VM_OBJECT_LAUNDRY;
        vm_pageout_sent(bundle->size >> PAGE_SHIFT);
    }
    spin_unlock(&bundle->pages->lock);
    spin_unlock(&bundle->object->lock);
    return step != STEP_FAILED;
}

static kern_return_t memory_object_say_return(const struct memory_object_bundle *bundle,
                                              struct ipc_port *pager, struct ipc_port *control)
{
    uint32_t size = (uint32_t)bundle->size;

    return bundle->first
               ? memory_object_data_initialize(pager, control, bundle->start, bundle->copy, size)
               : memory_object_data_return(pager, control, bundle->start, bundle->copy, size,
                                           bundle->dirty, bundle->kept);
}

/* Send the bundle. A page in it is nowhere else any more, so without memory for the message there
 * is nothing to do but to wait for some. Refs: consumes bundle->copy. */
static void memory_object_send(struct memory_object_bundle *bundle)
{
    struct ipc_port *pager, *control;

    vm_copy_trim(bundle->copy, bundle->size);
    while (memory_object_rights(bundle->object, &pager, &control)) {
        if (memory_object_say_return(bundle, pager, control) != MACH_SEND_NO_BUFFER) {
            vm_stat_pageouts(bundle->size >> PAGE_SHIFT);
            return;
        }
        ipc_port_release_send(pager);
        ipc_port_release_send(control);
        thread_sleep(SHORTAGE_PAUSE_NS);
    }
    vm_copy_discard(bundle->copy); /* there is nobody to have them */
}

/* An empty bundle. False when out of memory. */
static bool memory_object_bundle_create(struct memory_object_bundle *bundle)
{
    vm_size_t size = MEMORY_OBJECT_CLUSTER << PAGE_SHIFT;

    bundle->size = 0;
    bundle->pages = vm_object_create(size);
    if (bundle->pages == NULL) {
        return false;
    }
    bundle->pages->flags |= VM_OBJECT_PRIVATE;
    if (memory_object_is_defaults(bundle->object)) {
        vm_pageout_remove(bundle->pages); /* it would wait for itself to get them */
    }
    bundle->copy = vm_copy_from_object(bundle->pages, size);
    if (bundle->copy == NULL) {
        vm_object_unref(bundle->pages);
        return false;
    }
    return true;
}

static bool memory_object_has_pages(struct vm_object *object, vm_offset_t start, vm_offset_t end)
{
    bool found;

    spin_lock(&object->lock);
    found = vm_object_page_next(object, start, end) != NULL;
    spin_unlock(&object->lock);
    return found;
}

/* Send one bundle from [*start, end); *start becomes where to go on. Between the moment a page is
 * out of the object and the message is in the queue nobody may ask for it, or send an older copy of
 * it: the pager would answer with what it had before. */
static kern_return_t memory_object_return_some(struct memory_object_bundle *bundle,
                                               vm_offset_t *start, vm_offset_t end, bool may_wait)
{
    bool enough;

    if (!memory_object_bundle_create(bundle)) {
        return KERN_RESOURCE_SHORTAGE;
    }
    if (!memory_object_return_begin(bundle->object, may_wait)) {
        vm_copy_discard(bundle->copy);
        return KERN_ABORTED;
    }
    enough = memory_object_collect(bundle, start, end);
    if (bundle->size != 0) {
        memory_object_send(bundle);
    } else {
        vm_copy_discard(bundle->copy);
    }
    memory_object_return_end(bundle->object);
    return enough ? KERN_SUCCESS : KERN_RESOURCE_SHORTAGE;
}

/* Messages in the queue of the object's pager that count: the default pager is trusted, and an
 * object that ends gives back its last. */
static uint32_t memory_object_queued(struct vm_object *object)
{
    uint32_t queued = 0;

    spin_lock(&object->lock);
    if (object->pager != NULL && (object->flags & (VM_OBJECT_INTERNAL | VM_OBJECT_ENDING)) == 0) {
        queued = atomic_load(&object->pager->msgcount);
    }
    spin_unlock(&object->lock);
    return queued;
}

/* Are they too many to send more? */
static bool memory_object_is_overdue(uint32_t queued)
{
    uint64_t limit = vm_page_total_count() / 4 / MEMORY_OBJECT_CLUSTER;

    return queued > (limit < QUEUED_MIN ? QUEUED_MIN : limit);
}

/* Page replacement finds a pager that has so many messages in its queue: has it received any since
 * it was found like that first? */
static void memory_object_judge(struct vm_object *object, uint32_t queued)
{
    uint64_t elapsed = clock_now_ns() - object->overdue_ns;

    if (object->overdue == 0 || queued < object->overdue ||
        elapsed > 2 * PATIENCE_NS) { /* it was not, it has, or that was long ago */
        object->overdue = queued;
        object->overdue_ns = clock_now_ns();
    } else if (elapsed > PATIENCE_NS) {
        memory_object_give_up(object, true);
    }
}

kern_return_t memory_object_return_range(struct vm_object *object, vm_offset_t start,
                                         vm_offset_t end, memory_object_return_t which, bool flush)
{
    struct memory_object_bundle bundle = {.object = object, .which = which, .flush = flush};
    kern_return_t kr = KERN_SUCCESS;

    while (kr == KERN_SUCCESS && start < end && memory_object_has_pages(object, start, end)) {
        kr = !memory_object_is_overdue(memory_object_queued(object))
                 ? memory_object_return_some(&bundle, &start, end, true)
                 : KERN_RESOURCE_SHORTAGE;
    }
    if (flush) {
        memory_object_wake(object, MEMORY_OBJECT_ALL); /* who waits for an unlock has no page now */
    }
    return kr;
}

kern_return_t memory_object_page_out(struct vm_object *object, vm_offset_t start, vm_offset_t end,
                                     bool spare)
{
    struct memory_object_bundle bundle = {
        .object = object, .which = MEMORY_OBJECT_RETURN_ALL, .flush = true};
    uint32_t queued = memory_object_queued(object);
    kern_return_t kr;

    if (memory_object_is_overdue(queued)) {
        memory_object_judge(object, queued);
        return KERN_RESOURCE_SHORTAGE;
    }
    if (spare && queued >= QUEUED_BUSY) {
        return KERN_ABORTED;
    }
    kr = memory_object_return_some(&bundle, &start, end, false);
    return kr == KERN_SUCCESS && bundle.size == 0 ? KERN_RESOURCE_SHORTAGE : kr;
}
