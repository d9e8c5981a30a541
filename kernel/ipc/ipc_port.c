/* ipc_port.c - ports: their life, the rights that have no name, and requests for notifications. See
 * ipc_port.h. */
#include "ipc/ipc_port.h"

#include "ipc/ipc_kmsg.h"
#include "ipc/ipc_mqueue.h"
#include "ipc/ipc_notify.h"
#include "ipc/ipc_pset.h"
#include "ipc/ipc_space.h"
#include "kern/assert.h"
#include "kern/atomic.h"
#include "kern/ledger.h"
#include "kern/mutex.h"
#include "kern/string.h"
#include "kern/task.h"
#include "vm/slab.h"

static struct kmem_cache ipc_port_cache;
static struct kmem_cache ipc_request_cache;
struct mutex ipc_port_transit_mutex;
static uint64_t ipc_port_transits; /* [transit_mutex] messages with receive rights so far */

void ipc_port_init(void)
{
    kmem_cache_init(&ipc_port_cache, "ipc_port", sizeof(struct ipc_port), 64);
    kmem_cache_init(&ipc_request_cache, "ipc_request", sizeof(struct ipc_request), 0);
    mutex_init(&ipc_port_transit_mutex, "ipc_port_transit");
}

uint64_t ipc_port_live_count(void)
{
    struct kmem_cache_stats stats;

    kmem_cache_stats(&ipc_port_cache, &stats);
    return stats.live;
}

/* --- references --- */

void ipc_port_ref(struct ipc_port *port)
{
    assert(IP_VALID(port));
    atomic_inc(&port->refs);
}

void ipc_port_unref(struct ipc_port *port)
{
    assert(IP_VALID(port) && port->refs != 0);
    if (atomic_dec_and_test(&port->refs)) {
        assert(!port->active && list_empty(&port->messages) && port->charged == NULL);
        kmem_cache_free(&ipc_port_cache, port);
    }
}

/* --- life --- */

struct ipc_port *ipc_port_create(struct task *task)
{
    struct ipc_port *port;

    if (task != NULL && !ledger_charge(&task->ledger, LEDGER_PORTS, 1)) {
        return NULL;
    }
    port = kmem_cache_alloc(&ipc_port_cache);
    if (port == NULL) {
        if (task != NULL) {
            ledger_credit(&task->ledger, LEDGER_PORTS, 1);
        }
        return NULL;
    }
    memset(port, 0, sizeof(*port));
    spin_init(&port->lock, LOCK_RANK_PORT, "ipc_port");
    port->refs = 1;
    port->active = true;
    port->qlimit = MACH_PORT_QLIMIT_DEFAULT;
    list_init(&port->messages);
    list_init(&port->receivers);
    list_init(&port->senders);
    list_init(&port->pset_link);
    list_init(&port->ready_link);
    list_init(&port->dnrequests);
    if (task != NULL) {
        task_ref(task);
        port->charged = task;
    }
    return port;
}

struct ipc_port *ipc_port_alloc_kernel(enum kobject_type type, void *object)
{
    struct ipc_port *port = ipc_port_create(NULL);

    if (port != NULL) {
        port->receiver = &ipc_space_kernel;
        port->kobject_type = (uint8_t)type;
        port->kobject = object;
    }
    return port;
}

void ipc_port_destroy_kernel(struct ipc_port *port)
{
    spin_lock(&port->lock);
    assert(port->active && port->receiver == &ipc_space_kernel);
    port->kobject_type = KOBJECT_NONE;
    port->kobject = NULL;
    ipc_port_destroy(port);
}

void ipc_port_clear_receiver(struct ipc_port *port, mach_msg_return_t result)
{
    assert(spin_is_held(&port->lock));
    if (port->pset != NULL) {
        ipc_pset_remove(port->pset, port);
    }
    ipc_mqueue_wake_receivers(&port->receivers, result);
    port->mscount = 0;
    port->seqno = 0;
}

void ipc_port_receive_moved(struct ipc_port *port)
{
    if (IP_VALID(port)) {
        spin_lock(&port->lock);
        ipc_port_clear_receiver(port, MACH_RCV_PORT_CHANGED);
        spin_unlock(&port->lock);
    }
}

/* Tell who asked that the port has died. */
static void ipc_port_notify_dead(struct list *requests)
{
    struct list *node;

    while ((node = list_pop(requests)) != NULL) {
        struct ipc_request *request = list_entry(node, struct ipc_request, link);

        ipc_notify_dead_name(request->notify, request->name);
        ipc_port_request_free(request);
    }
}

