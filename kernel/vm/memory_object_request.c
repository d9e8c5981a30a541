/* memory_object_request.c - asking a pager, and waiting for it.
 *
 * A page asked for is in its object as an absent page, which counts the threads that wait for it.
 * It ends in one of four ways: the pager supplies the page, says that it has none (then it is
 * filled with zeroes), or that there is an error, or the last thread that waited gives up; the
 * first three take it out of the object with those threads told, the last forgets it. The thread
 * that asks is the sender of the message, so it waits for room in the pager's queue as any sender
 * does. Nothing is locked while a thread waits, and it looks at everything again when it goes on.
 */
#include "vm/memory_object.h"

#include "arch/interrupt.h"
#include "ipc/ipc_fastask.h"
#include "ipc/ipc_port.h"
#include "kern/assert.h"
#include "kern/clock.h"
#include "kern/thread.h"
#include "kern/waitq.h"
#include "memory_object_kernel_user.h"
#include "vm/vm_pageout.h"

#define WAIT_QUEUES 64u

#define DATA_REQUEST_ID 2203u /* memory_object_data_request */

static struct waitq memory_object_waitqs[WAIT_QUEUES]; /* by object and page */

void memory_object_request_bootstrap(void)
{
    for (unsigned i = 0; i < WAIT_QUEUES; i++) {
        waitq_init(&memory_object_waitqs[i], "memory_object_page");
    }
}

/* All who wait for the object as a whole, or for unlocks, are on the queue of MEMORY_OBJECT_ALL. */
static struct waitq *memory_object_waitq(const struct vm_object *object, vm_offset_t offset)
{
    return &memory_object_waitqs[(((uintptr_t)object >> 8) + (offset >> PAGE_SHIFT)) % WAIT_QUEUES];
}

void memory_object_wake(struct vm_object *object, vm_offset_t offset)
{
    waitq_wake_all(memory_object_waitq(object, offset), WAIT_OK);
}

uint32_t memory_object_time_left(uint64_t *deadline_ns)
{
    uint64_t now = clock_now_ns();
    uint32_t timeout_ms = current_thread()->memory_timeout_ms;

    if (*deadline_ns == 0) {
        *deadline_ns = now + (timeout_ms != 0 ? timeout_ms : MEMORY_OBJECT_TIMEOUT_MS) * NS_PER_MS;
    }
    return *deadline_ns > now + NS_PER_MS ? (uint32_t)((*deadline_ns - now) / NS_PER_MS) : 1;
}

bool memory_object_rights(struct vm_object *object, struct ipc_port **pager,
                          struct ipc_port **control)
{
    struct ipc_port *ports[2];

    spin_lock(&object->lock);
    ports[0] = object->pager;
    ports[1] = object->pager_control;
    if (ports[0] != NULL) { /* rights are made without the lock, which ranks behind a port's */
        ipc_port_ref(ports[0]);
        ipc_port_ref(ports[1]);
    }
    spin_unlock(&object->lock);
    if (ports[0] == NULL) {
        return false;
    }
    *pager = ipc_port_try_copy_send(ports[0]); /* the object may have lost it meanwhile */
    *control = ipc_port_make_send(ports[1]);
    ipc_port_unref(ports[0]);
    ipc_port_unref(ports[1]);
    return true;
}

struct ipc_port *memory_object_name_right(struct vm_object *object)
{
    struct ipc_port *port = NULL;
    struct ipc_port *right;

    if (object == NULL) {
        return IP_NULL;
    }
    spin_lock(&object->lock);
    if (object->pager_name != NULL) {
        port = object->pager_name;
        ipc_port_ref(port);
    }
    spin_unlock(&object->lock);
    if (port == NULL) {
        return IP_NULL;
    }
    right = ipc_port_make_send(port);
    ipc_port_unref(port);
    return right == IP_DEAD ? IP_NULL : right;
}

/* --- what there is to wait for; object->lock held --- */

