/* memory_object.c - the life of objects that have a pager: from the first vm_map of a memory
 * object's port to memory_object_terminate.
 *
 * An object is found by the port. One that nobody refers to any more is idle: it stays if its pager
 * allows that, the oldest ending first, else it ends. The end, with messages to the pager, is the
 * business of a thread, as a last reference may go with locks held. Until the pager has been told,
 * the port is not mapped anew: whoever tries waits for that.
 *
 * Locks: memory_object_lock (MEMORY_OBJECT) guards the lists, and the first and the last reference
 * of these objects. */
#include "vm/memory_object.h"

#include "ipc/ipc_port.h"
#include "kern/assert.h"
#include "kern/clock.h"
#include "kern/ipc_tt.h"
#include "kern/task.h"
#include "kern/thread.h"
#include "kern/waitq.h"
#include "memory_object_kernel_user.h"

#define HASH_SIZE 256u
#define RETRY_NS  (10 * NS_PER_MS)

static struct spinlock memory_object_lock =
    SPINLOCK_INITIALIZER(LOCK_RANK_MEMORY_OBJECT, "memory_object");
static struct list memory_object_hash[HASH_SIZE]; /* [memory_object_lock] by port */
static struct list memory_object_idle; /* [memory_object_lock] no references: first to end first */
static unsigned memory_object_idle_count; /* [memory_object_lock] */
static struct waitq memory_object_work;   /* of the thread that ends objects */
static struct waitq memory_object_ended;  /* of those that wait for an end */

void memory_object_bootstrap(void)
{
    for (unsigned i = 0; i < HASH_SIZE; i++) {
        list_init(&memory_object_hash[i]);
    }
    list_init(&memory_object_idle);
    waitq_init(&memory_object_work, "memory_object");
    waitq_init(&memory_object_ended, "memory_object_end");
    memory_object_request_bootstrap();
}

/* --- references --- */

static bool memory_object_persists(const struct vm_object *object)
{
    return (atomic_load(&object->flags) & VM_OBJECT_CAN_PERSIST) != 0;
}

/* Is it on its way to its end? Then it gets no more references. */
static bool memory_object_ends(const struct vm_object *object)
{
    return (atomic_load(&object->flags) & VM_OBJECT_ENDING) != 0;
}

static void memory_object_ref_locked(struct vm_object *object)
{
    assert(spin_is_held(&memory_object_lock) && !memory_object_ends(object));
    if (list_is_linked(&object->cache_link)) {
        list_remove(&object->cache_link);
        memory_object_idle_count--;
    }
    vm_object_ref(object);
}

bool memory_object_try_ref(struct vm_object *object)
{
    bool alive;

    spin_lock(&memory_object_lock);
    alive = !memory_object_ends(object);
    if (alive) {
        memory_object_ref_locked(object);
    }
    spin_unlock(&memory_object_lock);
    return alive;
}

/* Has the first idle object to end now? */
static bool memory_object_is_due(void)
{
    struct list *first = list_first(&memory_object_idle);

    assert(spin_is_held(&memory_object_lock));
    return first != NULL &&
           (memory_object_idle_count > MEMORY_OBJECT_CACHE_MAX ||
            !memory_object_persists(list_entry(first, struct vm_object, cache_link)));
}

void memory_object_unref(struct vm_object *object)
{
    uint32_t refs = atomic_load(&object->refs);
    bool due;

    while (refs > 1) {
        if (atomic_cas(&object->refs, refs, refs - 1)) {
            return;
        }
        refs = atomic_load(&object->refs);
    }
    spin_lock(&memory_object_lock);
    if (atomic_dec_and_test(&object->refs)) {
        if (memory_object_persists(object)) {
            list_insert_tail(&memory_object_idle, &object->cache_link);
        } else {
            list_insert_head(&memory_object_idle, &object->cache_link);
        }
        memory_object_idle_count++;
    }
    due = memory_object_is_due();
    spin_unlock(&memory_object_lock);
    if (due) {
        waitq_wake_one(&memory_object_work, WAIT_OK);
    }
}

/* --- the end --- */

