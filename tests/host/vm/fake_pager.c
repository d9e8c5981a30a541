/* fake_pager.c - ports without messages, and the kernel's messages to pagers as calls of the test.
 */
#include "fake_pager.h"

#include <stdlib.h>

#include "ipc/ipc_fastask.h"
#include "ipc/ipc_port.h"
#include "kern/clock.h"
#include "kern/ipc_tt.h"
#include "kern/thread.h"
#include "memory_object_default_kernel_user.h"
#include "memory_object_kernel_user.h"

void (*fake_pager)(const struct fake_message *message);
kern_return_t fake_send_result;
uint64_t fake_port_count;
struct ipc_port *fake_default_object;
struct vm_object *fake_named_object;
struct thread fake_thread;

/* --- ports: a right is a reference --- */

struct ipc_port *ipc_port_create(struct task *task)
{
    struct ipc_port *port = calloc(1, sizeof(*port));

    (void)task;
    spin_init(&port->lock, LOCK_RANK_PORT, "port");
    list_init(&port->dnrequests);
    port->refs = 1;
    port->active = true;
    fake_port_count += 1;
    return port;
}

struct ipc_port *ipc_port_alloc_kernel(enum kobject_type type, void *object)
{
    struct ipc_port *port = ipc_port_create(NULL);

    port->kobject_type = (uint8_t)type;
    port->kobject = object;
    return port;
}

void ipc_port_ref(struct ipc_port *port)
{
    port->refs += 1;
}

void ipc_port_unref(struct ipc_port *port)
{
    port->refs -= 1;
    if (port->refs == 0) {
        fake_port_count -= 1;
        free(port);
    }
}

struct ipc_port *ipc_port_copy_send(struct ipc_port *port)
{
    if (!port->active) {
        return IP_DEAD;
    }
    ipc_port_ref(port);
    return port;
}

struct ipc_port *ipc_port_try_copy_send(struct ipc_port *port)
{
    return ipc_port_copy_send(port);
}

struct ipc_port *ipc_port_make_send(struct ipc_port *port)
{
    return ipc_port_copy_send(port);
}

struct ipc_port *ipc_port_make_sonce(struct ipc_port *port)
{
    return ipc_port_copy_send(port);
}

void ipc_port_release_send(struct ipc_port *port)
{
    if (IP_VALID(port)) {
        ipc_port_unref(port);
    }
}

void ipc_port_release_sonce(struct ipc_port *port)
{
    ipc_port_release_send(port);
}

void ipc_port_destroy_kernel(struct ipc_port *port)
{
    port->active = false;
    port->kobject_type = KOBJECT_NONE;
    ipc_port_unref(port);
}

void ipc_port_release_right(struct ipc_port *port, uint32_t type)
{
    if (IP_VALID(port) && type == MACH_MSG_TYPE_PORT_RECEIVE) {
        fake_pager_kill(port);
    } else {
        ipc_port_release_send(port);
    }
}

void ipc_port_clear_receiver(struct ipc_port *port, mach_msg_return_t result)
{
    (void)port;
    (void)result;
}

bool ipc_port_is_kernel(const struct ipc_port *port)
{
    return port->kobject_type != KOBJECT_NONE;
}

struct ipc_request *ipc_port_dnrequest(struct ipc_port *port, mach_port_name_t name,
                                       struct ipc_port *notify)
{
    struct ipc_request *request = calloc(1, sizeof(*request));

    request->notify = notify;
    request->name = name;
    list_insert_tail(&port->dnrequests, &request->link);
    return request;
}

void ipc_port_dncancel(struct ipc_port *port, struct ipc_request *request)
{
    (void)port;
    list_remove(&request->link);
}

void ipc_port_request_free(struct ipc_request *request)
{
    free(request);
}

/* No thread of a pager waits. */
void ipc_fastask(struct ipc_port *dest, struct ipc_port *right, uint64_t *body, uint32_t words,
                 uint32_t id, struct waitq *waitq, struct spinlock *lock, uint64_t deadline_ns,
                 void (*continuation)(void))
{
    (void)dest;
    (void)right;
    (void)body;
    (void)words;
    (void)id;
    (void)waitq;
    (void)lock;
    (void)deadline_ns;
    (void)continuation;
}

/* The name 1 stands for fake_named_object. */
struct vm_object *port_name_to_memory_control(mach_port_name_t name)
{
    return name == 1 && memory_object_try_ref(fake_named_object) ? fake_named_object : NULL;
}

struct vm_object *convert_port_to_memory_control(struct ipc_port *port)
{
    struct vm_object *object = port->kobject;

    return port->kobject_type == KOBJECT_MEMORY_CONTROL && memory_object_try_ref(object) ? object
                                                                                         : NULL;
}

/* --- threads --- */

void thread_run_kernel(const char *name, void (*function)(void *), int priority)
{
    (void)name;
    (void)function;
    (void)priority;
}

void thread_sleep(uint64_t ns)
{
    (void)ns;
}

uint64_t fake_now_ns = 1000000000;

uint64_t clock_now_ns(void)
{
    return fake_now_ns;
}

/* --- pagers --- */

struct ipc_port *fake_pager_port(void)
{
    return ipc_port_create(NULL);
}

struct ipc_port *fake_pager_right(struct ipc_port *port)
{
    return ipc_port_copy_send(port);
}

void fake_pager_kill(struct ipc_port *port)
{
    struct list *node;

    port->active = false;
    while ((node = list_pop(&port->dnrequests)) != NULL) {
        struct ipc_request *request = list_entry(node, struct ipc_request, link);

        memory_object_pager_died(request->notify);
        ipc_port_release_sonce(request->notify);
        free(request);
    }
    ipc_port_unref(port);
}

void fake_pager_reap(void)
{
    while (memory_object_end_one()) {
    }
}