/* Put absent pages behind the one at offset while an object is read in order. Returns how many
 * there are with it. */
static unsigned memory_object_extend(struct vm_object *object, vm_offset_t offset)
{
    unsigned most = object->read_ahead * 2;
    void **place = NULL;
    unsigned left = 0; /* places from there on that are known */
    unsigned n = 1;

    object->read_ahead = 0;
    if (offset != object->last_alloc || offset == 0 ||
        object->absent_count > MEMORY_OBJECT_AHEAD_MAX) {
        return n;
    }
    most = most < MEMORY_OBJECT_CLUSTER    ? MEMORY_OBJECT_CLUSTER
           : most > MEMORY_OBJECT_READ_MAX ? MEMORY_OBJECT_READ_MAX
                                           : most;
    object->read_ahead = most;
    for (; n < most; n++, left--) {
        vm_offset_t next = offset + n * PAGE_SIZE;
        struct vm_page *page;

        place = place != NULL ? place + 1 : NULL;
        if (left == 0 || place == NULL) {
            left = most - n;
            place = vm_radix_run(&object->pages, next >> PAGE_SHIFT, &left);
        }
        if (next >= object->size || (place != NULL && *place != NULL) ||
            !vm_object_pager_has(object, next)) {
            break;
        }
        page = vm_object_absent_create();
        if (page == NULL) {
            break;
        }
        if (!vm_object_page_insert(object, page, next)) {
            vm_object_absent_free(page);
            break;
        }
    }
    return n;
}

/* Ask for a page nobody has asked for. */
static kern_return_t memory_object_want_new(struct vm_object *object, vm_offset_t offset,
                                            struct memory_object_wait *wait)
{
    struct vm_page *page = vm_object_absent_create();

    if (page == NULL) {
        return KERN_RESOURCE_SHORTAGE;
    }
    if (!vm_object_page_insert(object, page, offset)) {
        vm_object_absent_free(page);
        return KERN_RESOURCE_SHORTAGE;
    }
    wait->page = page;
    wait->length = memory_object_extend(object, offset) * PAGE_SIZE;
    object->last_alloc = offset + wait->length;
    return KERN_SUCCESS;
}

/* The pager has nothing for this page: zeroes. */
static kern_return_t memory_object_zero_fill(struct vm_object *object, struct vm_page *absent)
{
    vm_offset_t offset = absent->offset;
    struct vm_page *page = vm_page_alloc(VM_PAGE_ZERO);

    if (page == NULL) {
        return KERN_RESOURCE_SHORTAGE;
    }
    memory_object_answer(object, absent, 0);
    if (!vm_object_page_insert_clean(object, page, offset)) {
        vm_page_free(page);
        return KERN_RESOURCE_SHORTAGE;
    }
    return KERN_SUCCESS;
}

/* A page is there, but absent or locked. */
static kern_return_t memory_object_want_page(struct vm_object *object, struct vm_page *page,
                                             vm_prot_t access, struct memory_object_wait *wait)
{
    if ((page->flags & VM_PAGE_UNAVAILABLE) != 0) {
        wait->object = NULL;
        return memory_object_zero_fill(object, page);
    }
    if ((page->flags & VM_PAGE_ABSENT) != 0) {
        wait->page = page;
        return page->wire_count != UINT16_MAX ? KERN_SUCCESS : KERN_RESOURCE_SHORTAGE;
    }
    if ((access & ~(page->access_lock >> VM_PAGE_ASKED_SHIFT)) != 0) {
        page->access_lock |= (uint8_t)(access << VM_PAGE_ASKED_SHIFT);
        wait->length = PAGE_SIZE;
    }
    return KERN_SUCCESS;
}

kern_return_t memory_object_want(const struct vm_object_hit *hit, vm_prot_t access,
                                 struct memory_object_wait *wait)
{
    struct vm_object *object = hit->object;
    kern_return_t kr = KERN_SUCCESS;

