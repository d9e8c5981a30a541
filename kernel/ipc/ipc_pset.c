/* ipc_pset.c - port sets: membership and the order in which members are served. See ipc_pset.h. */
#include "ipc/ipc_pset.h"

#include "ipc/ipc_mqueue.h"
#include "ipc/ipc_port.h"
#include "kern/assert.h"
#include "kern/atomic.h"
#include "vm/slab.h"

static struct kmem_cache ipc_pset_cache;

void ipc_pset_init(void)
{
    kmem_cache_init(&ipc_pset_cache, "ipc_pset", sizeof(struct ipc_pset), 64);
}

struct ipc_pset *ipc_pset_create(mach_port_name_t name)
{
    struct ipc_pset *pset = kmem_cache_alloc(&ipc_pset_cache);

    if (pset == NULL) {
        return NULL;
    }
    spin_init(&pset->lock, LOCK_RANK_PSET, "ipc_pset");
    pset->refs = 1;
    pset->active = true;
    pset->name = name;
    pset->member_count = 0;
    list_init(&pset->members);
    list_init(&pset->ready);
    list_init(&pset->receivers);
    return pset;
}

void ipc_pset_ref(struct ipc_pset *pset)
{
    assert(atomic_load(&pset->refs) != 0);
    atomic_inc(&pset->refs);
}

void ipc_pset_unref(struct ipc_pset *pset)
{
    if (atomic_dec_and_test(&pset->refs)) {
        assert(!pset->active && pset->member_count == 0);
        kmem_cache_free(&ipc_pset_cache, pset);
    }
}

bool ipc_pset_add(struct ipc_pset *pset, struct ipc_port *port)
{
    assert(spin_is_held(&port->lock) && port->pset == NULL && port->active);
    spin_lock(&pset->lock);
    if (!pset->active) {
        spin_unlock(&pset->lock);
        return false;
    }
    ipc_pset_ref(pset);
    port->pset = pset;
    list_insert_tail(&pset->members, &port->pset_link);
    pset->member_count += 1;
    if (port->msgcount != 0) {
        list_insert_tail(&pset->ready, &port->ready_link);
    }
    spin_unlock(&pset->lock);
    ipc_mqueue_wake_receivers(&port->receivers, MACH_RCV_PORT_CHANGED);
    ipc_mqueue_pump(port);
    return true;
}

void ipc_pset_remove(struct ipc_pset *pset, struct ipc_port *port)
{
    assert(pset->member_count != 0);
    assert(spin_is_held(&port->lock) && port->pset == pset);
    spin_lock(&pset->lock);
    list_remove(&port->pset_link);
    list_remove(&port->ready_link);
    pset->member_count -= 1;
    port->pset = NULL;
    spin_unlock(&pset->lock);
    ipc_pset_unref(pset);
}

/* The first member, with a reference, or NULL. */
static struct ipc_port *ipc_pset_first(struct ipc_pset *pset)
{
    struct ipc_port *port = NULL;
    struct list *node;

    spin_lock(&pset->lock);
    node = list_first(&pset->members);
    if (node != NULL) {
        port = list_entry(node, struct ipc_port, pset_link);
        ipc_port_ref(port);
    }
    spin_unlock(&pset->lock);
    return port;
}

void ipc_pset_destroy(struct ipc_pset *pset)
{
    struct ipc_port *port;

    spin_lock(&pset->lock);
    pset->active = false;
    ipc_mqueue_wake_receivers(&pset->receivers, MACH_RCV_PORT_DIED);
    spin_unlock(&pset->lock);
    while ((port = ipc_pset_first(pset)) != NULL) {
        spin_lock(&port->lock);
        if (port->pset == pset) {
            ipc_pset_remove(pset, port);
        }
        spin_unlock(&port->lock);
        ipc_port_unref(port);
    }
    ipc_pset_unref(pset);
}
