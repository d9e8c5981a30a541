/* pager.c - the life of objects of the pager library. They are found by a number that no other ever
 * had, the protected payload of the port's messages: so what comes late, or is forged with another
 * port's payload, finds nothing.
 *
 * The lock guards the list and what other threads read of an object. Nothing is called with it but
 * traps and stubs that change a reference. */
#include "pager/pager_impl.h"

#include <mach_debug.h>
#include <mach_port.h>
#include <memory_object_server.h>
#include <portolan/portolan.h>
#include <portolan/server_loop.h>
#include <portolan/thread.h>
#include <stdlib.h>

#define PAGER_CHAINS   64u
#define PAGER_FIRST_ID (1ul << 48) /* no name of a port, and no address */

static struct portolan_lock pager_lock;
static struct pager *pager_chains[PAGER_CHAINS]; /* [pager_lock] by id */
static uint64_t pager_last_id = PAGER_FIRST_ID;  /* [pager_lock] */

static struct pager **pager_place(uint64_t id)
{
    struct pager **place = &pager_chains[id % PAGER_CHAINS];

    while (*place != NULL && (*place)->id != id) {
        place = &(*place)->next;
    }
    return place;
}

static struct pager *pager_find(uint64_t id)
{
    struct pager *pager;

    portolan_lock_acquire(&pager_lock);
    pager = *pager_place(id);
    portolan_lock_release(&pager_lock);
    return pager;
}

static void pager_insert(struct pager *pager)
{
    portolan_lock_acquire(&pager_lock);
    pager_last_id += 1;
    pager->id = pager_last_id;
    *pager_place(pager->id) = pager;
    portolan_lock_release(&pager_lock);
}

static void pager_free(struct pager *pager)
{
    portolan_lock_acquire(&pager_lock);
    *pager_place(pager->id) = pager->next;
    portolan_lock_release(&pager_lock);
    free(pager);
}

/* --- the beginning --- */

static struct pager *pager_new(const struct pager_ops *ops, void *context,
                               const struct pager_attributes *attributes)
{
    struct pager *pager = calloc(1, sizeof(*pager));

    if (pager != NULL) {
        pager->ops = ops;
        pager->context = context;
        pager->attributes = *attributes;
        pager_insert(pager);
    }
    return pager;
}

kern_return_t pager_create(mach_port_t set, const struct pager_ops *ops, void *context,
                           const struct pager_attributes *attributes, struct pager **pager)
{
    struct pager *fresh = pager_new(ops, context, attributes);
    kern_return_t kr;

    if (fresh == NULL) {
        return KERN_RESOURCE_SHORTAGE;
    }
    kr = server_object_create(set, fresh->id, &fresh->port);
    if (kr != KERN_SUCCESS) {
        pager_free(fresh);
        return kr;
    }
    *pager = fresh;
    return KERN_SUCCESS;
}

kern_return_t pager_adopt(mach_port_t set, const struct pager_ops *ops, void *context,
                          const struct pager_attributes *attributes, mach_port_t receive,
                          struct pager **pager)
{
    struct pager *fresh = pager_new(ops, context, attributes);
    kern_return_t kr;

    if (fresh == NULL) {
        return KERN_RESOURCE_SHORTAGE;
    }
    fresh->port = receive;
    kr = mach_port_set_protected_payload(mach_task_self(), receive, fresh->id);
    kr = kr == KERN_SUCCESS ? server_watch_senders(receive, 0) : kr;
    kr = kr == KERN_SUCCESS ? mach_port_move_member(mach_task_self(), receive, set) : kr;
    if (kr != KERN_SUCCESS) {
        pager_free(fresh);
        return kr;
    }
    *pager = fresh;
    return KERN_SUCCESS;
}

mach_port_t pager_port(const struct pager *pager)
{
    return pager->port;
}

kern_return_t pager_map(const struct pager *pager, mach_port_t task, vm_address_t *address,
                        vm_size_t size, vm_offset_t offset, vm_prot_t protection)
{
    kern_return_t kr =
        mach_port_insert_right(mach_task_self(), pager->port, pager->port, MACH_MSG_TYPE_MAKE_SEND);

    if (kr != KERN_SUCCESS) {
        return kr;
    }
    kr = vm_map(task, address, size, 0, *address == 0, pager->port, offset, false, protection,
                VM_PROT_ALL, VM_INHERIT_DEFAULT);
    (void)mach_port_mod_refs(mach_task_self(), pager->port, MACH_PORT_RIGHT_SEND, -1);
    return kr;
}