    assert(spin_is_held(&object->lock));
    *wait = (struct memory_object_wait){.object = object, .offset = hit->offset, .access = access};
    if (object->pager == NULL) {
        return KERN_MEMORY_ERROR;
    }
    if ((object->flags & VM_OBJECT_PAGER_READY) == 0 ||
        (hit->page == NULL && (object->flags & VM_OBJECT_RETURNING) != 0)) {
        wait->offset = MEMORY_OBJECT_ALL;
    } else if (hit->page == NULL) {
        kr = memory_object_want_new(object, hit->offset, wait);
    } else {
        kr = memory_object_want_page(object, hit->page, access, wait);
    }
    if (kr == KERN_SUCCESS && wait->object != NULL) {
        vm_object_ref(object);
        if (wait->page != NULL) {
            wait->page->wire_count++;
        }
    }
    return kr;
}

void memory_object_answer(struct vm_object *object, struct vm_page *page, uint16_t flags)
{
    vm_object_page_remove(object, page);
    page->flags |= flags;
    memory_object_answered(object, page);
}

void memory_object_answered(struct vm_object *object, struct vm_page *page)
{
    assert(spin_is_held(&object->lock) && (page->flags & VM_PAGE_ABSENT) != 0);
    if (page->wire_count == 0) {
        vm_object_absent_free(page);
        return;
    }
    memory_object_wake(object, page->offset);
}

/* --- waiting --- */

/* Has what is waited for happened? Locks: wait->object's held. */
static inline bool memory_object_is_over(const struct memory_object_wait *wait)
{
    const struct vm_object *object = wait->object;
    const struct vm_page *page = wait->page;

    if (object->pager == NULL) {
        return true;
    }
    if (wait->offset == MEMORY_OBJECT_ALL) {
        return (object->flags & (VM_OBJECT_PAGER_READY | VM_OBJECT_RETURNING)) ==
               VM_OBJECT_PAGER_READY;
    }
    if (page != NULL) {
        return page->object == NULL || (page->flags & VM_PAGE_UNAVAILABLE) != 0;
    }
    page = vm_object_page_lookup(object, wait->offset);
    return page == NULL || (page->access_lock & wait->access) == 0 ||
           (wait->access & ~(page->access_lock >> VM_PAGE_ASKED_SHIFT)) != 0; /* ask again */
}

/* What was asked for is not waited for any more: forget the absent pages nobody else waits for.
 * When the question was not sent there is no answer for the others either: their threads look
 * again. */
static void memory_object_forget(const struct memory_object_wait *wait, bool is_asked)
{
    struct vm_object *object = wait->object;
    vm_offset_t offset = wait->offset;
    vm_offset_t end = offset + (wait->length != 0 ? wait->length : PAGE_SIZE);

    for (; offset < end; offset += PAGE_SIZE) {
        struct vm_page *page = vm_object_page_lookup(object, offset);

        if (page != NULL && (page->flags & VM_PAGE_ABSENT) == 0) {
            page->access_lock &= VM_PAGE_LOCKED; /* to be asked again */
        } else if (page != NULL && (page->flags & VM_PAGE_UNAVAILABLE) == 0 &&
                   (page->wire_count == 0 || !is_asked)) {
            memory_object_answer(object, page, 0);
        }
    }
    memory_object_wake(object, MEMORY_OBJECT_ALL);
}

/* The wait is over, one way or another: give back what it holds. */
static kern_return_t memory_object_wait_end(struct memory_object_wait *wait, bool is_asked,
                                            kern_return_t kr)
{
    struct vm_object *object = wait->object;
    struct vm_page *page = wait->page;
    bool gives_up = kr != KERN_SUCCESS && wait->offset != MEMORY_OBJECT_ALL;

    spin_lock(&object->lock);
    if (page != NULL) {
        page->wire_count--;
        if (page->object == NULL) {
            kr = (page->flags & VM_PAGE_ERROR) != 0 ? KERN_MEMORY_ERROR : KERN_SUCCESS;
            if (page->wire_count == 0) {
                vm_object_absent_free(page);
            }
        }
    }
    if (gives_up) {
        memory_object_forget(wait, is_asked);
    }
    spin_unlock(&object->lock);
    vm_object_unref(object);
    return kr;
}

