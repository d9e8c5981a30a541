/* ipc_marequest.c - msg-accepted requests. See ipc_marequest.h. */
#include "ipc/ipc_marequest.h"

#include "ipc/ipc_notify.h"
#include "ipc/ipc_port.h"
#include "ipc/ipc_right.h"
#include "ipc/ipc_space.h"
#include "kern/assert.h"
#include "vm/slab.h"

#define IPC_MAREQUEST_BUCKETS 64u

static struct kmem_cache ipc_marequest_cache;

void ipc_marequest_init(void)
{
    kmem_cache_init(&ipc_marequest_cache, "ipc_marequest", sizeof(struct ipc_marequest), 0);
}

static struct list *ipc_marequest_bucket(struct ipc_space *space, mach_port_name_t name)
{
    return &space->marequests[name % IPC_MAREQUEST_BUCKETS];
}

static bool ipc_marequest_table(struct ipc_space *space)
{
    uint32_t i;

    assert(spin_is_held(&space->lock));
    if (space->marequests == NULL) {
        space->marequests = kalloc(IPC_MAREQUEST_BUCKETS * sizeof(struct list));
        if (space->marequests == NULL) {
            return false;
        }
        for (i = 0; i < IPC_MAREQUEST_BUCKETS; i++) {
            list_init(&space->marequests[i]);
        }
    }
    return true;
}

/* Under the space's lock: check, then change. */
static mach_msg_return_t ipc_marequest_register(struct ipc_space *space, struct ipc_port *port,
                                                mach_port_name_t notify,
                                                struct ipc_marequest *request)
{
    struct ipc_entry *receive = space->active ? ipc_space_lookup(space, notify) : NULL;
    struct ipc_entry *entry;

    assert(spin_is_held(&space->lock) && IP_VALID(port));
    if (receive == NULL || (receive->bits & MACH_PORT_TYPE_RECEIVE) == 0) {
        return MACH_SEND_INVALID_NOTIFY;
    }
    entry = ipc_right_find(space, port);
    if (entry != NULL && (entry->bits & IPC_ENTRY_MAREQUEST) != 0) {
        return MACH_SEND_NOTIFY_IN_PROGRESS;
    }
    if (!ipc_marequest_table(space)) {
        return MACH_SEND_NO_NOTIFY;
    }
    request->request->notify = ipc_port_make_sonce(receive->port);
    if (entry != NULL) {
        entry->bits |= IPC_ENTRY_MAREQUEST;
        request->request->name = ipc_space_name(space, entry);
        list_insert_tail(ipc_marequest_bucket(space, request->request->name), &request->link);
    }
    return MACH_MSG_SUCCESS;
}

mach_msg_return_t ipc_marequest_create(struct ipc_space *space, struct ipc_port *port,
                                       mach_port_name_t notify, struct ipc_marequest **result)
{
    struct ipc_marequest *request = kmem_cache_alloc(&ipc_marequest_cache);
    mach_msg_return_t mr;

    if (request == NULL) {
        return MACH_SEND_NO_NOTIFY;
    }
    list_init(&request->link);
    request->space = space;
    request->request = ipc_port_request_alloc();
    if (request->request == NULL) {
        kmem_cache_free(&ipc_marequest_cache, request);
        return MACH_SEND_NO_NOTIFY;
    }
    spin_lock(&space->lock);
    mr = ipc_marequest_register(space, port, notify, request);
    spin_unlock(&space->lock);
    if (mr != MACH_MSG_SUCCESS) {
        ipc_port_request_free(request->request);
        kmem_cache_free(&ipc_marequest_cache, request);
        return mr;
    }
    ipc_space_ref(space);
    *result = request;
    return MACH_MSG_SUCCESS;
}

void ipc_marequest_accept(struct ipc_marequest *marequest)
{
    struct ipc_space *space = marequest->space;
    struct ipc_request *request;

    spin_lock(&space->lock);
    request = marequest->request;
    if (list_is_linked(&marequest->link)) {
        struct ipc_entry *entry = ipc_space_lookup(space, request->name);

        list_remove(&marequest->link);
        if (entry != NULL) {
            entry->bits &= ~IPC_ENTRY_MAREQUEST;
        }
    }
    spin_unlock(&space->lock);
    if (request != NULL) {
        ipc_notify_msg_accepted(request->notify, request->name);
        ipc_port_request_free(request);
    }
    ipc_space_unref(space);
    kmem_cache_free(&ipc_marequest_cache, marequest);
}

static struct ipc_marequest *ipc_marequest_find(struct ipc_space *space, mach_port_name_t name)
{
    assert(spin_is_held(&space->lock));
    list_for_each (ipc_marequest_bucket(space, name), node) {
        struct ipc_marequest *request = list_entry(node, struct ipc_marequest, link);

        if (request->request->name == name) {
            return request;
        }
    }
    return NULL;
}

struct ipc_request *ipc_marequest_cancel(struct ipc_space *space, mach_port_name_t name)
{
    struct ipc_marequest *marequest = ipc_marequest_find(space, name);
    struct ipc_request *request;

    assert(marequest != NULL);
    list_remove(&marequest->link);
    request = marequest->request;
    marequest->request = NULL;
    return request;
}

void ipc_marequest_rename(struct ipc_space *space, mach_port_name_t from, mach_port_name_t to)
{
    struct ipc_marequest *request = ipc_marequest_find(space, from);

    assert(request != NULL);
    list_remove(&request->link);
    request->request->name = to;
    list_insert_tail(ipc_marequest_bucket(space, to), &request->link);
}

void ipc_marequest_forget(struct ipc_space *space)
{
    struct list *table;

    spin_lock(&space->lock);
    table = space->marequests;
    space->marequests = NULL;
    spin_unlock(&space->lock);
    if (table != NULL) {
        kfree(table, IPC_MAREQUEST_BUCKETS * sizeof(struct list));
    }
}