/* The kernel is not the receiver of its port any more; it can go into a message. */
static void memory_object_release_port(struct ipc_port *port)
{
    spin_lock(&port->lock);
    port->kobject_type = KOBJECT_NONE;
    port->kobject = NULL;
    port->receiver = NULL;
    ipc_port_clear_receiver(port, MACH_RCV_PORT_DIED);
    spin_unlock(&port->lock);
}

/* Do not be told of the death of the pager's port any more. */
static void memory_object_cancel_death(struct ipc_port *pager, struct ipc_request *request)
{
    bool pending;

    spin_lock(&pager->lock);
    pending = pager->active && request != NULL;
    if (pending) {
        ipc_port_dncancel(pager, request);
    }
    spin_unlock(&pager->lock);
    if (pending) {
        ipc_port_release_sonce(request->notify);
        ipc_port_request_free(request);
    }
}

/* Say memory_object_terminate; to a dead port it only ends the rights. Refs: consumes them. */
static void memory_object_say_terminate(struct ipc_port *pager, struct ipc_port *control,
                                        struct ipc_port *name)
{
    memory_object_release_port(control);
    memory_object_release_port(name);
    if (memory_object_terminate(pager, control, name) == MACH_SEND_NO_BUFFER) {
        ipc_port_release_right(control, MACH_MSG_TYPE_PORT_RECEIVE);
        ipc_port_release_right(name, MACH_MSG_TYPE_PORT_RECEIVE);
        ipc_port_release_send(pager);
    }
}

/* The same for a pager that was not told of the object. Refs: consumes them; ports may be NULL. */
static void memory_object_drop_rights(struct ipc_port *pager, struct ipc_port *control,
                                      struct ipc_port *name)
{
    if (control != NULL) {
        ipc_port_destroy_kernel(control);
    }
    if (name != NULL) {
        ipc_port_destroy_kernel(name);
    }
    ipc_port_release_send(pager);
}

/* The port does not stand for the object any more. */
static void memory_object_unhash(struct vm_object *object)
{
    struct ipc_port *key;

    spin_lock(&memory_object_lock);
    list_remove(&object->hash_link);
    key = object->pager_key;
    object->pager_key = NULL;
    spin_unlock(&memory_object_lock);
    if (key != NULL) {
        ipc_port_unref(key);
    }
    waitq_wake_all(&memory_object_ended, WAIT_OK);
}

void memory_object_detach(struct vm_object *object)
{
    struct ipc_port *pager, *control, *name;
    struct ipc_request *death;
    bool is_known;

    spin_lock(&object->lock);
    is_known = (object->flags & VM_OBJECT_PAGER_INITIALIZED) != 0;
    pager = object->pager;
    control = object->pager_control;
    name = object->pager_name;
    death = object->pager_death;
    object->pager = object->pager_control = object->pager_name = NULL;
    object->pager_death = NULL;
    object->flags &= ~(VM_OBJECT_PAGER_READY | VM_OBJECT_CAN_PERSIST); /* nobody can find it */
    spin_unlock(&object->lock);
    if (pager != NULL) {
        memory_object_cancel_death(pager, death);
        if (is_known) {
            memory_object_say_terminate(pager, control, name);
        } else {
            memory_object_drop_rights(pager, control, name);
        }
    }
    memory_object_unhash(object);
}

/* End an object that nobody refers to. */
static void memory_object_end(struct vm_object *object)
{
    if ((object->flags & VM_OBJECT_TEMPORARY) == 0) {
        /* Without memory to tell the pager of its changes, try again: they are not to be lost. */
        while (memory_object_return_range(object, 0, ~PAGE_MASK, MEMORY_OBJECT_RETURN_ALL, true) !=
               KERN_SUCCESS) {
            thread_sleep(RETRY_NS);
        }
    }
    memory_object_detach(object);
    vm_object_end(object);
}

static struct vm_object *memory_object_next_to_end(void)
{
    struct vm_object *object = NULL;

    spin_lock(&memory_object_lock);
    if (memory_object_is_due()) {
        object = list_entry(list_pop(&memory_object_idle), struct vm_object, cache_link);
        memory_object_idle_count--;
        vm_object_ref(object);
        object->flags |= VM_OBJECT_ENDING;
    }
    spin_unlock(&memory_object_lock);
    return object;
}

