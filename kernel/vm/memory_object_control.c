/* memory_object_control.c - what pagers call: the memory_object routines of mach.defs.
 *
 * The object comes from the control port with a reference the stub drops; NULL means that the port
 * stands for none. Who calls is the pager or whoever it gave the right to, so nothing is believed:
 * ranges are checked, a page that nobody asked for is taken only while memory is plentiful, one
 * that is there already is not replaced. A reply right and memory are taken over on KERN_SUCCESS
 * only. */
#include "ipc/ipc_port.h"
#include "kern/assert.h"
#include "kern/trace.h"
#include "mach_kernel_server.h"
#include "memory_object_kernel_user.h"
#include "vm/memory_object.h"
#include "vm/vm_map.h"
#include "vm/vm_page.h"
#include "vm/vm_pageout.h"
#include "vm/vm_stat.h"

static bool memory_object_strategy_ok(memory_object_copy_strategy_t strategy)
{
    return strategy >= MEMORY_OBJECT_COPY_NONE && strategy <= MEMORY_OBJECT_COPY_TEMPORARY;
}

static void memory_object_set_attributes(struct vm_object *object, boolean_t may_cache,
                                         memory_object_copy_strategy_t strategy, bool ready)
{
    spin_lock(&object->lock);
    object->copy_strategy = strategy;
    object->flags &= ~(VM_OBJECT_CAN_PERSIST | VM_OBJECT_TEMPORARY);
    if (may_cache && object->pager != NULL) {
        object->flags |= VM_OBJECT_CAN_PERSIST;
    }
    if (strategy == MEMORY_OBJECT_COPY_TEMPORARY) {
        object->flags |= VM_OBJECT_TEMPORARY;
    }
    if (ready) {
        object->flags |= VM_OBJECT_PAGER_READY;
    }
    spin_unlock(&object->lock);
}

/* Returns: KERN_SUCCESS, KERN_INVALID_ARGUMENT. */
kern_return_t memory_object_ready(memory_object_control_t object, boolean_t may_cache,
                                  memory_object_copy_strategy_t copy_strategy)
{
    if (object == NULL || !memory_object_strategy_ok(copy_strategy)) {
        return KERN_INVALID_ARGUMENT;
    }
    memory_object_set_attributes(object, may_cache, copy_strategy, true);
    memory_object_wake(object, MEMORY_OBJECT_ALL);
    return KERN_SUCCESS;
}

/* Returns: KERN_SUCCESS, KERN_INVALID_ARGUMENT. */
kern_return_t memory_object_change_attributes(memory_object_control_t object, boolean_t may_cache,
                                              memory_object_copy_strategy_t copy_strategy,
                                              mach_port_t reply_to, mach_msg_type_name_t type)
{
    if (object == NULL || !memory_object_strategy_ok(copy_strategy)) {
        return KERN_INVALID_ARGUMENT;
    }
    memory_object_set_attributes(object, may_cache, copy_strategy, false);
    if (IP_VALID(reply_to) &&
        memory_object_change_completed(reply_to, type, may_cache, copy_strategy) ==
            MACH_SEND_NO_BUFFER) {
        ipc_port_release_right(reply_to, type);
    }
    return KERN_SUCCESS;
}

/* Returns: KERN_SUCCESS, KERN_INVALID_ARGUMENT. */
kern_return_t memory_object_get_attributes(memory_object_control_t object, boolean_t *object_ready,
                                           boolean_t *may_cache,
                                           memory_object_copy_strategy_t *copy_strategy)
{
    if (object == NULL) {
        return KERN_INVALID_ARGUMENT;
    }
    spin_lock(&object->lock);
    *object_ready = (object->flags & VM_OBJECT_PAGER_READY) != 0;
    *may_cache = (object->flags & VM_OBJECT_CAN_PERSIST) != 0;
    *copy_strategy = object->copy_strategy;
    spin_unlock(&object->lock);
    return KERN_SUCCESS;
}

/* Returns: KERN_SUCCESS, KERN_INVALID_ARGUMENT. */
kern_return_t memory_object_destroy(memory_object_control_t object, kern_return_t reason)
{
    (void)reason; /* for people who read a trace */
    if (object == NULL) {
        return KERN_INVALID_ARGUMENT;
    }
    memory_object_give_up(object, true);
    return KERN_SUCCESS;
}

/* Mark or answer absent pages from `at` on. Returns where to go on, or end. */
static vm_offset_t memory_object_refuse_some(struct vm_object *object, vm_offset_t at,
                                             vm_offset_t end, bool error)
{
    struct vm_page *page;

    spin_lock(&object->lock);
    page = object->absent_count != 0 ? vm_object_page_next(object, at, end) : NULL;
    for (unsigned n = 0; page != NULL && n < MEMORY_OBJECT_AT_ONCE; n++) {
        at = page->offset;
        if ((page->flags & VM_PAGE_ABSENT) != 0 && error) {
            memory_object_answer(object, page, VM_PAGE_ERROR);
        } else if ((page->flags & VM_PAGE_ABSENT) != 0) {
            page->flags |= VM_PAGE_UNAVAILABLE;
            memory_object_wake(object, at);
        }
        at += PAGE_SIZE;
        page = vm_object_page_next(object, at, end);
    }
    spin_unlock(&object->lock);
    return page != NULL ? at : end;
}

