/* memory_object_default.c - the default pager, which has the pages of anonymous memory that are not
 * in memory.
 *
 * An object gets its memory object, a port made here whose receive right goes to the default pager,
 * when the first page is sent. Such an object is ready at once: its pager has no say. */
#include "vm/memory_object.h"

#include "ipc/ipc_port.h"
#include "kern/assert.h"
#include "mach_kernel_server.h"
#include "memory_object_default_kernel_user.h"

static struct spinlock memory_object_default_lock =
    SPINLOCK_INITIALIZER(LOCK_RANK_TASK, "default pager");
static struct ipc_port *memory_object_default; /* [memory_object_default_lock] send right or NULL */

/* Returns: KERN_SUCCESS. Refs: *default_manager is taken over, and one given in its place. A null
 * port only asks; with a dead one nobody takes pages of anonymous memory that are not in swap yet,
 * until there is a port again. */
kern_return_t vm_set_default_memory_manager(host_priv_t host, mach_port_t *default_manager)
{
    struct ipc_port *new = *default_manager;
    struct ipc_port *old;

    (void)host;
    spin_lock(&memory_object_default_lock);
    if (new == IP_NULL) {
        old = ipc_port_copy_send(memory_object_default);
    } else {
        old = memory_object_default;
        memory_object_default = new != IP_DEAD ? new : IP_NULL;
    }
    spin_unlock(&memory_object_default_lock);
    *default_manager = old;
    return KERN_SUCCESS;
}

static struct ipc_port *memory_object_default_right(void)
{
    struct ipc_port *pager;

    if (atomic_load(&memory_object_default) == IP_NULL) {
        return IP_NULL;
    }
    spin_lock(&memory_object_default_lock);
    pager = ipc_port_copy_send(memory_object_default);
    spin_unlock(&memory_object_default_lock);
    return pager;
}

bool memory_object_default_takes(void)
{
    return atomic_load(&memory_object_default) != IP_NULL;
}

/* Hand the object's new port over. Refs: consumes both. */
static kern_return_t memory_object_hand_over(struct vm_object *object, struct ipc_port *pager,
                                             struct ipc_port *port)
{
    struct ipc_port *control = ipc_port_make_send(object->pager_control);
    struct ipc_port *name = ipc_port_make_send(object->pager_name);
    kern_return_t kr = memory_object_create(pager, port, object->size, control, name, PAGE_SIZE);

    if (kr == MACH_SEND_NO_BUFFER) {
        ipc_port_release_send(control);
        ipc_port_release_send(name);
        ipc_port_release_right(port, MACH_MSG_TYPE_PORT_RECEIVE);
        ipc_port_release_send(pager);
    }
    return kr;
}

/* Only one thread pages out, so only one does this to an object. */
bool memory_object_back(struct vm_object *object)
{
    uint32_t flags = atomic_load(&object->flags);
    struct ipc_port *pager;
    struct ipc_port *port;
    struct ipc_port *right;
    kern_return_t kr;

    if ((flags & VM_OBJECT_PAGER_CREATED) != 0) {
        return atomic_load(&object->pager) != NULL;
    }
    pager = memory_object_default_right();
    port = IP_VALID(pager) ? ipc_port_create(NULL) : NULL;
    if (port == NULL) {
        ipc_port_release_send(pager);
        return false;
    }
    port->qlimit = UINT32_MAX; /* or who asks would wait for room while pages are sent */
    right = ipc_port_make_send(port);
    kr = memory_object_attach(object, port);
    ipc_port_release_send(right);
    if (kr != KERN_SUCCESS) {
        ipc_port_release_right(port, MACH_MSG_TYPE_PORT_RECEIVE);
        ipc_port_release_send(pager);
        return false;
    }
    if (memory_object_hand_over(object, pager, port) != KERN_SUCCESS) {
        memory_object_detach(object);
        return false;
    }
    spin_lock(&object->lock);
    object->flags |= VM_OBJECT_PAGER_CREATED | VM_OBJECT_PAGER_INITIALIZED | VM_OBJECT_PAGER_READY;
    spin_unlock(&object->lock);
    return true;
}

bool memory_object_is_defaults(struct vm_object *object)
{
    struct ipc_space *receiver = NULL;
    bool same;

    if ((object->flags & VM_OBJECT_INTERNAL) != 0) {
        return true;
    }
    spin_lock(&object->lock);
    if (object->pager != NULL) {
        receiver = atomic_load(&object->pager->receiver);
    }
    spin_unlock(&object->lock);
    spin_lock(&memory_object_default_lock);
    same = receiver != NULL && IP_VALID(memory_object_default) &&
           atomic_load(&memory_object_default->receiver) == receiver;
    spin_unlock(&memory_object_default_lock);
    return same;
}