static bool memory_object_has_work(void)
{
    bool due;

    spin_lock(&memory_object_lock);
    due = memory_object_is_due();
    spin_unlock(&memory_object_lock);
    return due;
}

bool memory_object_end_one(void)
{
    struct vm_object *object = memory_object_next_to_end();

    if (object != NULL) {
        memory_object_end(object);
    }
    return object != NULL;
}

static void memory_object_thread(void *argument)
{
    for (;;) {
        while (memory_object_end_one()) {
        }
        waitq_assert_wait(&memory_object_work, false, 0);
        if (memory_object_has_work()) {
            waitq_cancel_wait(&memory_object_work);
        } else {
            waitq_block(&memory_object_work);
        }
    }
}

void memory_object_start(void)
{
    thread_run_kernel("memory_object", memory_object_thread, PRIORITY_SYSTEM);
}

/* --- the beginning --- */

static struct list *memory_object_bucket(const struct ipc_port *port)
{
    return &memory_object_hash[((uintptr_t)port >> 6) % HASH_SIZE];
}

static struct vm_object *memory_object_find(const struct ipc_port *port)
{
    assert(spin_is_held(&memory_object_lock));
    list_for_each (memory_object_bucket(port), node) {
        struct vm_object *object = list_entry(node, struct vm_object, hash_link);

        if (object->pager_key == port) {
            return object;
        }
    }
    return NULL;
}

/* Have the object told when its pager's port dies. */
static kern_return_t memory_object_watch(struct vm_object *object, struct ipc_port *port)
{
    struct ipc_port *notify = ipc_port_make_sonce(object->pager_control);
    kern_return_t kr = KERN_INVALID_ARGUMENT;

    spin_lock(&port->lock);
    if (port->active) {
        object->pager_death = ipc_port_dnrequest(port, MACH_PORT_NAME_NULL, notify);
        kr = object->pager_death != NULL ? KERN_SUCCESS : KERN_RESOURCE_SHORTAGE;
    }
    spin_unlock(&port->lock);
    if (kr != KERN_SUCCESS) {
        ipc_port_release_sonce(notify);
    }
    return kr;
}

kern_return_t memory_object_attach(struct vm_object *object, struct ipc_port *port)
{
    struct ipc_port *right = ipc_port_copy_send(port);
    kern_return_t kr = KERN_RESOURCE_SHORTAGE;

    if (!IP_VALID(right)) {
        return KERN_INVALID_ARGUMENT;
    }
    object->pager = right;
    object->pager_control = ipc_port_alloc_kernel(KOBJECT_MEMORY_CONTROL, object);
    object->pager_name = ipc_port_alloc_kernel(KOBJECT_MEMORY_NAME, object);
    if (object->pager_control != NULL && object->pager_name != NULL) {
        kr = memory_object_watch(object, port);
    }
    if (kr != KERN_SUCCESS) {
        memory_object_detach(object);
    }
    return kr;
}

/* Give up an object that nobody can find. */
static void memory_object_discard(struct vm_object *object)
{
    memory_object_detach(object);
    vm_object_unref(object);
}

/* An object for the port that nobody knows yet. Returns: as memory_object_attach(). */
static kern_return_t memory_object_create_for(struct ipc_port *port, struct vm_object **result)
{
    struct vm_object *object = vm_object_create(0);
    kern_return_t kr;

    if (object == NULL) {
        return KERN_RESOURCE_SHORTAGE;
    }
    object->flags = VM_OBJECT_PAGER_CREATED | VM_OBJECT_SHARED | VM_OBJECT_ALIVE;
    object->copy_strategy = MEMORY_OBJECT_COPY_NONE;
    ipc_port_ref(port);
    object->pager_key = port;
    kr = memory_object_attach(object, port);
    if (kr != KERN_SUCCESS) {
        memory_object_discard(object);
        return kr;
    }
    *result = object;
    return KERN_SUCCESS;
}

/* Find the port's object, or make `fresh` (if there is one) it; with a reference more. An object
 * that is ending is waited for. */
static struct vm_object *memory_object_lookup(const struct ipc_port *port, struct vm_object *fresh)
{
    struct vm_object *object;