/* There are no data for the range: the pager has none, or there is an error. */
static kern_return_t memory_object_refuse(struct vm_object *object, vm_offset_t offset,
                                          vm_size_t size, bool error)
{
    vm_offset_t at = offset;

    if (object == NULL || !memory_object_range_ok(offset, size)) {
        return KERN_INVALID_ARGUMENT;
    }
    while (at < offset + size) {
        at = memory_object_refuse_some(object, at, offset + size, error);
    }
    return KERN_SUCCESS;
}

/* --- supply --- */

/* Put a page in if it has been asked for, or may be kept nevertheless. False when it was not taken.
 * Locks: object->lock held. */
static bool memory_object_supply_page(struct vm_object *object, vm_offset_t offset, void **place,
                                      struct vm_page *page, vm_prot_t lock_value, bool precious)
{
    struct vm_page *there = place != NULL ? *place : NULL;

    if (there != NULL ? (there->flags & VM_PAGE_ABSENT) == 0
                      : offset >= object->size || (object->flags & VM_OBJECT_INTERNAL) != 0 ||
                            !vm_page_is_plentiful()) {
        return false;
    }
    page->access_lock = (uint8_t)lock_value;
    page->flags = (precious ? VM_PAGE_PRECIOUS : 0) | (lock_value != 0 ? VM_PAGE_UNUSUAL : 0);
    if (there != NULL) {
        vm_object_page_replace(object, place, page);
        memory_object_answered(object, there);
        return true;
    }
    return vm_object_page_insert_clean(object, page, offset);
}

void memory_object_supply_pages(struct vm_object *object, vm_offset_t offset,
                                struct vm_page *const *pages, unsigned n, vm_prot_t lock_value,
                                bool precious)
{
    void **place = NULL;
    unsigned left = 0; /* places from there on that are known */
    bool ready;

    trace(TRACE_MOVED, n, offset);
    spin_lock(&object->lock);
    ready = object->pager != NULL && (object->flags & VM_OBJECT_PAGER_READY) != 0;
    for (unsigned i = 0; i < n; i++, left--, offset += PAGE_SIZE) {
        if (left == 0) {
            left = n - i;
            place = vm_radix_run(&object->pages, offset >> PAGE_SHIFT, &left);
        }
        if (!ready ||
            !memory_object_supply_page(object, offset, place, pages[i], lock_value, precious)) {
            pages[i]->flags = 0;
            pages[i]->access_lock = 0;
            vm_page_free(pages[i]);
        }
        if (place == NULL || *place == NULL) { /* the tree may have changed */
            left = 1;
        } else {
            place++;
        }
    }
    spin_unlock(&object->lock);
}

/* Supply the pages of data. On an error *done is how many bytes were. */
static kern_return_t memory_object_supply(struct vm_object *object, vm_offset_t offset,
                                          struct vm_copy *data, vm_prot_t lock_value, bool precious,
                                          vm_size_t *done)
{
    struct vm_pageout_wait memory = {.deadline_ns = 0};
    vm_size_t size = vm_copy_size(data);

    for (*done = 0; *done < size; *done += PAGE_SIZE) {
        struct vm_page *page;
        kern_return_t kr = vm_copy_take_page(data, *done, &page);

        while (kr == KERN_RESOURCE_SHORTAGE && vm_pageout_wait(&memory)) {
            kr = vm_copy_take_page(data, *done, &page);
        }
        if (kr != KERN_SUCCESS) {
            return kr;
        }
        memory_object_supply_pages(object, offset + *done, &page, 1, lock_value, precious);
    }
    return KERN_SUCCESS;
}

static void memory_object_say_supplied(struct vm_object *object, vm_offset_t offset, vm_size_t size,
                                       mach_port_t reply_to, mach_msg_type_name_t type,
                                       kern_return_t result, vm_size_t done)
{
    struct ipc_port *pager, *control;

    if (!IP_VALID(reply_to)) {
        return;
    }
    if (!memory_object_rights(object, &pager, &control)) {
        ipc_port_release_right(reply_to, type);
        return;
    }
    ipc_port_release_send(pager);
    if (memory_object_supply_completed(reply_to, type, control, offset, size, result,
                                       offset + done) == MACH_SEND_NO_BUFFER) {
        ipc_port_release_send(control);
        ipc_port_release_right(reply_to, type);
    }
}

/* Returns: KERN_SUCCESS, KERN_INVALID_ARGUMENT; what became of the pages is said in
 * memory_object_supply_completed. */