/* The port is inactive and nobody finds its queue any more: give back what it held. */
static void ipc_port_bury(struct ipc_port *port, struct list *messages, struct list *requests)
{
    struct ipc_port *nsrequest = port->nsrequest;
    struct task *charged = port->charged;

    assert(!port->active && port->msgcount == 0);
    port->nsrequest = IP_NULL;
    port->charged = NULL;
    if (!list_empty(messages)) {
        ipc_kmsg_destroy_list(messages);
    }
    ipc_port_notify_dead(requests);
    if (nsrequest != IP_NULL) {
        ipc_notify_send_once(nsrequest);
    }
    if (charged != NULL) {
        ledger_credit(&charged->ledger, LEDGER_PORTS, 1);
        task_unref(charged);
    }
    ipc_port_unref(port);
}

void ipc_port_destroy(struct ipc_port *port)
{
    struct ipc_port *pdrequest = port->pdrequest;
    struct list messages;
    struct list requests;

    assert(spin_is_held(&port->lock) && port->active);
    ipc_port_clear_receiver(port, MACH_RCV_PORT_DIED);
    port->receiver = NULL;
    port->receiver_name = MACH_PORT_NAME_NULL;
    if (pdrequest != IP_NULL) {
        port->pdrequest = IP_NULL;
        spin_unlock(&port->lock);
        ipc_notify_port_destroyed(pdrequest, port);
        return;
    }
    atomic_store_release(&port->active, false); /* read without the lock by ipc_right_check() */
    list_init(&messages);
    list_init(&requests);
    list_splice_tail(&messages, &port->messages);
    list_splice_tail(&requests, &port->dnrequests);
    port->msgcount = 0;
    port->dnrequest_count = 0;
    ipc_mqueue_wake_senders(port);
    spin_unlock(&port->lock);
    ipc_port_bury(port, &messages, &requests);
}

/* --- circles ---
 *
 * A port in a message points at the port the message goes to. Pointers are set under the mutex, all
 * those of a message at once and with its number, before anybody asks whether they close a circle.
 * The way from there on is walked without the mutex, since it may be long:
 *
 *   - Only pointers with a lower number are followed. Such a pointer was there before ours were set
 *     and since then, so what is found is a circle and not pieces of different times.
 *   - A pointer with a higher number ends the walk: if it is part of a circle with ours, whoever
 * set it finds ours. So of all that close a circle together the last one finds it.
 *   - Until that one has destroyed its message, another walk can come into the circle without being
 *     part of it: it ends when it is where it was.
 *
 * A port nothing was ever sent to in this way cannot be part of a circle. */

uint64_t ipc_port_new_transit(struct ipc_port *dest)
{
    assert(IP_VALID(dest) && mutex_is_held(&ipc_port_transit_mutex));
    spin_lock(&dest->lock);
    dest->was_destination = true;
    spin_unlock(&dest->lock);
    ipc_port_transits += 1;
    return ipc_port_transits;
}

bool ipc_port_set_in_transit(struct ipc_port *port, struct ipc_port *dest, uint64_t transit)
{
    bool was_destination;

    assert(IP_VALID(port) && mutex_is_held(&ipc_port_transit_mutex));
    ipc_port_ref(dest);
    spin_lock(&port->lock);
    assert(port->destination == IP_NULL);
    port->destination = dest;
    port->transit = transit;
    was_destination = port->was_destination;
    spin_unlock(&port->lock);
    return was_destination;
}

/* Where the port is going, with a reference; *transit is the number of the message. */
static struct ipc_port *ipc_port_following(struct ipc_port *port, uint64_t *transit)
{
    struct ipc_port *following;

    spin_lock(&port->lock);
    following = port->destination;
    *transit = port->transit;
    if (following != IP_NULL) {
        ipc_port_ref(following);
    }
    spin_unlock(&port->lock);
    return following;
}

bool ipc_port_is_circular(struct ipc_port *dest, uint64_t transit)
{
    const struct ipc_port *landmark = dest; /* to see it again is to walk in a circle of others */
    struct ipc_port *at = dest;
    uint64_t number = 0;
    uint64_t steps = 0;

    assert(IP_VALID(dest));
    ipc_port_ref(at);
    for (;;) {
        struct ipc_port *following = ipc_port_following(at, &number);

        ipc_port_unref(at);
        if (following == IP_NULL) {
            return false;
        }
        at = following;
        steps += 1;
        if (number >= transit || at == landmark) {
            ipc_port_unref(at);
            return number == transit;
        }
        if ((steps & (steps - 1)) == 0) {
            landmark = at;
        }
    }
}

/* --- rights without a name --- */

/* One more right, with its reference, if the port lives. */
static inline __attribute__((always_inline)) struct ipc_port *
ipc_port_add_right(struct ipc_port *port, uint32_t made, uint32_t srights, uint32_t sorights)
{
    bool active;

    if (!IP_VALID(port)) {
        return port;
    }
    spin_lock(&port->lock);
    active = port->active;
    if (active) {
        assert(made != 0 || sorights != 0 || port->srights > 0);
        port->mscount += made;
        port->srights += srights;
        port->sorights += sorights;
        ipc_port_ref(port);
    }
    spin_unlock(&port->lock);
    return active ? port : IP_DEAD;
}