/* Send the question once. Returns: KERN_SUCCESS,
 * KERN_MEMORY_ERROR (the pager is gone, or took no message in time), KERN_ABORTED,
 * KERN_RESOURCE_SHORTAGE (no memory for the message). */
static kern_return_t memory_object_ask_once(const struct memory_object_wait *wait,
                                            uint32_t timeout_ms)
{
    struct ipc_port *pager, *control;
    kern_return_t kr;

    if (!memory_object_rights(wait->object, &pager, &control)) {
        return KERN_MEMORY_ERROR;
    }
    kr = wait->page != NULL ? memory_object_data_request(pager, timeout_ms, control, wait->offset,
                                                         wait->length, wait->access)
                            : memory_object_data_unlock(pager, timeout_ms, control, wait->offset,
                                                        wait->length, wait->access);
    if (kr == MACH_SEND_NO_BUFFER) {
        ipc_port_release_send(pager);
        ipc_port_release_send(control);
        return KERN_RESOURCE_SHORTAGE;
    }
    if (kr == KERN_SUCCESS || kr == MACH_SEND_INTERRUPTED) {
        return kr == KERN_SUCCESS ? KERN_SUCCESS : KERN_ABORTED;
    }
    return KERN_MEMORY_ERROR;
}

/* Send the question, when there is memory for it. Returns: as memory_object_ask_once(). */
static kern_return_t memory_object_ask(const struct memory_object_wait *wait, uint32_t timeout_ms)
{
    struct vm_pageout_wait memory = {.deadline_ns = 0};
    kern_return_t kr;

    do {
        kr = memory_object_ask_once(wait, timeout_ms);
    } while (kr == KERN_RESOURCE_SHORTAGE && vm_pageout_wait(&memory));
    return kr;
}

/* The same for absent pages the short way, and wait: does not return if it can be taken. */
static void memory_object_ask_quickly(const struct memory_object_wait *wait, uint64_t deadline_ns,
                                      void (*continuation)(void)) NO_LOCK_ANALYSIS
{
    struct vm_object *object = wait->object;
    uint64_t body[] = {
        IPC_FASTASK_WORD(MACH_MSG_TYPE_PORT_SEND, 64),  0,
        IPC_FASTASK_WORD(MACH_MSG_TYPE_INTEGER_64, 64), wait->offset,
        IPC_FASTASK_WORD(MACH_MSG_TYPE_INTEGER_64, 64), wait->length,
        IPC_FASTASK_WORD(MACH_MSG_TYPE_INTEGER_32, 32), (uint32_t)wait->access,
    };

    interrupt_disable();
    if (spin_try_irqs_off(&object->lock)) {
        if (!memory_object_is_over(wait)) {
            ipc_fastask(object->pager, object->pager_control, body, sizeof(body) / sizeof(body[0]),
                        DATA_REQUEST_ID, memory_object_waitq(object, wait->offset), &object->lock,
                        deadline_ns, continuation);
        }
        spin_unlock_irqs_off(&object->lock);
    }
    interrupt_enable();
}

static kern_return_t memory_object_wait_result(enum wait_result result)
{
    if (result == WAIT_OK) {
        return KERN_SUCCESS;
    }
    return result == WAIT_TIMED_OUT ? KERN_MEMORY_ERROR : KERN_ABORTED;
}

/* Wait until it may have happened. */
static kern_return_t memory_object_block(const struct memory_object_wait *wait,
                                         uint64_t deadline_ns)
{
    struct vm_object *object = wait->object;
    struct waitq *waitq =
        memory_object_waitq(object, wait->page != NULL ? wait->offset : MEMORY_OBJECT_ALL);
    bool over;

    waitq_assert_wait(waitq, true, deadline_ns);
    spin_lock(&object->lock);
    over = memory_object_is_over(wait);
    spin_unlock(&object->lock);
    if (over) {
        waitq_cancel_wait(waitq);
        return KERN_SUCCESS;
    }
    return memory_object_wait_result(waitq_block(waitq));
}

