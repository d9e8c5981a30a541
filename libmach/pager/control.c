/* control.c - calls to the kernel about an object: answers that come later, cleaning, flushing,
 * locking. */
#include "pager/pager_impl.h"

#include <mach/mig_support.h>
#include <portolan/portolan.h>

#define CONFIRMATION_SIZE 256   /* memory_object_lock_completed, with room behind it */
#define PAGER_BARRIER     2299  /* no routine has that number */
#define CONFIRMATION_MS   10000 /* the kernel sends it in the call */

static bool control_is_whole(vm_offset_t offset, vm_size_t size)
{
    return ((offset | size) & (PAGER_PAGE_SIZE - 1)) == 0 && offset + size >= offset;
}

/* --- answers --- */

kern_return_t pager_supply(struct pager *pager, vm_offset_t offset, void *data, vm_size_t size,
                           bool deallocate)
{
    return pager_supply_locked(pager, offset, data, size, deallocate,
                               pager_attributes_of(pager).lock);
}

kern_return_t pager_supply_locked(struct pager *pager, vm_offset_t offset, void *data,
                                  vm_size_t size, bool deallocate, vm_prot_t lock)
{
    mach_port_t control = pager_control_take(pager);
    kern_return_t kr = KERN_INVALID_ARGUMENT;

    if (control_is_whole(offset, size) && (uint32_t)size == size) {
        kr = KERN_SUCCESS;
        if (control != MACH_PORT_NULL) {
            kr = memory_object_data_supply(control, offset, (pointer_t)data,
                                           (mach_msg_type_number_t)size, deallocate, lock, false,
                                           MACH_PORT_NULL);
            deallocate = deallocate && kr != KERN_SUCCESS;
        }
    }
    if (deallocate) {
        (void)syscall_vm_deallocate(mach_task_self(), (vm_address_t)data, size);
    }
    if (control != MACH_PORT_NULL) {
        pager_control_drop(control);
    }
    return kr;
}

void pager_unavailable(struct pager *pager, vm_offset_t offset, vm_size_t size)
{
    mach_port_t control = pager_control_take(pager);

    if (control != MACH_PORT_NULL) {
        (void)memory_object_data_unavailable(control, offset, size);
        pager_control_drop(control);
    }
}

void pager_error(struct pager *pager, vm_offset_t offset, vm_size_t size, kern_return_t code)
{
    mach_port_t control = pager_control_take(pager);

    if (control != MACH_PORT_NULL) {
        (void)memory_object_data_error(control, offset, size, code);
        pager_control_drop(control);
    }
}

/* --- what is in memory --- */

/* Wait for the kernel's word on this thread's reply port: done, or the right to say so destroyed.
 */
static kern_return_t control_await(mach_port_t reply_port)
{
    union {
        mach_msg_header_t head;
        char room[CONFIRMATION_SIZE];
    } m;
    bool done;

    if (mach_msg(&m.head, MACH_RCV_MSG | MACH_RCV_TIMEOUT, 0, sizeof(m), reply_port,
                 CONFIRMATION_MS, MACH_PORT_NULL) != MACH_MSG_SUCCESS) {
        mig_dealloc_reply_port(reply_port); /* it may come yet */
        return KERN_FAILURE;
    }
    done = m.head.msgh_id == MEMORY_OBJECT_LOCK_COMPLETED;
    mach_msg_destroy(&m.head);
    return done ? KERN_SUCCESS : KERN_FAILURE;
}

static kern_return_t control_lock(struct pager *pager, vm_offset_t offset, vm_size_t size,
                                  memory_object_return_t should_return, bool flush, vm_prot_t lock)
{
    mach_port_t control = pager_control_take(pager);
    kern_return_t kr;

    if (control == MACH_PORT_NULL) {
        return KERN_FAILURE;
    }
    kr = memory_object_lock_request(control, offset, size, should_return, flush, lock,
                                    mig_get_reply_port());
    /* No other call in between: its reply would come on the same port. */
    kr = kr == KERN_SUCCESS ? control_await(mig_get_reply_port()) : KERN_FAILURE;
    pager_control_drop(control);
    return kr;
}

kern_return_t pager_clean(struct pager *pager, vm_offset_t offset, vm_size_t size)
{
    return control_lock(pager, offset, size, MEMORY_OBJECT_RETURN_DIRTY, false, VM_PROT_NO_CHANGE);
}

kern_return_t pager_flush(struct pager *pager, vm_offset_t offset, vm_size_t size)
{
    return control_lock(pager, offset, size, MEMORY_OBJECT_RETURN_DIRTY, true, VM_PROT_NO_CHANGE);
}

kern_return_t pager_discard(struct pager *pager, vm_offset_t offset, vm_size_t size)
{
    return control_lock(pager, offset, size, MEMORY_OBJECT_RETURN_NONE, true, VM_PROT_NO_CHANGE);
}

/* A message that nobody serves is answered in its turn, too. */
kern_return_t pager_barrier(struct pager *pager)
{
    union {
        mach_msg_header_t head;
        char room[CONFIRMATION_SIZE];
    } m = {
        .head = {.msgh_bits = MACH_MSGH_BITS(MACH_MSG_TYPE_MAKE_SEND, MACH_MSG_TYPE_MAKE_SEND_ONCE),
                 .msgh_size = sizeof(m.head),
                 .msgh_remote_port = pager->port,
                 .msgh_local_port = mig_get_reply_port(),
                 .msgh_id = PAGER_BARRIER}};

    return mach_msg(&m.head, MACH_SEND_MSG | MACH_RCV_MSG, sizeof(m.head), sizeof(m),
                    m.head.msgh_local_port, MACH_MSG_TIMEOUT_NONE, MACH_PORT_NULL);
}

kern_return_t pager_restrict(struct pager *pager, vm_offset_t offset, vm_size_t size,
                             vm_prot_t lock)
{
    return control_lock(pager, offset, size, MEMORY_OBJECT_RETURN_NONE, false, lock);
}