/* Is it a message whose sender waits for room in the pager's queue? */
static bool fake_is_question(int id)
{
    return id == 2200 || id == 2202 || id == 2203 || id == 2204;
}

/* Hand the message to the test, then drop the rights that were sent. */
static kern_return_t fake_send(struct fake_message *message, struct ipc_port *pager,
                               struct ipc_port *control)
{
    bool dead = !IP_VALID(pager) || !pager->active;
    kern_return_t kr = fake_is_question(message->id) ? fake_send_result : KERN_SUCCESS;

    message->port = pager;
    if (!dead && fake_pager != NULL && kr == KERN_SUCCESS) {
        fake_pager(message);
    } else {
        vm_copy_discard(message->data);
        ipc_port_release_right(message->new_object, MACH_MSG_TYPE_PORT_RECEIVE);
    }
    ipc_port_release_send(control);
    ipc_port_release_send(pager);
    return dead ? MACH_SEND_INVALID_DEST : kr;
}

static struct vm_object *fake_object(const struct ipc_port *control)
{
    return IP_VALID(control) ? control->kobject : NULL;
}

kern_return_t memory_object_init(mach_port_t pager, mach_msg_timeout_t timeout, mach_port_t control,
                                 mach_port_t name, vm_size_t page_size)
{
    struct fake_message message = {.id = 2200, .object = fake_object(control), .length = page_size};

    (void)timeout;
    ipc_port_release_send(name);
    return fake_send(&message, pager, control);
}

kern_return_t memory_object_terminate(mach_port_t pager, mach_port_t control, mach_port_t name)
{
    struct fake_message message = {.id = 2201};

    ipc_port_release_right(name, MACH_MSG_TYPE_PORT_RECEIVE);
    ipc_port_ref(control);
    ipc_port_release_right(control, MACH_MSG_TYPE_PORT_RECEIVE);
    return fake_send(&message, pager, control);
}

kern_return_t memory_object_copy(mach_port_t pager, mach_msg_timeout_t timeout, mach_port_t control,
                                 vm_offset_t offset, vm_size_t length, mach_port_t new_object)
{
    struct fake_message message = {.id = 2202,
                                   .object = fake_object(control),
                                   .offset = offset,
                                   .length = length,
                                   .new_object = new_object};

    (void)timeout;
    return fake_send(&message, pager, control);
}

kern_return_t memory_object_data_request(mach_port_t pager, mach_msg_timeout_t timeout,
                                         mach_port_t control, vm_offset_t offset, vm_size_t length,
                                         vm_prot_t access)
{
    struct fake_message message = {.id = 2203,
                                   .object = fake_object(control),
                                   .offset = offset,
                                   .length = length,
                                   .access = access};

    (void)timeout;
    return fake_send(&message, pager, control);
}

kern_return_t memory_object_data_unlock(mach_port_t pager, mach_msg_timeout_t timeout,
                                        mach_port_t control, vm_offset_t offset, vm_size_t length,
                                        vm_prot_t access)
{
    struct fake_message message = {.id = 2204,
                                   .object = fake_object(control),
                                   .offset = offset,
                                   .length = length,
                                   .access = access};

    (void)timeout;
    return fake_send(&message, pager, control);
}

kern_return_t memory_object_data_return(mach_port_t pager, mach_port_t control, vm_offset_t offset,
                                        struct vm_copy *data, uint32_t size, boolean_t dirty,
                                        boolean_t kernel_copy)
{
    struct fake_message message = {.id = 2208,
                                   .object = fake_object(control),
                                   .offset = offset,
                                   .length = size,
                                   .data = data,
                                   .dirty = dirty != 0,
                                   .kernel_copy = kernel_copy != 0};

    return fake_send(&message, pager, control);
}

static kern_return_t fake_completed(mach_port_t reply, struct ipc_port *control)
{
    ipc_port_release_send(control);
    ipc_port_release_send(reply);
    return KERN_SUCCESS;
}

kern_return_t memory_object_lock_completed(mach_port_t reply, mach_msg_type_name_t type,
                                           mach_port_t control, vm_offset_t offset,
                                           vm_size_t length)
{
    (void)type;
    (void)offset;
    (void)length;
    return fake_completed(reply, control);
}

kern_return_t memory_object_supply_completed(mach_port_t reply, mach_msg_type_name_t type,
                                             mach_port_t control, vm_offset_t offset,
                                             vm_size_t length, kern_return_t result,
                                             vm_offset_t error_offset)
{
    (void)type;
    (void)offset;
    (void)length;
    (void)result;
    (void)error_offset;
    return fake_completed(reply, control);
}

kern_return_t memory_object_change_completed(mach_port_t reply, mach_msg_type_name_t type,
                                             boolean_t may_cache,
                                             memory_object_copy_strategy_t copy_strategy)
{
    (void)type;
    (void)may_cache;
    (void)copy_strategy;
    return fake_completed(reply, NULL);
}

/* --- the default pager --- */

kern_return_t memory_object_create(mach_port_t pager, mach_port_t port, vm_size_t size,
                                   mach_port_t control, mach_port_t name, vm_size_t page_size)
{
    struct fake_message message = {.id = 2250, .object = fake_object(control), .length = size};

    (void)page_size;
    fake_default_object = port;
    ipc_port_release_send(name);
    return fake_send(&message, pager, control);
}

kern_return_t memory_object_data_initialize(mach_port_t pager, mach_port_t control,
                                            vm_offset_t offset, struct vm_copy *data, uint32_t size)
{
    struct fake_message message = {.id = 2251,
                                   .object = fake_object(control),
                                   .offset = offset,
                                   .length = size,
                                   .data = data,
                                   .dirty = true};

    return fake_send(&message, pager, control);
}