    waitq_assert_wait(&memory_object_ended, false, 0);
    spin_lock(&memory_object_lock);
    while ((object = memory_object_find(port)) != NULL && memory_object_ends(object)) {
        spin_unlock(&memory_object_lock);
        waitq_block(&memory_object_ended);
        waitq_assert_wait(&memory_object_ended, false, 0);
        spin_lock(&memory_object_lock);
    }
    if (object == NULL && fresh != NULL) {
        object = fresh;
        list_insert_tail(memory_object_bucket(port), &fresh->hash_link);
    }
    if (object != NULL) {
        memory_object_ref_locked(object);
    }
    spin_unlock(&memory_object_lock);
    waitq_cancel_wait(&memory_object_ended);
    return object;
}

static void memory_object_set_known(struct vm_object *object, bool is_known)
{
    spin_lock(&object->lock);
    object->flags &= ~VM_OBJECT_PAGER_INITIALIZED;
    object->flags |= is_known ? VM_OBJECT_PAGER_INITIALIZED : 0;
    spin_unlock(&object->lock);
}

/* Tell the pager of the new object. It may end the object before this returns; of one it was not
 * told of it does not hear the end. */
static kern_return_t memory_object_introduce(struct vm_object *object)
{
    struct ipc_port *pager, *control, *name;
    uint64_t deadline_ns = 0;
    kern_return_t kr;

    memory_object_set_known(object, true);
    if (!memory_object_rights(object, &pager, &control)) {
        return KERN_MEMORY_ERROR; /* it died meanwhile */
    }
    name = memory_object_name_right(object);
    kr = memory_object_init(pager, memory_object_time_left(&deadline_ns), control, name, PAGE_SIZE);
    if (kr == KERN_SUCCESS) {
        return KERN_SUCCESS;
    }
    memory_object_set_known(object, false);
    if (kr == MACH_SEND_NO_BUFFER) {
        ipc_port_release_send(pager);
        ipc_port_release_send(control);
        ipc_port_release_send(name);
        return KERN_RESOURCE_SHORTAGE;
    }
    return kr == MACH_SEND_INTERRUPTED ? KERN_ABORTED : KERN_MEMORY_ERROR;
}

/* The object of a port that had none. */
static kern_return_t memory_object_enter_new(struct ipc_port *port, struct vm_object **result)
{
    struct vm_object *fresh;
    kern_return_t kr = memory_object_create_for(port, &fresh);

    if (kr != KERN_SUCCESS) {
        return kr;
    }
    *result = memory_object_lookup(port, fresh);
    if (*result != fresh) { /* somebody was faster */
        memory_object_discard(fresh);
        return KERN_SUCCESS;
    }
    kr = memory_object_introduce(fresh);
    if (kr != KERN_SUCCESS) {
        memory_object_give_up(fresh, true);
        vm_object_unref(fresh);
    }
    vm_object_unref(fresh); /* the one it was made with: the caller has the one of the lookup */
    return kr;
}

kern_return_t memory_object_enter(struct ipc_port *port, vm_size_t size, struct vm_object **object)
{
    kern_return_t kr = KERN_SUCCESS;

    if (!IP_VALID(port) || ipc_port_is_kernel(port)) {
        return KERN_INVALID_ARGUMENT;
    }
    *object = memory_object_lookup(port, NULL);
    if (*object == NULL) {
        kr = memory_object_enter_new(port, object);
    }
    if (kr == KERN_SUCCESS) {
        spin_lock(&(*object)->lock);
        if ((*object)->size < size) {
            (*object)->size = size;
        }
        spin_unlock(&(*object)->lock);
    }
    return kr;
}

/* --- without a pager --- */

/* Answer or free some of the pages from `at` on. Returns where to go on, or MEMORY_OBJECT_ALL. */
static vm_offset_t memory_object_give_up_some(struct vm_object *object, vm_offset_t at, bool flush)
{
    struct vm_page *page;

    spin_lock(&object->lock);
    page = vm_object_page_next(object, at, ~0ul);
    for (unsigned n = 0; page != NULL && n < MEMORY_OBJECT_AT_ONCE; n++) {
        at = page->offset + PAGE_SIZE;
        if ((page->flags & VM_PAGE_ABSENT) != 0) {
            memory_object_answer(object, page, VM_PAGE_ERROR);
        } else if (flush && page->wire_count == 0) {
            vm_object_page_free(object, page);
        }
        page = vm_object_page_next(object, at, ~0ul);
    }
    spin_unlock(&object->lock);
    return page != NULL ? at : MEMORY_OBJECT_ALL;
}