kern_return_t memory_object_data_supply(memory_object_control_t object, vm_offset_t offset,
                                        struct vm_copy *data, mach_msg_type_number_t size,
                                        vm_prot_t lock_value, boolean_t precious,
                                        mach_port_t reply_to, mach_msg_type_name_t type)
{
    vm_size_t done;
    kern_return_t kr;

    if (object == NULL || !memory_object_range_ok(offset, size) || vm_copy_size(data) != size ||
        (lock_value & ~VM_PROT_ALL) != 0) {
        return KERN_INVALID_ARGUMENT;
    }
    kr = memory_object_supply(object, offset, data, lock_value, precious != 0, &done);
    if (kr != KERN_SUCCESS && !IP_VALID(reply_to)) { /* the pager will not know: there is no more */
        (void)memory_object_refuse(object, offset + done, size - done, true);
    }
    vm_stat_pageins(done >> PAGE_SHIFT);
    memory_object_say_supplied(object, offset, size, reply_to, type, kr, done);
    vm_copy_discard(data);
    return KERN_SUCCESS;
}

/* Returns: KERN_SUCCESS, KERN_INVALID_ARGUMENT. */
kern_return_t memory_object_data_unavailable(memory_object_control_t object, vm_offset_t offset,
                                             vm_size_t size)
{
    return memory_object_refuse(object, offset, size, false);
}

/* Returns: KERN_SUCCESS, KERN_INVALID_ARGUMENT. */
kern_return_t memory_object_data_error(memory_object_control_t object, vm_offset_t offset,
                                       vm_size_t size, kern_return_t error_value)
{
    (void)error_value; /* who waits gets KERN_MEMORY_ERROR */
    return memory_object_refuse(object, offset, size, true);
}

/* --- lock, clean, flush --- */

/* Lock some of the pages in [start, end). Returns where to go on. */
static vm_offset_t memory_object_lock_some(struct vm_object *object, vm_offset_t start,
                                           vm_offset_t end, vm_prot_t lock_value)
{
    struct vm_page *page;

    spin_lock(&object->lock);
    page = vm_object_page_next(object, start, end);
    for (unsigned n = 0; page != NULL && n < MEMORY_OBJECT_AT_ONCE; n++) {
        if ((page->flags & VM_PAGE_ABSENT) == 0) {
            page->access_lock = (uint8_t)lock_value;
            page->flags &= (uint16_t)~VM_PAGE_UNUSUAL;
            if (lock_value != VM_PROT_NONE) {
                page->flags |= VM_PAGE_UNUSUAL;
                pmap_page_protect(page, VM_PROT_ALL & ~lock_value);
            }
        }
        start = page->offset + PAGE_SIZE;
        page = vm_object_page_next(object, start, end);
    }
    spin_unlock(&object->lock);
    return page != NULL ? start : end;
}

static void memory_object_lock_pages(struct vm_object *object, vm_offset_t start, vm_offset_t end,
                                     vm_prot_t lock_value)
{
    while (start < end) {
        start = memory_object_lock_some(object, start, end, lock_value);
    }
    memory_object_wake(object, MEMORY_OBJECT_ALL);
}

static void memory_object_say_locked(struct vm_object *object, vm_offset_t offset, vm_size_t size,
                                     mach_port_t reply_to, mach_msg_type_name_t type)
{
    struct ipc_port *pager, *control;

    if (!IP_VALID(reply_to)) {
        return;
    }
    if (!memory_object_rights(object, &pager, &control)) {
        ipc_port_release_right(reply_to, type);
        return;
    }
    ipc_port_release_send(pager);
    if (memory_object_lock_completed(reply_to, type, control, offset, size) ==
        MACH_SEND_NO_BUFFER) {
        ipc_port_release_send(control);
        ipc_port_release_right(reply_to, type);
    }
}

/* Returns: KERN_SUCCESS, KERN_INVALID_ARGUMENT, KERN_RESOURCE_SHORTAGE (not all was returned: no
 * reply). */
kern_return_t memory_object_lock_request(memory_object_control_t object, vm_offset_t offset,
                                         vm_size_t size, memory_object_return_t should_return,
                                         boolean_t should_flush, vm_prot_t lock_value,
                                         mach_port_t reply_to, mach_msg_type_name_t type)
{
    kern_return_t kr = KERN_SUCCESS;

    if (object == NULL || !memory_object_range_ok(offset, size) ||
        should_return < MEMORY_OBJECT_RETURN_NONE || should_return > MEMORY_OBJECT_RETURN_ALL ||
        (lock_value != VM_PROT_NO_CHANGE && (lock_value & ~VM_PROT_ALL) != 0)) {
        return KERN_INVALID_ARGUMENT;
    }
    if (lock_value != VM_PROT_NO_CHANGE) {
        memory_object_lock_pages(object, offset, offset + size, lock_value);
    }
    if (should_return != MEMORY_OBJECT_RETURN_NONE || should_flush) {
        kr = memory_object_return_range(object, offset, offset + size, should_return,
                                        should_flush != 0);
    }
    if (kr == KERN_SUCCESS) {
        memory_object_say_locked(object, offset, size, reply_to, type);
    }
    return kr;
}