kern_return_t memory_object_awaited(struct memory_object_wait *wait)
{
    enum wait_result result = thread_wait_result();

    if (result != WAIT_OK) { /* else it was taken off */
        waitq_leave(memory_object_waitq(wait->object, wait->offset));
    }
    return memory_object_wait_end(wait, true, memory_object_wait_result(result));
}

kern_return_t memory_object_await(struct memory_object_wait *wait, uint64_t *deadline_ns,
                                  void (*continuation)(void))
{
    kern_return_t kr = KERN_SUCCESS;
    uint32_t timeout_ms;
    bool is_asked;

    if (wait->object == NULL) {
        return KERN_SUCCESS;
    }
    timeout_ms = memory_object_time_left(deadline_ns);
    if (continuation != NULL && wait->page != NULL && wait->length != 0) {
        memory_object_ask_quickly(wait, *deadline_ns, continuation);
    }
    if (wait->length != 0) {
        kr = memory_object_ask(wait, timeout_ms);
    }
    is_asked = kr == KERN_SUCCESS;
    if (is_asked) {
        kr = memory_object_block(wait, *deadline_ns);
    }
    return memory_object_wait_end(wait, is_asked, kr);
}

kern_return_t memory_object_walk(struct vm_object *first, vm_offset_t offset,
                                 struct vm_object_hit *hit, uint64_t *deadline_ns)
    NO_LOCK_ANALYSIS /* returns with the locks held on KERN_SUCCESS */
{
    kern_return_t kr = KERN_SUCCESS;

    while (kr == KERN_SUCCESS) {
        struct memory_object_wait wait;

        spin_lock(&first->lock);
        vm_object_walk(first, offset, hit);
        if (!memory_object_must_ask(hit, VM_PROT_READ)) {
            return KERN_SUCCESS;
        }
        kr = memory_object_want(hit, VM_PROT_READ, &wait);
        vm_object_walk_done(first, hit);
        spin_unlock(&first->lock);
        if (kr == KERN_SUCCESS) {
            kr = memory_object_await(&wait, deadline_ns, NULL);
        }
    }
    return kr;
}

kern_return_t memory_object_await_ready(struct vm_object *object, uint64_t *deadline_ns)
{
    kern_return_t kr = KERN_SUCCESS;
    bool over = false;

    while (kr == KERN_SUCCESS && !over) {
        struct memory_object_wait wait = {.object = object, .offset = MEMORY_OBJECT_ALL};

        spin_lock(&object->lock);
        over = memory_object_is_over(&wait);
        if (!over) {
            vm_object_ref(object);
        }
        spin_unlock(&object->lock);
        if (!over) {
            kr = memory_object_await(&wait, deadline_ns, NULL);
        }
    }
    return kr;
}

bool memory_object_return_begin(struct vm_object *object, bool may_wait)
{
    struct waitq *waitq = memory_object_waitq(object, MEMORY_OBJECT_ALL);
    bool begun = false;

    while (!begun) {
        waitq_assert_wait(waitq, false, 0);
        spin_lock(&object->lock);
        begun = (object->flags & VM_OBJECT_RETURNING) == 0;
        if (begun) {
            object->flags |= VM_OBJECT_RETURNING;
        }
        spin_unlock(&object->lock);
        if (begun || !may_wait) {
            waitq_cancel_wait(waitq);
            return begun;
        }
        (void)waitq_block(waitq);
    }
    return begun;
}

void memory_object_return_end(struct vm_object *object)
{
    spin_lock(&object->lock);
    object->flags &= ~VM_OBJECT_RETURNING;
    spin_unlock(&object->lock);
    memory_object_wake(object, MEMORY_OBJECT_ALL);
}