/* --- the end --- */

void pager_no_senders(uint64_t port, mach_port_mscount_t mscount)
{
    struct pager *pager = pager_find(port);
    mach_port_status_t status = {.mps_mscount = mscount};

    if (pager == NULL) {
        return;
    }
    /* Anyone can say so, and a right may have been made since. */
    if (mach_port_get_receive_status(mach_task_self(), pager->port, &status) != KERN_SUCCESS ||
        status.mps_srights) {
        (void)server_watch_senders(pager->port, status.mps_mscount);
        return;
    }
    if (pager->ops->end != NULL) {
        pager->ops->end(pager, pager->context);
    }
    portolan_port_destroy_receive(pager->port);
    if (pager->control != MACH_PORT_NULL) { /* forged: the kernel's goes before its right */
        pager_control_drop(pager->control);
        pager_control_drop(pager->name);
    }
    pager_free(pager);
}

kern_return_t pager_destroy(struct pager *pager)
{
    mach_port_t control = pager_control_take(pager);

    if (control == MACH_PORT_NULL) {
        return KERN_FAILURE;
    }
    (void)memory_object_destroy(control, KERN_SUCCESS);
    pager_control_drop(control);
    return KERN_SUCCESS;
}

/* --- the message that is served --- */

boolean_t pager_demux(mach_msg_header_t *in, mach_msg_header_t *out)
{
    return pager_find(server_current_object()) != NULL && memory_object_server(in, out);
}

struct pager *pager_served_any(void)
{
    return pager_find(server_current_object());
}

struct pager *pager_served(mach_port_t control)
{
    struct pager *pager = pager_served_any();

    return pager != NULL && MACH_PORT_VALID(control) && pager->control == control ? pager : NULL;
}

struct pager *pager_asked(mach_port_t control)
{
    struct pager *pager = pager_served(control);

    return pager != NULL && pager_is_kernel(control) ? pager : NULL;
}

void pager_served_end(mach_port_t control)
{
    pager_control_drop(control);
}

/* --- the control port --- */

bool pager_is_kernel(mach_port_t control)
{
    unsigned type = 0;
    vm_offset_t address;

    return MACH_PORT_VALID(control) &&
           mach_port_kernel_object(mach_task_self(), control, &type, &address) == KERN_SUCCESS &&
           type != 0;
}

void pager_set_control(struct pager *pager, mach_port_t control)
{
    portolan_lock_acquire(&pager_lock);
    pager->control = control;
    portolan_lock_release(&pager_lock);
}

mach_port_t pager_control_take(struct pager *pager)
{
    mach_port_t control;

    portolan_lock_acquire(&pager_lock);
    control = pager->control;
    if (control != MACH_PORT_NULL &&
        mach_port_mod_refs(mach_task_self(), control, MACH_PORT_RIGHT_SEND, 1) != KERN_SUCCESS) {
        control = MACH_PORT_NULL; /* it has died; memory_object_terminate is on its way */
    }
    portolan_lock_release(&pager_lock);
    if (control != MACH_PORT_NULL && !pager_is_kernel(control)) {
        pager_control_drop(control);
        control = MACH_PORT_NULL;
    }
    return control;
}

void pager_control_drop(mach_port_t control)
{
    (void)mach_port_deallocate(mach_task_self(), control);
}

/* --- attributes --- */

struct pager_attributes pager_attributes_of(struct pager *pager)
{
    struct pager_attributes attributes;

    portolan_lock_acquire(&pager_lock);
    attributes = pager->attributes;
    portolan_lock_release(&pager_lock);
    return attributes;
}

void pager_change(struct pager *pager, const struct pager_attributes *attributes)
{
    mach_port_t control = pager_control_take(pager);

    portolan_lock_acquire(&pager_lock);
    pager->attributes = *attributes;
    portolan_lock_release(&pager_lock);
    if (control != MACH_PORT_NULL) {
        (void)memory_object_change_attributes(control, attributes->may_cache,
                                              attributes->copy_strategy, MACH_PORT_NULL);
        pager_control_drop(control);
    }
}