void memory_object_give_up(struct vm_object *object, bool flush)
{
    vm_offset_t at = 0;

    memory_object_detach(object);
    while (at != MEMORY_OBJECT_ALL) {
        at = memory_object_give_up_some(object, at, flush);
    }
    memory_object_wake(object, MEMORY_OBJECT_ALL);
}

void memory_object_pager_died(struct ipc_port *control)
{
    struct vm_object *object = convert_port_to_memory_control(control);

    if (object != NULL) {
        memory_object_give_up(object, false);
        vm_object_unref(object);
    }
}

/* --- copies --- */

/* A memory object nobody has yet: its receive right, and the kernel's side. */
static kern_return_t memory_object_create_free(vm_size_t size, struct ipc_port **port,
                                               struct vm_object **object)
{
    struct ipc_port *right;
    kern_return_t kr;

    *port = ipc_port_create(current_task());
    if (*port == NULL) {
        return KERN_RESOURCE_SHORTAGE;
    }
    right = ipc_port_make_send(*port);
    kr = memory_object_enter(right, size, object);
    ipc_port_release_send(right);
    if (kr != KERN_SUCCESS) {
        ipc_port_release_right(*port, MACH_MSG_TYPE_PORT_RECEIVE);
    }
    return kr;
}

/* Have the pager make a memory object that is a copy (MEMORY_OBJECT_COPY_CALL). */
static kern_return_t memory_object_copy_call(struct vm_object *object, vm_offset_t offset,
                                             vm_size_t size, struct vm_object **copy)
{
    struct ipc_port *port, *pager, *control;
    uint64_t deadline_ns = 0;
    kern_return_t kr;

    /* What the pager does not have yet comes before the message. */
    kr = memory_object_return_range(object, offset, offset + size, MEMORY_OBJECT_RETURN_DIRTY,
                                    false);
    if (kr != KERN_SUCCESS) {
        return kr;
    }
    kr = memory_object_create_free(offset + size, &port, copy);
    if (kr != KERN_SUCCESS) {
        return kr;
    }
    kr = KERN_MEMORY_ERROR;
    if (memory_object_rights(object, &pager, &control)) {
        kr = memory_object_copy(pager, memory_object_time_left(&deadline_ns), control, offset, size,
                                port);
        if (kr == MACH_SEND_NO_BUFFER) {
            ipc_port_release_send(pager);
            ipc_port_release_send(control);
        }
    }
    if (kr == MACH_SEND_NO_BUFFER || kr == KERN_MEMORY_ERROR) {
        ipc_port_release_right(port, MACH_MSG_TYPE_PORT_RECEIVE);
    }
    if (kr != KERN_SUCCESS) {
        vm_object_unref(*copy);
        return KERN_MEMORY_ERROR;
    }
    return KERN_SUCCESS;
}

kern_return_t memory_object_copy_range(struct vm_object *object, vm_offset_t *offset,
                                       vm_size_t size, struct vm_object **copy, bool *needs_copy)
{
    bool asks = (atomic_load(&object->flags) & VM_OBJECT_PAGER_CREATED) != 0;
    memory_object_copy_strategy_t strategy = MEMORY_OBJECT_COPY_NONE;
    uint64_t deadline_ns = 0;
    kern_return_t kr = asks ? memory_object_await_ready(object, &deadline_ns) : KERN_SUCCESS;

    if (kr != KERN_SUCCESS) {
        return kr;
    }
    strategy = atomic_load(&object->copy_strategy);
    *needs_copy = false;
    switch (strategy) {
    case MEMORY_OBJECT_COPY_CALL:
        return memory_object_copy_call(object, *offset, size, copy);
    case MEMORY_OBJECT_COPY_DELAY:
    case MEMORY_OBJECT_COPY_TEMPORARY:
        *needs_copy = true; /* an older copy may look through this one */
        return vm_object_copy_delayed(object, *offset, size, copy);
    default:
        kr = vm_object_copy_slowly(object, *offset, size, false, copy);
        *offset = 0;
        return kr;
    }
}
