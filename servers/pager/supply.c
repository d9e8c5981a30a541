/* supply.c - the thread that answers the kernel's requests.
 *
 * Pages go from a buffer of the pager's, which the kernel copies. While it has no memory for that
 * the thread waits, here or in the kernel, and page-outs go on. It must not use the memory kept in
 * reserve, or what is asked for could take the memory that page-outs need. */
#include <portolan/portolan.h>
#include <portolan/thread.h>
#include <stdlib.h>

#include <mach.h>
#include <mach_port.h>

#include "pager_impl.h"

#define CLUSTER      16u /* pages in one answer */
#define STACK_SIZE   (64ul * 1024)
#define SHORTAGE_MS  5u
#define SHORTAGE_MAX 2000u /* tries, 10 s: the kernel has given up by then */

/* Keys: [L] pager.lock, [S] the thread only once it is off the queue */
struct request {
    struct request *next;               /* [L] */
    const struct memory_object *object; /* [L] NULL: it has ended */
    mach_port_t control;                /* [S] send right of its own */
    vm_offset_t offset;                 /* [S] what is still to be answered */
    vm_offset_t end;                    /* [S] */
};

static struct request *supply_queue; /* [L] */
static struct request **supply_tail = &supply_queue;
static struct request *supply_current; /* [L] being answered */
static pthread_cond_t supply_work = PTHREAD_COND_INITIALIZER;
static char supply_buffer[CLUSTER * PAGER_PAGE] __attribute__((aligned(PAGER_PAGE)));

bool supply_request(const struct memory_object *object, mach_port_t control, vm_offset_t offset,
                    vm_size_t length)
{
    struct request *request = malloc(sizeof(*request));

    if (request == NULL) {
        return false;
    }
    *request = (struct request){NULL, object, control, offset, offset + length};
    pthread_mutex_lock(&pager.lock);
    *supply_tail = request;
    supply_tail = &request->next;
    pthread_mutex_unlock(&pager.lock);
    pthread_cond_signal(&supply_work);
    return true;
}

void supply_forget(const struct memory_object *object)
{
    for (struct request *request = supply_queue; request != NULL; request = request->next) {
        if (request->object == object) {
            request->object = NULL;
        }
    }
    if (supply_current != NULL && supply_current->object == object) {
        supply_current->object = NULL;
    }
}

/* --- one answer --- */

/* What the next answer is about: pages in a row of one kind, those that are stored in blocks in a
 * row. Returns: how many, 0 when the object has ended. */
static uint32_t supply_find(const struct request *request, enum object_page *kind, uint32_t *block)
{
    uint64_t page = request->offset / PAGER_PAGE;
    uint64_t left = (request->end - request->offset) / PAGER_PAGE;
    const struct memory_object *object;
    uint32_t count = 0;

    pthread_mutex_lock(&pager.lock);
    object = request->object;
    if (object != NULL) {
        *kind = object_find(&object->contents, page, block);
        for (count = 1; count < CLUSTER && count < left; count++) {
            uint32_t next_block = *block + count;
            enum object_page next = object_find(&object->contents, page + count, &next_block);

            if (next != *kind || next_block != *block + count) {
                break;
            }
        }
    }
    pthread_mutex_unlock(&pager.lock);
    return count;
}

/* The same, with the contents in the buffer. The device is waited for without a lock: pages go out
 * meanwhile, but none of these, which are not in memory; and when the object ends, its blocks may
 * have become another's. */
static uint32_t supply_collect(const struct request *request, enum object_page *kind)
{
    uint32_t block = 0;
    uint32_t count = supply_find(request, kind, &block);
    bool has_ended;

    if (count == 0 || *kind != OBJECT_PAGE_STORED) {
        return count;
    }
    if (!store_read(block, count, supply_buffer)) {
        count = 1;
        *kind = store_read(block, 1, supply_buffer) ? OBJECT_PAGE_STORED : OBJECT_PAGE_LOST;
    }
    pthread_mutex_lock(&pager.lock);
    has_ended = request->object == NULL;
    pthread_mutex_unlock(&pager.lock);
    return has_ended ? 0 : count;
}

/* Say it to the kernel. */
static kern_return_t supply_say(mach_port_t control, enum object_page kind, vm_offset_t offset,
                                vm_size_t size)
{
    switch (kind) {
    case OBJECT_PAGE_STORED:
        return memory_object_data_supply(control, offset, (pointer_t)supply_buffer,
                                         (mach_msg_type_number_t)size, FALSE, VM_PROT_NONE, FALSE,
                                         MACH_PORT_NULL);
    case OBJECT_PAGE_NEVER:
        return memory_object_data_unavailable(control, offset, size);
    default:
        return memory_object_data_error(control, offset, size, KERN_FAILURE);
    }
}

/* Send one answer. Returns: how many bytes of the request it has settled, 0 for lack of memory. */
static vm_size_t supply_answer(const struct request *request, bool give_up)
{
    enum object_page kind = OBJECT_PAGE_NEVER;
    vm_size_t size = (vm_size_t)supply_collect(request, &kind) * PAGER_PAGE;

    if (size == 0) {
        return request->end - request->offset;
    }
    if (give_up) {
        kind = OBJECT_PAGE_LOST;
    }
    return supply_say(request->control, kind, request->offset, size) != MACH_SEND_NO_BUFFER ? size
                                                                                            : 0;
}

/* --- the thread --- */

static struct request *supply_next(void)
{
    struct request *request;

    pthread_mutex_lock(&pager.lock);
    while (supply_queue == NULL) {
        pthread_cond_wait(&supply_work, &pager.lock);
    }
    request = supply_queue;
    supply_queue = request->next;
    if (supply_queue == NULL) {
        supply_tail = &supply_queue;
    }
    supply_current = request;
    pthread_mutex_unlock(&pager.lock);
    return request;
}

static void supply_end(struct request *request)
{
    pthread_mutex_lock(&pager.lock);
    supply_current = NULL;
    pthread_mutex_unlock(&pager.lock);
    mach_port_deallocate(mach_task_self(), request->control);
    free(request);
}

static void *supply_run(void *argument)
{
    for (;;) {
        struct request *request = supply_next();
        unsigned shortages = 0;

        while (request->offset < request->end && shortages <= SHORTAGE_MAX) {
            vm_size_t settled = supply_answer(request, shortages == SHORTAGE_MAX);

            request->offset += settled;
            if (settled == 0) {
                shortages++;
                portolan_sleep(SHORTAGE_MS);
            }
        }
        supply_end(request);
    }
    return argument;
}

bool supply_start(void)
{
    pthread_attr_t attributes;
    pthread_t thread;
    bool started;

    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, STACK_SIZE);
    started = pthread_create(&thread, &attributes, supply_run, NULL) == 0;
    pthread_attr_destroy(&attributes);
    return started;
}