struct ipc_port *ipc_port_make_send(struct ipc_port *port)
{
    return ipc_port_add_right(port, 1, 1, 0);
}

struct ipc_port *ipc_port_copy_send(struct ipc_port *port)
{
    return ipc_port_add_right(port, 0, 1, 0);
}

struct ipc_port *ipc_port_try_copy_send(struct ipc_port *port)
{
    bool taken;

    spin_lock(&port->lock);
    taken = port->active && port->srights != 0;
    if (taken) {
        port->srights += 1;
        ipc_port_ref(port);
    }
    spin_unlock(&port->lock);
    return taken ? port : IP_DEAD;
}

struct ipc_port *ipc_port_make_sonce(struct ipc_port *port)
{
    return ipc_port_add_right(port, 0, 0, 1);
}

void ipc_port_release_send(struct ipc_port *port)
{
    struct ipc_port *nsrequest = IP_NULL;
    uint32_t mscount;

    if (!IP_VALID(port)) {
        return;
    }
    spin_lock(&port->lock);
    assert(port->srights > 0);
    port->srights -= 1;
    mscount = port->mscount;
    if (port->active && port->srights == 0) {
        nsrequest = port->nsrequest;
        port->nsrequest = IP_NULL;
    }
    spin_unlock(&port->lock);
    if (nsrequest != IP_NULL) {
        ipc_notify_no_senders(nsrequest, mscount);
    }
    ipc_port_unref(port);
}

void ipc_port_release_sonce(struct ipc_port *port)
{
    if (!IP_VALID(port)) {
        return;
    }
    spin_lock(&port->lock);
    assert(port->sorights > 0);
    port->sorights -= 1;
    spin_unlock(&port->lock);
    ipc_port_unref(port);
}

static void ipc_port_release_receive(struct ipc_port *port)
{
    struct ipc_port *destination;

    assert(IP_VALID(port));
    spin_lock(&port->lock);
    destination = port->destination;
    port->destination = IP_NULL;
    ipc_port_destroy(port);
    if (destination != IP_NULL) {
        ipc_port_unref(destination);
    }
}

void ipc_port_release_right(struct ipc_port *port, uint32_t type)
{
    if (!IP_VALID(port)) {
        return;
    }
    if (type == MACH_MSG_TYPE_PORT_RECEIVE) {
        ipc_port_release_receive(port);
    } else if (type == MACH_MSG_TYPE_PORT_SEND) {
        ipc_port_release_send(port);
    } else {
        assert(type == MACH_MSG_TYPE_PORT_SEND_ONCE);
        ipc_notify_send_once(port);
    }
}

/* --- state --- */

bool ipc_port_is_kernel(const struct ipc_port *port)
{
    return atomic_load(&port->receiver) == &ipc_space_kernel;
}

void ipc_port_nsrequest(struct ipc_port *port, uint32_t sync, struct ipc_port *notify,
                        struct ipc_port **previous)
{
    uint32_t mscount = port->mscount;
    bool now = notify != IP_NULL && port->srights == 0 && sync <= mscount;

    assert(spin_is_held(&port->lock) && port->active);
    *previous = port->nsrequest;
    port->nsrequest = now ? IP_NULL : notify;
    spin_unlock(&port->lock);
    if (now) {
        ipc_notify_no_senders(notify, mscount);
    }
}

void ipc_port_pdrequest(struct ipc_port *port, struct ipc_port *notify, struct ipc_port **previous)
{
    assert(spin_is_held(&port->lock) && port->active);
    *previous = port->pdrequest;
    port->pdrequest = notify;
    spin_unlock(&port->lock);
}

struct ipc_request *ipc_port_request_alloc(void)
{
    struct ipc_request *request = kmem_cache_alloc(&ipc_request_cache);

    if (request != NULL) {
        list_init(&request->link);
        request->notify = IP_NULL;
        request->name = MACH_PORT_NAME_NULL;
    }
    return request;
}

struct ipc_request *ipc_port_dnrequest(struct ipc_port *port, mach_port_name_t name,
                                       struct ipc_port *notify)
{
    struct ipc_request *request = ipc_port_request_alloc();

    assert(spin_is_held(&port->lock) && port->active);
    if (request == NULL) {
        return NULL;
    }
    request->notify = notify;
    request->name = name;
    list_insert_tail(&port->dnrequests, &request->link);
    port->dnrequest_count += 1;
    return request;
}

void ipc_port_dncancel(struct ipc_port *port, struct ipc_request *request)
{
    assert(spin_is_held(&port->lock) && port->active);
    list_remove(&request->link);
    port->dnrequest_count -= 1;
}

void ipc_port_request_free(struct ipc_request *request)
{
    kmem_cache_free(&ipc_request_cache, request);
}

void ipc_port_set_qlimit(struct ipc_port *port, uint32_t qlimit)
{
    assert(spin_is_held(&port->lock));
    port->qlimit = qlimit;
    ipc_mqueue_admit_senders(port);
}
